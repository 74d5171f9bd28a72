"""CIFTI-2: cortex and subcortical voxels in one file; series as dtseries.nii, maps as dscalar.nii.

Such a file is NIfTI-2 without compression, with an XML extension that says which vertex or voxel
each column is. Its values lie by column: all volumes of one grayordinate side by side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import nibabel as nib
import numpy as np
from nibabel.cifti2 import cifti2_axes
from nibabel.cifti2.parse_cifti2 import Cifti2Parser

from boldglm.errors import BadDataError
from boldglm.glm.mesh_smoothing import MeshSmoother
from boldglm.glm.smoothing import MaskSmoother
from boldglm.io.files import whole_file
from boldglm.io.geometry import (
    MOST_VOXELS,
    BoldHeader,
    BoolArray,
    Geometry,
    GridPart,
    Intent,
    Part,
    Smoother,
    SurfacePart,
    everything,
)
from boldglm.io.meshes import MEASURED, SHOWN, choose_mesh
from boldglm.io.nifti import SIZE_OF_NIFTI2_HEADER, check_start, parse_header
from boldglm.io.surfaces import SIDES, no_mesh_to_smooth

ENDINGS = (".dtseries.nii", ".dscalar.nii")
XML_CODE, SCALARS_CODE, SERIES_CODE = 32, 3006, 3002  # of NIfTI extensions and intents
STRUCTURES = {
    "CIFTI_STRUCTURE_CORTEX_LEFT": "CortexLeft",
    "CIFTI_STRUCTURE_CORTEX_RIGHT": "CortexRight",
}
BLOCK_BYTES = 2**26  # turned from columns to volumes at a time
BLOCK_COLUMNS = 4096  # written at a time


@dataclass(frozen=True)
class _Structure:
    """One structure of the brain: vertices of a surface, or voxels."""

    name: str
    columns: np.ndarray  # of a row of values, in the order of where[where]
    where: BoolArray  # (n_vertices,) or (x, y, z)

    @property
    def is_surface(self) -> bool:
        return self.where.ndim == 1


@dataclass(frozen=True, eq=False)
class Grayordinates(Geometry):
    """Vertices and voxels of a CIFTI file, and the surfaces that are known for them."""

    axis: Any  # nibabel's BrainModelAxis
    meshes: tuple[Path, ...] = ()

    noun: ClassVar[str] = "grayordinates"
    map_ending: ClassVar[str] = ".dscalar.nii"
    series_ending: ClassVar[str] = ".dtseries.nii"

    def difference(self, other: Self) -> str:
        """Compare the brain models."""
        if len(self.axis) != len(other.axis):
            return f"{len(self.axis)} grayordinates against {len(other.axis)}"
        if self.axis != other.axis:
            return "same number of grayordinates, but other vertices or voxels"
        return ""

    def with_meshes(self, paths: Sequence[Path]) -> Self:
        """Keep the surfaces."""
        return replace(self, meshes=tuple(paths))

    def read_map(self, path: Path) -> np.ndarray:
        """Read the one map of a file."""
        found, values = read_cifti_map(path, self)
        found.check_same(path.name, self, "the images that it is compared with")
        return values

    def check_smoothing(self, fwhm: float) -> None:
        """Look for the meshes."""
        self.smoother(fwhm)

    def smoother(self, fwhm: float) -> Smoother:
        """Smooth along each surface, and in the volume within each structure."""
        sizes = np.linalg.norm(self.axis.affine[:3, :3], axis=0) if self._has_voxels else ()
        parts: list[tuple[np.ndarray, Smoother]] = []
        for one in self._structures(apart=True):
            if not one.columns.size:
                continue
            if not one.is_surface:
                parts.append((one.columns, MaskSmoother(one.where, fwhm, [*map(float, sizes)])))
                continue
            side = STRUCTURES.get(one.name, "")
            mesh = choose_mesh(self.meshes, MEASURED, side, one.where.size)
            if mesh is None:
                raise BadDataError(no_mesh_to_smooth(side, one.where.size, self.meshes))
            try:
                smoother = MeshSmoother(mesh.coordinates, mesh.triangles, one.where, fwhm)
            except ValueError as error:
                raise BadDataError(f"{mesh.path.name}: {error}") from error
            parts.append((one.columns, smoother))
        return _Each(parts)

    def parts(self) -> tuple[Part, ...]:
        """Return the surfaces, and all voxels as one volume."""
        found: list[Part] = []
        for one in self._structures(apart=False):
            if not one.columns.size:
                continue
            if one.is_surface:
                side = STRUCTURES.get(one.name, "")
                mesh = choose_mesh(self.meshes, SHOWN, side, one.where.size)
                shown = (mesh.path.name, mesh.coordinates, mesh.triangles) if mesh else [None] * 3
                name = SIDES.get(side, one.name)
                found.append(SurfacePart(name, one.columns, one.where, *shown))
            else:
                found.append(GridPart(one.name, one.columns, one.where, self.axis.affine))
        return tuple(found)

    @property
    def _has_voxels(self) -> bool:
        return bool((~self.axis.surface_mask).any())

    def _structures(self, *, apart: bool) -> Iterator[_Structure]:
        """Yield the structures; voxels as one if they are not to be kept apart."""
        rank = np.cumsum(self.mask) - 1  # column of each grayordinate in a row of the mask
        for name, place, model in self.axis.iter_structures():
            if name in model.nvertices:
                own = self.mask[place]
                where = (model.vertex[own],)
                shape: tuple[int, ...] = (model.nvertices[name],)
            elif apart:
                own = self.mask[place]
                where, shape = tuple(model.voxel[own].T), model.volume_shape
            else:
                continue
            yield _laid(name, where, shape, rank[place][own])
        if self._has_voxels and not apart:
            own = self.mask & ~self.axis.surface_mask
            where = tuple(self.axis.voxel[own].T)
            yield _laid("subcortical voxels", where, self.axis.volume_shape, rank[own])

    def _write_map(
        self,
        path: Path,
        values: np.ndarray,
        intent: Intent,  # noqa: ARG002 - the code of NIfTI is taken by the kind of file
        dtype: type,
    ) -> None:
        name = path.name.removesuffix(self.map_ending)
        start = self._start(cifti2_axes.ScalarAxis([name]), 1, np.dtype(dtype), SCALARS_CODE)
        with whole_file(path) as file:
            file.write(start)
            file.write(values.astype(dtype).tobytes())

    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        """Write block by block of columns."""
        n_maps, code = len(rows), SCALARS_CODE
        axis: Any = cifti2_axes.ScalarAxis([f"volume {k}" for k in range(1, n_maps + 1)])
        if repetition_time is not None:
            axis, code = cifti2_axes.SeriesAxis(0.0, repetition_time, n_maps), SERIES_CODE
        with whole_file(path) as file:
            file.write(self._start(axis, n_maps, np.dtype(np.float32), code))
            first = 0
            for start in range(0, self.mask.size, BLOCK_COLUMNS):
                inside = self.mask[start : start + BLOCK_COLUMNS]
                last = first + int(inside.sum())
                block = np.zeros((inside.size, n_maps), dtype=np.float32)
                block[inside] = np.nan_to_num(rows[:, first:last].T, posinf=0, neginf=0)
                file.write(block.tobytes())
                first = last

    @cached_property
    def model_xml(self) -> bytes:
        """The brain models as files have them."""
        return bytes(self.axis.to_mapping(1).to_xml())

    def _start(self, along: Any, n_maps: int, dtype: np.dtype, code: int) -> bytes:
        """Return everything before the values: NIfTI-2 header, and the extension."""
        matrix = bytes(along.to_mapping(0).to_xml()) + self.model_xml
        xml = (
            b'<?xml version="1.0" encoding="UTF-8"?><CIFTI Version="2"><Matrix>'
            + matrix
            + b"</Matrix></CIFTI>"
        )
        size = -(-(len(xml) + 8) // 16) * 16
        header = nib.Nifti2Header()
        header.set_data_dtype(dtype)
        header.set_data_shape((1, 1, 1, 1, n_maps, self.mask.size))
        header["magic"] = header.single_magic
        header["vox_offset"] = SIZE_OF_NIFTI2_HEADER + 4 + size
        header["intent_code"] = code
        header["intent_name"] = "ConnDenseSeries" if code == SERIES_CODE else "ConnDenseScalar"
        header.set_slope_inter(1.0, 0.0)
        of_extension = np.array([size, XML_CODE], dtype=f"{header.endianness}i4").tobytes()
        return bytes(header.binaryblock) + b"\x01\0\0\0" + of_extension + xml.ljust(size - 8)


class _Each:
    """Smooths each part of a row by its own smoother."""

    def __init__(self, parts: Sequence[tuple[np.ndarray, Smoother]]) -> None:
        self._parts = parts

    def smooth(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return a row smoothed."""
        given = np.asarray(values, dtype=np.float32)
        result = np.empty(given.shape, dtype=np.float32) if out is None else out
        for columns, smoother in self._parts:
            result[columns] = smoother.smooth(given[columns])
        return result


def _laid(
    name: str, where: tuple[np.ndarray, ...], shape: tuple[int, ...], columns: np.ndarray
) -> _Structure:
    """Sort columns into the order in which a mask lists its elements."""
    mask = np.zeros(shape, dtype=bool)
    mask[where] = True
    return _Structure(name, columns[np.argsort(np.ravel_multi_index(where, shape))], mask)


@dataclass(frozen=True, eq=False)
class CiftiHeader(BoldHeader):
    """The header of a dtseries.nii file."""

    geometry: Grayordinates
    data_offset: int

    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:  # noqa: ARG002 - mapped
        """Turn columns to volumes, some at a time."""
        stored = _mapped(self.path, self.data_offset, (self.volume_size, self.n_scans), self.dtype)
        native = self.dtype.newbyteorder("=")
        n_together = max(1, BLOCK_BYTES // (self.volume_size * self.dtype.itemsize))
        for start in range(0, self.n_scans, n_together):
            yield from np.ascontiguousarray(stored[:, start : start + n_together].T, dtype=native)


def read_cifti_header(path: Path) -> CiftiHeader:
    """Read the header of a dtseries.nii file and check that it describes a usable series.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not CIFTI-2, no series of grayordinates, or shorter than its header says.
    """
    opened = _open(path)
    if not isinstance(opened.along, cifti2_axes.SeriesAxis) or opened.n_maps < 2:
        kind = type(opened.along).__name__.removesuffix("Axis").lower()
        raise BadDataError(
            f"{path.name} holds {opened.n_maps} maps along a {kind} axis; a BOLD run is a series "
            "of more than one volume (dtseries). Is it a map under the name of a series?"
        )
    slope, intercept = opened.header.get_slope_inter()
    is_time = str(opened.along.unit).upper() == "SECOND"
    step = float(opened.along.step)
    step = step / 1000 if step > 100 else step  # milliseconds: no volume takes 100 s
    return CiftiHeader(
        path=path,
        geometry=opened.geometry,
        n_scans=opened.n_maps,
        repetition_time=step if is_time and step > 0 else None,
        dtype=opened.header.get_data_dtype(),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        data_offset=int(opened.header.get_data_offset()),
    )


def read_cifti_map(
    path: Path, known: Grayordinates | None = None
) -> tuple[Grayordinates, np.ndarray]:
    """Read a map: where it lies, and its values as float64.

    Where it probably lies may be given, which saves time.

    Raises
    ------
    MissingInputError, BadDataError
        If it is not there, cannot be read, or has several maps.
    """
    opened = _open(path, known)
    if opened.n_maps != 1:
        raise BadDataError(f"{path.name} has {opened.n_maps} maps; a mask or map file has one.")
    slope, intercept = opened.header.get_slope_inter()
    offset = int(opened.header.get_data_offset())
    size = opened.geometry.mask.size
    stored = _mapped(path, offset, (size, 1), opened.header.get_data_dtype())[:, 0]
    values = stored.astype(np.float64)
    return opened.geometry, values * (1.0 if slope is None else slope) + (intercept or 0.0)


@dataclass(frozen=True)
class _Opened:
    header: Any  # nibabel's Nifti2Header
    along: Any  # axis of the maps; None if it was not looked at
    geometry: Grayordinates
    n_maps: int


def _open(path: Path, known: Grayordinates | None = None) -> _Opened:
    """Read everything but the values; brain models that are known are not parsed again."""
    check_start(path)
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            header = parse_header(file.read(SIZE_OF_NIFTI2_HEADER))
            if not isinstance(header, nib.Nifti2Header):
                raise ValueError("it is NIfTI-1, and CIFTI-2 is NIfTI-2")
            length = min(int(header.get_data_offset()), size) - SIZE_OF_NIFTI2_HEADER
            xml = _extension(file.read(max(0, length)))
        is_known = known is not None and known.model_xml in xml
        along, models = (None, known.axis) if known and is_known else _axes(xml)
        shape = tuple(int(n) for n in header.get_data_shape())
        if len(shape) != 6 or shape[:4] != (1, 1, 1, 1) or shape[5] != len(models):
            raise ValueError(f"of shape {shape}, but {len(models)} grayordinates are described")
        if along is not None and shape[4] != len(along):
            raise ValueError(f"{shape[4]} maps are announced, {len(along)} described")
        if header.get_data_dtype().kind not in "iuf":
            raise ValueError(f"values of type {header.get_data_dtype()} are not read")
    except BadDataError:
        raise
    except Exception as error:  # nibabel's parser raises of many kinds
        raise BadDataError(
            f"{path.name} is not a readable CIFTI-2 file ({error}). Convert or copy it again."
        ) from error
    needed = int(header.get_data_offset()) + shape[4] * shape[5] * header.get_data_dtype().itemsize
    if size < needed:
        raise BadDataError(
            f"{path.name} is cut off: its header announces {shape[4]} maps of {shape[5]} "
            f"grayordinates ({needed} bytes), the file holds {size} bytes. Copy or "
            "convert it again."
        )
    return _Opened(header, along, Grayordinates(everything((shape[5],)), models), shape[4])


def _extension(content: bytes) -> bytes:
    """Find the XML among the extensions, each of which says how long it is."""
    start = 4
    while start + 8 <= len(content):
        sizes = np.frombuffer(content, "<i4", 2, start)
        if not 8 < sizes[0] <= len(content):
            sizes = sizes.byteswap()
        size, code = (int(value) for value in sizes)
        if not 8 < size <= len(content) - start:
            break
        if code == XML_CODE:
            return content[start + 8 : start + size].rstrip(b"\0 ")
        start += size
    raise ValueError("it has no CIFTI extension")


def _axes(xml: bytes) -> tuple[Any, Any]:
    """Parse the axes of maps and of grayordinates, without entities and of possible sizes."""
    if b"<!ENTITY" in xml or b"<!DOCTYPE" in xml:
        raise ValueError("it declares XML entities, which CIFTI has no use for")
    parser: Any = Cifti2Parser()
    parser.parse(string=xml)
    matrix = parser.header.matrix
    along, models = matrix.get_axis(0), matrix.get_axis(1)
    if not isinstance(models, cifti2_axes.BrainModelAxis):
        kind = type(models).__name__.removesuffix("Axis").lower()
        raise ValueError(f"its columns are {kind}, not vertices and voxels: is it parcellated?")
    sizes = [*models.nvertices.values()]
    if models.volume_shape is not None:
        sizes.append(int(np.prod(models.volume_shape, dtype=object)))
    if sizes and not 0 < max(sizes) <= MOST_VOXELS:
        raise ValueError(f"it announces {max(sizes)} vertices or voxels, which no brain has")
    return along, models


def _mapped(path: Path, offset: int, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Map the values of a file, which are read as they are needed."""
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
