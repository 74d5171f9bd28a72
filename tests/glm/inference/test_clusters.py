"""Clusters and TFCE: against scipy's labels, one threshold at a time, and on a small mesh."""

import numpy as np
import pytest
from scipy import ndimage

from boldglm.glm import (
    Enhancement,
    enhance,
    find_clusters,
    fit_second_level,
    permutation_test,
)
from boldglm.glm.inference import permuted_statistics as engine
from boldglm.glm.inference.neighbors import grid_neighbors, join_neighbors, mesh_neighbors

SHAPE = (9, 8, 7)
STRUCTURES = {6: 1, 18: 2, 26: 3}


@pytest.fixture
def mask():
    return np.random.default_rng(2).random(SHAPE) < 0.8


def smooth_map(mask, seed=3):
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    smooth = ndimage.gaussian_filter(noise, 1.0)
    return 2 * (smooth / smooth.std())[mask]


def volume_of(mask, values):
    volume = np.zeros(SHAPE)
    volume[mask] = values
    return volume


def brute_force(mask, values, connectivity, constants):
    """Label the whole volume at every threshold."""
    structure = ndimage.generate_binary_structure(3, STRUCTURES[connectivity])
    volume, total = volume_of(mask, values), np.zeros(SHAPE)
    for step in range(1, int(volume.max() / constants.step) + 1):
        height = step * constants.step
        labels, _ = ndimage.label(volume >= height, structure)
        extents = np.bincount(labels.ravel()) ** constants.extent_power
        gain = extents * height**constants.height_power * constants.step
        total += np.where(labels > 0, gain[labels], 0)
    return total[mask]


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_clusters_are_those_of_scipy(mask, connectivity):
    values = smooth_map(mask)
    structure = ndimage.generate_binary_structure(3, STRUCTURES[connectivity])

    labels, extents, masses = find_clusters(
        values, 2.0, grid_neighbors(mask, connectivity), two_sided=True
    )

    volume = volume_of(mask, values)
    n_clusters = 0
    for sign in (1, -1):
        theirs, n_theirs = ndimage.label(sign * volume >= 2.0, structure)
        for label in range(1, n_theirs + 1):
            (number,) = np.unique(labels[theirs[mask] == label])
            heights = sign * volume[theirs == label]
            assert extents[number] == heights.size == (labels == number).sum()
            np.testing.assert_allclose(masses[number], (heights - 2).sum(), rtol=1e-12)
        n_clusters += n_theirs
    assert len(extents) == len(masses) == n_clusters > 5
    assert (labels[np.abs(values) < 2] == -1).all()


def test_one_side_has_no_negative_clusters(mask):
    values, neighbors = smooth_map(mask), grid_neighbors(mask)

    both, _, _ = find_clusters(values, 2.0, neighbors, two_sided=True)
    positive, extents, _ = find_clusters(values, 2.0, neighbors)

    assert (positive[values < 0] == -1).all()
    np.testing.assert_array_equal(positive[values > 0] >= 0, both[values > 0] >= 0)
    np.testing.assert_allclose(extents, np.bincount(positive[positive >= 0]), rtol=0)


def test_sizes_of_voxels_are_what_extents_and_masses_are_measured_in(mask):
    values = smooth_map(mask)

    one = find_clusters(values, 2.0, grid_neighbors(mask))
    eight = find_clusters(values, 2.0, grid_neighbors(mask, voxel_volume=8.0))

    np.testing.assert_allclose(eight[1], 8 * one[1], rtol=1e-12)
    np.testing.assert_allclose(eight[2], 8 * one[2], rtol=1e-12)


def test_a_map_of_nothing_has_no_clusters(mask):
    neighbors = grid_neighbors(mask)

    for values in (np.zeros(mask.sum()), np.full(mask.sum(), np.nan)):
        labels, extents, masses = find_clusters(values, 1.0, neighbors, two_sided=True)
        assert (labels.max(), extents.size, masses.size) == (-1, 0, 0)
    np.testing.assert_allclose(enhance(np.zeros(mask.sum()), neighbors, two_sided=True), 0, atol=0)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("constants", [Enhancement(), Enhancement(1.0, 0.7, 0.03)])
def test_enhanced_values_are_those_of_one_threshold_at_a_time(mask, connectivity, constants):
    values = smooth_map(mask)
    neighbors = grid_neighbors(mask, connectivity)

    result = enhance(values, neighbors, constants)
    both = enhance(values, neighbors, constants, two_sided=True)

    expected = brute_force(mask, values, connectivity, constants)
    np.testing.assert_allclose(result, expected, rtol=1e-12)
    np.testing.assert_allclose(
        both, expected - brute_force(mask, -values, connectivity, constants), rtol=1e-12
    )


def test_steps_without_new_voxels_count_all_the_same():
    neighbors = grid_neighbors(np.ones((1, 1, 3), bool), 6)
    values = [5.5, 2.0, 0.4]

    result = enhance(values, neighbors, Enhancement(step=0.5))

    heights = np.arange(1, 12) * 0.5  # 0.5 to 5.5
    first = 0.5 * (heights**2 * np.where(heights <= 2, np.sqrt(2), 1)).sum()
    second = 0.5 * np.sqrt(2) * (heights[heights <= 2] ** 2).sum()
    np.testing.assert_allclose(result, [first, second, 0], rtol=1e-12)


def test_a_voxel_of_endless_height_costs_no_more_memory_than_it_may():
    neighbors = grid_neighbors(np.ones((1, 1, 2), bool), 6)

    result = enhance([np.inf, 1e9], neighbors)

    np.testing.assert_allclose(result[0], result[1], rtol=1e-12)
    assert np.isfinite(result).all()


def test_enhancement_along_a_mesh_and_in_a_volume_are_apart_in_one_row():
    mesh = mesh_neighbors([[0, 1, 2], [2, 1, 3]], np.ones(4, bool), areas=[1.0, 2, 3, 4])
    grid = grid_neighbors(np.ones((1, 2, 1), bool))
    row = join_neighbors([(slice(2, 6), mesh), (np.array([1, 0]), grid)], 6)
    surface, volume = np.array([2.0, 1.0, 0.5, 2.5]), np.array([1.5, 3.0])
    values = np.concatenate([volume[::-1], surface])
    constants = Enhancement(extent_power=1.0)

    result = enhance(values, row, constants)

    np.testing.assert_allclose(result[2:], enhance(surface, mesh, constants), rtol=1e-12)
    np.testing.assert_allclose(result[[1, 0]], enhance(volume, grid, constants), rtol=1e-12)
    # up to .5 all four vertices (area 10); up to 1 vertex 1 joins 0 and 3 (area 7); then alone
    heights = np.arange(1, 26) / 10
    areas = np.where(heights < 0.55, 10, np.where(heights < 1.05, 7, 4))
    np.testing.assert_allclose(result[5], (areas * heights**2).sum() / 10, rtol=1e-12)


def test_clusters_on_a_mesh_are_connected_by_edges():
    # two triangles that touch in vertex 2, and one apart
    mesh = mesh_neighbors([[0, 1, 2], [2, 3, 4], [5, 6, 7]], np.ones(8, bool))

    labels, _, _ = find_clusters([3.0, 3, 0, 4, 4, 5, -5, 5], 2.5, mesh, two_sided=True)
    _, joined, _ = find_clusters([3.0, 3, 3, 4, 4, 0, 0, 0], 2.5, mesh)

    assert labels.tolist() == [0, 0, -1, 1, 1, 2, 3, 2]
    assert joined.tolist() == [5.0]


@pytest.mark.parametrize("two_sided", [True, False])
def test_family_wise_errors_of_maps_are_those_of_maps_made_one_by_one(mask, two_sided):
    y = np.stack([smooth_map(mask, seed) for seed in range(12)]) + 0.7 * smooth_map(mask, 99)
    neighbors, ones = grid_neighbors(mask, 6), np.ones((12, 1))

    result = permutation_test(
        y, ones, [1], 41, np.random.default_rng(5), two_sided=two_sided, neighbors=neighbors,
        cluster_threshold=2.5, tfce=True,
    )  # fmt: skip

    drawn = np.random.default_rng(5).integers(0, 2, size=(40, 12), dtype=np.int8) * -2 + 1
    signs = np.vstack([np.ones(12), drawn])
    maps = [fit_second_level(sign[:, np.newaxis] * y, ones).contrast([1]).t for sign in signs]
    clusters = [find_clusters(one, 2.5, neighbors, two_sided=two_sided) for one in maps]
    enhanced = [enhance(one, neighbors, two_sided=two_sided) for one in maps]
    sided = [np.abs(one) if two_sided else one for one in maps]
    for maxima, expected in (
        (result.maxima, [one.max() for one in sided]),
        (result.extents, [extents.max(initial=0) for _, extents, _ in clusters]),
        (result.masses, [masses.max(initial=0) for _, _, masses in clusters]),
        (result.enhanced, [np.abs(one).max() for one in enhanced]),
    ):
        np.testing.assert_allclose(maxima, expected, rtol=1e-3)

    labels, extents, masses = clusters[0]
    for own, p, maxima in (
        (extents, result.p_extent, result.extents),
        (masses, result.p_mass, result.masses),
    ):
        for cluster, size in enumerate(own):
            expected = (maxima >= size * (1 - 1e-5)).mean()
            np.testing.assert_allclose(p[labels == cluster], expected, rtol=1e-12)
        np.testing.assert_allclose(p[labels < 0], 1, rtol=0)
    own = np.abs(enhanced[0])
    expected = [(result.enhanced >= one * (1 - 1e-5)).mean() for one in own]
    np.testing.assert_allclose(result.p_tfce, expected, rtol=1e-12)


def test_how_many_maps_are_held_at_a_time_changes_nothing(mask, monkeypatch):
    y = np.random.default_rng(1).normal(size=(13, mask.sum()))
    arguments = (y, np.ones((13, 1)), [1], 70)
    options = {"neighbors": grid_neighbors(mask), "tfce": Enhancement()}

    whole = permutation_test(*arguments, np.random.default_rng(0), **options)
    monkeypatch.setattr(engine, "MAP_BYTES", 3 * 4 * mask.sum())
    monkeypatch.setattr(engine, "SCRATCH", 100)
    parts = permutation_test(*arguments, np.random.default_rng(0), **options)

    np.testing.assert_allclose(parts.maxima, whole.maxima, rtol=1e-12)
    np.testing.assert_allclose(parts.enhanced, whole.enhanced, rtol=1e-3)


@pytest.mark.slow
def test_the_family_wise_error_of_clusters_is_what_it_promises():
    rng = np.random.default_rng(8)
    neighbors, hits = grid_neighbors(np.ones((7, 7, 7), bool)), np.zeros(3)
    for _ in range(200):
        y = ndimage.gaussian_filter(rng.normal(size=(10, 7, 7, 7)), (0, 0.8, 0.8, 0.8))
        result = permutation_test(
            y.reshape(10, -1), np.ones((10, 1)), [1], 40, rng, neighbors=neighbors,
            cluster_threshold=2.0, tfce=True,
        )  # fmt: skip
        hits += [p.min() <= 0.05 for p in (result.p_extent, result.p_mass, result.p_tfce)]

    # 40 permutations give .05; extents have ties and less. Standard error .015
    assert (hits / 200 < 0.095).all()
    assert (hits / 200 > 0.01).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda n: find_clusters(np.ones(3), 1.0, n),
            r"shape \(3,\), but the neighbors are those of 8",
        ),
        (lambda n: find_clusters(np.ones(8), 0.0, n), r"threshold of clusters is 0.0"),
        (lambda n: enhance(np.ones(3), n), r"shape \(3,\), but the neighbors are those of 8"),
        (lambda _: Enhancement(step=0.0), r"step of TFCE must be positive, not 0.0"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(grid_neighbors(np.ones((2, 2, 2), bool)))
