"""How strong the noise of a run is at each voxel, and how much its signal jumps at each scan.

Notation: y BOLD data, ȳ their mean over the uncensored scans, ŷ fitted values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import BoolArray, FloatArray
from boldglm.glm.first_level.fit import Fit
from boldglm.glm.first_level.r_squared import FITTED_EXACTLY
from boldglm.glm.first_level.slice_fit import SliceFit
from boldglm.glm.first_level.validation import checked_fitted_bold
from boldglm.glm.first_level.whiteness import sample_pieces
from boldglm.glm.noise.blocks import BoldSeries


@dataclass(frozen=True, eq=False)
class TemporalQuality:
    """Quality of a run over time.

    Parameters
    ----------
    snr : ndarray of shape (n_voxels,) or of the sample
        Temporal signal-to-noise ratio.
    dvars : ndarray of shape (n_scans,)
        Root mean square over voxels of the change from the scan before, in percent of the mean
        signal; NaN at the first scan, and everywhere if the mean is not positive.
    """

    snr: FloatArray
    dvars: FloatArray


def temporal_quality(
    bold: ArrayLike | BoldSeries,
    fit: Fit | SliceFit,
    *,
    n_sample: int | None = None,
    block_size: int = 2048,
) -> TemporalQuality:
    """Return the temporal signal-to-noise ratio of voxels, and DVARS.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels) or (n_scans,)
        The data that were fitted.
    fit : Fit
        Their fit.
    n_sample : int, optional
        Approximate number of voxels, regularly spaced; by default all.
    block_size : int
        Voxels in a block; changes memory and speed, not results.

    Returns
    -------
    TemporalQuality
        A ratio of 0 where there is no noise.

    Raises
    ------
    ValueError
        If the shape differs from that of the data that were fitted.

    Notes
    -----
    The ratio is ȳ / √(Σ(y - ŷ)² / ν) with ν residual degrees of freedom: the mean over time by
    the standard deviation of what the design, with task, confounds and drift, does not explain,
    before whitening. Sums exclude scans that the design fits exactly, such as censored ones. DVARS
    is there for all scans; its percentages are of the mean of ȳ over the voxels.

    References
    ----------
    Power JD et al. (2012). NeuroImage 59:2142-2154.
    https://doi.org/10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> from boldglm.glm import fit
    >>> bold = 100 + np.array([[1.0], [-1], [-1], [1]])
    >>> found = temporal_quality(bold, fit(bold, np.ones(4), noise="ols"))
    >>> found.snr.round(1).tolist(), found.dvars.tolist()
    ([86.6], [nan, 2.0, 0.0, 2.0])
    """
    signals = checked_fitted_bold(bold, fit.n_scans, fit.n_voxels)
    leverage = np.einsum("tr,tr->t", fit.model.basis, fit.model.basis)
    included = leverage < 1 - FITTED_EXACTLY
    ratios, means, changes = [np.empty(0)], [np.empty(0)], np.zeros(fit.n_scans - 1)
    for piece in sample_pieces(fit.n_voxels, n_sample, block_size):
        values = np.asarray(signals[:, piece], dtype=np.float64)
        means.append(values[included].mean(axis=0))
        ratios.append(_ratio(values, fit.fitted(piece), included, fit.dof))
        changed = np.diff(values, axis=0)
        changes += np.einsum("tv,tv->t", changed, changed)
    every = np.concatenate(means)
    mean = every.mean() if every.size else 0.0
    relative = 100 / mean if mean > 0 else np.nan
    dvars = relative * np.sqrt(changes / max(every.size, 1))
    return TemporalQuality(np.concatenate(ratios), np.concatenate([[np.nan], dvars]))


def _ratio(values: FloatArray, fitted: FloatArray, included: BoolArray, dof: int) -> FloatArray:
    residuals = values[included] - fitted[included]
    mean = values[included].mean(axis=0)
    variance = np.einsum("tv,tv->v", residuals, residuals) / max(dof, 1)
    # data that the design fits exactly leave rounding errors
    noisy = variance > (1e-10 * mean) ** 2
    return np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=noisy)
