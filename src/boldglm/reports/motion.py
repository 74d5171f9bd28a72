"""A drawing of head motion over time, above the events of the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import FloatArray, RealArray
from boldglm.reports.designs import Events, time_span
from boldglm.reports.drawing import INCH, PAGE_WIDTH, Axes, nice_ticks, short_name
from boldglm.reports.svg import BLUE, INK, ORANGE, RED, RULE, SOFT, Drawing

_WIDTH = PAGE_WIDTH - 2.4 * INCH  # as that of the regressors
_HEIGHT, _GAP = 0.95 * INCH, 0.22 * INCH
_EVENT_HEIGHT = 0.17 * INCH
_MOST_CONDITIONS = 16  # with a row each; the events of others are drawn in one row


@dataclass(frozen=True)
class TimeCourse:
    """A curve of the drawing.

    Parameters
    ----------
    name, unit : str
        Written to its left.
    values : ndarray of shape (n_scans,)
        NaN where they are not known.
    threshold : float, optional
        Drawn as a dashed line; values above it are marked.
    """

    name: str
    unit: str
    values: FloatArray
    threshold: float | None = None


def plot_motion(
    courses: Sequence[TimeCourse],
    frame_times: RealArray,
    path: Path,
    censored: Sequence[int] = (),
    events: Events = (),
) -> Path:
    """Draw time courses of motion in rows on one time axis with the events.

    Parameters
    ----------
    courses : sequence of TimeCourse
        A row for each.
    frame_times : ndarray of shape (n_scans,)
        Seconds from the start of the run.
    path : Path
        The ``.svg`` file to write.
    censored : sequence of int
        Volumes that are censored, counted from 0; gray bands through all rows.
    events : sequence of (name, onsets, durations)
        In seconds; a row of bars for each, or one row for all of very many.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If a time course has not one value for each volume, or there is none.
    """
    if not courses:
        raise ValueError("there is no time course to draw; expected one or more.")
    for course in courses:
        if course.values.shape != np.shape(frame_times):
            raise ValueError(
                f"there are {np.size(frame_times)} frame times but {course.name} has "
                f"{course.values.size} values; expected one for each scan."
            )
    rows = _rows_of_events(events)
    top_of_events = len(courses) * (_HEIGHT + _GAP)
    bottom = top_of_events + len(rows) * _EVENT_HEIGHT
    drawing = Drawing()
    span = time_span(
        np.asarray(frame_times), {name: (onsets, durations) for name, onsets, durations in rows}
    )
    whole = Axes(drawing, 0, 0, _WIDTH, bottom, span)
    _bands(whole, np.asarray(frame_times), censored)
    for row, course in enumerate(courses):
        _draw_course(drawing, row * (_HEIGHT + _GAP), span, course, np.asarray(frame_times))
    for row, (name, onsets, durations) in enumerate(rows):
        _draw_events(whole, top_of_events + row * _EVENT_HEIGHT, name, onsets, durations)
    whole.axis_below("time (s)")
    return drawing.save(path)


def _draw_course(
    drawing: Drawing,
    top: float,
    span: tuple[float, float],
    course: TimeCourse,
    frame_times: RealArray,
) -> None:
    known = course.values[np.isfinite(course.values)]
    largest = max([float(known.max(initial=0.0)), 1.2 * (course.threshold or 0.0)]) or 1.0
    axes = Axes(drawing, 0, top, _WIDTH, _HEIGHT, span, (0.0, 1.05 * largest))
    axes.axis_left(ticks=nice_ticks(0.0, largest, 4))
    words = [*course.name.split(), course.unit]
    for line, word in enumerate(words):
        height = top + _HEIGHT / 2 + 11 * (line - (len(words) - 1) / 2)
        color = SOFT if line == len(words) - 1 else INK
        drawing.text(-0.42 * INCH, height, word, color=color, align="right")
    times, heights = axes.across(frame_times), axes.up(course.values)
    drawing.line([0, _WIDTH], [top + _HEIGHT] * 2, RULE, 0.6)
    if course.threshold is not None:
        height = float(axes.up([course.threshold])[0])
        drawing.line([0, _WIDTH], [height] * 2, SOFT, 0.8, dashes="3.7 2.5")
        drawing.text(
            _WIDTH, height - 5, f"{course.threshold:g}", size=7, color=SOFT, align="right"
        )
    drawing.line(times, heights, BLUE)
    if course.threshold is not None:
        above = np.flatnonzero(np.nan_to_num(course.values) > course.threshold)
        if above.size:
            drawing.dots(times[above], heights[above], RED, 4.0)


def _bands(axes: Axes, frame_times: RealArray, censored: Sequence[int]) -> None:
    """Draw a gray band at every censored volume."""
    if not censored:
        return
    spacing = float(np.median(np.diff(frame_times))) if frame_times.size > 1 else 1.0
    starts = axes.across(frame_times[list(censored)] - spacing / 2)
    width = max(spacing / (axes.x[1] - axes.x[0]) * axes.width, 0.8)
    boxes = [(float(start), axes.top, width, axes.height) for start in starts]
    axes.drawing.boxes(boxes, RULE)


def _draw_events(
    axes: Axes, top: float, name: str, onsets: Sequence[float], durations: Sequence[float]
) -> None:
    middle = top + _EVENT_HEIGHT / 2
    axes.drawing.text(-0.1 * INCH, middle, short_name(name, 28), size=7.5, align="right")
    starts, ends = axes.across(onsets), axes.across(np.add(onsets, durations))
    height = 0.6 * _EVENT_HEIGHT
    boxes = [
        (float(start), middle - height / 2, float(end - start), height)
        for start, end in zip(starts, ends, strict=True)
    ]
    if boxes:
        axes.drawing.boxes(boxes, ORANGE, edge=0.5)


def _rows_of_events(events: Events) -> list[tuple[str, list[float], list[float]]]:
    rows = [(name, list(onsets), list(durations)) for name, onsets, durations in events]
    if len(rows) <= _MOST_CONDITIONS:
        return rows
    onsets = [onset for _, each, _ in rows for onset in each]
    durations = [duration for _, _, each in rows for duration in each]
    return [(f"events of {len(rows)} conditions", onsets, durations)]
