"""Threshold-free cluster enhancement: support of each voxel by what is around it, at all heights.

Components only grow as the threshold falls, so each step looks at the voxels and the pairs of
neighbors that are new, and merges the components that these connect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray
from boldglm.glm.inference.neighbors import Neighbors, connected, sums

MOST_STEPS = 10**6  # a voxel that is higher counts as if it had this height


@dataclass(frozen=True)
class Enhancement:
    """Constants of TFCE; those of a volume are the default.

    Parameters
    ----------
    height_power, extent_power : float
        H and E: 2 and 0.5 for volumes, 2 and 1 for surfaces.
    step : float
        Distance of thresholds, in units of the statistic.

    Raises
    ------
    ValueError
        If one is not positive.
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
        Such as t; 0 where nothing was tested.
    neighbors : Neighbors
        Of the elements of the row.
    constants : Enhancement, optional
        Powers and step.
    two_sided : bool
        Whether negative values are enhanced too, apart from positive ones; else they give 0.

    Returns
    -------
    ndarray of shape (n_voxels,)
        With the sign of the statistic; 0 where it is below one step.

    Raises
    ------
    ValueError
        If the map does not fit the neighbors.

    Notes
    -----
    TFCE = Σ e(h)^E h^H Δ over the thresholds h = Δ, 2Δ, ... up to the voxel's own height [1]_,
    with e(h) the size of the connected component that holds the voxel at the threshold h. Δ is
    the same for all maps, so that those of permutations can be compared; nilearn's values lack
    the factor Δ, and its Δ differs between permutations.

    References
    ----------
    .. [1] Smith SM, Nichols TE (2009). Threshold-free cluster enhancement: addressing problems of
       smoothing, threshold dependence and localisation in cluster inference. NeuroImage
       44:83-98. doi:10.1016/j.neuroimage.2008.03.061

    Examples
    --------
    Two neighbors of heights 1 and 2, and steps of 1: at threshold 1 both support each other,
    √2 · 1²; at threshold 2 the second stands alone, √1 · 2²:

    >>> from boldglm.glm.inference.neighbors import grid_neighbors
    >>> line = grid_neighbors(np.ones((2, 1, 1), bool))
    >>> enhance([1.0, 2.0], line, Enhancement(step=1.0)).round(4).tolist()
    [1.4142, 5.4142]
    """
    constants = Enhancement() if constants is None else constants
    values = np.asarray(statistic)
    if values.shape != (neighbors.n_voxels,):
        raise ValueError(
            f"the map has shape {values.shape}, but there are {neighbors.n_voxels} voxels."
        )
    sizes = np.abs(values) if two_sided else np.maximum(values, 0)
    heights = np.minimum(sizes / constants.step, MOST_STEPS).astype(np.int32)
    chosen = np.flatnonzero(heights)
    enhanced = np.zeros(values.size)
    if chosen.size:
        own = _Climbed(heights[chosen], values[chosen] > 0, neighbors.sizes[chosen])
        enhanced[chosen] = own.enhanced(neighbors.among(chosen), constants)
    return np.copysign(enhanced, values) if two_sided else enhanced


@dataclass(frozen=True, eq=False)
class _Climbed:
    """Voxels that are at least one step high, in the order of the row."""

    heights: NDArray[np.int32]  # steps
    positive: BoolArray
    sizes: FloatArray

    def enhanced(self, pairs: tuple[IndexArray, IndexArray], constants: Enhancement) -> FloatArray:
        order, bounds, levels = _descending(self.heights)
        places = np.empty_like(order)
        places[order] = np.arange(order.size)
        first, second, pair_bounds = self._pairs_by_level(pairs, places, levels)
        sizes = self.sizes[order]
        gains = self._gains(levels, constants)

        component = np.empty(order.size, dtype=np.int32)  # of each voxel that is in already
        extents = np.empty(0)
        total = np.zeros(order.size)
        for step, gain in enumerate(gains):
            start, stop = bounds[step], bounds[step + 1]
            component[start:stop] = np.arange(extents.size, extents.size + stop - start)
            extents = np.concatenate([extents, sizes[start:stop]])
            new = slice(pair_bounds[step], pair_bounds[step + 1])
            one, other = component[first[new]], component[second[new]]
            apart = one != other
            if apart.any():
                n_left, merged = connected(extents.size, (one[apart], other[apart]))
                extents = sums(merged, extents, n_left)
                component[:stop] = merged[component[:stop]]
            total[:stop] += (extents**constants.extent_power * gain)[component[:stop]]
        return total[places]

    def _pairs_by_level(
        self,
        pairs: tuple[IndexArray, IndexArray],
        places: IndexArray,
        levels: IndexArray,
    ) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Pairs of one sign, as places in descending order, by the level at which both are in."""
        alike = self.positive[pairs[0]] == self.positive[pairs[1]]
        one, other = pairs[0][alike], pairs[1][alike]
        order, bounds, own = _descending(np.minimum(self.heights[one], self.heights[other]))
        starts = np.zeros(levels.size + 1, dtype=np.intp)
        starts[1 + np.searchsorted(-levels, -own)] = np.diff(bounds)
        return places[one[order]], places[other[order]], np.cumsum(starts)

    @staticmethod
    def _gains(levels: IndexArray, constants: Enhancement) -> FloatArray:
        """Σ h^H Δ over the thresholds from each level down to above the next one."""
        heights = np.arange(1, levels[0] + 1) * constants.step
        sums = np.concatenate([[0.0], np.cumsum(heights**constants.height_power * constants.step)])
        return np.asarray(-np.diff(sums[np.append(levels, 0)]))


def _descending(
    heights: NDArray[np.int32],
) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Return an order from high to low, where each height begins in it, and the heights."""
    if not heights.size:
        return np.empty(0, np.intp), np.zeros(1, np.intp), heights
    narrow = np.int16 if heights.max() < 2**15 else np.int32  # short integers are sorted by radix
    order = np.argsort((-heights).astype(narrow), kind="stable")
    ordered = heights[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[0] + 1))
    return order, np.append(begins, heights.size), ordered[begins]
