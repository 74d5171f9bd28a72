"""Grayordinates: cortex and subcortical voxels of CIFTI; dtseries.nii and dscalar.nii."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from nibabel.cifti2 import cifti2_axes

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import BoolArray
from boldglm.glm.spatial.domains import VolumeDomain
from boldglm.io.files.atomic import whole_file
from boldglm.io.images.cifti import BrainModels, open_cifti
from boldglm.io.images.domains import DomainPart
from boldglm.io.images.geometry import (
    BoldHeader,
    Geometry,
    GridPart,
    Intent,
    Part,
    SurfacePart,
    full_mask,
)
from boldglm.io.images.meshes import SHOWN, choose_mesh
from boldglm.io.images.surfaces import SIDES, surface_domain

ENDINGS = (".dtseries.nii", ".dscalar.nii")
PREFIX = "CIFTI_STRUCTURE_"
STRUCTURES = {
    "CIFTI_STRUCTURE_CORTEX_LEFT": "CortexLeft",
    "CIFTI_STRUCTURE_CORTEX_RIGHT": "CortexRight",
}
BLOCK_BYTES = 2**26  # turned from columns to volumes at a time
BLOCK_COLUMNS = 2048  # read or written at a time


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

    models: BrainModels
    meshes: tuple[Path, ...] = ()

    element_name: ClassVar[str] = "grayordinates"
    map_ending: ClassVar[str] = ".dscalar.nii"
    series_ending: ClassVar[str] = ".dtseries.nii"

    @property
    def axis(self) -> Any:
        """The brain models as nibabel has them."""
        return self.models.axis

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

    def domains(self) -> tuple[DomainPart, ...]:
        """Return each surface, and each structure of voxels by itself."""
        sizes = np.linalg.norm(self.axis.affine[:3, :3], axis=0) if self._has_voxels else ()
        found = []
        for one in self._structures(apart=True):
            if not one.columns.size:
                continue
            if one.is_surface:
                side = STRUCTURES.get(one.name, "")
                found.append(surface_domain(side, one.columns, one.where, self.meshes))
            else:
                name = one.name.removeprefix(PREFIX).replace("_", " ").lower()
                domain = VolumeDomain(one.where, [*map(float, sizes)])
                found.append(DomainPart(name, one.columns, domain))
        return tuple(found)

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
    ) -> None:
        name = path.name.removesuffix(self.map_ending)
        with whole_file(path) as file:
            file.write(self.models.start_of_file(cifti2_axes.ScalarAxis([name]), values.dtype))
            file.write(values.tobytes())

    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        """Write block by block of columns."""
        n_maps = len(rows)
        axis: Any = cifti2_axes.ScalarAxis([f"volume {k}" for k in range(1, n_maps + 1)])
        if repetition_time is not None:
            axis = cifti2_axes.SeriesAxis(0.0, repetition_time, n_maps)
        with whole_file(path) as file:
            file.write(self.models.start_of_file(axis, np.dtype(np.float32)))
            first = 0
            for start in range(0, self.mask.size, BLOCK_COLUMNS):
                inside = self.mask[start : start + BLOCK_COLUMNS]
                last = first + int(inside.sum())
                block = np.zeros((inside.size, n_maps), dtype=np.float32)
                block[inside] = np.nan_to_num(rows[:, first:last].T, posinf=0, neginf=0)
                file.write(block.tobytes())
                first = last


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

    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:  # noqa: ARG002 - as stored
        """Turn columns to volumes, some at a time; the file is read once for each of these."""
        native = self.dtype.newbyteorder("=")
        n_together = max(1, BLOCK_BYTES // (self.volume_size * native.itemsize))
        for start in range(0, self.n_scans, n_together):
            stop = min(start + n_together, self.n_scans)
            some = np.empty((stop - start, self.volume_size), dtype=native)
            for first, columns in self._blocks():
                some[:, first : first + len(columns)] = columns[:, start:stop].T
            yield from some

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield some columns at a time, (n_columns, n_scans), and the number of the first."""
        with self.path.open("rb") as file:
            file.seek(self.data_offset)
            for first in range(0, self.volume_size, BLOCK_COLUMNS):
                n_columns = min(BLOCK_COLUMNS, self.volume_size - first)
                values = np.fromfile(file, self.dtype, n_columns * self.n_scans)
                yield first, values.reshape(n_columns, self.n_scans)


def read_cifti_header(path: Path) -> CiftiHeader:
    """Read the header of a dtseries.nii file and check that it describes a usable series.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not CIFTI-2, no series of grayordinates, or shorter than its header says.
    """
    opened = open_cifti(path)
    if not isinstance(opened.along, cifti2_axes.SeriesAxis) or opened.n_maps < 2:
        kind = type(opened.along).__name__.removesuffix("Axis").lower()
        raise BadDataError(
            f"{path.name} holds {opened.n_maps} maps along a {kind} axis; a BOLD run is a series "
            "of more than one volume (dtseries). Is it a map under the name of a series?"
        )
    slope, intercept = opened.scaling
    is_time = str(opened.along.unit).upper() == "SECOND"
    step = float(opened.along.step)
    step = step / 1000 if step > 100 else step  # milliseconds: no volume takes 100 s
    return CiftiHeader(
        path=path,
        geometry=Grayordinates(full_mask((len(opened.models),)), BrainModels(opened.models)),
        n_scans=opened.n_maps,
        repetition_time=step if is_time and step > 0 else None,
        dtype=opened.dtype,
        slope=slope,
        intercept=intercept,
        data_offset=opened.data_offset,
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
    opened = open_cifti(path, None if known is None else known.models)
    if opened.n_maps != 1:
        raise BadDataError(f"{path.name} has {opened.n_maps} maps; a mask or map file has one.")
    slope, intercept = opened.scaling
    size = len(opened.models)
    stored = np.fromfile(path, opened.dtype, size, offset=opened.data_offset)
    values = stored.astype(np.float64) * slope + intercept
    models = known.models if known and opened.models is known.axis else BrainModels(opened.models)
    return Grayordinates(full_mask((size,)), models), values
