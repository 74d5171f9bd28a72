"""Clusters of a map: connected voxels at or above a threshold, their extent and mass."""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.inference.neighbors import Neighbors, connected, sums


def find_clusters(
    statistic: ArrayLike, threshold: float, neighbors: Neighbors, *, two_sided: bool = False
) -> tuple[IndexArray, FloatArray, FloatArray]:
    r"""Find the connected components of a map above a threshold.

    Parameters
    ----------
    statistic : array_like of shape (n_voxels,)
        Such as t; NaN is below every threshold.
    threshold : float
        Positive; voxels of at least this belong to clusters.
    neighbors : Neighbors
        Of the elements of the row.
    two_sided : bool
        Whether voxels of at most minus the threshold form clusters too. Positive and negative
        voxels are never in one cluster.

    Returns
    -------
    labels : ndarray of int, of shape (n_voxels,)
        Number of each voxel's cluster, from 0; -1 outside.
    extents : ndarray of shape (n_clusters,)
        Number of voxels, or their volume or area if the neighbors have sizes.
    masses : ndarray of shape (n_clusters,)
        Sum of (\|statistic\| - threshold) times size.

    Raises
    ------
    ValueError
        If the map does not fit the neighbors, or the threshold is not positive.

    Examples
    --------
    >>> from boldglm.glm.inference.neighbors import grid_neighbors
    >>> line = grid_neighbors(np.ones((1, 1, 6), bool))
    >>> labels, extents, masses = find_clusters(
    ...     [2.5, 3.0, 0.0, 4.0, -5.0, -2.0], 2.0, line, two_sided=True
    ... )
    >>> labels.tolist(), extents.tolist(), masses.tolist()
    ([0, 0, -1, 1, 2, 2], [2.0, 1.0, 2.0], [1.5, 2.0, 3.0])
    """
    values = np.asarray(statistic)
    if values.shape != (neighbors.n_voxels,):
        raise ValueError(
            f"the map has shape {values.shape}, but there are {neighbors.n_voxels} voxels."
        )
    if not threshold > 0:
        raise ValueError(f"the threshold of clusters is {threshold}; it must be positive.")
    heights = np.abs(values) if two_sided else values
    chosen = np.flatnonzero(heights >= threshold)
    first, second = neighbors.among(chosen)
    positive = values[chosen] > 0
    alike = positive[first] == positive[second]
    n_clusters, own = connected(chosen.size, (first[alike], second[alike]))
    sizes = neighbors.sizes[chosen]
    extents = sums(own, sizes, n_clusters)
    excess = (heights[chosen] - threshold) * sizes
    masses = sums(own, excess, n_clusters)
    labels = np.full(values.size, -1, dtype=np.intp)
    labels[chosen] = own
    return labels, extents, masses
