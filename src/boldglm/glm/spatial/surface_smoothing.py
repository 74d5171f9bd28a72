"""Gaussian smoothing along a surface: heat that spreads over a mesh for a given time.

Notation: W edge weights, D their sums at each vertex, A areas; the heat equation is
A du/dt = (W - D) u. After time t a point has spread to a Gaussian of variance σ² = 2 t along each
direction of the surface. W are the cotangent weights, whose heat flows as on the smooth surface
whatever the shape of the triangles; negative ones (at blunt triangles) are set to 0, so that no
value leaves the range of its neighbors.
"""

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike
from scipy import sparse

from boldglm.glm.arrays.types import Float32Array, FloatArray, IndexArray

PRECISION = 1e-6  # of the series, as a share of the values
NARROWEST = 1.4  # FWHM over the distance of vertices, below which noise is not as smooth as asked
SHARPEST = 10.0  # cotangent of the sharpest angle that is believed, about 6 degrees
SMALLEST = 0.05  # area of a vertex as a share of the median, below which it is not believed


class MeshSmoother:
    """Smooths maps that are given by the vertices of a mask.

    Heat does not leave the mask: vertices outside take no part, and a map that is constant stays
    so up to the edge.

    Parameters
    ----------
    coordinates : array_like of shape (n_vertices, 3)
        Of the whole mesh, mm.
    triangles : array_like of int, of shape (n_triangles, 3)
        Indices of vertices.
    mask : array_like of bool, of shape (n_vertices,)
        Vertices that take part.
    fwhm : float
        Full width at half maximum of the Gaussian, mm.
    is_checked : bool
        Whether a width is refused that is so small that noise would come out less smooth.

    Raises
    ------
    ValueError
        If shapes do not agree, the mask is empty, or the width is not positive.

    Notes
    -----
    t = FWHM² / (16 log 2), and the area of a vertex is A_i = Σ_j W_ij d_ij² / 4 with d the lengths
    of edges: the Voronoi area where no weight was negative, and always the one with which heat
    spreads by 4 t in squared distance [1]_. exp(-t k²(z)), with z the eigenvalues of A⁻¹ (D - W)
    and k² the squared frequency of such a wave, is applied as a series of Chebyshev polynomials in
    the symmetric form, one product with a sparse matrix a term. Taking z itself for k² would leave
    noise rougher than asked, by 15 % where FWHM is twice the distance of vertices.

    References
    ----------
    .. [1] Meyer M, Desbrun M, Schröder P, Barr AH (2003). Discrete differential-geometry operators
       for triangulated 2-manifolds. Visualization and Mathematics III:35-57.
       doi:10.1007/978-3-662-05105-4_2

    Examples
    --------
    A square of four triangles around a middle vertex. What is constant stays so, and the sum
    weighted by area is kept:

    >>> points = [[0, 0, 0], [1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]]
    >>> triangles = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]]
    >>> smoother = MeshSmoother(points, triangles, np.ones(5, bool), fwhm=3.0)
    >>> smoother.smooth(np.ones(5)).round(4).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    >>> bool(smoother.smooth([1.0, 0, 0, 0, 0])[0] < 1)
    True
    """

    def __init__(
        self,
        coordinates: ArrayLike,
        triangles: ArrayLike,
        mask: ArrayLike,
        fwhm: float,
        *,
        is_checked: bool = True,
    ) -> None:
        points = np.asarray(coordinates, dtype=float)
        faces = np.asarray(triangles, dtype=np.intp)
        inside = np.asarray(mask, dtype=bool)
        if points.shape != (inside.size, 3) or faces.ndim != 2 or not inside.any():
            raise ValueError(
                f"coordinates {points.shape}, triangles {faces.shape} and a mask of "
                f"{int(inside.sum())} of {inside.size} vertices do not make a surface."
            )
        if not 0 < fwhm < np.inf:
            raise ValueError(f"smoothing by {fwhm} mm: the width must be positive.")
        weights, areas = edge_weights(points, faces)
        own = weights[inside][:, inside]
        root = np.sqrt(areas[inside])
        leaving = np.asarray(own.sum(axis=1)).ravel()
        scaled = sparse.diags_array(1 / root)
        matrix = scaled @ (sparse.diags_array(leaving) - own) @ scaled  # eigenvalues from 0 on
        largest = float(2 * (leaving / root**2).max())
        if largest == 0:  # no edge has both ends in the mask
            largest = 1.0
        # T_k of a matrix with eigenvalues from -1 to 1
        shifted = matrix * (2 / largest) - sparse.eye_array(len(root))
        self._step = sparse.csr_array(shifted, dtype=np.float32)
        edge = edge_length(areas)
        if is_checked and fwhm < NARROWEST * edge:
            raise ValueError(
                f"smoothing by {fwhm:g} mm is narrower than a mesh with {edge:.2g} mm between "
                f"vertices can hold; the least is {NARROWEST * edge:.2g} mm."
            )
        self._terms = _decay_series(fwhm**2 / (16 * np.log(2)), edge, largest)
        self._root = root.astype(np.float32)

    def smooth(self, values: ArrayLike, out: Float32Array | None = None) -> Float32Array:
        """Return one map smoothed.

        Parameters
        ----------
        values : array_like of shape (n_voxels,)
            Finite, of the vertices of the mask in their order.
        out : ndarray of float32, of shape (n_voxels,), optional
            Where to put the result.

        Returns
        -------
        ndarray of float32, of shape (n_voxels,)
            In the unit of the values.
        """
        given = np.asarray(values, dtype=np.float32)
        center = given.dtype.type(given.mean(dtype=np.float64))  # rounding is of what varies
        before = (given - center) * self._root
        now = self._step @ before
        total = self._terms[0] * before + self._terms[1] * now
        for term in self._terms[2:]:
            before, now = now, 2 * (self._step @ now) - before
            total += term * now
        return np.add(total / self._root, center, out=out)


def edge_length(areas: FloatArray) -> float:
    """Distance between vertices of a mesh of equilateral triangles with the same areas, mm.

    Parameters
    ----------
    areas : ndarray of shape (n_vertices,)
        mm², as `edge_weights` gives them.

    Returns
    -------
    float
        Weighted by area, as the surface is what noise lies on.

    Examples
    --------
    >>> round(edge_length(np.full(7, np.sqrt(3) / 2)), 9)
    1.0
    """
    return float(np.sqrt(2 / np.sqrt(3) * (areas @ areas) / areas.sum()))


def edge_weights(points: FloatArray, triangles: IndexArray) -> tuple[sparse.csr_array, FloatArray]:
    """Return cotangent weights of edges and areas of vertices.

    Parameters
    ----------
    points : ndarray of shape (n_vertices, 3)
        mm.
    triangles : ndarray of int, of shape (n_triangles, 3)
        Indices of vertices.

    Returns
    -------
    weights : sparse array of shape (n_vertices, n_vertices)
        Symmetric, (cot α + cot β) / 2 of the angles that an edge lies opposite to, at least 0.
    areas : ndarray of shape (n_vertices,)
        mm².

    Examples
    --------
    The longest side of a right triangle lies opposite to a cotangent of 0; the area is shared by
    the others' halves:

    >>> points = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    >>> weights, areas = edge_weights(points, np.array([[0, 1, 2]]))
    >>> weights.toarray().round(6).tolist()
    [[0.0, 0.5, 0.5], [0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]
    >>> areas.round(6).tolist()
    [1.0, 0.5, 0.5]
    """
    rows, columns, halves = [], [], []
    for corner in range(3):
        at, one, other = (triangles[:, (corner + shift) % 3] for shift in range(3))
        first, second = points[one] - points[at], points[other] - points[at]
        twice_area = np.linalg.norm(np.cross(first, second), axis=1)
        cosine = np.einsum("ij,ij->i", first, second)
        with np.errstate(divide="ignore", invalid="ignore"):
            cotangent = np.nan_to_num(cosine / twice_area, posinf=SHARPEST, neginf=-SHARPEST)
        rows += [one, other]
        columns += [other, one]
        halves += [np.clip(cotangent, -SHARPEST, SHARPEST) / 2] * 2
    n_vertices = len(points)
    row, column, half = (np.concatenate(parts) for parts in (rows, columns, halves))
    weights = sparse.csr_array((half, (row, column)), shape=(n_vertices, n_vertices))
    weights.data = np.maximum(weights.data, 0.0)
    edges = weights.tocoo()
    lengths = np.linalg.norm(points[edges.row] - points[edges.col], axis=1)
    areas = np.bincount(edges.row, edges.data * lengths**2 / 4, minlength=n_vertices)
    typical = float(np.median(areas[areas > 0])) if (areas > 0).any() else 1.0
    return weights, np.maximum(areas, SMALLEST * typical)


def _squared_frequency(eigenvalues: FloatArray) -> FloatArray:
    """Squared spatial frequency k² of a wave whose eigenvalue on the mesh is z, edges of length 1.

    On a mesh of equilateral triangles z = k² - k⁴/16 + ..., averaged over directions: heat would
    spread short waves too slowly. Two terms of the inverse series, and one fitted to what follows.
    """
    z = eigenvalues
    return z * (1 + z / 16 + 0.00608 * z**2 + 1.12e-4 * z**5)


def _decay_series(time: float, edge: float, largest: float) -> FloatArray:
    """Chebyshev coefficients of exp(-t k²(z)) over the eigenvalues 0 to largest, as -1 to 1."""

    def decay(x: FloatArray) -> FloatArray:
        eigenvalues = (x + 1) / 2 * largest
        return np.exp(-time / edge**2 * _squared_frequency(eigenvalues * edge**2))

    for degree in (64, 256, 1024, 4096):
        terms = np.asarray(chebyshev.chebinterpolate(decay, degree))  # type: ignore[type-var]
        matter = np.flatnonzero(abs(terms) > PRECISION)
        if matter[-1] < degree * 3 / 4:
            break
    return np.asarray(terms[: max(matter[-1], 1) + 1], dtype=np.float32)
