"""Permutation of a contrast of a second-level fit, with the statistic that its map shows."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import special

from boldglm.glm.arrays.types import FloatArray, IndexArray, RealArray
from boldglm.glm.first_level.contrasts import ContrastForm, contrast_weights
from boldglm.glm.inference.neighbors import Neighbors
from boldglm.glm.inference.partition import Partition, partition_design
from boldglm.glm.inference.permutation_test import (
    MapMaxima,
    PermutationTest,
    blockwise_permutation_test,
    with_maxima,
)
from boldglm.glm.inference.permutations import Permutations, exchanges, sign_flips
from boldglm.glm.inference.permuted_statistics import STREAM_BYTES, slices
from boldglm.glm.inference.tfce import Enhancement
from boldglm.glm.second_level.blockwise import BlockwiseFit
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.estimators import Inputs, estimate
from boldglm.glm.second_level.reml import reml_variance, weighted_least_squares
from boldglm.glm.second_level.second_level import SecondLevelFit
from boldglm.glm.stats.distributions import f_to_z, t_to_z

BLOCK_BYTES = 2**19  # of an array of shape (n_inputs, n_voxels) that is permuted together
SAME = 1e-9
AnyFit: TypeAlias = SecondLevelFit | BlockwiseFit


def permute_contrast(
    fit: AnyFit,
    contrast: ContrastForm,
    n_permutations: int,
    rng: np.random.Generator,
    *,
    two_sided: bool = False,
    neighbors: Neighbors | None = None,
    cluster_p: float | None = None,
    tfce: Enhancement | bool = False,
) -> PermutationTest:
    r"""Test a contrast of a fit, with family-wise error by permutation of its own statistic.

    Parameters
    ----------
    fit : SecondLevelFit or BlockwiseFit
        Fit without missing inputs.
    contrast : str, mapping of str to array_like, or array_like
        As in `SecondLevelFit.contrast`.
    n_permutations : int
        Number of permutations, including the observed data. If no more than that exist, all are
        used.
    rng : numpy.random.Generator
        Random numbers.
    two_sided : bool
        Whether the largest \|t\| is used instead of the largest t. F is always one-sided.
    neighbors : Neighbors, optional
        Adjacency of voxels, which clusters and TFCE need.
    cluster_p : float, optional
        Voxels with at most this p, in each tail that is tested, form clusters.
    tfce : Enhancement or bool
        Whether to compute threshold-free cluster enhancement, or its constants.

    Returns
    -------
    PermutationTest
        Its statistic is that of ``fit.contrast``: t or F, or z if their degrees of freedom
        differ between voxels, where equal values of t are not equally rare.

    Raises
    ------
    ValueError
        If inputs are missing at some voxels, or as for `permutation_test`.
    NotEstimableError
        If the design does not determine the contrast.

    See Also
    --------
    permutation_test : The same for ordinary least squares, from arrays.

    Notes
    -----
    The model without the tested effect is fitted, its residuals are permuted, and the whole model
    is fitted to them again [1]_, including the variance between inputs of mixed effects. An input
    keeps its variance: it moves with the residual when inputs are exchanged, and stays when
    signs are flipped, so that weights are those of the inputs in every permutation. The test is
    exact if errors are symmetric (flips), or if pairs of effect and variance are exchangeable, and
    the rest of the model is a constant; it is approximate with further columns.

    ========================  ===============================================================
    errors                    permutations
    ========================  ===============================================================
    one variance              exchanges if the rest of the model has a constant, else flips
    groups of own variances   sign flips: exchanges between groups would mix their variances,
                              and for unequal groups give wrong rates even of Welch's t
    blocks                    whole blocks are flipped; they are exchanged if all have equally
                              many inputs and the effect is constant within blocks
    ========================  ===============================================================

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation inference
       for the general linear model. NeuroImage 92:381-397. doi:10.1016/j.neuroimage.2014.01.060

    Examples
    --------
    Three inputs have eight patterns of signs, and only the observed one has a t this large:

    >>> from boldglm.glm.second_level.second_level import fit_second_level
    >>> f = fit_second_level([[1.0], [2.0], [3.0]], np.ones((3, 1)), names=["mean"],
    ...                      variances=np.ones((3, 1)), dofs=[9, 9, 9], method="mixed")
    >>> permute_contrast(f, "mean", 100, np.random.default_rng(0)).p_max.tolist()
    [0.125]
    """
    _, weights = contrast_weights(contrast, fit.names, None)
    if fit.method == "ols" and fit.errors.is_plain:
        space = partition_design(fit.design, weights)
        return blockwise_permutation_test(
            lambda: (block.effects for block in _complete(fit)),
            space,
            n_permutations,
            rng,
            two_sided=two_sided,
            neighbors=neighbors,
            cluster_threshold=None if cluster_p is None else _critical(space, cluster_p),
            tfce=tfce,
        )
    refits = _Refits(fit, weights)
    is_mirrored = two_sided or refits.space.test == "F"
    drawn = _draw(fit, refits.space, n_permutations - 1, rng, is_mirrored)
    observed, dofs = refits.observed()
    dof = float(np.median(dofs))
    threshold = None
    if cluster_p is not None:
        name = refits.statistic_name
        threshold = (
            float(special.ndtri(1 - cluster_p)) if name == "z"
            else _critical(refits.space, cluster_p, dof)
        )  # fmt: skip
    maps = MapMaxima(neighbors, threshold, tfce, two_sided and refits.space.test == "t")
    maxima = refits.maxima(
        drawn, observed.size, maps.two_sided, maps.add if maps.are_needed else None
    )
    result = PermutationTest(
        refits.space.test,
        observed,
        dof,
        np.ones(observed.size),
        np.empty(0),
        drawn.scheme,
        drawn.is_exhaustive,
        statistic_name=refits.statistic_name,
    )
    return with_maxima(result, drawn, maxima, maps, observed == 0)


def _critical(space: Partition, p: float, dof: float | None = None) -> float:
    """Return the t or F whose upper tail is p."""
    dof = space.dof if dof is None else dof
    if space.test == "t":
        return -float(special.stdtrit(dof, p))
    return float(special.fdtri(space.tested.shape[1], dof, 1 - p))


def _draw(
    fit: AnyFit,
    space: Partition,
    n_patterns: int,
    rng: np.random.Generator,
    mirrored: bool,
) -> Permutations:
    """Return the permutations that the errors of the fit allow."""
    n_inputs = len(space.tested)
    if n_patterns < 1:
        raise ValueError(
            f"the number of permutations is {n_patterns + 1}; it includes the observed data and "
            "must be at least 2."
        )
    blocks, groups = fit.errors.blocks, fit.errors.variance_groups
    if blocks is not None:
        order = _order_in_blocks(space, blocks) if groups is None and space.has_constant else None
        if order is None:
            return sign_flips(blocks, n_patterns, rng, mirrored=mirrored)
        rows = np.hstack([space.tested, space.nuisance])[order].reshape(len(order), -1)
        drawn = exchanges(rows, np.zeros(len(order), dtype=np.intp), n_patterns, rng)
        patterns = np.empty((len(drawn), n_inputs), dtype=np.intp)
        patterns[:, order.ravel()] = order[drawn.patterns].reshape(len(drawn), -1)
        return Permutations("permutations", patterns, drawn.is_exhaustive)
    if groups is None and space.has_constant:
        one_block = np.zeros(n_inputs, dtype=np.intp)
        rows = np.hstack([space.tested, space.moving(one_block)])
        return exchanges(rows, one_block, n_patterns, rng)
    return sign_flips(np.arange(n_inputs), n_patterns, rng, mirrored=mirrored)


def _order_in_blocks(space: Partition, blocks: IndexArray) -> IndexArray | None:
    """Return the inputs of each block, (n_blocks, n_in_block), if blocks can be exchanged."""
    counts = np.bincount(blocks)
    if counts.min() != counts.max():
        return None
    members = np.stack([np.flatnonzero(blocks == block) for block in range(counts.size)])
    tested = space.tested[members]
    if np.abs(tested - tested[:, :1]).max() > SAME:
        return None
    within = space.nuisance[members] - space.nuisance[members].mean(axis=1, keepdims=True)
    orders = [np.lexsort(np.round(rows.T, 9)) for rows in within]
    return np.stack([inputs[order] for inputs, order in zip(members, orders, strict=True)])


def _complete(fit: AnyFit) -> Iterator[SecondLevelFit]:
    """Yield the blocks of a fit, and refuse missing inputs."""
    for block in fit.blocks():
        if not block.is_complete.all():
            raise ValueError("inputs are missing at some voxels. Exclude these voxels.")
        yield block


class _Refits:
    """The statistic of permuted data, by fitting all of it again."""

    def __init__(self, fit: AnyFit, weights: FloatArray) -> None:
        self.fit, self.rows = fit, fit.independent_rows(weights)
        self.space = partition_design(fit.design, weights)
        self._single: _Block | None = None

    @property
    def statistic_name(self) -> str:
        """Which statistic is permuted: t, F, or z if degrees of freedom differ."""
        return "z" if self.fit.dof_differs else self.space.test

    def observed(self) -> tuple[FloatArray, FloatArray]:
        """Return the observed statistic and its degrees of freedom, (n_voxels,)."""
        statistics, dofs = [], []
        for block in _complete(self.fit):
            estimates = self._estimates(block.effects, block.variances, block.dofs)
            statistics.append(self._statistic(estimates))
            dofs.append(estimates.dof)
        return np.concatenate(statistics), np.concatenate(dofs)

    def _estimates(
        self, y: FloatArray, v: FloatArray | None, dofs: FloatArray | None
    ) -> Estimates:
        fit = self.fit
        return estimate(fit.design, self.rows, Inputs(y, v, dofs), fit.method, fit.errors)

    def _statistic(self, estimates: Estimates) -> FloatArray:
        is_t = self.space.test == "t"
        values = estimates.t_values() if is_t else estimates.f_values()
        if self.statistic_name != "z":
            return values
        if is_t:
            return t_to_z(values, estimates.dof)
        return np.where(values > 0, f_to_z(values, len(self.rows), estimates.dof), 0.0)

    def maxima(
        self,
        drawn: Permutations,
        n_voxels: int,
        two_sided: bool,
        on_maps: Callable[[RealArray], None] | None,
    ) -> FloatArray:
        """Return the largest statistic of each permutation, and pass on whole maps."""
        largest = np.full(len(drawn), -np.inf)
        together = len(drawn) if on_maps is None else max(1, STREAM_BYTES // (8 * n_voxels))
        for group in slices(0, len(drawn), together):
            patterns = drawn.patterns[group]
            maps = None if on_maps is None else np.empty((len(patterns), n_voxels))
            first = 0
            for block in self._blocks():
                last = first + block.residuals.shape[1]
                for number, pattern in enumerate(patterns):
                    values = self._permuted(block, pattern, drawn.scheme == "sign flips")
                    value = (np.abs(values) if two_sided else values).max()
                    largest[group][number] = np.maximum(largest[group][number], value)
                    if maps is not None:
                        maps[number, first:last] = values
                first = last
            if on_maps is not None and maps is not None:
                on_maps(maps)
        return largest

    def _blocks(self) -> Iterator["_Block"]:
        """Yield the blocks of voxels without the nuisance; a single block is kept."""
        if self._single is not None:
            yield self._single
            return
        for fit in _complete(self.fit):
            block = _Block(fit, self._without_nuisance(fit))
            if fit is self.fit:
                self._single = block
            yield block

    def _without_nuisance(self, fit: SecondLevelFit) -> FloatArray:
        if not self.space.nuisance.shape[1]:
            return fit.effects
        residuals = np.empty_like(fit.effects)
        for voxels in _blocks(*fit.effects.shape):
            residuals[:, voxels] = _without_nuisance(fit, self.space, voxels)
        return residuals

    def _permuted(self, block: "_Block", pattern: IndexArray, is_flip: bool) -> FloatArray:
        """Return the statistic of a permutation at the voxels of a block."""
        variances, dofs = block.fit.variances, block.fit.dofs
        values = np.empty(block.residuals.shape[1])
        # an exchange gives input i the row pattern[i] of the design
        moved = slice(None) if is_flip else np.argsort(pattern)
        for voxels in _blocks(*block.residuals.shape):
            e = block.residuals[:, voxels]
            e = e * pattern[:, np.newaxis] if is_flip else e[moved]
            v = None if variances is None else variances[:, voxels][moved]
            nu = dofs
            if dofs is not None:
                nu = (dofs if dofs.shape[1] == 1 else dofs[:, voxels])[moved]
            values[voxels] = self._statistic(self._estimates(e, v, nu))
        return values


class _Block(NamedTuple):
    """Some voxels of a fit."""

    fit: SecondLevelFit
    residuals: FloatArray  # of the model without the tested effect, (n_inputs, n_voxels)


def _without_nuisance(fit: SecondLevelFit, space: Partition, block: slice) -> FloatArray:
    """Return the residuals of the model without the tested effect, with its own weights."""
    y, nuisance, w = fit.effects[:, block], space.nuisance, fit.errors.weights
    if fit.variances is None:
        if w is None:
            return np.asarray(y - nuisance @ (nuisance.T @ y))
        root = np.sqrt(w)[:, np.newaxis]
        return np.asarray(y - nuisance @ (np.linalg.pinv(root * nuisance) @ (root * y)))
    v = fit.variances[:, block]
    between = reml_variance(nuisance, y, v) if fit.method == "mixed" else 0.0
    of_groups = 1.0 if w is None else w[:, np.newaxis]
    return weighted_least_squares(nuisance, y, of_groups / (v + between)).residuals


def _blocks(n_inputs: int, n_voxels: int) -> Iterator[slice]:
    size = max(256, BLOCK_BYTES // (8 * n_inputs))
    for start in range(0, n_voxels, size):
        yield slice(start, start + size)
