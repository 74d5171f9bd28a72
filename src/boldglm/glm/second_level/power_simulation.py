"""Power of the test of a mean over participants, by simulation on the designs of runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.second_level.fixed_effects import combine_fixed_effects
from boldglm.glm.second_level.second_level import fit_second_level
from boldglm.vocabulary import ESTIMATOR, POWER_SEED, SIMULATIONS

_BLOCK = 2000  # simulations at a time, of small studies
_BLOCK_VALUES = 4_000_000  # participants of all sizes and simulations at a time


@dataclass(frozen=True, eq=False)
class DesignOfRun:
    """The design of a run and the weights of a contrast.

    Parameters
    ----------
    matrix : ndarray of shape (n_scans, n_regressors)
        Design; prewhitened, if noise is autocorrelated.
    weights : ndarray of shape (n_regressors,)
        Weights of a t contrast that the design determines.

    See Also
    --------
    simulate_power : Power by simulation on such designs.

    Examples
    --------
    A regressor of length 2 and a constant that it is orthogonal to:

    >>> run = DesignOfRun(np.array([[1.0, 1], [1, 1], [-1, 1], [-1, 1]]), np.array([1.0, 0]))
    >>> round(run.variance, 6), run.dof
    (0.25, 2)
    """

    matrix: FloatArray
    weights: FloatArray

    @cached_property
    def factor(self) -> FloatArray:
        """A square root of (X'X)⁺, of shape (n_regressors, rank)."""
        _, singular, right = np.linalg.svd(self.matrix, full_matrices=False)
        rank = int((singular > singular[0] * max(self.matrix.shape) * 2.3e-16).sum())
        return np.asarray(right[:rank].T / singular[:rank])

    def testing(self, weights: FloatArray) -> "DesignOfRun":
        """Return the same design with another contrast; its decomposition is shared.

        Parameters
        ----------
        weights : ndarray of shape (n_regressors,)
            Weights of a t contrast that the design determines.

        Returns
        -------
        DesignOfRun
        """
        other = DesignOfRun(self.matrix, weights)
        other.__dict__["factor"] = self.factor  # of the cached property
        return other

    @property
    def variance(self) -> float:
        """Variance of the contrast for noise of standard deviation 1."""
        return float(np.square(self.weights @ self.factor).sum())

    @property
    def dof(self) -> int:
        """Degrees of freedom of the residuals."""
        return len(self.matrix) - self.factor.shape[1]


def simulate_power(
    participants: Sequence[Sequence[DesignOfRun]],
    *,
    effects: Sequence[float],
    noise_sd: float,
    between_sd: float,
    n_runs: Sequence[int],
    n_participants: Sequence[int],
    alphas: Sequence[float],
    n_simulations: int = SIMULATIONS,
    method: str = ESTIMATOR,
    seed: int = POWER_SEED,
) -> FloatArray:
    """Simulate a study many times, and return how often its group test finds an effect.

    Parameters
    ----------
    participants : sequence of sequence of DesignOfRun
        The runs of each participant of whom there are designs.
    effects : sequence of float
        True means of the contrast over participants.
    noise_sd, between_sd : float
        As in `participant_deviation`.
    n_runs, n_participants : sequence of int
        Sizes of the study. Runs beyond those of a participant repeat their designs.
    alphas : sequence of float
        Rates of false positives in both tails together.
    n_simulations : int
        Number of simulated studies.
    method : {"ols", "mixed", "fixed"}
        As in `fit_second_level`.
    seed : int
        Of the random numbers.

    Returns
    -------
    ndarray of shape (n_effects, n_runs, n_participants, n_alphas)
        Shares of simulated studies with p at most alpha. A share q has the standard error
        √(q (1 - q) / n_simulations).

    See Also
    --------
    one_sample_power : The same in closed form.

    Notes
    -----
    Each simulated participant has the designs of one of `participants`, drawn with replacement.
    The estimates of a run are normal with the covariance σ² (X'X)⁺ of its design, and their
    estimated variance has its degrees of freedom, n_scans less rank. Runs are combined by
    `combine_fixed_effects`, and participants tested by `fit_second_level`: unlike the closed
    form, with estimated weights, and with the different designs of participants.

    Examples
    --------
    >>> run = DesignOfRun(np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([1.0]))
    >>> shares = simulate_power([[run]], effects=[0.0, 9.0], noise_sd=1.0, between_sd=1.0,
    ...                         n_runs=[2], n_participants=[12], alphas=[0.05])
    >>> shares.shape, bool(shares[0, 0, 0, 0] < 0.07), shares[1, 0, 0, 0].item()
    ((2, 1, 1, 1), True, 1.0)
    """
    rng = np.random.default_rng(seed)
    found = np.zeros((len(effects), len(n_runs), len(n_participants), len(alphas)))
    most = max(n_participants)
    block = min(_BLOCK, max(1, _BLOCK_VALUES // (most * len(n_runs))))
    for start in range(0, n_simulations, block):
        size = min(block, n_simulations - start)
        people = [
            _participant(participants, rng, size, n_runs, noise_sd, between_sd)
            for _ in range(most)
        ]
        for run, _ in enumerate(n_runs):
            estimates = np.stack([each[run] for each in people])
            for count, n in enumerate(n_participants):
                for row, effect in enumerate(effects):
                    p = _p_values(estimates[:n], effect, method)
                    found[row, run, count] += [(p <= alpha).sum() for alpha in alphas]
    return found / n_simulations


def _participant(
    participants: Sequence[Sequence[DesignOfRun]],
    rng: np.random.Generator,
    size: int,
    n_runs: Sequence[int],
    noise_sd: float,
    between_sd: float,
) -> FloatArray:
    """Return effects, variances and degrees of freedom of one participant of each study.

    The shape is (n_sizes, 3, n_simulations): a participant with each number of runs.
    """
    most = max(n_runs)
    estimates = np.empty((3, most, size))
    who = rng.integers(len(participants), size=size)
    for number, runs in enumerate(participants):
        studies = np.flatnonzero(who == number)
        for slot in range(most) if studies.size else ():
            run = runs[slot % len(runs)]
            betas = run.factor @ rng.standard_normal((run.factor.shape[1], studies.size))
            estimates[0, slot, studies] = noise_sd * (run.weights @ betas)
            scale = rng.chisquare(run.dof, studies.size) / run.dof
            estimates[1, slot, studies] = noise_sd**2 * scale * run.variance
            estimates[2, slot, studies] = run.dof
    truth = between_sd * rng.standard_normal(size)
    combined = np.empty((len(n_runs), 3, size))
    for row, n in enumerate(n_runs):
        contrast = combine_fixed_effects(*estimates[:, :n])
        combined[row, 0] = np.asarray(contrast.effect) + truth
        combined[row, 1] = contrast.variance
        combined[row, 2] = contrast.dof
    return combined


def _p_values(estimates: FloatArray, effect: float, method: str) -> FloatArray:
    """Return two-sided p of each simulation; estimates are (n_participants, 3, n)."""
    effects, variances, dofs = np.moveaxis(estimates, 1, 0)
    known = {} if method == "ols" else {"variances": variances, "dofs": dofs}
    fitted = fit_second_level(effects + effect, np.ones((len(effects), 1)), method=method, **known)
    tested = fitted.contrast([1.0])
    one_sided = np.asarray(tested.p)
    return np.asarray(2 * np.minimum(one_sided, 1 - one_sided))
