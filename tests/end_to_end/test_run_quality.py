"""Motion that follows the task, and a spike, from the confounds table to the report."""

import json

import numpy as np
import pandas as pd
import pytest

from boldglm.cli.main import main
from boldglm.io.outputs.design_files import read_design
from fake_fmriprep import MNI, SPIKE, write_fmriprep

STEM = f"sub-01_task-cuetarget_run-1_space-{MNI}_res-2"
RUN = ("--participant-label", "01", "--run-label", "1")
CONFOUNDS = ("--confounds", "cosine*")


@pytest.fixture
def moving(dataset, tmp_path):
    """A run of which the head moves along z whenever there is a target."""
    folder = write_fmriprep(dataset)
    first = tmp_path / "first"
    assert main([str(dataset), str(first), "participant", *RUN, *CONFOUNDS, "--no-report"]) == 0
    design = read_design(first / "node-run/sub-01/func" / f"{STEM}_design.tsv")
    target = design.matrix[:, design.names.index("trial_type.target")]
    path = folder / "sub-01/func/sub-01_task-cuetarget_run-1_desc-confounds_timeseries.tsv"
    table = pd.read_csv(path, sep="\t")
    noise = np.random.default_rng(0).normal(0, 0.2 * target.std(), len(table))
    table["trans_z"] = target + noise + np.linspace(0, 0.1, len(table))
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    return dataset, path


def test_motion_that_follows_the_task_is_warned_of_everywhere(moving, tmp_path, capsys):
    dataset, _ = moving
    said = "the regressor of target and head motion along z (trans_z) share 9"

    assert main([str(dataset), str(tmp_path), "participant", *RUN, *CONFOUNDS, "--dry-run"]) == 0
    assert said in capsys.readouterr().out
    out = tmp_path / "out"
    assert main([str(dataset), str(out), "participant", *RUN, *CONFOUNDS]) == 0

    assert said in capsys.readouterr().out.partition("Warnings (")[2]
    sidecar = json.loads((out / "node-run/sub-01/func" / f"{STEM}_design.json").read_text())
    (warned,) = [text for text in sidecar["Warnings"] if "trans_z" in text]
    assert "Add it (--confounds motion6)" in warned
    page = (out / "sub-01.html").read_text()
    assert "Motion and task: correlations of regressors with head motion" in page
    assert f"is at {2 * SPIKE + 0.95:g} s" in page  # the spike of the table, 2.5 mm
    assert "largest 2.50 mm, above 0.5 mm in 1 of 79 volumes" in page


def test_with_the_parameter_in_the_design_the_estimate_rests_on_the_rest(moving, tmp_path, capsys):
    dataset, _ = moving

    assert main([str(dataset), str(tmp_path / "out"), "participant", *RUN, "--no-report"]) == 0

    out = capsys.readouterr().out
    assert "the estimate of target rests on the rest, so its variance is at least" in out


def test_reports_made_later_have_the_same_bytes(moving, tmp_path):
    dataset, path = moving
    out = tmp_path / "out"
    assert main([str(dataset), str(out), "participant", *RUN]) == 0
    first = (out / "sub-01.html").read_bytes()
    path.unlink()  # all that the report says of motion is in the record

    assert main([str(dataset), str(out), "participant", "--reports-only"]) == 0

    assert (out / "sub-01.html").read_bytes() == first
    assert b"Framewise displacement (Power et al. 2012" in first


def test_a_run_without_a_table_has_no_displacement(dataset, tmp_path, capsys):
    assert main([str(dataset), str(tmp_path / "out"), "participant", *RUN]) == 0

    page = (tmp_path / "out" / "sub-01.html").read_text()
    assert "Framewise displacement (Power" not in page
    assert "not known: no confounds table" in page
