"""Compute a brain mask from the mean image of a run that has no mask.

The mask excludes air and, in most runs, the eyes. A mask of the preprocessing, such as fMRIPrep's,
is better and is used where there is one.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from boldglm.glm.arrays.types import BoolArray

# The clip level is this fraction of the median of the voxels above it.
CLIP_FRACTION = 0.5

# If at least this fraction of the positive voxels is bright, the image is already masked.
MASKED_ALREADY = 0.9

OPENING_STEPS = 2


def compute_brain_mask(mean_image: ArrayLike, has_signal: ArrayLike) -> BoolArray:
    """Compute a brain mask.

    Parameters
    ----------
    mean_image : array_like of shape (x, y, z)
        Mean of each voxel over time, in any unit.
    has_signal : array_like of bool, of shape (x, y, z)
        Voxels that vary over time and are always finite. All others are excluded.

    Returns
    -------
    ndarray of bool, of shape (x, y, z)
        True in the brain. If the image is already masked, or if its means are negative about as
        often as positive, so that brightness is meaningless, all voxels with signal.

    Raises
    ------
    ValueError
        If the shapes differ, are not three-dimensional, or no voxel has signal.

    See Also
    --------
    smooth_volume : Smooth within a mask.

    Notes
    -----
    Bright voxels are those above `clip_level`. A morphological opening removes what is attached to
    them by fewer than 4 voxels, such as eyes and scalp. It treats the outside of the image as
    brain, so that a single slice or a slab is not eroded. The largest connected piece is kept, and
    its holes are filled.

    Examples
    --------
    A bright block with a hole, in dim surroundings:

    >>> image = np.full((16, 16, 16), 5.0)
    >>> image[2:14, 2:14, 2:14] = 100.0
    >>> image[8, 8, 8] = 1.0
    >>> mask = compute_brain_mask(image, image > 0)
    >>> mask[8, 8, [0, 2, 8, 13]].tolist()
    [False, True, True, True]
    """
    mean = np.asarray(mean_image, dtype=np.float64)
    signal = np.asarray(has_signal, dtype=bool)
    if mean.ndim != 3 or mean.shape != signal.shape:
        raise ValueError(
            f"mean_image has shape {mean.shape} and has_signal {signal.shape}. Both must have the "
            "same three axes."
        )
    signal = signal & np.isfinite(mean)
    if not signal.any():
        raise ValueError("no voxel varies over time, so no brain mask can be computed.")
    values = mean[signal]
    bright = values[values > 0]
    if bright.sum() <= 10 * np.abs(values[values < 0]).sum():
        return signal
    level = clip_level(bright)
    if (bright > level).mean() >= MASKED_ALREADY:
        return signal & (mean != 0)
    return _solid(np.where(signal, mean, 0.0) > level) & signal


def clip_level(values: ArrayLike) -> float:
    """Return the brightness that separates the brain from the background.

    Parameters
    ----------
    values : array_like of shape (n_voxels,)
        Positive brightness of voxels, in any unit.

    Returns
    -------
    float
        Clip level in the unit of the values.

    Notes
    -----
    The level is half of the median of the values above the level. This fixed point is reached by
    iteration from half of the root mean square, as in AFNI's 3dClipLevel [1]_.

    References
    ----------
    .. [1] Cox RW (1996). AFNI: software for analysis and visualization of functional magnetic
       resonance neuroimages. Computers and Biomedical Research 29:162-173.
       https://doi.org/10.1006/cbmr.1996.0014

    Examples
    --------
    >>> clip_level([1, 1, 1, 1, 1, 1, 90, 100, 110])
    50.0
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    level = CLIP_FRACTION * float(np.sqrt(np.mean(ordered**2)))
    for _ in range(100):
        above = ordered[np.searchsorted(ordered, level, side="right") :]
        next_level = CLIP_FRACTION * float(np.median(above))
        if next_level == level:
            break
        level = next_level
    return level


def _solid(bright: BoolArray) -> BoolArray:
    """Return the largest piece of a mask without appendages and holes."""
    core = ndimage.binary_erosion(bright, iterations=OPENING_STEPS, border_value=1)
    if not core.any():
        core = bright
    pieces, n_pieces = ndimage.label(core)
    if n_pieces > 1:
        core = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    grown = ndimage.binary_dilation(core, iterations=OPENING_STEPS) & bright
    return _without_holes(grown)


def _without_holes(mask: BoolArray) -> BoolArray:
    short = [axis for axis, length in enumerate(mask.shape) if length <= 2]
    if not short:
        return np.asarray(ndimage.binary_fill_holes(mask))
    # Along an axis of one or two slices, every hole is open: fill holes within slices.
    slices = [ndimage.binary_fill_holes(part) for part in np.moveaxis(mask, short[0], 0)]
    return np.stack(slices, axis=short[0])
