"""What correlated regressors cost the contrasts of an analysis, over all of its runs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from boldglm.analysis.plan.run_plans import RunPlan
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.collinearity import collinearity, condition_pairs
from boldglm.glm.design.named_columns import named_columns
from boldglm.glm.first_level.contrasts import contrast_weights


@dataclass(frozen=True)
class ContrastInRun:
    """How precisely a run estimates a contrast.

    Parameters
    ----------
    run : str
        Name of the run.
    contrast : str
        Name of the contrast.
    test : {"t", "F", "pass"}
    efficiency : float
        ``1 / trace(C (X'X)⁺ C')``; 0 if the run does not determine the contrast.
    standard_error : float
        Predicted standard error for white noise of standard deviation 1, of an F contrast that
        of its least certain row; infinite if the contrast is not estimable.
    times_alone : float
        The standard error divided by what it would be if the regressors of the contrast were
        uncorrelated with each other and with all other columns but the constant, as they are
        before orthogonalization. NaN for the constant, which has no variance to share.
    """

    run: str
    contrast: str
    test: str
    efficiency: float
    standard_error: float
    times_alone: float

    @property
    def is_estimable(self) -> bool:
        """Whether the run determines the contrast."""
        return bool(np.isfinite(self.standard_error))

    @property
    def alone(self) -> float:
        """The standard error that a t contrast of uncorrelated regressors would have, or NaN."""
        return self.standard_error / self.times_alone if self.test != "F" else float("nan")


@dataclass(frozen=True)
class CorrelatedPair:
    """Two regressors of conditions, and what they share in each run.

    Parameters
    ----------
    first, second : str
        Names of the regressors.
    shares : dict of str to float
        Squared correlation in each run that has both, before any orthogonalization.
    """

    first: str
    second: str
    shares: dict[str, float]

    @property
    def median(self) -> float:
        """Median over runs."""
        return float(np.median(list(self.shares.values())))

    @property
    def worst_run(self) -> str:
        """The run in which they share most."""
        return max(self.shares, key=lambda run: self.shares[run])


@dataclass(frozen=True)
class Precision:
    """The precision of every contrast in every run of an analysis.

    Parameters
    ----------
    rows : tuple of ContrastInRun
        In the order of the runs.
    """

    rows: tuple[ContrastInRun, ...]

    @classmethod
    def of(cls, runs: Iterable[RunPlan]) -> Self:
        """Return that of planned runs."""
        return cls(tuple(row for run in runs for row in _contrasts(run)))

    @cached_property
    def by_contrast(self) -> dict[str, list[ContrastInRun]]:
        """The runs of each contrast."""
        return _grouped(self.rows, lambda row: row.contrast)

    @cached_property
    def by_run(self) -> dict[str, list[ContrastInRun]]:
        """The contrasts of each run."""
        return _grouped(self.rows, lambda row: row.run)

    @cached_property
    def medians(self) -> dict[str, float]:
        """Median standard error of each contrast over the runs that estimate it."""
        return {
            name: float(np.median([row.standard_error for row in rows if row.is_estimable]))
            for name, rows in self.by_contrast.items()
            if any(row.is_estimable for row in rows)
        }

    @cached_property
    def least_certain(self) -> ContrastInRun | None:
        """The contrast and run with the largest standard error, relative to the median."""
        return max(
            (row for row in self.rows if row.is_estimable),
            key=lambda row: row.standard_error / self.medians[row.contrast],
            default=None,
        )

    @cached_property
    def from_worst(self) -> list[str]:
        """Names of the runs, the least certain first.

        A run that cannot estimate a contrast is as uncertain as can be.
        """
        return sorted(self.by_run, key=lambda run: -max(self._relative(run)))

    @cached_property
    def typical(self) -> str:
        """Name of the run whose standard errors are nearest to the medians of all runs."""
        return min(self.by_run, key=lambda run: np.abs(np.log(self._relative(run))).max())

    def _relative(self, run: str) -> list[float]:
        """Return the standard errors of a run relative to their medians."""
        return [row.standard_error / self.medians.get(row.contrast, 1) for row in self.by_run[run]]


def _grouped(
    rows: Iterable[ContrastInRun], key: Callable[[ContrastInRun], str]
) -> dict[str, list[ContrastInRun]]:
    groups: dict[str, list[ContrastInRun]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _contrasts(run: RunPlan) -> list[ContrastInRun]:
    numbers, design = run.collinearity, run.design
    _, columns = named_columns(run.built.before or design)
    lengths = np.square(columns - columns.mean(axis=0)).sum(axis=0)
    rows = []
    for contrast in run.contrasts:
        name = contrast.name
        errors = np.atleast_1d(numbers.predicted_standard_error.get(name, np.inf))
        is_estimable = numbers.estimable.get(name, False)  # false too where a regressor is missing
        ratio = np.inf
        if is_estimable:
            _, weights = contrast_weights(contrast.weights_by_column, design.names)
            ratio = _largest_ratio(errors, _alone(weights, lengths))
        rows.append(
            ContrastInRun(
                run.inputs.name,
                name,
                contrast.test,
                numbers.efficiency.get(name, 0.0),
                float(errors.max()) if is_estimable else np.inf,
                ratio,
            )
        )
    return rows


def _largest_ratio(errors: FloatArray, alone: FloatArray) -> float:
    """Return the largest of some errors relative to others, without those that are 0."""
    has_variance = alone > 0
    if not has_variance.any():
        return float("nan")
    return float((errors[has_variance] / alone[has_variance]).max())


def _alone(weights: FloatArray, lengths: FloatArray) -> FloatArray:
    """Return the standard errors of rows of a contrast whose columns are uncorrelated."""
    squared = np.square(np.atleast_2d(weights))
    used = squared > 0
    variances = np.divide(squared, lengths, out=np.zeros_like(squared), where=used & (lengths > 0))
    return np.sqrt(variances.sum(axis=1))


def correlated_pairs(runs: Sequence[RunPlan]) -> list[CorrelatedPair]:
    """Return every pair of regressors of conditions, those that share most first."""
    pairs: dict[tuple[str, str], dict[str, float]] = {}
    for run in runs:
        design = run.built.before or run.design
        correlations = run.collinearity.correlations
        if run.built.before is not None:
            correlations = collinearity(design).correlations
        for first, second in condition_pairs(design):
            pair = (design.names[first], design.names[second])
            share = float(correlations[first, second] ** 2)
            pairs.setdefault(pair, {})[run.inputs.name] = share
    found = [CorrelatedPair(*pair, shares) for pair, shares in pairs.items()]
    return sorted(found, key=lambda pair: -pair.median)
