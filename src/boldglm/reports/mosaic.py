"""Slices of a volume side by side, as one array of colors: numpy only, no drawing.

Array axes are turned and flipped until they run to the right, front and top (as nearly as
the affine allows), so left is on the left of the picture whatever the storage order was.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray

Colors = NDArray[np.uint8]
Volume = TypeVar("Volume", bound=np.ndarray[Any, Any])

DIRECTIONS = (("L", "R"), ("P", "A"), ("I", "S"))  # ends of the x, y and z axis
PLANES = ("sagittal", "coronal", "axial")  # slices across the x, y and z axis

_N_GREYS = 24  # more make larger files and no clearer pictures
_N_LEVELS = 64  # of each ramp
WHITE = _N_GREYS - 1  # row of the palette
_HOT = ((0.50, 0.02, 0.05), (0.85, 0.08, 0.05), (0.98, 0.48, 0.05), (1.00, 0.93, 0.35))
_COLD = ((0.03, 0.10, 0.45), (0.05, 0.30, 0.80), (0.10, 0.62, 0.95), (0.62, 0.97, 0.98))


@dataclass(frozen=True, slots=True)
class Orientation:
    """How array axes lie in the world; index 0 is x (to the right), 1 is y, 2 is z."""

    axes: tuple[int, int, int]  # array axis nearest to x, y and z
    is_flipped: tuple[bool, bool, bool]  # whether that array axis runs the other way
    is_oblique: bool  # whether any axis is more than about half a degree off

    def turn(self, volume: Volume) -> Volume:
        """Give a view of the volume whose axes run to the right, front and top."""
        flips = tuple(axis for axis, flipped in enumerate(self.is_flipped) if flipped)
        return np.flip(np.transpose(volume, self.axes), flips)  # type: ignore[return-value]

    def turn_affine(self, affine: RealArray, shape: tuple[int, ...]) -> RealArray:
        """Give the affine of the turned volume; ``shape`` is that of the array as stored."""
        turned = np.array(affine, dtype=float)
        for new, (old, flipped) in enumerate(zip(self.axes, self.is_flipped, strict=True)):
            turned[:3, new] = -affine[:3, old] if flipped else affine[:3, old]
            if flipped:
                turned[:3, 3] += affine[:3, old] * (shape[old] - 1)
        return turned


@dataclass(frozen=True, slots=True)
class Layout:
    """Which slices are shown, and where, in pixels of the mosaic."""

    plane: int  # world axis that the slices cut: 0, 1 or 2
    slices: IndexArray  # (n_slices,), along the turned axis
    coordinates: RealArray  # (n_slices,), mm at the center of each slice
    box: tuple[slice, slice]  # what of a slice is shown: (across, up)
    cell: tuple[int, int]  # pixels of one slice: (height, width)
    n_columns: int
    gap: int  # pixels below each row of slices, for its labels

    @property
    def n_rows(self) -> int:
        """Number of rows of slices."""
        return -(-len(self.slices) // self.n_columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the mosaic in pixels."""
        height, width = self.cell
        return self.n_rows * (height + self.gap), self.n_columns * width

    def corner(self, position: int) -> tuple[int, int]:
        """Top and left pixel of a slice."""
        row, column = divmod(position, self.n_columns)
        return row * (self.cell[0] + self.gap), column * self.cell[1]


def orient(affine: RealArray) -> Orientation:
    """Find the array axes nearest to left-right, back-front and bottom-top.

    Parameters
    ----------
    affine : ndarray of shape (4, 4)
        From voxel indices to mm, x to the right, y to the front, z up.

    Returns
    -------
    Orientation
        The assignment with the largest sum of \\|cosine\\| between array and world axes.

    Raises
    ------
    ValueError
        If the affine is not invertible.

    Examples
    --------
    Stored from right to left:

    >>> orient(np.diag([-3.0, 3, 3, 1]))
    Orientation(axes=(0, 1, 2), is_flipped=(True, False, False), is_oblique=False)
    """
    matrix = np.asarray(affine, dtype=float)
    if matrix.shape != (4, 4) or not abs(np.linalg.det(matrix[:3, :3])) > 0:
        raise ValueError(f"expected an invertible affine of shape (4, 4), found\n{matrix}")
    cosines = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    best = max(permutations(range(3)), key=lambda p: np.abs(cosines[range(3), p]).sum())
    along = [float(cosines[world, axis]) for world, axis in enumerate(best)]
    return Orientation(
        axes=(best[0], best[1], best[2]),
        is_flipped=(along[0] < 0, along[1] < 0, along[2] < 0),
        is_oblique=min(map(abs, along)) < math.cos(math.radians(0.5)),
    )


def lay_out(
    mask: BoolArray,
    affine: RealArray,
    *,
    n_slices: int,
    width: int,
    gap: int,
    must_show: tuple[int, int, int] | None = None,
) -> Layout:
    """Choose slices over the extent of the mask and their places.

    Parameters
    ----------
    mask : ndarray of bool, shape (n_x, n_y, n_z)
        Turned (see `Orientation.turn`).
    affine : ndarray of shape (4, 4)
        Of the turned volume.
    n_slices : int
        At most this many.
    width : int
        Pixels that a full row may take.
    gap : int
        Pixels below each row.
    must_show : tuple of int, optional
        A voxel whose slice replaces the nearest one.

    Returns
    -------
    Layout
        Axial slices, or slices across the one axis along which the volume is a single
        voxel thick.
    """
    plane = 2 if mask.shape[2] == 1 or 1 not in mask.shape else mask.shape.index(1)
    across, up = (axis for axis in range(3) if axis != plane)
    slices = _choose_slices(mask.any(axis=(across, up)), n_slices)
    if must_show is not None:
        slices[np.argmin(np.abs(slices - must_show[plane]))] = must_show[plane]
    box = (_extent(mask.any(axis=(up, plane))), _extent(mask.any(axis=(across, plane))))
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    extent = [(b.stop - b.start) * sizes[axis] for b, axis in zip(box, (across, up), strict=True)]
    # about three rows for seven columns, and no column more than the rows need
    n_rows = max(1, round(math.sqrt(len(slices) * 3 / 7)))
    n_columns = -(-len(slices) // n_rows)
    # few or single slices are not blown up to the width of the page
    cell_width = min(width // n_columns, 2 * width // 7)
    cell_width = min(cell_width, max(1, round(width / 3 * extent[0] / extent[1])))
    # a whole number of pixels for each voxel: blocks of one size, and a smaller file
    n_across = box[0].stop - box[0].start
    cell_width = cell_width // n_across * n_across or cell_width
    cell_height = max(1, round(cell_width * extent[1] / extent[0]))
    center = np.zeros((len(slices), 3))
    center[:, plane] = slices
    for b, axis in zip(box, (across, up), strict=True):
        center[:, axis] = (b.start + b.stop - 1) / 2
    coordinates = (center @ affine[:3, :3].T + affine[:3, 3])[:, plane]
    return Layout(plane, slices, coordinates, box, (cell_height, cell_width), n_columns, gap)


def compose(layout: Layout, colors: Colors) -> Colors:
    """Put slices in their places on white.

    Parameters
    ----------
    layout : Layout
        As `lay_out` gives it.
    colors : ndarray of uint8, shape (n_x, n_y, n_z)
        Rows of `palette`, turned.

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Rows of `palette`.

    Notes
    -----
    Nothing is interpolated: a block of one color is a voxel.
    """
    picture = np.full(layout.shape, WHITE, dtype=np.uint8)
    height, width = layout.cell
    rows = _nearest(layout.box[1], height)[::-1]  # pixel rows run downwards
    columns = _nearest(layout.box[0], width)
    for position, index in enumerate(layout.slices):
        top, left = layout.corner(position)
        slice_ = colors[(slice(None),) * layout.plane + (int(index),)].T
        picture[top : top + height, left : left + width] = slice_[:, columns][rows]
    return picture


def is_colored(values: RealArray, threshold: float) -> BoolArray:
    """Tell which values are drawn in color.

    Parameters
    ----------
    values : ndarray
        Statistics.
    threshold : float
        Zero colors all that is not zero, infinity (no voxel survives a correction)
        nothing, not even infinite statistics.

    Returns
    -------
    ndarray of bool
        Of the shape of ``values``.

    Examples
    --------
    >>> is_colored(np.array([-3.0, 0, 2, np.inf]), 3)
    array([ True, False, False,  True])
    """
    return (np.abs(values) >= threshold) & (values != 0) & np.isfinite(threshold)


def overlay_colors(values: RealArray, *, threshold: float, maximum: float) -> Colors:
    """Color statistics: dark red to yellow if positive, dark blue to pale cyan if negative.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Statistics, all at or above the threshold in size.
    threshold, maximum : float
        Where the colors begin and where they stay the same.

    Returns
    -------
    ndarray of uint8, shape (n,)
        Rows of `palette`.

    Examples
    --------
    >>> palette()[overlay_colors(np.array([3.0, 9.0, -9.0]), threshold=3, maximum=9)]
    array([[128,   5,  13],
           [255, 237,  89],
           [158, 247, 250]], dtype=uint8)
    """
    share = np.clip((np.abs(values) - threshold) / (maximum - threshold), 0, 1)
    levels = np.rint(share * (_N_LEVELS - 1)).astype(np.uint8)
    return np.where(values > 0, _N_GREYS + levels, _N_GREYS + _N_LEVELS + levels).astype(np.uint8)


@cache
def palette() -> Colors:
    """Give the colors of a mosaic: few, which makes a small PNG. Not to be written to.

    Returns
    -------
    ndarray of uint8, shape (152, 3)
        24 grays from black to white, 64 hot and 64 cold colors.
    """
    grays = np.repeat(np.linspace(0.0, 1.0, _N_GREYS)[:, None], 3, axis=1)
    return np.rint(np.concatenate([grays, _ramp(_HOT), _ramp(_COLD)]) * 255).astype(np.uint8)


def _ramp(stops: tuple[tuple[float, float, float], ...]) -> RealArray:
    places = np.linspace(0, 1, len(stops))
    return np.stack(
        [
            np.interp(np.linspace(0, 1, _N_LEVELS), places, channel)
            for channel in zip(*stops, strict=True)
        ],
        axis=1,
    )


def _choose_slices(is_covered: Any, n_slices: int) -> IndexArray:
    """Evenly spaced slices that contain some of the mask."""
    covered = np.flatnonzero(is_covered)
    if len(covered) <= n_slices:
        return covered.copy()
    # the outermost slices hold the edge of the brain only
    places = np.linspace(0, len(covered) - 1, n_slices + 2)[1:-1]
    return covered[np.rint(places).astype(int)]


def _extent(is_covered: Any) -> slice:
    """What the mask covers, and a voxel more on each side where there is one."""
    covered = np.flatnonzero(is_covered)
    return slice(max(int(covered[0]) - 1, 0), min(int(covered[-1]) + 2, len(is_covered)))


def _nearest(box: slice, n_pixels: int) -> IndexArray:
    """Voxel index of each pixel."""
    n_voxels = box.stop - box.start
    return box.start + ((np.arange(n_pixels) + 0.5) * n_voxels / n_pixels).astype(int)
