"""Peaks of a map: clusters above a threshold and their local maxima."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray
from boldglm.glm.inference.clusters import find_clusters
from boldglm.glm.inference.neighbors import grid_neighbors
from boldglm.glm.inference.peaks import APART, cluster_peaks
from boldglm.reports.content import Table
from boldglm.reports.region_names import HEADING, RegionNames

MOST_CLUSTERS = 10


class Peak(NamedTuple):
    """One local maximum of \\|statistic\\| and the cluster it lies in."""

    x: float  # mm, in the world space of the affine
    y: float  # mm
    z: float  # mm
    value: float  # statistic, with its sign
    cluster_size: int  # voxels
    cluster_volume: float  # mm³


@dataclass(frozen=True)
class Peaks(Sequence[Peak]):
    """Many peaks as one array, each of which becomes a `Peak` when it is asked for.

    Parameters
    ----------
    rows : ndarray of shape (n_peaks, 6)
        Fields of each peak.
    clusters : ndarray of int, shape (n_peaks,)
        Which cluster each lies in.
    voxels : ndarray of int, shape (n_peaks,)
        Index of each in the map.
    """

    rows: RealArray
    clusters: IndexArray
    voxels: IndexArray

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.rows)

    @overload
    def __getitem__(self, index: int, /) -> Peak: ...
    @overload
    def __getitem__(self, index: slice, /) -> "Peaks": ...
    def __getitem__(self, index: int | slice, /) -> "Peak | Peaks":
        """Return one, or some."""
        if isinstance(index, slice):
            return Peaks(self.rows[index], self.clusters[index], self.voxels[index])
        x, y, z, value, size, volume = self.rows[index].tolist()
        return Peak(x, y, z, value, int(size), volume)


def find_peaks(
    stat: RealArray,
    mask: BoolArray,
    affine: RealArray,
    threshold: float,
    *,
    min_distance: float = APART,
    two_sided: bool = True,
) -> Peaks:
    """List local maxima of a map above a threshold, largest first.

    Parameters
    ----------
    stat : ndarray of shape (n_voxels,)
        Statistic in the order of ``mask[mask]``; NaN is no peak.
    mask : ndarray of bool, shape (n_i, n_j, n_k)
        Voxels.
    affine : ndarray of shape (4, 4)
        From voxel indices to mm.
    threshold : float
        Positive; voxels with \\|statistic\\| of at least this are kept.
    min_distance : float
        Two peaks of one cluster are at least this many mm apart; the larger stays.
    two_sided : bool
        Whether negative peaks count too. Positive and negative voxels are never in
        one cluster.

    Returns
    -------
    Peaks
        A sequence of `Peak`, sorted by \\|value\\|. Each cluster gives at least one peak.

    Raises
    ------
    ValueError
        If the mask is not three-dimensional or the threshold is not positive.

    Notes
    -----
    Voxels that share a face or an edge are connected (18 neighbors, as in SPM); a local
    maximum is at least as large as those neighbors.

    Examples
    --------
    Two voxels of 2 mm, the second the larger:

    >>> mask = np.ones((3, 1, 1), dtype=bool)
    >>> find_peaks(np.array([0.0, 4.0, 5.0]), mask, np.diag([2.0, 2, 2, 1]), 3.0)[0]
    Peak(x=4.0, y=0.0, z=0.0, value=5.0, cluster_size=2, cluster_volume=16.0)
    """
    if mask.ndim != 3 or not threshold > 0:
        raise ValueError(
            f"the mask has shape {mask.shape} and the threshold is {threshold}; expected three "
            "dimensions and a positive threshold."
        )
    chosen = np.abs(stat) >= threshold if two_sided else stat >= threshold
    values = stat[chosen]
    where = np.flatnonzero(mask)[chosen]
    above = np.zeros(mask.shape, dtype=bool)
    above.ravel()[where] = True
    neighbors = grid_neighbors(above)
    labels, sizes, _ = find_clusters(values, threshold, neighbors, two_sided=two_sided)
    indices = np.column_stack(np.unravel_index(where, mask.shape))
    places = indices @ affine[:3, :3].T + affine[:3, 3]
    found = cluster_peaks(values, labels, neighbors, places, min_distance=min_distance)
    voxel_volume = abs(float(np.dot(np.cross(*affine[:3, :2].T), affine[:3, 2])))
    extent = sizes[labels[found]]
    rows = np.column_stack([places[found], values[found], extent, extent * voxel_volume])
    return Peaks(rows, labels[found], np.flatnonzero(chosen)[found])


def by_cluster(peaks: Peaks, max_clusters: int = MOST_CLUSTERS) -> list[tuple[str, int]]:
    """Put the peaks of a cluster together.

    Parameters
    ----------
    peaks : Peaks
        Sorted by \\|value\\|.
    max_clusters : int
        Clusters with the largest peaks to keep.

    Returns
    -------
    list of (str, int)
        A name and the index of each peak: ``1`` for the largest of the first cluster, ``1a``,
        ``1b`` and ``1c`` for further ones, then ``2``.
    """
    together: dict[int, list[int]] = {}
    for index, cluster in enumerate(peaks.clusters.tolist()):
        together.setdefault(cluster, []).append(index)
    return [
        (f"{number}{letter}", index)
        for number, indices in enumerate(list(together.values())[:max_clusters], start=1)
        for letter, index in zip(("", *"abc"), indices, strict=False)
    ]


def peaks_table(
    peaks: Peaks,
    *,
    statistic: str,
    threshold_text: str,
    p_values: Mapping[str, RealArray] | None = None,
    max_clusters: int = MOST_CLUSTERS,
    regions: RegionNames | None = None,
    space: str = "the image's world space",
) -> Table:
    """Set clusters and their peaks as a table of the report.

    Parameters
    ----------
    peaks : Peaks
        All of them, as `find_peaks` gives them.
    statistic : str
        Heading of the value, such as ``"z"``.
    threshold_text : str
        Such as ``"|z| ≥ 3.09"``.
    p_values : mapping of str to ndarray of shape (n_voxels,), optional
        Values to print at each peak, such as p and q, by their headings.
    max_clusters : int
        Further clusters are counted in the caption only.
    regions : RegionNames, optional
        Of an atlas, at the voxels of the map.
    space : str
        What the coordinates refer to, such as ``"MNI152NLin2009cAsym"``.

    Returns
    -------
    Table
        A row for each peak: clusters by their largest peak, each with at most three more peaks.
        Coordinates are in mm with one decimal, the volume in mm³.

    Examples
    --------
    >>> mask = np.ones((3, 1, 1), dtype=bool)
    >>> peaks = find_peaks(np.array([0.0, 4.0, 5.0]), mask, np.diag([2.0, 2, 2, 1]), 3.0)
    >>> peaks_table(peaks, statistic="z", threshold_text="z ≥ 3").rows
    (('1', '4.0', '0.0', '0.0', '5.00', '2', '16'),)
    """
    listed = by_cluster(peaks, max_clusters)
    shown = p_values or {}
    rows = []
    for name, index in listed:
        peak, voxel = peaks[index], int(peaks.voxels[index])
        extent = (f"{peak.cluster_size:,}", f"{peak.cluster_volume:,.0f}")
        rows.append(
            (
                name,
                *(_number(coordinate, 1) for coordinate in (peak.x, peak.y, peak.z)),
                _number(peak.value, 2),
                *(p_text(float(values[voxel])) for values in shown.values()),
                *(extent if name.isdigit() else ("", "")),
                *(() if regions is None else regions.at(np.array([voxel]))),
            )
        )
    n_clusters = len(np.unique(peaks.clusters))
    n_shown = sum(name.isdigit() for name, _ in listed)
    count = "Clusters" if n_shown == n_clusters else f"The {n_shown} of {n_clusters:,} clusters"
    which = "" if n_shown == n_clusters else " with the largest peaks"
    return Table(
        (
            *("cluster", "x (mm)", "y (mm)", "z (mm)", statistic, *shown),
            *("voxels", "mm³", *(() if regions is None else (HEADING,))),
        ),
        tuple(rows),
        f"{count}{which} at {threshold_text}, each with up to three more peaks (a, b, c) at least "
        f"{APART:g} mm apart; coordinates in {space}. Voxels that share a face or an edge are "
        "connected.",
    )


def p_text(p: float) -> str:
    """Return a p value as it is printed.

    Examples
    --------
    >>> p_text(0.0312), p_text(2.51e-8), p_text(1.0)
    ('0.031', '2.5e−8', '1.000')
    """
    if p >= 0.001 or p == 0 or not np.isfinite(p):
        return f"{p:.3f}"
    mantissa, exponent = f"{p:.1e}".split("e-")
    return f"{mantissa}e−{int(exponent)}"


def _number(value: float, decimals: int) -> str:
    """A number as it is printed: a true minus sign, and no minus before zero."""
    return f"{value:z.{decimals}f}".replace("-", "−")
