"""What all drawings of the report share: style, colors and deterministic SVG files.

Figures are made from `matplotlib.figure.Figure` directly. pyplot keeps every figure in a
global list, which leaks in a long run and is not safe between threads.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from boldglm.glm.arrays.types import RealArray

INK = "#1b1f24"
SOFT = "#57606a"
RULE = "#d8dde3"
BLUE = "#1f5a96"
ORANGE = "#c2570c"
RED = "#b3261e"

PAGE_WIDTH = 9.6  # inches; the widest picture that a page shows unreduced
LONGEST_NAME = 34  # characters of a label before its middle is cut

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    # DejaVu Sans comes with matplotlib, so the layout is the same on every machine. It is wider
    # than the fonts that a browser without it uses instead, so nothing can overlap.
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "Liberation Sans"],
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.2,
    "text.color": INK,
    "text.parse_math": False,  # a condition may be called "$5" or "a_$x$"
    "svg.fonttype": "none",
    "svg.hashsalt": "boldglm",
    "figure.facecolor": "white",
}


@contextmanager
def svg_figure(path: Path, *, width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure and write it as SVG when the block ends without an error.

    The same drawing gives the same bytes: ids are salted with a constant and no date is
    written.

    Parameters
    ----------
    path : Path
        The ``.svg`` file; its folder is made if needed.
    width, height : float
        Size in inches before empty margins are cut.

    Yields
    ------
    matplotlib.figure.Figure
        Without axes.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # text stays text, which the reader's browser has letters for
            warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
            # savefig would draw everything once to find out what is empty
            taken = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
            figure.savefig(
                path, format="svg", bbox_inches=taken.padded(0.03), metadata={"Date": None}
            )


def inch_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches from the upper left corner.

    Drawings here grow with the number of conditions; in fractions of the figure every
    gap would grow with them.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Where to add.
    left, top, width, height : float
        Inches; ``top`` counts downwards.

    Returns
    -------
    matplotlib.axes.Axes
        The new axes.
    """
    total_width, total_height = figure.get_size_inches()
    bottom = total_height - top - height
    return figure.add_axes(
        (left / total_width, bottom / total_height, width / total_width, height / total_height)
    )


def borders(axes: Axes, n: int, extent: int, *, across: bool = False, width: float = 0.7) -> None:
    """Draw white lines between the n columns of a picture of cells, or between its rows.

    One line with gaps: hundreds of lines, or ticks with a grid, take their time.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Of the picture, a unit for each cell.
    n : int
        Number of columns, or of rows.
    extent : int
        How many cells a line is long.
    across : bool
        Whether lines lie between rows.
    width : float
        Of the lines, in points.
    """
    places = np.repeat(np.arange(1, n) - 0.5, 3)
    ends = np.tile([-0.5, extent - 0.5, np.nan], n - 1)
    x, y = (ends, places) if across else (places, ends)
    axes.plot(x, y, color="w", lw=width)


def name_cells(
    axes: Axes, rows: Sequence[str] = (), columns: Sequence[str] = (), *, size: float = 8.0
) -> None:
    """Write names left of the rows and above the columns of a picture of cells.

    As text without ticks, each of which takes as long as a drawing of its own.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Of the picture, a unit for each cell.
    rows, columns : sequence of str
        Names from the upper left corner; none leaves that axis as it is.
    size : float
        Of letters, in points.
    """
    figure = axes.get_figure()
    assert figure is not None
    pad = 4 / 72
    if rows:
        axes.set_yticks([])
        left = axes.get_yaxis_transform() + ScaledTranslation(-pad, 0, figure.dpi_scale_trans)
        for place, name in enumerate(rows):
            words = axes.text(0, place, short_name(name), transform=left, fontsize=size)
            words.set(ha="right", va="center")
    if columns:
        axes.set_xticks([])
        above = axes.get_xaxis_transform() + ScaledTranslation(0, pad, figure.dpi_scale_trans)
        for place, name in enumerate(columns):
            words = axes.text(place, 1, short_name(name), transform=above, fontsize=size)
            words.set(ha="center", va="bottom", rotation=90)


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
