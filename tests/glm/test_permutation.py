"""Permutation tests and clusters: small cases by hand, and error rates on null data."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy import ndimage

from boldglm.glm import fit_second_level
from boldglm.glm.clusters import (
    Neighbors,
    cluster_sizes,
    enhance,
    grid_neighbors,
    mesh_neighbors,
)
from boldglm.glm.permutation import permutation_test

RNG = np.random.default_rng(5)


def t_of(effects, design, weights):
    return fit_second_level(effects, design).contrast(weights).t


@pytest.mark.parametrize("two_sided", [False, True])
def test_all_sign_flips_are_counted_as_by_hand(two_sided):
    effects = RNG.normal(0.8, 1, (5, 7))
    design = np.ones((5, 1))
    found = permutation_test(
        effects, design, [1.0], 1000, np.random.default_rng(0), two_sided=two_sided
    )
    maxima = []
    for signs in product([1, -1], repeat=5):
        t = t_of(np.array(signs)[:, None] * effects, design, [1.0])
        maxima.append(abs(t).max() if two_sided else t.max())
    t = t_of(effects, design, [1.0])
    np.testing.assert_allclose(found.t, t, rtol=1e-5)
    assert (found.kind, found.is_exact, len(found.maxima)) == ("sign flips", True, 32)
    np.testing.assert_allclose(np.sort(found.maxima), np.sort(maxima), rtol=1e-4)
    size = abs(t) if two_sided else t
    expected = [(np.array(maxima) >= one - 1e-9).mean() for one in size]
    np.testing.assert_allclose(found.p_max, expected)


def test_freedman_lane_exchanges_what_the_other_columns_leave():
    n = 5
    design = np.column_stack([np.ones(n), [0, 1, 0, 1, 1], [0.3, -1, 2, 0.1, 0.4]])
    effects = RNG.normal(size=(n, 6))
    found = permutation_test(effects, design, [0, 1, 0], 1000, np.random.default_rng(0))
    nuisance = design[:, [0, 2]]
    fitted = nuisance @ np.linalg.pinv(nuisance) @ effects
    maxima = [
        t_of(fitted + (effects - fitted)[list(order)], design, [0, 1, 0]).max()
        for order in permutations(range(n))
    ]
    assert (found.kind, found.is_exact) == ("permutations", True)
    np.testing.assert_allclose(np.sort(found.maxima), np.sort(maxima), rtol=2e-3)
    np.testing.assert_allclose(found.t, t_of(effects, design, [0, 1, 0]), rtol=1e-5)


def test_a_mean_beside_a_covariate_is_tested_by_sign_flips():
    design = np.column_stack([np.ones(9), RNG.normal(size=9)])
    effects = RNG.normal(size=(9, 20))
    of_mean = permutation_test(effects, design, [1, 0], 200, np.random.default_rng(0))
    of_slope = permutation_test(effects, design, [0, 1], 200, np.random.default_rng(0))
    assert (of_mean.kind, of_slope.kind) == ("sign flips", "permutations")


@pytest.mark.parametrize("weights", [[1.0, 0.0], [0.0, 1.0]])
def test_the_family_wise_error_is_what_it_promises(weights):
    rng = np.random.default_rng(21)
    design = np.column_stack([np.ones(12), np.arange(12) % 2 - 0.5])
    hits = 0
    for _ in range(400):
        found = permutation_test(rng.normal(size=(12, 30)), design, weights, 100, rng)
        hits += found.p_max.min() <= 0.05
    assert 0.025 < hits / 400 < 0.08


@pytest.mark.slow
def test_the_error_of_clusters_is_what_it_promises():
    rng = np.random.default_rng(8)
    mask = np.ones((7, 7, 7), dtype=bool)
    neighbors = grid_neighbors(mask)
    hits = np.zeros(3)
    for _ in range(200):
        effects = rng.normal(size=(10, *mask.shape))
        effects = ndimage.gaussian_filter(effects, (0, 0.8, 0.8, 0.8)).reshape(10, -1)
        found = permutation_test(
            effects, np.ones((10, 1)), [1.0], 60, rng, neighbors=neighbors,
            cluster_threshold=2.0, tfce=True,
        )  # fmt: skip
        for k, p in enumerate((found.p_extent, found.p_mass, found.p_tfce)):
            hits[k] += p.min() <= 0.05
    assert np.all((hits / 200 > 0.015) & (hits / 200 < 0.10))


def test_a_cluster_has_the_error_of_its_extent_among_the_largest_of_permutations():
    rng = np.random.default_rng(2)
    mask = np.ones((6, 6, 6), dtype=bool)
    neighbors = grid_neighbors(mask)
    effects = rng.normal(size=(6, mask.sum()))
    effects[:, 40:70] += 3
    found = permutation_test(
        effects, np.ones((6, 1)), [1.0], 100, rng, neighbors=neighbors, cluster_threshold=3.0
    )
    largest = []
    for signs in product([1, -1], repeat=6):
        t = t_of(np.array(signs)[:, None] * effects, np.ones((6, 1)), [1.0])
        largest.append(cluster_sizes(t, 3.0, neighbors)[1].max(initial=0))
    labels, extent, _ = cluster_sizes(found.t, 3.0, neighbors)
    for cluster, size in enumerate(extent):
        expected = (np.array(largest) >= size).mean()
        np.testing.assert_allclose(found.p_extent[labels == cluster], expected)
    np.testing.assert_allclose(found.p_extent[labels < 0], 1)
    assert found.p_extent.min() <= 2 / 64


def test_the_null_distribution_is_that_of_nilearn():
    inference = pytest.importorskip("nilearn.mass_univariate")
    effects = RNG.normal(size=(15, 300))
    ours = permutation_test(effects, np.ones((15, 1)), [1.0], 3000, np.random.default_rng(1))
    theirs = inference.permuted_ols(
        np.ones((15, 1)), effects, model_intercept=False, n_perm=3000, two_sided_test=False,
        random_state=0, output_type="dict",
    )  # fmt: skip
    np.testing.assert_allclose(ours.t, theirs["t"].ravel(), rtol=1e-4)
    quantiles = [0.1, 0.5, 0.9, 0.95]
    np.testing.assert_allclose(
        np.quantile(ours.maxima, quantiles),
        np.quantile(theirs["h0_max_t"].ravel(), quantiles),
        rtol=0.05,
    )


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_clusters_of_a_grid_are_those_of_scipy(connectivity):
    mask = RNG.random((9, 8, 7)) < 0.9
    values = ndimage.gaussian_filter(RNG.normal(size=mask.shape), 1)[mask]
    labels, extent, mass = cluster_sizes(values, 0.1, grid_neighbors(mask, connectivity))
    volume = np.zeros(mask.shape, dtype=bool)
    volume[mask] = values > 0.1
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    theirs, count = ndimage.label(volume, ndimage.generate_binary_structure(3, rank))
    assert len(extent) == count
    np.testing.assert_allclose(np.sort(extent), np.sort(np.bincount(theirs[volume])[1:]))
    np.testing.assert_allclose(mass.sum(), (values[values > 0.1] - 0.1).sum())
    pairs = set(zip(labels[labels >= 0].tolist(), theirs[mask][labels >= 0].tolist(), strict=True))
    assert len(pairs) == count  # the same clusters under other numbers


def test_clusters_of_a_mesh_follow_its_edges():
    triangles = [[0, 1, 2], [1, 2, 3], [4, 5, 6]]
    inside = np.array([True, True, False, True, True, True, True])
    neighbors = mesh_neighbors(triangles, inside)
    labels, count = neighbors.label(np.ones(6, dtype=bool))
    assert count == 2
    assert labels[0] == labels[1] == labels[2] != labels[3]


def test_parts_are_joined_without_neighbors_in_one_another():
    line = Neighbors.of_pairs([[0, 1], [1, 2]], 3)
    both = Neighbors.joined([(line, np.array([0, 2, 4])), (line, np.array([1, 3, 5]))], 6)
    labels, count = both.label(np.ones(6, dtype=bool))
    assert count == 2
    np.testing.assert_array_equal(labels, [0, 1, 0, 1, 0, 1])


def test_enhancement_sums_support_over_heights():
    values = np.array([0.0, 1.0, 2.0, 1.0, 0.5])
    line = Neighbors.of_pairs([[0, 1], [1, 2], [2, 3], [3, 4]], 5)
    expected = np.zeros(5)
    for height in (0.5, 1.0, 1.5, 2.0):
        above = values >= height
        labels, _ = ndimage.label(above)
        for voxel in np.flatnonzero(above):
            extent = (labels == labels[voxel]).sum()
            expected[voxel] += extent**0.5 * height**2 * 0.5
    np.testing.assert_allclose(enhance(values, line, step=0.5), expected)


BAD = [
    ({"effects": np.full((4, 2), np.nan)}, "not finite"),
    ({"design": np.ones((3, 1))}, "do not fit"),
    ({"design": np.eye(4), "weights": [1, 0, 0, 0]}, "no degree of freedom"),
    ({"design": np.ones((4, 2)), "weights": [1, 0]}, "does not determine"),
    ({"cluster_threshold": 2.0}, "need neighbors"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_what_cannot_be_permuted_is_refused(change, words):
    given = {"effects": RNG.normal(size=(4, 2)), "design": np.ones((4, 1)), "weights": [1.0]}
    given |= change
    with pytest.raises(ValueError, match=words):
        permutation_test(
            given.pop("effects"), given.pop("design"), given.pop("weights"), 20,
            np.random.default_rng(0), **given,
        )  # fmt: skip
