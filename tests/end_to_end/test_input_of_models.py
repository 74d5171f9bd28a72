"""Whom `Input` of a model leaves out is said, at the participant level and above."""

import json

import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from model_nodes import CONVOLVED_CONDITIONS, GROUP, SUBJECT

X = ["trial_type.cue", "trial_type.target"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    plan = DatasetPlan(n_subjects=3, n_scans=60, shape=(6, 6, 5))
    return write_dataset(tmp_path_factory.mktemp("study") / "bids", plan)


def model_of(tmp_path, **selected):
    content = {
        "Name": "chosen",
        "BIDSModelVersion": "1.0.0",
        "Input": {"task": ["cuetarget"], **selected},
        "Nodes": [
            {
                "Level": "Run",
                "Name": "run",
                "GroupBy": ["run", "subject"],
                "Transformations": CONVOLVED_CONDITIONS,
                "Model": {"Type": "glm", "X": [*X, 1]},
                "DummyContrasts": {"Test": "t", "Contrasts": X[:1]},
            },
            SUBJECT,
            GROUP,
        ],
    }
    path = tmp_path / "chosen_smdl.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_participants_and_runs_that_input_leaves_out_are_named(study, tmp_path, capsys):
    command = [str(study), str(tmp_path / "out"), "participant", "--dry-run", "-m"]

    assert main([*command, model_of(tmp_path, subject=["01", "02"])]) == 0
    participants = capsys.readouterr().out
    assert main([*command, model_of(tmp_path, run=[1])]) == 0
    runs = capsys.readouterr().out
    assert main([*command, model_of(tmp_path)]) == 0

    assert "4 of 6 BOLD series: sub-03 has none of them" in participants
    assert "excluded: Input (task, subject)" in participants
    assert "note: Input (task, run)" in runs
    assert "not sub-01_task-cuetarget_run-2, sub-02_task-cuetarget_run-2" in runs
    assert "Input (" not in capsys.readouterr().out


def test_the_group_names_whom_input_leaves_out(study, tmp_path, capsys):
    command = [str(study), str(tmp_path / "out")]
    model = model_of(tmp_path, subject=["01", "02"])
    assert main([*command, "participant", "-m", model, "--noise-model", "ols"]) == 0
    capsys.readouterr()

    assert main([*command, "group"]) == 0

    said = capsys.readouterr().out
    assert "from 2 participants (01, 02)" in said
    assert "sub-03 has no finished result of node 'subject'" in said
    assert "Input of the model selects task cuetarget; subject 01, 02" in said
