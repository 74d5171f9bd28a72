"""Checks of the XML of a CIFTI file before and after nibabel parses it.

nibabel trusts the numbers in the XML: it computes a power of ten of any size, and makes arrays of
any length. It also takes vertices and voxels that lie outside their structure.
"""

import xml.parsers.expat
from typing import Any

import numpy as np

from boldglm.io.images.geometry import MOST_VOXELS
from boldglm.io.images.gifti import whole_number

LARGEST_EXPONENT = 30  # of SeriesExponent and MeterExponent, either way
MILLIMETERS = "-3"  # MeterExponent
COUNTS = ("NumberOfSeriesPoints", "IndexOffset", "IndexCount", "SurfaceNumberOfVertices")
FLATTEST = 1e-9  # determinant of an affine, at least


def check_xml(text: bytes, n_columns: int) -> None:
    """Check the numbers in the XML of a CIFTI file.

    Parameters
    ----------
    text : bytes
        The XML.
    n_columns : int
        Number of grayordinates in the header of the file.

    Raises
    ------
    ValueError
        If it declares entities, has numbers that are impossible, or gives another number of
        grayordinates than the header.
    """
    spans: list[tuple[int, int]] = []

    def refuse(*_: object) -> None:
        raise ValueError("it declares XML entities, which are not allowed in CIFTI")

    def start(name: str, attributes: dict[str, str]) -> None:
        for key in COUNTS:
            whole_number(attributes.get(key, "0"))
        for key in ("SeriesExponent", "MeterExponent"):
            _check_exponent(key, attributes.get(key, "0"))
        if attributes.get("MeterExponent", MILLIMETERS).strip() != MILLIMETERS:
            raise ValueError(
                f"its MeterExponent is {attributes['MeterExponent']}, but only millimeters "
                f"({MILLIMETERS}) are supported"
            )
        if name == "BrainModel":
            spans.append((int(attributes["IndexOffset"]), int(attributes["IndexCount"])))

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(text, True)
    _check_spans(spans, n_columns)


def _check_exponent(key: str, text: str) -> None:
    digits = text.strip().removeprefix("-").removeprefix("+")
    if not digits.isdigit() or len(digits) > 2 or int(digits) > LARGEST_EXPONENT:
        raise ValueError(f"its {key} is {text[:40]!r}, not a small whole number")


def _check_spans(spans: list[tuple[int, int]], n_columns: int) -> None:
    """Check that brain models follow each other without gaps and fill the columns."""
    position = 0
    for offset, count in sorted(spans):
        if offset != position or count < 1:
            raise ValueError(
                f"a brain model has {count} grayordinates from {offset} on, but should begin at "
                f"{position}"
            )
        position += count
    if spans and position != n_columns:
        raise ValueError(f"its XML has {position} grayordinates, but its header {n_columns}")


def check_brain_models(models: Any) -> None:
    """Check that vertices and voxels lie inside their structures, each once.

    Parameters
    ----------
    models : nibabel.cifti2.BrainModelAxis
        The grayordinates.

    Raises
    ------
    ValueError
        If a structure has an impossible size, an index lies outside it or occurs twice, or
        voxels have no position.
    """
    sizes = [*models.nvertices.values()]
    if models.volume_shape is not None:
        sizes.append(int(np.prod(models.volume_shape, dtype=object)))
    if sizes and not 0 < max(sizes) <= MOST_VOXELS:
        raise ValueError(f"its XML gives a structure {max(sizes)} vertices or voxels")
    names = set()
    for name, _, model in models.iter_structures():
        if name in names:
            raise ValueError(f"it has the structure {name} twice")
        names.add(name)
        if name in model.nvertices:
            indices, shape = model.vertex[:, np.newaxis], (model.nvertices[name],)
        else:
            indices, shape = model.voxel, tuple(model.volume_shape)
        if indices.min() < 0 or (indices >= shape).any():
            raise ValueError(f"{name} has vertices or voxels outside its {shape}")
    _check_distinct(models)


def _check_distinct(models: Any) -> None:
    """Check that no vertex of a structure and no voxel occurs twice, and voxels have a place."""
    is_surface = models.surface_mask
    for name in models.nvertices:
        vertices = models.vertex[models.name == name]
        if len(np.unique(vertices)) != len(vertices):
            raise ValueError(f"{name} has a vertex twice")
    if is_surface.all():
        return
    voxels = np.ravel_multi_index(tuple(models.voxel[~is_surface].T), models.volume_shape)
    if len(np.unique(voxels)) != len(voxels):
        raise ValueError("it has a voxel twice")
    if not np.isfinite(models.affine).all() or abs(np.linalg.det(models.affine)) < FLATTEST:
        raise ValueError("its voxels have no position: the affine cannot be inverted")
