"""Single trials in the report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.content import Figure, Table
from boldglm.reports.views import Shading, View, draw_on_all


@dataclass(frozen=True)
class DrawnTrials:
    """Single trials to draw.

    Parameters
    ----------
    trial_type : tuple of str
        Condition of each trial.
    variance_factor : ndarray of shape (n_trials,)
        Variance of each estimate for white noise of variance 1.
    correlations : ndarray of shape (n_trials, n_trials)
        Between the t maps of trials, over voxels.
    spread : ndarray of shape (n_voxels,)
        Standard deviation of effects within conditions.
    """

    trial_type: tuple[str, ...]
    variance_factor: RealArray
    correlations: RealArray
    spread: RealArray


def draw_trials(
    shown: DrawnTrials, views: tuple[View, ...], folder: Path
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Draw how single trials correlate and where they vary, and tabulate them by condition."""
    from boldglm.reports import figures as draw

    alike = Figure(
        draw.plot_trial_correlations(
            shown.correlations, shown.trial_type, folder / "trialcorrelation.svg"
        ),
        "Correlations over voxels between the t maps of single trials, sorted by condition and "
        "time. Neighboring trials share volumes and noise, so they correlate even without a "
        "common response.",
        "Heat map of correlations between trials, in blocks by condition.",
    )
    if not shown.spread.any():  # no condition has two trials
        return (alike,), (_trials_table(shown),)
    least = float(np.median(shown.spread))
    spread = draw_on_all(
        views,
        shown.spread,
        Shading(least, statistic="SD", two_sided=False),
        folder / "trialspread",
        "Standard deviation of single-trial effects within conditions, noise included, where it "
        f"is above its median over voxels ({least:.3g})",
    )
    return (alike, *spread), (_trials_table(shown),)


def _trials_table(shown: DrawnTrials) -> Table:
    labels = np.array(shown.trial_type)
    rows = []
    for name in sorted(set(shown.trial_type)):
        own = labels == name
        within = shown.correlations[np.ix_(own, own)][~np.eye(int(own.sum()), dtype=bool)]
        across = shown.correlations[np.ix_(own, ~own)]
        factors = shown.variance_factor[own]
        rows.append(
            (
                name,
                str(int(own.sum())),
                f"{np.median(factors):.3g}",
                f"{factors.max():.3g}",
                _mean(within),
                _mean(across),
            )
        )
    return Table(
        (
            "Condition",
            "Trials",
            "Variance factor (median)",
            "Variance factor (largest)",
            "Correlation within",
            "Correlation with others",
        ),
        tuple(rows),
        "Single trials. The variance factor is the variance of the estimate under white noise of "
        "variance 1. Correlations are averaged over pairs of trials.",
    )


def _mean(values: RealArray) -> str:
    return f"{values.mean():z.2f}".replace("-", "−") if values.size else "n/a"
