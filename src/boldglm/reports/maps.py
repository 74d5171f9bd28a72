"""A thresholded statistic on the mean BOLD image, as a mosaic of slices."""

from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.backdrop import Backdrop
from boldglm.reports.canvas import (
    SOFT,
    Canvas,
    color_bar,
    color_end,
    say_nothing_is_above,
)
from boldglm.reports.mosaic import (
    DIRECTIONS,
    PLANES,
    Layout,
    Orientation,
    compose,
    is_colored,
    lay_out,
)

# pixels; a page shows two of them as one of its own
_MOSAIC_WIDTH = 1640
_GAP = 36  # below each row, for coordinates
_ROOM_FOR_LETTER = 150  # width of a slice from which "z = " fits between the side marks


def plot_map(
    stat: RealArray,
    backdrop: Backdrop,
    threshold: float,
    path: Path,
    *,
    n_slices: int = 21,
    statistic: str = "z",
    two_sided: bool = True,
) -> Path:
    """Draw where a statistic is large, on slices of the mean image.

    Parameters
    ----------
    stat : ndarray of shape (n_voxels,)
        Statistic of each voxel of the mask; NaN is not colored.
    backdrop : Backdrop
        Mean image and mask; the picture is cropped to the mask.
    threshold : float
        Not negative, infinite if nothing survived; voxels with \\|statistic\\| of at
        least this are colored.
    path : Path
        The ``.png`` file to write.
    n_slices : int
        At most this many slices, evenly spaced over the mask; the nearest one makes
        way for the slice with the largest value. A dozen makes a file a third
        smaller, which tells in a report with many runs.
    statistic : str
        Its symbol, for the color bar.
    two_sided : bool
        Whether negative values are colored, and the color bar has a negative half.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If the map has another number of voxels, or the threshold is negative or NaN.

    Notes
    -----
    Left is on the left (neurological convention). With an oblique affine the slices follow
    the array, and their coordinate is that of their center. Colors end at the 99.5th
    percentile of what is above the threshold, so one extreme voxel does not darken the rest.
    """
    n_voxels = np.count_nonzero(backdrop.inside)
    if stat.shape != (n_voxels,):
        raise ValueError(f"expected {n_voxels} values, one a voxel, found shape {stat.shape}.")
    if not threshold >= 0:
        raise ValueError(f"expected a threshold of zero or more, found {threshold}.")
    row = np.nan_to_num(stat, posinf=np.inf, neginf=-np.inf)
    if not two_sided:
        row = np.maximum(row, 0)
    sizes = np.abs(row)
    chosen = is_colored(sizes, threshold)
    above = sizes[chosen]
    layout = lay_out(
        backdrop.inside,
        backdrop.affine,
        n_slices=n_slices,
        width=_MOSAIC_WIDTH,
        gap=_GAP,
        must_show=backdrop.first(sizes == above.max()) if above.size else None,
    )
    maximum = color_end(above, threshold)
    colors = backdrop.colored(row, chosen, threshold=threshold, maximum=maximum)
    canvas = Canvas(compose(layout, colors))
    _mark(canvas, layout, backdrop.orientation)
    if above.size:
        ends = (threshold, maximum, float(above.max()))
        color_bar(canvas, statistic, ends, gap=_GAP, two_sided=two_sided)
    else:
        say_nothing_is_above(canvas, statistic, threshold, noun="voxel", two_sided=two_sided)
    canvas.save(path)
    return path


def _mark(canvas: Canvas, layout: Layout, orientation: Orientation) -> None:
    """Coordinates below the slices, sides beside the first of a row, and what is shown."""
    height, width = layout.cell
    across = next(axis for axis in range(3) if axis != layout.plane)
    letter = "xyz"[layout.plane]
    for position, text in enumerate(_coordinate_texts(layout.coordinates)):
        top, left = layout.corner(position)
        words = f"{letter} = {text}" if position == 0 and width >= _ROOM_FOR_LETTER else text
        line = top + height + 4
        canvas.write(left + width / 2, line, words, align="center")
        if position % layout.n_columns == 0:
            near, far = DIRECTIONS[across]
            canvas.write(left + 4, line, near, face="-Bold")
            canvas.write(left + width - 4, line, far, face="-Bold", align="right")
    sides = {
        0: "Left of the picture is left of the head (neurological).",
        1: "Left of the picture is the back of the head.",
    }
    center = ", at the center of oblique slices" if orientation.is_oblique else ""
    noun = "slice" if len(layout.slices) == 1 else "slices"
    words = f"{PLANES[layout.plane].capitalize()} {noun}, {letter} in mm{center}. {sides[across]}"
    canvas.write(4, canvas.height - 4, words, shade=SOFT, vertical="bottom")


def _coordinate_texts(coordinates: RealArray) -> list[str]:
    """Whole millimeters, or tenths where slices are thinner than that."""
    whole = [f"{coordinate:z.0f}" for coordinate in coordinates]
    texts = whole if len(set(whole)) == len(whole) else [f"{c:z.1f}" for c in coordinates]
    return [text.replace("-", "−") for text in texts]
