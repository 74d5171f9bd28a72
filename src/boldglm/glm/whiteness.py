"""Whether what a noise model leaves is white.

A noise model that fits leaves innovations without autocorrelation. Where it does not, p values
are wrong in a direction that nobody knows; a map of where that is says more than an average.

Notation: u residuals filtered by a voxel's autoregressive coefficients, r its autocorrelations
at the first lags, m and S their mean and covariance where the model is true.
"""

import numpy as np

from boldglm.glm.autoregression import simulate
from boldglm.glm.fit import Fit, fit
from boldglm.glm.kernels import FloatArray
from boldglm.glm.lagged_basis import lag_sums
from boldglm.glm.linear_model import Series, read_blocks

N_LAGS = 8
N_SIMULATED = 3000
SEED = 1978


def whiteness(bold: Series, found: Fit, block_size: int = 2048) -> FloatArray:
    """Test at every voxel whether the residuals are white after prewhitening.

    Parameters
    ----------
    bold : Series of shape (n_scans, n_voxels)
        The signals that were fitted.
    found : Fit
        Their fit.
    block_size : int
        Voxels at a time.

    Returns
    -------
    ndarray of shape (n_voxels,)
        Standard normal where the noise model is true, the larger the less white (2.3 is
        exceeded by 1 % of voxels if all is well); 0 where there is no noise.

    Notes
    -----
    Q = (r - m)' S⁻¹ (r - m) over lags 1 to 8, as the portmanteau test of Ljung and Box [1]_,
    except that m and S are not those of an infinite series: three thousand series are simulated
    with the coefficients of the run's voxels, fitted in the same way on the same design, and
    give m, S and the scale and degrees of freedom of Q, whose cube root is nearly normal [2]_.

    References
    ----------
    .. [1] Ljung GM, Box GEP (1978). On a measure of lack of fit in time series models.
       Biometrika 65:297-303. https://doi.org/10.1093/biomet/65.2.297
    .. [2] Wilson EB, Hilferty MM (1931). The distribution of chi-square. Proceedings of the
       National Academy of Sciences 17:684-688. https://doi.org/10.1073/pnas.17.12.684

    Examples
    --------
    White noise that was fitted as such, and a series that repeats itself every second scan:

    >>> rng = np.random.default_rng(0)
    >>> bold = rng.normal(size=(100, 2))
    >>> bold[::2, 1] += 3
    >>> left = whiteness(bold, fit(bold, np.ones(100), noise="ols"))
    >>> bool(abs(left[0]) < 2.3), bool(left[1] > 5)
    (True, True)
    """
    seen = _autocorrelations_left(bold, found, block_size)
    null = _autocorrelations_left(*_simulated(found), block_size)
    mean = null.mean(axis=1, keepdims=True)
    root = np.linalg.inv(np.linalg.cholesky(np.cov(null)))
    known = ((root @ (null - mean)) ** 2).sum(axis=0)
    statistic = ((root @ (seen - mean)) ** 2).sum(axis=0)
    dof = 2 * known.mean() ** 2 / known.var()
    spread = 2 / (9 * dof)
    z = (np.cbrt(statistic / known.mean()) - (1 - spread)) / np.sqrt(spread)
    return np.where(found.sigma2 > 0, z, 0.0)


def _simulated(found: Fit) -> tuple[FloatArray, Fit]:
    """Return series for which the noise model is true, and their fit on the same design."""
    rng = np.random.default_rng(SEED)
    heard = np.flatnonzero(found.sigma2 > 0)
    picked = rng.choice(heard if heard.size else np.arange(found.n_voxels), N_SIMULATED)
    ar = np.zeros((1, N_SIMULATED)) if found.ar is None else found.ar[:, picked]
    series = simulate(ar, found.n_scans, rng)
    return series, fit(series, found.model.basis, noise=found.noise)


def _autocorrelations_left(bold: Series, found: Fit, block_size: int) -> FloatArray:
    """Return r, (N_LAGS, n_voxels)."""
    ar = np.zeros((0, found.n_voxels)) if found.ar is None else found.ar
    order, n_scans = len(ar), found.n_scans
    result = np.empty((N_LAGS, found.n_voxels))
    buffer = np.empty((2, n_scans * min(block_size, found.n_voxels)))
    for voxels, signal in read_blocks(bold, block_size):
        fitted = buffer[0, : signal.size].reshape(signal.shape)
        np.matmul(found.model.basis, found.estimates.coordinates[:, voxels], out=fitted)
        fitted += found.estimates.means[voxels]
        signal -= fitted
        n_filtered = (n_scans - order) * signal.shape[1]
        filtered = buffer[0, :n_filtered].reshape(n_scans - order, -1)
        part = buffer[1, :n_filtered].reshape(n_scans - order, -1)
        filtered[:] = signal[order:]
        for lag, coefficients in enumerate(ar[:, voxels], start=1):
            np.multiply(coefficients, signal[order - lag : n_scans - lag], out=part)
            filtered -= part
        sums = lag_sums(filtered, N_LAGS)
        result[:, voxels] = sums[1:] / np.where(sums[0] > 0, sums[0], 1.0)
    return result
