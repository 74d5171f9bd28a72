"""Autoregressive processes of any order, for many voxels at once.

An autoregression of order p can be described by its coefficients φ, by its partial
autocorrelations k, or by its autocovariances. Partial autocorrelations may take any value within
(-1, 1), and the process is then always stationary. Recursions over orders and lags convert one
description into another; every column of an array is one process.

Notation: φ coefficients, a = (1, -φ₁, …, -φₚ), k partial autocorrelations, Q inverse of the
noise covariance for innovations of variance 1, T scans.
"""

from typing import NamedTuple

import numpy as np
from scipy.fft import next_fast_len

from boldglm.glm.arrays.types import FloatArray, IndexArray


def partial_to_ar(partial: FloatArray) -> FloatArray:
    """Convert partial autocorrelations to coefficients.

    Parameters
    ----------
    partial : ndarray of shape (order, n)
        Within (-1, 1).

    Returns
    -------
    ndarray of shape (order, n)
        φ, with y_t = φ₁ y_{t-1} + … + φₚ y_{t-p} + innovation.

    Notes
    -----
    The step-up recursion of Durbin and Levinson [1]_.

    References
    ----------
    .. [1] Brockwell PJ, Davis RA (1991). Time Series: Theory and Methods, 2nd edition,
       section 5.2. https://doi.org/10.1007/978-1-4419-0320-4

    Examples
    --------
    >>> partial_to_ar(np.array([[0.5], [-0.2]])).ravel().round(12).tolist()
    [0.6, -0.2]
    """
    ar = np.zeros_like(partial)
    for m, k in enumerate(partial):
        before = ar[:m].copy()
        ar[m] = k
        ar[:m] = before - k * before[::-1]
    return ar


def ar_to_partial(ar: FloatArray) -> FloatArray:
    """Convert coefficients to partial autocorrelations.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients of stationary autoregressions.

    Returns
    -------
    ndarray of shape (order, n)
        Inverse of `partial_to_ar`.

    Examples
    --------
    >>> ar_to_partial(np.array([[0.6], [-0.2]])).ravel().round(12).tolist()
    [0.5, -0.2]
    """
    shorter, partial = ar.copy(), np.zeros_like(ar)
    for m in range(len(ar) - 1, -1, -1):
        k = partial[m] = shorter[m]
        shorter[:m] = (shorter[:m] + k * shorter[:m][::-1]) / (1 - k**2)
    return partial


def autocovariances_to_partial(autocovariances: FloatArray, limit: float = 0.99) -> FloatArray:
    """Convert autocovariances to partial autocorrelations (Yule and Walker).

    Parameters
    ----------
    autocovariances : ndarray of shape (order + 1, n)
        At lags 0 to order; lag 0 positive.
    limit : float
        Partial autocorrelations are clipped to ±limit, so that the result is stationary even if
        the autocovariances are estimates that belong to no process.

    Returns
    -------
    ndarray of shape (order, n)

    Examples
    --------
    Those of an autoregression of order 1 are 1, ρ, ρ²:

    >>> autocovariances_to_partial(np.array([[1.0], [0.5], [0.25]])).ravel().tolist()
    [0.5, 0.0]
    """
    order = len(autocovariances) - 1
    partial = np.empty((order, *autocovariances.shape[1:]))
    ar = np.zeros_like(partial)
    variance = autocovariances[0].copy()
    for m in range(order):
        ahead = autocovariances[m + 1] - (ar[:m] * autocovariances[m:0:-1]).sum(axis=0)
        k = partial[m] = np.clip(ahead / variance, -limit, limit)
        before = ar[:m].copy()
        ar[m] = k
        ar[:m] = before - k * before[::-1]
        variance *= 1 - k**2
    return partial


def autocorrelations(ar: FloatArray, n_lags: int) -> FloatArray:
    """Return the autocorrelations of autoregressions.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients of stationary autoregressions.
    n_lags : int
        Number of lags, beginning with lag 0; more than the order.

    Returns
    -------
    ndarray of shape (n_lags, n)
        1 at lag 0.

    Examples
    --------
    >>> autocorrelations(np.array([[0.5]]), 4).ravel().tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    order = len(ar)
    result = np.empty((n_lags, *ar.shape[1:]))
    result[0] = 1.0
    partial, shorter, variance = ar_to_partial(ar), np.zeros_like(ar), np.ones(ar.shape[1:])
    for m in range(order):
        k = partial[m]
        result[m + 1] = k * variance + (shorter[:m] * result[m:0:-1]).sum(axis=0)
        before = shorter[:m].copy()
        shorter[m] = k
        shorter[:m] = before - k * before[::-1]
        variance = variance * (1 - k**2)
    for lag in range(order + 1, n_lags):
        result[lag] = (ar * result[lag - 1 : lag - order - 1 : -1]).sum(axis=0)
    return result


def variance_ratio(ar: FloatArray) -> FloatArray:
    """Return the variance of the noise divided by that of its innovations.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients of stationary autoregressions.

    Returns
    -------
    ndarray of shape (n,)
        1 / Π (1 - k²).

    Examples
    --------
    >>> variance_ratio(np.array([[0.5]])).round(4).tolist()
    [1.3333]
    """
    return np.asarray(1 / np.prod(1 - ar_to_partial(ar) ** 2, axis=0))


def simulate(ar: FloatArray, n_scans: int, rng: np.random.Generator) -> FloatArray:
    """Simulate Gaussian series that are stationary from the first scan on.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients of each series.
    n_scans : int
        Length of the series, more than the order.
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    ndarray of shape (n_scans, n)
        Series whose innovations have variance 1.

    Examples
    --------
    >>> series = simulate(np.array([[0.5, 0.9]]), 100, np.random.default_rng(0))
    >>> series.shape
    (100, 2)
    """
    order = len(ar)
    series = rng.standard_normal((n_scans, *ar.shape[1:]))
    partial, shorter, variance = ar_to_partial(ar), np.zeros_like(ar), variance_ratio(ar)
    for t in range(order):
        series[t] *= np.sqrt(variance)
        series[t] += (shorter[:t] * series[:t][::-1]).sum(axis=0)
        k = partial[t]
        before = shorter[:t].copy()
        shorter[t] = k
        shorter[:t] = before - k * before[::-1]
        variance = variance * (1 - k**2)
    for t in range(order, n_scans):
        series[t] += np.einsum("pn,pn->n", ar, series[t - order : t][::-1])
    return series


def transform_length(n_scans: int) -> int:
    """Return an even length, at least twice `n_scans`, with a fast Fourier transform.

    Products of transforms of this length give correlations at all lags without wrap-around.

    Parameters
    ----------
    n_scans : int
        Length of the series.

    Returns
    -------
    int

    Examples
    --------
    >>> transform_length(200), transform_length(601)
    (400, 1250)
    """
    return 2 * next_fast_len(n_scans, real=True)


class Precision(NamedTuple):
    """Inverse covariances of n noise models, in banded form; see `precision_of`.

    Parameters
    ----------
    band : ndarray of shape (order + 1, n)
        Weights of the matrices N_k, which have ones at lag k on both sides of the diagonal
        (N₀ is the identity).
    first, last : ndarray of shape (n, order, order)
        Matrices that are subtracted at the first scans and at the last scans. The latter is
        mirrored: its first row belongs to the last scan.
    """

    band: FloatArray
    first: FloatArray
    last: FloatArray

    @property
    def order(self) -> int:
        """Largest lag."""
        return len(self.band) - 1

    def of(self, which: IndexArray | slice) -> "Precision":
        """Return the inverse covariances of a subset of the noise models."""
        return Precision(self.band[:, which], self.first[which], self.last[which])


def lag_weights(ar: FloatArray) -> FloatArray:
    """Return the weights of the lag sums of y in y'Qy, except for the terms of both ends.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients.

    Returns
    -------
    ndarray of shape (order + 1, n)
        Weights at lags 0 to order.

    Examples
    --------
    >>> lag_weights(np.array([[0.5]])).ravel().tolist()
    [1.25, -1.0]
    """
    weights = _lag_products(_with_one(ar))
    weights[1:] *= 2
    return weights


def precision_of(ar: FloatArray) -> Precision:
    """Return the inverse covariances of autoregressions whose innovations have variance 1.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients.

    Returns
    -------
    Precision
        Its corner at the last scans is the mirror image of that at the first scans.

    Notes
    -----
    x'Qy = Σ_ij a_i a_j Σ_t x_{t+i} y_{t+j} with t from 0 to T - 1 - i - j [1]_. Hence the band
    has the weights Σ_i a_i a_{i+k}, and the corner is E_su = Σ_{m>0} a_{s+m} a_{u+m}. This is
    exact: the first scans have their stationary distribution. T must be at least twice the order.

    References
    ----------
    .. [1] Box GEP, Jenkins GM, Reinsel GC (2008). Time Series Analysis, 4th edition,
       appendix A7.4. https://doi.org/10.1002/9781118619193

    Examples
    --------
    For order 1: 1 + φ² on the diagonal, -φ next to it, and φ² subtracted at both ends.

    >>> noise = precision_of(np.array([[0.5]]))
    >>> noise.band.ravel().tolist(), noise.first.ravel().tolist()
    ([1.25, -0.5], [0.25])
    """
    order, a = len(ar), _with_one(ar)
    corner = np.empty((ar.shape[1], order, order))
    for s in range(order):
        for u in range(s, order):
            products = (a[s + 1 : order + 1 - (u - s)] * a[u + 1 :]).sum(axis=0)
            corner[:, s, u] = corner[:, u, s] = products
    return Precision(_lag_products(a), corner, corner)


def _with_one(ar: FloatArray) -> FloatArray:
    """Return a, which filters a series to its innovations Σ_i a_i y_{t-i}; (order + 1, n)."""
    return np.concatenate([np.ones((1, *ar.shape[1:])), -ar])


def _lag_products(a: FloatArray) -> FloatArray:
    """Return Σ_i a_i a_{i+k} at every lag k; (order + 1, n)."""
    return np.stack([(a[: len(a) - k] * a[k:]).sum(axis=0) for k in range(len(a))])
