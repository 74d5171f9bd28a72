"""Gaussian smoothing along a surface by heat diffusion over its mesh.

Notation: W edge weights, D their sums at each vertex, A areas of vertices. The heat equation is
A du/dt = (W - D) u. After the time t, a point has spread to a Gaussian of variance σ² = 2 t in
each direction of the surface.

W are the cotangent weights, with which heat diffuses as on the smooth surface for any shape of the
triangles. Negative weights, at obtuse triangles, are set to 0, so that smoothed values stay in the
range of their neighbors.
"""

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike
from scipy import sparse

from boldglm.glm.arrays.types import Float32Array, FloatArray, IndexArray

PRECISION = 1e-6  # of the Chebyshev series, relative to the values
NARROWEST = 1.4  # FWHM over the distance of vertices, below which smoothing is not accurate
SHARPEST = 10.0  # bound of cotangents, for angles of about 6 degrees
SMALLEST = 0.05  # lower bound of the area of a vertex, relative to the median


class MeshSmoother:
    """Smooths maps on the vertices of a mask.

    Vertices outside the mask have no influence, and a constant map stays constant up to the edge
    of the mask.

    Parameters
    ----------
    coordinates : array_like of shape (n_vertices, 3)
        Vertices of the whole mesh, mm.
    triangles : array_like of int, of shape (n_triangles, 3)
        Indices of vertices.
    mask : array_like of bool, of shape (n_vertices,)
        Vertices of the maps.
    fwhm : float
        Full width at half maximum of the Gaussian, mm.
    is_checked : bool
        Whether to raise an error for a width that is too small for the mesh, with which the
        smoothness of noise would not be the requested one.

    Raises
    ------
    ValueError
        If shapes do not agree, the mask is empty, or the width is not positive or too small.

    Notes
    -----
    t = FWHM² / (16 log 2). The area of a vertex is A_i = Σ_j W_ij d_ij² / 4 with d the lengths of
    edges [1]_. It equals the Voronoi area where no weight was negative, and it is always the area
    with which the mean squared distance of heat is 4 t.

    The smoother is exp(-t k²(z)) with z the eigenvalues of A⁻¹ (D - W) and k² the squared spatial
    frequency of a wave with this eigenvalue. It is applied as a series of Chebyshev polynomials of
    the symmetric form, which takes one product with a sparse matrix per term. With z itself in
    place of k², noise would be less smooth than requested, by 15 % if the FWHM is twice the
    distance of vertices.

    References
    ----------
    .. [1] Meyer M, Desbrun M, Schröder P, Barr AH (2003). Discrete differential-geometry operators
       for triangulated 2-manifolds. Visualization and Mathematics III:35-57.
       doi:10.1007/978-3-662-05105-4_2

    Examples
    --------
    A square of four triangles around a central vertex. A constant map stays constant, and a peak
    is flattened:

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
                f"{int(inside.sum())} of {inside.size} vertices do not form a surface."
            )
        if not 0 < fwhm < np.inf:
            raise ValueError(f"smoothing by {fwhm} mm: the width must be positive.")
        weights, areas = edge_weights(points, faces)
        weights = weights[inside][:, inside]
        root = np.sqrt(areas[inside])
        totals = np.asarray(weights.sum(axis=1)).ravel()
        scaled = sparse.diags_array(1 / root)
        matrix = scaled @ (sparse.diags_array(totals) - weights) @ scaled  # eigenvalues from 0 on
        largest = float(2 * (totals / root**2).max())
        if largest == 0:  # no edge has both ends in the mask
            largest = 1.0
        # T_k of a matrix with eigenvalues from -1 to 1
        shifted = matrix * (2 / largest) - sparse.eye_array(len(root))
        self._step = sparse.csr_array(shifted, dtype=np.float32)
        edge = edge_length(areas)
        if is_checked and fwhm < NARROWEST * edge:
            raise ValueError(
                f"smoothing by {fwhm:g} mm is too narrow for a mesh with {edge:.2g} mm between "
                f"vertices. Use {NARROWEST * edge:.2g} mm or more."
            )
        self._terms = _decay_series(fwhm**2 / (16 * np.log(2)), edge, largest)
        self._root = root.astype(np.float32)

    def smooth(self, values: ArrayLike, out: Float32Array | None = None) -> Float32Array:
        """Return a smoothed map.

        Parameters
        ----------
        values : array_like of shape (n_voxels,)
            Finite values at the vertices of the mask.
        out : ndarray of float32, of shape (n_voxels,), optional
            Array for the result.

        Returns
        -------
        ndarray of float32, of shape (n_voxels,)
            Smoothed values, in the unit of the values.
        """
        single = np.asarray(values, dtype=np.float32)
        # without the mean, rounding errors are relative to the variation of the map
        center = single.dtype.type(single.mean(dtype=np.float64))
        previous = (single - center) * self._root
        current = self._step @ previous
        total = self._terms[0] * previous + self._terms[1] * current
        for term in self._terms[2:]:
            previous, current = current, 2 * (self._step @ current) - previous
            total += term * current
        return np.add(total / self._root, center, out=out)


def edge_length(areas: FloatArray) -> float:
    """Return the distance between vertices in an equilateral mesh with the same areas, mm.

    Parameters
    ----------
    areas : ndarray of shape (n_vertices,)
        Areas of vertices in mm², as from `edge_weights`.

    Returns
    -------
    float
        Mean weighted by area.

    Examples
    --------
    >>> round(edge_length(np.full(7, np.sqrt(3) / 2)), 9)
    1.0
    """
    return float(np.sqrt(2 / np.sqrt(3) * (areas @ areas) / areas.sum()))


def edge_weights(points: FloatArray, triangles: IndexArray) -> tuple[sparse.csr_array, FloatArray]:
    """Return the cotangent weights of edges and the areas of vertices.

    Parameters
    ----------
    points : ndarray of shape (n_vertices, 3)
        Vertices, mm.
    triangles : ndarray of int, of shape (n_triangles, 3)
        Indices of vertices.

    Returns
    -------
    weights : sparse array of shape (n_vertices, n_vertices)
        Symmetric: (cot α + cot β) / 2 of the two angles opposite to an edge, at least 0.
    areas : ndarray of shape (n_vertices,)
        Areas in mm².

    Examples
    --------
    The longest side of a right triangle is opposite to a cotangent of 0. The area is divided
    between the vertices:

    >>> points = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    >>> weights, areas = edge_weights(points, np.array([[0, 1, 2]]))
    >>> weights.toarray().round(6).tolist()
    [[0.0, 0.5, 0.5], [0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]
    >>> areas.round(6).tolist()
    [1.0, 0.5, 0.5]
    """
    rows, columns, halves = [], [], []
    for corner in range(3):
        here, left, right = (triangles[:, (corner + shift) % 3] for shift in range(3))
        first, second = points[left] - points[here], points[right] - points[here]
        twice_area = np.linalg.norm(np.cross(first, second), axis=1)
        cosine = np.einsum("ij,ij->i", first, second)
        with np.errstate(divide="ignore", invalid="ignore"):
            cotangent = np.nan_to_num(cosine / twice_area, posinf=SHARPEST, neginf=-SHARPEST)
        rows += [left, right]
        columns += [right, left]
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
    """Return the squared spatial frequency k² of waves with eigenvalue z, for edges of length 1.

    On a mesh of equilateral triangles z = k² - k⁴/16 + ..., averaged over directions, so that
    short waves would decay too slowly. The result has two terms of the inverse series, and one
    term that is fitted to the rest.
    """
    z = eigenvalues
    return z * (1 + z / 16 + 0.00608 * z**2 + 1.12e-4 * z**5)


def _decay_series(time: float, edge: float, largest: float) -> FloatArray:
    """Return Chebyshev coefficients of exp(-t k²(z)) for eigenvalues from 0 to `largest`."""

    def decay(x: FloatArray) -> FloatArray:
        eigenvalues = (x + 1) / 2 * largest
        return np.exp(-time / edge**2 * _squared_frequency(eigenvalues * edge**2))

    for degree in (64, 256, 1024, 4096):
        terms = np.asarray(chebyshev.chebinterpolate(decay, degree))  # type: ignore[type-var]
        relevant = np.flatnonzero(abs(terms) > PRECISION)
        if relevant[-1] < degree * 3 / 4:
            break
    return np.asarray(terms[: max(relevant[-1], 1) + 1], dtype=np.float32)
