"""Family-wise error by permutation: the largest value anywhere, in data rearranged many times."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray, IndexArray, RealArray
from boldglm.glm.inference.clusters import find_clusters
from boldglm.glm.inference.neighbors import Neighbors
from boldglm.glm.inference.partition import Partition, partition_design
from boldglm.glm.inference.permutations import Permutations, permutations, sign_flips
from boldglm.glm.inference.permuted_statistics import PermutedStatistics, nuisance_residuals
from boldglm.glm.inference.tfce import Enhancement, enhance

SCHEMES = ("auto", "sign flips", "permutations")
# Relative differences that are rounding: of statistics, and of sums over maps of short floats.
TIE, TIE_OF_SUMS = 1e-9, 1e-5


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """What a permutation test finds; p values are of shape (n_voxels,).

    Parameters
    ----------
    test : {"t", "F"}
    statistic : ndarray of shape (n_voxels,)
        t or F of the data as they are.
    dof : int
        Residual degrees of freedom.
    p_max : ndarray
        Family-wise error of each voxel by the largest statistic.
    maxima : ndarray of shape (n_permutations,)
        Largest statistic of each permutation, the first being the data as they are.
    scheme : {"sign flips", "permutations"}
    is_exact : bool
        Whether all that there are were taken.
    p_extent, p_mass : ndarray or None
        Family-wise error of the cluster that a voxel is in; 1 outside clusters.
    p_tfce : ndarray or None
        Family-wise error by the largest enhanced value.
    extents, masses, enhanced : ndarray of shape (n_permutations,), or None
        Largest cluster extent, cluster mass and enhanced value of each permutation.
    """

    test: str
    statistic: FloatArray
    dof: int
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

    @property
    def t(self) -> FloatArray | None:
        """t values, or None for F."""
        return self.statistic if self.test == "t" else None


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

    No distribution is assumed, and the correlation between voxels is that of the data.

    Parameters
    ----------
    effects : array_like of shape (n_inputs, n_voxels)
        Such as effects of participants; finite.
    design : array_like of shape (n_inputs, n_columns)
        A column of ones tests the mean; others are covariates, groups, pairs.
    weights : array_like of shape (n_columns,) or (q, n_columns)
        Contrast weights: one row for t, several for F.
    n_permutations : int
        How many, the data as they are among them; all that there are if those are no more.
    rng : numpy.random.Generator
        Where random ones come from.
    two_sided : bool
        Whether negative t count as positive ones do. F is upper tail in any case.
    scheme : {"auto", "sign flips", "permutations"}
        "sign flips": errors are symmetric around 0. "permutations": errors can be exchanged.
        "auto" exchanges if a constant is part of the model without the tested effect, and flips
        signs otherwise, as for a mean.
    blocks : array_like of shape (n_inputs,), optional
        Labels of inputs that belong together, such as sessions of a participant. Signs of a block
        are flipped together; inputs are exchanged within blocks only.
    neighbors : Neighbors, optional
        Which voxels lie side by side; needed for clusters and TFCE.
    cluster_threshold : float, optional
        Statistic from which voxels form clusters.
    tfce : Enhancement or bool
        Whether to enhance without threshold, and with which constants.

    Returns
    -------
    PermutationTest
        Voxels without any residual have statistic 0 and p 1.

    Raises
    ------
    ValueError
        If shapes do not fit, effects are not finite, a word is unknown, nothing can be
        rearranged, or neighbors are missing.
    NotEstimableError
        If the design does not determine the contrast.

    Notes
    -----
    Inputs, less what the model without the tested effect explains of them, are rearranged and
    fitted again [1]_, [2]_; how this comes to one matrix product is told in
    `boldglm.glm.inference.permuted_statistics`. Clusters and TFCE take whole maps, and so longer.

    p is the share of the permutations, the data as they are among them, whose largest value is
    at least this one: never 0 [3]_. Signs that are all turned have the same \|t\| and F, so
    that half of all flips are enough; they count twice.

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
    Three inputs have eight patterns of signs, of which one is as large as the data:

    >>> effects = np.array([[1.0], [2.0], [3.0]])
    >>> found = permutation_test(effects, np.ones((3, 1)), [1.0], 100, np.random.default_rng(0))
    >>> found.statistic.round(3).tolist(), found.p_max.tolist(), found.is_exact
    ([3.464], [0.125], True)
    """
    space = partition_design(design, weights)
    y = _checked_effects(effects, len(space.tested))
    if n_permutations < 2:
        raise ValueError(
            f"the number of permutations is {n_permutations}; with the data as they are, it must "
            "be at least 2."
        )
    wanted = _WantedMaps(neighbors, cluster_threshold, tfce, two_sided and space.test == "t")
    units = _numbered(blocks, len(y))
    drawn = _rearrangements(space, scheme, units, n_permutations - 1, rng, wanted.two_sided)
    if drawn.scheme == "permutations":
        moved = space.moving(units if units is not None else np.zeros(len(y), dtype=int))
    else:
        moved = space.nuisance
    residuals = nuisance_residuals(y, space)
    statistics = PermutedStatistics(space, drawn, moved, residuals, wanted.two_sided)
    maxima = statistics.maxima(y, wanted.put if wanted.any else None)
    own = np.abs(residuals.statistic) if wanted.two_sided else residuals.statistic
    maxima = drawn.with_observed(own.max(), maxima)
    p_max = family_wise_p(own, maxima)
    p_max[residuals.without_variance] = 1.0
    found = PermutationTest(
        space.test,
        residuals.statistic,
        space.dof,
        p_max,
        maxima,
        drawn.scheme,
        drawn.is_exhaustive,
    )
    return wanted.added_to(found, drawn)


def family_wise_p(values: ArrayLike, maxima: ArrayLike, tie: float = TIE) -> FloatArray:
    """Return the share of permutations whose largest value is at least as large as some values.

    Parameters
    ----------
    values : array_like
        Of the data as they are.
    maxima : array_like of shape (n_permutations,)
        Largest value of each permutation, the data as they are among them.
    tie : float
        Relative difference up to which two values are equal.

    Returns
    -------
    ndarray of the shape of the values

    Examples
    --------
    >>> family_wise_p([9.0, 3.0, 0.0], [9.0, 1.0, 3.0, 2.0]).tolist()
    [0.25, 0.5, 1.0]
    """
    own, ordered = np.asarray(values, dtype=np.float64), np.sort(np.asarray(maxima, np.float64))
    below = np.searchsorted(ordered, own - tie * np.abs(own), side="left")
    return np.asarray((ordered.size - below) / ordered.size)


class _WantedMaps:
    """Largest clusters and enhanced values of whole maps, if they are asked for."""

    def __init__(
        self,
        neighbors: Neighbors | None,
        threshold: float | None,
        tfce: Enhancement | bool,
        two_sided: bool,
    ) -> None:
        constants = Enhancement() if tfce is True else tfce or None
        self.any = threshold is not None or constants is not None
        if self.any and neighbors is None:
            raise ValueError("clusters and TFCE need to know which voxels are neighbors.")
        if threshold is not None and not threshold > 0:
            raise ValueError(f"the threshold of clusters is {threshold}; it must be positive.")
        self.two_sided = two_sided
        self._neighbors, self._threshold, self._tfce = neighbors, threshold, constants
        self._largest: list[tuple[float, float, float]] = []

    def put(self, maps: RealArray) -> None:
        """Measure the maps of the next rearrangements, (n_some, n_voxels)."""
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

    def added_to(self, found: PermutationTest, drawn: Permutations) -> PermutationTest:
        """Return the results with those of clusters and TFCE."""
        if self._neighbors is None or not self.any:
            return found
        extents, masses, enhanced = np.array(self._largest).reshape(-1, 3).T
        if self._threshold is not None:
            labels, own_extents, own_masses = find_clusters(
                found.statistic, self._threshold, self._neighbors, two_sided=self.two_sided
            )
            extents = drawn.with_observed(own_extents.max(initial=0.0), extents)
            masses = drawn.with_observed(own_masses.max(initial=0.0), masses)
            found = replace(
                found,
                p_extent=_spread(labels, family_wise_p(own_extents, extents, TIE_OF_SUMS)),
                p_mass=_spread(labels, family_wise_p(own_masses, masses, TIE_OF_SUMS)),
                extents=extents,
                masses=masses,
            )
        if self._tfce is not None:
            own = np.abs(self._enhanced(found.statistic, self._neighbors, self._tfce))
            enhanced = drawn.with_observed(own.max(), enhanced)
            p_tfce = family_wise_p(own, enhanced, TIE_OF_SUMS)
            found = replace(found, p_tfce=p_tfce, enhanced=enhanced)
        return found

    def _enhanced(
        self, values: RealArray, neighbors: Neighbors, constants: Enhancement
    ) -> FloatArray:
        return enhance(values, neighbors, constants, two_sided=self.two_sided)


def _spread(labels: IndexArray, p: FloatArray) -> FloatArray:
    """Give every voxel the p value of its cluster, 1 outside."""
    return np.append(p, 1.0)[labels]


def _rearrangements(
    space: Partition,
    scheme: str,
    units: IndexArray | None,
    n_patterns: int,
    rng: np.random.Generator,
    two_sided: bool,
) -> Permutations:
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}: known are {', '.join(SCHEMES)}.")
    n_inputs = len(space.tested)
    if scheme == "permutations" or (scheme == "auto" and space.has_constant):
        blocks = np.zeros(n_inputs, dtype=np.intp) if units is None else units
        rows = np.hstack([space.tested, space.moving(blocks)])
        return permutations(rows, blocks, n_patterns, rng)
    own = np.arange(n_inputs) if units is None else units
    return sign_flips(own, n_patterns, rng, mirrored=two_sided or space.test == "F")


def _numbered(blocks: ArrayLike | None, n_inputs: int) -> IndexArray | None:
    if blocks is None:
        return None
    labels = np.asarray(blocks)
    if labels.shape != (n_inputs,):
        raise ValueError(
            f"blocks have shape {labels.shape}; give one label for each of {n_inputs} inputs."
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
        bad = int((~np.isfinite(y).all(axis=0)).sum())
        raise ValueError(
            f"effects are not finite at {bad} of {y.shape[1]} voxels; leave those out."
        )
    return y
