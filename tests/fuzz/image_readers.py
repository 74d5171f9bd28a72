"""Readers of images and surfaces, compared with what independent readers make of the bytes."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from boldglm.io.images.bold_series import LoadSettings, load_run
from boldglm.io.images.formats import read_bold_header, read_geometry, read_mask
from boldglm.io.images.geometry import BoldHeader
from boldglm.io.images.meshes import read_mesh
from fuzz import independent, mutations, seeds
from fuzz.reader import Reader


def _read_series(path: Path) -> None:
    """Read a series as a fit reads it, and write maps on its grid."""
    header = read_bold_header(path)
    rows = [row.copy() for row in header.volumes()]
    found = np.array(rows, dtype=float) * header.slope + header.intercept
    _compare_series(path, header, found)
    assert header.repetition_time is None or 0 < header.repetition_time < math.inf
    run = load_run(path, None, LoadSettings(signal_scaling="none"))
    row = np.ones(run.geometry.n_voxels)
    run.geometry.write_map(path.parent, "map", row, intent=("t test", (9.0,)))
    run.geometry.write_series(path.parent, "series", np.stack([row, row]), 2.0)
    for part in run.geometry.parts():
        assert part.mask.sum() >= 0


def _compare_series(path: Path, header: BoldHeader, found: np.ndarray) -> None:
    content = path.read_bytes()
    if path.suffix == ".gii":
        _, arrays = zip(*independent.gifti(content), strict=True)
        _same(found, np.array(arrays, dtype=float).reshape(len(arrays), -1))
    elif path.name.endswith("dtseries.nii"):
        values, models = independent.cifti(content)
        _same(found, values)
        _same_models(header.geometry, models)
    else:
        values, affine, n_more = independent.nifti(content, compressed=path.suffix == ".gz")
        assert n_more <= 4096, "the file is longer than its header says"
        assert values.ndim == 4
        _same(found, values.reshape(-1, values.shape[3], order="F").T)
        if affine is not None:
            _same(header.geometry.affine, affine)


def _read_map(path: Path) -> None:
    """Read a map, as values and as a mask, and write one on its grid."""
    geometry = read_geometry(path)
    content = path.read_bytes()
    if path.suffix == ".gii":
        ((_, values),) = independent.gifti(content)
        values = values.ravel()
    elif path.name.endswith("dscalar.nii"):
        values, models = independent.cifti(content)
        values = values[0]
        _same_models(geometry, models)
    else:
        values, _, n_more = independent.nifti(content, compressed=path.suffix == ".gz")
        assert n_more <= 4096, "the file is longer than its header says"
        values = values.reshape(values.shape[:3])
    _same(geometry.mask, values > 0)
    with np.errstate(invalid="ignore"):
        _same(geometry.unmasked().read_map(path), values.astype(float))
    geometry.write_map(path.parent, "map", np.ones(geometry.n_voxels))


def _read_mask(path: Path) -> None:
    """Read a mask that must fit a series."""
    header = read_bold_header(path.with_name("bold.nii"))
    mask = read_mask(path, header).mask
    values, _, _ = independent.nifti(path.read_bytes(), compressed=True)
    _same(mask, values.reshape(mask.shape) > 0)


def _same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape, f"{found.shape} against {expected.shape}"
    with np.errstate(all="ignore"):
        same = (
            (found == expected) | (np.isnan(found) & np.isnan(expected))
            if (found.dtype.kind == "f")
            else found == expected
        )
        close = same | np.isclose(found.astype(float), expected.astype(float), rtol=1e-6)
    assert close.all(), f"{int((~close).sum())} of {close.size} values differ"


def _same_models(geometry: object, models: Sequence[np.ndarray]) -> None:
    axis = geometry.axis
    found = []
    for name, _, model in axis.iter_structures():
        found.append(model.vertex if name in model.nvertices else model.voxel.ravel())
    _same(np.concatenate(found), np.concatenate(models))


def _read_mesh(path: Path) -> None:
    mesh = read_mesh(path)
    assert np.isfinite(mesh.coordinates).all()
    assert 0 <= mesh.triangles.min() <= mesh.triangles.max() < len(mesh.coordinates)
    if path.suffix == ".gii":
        arrays = dict(independent.gifti(path.read_bytes()))
        _same(mesh.coordinates, arrays["NIFTI_INTENT_POINTSET"].astype(float))
        _same(mesh.triangles, arrays["NIFTI_INTENT_TRIANGLE"])
    else:
        points, triangles = independent.freesurfer(path.read_bytes())
        _same(mesh.coordinates, points.astype(float))
        _same(mesh.triangles, triangles)


def of_cifti(random: Random, content: bytes) -> bytes:
    """Change the XML of a CIFTI file and correct the lengths before it, or change anything."""
    if random.random() < 0.35:
        return mutations.of_nifti(random, content)
    start, stop = content.index(b"<CIFTI"), content.rindex(b"</CIFTI>") + len(b"</CIFTI>")
    offset = int.from_bytes(content[168:176], "little")
    xml = mutations.of_xml(random, content[start:stop])
    size = 16 * (-(-(len(xml) + 8) // 16))
    header = bytearray(content[:544])
    header[168:176] = (544 + size).to_bytes(8, "little")
    extension = size.to_bytes(4, "little") + content[548:552]
    return bytes(header) + extension + xml.ljust(size - 8) + content[offset:]


def _of_gzipped_nifti(random: Random, content: bytes) -> bytes:
    return mutations.of_gzip(random, content, partial(mutations.of_nifti, random))


def _with_series(folder: Path) -> None:
    (folder / "bold.nii").write_bytes(seeds.niftis(".nii")[0])


IMAGES = (
    Reader("NIfTI series", "x_bold.nii", partial(seeds.niftis, ".nii"), mutations.of_nifti,
           _read_series),
    Reader("NIfTI series, gzip", "x_bold.nii.gz", partial(seeds.niftis, ".nii.gz"),
           _of_gzipped_nifti, _read_series),
    Reader("NIfTI map", "x.nii", partial(seeds.maps, ".nii"), mutations.of_nifti, _read_map),
    Reader("NIfTI map, gzip", "x.nii.gz", partial(seeds.maps, ".nii.gz"), _of_gzipped_nifti,
           _read_map),
    Reader("mask of a series", "x_mask.nii.gz", partial(seeds.maps, ".nii.gz"),
           _of_gzipped_nifti, _read_mask, _with_series),
    Reader("GIFTI series", "x_bold.func.gii", seeds.func_giftis, mutations.of_xml, _read_series),
    Reader("GIFTI map", "x.shape.gii", seeds.shape_giftis, mutations.of_xml, _read_map),
    Reader("GIFTI surface", "x_hemi-L_white.surf.gii", seeds.meshes, mutations.of_xml,
           _read_mesh),
    Reader("FreeSurfer surface", "lh.white", seeds.freesurfer,
           partial(mutations.of_bytes, most=80), _read_mesh),
    Reader("CIFTI series", "x_bold.dtseries.nii", seeds.dtseries, of_cifti, _read_series),
    Reader("CIFTI map", "x.dscalar.nii", seeds.dscalars, of_cifti, _read_map),
)  # fmt: skip
