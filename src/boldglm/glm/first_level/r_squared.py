"""Fitted values, residuals and R squared of a fit.

Notation: y BOLD data, ŷ = Xβ fitted values, with the β of the noise model.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.first_level.validation import checked_fitted_bold
from boldglm.glm.noise.blocks import BoldSeries, read_blocks

if TYPE_CHECKING:
    from boldglm.glm.first_level.fit import Fit
    from boldglm.glm.first_level.slice_fit import SliceFit

# Scans whose leverage is closer to 1 than this are fitted exactly, whatever the data are.
FITTED_EXACTLY = 1e-9


def fitted_blocks(
    bold: ArrayLike | BoldSeries, fit: "Fit | SliceFit", block_size: int = 2048
) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Yield fitted values and residuals, a block of voxels at a time.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels) or (n_scans,)
        The data that were fitted.
    fit : Fit
        Their fit.
    block_size : int
        Voxels in a block.

    Yields
    ------
    tuple of (slice, ndarray, ndarray)
        Voxels, and their fitted values and residuals, not whitened, of shape (n_scans, n) each
        and in the unit of the data.

    Raises
    ------
    ValueError
        If the shape differs from that of the data that were fitted.

    See Also
    --------
    Fit.residuals : Residuals of all voxels in one array.

    Examples
    --------
    >>> from boldglm import glm
    >>> bold = np.array([[1.0], [2.0], [6.0]])
    >>> [(_, fitted, residuals)] = fitted_blocks(bold, glm.fit(bold, np.ones(3), noise="ols"))
    >>> fitted.ravel().round(12).tolist(), residuals.ravel().round(12).tolist()
    ([3.0, 3.0, 3.0], [-2.0, -1.0, 3.0])
    """
    signals = checked_fitted_bold(bold, fit.n_scans, fit.n_voxels)
    for voxels, signal in read_blocks(signals, block_size):
        fitted = fit.fitted(voxels)
        yield voxels, fitted, signal - fitted


def r_squared(
    bold: ArrayLike | BoldSeries, fit: "Fit | SliceFit", block_size: int = 2048
) -> FloatArray:
    """Return the share of variance over time that the design explains.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels) or (n_scans,)
        The data that were fitted.
    fit : Fit
        Their fit.
    block_size : int
        Voxels in a block; changes memory and speed, not results.

    Returns
    -------
    ndarray of shape (n_voxels,)
        R squared of the data before whitening, including the parts that drift and confounds
        explain; 0 where the data are constant over time.

    Raises
    ------
    ValueError
        If the shape differs from that of the data that were fitted.

    See Also
    --------
    Fit.r_squared : The same for a fit that holds its data.

    Notes
    -----
    1 - Σ(y - ŷ)² / Σ(y - ȳ)², where ȳ is the mean over time if the design has a constant, else
    0. Sums exclude scans with a leverage of 1, such as censored ones, which the design fits
    exactly whatever the data are.

    Examples
    --------
    A step that explains three quarters of the variance:

    >>> from boldglm.glm import fit
    >>> step = np.column_stack([np.repeat([0.0, 1.0], 2), np.ones(4)])
    >>> bold = np.array([[0.0], [2.0], [2.0 + 12**0.5], [12**0.5]])
    >>> r_squared(bold, fit(bold, step, noise="ols")).round(12).tolist()
    [0.75]
    """
    leverage = np.einsum("tr,tr->t", fit.model.basis, fit.model.basis)
    included = leverage < 1 - FITTED_EXACTLY
    result = np.zeros(fit.n_voxels)
    for voxels, fitted, block in fitted_blocks(bold, fit, block_size):
        residuals = block[included]
        signal = fitted[included] + residuals
        if fit.model.spans_constant:
            signal -= signal.mean(axis=0)
        total = np.einsum("tv,tv->v", signal, signal)
        remaining = np.einsum("tv,tv->v", residuals, residuals)
        share = np.divide(remaining, total, out=np.ones_like(total), where=total > 0)
        result[voxels] = 1 - share
    return result
