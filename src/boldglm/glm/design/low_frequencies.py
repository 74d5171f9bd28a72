"""At which frequencies a contrast of a run draws on the data.

Near the cut-off of the high-pass filter, what is left of slow noise is hardest to model, so p
values of contrasts that rest there are least certain.
"""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray

PADDING = 4  # frequencies between two multiples of 1 / duration


def share_below(
    matrix: ArrayLike, weights: ArrayLike, frame_times: ArrayLike, frequency: float
) -> float:
    r"""Return the share of the variance of a contrast that slow noise adds, if noise is white.

    The estimate of a contrast is a weighted sum of the volumes, with weights
    :math:`w = X (X'X)^+ c`. White noise at a frequency adds to its variance in proportion to the
    power of :math:`w` there (Parseval's theorem).

    Parameters
    ----------
    matrix : array_like of shape (n_scans, n_regressors)
        The design.
    weights : array_like of shape (n_regressors,) or (n_rows, n_regressors)
        Weights of the contrast; for F, the row with the largest share counts.
    frame_times : array_like of shape (n_scans,)
        Times of the volumes in seconds.
    frequency : float
        In Hz.

    Returns
    -------
    float
        From 0 to 1; 0 where a contrast cannot be estimated.

    Examples
    --------
    A block of 60 s in every 120 s rests on 1/120 Hz; one of 15 s in every 30 s, on 1/30 Hz.

    >>> times = np.arange(240) * 2.0
    >>> slow, fast = (np.where(times // half % 2, 1.0, -1.0) for half in (60, 15))
    >>> design = np.column_stack([slow, fast, np.ones(240)])
    >>> [round(share_below(design, row, times, 1 / 64), 2) for row in np.eye(3)[:2]]
    [0.82, 0.01]
    """
    design, times = np.asarray(matrix, float), np.asarray(frame_times, float)
    rows = np.atleast_2d(np.asarray(weights, float))
    volumes = np.linalg.pinv(design.T @ design) @ rows.T
    volumes = design @ volumes  # (n_scans, n_rows)
    spacing = float(np.median(np.diff(times)))
    grid = np.arange(PADDING * times.size // 2 + 1) / (PADDING * times.size * spacing)
    power = _power(volumes, times, grid, spacing)
    total = power.sum(axis=0)
    slow = power[grid < frequency].sum(axis=0)
    shares = np.divide(slow, total, out=np.zeros_like(total), where=total > 0)
    return float(shares.max())


def _power(volumes: FloatArray, times: FloatArray, grid: FloatArray, spacing: float) -> FloatArray:
    """Return the power of the columns of `volumes` at the frequencies `grid`."""
    if np.abs(np.diff(times) - spacing).max() < 1e-3 * spacing:
        return np.abs(np.fft.rfft(volumes, PADDING * times.size, axis=0)) ** 2
    waves = np.exp(-2j * np.pi * grid[:, None] * times)
    return np.abs(waves @ volumes) ** 2
