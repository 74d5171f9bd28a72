"""How far variances from estimated autoregressive noise can be trusted, by simulation.

Generalized least squares takes the noise's coefficients for known. Because they are estimated,
the variance it states is wrong by a factor that differs from run to run of the same experiment:
on average a little, and it scatters. What is needed of that factor are its mean, which corrects
the variance, and its scatter, which lowers the degrees of freedom. Both follow from pairs of
true and estimated coefficients on the design itself.

Notation: V and Q covariance and precision of noise with the true and the estimated
coefficients, U basis of the design, M = U'QU, x = QU M⁻¹ c weights of the scans in the estimate
of contrast c, ν residual degrees of freedom.
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


@dataclass(frozen=True, eq=False)
class Pairs:
    """Noise as it is and as it is estimated, n times.

    Parameters
    ----------
    true, estimated : ndarray of shape (n_lags, n) and (order, n)
        Autoregressive coefficients.
    stated : ndarray of shape (n,)
        Estimate of the variance of the innovations, which truly is 1; see `stated_variances`.
    terms : ndarray of shape (n_terms, n)
        Functions of the true coefficients, on which the ratio of variances depends.
    chance : ndarray of shape (order, n)
        What the estimates owe to chance in first order, of expectation 0 whatever the true
        coefficients are. It explains most of the scatter of ratios, so that their mean is
        known from a thousand pairs as if from ten thousand.
    """

    true: FloatArray
    estimated: FloatArray
    stated: FloatArray
    terms: FloatArray
    chance: FloatArray


def spectra(ar: FloatArray, n_scans: int) -> FloatArray:
    """Return Fourier transforms of autocovariances, of innovations of variance 1.

    Parameters
    ----------
    ar : ndarray of shape (order, n)
        Coefficients.
    n_scans : int
        T.

    Returns
    -------
    ndarray of shape (n, n_frequencies)
        Such that x'Vx is the sum over frequencies of this times |FFT of x|².
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
    ssr: FloatArray, dof: int, terms: FloatArray, chance: FloatArray, scale: FloatArray
) -> FloatArray:
    """Return what the estimates of the variance of the innovations are, but for their own noise.

    Parameters
    ----------
    ssr : ndarray of shape (n,)
        Weighted residual sums of squares of simulated series, with innovations of variance 1.
    dof : int
        ν.
    terms, chance : ndarray of shape (…, n)
        As in `Pairs`.
    scale : ndarray of shape (n,)
        What is, but for rounding and little else, the noise of `ssr`; of expectation 0.

    Returns
    -------
    ndarray of shape (n,)
        Estimates less the chi-squared noise that they would have with known coefficients.

    Notes
    -----
    Coefficients are estimated from the same residuals, which they therefore fit better than
    others: each free coefficient makes the estimate smaller, by about 1/ν.

    Examples
    --------
    >>> one, none = np.ones((1, 4)), np.zeros((1, 4))
    >>> stated_variances(np.full(4, 50.0), 50, one, none, none[0]).round(2).tolist()
    [1.02, 1.02, 1.02, 1.02]
    """
    # The logarithm of chi-squared over its degrees of freedom is 0 on average after this.
    logarithms = np.log(ssr / dof) - digamma(dof / 2) + np.log(dof / 2)
    kept = np.concatenate([terms, _products(terms, chance)])
    columns = np.concatenate([kept, _products(terms, scale[np.newaxis])])
    coefficients = np.linalg.lstsq(columns.T, logarithms, rcond=None)[0]
    return np.asarray(np.exp(coefficients[: len(kept)] @ kept))


def _products(terms: FloatArray, chance: FloatArray) -> FloatArray:
    """Return all products of a row of one with a row of the other."""
    return (terms[:, np.newaxis] * chance).reshape(-1, terms.shape[1])


def variance_ratios(
    basis: FloatArray,
    inverses: FloatArray,
    spectrum: FloatArray,
    pairs: Pairs,
    row: FloatArray,
) -> FloatArray:
    """Return true over stated variances of the estimates of a contrast.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        U.
    inverses : ndarray of shape (n, rank, rank)
        M⁻¹ of the estimated coefficients.
    spectrum : ndarray of shape (n, n_frequencies)
        `spectra` of the true coefficients.
    pairs : Pairs
        Noise, n times.
    row : ndarray of shape (rank,)
        c, the contrast in the orthonormal basis.

    Returns
    -------
    ndarray of shape (n,)
        x'Vx over c'M⁻¹c times the stated noise variance: the covariance sandwich of an
        estimate with wrong weights [1]_.

    References
    ----------
    .. [1] Huber PJ (1967). The behavior of maximum likelihood estimates under nonstandard
       conditions. Proceedings of the Fifth Berkeley Symposium on Mathematical Statistics and
       Probability 1:221-233.

    Examples
    --------
    Estimates that are true need no correction:

    >>> from boldglm.glm.noise.gls import GLSDesign
    >>> ar, one = np.array([[0.3]]), np.ones((1, 1))
    >>> gls_design = GLSDesign(np.full((9, 1), 1 / 3), 1)
    >>> inverse = np.linalg.inv(gls_design.normal_matrices(precision_of(ar)))
    >>> same = Pairs(ar, ar, one[0], one, 0 * one)
    >>> variance_ratios(gls_design.basis, inverse, spectra(ar, 9), same, one[0]).round(12).tolist()
    [1.0]
    """
    n_scans = len(basis)
    solved = inverses @ row
    weights = precision_times(basis @ solved.T, precision_of(pairs.estimated))
    transform = np.fft.rfft(weights.T, transform_length(n_scans), axis=1)
    actual = np.einsum("nf,nf->n", transform.real**2 + transform.imag**2, spectrum)
    return np.asarray(actual / (pairs.stated * (solved @ row)))


def corrections(
    ratios: FloatArray, pairs: Pairs, at: FloatArray, dof: int
) -> tuple[FloatArray, FloatArray]:
    """Return what ratios of variances say of variances and degrees of freedom.

    Parameters
    ----------
    ratios : ndarray of shape (n,)
        As from `variance_ratios`.
    pairs : Pairs
        What they are the ratios of.
    at : ndarray of shape (n_terms, m)
        Where it is asked for.
    dof : int
        ν.

    Returns
    -------
    tuple of (ndarray, ndarray), each of shape (m,)
        Factor of the variance, and degrees of freedom.

    Notes
    -----
    The stated variance is W = χ²_ν / (ν R), R the ratio, of which log R has mean μ and variance
    s². The t statistic has as many degrees of freedom d, and its variance is the factor κ, for
    which κ W has the mean and the variance of χ²_d / d, as Satterthwaite [1]_: κ = exp(μ - s²/2)
    and 2/d = (1 + 2/ν) exp(s²) - 1.

    References
    ----------
    .. [1] Satterthwaite FE (1946). An approximate distribution of estimates of variance
       components. Biometrics Bulletin 2:110-114. https://doi.org/10.2307/3002019

    Examples
    --------
    No scatter, no loss of degrees of freedom:

    >>> ones = np.ones((1, 4))
    >>> pairs = Pairs(0 * ones, 0 * ones, ones[0], ones, 0 * ones)
    >>> factor, dofs = corrections(np.full(4, 1.1), pairs, ones[:, :1], 50)
    >>> factor.round(6).tolist(), dofs.round(6).tolist()
    ([1.1], [50.0])
    """
    logarithms = np.log(ratios)
    terms = pairs.terms
    columns = np.concatenate([terms, _products(terms, pairs.chance)])
    coefficients = np.linalg.lstsq(columns.T, logarithms, rcond=None)[0][: len(terms)]
    mean = coefficients @ at
    squares = (logarithms - coefficients @ terms) ** 2
    average = squares.mean()
    scatter = np.linalg.lstsq(terms.T, squares, rcond=None)[0] @ at
    scatter = np.clip(scatter, 0.2 * average, 5 * average)
    dofs = 2 / ((1 + 2 / dof) * np.exp(scatter) - 1)
    return np.exp(mean - scatter / 2), dofs
