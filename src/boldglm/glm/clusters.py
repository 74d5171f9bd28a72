"""Connected voxels: clusters, their extent and mass, and threshold-free enhancement.

Neighbors are pairs of columns of a row of values, so that voxels of a grid, vertices of a mesh and
CIFTI's mixtures of them are the same thing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, sparse

from boldglm.glm.kernels import FloatArray

CONNECTIVITY = 18  # voxels that share a face or an edge, as in SPM
_RANKS = {6: 1, 18: 2, 26: 3}
TFCE_STEP = 0.1
TFCE_EXTENT, TFCE_HEIGHT = 0.5, 2.0


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Which of n voxels lie next to each other.

    Parameters
    ----------
    adjacency : scipy.sparse.csr_matrix of shape (n_voxels, n_voxels)
        Symmetric; other than 0 where two are neighbors.
    """

    adjacency: sparse.csr_matrix

    @property
    def size(self) -> int:
        """How many voxels there are."""
        return int(self.adjacency.shape[0])

    @classmethod
    def of_pairs(cls, pairs: ArrayLike, size: int) -> "Neighbors":
        """Make them from pairs (n_pairs, 2) of indices."""
        edges = np.asarray(pairs, dtype=np.intp).reshape(-1, 2)
        ones = np.ones(len(edges), dtype=np.int8)
        one_way = sparse.coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(size, size))
        return cls(sparse.csr_matrix(one_way + one_way.T))

    @classmethod
    def joined(cls, parts: Sequence[tuple["Neighbors", np.ndarray]], size: int) -> "Neighbors":
        """Put parts together that have no neighbors in one another.

        Parameters
        ----------
        parts : sequence of (Neighbors, ndarray)
            Each with the columns that its voxels are.
        size : int
            Number of columns in all.
        """
        pairs = []
        for part, columns in parts:
            found = part.adjacency.tocoo()
            upper = found.row < found.col
            pairs.append(np.column_stack([columns[found.row[upper]], columns[found.col[upper]]]))
        return cls.of_pairs(np.concatenate(pairs) if pairs else np.zeros((0, 2)), size)

    def label(self, inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], int]:
        """Number the connected clusters of some voxels.

        Parameters
        ----------
        inside : ndarray of bool of shape (n_voxels,)

        Returns
        -------
        labels : ndarray of shape (n_inside,)
            From 0, for the voxels inside in their order.
        n_clusters : int
        """
        chosen = np.flatnonzero(inside)
        if not chosen.size:
            return np.zeros(0, dtype=np.intp), 0
        among = self.adjacency[chosen][:, chosen]
        count, labels = sparse.csgraph.connected_components(among, directed=False)
        return labels.astype(np.intp), int(count)


def grid_neighbors(mask: NDArray[np.bool_], connectivity: int = CONNECTIVITY) -> Neighbors:
    """Return the neighbors among the voxels of a mask.

    Parameters
    ----------
    mask : ndarray of bool of shape (x, y, z)
        Voxels are in the order of ``mask[mask]``.
    connectivity : {6, 18, 26}
        Voxels that share a face, a face or an edge, or also a corner.

    Examples
    --------
    >>> two = np.zeros((2, 2, 1), dtype=bool)
    >>> two[0, 0, 0] = two[1, 1, 0] = True
    >>> [grid_neighbors(two, kind).adjacency.nnz for kind in (6, 18)]
    [0, 2]
    """
    if connectivity not in _RANKS:
        raise ValueError(f"connectivity {connectivity!r} must be 6, 18 or 26.")
    numbers = np.full(mask.shape, -1, dtype=np.intp)
    numbers[mask] = np.arange(int(mask.sum()))
    shape = ndimage.generate_binary_structure(3, _RANKS[connectivity])
    steps = np.argwhere(shape) - 1
    pairs = []
    for step in steps[len(steps) // 2 + 1 :]:  # one of each two opposite ones
        one, other = numbers[_shifted(-step, mask.shape)], numbers[_shifted(step, mask.shape)]
        both = (one >= 0) & (other >= 0)
        pairs.append(np.column_stack([one[both], other[both]]))
    return Neighbors.of_pairs(np.concatenate(pairs), int(mask.sum()))


def _shifted(step: NDArray[np.intp], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, k), min(n, n + k)) for k, n in zip(step.tolist(), shape, strict=True)
    )


def mesh_neighbors(triangles: ArrayLike, inside: NDArray[np.bool_]) -> Neighbors:
    """Return the neighbors among some vertices of a mesh: those that share an edge.

    Parameters
    ----------
    triangles : array_like of shape (n_triangles, 3)
        Indices of vertices.
    inside : ndarray of bool of shape (n_vertices,)
        Vertices that are analysed, in the order of a row of values.
    """
    numbers = np.full(inside.size, -1, dtype=np.intp)
    numbers[inside] = np.arange(int(inside.sum()))
    corners = numbers[np.asarray(triangles, dtype=np.intp)]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = np.unique(np.sort(edges[(edges >= 0).all(axis=1)], axis=1), axis=0)
    return Neighbors.of_pairs(edges, int(inside.sum()))


def cluster_sizes(
    values: FloatArray, threshold: float, neighbors: Neighbors
) -> tuple[NDArray[np.intp], FloatArray, FloatArray]:
    """Find the clusters of voxels above a threshold.

    Parameters
    ----------
    values : ndarray of shape (n_voxels,)
    threshold : float
        Voxels above it belong to a cluster.
    neighbors : Neighbors

    Returns
    -------
    labels : ndarray of shape (n_voxels,)
        Number of the cluster, from 0; -1 outside.
    extent : ndarray of shape (n_clusters,)
        Voxels of each.
    mass : ndarray of shape (n_clusters,)
        Sum of what is above the threshold in each.
    """
    inside = values > threshold
    labels = np.full(values.size, -1, dtype=np.intp)
    labels[inside], count = neighbors.label(inside)
    own = labels[inside]
    extent = np.bincount(own, minlength=count).astype(np.float64)
    mass = np.bincount(own, weights=values[inside] - threshold, minlength=count).astype(np.float64)
    return labels, extent, mass


def enhance(values: FloatArray, neighbors: Neighbors, step: float = TFCE_STEP) -> FloatArray:
    """Enhance a map by the extent of what supports each height (TFCE), positive values only.

    Parameters
    ----------
    values : ndarray of shape (n_voxels,)
    neighbors : Neighbors
    step : float
        Of the heights that are summed over.

    Returns
    -------
    ndarray of shape (n_voxels,)
        The sum over heights h = step, 2 step, ... up to the value of extent(h)^.5 h^2 step,
        where extent(h) is the number of voxels in the voxel's cluster above h [1]_.

    References
    ----------
    .. [1] Smith SM, Nichols TE (2009). Threshold-free cluster enhancement. NeuroImage 44:83-98.
       doi:10.1016/j.neuroimage.2008.03.061
    """
    enhanced = np.zeros(values.size)
    highest = float(values.max(initial=0.0))
    for height in np.arange(step, highest + step / 2, step):
        inside = values >= height
        labels, count = neighbors.label(inside)
        extent = np.bincount(labels, minlength=count)[labels]
        enhanced[inside] += extent**TFCE_EXTENT * height**TFCE_HEIGHT * step
    return enhanced
