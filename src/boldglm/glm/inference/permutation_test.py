"""Family-wise error by permutation: the distribution of the largest value in permuted data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray, RealArray
from boldglm.glm.inference.clusters import find_clusters
from boldglm.glm.inference.neighbors import Neighbors
from boldglm.glm.inference.partition import Partition, partition_design
from boldglm.glm.inference.permutations import Permutations, exchanges, sign_flips
from boldglm.glm.inference.permuted_statistics import PermutedStatistics, ResidualBlocks
from boldglm.glm.inference.tfce import Enhancement, enhance

SCHEMES = ("auto", "sign flips", "permutations")
# Relative differences that count as rounding: of statistics, and of sums over float32 maps.
TIE, TIE_OF_SUMS = 1e-9, 1e-5


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """Results of a permutation test; p values have the shape (n_voxels,).

    Parameters
    ----------
    test : {"t", "F"}
        Statistic of the test.
    statistic : ndarray of shape (n_voxels,)
        Observed t, F or z.
    dof : float
        Residual degrees of freedom; the median if they differ between voxels.
    p_max : ndarray
        Family-wise error of each voxel by the largest statistic.
    maxima : ndarray of shape (n_permutations,)
        Largest statistic of each permutation, beginning with the observed data.
    scheme : {"sign flips", "permutations"}
        Kind of permutations; exchanges of inputs are called "permutations".
    is_exact : bool
        Whether all possible permutations were used.
    p_extent, p_mass : ndarray or None
        Family-wise error of the cluster that contains the voxel; 1 outside clusters.
    p_tfce : ndarray or None
        Family-wise error by the largest enhanced value.
    extents, masses, enhanced : ndarray of shape (n_permutations,), or None
        Largest cluster extent, cluster mass and enhanced value of each permutation.
    statistic_name : {"t", "F", "z"}
        The statistic that was permuted: z if degrees of freedom differ between voxels.

    See Also
    --------
    permutation_test : Function that returns it.

    Examples
    --------
    The mean of three positive effects is largest in one of 8 combinations of signs:

    >>> effects = [[1.0], [2.0], [3.0]]
    >>> rng = np.random.default_rng(0)
    >>> result = permutation_test(effects, np.ones((3, 1)), [1.0], 100, rng)
    >>> result.scheme, result.is_exact, result.p_max[0].item()
    ('sign flips', True, 0.125)
    """

    test: str
    statistic: FloatArray
    dof: float
    p_max: FloatArray
    maxima: FloatArray
    scheme: str
    is_exact: bool
    p_extent: FloatArray | None = None
    p_mass: FloatArray | None = None
    p_tfce: FloatArray | None = None
    extents: FloatArray | None = None
    masses: FloatArray | None = None
    enhanced: FloatArray | None = None
    statistic_name: str = "t"

    @property
    def t(self) -> FloatArray | None:
        """Observed t values, or None if the statistic is F or z."""
        return self.statistic if self.statistic_name == "t" else None


def permutation_test(
    effects: ArrayLike,
    design: ArrayLike,
    weights: ArrayLike,
    n_permutations: int,
    rng: np.random.Generator,
    *,
    two_sided: bool = False,
    scheme: str = "auto",
    blocks: ArrayLike | None = None,
    neighbors: Neighbors | None = None,
    cluster_threshold: float | None = None,
    tfce: Enhancement | bool = False,
) -> PermutationTest:
    r"""Test a contrast over inputs at all voxels, with family-wise error by permutation.

    The test assumes no distribution, and accounts for the correlation between voxels.

    Parameters
    ----------
    effects : array_like of shape (n_inputs, n_voxels)
        Finite effects of the inputs, for example of participants.
    design : array_like of shape (n_inputs, n_columns)
        Design over inputs. A column of ones models the mean; other columns are covariates, groups
        or pairs.
    weights : array_like of shape (n_columns,) or (q, n_columns)
        Contrast weights: one row for t, several for F.
    n_permutations : int
        Number of permutations, including the observed data. If no more than that exist, all are
        used.
    rng : numpy.random.Generator
        Random numbers.
    two_sided : bool
        Whether the largest \|t\| is used instead of the largest t. F is always one-sided.
    scheme : {"auto", "sign flips", "permutations"}
        "sign flips" assumes errors that are symmetric around 0, and "permutations" exchangeable
        errors. "auto" exchanges inputs if the model without the tested effect contains a constant,
        and flips signs otherwise, as for the test of a mean.
    blocks : array_like of shape (n_inputs,), optional
        Labels of inputs that belong together, such as the sessions of a participant. The signs of
        a block are flipped together; inputs are exchanged within blocks only.
    neighbors : Neighbors, optional
        Adjacency of voxels, which clusters and TFCE need.
    cluster_threshold : float, optional
        Voxels with at least this statistic form clusters.
    tfce : Enhancement or bool
        Whether to compute threshold-free cluster enhancement, or its constants.

    Returns
    -------
    PermutationTest
        Voxels without variance have statistic 0 and p 1.

    Raises
    ------
    ValueError
        If shapes do not fit, effects are not finite, the scheme is unknown, no permutation changes
        the data, or neighbors are missing.
    NotEstimableError
        If the design does not determine the contrast.

    See Also
    --------
    fit_second_level : Test with assumed distributions.

    Notes
    -----
    The residuals of the model without the tested effect are permuted and fitted again [1]_, [2]_.
    `boldglm.glm.inference.permuted_statistics` explains how this becomes one matrix product.
    Clusters and TFCE need whole maps and take longer.

    p is the share of permutations, including the observed data, whose largest value is at least
    the observed one; it is never 0 [3]_. Reversing all signs leaves \|t\| and F unchanged, so half
    of all sign flips are computed and count twice.

    References
    ----------
    .. [1] Freedman D, Lane D (1983). A nonstochastic interpretation of reported significance
       levels. Journal of Business and Economic Statistics 1:292-298.
       doi:10.1080/07350015.1983.10509354
    .. [2] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation inference
       for the general linear model. NeuroImage 92:381-397. doi:10.1016/j.neuroimage.2014.01.060
    .. [3] Phipson B, Smyth GK (2010). Permutation p-values should never be zero. Statistical
       Applications in Genetics and Molecular Biology 9:39. doi:10.2202/1544-6115.1585

    Examples
    --------
    Three inputs have eight patterns of signs, and only the observed one has a t this large:

    >>> effects = np.array([[1.0], [2.0], [3.0]])
    >>> test = permutation_test(effects, np.ones((3, 1)), [1.0], 100, np.random.default_rng(0))
    >>> test.statistic.round(3).tolist(), test.p_max.tolist(), test.is_exact
    ([3.464], [0.125], True)
    """
    space = partition_design(design, weights)
    y = _checked_effects(effects, len(space.tested))
    return blockwise_permutation_test(
        lambda: (y,),
        space,
        n_permutations,
        rng,
        two_sided=two_sided,
        scheme=scheme,
        blocks=blocks,
        neighbors=neighbors,
        cluster_threshold=cluster_threshold,
        tfce=tfce,
    )


def blockwise_permutation_test(
    effects: Callable[[], Iterable[RealArray]],
    space: Partition,
    n_permutations: int,
    rng: np.random.Generator,
    *,
    two_sided: bool = False,
    scheme: str = "auto",
    blocks: ArrayLike | None = None,
    neighbors: Neighbors | None = None,
    cluster_threshold: float | None = None,
    tfce: Enhancement | bool = False,
) -> PermutationTest:
    """Test a contrast as `permutation_test`, with effects that memory need not hold.

    Parameters
    ----------
    effects : callable
        Returns the effects of successive blocks of voxels, (n_inputs, n_voxels) each; it is
        called as often as all voxels are needed again.
    space : Partition
        Tested and nuisance directions of the design.
    n_permutations, rng, two_sided, scheme, blocks, neighbors, cluster_threshold, tfce
        As for `permutation_test`.
    """
    if n_permutations < 2:
        raise ValueError(
            f"the number of permutations is {n_permutations}; it includes the observed data and "
            "must be at least 2."
        )
    maps = MapMaxima(neighbors, cluster_threshold, tfce, two_sided and space.test == "t")
    n_inputs = len(space.tested)
    units = _numbered(blocks, n_inputs)
    drawn = _draw_permutations(space, scheme, units, n_permutations - 1, rng, maps.two_sided)
    if drawn.scheme == "permutations":
        moved = space.moving(units if units is not None else np.zeros(n_inputs, dtype=int))
    else:
        moved = space.nuisance
    residuals = ResidualBlocks(effects, space)
    statistics = PermutedStatistics(space, drawn, moved, residuals, maps.two_sided)
    maxima = statistics.maxima(maps.add if maps.are_needed else None)
    result = PermutationTest(
        space.test,
        residuals.statistic,
        space.dof,
        np.ones(len(residuals.statistic)),
        maxima,
        drawn.scheme,
        drawn.is_exhaustive,
        statistic_name=space.test,
    )
    return with_maxima(result, drawn, maxima, maps, residuals.without_variance)


def with_maxima(
    result: PermutationTest,
    drawn: Permutations,
    maxima: FloatArray,
    maps: "MapMaxima",
    without_variance: BoolArray,
) -> PermutationTest:
    """Return a test with its p values.

    Parameters
    ----------
    result : PermutationTest
        The observed statistic.
    drawn : Permutations
        The permutations.
    maxima : ndarray of shape (n_patterns,)
        Largest value of each permutation.
    maps : MapMaxima
        Largest clusters and enhanced values of each permutation.
    without_variance : ndarray of bool, of shape (n_voxels,)
        Voxels that get p 1.
    """
    observed = np.abs(result.statistic) if maps.two_sided else result.statistic
    maxima = drawn.with_observed(observed.max(), maxima)
    p_max = family_wise_p(observed, maxima)
    p_max[without_variance] = 1.0
    return maps.complete(replace(result, p_max=p_max, maxima=maxima), drawn)


def family_wise_p(values: ArrayLike, maxima: ArrayLike, tie: float = TIE) -> FloatArray:
    """Return family-wise p: the share of permutations whose largest value is at least as large.

    Parameters
    ----------
    values : array_like
        Observed values.
    maxima : array_like of shape (n_permutations,)
        Largest value of each permutation, including the observed data.
    tie : float
        Relative difference up to which two values count as equal.

    Returns
    -------
    ndarray of the shape of the values

    Examples
    --------
    >>> family_wise_p([9.0, 3.0, 0.0], [9.0, 1.0, 3.0, 2.0]).tolist()
    [0.25, 0.5, 1.0]
    """
    observed = np.asarray(values, dtype=np.float64)
    ordered = np.sort(np.asarray(maxima, np.float64))
    below = np.searchsorted(ordered, observed - tie * np.abs(observed), side="left")
    return np.asarray((ordered.size - below) / ordered.size)


class MapMaxima:
    """Collects the largest clusters and enhanced values of permuted maps, if they are needed."""

    def __init__(
        self,
        neighbors: Neighbors | None,
        threshold: float | None,
        tfce: Enhancement | bool,
        two_sided: bool,
    ) -> None:
        constants = Enhancement() if tfce is True else tfce or None
        self.are_needed = threshold is not None or constants is not None
        if self.are_needed and neighbors is None:
            raise ValueError(
                "clusters and TFCE need neighbors, such as grid_neighbors returns for a mask."
            )
        if threshold is not None and not threshold > 0:
            raise ValueError(f"the threshold of clusters is {threshold}; it must be positive.")
        self.two_sided = two_sided
        self._neighbors, self._threshold, self._tfce = neighbors, threshold, constants
        self._largest: list[tuple[float, float, float]] = []

    def add(self, maps: RealArray) -> None:
        """Store the largest values of the next maps, (n_maps, n_voxels)."""
        for values in maps:
            extent = mass = enhanced = 0.0
            if self._neighbors is not None and self._threshold is not None:
                _, extents, masses = find_clusters(
                    values, self._threshold, self._neighbors, two_sided=self.two_sided
                )
                extent, mass = extents.max(initial=0.0), masses.max(initial=0.0)
            if self._neighbors is not None and self._tfce is not None:
                enhanced = np.abs(self._enhanced(values, self._neighbors, self._tfce)).max()
            self._largest.append((float(extent), float(mass), float(enhanced)))

    def complete(self, result: PermutationTest, drawn: Permutations) -> PermutationTest:
        """Add the results of clusters and TFCE."""
        if self._neighbors is None or not self.are_needed:
            return result
        extents, masses, enhanced = np.array(self._largest).reshape(-1, 3).T
        if self._threshold is not None:
            labels, observed_extents, observed_masses = find_clusters(
                result.statistic, self._threshold, self._neighbors, two_sided=self.two_sided
            )
            extents = drawn.with_observed(observed_extents.max(initial=0.0), extents)
            masses = drawn.with_observed(observed_masses.max(initial=0.0), masses)
            result = replace(
                result,
                p_extent=_at_voxels(labels, family_wise_p(observed_extents, extents, TIE_OF_SUMS)),
                p_mass=_at_voxels(labels, family_wise_p(observed_masses, masses, TIE_OF_SUMS)),
                extents=extents,
                masses=masses,
            )
        if self._tfce is not None:
            observed = np.abs(self._enhanced(result.statistic, self._neighbors, self._tfce))
            enhanced = drawn.with_observed(observed.max(), enhanced)
            p_tfce = family_wise_p(observed, enhanced, TIE_OF_SUMS)
            result = replace(result, p_tfce=p_tfce, enhanced=enhanced)
        return result

    def _enhanced(
        self, values: RealArray, neighbors: Neighbors, constants: Enhancement
    ) -> FloatArray:
        return enhance(values, neighbors, constants, two_sided=self.two_sided)


def _at_voxels(labels: IndexArray, p: FloatArray) -> FloatArray:
    """Return the p value of the cluster of each voxel, 1 outside clusters."""
    return np.append(p, 1.0)[labels]


def _draw_permutations(
    space: Partition,
    scheme: str,
    units: IndexArray | None,
    n_patterns: int,
    rng: np.random.Generator,
    two_sided: bool,
) -> Permutations:
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}; known schemes: {', '.join(SCHEMES)}.")
    n_inputs = len(space.tested)
    if scheme == "permutations" or (scheme == "auto" and space.has_constant):
        blocks = np.zeros(n_inputs, dtype=np.intp) if units is None else units
        rows = np.hstack([space.tested, space.moving(blocks)])
        return exchanges(rows, blocks, n_patterns, rng)
    units = np.arange(n_inputs) if units is None else units
    return sign_flips(units, n_patterns, rng, mirrored=two_sided or space.test == "F")


def _numbered(blocks: ArrayLike | None, n_inputs: int) -> IndexArray | None:
    if blocks is None:
        return None
    labels = np.asarray(blocks)
    if labels.shape != (n_inputs,):
        raise ValueError(
            f"blocks have shape {labels.shape}. Give one label for each of the {n_inputs} inputs."
        )
    return np.unique(labels, return_inverse=True)[1].ravel()


def _checked_effects(effects: ArrayLike, n_inputs: int) -> RealArray:
    y = np.asarray(effects)
    if y.dtype not in (np.float32, np.float64):
        y = y.astype(np.float64)
    if y.ndim != 2 or len(y) != n_inputs or not y.size:
        raise ValueError(
            f"effects have shape {y.shape}; the design has {n_inputs} rows, so they need "
            f"({n_inputs}, n_voxels)."
        )
    if not np.isfinite(y).all():
        n_bad = int((~np.isfinite(y).all(axis=0)).sum())
        raise ValueError(
            f"effects are not finite at {n_bad} of {y.shape[1]} voxels. Exclude these voxels."
        )
    return y
