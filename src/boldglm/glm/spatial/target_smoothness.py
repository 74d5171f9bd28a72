"""Smoothing to a target: the Gaussian that makes noise as smooth as was asked for.

Gaussians add in squares: noise of width p along an axis, smoothed by k, has the width
sqrt(p² + k²), if its correlations are those of a Gaussian. They are not quite (rough noise lies
on smooth noise), so the width of what was smoothed is measured, and k corrected.

Notation: p present width, T target, k width of the kernel, f width that is reached; mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import Float32Array, FloatArray
from boldglm.glm.spatial.domains import Domain, Smoother

MOST_ROUNDS = 8
TOLERANCE = 0.02  # of the target, at which the search ends
FLATTEST, STEEPEST = 0.3, 30.0  # change of f² with k² that is believed
NEAR_ENOUGH = 0.05  # of the target, within which it is said to be reached


@dataclass(frozen=True)
class TargetSmoothness:
    """How noise was brought to a target; widths along axes, (n_axes,), mm.

    Parameters
    ----------
    target : float
    before : ndarray
        Width of the noise; NaN where it cannot be told.
    kernel : ndarray
        Width of the Gaussian; 0 where nothing is smoothed.
    after : ndarray
        Width of the noise smoothed by it.
    """

    target: float
    before: FloatArray
    kernel: FloatArray
    after: FloatArray

    @property
    def is_needed(self) -> bool:
        """Whether anything is smoothed."""
        return bool((self.kernel > 0).any())

    @property
    def too_smooth(self) -> bool:
        """Whether noise was smoother than the target along some axis before."""
        return bool((self.before > (1 + NEAR_ENOUGH) * self.target).any())

    @property
    def is_reached(self) -> bool:
        """Whether every axis that can be measured is near the target, or was beyond it before."""
        off = np.abs(self.after / self.target - 1) > NEAR_ENOUGH
        return not (off & ~((self.kernel == 0) & (self.after > self.target))).any()


def smooth_to_target(
    domain: Domain, rows: ArrayLike, target: float
) -> tuple[Smoother | None, TargetSmoothness]:
    """Find the Gaussian that makes noise as smooth as a target.

    Parameters
    ----------
    domain : Domain
        Where the noise lies.
    rows : array_like of shape (n_rows, n_voxels)
        Residuals before smoothing.
    target : float
        Full width at half maximum, mm.

    Returns
    -------
    smoother : Smoother or None
        None if there is nothing to smooth: noise is as smooth already, or cannot be measured.
    blur : TargetSmoothness
        What was found.

    Notes
    -----
    k² starts at T² - p² and goes on by (T² - f²) / s [1]_, with s how much the last change of k²
    changed f²: 1 for Gaussian noise, more where rough noise hides smooth noise. It ends within
    2 % of the target, or after eight rounds with what was nearest to it.

    References
    ----------
    .. [1] Friedman L, Glover GH, Krenz D, Magnotta V (2006). Reducing inter-scanner variability of
       activation in a multicenter fMRI study: role of smoothness equalization. NeuroImage
       32:1656-1668. doi:10.1016/j.neuroimage.2006.03.062

    Examples
    --------
    >>> from boldglm.glm.spatial.domains import VolumeDomain
    >>> box = VolumeDomain(np.ones((16, 16, 16), bool), (2.0, 2.0, 2.0))
    >>> white = np.random.default_rng(0).normal(size=(20, 4096))
    >>> smoother, blur = smooth_to_target(box, white, 6.0)
    >>> blur.is_reached, bool(abs(blur.kernel.mean() - 6) < 0.5)
    (True, True)
    >>> smoothed = [smoother.smooth(row) for row in white]
    >>> smooth_to_target(box, smoothed, 5.0)[0] is None
    True
    """
    values = np.asarray(rows)
    before = domain.fwhm(values)
    squares, after = np.zeros(before.size), before
    slope = np.ones(before.size)
    smoother: Smoother | None = None
    best = (_distance(after, squares, target), smoother, squares, after)
    for _ in range(MOST_ROUNDS):
        if best[0] <= TOLERANCE:
            break
        step = np.where(np.isfinite(after), target**2 - after**2, 0.0) / slope
        last, squares = squares, np.maximum(squares + step, 0.0)
        if (squares == last).all():
            break
        earlier = after
        smoother = domain.smoother(np.sqrt(squares), is_checked=False) if squares.any() else None
        after = domain.fwhm(values if smoother is None else _smoothed(smoother, values))
        slope = _slope(slope, squares - last, after**2 - earlier**2)
        distance = _distance(after, squares, target)
        if distance < best[0]:
            best = (distance, smoother, squares, after)
    _, smoother, squares, after = best
    return smoother, TargetSmoothness(float(target), before, np.sqrt(squares), after)


def _slope(before: FloatArray, change: FloatArray, effect: FloatArray) -> FloatArray:
    """How much f² grows with k², of each axis, from what a round changed and what came of it."""
    moved = np.isfinite(effect) & (abs(change) > 1e-6)
    found = np.divide(effect, change, out=before.copy(), where=moved)
    return np.clip(found, FLATTEST, STEEPEST)


def _distance(after: FloatArray, squares: FloatArray, target: float) -> float:
    """How far the axis that is farthest from the target is, as a share of it."""
    off = np.abs(after / target - 1)
    beyond = (squares == 0) & (after > target)
    return float(np.where(np.isfinite(off) & ~beyond, off, 0.0).max())


def _smoothed(smoother: Smoother, values: np.ndarray) -> Float32Array:
    result = np.empty(values.shape, dtype=np.float32)
    for row, into in zip(values, result, strict=True):
        smoother.smooth(row, out=into)
    return result
