"""The gray mean image that maps of a volume are drawn on, made once for all maps."""

from functools import cached_property

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray
from boldglm.reports.mosaic import WHITE, Colors, orient, overlay_colors


class Backdrop:
    """A mean image inside of a mask, turned to the right, front and top.

    Parameters
    ----------
    mean : ndarray of shape (n_voxels,)
        Mean BOLD image in the order of ``mask[mask]``, any unit.
    mask : ndarray of bool, shape (n_i, n_j, n_k)
        Voxels that were analyzed; outside of it all is white.
    affine : ndarray of shape (4, 4)
        From voxel indices to mm, x to the right, y to the front, z up.

    Attributes
    ----------
    orientation : Orientation
        How the array was turned.
    affine : ndarray of shape (4, 4)
        Of the turned volume.
    inside : ndarray of bool, shape (n_x, n_y, n_z)
        The mask, turned.

    Raises
    ------
    ValueError
        If shapes do not agree, or the mask is empty.
    """

    def __init__(self, mean: RealArray, mask: BoolArray, affine: RealArray) -> None:
        inside = np.asarray(mask, dtype=bool)
        if inside.ndim != 3 or mean.shape != (np.count_nonzero(inside),):
            raise ValueError(
                f"expected a mask of three dimensions and a mean for each of its voxels, found "
                f"shapes {inside.shape} ({np.count_nonzero(inside)} voxels) and {mean.shape}."
            )
        if not mean.size:
            raise ValueError("the mask is empty, so there is no slice to draw; check the mask.")
        self.orientation = orient(affine)
        self.affine = self.orientation.turn_affine(affine, inside.shape)
        self.inside = np.ascontiguousarray(self.orientation.turn(inside))
        # where in the turned volume each voxel is: turning gives a view, to be written through
        places = np.empty(inside.shape, dtype=np.intp)
        self.orientation.turn(places)[...] = np.arange(inside.size).reshape(self.inside.shape)
        self._places = places[inside]
        self._grays = np.full(inside.size, WHITE, dtype=np.uint8)
        self._grays[self._places] = _grays(np.where(np.isfinite(mean), mean, 0.0))

    def first(self, voxels: BoolArray) -> tuple[int, int, int]:
        """Return the turned indices of the first of some voxels, (n_voxels,) of bool."""
        x, y, z = np.unravel_index(int(self._places[voxels].min()), self.inside.shape)
        return int(x), int(y), int(z)

    @cached_property
    def order(self) -> IndexArray:
        """Voxels in the order in which they lie in the turned volume, (n_voxels,)."""
        return np.argsort(self._places)

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """The part of the turned volume that holds the mask."""
        x, y, z = (
            np.flatnonzero(self.inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)
        )
        return (
            slice(int(x[0]), int(x[-1]) + 1),
            slice(int(y[0]), int(y[-1]) + 1),
            slice(int(z[0]), int(z[-1]) + 1),
        )

    @cached_property
    def packed(self) -> tuple[str, str]:
        """The mean image in the box, packed for the viewer, and its key."""
        from boldglm.reports.volumes import packed_with_key

        grays = self._grays.reshape(self.inside.shape)[self.box] + 1
        return packed_with_key(np.where(self.inside[self.box], grays, 0).astype(np.uint8))

    def indices(self, voxels: BoolArray) -> IndexArray:
        """Return the turned indices of some voxels, (3, n)."""
        return np.stack(np.unravel_index(self._places[voxels], self.inside.shape))

    def places(self, voxels: IndexArray) -> RealArray:
        """Return the coordinates of some voxels in mm, (n, 3)."""
        indices = np.stack(np.unravel_index(self._places[voxels], self.inside.shape), axis=-1)
        return indices @ self.affine[:3, :3].T + self.affine[:3, 3]

    def colored(
        self, row: RealArray, chosen: BoolArray, *, threshold: float, maximum: float
    ) -> Colors:
        """Return the turned volume with some of its voxels in the colors of their values.

        Parameters
        ----------
        row : ndarray of shape (n_voxels,)
            Statistics.
        chosen : ndarray of bool, shape (n_voxels,)
            Voxels to color.
        threshold, maximum : float
            \\|statistic\\| at the dark and at the bright end of the colors.

        Returns
        -------
        ndarray of uint8, shape (n_x, n_y, n_z)
            Rows of `palette`.
        """
        colors = self._grays.copy()
        colors[self._places[chosen]] = overlay_colors(
            row[chosen], threshold=threshold, maximum=maximum
        )
        return colors.reshape(self.inside.shape)


def _grays(mean: RealArray) -> Colors:
    """Rows of `palette`: nearly all values inside the mask lie between black and white."""
    low, high = (float(value) for value in np.percentile(mean, [1, 99.5]))
    if high <= low:
        low, high = low - 1, low + 1
    tone = 0.1 + 0.78 * np.clip((mean - low) / (high - low), 0, 1)
    return np.rint(tone * WHITE).astype(np.uint8)
