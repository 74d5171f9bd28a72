"""Generalized least squares with autoregressive noise: matrices of the design, prewhitening.

Everything that generalized least squares needs of the design is linear in a few products of
its basis with lagged copies of itself. These are computed once for all voxels.

Notation: U orthonormal basis of the design (T scans, r columns), N_k matrix with ones at lag k
on both sides of the diagonal, Q inverse of the noise covariance (`ar_process.Precision`),
M = U'QU.
"""

import numpy as np

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.ar_process import Precision

MATRICES_AT_ONCE = 100


class GLSDesign:
    """Products of the orthonormal basis of a design with lagged copies of itself.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        U.
    order : int
        Largest lag; at most half the number of scans.

    Examples
    --------
    A constant over four scans, noise of coefficient 1/2: the sum of all elements of Q is
    4 · 1.25 - 6 · 0.5 - 2 · 0.25.

    >>> from boldglm.glm.noise.ar_process import precision_of
    >>> gls_design = GLSDesign(np.full((4, 1), 0.5), 1)
    >>> (4 * gls_design.normal_matrices(precision_of(np.array([[0.5]])))).ravel().tolist()
    [1.5]
    """

    def __init__(self, basis: FloatArray, order: int) -> None:
        self.basis = basis
        self.order = order
        self.shifted = np.stack([lagged_sum(basis, lag) for lag in range(order + 1)])
        self.grams = np.einsum("ti,ktj->kij", basis, self.shifted, optimize=True)
        self.first = basis[:order]
        self.last = basis[::-1][:order]

    def normal_matrices(self, noise: Precision) -> FloatArray:
        """Return M = U'QU for each of n noise models, (n, rank, rank)."""
        rank = self.basis.shape[1]
        matrices = (noise.band.T @ self.grams.reshape(self.order + 1, -1)).reshape(-1, rank, rank)
        for rows, corner in ((self.first, noise.first), (self.last, noise.last)):
            matrices -= rows.T @ (corner @ rows)
        return np.asarray(matrices)

    def inverses(self, noise: Precision) -> FloatArray:
        """Return M⁻¹ for each of n noise models, (n, rank, rank).

        They are inverted in batches, so that M and M⁻¹ of all noise models are never in memory
        together: with many censored scans, a thousand matrices can take 200 MB.
        """
        rank = self.basis.shape[1]
        result = np.empty((noise.band.shape[1], rank, rank))
        for batch in blocks_of(len(result), MATRICES_AT_ONCE):
            result[batch] = np.linalg.inv(self.normal_matrices(noise.of(batch)))
        return result

    def weighted_basis(self, noise: Precision) -> FloatArray:
        """Return QU for each of n noise models, (n, n_scans, rank)."""
        n_scans, rank = self.basis.shape
        flat = self.shifted.reshape(self.order + 1, -1)
        weighted = (noise.band.T @ flat).reshape(-1, n_scans, rank)
        weighted[:, : self.order] -= noise.first @ self.first
        weighted[:, ::-1][:, : self.order] -= noise.last @ self.last
        return np.asarray(weighted)


def lagged_sum(columns: FloatArray, lag: int) -> FloatArray:
    """Return N_k times columns: at each scan, the sum of the values `lag` before and after it.

    Parameters
    ----------
    columns : ndarray of shape (n_scans, n)
        Series.
    lag : int
        k.

    Returns
    -------
    ndarray of shape (n_scans, n)

    Examples
    --------
    >>> lagged_sum(np.array([[1.0], [2.0], [4.0]]), 1).ravel().tolist()
    [2.0, 5.0, 2.0]
    """
    if lag == 0:
        return columns.copy()
    result = np.zeros_like(columns)
    result[lag:] = columns[:-lag]
    result[:-lag] += columns[lag:]
    return result


def precision_times(series: FloatArray, noise: Precision) -> FloatArray:
    """Return Q times each of n series, Q being that of the series' noise model.

    Parameters
    ----------
    series : ndarray of shape (n_scans, n)
        One series in each column.
    noise : Precision
        Inverse covariances of n noise models.

    Returns
    -------
    ndarray of shape (n_scans, n)

    Examples
    --------
    >>> from boldglm.glm.noise.ar_process import precision_of
    >>> noise = precision_of(np.array([[0.5]]))
    >>> precision_times(np.array([[1.0], [0.0], [2.0]]), noise).ravel().tolist()
    [1.0, -1.5, 2.0]
    """
    order = noise.order
    result = noise.band[0] * series
    for lag in range(1, order + 1):
        result += noise.band[lag] * lagged_sum(series, lag)
    result[:order] -= np.einsum("nsu,un->sn", noise.first, series[:order])
    result[::-1][:order] -= np.einsum("nsu,un->sn", noise.last, series[::-1][:order])
    return np.asarray(result)


def whitened_autocorrelations(residuals: FloatArray, ar: FloatArray, n_lags: int) -> FloatArray:
    """Return the autocorrelations of residuals after prewhitening.

    Parameters
    ----------
    residuals : ndarray of shape (n_scans, n)
        One series in each column.
    ar : ndarray of shape (order, n)
        Autoregressive coefficients to prewhiten with.
    n_lags : int
        Number of lags, beginning with lag 1.

    Returns
    -------
    ndarray of shape (n_lags, n)
        Autocorrelations; 0 for a series of zeros.

    Examples
    --------
    A series that halves at every scan is fully explained by a coefficient of 1/2:

    >>> halving = 0.5 ** np.arange(6.0)[:, np.newaxis]
    >>> whitened_autocorrelations(halving, np.array([[0.5]]), 2).ravel().tolist()
    [0.0, 0.0]
    """
    order, n_scans = len(ar), len(residuals)
    filtered = residuals[order:].copy()
    predicted = np.empty_like(filtered)
    for lag, coefficients in enumerate(ar, start=1):
        np.multiply(coefficients, residuals[order - lag : n_scans - lag], out=predicted)
        filtered -= predicted
    sums = lag_sums(filtered, n_lags)
    return np.asarray(sums[1:] / np.where(sums[0] > 0, sums[0], 1.0))


def lag_sums(series: FloatArray, order: int) -> FloatArray:
    """Return the sum of lagged products of each series with itself, at lags 0 to `order`.

    Parameters
    ----------
    series : ndarray of shape (n_scans, n)
        One series in each column.
    order : int
        Largest lag.

    Returns
    -------
    ndarray of shape (order + 1, n)
        Σ_t y_t y_{t+k}, not divided by the number of products.

    Examples
    --------
    >>> lag_sums(np.array([[1.0], [2.0], [3.0]]), 2).ravel().tolist()
    [14.0, 8.0, 3.0]
    """
    n_scans, n = series.shape
    sums = np.empty((order + 1, n))
    for lag in range(order + 1):
        np.einsum("tv,tv->v", series[lag:], series[: n_scans - lag], out=sums[lag])
    return sums
