"""Where a map is largest: connected clusters above a threshold and their local maxima."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boldglm.reports.content import Table

FloatArray = NDArray[np.floating]

# voxels that share a face or an edge belong together (18 neighbors)
_CONNECTIVITY = ndimage.generate_binary_structure(3, 2)


@dataclass(frozen=True, slots=True)
class Peak:
    """One local maximum of \\|statistic\\| and the cluster it lies in."""

    x: float  # mm, in the world space of the affine
    y: float  # mm
    z: float  # mm
    value: float  # statistic, with its sign
    cluster_size: int  # voxels
    cluster_volume: float  # mm³


def find_peaks(
    stat: FloatArray,
    affine: FloatArray,
    threshold: float,
    *,
    max_peaks: int | None = None,
    min_distance: float = 8.0,
    two_sided: bool = True,
) -> list[Peak]:
    """List local maxima of a map above a threshold, largest first.

    Parameters
    ----------
    stat : ndarray of shape (n_i, n_j, n_k)
        Statistic; zero or NaN outside the mask.
    affine : ndarray of shape (4, 4)
        From voxel indices to mm.
    threshold : float
        Positive; voxels with \\|statistic\\| of at least this are kept.
    max_peaks : int, optional
        At most this many are returned.
    min_distance : float
        Two peaks of one cluster are at least this many mm apart; the larger stays.
    two_sided : bool
        Whether negative peaks count too. Positive and negative voxels are never in
        one cluster.

    Returns
    -------
    list of Peak
        Sorted by \\|value\\|. Each cluster gives at least one peak.

    Raises
    ------
    ValueError
        If the map is not three-dimensional or the threshold is not positive.

    Notes
    -----
    Voxels that share a face or an edge are connected (18 neighbors, as in SPM); a local
    maximum is at least as large as those neighbors.

    Examples
    --------
    Two voxels of 2 mm, the second the larger:

    >>> stat = np.zeros((5, 5, 5))
    >>> stat[1, 2, 2], stat[2, 2, 2] = 4.0, 5.0
    >>> find_peaks(stat, np.diag([2.0, 2, 2, 1]), 3.0)
    [Peak(x=4.0, y=4.0, z=4.0, value=5.0, cluster_size=2, cluster_volume=16.0)]
    """
    if stat.ndim != 3 or not threshold > 0:
        raise ValueError(
            f"the map has shape {stat.shape} and the threshold is {threshold}; expected three "
            "dimensions and a positive threshold."
        )
    values = np.nan_to_num(stat, nan=0.0, posinf=np.inf, neginf=-np.inf)
    peaks: list[Peak] = []
    for sign in (1.0, -1.0) if two_sided else (1.0,):
        peaks += _peaks_of_sign(values, affine, threshold, min_distance, sign)
    peaks.sort(key=lambda peak: -abs(peak.value))
    return peaks[:max_peaks]


def peaks_table(
    peaks: Sequence[Peak],
    *,
    statistic: str,
    threshold_text: str,
    max_rows: int = 10,
    space: str = "the image's world space",
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
    Peaks at z ≥ 3, in the image's world space; clusters are connected by faces and edges.
    """
    shown = peaks[:max_rows]
    rows = tuple(
        (
            *(_number(coordinate, 1) for coordinate in (peak.x, peak.y, peak.z)),
            _number(peak.value, 2),
            f"{peak.cluster_size:,}",
            f"{peak.cluster_volume:,.0f}",
        )
        for peak in shown
    )
    count = (
        "Peaks"
        if len(shown) == len(peaks)
        else f"The {len(shown)} largest of {len(peaks):,} peaks"
    )
    return Table(
        ("x (mm)", "y (mm)", "z (mm)", statistic, "cluster (voxels)", "cluster (mm³)"),
        rows,
        f"{count} at {threshold_text}, in {space}; clusters are connected by faces and edges.",
    )


def _peaks_of_sign(
    values: FloatArray, affine: FloatArray, threshold: float, min_distance: float, sign: float
) -> list[Peak]:
    """Peaks of one sign; the map is treated as its mirror image for negative ones."""
    signed = sign * values
    above = signed >= threshold
    if not above.any():
        return []
    labels, n_clusters = ndimage.label(above, _CONNECTIVITY)
    sizes = np.bincount(labels.ravel(), minlength=n_clusters + 1)
    # voxels outside of this box are below every voxel above the threshold
    box = ndimage.find_objects(above.astype(np.int8))[0]
    highest = ndimage.maximum_filter(signed[box], footprint=_CONNECTIVITY, mode="nearest")
    voxels = np.argwhere(above[box] & (signed[box] == highest)) + [edge.start for edge in box]
    heights = signed[tuple(voxels.T)]
    # equal heights keep the order of the array, so the result is reproducible
    order = np.argsort(-heights, kind="stable")
    voxels, heights = voxels[order], heights[order]
    positions = voxels @ affine[:3, :3].T + affine[:3, 3]
    clusters = labels[tuple(voxels.T)]
    voxel_volume = abs(float(np.dot(np.cross(*affine[:3, :2].T), affine[:3, 2])))
    kept = _spread_out(voxels, clusters, affine[:3, :3], min_distance)
    cluster_sizes = sizes[clusters[kept]]
    return [
        Peak(x, y, z, height, size, volume)
        for (x, y, z), height, size, volume in zip(
            positions[kept].tolist(),
            (sign * heights[kept]).tolist(),
            cluster_sizes.tolist(),
            (cluster_sizes * voxel_volume).tolist(),
            strict=True,
        )
    ]


def _spread_out(
    voxels: NDArray[np.integer],
    clusters: NDArray[np.integer],
    axes: FloatArray,
    min_distance: float,
) -> list[int]:
    """Indices that stay when each, in order, removes later ones near it in its cluster.

    ``axes`` (3, 3) are the steps between voxels in mm. Neighbors are looked up in the grid, one
    offset at a time, which needs no tree.
    """
    offsets = _near_offsets(axes, min_distance)
    margin = abs(offsets).max(axis=0, initial=0)
    places = voxels - voxels.min(axis=0) + margin
    order = np.full(places.max(axis=0) + margin + 1, -1)
    order[tuple(places.T)] = np.arange(len(voxels))
    found = [np.empty((0, 2), dtype=int)]
    for offset in offsets:
        other = order[tuple((places + offset).T)]
        both = np.flatnonzero(other >= 0)
        found.append(np.column_stack([both, other[both]]))
    pairs = np.sort(np.concatenate(found), axis=1)
    pairs = pairs[clusters[pairs[:, 0]] == clusters[pairs[:, 1]]]
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    starts = np.searchsorted(pairs[:, 0], np.arange(len(voxels) + 1)).tolist()
    is_kept = np.ones(len(voxels), dtype=bool)
    for index in np.unique(pairs[:, 0]).tolist():
        if is_kept[index]:
            is_kept[pairs[starts[index] : starts[index + 1], 1]] = False
    return np.flatnonzero(is_kept).tolist()


def _near_offsets(axes: FloatArray, min_distance: float) -> NDArray[np.integer]:
    """Steps in the grid that are shorter than a distance; of each and its opposite, one."""
    # a step of n voxels along an axis is at least n / (length of that row of the inverse) long
    reach = np.floor(min_distance * np.linalg.norm(np.linalg.inv(axes), axis=1)).astype(int)
    grid = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    half = grid[len(grid) // 2 + 1 :]
    # a hair less, so that peaks exactly min_distance apart both stay
    return half[np.linalg.norm(half @ axes.T, axis=1) < min_distance * (1 - 1e-9)]


def _number(value: float, decimals: int) -> str:
    """A number as it is printed: a true minus sign, and no minus before zero."""
    return f"{value:z.{decimals}f}".replace("-", "−")
