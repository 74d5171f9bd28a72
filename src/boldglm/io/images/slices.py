"""The slices of a volume, and the voxels of those that were acquired at the same time."""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray


@dataclass(frozen=True)
class SliceGroups:
    """Which slices of a volume were acquired at the same time.

    Parameters
    ----------
    axis : int
        Axis of the image along which slices follow each other.
    groups : tuple of int
        Group of each slice, counted from 0.

    Examples
    --------
    >>> groups = SliceGroups(axis=1, groups=(0, 1, 0))
    >>> mask = np.array([[True, True, True], [False, True, True]])
    >>> [voxels.tolist() for voxels in groups.voxels(mask)]
    [[0, 2, 4], [1, 3]]
    """

    axis: int
    groups: tuple[int, ...]

    def voxels(self, mask: BoolArray) -> tuple[IndexArray, ...]:
        """Return the voxels of each group, as numbers in the order of ``mask[mask]``."""
        of_voxel = np.array(self.groups)[np.nonzero(mask)[self.axis]]
        return tuple(np.flatnonzero(of_voxel == group) for group in range(max(self.groups) + 1))

    def order(self, mask: BoolArray) -> IndexArray:
        """Return the voxels of all groups, one group after the other."""
        return np.concatenate(self.voxels(mask))
