"""Smoothing to a target smoothness of the noise.

If noise with FWHM p is smoothed by a Gaussian of FWHM k, its FWHM becomes sqrt(p² + k²), provided
that its correlations are those of a Gaussian. This is only approximately true, because rough
noise is superimposed on smooth noise. Therefore the FWHM after smoothing is measured, and k is
corrected.

Notation: p FWHM before smoothing, T target, k FWHM of the kernel, f FWHM after smoothing; mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import Float32Array, FloatArray
from boldglm.glm.spatial.domains import Domain, Smoother

MOST_ROUNDS = 8
TOLERANCE = 0.02  # relative difference from the target at which the search ends
FLATTEST, STEEPEST = 0.3, 30.0  # bounds of the derivative of f² with respect to k²
NEAR_ENOUGH = 0.05  # relative difference up to which the target counts as reached


@dataclass(frozen=True)
class TargetSmoothness:
    """Result of smoothing to a target; FWHM along each axis, (n_axes,), mm.

    Parameters
    ----------
    target : float
        Target smoothness.
    before : ndarray
        Smoothness of the noise before; NaN where it is unknown.
    kernel : ndarray
        FWHM of the Gaussian kernel; 0 for axes that are not smoothed.
    after : ndarray
        Smoothness of the noise after smoothing.
    """

    target: float
    before: FloatArray
    kernel: FloatArray
    after: FloatArray

    @property
    def is_needed(self) -> bool:
        """Whether any axis is smoothed."""
        return bool((self.kernel > 0).any())

    @property
    def too_smooth(self) -> bool:
        """Whether the noise was already smoother than the target along any axis."""
        return bool((self.before > (1 + NEAR_ENOUGH) * self.target).any())

    @property
    def is_reached(self) -> bool:
        """Whether every measurable axis is near the target, or was smoother before."""
        off = np.abs(self.after / self.target - 1) > NEAR_ENOUGH
        return not (off & ~((self.kernel == 0) & (self.after > self.target))).any()


def smooth_to_target(
    domain: Domain, rows: ArrayLike, target: float
) -> tuple[Smoother | None, TargetSmoothness]:
    """Find the Gaussian kernel that gives noise a target smoothness.

    Parameters
    ----------
    domain : Domain
        Volume or surface of the noise.
    rows : array_like of shape (n_rows, n_voxels)
        Residuals before smoothing.
    target : float
        Target FWHM, mm.

    Returns
    -------
    smoother : Smoother or None
        None if no smoothing is needed, or if the smoothness cannot be measured.
    result : TargetSmoothness
        Smoothness before and after, and the kernel.

    Notes
    -----
    k² begins with T² - p² and is changed by (T² - f²) / s in each round [1]_. s is the ratio of
    the last changes of f² and k²: 1 for Gaussian noise, more if rough noise hides smooth noise.
    The search ends within 2 % of the target, or after eight rounds with the closest result.

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
    >>> smoother, result = smooth_to_target(box, white, 6.0)
    >>> result.is_reached, bool(abs(result.kernel.mean() - 6) < 0.5)
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
        previous, squares = squares, np.maximum(squares + step, 0.0)
        if (squares == previous).all():
            break
        after_previous = after
        smoother = domain.smoother(np.sqrt(squares), is_checked=False) if squares.any() else None
        after = domain.fwhm(values if smoother is None else _smoothed(smoother, values))
        slope = _slope(slope, squares - previous, after**2 - after_previous**2)
        distance = _distance(after, squares, target)
        if distance < best[0]:
            best = (distance, smoother, squares, after)
    _, smoother, squares, after = best
    return smoother, TargetSmoothness(float(target), before, np.sqrt(squares), after)


def _slope(before: FloatArray, change: FloatArray, effect: FloatArray) -> FloatArray:
    """Return the change of f² relative to that of k² in the last round; (n_axes,)."""
    is_known = np.isfinite(effect) & (abs(change) > 1e-6)
    slope = np.divide(effect, change, out=before.copy(), where=is_known)
    return np.clip(slope, FLATTEST, STEEPEST)


def _distance(after: FloatArray, squares: FloatArray, target: float) -> float:
    """Return the largest relative difference of an axis from the target."""
    off = np.abs(after / target - 1)
    beyond = (squares == 0) & (after > target)
    return float(np.where(np.isfinite(off) & ~beyond, off, 0.0).max())


def _smoothed(smoother: Smoother, values: np.ndarray) -> Float32Array:
    result = np.empty(values.shape, dtype=np.float32)
    for row, smoothed in zip(values, result, strict=True):
        smoother.smooth(row, out=smoothed)
    return result
