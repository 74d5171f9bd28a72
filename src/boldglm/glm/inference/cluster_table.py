"""The cluster table of a map: peaks in millimeters, extent and mass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.inference.clusters import find_clusters
from boldglm.glm.inference.neighbors import Neighbors, sums
from boldglm.glm.inference.peaks import APART, cluster_peaks

MOST_PEAKS = 4


@dataclass(frozen=True, slots=True)
class ClusterPeak:
    """A peak of a cluster: one row of the cluster table.

    Parameters
    ----------
    cluster : int
        Number of the cluster from 1, in the order of extent.
    peak : int
        Number of the peak in its cluster from 1, in the order of height.
    voxel : int
        Index of the voxel.
    x, y, z : float
        Coordinates of the peak, mm.
    statistic : float
        Value at the peak.
    n_voxels : int
        Number of voxels in the cluster.
    volume : float
        Volume of the cluster in mm³, or area in mm²; NaN if sizes are unknown.
    mass : float
        Sum of \\|statistic\\| minus the threshold over the cluster.

    See Also
    --------
    tabulate_clusters : Function that returns it.

    Examples
    --------
    >>> peak = ClusterPeak(1, 1, 42, -30.0, 12.0, 6.0, 5.1, 20, 540.0, 31.5)
    >>> peak.voxel, peak.statistic
    (42, 5.1)
    """

    cluster: int
    peak: int
    voxel: int
    x: float
    y: float
    z: float
    statistic: float
    n_voxels: int
    volume: float
    mass: float


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
        Map, for example of t.
    threshold : float
        Positive; voxels with at least this value belong to clusters.
    neighbors : Neighbors
        Adjacency of the voxels.
    coordinates : array_like of shape (n_voxels, 3)
        Position of each voxel, mm.
    volumes : array_like of shape (n_voxels,), optional
        Volume of each voxel in mm³, or area of each vertex in mm²; NaN if unknown.
    two_sided : bool
        Whether voxels with at most minus the threshold form clusters too.
    min_distance : float
        Smallest distance between two peaks of a cluster, mm. Of closer peaks, the larger is kept.
    max_peaks : int
        Largest number of peaks of a cluster.

    Returns
    -------
    list of ClusterPeak
        Clusters sorted by number of voxels, then by height; peaks of a cluster sorted by
        \\|statistic\\|.

    Raises
    ------
    ValueError
        If shapes do not fit or the threshold is not positive.

    See Also
    --------
    find_clusters : Label the clusters.
    cluster_peaks : Find the peaks of clusters.

    Examples
    --------
    Three adjacent voxels, 3 mm apart, and an isolated one:

    >>> from boldglm.glm.inference.neighbors import grid_neighbors
    >>> line = grid_neighbors(np.ones((5, 1, 1), bool))
    >>> coordinates = np.arange(5)[:, np.newaxis] * [3.0, 0, 0]
    >>> rows = tabulate_clusters([3.0, 4.0, 3.5, 0.0, 6.0], 3.0, line, coordinates)
    >>> [(row.cluster, row.peak, row.x, row.statistic, row.n_voxels, row.mass) for row in rows]
    [(1, 1, 3.0, 4.0, 3, 1.5), (2, 1, 12.0, 6.0, 1, 3.0)]
    """
    values = np.asarray(statistic, dtype=np.float64)
    labels, _, masses = find_clusters(values, threshold, neighbors, two_sided=two_sided)
    points = np.asarray(coordinates, dtype=np.float64)
    sizes = np.full(values.size, np.nan) if volumes is None else np.asarray(volumes, float)
    if points.shape != (values.size, 3) or sizes.shape != values.shape:
        raise ValueError(
            f"coordinates have shape {points.shape} and volumes {sizes.shape}, but {values.size} "
            f"voxels need ({values.size}, 3) and ({values.size},)."
        )
    inside = labels >= 0
    counts = np.bincount(labels[inside], minlength=masses.size)
    totals = sums(labels[inside], sizes[inside], masses.size)
    peaks = cluster_peaks(values, labels, neighbors, points, min_distance=min_distance)
    by_cluster: dict[int, list[int]] = {}
    for voxel, cluster in zip(peaks.tolist(), labels[peaks].tolist(), strict=True):
        by_cluster.setdefault(cluster, []).append(voxel)
    # the sort is stable: clusters of equal size stay in the order of height
    ordered = sorted(by_cluster, key=lambda cluster: -counts[cluster])
    rows = []
    for number, cluster in enumerate(ordered, start=1):
        properties = (int(counts[cluster]), float(totals[cluster]), float(masses[cluster]))
        for rank, voxel in enumerate(by_cluster[cluster][:max_peaks], start=1):
            x, y, z = points[voxel].tolist()
            height = float(values[voxel])
            rows.append(ClusterPeak(number, rank, voxel, x, y, z, height, *properties))
    return rows
