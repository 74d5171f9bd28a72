"""The space of an image: voxels of a grid, vertices of a hemisphere, or grayordinates.

Other modules see a map as a row of numbers, (n_voxels,), and a series as (n_scans, n_voxels).
Only the geometry knows whether a column is a voxel or a vertex, and the format of the files. Each
format has a module with its geometry and its header of BOLD files; `formats` chooses among them.
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

Intent = tuple[str, tuple[float, ...]]  # intent of NIfTI, such as ("t test", (dof,))
NO_INTENT: Intent = ("none", ())
RESAMPLE = (
    "Images that are compared voxel by voxel must share one space and grid. Use data resampled to "
    "a common template (fMRIPrep's --output-spaces), or analyze each participant separately."
)
MOST_VOXELS = 2**26  # in one volume: far more than any scanner or mesh has


def full_mask(shape: tuple[int, ...]) -> BoolArray:
    """Return a read-only mask of ones that takes no memory."""
    return np.broadcast_to(np.True_, shape)


@dataclass(frozen=True)
class GridPart:
    """Voxels to draw: a mask on a grid, and their columns in a row of values."""

    name: str  # empty if the image has no other part
    columns: slice | IndexArray
    mask: BoolArray  # (x, y, z)
    affine: np.ndarray  # (4, 4), from voxel indices to mm


@dataclass(frozen=True)
class SurfacePart:
    """Vertices of a hemisphere to draw: their mesh, and their columns in a row of values."""

    name: str  # such as "left hemisphere"; empty if unknown
    columns: slice | IndexArray
    mask: BoolArray  # (n_vertices,)
    mesh_name: str | None  # file name of the mesh; None without a mesh
    coordinates: np.ndarray | None  # (n_vertices, 3), mm
    triangles: np.ndarray | None  # (n_triangles, 3)


Part = GridPart | SurfacePart


@dataclass(frozen=True, eq=False)
class Geometry(ABC):
    """The voxels or vertices of an image, and a mask of those that are analyzed.

    Parameters
    ----------
    mask : ndarray of bool
        In the shape of one volume of the file: ``(x, y, z)``, or ``(n,)`` without a grid. Rows
        of values are in the order of ``mask[mask]``.
    """

    mask: BoolArray

    element_name: ClassVar[str]  # "voxels", "vertices" or "grayordinates", for messages
    map_ending: ClassVar[str]  # file-name ending of maps
    series_ending: ClassVar[str]  # file-name ending of BOLD series

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one volume."""
        return self.mask.shape

    @property
    def n_voxels(self) -> int:
        """Number of voxels in the mask."""
        return int(self.mask.sum())

    def with_mask(self, mask: BoolArray) -> Self:
        """Return the same geometry with another mask."""
        return replace(self, mask=mask)

    def unmasked(self) -> Self:
        """Return the same geometry with all voxels in the mask."""
        return self.with_mask(full_mask(self.shape))

    @cached_property
    def positions(self) -> IndexArray:
        """Indices of the voxels of the mask in a volume of `BoldHeader.volumes`; (n_voxels,).

        These volumes are flat, and their first axis varies fastest. Read-only.
        """
        return np.ravel_multi_index(np.nonzero(self.mask), self.shape, order="F")

    def as_volume(self, flat: np.ndarray) -> np.ndarray:
        """Reshape a flat volume, in the order of the file, to the shape of the geometry."""
        return flat.reshape(self.shape, order="F")

    def unmask(self, row: np.ndarray, dtype: type | None = None) -> np.ndarray:
        """Return a volume with the values of a row in the mask and zeros outside it.

        Values that are not finite become zero. The volume has the dtype of the row by default.
        """
        flat: np.ndarray = np.zeros(self.mask.size, dtype=dtype or row.dtype)
        finite = np.isfinite(row)
        flat[self.positions] = row if finite.all() else np.where(finite, row, 0)
        return self.as_volume(flat)

    def read_rows(self, paths: Sequence[Path]) -> np.ndarray:
        """Read the values of maps inside the mask.

        Parameters
        ----------
        paths : sequence of Path
            Files with one map each, on the same grid or mesh.

        Returns
        -------
        ndarray of shape (n_maps, n_voxels)
            Float64.

        Raises
        ------
        BadDataError
            If a map lies on another grid or mesh.
        """
        # in the order of the file, which is five times as fast as the other order
        return np.stack([self.read_map(path).ravel(order="F")[self.positions] for path in paths])

    def check_same(
        self, name: str, other: "Geometry", other_name: str, remedy: str = RESAMPLE
    ) -> None:
        """Raise an error unless two images have the same voxels or vertices.

        Parameters
        ----------
        name, other_name : str
            Names of the two files, for the message.
        other : Geometry
            Geometry of the second file.
        remedy : str
            Last sentence of the message.

        Raises
        ------
        BadDataError
            If the grids or meshes differ; the message tells how.
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
        """Describe how another geometry of this class differs, except for its mask, or ""."""

    @abstractmethod
    def read_map(self, path: Path) -> np.ndarray:
        """Read a map as float64, in the shape of the geometry, and check that it lies on it."""

    def default_mask(self, mean: np.ndarray, varies: BoolArray) -> BoolArray:  # noqa: ARG002
        """Return the mask to use if none is given: everything, unless a brain mask is computed.

        Parameters
        ----------
        mean : ndarray
            Mean volume.
        varies : ndarray of bool
            Voxels that vary over time. The others are excluded later, and counted.
        """
        return full_mask(self.shape)

    def check_smoothing(self, fwhm: float) -> None:  # noqa: ARG002 - volumes need no mesh
        """Check before any fit that the data can be smoothed.

        Raises
        ------
        BadDataError
            If a mesh is missing, or too coarse.
        """
        return

    @abstractmethod
    def domains(self) -> tuple[DomainPart, ...]:
        """Return the parts within which smoothness is measured and smoothing is applied."""

    def smoother(self, fwhm: float) -> Smoother:
        """Return a smoother with a Gaussian of this FWHM in mm.

        Raises
        ------
        BadDataError
            If the distances of a part are unknown, or its mesh is too coarse for the FWHM.
        """
        return smoother_of(self.domains(), fwhm)

    def with_meshes(self, paths: Sequence[Path]) -> Self:  # noqa: ARG002 - only some need it
        """Return the same geometry with those of the surfaces that fit it."""
        return self

    def accepts_mesh(self, mesh: Path) -> bool:
        """Whether a surface fits a hemisphere of this geometry."""
        parts = self.with_meshes([mesh]).parts()
        return any(isinstance(part, SurfacePart) and part.mesh_name for part in parts)

    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """Return the volumes and surfaces to draw."""

    def write_map(
        self,
        folder: Path,
        stem: str,
        row: np.ndarray,
        *,
        intent: Intent = NO_INTENT,
        dtype: type = np.float32,
    ) -> Path:
        """Write a map: zero outside the mask, and where values are not finite.

        Parameters
        ----------
        folder : Path
            Folder of the file, which appears under its name only when it is complete.
        stem : str
            File name without its ending.
        row : ndarray of shape (n_voxels,)
            Values in the order of ``mask[mask]``.
        intent : tuple
            Intent of NIfTI, and its parameters.
        dtype : type
            Data type in the file.

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
        """Write several maps to one file in float32; with a repetition time, a series.

        Parameters
        ----------
        folder, stem
            As for `write_map`.
        rows : array of shape (n_maps, n_voxels)
            Values, in memory or mapped from a file; those that are not finite become zero.
        repetition_time : float, optional
            Time between volumes, s.

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
        """Write a volume in its dtype."""

    @abstractmethod
    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        """Write (n_maps, n_voxels) values."""


@dataclass(frozen=True, eq=False)
class BoldHeader(ABC):
    """The header of a BOLD file."""

    path: Path
    geometry: Geometry  # all voxels are in its mask
    n_scans: int
    repetition_time: float | None  # seconds; None if the header does not give it
    dtype: np.dtype
    slope: float
    intercept: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one volume."""
        return self.geometry.shape

    @property
    def volume_size(self) -> int:
        """Number of values in one volume."""
        return int(np.prod(self.shape))

    @abstractmethod
    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:
        """Yield each volume as stored: unscaled, flat, in native byte order.

        Parameters
        ----------
        n_threads : int
            With two or more, a compressed file is decompressed ahead in a separate thread.

        Yields
        ------
        ndarray of shape (volume_size,)
            The first axis of the image varies fastest. Read-only.

        Raises
        ------
        BadDataError
            If the file is damaged or ends early; the message gives the number of the volume.
        """
