"""A participant that lacks what a level above the run compares is excluded there, by name."""

import json

import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from model_nodes import CONVOLVED_CONDITIONS, GROUP

WEIGHTS = [1, -1]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Return a dataset of 4 participants with two sessions; sub-04 has the first only."""
    plan = DatasetPlan(n_subjects=4, n_scans=60, shape=(6, 6, 5))
    bids = write_dataset(tmp_path_factory.mktemp("sessions") / "bids", plan)
    for path in sorted(bids.glob("sub-*/func/*_run-*")):
        subject = path.name.split("_")[0]
        session = "ses-pre" if "run-1" in path.name else "ses-post"
        folder = bids / subject / session / "func"
        folder.mkdir(parents=True, exist_ok=True)
        name = path.name.replace(subject, f"{subject}_{session}").replace("_run-1", "")
        path.rename(folder / name.replace("_run-2", ""))
    for folder in bids.glob("sub-*/func"):
        folder.rmdir()
    for path in sorted((bids / "sub-04/ses-post").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (bids / "sub-04/ses-post").rmdir()
    return bids


def model_of(folder, x, instructions=("session",), contrast=("session.post", "session.pre")):
    conditions = ["trial_type.cue", "trial_type.target"]
    content = {
        "Name": "sessions",
        "BIDSModelVersion": "1.0.0",
        "Nodes": [
            {
                "Level": "Run",
                "Name": "run",
                "GroupBy": ["run", "session", "subject"],
                "Transformations": CONVOLVED_CONDITIONS,
                "Model": {"Type": "glm", "X": [*conditions, 1]},
                "Contrasts": [
                    {
                        "Name": "difference",
                        "ConditionList": conditions,
                        "Weights": WEIGHTS,
                        "Test": "t",
                    }
                ],
            },
            {
                "Level": "Subject",
                "Name": "subject",
                "GroupBy": ["subject", "contrast"],
                "Transformations": {
                    "Transformer": "pybids-transforms-v1",
                    "Instructions": [{"Name": "Factor", "Input": list(instructions)}],
                },
                "Model": {"Type": "glm", "X": x},
                "Contrasts": [
                    {
                        "Name": "change",
                        "ConditionList": list(contrast),
                        "Weights": WEIGHTS[: len(contrast)],
                        "Test": "t",
                    }
                ],
            },
            GROUP,
        ],
    }
    path = folder / "sessions_smdl.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("x", "contrast"),
    [
        (["session.pre", "session.post"], ("session.post", "session.pre")),
        (["session.*"], ("session.post", "session.pre")),
        ([1, "session.post"], ("session.post",)),
    ],
)
def test_a_participant_without_a_session_is_excluded_from_their_comparison(
    sessions, tmp_path, capsys, x, contrast
):
    model = model_of(tmp_path, x, contrast=contrast)

    code = main(
        [str(sessions), str(tmp_path / "out"), "participant", "-m", str(model), "--dry-run"]
    )

    shown = capsys.readouterr()
    assert code == 0, shown.err
    assert "7 runs of 4 participants" in shown.out
    ends = ", ".join(f"sub-{subject}_task-cuetarget" for subject in ("01", "02", "03"))
    of_subjects = shown.out.partition(f"(glm), {ends}:\n")[2]
    assert of_subjects.startswith("  2 inputs, columns ")
    (line,) = [line for line in shown.out.splitlines() if "excluded: " in line]
    assert "sub-04_ses-pre" in line
    assert "no input has session.post" in line
    assert "3 inputs, columns intercept: difference_change (t)" in shown.out


def test_the_incomplete_participant_alone_is_no_mistake_of_the_model(sessions, tmp_path, capsys):
    model = model_of(tmp_path, ["session.pre", "session.post"])
    command = [str(sessions), str(tmp_path / "out"), "participant", "-m", str(model), "--dry-run"]

    assert main([*command, "--participant-label", "04"]) == 0
    shown = capsys.readouterr().out
    model_of(tmp_path, ["session.pre", "session.past"], contrast=("session.pre",))
    assert main(command) == 65

    assert "no input has session.post" in shown
    assert "Did you mean 'session.post'?" in capsys.readouterr().err


def test_the_group_names_who_has_no_result(sessions, tmp_path, capsys):
    model = model_of(tmp_path, ["session.pre", "session.post"])
    command = [str(sessions), str(tmp_path / "out")]
    ols = ["-m", str(model), "--noise-model", "ols"]

    assert main([*command, "participant", *ols]) == 0
    summary = capsys.readouterr().out
    assert main([*command, "group"]) == 0

    assert "no input has session.post" in summary
    assert "from 3 participants (01, 02, 03)" in capsys.readouterr().out
