"""A thresholded statistic on the mean BOLD image, as a mosaic of slices."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from boldglm.reports.drawing import INK, SOFT, STYLE
from boldglm.reports.mosaic import (
    DIRECTIONS,
    PLANES,
    Layout,
    Orientation,
    compose,
    lay_out,
    orient,
    overlay_colors,
    palette,
)

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

_MOSAIC_WIDTH = 1680  # pixels of a full row; twice what a page shows
_BAR_WIDTH = 180  # pixels right of the mosaic for the color bar
_GAP = 34  # pixels below each row for coordinates
_FOOTER = 34  # pixels below the mosaic
_DPI = 192  # so that a point of text is a point on the page at twice the resolution
_LEAST_WIDTH = 620  # pixels that the footer needs


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
        Not negative; voxels with \\|statistic\\| of at least this are colored.
    path : Path
        The ``.png`` file to write.
    n_slices : int
        At most this many slices, evenly spaced over the mask; the nearest one makes
        way for the slice with the largest value.
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
    above = sizes[(sizes >= threshold) & (sizes > 0)]
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
    with mpl.rc_context(STYLE):
        figure = _figure_of(picture, layout, has_bar=above.size > 0)
        _mark(figure, layout, orientation)
        if above.size:
            _color_bar(
                figure, threshold, maximum, float(above.max()), statistic, two_sided=two_sided
            )
        else:
            _say_nothing_shown(figure, threshold, statistic, two_sided=two_sided)
        _save_small_png(figure, path)
    return path


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


def _figure_of(picture: FloatArray, layout: Layout, *, has_bar: bool) -> Figure:
    """Figure of the mosaic's own pixels, with room for labels."""
    height, width = layout.shape
    full_width = max(width + (_BAR_WIDTH if has_bar else 0), _LEAST_WIDTH)
    full_height = height + _FOOTER
    figure = Figure(figsize=(full_width / _DPI, full_height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, _FOOTER / full_height, width / full_width, height / full_height))
    axes.imshow(picture, interpolation="none", aspect="auto", extent=(0, width, height, 0))
    axes.set_axis_off()
    return figure


def _mark(figure: Figure, layout: Layout, orientation: Orientation) -> None:
    """Coordinates below the slices, sides beside the first, and in words what is shown."""
    axes = figure.axes[0]
    height, width = layout.cell
    across = next(axis for axis in range(3) if axis != layout.plane)
    letter = "xyz"[layout.plane]
    for position, text in enumerate(_coordinate_texts(layout.coordinates)):
        top, left = layout.corner(position)
        text = f"{letter} = {text}" if position == 0 else text
        axes.text(left + width / 2, top + height + 3, text, ha="center", va="top", fontsize=7.5)
        if position % layout.n_columns == 0:
            for side, x in zip(DIRECTIONS[across], (left + 6, left + width - 6), strict=True):
                alignment = "left" if x < left + width / 2 else "right"
                axes.text(x, top + 4, side, ha=alignment, va="top", fontsize=7.5, weight="bold")
    words = f"{PLANES[layout.plane].capitalize()} slices, {letter} in mm"
    words += ", at the center of oblique slices" if orientation.is_oblique else ""
    if across == 0:
        words += ". Left of the picture is left of the head (neurological)."
    else:
        words += ". Left of the picture is the back of the head."
    figure.text(
        4 / figure.bbox.width, 4 / figure.bbox.height, words, color=SOFT, fontsize=7.5, va="bottom"
    )


def _coordinate_texts(coordinates: FloatArray) -> list[str]:
    """Whole millimeters, or tenths where slices are thinner than that."""
    whole = [f"{coordinate:z.0f}" for coordinate in coordinates]
    texts = whole if len(set(whole)) == len(whole) else [f"{c:z.1f}" for c in coordinates]
    return [text.replace("-", "−") for text in texts]


def _color_bar(
    figure: Figure,
    threshold: float,
    maximum: float,
    largest: float,
    statistic: str,
    *,
    two_sided: bool,
) -> None:
    """Colors from the negative to the positive extreme, with the part not shown in white."""
    host = figure.axes[0]
    page_width, page_height = figure.bbox.width, figure.bbox.height
    host_height = host.get_position().height * page_height
    bar_height = min(host_height - _GAP - 50, 420)
    left = host.get_position().x1 * page_width + 40
    bottom = page_height - 44 - bar_height
    axes = figure.add_axes(
        (left / page_width, bottom / page_height, 22 / page_width, bar_height / page_height)
    )
    lowest = -maximum if two_sided else min(threshold, maximum)
    values = np.linspace(maximum, lowest, 256)
    colors = np.full((256, 1, 3), 0.9)
    shown = np.abs(values) >= threshold
    colors[shown, 0] = overlay_colors(values[shown], threshold=threshold, maximum=maximum)
    axes.imshow(colors, aspect="auto", extent=(0, 1, lowest, maximum), interpolation="none")
    axes.yaxis.tick_right()
    ticks = [threshold, maximum]
    sign = "≥ " if largest > maximum * 1.005 else ""
    texts = [_short(threshold), sign + _short(maximum)]
    if two_sided:
        ticks += [-threshold, -maximum]
        texts += [_short(-threshold), sign.replace("≥", "≤") + _short(-maximum)]
    axes.set_yticks(ticks, texts, fontsize=7.5)
    axes.tick_params(length=3, pad=2)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(statistic, fontsize=8.5, pad=5, loc="left", style="italic", color=INK)


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _say_nothing_shown(
    figure: Figure, threshold: float, statistic: str, *, two_sided: bool
) -> None:
    symbol = f"|{statistic}|" if two_sided else statistic
    figure.text(
        0.5,
        0.5,
        f"no voxel at {symbol} ≥ {_short(threshold)}",
        ha="center",
        va="center",
        fontsize=11,
        bbox={"facecolor": "white", "edgecolor": SOFT, "linewidth": 0.6, "pad": 6},
    )


def _save_small_png(figure: Figure, path: Path) -> None:
    """Write the figure with the palette of the mosaic, a quarter of the size of full color."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    drawn = Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    colors = Image.new("P", (1, 1))
    colors.putpalette(palette().ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.quantize(palette=colors, dither=Image.Dither.NONE).save(
        path, format="PNG", optimize=False
    )
