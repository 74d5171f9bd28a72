"""CIFTI files: series and maps of cortex and voxels, as nibabel writes and reads them."""

import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import ScalarAxis, SeriesAxis

from boldglm.errors import BadDataError
from boldglm.glm.spatial.surface_smoothing import MeshSmoother
from boldglm.glm.spatial.volume_smoothing import MaskSmoother
from boldglm.io.images.bold_series import LoadSettings, load_run
from boldglm.io.images.cifti import BrainModels
from boldglm.io.images.formats import read_bold_header, read_geometry
from boldglm.io.images.grayordinates import Grayordinates
from boldglm.notices import exclusion
from fake_surfaces import N_MEDIAL, N_VERTICES, POINTS, TRIANGLES, brain_models, write_gifti

SHAPE, AFFINE = (9, 10, 8), np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 3, 3], [0, 0, 0, 1]])
AXIS = brain_models(SHAPE, AFFINE)
MODELS = BrainModels(AXIS)
N_SCANS = 30


def write_series(path, data, axis=AXIS, step=2.0, unit="SECOND"):
    nib.save(nib.Cifti2Image(data, (SeriesAxis(0, step, len(data), unit), axis)), path)
    return path


def signal(dtype=np.float32):
    rng = np.random.default_rng(0)
    return (1000 + rng.normal(0, 5, (N_SCANS, len(AXIS)))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.float64])
@pytest.mark.parametrize("block_bytes", [2**26, 5000], ids=["at once", "some at a time"])
def test_a_series_is_read_as_nibabel_reads_it(tmp_path, dtype, block_bytes, monkeypatch):
    monkeypatch.setattr("boldglm.io.images.grayordinates.BLOCK_BYTES", block_bytes)
    path = write_series(tmp_path / "x_bold.dtseries.nii", signal(dtype))

    found = load_run(path, None, LoadSettings())

    np.testing.assert_array_equal(np.asarray(found.bold), signal(dtype))
    header = read_bold_header(path)
    assert (header.n_scans, header.repetition_time, header.shape) == (N_SCANS, 2.0, (len(AXIS),))


@pytest.mark.parametrize(
    ("step", "unit", "expected"),
    [(0.72, "SECOND", 0.72), (720.0, "SECOND", 0.72), (1.0, "HERTZ", None)],
)
def test_the_repetition_time_is_the_step_of_the_series_if_that_is_time(
    tmp_path, step, unit, expected
):
    path = write_series(tmp_path / "x.dtseries.nii", signal(), step=step, unit=unit)

    assert read_bold_header(path).repetition_time == expected


def test_slope_and_intercept_are_applied(tmp_path):
    path = write_series(tmp_path / "x.dtseries.nii", signal(np.int16))
    changed(path, 176, np.array([0.5, 100.0]).tobytes())

    found = load_run(path, None, LoadSettings(signal_scaling="none"))

    expected = 0.5 * signal(np.int16) + 100.0
    np.testing.assert_allclose(np.asarray(found.bold) * found.scale, expected, rtol=1e-12)


def test_grayordinates_without_signal_are_left_out_and_counted(tmp_path):
    data = signal()
    data[:, 5:12], data[3, 40] = 0, np.nan

    found = load_run(write_series(tmp_path / "x.dtseries.nii", data), None, LoadSettings())

    assert found.notices == (
        exclusion(
            f"8 of {len(AXIS)} grayordinates in the mask of x.dtseries.nii: they are constant or "
            "not finite"
        ),
    )
    assert found.geometry.n_voxels == len(AXIS) - 8


def test_maps_and_series_come_back_through_nibabel_and_through_us(tmp_path):
    rng = np.random.default_rng(0)
    mask = rng.random(len(AXIS)) < 0.8
    place = Grayordinates(mask, MODELS)
    row, rows = rng.normal(size=mask.sum()), rng.normal(size=(4, mask.sum()))
    rows[1, 3] = np.nan

    one = place.write_map(tmp_path, "stat-t_statmap", row, intent=("t test", (12.5,)))
    inside = place.write_map(tmp_path, "mask", np.ones(mask.sum()), dtype=np.uint8)
    series = place.write_series(tmp_path, "desc-residuals_bold", rows, 1.5)
    several = place.write_series(tmp_path, "stat-ar_statmap", rows)

    assert [path.name for path in (one, inside, series, several)] == [
        "stat-t_statmap.dscalar.nii", "mask.dscalar.nii",
        "desc-residuals_bold.dtseries.nii", "stat-ar_statmap.dscalar.nii",
    ]  # fmt: skip
    image = nib.load(one)
    expected = np.zeros(len(AXIS), np.float32)
    expected[mask] = row
    np.testing.assert_array_equal(image.get_fdata()[0], expected)
    assert image.header.get_axis(1) == AXIS
    assert image.header.get_axis(0) == ScalarAxis(["stat-t_statmap"])
    assert image.nifti_header.get_intent()[0] == "ConnDenseScalar"
    assert read_geometry(inside).difference(place) == ""
    np.testing.assert_array_equal(read_geometry(inside).mask, mask)
    np.testing.assert_array_equal(place.read_rows([one])[0], row.astype(np.float32))
    found = nib.load(series)
    np.testing.assert_array_equal(
        found.get_fdata()[:, mask], np.nan_to_num(rows.astype(np.float32))
    )
    assert found.header.get_axis(0) == SeriesAxis(0, 1.5, 4)
    assert found.nifti_header.get_intent()[0] == "ConnDenseSeries"
    np.testing.assert_array_equal(nib.load(several).get_fdata(), found.get_fdata())


def test_other_brain_models_are_not_compared(tmp_path):
    mask = np.ones(len(AXIS), bool)
    path = Grayordinates(mask, MODELS).write_map(tmp_path, "mask", mask)
    moved = brain_models(SHAPE, AFFINE + 0.5 * np.eye(4))

    with pytest.raises(BadDataError, match="but different vertices or voxels"):
        Grayordinates(mask, BrainModels(moved)).read_rows([path])
    with pytest.raises(BadDataError, match=rf"{len(AXIS)} grayordinates against 50"):
        Grayordinates(mask[:50], BrainModels(AXIS[:50])).read_rows([path])


def test_each_part_is_where_its_values_belong():
    rng = np.random.default_rng(0)
    place = Grayordinates(rng.random(len(AXIS)) < 0.8, MODELS)
    row = rng.normal(size=place.n_voxels)
    values = place.unmask(row)

    left, right, voxels = place.parts()

    assert [part.name for part in (left, right, voxels)] == [
        "left hemisphere", "right hemisphere", "subcortical voxels",
    ]  # fmt: skip
    n = N_VERTICES - N_MEDIAL
    for part, start in ((left, 0), (right, n)):
        drawn = np.zeros(N_VERTICES)
        drawn[part.mask] = row[part.columns]
        np.testing.assert_array_equal(drawn[N_MEDIAL:], values[start : start + n])
    volume = np.zeros(SHAPE)
    volume[voxels.mask] = row[voxels.columns]
    np.testing.assert_array_equal(volume[tuple(AXIS.voxel[2 * n :].T)], values[2 * n :])
    np.testing.assert_array_equal(voxels.affine, AFFINE)


def test_smoothing_stays_on_each_surface_and_in_each_structure(tmp_path):
    meshes = []
    for side, structure in (("L", "CortexLeft"), ("R", "CortexRight")):
        meshes.append(tmp_path / f"hemi-{side}_midthickness.surf.gii")
        arrays = [POINTS.astype(np.float32), TRIANGLES.astype(np.int32)]
        write_gifti(meshes[-1], arrays, ["POINTSET", "TRIANGLE"], structure)
    place = Grayordinates(np.ones(len(AXIS), bool), MODELS)
    row = np.random.default_rng(0).normal(size=len(AXIS))

    found = place.with_meshes(meshes).smoother(20.0).smooth(row)

    n, inside = N_VERTICES - N_MEDIAL, np.arange(N_VERTICES) >= N_MEDIAL
    along = MeshSmoother(POINTS.astype(np.float32), TRIANGLES, inside, 20.0)
    np.testing.assert_allclose(found[:n], along.smooth(row[:n]), atol=1e-6)
    np.testing.assert_allclose(found[n : 2 * n], along.smooth(row[n : 2 * n]), atol=1e-6)
    for name in ("THALAMUS_LEFT", "PUTAMEN_RIGHT"):
        own = AXIS.name == f"CIFTI_STRUCTURE_{name}"
        where = tuple(AXIS.voxel[own].T)
        mask, volume = np.zeros(SHAPE, bool), np.zeros(SHAPE)
        mask[where], volume[where] = True, row[own]
        expected = np.zeros(SHAPE)
        expected[mask] = MaskSmoother(mask, 20.0, (3, 3, 3)).smooth(volume[mask])
        np.testing.assert_allclose(found[own], expected[where], atol=1e-6)
    with pytest.raises(BadDataError, match=rf"left hemisphere needs its mesh with {N_VERTICES}"):
        place.with_meshes(meshes[1:]).check_smoothing(20.0)


def changed(path, start, values):
    content = bytearray(path.read_bytes())
    content[start : start + len(values)] = values
    path.write_bytes(content)


def replaced(path, old, new):
    """Change the XML without changing its length."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new.ljust(len(old)), 1))


def declare_entity(path):
    """Put a document type with an entity in place of the blanks at the end of the metadata."""
    content = path.read_bytes()
    start = content.index(b"<CIFTI ")
    declared = b'<!DOCTYPE x [<!ENTITY a "a">]>'
    end = content.index(b"</CIFTI>") + len(b"</CIFTI>")
    path.write_bytes(
        content[:start] + declared + content[start:end] + content[end + len(declared) :]
    )
    size = 16 * (-(-(end + len(declared) - 544) // 16))
    changed(path, 544, little(size, 4))
    changed(path, 168, little(544 + size, 8))


def little(number, n_bytes):
    return int(number).to_bytes(n_bytes, "little")


VERTICES = f'SurfaceNumberOfVertices="{N_VERTICES}"'.encode()


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda path: changed(path, 16 + 8 * 5, little(10**12, 8)), "but its XML 30"),
        (lambda path: changed(path, 16 + 8 * 6, little(10**12, 8)), "XML has 1368 grayordinates"),
        (lambda path: changed(path, 168, little(10**15, 8)), "is truncated"),
        (lambda path: changed(path, 168, little(600, 8)), "no CIFTI extension"),
        (lambda path: changed(path, 544, little(2**31 - 1, 4)), "no CIFTI extension"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "is truncated"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "no CIFTI extension"),
        (lambda path: path.write_bytes(b"no image"), "not a readable CIFTI-2 file"),
        (lambda path: replaced(path, b"</CIFTI>", b"</CIFT>"), "not a readable CIFTI-2 file"),
        (lambda path: declare_entity(path), "declares XML entities"),
    ],
    ids=["volumes", "columns", "offset", "short offset", "extension", "cut", "header only",
         "no image", "XML", "entities"],
)  # fmt: skip
def test_a_file_that_lies_is_refused_without_memory(tmp_path, spoil, finding):
    path = write_series(tmp_path / "x.dtseries.nii", signal())
    spoil(path)
    tracemalloc.start()

    with pytest.raises(BadDataError, match=finding):
        load_run(path, None, LoadSettings())

    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_brain_models_of_an_impossible_size_are_refused(tmp_path):
    huge = nib.cifti2.BrainModelAxis.from_surface(np.arange(50), 10**12, "CORTEX_LEFT")
    path = write_series(tmp_path / "x.dtseries.nii", signal()[:, :50], huge)

    with pytest.raises(BadDataError, match="a structure 1000000000000 vertices or voxels"):
        read_bold_header(path)


def test_maps_and_parcels_are_no_series(tmp_path):
    scalars = tmp_path / "x.dtseries.nii"
    nib.save(nib.Cifti2Image(signal()[:2], (ScalarAxis(["a", "b"]), AXIS)), scalars)
    parcels = tmp_path / "y.dtseries.nii"
    by_name = nib.cifti2.ParcelsAxis.from_brain_models([("all", AXIS)])
    nib.save(nib.Cifti2Image(signal()[:, :1], (SeriesAxis(0, 2, N_SCANS), by_name)), parcels)

    with pytest.raises(BadDataError, match="2 maps along a scalar axis"):
        read_bold_header(scalars)
    with pytest.raises(BadDataError, match="it may be parcellated"):
        read_bold_header(parcels)
