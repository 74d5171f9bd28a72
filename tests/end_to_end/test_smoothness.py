"""How smooth residuals are, from the command line to sidecars, records and reports."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.glm import fit
from boldglm.glm.smoothness import grid_fwhm, sampled_residuals
from boldglm.io.designs import read_design
from fake_surfaces import write_cifti, write_surfaces

RUN = "node-run/sub-01/func/sub-01_task-cuetarget_run-1"
ONE = ("--participant-label", "01", "--run-label", "1", "--noise-model", "ols")


def participant(dataset, out, *options):
    assert main([str(dataset), str(out), "participant", *ONE, *options]) == 0


def said(path):
    return json.loads(path.read_text())


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
    records = [said(path) for path in (out / "logs/records").glob("node-run*.json")]
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

    participant(dataset, out, "--contrast", "cue")

    assert said(out / f"{RUN}_design.json")["ResidualSmoothness"] == first


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
    assert "unknown (there is no mesh" in (tmp_path / "out/sub-01.html").read_text()
