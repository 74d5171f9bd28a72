"""Messages about mistakes in a model file name the file, the JSON path and the remedy."""

import copy
import html
import json
import re

import pytest

from boldglm.cli.main import main
from model_nodes import CONVOLVED_CONDITIONS, GROUP, SUBJECT

RUN = {
    "Level": "Run",
    "Name": "run",
    "GroupBy": ["run", "subject"],
    "Transformations": CONVOLVED_CONDITIONS,
    "Model": {"Type": "glm", "X": ["trial_type.cue", "trial_type.target", 1]},
    "DummyContrasts": {"Test": "t"},
}
ANY = {
    "Name": "any",
    "ConditionList": ["trial_type.cue", "trial_type.target"],
    "Weights": [[1, 0], [0, 1]],
    "Test": "F",
}


def one_delay():
    """Return the transformations of the default model with one FIR bin."""
    factor, convolve = CONVOLVED_CONDITIONS["Instructions"]
    names = RUN["Model"]["X"][:-1]
    fir = {**convolve, "Input": names, "Model": "fir", "FirDelays": [0]}
    return {**CONVOLVED_CONDITIONS, "Instructions": [factor, fir]}


def write(tmp_path, **changes):
    """Write a model with changes: names of nodes, or keys of the file, to what replaces them."""
    nodes = {node["Name"]: copy.deepcopy(node) for node in (RUN, SUBJECT, GROUP)}
    content = {"Name": "m", "BIDSModelVersion": "1.0.0", "Input": {"task": ["cuetarget"]}}
    for name, change in changes.items():
        if name in nodes:
            nodes[name] |= change
        else:
            content[name] = change
    path = tmp_path / "model-m_smdl.json"
    path.write_text(json.dumps({**content, "Nodes": list(nodes.values())}))
    return path


def dry_run(dataset, tmp_path, capsys, **changes):
    model = write(tmp_path, **changes)
    code = main(
        [str(dataset), str(tmp_path / "out"), "participant", "-m", str(model), "--dry-run"]
    )
    return code, capsys.readouterr()


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (
            {
                "run": {
                    "Contrasts": [{**ANY, "ConditionList": ["trial_type.cue", "trial_type.tar"]}]
                }
            },
            "$.Nodes[0].Contrasts[0].ConditionList",
            "Did you mean 'trial_type.target'?",
        ),
        (
            {"subject": {"DummyContrasts": {"Contrasts": ["intercpt"], "Test": "t"}}},
            "$.Nodes[1].DummyContrasts.Contrasts",
            "Did you mean 'intercept'?",
        ),
        (
            {"subject": {"GroupBy": ["subject", "sesion", "contrast"]}},
            "$.Nodes[1].GroupBy",
            "Did you mean 'session'?",
        ),
        (
            {"group": {"Model": {"Type": "glm", "X": [1, "subjct"]}}},
            "$.Nodes[2].Model.X[1]",
            "Did you mean 'subject'?",
        ),
        ({"Input": {"tsk": ["cuetarget"]}}, "$.Input.tsk", "Did you mean 'task'?"),
        ({"Input": {"task": ["rest"]}}, "$.Input.task", "the selected runs have cuetarget"),
        (
            {"run": {"Model": {"Type": "glm", "X": ["trail_type.*", 1]}}},
            "$.Nodes[0].Model.X",
            "trial_type.cue",
        ),
        (
            {"run": {"Transformations": one_delay()}},
            "$.Nodes[0].Transformations.Instructions[1].Model",
            "a single FIR delay has no next one",
        ),
    ],
)
def test_a_mistake_is_refused_with_file_path_and_remedy(
    dataset, tmp_path, capsys, changes, path, words
):
    code, shown = dry_run(dataset, tmp_path, capsys, **changes)
    assert code == 65
    where = r"boldglm: model-m_smdl\.json, (run of \S+_events\.tsv, |node '\w+', )?at \$\.\S+"
    assert re.match(where, shown.err)
    assert path in shown.err
    assert words in shown.err


def test_a_higher_node_without_inputs_is_an_exclusion(dataset, tmp_path, capsys):
    only_f = {"Contrasts": [ANY], "DummyContrasts": None}
    code, shown = dry_run(dataset, tmp_path, capsys, run=only_f)
    assert code == 0
    assert "node 'subject': no result of run has a t contrast" in shown.out

    pattern = {"Model": {"Type": "glm", "X": [1, "motion_*"]}}
    code, shown = dry_run(dataset, tmp_path, capsys, group=pattern)
    assert code == 0
    assert "node 'group': nothing matches 'motion_*' of X" in shown.out


def test_the_group_level_names_nodes_without_inputs(dataset, tmp_path, capsys):
    filters = {"contrast": ["trial_type.cue"], "run": ["9"]}
    model = write(
        tmp_path,
        Edges=[
            {"Source": "run", "Destination": "subject"},
            {"Source": "subject", "Destination": "group"},
            {"Source": "run", "Destination": "ninth", "Filter": filters},
        ],
    )
    content = json.loads(model.read_text())
    content["Nodes"].append({**GROUP, "Name": "ninth"})
    model.write_text(json.dumps(content))
    out = str(tmp_path / "out")
    options = ["--noise-model", "ols", "--no-keep-fits"]
    assert main([str(dataset), out, "participant", "-m", str(model), *options]) == 0
    capsys.readouterr()

    assert main([str(dataset), out, "group"]) == 0

    said = "node 'ninth': no result of run passes the filters"
    assert said in capsys.readouterr().out
    assert said in html.unescape((tmp_path / "out/group.html").read_text())
