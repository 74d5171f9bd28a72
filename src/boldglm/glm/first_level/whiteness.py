"""Test whether residuals are white after prewhitening.

If the noise model is adequate, prewhitened residuals have no autocorrelation. Where they have,
p values are wrong in an unknown direction; a map shows where.

Notation: u residuals filtered by a voxel's autoregressive coefficients, r its autocorrelations
at the first lags, m and S their mean and covariance where the model is true.
"""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.first_level.fit import Fit
from boldglm.glm.first_level.fit import fit as fit_design
from boldglm.glm.first_level.slice_fit import SliceFit
from boldglm.glm.first_level.validation import checked_fitted_bold
from boldglm.glm.noise.ar_process import simulate
from boldglm.glm.noise.blocks import BoldSeries
from boldglm.glm.noise.contrast_variance import whiteness_lags
from boldglm.glm.noise.gls import whitened_autocorrelations

PIECE = 50  # number of consecutive voxels in a piece of the sample
N_SIMULATED = 3000
SEED = 1978
FEWEST_DOF = 6  # with fewer, autocorrelations can hardly vary
SMALLEST_SHARE = 1e-9  # of the largest variance; combinations of lags with less are constant


def whiteness(
    bold: ArrayLike | BoldSeries,
    fit: Fit | SliceFit,
    *,
    n_sample: int | None = None,
    block_size: int = 2048,
) -> FloatArray:
    """Test at every voxel whether the residuals are white after prewhitening.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels) or (n_scans,)
        The data that were fitted.
    fit : Fit
        Their fit.
    n_sample : int, optional
        Approximate number of voxels to test, regularly spaced; by default all.
    block_size : int
        Voxels in a block.

    Returns
    -------
    ndarray of shape (n_voxels,), or of the sample
        z values, standard normal where the noise model is true, so that 1 % of voxels exceed
        2.3; larger where residuals are autocorrelated. 0 where there is no noise, and
        everywhere if there are fewer than `FEWEST_DOF` residual degrees of freedom.

    Raises
    ------
    ValueError
        If the data cannot be those that were fitted.

    See Also
    --------
    fit : Fit a design with a noise model.

    Notes
    -----
    Q = (r - m)' S⁻¹ (r - m) over lags 1 to 8 (fewer in runs under 40 scans), as the
    portmanteau test of Ljung and Box [1]_. Their m and S hold for infinite series; here, m and S
    come from 3000 series that are simulated with the coefficients of the run's voxels and fitted
    in the same way with the same design. (Series that the noise model has simulated are reused.)
    They also give the scale and degrees of freedom of Q, whose cube root is nearly normal [2]_.

    References
    ----------
    .. [1] Ljung GM, Box GEP (1978). On a measure of lack of fit in time series models.
       Biometrika 65:297-303. https://doi.org/10.1093/biomet/65.2.297
    .. [2] Wilson EB, Hilferty MM (1931). The distribution of chi-square. Proceedings of the
       National Academy of Sciences 17:684-688. https://doi.org/10.1073/pnas.17.12.684

    Examples
    --------
    White noise, and a series with a difference between even and odd scans:

    >>> from boldglm.glm import fit
    >>> rng = np.random.default_rng(0)
    >>> bold = rng.normal(size=(100, 2))
    >>> bold[::2, 1] += 3
    >>> z = whiteness(bold, fit(bold, np.ones(100), noise="ols"))
    >>> bool(abs(z[0]) < 2.3), bool(z[1] > 5)
    (True, True)
    """
    signals = checked_fitted_bold(bold, fit.n_scans, fit.n_voxels)
    pieces = sample_pieces(fit.n_voxels, n_sample, block_size)
    sigma2 = np.concatenate([fit.sigma2[:0], *(fit.sigma2[piece] for piece in pieces)])
    if fit.dof < FEWEST_DOF or not sigma2.size:
        return np.zeros_like(sigma2)
    observed = _autocorrelations(signals, fit, pieces)
    null = fit.estimates.simulated_autocorrelations
    if null is None:
        series, simulated = _simulated(fit)
        null = _autocorrelations(series, simulated, sample_pieces(N_SIMULATED, None, block_size))
    mean = null.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(null)))
    # After censoring, a lag may have no pair of scans, and its autocorrelation is constant.
    varied = values > SMALLEST_SHARE * values[-1]
    root = (vectors[:, varied] / np.sqrt(values[varied])).T
    null_statistic = ((root @ (null - mean)) ** 2).sum(axis=0)
    statistic = ((root @ (observed - mean)) ** 2).sum(axis=0)
    dof = 2 * null_statistic.mean() ** 2 / null_statistic.var()
    spread = 2 / (9 * dof)
    z = (np.cbrt(statistic / null_statistic.mean()) - (1 - spread)) / np.sqrt(spread)
    return np.where(sigma2 > 0, z, 0.0)


def sample_pieces(n_voxels: int, n_sample: int | None, block_size: int) -> list[slice]:
    """Return blocks of all voxels, or small pieces of a sample at regular distances.

    Parameters
    ----------
    n_voxels : int
        Number of voxels.
    n_sample : int or None
        Approximate size of the sample; None for all voxels.
    block_size : int
        Voxels in a block of all.

    Returns
    -------
    list of slice
        `PIECE` voxels each if there is a sample.

    Examples
    --------
    >>> sample_pieces(1000, 100, 2048)
    [slice(0, 50, None), slice(500, 550, None)]
    """
    if n_sample is None or n_sample >= n_voxels:
        return list(blocks_of(n_voxels, block_size))
    n_pieces = -(-n_sample // PIECE)
    starts = [k * (n_voxels // n_pieces) for k in range(n_pieces)]
    return [slice(start, min(start + PIECE, n_voxels)) for start in starts]


def _simulated(fit: Fit | SliceFit) -> tuple[FloatArray, Fit]:
    """Return series that follow the noise model, and their fit with the same design."""
    rng = np.random.default_rng(SEED)
    noisy = np.flatnonzero(fit.sigma2 > 0)
    chosen = rng.choice(noisy if noisy.size else np.arange(fit.n_voxels), N_SIMULATED)
    ar = np.zeros((1, N_SIMULATED)) if fit.ar is None else fit.ar[:, chosen]
    series = simulate(ar, fit.n_scans, rng)
    return series, fit_design(series, fit.model.basis, noise=fit.noise)


def _autocorrelations(bold: BoldSeries, fit: Fit | SliceFit, pieces: list[slice]) -> FloatArray:
    """Return r at the voxels of some blocks, shape (n_lags, n)."""
    ar = np.zeros((0, fit.n_voxels)) if fit.ar is None else fit.ar
    n_lags = whiteness_lags(fit.n_scans)
    results = [np.empty((n_lags, 0))]
    for piece in pieces:
        residuals = np.asarray(bold[:, piece], dtype=np.float64) - fit.fitted(piece)
        if not np.isfinite(residuals).all():
            raise ValueError(
                "bold has values that are not finite. Pass the data that were fitted."
            )
        results.append(whitened_autocorrelations(residuals, ar[:, piece], n_lags))
    return np.concatenate(results, axis=1)
