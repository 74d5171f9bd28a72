"""Where values lie: voxels of a grid, vertices of a hemisphere, or both. One container for all.

Above this layer a map is a row of numbers, (n_voxels,), and a series (n_scans, n_voxels); whether
a column is a voxel or a vertex is known to the geometry alone, and so is the kind of file. Each
format has a module with a geometry and a header of series; `formats` chooses among them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import BoolArray, IndexArray
from boldglm.glm.spatial.domains import Smoother
from boldglm.io.images.domains import DomainPart, smoother_of

Intent = tuple[str, tuple[float, ...]]  # what a map holds, as NIfTI names it: ("t test", (dof,))
NO_INTENT: Intent = ("none", ())
RESAMPLE = (
    "Images that are compared voxel by voxel must share one space and grid: use data resampled to "
    "a common template (fMRIPrep's --output-spaces), or analyze the subjects one by one."
)
MOST_VOXELS = 2**26  # of one volume: many times what a scanner or a mesh gives


def full_mask(shape: tuple[int, ...]) -> BoolArray:
    """Return a mask of ones that takes no memory, not to be written to."""
    return np.broadcast_to(np.True_, shape)


@dataclass(frozen=True)
class GridPart:
    """Voxels of a volume, for pictures: where they are and which columns of a row they are."""

    name: str  # empty if there are no other parts
    columns: slice | IndexArray
    mask: BoolArray  # (x, y, z)
    affine: np.ndarray  # (4, 4), voxel indices to mm


@dataclass(frozen=True)
class SurfacePart:
    """Vertices of a hemisphere, for pictures: which columns of a row they are, and their mesh."""

    name: str  # such as "left hemisphere"; empty if it is not known
    columns: slice | IndexArray
    mask: BoolArray  # (n_vertices,)
    mesh_name: str | None  # file that the mesh is from; None if there is none
    coordinates: np.ndarray | None  # (n_vertices, 3), mm
    triangles: np.ndarray | None  # (n_triangles, 3)


Part = GridPart | SurfacePart


@dataclass(frozen=True, eq=False)
class Geometry(ABC):
    """The voxels (or vertices) of a file, and which of them are analyzed.

    Parameters
    ----------
    mask : ndarray of bool
        Of the shape of one volume of the file: ``(x, y, z)``, or ``(n,)`` without a grid. Rows
        of values are in the order of ``mask[mask]``.
    """

    mask: BoolArray

    element_name: ClassVar[str]  # what its elements are called, in messages
    map_ending: ClassVar[str]  # of files with statistics
    series_ending: ClassVar[str]  # of files with BOLD

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one volume."""
        return self.mask.shape

    @property
    def n_voxels(self) -> int:
        """How many voxels are analyzed."""
        return int(self.mask.sum())

    def with_mask(self, mask: BoolArray) -> Self:
        """Return the same geometry with another mask."""
        return replace(self, mask=mask)

    def unmasked(self) -> Self:
        """Return the same geometry with everything inside the mask."""
        return self.with_mask(full_mask(self.shape))

    @cached_property
    def positions(self) -> IndexArray:
        """Where the voxels of the mask lie in a flat volume as the file has it, (n_voxels,).

        Indices into a volume of `BoldHeader.volumes`, whose first axis varies fastest. Not to be
        written to.
        """
        return np.ravel_multi_index(np.nonzero(self.mask), self.shape, order="F")

    def as_volume(self, flat: np.ndarray) -> np.ndarray:
        """Return a flat volume in the file's order as an array of the geometry's shape."""
        return flat.reshape(self.shape, order="F")

    def unmask(self, row: np.ndarray, dtype: type | None = None) -> np.ndarray:
        """Return an array of the geometry's shape with a row in the mask, zero elsewhere.

        Zero also where values are not finite; of the dtype of the row unless told otherwise.
        """
        flat: np.ndarray = np.zeros(self.mask.size, dtype=dtype or row.dtype)
        finite = np.isfinite(row)
        flat[self.positions] = row if finite.all() else np.where(finite, row, 0)
        return self.as_volume(flat)

    def read_rows(self, paths: Sequence[Path]) -> np.ndarray:
        """Read maps inside the mask.

        Parameters
        ----------
        paths : sequence of Path
            Files with one map each, in this very geometry.

        Returns
        -------
        ndarray of shape (n_maps, n_voxels)
            Float64.

        Raises
        ------
        BadDataError
            If a map lies elsewhere, with what differs and what to do.
        """
        # as the file has it: volumes the other way round take five times as long
        return np.stack([self.read_map(path).ravel(order="F")[self.positions] for path in paths])

    def check_same(
        self, name: str, other: "Geometry", other_name: str, remedy: str = RESAMPLE
    ) -> None:
        """Refuse to compare values of two files that lie in different places.

        Raises
        ------
        BadDataError
            With what differs and what to do.
        """
        if not isinstance(other, type(self)):
            detail = f"{self.element_name} against {other.element_name}"
        else:
            detail = self.difference(other)
        if detail:
            raise BadDataError(
                f"{name} and {other_name} lie on different grids ({detail}). {remedy}"
            )

    @abstractmethod
    def difference(self, other: Self) -> str:
        """Say in what another geometry of the kind differs, mask aside; empty if in nothing."""

    @abstractmethod
    def read_map(self, path: Path) -> np.ndarray:
        """Read a map as float64 of the geometry's shape, after checking that it lies here."""

    def default_mask(self, mean: np.ndarray, has_signal: BoolArray) -> BoolArray:  # noqa: ARG002
        """Choose what to analyze where no mask is given, from arrays of the geometry's shape.

        Everything, unless there is something to find; what has no signal is left out later, and
        counted.
        """
        return full_mask(self.shape)

    def check_smoothing(self, fwhm: float) -> None:  # noqa: ARG002 - a volume can always be
        """Refuse, before anything is fitted, a smoothing for which something is missing.

        Raises
        ------
        BadDataError
            With what is missing.
        """
        return

    @abstractmethod
    def domains(self) -> tuple[DomainPart, ...]:
        """Return the parts in which noise is measured and smoothed, each by itself."""

    def smoother(self, fwhm: float) -> Smoother:
        """Return what smooths by a Gaussian of a full width at half maximum in mm.

        Raises
        ------
        BadDataError
            If the geometry has no distances.
        """
        return smoother_of(self.domains(), fwhm)

    def with_meshes(self, paths: Sequence[Path]) -> Self:  # noqa: ARG002 - only some need it
        """Return the same geometry with the surfaces that it can use of those given."""
        return self

    def accepts_mesh(self, mesh: Path) -> bool:
        """Tell whether a surface belongs to a part of this geometry."""
        parts = self.with_meshes([mesh]).parts()
        return any(isinstance(part, SurfacePart) and part.mesh_name for part in parts)

    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """Return what can be drawn: volumes and surfaces."""

    def write_map(
        self,
        folder: Path,
        stem: str,
        row: np.ndarray,
        *,
        intent: Intent = NO_INTENT,
        dtype: type = np.float32,
    ) -> Path:
        """Write one value per voxel of the mask, zero outside it and where it is not finite.

        Parameters
        ----------
        folder : Path
            Where the file goes; it appears under its name only when it is complete.
        stem : str
            Its name without the ending.
        row : ndarray of shape (n_voxels,)
            In the order of ``mask[mask]``.
        intent : tuple
            What the values are.
        dtype : type
            Of the values in the file.

        Returns
        -------
        Path
        """
        path = folder / f"{stem}{self.map_ending}"
        self._write_map(path, self.unmask(row, dtype), intent)
        return path

    def write_series(
        self, folder: Path, stem: str, rows: np.ndarray, repetition_time: float | None = None
    ) -> Path:
        """Write several maps, or with a repetition time a series, to one file, in float32.

        Parameters
        ----------
        folder, stem
            As for `write_map`.
        rows : array of shape (n_maps, n_voxels)
            In memory or mapped from a file; values that are not finite become zero.
        repetition_time : float, optional
            Seconds between volumes.

        Returns
        -------
        Path
        """
        ending = self.map_ending if repetition_time is None else self.series_ending
        path = folder / f"{stem}{ending}"
        self._write_series(path, rows, repetition_time)
        return path

    @abstractmethod
    def _write_map(self, path: Path, values: np.ndarray, intent: Intent) -> None:
        """Write an array of the geometry's shape, in its dtype."""

    @abstractmethod
    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        """Write (n_maps, n_voxels) values."""


@dataclass(frozen=True, eq=False)
class BoldHeader(ABC):
    """What the header of a BOLD file says; times in seconds."""

    path: Path
    geometry: Geometry  # with everything inside its mask
    n_scans: int
    repetition_time: float | None  # None where the header does not say
    dtype: np.dtype
    slope: float
    intercept: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one volume."""
        return self.geometry.shape

    @property
    def volume_size(self) -> int:
        """Values in one volume."""
        return int(np.prod(self.shape))

    @abstractmethod
    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:
        """Yield each volume as stored: unscaled, in native byte order, flat.

        Parameters
        ----------
        n_threads : int
            With more than one, a compressed file is decompressed ahead, in a thread of its own.

        Yields
        ------
        ndarray of shape (volume_size,)
            The first axis of the image varies fastest. Not to be written to.

        Raises
        ------
        BadDataError
            If the file ends early or is damaged, with the number of the volume.
        """
