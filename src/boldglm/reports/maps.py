"""A thresholded statistic on the mean BOLD image, as a mosaic of slices."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray
from PIL import Image

from boldglm.reports.mosaic import (
    DIRECTIONS,
    PLANES,
    WHITE,
    Colors,
    Layout,
    Orientation,
    compose,
    is_colored,
    lay_out,
    orient,
    overlay_colors,
    palette,
)

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

# pixels; a page shows two of them as one of its own
_MOSAIC_WIDTH = 1640
_BAR_LEFT = 40  # right of the mosaic
_BAR_WIDTH = 220  # of the color bar with its labels
_GAP = 36  # below each row, for coordinates
_FOOTER = 34
_LEAST_WIDTH = 880  # that the words below need
_ROOM_FOR_LETTER = 150  # width of a slice from which "z = " fits between the side marks
_DPI = 192  # so that text of 8 points is as large as that of the drawings beside it
_N_SHADES = 4  # steps from black to white in the edges of letters
INK_GREY, SOFT_GREY = "0.1", "0.35"


def plot_map(
    stat: FloatArray,
    underlay: FloatArray,
    mask: BoolArray,
    affine: FloatArray,
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
    stat : ndarray of shape (n_i, n_j, n_k)
        Statistic; only voxels of the mask are colored, and NaN never is.
    underlay : ndarray of shape (n_i, n_j, n_k)
        Mean BOLD image, any unit.
    mask : ndarray of bool, shape (n_i, n_j, n_k)
        Voxels that were analysed; the picture is cropped to them.
    affine : ndarray of shape (4, 4)
        From voxel indices to mm, x to the right, y to the front, z up.
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
        If shapes do not agree, the mask is empty, or the threshold is negative or NaN.

    Notes
    -----
    Left is on the left (neurological convention). With an oblique affine the slices follow
    the array, and their coordinate is that of their center. Colors end at the 99.5th
    percentile of what is above the threshold, so one extreme voxel does not darken the rest.
    """
    _check(stat, underlay, mask, threshold)
    orientation = orient(affine)
    turned_affine = orientation.turn_affine(affine, stat.shape)
    inside = orientation.turn(np.asarray(mask, dtype=bool))
    values = orientation.turn(np.nan_to_num(stat, nan=0.0, posinf=np.inf, neginf=-np.inf))
    values = np.where(inside, values, 0)
    if not two_sided:
        values = np.maximum(values, 0)
    sizes = np.abs(values)
    above = sizes[is_colored(sizes, threshold)]
    peak = np.unravel_index(int(sizes.argmax()), sizes.shape) if above.size else None
    layout = lay_out(
        inside,
        turned_affine,
        n_slices=n_slices,
        width=_MOSAIC_WIDTH,
        gap=_GAP,
        must_show=None if peak is None else (int(peak[0]), int(peak[1]), int(peak[2])),
    )
    maximum = _color_end(above, threshold)
    picture = compose(
        layout,
        orientation.turn(np.nan_to_num(underlay, posinf=0, neginf=0)),
        values,
        inside,
        threshold=threshold,
        maximum=maximum,
    )
    canvas = _Canvas(picture)
    _mark(canvas, layout, orientation)
    if above.size:
        ends = (threshold, maximum, float(above.max()))
        _color_bar(canvas, layout, statistic, ends, two_sided=two_sided)
    else:
        symbol = f"|{statistic}|" if two_sided else statistic
        words = f"no voxel at\n{symbol} ≥ {_short(threshold)}"
        canvas.write(layout.shape[1] + _BAR_LEFT, 0, words, size=8.5, weight="bold")
    canvas.save(path)
    return path


class _Canvas:
    """A picture of palette colors with text around it, kept apart until it is saved.

    matplotlib draws only the text. Drawing the mosaic as well would cost three times as
    long, and lose the palette.
    """

    def __init__(self, mosaic: Colors) -> None:
        height, width = mosaic.shape
        self.height, self.width = height + _FOOTER, max(width + _BAR_WIDTH, _LEAST_WIDTH)
        self.picture = np.full((self.height, self.width), WHITE, dtype=np.uint8)
        self.picture[:height, :width] = mosaic
        self._figure = Figure(figsize=(self.width / _DPI, self.height / _DPI), dpi=_DPI)
        self._canvas = FigureCanvasAgg(self._figure)

    def write(
        self,
        left: float,
        top: float,
        words: str,
        *,
        size: float = 8.0,
        align: str = "left",
        vertical: str = "top",
        color: str = INK_GREY,
        weight: str = "normal",
        style: str = "normal",
    ) -> None:
        """Put words at pixels from the upper left corner."""
        self._figure.text(
            left,
            self.height - top,
            words,
            transform=IdentityTransform(),
            ha=align,
            va=vertical,
            fontsize=size,
            color=color,
            fontweight=weight,
            fontstyle=style,
            fontfamily="DejaVu Sans",
            parse_math=False,
        )

    def save(self, path: Path) -> None:
        """Write the picture with the text on it as a PNG with a palette."""
        self._canvas.draw()
        # text is grey on white, so one channel tells all; few greys keep its edges smooth
        # enough at this resolution and the file a quarter smaller
        shades = np.rint(np.asarray(self._canvas.buffer_rgba())[..., 0] * (_N_SHADES / 255))
        text = np.rint(shades * (WHITE / _N_SHADES)).astype(np.uint8)
        image = Image.fromarray(np.where(text < WHITE, text, self.picture))
        image.putpalette(palette().ravel().tolist())
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, format="PNG", compress_level=9 if image.width * image.height < 5e5 else 6)


def _check(stat: FloatArray, underlay: FloatArray, mask: BoolArray, threshold: float) -> None:
    shapes = {"map": stat.shape, "underlay": underlay.shape, "mask": mask.shape}
    if len(set(shapes.values())) != 1 or stat.ndim != 3:
        found = ", ".join(f"{what} {shape}" for what, shape in shapes.items())
        raise ValueError(f"expected three volumes of one three-dimensional shape, found {found}.")
    if not np.any(mask):
        raise ValueError("the mask is empty, so there is no slice to draw; check the mask.")
    if not threshold >= 0:
        raise ValueError(f"expected a threshold of zero or more, found {threshold}.")


def _color_end(above: FloatArray, threshold: float) -> float:
    """Value of the brightest color, always a little above the threshold."""
    finite = above[np.isfinite(above)]
    end = float(np.percentile(finite, 99.5)) if finite.size else 0.0
    least = threshold * 1.05 if 0 < threshold < np.inf else 1e-12
    return max(end, least)


def _mark(canvas: _Canvas, layout: Layout, orientation: Orientation) -> None:
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
            canvas.write(left + 4, line, near, weight="bold")
            canvas.write(left + width - 4, line, far, weight="bold", align="right")
    sides = {
        0: "Left of the picture is left of the head (neurological).",
        1: "Left of the picture is the back of the head.",
    }
    center = ", at the center of oblique slices" if orientation.is_oblique else ""
    noun = "slice" if len(layout.slices) == 1 else "slices"
    words = f"{PLANES[layout.plane].capitalize()} {noun}, {letter} in mm{center}. {sides[across]}"
    canvas.write(4, canvas.height - 4, words, color=SOFT_GREY, vertical="bottom")


def _coordinate_texts(coordinates: FloatArray) -> list[str]:
    """Whole millimeters, or tenths where slices are thinner than that."""
    whole = [f"{coordinate:z.0f}" for coordinate in coordinates]
    texts = whole if len(set(whole)) == len(whole) else [f"{c:z.1f}" for c in coordinates]
    return [text.replace("-", "−") for text in texts]


def _color_bar(
    canvas: _Canvas,
    layout: Layout,
    statistic: str,
    ends: tuple[float, float, float],
    *,
    two_sided: bool,
) -> None:
    """Positive colors, and below a gap (what is not colored) the negative ones.

    ``ends`` are the threshold, the value of the brightest color and the largest value.
    The gap is not to scale, so labels keep their distance.
    """
    threshold, maximum, largest = ends
    left, top = layout.shape[1] + _BAR_LEFT, 40
    total = int(np.clip(layout.shape[0] - top - layout.gap, 150, 400))
    height = int(0.45 * total) if two_sided else total
    canvas.write(left, 0, statistic, size=9, style="italic")
    is_beyond = largest > maximum * 1.005
    for sign, start in ((1, top), (-1, top + total - height))[: 2 if two_sided else 1]:
        values = np.linspace(maximum, threshold, height)[::sign]
        colors = overlay_colors(sign * values, threshold=threshold, maximum=maximum)
        canvas.picture[start : start + height, left : left + 22] = colors[:, None]
        places = (start, start + height - 1)[::sign]
        beyond = ("≥ " if sign > 0 else "≤ ") if is_beyond else ""
        canvas.write(left + 30, places[0], beyond + _short(sign * maximum), vertical="center")
        canvas.write(left + 30, places[1], _short(sign * threshold), vertical="center")


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
