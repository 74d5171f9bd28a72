"""Threshold-free cluster enhancement (TFCE): support of each voxel by its clusters at all heights.

Clusters only grow as the threshold falls. Each step therefore adds the voxels and pairs of
neighbors above the new threshold, and merges the clusters that they connect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray
from boldglm.glm.inference.neighbors import Neighbors, connected, sums

MOST_STEPS = 10**6  # largest height that is counted, in steps


@dataclass(frozen=True)
class Enhancement:
    """Constants of TFCE; the defaults are those for volumes.

    Parameters
    ----------
    height_power, extent_power : float
        H and E: 2 and 0.5 for volumes, 2 and 1 for surfaces.
    step : float
        Distance Δ between thresholds, in units of the statistic.

    Raises
    ------
    ValueError
        If a constant is not positive and finite.

    See Also
    --------
    enhance : Uses these constants.

    Examples
    --------
    >>> Enhancement(extent_power=1.0)
    Enhancement(height_power=2.0, extent_power=1.0, step=0.1)
    """

    height_power: float = 2.0
    extent_power: float = 0.5
    step: float = 0.1

    def __post_init__(self) -> None:
        for name in ("height_power", "extent_power", "step"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} of TFCE must be positive, not {getattr(self, name)!r}.")


def enhance(
    statistic: ArrayLike,
    neighbors: Neighbors,
    constants: Enhancement | None = None,
    *,
    two_sided: bool = False,
) -> FloatArray:
    """Return the threshold-free cluster enhancement of a map.

    Parameters
    ----------
    statistic : array_like of shape (n_voxels,)
        Map, for example of t; 0 at voxels that were not tested.
    neighbors : Neighbors
        Adjacency of the voxels.
    constants : Enhancement, optional
        Powers and step; by default those for volumes.
    two_sided : bool
        Whether negative values are enhanced too, separately from positive ones. If not, they
        become 0.

    Returns
    -------
    ndarray of shape (n_voxels,)
        Enhanced values with the sign of the statistic; 0 where it is below one step.

    Raises
    ------
    ValueError
        If the map does not fit the neighbors.

    See Also
    --------
    permutation_test : Family-wise error of enhanced values.

    Notes
    -----
    TFCE = Σ e(h)^E h^H Δ over the thresholds h = Δ, 2Δ, ... up to the height of the voxel [1]_,
    with e(h) the size of the cluster that contains the voxel at the threshold h. Δ is the same for
    all maps, so that permutations can be compared. In nilearn, values lack the factor Δ, and Δ
    differs between permutations.

    References
    ----------
    .. [1] Smith SM, Nichols TE (2009). Threshold-free cluster enhancement: addressing problems of
       smoothing, threshold dependence and localisation in cluster inference. NeuroImage
       44:83-98. doi:10.1016/j.neuroimage.2008.03.061

    Examples
    --------
    Two neighbors with heights 1 and 2, and steps of 1. At threshold 1 they support each other,
    √2 · 1²; at threshold 2 the second is alone, √1 · 2²:

    >>> from boldglm.glm.inference.neighbors import grid_neighbors
    >>> line = grid_neighbors(np.ones((2, 1, 1), bool))
    >>> enhance([1.0, 2.0], line, Enhancement(step=1.0)).round(4).tolist()
    [1.4142, 5.4142]
    """
    constants = Enhancement() if constants is None else constants
    values = np.asarray(statistic)
    if values.shape != (neighbors.n_voxels,):
        raise ValueError(
            f"the map has shape {values.shape}, but the neighbors are those of "
            f"{neighbors.n_voxels} voxels."
        )
    sizes = np.abs(values) if two_sided else np.maximum(values, 0)
    heights = np.minimum(sizes / constants.step, MOST_STEPS).astype(np.int32)
    high = np.flatnonzero(heights)
    enhanced = np.zeros(values.size)
    if high.size:
        voxels = _HighVoxels(heights[high], values[high] > 0, neighbors.sizes[high])
        enhanced[high] = voxels.enhanced(neighbors.among(high), constants)
    return np.copysign(enhanced, values) if two_sided else enhanced


@dataclass(frozen=True, eq=False)
class _HighVoxels:
    """Voxels that are at least one step high."""

    heights: NDArray[np.int32]  # in steps
    positive: BoolArray
    sizes: FloatArray

    def enhanced(self, pairs: tuple[IndexArray, IndexArray], constants: Enhancement) -> FloatArray:
        """Return the enhanced absolute values; (n_voxels,)."""
        order, bounds, levels = _descending(self.heights)
        ranks = np.empty_like(order)
        ranks[order] = np.arange(order.size)
        first, second, pair_bounds = self._pairs_by_level(pairs, ranks, levels)
        sizes = self.sizes[order]
        gains = self._gains(levels, constants)

        component = np.empty(order.size, dtype=np.int32)  # of each voxel above the threshold
        extents = np.empty(0)
        total = np.zeros(order.size)
        for step, gain in enumerate(gains):
            start, stop = bounds[step], bounds[step + 1]
            component[start:stop] = np.arange(extents.size, extents.size + stop - start)
            extents = np.concatenate([extents, sizes[start:stop]])
            new = slice(pair_bounds[step], pair_bounds[step + 1])
            one_end, other_end = component[first[new]], component[second[new]]
            differ = one_end != other_end
            if differ.any():
                n_merged, merged = connected(extents.size, (one_end[differ], other_end[differ]))
                extents = sums(merged, extents, n_merged)
                component[:stop] = merged[component[:stop]]
            total[:stop] += (extents**constants.extent_power * gain)[component[:stop]]
        return total[ranks]

    def _pairs_by_level(
        self,
        pairs: tuple[IndexArray, IndexArray],
        ranks: IndexArray,
        levels: IndexArray,
    ) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Return pairs of equal sign as ranks of voxels, sorted by the lower height of a pair."""
        same_sign = self.positive[pairs[0]] == self.positive[pairs[1]]
        first, second = pairs[0][same_sign], pairs[1][same_sign]
        lower = np.minimum(self.heights[first], self.heights[second])
        order, bounds, pair_levels = _descending(lower)
        counts = np.zeros(levels.size + 1, dtype=np.intp)
        counts[1 + np.searchsorted(-levels, -pair_levels)] = np.diff(bounds)
        return ranks[first[order]], ranks[second[order]], np.cumsum(counts)

    @staticmethod
    def _gains(levels: IndexArray, constants: Enhancement) -> FloatArray:
        """Return Σ h^H Δ over the thresholds from each level down to just above the next level."""
        heights = np.arange(1, levels[0] + 1) * constants.step
        sums = np.concatenate([[0.0], np.cumsum(heights**constants.height_power * constants.step)])
        return np.asarray(-np.diff(sums[np.append(levels, 0)]))


def _descending(
    heights: NDArray[np.int32],
) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Return the order from high to low, where each height begins in it, and the heights."""
    if not heights.size:
        return np.empty(0, np.intp), np.zeros(1, np.intp), heights
    narrow = np.int16 if heights.max() < 2**15 else np.int32  # short integers are sorted by radix
    order = np.argsort((-heights).astype(narrow), kind="stable")
    ordered = heights[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[0] + 1))
    return order, np.append(begins, heights.size), ordered[begins]
