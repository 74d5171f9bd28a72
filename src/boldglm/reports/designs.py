"""Drawings of the design: matrix, regressors over time, effect of orthogonalization."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.drawing import (
    BLUE,
    INK,
    ORANGE,
    PAGE_WIDTH,
    RULE,
    SOFT,
    borders,
    check_columns,
    inch_axes,
    name_cells,
    short_name,
    svg_figure,
)

Events = Sequence[tuple[str, Sequence[float], Sequence[float]]]  # (name, onsets, durations)

_BOX = [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY]
_STRIP_MARGIN = 2.0  # inches for names left of a strip
_STRIP_WIDTH = PAGE_WIDTH - _STRIP_MARGIN - 0.4


def plot_design_matrix(matrix: RealArray, names: Sequence[str], path: Path) -> Path:
    """Draw the design as a gray picture, one column for each regressor, scans downwards.

    Parameters
    ----------
    matrix : ndarray of shape (n_scans, n_regressors)
        The design as it was fitted.
    names : sequence of str
        One for each regressor.
    path : Path
        The ``.svg`` file to write.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If the matrix has not one column for each name.

    Notes
    -----
    Every column is divided by its largest absolute value, so mid gray is zero, white the
    positive and black the negative extreme of that column.
    """
    check_columns(matrix, names, "design matrix")
    n_scans, n_regressors = matrix.shape
    column = float(np.clip(5.4 / n_regressors, 0.14, 0.42))
    # a single scan (a group design of one) is still drawn as a band
    width, height = column * n_regressors, float(np.clip(0.12 * n_scans, 0.4, 4.2))
    with svg_figure(path, width=width + 3, height=height + 3) as figure:
        axes = inch_axes(figure, 1, 2.5, width, height)
        _gray_picture(axes, _scaled_columns(matrix))
        borders(axes, n_regressors, n_scans)
        name_cells(axes, columns=names, size=8 if column > 0.16 else 7)
        axes.tick_params(axis="y", length=2)
        axes.set_ylabel("volume")
        axes.locator_params(axis="y", integer=True)
        axes.set_ylim(n_scans - 0.5, -0.5)
        axes.spines[:].set_visible(True)
    return path


def plot_regressors(
    matrix: RealArray,
    names: Sequence[str],
    frame_times: RealArray,
    path: Path,
    events: Events | None = None,
) -> Path:
    """Draw each condition's regressor over time, with its events as bars below the curve.

    Each regressor has a strip of its own, with its own scale: curves on top of each
    other cannot be told apart from the third on.

    Parameters
    ----------
    matrix : ndarray of shape (n_scans, n_conditions)
        Columns of the design that belong to conditions.
    names : sequence of str
        One for each column.
    frame_times : ndarray of shape (n_scans,)
        Seconds from the start of the run.
    path : Path
        The ``.svg`` file to write.
    events : sequence of (name, onsets, durations), optional
        In seconds. Events with the name of a column are drawn in its strip; any
        others in strips of their own below, so none goes unseen.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If lengths do not agree.
    """
    check_columns(matrix, names, "matrix of condition regressors")
    _check_times(matrix, frame_times)
    bars = {name: (onsets, durations) for name, onsets, durations in events or ()}
    others = [name for name in bars if name not in names]
    n_strips = len(names) + len(others)
    height = 0.62 if n_strips <= 4 else 0.44 if n_strips <= 16 else 0.26
    step = height + 0.08
    span = _time_span(frame_times, bars)
    with svg_figure(path, width=PAGE_WIDTH, height=n_strips * step + 1) as figure:
        # one pair of axes, in inches from the top, for all strips: each pair takes its time
        axes = inch_axes(figure, _STRIP_MARGIN, 0.2, _STRIP_WIDTH, n_strips * step - 0.08)
        axes.set(xlim=span, ylim=(n_strips * step - 0.08, 0), yticks=[], xlabel="time (s)")
        axes.spines["left"].set_visible(False)
        for row, name in enumerate([*names, *others]):
            strip = _Strip(axes, row * step + height, height)
            strip.label(name, is_last=row == n_strips - 1)
            if row < len(names):
                strip.curve(frame_times, matrix[:, row])
            if name in bars:
                strip.events(*bars[name])
    return path


def plot_orthogonalization(
    before: RealArray,
    after: RealArray,
    names_changed: Sequence[str],
    frame_times: RealArray,
    path: Path,
) -> Path:
    """Draw each orthogonalized regressor as it was (dashed) and as it was fitted (solid).

    Orthogonalization changes what a parameter means; a reader should see by how much.

    Parameters
    ----------
    before, after : ndarray of shape (n_scans, n_changed)
        The changed columns.
    names_changed : sequence of str
        One for each column.
    frame_times : ndarray of shape (n_scans,)
        Seconds from the start of the run.
    path : Path
        The ``.svg`` file to write.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If shapes do not agree.

    Notes
    -----
    Each title gives the Pearson correlation r of the column before with the column after,
    and the share of the column's variance that is left. A column that was explained
    entirely has none left, and no correlation.
    """
    check_columns(before, names_changed, "matrix before orthogonalization")
    check_columns(after, names_changed, "matrix after orthogonalization")
    _check_times(before, frame_times)
    _check_times(after, frame_times)
    height, step, n_strips = 0.75, 1.08, len(names_changed)
    with svg_figure(path, width=PAGE_WIDTH, height=n_strips * step + 1) as figure:
        for row, name in enumerate(names_changed):
            axes = inch_axes(figure, 0.6, 0.4 + row * step, PAGE_WIDTH - 1, height)
            axes.plot(frame_times, before[:, row], "--", color=SOFT, lw=1, label="before")
            axes.plot(frame_times, after[:, row], color=BLUE, lw=1.3, label="after")
            axes.axhline(0, color=RULE, lw=0.6, zorder=0)
            change = _change_text(before[:, row], after[:, row])
            axes.set_title(f"{short_name(name, 60)}: {change}", color=INK, pad=4)
            axes.set_xlim(frame_times[0], frame_times[-1])
            axes.locator_params(axis="y", nbins=3)
            if row == 0:
                axes.legend(
                    loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8
                )
            _time_axis(axes, is_last=row == n_strips - 1)
    return path


def _scaled_columns(matrix: RealArray) -> RealArray:
    largest = np.abs(matrix).max(axis=0)
    return matrix / np.where(largest > 0, largest, 1)


def _gray_picture(axes: Axes, picture: RealArray) -> None:
    # interpolation="none" embeds the matrix itself and leaves scaling to the reader's program
    axes.imshow(picture, cmap="gray", vmin=-1, vmax=1, aspect="auto", interpolation="none")


@dataclass(frozen=True)
class _Strip:
    """A part of axes, which are in inches from the top, for one regressor."""

    axes: Axes
    bottom: float
    height: float

    def label(self, name: str, *, is_last: bool) -> None:
        """Write a name to the left, and draw a line below."""
        middle = self.bottom - self.height / 2
        self._write(-0.3, middle, short_name(name, 28))
        if not is_last:  # below the last one is the axis
            self.axes.axhline(self.bottom, color=RULE, lw=0.6)

    def curve(self, times: RealArray, values: RealArray) -> None:
        """Draw a curve in its own scale, with room for bars below."""
        lowest, highest = float(min(values.min(), 0)), float(max(values.max(), 0))
        extent = (highest - lowest) or 1.0
        per_unit = self.height / (1.38 * extent)
        heights = self.bottom - (values - lowest + 0.3 * extent) * per_unit
        zero = self.bottom - (0.3 * extent - lowest) * per_unit
        self.axes.axhline(zero, color=RULE, lw=0.6, zorder=0)
        self.axes.plot(times, heights, color=BLUE)
        for tick in (lowest, highest):
            if abs(tick) > 0.25 * extent:
                text = f"{tick:.2g}".replace("-", "−")
                self._write(-0.03, zero - tick * per_unit, text, color=SOFT, fontsize=7)

    def events(self, onsets: Sequence[float], durations: Sequence[float]) -> None:
        """Draw bars along the lower edge; an event without duration is a thin line."""
        starts = np.asarray(onsets, dtype=float)
        ends = starts + np.asarray(durations, dtype=float)
        low, high = self.bottom - 0.02 * self.height, self.bottom - 0.15 * self.height
        boxes = [
            Outline([(start, low), (start, high), (end, high), (end, low), (start, low)], _BOX)
            for start, end in zip(starts, ends, strict=True)
        ]
        if boxes:
            # one path of many boxes is a fraction of the file that many paths would be
            outline = Outline.make_compound_path(*boxes)
            self.axes.add_artist(PathPatch(outline, fc=ORANGE, ec=ORANGE, lw=0.5))

    def _write(self, inches: float, height: float, text: str, **style: Any) -> None:
        """Write right up to a point left of the strip."""
        place = self.axes.get_yaxis_transform()  # fraction of the width across
        left = inches / _STRIP_WIDTH
        self.axes.text(left, height, text, transform=place, ha="right", va="center", **style)


def _time_axis(axes: Axes, *, is_last: bool) -> None:
    if is_last:
        axes.set_xlabel("time (s)")
    else:
        axes.tick_params(axis="x", labelbottom=False, length=0)
        axes.spines["bottom"].set_color(RULE)


def _time_span(
    frame_times: RealArray, bars: dict[str, tuple[Sequence[float], Sequence[float]]]
) -> tuple[float, float]:
    """From the first to the last scan, and to events that lie outside of them."""
    first, last = float(frame_times[0]), float(frame_times[-1])
    for onsets, durations in bars.values():
        if len(onsets):
            first = min(first, float(np.min(onsets)))
            last = max(last, float(np.max(np.add(onsets, durations))))
    return first, last if last > first else first + 1.0


def _change_text(before: RealArray, after: RealArray) -> str:
    """Describe how similar a column is before and after."""
    total = float(np.var(before))
    left = float(np.var(after)) / total if total > 0 else 0.0
    if left < 1e-12:
        return "no variance is left"
    correlation = f"{np.corrcoef(before, after)[0, 1]:.2f}".replace("-", "−")
    return f"r = {correlation} between before and after, {100 * left:.0f}% of its variance left"


def _check_times(matrix: RealArray, frame_times: RealArray) -> None:
    if np.shape(frame_times) != (len(matrix),):
        raise ValueError(
            f"there are {np.size(frame_times)} frame times but the matrix has {len(matrix)} rows; "
            "expected one time for each scan."
        )
