"""One estimate for every trial: least squares all, and least squares separate.

With all trials in one model (LSA), neighboring trials share their responses and each estimate is
noisy. With a model of its own for every trial, in which the other trials of a condition are one
regressor (LSS), estimates vary less and are pulled a little toward each other; pattern analyses
of fast designs do better with them. As many models as trials need not be as many fits: what is
not a trial is the same in all of them and is taken out once, and what is left of each model are
a few regressors, which are solved in closed form for all voxels at once.

Notation: Z columns that are not trials, R the residual maker of Z, W trial regressors, wᵢ column i
of RW, S_c the sum of those of condition c, Aᵢ regressors of model i: wᵢ, then for each condition
S_c, less wᵢ for trial i's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.first_level.fit import check_noise_model, fit
from boldglm.glm.noise.blocks import BoldSeries, read_blocks
from boldglm.glm.stats.distributions import t_to_p
from boldglm.vocabulary import NOISE_MODEL

# Relative size under which a direction of the few regressors of a model counts as none.
NO_DIRECTION = 1e-10


class UnestimableTrialsError(ValueError):
    """Raised for trials that a design does not determine.

    Parameters
    ----------
    message : str
        What is wrong.
    trials : sequence of int
        Numbers of these trials, from 0.

    See Also
    --------
    least_squares_all, least_squares_separate : Functions that raise it.
    """

    def __init__(self, message: str, trials: Sequence[int]) -> None:
        super().__init__(message)
        self.trials = tuple(trials)


@dataclass(frozen=True, eq=False)
class SingleTrials:
    """Estimates of single trials, a row for each.

    Parameters
    ----------
    effect : ndarray of shape (n_trials, n_voxels)
        Response to the trial, signal per regressor unit.
    t : ndarray of shape (n_trials, n_voxels)
        Student's t; 0 where there is no noise.
    dof : ndarray of shape (n_trials,) or (n_trials, n_voxels)
        Degrees of freedom.
    variance_factor : ndarray of shape (n_trials,)
        Variance of the effect for white noise of variance 1: what the design says of each
        trial before any data, the smaller the better.

    See Also
    --------
    least_squares_all, least_squares_separate : Functions that return it.

    Examples
    --------
    >>> zero, one = np.zeros((1, 1)), np.ones((1, 1))
    >>> estimates = SingleTrials(effect=zero, t=zero, dof=one[0], variance_factor=one[0])
    >>> estimates.p.tolist()
    [[0.5]]
    """

    effect: FloatArray
    t: FloatArray
    dof: FloatArray
    variance_factor: FloatArray

    @property
    def p(self) -> FloatArray:
        """p values, one-sided, upper tail; (n_trials, n_voxels)."""
        dof = self.dof if self.dof.ndim == 2 else self.dof[:, np.newaxis]
        return t_to_p(self.t, np.broadcast_to(dof, self.t.shape))


def least_squares_separate(
    bold: BoldSeries,
    trials: ArrayLike,
    conditions: Sequence[str],
    others: ArrayLike,
    block_size: int = 2048,
) -> SingleTrials:
    """Estimate every trial in a model of its own (LSS), all in one pass over the voxels.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD signals.
    trials : array_like of shape (n_scans, n_trials)
        Convolved regressor of each trial.
    conditions : sequence of str
        Condition of each trial.
    others : array_like of shape (n_scans, n_others)
        All else that the model has: confounds, drift, constant.
    block_size : int
        Voxels at a time; changes memory and speed, not results.

    Returns
    -------
    SingleTrials
        By ordinary least squares. Each model has its trial, and for each condition the sum of
        its other trials.

    Raises
    ------
    ValueError
        If shapes do not fit, a trial cannot be told from the rest, or no degree of freedom is
        left.

    See Also
    --------
    least_squares_all : Estimate all trials in one model.

    Notes
    -----
    The model of Mumford et al. [1]_ with one regressor of other trials for each condition, as
    Turner et al. [2]_ recommend. The effect is a fixed row over scans, e₁'(A'A)⁻¹A', times the
    signal; its noise variance (y'Ry - y'A(A'A)⁻¹A'y) / dof needs of the data only RW'y and y'Ry.

    References
    ----------
    .. [1] Mumford JA, Turner BO, Ashby FG, Poldrack RA (2012). Deconvolving BOLD activation in
       event-related designs for multivoxel pattern classification analyses. NeuroImage
       59:2636-2643. https://doi.org/10.1016/j.neuroimage.2011.08.076
    .. [2] Turner BO, Mumford JA, Poldrack RA, Ashby FG (2012). Spatiotemporal activity
       estimation for multivoxel pattern analysis with rapid event-related designs. NeuroImage
       62:1429-1438. https://doi.org/10.1016/j.neuroimage.2012.05.057

    Examples
    --------
    Two trials that do not overlap, of responses 2 and 3, over a baseline of 10:

    >>> trials = np.array([[1.0, 0], [1, 0], [0, 0], [0, 0], [0, 1], [0, 1], [0, 0], [0, 0]])
    >>> bold = (10 + trials @ [2.0, 3.0] + np.tile([0.5, -0.5], 4))[:, np.newaxis]
    >>> found = least_squares_separate(bold, trials, ["go", "go"], np.ones((8, 1)))
    >>> found.effect.round(12).ravel().tolist(), found.dof.tolist()
    ([2.0, 3.0], [5.0, 5.0])
    """
    W, labels, Z = _checked(trials, conditions, others, bold.shape[0])
    basis = linear_model(Z).basis
    regressors, models, dof = _separate_models(W, labels, basis)
    effect, t = np.empty((2, W.shape[1], bold.shape[1]))
    for voxels, signal in read_blocks(bold, block_size):
        signal -= basis @ (basis.T @ signal)
        energy = np.einsum("tv,tv->v", signal, signal)
        products = regressors.T @ signal
        for k, one in enumerate(models):
            a = one.of_products(products, k)
            solved = one.inverse @ a
            effect[k, voxels] = solved[0]
            left = np.maximum(energy - np.einsum("rv,rv->v", a, solved), 0.0)
            scale = np.sqrt(left / dof[k] * one.inverse[0, 0])
            t[k, voxels] = np.divide(solved[0], scale, out=np.zeros_like(scale), where=scale > 0)
    return SingleTrials(effect, t, dof, np.array([one.inverse[0, 0] for one in models]))


def least_squares_all(
    bold: BoldSeries, trials: ArrayLike, others: ArrayLike, noise: str = NOISE_MODEL
) -> SingleTrials:
    """Estimate every trial in one model that has all of them (LSA).

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD signals.
    trials : array_like of shape (n_scans, n_trials)
        Convolved regressor of each trial.
    others : array_like of shape (n_scans, n_others)
        All else that the model has: confounds, drift, constant.
    noise : str
        As for `boldglm.glm.first_level.fit`.

    Returns
    -------
    SingleTrials
        The same as `fit` gives for one contrast a trial [1]_.

    Raises
    ------
    ValueError
        If a trial cannot be told from the rest, or as `boldglm.glm.first_level.fit`.

    See Also
    --------
    least_squares_separate : Estimate each trial in a model of its own.

    References
    ----------
    .. [1] Rissman J, Gazzaley A, D'Esposito M (2004). Measuring functional connectivity during
       distinct stages of a cognitive task. NeuroImage 23:752-763.
       https://doi.org/10.1016/j.neuroimage.2004.06.035

    Examples
    --------
    >>> trials = np.kron(np.eye(3), np.ones((4, 1)))[:, :2]
    >>> bold = np.repeat([5.0, 3.0, 1.0], 4) + np.tile([0.1, -0.1], 6)
    >>> found = least_squares_all(bold[:, np.newaxis], trials, np.ones((12, 1)), noise="ols")
    >>> found.effect.round(12).ravel().tolist()
    [4.0, 2.0]
    """
    W, _, Z = _checked(trials, None, others, bold.shape[0])
    columns, units = _columns_of_all(W, Z)
    found = fit(bold, columns, noise=noise)
    effect, t, dof = np.empty((3, W.shape[1], found.n_voxels))
    tested = found.contrasts([(f"trial {k}", row) for k, row in enumerate(units)])
    for k, one in enumerate(tested):  # one at a time: each is made when it is asked for
        effect[k], t[k], dof[k] = one.effect, one.t, one.dof
    rows = units @ found.model.back_projection
    return SingleTrials(effect, t, dof, np.einsum("kr,kr->k", rows, rows))


def check_trials(
    trials: ArrayLike, conditions: Sequence[str], others: ArrayLike, method: str, noise: str
) -> None:
    """Refuse, before there are any data, trials that a method cannot estimate.

    Parameters
    ----------
    trials : array_like of shape (n_scans, n_trials)
        Convolved regressor of each trial.
    conditions : sequence of str
        Condition of each trial.
    others : array_like of shape (n_scans, n_others)
        All else that the model has: confounds, drift, constant.
    method : {"lsa", "lss"}
        `least_squares_all` or `least_squares_separate`.
    noise : str
        Of ``"lsa"``, as for `boldglm.glm.first_level.fit`.

    Raises
    ------
    ValueError
        As the method would for any data; `UnestimableTrialsError` where it is about trials.

    Examples
    --------
    >>> twice = np.repeat([[0.0], [1], [1], [0], [0], [0]], 2, axis=1)
    >>> check_trials(twice, ["go", "go"], np.ones((6, 1)), "lsa", "ols")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    boldglm...UnestimableTrialsError: 2 of 2 trials cannot be told ...
    """
    W, labels, Z = _checked(trials, conditions, others)
    if method == "lss":
        _separate_models(W, labels, linear_model(Z).basis)
        return
    columns, _ = _columns_of_all(W, Z)
    rank = linear_model(columns).rank
    if rank >= len(columns):
        raise ValueError(
            f"{len(columns)} scans leave no residual degree of freedom beside {W.shape[1]} trials "
            f"and {Z.shape[1]} other regressors."
        )
    check_noise_model(columns, noise)


def pattern_correlations(maps: FloatArray, block_size: int = 2048) -> FloatArray:
    """Return how the patterns of trials over voxels correlate.

    Parameters
    ----------
    maps : ndarray of shape (n_trials, n_voxels)
        Effect or t of each trial.
    block_size : int
        Voxels at a time.

    Returns
    -------
    ndarray of shape (n_trials, n_trials)
        Pearson correlations; 0 for a trial that is the same in all voxels.

    See Also
    --------
    least_squares_all, least_squares_separate : Estimate the maps of trials.

    Examples
    --------
    >>> pattern_correlations(np.array([[1.0, 2, 3], [3, 5, 7], [1, 1, 1]])).round(12).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    n_trials, n_voxels = maps.shape
    means = maps.mean(axis=1, keepdims=True) if n_voxels else np.zeros((n_trials, 1))
    products = np.zeros((n_trials, n_trials))
    for voxels in blocks_of(n_voxels, block_size):
        part = maps[:, voxels] - means
        products += part @ part.T
    lengths = np.sqrt(np.diag(products))
    sizes = np.outer(lengths, lengths)
    return np.divide(products, sizes, out=np.zeros_like(products), where=sizes > 0)


def spread_within_conditions(effects: FloatArray, conditions: Sequence[str]) -> FloatArray:
    """Return how much the effects of trials differ within conditions.

    Parameters
    ----------
    effects : ndarray of shape (n_trials, n_voxels)
        Effect of each trial.
    conditions : sequence of str
        Condition of each.

    Returns
    -------
    ndarray of shape (n_voxels,)
        Standard deviation about the condition's mean, pooled; 0 if no condition has two trials.

    Examples
    --------
    >>> spread_within_conditions(np.array([[1.0], [3.0], [7.0]]), ["go", "go", "stop"]).round(4)
    array([1.4142])
    """
    labels = np.asarray(conditions)
    squares = np.zeros(effects.shape[1])
    kinds = np.unique(labels)
    for kind in kinds:
        own = np.flatnonzero(labels == kind)
        mean = sum(effects[k] for k in own) / own.size  # no copy of all trials
        for k in own:
            squares += (effects[k] - mean) ** 2
    return np.sqrt(squares / max(len(labels) - kinds.size, 1))


@dataclass(frozen=True, eq=False)
class _TrialModel:
    """The few regressors of one trial's model: (A'A)⁻¹, its rank, and which conditions it has."""

    inverse: FloatArray
    rank: int
    own: int  # condition of the trial
    n_conditions: int

    @classmethod
    def of(
        cls, W: FloatArray, sums: FloatArray, trial: int, own: int, usual: float
    ) -> "_TrialModel":
        A = np.concatenate([W[:, [trial]], sums], axis=1)
        A[:, 1 + own] -= W[:, trial]
        lengths = np.linalg.norm(A, axis=0)
        lengths[lengths <= NO_DIRECTION * usual] = np.inf  # a condition without other trials
        values, vectors = np.linalg.eigh((A / lengths).T @ (A / lengths))
        kept = values > NO_DIRECTION
        inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        # what the null space says of the trial's own column
        if not np.isfinite(lengths[0]) or (vectors[0, ~kept] ** 2).sum() > NO_DIRECTION**0.5:
            raise UnestimableTrialsError(
                f"trial {trial} (counted from 0) cannot be told from the rest of its model: it is "
                "outside the run, or at the same time as another. Leave it out.",
                [trial],
            )
        inverse /= np.outer(lengths, lengths)
        return cls(inverse, int(kept.sum()), own, sums.shape[1])

    def of_products(self, products: FloatArray, trial: int) -> FloatArray:
        """Return A'y from the products of all trials and all sums with y."""
        a = np.concatenate([products[[trial]], products[-self.n_conditions :]])
        a[1 + self.own] -= products[trial]
        return a


def _separate_models(
    trials: FloatArray, labels: np.ndarray, basis: FloatArray
) -> tuple[FloatArray, list[_TrialModel], FloatArray]:
    """Return RW with S beside it, the models of all trials, and their degrees of freedom."""
    W = trials - basis @ (basis.T @ trials)
    sums = np.stack([W[:, labels == c].sum(axis=1) for c in range(labels.max() + 1)], axis=1)
    usual = float(np.linalg.norm(trials, axis=0).max())  # not of RW, which may be all rounding
    models = [_TrialModel.of(W, sums, k, labels[k], usual) for k in range(W.shape[1])]
    dof = np.array([len(W) - basis.shape[1] - one.rank for one in models], dtype=np.float64)
    if dof.min() < 1:
        raise ValueError(
            f"{len(W)} scans leave no residual degree of freedom beside {basis.shape[1]} "
            "regressors and a trial. Use fewer regressors."
        )
    return np.concatenate([W, sums], axis=1), models, dof


def _columns_of_all(W: FloatArray, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the design that has all trials, and a contrast for each."""
    columns = np.concatenate([W, Z], axis=1)
    units = np.eye(W.shape[1] + Z.shape[1])[: W.shape[1]]
    unknown = np.flatnonzero(linear_model(columns).outside(units).any(axis=1))
    if unknown.size:
        raise UnestimableTrialsError(
            f"{unknown.size} of {W.shape[1]} trials cannot be told from each other or from the "
            f"other {Z.shape[1]} regressors in {len(W)} scans (the first is trial {unknown[0]}, "
            "counted from 0): they follow each other too closely, or are at the same time.",
            unknown.tolist(),
        )
    return columns, units


def _checked(
    trials: ArrayLike,
    conditions: Sequence[str] | None,
    others: ArrayLike,
    n_scans: int | None = None,
) -> tuple[FloatArray, np.ndarray, FloatArray]:
    W, Z = (np.asarray(columns, dtype=np.float64) for columns in (trials, others))
    n_scans = len(W) if n_scans is None else n_scans
    if W.ndim != 2 or Z.ndim != 2 or not len(W) == len(Z) == n_scans:
        raise ValueError(
            f"bold has {n_scans} scans, trials shape {W.shape} and the other regressors "
            f"{Z.shape}; all need one row a scan."
        )
    if W.shape[1] == 0:
        raise ValueError("there is no trial.")
    if conditions is None:
        return W, np.zeros(W.shape[1], dtype=np.intp), Z
    if len(conditions) != W.shape[1]:
        raise ValueError(f"{W.shape[1]} trials have {len(conditions)} conditions.")
    return W, np.unique(np.asarray(conditions), return_inverse=True)[1], Z
