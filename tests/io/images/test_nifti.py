"""Maps as NIfTI files."""

import gzip
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.images.bold_series import LoadSettings, load_run
from boldglm.io.images.nifti import VolumeGrid, load_map, read_nifti_header


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_map_is_the_file_that_nibabel_would_write(tmp_path, dtype):
    rng = np.random.default_rng(0)
    affine = np.array([[-2.0, 0.3, 0, 90], [0.3, 2, 0, -120], [0, 0, 3, -70], [0, 0, 0, 1]])
    like = nib.Nifti1Image(np.zeros((5, 4, 3, 2), np.int16), affine).header
    like.set_zooms((2.02, 2.02, 3.0, 1.5))
    like.set_xyzt_units("mm", "sec")
    like.set_sform(affine, 4)
    like.set_qform(affine, 1)
    mask = rng.random((5, 4, 3)) < 0.5
    values = rng.integers(1, 9, mask.sum()).astype(float)

    grid = VolumeGrid(mask, like)
    grid.write_map(tmp_path, "map", values, intent=("t test", (12.0,)), dtype=dtype)

    content = gzip.decompress((tmp_path / "map.nii.gz").read_bytes())
    found = nib.Nifti1Image.from_bytes(content)
    expected = np.zeros(mask.shape, dtype)
    expected[mask] = values
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)
    again = nib.Nifti1Image(expected, None, found.header)
    assert again.to_bytes() == content
    assert found.header.get_intent() == ("t test", (12.0,), "")
    assert [int(found.header[key]) for key in ("sform_code", "qform_code")] == [4, 1]


def test_values_that_are_not_finite_become_zero(tmp_path):
    like = nib.Nifti1Image(np.zeros((2, 2, 2, 2), np.int16), np.eye(4)).header
    mask = np.ones((2, 2, 2), dtype=bool)
    values = np.array([1.0, np.nan, np.inf, -np.inf, 2.0, 3.0, 4.0, 5.0])

    VolumeGrid(mask, like).write_map(tmp_path, "map", values)

    found = np.asarray(nib.load(tmp_path / "map.nii.gz").dataobj)
    np.testing.assert_array_equal(found[mask], [1, 0, 0, 0, 2, 3, 4, 5])


@pytest.mark.parametrize("image_class", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["map.nii.gz", "map.nii"])
def test_maps_of_either_nifti_are_read(tmp_path, image_class, name):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    nib.save(image_class(values, np.diag([2.0, 3, 4, 1])), tmp_path / name)

    found = load_map(tmp_path / name)

    np.testing.assert_array_equal(np.asarray(found.dataobj), values)
    np.testing.assert_array_equal(found.affine, np.diag([2.0, 3, 4, 1]))
    assert isinstance(found, image_class)


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda content: content[: len(content) // 2], "not a readable image"),
        (lambda _: b"", "empty"),
        (lambda _: b"no gzip", "not gzip"),
        (lambda _: gzip.compress(b"no image"), "not a readable image"),
        (lambda _: gzip.compress(bytes(1000)), "not a readable image"),
    ],
    ids=["cut off", "empty", "not gzip", "not an image", "zeros"],
)
def test_a_map_that_cannot_be_read_is_named(tmp_path, spoil, finding):
    path = tmp_path / "map.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((9, 9, 9)), np.eye(4)), path)
    path.write_bytes(spoil(path.read_bytes()))

    with pytest.raises(BadDataError, match=rf"map\.nii\.gz is .*{finding}"):
        load_map(path)


def lying_header(shape, dtype=np.int16):
    """Return a header that announces a shape, in NIfTI-2, which has room for any number."""
    header = nib.Nifti2Header()
    header.set_data_dtype(dtype)
    header["dim"][: len(shape) + 1] = [len(shape), *shape]
    header["magic"], header["vox_offset"] = b"n+2", header.single_vox_offset
    return header.binaryblock + bytes(4)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("shape", "finding"),
    [
        ((64, 64, 30, 2**40), "is truncated: its header gives 1099511627776 volumes"),
        ((2**20, 2**20, 2**20, 200), "its volumes would have 1048576 x 1048576 x 1048576 voxels"),
        ((2**33, 2**33, 1, 2**33), "has a damaged header"),  # wraps around to 0 in 64 bits
        ((64, -64, 30, 100), "has a damaged header"),
    ],
)
def test_a_header_that_announces_more_than_the_file_can_hold_is_refused_without_memory(
    tmp_path, shape, finding, compressed
):
    content = lying_header(shape) + bytes(5000)
    path = tmp_path / ("bold.nii.gz" if compressed else "bold.nii")
    path.write_bytes(gzip.compress(content) if compressed else content)
    tracemalloc.start()

    with pytest.raises(BadDataError, match=finding):
        read_nifti_header(path)

    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_mask_whose_header_lies_or_that_unpacks_to_more_than_it_announces_takes_no_memory(
    tmp_path,
):
    lying, bomb = tmp_path / "lying.nii.gz", tmp_path / "bomb.nii.gz"
    lying.write_bytes(gzip.compress(lying_header((900, 900, 200)) + bytes(5000)))
    bomb.write_bytes(gzip.compress(lying_header((5, 4, 3)) + bytes(2**26), compresslevel=1))
    tracemalloc.start()

    with pytest.raises(BadDataError, match=r"162000000 voxels, .* more than the file has"):
        load_map(lying)
    with pytest.raises(BadDataError, match=r"664 bytes\), but at least 4,097 bytes more follow"):
        load_map(bomb)

    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_an_extension_that_unpacks_to_more_than_memory_is_passed_over(tmp_path):
    rng = np.random.default_rng(0)
    header = nib.Nifti1Header()
    header.set_data_shape((5, 4, 3, 6))
    header.set_data_dtype(np.int16)
    header["magic"], header["vox_offset"] = b"n+1", 2**26
    start = header.binaryblock + bytes([1, 0, 0, 0]) + (2**26 - 352).to_bytes(4, "little")
    data = rng.integers(0, 99, (5, 4, 3, 6), dtype=np.int16)
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(gzip.compress(start.ljust(2**26, b"\0") + data.tobytes(order="F")))
    tracemalloc.start()

    found = read_nifti_header(path)

    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert found.shape == (5, 4, 3)


def test_a_map_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"no file .*map\.nii\.gz"):
        load_map(tmp_path / "map.nii.gz")


@pytest.mark.parametrize("image_class", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("name", ["bold.nii.gz", "bold.nii"])
def test_series_of_either_nifti_and_byte_order_are_read(tmp_path, image_class, order, name):
    data = np.random.default_rng(0).integers(500, 900, (6, 5, 4, 9)).astype(f"{order}i2")
    header = image_class.header_class(endianness=order)
    header.set_data_dtype(data.dtype)
    image = image_class(data, np.diag([3.0, 3, 3, 1]), header)
    image.header.set_zooms((3.0, 3.0, 3.0, 1.25))
    nib.save(image, tmp_path / name)
    everywhere = VolumeGrid(np.ones((6, 5, 4), bool), image.header)
    mask = everywhere.write_map(tmp_path, "mask", np.ones(120), dtype=np.uint8)

    found = load_run(tmp_path / name, mask, LoadSettings())

    np.testing.assert_array_equal(np.asarray(found.bold), data.reshape(-1, 9).T)
    assert found.header.repetition_time == 1.25
    assert read_nifti_header(tmp_path / name).slope == 1.0


def test_an_affine_that_cannot_be_inverted_is_refused(tmp_path):
    header = nib.Nifti1Header()
    header.set_sform(np.diag([3.0, 3, 0, 1]), 1)
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 5), np.int16), None, header), tmp_path / "bold.nii")

    with pytest.raises(BadDataError, match=r"its affine .*cannot be inverted"):
        read_nifti_header(tmp_path / "bold.nii")


@pytest.mark.parametrize(
    ("step", "unit", "seconds"),
    [
        (2.0, "sec", 2.0),
        (720.0, "msec", 0.72),
        (1.5e6, "usec", 1.5),
        (2000.0, "sec", 2.0),  # a common mistake: no volume takes half an hour
        (720.0, "unknown", 0.72),
        (100.0, "sec", 100.0),  # the longest repetition time that is believed
        (101.0, "sec", 0.101),
        (0.0, "sec", None),
    ],
)
def test_the_repetition_time_is_read_in_any_unit(tmp_path, step, unit, seconds):
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.float32), np.eye(4))
    image.header.set_zooms((1, 1, 1, step))
    image.header.set_xyzt_units("mm", unit)
    nib.save(image, tmp_path / "bold.nii.gz")

    found = read_nifti_header(tmp_path / "bold.nii.gz").repetition_time

    assert found == (None if seconds is None else pytest.approx(seconds, rel=1e-6))
