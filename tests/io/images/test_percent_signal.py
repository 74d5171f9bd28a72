"""Percent of the mean is refused where the mean is near zero, and only there."""

import nibabel as nib
import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.errors import BadDataError
from boldglm.io.images.bold_series import LoadSettings, load_run
from boldglm.io.images.percent_signal import check_percent_signal

SHAPE = (13, 11, 9)
N_SCANS = 40
SPOOLED = {"memory_limit": 0}


def brain(dtype):
    """Return a series with a bright block in a dim surround, and the block."""
    rng = np.random.default_rng(0)
    block = np.zeros(SHAPE, dtype=bool)
    block[2:-2, 2:-2, 2:-2] = True
    data = np.where(block, 1000.0, 10.0)[..., np.newaxis] + rng.normal(0, 4, (*SHAPE, N_SCANS))
    return data.round().astype(dtype), block


def write_series(path, data, *, slope=1.0, intercept=0.0):
    """Write stored values with a slope; nibabel would rescale them."""
    image = nib.Nifti1Image(data, np.diag([3.0, 3.0, 3.0, 1.0]))
    image.header.set_zooms((3.0, 3.0, 3.0, 2.0))
    image.header.set_slope_inter(slope, intercept)
    nib.save(image, path)
    return path


def write_mask(path, mask):
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.diag([3.0, 3.0, 3.0, 1.0])), path)
    return path


def standardized():
    """Return a brain whose series have mean 0 (to rounding) and variance 1, and its mask."""
    data, block = brain(np.float32)
    data = data - data.mean(axis=-1, keepdims=True)
    return (data / data.std(axis=-1, keepdims=True)).astype(np.float32), block


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("smoothing", [None, 5.0])
@pytest.mark.parametrize("held", [{}, SPOOLED])
def test_percent_of_a_standardized_series_is_refused(tmp_path, masked, smoothing, held):
    data, block = standardized()
    path = write_series(tmp_path / "zscored_bold.nii.gz", data)
    mask = write_mask(tmp_path / "mask.nii.gz", block) if masked else None
    with pytest.raises(BadDataError, match=r"^zscored_bold.nii.gz: .*--signal-scaling none"):
        load_run(path, mask, LoadSettings(smoothing=smoothing, **held))
    load_run(path, mask, LoadSettings("none", smoothing=smoothing, **held))


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, 0.0), (1.0, -1000.0)])
def test_the_ratio_is_that_of_the_scaled_values(tmp_path, slope, intercept):
    data, block = brain(np.int16)
    path = write_series(tmp_path / "bold.nii.gz", data, slope=slope, intercept=intercept)
    mask = write_mask(tmp_path / "mask.nii.gz", block)
    if intercept:
        with pytest.raises(BadDataError, match="--signal-scaling none"):
            load_run(path, mask, LoadSettings())
    else:
        load_run(path, mask, LoadSettings())


def test_the_noise_of_air_is_not_refused():
    rng = np.random.default_rng(0)
    air = np.hypot(*rng.normal(size=(2, N_SCANS, 5000)))
    check_percent_signal(air, 1.0, air.mean(axis=0), "bold.nii.gz")


@pytest.mark.parametrize(("n_centered", "is_refused"), [(2000, False), (3500, True)])
def test_half_of_the_voxels_decide_wherever_they_lie(n_centered, is_refused):
    rng = np.random.default_rng(1)
    means = rng.permutation(np.where(np.arange(5000) < n_centered, 0.01, 50.0))
    bold = means + rng.normal(size=(N_SCANS, 5000))
    if is_refused:
        with pytest.raises(BadDataError, match="of 1024 voxels"):
            check_percent_signal(bold, 1.0, means, "bold.nii.gz")
    else:
        check_percent_signal(bold, 1.0, means, "bold.nii.gz")


def test_a_standardized_run_fails_by_name_and_is_fitted_in_the_unit_of_the_file(
    dataset, tmp_path, capsys
):
    path = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    image = nib.load(path)
    data = image.get_fdata()
    data = (data - data.mean(axis=-1, keepdims=True)) / (data.std(axis=-1, keepdims=True) + 1e-6)
    image.header.set_data_dtype(np.float32)
    nib.save(nib.Nifti1Image(data.astype(np.float32), image.affine, image.header), path)
    out = tmp_path / "out"
    arguments = [str(dataset), str(out), "participant", "--participant-label", "01"]
    arguments += ["--noise-model", "ols"]
    assert main(arguments) == 1
    assert f"{path.name}: " in (message := capsys.readouterr().err)
    assert "--signal-scaling none" in message
    assert not list(tmp_path.rglob("*_run-1_*statmap.nii.gz"))
    assert list(tmp_path.rglob("*_run-2_*statmap.nii.gz"))
    assert main([*arguments, "--signal-scaling", "none", "--fresh"]) == 0
    assert list(tmp_path.rglob("*_run-1_*statmap.nii.gz"))
