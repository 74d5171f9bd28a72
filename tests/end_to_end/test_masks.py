"""Which voxels are analyzed: masks given, found and computed; what has no signal is counted."""

import json
import re

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from fake_fmriprep import MNI, write_fmriprep

STEM = f"sub-01_task-cuetarget_run-1_space-{MNI}_res-2"
BOTH = f"sub-01_task-cuetarget_space-{MNI}_res-2"


def participant(dataset, out, *options):
    arguments = [str(dataset), str(out), "participant", "--participant-label", "01", *options]
    assert main([*arguments, "--noise-model", "ols"]) == 0
    return out / "node-run" / "sub-01" / "func"


def load(path):
    return np.asarray(nib.load(path).dataobj)


def rewrite(path, change):
    """Change the values of an image in place."""
    image = nib.load(path)
    values = np.asarray(image.dataobj).copy()
    change(values)
    nib.save(nib.Nifti1Image(values, image.affine, image.header), path)


def sidecar(path):
    return json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())


@pytest.fixture
def silent(dataset):
    """Return a dataset in which 3 voxels of the brain are zero at all times in run 1."""
    folder = write_fmriprep(dataset)
    func = folder / "sub-01" / "func"
    inside = np.argwhere(load(func / f"{STEM}_desc-brain_mask.nii.gz"))
    for voxel in inside[[0, 40, -1]]:
        place = tuple(voxel)
        rewrite(func / f"{STEM}_desc-preproc_bold.nii.gz", lambda v, p=place: v.__setitem__(p, 0))
    return dataset, [tuple(voxel) for voxel in inside[[0, 40, -1]]]


def test_voxels_without_signal_are_left_out_and_counted_everywhere(silent, tmp_path, capsys):
    dataset, voxels = silent
    out = tmp_path / "out"

    func = participant(dataset, out)

    given = load(dataset / "derivatives/fmriprep/sub-01/func" / f"{STEM}_desc-brain_mask.nii.gz")
    used = func / f"{STEM}_desc-brain_mask.nii.gz"
    n_given = int(given.sum())
    assert all(load(used)[voxel] == 0 for voxel in voxels)
    assert load(used).sum() == n_given - 3
    size = {"Analyzed": n_given - 3, "Excluded": 3}
    assert sidecar(used)["MaskSize"] == size
    assert json.loads((func / f"{STEM}_design.json").read_text())["MaskSize"] == size
    said = capsys.readouterr().out
    note = (
        f"3 of {n_given} voxels in the mask of {STEM}_desc-preproc_bold.nii.gz: they are constant"
    )
    assert note in said
    assert "Nothing was excluded" not in said
    report = (out / "sub-01.html").read_text()
    assert re.search(
        rf"{n_given - 3:,} analyzed, \d+ % of the image; 3 of the mask excluded", report
    )
    assert note in report


def test_the_voxels_of_a_subject_are_those_of_all_runs_and_the_others_are_counted(
    silent, tmp_path, capsys
):
    dataset, _ = silent
    out = tmp_path / "out"

    func = participant(dataset, out)

    one, two = (
        load(func / f"{STEM.replace('run-1', run)}_desc-brain_mask.nii.gz")
        for run in ("run-1", "run-2")
    )
    combined = out / "node-subject" / "sub-01" / "func" / f"{BOTH}_desc-brain_mask.nii.gz"
    np.testing.assert_array_equal(load(combined), one * two)
    assert sidecar(combined)["MaskSize"] == {"Analyzed": int((one * two).sum()), "Excluded": 3}
    shown = capsys.readouterr().out
    assert f"{BOTH} (subject): 3 voxels: they are not in the masks of all inputs" in shown


def test_a_mask_of_the_user_takes_the_place_of_fmripreps(dataset, tmp_path):
    folder = write_fmriprep(dataset)
    own = tmp_path / "own.nii.gz"
    own.write_bytes((folder / "sub-01" / "func" / f"{STEM}_desc-brain_mask.nii.gz").read_bytes())
    rewrite(own, lambda values: values.__setitem__(slice(6, None), 0))

    func = participant(dataset, tmp_path / "out", "--mask", str(own))

    used = func / f"{STEM}_desc-brain_mask.nii.gz"
    np.testing.assert_array_equal(load(used), load(own))
    assert "own.nii.gz" in (tmp_path / "out" / "sub-01.html").read_text()


def test_a_mask_on_another_grid_is_refused_before_the_fit(dataset, tmp_path, capsys):
    folder = write_fmriprep(dataset)
    given = nib.load(folder / "sub-01" / "func" / f"{STEM}_desc-brain_mask.nii.gz")
    nib.save(given.slicer[:-1], tmp_path / "cut.nii.gz")
    moved = given.affine + np.outer([1, 0, 0, 0], [0, 0, 0, 2.0])
    nib.save(nib.Nifti1Image(np.asarray(given.dataobj), moved), tmp_path / "moved.nii.gz")

    for name in ("cut.nii.gz", "moved.nii.gz"):
        call = [str(dataset), str(tmp_path / "out"), "participant", "--mask"]
        assert main([*call, str(tmp_path / name)]) == 65
        said = capsys.readouterr().err
        assert name in said
        assert f"{STEM}_desc-preproc_bold.nii.gz" in said
    assert not (tmp_path / "out").exists()


def test_a_mask_is_computed_where_there_is_none(dataset, tmp_path):
    folder = write_fmriprep(dataset)
    mask = folder / "sub-01" / "func" / f"{STEM}_desc-brain_mask.nii.gz"
    brain = load(mask) > 0
    mask.unlink()

    func = participant(dataset, tmp_path / "out")

    used = load(func / f"{STEM}_desc-brain_mask.nii.gz") > 0
    assert (used & brain).sum() > 0.8 * max(used.sum(), brain.sum())
    assert "computed from the BOLD series" in (tmp_path / "out" / "sub-01.html").read_text()


def test_a_second_call_says_again_what_was_left_out(silent, tmp_path, capsys):
    dataset, _ = silent
    participant(dataset, tmp_path / "out")
    first = capsys.readouterr().out

    participant(dataset, tmp_path / "out")

    again = capsys.readouterr().out
    assert "were already finished" in again
    assert first[first.index("Exclusions") :] == again[again.index("Exclusions") :]
