"""Expected autocovariance of residuals, given that of the noise.

Residuals are less autocorrelated than the noise, and the more so the more regressors there are.
Estimates that ignore this are too low, and so are the p values. The relation between the two
autocovariances follows from the design alone.

Notation: U orthonormal basis of the design (T scans), R = 1 - UU' its residual maker, e = Ry
residuals, J_k matrix with ones at lag k above the diagonal, v_j autocovariance of the noise at
lag j.
"""

import numpy as np
from scipy.linalg import toeplitz

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.ar_process import autocorrelations, transform_length


def expected_lag_sums(basis: FloatArray, order: int) -> FloatArray:
    """Return the expected lag sums of residuals as weights on the autocovariances of the noise.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns.
    order : int
        Largest lag of the sums; less than the number of scans.

    Returns
    -------
    ndarray of shape (order + 1, n_scans)
        The sum over t of e_t e_{t+k} has the expectation ``result[k] @ v``.

    Notes
    -----
    The weights are tr(R J_k R (J_j + J_j')) [1]_, here for all lags j of the noise rather than
    only for those up to `order`. R J_k R is J_k plus outer products of columns; their sums along
    diagonals are cross-correlations of the columns, which take a few Fourier transforms.

    References
    ----------
    .. [1] Worsley KJ, Liao CH, Aston J, Petre V, Duncan GH, Morales F, Evans AC (2002). A
       general statistical analysis for fMRI data. NeuroImage 15:1-15, appendix A.
       https://doi.org/10.1006/nimg.2001.0933

    Examples
    --------
    Two scans minus their mean have the residuals (d, -d); d² has the expectation (v₀ - v₁) / 2.

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
    """Return the effective number of independent voxels for averages over a set of voxels.

    Neighbors share noise, and all voxels share breathing and motion, so an average over 50000
    voxels may be no more precise than an average over 50 independent ones.

    Parameters
    ----------
    residuals : ndarray of shape (n_scans, n)
        OLS residuals of n voxels that have variance.
    basis : ndarray of shape (n_scans, rank)
        Orthonormal basis of the design.
    ar : ndarray of shape (order, 1)
        Autoregressive coefficients of the average voxel.

    Returns
    -------
    float
        Between 1 and 10⁶.

    Notes
    -----
    If two voxels have the correlation r, their second moments have the correlation r² (Isserlis).
    So the variance of an average of second moments over n voxels is that of a single voxel times
    the mean of r² over all pairs. The mean of the observed squared correlations is |G|² with
    G = EE'/n and E residuals of length 1. It exceeds the mean of r² by the squared correlation of
    independent voxels in a finite number of scans, |C|² with C = RVR divided by its trace.

    Examples
    --------
    Two hundred voxels in groups of twenty copies count as ten:

    >>> rng = np.random.default_rng(0)
    >>> copies = np.repeat(rng.normal(size=(400, 10)), 20, axis=1)
    >>> bool(9 < effective_voxels(copies, np.full((400, 1), 0.05), np.zeros((1, 1))) < 11)
    True
    """
    n_scans = len(basis)
    unit = residuals / np.linalg.norm(residuals, axis=0)
    observed = np.linalg.norm(unit @ unit.T / residuals.shape[1]) ** 2
    V = toeplitz(autocorrelations(ar, n_scans)[:, 0])
    expected = V - basis @ (basis.T @ V)
    expected -= (expected @ basis) @ basis.T
    chance = (np.linalg.norm(expected) / np.trace(expected)) ** 2
    return float(min(1 / max(observed - chance, 1e-6), 1e6))
