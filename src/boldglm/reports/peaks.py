"""Peaks of a map: clusters above a threshold and their local maxima."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np

from boldglm.glm.arrays.types import BoolArray, RealArray
from boldglm.glm.inference.clusters import find_clusters
from boldglm.glm.inference.neighbors import grid_neighbors
from boldglm.glm.inference.peaks import cluster_peaks
from boldglm.reports.content import Table
from boldglm.reports.region_names import HEADING


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
    """

    rows: RealArray

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
            return Peaks(self.rows[index])
        x, y, z, value, size, volume = self.rows[index].tolist()
        return Peak(x, y, z, value, int(size), volume)


def find_peaks(
    stat: RealArray,
    mask: BoolArray,
    affine: RealArray,
    threshold: float,
    *,
    min_distance: float = 8.0,
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
    return Peaks(np.column_stack([places[found], values[found], extent, extent * voxel_volume]))


def peaks_table(
    peaks: Sequence[Peak],
    *,
    statistic: str,
    threshold_text: str,
    max_rows: int = 10,
    space: str = "the image's world space",
    regions: Sequence[str] | None = None,
) -> Table:
    """Set peaks as a table of the report.

    Parameters
    ----------
    peaks : sequence of Peak
        All of them, as `find_peaks` gives them.
    statistic : str
        Heading of the value, such as ``"z"``.
    threshold_text : str
        Such as ``"|z| ≥ 3.09"``.
    max_rows : int
        Further peaks are counted in the caption only.
    space : str
        What the coordinates refer to, such as ``"MNI152NLin2009cAsym"``.
    regions : sequence of str, optional
        Name of the region of each peak that is shown.

    Returns
    -------
    Table
        Coordinates in mm with one decimal, volume in mm³.

    Examples
    --------
    >>> table = peaks_table([Peak(4, 4, -4, 5, 2, 16)], statistic="z", threshold_text="z ≥ 3")
    >>> table.rows
    (('4.0', '4.0', '−4.0', '5.00', '2', '16'),)
    >>> print(table.caption)
    Peaks at z ≥ 3; coordinates in the image's world space. Voxels that share a face or an edge
    are connected.
    """
    shown = peaks[:max_rows]
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            *(_number(coordinate, 1) for coordinate in (peak.x, peak.y, peak.z)),
            _number(peak.value, 2),
            f"{peak.cluster_size:,}",
            f"{peak.cluster_volume:,.0f}",
        )
        for peak in shown
    )
    headings: tuple[str, ...] = (
        *("x (mm)", "y (mm)", "z (mm)"),
        *(statistic, "cluster (voxels)", "cluster (mm³)"),
    )
    if regions is not None:
        rows = tuple((*row, name) for row, name in zip(rows, regions, strict=True))
        headings = (*headings, HEADING)
    count = (
        "Peaks"
        if len(shown) == len(peaks)
        else f"The {len(shown)} largest of {len(peaks):,} peaks"
    )
    return Table(
        headings,
        rows,
        f"{count} at {threshold_text}; coordinates in {space}. Voxels that share a face or an "
        "edge are connected.",
    )


def _number(value: float, decimals: int) -> str:
    """A number as it is printed: a true minus sign, and no minus before zero."""
    return f"{value:z.{decimals}f}".replace("-", "−")
