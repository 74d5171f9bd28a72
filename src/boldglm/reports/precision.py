"""Predicted standard errors of contrasts, beside those of uncorrelated regressors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.content import Figure
from boldglm.reports.drawing import INCH, PAGE_WIDTH, Axes, short_name
from boldglm.reports.svg import BLUE, ORANGE, RULE, SOFT, Drawing

_ROW = 0.34 * INCH
_NAMES = 2.3 * INCH  # left of the axes
_ROOM = 1.08  # of the axis, in largest values


@dataclass(frozen=True)
class PlannedErrors:
    """The predicted standard errors of a contrast.

    Parameters
    ----------
    name : str
        Name of the contrast.
    errors : ndarray of shape (n_runs,)
        That of each run that can estimate the contrast.
    alone : ndarray of shape (n_runs,)
        What it would be if the regressors were uncorrelated; NaN if that is not known.
    """

    name: str
    errors: RealArray
    alone: RealArray

    @property
    def median_alone(self) -> float:
        """Median over the runs where it is known, else NaN."""
        known = self.alone[np.isfinite(self.alone)]
        return float(np.median(known)) if known.size else float("nan")


def draw_precision(contrasts: Sequence[PlannedErrors], path: Path) -> Figure:
    """Draw the standard error of every contrast in every run.

    Parameters
    ----------
    contrasts : sequence of PlannedErrors
        Those that some run can estimate; at least one.
    path : Path
        The ``.svg`` file to write.

    Returns
    -------
    Figure
        With its caption and alternative text.
    """
    drawing = Drawing()
    largest = _ROOM * max(float(each.errors.max()) for each in contrasts)
    height = _ROW * len(contrasts)
    axes = Axes(drawing, 0, 0, PAGE_WIDTH - _NAMES, height, (0.0, largest))
    for place, each in enumerate(contrasts):
        _draw_row(axes, each, _ROW * (place + 0.5))
    axes.axis_below("predicted standard error (noise of SD 1)")
    return Figure(
        drawing.save(path),
        "Predicted standard error of each contrast in each run (dots, median as a line), and the "
        "median that a t contrast would have with uncorrelated regressors (orange rings): the "
        "distance between the two is what the correlations cost.",
        _alternative(contrasts),
    )


def _draw_row(axes: Axes, shown: PlannedErrors, middle: float) -> None:
    drawing = axes.drawing
    drawing.line([axes.left, axes.left + axes.width], [middle] * 2, RULE, 0.6)
    drawing.text(axes.left - 6, middle, short_name(shown.name), align="right")
    (median,) = axes.across([float(np.median(shown.errors))])
    alone = shown.median_alone
    if np.isfinite(alone):
        (start,) = axes.across([alone])
        drawing.line([start, median], [middle] * 2, SOFT, 1.4)
    places = axes.across(shown.errors)
    drawing.dots(places, np.full(len(places), middle), BLUE, 4)
    if np.isfinite(alone):
        drawing.dots([start], [middle], ORANGE, 7, is_hollow=True)
    drawing.line([median, median], [middle - 0.28 * _ROW, middle + 0.28 * _ROW], BLUE, 1.6)


def _alternative(contrasts: Sequence[PlannedErrors]) -> str:
    """Say the numbers of a drawing.

    Examples
    --------
    >>> _alternative([PlannedErrors("cue", np.array([0.3, 0.4]), np.array([0.2, 0.2]))])
    'Medians of predicted standard errors: cue 0.35, 0.2 with uncorrelated regressors.'
    """
    words = []
    for each in contrasts:
        alone = each.median_alone
        beside = f", {alone:.3g} with uncorrelated regressors" if np.isfinite(alone) else ""
        words.append(f"{each.name} {np.median(each.errors):.3g}{beside}")
    return f"Medians of predicted standard errors: {'; '.join(words)}."
