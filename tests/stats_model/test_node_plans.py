"""Plans of the nodes above the run."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from boldglm.errors import BadDataError
from boldglm.glm import fit_second_level
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.node_plans import check_run_groups, plan_node
from boldglm.stats_model.parsing import parse_stats_model
from model_nodes import GROUP, SUBJECT

RUN = {
    "Level": "Run",
    "Name": "run",
    "GroupBy": ["run", "subject"],
    "Model": {"Type": "glm", "X": ["go", "stop", 1]},
    "DummyContrasts": {"Test": "t"},
}
PEOPLE = {
    "01": {"sex": "f", "age": "20"},
    "02": {"sex": "m", "age": "30"},
    "03": {"sex": "f", "age": "n/a"},
    "04": {"sex": "m", "age": "40"},
}


def model_of(*nodes, edges=None):
    content = {"Name": "m", "BIDSModelVersion": "1.0.0", "Nodes": [copy.deepcopy(RUN), *nodes]}
    if edges:
        content["Edges"] = edges
    return parse_stats_model(content)


def run_items(contrasts=("go", "stop"), runs=("1", "2")):
    return [
        NodeInput(
            "run",
            f"{subject}-{run}",
            f"sub-{subject}_run-{run}",
            contrast,
            {"sub": subject, "task": "x", "run": run},
            metadata,
        )
        for subject, metadata in PEOPLE.items()
        for run in runs
        for contrast in contrasts
    ]


def planned(model, items):
    """Plan all nodes above the run; return the plans by name of the node."""
    items, found = list(items), {}
    for node in model.higher_level_nodes():
        found[node.name] = plan_node(model, node, items)
        for number, plan in enumerate(found[node.name]):
            items += plan.results(f"{node.name}-{number}", str(plan.entities))
    return found


def test_runs_are_combined_within_subjects_and_subjects_tested_contrast_by_contrast():
    plans = planned(model_of(SUBJECT, GROUP), run_items())
    assert [plan.entities for plan in plans["subject"]] == [
        {"sub": subject, "task": "x"} for subject in PEOPLE
    ]
    first = plans["subject"][0]
    assert [[spec.name for spec in fit.contrasts] for fit in first.fits] == [["go"], ["stop"]]
    assert first.input_keys == ("01-1", "01-2")
    (group,) = plans["group"]
    assert group.entities == {"task": "x"}
    assert [len(fit.inputs) for fit in group.fits] == [4, 4]


def test_a_covariate_gives_a_contrast_named_after_the_incoming_one():
    group = {**GROUP, "Model": {"Type": "glm", "X": [1, "age"]}}
    (plan,) = planned(model_of(SUBJECT, group), run_items())["group"]
    assert [spec.name for spec in plan.fits[0].contrasts] == ["go", "go_age"]
    np.testing.assert_allclose(plan.fits[0].design.matrix, [[1, 20], [1, 30], [1, 40]])
    assert any("03" in note.text and "no age" in note.text for note in plan.notes)


def test_text_gets_an_indicator_for_each_level_but_the_first_beside_a_constant():
    group = {**GROUP, "Model": {"Type": "glm", "X": [1, "sex"]}}
    (plan,) = planned(model_of(SUBJECT, group), run_items())["group"]
    assert plan.fits[0].design.names == ("intercept", "sex.m")
    np.testing.assert_allclose(plan.fits[0].design.matrix[:, 1], [0, 1, 0, 1])


def test_a_covariate_with_one_value_that_is_no_number_is_refused_with_that_value():
    group = {**GROUP, "Model": {"Type": "glm", "X": [1, "age"]}}
    items = [
        replace(item, metadata={**item.metadata, "age": "89+"})
        if item.entities["sub"] == "01"
        else item
        for item in run_items()
    ]

    with pytest.raises(BadDataError, match="'age' has numbers and also '89\\+'"):
        planned(model_of(SUBJECT, group), items)


def test_a_formula_makes_interactions():
    group = {**GROUP, "Model": {"Type": "glm", "X": ["sex", "age"], "Formula": "0 + sex:age"}}
    (plan,) = planned(model_of(SUBJECT, group), run_items())["group"]
    assert plan.fits[0].design.names == ("sex.f:age", "sex.m:age")
    np.testing.assert_allclose(plan.fits[0].design.matrix, [[20, 0], [0, 30], [0, 40]])


def test_grouping_by_a_participant_column_gives_separate_results():
    group = {**GROUP, "GroupBy": ["contrast", "sex"]}
    plans = planned(model_of(SUBJECT, group), run_items())["group"]
    assert [plan.entities for plan in plans] == [
        {"task": "x", "sex": "f"},
        {"task": "x", "sex": "m"},
    ]
    assert [len(plan.fits[0].inputs) for plan in plans] == [2, 2]


def test_contrasts_grouped_together_are_columns_of_one_design():
    group = {
        **GROUP,
        "GroupBy": [],
        "Model": {"Type": "glm", "X": ["go", "stop"]},
        "Contrasts": [
            {
                "Name": "any",
                "ConditionList": ["go", "stop"],
                "Weights": [[1, 0], [0, 1]],
                "Test": "F",
            }
        ],
    }
    del group["DummyContrasts"]
    (plan,) = planned(model_of(SUBJECT, group), run_items())["group"]
    assert plan.fits[0].design.matrix.shape == (8, 2)
    np.testing.assert_allclose(plan.fits[0].design.matrix.sum(axis=1), 1)
    assert plan.results("key", "label") == ()  # F ends here


def test_a_filter_passes_the_contrasts_it_names():
    edges = [
        {"Source": "run", "Destination": "subject"},
        {"Source": "subject", "Destination": "group", "Filter": {"contrast": ["stop"]}},
    ]
    (plan,) = planned(model_of(SUBJECT, GROUP, edges=edges), run_items())["group"]
    assert [spec.name for fit in plan.fits for spec in fit.contrasts] == ["stop"]


def test_a_filter_is_a_conjunction():
    edges = [
        {"Source": "run", "Destination": "subject"},
        {
            "Source": "subject",
            "Destination": "group",
            "Filter": {"contrast": ["stop"], "sex": ["f"]},
        },
    ]
    (plan,) = planned(model_of(SUBJECT, GROUP, edges=edges), run_items())["group"]
    assert [item.label for item in plan.fits[0].inputs] == [
        str({"sub": subject, "task": "x"}) for subject in ("01", "03")
    ]


def test_a_node_with_two_parents_receives_from_both():
    other = {**SUBJECT, "Name": "minus", "DummyContrasts": None, "Contrasts": [
        {"Name": "minus", "ConditionList": [1], "Weights": [-1], "Test": "t"}]}  # fmt: skip
    edges = [
        {"Source": "run", "Destination": "subject"},
        {"Source": "run", "Destination": "minus"},
        {"Source": "subject", "Destination": "group"},
        {"Source": "minus", "Destination": "group"},
    ]
    (plan,) = planned(model_of(SUBJECT, other, GROUP, edges=edges), run_items())["group"]
    names = [spec.name for fit in plan.fits for spec in fit.contrasts]
    assert names == ["go", "stop", "go_minus", "stop_minus"]


def test_sessions_of_one_run_each_need_no_run_entity():
    items = [
        NodeInput("run", f"{k}", f"ses-{k}", "go", {"sub": "01", "ses": str(k), "task": "x"})
        for k in (1, 2)
    ]
    (plan,) = planned(model_of({**SUBJECT, "GroupBy": ["run", "subject", "contrast"]}), items)[
        "subject"
    ]
    assert plan.entities == {"sub": "01", "task": "x"}


def test_two_geometries_are_never_mixed():
    items = [
        NodeInput("run", space, space, "go", {"sub": "01", "task": "x", "space": space})
        for space in ("MNI", "T1w")
    ]
    plans = planned(model_of(SUBJECT), items)["subject"]
    assert [plan.entities["space"] for plan in plans] == ["MNI", "T1w"]


def test_a_dummy_contrast_that_no_input_has_is_refused():
    group = {
        **GROUP,
        "GroupBy": [],
        "Model": {"Type": "glm", "X": ["go", "stop"]},
        "DummyContrasts": {"Contrasts": ["go", "gone"], "Test": "t"},
    }
    with pytest.raises(BadDataError, match=r"'gone' is not a column of X\..* Did you mean"):
        planned(model_of(SUBJECT, group), run_items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"GroupBy": ["contrast", "handedness"]}, "no input has 'handedness'"),
        ({"Model": {"Type": "glm", "X": [1, "agee"]}}, "Did you mean 'age'"),
        ({"Model": {"Type": "glm", "X": ["sex"], "Formula": "log(sex)"}}, "cannot be parsed"),
    ],
)
def test_a_name_that_no_input_has_is_refused(change, words):
    with pytest.raises(BadDataError, match=words):
        planned(model_of(SUBJECT, {**GROUP, **change}), run_items())


def test_a_filter_for_an_unknown_contrast_is_refused():
    edges = [
        {"Source": "run", "Destination": "subject"},
        {"Source": "subject", "Destination": "group", "Filter": {"contrast": ["stopp"]}},
    ]
    words = r"\$\.Edges\[1\]\.Filter: .*'stopp', which 'subject' does not have\..* Did"
    with pytest.raises(BadDataError, match=words):
        planned(model_of(SUBJECT, GROUP, edges=edges), run_items())


def test_a_run_node_cannot_group_by_an_unknown_name():
    node = model_of().root
    check_run_groups(node, [{"age": "20"}])
    with pytest.raises(BadDataError, match=r"no run has 'subjct'\..* Did you mean 'subject'"):
        check_run_groups(replace(node, group_by=("run", "subjct")), [{}])


@pytest.mark.parametrize(
    "change",
    [
        {"Model": {"Type": "glm", "X": [1, "site"]}},
        {
            "Model": {"Type": "glm", "X": [1, "site.*"]},
            "Transformations": {
                "Transformer": "pybids-transforms-v1",
                "Instructions": [{"Name": "Factor", "Input": "site", "Constraint": "drop_one"}],
            },
        },
    ],
)
def test_the_reference_level_is_the_same_where_a_group_of_inputs_lacks_it(change):
    sites = {"01": "a", "02": "b", "03": "c", "04": "c"}
    items = [
        replace(item, metadata={"site": sites[item.entities["sub"]]})
        for item in run_items()
        if not (item.contrast == "stop" and sites[item.entities["sub"]] == "a")
    ]
    (plan,) = planned(model_of(SUBJECT, {**GROUP, **change}), items)["group"]
    go, stop = plan.fits
    assert go.design.names == stop.design.names == ("intercept", "site.b", "site.c")
    np.testing.assert_array_equal(stop.design.matrix[:, 1:], [[1, 0], [0, 1], [0, 1]])


@pytest.mark.parametrize("constraint", ["none", "drop_one", "mean_zero"])
def test_a_participant_without_a_category_is_excluded_with_a_notice(constraint):
    known = {"01": "a", "02": None, "03": "b", "04": "b"}
    items = [replace(one, metadata={"site": known[one.entities["sub"]]}) for one in run_items()]
    factor = {"Name": "Factor", "Input": "site", "Constraint": constraint}
    group = {
        **GROUP,
        "Model": {"Type": "glm", "X": ["site.*"] if constraint == "none" else [1, "site.*"]},
        "Transformations": {"Transformer": "pybids-transforms-v1", "Instructions": [factor]},
    }
    (plan,) = planned(model_of(SUBJECT, group), items)["group"]
    assert [one.entities["sub"] for one in plan.fits[0].inputs] == ["01", "03", "04"]
    (note,) = [notice for notice in plan.notes if notice.kind == "exclusion"]
    assert "'02'" in note.text
    assert "has no site." in note.text
    assert note.kind == "exclusion"


def test_participants_can_be_columns_for_pairs():
    group = {
        **GROUP,
        "GroupBy": [],
        "Model": {"Type": "glm", "X": ["go", "stop", "subject"]},
        "Contrasts": [
            {"Name": "pairs", "ConditionList": ["go", "stop"], "Weights": [1, -1], "Test": "t"}
        ],
    }
    (plan,) = planned(model_of(SUBJECT, group), run_items())["group"]
    design = plan.fits[0].design
    labels = [f"subject.{label}" for label in PEOPLE]
    assert list(design.names[2:]) == labels
    y = np.random.default_rng(3).normal(size=8)
    left = {item.contrast: [] for item in plan.fits[0].inputs}
    for item, value in zip(plan.fits[0].inputs, y, strict=True):
        left[item.contrast].append(value)
    found = fit_second_level(y[:, np.newaxis], design.matrix).contrast([1, -1, 0, 0, 0, 0])
    expected = stats.ttest_rel(left["go"], left["stop"]).statistic
    np.testing.assert_allclose(found.t, expected)


def test_columns_that_match_a_pattern_are_sorted():
    factor = {"Name": "Factor", "Input": "sex"}
    group = {
        **GROUP,
        "Model": {"Type": "glm", "X": ["sex.*"]},
        "Transformations": {"Transformer": "pybids-transforms-v1", "Instructions": [factor]},
    }
    model = model_of(SUBJECT, group)
    items = [item for plan in planned(model, run_items())["subject"]
             for item in plan.results(str(plan.entities), "label")]  # fmt: skip
    for known in (["sex.m", "sex.f", "sex.x"], ["sex.x", "sex.f", "sex.m"]):
        (plan,) = plan_node(model, model.nodes[-1], items, frozenset(known))
        assert plan.fits[0].design.names == ("sex.f", "sex.m")
        assert plan.fits[0].design.dropped == ("sex.x",)


OVER_CONDITIONS = {
    **SUBJECT,
    "GroupBy": ["subject"],
    "Model": {"Type": "meta", "X": ["go", "stop"]},
    "Contrasts": [
        {"Name": "diff", "ConditionList": ["go", "stop"], "Weights": [1, -1], "Test": "t"}
    ],
}


def lacking_stop():
    return [item for item in run_items() if item.entities["sub"] != "02" or item.contrast == "go"]


def test_a_participant_without_a_condition_keeps_the_names_of_the_others():
    plans = planned(model_of(OVER_CONDITIONS, GROUP), lacking_stop())
    subjects = {plan.entities["sub"]: plan for plan in plans["subject"]}
    names = {sub: [spec.name for spec in plan.fits[0].contrasts] for sub, plan in subjects.items()}
    assert names["01"] == ["diff", "go", "stop"]
    assert names["02"] == ["go"]  # not go_go: it goes on together with that of the others
    assert any(
        "'diff'" in note.text and "no input has stop" in note.text for note in subjects["02"].notes
    )
    (group,) = plans["group"]
    sizes = {fit.inputs[0].contrast: len(fit.inputs) for fit in group.fits}
    assert sizes == {"diff": 3, "go": 4, "stop": 3}


def test_one_participant_alone_may_lack_what_a_filter_or_x_names():
    alone = [item for item in lacking_stop() if item.entities["sub"] == "02"]
    edges = [
        {"Source": "run", "Destination": "subject"},
        {"Source": "subject", "Destination": "group", "Filter": {"contrast": ["stop"]}},
    ]
    plans = planned(model_of(OVER_CONDITIONS, GROUP, edges=edges), alone)
    assert [spec.name for spec in plans["subject"][0].fits[0].contrasts] == ["go"]
    assert plans["group"] == ()


def test_several_inputs_of_one_participant_are_one_block():
    (straight,) = planned(model_of(GROUP), run_items())["group"]
    assert any("8 inputs are of 4 participants" in note.text for note in straight.notes)
    assert straight.fits[0].errors.blocks == tuple(
        f"sub-{subject}" for subject in PEOPLE for _ in range(2)
    )
    (by_subject,) = planned(model_of(SUBJECT, GROUP), run_items())["group"]
    assert by_subject.fits[0].errors.blocks == ()
    assert not by_subject.notes


def test_weighted_inputs_of_one_participant_are_refused():
    mixed = with_options({"Estimator": "mixed"})
    with pytest.raises(BadDataError, match=r"8 inputs are of 4 participants.*Estimator ols"):
        planned(model_of(mixed), run_items())
    assert planned(model_of(SUBJECT, mixed), run_items())["group"][0].fits[0].errors.blocks == ()
    both = {**GROUP, "GroupBy": [], "Model": {"Type": "meta", "X": ["go", "stop"]}}
    with pytest.raises(BadDataError, match=r"'go' and 'stop' of .* share their noise"):
        planned(model_of(SUBJECT, both), run_items())


def test_participants_with_the_same_value_of_a_named_column_are_one_block():
    family = with_options({"ExchangeabilityBlocks": "sex"})
    (plan,) = planned(model_of(SUBJECT, family), run_items())["group"]
    assert plan.fits[0].errors.blocks == ("sex f", "sex m", "sex f", "sex m")
    unknown = with_options({"ExchangeabilityBlocks": "sexx"})
    with pytest.raises(BadDataError, match=r"no input has 'sexx'.*sex"):
        planned(model_of(SUBJECT, unknown), run_items())


def with_options(options, x=(1,)):
    return {**GROUP, "Model": {"Type": "glm", "X": list(x), "Software": {"boldglm": options}}}


def many(sexes, sites=None):
    """Return one input for each of many participants, with sex and site."""
    sites = sites or ["a"] * len(sexes)
    return [
        NodeInput("run", f"{k}", f"sub-{k}", "go", {"sub": f"{k}"}, {"sex": sex, "site": site})
        for k, (sex, site) in enumerate(zip(sexes, sites, strict=True))
    ]


@pytest.mark.parametrize("x", [(1, "sex"), ("sex",)])
def test_groups_of_a_category_have_variances_of_their_own(x):
    (plan,) = planned(model_of(with_options({}, x)), many("fffmmmm"))["group"]
    names = ("sex.f", "sex.m") if x == ("sex",) else ("not sex.m", "sex.m")
    assert plan.fits[0].errors.variance_groups == tuple(names["fm".index(s)] for s in "fffmmmm")
    assert any(f"{names[0]} (3), sex.m (4)" in note.text for note in plan.notes)


def test_categories_are_left_out_while_their_groups_are_too_small():
    x = (1, "sex", "site")
    (plan,) = planned(model_of(with_options({}, x)), many("ffffmmmm", "abbbaabb"))["group"]
    assert set(plan.fits[0].errors.variance_groups) == {"sex.m", "not sex.m"}
    (plan,) = planned(model_of(with_options({}, (1, "sex"))), many("ffmmmm"))["group"]
    assert plan.fits[0].errors.variance_groups == ()
    (plan,) = planned(model_of(with_options({})), many("fffmmmm"))["group"]
    assert plan.fits[0].errors.variance_groups == ()


def test_variance_groups_can_be_named_and_turned_off():
    named = with_options({"VarianceGroups": ["sex"]})
    (plan,) = planned(model_of(named), many("ffmmmm"))["group"]
    assert plan.fits[0].errors.variance_groups == tuple(f"sex {sex}" for sex in "ffmmmm")
    pooled = with_options({"VarianceGroups": []}, (1, "sex"))
    (plan,) = planned(model_of(pooled), many("fffmmmm"))["group"]
    assert plan.fits[0].errors.variance_groups == ()
    with pytest.raises(BadDataError, match="the group 'sex f' has 1 inputs, too few"):
        planned(model_of(named), many("fmmmm"))
    with pytest.raises(BadDataError, match="no input has 'sx'"):
        planned(model_of(with_options({"VarianceGroups": "sx"})), many("ffmmmm"))


def _group(x, *contrasts, group_by=("contrast",), instructions=(), **more):
    """Return a Dataset node with contrasts, each a name, conditions and weights."""
    return {
        **GROUP,
        "GroupBy": list(group_by),
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": list(instructions),
        },
        "Model": {"Type": "glm", "X": x, **more},
        "Contrasts": [
            {"Name": name, "ConditionList": names, "Weights": weights, "Test": test}
            for name, names, weights, test in contrasts
        ],
        "DummyContrasts": None,
    }


def _items_of_three_sites():
    sites = {"01": "lund", "02": "oslo", "03": "turku", "04": "lund"}
    return [
        replace(node_input, metadata={"site": sites[node_input.entities["sub"]]})
        for node_input in run_items(["go"], ["1"])
    ]


FACTOR = {"Name": "Factor", "Input": ["site"]}
DROPPED = {**FACTOR, "Constraint": "drop_one", "RefLevel": "lund"}


@pytest.mark.parametrize(
    ("x", "more"),
    [
        ([1, "site"], {}),
        ([1], {"Formula": "1 + C(site)"}),
        ([1, "site.oslo", "site.turku"], {"instructions": [FACTOR]}),
        ([1, "site.*"], {"instructions": [DROPPED]}),
    ],
)
def test_differences_between_levels_need_no_column_of_the_reference_level(x, more):
    node = _group(
        x,
        ("first", ["site.oslo", "site.lund"], [1, -1], "t"),
        ("second", ["site.oslo", "site.turku"], [1, -1], "t"),
        ("mean", ["site.oslo", "site.turku", "site.lund"], ["1/2", "1/2", -1], "t"),
        ("any", ["site.oslo", "site.turku", "site.lund"], [[1, 0, -1], [0, 1, -1]], "F"),
        **more,
    )
    items = _items_of_three_sites()
    (plan,) = planned(model_of(SUBJECT, node), items)["group"]
    (fit,) = plan.fits
    # by hand: the same contrasts of cell means, in a design with a column for every level
    levels = ["lund", "oslo", "turku"]
    of_inputs = [item.metadata["site"] for item in fit.inputs]
    cells = np.array([[float(site == level) for level in levels] for site in of_inputs])
    by_hand = {
        "go_first": [[-1, 1, 0]], "go_second": [[0, 1, -1]], "go_mean": [[-1, 0.5, 0.5]],
        "go_any": [[-1, 1, 0], [-1, 0, 1]],
    }  # fmt: skip
    assert [spec.name for spec in fit.contrasts] == list(by_hand)
    for spec in fit.contrasts:
        weights = np.zeros((len(spec.weights), len(fit.design.names)))
        for k, column in enumerate(spec.columns):
            weights[:, fit.design.names.index(column)] = [row[k] for row in spec.weights]
        estimator = weights @ np.linalg.pinv(fit.design.matrix)
        expected = np.array(by_hand[spec.name]) @ np.linalg.pinv(cells)
        np.testing.assert_allclose(estimator, expected, atol=1e-12)
    texts = [notice.text for notice in plan.notes if notice.kind == "note"]
    assert (
        "contrast 'first' of node 'group': 'site.lund' is the reference level, so the contrast is "
        "over the differences from it, site.oslo"
    ) in texts


@pytest.mark.parametrize(
    ("conditions", "weights"),
    [(["site.lund"], [1]), (["site.oslo", "site.lund"], [1, -0.5]), (["1", "site.lund"], [1, -1])],
)
def test_the_reference_level_alone_is_refused_as_ambiguous(conditions, weights):
    node = _group([1, "site"], ("c", conditions, weights, "t"))
    with pytest.raises(BadDataError, match=r"Contrasts\[0\].*the reference level of 'site'"):
        planned(model_of(SUBJECT, node), _items_of_three_sites())


def test_a_reference_level_that_no_input_has_excludes_the_contrast():
    node = _group([1, "site"], ("c", ["site.oslo", "site.lund"], [1, -1], "t"))
    model = model_of(SUBJECT, node)
    items = [item for item in _items_of_three_sites() if item.metadata["site"] != "lund"]
    subjects = [
        result for plan in plan_node(model, model.node("subject"), items)
        for result in plan.results(plan.input_keys[0], "s")
    ]  # fmt: skip
    (plan,) = plan_node(model, model.node("group"), subjects, frozenset({"site==lund"}))
    assert plan.fits == ()
    assert any("no input has site.lund" in str(notice) for notice in plan.notes)


def test_levels_coded_around_their_mean_are_not_read_as_differences_from_a_reference():
    around = {**FACTOR, "Constraint": "mean_zero"}
    conditions = ["site.oslo", "site.lund"]
    node = _group([1, "site.*"], ("c", conditions, [1, -1], "t"), instructions=[around])
    with pytest.raises(BadDataError, match=r"'site\.lund', which is not a column of X"):
        planned(model_of(SUBJECT, node), _items_of_three_sites())


def test_a_level_of_a_numeric_column_is_refused_with_factor_as_the_remedy():
    items = [
        replace(item, metadata={"arm": str(int(item.entities["sub"]) % 2)})
        for item in run_items(["go"], ["1"])
    ]
    node = _group([1, "arm"], ("c", ["arm.1", "arm.0"], [1, -1], "t"))
    with pytest.raises(BadDataError, match="write a Factor transformation of 'arm'"):
        planned(model_of(SUBJECT, node), items)


def test_a_column_left_out_of_x_is_named_as_reference():
    node = _group([1, "site.oslo", "site.turku"], instructions=[FACTOR])
    node["DummyContrasts"] = {"Test": "t"}
    (plan,) = planned(model_of(SUBJECT, node), _items_of_three_sites())["group"]
    wanted = "differences from the reference level 'lund' of 'site'"
    assert any(wanted in notice.text for notice in plan.notes)


@pytest.mark.parametrize("by", [("contrast",), ()])
def test_a_contrast_that_names_what_comes_in_selects_it(by):
    node = _group([1], ("go", ["go"], [1], "t"), group_by=by)
    plans = planned(model_of(SUBJECT, node), run_items())
    (plan,) = plans["group"]
    (fit,) = plan.fits
    assert [(spec.name, spec.columns) for spec in fit.contrasts] == [("go", ("intercept",))]
    assert {item.contrast for item in fit.inputs} == {"go"}
    assert any("the incoming contrast 'go'" in notice.text for notice in plan.notes)


def test_dummy_contrasts_that_name_what_comes_in_select_it_and_pass_it_on():
    subject = {**SUBJECT, "DummyContrasts": {"Test": "t", "Contrasts": ["stop"]}}
    plans = planned(model_of(subject, GROUP), run_items())
    assert [[spec.name for spec in fit.contrasts] for fit in plans["subject"][0].fits] == [
        ["stop"]
    ]
    (group,) = plans["group"]
    assert [[spec.name for spec in fit.contrasts] for fit in group.fits] == [["stop"]]


def test_a_selected_contrast_has_the_name_that_filters_know():
    subject = {**SUBJECT, "DummyContrasts": {"Test": "t", "Contrasts": ["stop"]}}
    edges = [
        {"Source": "run", "Destination": "subject"},
        {"Source": "subject", "Destination": "group", "Filter": {"contrast": ["stop"]}},
    ]
    (group,) = planned(model_of(subject, GROUP, edges=edges), run_items())["group"]
    assert [fit.inputs[0].contrast for fit in group.fits] == ["stop"]


def test_differences_of_incoming_contrasts_within_one_group_are_refused_with_the_way_to_write():
    node = _group([1], ("d", ["go", "stop"], [1, -1], "t"))
    with pytest.raises(BadDataError, match="write their names into X"):
        planned(model_of(SUBJECT, node), run_items())


def test_a_level_may_differ_from_the_table_in_case_only():
    node = _group([1, "site"], ("d", ["Site.Oslo", "Site.Lund"], [1, -1], "t"))
    (plan,) = planned(model_of(SUBJECT, node), _items_of_three_sites())["group"]
    (spec,) = plan.fits[0].contrasts
    assert spec.weights_by_column == {"site.oslo": 1.0}
    assert any("'Site.Oslo' is read as the level" in str(notice) for notice in plan.notes)


@pytest.mark.parametrize("names", [["oslo", "lund"], ["lund", "oslo"]])
def test_a_level_named_without_its_column_is_found_if_one_category_of_x_has_it(names):
    node = _group([1, "site"], ("d", names, [1, -1], "t"))
    (plan,) = planned(model_of(SUBJECT, node), _items_of_three_sites())["group"]
    (spec,) = plan.fits[0].contrasts
    sign = 1.0 if names[0] == "oslo" else -1.0
    assert spec.weights_by_column == {"site.oslo": sign}
    assert any("'oslo' is read as the level 'site.oslo'" in str(notice) for notice in plan.notes)


def test_the_sum_over_all_levels_is_that_of_their_means():
    conditions = ["site.lund", "site.oslo", "site.turku"]
    node = _group([1, "site"], ("mean", conditions, ["1/3"] * 3, "t"))
    (plan,) = planned(model_of(SUBJECT, node), _items_of_three_sites())["group"]
    (fit,) = plan.fits
    (spec,) = fit.contrasts
    weights = [spec.weights_by_column.get(name, 0.0) for name in fit.design.names]
    estimator = np.array(weights) @ np.linalg.pinv(fit.design.matrix)
    sites = [item.metadata["site"] for item in fit.inputs]
    by_hand = [1 / 3 / sites.count(site) for site in sites]
    np.testing.assert_allclose(estimator, by_hand, atol=1e-12)


def test_a_sum_over_all_levels_beside_a_covariate_is_refused():
    items = [
        replace(item, metadata={**item.metadata, "age": str(20 + number)})
        for number, item in enumerate(_items_of_three_sites())
    ]
    conditions = ["site.lund", "site.oslo", "site.turku"]
    node = _group([1, "site", "age"], ("mean", conditions, ["1/3"] * 3, "t"))
    with pytest.raises(BadDataError, match="do not add up to 0"):
        planned(model_of(SUBJECT, node), items)


def _items_named_in_full():
    return [
        replace(item, contrast=f"trial_type.{item.contrast}") for item in run_items(runs=["1"])
    ]


def test_dummy_contrasts_may_name_incoming_contrasts_without_their_column():
    group = {**GROUP, "DummyContrasts": {"Test": "t", "Contrasts": ["stop"]}}
    run = {**RUN, "Model": {"Type": "glm", "X": ["trial_type.go", "trial_type.stop", 1]}}
    content = {"Name": "m", "BIDSModelVersion": "1.0.0", "Nodes": [run, SUBJECT, group]}
    (plan,) = planned(parse_stats_model(content), _items_named_in_full())["group"]
    (fit,) = plan.fits
    assert [(spec.name, spec.columns) for spec in fit.contrasts] == [("stop", ("intercept",))]
    assert {item.contrast for item in fit.inputs} == {"trial_type.stop"}
    assert any("incoming contrast 'trial_type.stop'" in str(notice) for notice in plan.notes)


def test_a_column_to_group_by_may_differ_in_case_only():
    node = _group([1], ("mean", ["1"], [1], "t"), group_by=["contrast", "Site"])
    plans = planned(model_of(SUBJECT, node), _items_of_three_sites())["group"]
    assert [plan.groups["site"] for plan in plans] == ["lund", "oslo", "turku"]
    assert any("'Site' of GroupBy is read as 'site'" in str(note) for note in plans[0].notes)
