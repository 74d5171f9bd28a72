"""How smooth noise is: the Gaussian that would have made it of white noise.

White noise smoothed by a Gaussian of full width F correlates at the distance d by
exp(-2 log 2 d²/F²). So the correlations of neighbors in what a fit leaves tell F: along each
axis of a volume, and over the edges of a mesh.

Notation: e residuals, (n_rows, n_voxels), of some of the scans; r mean correlation of
neighbors; d their distance; F full width at half maximum, mm.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import Float32Array, FloatArray, IndexArray
from boldglm.glm.first_level.fit import Fit
from boldglm.glm.noise.blocks import BoldSeries

FEWEST_SCANS, MOST_SCANS = 16, 64  # that are looked at
MOST_VALUES = 2**22  # of them together, 16 MiB in float32, while there are more than the fewest
TOGETHER = 16  # volumes that are projected on the design at a time
EXPLAINED = 0.9  # leverage above which a scan has next to no residual, as a censored one
WIDEST = 1e4  # F over the mean distance of neighbors; beyond, nothing can be measured


def gaussian_width(correlation: float, distances: ArrayLike) -> float:
    """Return the full width of the Gaussian that gives neighbors their mean correlation.

    Parameters
    ----------
    correlation : float
        Mean over pairs of neighbors.
    distances : float or array_like of shape (n_pairs,)
        Between them, mm, above 0.

    Returns
    -------
    float
        F with mean exp(-2 log 2 d²/F²) = r, in mm; 0 where r is not positive, NaN where it is
        so near 1 that any large F would do.

    Notes
    -----
    For one distance F = d sqrt(-2 log 2 / log r), the exact form of what [1]_ and [2]_ give for
    short distances: r = 1 - var(difference) / (2 var).

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
    At half the width the correlation is the root of 1/2; at the whole width it is 1/4:

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
    from scipy.optimize import brentq  # a package that takes long to import

    return float(np.exp(brentq(excess, low, high)))


def grid_fwhm(rows: ArrayLike, mask: ArrayLike, voxel_sizes: Sequence[float]) -> FloatArray:
    """Return how smooth noise in a volume is along each axis.

    Parameters
    ----------
    rows : array_like of shape (n_rows, n_voxels)
        Residuals in the order of ``mask[mask]``, in any unit, different ones in each voxel too.
        Voxels that are 0 in all rows count for nothing.
    mask : array_like of bool, of shape (x, y, z)
    voxel_sizes : sequence of 3 floats
        Distances between voxels along the axes, mm.

    Returns
    -------
    ndarray of shape (3,)
        F in mm; NaN along an axis along which no two voxels are neighbors.

    Examples
    --------
    Neighbors along the last axis correlate by 1/2, along the second not at all:

    >>> rows = [[2.0, 1, 0, 0], [0, 3**0.5, 0, 0], [0, 0, 2, 1], [0, 0, 0, 3**0.5]] * 100
    >>> grid_fwhm(rows, np.ones((1, 2, 2), bool), (3.0, 3.0, 2.0**0.5)).round(2).tolist()
    [nan, 0.0, 2.0]
    """
    values, inside = np.asarray(rows), np.asarray(mask, dtype=bool)
    places = tuple(slice(int(at.min()), int(at.max()) + 1) for at in inside.nonzero())
    box = inside[places]
    scale = _inverse_lengths(values)
    there = np.zeros(box.shape)
    there[box] = scale > 0
    counts = _products(there)
    sums, volume = np.zeros(3), np.zeros(box.shape)
    for row in values:
        volume[box] = row * scale
        sums += _products(volume)
    found = np.full(3, np.nan)
    for axis in np.flatnonzero(counts > 0).tolist():
        correlation = _less_biased(sums[axis] / counts[axis], len(values))
        found[axis] = gaussian_width(correlation, voxel_sizes[axis])
    return found


def mesh_edges(
    coordinates: ArrayLike, triangles: ArrayLike, mask: ArrayLike
) -> tuple[IndexArray, FloatArray]:
    """Return which vertices of a mask are joined, and how far apart they are.

    Parameters
    ----------
    coordinates : array_like of shape (n_vertices, 3)
        Of the whole mesh, mm.
    triangles : array_like of int, of shape (n_triangles, 3)
    mask : array_like of bool, of shape (n_vertices,)

    Returns
    -------
    pairs : ndarray of int, of shape (n_edges, 2)
        Places among the vertices of the mask; edges of no length are left out.
    lengths : ndarray of shape (n_edges,)
        mm.

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
    places = np.cumsum(inside) - 1
    pairs = np.column_stack([places[first], places[second]])
    return pairs[lengths > 0], lengths[lengths > 0]


def mesh_fwhm(rows: ArrayLike, pairs: IndexArray, lengths: FloatArray) -> float:
    """Return how smooth noise along a surface is.

    Parameters
    ----------
    rows : array_like of shape (n_rows, n_voxels)
        Residuals at the vertices of the mask, as for `grid_fwhm`.
    pairs, lengths
        From `mesh_edges`.

    Returns
    -------
    float
        F in mm; NaN where no two vertices are joined.

    Examples
    --------
    Vertices 2 mm apart, one of them the sum of the other and as much noise of its own:

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
    return gaussian_width(_less_biased(total / first.size, len(values)), lengths[both])


def sampled_scans(basis: FloatArray, n_voxels: int) -> IndexArray:
    """Choose scans, regularly spaced, in whose residuals smoothness is looked for.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns of the design; scans that it explains nearly entirely, such as those
        that are censored, are not chosen.
    n_voxels : int
        The more there are, the fewer scans are needed, and held.

    Returns
    -------
    ndarray of int
        In ascending order, 64 at most.

    Examples
    --------
    >>> sampled_scans(np.eye(6)[:, :2], 10).tolist()
    [2, 3, 4, 5]
    """
    usable = np.flatnonzero(np.einsum("tr,tr->t", basis, basis) < EXPLAINED)
    wanted = int(np.clip(MOST_VALUES // max(n_voxels, 1), FEWEST_SCANS, MOST_SCANS))
    if usable.size <= wanted:
        return usable
    return usable[np.linspace(0, usable.size - 1, wanted).round().astype(np.intp)]


def sampled_residuals(bold: BoldSeries, found: Fit, block_size: int = 2048) -> Float32Array:
    """Return what a fit leaves of some scans at all voxels.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        The signals that were fitted.
    found : Fit
        Their fit.
    block_size : int
        Voxels at a time.

    Returns
    -------
    ndarray of float32, of shape (n_rows, n_voxels)
        Not whitened, in the unit of the signals; 0 where there is no noise.

    Examples
    --------
    >>> from boldglm.glm import fit
    >>> bold = np.array([[1.0], [2.0], [6.0]])
    >>> sampled_residuals(bold, fit(bold, np.ones(3), noise="ols")).ravel().tolist()
    [-2.0, -1.0, 3.0]
    """
    scans = sampled_scans(found.model.basis, found.n_voxels)
    rows = np.empty((scans.size, found.n_voxels), dtype=np.float32)
    for voxels in blocks_of(found.n_voxels, block_size):
        left = bold[:, voxels][scans] - found.fitted(voxels, scans)
        rows[:, voxels] = np.where(found.sigma2[voxels] > 0, left, 0)
    return rows


def sampled_residual_rows(
    volumes: Iterable[NDArray], basis: FloatArray, n_voxels: int
) -> Float32Array:
    """Return what least squares leaves of some scans, of a series that comes volume by volume.

    Parameters
    ----------
    volumes : iterable of ndarray of shape (n_voxels,)
        All scans in order; each may be overwritten by the next.
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns of the design.
    n_voxels : int

    Returns
    -------
    ndarray of float32, of shape (n_rows, n_voxels)
        As `sampled_residuals` of ordinary least squares.

    Examples
    --------
    >>> bold = np.array([[1.0], [2.0], [6.0]])
    >>> sampled_residual_rows(bold, np.full((3, 1), 3**-0.5), 1).round(6).ravel().tolist()
    [-2.0, -1.0, 3.0]
    """
    scans = sampled_scans(basis, n_voxels)
    coordinates = np.zeros((basis.shape[1], n_voxels))
    kept = np.empty((scans.size, n_voxels))
    batch = np.empty((TOGETHER, n_voxels))
    places = {scan: row for row, scan in enumerate(scans.tolist())}
    scan = -1
    for scan, volume in enumerate(volumes):
        batch[scan % TOGETHER] = volume
        if scan in places:
            kept[places[scan]] = volume
        if (scan + 1) % TOGETHER == 0:
            coordinates += basis[scan + 1 - TOGETHER : scan + 1].T @ batch
    rest = (scan + 1) % TOGETHER
    coordinates += basis[scan + 1 - rest : scan + 1].T @ batch[:rest]
    for row, scan in zip(kept, scans, strict=True):
        row -= basis[scan] @ coordinates
    return kept.astype(np.float32)


def _products(volume: FloatArray) -> FloatArray:
    """Sum the products of neighbors along each axis."""
    ends = (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[..., 1:], np.s_[..., :-1]),
    )
    return np.array([np.einsum("xyz,xyz->", volume[one], volume[two]) for one, two in ends])


def _inverse_lengths(values: NDArray) -> FloatArray:
    """Scale each voxel to a length of 1 over rows; 0 where it is 0."""
    lengths = np.sqrt(np.einsum("rv,rv->v", values, values, dtype=np.float64))
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _less_biased(correlation: float, n_rows: int) -> float:
    """Undo, to first order, that a correlation over few rows is too small."""
    return correlation * (1 + (1 - correlation**2) / (2 * n_rows))
