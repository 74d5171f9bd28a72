"""The contrasts of a plan as its power needs them: designs of runs by participant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from boldglm.analysis.plan.plan import Analysis
from boldglm.analysis.plan.run_plans import RunPlan
from boldglm.errors import BadDataError, UsageError
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.first_level.contrasts import contrast_weights
from boldglm.glm.second_level.power_simulation import DesignOfRun
from boldglm.notices import Notice, warning
from boldglm.suggestions import list_known
from boldglm.vocabulary import ESTIMATOR


@dataclass(frozen=True)
class PlannedContrast:
    """A t contrast of runs.

    Parameters
    ----------
    name : str
        Its name.
    participants : tuple of tuple of DesignOfRun
        The runs of each participant that can estimate it.
    height : float
        Largest value of the regressors that it adds, in a typical run: an effect of 1 is a
        response that is this high.
    """

    name: str
    participants: tuple[tuple[DesignOfRun, ...], ...]
    height: float

    @property
    def run_variances(self) -> list[list[float]]:
        """Variance in each run of each participant for noise of standard deviation 1."""
        return [[run.variance for run in runs] for runs in self.participants]


def planned_contrasts(
    analysis: Analysis, names: Sequence[str] | None, autocorrelation: float = 0.0
) -> list[PlannedContrast]:
    """Return the t contrasts of an analysis with their designs.

    Parameters
    ----------
    analysis : Analysis
        The planned runs.
    names : sequence of str or None
        Contrasts to return; by default all t contrasts.
    autocorrelation : float
        Of the noise, from volume to volume; designs are prewhitened by it.

    Raises
    ------
    UsageError
        If a name is that of no t contrast.
    BadDataError
        If there is no t contrast.
    """
    tests = {spec.name: spec.test for run in analysis.runs for spec in run.contrasts}
    known = [name for name, test in tests.items() if test == "t"]
    for name in names or ():
        if tests.get(name) == "F":
            raise UsageError(
                f"--of {name!r} is an F contrast, which is not tested over participants. Name t "
                f"contrasts: {', '.join(known)}."
            )
        if name not in known:
            raise UsageError(f"--of: the runs have no contrast {name!r}.{list_known(name, known)}")
    if not known:
        raise BadDataError(
            f"The model {analysis.model.name} has no t contrast of runs, so that nothing is "
            "tested over participants. Add one."
        )
    designs = {
        run.inputs.name: DesignOfRun(
            prewhitened(run.design.matrix, autocorrelation), np.zeros(run.design.n_regressors)
        )
        for run in analysis.runs
    }
    planned = [_planned(analysis, name, designs) for name in names or known]
    return [contrast for contrast in planned if contrast.participants]


def _planned(analysis: Analysis, name: str, designs: Mapping[str, DesignOfRun]) -> PlannedContrast:
    participants, heights = [], []
    for subject in analysis.subjects:
        runs = [
            run for run in analysis.of_subject(subject) if run.collinearity.estimable.get(name)
        ]
        weights = [_weights(run, name) for run in runs]
        heights += [_height(run, row) for run, row in zip(runs, weights, strict=True)]
        if runs:
            participants.append(
                tuple(
                    designs[run.inputs.name].testing(row)
                    for run, row in zip(runs, weights, strict=True)
                )
            )
    height = float(np.median(heights)) if heights else float("nan")
    return PlannedContrast(name, tuple(participants), height)


def _weights(run: RunPlan, name: str) -> FloatArray:
    spec = next(spec for spec in run.contrasts if spec.name == name)
    _, weights = contrast_weights(spec.weights_by_column, run.design.names, name)
    return weights


def _height(run: RunPlan, weights: FloatArray) -> float:
    """Return the largest values of regressors with the sign of most weight, averaged by it."""
    sign = 1.0 if weights.max() >= -weights.min() else -1.0
    used = np.clip(sign * weights, 0, None)
    return float(used @ np.abs(run.design.matrix).max(axis=0) / used.sum())


def prewhitened(matrix: FloatArray, autocorrelation: float) -> FloatArray:
    """Return a design for white noise of the same standard deviation.

    Parameters
    ----------
    matrix : ndarray of shape (n_scans, n_regressors)
    autocorrelation : float
        Correlation of the noise of successive volumes (autoregression of order 1).

    Examples
    --------
    >>> prewhitened(np.array([[1.0], [1.0]]), 0.6)
    array([[1. ],
           [0.5]])
    """
    if autocorrelation == 0:
        return matrix
    rest = (matrix[1:] - autocorrelation * matrix[:-1]) / np.sqrt(1 - autocorrelation**2)
    return np.vstack([matrix[:1], rest])


def group_method(analysis: Analysis) -> tuple[str, tuple[Notice, ...]]:
    """Return how the model tests participants, and what to know about that.

    Returns
    -------
    method : {"ols", "mixed"}
        The estimator of its dataset level.
    notices : tuple of Notice
        That a fixed-effects analysis does not test what power is about.
    """
    nodes = [level.plan.node for level in analysis.levels if level.plan.node.level == "dataset"]
    for node in nodes[:1]:
        method = node.boldglm_options.get("Estimator", ESTIMATOR)
        if node.type != "meta" and method != "fixed":
            return str(method), ()
        return ESTIMATOR, (
            warning(
                f"node {node.name!r} has fixed effects over participants, whose variance has no "
                "part of the differences between them. Power is that of a test that has (a node "
                "of type glm)"
            ),
        )
    return ESTIMATOR, ()


def usual_number_of_runs(analysis: Analysis) -> int:
    """Return the median number of runs of a participant."""
    counts = [len(analysis.of_subject(subject)) for subject in analysis.subjects]
    return max(1, int(np.median(counts)))
