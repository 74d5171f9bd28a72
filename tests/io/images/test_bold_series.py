"""Runs as masked series: read once, in memory or spooled, whatever the file holds."""

import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from boldglm.errors import BadDataError
from boldglm.glm import fit
from boldglm.glm.spatial.brain_mask import compute_brain_mask
from boldglm.glm.spatial.volume_smoothing import MaskSmoother
from boldglm.io.images import volumes
from boldglm.io.images.bold_series import LoadSettings, ScaledSeries, load_run
from boldglm.io.images.formats import read_bold_header
from boldglm.io.images.temporary_store import BLOCK_VOXELS, TemporarySeries, TemporaryVolumes

SHAPE = (13, 11, 9)
N_SCANS = 40
SPOOLED = {"memory_limit": 0}


def write_series(path, data, *, slope=1.0, intercept=0.0, zooms=(3.0, 3.0, 3.0)):
    """Write stored values with a slope; nibabel would rescale them."""
    image = nib.Nifti1Image(data, np.diag([*zooms, 1.0]))
    image.header.set_zooms((*zooms, 2.0))
    image.header.set_slope_inter(slope, intercept)
    image.header.set_data_dtype(data.dtype)
    nib.save(image, path)
    return path


def write_mask(path, mask):
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.diag([3.0, 3.0, 3.0, 1.0])), path)
    return path


def brain(dtype=np.int16, seed=0):
    """Return a series with a bright block in a dim surround, and the block."""
    rng = np.random.default_rng(seed)
    block = np.zeros(SHAPE, dtype=bool)
    block[2:-2, 2:-2, 2:-2] = True
    data = np.where(block, 1000.0, 10.0)[..., np.newaxis] + rng.normal(0, 4, (*SHAPE, N_SCANS))
    return data.round().astype(dtype), block


@pytest.fixture
def run(tmp_path):
    """Return file, mask file, stored values, and the mask."""
    data, block = brain()
    return (
        write_series(tmp_path / "bold.nii.gz", data),
        write_mask(tmp_path / "mask.nii.gz", block),
        data,
        block,
    )


def design(n_scans=N_SCANS):
    return np.column_stack([np.sin(np.arange(n_scans)), np.ones(n_scans)])


def betas(found):
    """Estimates in the unit that was asked for."""
    return fit(found.bold, design(found.bold.shape[0]), noise="ols").betas * found.scale


@pytest.mark.parametrize("masked", [True, False], ids=["mask given", "mask computed"])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("smoothing", [None, 6.0])
def test_a_spooled_series_gives_the_same_bits_as_one_in_memory(run, masked, n_threads, smoothing):
    bold_file, mask_file, *_ = run
    mask_file = mask_file if masked else None

    held = load_run(bold_file, mask_file, LoadSettings(smoothing=smoothing))
    spooled = load_run(
        bold_file, mask_file, LoadSettings(smoothing=smoothing, n_threads=n_threads, **SPOOLED)
    )

    assert isinstance(held.bold, np.ndarray)
    assert isinstance(spooled.bold, TemporarySeries)
    np.testing.assert_array_equal(spooled.geometry.mask, held.geometry.mask)
    np.testing.assert_array_equal(np.asarray(spooled.bold), held.bold)
    np.testing.assert_array_equal(betas(spooled), betas(held))


def test_the_series_keeps_the_type_and_the_values_of_the_file(run):
    bold_file, mask_file, data, block = run

    found = load_run(bold_file, mask_file, LoadSettings())

    assert found.bold.dtype == np.int16
    np.testing.assert_array_equal(found.bold, data[block].T)
    np.testing.assert_allclose(found.mean, data.mean(axis=-1), rtol=1e-12)


def test_a_mask_is_computed_from_the_mean_of_the_same_reading(run):
    bold_file, _, data, block = run
    expected = compute_brain_mask(data.mean(axis=-1), np.ones(SHAPE, dtype=bool))

    found = load_run(bold_file, None, LoadSettings(**SPOOLED))

    np.testing.assert_array_equal(found.geometry.mask, expected)
    assert (expected & ~block).sum() == 0
    assert expected.sum() > block.sum() / 3  # the opening takes the corners of a block
    np.testing.assert_array_equal(np.asarray(found.bold), data[expected].T)


@pytest.mark.parametrize("masked", [True, False], ids=["mask given", "mask computed"])
@pytest.mark.parametrize("smoothing", [None, 6.0])
@pytest.mark.parametrize("held", [{}, SPOOLED], ids=["memory", "spool"])
def test_the_file_is_decompressed_once(run, masked, smoothing, held, monkeypatch):
    bold_file, mask_file, *_ = run
    opened = []
    real = volumes.open_read
    monkeypatch.setattr(volumes, "open_read", lambda path: opened.append(path) or real(path))

    load_run(bold_file, mask_file if masked else None, LoadSettings(smoothing=smoothing, **held))

    assert opened == [bold_file]


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.25, 0.0), (0.25, -30.0), (-0.5, 3000.0), (2.0, 100.0)]
)
@pytest.mark.parametrize("scaling", ["percent", "none"])
@pytest.mark.parametrize("smoothing", [None, 6.0])
def test_slope_intercept_and_percent_reach_the_estimates(
    tmp_path, slope, intercept, scaling, smoothing
):
    data, block = brain()
    path = write_series(tmp_path / "b.nii.gz", data, slope=slope, intercept=intercept)
    mask_file = write_mask(tmp_path / "mask.nii.gz", block)
    values = slope * data[block].T.astype(float) + intercept
    if smoothing:
        smoother = MaskSmoother(block, smoothing, (3.0, 3.0, 3.0))
        values = np.stack([smoother.smooth(one) for one in values]).astype(float)
    expected = fit(values, design(), noise="ols").betas
    if scaling == "percent":
        expected = expected * 100 / values.mean(axis=0)

    found = load_run(path, mask_file, LoadSettings(scaling, smoothing=smoothing))

    # float32 of smoothing has 7 digits of the signal, of which the effect is a small part
    tolerance = {"rtol": 1e-9} if smoothing is None else {"rtol": 1e-5, "atol": 2e-4}
    np.testing.assert_allclose(betas(found), expected, **tolerance)


@pytest.mark.parametrize("dtype", ["uint8", ">i2", "int32", "float32", ">f4", "float64"])
def test_every_stored_type_is_read(tmp_path, dtype):
    data, block = brain()
    data = (data // 8).astype(dtype)
    path = write_series(tmp_path / "bold.nii", data)
    mask_file = write_mask(tmp_path / "mask.nii.gz", block)

    found = load_run(path, mask_file, LoadSettings(**SPOOLED))

    np.testing.assert_array_equal(np.asarray(found.bold), data[block].T)
    assert found.bold.dtype.isnative


def test_complex_values_are_refused(tmp_path):
    path = write_series(tmp_path / "bold.nii.gz", brain()[0].astype(np.complex64))

    with pytest.raises(BadDataError, match="complex64"):
        read_bold_header(path)


@pytest.mark.parametrize("held", [{}, SPOOLED], ids=["memory", "spool"])
@pytest.mark.parametrize("smoothing", [None, 6.0])
def test_voxels_that_are_constant_not_finite_or_without_a_positive_mean_are_excluded(
    tmp_path, held, smoothing
):
    data, block = brain(np.float32)
    data[5, 5, 4] = 7
    data[6, 5, 4, 3] = np.nan
    data[7, 5, 4, 2:4] = np.inf, -np.inf
    data[5, 6, 4] -= 2000
    data[6, 6, 4] = np.resize([1, -1], N_SCANS)  # a mean of exactly 0
    path = write_series(tmp_path / "bold.nii.gz", data)
    mask_file = write_mask(tmp_path / "mask.nii.gz", block)
    kept = block.copy()
    kept[5:8, 5, 4] = kept[5:7, 6, 4] = False

    found = load_run(path, mask_file, LoadSettings(smoothing=smoothing, **held))

    np.testing.assert_array_equal(found.geometry.mask, kept)
    assert found.bold.shape == (N_SCANS, kept.sum())
    assert [note.text.split()[0] for note in found.notices] == ["3", "2"]
    if smoothing is None:
        np.testing.assert_array_equal(np.asarray(found.bold), data[kept].T)
    assert np.isfinite(np.asarray(found.bold)).all()
    assert np.isfinite(betas(found)).all()


def test_voxels_without_signal_do_not_spread_when_smoothed(tmp_path):
    data, block = brain(np.float32)
    clean = write_series(tmp_path / "clean.nii.gz", data)
    mask = block.copy()
    mask[6, 5, 4] = False
    without = load_run(clean, write_mask(tmp_path / "m.nii.gz", mask), LoadSettings(smoothing=6.0))
    data[6, 5, 4, 3] = np.nan
    spoilt = write_series(tmp_path / "spoilt.nii.gz", data)

    found = load_run(spoilt, write_mask(tmp_path / "n.nii.gz", block), LoadSettings(smoothing=6.0))

    np.testing.assert_array_equal(found.bold, without.bold)


def test_a_mask_without_a_usable_voxel_is_refused(tmp_path):
    data, block = brain()
    data[block] = 5
    path = write_series(tmp_path / "bold.nii.gz", data)

    with pytest.raises(BadDataError, match=r"bold\.nii\.gz has no voxel to analyze"):
        load_run(path, write_mask(tmp_path / "mask.nii.gz", block), LoadSettings())


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("masked", [True, False], ids=["mask given", "mask computed"])
def test_damage_in_the_middle_of_a_file_is_named(run, n_threads, masked):
    bold_file, mask_file, *_ = run
    content = bytearray(bold_file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    bold_file.write_bytes(content)

    with pytest.raises(BadDataError, match=r"bold\.nii\.gz (is damaged|ends) at volume"):
        load_run(
            bold_file, mask_file if masked else None, LoadSettings(n_threads=n_threads, **SPOOLED)
        )


def test_a_reader_that_stops_early_ends_the_thread_that_reads_ahead(run):
    import threading

    stream = volumes.stream_volumes(read_bold_header(run[0]), n_threads=2)
    next(stream)

    stream.close()

    assert "decompress" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("n_voxels", [1, BLOCK_VOXELS, 2 * BLOCK_VOXELS + 77])
def test_any_range_of_a_spool_is_what_was_written(tmp_path, n_voxels, monkeypatch):
    three_volumes = 3 * n_voxels * 2
    monkeypatch.setattr("boldglm.io.images.temporary_store.BATCH_BYTES", three_volumes)
    rng = np.random.default_rng(1)
    values = rng.integers(-999, 999, (10, n_voxels)).astype(np.int16)
    spool = TemporarySeries(tmp_path, np.dtype(np.int16), values.shape)
    for row in values:
        spool.next_row()[:] = row
    columns = np.flatnonzero(rng.random(n_voxels) < 0.6) if n_voxels > 1 else np.arange(1)

    spool.finish(columns)

    expected = values[:, columns]
    assert spool.shape == expected.shape
    for start, stop in [(0, 5), (100, 2100), (1300, 1301), (0, 10**6), (7, 7), (2040, 4200)]:
        np.testing.assert_array_equal(spool[:, start:stop], expected[:, start:stop])


def test_a_spool_is_read_in_whole_columns_only(tmp_path):
    spool = TemporarySeries(tmp_path, np.dtype(np.int16), (1, 4))
    spool.next_row()[:] = 1
    spool.finish(np.arange(4))

    with pytest.raises(IndexError):
        spool[0, 0:2]
    with pytest.raises(IndexError):
        spool[:, 0:4:2]


def test_spools_leave_no_file_behind(run, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()

    found = load_run(run[0], None, LoadSettings(temporary_folder=folder, **SPOOLED))
    kept = TemporaryVolumes(folder, np.dtype(np.int16), 4)
    kept.append(np.arange(4, dtype=np.int16))

    assert found.bold.shape[0] == N_SCANS
    assert [one.tolist() for one in kept] == [[0, 1, 2, 3]]
    assert list(folder.iterdir()) == []


def test_no_floating_copy_of_a_series_is_made(tmp_path):
    shape, n_scans = (40, 40, 30), 100
    rng = np.random.default_rng(0)
    data = rng.integers(900, 1100, (*shape, n_scans)).astype(np.int16)
    path = write_series(tmp_path / "bold.nii.gz", data)
    mask_file = write_mask(tmp_path / "mask.nii.gz", np.ones(shape, dtype=bool))
    stored = data.nbytes
    del data
    load_run(path, mask_file, LoadSettings())  # what is imported on first use is not counted
    tracemalloc.start()

    found = load_run(path, mask_file, LoadSettings())

    _, held_peak = tracemalloc.get_traced_memory()
    del found
    tracemalloc.reset_peak()
    load_run(path, mask_file, LoadSettings(temporary_folder=Path(tmp_path), **SPOOLED))
    _, spooled_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_peak < 1.5 * stored  # the series as stored, and a few volumes
    assert spooled_peak < 2.0 * 2**24 + 0.3 * stored  # one batch of the spool, and a few volumes


def test_slope_and_intercept_are_applied_in_double_precision():
    stored = np.random.default_rng(0).normal(0, 1, (20, 3)).astype(np.float32)

    scaled = ScaledSeries(stored, 0.37, 12345.678)

    assert scaled[:, 1:].dtype == scaled.dtype
    np.testing.assert_array_equal(
        scaled[:, 1:], stored[:, 1:].astype(np.float64) * 0.37 + 12345.678
    )


@pytest.mark.parametrize("masked", [True, False], ids=["mask given", "mask computed"])
@pytest.mark.parametrize("smoothing", [None, 6.0])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_censored_volumes_count_neither_for_means_nor_as_signal(
    tmp_path, masked, smoothing, dtype
):
    data, block = brain(dtype)
    censored = [0, 1, 17, N_SCANS - 1]
    left = np.setdiff1d(np.arange(N_SCANS), censored)
    flat, broken = (6, 5, 4), (5, 5, 4)
    data[flat] = 1000
    spoilt = data.copy()
    spoilt[..., censored] = 2 * data[..., censored] + 7
    if dtype == np.float32:
        spoilt[(*broken, 17)] = np.nan
    path = write_series(tmp_path / "bold.nii.gz", spoilt)
    mask_file = write_mask(tmp_path / "mask.nii.gz", block) if masked else None

    reading = LoadSettings(smoothing=smoothing, censored=frozenset(censored))
    found = load_run(path, mask_file, reading)
    shorter = write_series(tmp_path / "shorter.nii.gz", data[..., left])
    without = load_run(shorter, found_mask(tmp_path, found), LoadSettings(smoothing=smoothing))

    assert not found.geometry.mask[flat]
    assert found.geometry.mask[broken] == (dtype != np.float32)
    whole = ~np.isnan(found.mean)
    np.testing.assert_allclose(found.mean[whole], data[..., left].mean(axis=-1)[whole], rtol=1e-6)
    np.testing.assert_allclose(found.scale, without.scale, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(found.bold)[left], np.asarray(without.bold))


def found_mask(folder, found):
    """Write the mask of a run that was read."""
    return write_mask(folder / "found.nii.gz", found.geometry.mask)


def test_an_oblique_grid_is_smoothed_by_the_distances_between_its_voxels(tmp_path):
    rng = np.random.default_rng(0)
    block = np.zeros((13, 11, 9), dtype=bool)
    block[2:-2, 2:-2, 2:-2] = True
    data = rng.integers(900, 1100, (*block.shape, 12)).astype(np.int16)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 3.0, 4.0])
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "bold.nii.gz")
    nib.save(nib.Nifti1Image(block.astype(np.uint8), affine), tmp_path / "mask.nii.gz")
    expected = MaskSmoother(block, 5.0, (2.0, 3.0, 4.0)).smooth(data[block, 7])

    found = load_run(
        tmp_path / "bold.nii.gz", tmp_path / "mask.nii.gz", LoadSettings(smoothing=5.0)
    )

    np.testing.assert_allclose(found.bold[7], expected, rtol=1e-6)
