"""How smooth residuals are, from the command line to sidecars, records and reports."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.glm import fit
from boldglm.glm.spatial.smoothness import grid_fwhm, sampled_residuals
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.records import record_files
from fake_surfaces import write_cifti, write_surfaces

RUN = "node-run/sub-01/func/sub-01_task-cuetarget_run-1"
ONE = ("--participant-label", "01", "--run-label", "1", "--noise-model", "ols")


def participant(dataset, out, *options):
    assert main([str(dataset), str(out), "participant", *ONE, *options]) == 0


def said(path):
    return map_metadata(path)


def load(path):
    return np.asarray(nib.load(path).dataobj, dtype=float)


def test_the_smoothness_of_residuals_is_measured_and_said_everywhere(dataset, tmp_path):
    out = tmp_path / "out"
    participant(dataset, out, "--smoothing", "8")
    source = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    mask = load(out / f"{RUN}_desc-brain_mask.nii.gz") > 0

    found = said(out / f"{RUN}_design.json")["ResidualSmoothness"]

    assert list(found) == ["volume"]
    # the noise of this dataset is white in space
    np.testing.assert_allclose(found["volume"]["FWHMAxes"], 8, rtol=0.08)
    assert found["volume"]["FWHM"] == pytest.approx(
        np.prod(found["volume"]["FWHMAxes"]) ** (1 / 3), rel=1e-4
    )
    assert said(out / f"{RUN}_contrast-cue_stat-z_statmap.json")["ResidualSmoothness"] == found
    records = [said(path)["boldglm"] for path in record_files(out) if "node-run" in str(path)]
    assert [one["Result"]["Smoothness"] for one in records] == [found]
    assert f"FWHM {found['volume']['FWHM']:.2f} mm (" in (out / "sub-01.html").read_text()
    above = out / "node-subject/sub-01/func/sub-01_task-cuetarget_contrast-cue_stat-z_statmap.json"
    assert "ResidualSmoothness" not in said(above)

    participant(dataset, tmp_path / "raw")
    raw = said(tmp_path / "raw" / f"{RUN}_design.json")["ResidualSmoothness"]["volume"]["FWHMAxes"]
    bold = load(source)[mask].T
    design = read_design(tmp_path / "raw" / f"{RUN}_design.tsv")
    left = sampled_residuals(bold, fit(bold, design, noise="ols"))
    expected = grid_fwhm(left, mask, nib.load(source).header.get_zooms()[:3])
    np.testing.assert_allclose(raw, expected, atol=2e-3)


def test_a_fit_that_was_kept_keeps_its_smoothness(dataset, tmp_path):
    out = tmp_path / "out"
    participant(dataset, out)
    first = said(out / f"{RUN}_design.json")["ResidualSmoothness"]

    participant(dataset, out, "--contrast", "cue", "--model-name", "cue")

    found = said(out / f"{RUN.replace('node-run', 'node-cueRun')}_design.json")
    assert found["ResidualSmoothness"] == first


def test_each_hemisphere_and_structure_is_measured_by_itself(dataset, tmp_path):
    write_cifti(dataset)
    participant(dataset, tmp_path / "out", "--space", "fsLR", "--smoothing", "25")

    stem = tmp_path / "out" / f"{RUN}_space-fsLR_den-91k"
    found = said(stem.with_name(f"{stem.name}_design.json"))["ResidualSmoothness"]

    assert list(found) == ["left hemisphere", "right hemisphere", "thalamus left", "putamen right"]
    for side in ("left", "right"):
        assert found[f"{side} hemisphere"]["FWHM"] == pytest.approx(25, rel=0.1)
    assert all(axis > 15 for axis in found["putamen right"]["FWHMAxes"])
    assert "thalamus left" in (tmp_path / "out/sub-01.html").read_text()


def test_without_a_mesh_it_is_said_that_there_is_no_smoothness(dataset, tmp_path):
    write_surfaces(dataset, meshes=("inflated",))
    participant(dataset, tmp_path / "out", "--space", "fsaverage5")

    stem = tmp_path / "out" / f"{RUN}_hemi-L_space-fsaverage5"
    found = said(stem.with_name(f"{stem.name}_design.json"))["ResidualSmoothness"]

    assert found["left hemisphere"]["FWHM"] is None
    assert "no mesh" in found["left hemisphere"]["Note"]
    assert "unknown (no mesh" in (tmp_path / "out/sub-01.html").read_text()


def test_runs_are_smoothed_to_a_target(dataset, tmp_path, capsys):
    out = tmp_path / "out"
    participant(dataset, out, "--smoothing", "7", "--model-name", "iso")  # whose kept fit differs

    participant(dataset, out, "--smoothing", "7:run:isoblurto")

    content = said(out / f"{RUN}_design.json")
    found = content["ResidualSmoothness"]["volume"]
    np.testing.assert_allclose(found["FWHMAxes"], 7, rtol=0.03)
    assert all(6 < width < 7.5 for width in found["KernelFWHM"])
    assert len(set(found["KernelFWHM"])) == 3
    assert found["FWHMBefore"] < 2
    assert (content["SmoothingFWHM"], content["SmoothingType"]) == (7.0, "isoblurto")
    report = (out / "sub-01.html").read_text()
    assert "to 7 mm FWHM" in report
    assert "until the residuals of the model were as smooth as white noise" in report
    assert "by a Gaussian of" in report
    assert "smoother" not in capsys.readouterr().out

    model = str(out / "models/model-default_smdl.json")
    arguments = [str(dataset), str(tmp_path / "again"), "participant", "-m", model]
    assert main([*arguments, "--participant-label", "01", "--run-label", "1"]) == 0
    again = said(tmp_path / "again" / f"{RUN}_design.json")
    assert again["ResidualSmoothness"] == content["ResidualSmoothness"]


def test_a_run_that_is_smoother_than_the_target_is_left_as_it_is_and_that_is_said(
    dataset, tmp_path, capsys
):
    for path in dataset.glob("sub-01/func/*_bold.nii.gz"):
        image = nib.load(path)
        smooth = ndimage.gaussian_filter(image.get_fdata(), (2.0, 2.0, 2.0, 0.0))
        nib.save(nib.Nifti1Image(smooth.astype(np.float32), image.affine, image.header), path)
    participant(dataset, tmp_path / "plain")
    capsys.readouterr()

    participant(dataset, tmp_path / "to", "--smoothing", "4:run:isoblurto")

    words = "than the target of 4 mm, so it was not smoothed"
    content = said(tmp_path / "to" / f"{RUN}_design.json")
    assert content["ResidualSmoothness"]["volume"]["KernelFWHM"] == [0, 0, 0]
    assert any(words in note for note in content["Warnings"])
    assert words in capsys.readouterr().out
    assert words in (tmp_path / "to/sub-01.html").read_text()
    name = f"{RUN}_contrast-cue_stat-t_statmap.nii.gz"
    np.testing.assert_allclose(
        load(tmp_path / "to" / name), load(tmp_path / "plain" / name), atol=1e-3
    )


def test_hemispheres_and_structures_are_smoothed_to_a_target_each_by_itself(dataset, tmp_path):
    write_cifti(dataset)
    participant(dataset, tmp_path / "out", "--space", "fsLR", "--smoothing", "20:run:isoblurto")

    stem = tmp_path / "out" / f"{RUN}_space-fsLR_den-91k"
    found = said(stem.with_name(f"{stem.name}_design.json"))["ResidualSmoothness"]

    for side in ("left", "right"):
        assert found[f"{side} hemisphere"]["FWHM"] == pytest.approx(20, rel=0.05)
    kernels = {tuple(one["KernelFWHM"]) for one in found.values()}
    assert len(kernels) == len(found) == 4


def test_a_target_that_lacks_its_mesh_is_refused_before_the_fit(dataset, tmp_path, capsys):
    write_surfaces(dataset, meshes=())

    options = ("--space", "fsaverage5", "--smoothing", "20:run:isoblurto")

    assert main([str(dataset), str(tmp_path / "out"), "participant", *options]) == 65

    assert "needs its mesh" in capsys.readouterr().err
