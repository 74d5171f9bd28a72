"""What a fit explains of the signal, and what it leaves.

Notation: y signal, ŷ = Xβ its fit, with the β of the noise model.
"""

from collections.abc import Iterator

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.first_level.fit import Fit
from boldglm.glm.noise.blocks import BoldSeries, read_blocks

FITTED_ANYHOW = 1e-9  # what the leverage of a scan lacks of 1 if a regressor is all its own


def fitted_blocks(
    bold: BoldSeries, found: Fit, block_size: int = 2048
) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Walk through the voxels with what is fitted and what is left.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        The signals that were fitted.
    found : Fit
        Their fit.
    block_size : int
        Voxels at a time.

    Yields
    ------
    tuple of (slice, ndarray, ndarray)
        Which voxels, their fitted signals, and residuals, not whitened; (n_scans, n) each, in
        the unit of the signals.

    Examples
    --------
    >>> from boldglm.glm import fit
    >>> bold = np.array([[1.0], [2.0], [6.0]])
    >>> [(_, fitted, left)] = fitted_blocks(bold, fit(bold, np.ones(3), noise="ols"))
    >>> fitted.ravel().round(12).tolist(), left.ravel().round(12).tolist()
    ([3.0, 3.0, 3.0], [-2.0, -1.0, 3.0])
    """
    for voxels, signal in read_blocks(bold, block_size):
        fitted = found.fitted(voxels)
        yield voxels, fitted, signal - fitted


def r_squared(bold: BoldSeries, found: Fit, block_size: int = 2048) -> FloatArray:
    """Return the share of each signal's variance that the design explains.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        The signals that were fitted.
    found : Fit
        Their fit.
    block_size : int
        Voxels at a time.

    Returns
    -------
    ndarray of shape (n_voxels,)
        1 - Σ(y - ŷ)² / Σ(y - ȳ)², of signals that are not whitened. ȳ is the mean over time if
        the design has a constant, else 0. Drift and confounds count as explained. 0 where the
        signal does not vary. Scans that the design fits whatever they hold, as a censored one,
        do not count.

    Examples
    --------
    A step that explains three quarters:

    >>> from boldglm.glm import fit
    >>> step = np.column_stack([np.repeat([0.0, 1.0], 2), np.ones(4)])
    >>> bold = np.array([[0.0], [2.0], [2.0 + 12**0.5], [12**0.5]])
    >>> r_squared(bold, fit(bold, step, noise="ols")).round(12).tolist()
    [0.75]
    """
    leverage = np.einsum("tr,tr->t", found.model.basis, found.model.basis)
    counted = leverage < 1 - FITTED_ANYHOW
    result = np.zeros(found.n_voxels)
    for voxels, fitted, every in fitted_blocks(bold, found, block_size):
        left = every[counted]
        signal = fitted[counted] + left
        if found.model.spans_constant:
            signal -= signal.mean(axis=0)
        total = np.einsum("tv,tv->v", signal, signal)
        remaining = np.einsum("tv,tv->v", left, left)
        share = np.divide(remaining, total, out=np.ones_like(total), where=total > 0)
        result[voxels] = 1 - share
    return result
