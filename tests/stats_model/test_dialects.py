"""Models that say what they want in other words: read, with a note, or refused with the remedy."""

import copy

import pytest

from boldglm.analysis.model.model import parse_model
from boldglm.errors import BadDataError
from boldglm.stats_model.parsing import parse_stats_model
from boldglm.stats_model.transformations import apply_instructions
from boldglm.stats_model.variables import input_variables
from model_nodes import GROUP

MODEL = {
    "Name": "m",
    "BIDSModelVersion": "1.0.0",
    "Nodes": [
        {
            "Level": "Run",
            "Name": "run",
            "GroupBy": ["run", "subject"],
            "Transformations": {
                "Transformer": "pybids-transforms-v1",
                "Instructions": [{"Name": "Factor", "Input": ["trial_type"]}],
            },
            "Model": {
                "Type": "glm",
                "X": ["trial_type.*", 1],
                "HRF": {"Variables": ["trial_type.*"], "Model": "spm"},
            },
            "DummyContrasts": {"Test": "t"},
        },
        GROUP,
    ],
}


@pytest.fixture
def content():
    return copy.deepcopy(MODEL)


def _notes(model):
    return [notice.text for notice in model.notes]


def test_a_transformer_of_another_name_is_read_if_its_transformations_are_known(content):
    content["Nodes"][0]["Transformations"]["Transformer"] = "bidspm"
    model = parse_stats_model(content, "m.json")
    assert [step["Name"] for step in model.root.instructions] == ["Factor"]
    (text,) = _notes(model)
    assert text.startswith("m.json, at $.Nodes[0].Transformations.Transformer: 'bidspm' is read")
    assert "(Factor)" in text


def test_a_transformer_with_an_unknown_transformation_is_refused_by_its_name(content):
    steps = content["Nodes"][0]["Transformations"]
    steps["Transformer"] = "bidspm"
    steps["Instructions"].append({"Name": "Facktor", "Input": ["x"]})
    with pytest.raises(BadDataError) as refusal:
        parse_stats_model(content, "m.json")
    text = str(refusal.value)
    assert text.startswith("m.json, at $.Nodes[0].Transformations.Transformer: found 'bidspm'")
    assert "'Facktor' (Instructions[1])" in text
    assert "Did you mean 'Factor'?" in text


@pytest.mark.parametrize("key", ["HighPassFilterCutoffHz", "LowPassFilterCutoffHz"])
def test_a_temporal_filter_above_the_run_is_ignored_with_a_note(content, key):
    content["Nodes"][1]["Model"]["Options"] = {key: 0.0078}
    model = parse_stats_model(content, "m.json")
    assert model.node("group").options == {}
    (text,) = _notes(model)
    assert f"$.Nodes[1].Model.Options.{key}: the filter at the dataset level is ignored" in text


@pytest.mark.parametrize("key", ["Description", "_comment", "Authors", "//"])
def test_a_key_that_describes_is_noted_wherever_it_stands(content, key):
    content["Nodes"][0]["Model"]["HRF"][key] = "canonical"
    content["Nodes"][0]["Transformations"][key] = "levels"
    model = parse_stats_model(content, "m.json")
    assert model.root.hrf.parameters == {}
    assert f"m.json, at $.Nodes[0].Model.HRF.{key}: the key is a description" in _notes(model)[-1]


def test_a_key_that_may_change_the_model_is_still_refused(content):
    content["Nodes"][0]["Model"]["HRF"]["Derivative"] = True
    with pytest.raises(BadDataError, match=r"HRF\.Derivative: the key is unknown"):
        parse_stats_model(content)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        *(
            ("sub", "subject"),
            ("ses", "session"),
            ("acq", "acquisition"),
            ("rec", "reconstruction"),
        ),
        *(("dir", "direction"), ("desc", "description"), ("Task", "task"), ("ce", "ceagent")),
    ],
)
def test_entities_have_one_table_of_names(content, written, name):
    content["Input"] = {written: ["a"]}
    content["Nodes"][1]["GroupBy"] = ["contrast", written]
    content["Edges"] = [{"Source": "run", "Destination": "group", "Filter": {written: ["a"]}}]
    model = parse_stats_model(content, "m.json")
    assert model.input == {name: ("a",)}
    assert model.node("group").group_by == ("contrast", name)
    assert model.edges[0].filter == {name: ("a",)}
    assert f"m.json, at $.Input.{written}: {written!r} is read as {name!r}" in _notes(model)


def test_an_entity_under_two_names_is_refused(content):
    content["Input"] = {"sub": ["01"], "subject": ["02"]}
    with pytest.raises(BadDataError, match="selected twice, under two names"):
        parse_stats_model(content)


def test_long_names_and_columns_of_tables_are_left_alone(content):
    content["Nodes"][1]["GroupBy"] = ["contrast", "age", "handedness"]
    assert parse_stats_model(content).notes == ()


def _without_factor(content):
    run = content["Nodes"][0]
    run["Transformations"]["Instructions"] = []
    run["Model"]["X"] = ["trial_type.a", "trial_type.b", 1]
    return run


def test_levels_of_trial_type_without_a_factor_are_read_as_if_it_stood_there(content):
    _without_factor(content)
    model = parse_stats_model(content, "m.json")
    assert list(model.root.instructions) == [{"Name": "Factor", "Input": ["trial_type"]}]
    (text,) = _notes(model)
    assert text.startswith("m.json, at $.Nodes[0].Transformations: no Factor makes 'trial_type.a'")


def test_an_implied_factor_stands_before_the_first_instruction_that_needs_it(content):
    run = _without_factor(content)
    run["Model"]["HRF"] = None
    run["Transformations"]["Instructions"] = [
        {"Name": "Replace", "Input": ["trial_type"], "Replace": {"A": "a"}},
        {"Name": "Convolve", "Input": ["trial_type.a", "trial_type.b"], "Model": "spm"},
    ]
    model = parse_stats_model(content, "m.json")
    names = [step["Name"] for step in model.root.instructions]
    assert names == ["Replace", "Factor", "Convolve"]
    assert "stood before Instructions[1]" in _notes(model)[0]


def test_a_column_that_transformations_make_gets_its_factor_after_them(content):
    run = _without_factor(content)
    run["Model"]["X"] = ["both.a_1", "both.a_2", 1]
    run["Model"]["HRF"]["Variables"] = ["both.a_1", "both.a_2"]
    join = {"Name": "Concatenate", "Input": ["trial_type", "half"], "Output": "both"}
    run["Transformations"]["Instructions"] = [join]
    model = parse_stats_model(content, "m.json")
    assert list(model.root.instructions) == [join, {"Name": "Factor", "Input": ["both"]}]


def test_names_that_an_instruction_writes_imply_no_factor(content):
    run = _without_factor(content)
    run["Model"]["X"] = ["trial_type.fast", 1]
    run["Model"]["HRF"] = None
    made = {"Name": "Threshold", "Input": ["rt"], "Output": ["trial_type.fast"]}
    run["Transformations"]["Instructions"] = [made]
    model = parse_stats_model(content, "m.json")
    assert list(model.root.instructions) == [made]
    assert model.notes == ()


def _replaced(values, replacements):
    step = {"Name": "Replace", "Input": ["x"], "Replace": replacements}
    changed, notes = apply_instructions(input_variables({"x": values}), [step], "$.I")
    return changed["x"].values.tolist(), [notice.text for notice in notes]


@pytest.mark.parametrize(
    ("values", "replacements", "expected"),
    [
        (["1", "2", "1.0"], {"1": "7"}, [7.0, 2.0, 7.0]),  # a column of numbers
        (["1", "2", "1"], {"1": "go"}, ["go", "2", "go"]),
        (["1", "01", "1.0", "go"], {"1": "stop"}, ["stop", "01", "1.0", "go"]),  # text, as written
        (["1", "n/a"], {"n/a": 0}, [1.0, 0.0]),
    ],
)
def test_the_key_1_of_replace_is_the_number_or_the_text(values, replacements, expected):
    assert _replaced(values, replacements)[0] == expected


@pytest.mark.parametrize("as_list", [True, False])
def test_replacements_may_be_pairs_of_key_and_value(as_list):
    pair = {"key": "1", "value": "go"}
    values, notes = _replaced(["1", "2", "1"], [pair] if as_list else pair)
    assert values == ["go", "2", "go"]
    assert notes == ["Replace at $.I[0]: the value '1' becomes 'go'"]


def test_a_pair_whose_key_is_a_pattern_is_refused():
    with pytest.raises(BadDataError, match=r"I\[0\]\.Replace.*may be a regular expression"):
        _replaced(["RESPONSE_1", "x"], {"key": "^RESPONSE.*", "value": "RESPONSE"})


def test_a_query_with_a_pattern_for_another_transformer_is_refused(content):
    steps = content["Nodes"][0]["Transformations"]
    steps["Transformer"] = "bids-matlab"
    steps["Instructions"] += [{"Name": "Filter", "Input": "x", "Query": "trial_type==^.*LEFT$"}]
    with pytest.raises(BadDataError, match=r"Instructions\[1\]\) may be a regular expression"):
        parse_stats_model(content)


def test_the_older_test_skip_passes_on_without_a_test(content):
    content["Nodes"][1]["DummyContrasts"]["Test"] = "skip"
    model = parse_stats_model(content, "m.json")
    assert model.node("group").dummy_contrasts.test == "pass"
    assert "'skip' is read as 'pass'" in _notes(model)[0]


def test_software_may_be_a_list_of_objects(content):
    content["Nodes"][0]["Model"]["Software"] = [{"SPM": {}}, {"boldglm": {"NoiseModel": "ols"}}]
    model = parse_stats_model(content)
    assert model.root.boldglm_options == {"NoiseModel": "ols"}
    assert "the list is read as one object" in _notes(model)[0]
    read = parse_model(content, fit_options={"NoiseModel": "ar1", "SmoothingFWHM": 5.0})
    assert (read.noise_model, read.smoothing) == ("ar1", 5.0)


def test_software_that_is_listed_twice_is_refused(content):
    content["Nodes"][0]["Model"]["Software"] = [{"SPM": {}}, {"SPM": {}}]
    with pytest.raises(BadDataError, match=r"Software\[1\]\.SPM: the program is listed twice"):
        parse_stats_model(content)


def test_contrasts_of_runs_may_name_conditions_without_trial_type(content):
    run = content["Nodes"][0]
    run["Model"]["X"] = ["trial_type.a", "trial_type.b", 1]
    names = {"ConditionList": ["a", "b"], "Weights": [1, -1], "Test": "t"}
    run["Contrasts"] = [{"Name": "a - b", **names}]
    model = parse_stats_model(content, "m.json")
    assert model.root.contrasts[0].columns == ("trial_type.a", "trial_type.b")
    assert (
        "$.Nodes[0].Contrasts: 'a' in the contrast 'a - b' is read as 'trial_type.a'"
        in (_notes(model)[0])
    )


def test_a_condition_of_two_columns_is_not_guessed(content):
    run = content["Nodes"][0]
    run["Model"]["X"] = ["trial_type.a", "half.a", 1]
    names = {"ConditionList": ["a"], "Weights": [1], "Test": "t"}
    run["Contrasts"] = [{"Name": "a", **names}]
    assert parse_stats_model(content).root.contrasts[0].columns == ("a",)


def test_levels_of_a_column_that_is_convolved_imply_its_factor(content):
    run = _without_factor(content)
    run["Model"]["X"] = ["face.known", "face.new", 1]
    run["Model"]["HRF"]["Variables"] = ["face.known", "face.new"]
    model = parse_stats_model(content, "m.json")
    assert list(model.root.instructions) == [{"Name": "Factor", "Input": ["face"]}]
    assert "no Factor makes 'face.known' from 'face'" in _notes(model)[0]


def test_an_implied_factor_of_a_column_that_no_table_has_changes_nothing(content):
    run = _without_factor(content)
    run["Model"]["X"] = ["face.known", 1]
    run["Model"]["HRF"]["Variables"] = ["face.known"]
    model = parse_stats_model(content)
    table = input_variables({"face.known": [1, 2]})  # a column of the very name
    changed, _ = apply_instructions(table, model.root.instructions, "$.I")
    assert changed.names == ("face.known",)
