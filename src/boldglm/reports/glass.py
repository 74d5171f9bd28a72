"""A glass brain: the largest values along lines of sight from the side, the back and the top."""

from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray
from boldglm.reports.backdrop import Backdrop
from boldglm.reports.canvas import SOFT, Canvas, color_end
from boldglm.reports.mosaic import DIRECTIONS, WHITE, Colors, is_colored, overlay_colors

_HEIGHT = 300  # pixels of the tallest side, of which a page shows two as one of its own
_GAP = 28
_FILL, _EDGE = WHITE - 2, WHITE - 10  # rows of the palette


def plot_glass_brain(
    stat: RealArray, backdrop: Backdrop, threshold: float, path: Path, *, two_sided: bool = True
) -> Path:
    """Draw the largest statistic along each line of sight through the mask.

    Parameters
    ----------
    stat : ndarray of shape (n_voxels,)
        Statistic of each voxel of the mask.
    backdrop : Backdrop
        The mask, and where voxels lie.
    threshold : float
        Voxels with \\|statistic\\| of at least this are seen.
    path : Path
        The ``.png`` file to write.
    two_sided : bool
        Whether negative values are seen.

    Returns
    -------
    Path
        ``path``.
    """
    sides = glass_sides(stat, backdrop, threshold, height=_HEIGHT, two_sided=two_sided)
    canvas = Canvas(beside_each_other(sides, _GAP), with_bar=False)
    left = 0
    for axis, side in enumerate(sides):
        across = 1 if axis == 0 else 0
        near, far = DIRECTIONS[across]
        canvas.write(left + 2, 0, near, face="-Bold", shade=SOFT)
        canvas.write(left + side.shape[1] - 2, 0, far, face="-Bold", shade=SOFT, align="right")
        left += side.shape[1] + _GAP
    canvas.save(path)
    return path


def glass_sides(
    stat: RealArray,
    backdrop: Backdrop,
    threshold: float,
    *,
    height: int,
    two_sided: bool = True,
    maximum: float | None = None,
) -> list[Colors]:
    """Return the pictures of the side, the back and the top, rows downwards.

    Parameters
    ----------
    stat, backdrop, threshold, two_sided
        As of `plot_glass_brain`.
    height : int
        Pixels of the tallest side.
    maximum : float, optional
        Value of the brightest color; by default that of the map.
    """
    row = np.nan_to_num(stat, posinf=np.inf, neginf=-np.inf)
    if not two_sided:
        row = np.maximum(row, 0)
    chosen = is_colored(row, threshold)
    sizes = np.abs(row[chosen])
    end = color_end(sizes, threshold) if maximum is None else maximum
    # the largest last, so that it is the one that stays
    order = np.argsort(sizes, kind="stable")
    colors = overlay_colors(row[chosen], threshold=threshold, maximum=end)[order]
    places = backdrop.indices(chosen)[:, order]
    return [_side(backdrop, axis, places, colors, height) for axis in range(3)]


def _side(backdrop: Backdrop, axis: int, places: IndexArray, colors: Colors, tall: int) -> Colors:
    """Return the picture of a side; the tallest of the three has `tall` pixels."""
    seen: BoolArray = np.any(backdrop.inside, axis=axis)
    plane = np.where(seen, _FILL, WHITE).astype(np.uint8)
    plane[seen & ~_surrounded(seen)] = _EDGE
    across, up = (k for k in range(3) if k != axis)
    plane[places[across], places[up]] = colors
    box = (backdrop.box[across], backdrop.box[up])
    sizes = np.linalg.norm(backdrop.affine[:3, :3], axis=0)
    tallest = max(
        (extent.stop - extent.start) * size
        for extent, size in zip(backdrop.box[1:], sizes[1:], strict=True)
    )
    scale = tall / tallest
    width, height = (
        max(1, round((extent.stop - extent.start) * sizes[k] * scale))
        for extent, k in zip(box, (across, up), strict=True)
    )
    columns = box[0].start + np.arange(width) * (box[0].stop - box[0].start) // width
    rows = box[1].start + np.arange(height) * (box[1].stop - box[1].start) // height
    return plane.T[rows[::-1]][:, columns]


def _surrounded(seen: BoolArray) -> BoolArray:
    """Tell which pixels have all four neighbors."""
    wide = np.pad(seen, 1)
    return wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]


def beside_each_other(sides: list[Colors], gap: int) -> Colors:
    """Return pictures in a row, centered, on white."""
    height = max(side.shape[0] for side in sides)
    width = sum(side.shape[1] for side in sides) + gap * (len(sides) - 1)
    picture = np.full((height, width), WHITE, dtype=np.uint8)
    left = 0
    for side in sides:
        top = (height - side.shape[0]) // 2
        picture[top : top + side.shape[0], left : left + side.shape[1]] = side
        left += side.shape[1] + gap
    return picture
