"""Smoothness of noise: the FWHM of the Gaussian that would give white noise this smoothness.

White noise that was smoothed by a Gaussian of FWHM F has the correlation exp(-2 log 2 d²/F²) at
the distance d. F is therefore estimated from the correlation of neighbors in the residuals of a
fit, along each axis of a volume or over the edges of a mesh.

Notation: e residuals of a sample of scans, (n_rows, n_voxels); r mean correlation of neighbors; d
their distance; F full width at half maximum, mm.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import Float32Array, FloatArray, IndexArray
from boldglm.glm.first_level.fit import Fit
from boldglm.glm.first_level.slice_fit import SliceFit
from boldglm.glm.noise.blocks import BoldSeries

FEWEST_SCANS, MOST_SCANS = 16, 64  # whose residuals are sampled
MOST_VALUES = 2**22  # in the sample, 16 MiB in float32, unless there are only the fewest scans
TOGETHER = 16  # volumes that are projected onto the design at a time
EXPLAINED = 0.9  # leverage from which a scan has almost no residual, such as a censored one
WIDEST = 1e4  # largest measurable F, relative to the mean distance of neighbors


def gaussian_width(correlation: float, distances: ArrayLike) -> float:
    """Return the FWHM of the Gaussian that gives neighbors their mean correlation.

    Parameters
    ----------
    correlation : float
        Mean correlation over pairs of neighbors.
    distances : float or array_like of shape (n_pairs,)
        Distances of the neighbors, mm, above 0.

    Returns
    -------
    float
        F in mm, for which the mean of exp(-2 log 2 d²/F²) is r. 0 if r is not positive, NaN if r
        is too close to 1 to determine F.

    Notes
    -----
    For a single distance, F = d sqrt(-2 log 2 / log r). This is the exact form of the
    approximation for short distances in [1]_ and [2]_ with r = 1 - var(difference) / (2 var).

    References
    ----------
    .. [1] Forman SD, Cohen JD, Fitzgerald M, Eddy WF, Mintun MA, Noll DC (1995). Improved
       assessment of significant activation in functional magnetic resonance imaging (fMRI): use
       of a cluster-size threshold. Magnetic Resonance in Medicine 33:636-647.
       doi:10.1002/mrm.1910330508
    .. [2] Hagler DJ, Saygin AP, Sereno MI (2006). Smoothing and cluster thresholding for cortical
       surface-based group analysis of fMRI data. NeuroImage 33:1093-1103.
       doi:10.1016/j.neuroimage.2006.07.036

    Examples
    --------
    At half the FWHM the correlation is √(1/2), and at the FWHM it is 1/4:

    >>> round(gaussian_width(0.5**0.5, 3.0), 9), round(gaussian_width(0.25, 3.0), 9)
    (6.0, 3.0)
    >>> round(gaussian_width((0.25 + 0.25**4) / 2, [3.0, 6.0]), 6)
    3.0
    """
    squares = np.atleast_1d(np.asarray(distances, dtype=float)) ** 2
    if not correlation > 0:
        return 0.0 if correlation <= 0 else np.nan
    unit = float(np.sqrt(squares.mean()))

    def excess(log_width: float) -> float:
        exponents = -2 * np.log(2) * squares / np.exp(2 * log_width)
        return float(np.exp(exponents).mean()) - correlation

    low, high = np.log(1e-2 * unit), np.log(WIDEST * unit)
    if excess(high) <= 0:
        return float(np.nan)
    if excess(low) >= 0:
        return 0.0
    if np.ptp(squares) == 0:
        return float(unit * np.sqrt(-2 * np.log(2) / np.log(correlation)))
    from scipy.optimize import brentq  # imported here, because it is slow to import

    return float(np.exp(brentq(excess, low, high)))


def grid_fwhm(rows: ArrayLike, mask: ArrayLike, voxel_sizes: Sequence[float]) -> FloatArray:
    """Return the smoothness of noise in a volume along each axis.

    Parameters
    ----------
    rows : array_like of shape (n_rows, n_voxels)
        Residuals in the order of ``mask[mask]``, in any unit, which may differ between voxels.
        Voxels that are 0 in all rows are ignored.
    mask : array_like of bool, of shape (x, y, z)
        Voxels of the map.
    voxel_sizes : sequence of 3 floats
        Distances between voxels along the axes, mm.

    Returns
    -------
    ndarray of shape (3,)
        F in mm; NaN along an axis without neighboring voxels.

    Examples
    --------
    Neighbors have the correlation 1/2 along the last axis, and 0 along the second:

    >>> rows = [[2.0, 1, 0, 0], [0, 3**0.5, 0, 0], [0, 0, 2, 1], [0, 0, 0, 3**0.5]] * 100
    >>> grid_fwhm(rows, np.ones((1, 2, 2), bool), (3.0, 3.0, 2.0**0.5)).round(2).tolist()
    [nan, 0.0, 2.0]
    """
    values, inside = np.asarray(rows), np.asarray(mask, dtype=bool)
    bounds = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in inside.nonzero())
    box = inside[bounds]
    scale = _inverse_lengths(values)
    has_noise = np.zeros(box.shape)
    has_noise[box] = scale > 0
    counts = _products(has_noise)
    sums, volume = np.zeros(3), np.zeros(box.shape)
    for row in values:
        volume[box] = row * scale
        sums += _products(volume)
    fwhm = np.full(3, np.nan)
    for axis in np.flatnonzero(counts > 0).tolist():
        correlation = _corrected(sums[axis] / counts[axis], len(values))
        fwhm[axis] = gaussian_width(correlation, voxel_sizes[axis])
    return fwhm


def mesh_edges(
    coordinates: ArrayLike, triangles: ArrayLike, mask: ArrayLike
) -> tuple[IndexArray, FloatArray]:
    """Return the edges of a mesh within a mask, and their lengths.

    Parameters
    ----------
    coordinates : array_like of shape (n_vertices, 3)
        Vertices of the whole mesh, mm.
    triangles : array_like of int, of shape (n_triangles, 3)
        Indices of vertices.
    mask : array_like of bool, of shape (n_vertices,)
        Vertices of the map.

    Returns
    -------
    pairs : ndarray of int, of shape (n_edges, 2)
        Indices of the ends of each edge among the vertices of the mask. Edges of length 0 are
        excluded.
    lengths : ndarray of shape (n_edges,)
        Lengths of the edges, mm.

    Examples
    --------
    >>> points = [[0, 0, 0], [3, 0, 0], [0, 4, 0]]
    >>> pairs, lengths = mesh_edges(points, [[0, 1, 2]], [True, True, True])
    >>> pairs.tolist(), lengths.tolist()
    ([[0, 1], [0, 2], [1, 2]], [3.0, 4.0, 5.0])
    """
    points, inside = np.asarray(coordinates, dtype=float), np.asarray(mask, dtype=bool)
    faces = np.asarray(triangles, dtype=np.intp)
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [0, 2]], faces[:, [1, 2]]])
    sides = np.sort(sides[inside[sides].all(axis=1)], axis=1)
    codes = np.unique(sides[:, 0] * inside.size + sides[:, 1])
    first, second = np.divmod(codes, inside.size)
    lengths = np.linalg.norm(points[first] - points[second], axis=1)
    indices = np.cumsum(inside) - 1
    pairs = np.column_stack([indices[first], indices[second]])
    return pairs[lengths > 0], lengths[lengths > 0]


def mesh_fwhm(rows: ArrayLike, pairs: IndexArray, lengths: FloatArray) -> float:
    """Return the smoothness of noise along a surface.

    Parameters
    ----------
    rows : array_like of shape (n_rows, n_voxels)
        Residuals at the vertices of the mask, as for `grid_fwhm`.
    pairs, lengths
        Edges and their lengths from `mesh_edges`.

    Returns
    -------
    float
        F in mm; NaN if there are no edges.

    Examples
    --------
    Two vertices 2 mm apart, of which one is the sum of the other and independent noise:

    >>> mesh = np.array([[0, 1]]), np.array([2.0])
    >>> [round(mesh_fwhm(rows, *mesh), 1) for rows in ([[1.0, 1], [0, 1]], [[1.0, 0], [0, 1]])]
    [4.9, 0.0]
    """
    values = np.asarray(rows)
    scale = _inverse_lengths(values)
    both = (scale[pairs] > 0).all(axis=1)
    if not both.any():
        return float(np.nan)
    first, second = pairs[both].T
    total = 0.0
    for row in values:
        scaled = row * scale
        total += float(scaled[first] @ scaled[second])
    return gaussian_width(_corrected(total / first.size, len(values)), lengths[both])


def sampled_scans(basis: FloatArray, n_voxels: int) -> IndexArray:
    """Choose regularly spaced scans from whose residuals smoothness is estimated.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns of the design. Scans that it explains almost entirely, such as
        censored ones, are not chosen.
    n_voxels : int
        Number of voxels. With more voxels, fewer scans are needed.

    Returns
    -------
    ndarray of int
        At most 64 indices of scans in ascending order.

    Examples
    --------
    >>> sampled_scans(np.eye(6)[:, :2], 10).tolist()
    [2, 3, 4, 5]
    """
    usable = np.flatnonzero(np.einsum("tr,tr->t", basis, basis) < EXPLAINED)
    n_chosen = int(np.clip(MOST_VALUES // max(n_voxels, 1), FEWEST_SCANS, MOST_SCANS))
    if usable.size <= n_chosen:
        return usable
    return usable[np.linspace(0, usable.size - 1, n_chosen).round().astype(np.intp)]


def sampled_residuals(
    bold: BoldSeries, fitted: Fit | SliceFit, block_size: int = 2048
) -> Float32Array:
    """Return the residuals of a fit in a sample of scans.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        The BOLD data that were fitted.
    fitted : Fit
        Their fit.
    block_size : int
        Number of voxels in a block.

    Returns
    -------
    ndarray of float32, of shape (n_rows, n_voxels)
        Residuals without prewhitening, in the unit of the data; 0 at voxels without variance.

    Examples
    --------
    >>> from boldglm.glm import fit
    >>> bold = np.array([[1.0], [2.0], [6.0]])
    >>> sampled_residuals(bold, fit(bold, np.ones(3), noise="ols")).ravel().tolist()
    [-2.0, -1.0, 3.0]
    """
    scans = sampled_scans(fitted.model.basis, fitted.n_voxels)
    rows = np.empty((scans.size, fitted.n_voxels), dtype=np.float32)
    for voxels in blocks_of(fitted.n_voxels, block_size):
        residuals = bold[:, voxels][scans] - fitted.fitted(voxels, scans)
        rows[:, voxels] = np.where(fitted.sigma2[voxels] > 0, residuals, 0)
    return rows


def sampled_residual_rows(
    volumes: Iterable[NDArray], basis: FloatArray, n_voxels: int
) -> Float32Array:
    """Return OLS residuals in a sample of scans, for data that are read volume by volume.

    Parameters
    ----------
    volumes : iterable of ndarray of shape (n_voxels,)
        All scans in order; a volume may overwrite the previous one.
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns of the design.
    n_voxels : int
        Number of voxels.

    Returns
    -------
    ndarray of float32, of shape (n_rows, n_voxels)
        The result of `sampled_residuals` for a fit by ordinary least squares.

    Examples
    --------
    >>> bold = np.array([[1.0], [2.0], [6.0]])
    >>> sampled_residual_rows(bold, np.full((3, 1), 3**-0.5), 1).round(6).ravel().tolist()
    [-2.0, -1.0, 3.0]
    """
    scans = sampled_scans(basis, n_voxels)
    coordinates = np.zeros((basis.shape[1], n_voxels))
    sample = np.empty((scans.size, n_voxels))
    batch = np.empty((TOGETHER, n_voxels))
    row_of_scan = {scan: row for row, scan in enumerate(scans.tolist())}
    scan = -1
    for scan, volume in enumerate(volumes):
        batch[scan % TOGETHER] = volume
        if scan in row_of_scan:
            sample[row_of_scan[scan]] = volume
        if (scan + 1) % TOGETHER == 0:
            coordinates += basis[scan + 1 - TOGETHER : scan + 1].T @ batch
    rest = (scan + 1) % TOGETHER
    coordinates += basis[scan + 1 - rest : scan + 1].T @ batch[:rest]
    for row, scan in zip(sample, scans, strict=True):
        row -= basis[scan] @ coordinates
    return sample.astype(np.float32)


def _products(volume: FloatArray) -> FloatArray:
    """Return the sum of products of neighbors along each axis; (3,)."""
    ends = (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[..., 1:], np.s_[..., :-1]),
    )
    return np.array(
        [np.einsum("xyz,xyz->", volume[later], volume[earlier]) for later, earlier in ends]
    )


def _inverse_lengths(values: NDArray) -> FloatArray:
    """Return factors that scale each voxel to unit length over rows; 0 if it is 0 in all rows."""
    lengths = np.sqrt(np.einsum("rv,rv->v", values, values, dtype=np.float64))
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _corrected(correlation: float, n_rows: int) -> float:
    """Correct, to first order, the bias of a correlation over few rows toward 0."""
    return correlation * (1 + (1 - correlation**2) / (2 * n_rows))
