"""Who is a neighbor of whom: grids against distances, meshes by hand, mixtures."""

import itertools

import numpy as np
import pytest

from boldglm.glm.inference.neighbors import (
    connected,
    grid_neighbors,
    join_neighbors,
    mesh_neighbors,
)

# a tetrahedron and a square of two triangles, apart
TRIANGLES = [[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2], [4, 5, 6], [6, 7, 4]]


def pairs_of(neighbors):
    return set(zip(*(ends.tolist() for ends in neighbors.pairs()), strict=True))


@pytest.mark.parametrize(("connectivity", "farthest"), [(6, 1), (18, 2), (26, 3)])
def test_neighbors_in_a_grid_are_as_near_as_the_connectivity_says(connectivity, farthest):
    mask = np.random.default_rng(1).random((5, 6, 4)) < 0.6
    places = np.argwhere(mask)

    result = grid_neighbors(mask, connectivity)

    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(places)), 2)
        if ((gap := places[i] - places[j]) ** 2).max() == 1 and gap @ gap <= farthest
    }
    assert pairs_of(result) == expected
    assert result.n_voxels == len(places)


def test_a_grid_as_thin_as_one_voxel_has_neighbors_along_the_others():
    assert pairs_of(grid_neighbors(np.ones((1, 2, 1), bool), 26)) == {(0, 1)}
    assert pairs_of(grid_neighbors(np.ones((1, 1, 1), bool), 6)) == set()
    assert grid_neighbors(np.zeros((3, 3, 3), bool)).n_voxels == 0


def test_vertices_of_a_mesh_are_neighbors_along_edges_once():
    result = mesh_neighbors(TRIANGLES, np.ones(8, bool))

    tetrahedron = set(itertools.combinations(range(4), 2))
    assert pairs_of(result) == tetrahedron | {(4, 5), (5, 6), (4, 6), (6, 7), (4, 7)}


def test_vertices_outside_of_the_mask_are_counted_out():
    mask = np.array([True, False, True, True, False, True, True, True])

    result = mesh_neighbors(TRIANGLES, mask, areas=np.arange(8.0))

    # vertices 0 2 3 5 6 7 are now 0 to 5
    assert pairs_of(result) == {(0, 1), (0, 2), (1, 2), (3, 4), (4, 5)}
    np.testing.assert_allclose(result.sizes, [0, 2, 3, 5, 6, 7], rtol=0)


def test_parts_of_a_row_keep_their_neighbors_and_get_no_others():
    mesh = mesh_neighbors([[0, 1, 2]], np.ones(3, bool), areas=[1.0, 2.0, 3.0])
    line = grid_neighbors(np.ones((1, 1, 3), bool), voxel_volume=8.0)

    result = join_neighbors([(np.array([6, 2, 4]), mesh), (slice(0, 6, 2), line)][:1], 7)
    both = join_neighbors([(slice(0, 3), mesh), (np.array([6, 4, 5]), line)], 7)

    assert pairs_of(result) == {(2, 6), (4, 6), (2, 4)}
    assert pairs_of(both) == {(0, 1), (0, 2), (1, 2), (4, 6), (4, 5)}
    np.testing.assert_allclose(both.sizes, [1, 2, 3, 1, 8, 8, 8], rtol=0)


def test_pairs_among_some_elements_are_numbered_by_their_places():
    neighbors = mesh_neighbors(TRIANGLES, np.ones(8, bool))

    first, second = neighbors.among(np.array([1, 3, 4, 7]))

    assert set(zip(first.tolist(), second.tolist(), strict=True)) == {(0, 1), (2, 3)}
    assert [len(ends) for ends in neighbors.among(np.array([], dtype=int))] == [0, 0]


def test_components_are_found_with_pairs_that_come_twice_or_turned():
    pairs = np.array([0, 3, 3, 4]), np.array([3, 0, 0, 1])

    n_components, labels = connected(6, pairs)

    assert n_components == 4
    assert labels[0] == labels[3]
    assert labels[1] == labels[4]
    assert len(set(labels.tolist())) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grid_neighbors(np.ones((2, 2), bool)), r"mask of shape \(2, 2\)"),
        (lambda: grid_neighbors(np.ones((2, 2, 2), bool), 8), r"one of 6, 18, 26"),
        (lambda: mesh_neighbors([[0, 1]], np.ones(2, bool)), r"expected \(n_triangles, 3\)"),
        (
            lambda: mesh_neighbors([[0, 1, 5]], np.ones(3, bool)),
            r"0 to 5, but the mesh has vertices 0 to 2",
        ),
        (
            lambda: mesh_neighbors([[0, 1, 2]], np.ones(3, bool), areas=[1.0]),
            r"areas have shape \(1,\), but there are 3 vertices",
        ),
        (
            lambda: join_neighbors([(slice(0, 2), grid_neighbors(np.ones((1, 1, 3), bool)))], 5),
            r"a part of 3 elements has 2 indices",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("second", "are_joined"), [((0, 1, 1), True), ((1, 1, 1), False)])
def test_by_default_voxels_that_share_an_edge_are_neighbors_but_not_those_that_share_a_corner(
    second, are_joined
):
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[second] = True

    assert (grid_neighbors(mask).later.size == 1) == are_joined
