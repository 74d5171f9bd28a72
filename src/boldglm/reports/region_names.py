"""Names of the regions of an atlas at the peaks of a map."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import BoolArray, IndexArray, RealArray

OUTSIDE = "—"  # of all regions
HEADING = "region"


@dataclass(frozen=True, eq=False)
class RegionNames:
    """The region of each value of a row.

    Parameters
    ----------
    labels : ndarray of shape (n_voxels,)
        Label of the region; 0 outside all regions.
    names : mapping of int to str
        Name of each label.

    Examples
    --------
    >>> regions = RegionNames(np.array([0, 7, 7]), {7: "V1"})
    >>> regions.at(np.array([0, 2]))
    ('—', 'V1')
    """

    labels: RealArray
    names: Mapping[int, str]

    def at(self, columns: IndexArray) -> tuple[str, ...]:
        """Return the names at some columns of a row."""
        return tuple(self.names.get(int(label), OUTSIDE) for label in self.labels[columns])

    def of_part(self, columns: slice | IndexArray) -> "RegionNames":
        """Return the regions of some columns."""
        return RegionNames(self.labels[columns], self.names)

    def at_places(self, places: RealArray, mask: BoolArray, affine: RealArray) -> tuple[str, ...]:
        """Return the names at voxels of a mask, whose values these are, by their coordinates.

        Parameters
        ----------
        places : ndarray of shape (n_places, 3)
            Centers of voxels in mm.
        mask : ndarray of bool, shape (n_i, n_j, n_k)
            The mask.
        affine : ndarray of shape (4, 4)
            From voxel indices to mm.
        """
        indices = np.rint((places - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(int)
        flat = np.ravel_multi_index(tuple(indices.T), mask.shape)
        return self.at(np.searchsorted(np.flatnonzero(mask), flat))
