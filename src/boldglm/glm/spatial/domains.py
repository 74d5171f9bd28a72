"""Volumes and surfaces as domains of noise: smoothness is measured and applied on both."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import Float32Array, FloatArray
from boldglm.glm.spatial.smoothness import grid_fwhm, mesh_edges, mesh_fwhm
from boldglm.glm.spatial.surface_smoothing import MeshSmoother
from boldglm.glm.spatial.volume_smoothing import MaskSmoother


class Smoother(Protocol):
    """Smooths maps among the voxels or vertices of a mask."""

    def smooth(self, values: ArrayLike, out: Float32Array | None = None) -> Float32Array:
        """Return a smoothed map; (n_voxels,)."""


class Domain(Protocol):
    """Voxels or vertices of a mask, with their distances."""

    def fwhm(self, rows: ArrayLike) -> FloatArray:
        """Return the smoothness of noise, FWHM in mm; (n_axes,), NaN where it is unknown.

        `rows` are residuals, (n_rows, n_voxels).
        """

    def smoother(self, fwhm: float | ArrayLike, *, is_checked: bool = True) -> Smoother:
        """Return a smoother with a Gaussian of this FWHM in mm, for all axes or each.

        A width that is too small for the mesh raises an error, unless `is_checked` is false,
        because the caller measures the resulting smoothness.
        """


class VolumeDomain:
    """Voxels of a grid.

    Parameters
    ----------
    mask : array_like of bool, of shape (x, y, z)
        Voxels of the domain.
    voxel_sizes : sequence of 3 floats
        Distances between voxels along the axes, mm.

    Examples
    --------
    >>> line = VolumeDomain(np.ones((3, 1, 1), bool), (2.0, 2.0, 2.0))
    >>> line.fwhm([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]] * 50)[1:].tolist()
    [nan, nan]
    """

    def __init__(self, mask: ArrayLike, voxel_sizes: Sequence[float]) -> None:
        self._mask = np.asarray(mask, dtype=bool)
        self._sizes = tuple(map(float, voxel_sizes))

    def fwhm(self, rows: ArrayLike) -> FloatArray:
        """Return the smoothness of noise along the three axes; see `grid_fwhm`."""
        return grid_fwhm(rows, self._mask, self._sizes)

    def smoother(
        self,
        fwhm: float | ArrayLike,
        *,
        is_checked: bool = True,  # noqa: ARG002 - any width is possible
    ) -> Smoother:
        """Return a `MaskSmoother`."""
        return MaskSmoother(self._mask, fwhm, self._sizes)


class SurfaceDomain:
    """Vertices of a mesh.

    Parameters
    ----------
    coordinates : array_like of shape (n_vertices, 3)
        Vertices of the whole mesh, mm.
    triangles : array_like of int, of shape (n_triangles, 3)
        Indices of vertices.
    mask : array_like of bool, of shape (n_vertices,)
        Vertices of the domain.

    Examples
    --------
    >>> points, triangles = [[0, 0, 0], [3, 0, 0], [0, 4, 0]], [[0, 1, 2]]
    >>> SurfaceDomain(points, triangles, [True, True, True]).fwhm(np.eye(3)).tolist()
    [0.0]
    """

    def __init__(self, coordinates: ArrayLike, triangles: ArrayLike, mask: ArrayLike) -> None:
        self._mesh = (np.asarray(coordinates), np.asarray(triangles), np.asarray(mask, bool))

    def fwhm(self, rows: ArrayLike) -> FloatArray:
        """Return the smoothness of noise along the surface; see `mesh_fwhm`."""
        return np.array([mesh_fwhm(rows, *mesh_edges(*self._mesh))])

    def smoother(self, fwhm: float | ArrayLike, *, is_checked: bool = True) -> Smoother:
        """Return a `MeshSmoother`."""
        (width,) = np.atleast_1d(np.asarray(fwhm, dtype=float)).tolist()
        return MeshSmoother(*self._mesh, width, is_checked=is_checked)
