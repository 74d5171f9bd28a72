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
        Map, for example of t; NaN is below every threshold.
    threshold : float
        Positive; voxels with at least this value belong to clusters.
    neighbors : Neighbors
        Adjacency of the voxels.
    two_sided : bool
        Whether voxels with at most minus the threshold form clusters too. Positive and negative
        voxels are never in the same cluster.

    Returns
    -------
    labels : ndarray of int, of shape (n_voxels,)
        Cluster of each voxel, numbered from 0; -1 outside clusters.
    extents : ndarray of shape (n_clusters,)
        Number of voxels of each cluster, or its volume or area if the neighbors have sizes.
    masses : ndarray of shape (n_clusters,)
        Sum of (\|statistic\| - threshold) times size.

    Raises
    ------
    ValueError
        If the map does not fit the neighbors, or the threshold is not positive.

    See Also
    --------
    tabulate_clusters : Make a table of clusters and peaks.

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
            f"the map has shape {values.shape}, but the neighbors are those of "
            f"{neighbors.n_voxels} voxels."
        )
    if not threshold > 0:
        raise ValueError(f"the threshold of clusters is {threshold}; it must be positive.")
    heights = np.abs(values) if two_sided else values
    above = np.flatnonzero(heights >= threshold)
    first, second = neighbors.among(above)
    positive = values[above] > 0
    same_sign = positive[first] == positive[second]
    n_clusters, clusters = connected(above.size, (first[same_sign], second[same_sign]))
    sizes = neighbors.sizes[above]
    extents = sums(clusters, sizes, n_clusters)
    excess = (heights[above] - threshold) * sizes
    masses = sums(clusters, excess, n_clusters)
    labels = np.full(values.size, -1, dtype=np.intp)
    labels[above] = clusters
    return labels, extents, masses
