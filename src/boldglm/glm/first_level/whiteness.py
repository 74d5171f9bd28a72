"""Whether what a noise model leaves is white.

A noise model that fits leaves innovations without autocorrelation. Where it does not, p values
are wrong in a direction that nobody knows; a map of where that is says more than an average.

Notation: u residuals filtered by a voxel's autoregressive coefficients, r its autocorrelations
at the first lags, m and S their mean and covariance where the model is true.
"""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.first_level.fit import Fit, fit
from boldglm.glm.first_level.validation import checked_fitted_bold
from boldglm.glm.noise.ar_process import simulate
from boldglm.glm.noise.blocks import BoldSeries
from boldglm.glm.noise.contrast_variance import whiteness_lags
from boldglm.glm.noise.gls import whitened_autocorrelations

PIECE = 50  # voxels side by side of a sample
N_SIMULATED = 3000
SEED = 1978
FEWEST_DOF = 6  # with less, autocorrelations have hardly any values to choose from
SMALLEST_SHARE = 1e-9  # of the largest variance: combinations of lags with less are constants


def whiteness(
    bold: ArrayLike | BoldSeries,
    found: Fit,
    *,
    n_sample: int | None = None,
    block_size: int = 2048,
) -> FloatArray:
    """Test at every voxel whether the residuals are white after prewhitening.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels) or (n_scans,)
        The signals that were fitted.
    found : Fit
        Their fit.
    n_sample : int, optional
        Test only about so many voxels, regularly spaced; by default all.
    block_size : int
        Voxels at a time.

    Returns
    -------
    ndarray of shape (n_voxels,), or of the sample
        Standard normal where the noise model is true, the larger the less white (2.3 is
        exceeded by 1 % of voxels if all is well); 0 where there is no noise, and everywhere
        if fewer than `FEWEST_DOF` residual degrees of freedom leave nothing to test.

    Raises
    ------
    ValueError
        If these cannot be the signals that were fitted.

    See Also
    --------
    fit : Fit a design with a noise model.

    Notes
    -----
    Q = (r - m)' S⁻¹ (r - m) over lags 1 to 8 (fewer in runs under 40 scans), as the
    portmanteau test of Ljung and Box [1]_, except that m and S are not those of an infinite
    series: three thousand series are simulated with the coefficients of the run's voxels and
    fitted in the same way on the same design (those that a noise model has simulated for its
    own use serve as well). They also give the scale and degrees of freedom of Q, whose cube
    root is nearly normal [2]_.

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
    signals = checked_fitted_bold(bold, found.n_scans, found.n_voxels)
    pieces = _pieces(found.n_voxels, n_sample, block_size)
    sigma2 = np.concatenate([found.sigma2[:0], *(found.sigma2[piece] for piece in pieces)])
    if found.dof < FEWEST_DOF or not sigma2.size:
        return np.zeros_like(sigma2)
    seen = _autocorrelations_left(signals, found, pieces)
    null = found.estimates.simulated_autocorrelations
    if null is None:
        series, simulated = _simulated(found)
        null = _autocorrelations_left(series, simulated, _pieces(N_SIMULATED, None, block_size))
    mean = null.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(null)))
    varied = values > SMALLEST_SHARE * values[-1]  # censoring may leave no two scans of a lag
    root = (vectors[:, varied] / np.sqrt(values[varied])).T
    known = ((root @ (null - mean)) ** 2).sum(axis=0)
    statistic = ((root @ (seen - mean)) ** 2).sum(axis=0)
    dof = 2 * known.mean() ** 2 / known.var()
    spread = 2 / (9 * dof)
    z = (np.cbrt(statistic / known.mean()) - (1 - spread)) / np.sqrt(spread)
    return np.where(sigma2 > 0, z, 0.0)


def _pieces(n_voxels: int, n_sample: int | None, block_size: int) -> list[slice]:
    """Return blocks of voxels: all, or thin ones at regular distances."""
    if n_sample is None or n_sample >= n_voxels:
        return list(blocks_of(n_voxels, block_size))
    n_pieces = -(-n_sample // PIECE)
    starts = [k * (n_voxels // n_pieces) for k in range(n_pieces)]
    return [slice(start, min(start + PIECE, n_voxels)) for start in starts]


def _simulated(found: Fit) -> tuple[FloatArray, Fit]:
    """Return series for which the noise model is true, and their fit on the same design."""
    rng = np.random.default_rng(SEED)
    heard = np.flatnonzero(found.sigma2 > 0)
    picked = rng.choice(heard if heard.size else np.arange(found.n_voxels), N_SIMULATED)
    ar = np.zeros((1, N_SIMULATED)) if found.ar is None else found.ar[:, picked]
    series = simulate(ar, found.n_scans, rng)
    return series, fit(series, found.model.basis, noise=found.noise)


def _autocorrelations_left(bold: BoldSeries, found: Fit, pieces: list[slice]) -> FloatArray:
    """Return r of the voxels of some blocks, (n_lags, n)."""
    ar = np.zeros((0, found.n_voxels)) if found.ar is None else found.ar
    n_lags = whiteness_lags(found.n_scans)
    results = [np.empty((n_lags, 0))]
    for piece in pieces:
        residuals = np.asarray(bold[:, piece], dtype=np.float64) - found.fitted(piece)
        if not np.isfinite(residuals).all():
            raise ValueError("bold is not finite: these are not the signals that were fitted.")
        results.append(whitened_autocorrelations(residuals, ar[:, piece], n_lags))
    return np.concatenate(results, axis=1)
