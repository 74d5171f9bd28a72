"""Drawings of two correlated regressors: over time, and their estimates over voxels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boldglm.glm import Design
from boldglm.glm.arrays.types import RealArray
from boldglm.glm.design.names import short_name
from boldglm.glm.design.regressor_pairs import (
    BOTH,
    FIRST,
    SECOND,
    WITHOUT,
    Estimate,
    RegressorPair,
    orthogonalized_columns,
)
from boldglm.io.outputs.measured_pairs import LEVELS_OF_GRAY, Density, MeasuredPair
from boldglm.reports.content import Figure
from boldglm.reports.drawing import INCH, PAGE_WIDTH, Axes, nice_ticks
from boldglm.reports.drawing import short_name as cut_name
from boldglm.reports.svg import BLUE, ORANGE, RULE, Drawing

_STRIP, _STEP = 0.75 * INCH, 1.1 * INCH
_PANEL, _DOWN = 2.05 * INCH, 2.85 * INCH
_N_COLUMNS = 3  # of densities, which are stored row by row
_WHITE, _DARKEST = np.array([255.0, 255, 255]), np.array([16.0, 52, 96])


def draw_pair_over_time(design: Design, pair: RegressorPair, path: Path) -> Figure:
    """Draw two regressors over time, what they share and what each has alone.

    Parameters
    ----------
    design : Design
        The design before any orthogonalization.
    pair : RegressorPair
        Two of its regressors.
    path : Path
        The ``.svg`` file to write.
    """
    a, b = short_name(pair.first), short_name(pair.second)
    times = np.asarray(design.frame_times)
    columns = [
        _centered(design.matrix[:, design.index(name)]) for name in (pair.first, pair.second)
    ]
    drawing = Drawing()
    strips = [(f"{a} (blue) and {b} (orange)", columns[0], columns[1])]
    shares = []
    for each, name, other in ((pair, b, a), (pair.swapped, a, b)):
        column, alone = _parts(design, each)
        share = 1 - float(alone @ alone) / (float(column @ column) or 1.0)
        shares.append(share)
        strips.append(
            (
                f"{name}: what {other} explains of it (blue, {100 * share:.0f} %), and what it "
                "has alone (orange)",
                column - alone,
                alone,
            )
        )
    for row, (title, first, second) in enumerate(strips):
        _draw_strip(drawing, row, times, title, (first, second), is_last=row == len(strips) - 1)
    return Figure(
        drawing.save(path),
        f"{a} and {b} over time, and what is left of each if the other is taken out (adjusted "
        f"for drift and confounds). Orthogonalizing {b} with respect to {a} keeps the orange "
        "curve of the second row only.",
        f"Three rows of curves over the run: {a} and {b}; {b} split into "
        f"{100 * shares[0]:.0f} % that {a} explains and the rest; {a} split into "
        f"{100 * shares[1]:.0f} % that {b} explains and the rest.",
    )


def _centered(column: RealArray) -> RealArray:
    return np.asarray(column - column.mean())


def _parts(design: Design, pair: RegressorPair) -> tuple[RealArray, RealArray]:
    """Return the second regressor of a pair, and the part of it that it has alone."""
    alone = orthogonalized_columns(design, pair)[:, pair.second_columns.index(pair.second)]
    return _centered(design.matrix[:, design.index(pair.second)]), _centered(alone)


def _draw_strip(
    drawing: Drawing,
    row: int,
    times: RealArray,
    title: str,
    curves: tuple[RealArray, RealArray],
    *,
    is_last: bool,
) -> None:
    low = min(float(curve.min()) for curve in curves)
    high = max(float(curve.max()) for curve in curves)
    room = 0.05 * (high - low or 1.0)
    span = (float(times[0]), float(times[-1]) if times[-1] > times[0] else float(times[0]) + 1)
    width = PAGE_WIDTH - INCH
    axes = Axes(drawing, 0, row * _STEP, width, _STRIP, span, (low - room, high + room))
    axes.axis_left(ticks=nice_ticks(low, high, 3))
    axes.title(title)
    drawing.line([0, width], [float(axes.up([0.0])[0])] * 2, RULE, 0.6)
    for curve, color in zip(curves, (BLUE, ORANGE), strict=True):
        drawing.line(axes.across(times), axes.up(curve), color, 1.2)
    if is_last:
        axes.axis_below("time (s)")


def draw_pair_estimates(measured: MeasuredPair, path: Path) -> tuple[Figure, ...]:
    """Draw the estimates of two regressors in three models against each other, over voxels.

    Parameters
    ----------
    measured : MeasuredPair
        The estimates.
    path : Path
        Without the ending.

    Returns
    -------
    tuple of Figure
        Leaving one out; orthogonalizing; one against the other.
    """
    a, b = short_name(measured.pair.first), short_name(measured.pair.second)
    captions = (
        f"Left out: {a} without {b}, and {b} without {a}, against the estimates with both. Each "
        f"dot is one or more of {measured.n_voxels:,} voxels, darker where more are; the line is "
        "equality. With prewhitening, models without one of them are prewhitened as the fit is.",
        f"Orthogonalized: {b} orthogonalized gives {a} the estimate, or nearly that, which {a} "
        f"has without {b} (above). The estimate of {b} is the one with both (below).",
        f"Together: {a} against {b}, with both (above) and with {b} orthogonalized (below). With "
        "both, noise that makes one too large makes the other too small if they correlate "
        "positively.",
    )
    return tuple(
        _draw_column(measured, measured.densities[number::_N_COLUMNS], caption,
                     path.with_name(f"{path.name}{number + 1}.svg"))
        for number, caption in enumerate(captions)
    )  # fmt: skip


def _draw_column(
    measured: MeasuredPair, densities: Sequence[Density], caption: str, path: Path
) -> Figure:
    a, b = short_name(measured.pair.first), short_name(measured.pair.second)
    drawing = Drawing()
    for row, density in enumerate(densities):
        _draw_density(drawing, row, density, measured)
    return Figure(
        drawing.save(path),
        caption,
        "Densities over voxels. "
        + " ".join(
            f"{_name(one.up, a, b)} against {_name(one.across, a, b)}: r = "
            f"{one.correlation:z.2f}.".replace("-", "−")
            for one in densities
        ),
    )


def _draw_density(drawing: Drawing, row: int, density: Density, measured: MeasuredPair) -> None:
    a, b = short_name(measured.pair.first), short_name(measured.pair.second)
    ends = (-measured.limit, measured.limit)
    top = row * _DOWN
    axes = Axes(drawing, 0, top, _PANEL, _PANEL, ends, ends)
    drawing.picture(0, top, _PANEL, _PANEL, _colors(density))
    drawing.line(axes.across(ends), axes.up(ends), ORANGE, 0.8)
    ticks = nice_ticks(*ends, 4)
    axes.axis_below(_label(density.across, measured, a, b), ticks)
    axes.axis_left(_label(density.up, measured, a, b), ticks)
    axes.title(f"r = {density.correlation:z.2f}".replace("-", "−"))


def _label(estimate: Estimate, measured: MeasuredPair, a: str, b: str) -> str:
    spread = measured.spread.get(estimate)
    words = _name(estimate, cut_name(a, 16), cut_name(b, 16))
    return words if spread is None else f"{words}, SD {spread[0]:.2g}"


def _name(estimate: Estimate, a: str, b: str) -> str:
    """Return an estimate in words, such as ``cue without target``."""
    what, model = estimate
    name, other = (a, b) if what == FIRST else (b, a)
    if model == WITHOUT:
        return f"{name} without {other}"
    if model == BOTH:
        return f"{name} with {other}"
    return f"{b}, orthogonalized" if what == SECOND else f"{a}, {b} orthogonalized"


def _colors(density: Density) -> NDArray[np.uint8]:
    levels = np.array([[int(digit) for digit in row] for row in density.rows])
    share = np.clip(levels / LEVELS_OF_GRAY, 0, 1)[..., np.newaxis]
    visible = np.where(levels[..., np.newaxis] > 0, 0.12 + 0.88 * share, 0.0)
    return np.rint(_WHITE + visible * (_DARKEST - _WHITE)).astype(np.uint8)
