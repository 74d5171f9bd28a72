"""Motion that follows the task, and a spike, from the confounds table to the report."""

import json

import nibabel as nib
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


def table_of(out):
    return pd.read_csv(out / "quality.tsv", sep="\t", dtype={"run": str})


def test_a_bad_run_is_found_by_sorting_one_table(dataset, tmp_path):
    """A run with much more noise, one with motion, and one whose volumes are censored."""
    folder = write_fmriprep(dataset)
    func = folder / "sub-02/func"
    bold = func / f"sub-02_task-cuetarget_run-2_space-{MNI}_res-2_desc-preproc_bold.nii.gz"
    image = nib.load(bold)
    values = np.asarray(image.dataobj, dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, 0.1 * values.max(), values.shape)
    noisy = values + noise.astype(np.float32) * (values > 0)
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    nib.save(nib.Nifti1Image(noisy, image.affine, header), bold)
    path = func / "sub-02_task-cuetarget_run-1_desc-confounds_timeseries.tsv"
    motion = pd.read_csv(path, sep="\t")
    motion.loc[10:30, "framewise_displacement"] = 4.0
    motion.to_csv(path, sep="\t", na_rep="n/a", index=False)
    out = tmp_path / "out"

    assert main([str(dataset), str(out), "participant", "--fd-threshold", "3", "--no-report"]) == 0

    runs = table_of(out)
    assert list(runs.participant_id) == ["sub-01", "sub-01", "sub-02", "sub-02"]
    noisy = runs.loc[runs.median_tsnr.idxmin()]
    assert (noisy.participant_id, noisy["run"]) == ("sub-02", "2")
    moving = runs.loc[runs.mean_fd.idxmax()]
    assert (moving.participant_id, moving["run"], moving.largest_fd) == ("sub-02", "1", 4.0)
    assert moving.share_fd_above_half_mm == pytest.approx(22 / 79, abs=1e-3)
    assert moving.censored == 22  # and the first one, which is no steady state
    assert list(runs.censored.drop(moving.name)) == [1, 1, 1]
    assert moving.residual_dof == runs.residual_dof.drop(moving.name).iloc[0] - 21
    described = json.loads((out / "quality.json").read_text())
    assert described["mean_fd"]["Units"] == "mm"
    assert set(described) < set(runs.columns)


def test_jobs_of_single_participants_leave_the_same_table(dataset, tmp_path):
    write_fmriprep(dataset)
    together, single = tmp_path / "together", tmp_path / "single"

    assert main([str(dataset), str(together), "participant", "--no-report"]) == 0
    for label in ("02", "01"):
        call = [str(dataset), str(single), "participant", "--participant-label", label]
        assert main([*call, "--no-report"]) == 0
    (single / "quality.tsv").unlink()
    assert main([str(dataset), str(single), "group", "--no-report"]) == 0

    assert (single / "quality.tsv").read_bytes() == (together / "quality.tsv").read_bytes()
    assert len(table_of(together)) == 4


def test_the_sidecar_has_the_numbers_and_dvars_is_of_the_data(dataset, tmp_path):
    assert main([str(dataset), str(tmp_path / "out"), "participant", *RUN]) == 0

    func = tmp_path / "out/node-run/sub-01/func"
    sidecar = json.loads((func / "sub-01_task-cuetarget_run-1_statmap.json").read_text())
    numbers = sidecar["Quality"]
    assert numbers["MeanFramewiseDisplacement"] is None
    assert numbers["ResidualDegreesOfFreedom"] == 80 - 2 - 2 - 1
    assert numbers["MedianTSNR"] > 20
    page = (tmp_path / "out/sub-01.html").read_text()
    assert f"{numbers['MedianTSNR']:.0f} (median of " in page
    assert "(of the fitted data, in percent of their mean)" in page
    assert "75 of 80 volumes left" in page


def test_a_series_without_a_mean_has_no_signal_to_noise(dataset, tmp_path):
    path = next(dataset.glob("sub-01/func/*run-1_bold.nii.gz"))
    image = nib.load(path)
    values = np.asarray(image.dataobj, dtype=np.float32)
    values -= values.mean(axis=3, keepdims=True)
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    nib.save(nib.Nifti1Image(values, image.affine, header), path)
    out = tmp_path / "out"

    assert main([str(dataset), str(out), "participant", *RUN, "--signal-scaling", "none"]) == 0

    runs = table_of(out)
    assert runs.median_tsnr.isna().all()
    assert "DVARS" not in (out / "sub-01.html").read_text()


@pytest.mark.parametrize("damage", ["DVARS", "FramewiseDisplacement"])
def test_a_record_with_fewer_values_than_volumes_is_damaged(moving, tmp_path, damage, capsys):
    dataset, _ = moving
    out = tmp_path / "out"
    assert main([str(dataset), str(out), "participant", *RUN, "--no-report"]) == 0
    path = out / "node-run/sub-01/func" / f"{STEM}_statmap.json"
    content = json.loads(path.read_text())
    record = content["boldglm"]
    place = record["Result"]["Quality"] if damage == "DVARS" else record["Section"]["Motion"]
    place[damage] = place[damage][:-1]
    path.write_text(json.dumps(content))

    assert main([str(dataset), str(out), "participant", "--reports-only"]) == 1

    assert "has no 80 values of motion, one for each volume" in capsys.readouterr().err
