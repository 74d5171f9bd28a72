"""Mean series of regions, from series in memory, in temporary files and with an intercept."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from boldglm.analysis.first_level import regions as module
from boldglm.analysis.first_level.regions import fit_regions, mean_series
from boldglm.glm import build_design
from boldglm.io.bids.atlas import Atlas, load_regions
from boldglm.io.images.bold_series import LoadSettings, load_run
from fake_atlases import write_names

SHAPE, N_SCANS = (20, 16, 14), 30


@pytest.fixture
def files(tmp_path) -> tuple[Path, Atlas, np.ndarray]:
    """Return a series, an atlas, and the labels of the voxels."""
    rng = np.random.default_rng(3)
    image = nib.Nifti1Image(rng.integers(500, 900, (*SHAPE, N_SCANS)).astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 20.0)
    path = tmp_path / "bold.nii.gz"
    nib.save(image, path)
    labels = rng.integers(0, 9, SHAPE).astype(np.int16)
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "atlas.nii.gz")
    write_names(tmp_path / "atlas.tsv", labels)
    return path, Atlas.of(tmp_path / "atlas.nii.gz"), labels


@pytest.mark.parametrize("limit", [2**27, 1000])
@pytest.mark.parametrize("scaling", ["percent", "none"])
def test_the_mean_is_over_voxels_in_the_unit_of_the_effects(
    files, tmp_path, monkeypatch, limit, scaling
):
    path, atlas, labels = files
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[3:] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "mask.nii.gz")
    settings = LoadSettings(signal_scaling=scaling, memory_limit=limit, temporary_folder=tmp_path)
    run = load_run(path, tmp_path / "mask.nii.gz", settings)

    found = mean_series(run, load_regions(atlas, run.geometry))

    series = nib.load(path).get_fdata()[mask > 0].T
    if scaling == "percent":
        series = 100 * series / series.mean(axis=0)
    inside = labels[mask > 0]
    expected = [series[:, inside == label].mean(axis=1) for label in range(1, 9)]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-10)


def test_regions_without_voxels_have_no_series_and_no_fit(files):
    path, atlas, _ = files
    run = load_run(path, None, LoadSettings())
    regions = load_regions(atlas, run.geometry)
    events = {"onset": [4.0], "duration": [2.0], "trial_type": ["go"]}
    design = build_design(events, np.arange(N_SCANS) * 2.0)
    places = np.where(regions.places == 2, -1, regions.places)

    assert mean_series(run, replace(regions, places=places)).shape == (N_SCANS, 7)
    nothing = replace(regions, places=np.full_like(places, -1))
    assert fit_regions(run, nothing, design, "ols") is None
