"""Drawings of the design: matrix, regressors over time, effect of orthogonalization."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.drawing import (
    INCH,
    PAGE_WIDTH,
    Axes,
    borders,
    check_columns,
    name_cells,
    nice_ticks,
    short_name,
)
from boldglm.reports.svg import BLUE, ORANGE, RULE, SOFT, Drawing

Events = Sequence[tuple[str, Sequence[float], Sequence[float]]]  # (name, onsets, durations)

_STRIP_MARGIN = 2.0 * INCH  # for names left of a strip
_STRIP_WIDTH = PAGE_WIDTH - _STRIP_MARGIN - 0.4 * INCH
_STRIP_GAP = 0.08 * INCH
_MOST_NAMED = 35  # rows of a design matrix whose names fit beside them


def plot_design_matrix(
    matrix: RealArray, names: Sequence[str], path: Path, *, rows: Sequence[str] | None = None
) -> Path:
    """Draw the design as a gray picture, one column for each regressor, scans downwards.

    Parameters
    ----------
    matrix : ndarray of shape (n_scans, n_regressors)
        The design as it was fitted.
    names : sequence of str
        One for each regressor.
    path : Path
        The ``.svg`` file to write.
    rows : sequence of str, optional
        Names of the inputs of a higher level, written beside them where there is room; by default
        rows are volumes, which are numbered.

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
    column = float(np.clip(5.4 / n_regressors, 0.14, 0.42)) * INCH
    # a single scan (a group design of one) is still drawn as a band
    width, height = column * n_regressors, float(np.clip(0.12 * n_scans, 0.4, 4.2)) * INCH
    drawing = Drawing()
    axes = Axes(drawing, 0, 0, width, height, y=(n_scans - 0.5, -0.5))
    gray = np.rint((_scaled_columns(matrix) + 1) / 2 * 255).astype(np.uint8)
    drawing.picture(0, 0, width, height, gray)
    borders(axes, n_regressors)
    name_cells(axes, columns=names, size=8 if column > 0.16 * INCH else 7)
    if rows is not None and n_scans <= _MOST_NAMED:
        name_cells(axes, rows=rows, size=7)
    else:
        ticks = [tick for tick in nice_ticks(0, n_scans - 1, 8) if tick % 1 == 0]
        axes.axis_left("volume" if rows is None else "input", ticks)
    drawing.line([0, width, width, 0], [0, 0, height, height], SOFT, 0.6)
    return drawing.save(path)


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
    height = (0.62 if n_strips <= 4 else 0.44 if n_strips <= 16 else 0.26) * INCH
    step = height + _STRIP_GAP
    drawing = Drawing()
    axes = Axes(
        drawing, 0, 0, _STRIP_WIDTH, n_strips * step - _STRIP_GAP, time_span(frame_times, bars)
    )
    axes.axis_below("time (s)")
    for row, name in enumerate([*names, *others]):
        strip = _Strip(axes, row * step + height, height)
        strip.label(name, is_last=row == n_strips - 1)
        if row < len(names):
            strip.curve(frame_times, matrix[:, row])
        if name in bars:
            strip.events(*bars[name])
    return drawing.save(path)


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
    height, step, width = 0.75 * INCH, 1.08 * INCH, PAGE_WIDTH - INCH
    span = time_span(frame_times, {})
    drawing = Drawing()
    for row, name in enumerate(names_changed):
        columns = np.stack([before[:, row], after[:, row], np.zeros(len(before))])
        low, high = float(columns.min()), float(columns.max())
        room = 0.05 * (high - low or 1.0)
        axes = Axes(drawing, 0, row * step, width, height, span, (low - room, high + room))
        axes.axis_left(ticks=nice_ticks(low, high, 3))
        drawing.line(axes.across(span), axes.up([0, 0]), RULE, 0.6)
        times = axes.across(frame_times)
        drawing.line(times, axes.up(before[:, row]), SOFT, 1, dashes="3.7 1.6")
        drawing.line(times, axes.up(after[:, row]), BLUE, 1.3)
        change = _change_text(before[:, row], after[:, row])
        axes.title(f"{short_name(name, 60)}: {change}")
        if row == 0:
            _legend(axes)
        if row == len(names_changed) - 1:
            axes.axis_below("time (s)")
        else:
            drawing.line([0, width], [axes.top + height] * 2, RULE, 0.6)
    return drawing.save(path)


def _legend(axes: Axes) -> None:
    right, height = axes.left + axes.width, axes.top - 9
    for left, words, color, dashes in (
        (right - 120, "before", SOFT, "3.7 1.6"),
        (right - 55, "after", BLUE, ""),
    ):
        axes.drawing.line([left, left + 18], [height] * 2, color, 1.2, dashes=dashes)
        axes.drawing.text(left + 23, height, words)


def _scaled_columns(matrix: RealArray) -> RealArray:
    largest = np.abs(matrix).max(axis=0)
    return matrix / np.where(largest > 0, largest, 1)


@dataclass(frozen=True)
class _Strip:
    """A part of axes for one regressor."""

    axes: Axes
    bottom: float  # points
    height: float  # points

    def label(self, name: str, *, is_last: bool) -> None:
        """Write a name to the left, and draw a line below."""
        self._write(-0.3 * INCH, self.bottom - self.height / 2, short_name(name, 28))
        if not is_last:  # below the last one is the axis
            self._rule(self.bottom)

    def curve(self, times: RealArray, values: RealArray) -> None:
        """Draw a curve in its own scale, with room for bars below."""
        lowest, highest = float(min(values.min(), 0)), float(max(values.max(), 0))
        extent = (highest - lowest) or 1.0
        per_unit = self.height / (1.38 * extent)
        heights = self.bottom - (values - lowest + 0.3 * extent) * per_unit
        zero = self.bottom - (0.3 * extent - lowest) * per_unit
        self._rule(zero)
        self.axes.drawing.line(self.axes.across(times), heights, BLUE)
        for tick in (lowest, highest):
            if abs(tick) > 0.25 * extent:
                text = f"{tick:.2g}".replace("-", "−")
                self._write(-0.03 * INCH, zero - tick * per_unit, text, color=SOFT, size=7)

    def events(self, onsets: Sequence[float], durations: Sequence[float]) -> None:
        """Draw bars along the lower edge; an event without duration is a thin line."""
        starts = self.axes.across(onsets)
        ends = self.axes.across(np.add(onsets, durations))
        if starts.size:
            top, height = self.bottom - 0.15 * self.height, 0.13 * self.height
            boxes = [
                (start, top, end - start, height) for start, end in zip(starts, ends, strict=True)
            ]
            self.axes.drawing.boxes(boxes, ORANGE, edge=0.5)

    def _rule(self, height: float) -> None:
        left = self.axes.left
        self.axes.drawing.line([left, left + self.axes.width], [height] * 2, RULE, 0.6)

    def _write(self, left: float, height: float, text: str, **style: Any) -> None:
        """Write right up to a point left of the strip."""
        self.axes.drawing.text(left, height, text, align="right", **style)


def time_span(
    frame_times: RealArray, bars: dict[str, tuple[Sequence[float], Sequence[float]]]
) -> tuple[float, float]:
    """Return the first and the last time of a drawing: of all scans, and of events outside.

    Parameters
    ----------
    frame_times : ndarray of shape (n_scans,)
        In seconds.
    bars : dict of str to (onsets, durations)
        Events by their names.

    Returns
    -------
    (float, float)
        In seconds.
    """
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
