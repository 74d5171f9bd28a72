"""The table of a map's clusters: their peaks in millimeters, extent and mass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.inference.clusters import find_clusters
from boldglm.glm.inference.neighbors import Neighbors, sums
from boldglm.glm.inference.peaks import APART, cluster_peaks

MOST_PEAKS = 4


@dataclass(frozen=True, slots=True)
class ClusterPeak:
    """One peak of a cluster, and what its cluster is."""

    cluster: int  # from 1, the largest extent first
    peak: int  # from 1, the highest of the cluster first
    voxel: int  # place in the row
    x: float  # mm
    y: float  # mm
    z: float  # mm
    statistic: float
    n_voxels: int  # of the cluster
    volume: float  # of the cluster, mm³ (or mm²); NaN where sizes are not known
    mass: float  # of the cluster: sum of |statistic| above the threshold


def tabulate_clusters(
    statistic: ArrayLike,
    threshold: float,
    neighbors: Neighbors,
    coordinates: ArrayLike,
    *,
    volumes: ArrayLike | None = None,
    two_sided: bool = False,
    min_distance: float = APART,
    max_peaks: int = MOST_PEAKS,
) -> list[ClusterPeak]:
    """List the peaks of all clusters of a map.

    Parameters
    ----------
    statistic : array_like of shape (n_voxels,)
        Such as t.
    threshold : float
        Positive; voxels of at least this belong to clusters.
    neighbors : Neighbors
        Of the elements of the row.
    coordinates : array_like of shape (n_voxels, 3)
        mm.
    volumes : array_like of shape (n_voxels,), optional
        Of each voxel in mm³, or area of each vertex in mm²; NaN where it is not known.
    two_sided : bool
        Whether voxels of at most minus the threshold form clusters too.
    min_distance : float
        Two peaks of one cluster are at least this many mm apart; the larger stays.
    max_peaks : int
        Of one cluster, at most.

    Returns
    -------
    list of ClusterPeak
        Clusters by their number of voxels, then by their highest value; within each, peaks by
        \\|statistic\\|.

    Raises
    ------
    ValueError
        If shapes do not fit or the threshold is not positive.

    Examples
    --------
    Three voxels in a line, 3 mm apart, and one alone:

    >>> from boldglm.glm.inference.neighbors import grid_neighbors
    >>> line = grid_neighbors(np.ones((5, 1, 1), bool))
    >>> places = np.arange(5)[:, np.newaxis] * [3.0, 0, 0]
    >>> rows = tabulate_clusters([3.0, 4.0, 3.5, 0.0, 6.0], 3.0, line, places)
    >>> [(one.cluster, one.peak, one.x, one.statistic, one.n_voxels, one.mass) for one in rows]
    [(1, 1, 3.0, 4.0, 3, 1.5), (2, 1, 12.0, 6.0, 1, 3.0)]
    """
    values = np.asarray(statistic, dtype=np.float64)
    labels, _, masses = find_clusters(values, threshold, neighbors, two_sided=two_sided)
    places = np.asarray(coordinates, dtype=np.float64)
    sizes = np.full(values.size, np.nan) if volumes is None else np.asarray(volumes, float)
    if places.shape != (values.size, 3) or sizes.shape != values.shape:
        raise ValueError(
            f"coordinates have shape {places.shape} and volumes {sizes.shape}; there are "
            f"{values.size} voxels, so they need ({values.size}, 3) and ({values.size},)."
        )
    inside = labels >= 0
    counts = np.bincount(labels[inside], minlength=masses.size)
    totals = sums(labels[inside], sizes[inside], masses.size)
    peaks = cluster_peaks(values, labels, neighbors, places, min_distance=min_distance)
    by_cluster: dict[int, list[int]] = {}
    for voxel, cluster in zip(peaks.tolist(), labels[peaks].tolist(), strict=True):
        by_cluster.setdefault(cluster, []).append(voxel)
    # stable: clusters of one size stay in the order of their highest values
    ordered = sorted(by_cluster, key=lambda cluster: -counts[cluster])
    rows = []
    for number, cluster in enumerate(ordered, start=1):
        of_cluster = (int(counts[cluster]), float(totals[cluster]), float(masses[cluster]))
        for rank, voxel in enumerate(by_cluster[cluster][:max_peaks], start=1):
            x, y, z = places[voxel].tolist()
            height = float(values[voxel])
            rows.append(ClusterPeak(number, rank, voxel, x, y, z, height, *of_cluster))
    return rows
