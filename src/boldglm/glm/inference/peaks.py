"""Peaks of clusters: local maxima that keep a distance from each other."""

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
    """Return the peaks of each cluster, largest first.

    Parameters
    ----------
    statistic : array_like of shape (n_voxels,)
        Such as t; of negative clusters the lowest values are the peaks.
    labels : array_like of int, of shape (n_voxels,)
        Cluster of each voxel, below 0 outside, as `find_clusters` gives them.
    neighbors : Neighbors
        Of the elements of the row.
    coordinates : array_like of shape (n_voxels, 3)
        mm.
    min_distance : float
        Two peaks of one cluster are at least this many mm apart; the larger stays.

    Returns
    -------
    ndarray of int, of shape (n_peaks,)
        Voxels, sorted by \\|statistic\\|. Each cluster has at least one: its largest value.

    Notes
    -----
    A peak is at least as large as all its neighbors in the cluster. Of equal ones near each
    other, that which comes first in the row stays.

    Examples
    --------
    A line of voxels 3 mm apart. The fourth is higher than its neighbors, but near the second:

    >>> from boldglm.glm.inference.neighbors import grid_neighbors
    >>> line = grid_neighbors(np.ones((6, 1, 1), bool))
    >>> places = np.arange(6)[:, np.newaxis] * [3.0, 0, 0]
    >>> values = [2.0, 5.0, 3.0, 4.0, 2.0, 3.0]
    >>> cluster_peaks(values, np.zeros(6, int), line, places).tolist()
    [1, 5]
    >>> cluster_peaks(values, np.zeros(6, int), line, places, min_distance=0).tolist()
    [1, 3, 5]
    """
    own = np.asarray(labels)
    chosen = np.flatnonzero(own >= 0)
    heights, cluster = np.abs(np.asarray(statistic)[chosen]), own[chosen]
    first, second = neighbors.among(chosen)
    together = cluster[first] == cluster[second]
    first, second = first[together], second[together]
    is_peak = np.ones(chosen.size, dtype=bool)
    is_peak[first[heights[first] < heights[second]]] = False
    is_peak[second[heights[second] < heights[first]]] = False
    peaks = np.flatnonzero(is_peak)
    # equal heights keep the order of the row, so the result is reproducible
    peaks = peaks[np.argsort(-heights[peaks], kind="stable")]
    places = np.asarray(coordinates, dtype=np.float64)[chosen[peaks]]
    kept = _spread_out(places, cluster[peaks], min_distance)
    return np.asarray(chosen[peaks[kept]])


def _spread_out(places: FloatArray, clusters: IndexArray, min_distance: float) -> BoolArray:
    """Which ones stay when each, in order, removes later ones near it in its cluster."""
    kept = np.ones(len(places), dtype=bool)
    if len(places) < 2 or min_distance <= 0:
        return kept
    from scipy.spatial import KDTree  # only a table of peaks needs it

    # a hair less, so that peaks exactly min_distance apart both stay
    near = KDTree(places).query_pairs(min_distance * (1 - 1e-9), output_type="ndarray")
    near = near[clusters[near[:, 0]] == clusters[near[:, 1]]]
    near = near[np.argsort(near[:, 0], kind="stable")]
    starts = np.searchsorted(near[:, 0], np.arange(len(places) + 1)).tolist()
    for index in np.unique(near[:, 0]).tolist():
        if kept[index]:
            kept[near[starts[index] : starts[index + 1], 1]] = False
    return kept
