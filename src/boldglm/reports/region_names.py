"""Names of the regions of an atlas at the peaks of a map."""

from collections.abc import Mapping
from dataclasses import dataclass

from boldglm.glm.arrays.types import IndexArray, RealArray

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
    >>> import numpy as np
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
