"""Corrections of variances and degrees of freedom for estimated coefficients (step 6 of `auto`).

Generalized least squares takes the coefficients of the noise for known. They are estimated, so
the stated variance of a contrast differs from the true one by a factor, which varies between
repetitions of the same experiment. The mean of this factor corrects the variance, and its variance
lowers the degrees of freedom. Both are estimated from series that are simulated with known
coefficients on the design of the run, and whose coefficients are estimated like those of the run.

Notation: V covariance of noise with the true coefficients, Q inverse covariance of noise with the
estimated coefficients, U basis of the design, M = U'QU, x = QU M⁻¹ c weights of the scans in the
estimate of contrast c, ν residual degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.ar_process import (
    autocorrelations,
    precision_of,
    transform_length,
    variance_ratio,
)
from boldglm.glm.noise.gls import precision_times

# Bounds of the variance of log R at any coefficients, relative to its average.
LOWEST_VARIANCE, HIGHEST_VARIANCE = 0.2, 5.0


@dataclass(frozen=True, eq=False)
class SimulatedSeries:
    """True and estimated noise of n simulated series.

    Parameters
    ----------
    true, estimated : ndarray of shape (n_lags, n) and (order, n)
        Autoregressive coefficients.
    stated : ndarray of shape (n,)
        Estimated variance of the innovations, whose true value is 1; see `stated_variances`.
    terms : ndarray of shape (n_terms, n)
        Functions of the true coefficients that the ratio of variances depends on.
    sampling_error : ndarray of shape (order, n)
        First-order sampling error of the estimates. Its expectation is 0 for any true
        coefficients, and it explains most of the variation of the ratios. Regressing on it makes
        the mean ratio of 1000 series as precise as that of 10000.
    """

    true: FloatArray
    estimated: FloatArray
    stated: FloatArray
    terms: FloatArray
    sampling_error: FloatArray


def spectra(ar: FloatArray, n_scans: int) -> FloatArray:
    """Return power spectra of autoregressions whose innovations have variance 1.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients.
    n_scans : int
        T.

    Returns
    -------
    ndarray of shape (n, n_frequencies)
        Weighted Fourier transforms of the autocovariances: x'Vx is the sum of the spectrum times
        |FFT of x|² over frequencies.

    Examples
    --------
    White noise: x'Vx is the sum of squares.

    >>> spectrum = spectra(np.zeros((1, 1)), 4)
    >>> transform = np.fft.rfft([1.0, 2.0, 0.0, 1.0], transform_length(4))
    >>> (spectrum @ np.abs(transform) ** 2).round(12).tolist()
    [6.0]
    """
    length = transform_length(n_scans)
    autocovariances = (autocorrelations(ar, n_scans) * variance_ratio(ar)).T
    circular = np.zeros((ar.shape[1], length))
    circular[:, :n_scans] = autocovariances
    circular[:, length - n_scans + 1 :] = autocovariances[:, :0:-1]
    weights = np.full(length // 2 + 1, 2.0 / length)
    weights[[0, -1]] = 1.0 / length
    return np.asarray(np.fft.rfft(circular, axis=1).real * weights)


def stated_variances(
    ssr: FloatArray,
    dof: int,
    terms: FloatArray,
    sampling_error: FloatArray,
    ssr_error: FloatArray,
) -> FloatArray:
    """Return estimates of the variance of the innovations, without their own sampling error.

    Parameters
    ----------
    ssr : ndarray of shape (n,)
        GLS residual sums of squares of simulated series whose innovations have variance 1.
    dof : int
        ν.
    terms, sampling_error : ndarray of shape (…, n)
        As in `SimulatedSeries`.
    ssr_error : ndarray of shape (n,)
        Sampling error of `ssr` with the true coefficients, up to the terms of both ends; its
        expectation is 0.

    Returns
    -------
    ndarray of shape (n,)
        Estimates without the chi-squared variation that they would have with known coefficients.

    Notes
    -----
    The coefficients are estimated from the same residuals and fit them better than independent
    residuals. Each free coefficient makes the estimate smaller by about 1/ν.

    Examples
    --------
    >>> one, none = np.ones((1, 4)), np.zeros((1, 4))
    >>> stated_variances(np.full(4, 50.0), 50, one, none, none[0]).round(2).tolist()
    [1.02, 1.02, 1.02, 1.02]
    """
    # subtract the expectation of log(χ²_ν / ν)
    logarithms = np.log(ssr / dof) - digamma(dof / 2) + np.log(dof / 2)
    of_coefficients = np.concatenate([terms, _products(terms, sampling_error)])
    columns = np.concatenate([of_coefficients, _products(terms, ssr_error[np.newaxis])])
    coefficients = np.linalg.lstsq(columns.T, logarithms, rcond=None)[0]
    return np.asarray(np.exp(coefficients[: len(of_coefficients)] @ of_coefficients))


def _products(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the products of each row of `first` with each row of `second`."""
    return (first[:, np.newaxis] * second).reshape(-1, first.shape[1])


def variance_ratios(
    basis: FloatArray,
    inverses: FloatArray,
    spectrum: FloatArray,
    simulated: SimulatedSeries,
    row: FloatArray,
) -> FloatArray:
    """Return the ratio of the true to the stated variance of a contrast in each simulated series.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        U.
    inverses : ndarray of shape (n, rank, rank)
        M⁻¹ with the estimated coefficients.
    spectrum : ndarray of shape (n, n_frequencies)
        `spectra` of the true coefficients.
    simulated : SimulatedSeries
        True and estimated noise.
    row : ndarray of shape (rank,)
        c, the contrast in the orthonormal basis.

    Returns
    -------
    ndarray of shape (n,)
        x'Vx divided by c'M⁻¹c and the stated innovation variance. The numerator is the sandwich
        variance of an estimate with incorrect weights [1]_.

    References
    ----------
    .. [1] Huber PJ (1967). The behavior of maximum likelihood estimates under nonstandard
       conditions. Proceedings of the Fifth Berkeley Symposium on Mathematical Statistics and
       Probability 1:221-233.

    Examples
    --------
    If the estimated coefficients are the true ones, the ratio is 1:

    >>> from boldglm.glm.noise.gls import GLSDesign
    >>> ar, one = np.array([[0.3]]), np.ones((1, 1))
    >>> gls_design = GLSDesign(np.full((9, 1), 1 / 3), 1)
    >>> inverse = np.linalg.inv(gls_design.normal_matrices(precision_of(ar)))
    >>> same = SimulatedSeries(ar, ar, one[0], one, 0 * one)
    >>> variance_ratios(gls_design.basis, inverse, spectra(ar, 9), same, one[0]).round(12).tolist()
    [1.0]
    """
    n_scans = len(basis)
    solved = inverses @ row
    weights = precision_times(basis @ solved.T, precision_of(simulated.estimated))
    transform = np.fft.rfft(weights.T, transform_length(n_scans), axis=1)
    actual = np.einsum("nf,nf->n", transform.real**2 + transform.imag**2, spectrum)
    return np.asarray(actual / (simulated.stated * (solved @ row)))


def corrections(
    ratios: FloatArray, simulated: SimulatedSeries, cluster_terms: FloatArray, dof: int
) -> tuple[FloatArray, FloatArray]:
    """Return the factors of the variance and the degrees of freedom of a contrast.

    Parameters
    ----------
    ratios : ndarray of shape (n,)
        Ratios of variances from `variance_ratios`.
    simulated : SimulatedSeries
        The series that the ratios belong to.
    cluster_terms : ndarray of shape (n_terms, m)
        The functions `terms` of the coefficients of m noise clusters.
    dof : int
        ν.

    Returns
    -------
    tuple of (ndarray, ndarray), each of shape (m,)
        Factor of the variance, and degrees of freedom, in each cluster.

    Notes
    -----
    The stated variance in units of the true one is W = χ²_ν / (ν R) with R the ratio. log R is
    regressed on the terms; it has mean μ and variance s². The factor κ and the degrees of freedom
    d are chosen such that κ W has the mean and the variance of χ²_d / d, as by Satterthwaite [1]_:
    κ = exp(μ - s²/2) and 2/d = (1 + 2/ν) exp(s²) - 1.

    References
    ----------
    .. [1] Satterthwaite FE (1946). An approximate distribution of estimates of variance
       components. Biometrics Bulletin 2:110-114. https://doi.org/10.2307/3002019

    Examples
    --------
    If the ratio does not vary, no degrees of freedom are lost:

    >>> ones = np.ones((1, 4))
    >>> simulated = SimulatedSeries(0 * ones, 0 * ones, ones[0], ones, 0 * ones)
    >>> factor, dofs = corrections(np.full(4, 1.1), simulated, ones[:, :1], 50)
    >>> factor.round(6).tolist(), dofs.round(6).tolist()
    ([1.1], [50.0])
    """
    logarithms = np.log(ratios)
    terms = simulated.terms
    columns = np.concatenate([terms, _products(terms, simulated.sampling_error)])
    coefficients = np.linalg.lstsq(columns.T, logarithms, rcond=None)[0][: len(terms)]
    mean = coefficients @ cluster_terms
    squares = (logarithms - coefficients @ terms) ** 2
    average = squares.mean()
    variance = np.linalg.lstsq(terms.T, squares, rcond=None)[0] @ cluster_terms
    # a quadratic function extrapolates badly, even to negative values
    variance = np.clip(variance, LOWEST_VARIANCE * average, HIGHEST_VARIANCE * average)
    dofs = 2 / ((1 + 2 / dof) * np.exp(variance) - 1)
    return np.exp(mean - variance / 2), dofs
