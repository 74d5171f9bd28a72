"""Maps of a run as a whole in the report: what the task explains, and how good the data are."""

from dataclasses import dataclass
from pathlib import Path

from scipy.special import betaincinv

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.content import Figure
from boldglm.reports.views import Shading, View, draw_on_all

SHARE_SHOWN = 0.05  # of the variance, from which voxels are colored
BY_CHANCE = 0.001  # of the voxels without any effect, at most


@dataclass(frozen=True, eq=False)
class TaskShare:
    """The share of variance that regressors of conditions explain of what all others leave.

    Parameters
    ----------
    values : ndarray of shape (n_voxels,)
        Partial R squared.
    n_regressors, dof : int
        Number of these regressors, and residual degrees of freedom.
    regressors : str
        Which they are, if they are not all regressors of conditions; otherwise empty.
    """

    values: RealArray
    n_regressors: int
    dof: int
    regressors: str = ""


def draw_task_share(share: TaskShare, views: tuple[View, ...], folder: Path) -> tuple[Figure, ...]:
    """Draw the share of variance that the task explains.

    Parameters
    ----------
    share : TaskShare
        Partial R squared of the conditions.
    views : tuple of View
        What to draw on.
    folder : Path
        Where the pictures go.
    """
    count, dof = share.n_regressors, share.dof
    expected = count / (count + dof)
    shown = max(SHARE_SHOWN, float(betaincinv(count / 2, dof / 2, 1 - BY_CHANCE)))
    explain = "the conditions explain of what confounds and drift leave"
    if share.regressors:
        explain = f"{share.regressors} explain of what all other columns of the design leave"
    return draw_on_all(
        views,
        share.values,
        Shading(shown, statistic="R²", two_sided=False),
        folder / "taskrsquared",
        f"Share of the variance that {explain} (partial R²), from {shown:.2g}. Where the task has "
        f"no effect, {expected:.2g} is expected, and one of a thousand is colored; here, "
        f"{100 * float((share.values >= shown).mean()):.1f} % are",
    )


def draw_signal_to_noise(
    ratio: RealArray, views: tuple[View, ...], folder: Path
) -> tuple[Figure, ...]:
    """Draw the temporal signal-to-noise ratio.

    Parameters
    ----------
    ratio : ndarray of shape (n_voxels,)
        Of every voxel.
    views : tuple of View
        What to draw on.
    folder : Path
        Where the pictures go.
    """
    return draw_on_all(
        views,
        ratio,
        Shading(0.0, statistic="tSNR", two_sided=False),
        folder / "tsnr",
        "Temporal signal-to-noise ratio: mean by the standard deviation of the residuals. Dark is "
        "noisy",
    )


def draw_whiteness(
    z: RealArray, critical: float, views: tuple[View, ...], folder: Path
) -> tuple[Figure, ...]:
    """Draw where residuals are not white.

    Parameters
    ----------
    z : ndarray of shape (n_voxels,)
        Of the test for autocorrelation.
    critical : float
        From where a voxel is not white.
    views : tuple of View
        What to draw on.
    folder : Path
        Where the pictures go.
    """
    return draw_on_all(
        views,
        z,
        Shading(critical, two_sided=False),
        folder / "whiteness",
        "Voxels whose residuals are still autocorrelated after prewhitening: z ≥ "
        f"{critical:.2f} (p < .01). By chance, 1 % of voxels are, scattered anywhere; large "
        "patches show where the noise model fails",
    )
