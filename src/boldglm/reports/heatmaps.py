"""Heat maps: correlations of regressors and trials, and contrast weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.drawing import (
    CELL_INK,
    CELL_PAPER,
    INCH,
    Axes,
    borders,
    check_columns,
    diverging,
    name_cells,
    nice_ticks,
    short_name,
    tick_names,
)
from boldglm.reports.svg import BLUE, ORANGE, RED, RULE, SOFT, Drawing

HIGH_VIF = 5.0  # the variance of the estimate is five times that of an uncorrelated regressor
MOST_NUMBERED = 12  # rows or columns up to which cells carry numbers
_TRIALS_SIDE = 4.2 * INCH  # of the matrix of all trials
_DARK_CELL = 0.6  # share of the color range from which numbers are printed in white


def plot_correlation(
    correlations: RealArray, names: Sequence[str], vif: RealArray, path: Path
) -> Path:
    """Draw the correlations of condition regressors and their variance inflation factors.

    Parameters
    ----------
    correlations : ndarray of shape (n_conditions, n_conditions)
        Pearson correlations.
    names : sequence of str
        One for each condition.
    vif : ndarray of shape (n_conditions,)
        Variance inflation factors, 1 to infinity. Above 5 they are drawn orange,
        infinite ones (a condition that the others explain exactly) red.
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
    """
    check_columns(correlations, names, "correlation matrix")
    n = len(names)
    if correlations.shape != (n, n) or np.shape(vif) != (n,):
        raise ValueError(
            f"the correlation matrix has shape {correlations.shape} and there are "
            f"{np.size(vif)} variance inflation factors; expected {(n, n)} and {n}, one row "
            "and one factor for each name."
        )
    cell = _cell_size(n)
    drawing = Drawing()
    heat = Axes(drawing, 0, 0, cell * n, cell * n)
    others = _without_diagonal(correlations)
    _heat(heat, others, 1.0, format_spec="z.2f", is_numbered=n <= MOST_NUMBERED)
    name_cells(heat, names, names)
    _vif_bars(drawing, cell, cell * n + 0.3 * INCH, np.asarray(vif, dtype=float))
    return drawing.save(path)


def plot_all_correlations(correlations: RealArray, names: Sequence[str], path: Path) -> Path:
    """Draw the correlations of all columns of a design, conditions and others.

    Parameters
    ----------
    correlations : ndarray of shape (n_columns, n_columns)
        Pearson correlations.
    names : sequence of str
        One for each column.
    path : Path
        The ``.svg`` file to write.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If there is not one name for each column.
    """
    check_columns(correlations, names, "correlation matrix")
    n = len(names)
    others = _without_diagonal(correlations)
    side = float(np.clip(0.15 * n, 1.5, 6.0)) * INCH
    drawing = Drawing()
    heat = Axes(drawing, 0, 0, side, side)
    drawing.picture(0, 0, side, side, diverging(others, 1.0))
    name_cells(heat, names, names, size=float(np.clip(0.8 * side / n, 2.5, 8.0)))
    drawing.line([0, side, side, 0, 0], [0, 0, side, side, 0], SOFT, 0.7)
    _bar(drawing, side + 0.25 * INCH, 1.0)
    return drawing.save(path)


def plot_contrasts(
    weights: RealArray, contrast_names: Sequence[str], regressor_names: Sequence[str], path: Path
) -> Path:
    """Draw the weights of all contrasts, one row for each.

    Parameters
    ----------
    weights : ndarray of shape (n_rows, n_regressors)
        A t contrast has one row, an F contrast as many as it tests together.
    contrast_names : sequence of str
        One for each row.
    regressor_names : sequence of str
        One for each column.
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
    Regressors that no contrast weighs (mostly confounds and drifts) are counted below the
    picture rather than drawn.
    """
    check_columns(weights, regressor_names, "matrix of contrast weights")
    if len(weights) != len(contrast_names):
        raise ValueError(
            f"there are {len(weights)} rows of contrast weights but {len(contrast_names)} names; "
            "expected one name for each row."
        )
    used = np.any(weights != 0, axis=0)
    if not used.any():
        raise ValueError("all contrast weights are zero; there is nothing to draw.")
    shown = weights[:, used]
    n_rows, n_columns = shown.shape
    cell, row_height = _cell_size(n_columns), 0.26 * INCH
    drawing = Drawing()
    heat = Axes(drawing, 0, 0, cell * n_columns, row_height * n_rows)
    largest = float(np.abs(shown).max())
    _heat(heat, shown, largest, format_spec=".2g", is_numbered=n_columns <= MOST_NUMBERED)
    name_cells(
        heat,
        contrast_names,
        [name for name, is_used in zip(regressor_names, used, strict=True) if is_used],
    )
    if not used.all():
        n_hidden = int((~used).sum())
        noun = "regressor has" if n_hidden == 1 else "regressors have"
        words = f"{n_hidden} more {noun} weight 0 in all contrasts"
        drawing.text(0, heat.height + 12, words, color=SOFT)
    return drawing.save(path)


def plot_trial_correlations(
    correlations: RealArray, conditions: Sequence[str], path: Path
) -> Path:
    """Draw how the maps of single trials correlate, in blocks by condition.

    Parameters
    ----------
    correlations : ndarray of shape (n_trials, n_trials)
        Pearson correlations, trials in the order of time.
    conditions : sequence of str
        Condition of each trial.
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
    """
    check_columns(correlations, conditions, "matrix of correlations between trials")
    n = len(conditions)
    order, groups = group_order(conditions)
    others = _without_diagonal(correlations)[np.ix_(order, order)]
    largest = max(float(abs(others).max()), 0.1)
    drawing = Drawing()
    heat = Axes(drawing, 0, 0, _TRIALS_SIDE, _TRIALS_SIDE)
    drawing.picture(0, 0, heat.width, heat.height, diverging(others, largest))
    ends = np.cumsum([0, *(count for _, count in groups)]) * _TRIALS_SIDE / n
    for (name, _), middle in zip(groups, (ends[:-1] + ends[1:]) / 2, strict=True):
        drawing.text(-4, middle, short_name(name), align="right")
        drawing.text(middle, -4, short_name(name), is_upright=True)
    for end in ends[1:-1]:
        drawing.line([0, _TRIALS_SIDE], [end, end], SOFT, 0.7)
        drawing.line([end, end], [0, _TRIALS_SIDE], SOFT, 0.7)
    _bar(drawing, _TRIALS_SIDE + 0.25 * INCH, largest)
    return drawing.save(path)


def _without_diagonal(correlations: RealArray) -> RealArray:
    """Return correlations with 0 for the diagonal: it is 1 by definition, and would stand out."""
    return np.where(np.eye(len(correlations), dtype=bool), 0.0, correlations)


def _bar(drawing: Drawing, left: float, largest: float) -> None:
    """Draw the color bar of correlations."""
    width, height = 0.12 * INCH, 0.4 * _TRIALS_SIDE
    colors = diverging(np.linspace(largest, -largest, 101)[:, None], largest)
    drawing.picture(left, 0, width, height, colors)
    ticks = nice_ticks(-largest, largest, 8)
    names = tick_names(ticks)
    for tick, name in zip(ticks, names, strict=True):
        place = height * (1 - tick / largest) / 2
        drawing.line([left + width, left + width + 3], [place, place], SOFT, 0.6)
        drawing.text(left + width + 6, place, name)
    beside = left + width + 14 + 5.5 * max(map(len, names))
    drawing.text(beside, height / 2, "correlation", color=SOFT, align="center", is_upright=True)


def group_order(conditions: Sequence[str]) -> tuple[list[int], list[tuple[str, int]]]:
    """Return trials by condition, in their own order within, and how many each has.

    Examples
    --------
    >>> group_order(["stop", "go", "stop"])
    ([1, 0, 2], [('go', 1), ('stop', 2)])
    """
    names = sorted(set(conditions))
    order = [k for name in names for k, one in enumerate(conditions) if one == name]
    return order, [(name, sum(one == name for one in conditions)) for name in names]


def _cell_size(n: int) -> float:
    """Points of one cell: large enough for a number, or small enough for many."""
    return 0.42 * INCH if n <= MOST_NUMBERED else float(np.clip(5.0 / n, 0.15, 0.3)) * INCH


def _heat(
    axes: Axes, matrix: RealArray, largest: float, *, format_spec: str, is_numbered: bool
) -> None:
    """Draw cells, with their numbers if there are few."""
    axes.drawing.picture(axes.left, axes.top, axes.width, axes.height, diverging(matrix, largest))
    rows, columns = matrix.shape
    borders(axes, columns, width=1)
    borders(axes, rows, across=True, width=1)
    if not is_numbered:
        return
    for (row, column), value in np.ndenumerate(matrix):
        if value == 0:
            continue
        axes.drawing.text(
            axes.left + axes.width * (column + 0.5) / columns,
            axes.top + axes.height * (row + 0.5) / rows,
            "n/a" if np.isnan(value) else format(value, format_spec).replace("-", "−"),
            size=7.5,
            color=CELL_PAPER if abs(value) > _DARK_CELL * largest else CELL_INK,
            align="center",
        )


def _vif_bars(drawing: Drawing, cell: float, left: float, vif: RealArray) -> None:
    """Draw variance inflation factors as bars in the height of their rows."""
    finite = vif[np.isfinite(vif)]
    limit = max(10.0, float(finite.max()) * 1.3 if finite.size else 10.0)
    axes = Axes(drawing, left, 0, 1.7 * INCH, cell * len(vif), (0.0, float(np.log10(limit))))
    (high,) = axes.across([np.log10(HIGH_VIF)])
    for row, value in enumerate(vif):
        is_finite = bool(np.isfinite(value))
        color = BLUE if value <= HIGH_VIF else ORANGE if is_finite else RED
        # an uncorrelated condition has VIF 1 and a bar of length zero: keep it visible
        end = float(axes.across([np.log10(max(value if is_finite else limit, 1.03))])[0])
        middle = cell * (row + 0.5)
        drawing.boxes([(left, middle - 0.31 * cell, end - left, 0.62 * cell)], color)
        text = "∞" if not is_finite else f"{value:.1f}" if value < 100 else f"{value:.0f}"
        drawing.text(
            end + 4,
            middle,
            text,
            size=8 if is_finite else 10,
            color=color,
            is_bold=color != BLUE,
        )
    drawing.line([high, high], [0, axes.height], SOFT, 0.7, dashes="0.7 1.2")
    drawing.line([left, left], [0, axes.height], RULE, 0.6)
    ticks = [tick for tick in (1, 2, 5, 10, 100, 1000, 10000) if tick <= limit]
    places = np.log10(ticks).tolist()
    axes.axis_below("variance inflation", places, [str(tick) for tick in ticks])
