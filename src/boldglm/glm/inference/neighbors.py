"""Which voxels or vertices lie side by side: grids, meshes, and mixtures of them.

Clusters need nothing else. A map is a row of numbers, (n_voxels,), whatever it lies on, and a
pair of neighbors is stored once, with the element that comes later in the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray

Pairs = tuple[IndexArray, IndexArray]
# neighbors of a voxel that share a face; or an edge as well; or a corner as well
CONNECTIVITIES = {6: 1, 18: 2, 26: 3}


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Pairs of neighbors among the elements of a row; made by the functions below.

    Parameters
    ----------
    starts : ndarray of int, of shape (n_voxels + 1,)
        Where in `later` the neighbors of each element begin.
    later : ndarray of int, of shape (n_pairs,)
        Neighbors of each element that come later in the row.
    sizes : ndarray of shape (n_voxels,)
        What each element adds to the size of a cluster: 1, or its volume or area.
    """

    starts: IndexArray
    later: IndexArray
    sizes: FloatArray

    @property
    def n_voxels(self) -> int:
        """Number of elements."""
        return len(self.starts) - 1

    def among(self, chosen: IndexArray) -> Pairs:
        """Return the pairs of neighbors that are both among some elements.

        Parameters
        ----------
        chosen : ndarray of int, of shape (n_chosen,)
            Elements in ascending order.

        Returns
        -------
        tuple of two ndarrays of shape (n_pairs,)
            Places in `chosen` of the first and the second of each pair.
        """
        places = np.full(self.n_voxels, -1, dtype=np.int32)
        places[chosen] = np.arange(chosen.size, dtype=np.int32)
        counts = self.starts[chosen + 1] - self.starts[chosen]
        ends = np.cumsum(counts)
        # positions in `later`: counted on within each element from where it starts
        steps = np.repeat(self.starts[chosen] - (ends - counts), counts)
        others = places[self.later[steps + np.arange(steps.size)]]
        first = np.repeat(np.arange(chosen.size, dtype=np.int32), counts)
        both = others >= 0
        return first[both], others[both]

    def within(self, inside: BoolArray) -> "Neighbors":
        """Return the neighbors among some elements of the row, which then make a row.

        Parameters
        ----------
        inside : ndarray of bool, of shape (n_voxels,)
        """
        chosen = np.flatnonzero(inside)
        return _from_pairs(*self.among(chosen), self.sizes[chosen])

    def pairs(self) -> Pairs:
        """Return all pairs of neighbors: the earlier and the later of each."""
        counts = np.diff(self.starts)
        return np.repeat(np.arange(self.n_voxels, dtype=np.int32), counts), self.later


def grid_neighbors(
    mask: ArrayLike, connectivity: int = 18, *, voxel_volume: float = 1.0
) -> Neighbors:
    """Return which voxels of a mask lie side by side.

    Parameters
    ----------
    mask : array_like of bool, of shape (x, y, z)
        Voxels, in the order of ``mask[mask]``.
    connectivity : {6, 18, 26}
        Neighbors of a voxel: those that share a face, or also an edge, or also a corner.
    voxel_volume : float
        Size of a voxel: 1 to count voxels, or mm³.

    Returns
    -------
    Neighbors

    Raises
    ------
    ValueError
        If the mask has not three axes, or there is no such connectivity.

    Examples
    --------
    >>> grid_neighbors(np.array([[[True, True, False, True]]])).pairs()
    (array([0], dtype=int32), array([1], dtype=int32))
    """
    inside = np.asarray(mask, dtype=bool)
    if inside.ndim != 3 or connectivity not in CONNECTIVITIES:
        raise ValueError(
            f"a mask of shape {inside.shape} with connectivity {connectivity}: expected three "
            f"axes, and one of {', '.join(map(str, CONNECTIVITIES))}."
        )
    # a frame of voxels that are not in the mask, so that a step is the same distance in memory
    # everywhere and only the voxels of the mask, which may be few, are looked at
    framed = np.pad(inside, 1).ravel()
    here = np.flatnonzero(framed)
    n_voxels = len(here)
    places = np.empty(framed.size, dtype=np.int32)
    places[here] = np.arange(n_voxels, dtype=np.int32)
    _, n_y, n_z = (length + 2 for length in inside.shape)
    around = ndimage.generate_binary_structure(3, CONNECTIVITIES[connectivity])
    found = []
    for step in (np.argwhere(around) - 1) @ [n_y * n_z, n_z, 1]:
        if step > 0:  # of each step and its opposite, one
            first = np.flatnonzero(framed[here + step])
            found.append((first.astype(np.int32), places[here[first] + step]))
    first, second = (np.concatenate(ends) for ends in zip(*found, strict=True))
    return _from_pairs(first, second, np.full(n_voxels, float(voxel_volume)))


def mesh_neighbors(
    triangles: ArrayLike, mask: ArrayLike, *, areas: ArrayLike | None = None
) -> Neighbors:
    """Return which vertices of a mask are joined by an edge.

    Parameters
    ----------
    triangles : array_like of int, of shape (n_triangles, 3)
        Indices of vertices of the whole mesh.
    mask : array_like of bool, of shape (n_vertices,)
        Vertices, in the order of ``mask[mask]``.
    areas : array_like of shape (n_vertices,), optional
        Size of each vertex of the whole mesh, mm²; by default vertices are counted.

    Returns
    -------
    Neighbors

    Raises
    ------
    ValueError
        If triangles name vertices that the mesh does not have, or there is not one area for
        each vertex.

    Examples
    --------
    Two triangles with an edge in common, the last vertex outside of the mask:

    >>> mesh = mesh_neighbors([[0, 1, 2], [1, 3, 2]], [True, True, True, False])
    >>> list(zip(*(ends.tolist() for ends in mesh.pairs())))
    [(0, 1), (0, 2), (1, 2)]
    """
    corners = np.asarray(triangles, dtype=np.intp)
    inside = np.asarray(mask, dtype=bool)
    if corners.ndim != 2 or corners.shape[1] != 3 or inside.ndim != 1:
        raise ValueError(
            f"triangles have shape {corners.shape} and the mask {inside.shape}; expected "
            "(n_triangles, 3) and (n_vertices,)."
        )
    if corners.size and not 0 <= corners.min() <= corners.max() < inside.size:
        raise ValueError(
            f"triangles name vertices from {corners.min()} to {corners.max()}, but the mesh has "
            f"{inside.size}, counted from 0."
        )
    sizes = np.ones(inside.size) if areas is None else np.asarray(areas, dtype=np.float64)
    if sizes.shape != inside.shape:
        raise ValueError(f"areas have shape {sizes.shape}, but there are {inside.size} vertices.")
    places = np.cumsum(inside) - 1
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = places[np.sort(edges[inside[edges].all(axis=1)], axis=1)]
    edges = edges[edges[:, 0] < edges[:, 1]]
    return _from_pairs(edges[:, 0], edges[:, 1], sizes[inside])


def join_neighbors(
    parts: Sequence[tuple[slice | IndexArray, Neighbors]], n_voxels: int
) -> Neighbors:
    """Put parts of a row together, such as two hemispheres and a volume.

    Parameters
    ----------
    parts : sequence of (slice or ndarray of int, Neighbors)
        Which elements of the row a part has, in its order, and its neighbors.
    n_voxels : int
        Length of the row; elements in no part have no neighbors, and size 1.

    Returns
    -------
    Neighbors
        Nothing in one part is a neighbor of anything in another.

    Raises
    ------
    ValueError
        If a part has another number of elements than it is given.

    Examples
    --------
    >>> line = grid_neighbors(np.ones((1, 1, 2), bool))
    >>> both = join_neighbors([(slice(0, 2), line), (np.array([3, 4]), line)], 5)
    >>> list(zip(*(ends.tolist() for ends in both.pairs())))
    [(0, 1), (3, 4)]
    """
    sizes = np.ones(n_voxels)
    firsts, seconds = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for columns, part in parts:
        own = np.arange(n_voxels)[columns]
        if own.size != part.n_voxels:
            raise ValueError(
                f"a part of {part.n_voxels} elements is given {own.size} places of the row."
            )
        sizes[own] = part.sizes
        first, second = part.pairs()
        firsts.append(own[first])
        seconds.append(own[second])
    return _from_pairs(np.concatenate(firsts), np.concatenate(seconds), sizes)


def connected(n_elements: int, pairs: Pairs) -> tuple[int, IndexArray]:
    """Return how many connected components there are, and the number of each element's, from 0.

    Parameters
    ----------
    n_elements : int
    pairs : tuple of two ndarrays of int, of shape (n_pairs,)
        Elements that are connected.

    Returns
    -------
    tuple of (int, ndarray of int, of shape (n_elements,))

    Examples
    --------
    >>> n_components, labels = connected(4, (np.array([0]), np.array([2])))
    >>> n_components, labels.tolist()
    (3, [0, 1, 0, 2])
    """
    ones = np.ones(pairs[0].size, dtype=np.float64)
    graph = sparse.coo_array((ones, pairs), shape=(n_elements, n_elements))
    graph.has_canonical_format = True  # a pair that is there twice connects no more than once
    n_components, labels = csgraph.connected_components(graph.tocsr(), directed=False)
    return int(n_components), labels


def sums(labels: IndexArray, weights: FloatArray, n_labels: int) -> FloatArray:
    """Return the sum of the weights of each label, from 0.

    Parameters
    ----------
    labels : ndarray of int, of shape (n_elements,)
    weights : ndarray of shape (n_elements,)
    n_labels : int

    Returns
    -------
    ndarray of shape (n_labels,)

    Examples
    --------
    >>> sums(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 4).tolist()
    [4.0, 0.0, 2.0, 0.0]
    """
    return np.asarray(np.bincount(labels, weights=weights, minlength=n_labels), np.float64)


def _from_pairs(first: IndexArray, second: IndexArray, sizes: FloatArray) -> Neighbors:
    """Sort pairs by their earlier element, each once."""
    early, late = np.minimum(first, second), np.maximum(first, second)
    ones = np.ones(early.size, dtype=bool)
    table = sparse.csr_array((ones, (early, late)), shape=(sizes.size, sizes.size))
    return Neighbors(table.indptr.astype(np.int64), table.indices.astype(np.int32), sizes)
