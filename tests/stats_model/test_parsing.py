"""Parsing of model files, and the messages for each mistake."""

import copy
import json

import pytest

from boldglm.errors import BadDataError
from boldglm.stats_model.parsing import parse_stats_model

GOOD = {
    "Name": "m",
    "BIDSModelVersion": "1.0.0",
    "Input": {"task": ["x"]},
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
                "Options": {"HighPassFilterCutoffHz": 0.01},
            },
            "Contrasts": [
                {
                    "Name": "a - b",
                    "ConditionList": ["trial_type.a", "trial_type.b"],
                    "Weights": ["1/2", -0.5],
                    "Test": "t",
                }
            ],
        },
        {
            "Level": "Dataset",
            "Name": "group",
            "GroupBy": ["contrast"],
            "Model": {"Type": "glm", "X": [1, "age"]},
            "DummyContrasts": {"Test": "t"},
        },
    ],
    "Edges": [{"Source": "run", "Destination": "group", "Filter": {"contrast": ["a - b"]}}],
}


def changed(*path_and_value):
    """Return GOOD with one entry replaced, or removed where the value is None."""
    content = copy.deepcopy(GOOD)
    *path, last, value = path_and_value
    inside = content
    for key in path:
        inside = inside[key]
    if value is None:
        del inside[last]
    else:
        inside[last] = value
    return content


def test_a_model_file_becomes_a_stats_model():
    model = parse_stats_model(GOOD)
    assert model.root.name == "run"
    assert model.root.hrf.model == "spm"
    assert model.root.contrasts[0].weights == ((0.5, -0.5),)
    assert [node.name for node in model.higher_level_nodes()] == ["group"]
    assert model.edges_into(model.node("group"))[0].filter == {"contrast": ("a - b",)}
    assert model.notes == ()


BAD = [
    (changed("Nodes", None), "$", "Nodes is missing"),
    (changed("Node", []), "$.Node", "Did you mean 'Nodes'"),
    ({"Name": "old", "Steps": []}, "$.Steps", "old draft"),
    (changed("Nodes", 1, "Level", "Subjct"), "$.Nodes[1].Level", "Did you mean 'Subject'"),
    (changed("Nodes", 1, "Name", "run"), "$.Nodes", "two nodes are named 'run'"),
    (changed("Nodes", 1, "Model", "Type", "anova"), "$.Nodes[1].Model.Type", "glm, meta"),
    (changed("Nodes", 0, "Model", "Type", "meta"), "$.Nodes[0].Model.Type", "'glm'"),
    (changed("Nodes", 0, "Model", "X", None), "$.Nodes[0].Model.X", "X is missing"),
    (changed("Nodes", 0, "Model", "X", [2]), "$.Nodes[0].Model.X[0]", "name of a variable, or 1"),
    (changed("Nodes", 0, "Model", "Opts", {}), "$.Nodes[0].Model.Opts", "Options"),
    (
        changed("Nodes", 0, "Model", "Options", "Aggregate", "mean"),
        "$.Nodes[0].Model.Options.Aggregate",
        "every voxel",
    ),
    (
        changed("Nodes", 0, "Model", "Options", "HighPassFilterCutoffHz", "128 s"),
        "$.Nodes[0].Model.Options.HighPassFilterCutoffHz",
        "Hz",
    ),
    (
        changed("Nodes", 0, "Contrasts", 0, "Weights", [1]),
        "$.Nodes[0].Contrasts[0].Weights",
        "one weight for each condition",
    ),
    (
        changed("Nodes", 0, "Contrasts", 0, "Weights", ["1/0", 1]),
        "$.Nodes[0].Contrasts[0].Weights",
        "not a finite number",
    ),
    (
        changed("Nodes", 0, "Contrasts", 0, "Weights", [[1, 0], [0, 1]]),
        "$.Nodes[0].Contrasts[0].Weights",
        "Test 'F'",
    ),
    (changed("Nodes", 0, "Contrasts", 0, "Test", "z"), "$.Nodes[0].Contrasts[0].Test", "t, F"),
    (changed("Nodes", 0, "Contrasts", 0, "Name", None), "$.Nodes[0].Contrasts[0]", "Name is"),
    (
        changed("Nodes", 0, "Transformations", "Transformer", [1]),
        "$.Nodes[0].Transformations.Transformer",
        "as text",
    ),
    (changed("Nodes", 0, "Contrasts", 0, "Name", [5]), "$.Nodes[0].Contrasts[0].Name", "as text"),
    (
        changed("Nodes", 0, "Contrasts", 0, "ConditionList", ["trial_type.a", "trial_type.a"]),
        "$.Nodes[0].Contrasts[0].ConditionList",
        "appears twice",
    ),
    (
        changed("Nodes", 0, "Contrasts", 0, "Weights", [0, 0]),
        "$.Nodes[0].Contrasts[0].Weights",
        "a row of zeros",
    ),
    (
        changed("Nodes", 0, "Contrasts", 0, "Weights", [float("inf"), 0]),
        "$.Nodes[0].Contrasts[0].Weights",
        "not a finite number",
    ),
    (
        changed("Nodes", 0, "Model", "Options", "Mask", {"desc": ["gm"], "suffix": ["mask"]}),
        "$.Nodes[0].Model.Options.Mask.desc",
        "--mask",
    ),
    (changed("Edges", 0, "Source", "rum"), "$.Edges[0].Source", "Did you mean 'run'"),
    (changed("Edges", 0, "Filters", {}), "$.Edges[0].Filters", "Did you mean 'Filter'"),
    (
        changed("Edges", [{"Source": "run", "Destination": "run"}]),
        "$.Edges",
        "cycle",
    ),
    (
        changed("Edges", [{"Source": "group", "Destination": "run"}]),
        "$.Nodes[1].Level",
        "starts with a Run node",
    ),
]


@pytest.mark.parametrize(("content", "path", "words"), BAD)
def test_a_bad_model_is_refused_with_path_and_remedy(content, path, words):
    with pytest.raises(BadDataError) as refusal:
        parse_stats_model(content, "bad_smdl.json")
    text = str(refusal.value)
    assert text.startswith(f"bad_smdl.json, at {path}: ")
    assert words in text


def test_two_roots_are_refused():
    content = copy.deepcopy(GOOD)
    content["Nodes"].append({**content["Nodes"][0], "Name": "other"})
    with pytest.raises(BadDataError, match="one root"):
        parse_stats_model(content)


def test_a_cycle_above_the_run_is_refused():
    content = copy.deepcopy(GOOD)
    content["Nodes"].append({**content["Nodes"][1], "Name": "again"})
    content["Edges"] += [
        {"Source": "group", "Destination": "again"},
        {"Source": "again", "Destination": "group"},
    ]
    with pytest.raises(BadDataError, match="nodes group, again form a cycle"):
        parse_stats_model(content)


def test_older_spellings_are_accepted_with_a_note():
    content = copy.deepcopy(GOOD)
    content["Nodes"][1] |= {"Level": "dataset", "DummyContrasts": {"Test": "FEMA"}}
    content["Nodes"][0]["Contrasts"][0]["Type"] = "t"
    del content["Nodes"][0]["Contrasts"][0]["Test"]
    content["Input"] = {"task": "x"}
    model = parse_stats_model(content)
    assert model.nodes[1].dummy_contrasts.test == "t"
    assert model.input == {"task": ("x",)}
    assert len(model.notes) == 4


def test_without_edges_nodes_chain_in_the_order_of_the_file():
    content = copy.deepcopy(GOOD)
    del content["Edges"]
    edges = parse_stats_model(content).edges
    assert [(edge.source, edge.destination) for edge in edges] == [("run", "group")]


def test_a_valid_model_satisfies_the_published_schema():
    bsmschema = pytest.importorskip("bsmschema.models")
    bsmschema.BIDSStatsModel.model_validate(GOOD)


def test_public_models_are_parsed_or_refused_with_a_reason(real_data):
    files = sorted(real_data("stats-models").rglob("*.json"))
    parsed, refused = [], {}
    for file in files:
        try:
            parsed.append(parse_stats_model(json.loads(file.read_text()), file.name))
        except BadDataError as error:
            refused[file.name] = str(error)
    assert (len(files), len(parsed)) == (85, 81)
    steps = [name for name, text in refused.items() if "$.Steps" in text]
    assert len(steps) == 3
    (other,) = set(refused) - set(steps)
    assert "ds003481-verbs" in other  # four weights for three conditions
    assert "[0.5, 0.5, 0.33, -1] for 3 conditions" in refused[other]


def test_the_brain_mask_is_accepted_as_mask():
    mask = {"desc": ["brain"], "suffix": ["mask"]}
    model = parse_stats_model(changed("Nodes", 0, "Model", "Options", "Mask", mask))
    assert model.root.options["Mask"] == mask
