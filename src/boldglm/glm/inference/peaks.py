"""Peaks of clusters: local maxima with a minimal distance from each other."""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray
from boldglm.glm.inference.neighbors import Neighbors

APART = 8.0  # mm


def cluster_peaks(
    statistic: ArrayLike,
    labels: ArrayLike,
    neighbors: Neighbors,
    coordinates: ArrayLike,
    *,
    min_distance: float = APART,
) -> IndexArray:
    """Return the peaks of all clusters, largest first.

    Parameters
    ----------
    statistic : array_like of shape (n_voxels,)
        Map, for example of t. The peaks of negative clusters are their lowest values.
    labels : array_like of int, of shape (n_voxels,)
        Cluster of each voxel, negative outside clusters, as from `find_clusters`.
    neighbors : Neighbors
        Adjacency of the voxels.
    coordinates : array_like of shape (n_voxels, 3)
        Position of each voxel, mm.
    min_distance : float
        Smallest distance between two peaks of a cluster, mm. Of closer peaks, the larger is kept.

    Returns
    -------
    ndarray of int, of shape (n_peaks,)
        Voxels sorted by \\|statistic\\|. Each cluster has at least one peak, its largest value.

    See Also
    --------
    find_clusters : Label the clusters.
    tabulate_clusters : Make a table of clusters and peaks.

    Notes
    -----
    A peak is at least as large as all its neighbors in the cluster. Of equal peaks that are closer
    than the distance, the one that comes first is kept.

    Examples
    --------
    A line of voxels 3 mm apart. The fourth is a local maximum, but too close to the second:

    >>> from boldglm.glm.inference.neighbors import grid_neighbors
    >>> line = grid_neighbors(np.ones((6, 1, 1), bool))
    >>> coordinates = np.arange(6)[:, np.newaxis] * [3.0, 0, 0]
    >>> values = [2.0, 5.0, 3.0, 4.0, 2.0, 3.0]
    >>> cluster_peaks(values, np.zeros(6, int), line, coordinates).tolist()
    [1, 5]
    >>> cluster_peaks(values, np.zeros(6, int), line, coordinates, min_distance=0).tolist()
    [1, 3, 5]
    """
    clusters = np.asarray(labels)
    inside = np.flatnonzero(clusters >= 0)
    heights, cluster = np.abs(np.asarray(statistic)[inside]), clusters[inside]
    first, second = neighbors.among(inside)
    same_cluster = cluster[first] == cluster[second]
    first, second = first[same_cluster], second[same_cluster]
    is_peak = np.ones(inside.size, dtype=bool)
    is_peak[first[heights[first] < heights[second]]] = False
    is_peak[second[heights[second] < heights[first]]] = False
    peaks = np.flatnonzero(is_peak)
    # the sort is stable: equal heights keep their order, so that the result is reproducible
    peaks = peaks[np.argsort(-heights[peaks], kind="stable")]
    points = np.asarray(coordinates, dtype=np.float64)[inside[peaks]]
    kept = _separated(points, cluster[peaks], min_distance)
    return np.asarray(inside[peaks[kept]])


def _separated(points: FloatArray, clusters: IndexArray, min_distance: float) -> BoolArray:
    """Return which peaks are kept if each one, in order, removes later ones near it."""
    kept = np.ones(len(points), dtype=bool)
    if len(points) < 2 or min_distance <= 0:
        return kept
    from scipy.spatial import KDTree  # imported here, because only peaks need it

    # slightly less, so that two peaks exactly min_distance apart are both kept
    near = KDTree(points).query_pairs(min_distance * (1 - 1e-9), output_type="ndarray")
    near = near[clusters[near[:, 0]] == clusters[near[:, 1]]]
    near = near[np.argsort(near[:, 0], kind="stable")]
    starts = np.searchsorted(near[:, 0], np.arange(len(points) + 1)).tolist()
    for index in np.unique(near[:, 0]).tolist():
        if kept[index]:
            kept[near[starts[index] : starts[index + 1], 1]] = False
    return kept
