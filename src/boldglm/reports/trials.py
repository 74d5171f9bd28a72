"""What the report shows of single trials, and of maps of a run as a whole."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boldglm.reports.content import Figure, Table

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class ShownTrials:
    """Single trials as the report shows them.

    Parameters
    ----------
    trial_type : tuple of str
        Condition of each trial.
    variance_factor : ndarray of shape (n_trials,)
        Variance of each estimate for white noise of variance 1.
    correlations : ndarray of shape (n_trials, n_trials)
        Between the t maps of trials, over voxels.
    spread : ndarray of shape (n_i, n_j, n_k)
        Standard deviation of effects within conditions, 0 outside the mask.
    """

    trial_type: tuple[str, ...]
    variance_factor: FloatArray
    correlations: FloatArray
    spread: FloatArray


@dataclass(frozen=True)
class Backdrop:
    """What maps are drawn on: mean image and mask of shape (n_i, n_j, n_k), and the affine."""

    underlay: FloatArray
    mask: NDArray[np.bool_]
    affine: FloatArray
    n_slices: int


def draw_trials(
    shown: ShownTrials, on: Backdrop, folder: Path
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Draw how single trials agree and where they differ, and tabulate them by condition."""
    from boldglm.reports import figures as draw

    alike = Figure(
        draw.plot_trial_correlations(
            shown.correlations, shown.trial_type, folder / "trialcorrelation.svg"
        ),
        "Correlations over voxels between the t maps of single trials, by condition and within it "
        "by time. Trials that follow each other closely share scans and noise, which alone makes "
        "them correlate.",
        "Heat map of correlations between trials, in blocks by condition.",
    )
    inside = shown.spread[on.mask]
    least = float(np.median(inside)) if inside.size else 0.0
    spread = Figure(
        draw.plot_map(
            shown.spread,
            on.underlay,
            on.mask,
            on.affine,
            least,
            folder / "trialspread.png",
            n_slices=on.n_slices,
            statistic="SD",
            two_sided=False,
        ),
        "Standard deviation of single-trial effects within conditions, noise included, where it "
        f"is above its median over voxels ({least:.3g}).",
        "Slices with the standard deviation of single-trial effects.",
    )
    return (alike, spread), (_trials_table(shown),)


def _trials_table(shown: ShownTrials) -> Table:
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
        "Single trials. The variance factor is the variance of an estimate for white noise of "
        "variance 1; correlations are means over pairs of trials.",
    )


def _mean(values: FloatArray) -> str:
    return f"{values.mean():z.2f}".replace("-", "−") if values.size else "n/a"


def draw_whiteness(z: FloatArray, critical: float, on: Backdrop, folder: Path) -> Figure:
    """Draw where residuals are not white.

    Parameters
    ----------
    z : ndarray of shape (n_i, n_j, n_k)
        Of the test for autocorrelation; 0 outside the mask.
    critical : float
        From where a voxel is not white.
    on : Backdrop
        Mean image and mask.
    folder : Path
        Where the picture goes.
    """
    from boldglm.reports import figures as draw

    return Figure(
        draw.plot_map(
            z,
            on.underlay,
            on.mask,
            on.affine,
            critical,
            folder / "whiteness.png",
            n_slices=on.n_slices,
            two_sided=False,
        ),
        f"Where residuals are not white after prewhitening: z ≥ {critical:.2f} (p < .01), which 1 "
        "% of voxels would reach by chance, anywhere. Large patches are where the noise model "
        "fails.",
        "Slices with the z map of the test for autocorrelation of residuals.",
    )
