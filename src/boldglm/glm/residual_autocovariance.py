"""What a design leaves of the autocorrelation of noise in its residuals.

Residuals are less autocorrelated than the noise they come from, the more so the more
regressors there are; estimates that ignore it are too low, and p values with them. What
residuals are expected to show follows from the design alone.

Notation: U orthonormal basis of the design (T scans), R = 1 - UU' its residual maker, e = Ry
residuals, J_k ones at lag k above the diagonal, v_j autocovariance of the noise at lag j.
"""

import numpy as np

from boldglm.glm.kernels import FloatArray


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
    length = 1 << int(np.ceil(np.log2(2 * n_scans)))
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
