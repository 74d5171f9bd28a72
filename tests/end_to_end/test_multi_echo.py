"""Several echoes of a run: their combination is fitted, or one that was asked for; never any."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.io.outputs.design_files import read_design
from fake_fmriprep import MNI, Layout, write_fmriprep

ECHOES = (1, 2, 3)
RUN = "sub-01_task-cuetarget_run-1"
STEM = f"{RUN}_space-{MNI}_res-2"
FUNC = "node-run/sub-01/func"


def participant(dataset, out, *options):
    given = ("--participant-label", "01", "--noise-model", "ols", *options)
    return main([str(dataset), str(out), "participant", *given])


def split(bold, space=""):
    """Write the echoes of a series: the signal decays, and each has noise of its own."""
    image = nib.load(bold)
    data = np.asarray(image.dataobj).astype(float)
    rng = np.random.default_rng(5)
    for echo in ECHOES:
        name = bold.name.replace(space, "", 1) if space else bold.name
        name = name.replace("_run-1", f"_run-1_echo-{echo}").replace(
            "_run-2", f"_run-2_echo-{echo}"
        )
        values = (data * 0.8**echo + rng.normal(0, 5, data.shape)).astype(np.int16)
        path = bold.with_name(name)
        nib.save(nib.Nifti1Image(values, image.affine, image.header), path)
        sidecar = {"RepetitionTime": 2.0, "TaskName": "cuetarget", "EchoTime": 0.013 * echo}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))


@pytest.fixture
def raw_echoes(dataset):
    """Return a raw dataset that has single echoes only."""
    for bold in list(dataset.glob("sub-*/func/*_bold.nii.gz")):
        split(bold)
        bold.unlink()
    return dataset


@pytest.fixture
def combined(dataset):
    """Return a dataset where fMRIPrep left the combination and, on the run's grid, the echoes."""
    folder = write_fmriprep(dataset)
    for raw in list(dataset.glob("sub-*/func/*_bold.nii.gz")):
        split(raw)
        raw.unlink()
    for bold in list(folder.rglob("*_desc-preproc_bold.nii.gz")):
        split(bold, f"_space-{MNI}_res-2")
        mask = bold.with_name(bold.name.replace("preproc_bold", "brain_mask"))
        mask.with_name(mask.name.replace(f"_space-{MNI}_res-2", "")).write_bytes(mask.read_bytes())
    return dataset


def filters(tmp_path, **wanted):
    path = tmp_path / "filters.json"
    path.write_text(json.dumps({"bold": wanted}))
    return ("--bids-filter-file", str(path))


def load(path):
    return np.asarray(nib.load(path).dataobj)


def test_of_raw_echoes_none_is_fitted_unless_one_is_chosen(raw_echoes, tmp_path, capsys):
    code = participant(raw_echoes, tmp_path / "out")

    assert code == 18
    said = capsys.readouterr().err
    for words in ("All 6 BOLD series", f"{RUN}_echo-1_bold.nii.gz", "does not combine echoes",
                  "fMRIPrep", '{"bold": {"echo": 2}}'):  # fmt: skip
        assert words in said
    assert not (tmp_path / "out").exists()


def test_the_echo_that_was_asked_for_is_fitted_under_its_name_at_every_level(
    raw_echoes, tmp_path, capsys
):
    out = tmp_path / "out"
    options = ("--noise-model", "ols", *filters(tmp_path, echo=2))

    assert main([str(raw_echoes), str(out), "participant", "-v", *options]) == 0
    assert main([str(raw_echoes), str(out), "group"]) == 0

    func = out / FUNC
    assert {path.name.split("_desc")[0] for path in func.glob("*_boldref.nii.gz")} == {
        f"sub-01_task-cuetarget_run-{run}_echo-2" for run in (1, 2)
    }
    said = capsys.readouterr().err
    mean = load(func / f"{RUN}_echo-2_desc-mean_boldref.nii.gz")
    series = load(raw_echoes / "sub-01" / "func" / f"{RUN}_echo-2_bold.nii.gz")
    mask = load(func / f"{RUN}_echo-2_desc-brain_mask.nii.gz") > 0
    np.testing.assert_allclose(mean[mask], series.mean(axis=3)[mask], rtol=1e-6)
    assert "Single echoes are fitted, as --bids-filter-file asks: echo 2" in said
    assert (
        out / "node-dataset" / "task-cuetarget_echo-2_contrast-cue_stat-t_statmap.nii.gz"
    ).is_file()


def test_several_echoes_of_a_run_are_not_chosen_at_once(raw_echoes, tmp_path, capsys):
    code = participant(raw_echoes, tmp_path / "out", *filters(tmp_path, echo=[1, 3]))

    assert code == 18
    said = capsys.readouterr().err
    for words in (f"{RUN}_echo-1_bold.nii.gz", f"{RUN}_echo-3_bold.nii.gz", "Choose one"):
        assert words in said


def test_the_combination_of_fmriprep_is_fitted_and_the_echoes_are_said_to_be_left_out(
    combined, tmp_path, capsys
):
    out = tmp_path / "out"

    assert participant(combined, out) == 0

    said = capsys.readouterr().out
    for run in (1, 2):
        note = f"sub-01_task-cuetarget_run-{run}: the single echoes (1, 2, 3)"
        assert note in said
        assert note in (out / "sub-01.html").read_text()
    assert not list(out.rglob("*echo-*"))
    series = load(
        combined / "derivatives/fmriprep/sub-01/func" / f"{STEM}_desc-preproc_bold.nii.gz"
    )
    mask = load(out / FUNC / f"{STEM}_desc-brain_mask.nii.gz") > 0
    mean = load(out / FUNC / f"{STEM}_desc-mean_boldref.nii.gz")
    counted = np.delete(series, read_design(out / FUNC / f"{STEM}_design.tsv").censored, axis=3)
    np.testing.assert_allclose(mean[mask], counted.mean(axis=3)[mask], rtol=1e-6)
    design = json.loads((out / FUNC / f"{STEM}_design.json").read_text())
    assert design["FrameTimes"][0] == Layout().start_time


def test_a_preprocessed_echo_that_was_asked_for_has_mask_and_confounds_of_its_run(
    combined, tmp_path
):
    out = tmp_path / "out"

    assert participant(combined, out, *filters(tmp_path, echo=1)) == 0

    func = out / FUNC
    design = json.loads((func / f"{RUN}_echo-1_design.json").read_text())
    assert "trans_x" in design["Confounds"]
    folder = combined / "derivatives/fmriprep/sub-01/func"
    np.testing.assert_array_equal(
        load(func / f"{RUN}_echo-1_desc-brain_mask.nii.gz"),
        load(folder / f"{RUN}_desc-brain_mask.nii.gz"),
    )


def test_a_run_whose_echoes_nobody_combined_is_left_out_by_name(combined, tmp_path, capsys):
    folder = combined / "derivatives/fmriprep/sub-01/func"
    (folder / f"{STEM.replace('run-1', 'run-2')}_desc-preproc_bold.nii.gz").unlink()

    assert participant(combined, tmp_path / "out") == 0

    said = capsys.readouterr().out
    assert "run-2 has only single echoes (1, 2, 3)" in said
    assert not list((tmp_path / "out").rglob("*run-2*"))
