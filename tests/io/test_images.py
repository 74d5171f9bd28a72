"""Maps as NIfTI files."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.images import load_map, write_map


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

    write_map(tmp_path / "map.nii.gz", values, mask, like, intent=("t test", (12.0,)), dtype=dtype)

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

    write_map(tmp_path / "map.nii.gz", values, mask, like)

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
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda _: b"",
        lambda _: b"no gzip",
        lambda _: gzip.compress(b"no image"),
        lambda _: gzip.compress(bytes(1000)),
    ],
    ids=["cut off", "empty", "not gzip", "not an image", "zeros"],
)
def test_a_map_that_cannot_be_read_is_named(tmp_path, spoil):
    path = tmp_path / "map.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((9, 9, 9)), np.eye(4)), path)
    path.write_bytes(spoil(path.read_bytes()))

    with pytest.raises(BadDataError, match=r"map\.nii\.gz is not a readable image"):
        load_map(path)


def test_a_map_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"no file .*map\.nii\.gz"):
        load_map(tmp_path / "map.nii.gz")
