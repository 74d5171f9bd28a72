"""Events in wrong units, conditions that cover a run, and inputs that were not found: all said."""

import json
import os
import re
import subprocess
import sys

import pytest

from awkward_datasets import odd_dataset, rebuild, trials, tsv
from boldglm.cli.main import main
from boldglm.io.outputs.records import record_files

AB = trials(["a", "b"])
N_SCANS, SPACING = 95, 2.0


def plan(folder, out, *options):
    return main([str(folder), str(out), "participant", "--dry-run", *options])


def blocks(names, length):
    return [(k * length, length, names[k % len(names)]) for k in range(int(190 / length) + 1)]


UNITS = {
    "volumes": (
        [(round(onset / SPACING), 1, name) for onset, _, name in AB],
        "the last event in sub-01_task-odd_events.tsv ends at 85 s of 190 s; are onsets in vol",
    ),
    "milliseconds": (
        [(0, 2, "a"), (5, 2, "b"), *((onset * 1000, 2, name) for onset, _, name in AB)],
        "starts at 167000 s, but the run ends at 190 s; are onsets in milliseconds",
    ),
    "durations in milliseconds": (
        [(onset, 2000, name) for onset, _, name in AB],
        "an event in sub-01_task-odd_events.tsv lasts 2000 s, but the run 190 s; are durations",
    ),
    "dense": (
        [(5 + k * 0.1, 0.1, "ab"[k // 400 % 2]) for k in range(1700)],
        "follow each other every 0.1 s, but volumes every 2 s",
    ),
}


@pytest.mark.parametrize(("rows", "message"), UNITS.values(), ids=UNITS)
def test_events_in_wrong_units_are_warned_of(tmp_path, capsys, rows, message):
    folder = odd_dataset(tmp_path / "bids", tsv(rows))

    assert plan(folder, tmp_path / "out") == 0
    assert re.search(f"  warning: .*{re.escape(message)}", capsys.readouterr().out)


def test_the_warning_is_in_summary_sidecar_and_report(tmp_path, capsys):
    rows, message = UNITS["volumes"]
    folder = odd_dataset(tmp_path / "bids", tsv(rows))

    assert main([str(folder), str(tmp_path / "out"), "participant", "--noise-model", "ols"]) == 0

    assert message in capsys.readouterr().out
    (record,) = (path for path in record_files(tmp_path / "out") if "node-run" in path.parts)
    warnings = json.loads(record.read_text())["boldglm"]["Result"]["Warnings"]
    assert any(message in warning for warning in warnings)
    assert message in (tmp_path / "out" / "sub-01.html").read_text()


def test_a_model_with_transformations_is_warned_too(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(UNITS["volumes"][0]))
    steps = [
        {"Name": "Factor", "Input": ["trial_type"]},
        {"Name": "Convolve", "Input": ["trial_type.*"], "Model": "spm"},
    ]
    node = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": {"Transformer": "pybids-transforms-v1", "Instructions": steps},
        "Model": {"Type": "glm", "X": ["trial_type.a", 1]},
        "DummyContrasts": {"Test": "t"},
    }
    model = {"Name": "m", "BIDSModelVersion": "1.0.0", "Nodes": [node]}
    (tmp_path / "m.json").write_text(json.dumps(model))

    assert plan(folder, tmp_path / "out", "-m", str(tmp_path / "m.json")) == 0
    assert "are onsets in volumes?" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["ds001", "ds003", "ds005", "ds006", "ds101", "ds102", "ds114"])
def test_no_public_dataset_is_warned_of(real_data, tmp_path, capsys, name):
    rebuild(real_data("bids-events") / name, tmp_path / name)

    assert plan(tmp_path / name, tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "are onsets in" not in out
    assert "are durations in" not in out
    assert "follow each other every" not in out
    assert "cover the run" not in out


def test_conditions_that_cover_the_run_are_named_with_the_one_to_leave_out(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(blocks(["left", "rest", "right", "rest"], 12)))

    assert plan(folder, tmp_path / "out") == 0
    covered = capsys.readouterr().out
    assert plan(folder, tmp_path / "out", "--conditions", "left", "right") == 0

    assert "the conditions left, rest, right cover the run (100 % of it)" in covered
    assert "leave one out with --conditions, such as 'rest'" in covered
    assert "cover the run" not in capsys.readouterr().out


def test_the_mask_that_was_computed_is_said_without_a_flag(tmp_path, capsys):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))

    assert main([str(folder), str(tmp_path / "out"), "participant", "--noise-model", "ols"]) == 0

    assert "(run): the brain mask was computed from the series" in capsys.readouterr().out


TERMINALS = {
    "C": {"LANG": "C", "LC_ALL": "C"},
    "C without UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Latin 1": {"PYTHONIOENCODING": "latin-1"},
    "narrow": {"COLUMNS": "20"},
    "no width": {"COLUMNS": "0", "TERM": "dumb"},
}


@pytest.mark.parametrize("settings", TERMINALS.values(), ids=TERMINALS)
def test_every_terminal_gets_help_dry_run_and_summary(tmp_path, settings):
    folder = odd_dataset(tmp_path / "bids", tsv(trials(["面孔", "été"])))
    environment = {**os.environ, **settings}
    call = [sys.executable, "-m", "boldglm"]
    data = [str(folder), str(tmp_path / "out"), "participant"]
    for arguments in (["--help"], [*data, "--dry-run"], [*data, "--noise-model", "ols"]):
        done = subprocess.run(
            [*call, *arguments], env=environment, capture_output=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        assert done.stdout


@pytest.mark.parametrize("options", [("--dry-run",), ("--noise-model", "ols")])
def test_ids_of_numbers_are_told_in_those_words(tmp_path, capsys, options):
    folder = odd_dataset(tmp_path / "bids", tsv(AB))
    (folder / "participants.tsv").write_text("participant_id\tage\n1\t20\n2\t22\n")

    assert main([str(folder), str(tmp_path / "out"), "participant", *options]) == 0

    out = capsys.readouterr().out
    assert "participants.tsv has no row for sub-01 (ids there: 1, 2)" in out
    assert "The id 1 seems to mean the same; write sub-01 there" in out
