"""Permutations of the statistic that a map shows, compared with fitting every permutation."""

import itertools

import numpy as np
import pytest

from boldglm.glm import (
    find_clusters,
    fit_second_level,
    grid_neighbors,
    permutation_test,
    permute_contrast,
)

GRID = np.ones((3, 3, 2), bool)
N_VOXELS = GRID.sum()


def data(n_inputs, seed=0):
    rng = np.random.default_rng(seed)
    v = np.exp(rng.normal(size=(n_inputs, N_VOXELS)))
    return rng.normal(size=(n_inputs, N_VOXELS)) * np.sqrt(v + 0.5), v


def fit(y, design, **options):
    return fit_second_level(y, design, **options)


def permute(tested, weights, count=10_000, **options):
    return permute_contrast(tested, weights, count, np.random.default_rng(0), **options)


@pytest.mark.parametrize("method", ["mixed", "fixed"])
def test_all_sign_flips_of_weighted_effects_equal_separate_fits(method):
    y, v = data(6)
    options = {"variances": v, "dofs": np.full(6, 30.0), "method": method}
    design = np.ones((6, 1))

    found = permute(fit(y, design, **options), [1.0], two_sided=True)

    maps = []
    for signs in itertools.product([1, -1], repeat=6):
        contrast = fit(y * np.array(signs)[:, None], design, **options).contrast([1.0])
        maps.append(contrast.z)
    maps = np.array(maps)
    np.testing.assert_allclose(found.statistic, maps[0], rtol=1e-7)
    assert found.statistic_name == "z"  # degrees of freedom differ between voxels
    np.testing.assert_allclose(np.sort(found.maxima), np.sort(abs(maps).max(1)), rtol=1e-6)
    expected = (abs(maps).max(1)[:, None] >= abs(maps[0]) * (1 - 1e-7)).mean(axis=0)
    np.testing.assert_allclose(found.p_max, expected, rtol=1e-12)
    unweighted = permutation_test(y, design, [1.0], 10_000, np.random.default_rng(0))
    assert np.abs(unweighted.statistic - found.statistic).max() > 0.1


def test_all_exchanges_between_groups_move_effects_with_their_variances():
    y, v = data(6, 1)
    y, v = y[:, :4], v[:, :4]
    design = np.repeat(np.eye(2), 3, axis=0)
    options = {"dofs": np.full(6, 30.0), "method": "mixed"}

    found = permute(fit(y, design, variances=v, **options), [1.0, -1.0])

    maps = []
    for first in itertools.combinations(range(6), 3):
        order = [*first, *(k for k in range(6) if k not in first)]
        shuffled = fit(y[order], design, variances=v[order], **options)
        maps.append(shuffled.contrast([1.0, -1.0]).z)
    np.testing.assert_allclose(
        np.sort(found.maxima), np.sort(np.max(maps, axis=1)), rtol=1e-6, atol=1e-6
    )
    assert (found.scheme, len(found.maxima)) == ("permutations", 20)


def test_clusters_are_formed_of_the_statistic_that_is_shown():
    y, v = data(7, 2)
    options = {"variances": v, "dofs": np.full(7, 30.0), "method": "mixed"}
    neighbors, design = grid_neighbors(GRID), np.ones((7, 1))

    found = permute(
        fit(y, design, **options), [1.0], two_sided=True, neighbors=neighbors, cluster_p=0.2
    )

    threshold = 0.841621  # z at .2
    extents, masses = [], []
    for signs in itertools.product([1, -1], repeat=7):
        z = fit(y * np.array(signs)[:, None], design, **options).contrast([1.0]).z
        _, extent, mass = find_clusters(z, threshold, neighbors, two_sided=True)
        extents.append(extent.max(initial=0))
        masses.append(mass.max(initial=0))
    np.testing.assert_allclose(np.sort(found.extents), np.sort(extents), rtol=1e-12)
    np.testing.assert_allclose(np.sort(found.masses), np.sort(masses), rtol=1e-5, atol=1e-6)
    labels, extent, _ = find_clusters(found.statistic, threshold, neighbors, two_sided=True)
    p = [(np.array(extents) >= size).mean() for size in extent]
    np.testing.assert_allclose(found.p_extent, np.append(p, 1.0)[labels], rtol=1e-12)


def test_groups_of_own_variances_flip_signs_and_permute_the_z_of_welchs_t():
    y, _ = data(7, 3)
    groups = np.repeat([0, 1], [3, 4])
    design = np.repeat(np.eye(2), [3, 4], axis=0)

    found = permute(fit(y, design, variance_groups=groups), [1.0, -1.0], two_sided=True)

    e = y - y.mean(axis=0)
    z = [
        fit(e * np.array(signs)[:, None], design, variance_groups=groups).contrast([1.0, -1.0]).z
        for signs in itertools.product([1, -1], repeat=7)
    ]
    np.testing.assert_allclose(np.sort(found.maxima), np.sort(np.abs(z).max(axis=1)), rtol=1e-9)
    observed = fit(y, design, variance_groups=groups).contrast([1.0, -1.0])
    np.testing.assert_allclose(found.statistic, observed.z, rtol=1e-9)
    assert (found.scheme, found.statistic_name) == ("sign flips", "z")


def test_all_inputs_of_a_participant_are_flipped_together():
    subjects = np.repeat(np.arange(5), 2)
    y, _ = data(10, 4)
    conditions = np.tile([1.0, -1.0], 5)
    design = np.column_stack([conditions, np.ones(10)])

    found = permute(fit(y, design, blocks=subjects), [1.0, 0], two_sided=True)

    paired = permutation_test(
        y[::2] - y[1::2], np.ones((5, 1)), [1.0], 10_000, np.random.default_rng(0), two_sided=True
    )
    np.testing.assert_allclose(found.statistic, paired.statistic, rtol=1e-9)
    np.testing.assert_allclose(np.sort(found.maxima), np.sort(paired.maxima), rtol=1e-6)
    np.testing.assert_allclose(found.p_max, paired.p_max, rtol=1e-12)


def test_participants_of_two_groups_are_exchanged_as_wholes():
    subjects = np.tile(np.arange(6), 2)  # sessions come one after the other
    y, _ = data(12, 5)
    group, session = np.tile([1.0, 1, 1, 0, 0, 0], 2), np.repeat([0.0, 1], 6)
    design = np.column_stack([group, np.ones(12), session])

    found = permute(fit(y, design, blocks=subjects), [1.0, 0, 0])

    means = (y[:6] + y[6:]) / 2
    exchanged = permutation_test(means, design[:6, :2], [1.0, 0], 10_000, np.random.default_rng(0))
    assert found.scheme == "permutations"
    np.testing.assert_allclose(found.statistic, exchanged.statistic, rtol=1e-9)
    np.testing.assert_allclose(np.sort(found.maxima), np.sort(exchanged.maxima), rtol=1e-6)


def test_an_f_test_of_weighted_effects_is_permuted_too():
    y, v = data(6, 6)
    design = np.repeat(np.eye(2), 3, axis=0)
    options = {"variances": v, "dofs": np.full(6, 30.0), "method": "mixed"}

    found = permute(fit(y, design, **options), np.eye(2))

    z = [
        fit(y * np.array(signs)[:, None], design, **options).contrast(np.eye(2)).z
        for signs in itertools.product([1, -1], repeat=6)
    ]
    np.testing.assert_allclose(np.sort(found.maxima), np.sort(np.max(z, axis=1)), rtol=1e-5)


def test_plain_least_squares_is_the_test_of_arrays():
    y, _ = data(8, 7)
    found = permute(fit(y, np.ones((8, 1))), [1.0], 50, two_sided=True)
    expected = permutation_test(
        y, np.ones((8, 1)), [1.0], 50, np.random.default_rng(0), two_sided=True
    )
    assert np.array_equal(found.maxima, expected.maxima)


def test_missing_inputs_are_refused():
    y, _ = data(8)
    y[2, 3] = np.nan
    with pytest.raises(ValueError, match="inputs are missing"):
        permute(fit(y, np.ones((8, 1)), coverage=0.5), [1.0])
