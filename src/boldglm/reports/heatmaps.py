"""Heat maps: correlations of regressors and trials, and contrast weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.drawing import (
    BLUE,
    INK,
    ORANGE,
    RED,
    RULE,
    SOFT,
    borders,
    check_columns,
    inch_axes,
    name_cells,
    short_name,
    svg_figure,
)

HIGH_VIF = 5.0  # the variance of the estimate is five times that of an uncorrelated regressor
MOST_NUMBERED = 12  # rows or columns up to which cells carry numbers
_DIVERGING = LinearSegmentedColormap.from_list("boldglm", [BLUE, "#ffffff", ORANGE])
_TRIALS_SIDE = 4.2  # inches of the matrix of all trials
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
    with svg_figure(path, width=cell * n + 6.5, height=cell * n + 3.5) as figure:
        heat = inch_axes(figure, 2.5, 2.5, cell * n, cell * n)
        # the diagonal is 1 by definition and would dominate the picture
        others = np.where(np.eye(n, dtype=bool), 0.0, correlations)
        _heat(heat, others, 1.0, format_spec="z.2f", is_numbered=n <= MOST_NUMBERED)
        name_cells(heat, names, names)
        bars = inch_axes(figure, 2.5 + cell * n + 0.3, 2.5, 1.7, cell * n)
        _vif_bars(bars, np.asarray(vif, dtype=float))
    return path


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
    cell = min(_cell_size(n_columns), 0.42)
    with svg_figure(path, width=cell * n_columns + 4, height=0.26 * n_rows + 3.5) as figure:
        heat = inch_axes(figure, 2.5, 2.5, cell * n_columns, 0.26 * n_rows)
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
            heat.text(
                0,
                -0.08 / (0.26 * n_rows),
                f"{n_hidden} more {noun} weight 0 in all contrasts",
                transform=heat.transAxes,
                va="top",
                color=SOFT,
            )
    return path


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
    # the diagonal is 1 by definition and would dominate the picture
    others = np.where(np.eye(n, dtype=bool), 0.0, correlations)[np.ix_(order, order)]
    largest = max(float(abs(others).max()), 0.1)
    ends = np.cumsum([0, *(count for _, count in groups)])
    with svg_figure(path, width=9.0, height=8.0) as figure:
        heat = inch_axes(figure, 2.5, 2.5, _TRIALS_SIDE, _TRIALS_SIDE)
        image = heat.imshow(
            others, cmap=_DIVERGING, vmin=-largest, vmax=largest, interpolation="none"
        )
        heat.spines[:].set_visible(False)
        names = [short_name(name) for name, _ in groups]
        centers = (ends[:-1] + ends[1:] - 1) / 2
        heat.set_xticks(centers, names, rotation=90)
        heat.set_yticks(centers, names)
        heat.tick_params(length=0, labeltop=True, labelbottom=False, pad=4)
        for end in ends[1:-1]:
            heat.axhline(end - 0.5, color=SOFT, lw=0.7)
            heat.axvline(end - 0.5, color=SOFT, lw=0.7)
        bar = inch_axes(figure, 2.5 + _TRIALS_SIDE + 0.25, 2.5, 0.12, 0.4 * _TRIALS_SIDE)
        figure.colorbar(image, cax=bar, label="correlation")
    return path


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
    """Inches of one cell: large enough for a number, or small enough for many."""
    return 0.42 if n <= MOST_NUMBERED else float(np.clip(5.0 / n, 0.15, 0.3))


def _heat(
    axes: Axes, matrix: RealArray, largest: float, *, format_spec: str, is_numbered: bool
) -> None:
    """Blue for negative, white for zero, orange for positive; undefined cells stay gray."""
    axes.set_facecolor(RULE)
    axes.imshow(
        matrix, cmap=_DIVERGING, vmin=-largest, vmax=largest, aspect="auto", interpolation="none"
    )
    rows, columns = matrix.shape
    borders(axes, columns, rows, width=1)
    borders(axes, rows, columns, across=True, width=1)
    axes.spines[:].set_visible(False)
    if not is_numbered:
        return
    for (row, column), value in np.ndenumerate(matrix):
        if value == 0:
            continue
        is_dark = abs(value) > _DARK_CELL * largest
        axes.text(
            column,
            row,
            "n/a" if np.isnan(value) else format(value, format_spec).replace("-", "−"),
            ha="center",
            va="center",
            fontsize=7.5,
            color="w" if is_dark else INK,
        )


def _vif_bars(axes: Axes, vif: RealArray) -> None:
    finite = vif[np.isfinite(vif)]
    limit = max(10.0, float(finite.max()) * 1.3 if finite.size else 10.0)
    for row, value in enumerate(vif):
        color = BLUE if value <= HIGH_VIF else ORANGE if np.isfinite(value) else RED
        end = value if np.isfinite(value) else limit
        # an uncorrelated condition has VIF 1 and a bar of length zero: keep it visible
        axes.barh(row, max(end, 1.03) - 1, left=1, height=0.62, color=color, lw=0)
        text = "∞" if not np.isfinite(value) else f"{value:.1f}" if value < 100 else f"{value:.0f}"
        axes.annotate(
            text,
            (end, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=8 if np.isfinite(value) else 10,
            fontweight="normal" if color == BLUE else "bold",
        )
    axes.axvline(HIGH_VIF, color=SOFT, lw=0.7, ls=":")
    axes.set_xscale("log")
    axes.set_xlim(1, limit)
    ticks = [tick for tick in (1, 2, 5, 10, 100, 1000, 10000) if tick <= limit]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks([])
    axes.set_ylim(len(vif) - 0.5, -0.5)
    axes.set_xlabel("variance inflation")
    axes.spines["left"].set_color(RULE)
