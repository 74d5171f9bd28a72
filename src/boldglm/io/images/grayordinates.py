"""Grayordinates of CIFTI: BOLD series (dtseries.nii) and maps (dscalar.nii)."""

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
from boldglm.io.images.nifti import LONGEST_STEP
from boldglm.io.images.surfaces import SIDES, surface_domain

ENDINGS = (".dtseries.nii", ".dscalar.nii")
PREFIX = "CIFTI_STRUCTURE_"
STRUCTURES = {
    "CIFTI_STRUCTURE_CORTEX_LEFT": "CortexLeft",
    "CIFTI_STRUCTURE_CORTEX_RIGHT": "CortexRight",
}
BLOCK_BYTES = 2**26  # size of the volumes that are assembled from columns at a time
BLOCK_COLUMNS = 2048  # columns read or written at a time


@dataclass(frozen=True)
class _Structure:
    """A structure of the brain: vertices of a surface, or voxels."""

    name: str
    columns: np.ndarray  # columns of a row of values, in the order of mask[mask]
    mask: BoolArray  # (n_vertices,) or (x, y, z)

    @property
    def is_surface(self) -> bool:
        return self.mask.ndim == 1


@dataclass(frozen=True, eq=False)
class Grayordinates(Geometry):
    """Vertices and voxels of a CIFTI file, and surfaces that may fit them."""

    models: BrainModels
    meshes: tuple[Path, ...] = ()

    element_name: ClassVar[str] = "grayordinates"
    map_ending: ClassVar[str] = ".dscalar.nii"
    series_ending: ClassVar[str] = ".dtseries.nii"

    @property
    def axis(self) -> Any:
        """nibabel's BrainModelAxis."""
        return self.models.axis

    def difference(self, other: Self) -> str:
        """Compare the brain models."""
        if len(self.axis) != len(other.axis):
            return f"{len(self.axis)} grayordinates against {len(other.axis)}"
        if self.axis != other.axis:
            return "same number of grayordinates, but different vertices or voxels"
        return ""

    def with_meshes(self, paths: Sequence[Path]) -> Self:
        """Add the surfaces."""
        return replace(self, meshes=tuple(paths))

    def read_map(self, path: Path) -> np.ndarray:
        """Read a file with a single map."""
        grayordinates, values = read_cifti_map(path, self)
        grayordinates.check_same(path.name, self, "the other images")
        return values

    def check_smoothing(self, fwhm: float) -> None:
        """Check that meshes for smoothing exist."""
        self.smoother(fwhm)

    def domains(self) -> tuple[DomainPart, ...]:
        """Return each hemisphere, and each subcortical structure."""
        sizes = np.linalg.norm(self.axis.affine[:3, :3], axis=0) if self._has_voxels else ()
        parts = []
        for structure in self._structures(merge_voxels=False):
            if not structure.columns.size:
                continue
            if structure.is_surface:
                side = STRUCTURES.get(structure.name, "")
                part = surface_domain(side, structure.columns, structure.mask, self.meshes)
            else:
                name = structure.name.removeprefix(PREFIX).replace("_", " ").lower()
                domain = VolumeDomain(structure.mask, [*map(float, sizes)])
                part = DomainPart(name, structure.columns, domain)
            parts.append(part)
        return tuple(parts)

    def parts(self) -> tuple[Part, ...]:
        """Return the hemispheres, and all voxels as one volume."""
        parts: list[Part] = []
        for structure in self._structures(merge_voxels=True):
            name, columns, mask = structure.name, structure.columns, structure.mask
            if not columns.size:
                continue
            if structure.is_surface:
                side = STRUCTURES.get(name, "")
                mesh = choose_mesh(self.meshes, SHOWN, side, mask.size)
                shown = (mesh.path.name, mesh.coordinates, mesh.triangles) if mesh else [None] * 3
                parts.append(SurfacePart(SIDES.get(side, name), columns, mask, *shown))
            else:
                parts.append(GridPart(name, columns, mask, self.axis.affine))
        return tuple(parts)

    @property
    def _has_voxels(self) -> bool:
        return bool((~self.axis.surface_mask).any())

    def _structures(self, *, merge_voxels: bool) -> Iterator[_Structure]:
        """Yield the structures; the voxels of all of them as one if `merge_voxels`."""
        columns = np.cumsum(self.mask) - 1  # of each grayordinate in a row of the mask
        for name, selection, model in self.axis.iter_structures():
            inside = self.mask[selection]
            if name in model.nvertices:
                indices = (model.vertex[inside],)
                shape: tuple[int, ...] = (model.nvertices[name],)
            elif merge_voxels:
                continue
            else:
                indices, shape = tuple(model.voxel[inside].T), model.volume_shape
            yield _structure(name, indices, shape, columns[selection][inside])
        if self._has_voxels and merge_voxels:
            inside = self.mask & ~self.axis.surface_mask
            indices = tuple(self.axis.voxel[inside].T)
            shape = self.axis.volume_shape
            yield _structure("subcortical voxels", indices, shape, columns[inside])

    def _write_map(
        self,
        path: Path,
        values: np.ndarray,
        intent: Intent,  # noqa: ARG002 - CIFTI uses the intent of NIfTI for its own codes
    ) -> None:
        name = path.name.removesuffix(self.map_ending)
        with whole_file(path) as file:
            file.write(self.models.start_of_file(cifti2_axes.ScalarAxis([name]), values.dtype))
            file.write(values.tobytes())

    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        """Write the columns in blocks."""
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


def _structure(
    name: str, indices: tuple[np.ndarray, ...], shape: tuple[int, ...], columns: np.ndarray
) -> _Structure:
    """Return a structure whose columns are sorted in the order of its mask."""
    mask = np.zeros(shape, dtype=bool)
    mask[indices] = True
    return _Structure(name, columns[np.argsort(np.ravel_multi_index(indices, shape))], mask)


@dataclass(frozen=True, eq=False)
class CiftiHeader(BoldHeader):
    """The header of a dtseries.nii file."""

    geometry: Grayordinates
    data_offset: int

    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:  # noqa: ARG002 - not compressed
        """Assemble volumes from columns; the file is read once for each group of volumes."""
        native = self.dtype.newbyteorder("=")
        group_size = max(1, BLOCK_BYTES // (self.volume_size * native.itemsize))
        for start in range(0, self.n_scans, group_size):
            stop = min(start + group_size, self.n_scans)
            group = np.empty((stop - start, self.volume_size), dtype=native)
            for first, columns in self._blocks():
                group[:, first : first + len(columns)] = columns[:, start:stop].T
            yield from group

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks of columns, (n_columns, n_scans), and the index of their first column."""
        with self.path.open("rb") as file:
            file.seek(self.data_offset)
            for first in range(0, self.volume_size, BLOCK_COLUMNS):
                n_columns = min(BLOCK_COLUMNS, self.volume_size - first)
                values = np.fromfile(file, self.dtype, n_columns * self.n_scans)
                yield first, values.reshape(n_columns, self.n_scans)


def read_cifti_header(path: Path) -> CiftiHeader:
    """Read the header of a dtseries.nii file and check it.

    Raises
    ------
    MissingInputError
        If the file cannot be cifti.
    BadDataError
        If it is not CIFTI-2, not a series of grayordinates, or shorter than its header says.
    """
    cifti = open_cifti(path)
    if not isinstance(cifti.maps_axis, cifti2_axes.SeriesAxis) or cifti.n_maps < 2:
        kind = type(cifti.maps_axis).__name__.removesuffix("Axis").lower()
        raise BadDataError(
            f"{path.name} has {cifti.n_maps} maps along a {kind} axis, but a BOLD run is a series "
            "of more than one volume (dtseries). Check whether it is a map that is named like a "
            "series."
        )
    slope, intercept = cifti.scaling
    is_time = str(cifti.maps_axis.unit).upper() == "SECOND"
    step = float(cifti.maps_axis.step)
    step = step / 1000 if step > LONGEST_STEP else step
    return CiftiHeader(
        path=path,
        geometry=Grayordinates(full_mask((len(cifti.models),)), BrainModels(cifti.models)),
        n_scans=cifti.n_maps,
        repetition_time=step if is_time and step > 0 and np.isfinite(step) else None,
        dtype=cifti.dtype,
        slope=slope,
        intercept=intercept,
        data_offset=cifti.data_offset,
    )


def read_cifti_map(
    path: Path, known: Grayordinates | None = None
) -> tuple[Grayordinates, np.ndarray]:
    """Read a map: its grayordinates, and its values as float64.

    Parameters
    ----------
    path : Path
        File with a single map.
    known : Grayordinates, optional
        Grayordinates that the file probably has, to avoid parsing them again.

    Raises
    ------
    MissingInputError
        If the file does not exist.
    BadDataError
        If it cannot be read, or has several maps.
    """
    cifti = open_cifti(path, None if known is None else known.models)
    if cifti.n_maps != 1:
        raise BadDataError(
            f"{path.name} has {cifti.n_maps} maps, but a mask or map file has one. Give a file "
            "with a single map."
        )
    slope, intercept = cifti.scaling
    size = len(cifti.models)
    stored = np.fromfile(path, cifti.dtype, size, offset=cifti.data_offset)
    values = stored.astype(np.float64) * slope + intercept
    models = known.models if known and cifti.models is known.axis else BrainModels(cifti.models)
    return Grayordinates(full_mask((size,)), models), values
