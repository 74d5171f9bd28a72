"""What all drawings of the report share: axes, cells with names and their checks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.svg import BLUE, ORANGE, PAPER, RULE, SOFT, Drawing

INCH = 72.0
PAGE_WIDTH = 9.6 * INCH  # points; the widest picture that a page shows unreduced
LONGEST_NAME = 34  # characters of a label before its middle is cut
CELL_INK = "#000000"  # on cells, whose colors are the same on dark screens
CELL_PAPER = "#fefefe"
_TICK = 3.0
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axes:
    """A frame of a drawing in points, and the values at its edges.

    Parameters
    ----------
    drawing : Drawing
        To draw on.
    left, top, width, height : float
        Of the frame.
    x, y : (float, float)
        Values at the left and the right, and at the lower and the upper edge.
    """

    drawing: Drawing
    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)

    def across(self, values: RealArray | Sequence[float]) -> RealArray:
        """Return the places of values in points."""
        start, end = self.x
        return self.left + (np.asarray(values, dtype=float) - start) / (end - start) * self.width

    def up(self, values: RealArray | Sequence[float]) -> RealArray:
        """Return the heights of values in points, downwards."""
        start, end = self.y
        share = (np.asarray(values, dtype=float) - start) / (end - start)
        return self.top + self.height * (1 - share)

    def axis_below(
        self, label: str = "", ticks: Sequence[float] | None = None, names: Sequence[str] = ()
    ) -> None:
        """Draw the axis below the frame."""
        ticks = nice_ticks(*self.x, 6) if ticks is None else ticks
        bottom = self.top + self.height
        self.drawing.line([self.left, self.left + self.width], [bottom] * 2, SOFT, 0.6)
        for place, name in zip(self.across(ticks), names or tick_names(ticks), strict=True):
            self.drawing.line([place] * 2, [bottom, bottom + _TICK], SOFT, 0.6)
            self.drawing.text(place, bottom + 10, name, align="center")
        if label:
            middle = self.left + self.width / 2
            self.drawing.text(middle, bottom + 22, label, color=SOFT, align="center")

    def axis_left(
        self, label: str = "", ticks: Sequence[float] | None = None, *, is_drawn: bool = True
    ) -> None:
        """Draw the axis left of the frame."""
        ticks = nice_ticks(*self.y, 6) if ticks is None else ticks
        if is_drawn:
            self.drawing.line([self.left] * 2, [self.top, self.top + self.height], SOFT, 0.6)
        names = tick_names(ticks)
        for height, name in zip(self.up(ticks), names, strict=True):
            self.drawing.line([self.left - _TICK, self.left], [height] * 2, SOFT, 0.6)
            self.drawing.text(self.left - 6, height, name, align="right")
        if label:
            room = 14 + 5.5 * max(map(len, names), default=0)
            self.drawing.text(
                self.left - room,
                self.top + self.height / 2,
                label,
                color=SOFT,
                align="center",
                is_upright=True,
            )

    def title(self, words: str) -> None:
        """Write a title above the frame."""
        self.drawing.text(self.left, self.top - 9, words, size=8.5)


def nice_ticks(start: float, end: float, n_most: int) -> list[float]:
    """Return round values within a range, in its order.

    Examples
    --------
    >>> nice_ticks(0.0, 238.0, 6)
    [0.0, 50.0, 100.0, 150.0, 200.0]
    """
    low, high = min(start, end), max(start, end)
    least = (high - low) / n_most or 1.0
    power = 10.0 ** np.floor(np.log10(least))
    step = next(s * power for s in _STEPS if s * power >= least * (1 - 1e-9))
    counts = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return [float(f"{count * step:.12g}") + 0.0 for count in counts]


def tick_names(ticks: Sequence[float]) -> list[str]:
    """Return ticks as text with the decimals that tell them apart.

    Examples
    --------
    >>> tick_names([-0.5, 0.0, 0.25])
    ['−0.50', '0.00', '0.25']
    """
    decimals = next(
        (d for d in range(9) if all(abs(round(t, d) - t) <= 1e-9 * abs(t) for t in ticks)), 9
    )
    return [f"{tick:z.{decimals}f}".replace("-", "−") for tick in ticks]


def borders(axes: Axes, n: int, *, across: bool = False, width: float = 0.7) -> None:
    """Draw lines in the color of the paper between n columns of cells, or between n rows."""
    if n < 2:
        return
    length = axes.height if across else axes.width
    start = axes.top if across else axes.left
    places = np.repeat(start + length * np.arange(1, n) / n, 3)
    low, extent = (axes.left, axes.width) if across else (axes.top, axes.height)
    ends = np.tile([low, low + extent, np.nan], n - 1)
    xs, ys = (ends, places) if across else (places, ends)
    axes.drawing.line(xs, ys, PAPER, width)


def name_cells(
    axes: Axes, rows: Sequence[str] = (), columns: Sequence[str] = (), *, size: float = 8.0
) -> None:
    """Write names left of the rows and above the columns of a picture of cells."""
    for place, name in enumerate(rows):
        middle = axes.top + axes.height * (place + 0.5) / len(rows)
        axes.drawing.text(axes.left - 4, middle, short_name(name), size=size, align="right")
    for place, name in enumerate(columns):
        middle = axes.left + axes.width * (place + 0.5) / len(columns)
        axes.drawing.text(middle, axes.top - 4, short_name(name), size=size, is_upright=True)


def diverging(values: RealArray, largest: float) -> NDArray[np.uint8]:
    """Color values blue for negative, white for zero, orange for positive, gray for NaN.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        To color.
    largest : float
        Size of the value with the full color.

    Returns
    -------
    ndarray of uint8, shape (n_rows, n_columns, 3)
        Colors.
    """
    share = np.clip(np.nan_to_num(values) / (largest or 1.0), -1, 1)[..., None]
    full = np.where(share > 0, _rgb(ORANGE), _rgb(BLUE))
    colors = 255 + np.abs(share) * (full - 255)
    return np.where(np.isnan(values)[..., None], _rgb(RULE), np.rint(colors)).astype(np.uint8)


def _rgb(color: str) -> RealArray:
    return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)], dtype=float)


def short_name(name: str, longest: int = LONGEST_NAME) -> str:
    """Cut the middle out of a long label, since names differ at their ends.

    Parameters
    ----------
    name : str
        Any label.
    longest : int
        Number of characters that fit.

    Returns
    -------
    str
        At most ``longest`` characters.

    Examples
    --------
    >>> short_name("face_unfamiliar_repeated", 12)
    'face_u…eated'
    """
    if len(name) <= longest:
        return name
    tail = (longest - 1) // 2
    return f"{name[: longest - 1 - tail]}…{name[-tail:]}"


def check_columns(matrix: RealArray, names: Sequence[str], what: str) -> None:
    """Refuse a matrix that has not one column for each name.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_columns)
        To be drawn.
    names : sequence of str
        One for each column.
    what : str
        What the matrix is, for the message.

    Raises
    ------
    ValueError
        If the two do not agree, or if there is nothing to draw.
    """
    if matrix.ndim != 2 or matrix.shape[1] != len(names) or matrix.size == 0:
        raise ValueError(
            f"the {what} has shape {matrix.shape} but there are {len(names)} names; expected "
            "a non-empty matrix with one column for each name."
        )
