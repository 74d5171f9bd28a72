"""Transformations: their results, and their error messages."""

import numpy as np
import pytest

from boldglm.errors import BadDataError
from boldglm.glm import build_design
from boldglm.stats_model.run_designs import apply_hrf, run_columns
from boldglm.stats_model.specification import HRFSpec, NodeSpec
from boldglm.stats_model.transformations import apply_instructions
from boldglm.stats_model.variables import input_variables, run_variables

FRAME_TIMES = 0.4 + np.arange(60) * 2.0
EVENTS = {
    "onset": [4.0, 16.0, 30.0, 44.0, 60.0, 80.0],
    "duration": [1.0, 1.0, 2.0, 1.0, 0.0, 3.0],
    "trial_type": ["go", "stop", "go", "go", "stop", "go"],
    "rt": ["0.4", "n/a", "0.9", "0.5", "0.7", "0.6"],
    "correct": ["1", "0", "1", "1", "0", "1"],
}
MOTION = np.sin(np.arange(60) / 5)


def variables(missing=(), **more):
    return run_variables({**EVENTS, **more}, {"rot_x": MOTION}, FRAME_TIMES, 120.4, missing)


def run(*instructions, start=None, **options):
    return apply_instructions(start or variables(), instructions, "$.I", **options)[0]


def one(name, **content):
    return {"Name": name, **content}


FACTOR = one("Factor", Input=["trial_type"])


def test_a_model_gives_the_regressors_of_a_design_from_events():
    names = ["trial_type.go", "trial_type.stop"]
    found = run(FACTOR, one("Convolve", Input=["trial_type.*"], Model="glover", Derivative=True))
    node = NodeSpec("run", "run", (), "glm", ("trial_type.*", 1))
    columns = run_columns(found, node)
    events = {key: EVENTS[key] for key in ("onset", "duration")}
    events["trial_type"] = [f"trial_type.{name}" for name in EVENTS["trial_type"]]
    design = build_design(
        events, FRAME_TIMES, hrf_model="glover + derivative", high_pass=None, conditions=names
    )
    assert columns.names == design.names[:-1]
    np.testing.assert_allclose(columns.matrix, design.matrix[:, :-1], rtol=1e-12, atol=1e-14)


def test_model_hrf_convolves_as_the_instruction_does():
    hrf = HRFSpec(("trial_type.*",), "spm")
    by_hrf, _ = apply_hrf(run(FACTOR), hrf, "$.HRF")
    by_instruction = run(FACTOR, one("Convolve", Input=["trial_type.*"], Model="spm"))
    for name in ("trial_type.go", "trial_type.stop"):
        np.testing.assert_allclose(by_hrf[name].values, by_instruction[name].values)


def test_a_variable_is_not_convolved_twice():
    convolved = run(FACTOR, one("Convolve", Input=["trial_type.*"], Model="spm"))
    with pytest.raises(BadDataError, match="not a list of events any more"):
        apply_hrf(convolved, HRFSpec(("trial_type.go",), "spm"), "$.HRF")


def test_events_without_convolution_are_boxcars_at_the_volumes():
    node = NodeSpec("run", "run", (), "glm", ("trial_type.go", 1))
    column = run_columns(run(FACTOR), node).matrix[:, 0]
    assert set(column) == {0.0, 1.0}
    np.testing.assert_allclose(FRAME_TIMES[column > 0][:2], [4.4, 30.4])


def test_a_missing_value_is_not_modeled():
    found = run(one("Convolve", Input=["rt"], Model="spm"))
    kept = [0, 2, 3, 4, 5]
    events = {
        "onset": np.array(EVENTS["onset"])[kept],
        "duration": np.array(EVENTS["duration"])[kept],
        "trial_type": ["rt"] * 5,
        "modulation": [0.4, 0.9, 0.5, 0.7, 0.6],
    }
    expected = build_design(events, FRAME_TIMES, high_pass=None).matrix[:, 0]
    np.testing.assert_allclose(found["rt"].values, expected, rtol=1e-12)


def test_names_are_matched_with_wildcards_and_brackets_taken_literally():
    start = variables(**{"a [x]": ["1"] * 6, "a [y]": ["2"] * 6})
    found = run(one("Demean", Input=["a [x]"]), one("Delete", Input=["a [?]"]), start=start)
    assert [name for name in found.names if name.startswith("a")] == []


def test_a_group_stands_for_its_variables():
    found = run(FACTOR, one("Group", Input=["trial_type.*"], Output="all"),
                one("Or", Input=["all"], Output="any"))  # fmt: skip
    np.testing.assert_allclose(found["any"].values, 1)


def test_a_split_follows_the_levels_of_another_column():
    found = run(one("Split", Input=["rt"], By=["trial_type"]))
    assert "rt" not in found
    np.testing.assert_allclose(found["rt.trial_type[go]"].values, [0.4, 0.9, 0.5, 0.6])
    np.testing.assert_allclose(found["rt.trial_type[go]"].onset, [4, 30, 44, 80])


def test_columns_are_concatenated_to_a_category():
    joined = one("Concatenate", Input=["trial_type", "correct"], Output="both")
    found = run(joined, one("Factor", Input=["both"]))
    assert [name for name in found.names if name.startswith("both")] == [
        "both.go_1",
        "both.stop_0",
    ]


def test_identical_rows_are_counted():
    found = run(one("LabelIdenticalRows", Input=["trial_type"], Cumulative=True))
    np.testing.assert_allclose(found["trial_type_label"].values, [1, 1, 2, 3, 2, 4])
    found = run(one("LabelIdenticalRows", Input=["trial_type"]))
    np.testing.assert_allclose(found["trial_type_label"].values, [1, 1, 1, 2, 1, 1])


def test_an_input_may_be_a_comparison():
    found = run(one("And", Input=["trial_type==go", "correct==1"], Output="hit"))
    np.testing.assert_allclose(found["hit"].values, [1, 0, 1, 1, 0, 1])


def test_values_are_lagged_and_powers_and_logarithms_taken():
    found = run(one("Lag", Input=["rot_x"], Shift=1, Order=0, Output=["late"]),
                one("Power", Input=["rot_x"], Value=2, Output=["squared"]),
                one("Log", Input=["rt"], Output=["log_rt"]))  # fmt: skip
    np.testing.assert_allclose(found["late"].values[1:], MOTION[:-1])
    np.testing.assert_allclose(found["squared"].values, MOTION**2)
    np.testing.assert_allclose(found["log_rt"].values[0], np.log(0.4))


def test_events_and_confounds_are_combined_at_the_volumes():
    found = run(one("Product", Input=["correct", "rot_x"], Output="both"))
    assert found["both"].values.shape == (60,)
    np.testing.assert_allclose(found["both"].values[2], MOTION[2])


def test_a_filter_parses_its_query_and_evaluates_no_code():
    kept = run(one("Filter", Input=["rt"], Query="correct == 1 and rt < 0.6", By=["correct"]))
    np.testing.assert_allclose(kept["rt"].values, [0.4, 0.5])
    with pytest.raises(BadDataError, match="cannot be parsed as a comparison"):
        run(one("Filter", Input=["rt"], Query="__import__('os').getcwd() == 1"))


def test_a_level_that_only_other_runs_have_is_missing_with_what_is_made_from_it():
    known = {"trial_type.nogo", "trial_type.go", "trial_type.stop"}
    start = variables(known)
    found, _ = apply_instructions(
        start,
        [
            FACTOR,
            one("Product", Input=["trial_type.nogo", "rt"], Output="nogo_rt"),
            one("Sum", Input=["trial_type.nogo", "trial_type.go"], Output="any"),
            one("Convolve", Input=["trial_type.nogo", "nogo_rt", "any"], Model="spm"),
        ],
        "$.I",
    )
    assert {"trial_type.nogo", "nogo_rt"} <= found.missing
    assert "any" in found
    node = NodeSpec("run", "run", (), "glm", ("trial_type.nogo", "any", 1))
    columns = run_columns(found, node)
    assert (columns.names, columns.missing) == (("any",), ("trial_type.nogo",))


def test_missing_conditions_error_refuses_a_missing_level():
    with pytest.raises(BadDataError, match=r"no trial_type\.nogo, and --missing-conditions error"):
        run(FACTOR, one("Convolve", Input=["trial_type.nogo"]),
            start=variables({"trial_type.nogo"}), missing="error")  # fmt: skip


def test_a_condition_without_events_is_excluded_with_a_notice():
    found, notes = apply_instructions(
        variables(),
        [one("Threshold", Input=["rt"], Threshold=5, Output=["slow"]),
         one("Convolve", Input=["slow"], Model="spm")],
        "$.I",
    )  # fmt: skip
    assert "slow" in found.missing
    assert any("'slow': all of its events" in note.text for note in notes)


def test_participant_columns_are_transformed():
    rows = input_variables({"sex": ["f", "m", "f"], "age": ["20", "30", "n/a"]})
    found = run(one("Factor", Input=["sex"]), one("Demean", Input=["age"]),
                one("Product", Input=["sex.f", "age"], Output="age.f"), start=rows)  # fmt: skip
    np.testing.assert_allclose(found["age.f"].values, [-5, 0, np.nan])


BAD = [
    (one("Facter", Input=["rt"]), "$.I[0].Name", "Did you mean 'Factor'"),
    (one("Demean", Input=["rtt"]), "$.I[0].Input[0]", "Did you mean 'rt'"),
    (one("Demean", Input=["rt"], Center=True), "$.I[0].Center", "unknown"),
    (one("Demean", Input=["trial_type"]), "$.I[0].Input", "contains text"),
    (one("Threshold", Input=["rt"], Threshold="high"), "$.I[0].Threshold", "number"),
    (one("Product", Input=["rt", "correct"]), "$.I[0].Output", "one name"),
    (one("Sum", Input=["rt", "correct"], Weights=[1], Output="x"), "$.I[0].Weights", "1 weights"),
    (one("Convolve", Input=["rt"], Model="gamma"), "$.I[0].Model", "Known"),
    (one("Convolve", Input=["rt"], Model="fir"), "$.I[0].FirDelays", "missing"),
    (one("Replace", Input=["rt"], Replace=3), "$.I[0].Replace", "object"),
    (one("Assign", Input=["rot_x"], Target=["rt"]), "$.I[0].Input", "is not a list of events"),
    (one("Scale", Input=["flat"]), "$.I[0].Input", "does not vary"),
    (one("Rename", Input=["rt"], Output=["a", "b"]), "$.I[0].Output", "Write one name for each"),
    (one("Log", Input=["correct"]), "$.I[0].Input", "no finite result"),
    (one("Orthogonalize", Input=["rt"], Other=["rt"]), "$.I[0].Other", "itself"),
    (one("Demean", Input=[]), "$.I[0].Input", "Input is empty"),
    (one("Copy", Input=["rt"], Output=[None]), "$.I[0].Output", "as text"),
    (one("Power", Input=["rt"], Value=float("inf")), "$.I[0].Value", "number"),
    (one("ToDense", Input=["rt"], SamplingRate="fast"), "$.I[0].SamplingRate", "TR"),
    (one("ToDense", Input=["rt"], SamplingRate=2**63 - 1), "$.I[0].SamplingRate", "to 1000"),
    (one("ToDense", Input=["rt"], SamplingRate=1e-300), "$.I[0].SamplingRate", "to 1000"),
    (one("Copy", Input=["rt"], Output=[]), "$.I[0].Output", "0 names for 1 inputs"),
    (one("Factor", Input=["trial_type"], Constraint="drop_one", RefLevel="x"),
     "$.I[0].RefLevel", "Levels"),
]  # fmt: skip


@pytest.mark.parametrize(("instruction", "path", "words"), BAD)
def test_a_bad_instruction_is_refused_with_path_and_remedy(instruction, path, words):
    with pytest.raises(BadDataError) as refusal:
        run(instruction, start=variables(flat=["1"] * 6))
    assert f"At {path} " in str(refusal.value) or f"At {path}:" in str(refusal.value)
    assert words in str(refusal.value)


def test_convolution_above_the_run_is_refused():
    with pytest.raises(BadDataError, match="not time series"):
        run(one("Convolve", Input=["age"], Model="spm"), start=input_variables({"age": [1, 2]}))


def test_a_column_of_events_cannot_have_the_name_of_a_confound():
    with pytest.raises(ValueError, match="of both the events and the confounds"):
        variables(rot_x=["1"] * 6)


def test_weights_stay_with_their_inputs_if_one_is_missing():
    found = run(FACTOR, one("Sum", Input=["trial_type.nogo", "trial_type.go"], Weights=[5, 2],
                            Output="x"), start=variables({"trial_type.nogo"}))  # fmt: skip
    np.testing.assert_allclose(found["x"].values, [2, 0, 2, 2, 0, 2])


def test_assigned_pairs_keep_their_names_if_one_is_missing():
    missing = ("trial_type.wait", "wait_rt", "go_rt")
    assign = one(
        "Assign",
        Input=["rt"],
        Target=["trial_type.wait", "trial_type.go"],
        TargetAttr="duration",
        Output=["wait_rt", "go_rt"],
    )
    found = run(FACTOR, assign, start=variables(missing))
    assert "wait_rt" not in found
    assert "wait_rt" in found.missing
    np.testing.assert_array_equal(found["go_rt"].duration, variables()["rt"].values)
    np.testing.assert_array_equal(found["go_rt"].values, found["trial_type.go"].values)

    columns = one(
        "Assign",
        Input=["other", "rt"],
        Target=["trial_type.go", "trial_type.wait"],
        TargetAttr="duration",
    )
    found, notes = apply_instructions(variables((*missing, "other")), [FACTOR, columns], "$.I")
    assert "trial_type.go" not in found, "it must not take the values meant for another"
    assert any("'trial_type.go' gets no duration from 'other'" in note.text for note in notes)


def test_the_duration_of_a_column_of_text_can_be_assigned():
    assign = one(
        "Assign", Input="trial_type", InputAttr="duration", Target="rt", TargetAttr="duration"
    )
    np.testing.assert_array_equal(run(assign)["rt"].duration, EVENTS["duration"])


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("(rt > .4 or correct == 1) and correct == 0", [4]),
        ("correct == 0 and (rt > .4 or correct == 1)", [4]),
        ("rt > .4 or correct == 1 and correct == 0", [2, 3, 4, 5]),
        ("((rt > .4) and (rt < .7)) | rt == .4", [0, 3, 5]),
        ("not (rt > .4)", [0, 1]),
        ("trial_type == 'go and stop' or trial_type == 'stop'", [1, 4]),
        ("trial_type not in ['go', 'wait']", [1, 4]),
        ("(correct==1)&(rt<=.5)", [0, 3]),
        ("rt != .4", [2, 3, 4, 5]),
    ],
)
def test_a_query_may_have_parentheses_and_quotes(query, kept):
    by = ["rt", "correct", "trial_type"]
    start = run(one("Copy", Input="onset_", Output="x"), start=variables(onset_=list("012345")))
    found = run(one("Filter", Input="x", By=by, Query=query), start=start)
    assert found["x"].values.tolist() == kept


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("(rt > .4 and correct == 1", "unbalanced parentheses"),
        ("reply > 0.5", "contains text ('miss'), which cannot be compared with 0.5"),
        ("rt > .4 xor correct == 1", "contains numbers"),
    ],
)
def test_a_query_that_cannot_be_parsed_is_refused(query, words):
    reply = ["10", ".3", "miss", "2", "n/a", "4"]
    with pytest.raises(BadDataError) as caught:
        run(
            one("Filter", Input="rt", By=["correct", "reply"], Query=query),
            start=variables(reply=reply),
        )
    assert words in str(caught.value)
    assert "$.I[0].Query" in str(caught.value)


def test_a_lag_by_whole_samples_does_not_interpolate():
    found = run(one("Lag", Input="rt", Output="before"))
    np.testing.assert_array_equal(found["before"].values, [0.4, 0.4, np.nan, 0.9, 0.5, 0.7])
    ahead = run(one("Lag", Input="rt", Output="after", Shift=-2, Mode="constant", Constant=9))
    np.testing.assert_array_equal(ahead["after"].values, [0.9, 0.5, 0.7, 0.6, 9, 9])


def test_not_of_a_missing_value_is_0():
    start = variables(correct=["1", "0", "n/a", "1", "0", "1"])
    found = run(one("Not", Input="correct", Output="wrong"), start=start)
    assert found["wrong"].values.tolist() == [0, 1, 0, 0, 1, 0]


def test_a_constant_is_scaled_to_zeros_with_replace_na_after():
    start = variables(k=["2", "2", "n/a", "2", "2", "2"])
    found = run(one("Scale", Input="k", ReplaceNa="after"), start=start)
    np.testing.assert_array_equal(found["k"].values, np.zeros(6))


@pytest.mark.parametrize(
    ("instruction", "path", "words"),
    [
        (one("Lag", Input="rt", Order=7), "$.I[0].Order", "from 0 to 5"),
        (one("Lag", Input="rt", Shift=0.5), "$.I[0].Input", "cannot be interpolated"),
        (one("Log", Input="rt", Base="e"), "$.I[0].Base", "Write a number"),
        (one("Log", Input="rt", Base=1), "$.I[0].Base", "other than 1"),
        (
            one("Replace", Input="rt", Attribute="duration", Replace={"1": "long"}),
            "$.I[0].Replace",
            "'long' as duration of 'rt'",
        ),
        (
            one("Convolve", Input="rt", Model="spm", Parameters={"PeakDelay": 4}),
            "$.I[0].Parameters",
            "DoubleGamma",
        ),
        (
            one("Convolve", Input="rt", Model="DoubleGamma", Parameters={"PeakDelay": "x"}),
            "$.I[0].Parameters.PeakDelay",
            "Write a number",
        ),
        (
            one("Convolve", Input="rt", Model="DoubleGamma", Parameters=[4]),
            "$.I[0].Parameters",
            "Write an object",
        ),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(instruction, path, words):
    with pytest.raises(BadDataError) as caught:
        run(instruction)
    assert path in str(caught.value)
    assert words in str(caught.value)


def test_parameters_of_an_hrf_that_has_none_are_refused():
    hrf = HRFSpec(("trial_type.*",), "spm", {"PeakDelay": 4})
    with pytest.raises(BadDataError, match=r"\$\.HRF\.Parameters.*DoubleGamma"):
        apply_hrf(run(FACTOR), hrf, "$.HRF")


def test_an_instruction_after_all_variables_are_removed_is_refused():
    with pytest.raises(
        BadDataError, match="The instructions before this one have removed all variables"
    ):
        run(one("Select", Input=["rt"]), one("Delete", Input=["rt"]), one("Demean", Input=["rt"]))
