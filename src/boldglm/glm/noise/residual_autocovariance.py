"""What a design leaves of the autocorrelation of noise in its residuals.

Residuals are less autocorrelated than the noise they come from, the more so the more
regressors there are; estimates that ignore it are too low, and p values with them. What
residuals are expected to show follows from the design alone.

Notation: U orthonormal basis of the design (T scans), R = 1 - UU' its residual maker, e = Ry
residuals, J_k ones at lag k above the diagonal, v_j autocovariance of the noise at lag j.
"""

import numpy as np
from scipy.linalg import toeplitz

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.ar_process import autocorrelations, transform_length


def expected_lag_sums(basis: FloatArray, order: int) -> FloatArray:
    """Return how sums of lagged products of residuals depend on the noise's autocovariances.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns.
    order : int
        Largest lag of the products; less than the number of scans.

    Returns
    -------
    ndarray of shape (order + 1, n_scans)
        Such that the sum over t of e_t e_{t+k} has the expectation ``result[k] @ v``.

    Notes
    -----
    tr(R J_k R (J_j + J_j')) [1]_, here over all lags j of the noise rather than only those
    up to `order`. R J_k R is J_k and outer products of columns, whose sums along diagonals are
    cross-correlations of these columns: a few Fourier transforms.

    References
    ----------
    .. [1] Worsley KJ, Liao CH, Aston J, Petre V, Duncan GH, Morales F, Evans AC (2002). A
       general statistical analysis for fMRI data. NeuroImage 15:1-15, appendix A.
       https://doi.org/10.1006/nimg.2001.0933

    Examples
    --------
    Two scans less their mean: residuals (d, -d), d² of expectation (v₀ - v₁) / 2.

    >>> expected_lag_sums(np.full((2, 1), 0.5**0.5), 1).round(12).tolist()
    [[1.0, -1.0], [-0.5, 0.5]]
    """
    n_scans = len(basis)
    length = transform_length(n_scans)
    spectrum = np.fft.rfft(basis, length, axis=0)
    result = np.zeros((order + 1, n_scans))
    for lag in range(order + 1):
        later, earlier = np.zeros_like(basis), np.zeros_like(basis)
        later[: n_scans - lag] = basis[lag:]
        earlier[lag:] = basis[: n_scans - lag]
        inner = basis.T @ later
        # sums along the diagonals of U (U'J U) U' - U (J'U)' - (J U) U'
        product = np.fft.rfft(basis @ inner - later, length, axis=0).conj() * spectrum
        product -= spectrum.conj() * np.fft.rfft(earlier, length, axis=0)
        diagonals = np.fft.irfft(product.sum(axis=1), length)
        result[lag, 0] = diagonals[0]
        result[lag, 1:] = diagonals[1:n_scans] + diagonals[: length - n_scans : -1]
        result[lag, lag] += n_scans - lag
    return result


def effective_voxels(residuals: FloatArray, basis: FloatArray, ar: FloatArray) -> float:
    """Return how many independent voxels a set of voxels is worth, for averages over it.

    Neighbors share noise, and all voxels share breathing and motion, so that an average over
    50000 voxels may be no better than one over 50.

    Parameters
    ----------
    residuals : ndarray of shape (n_scans, n)
        OLS residuals of n voxels, none of them 0.
    basis : ndarray of shape (n_scans, rank)
        Orthonormal basis of the design.
    ar : ndarray of shape (order, 1)
        Coefficients of an average voxel's noise.

    Returns
    -------
    float
        Between 1 and infinity.

    Notes
    -----
    Second moments of two voxels that correlate by r correlate by r² (Isserlis), so an average
    of n has the variance of one times the mean of r² over pairs. The mean of the squared
    correlations that are seen, |G|² with G = EE'/n and E residuals of length 1, is more than
    that by what independent voxels show by chance in few scans: |C|², C = RVR over its trace.

    Examples
    --------
    Two hundred voxels, of which every twenty are copies, are worth ten:

    >>> rng = np.random.default_rng(0)
    >>> copies = np.repeat(rng.normal(size=(400, 10)), 20, axis=1)
    >>> bool(9 < effective_voxels(copies, np.full((400, 1), 0.05), np.zeros((1, 1))) < 11)
    True
    """
    n_scans = len(basis)
    unit = residuals / np.linalg.norm(residuals, axis=0)
    seen = np.linalg.norm(unit @ unit.T / residuals.shape[1]) ** 2
    V = toeplitz(autocorrelations(ar, n_scans)[:, 0])
    left = V - basis @ (basis.T @ V)
    left -= (left @ basis) @ basis.T
    chance = (np.linalg.norm(left) / np.trace(left)) ** 2
    return float(min(1 / max(seen - chance, 1e-6), 1e6))
