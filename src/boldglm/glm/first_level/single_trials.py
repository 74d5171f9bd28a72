"""Estimates of single trials: least squares all (LSA) and least squares separate (LSS).

LSA has all trials in one model. Responses of neighboring trials overlap, so estimates are noisy.
LSS has one model per trial, in which the other trials of each condition share a regressor.
Estimates vary less and are slightly biased toward each other, which suits pattern analyses of
fast designs. LSS does not need one fit per trial: nuisance regressors are the same in all models
and are projected out once, and the few remaining regressors are solved in closed form for all
voxels at once.

Notation: Z columns that are not trials, R the residual maker of Z, W trial regressors, wᵢ column i
of RW, S_c the sum of those of condition c, Aᵢ regressors of model i: wᵢ, then for each condition
S_c, minus wᵢ for the condition of trial i.
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

# Relative length of a direction of regressors below which it is rounding error.
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
    """Estimates of single trials.

    Parameters
    ----------
    effect : ndarray of shape (n_trials, n_voxels)
        Response to each trial, in units of the data per unit of the regressor.
    t : ndarray of shape (n_trials, n_voxels)
        Student's t; 0 where there is no noise.
    dof : ndarray of shape (n_trials,) or (n_trials, n_voxels)
        Degrees of freedom.
    variance_factor : ndarray of shape (n_trials,)
        Variance of the effect for white noise of variance 1. It depends on the design only;
        smaller is better.

    See Also
    --------
    least_squares_all, least_squares_separate : Functions that return it.

    Examples
    --------
    >>> zero, ones = np.zeros((1, 1)), np.ones(1)
    >>> estimates = SingleTrials(effect=zero, t=zero, dof=ones, variance_factor=ones)
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
    nuisance: ArrayLike,
    block_size: int = 2048,
) -> SingleTrials:
    """Estimate every trial in a model of its own (LSS), all in one pass over the voxels.

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels)
        BOLD data.
    trials : array_like of shape (n_scans, n_trials)
        Convolved regressor of each trial.
    conditions : sequence of str
        Condition of each trial.
    nuisance : array_like of shape (n_scans, n_nuisance)
        Other regressors of the model: confounds, drift, constant.
    block_size : int
        Voxels in a block; changes memory and speed, not results.

    Returns
    -------
    SingleTrials
        Estimates by ordinary least squares. Each model has a regressor for its trial and, for
        each condition, one for the sum of the other trials.

    Raises
    ------
    ValueError
        If shapes do not fit, a trial is not estimable, or no residual degree of freedom is left.

    See Also
    --------
    least_squares_all : Estimate all trials in one model.

    Notes
    -----
    The model of Mumford et al. [1]_ with one regressor of other trials for each condition, as
    Turner et al. [2]_ recommend. The effect is a fixed row over scans, e₁'(A'A)⁻¹A', times the
    data; its noise variance (y'Ry - y'A(A'A)⁻¹A'y) / dof needs of the data only RW'y and y'Ry.

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
    >>> estimates = least_squares_separate(bold, trials, ["go", "go"], np.ones((8, 1)))
    >>> estimates.effect.round(12).ravel().tolist(), estimates.dof.tolist()
    ([2.0, 3.0], [5.0, 5.0])
    """
    W, labels, Z = _checked(trials, conditions, nuisance, bold.shape[0])
    basis = linear_model(Z).basis
    regressors, models, dof = _separate_models(W, labels, basis)
    effect, t = np.empty((2, W.shape[1], bold.shape[1]))
    for voxels, signal in read_blocks(bold, block_size):
        signal -= basis @ (basis.T @ signal)
        sum_of_squares = np.einsum("tv,tv->v", signal, signal)
        products = regressors.T @ signal
        for k, model in enumerate(models):
            a = model.projected_data(products, k)
            solved = model.inverse @ a
            effect[k, voxels] = solved[0]
            remaining = np.maximum(sum_of_squares - np.einsum("rv,rv->v", a, solved), 0.0)
            scale = np.sqrt(remaining / dof[k] * model.inverse[0, 0])
            t[k, voxels] = np.divide(solved[0], scale, out=np.zeros_like(scale), where=scale > 0)
    return SingleTrials(effect, t, dof, np.array([model.inverse[0, 0] for model in models]))


def least_squares_all(
    bold: BoldSeries, trials: ArrayLike, nuisance: ArrayLike, noise: str = NOISE_MODEL
) -> SingleTrials:
    """Estimate every trial in one model that has all of them (LSA).

    Parameters
    ----------
    bold : array_like of shape (n_scans, n_voxels)
        BOLD data.
    trials : array_like of shape (n_scans, n_trials)
        Convolved regressor of each trial.
    nuisance : array_like of shape (n_scans, n_nuisance)
        Other regressors of the model: confounds, drift, constant.
    noise : str
        As for `boldglm.glm.first_level.fit`.

    Returns
    -------
    SingleTrials
        Estimates as from `fit` with one contrast per trial [1]_.

    Raises
    ------
    ValueError
        If a trial is not estimable, or as `boldglm.glm.first_level.fit`.

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
    >>> estimates = least_squares_all(bold[:, np.newaxis], trials, np.ones((12, 1)), noise="ols")
    >>> estimates.effect.round(12).ravel().tolist()
    [4.0, 2.0]
    """
    W, _, Z = _checked(trials, None, nuisance, bold.shape[0])
    columns, units = _columns_of_all(W, Z)
    f = fit(bold, columns, noise=noise)
    effect, t, dof = np.empty((3, W.shape[1], f.n_voxels))
    tested = f.contrasts([(f"trial {k}", row) for k, row in enumerate(units)])
    for k, contrast in enumerate(tested):  # each is computed when it is requested
        effect[k], t[k], dof[k] = contrast.effect, contrast.t, contrast.dof
    rows = units @ f.model.back_projection
    return SingleTrials(effect, t, dof, np.einsum("kr,kr->k", rows, rows))


def check_trials(
    trials: ArrayLike, conditions: Sequence[str], nuisance: ArrayLike, method: str, noise: str
) -> None:
    """Check, without data, whether a method can estimate all trials.

    Parameters
    ----------
    trials : array_like of shape (n_scans, n_trials)
        Convolved regressor of each trial.
    conditions : sequence of str
        Condition of each trial.
    nuisance : array_like of shape (n_scans, n_nuisance)
        Other regressors of the model: confounds, drift, constant.
    method : {"lsa", "lss"}
        `least_squares_all` or `least_squares_separate`.
    noise : str
        Noise model of ``"lsa"``, as for `boldglm.glm.first_level.fit`.

    Raises
    ------
    ValueError
        If the method would raise it for any data; `UnestimableTrialsError` if trials are not
        estimable.

    Examples
    --------
    >>> twice = np.repeat([[0.0], [1], [1], [0], [0], [0]], 2, axis=1)
    >>> check_trials(twice, ["go", "go"], np.ones((6, 1)), "lsa", "ols")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    boldglm...UnestimableTrialsError: 2 of 2 trials cannot be estimated ...
    """
    W, labels, Z = _checked(trials, conditions, nuisance)
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
    """Return the correlations between the patterns of trials over voxels.

    Parameters
    ----------
    maps : ndarray of shape (n_trials, n_voxels)
        Effect or t of each trial.
    block_size : int
        Voxels in a block.

    Returns
    -------
    ndarray of shape (n_trials, n_trials)
        Pearson correlations; 0 for a trial that has the same value in all voxels.

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
    """Return the standard deviation of trial effects within conditions.

    Parameters
    ----------
    effects : ndarray of shape (n_trials, n_voxels)
        Effect of each trial.
    conditions : sequence of str
        Condition of each trial.

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
    names = np.unique(labels)
    for name in names:
        trials = np.flatnonzero(labels == name)
        mean = sum(effects[k] for k in trials) / trials.size  # no copy of all trials
        for k in trials:
            squares += (effects[k] - mean) ** 2
    return np.sqrt(squares / max(len(labels) - names.size, 1))


@dataclass(frozen=True, eq=False)
class _TrialModel:
    """LSS model of one trial after projecting out nuisance regressors."""

    inverse: FloatArray  # (A'A)⁻¹
    rank: int
    condition: int  # condition of the trial
    n_conditions: int

    @classmethod
    def of(
        cls, W: FloatArray, sums: FloatArray, trial: int, condition: int, typical_length: float
    ) -> "_TrialModel":
        A = np.concatenate([W[:, [trial]], sums], axis=1)
        A[:, 1 + condition] -= W[:, trial]
        lengths = np.linalg.norm(A, axis=0)
        # a condition without other trials has length 0
        lengths[lengths <= NO_DIRECTION * typical_length] = np.inf
        values, vectors = np.linalg.eigh((A / lengths).T @ (A / lengths))
        kept = values > NO_DIRECTION
        inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        # not estimable if the null space involves the column of the trial
        if not np.isfinite(lengths[0]) or (vectors[0, ~kept] ** 2).sum() > NO_DIRECTION**0.5:
            raise UnestimableTrialsError(
                f"trial {trial} (counted from 0) cannot be estimated, because it is outside the "
                "run or at the same time as another trial. Remove it.",
                [trial],
            )
        inverse /= np.outer(lengths, lengths)
        return cls(inverse, int(kept.sum()), condition, sums.shape[1])

    def projected_data(self, products: FloatArray, trial: int) -> FloatArray:
        """Return A'y from the products of all trials and all sums with y."""
        a = np.concatenate([products[[trial]], products[-self.n_conditions :]])
        a[1 + self.condition] -= products[trial]
        return a


def _separate_models(
    trials: FloatArray, labels: np.ndarray, basis: FloatArray
) -> tuple[FloatArray, list[_TrialModel], FloatArray]:
    """Return the columns of RW and S, the models of all trials, and their degrees of freedom."""
    W = trials - basis @ (basis.T @ trials)
    sums = np.stack([W[:, labels == c].sum(axis=1) for c in range(labels.max() + 1)], axis=1)
    # of the trials themselves, since RW may be rounding error only
    typical_length = float(np.linalg.norm(trials, axis=0).max())
    models = [_TrialModel.of(W, sums, k, labels[k], typical_length) for k in range(W.shape[1])]
    dof = np.array([len(W) - basis.shape[1] - model.rank for model in models], dtype=np.float64)
    if dof.min() < 1:
        raise ValueError(
            f"{len(W)} scans leave no residual degree of freedom beside {basis.shape[1]} "
            "regressors and a trial. Use fewer regressors."
        )
    return np.concatenate([W, sums], axis=1), models, dof


def _columns_of_all(W: FloatArray, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the design with all trials, and a contrast for each trial."""
    columns = np.concatenate([W, Z], axis=1)
    units = np.eye(W.shape[1] + Z.shape[1])[: W.shape[1]]
    unknown = np.flatnonzero(linear_model(columns).outside(units).any(axis=1))
    if unknown.size:
        raise UnestimableTrialsError(
            f"{unknown.size} of {W.shape[1]} trials cannot be estimated in {len(W)} scans with "
            f"{Z.shape[1]} other regressors (the first is trial {unknown[0]}, counted from 0), "
            "because trials are too close together or at the same time. Remove them.",
            unknown.tolist(),
        )
    return columns, units


def _checked(
    trials: ArrayLike,
    conditions: Sequence[str] | None,
    nuisance: ArrayLike,
    n_scans: int | None = None,
) -> tuple[FloatArray, np.ndarray, FloatArray]:
    W, Z = (np.asarray(columns, dtype=np.float64) for columns in (trials, nuisance))
    n_scans = len(W) if n_scans is None else n_scans
    if W.ndim != 2 or Z.ndim != 2 or not len(W) == len(Z) == n_scans:
        raise ValueError(
            f"bold has {n_scans} scans, trials shape {W.shape} and the other regressors "
            f"{Z.shape}; all need one row per scan."
        )
    if W.shape[1] == 0:
        raise ValueError("there is no trial. Give at least one.")
    if conditions is None:
        return W, np.zeros(W.shape[1], dtype=np.intp), Z
    if len(conditions) != W.shape[1]:
        raise ValueError(f"{W.shape[1]} trials have {len(conditions)} conditions.")
    return W, np.unique(np.asarray(conditions), return_inverse=True)[1], Z
