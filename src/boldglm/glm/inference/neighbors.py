"""Adjacency of voxels and vertices: grids, meshes, and combinations of both.

Clusters need only this adjacency. A map is an array of shape (n_voxels,), whether its elements are
voxels or vertices, and each pair of neighbors is stored once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray

Pairs = tuple[IndexArray, IndexArray]
# number of neighbors of a voxel that share a face; a face or an edge; a face, an edge or a corner
CONNECTIVITIES = {6: 1, 18: 2, 26: 3}


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Pairs of neighboring elements of a map; made by `grid_neighbors` and others.

    Parameters
    ----------
    starts : ndarray of int, of shape (n_voxels + 1,)
        Index in `later` at which the neighbors of each element begin.
    later : ndarray of int, of shape (n_pairs,)
        Neighbors of each element that have a larger index than the element.
    sizes : ndarray of shape (n_voxels,)
        Contribution of each element to the size of a cluster: 1, or its volume or area.

    See Also
    --------
    grid_neighbors, mesh_neighbors, join_neighbors

    Examples
    --------
    >>> line = grid_neighbors(np.ones((1, 1, 3), bool))
    >>> line.n_voxels, line.starts.tolist(), line.later.tolist()
    (3, [0, 1, 2, 2], [1, 2])
    """

    starts: IndexArray
    later: IndexArray
    sizes: FloatArray

    @property
    def n_voxels(self) -> int:
        """Number of elements."""
        return len(self.starts) - 1

    def among(self, chosen: IndexArray) -> Pairs:
        """Return the pairs of neighbors within a subset of the elements.

        Parameters
        ----------
        chosen : ndarray of int, of shape (n_chosen,)
            Indices of the subset in ascending order.

        Returns
        -------
        tuple of two ndarrays of shape (n_pairs,)
            Positions in `chosen` of the first and the second element of each pair.
        """
        positions = np.full(self.n_voxels, -1, dtype=np.int32)
        positions[chosen] = np.arange(chosen.size, dtype=np.int32)
        counts = self.starts[chosen + 1] - self.starts[chosen]
        ends = np.cumsum(counts)
        # indices in `later`: from where the neighbors of each element begin
        offsets = np.repeat(self.starts[chosen] - (ends - counts), counts)
        second = positions[self.later[offsets + np.arange(offsets.size)]]
        first = np.repeat(np.arange(chosen.size, dtype=np.int32), counts)
        both = second >= 0
        return first[both], second[both]

    def within(self, inside: BoolArray) -> "Neighbors":
        """Return the neighbors of a map that has a subset of the elements.

        Parameters
        ----------
        inside : ndarray of bool, of shape (n_voxels,)
            The subset.

        Returns
        -------
        Neighbors
        """
        chosen = np.flatnonzero(inside)
        return _from_pairs(*self.among(chosen), self.sizes[chosen])

    def pairs(self) -> Pairs:
        """Return all pairs of neighbors.

        Returns
        -------
        tuple of (ndarray, ndarray)
            Smaller and larger index of each pair, each of shape (n_pairs,).
        """
        counts = np.diff(self.starts)
        return np.repeat(np.arange(self.n_voxels, dtype=np.int32), counts), self.later


def grid_neighbors(
    mask: ArrayLike, connectivity: int = 18, *, voxel_volume: float = 1.0
) -> Neighbors:
    """Return the adjacency of the voxels of a mask.

    Parameters
    ----------
    mask : array_like of bool, of shape (x, y, z)
        Voxels of the map, in the order of ``mask[mask]``.
    connectivity : {6, 18, 26}
        Number of neighbors of a voxel: those that share a face (6), also an edge (18), or also a
        corner (26).
    voxel_volume : float
        Size of a voxel in mm³, or 1 to count voxels.

    Returns
    -------
    Neighbors

    Raises
    ------
    ValueError
        If the mask does not have three axes, or the connectivity is unknown.

    See Also
    --------
    mesh_neighbors : Adjacency of vertices.
    join_neighbors : Join the adjacencies of structures.

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
    # Padded with voxels outside the mask, a step in space is the same step in memory everywhere,
    # so that only the voxels of the mask need to be visited.
    padded = np.pad(inside, 1).ravel()
    voxels = np.flatnonzero(padded)
    n_voxels = len(voxels)
    indices = np.empty(padded.size, dtype=np.int32)
    indices[voxels] = np.arange(n_voxels, dtype=np.int32)
    _, n_y, n_z = (length + 2 for length in inside.shape)
    around = ndimage.generate_binary_structure(3, CONNECTIVITIES[connectivity])
    pairs = []
    for step in (np.argwhere(around) - 1) @ [n_y * n_z, n_z, 1]:
        if step > 0:  # one of each step and its opposite
            first = np.flatnonzero(padded[voxels + step])
            pairs.append((first.astype(np.int32), indices[voxels[first] + step]))
    first, second = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    return _from_pairs(first, second, np.full(n_voxels, float(voxel_volume)))


def mesh_neighbors(
    triangles: ArrayLike, mask: ArrayLike, *, areas: ArrayLike | None = None
) -> Neighbors:
    """Return the adjacency of the vertices of a mask: those joined by an edge.

    Parameters
    ----------
    triangles : array_like of int, of shape (n_triangles, 3)
        Indices of vertices of the whole mesh.
    mask : array_like of bool, of shape (n_vertices,)
        Vertices of the map, in the order of ``mask[mask]``.
    areas : array_like of shape (n_vertices,), optional
        Size of each vertex of the whole mesh, mm²; by default vertices are counted.

    Returns
    -------
    Neighbors

    Raises
    ------
    ValueError
        If triangles refer to vertices that the mesh does not have, or the number of areas is not
        the number of vertices.

    See Also
    --------
    grid_neighbors : Adjacency of voxels.
    join_neighbors : Join the adjacencies of structures.

    Examples
    --------
    Two triangles with a common edge; the last vertex is outside the mask:

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
            f"triangles refer to vertices {corners.min()} to {corners.max()}, but the mesh has "
            f"vertices 0 to {inside.size - 1}."
        )
    sizes = np.ones(inside.size) if areas is None else np.asarray(areas, dtype=np.float64)
    if sizes.shape != inside.shape:
        raise ValueError(f"areas have shape {sizes.shape}, but there are {inside.size} vertices.")
    indices = np.cumsum(inside) - 1
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    edges = indices[np.sort(edges[inside[edges].all(axis=1)], axis=1)]
    edges = edges[edges[:, 0] < edges[:, 1]]
    return _from_pairs(edges[:, 0], edges[:, 1], sizes[inside])


def join_neighbors(
    parts: Sequence[tuple[slice | IndexArray, Neighbors]], n_voxels: int
) -> Neighbors:
    """Join the parts of a map, such as two hemispheres and a volume.

    Parameters
    ----------
    parts : sequence of (slice or ndarray of int, Neighbors)
        The indices in the map of the elements of each part, and the neighbors within the part.
    n_voxels : int
        Number of elements of the map. Elements in no part have no neighbors and size 1.

    Returns
    -------
    Neighbors
        Elements of different parts are not neighbors.

    Raises
    ------
    ValueError
        If the number of indices of a part is not its number of elements.

    See Also
    --------
    grid_neighbors : Adjacency of voxels.
    mesh_neighbors : Adjacency of vertices.

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
        indices = np.arange(n_voxels)[columns]
        if indices.size != part.n_voxels:
            raise ValueError(
                f"a part of {part.n_voxels} elements has {indices.size} indices in the map. Give "
                "one index for each element."
            )
        sizes[indices] = part.sizes
        first, second = part.pairs()
        firsts.append(indices[first])
        seconds.append(indices[second])
    return _from_pairs(np.concatenate(firsts), np.concatenate(seconds), sizes)


def connected(n_elements: int, pairs: Pairs) -> tuple[int, IndexArray]:
    """Find the connected components of a graph.

    Parameters
    ----------
    n_elements : int
        Number of elements.
    pairs : tuple of two ndarrays of int, of shape (n_pairs,)
        Pairs of connected elements.

    Returns
    -------
    tuple of (int, ndarray of int, of shape (n_elements,))
        Number of components, and the component of each element, numbered from 0.

    Examples
    --------
    >>> n_components, labels = connected(4, (np.array([0]), np.array([2])))
    >>> n_components, labels.tolist()
    (3, [0, 1, 0, 2])
    """
    ones = np.ones(pairs[0].size, dtype=np.float64)
    graph = sparse.coo_array((ones, pairs), shape=(n_elements, n_elements))
    graph.has_canonical_format = True  # repeated pairs do no harm
    n_components, labels = csgraph.connected_components(graph.tocsr(), directed=False)
    return int(n_components), labels


def sums(labels: IndexArray, weights: FloatArray, n_labels: int) -> FloatArray:
    """Return the sum of weights for each label.

    Parameters
    ----------
    labels : ndarray of int, of shape (n_elements,)
        Labels, numbered from 0.
    weights : ndarray of shape (n_elements,)
        Weight of each element.
    n_labels : int
        Number of labels.

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
    """Sort pairs by their smaller index and remove duplicates."""
    early, late = np.minimum(first, second), np.maximum(first, second)
    ones = np.ones(early.size, dtype=bool)
    table = sparse.csr_array((ones, (early, late)), shape=(sizes.size, sizes.size))
    return Neighbors(table.indptr.astype(np.int64), table.indices.astype(np.int32), sizes)
