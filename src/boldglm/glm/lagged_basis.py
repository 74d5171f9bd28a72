"""The basis of a design seen through autoregressive noise.

Everything that generalized least squares needs of the design is linear in a few products of
its basis with itself at short lags, computed once for all voxels.

Notation: U orthonormal basis of the design (T scans, r columns), N_k ones at lag k on both
sides of the diagonal, Q inverse of the noise covariance, M = U'QU; band and corner as in
`boldglm.glm.autoregression.precision_terms`.
"""

import numpy as np

from boldglm.glm.autoregression import precision_terms
from boldglm.glm.kernels import FloatArray


class LaggedBasis:
    """Products of an orthonormal basis with its own shifts.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        U.
    order : int
        Largest lag; the series must be at least twice as long.

    Examples
    --------
    A constant over four scans, noise of coefficient 1/2: the sum of all elements of Q is
    4 · 1.25 - 6 · 0.5 - 2 · 0.25.

    >>> lagged = LaggedBasis(np.full((4, 1), 0.5), 1)
    >>> (4 * lagged.normal_matrices(np.array([[0.5]]))).ravel().tolist()
    [1.5]
    """

    def __init__(self, basis: FloatArray, order: int) -> None:
        self.basis = basis
        self.order = order
        self.shifted = np.stack([neighbors(basis, lag) for lag in range(order + 1)])
        self.grams = np.einsum("ti,ktj->kij", basis, self.shifted, optimize=True)
        self.first = basis[:order]
        self.last = basis[::-1][:order]

    def normal_matrices(self, ar: FloatArray) -> FloatArray:
        """Return M = U'QU for each of n noise models, (order, n) -> (n, rank, rank)."""
        band, corner = precision_terms(ar)
        rank = self.basis.shape[1]
        matrices = (band.T @ self.grams.reshape(self.order + 1, -1)).reshape(-1, rank, rank)
        for rows in (self.first, self.last):
            matrices -= rows.T @ (corner @ rows)
        return np.asarray(matrices)

    def weighted_basis(self, ar: FloatArray) -> FloatArray:
        """Return QU for each of n noise models, (order, n) -> (n, n_scans, rank)."""
        band, corner = precision_terms(ar)
        n_scans, rank = self.basis.shape
        flat = self.shifted.reshape(self.order + 1, -1)
        weighted = (band.T @ flat).reshape(-1, n_scans, rank)
        weighted[:, : self.order] -= corner @ self.first
        weighted[:, ::-1][:, : self.order] -= corner @ self.last
        return np.asarray(weighted)


def neighbors(columns: FloatArray, lag: int) -> FloatArray:
    """Return N_k times columns: at each scan the sum of those `lag` before and after it."""
    if lag == 0:
        return columns.copy()
    result = np.zeros_like(columns)
    result[lag:] = columns[:-lag]
    result[:-lag] += columns[lag:]
    return result


def precision_times(series: FloatArray, ar: FloatArray) -> FloatArray:
    """Return Q times each of n series, with its own noise model.

    Parameters
    ----------
    series : ndarray of shape (n_scans, n)
        One series a column.
    ar : ndarray of shape (order, n)
        Coefficients.

    Returns
    -------
    ndarray of shape (n_scans, n)

    Examples
    --------
    >>> precision_times(np.array([[1.0], [0.0], [2.0]]), np.array([[0.5]])).ravel().tolist()
    [1.0, -1.5, 2.0]
    """
    order = len(ar)
    band, corner = precision_terms(ar)
    result = band[0] * series
    for lag in range(1, order + 1):
        result += band[lag] * neighbors(series, lag)
    result[:order] -= np.einsum("nsu,un->sn", corner, series[:order])
    result[::-1][:order] -= np.einsum("nsu,un->sn", corner, series[::-1][:order])
    return np.asarray(result)


def lag_sums(series: FloatArray, order: int) -> FloatArray:
    """Return sums of products of each series with itself, at lags 0 to `order`.

    Parameters
    ----------
    series : ndarray of shape (n_scans, n)
        One series a column.
    order : int
        Largest lag.

    Returns
    -------
    ndarray of shape (order + 1, n)
        Σ_t y_t y_{t+k}, not divided by anything.

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


def quadratic_forms(
    sums: FloatArray, first: FloatArray, last: FloatArray, ar: FloatArray
) -> FloatArray:
    """Return y'Qy of n series, each with its own noise model.

    Parameters
    ----------
    sums : ndarray of shape (order + 1, n)
        As from `lag_sums`.
    first, last : ndarray of shape (order, n)
        First scans of the series, and last scans beginning with the last.
    ar : ndarray of shape (order, n)
        Coefficients.

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    A series 1, 1, 1, 1 and the coefficient 1/2, as in `LaggedBasis`:

    >>> ends = np.ones((1, 1))
    >>> quadratic_forms(np.array([[4.0], [3.0]]), ends, ends, np.array([[0.5]])).tolist()
    [1.5]
    """
    band, corner = precision_terms(ar)
    result = band[0] * sums[0] + 2 * np.einsum("kn,kn->n", band[1:], sums[1:])
    for ends in (first, last):
        result -= np.einsum("sn,nsu,un->n", ends, corner, ends, optimize=True)
    return np.asarray(result)
