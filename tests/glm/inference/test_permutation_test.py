"""Family-wise error by permutation, against fits of every rearrangement one by one."""

import itertools

import numpy as np
import pytest

from boldglm.glm import NotEstimableError, fit_second_level, permutation_test
from boldglm.glm.inference import permuted_statistics as engine
from boldglm.glm.inference.partition import partition_design
from boldglm.glm.inference.permutation_test import family_wise_p
from boldglm.glm.inference.permutations import exchanges, sign_flips


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def statistic(y, design, weights):
    """Return t or F of one voxel by plain least squares."""
    weights = np.asarray(weights, dtype=float)
    betas = np.linalg.lstsq(design, y, rcond=None)[0]
    dof = len(y) - np.linalg.matrix_rank(design)
    sigma2 = np.sum((y - design @ betas) ** 2) / dof
    unscaled = np.linalg.pinv(design.T @ design)
    if weights.ndim == 1:
        return weights @ betas / np.sqrt(sigma2 * (weights @ unscaled @ weights))
    effects = weights @ betas
    covariance = weights @ unscaled @ weights.T * sigma2
    return effects @ np.linalg.solve(covariance, effects) / len(weights)


def freedman_lane(y, design, weights, patterns):
    """Return the statistic of each permutation: fit the reduced model, permute, fit again."""
    null = np.linalg.svd(np.atleast_2d(weights))[2][len(np.atleast_2d(weights)) :].T
    reduced = design @ null
    fitted = reduced @ np.linalg.lstsq(reduced, y, rcond=None)[0]
    left = y - fitted
    is_order = patterns.min() == 0
    moved = [left[pattern] if is_order else left * pattern for pattern in patterns]
    return np.array([statistic(fitted + e, design, weights) for e in moved])


def inverted(patterns):
    """Return the orders that undo some orders: rows of the design move, or errors move back."""
    return np.argsort(patterns, axis=1)


def maxima(y, design, weights, drawn, **options):
    """Return what the engine finds for given rearrangements."""
    space = partition_design(design, weights)
    moved = space.nuisance
    residuals = engine.ResidualBlocks(lambda: (y,), space)
    two_sided = options.get("two_sided", False)
    return engine.PermutedStatistics(space, drawn, moved, residuals, two_sided).maxima()


def test_signs_of_three_inputs_by_hand():
    y = np.array([[1.0, -4.0], [2.0, -1.0], [4.0, 0.5]])
    flips = np.array(list(itertools.product([1, -1], repeat=3)))
    t = np.array([[statistic(flip * voxel, np.ones((3, 1)), [1]) for voxel in y.T]
                  for flip in flips])  # fmt: skip

    for two_sided in (False, True):
        result = permutation_test(
            y, np.ones((3, 1)), [1], 8, np.random.default_rng(0), two_sided=two_sided
        )

        side = np.abs(t) if two_sided else t
        expected = (side.max(axis=1)[:, np.newaxis] >= side[0] - 1e-9).mean(axis=0)
        assert (result.scheme, result.is_exact) == ("sign flips", True)
        np.testing.assert_allclose(result.maxima[0], side[0].max(), rtol=1e-12)
        np.testing.assert_allclose(np.sort(result.maxima), np.sort(side.max(axis=1)), rtol=1e-9)
        np.testing.assert_allclose(result.statistic, t[0], rtol=1e-12)
        np.testing.assert_allclose(result.p_max, expected, rtol=1e-12)


def test_all_orders_of_two_groups_are_listed_once_and_weigh_alike(rng):
    y = rng.normal(size=(5, 4))
    design = np.column_stack([np.ones(5), [0, 1, 0, 1, 1]])
    every = np.array(list(itertools.permutations(range(5))))
    t = np.array([[statistic(voxel[order], design, [0, 1]) for voxel in y.T] for order in every])

    result = permutation_test(y, design, [0, 1], 10, rng)

    assert (result.scheme, result.is_exact) == ("permutations", True)
    assert len(result.maxima) == 10  # 5 over 2
    expected = (t.max(axis=1)[:, np.newaxis] >= t[0] - 1e-9).mean(axis=0)
    np.testing.assert_allclose(result.p_max, expected, rtol=1e-12)


DESIGNS = {
    "mean": ([1.0, 0, 0], "sign flips"),
    "slope": ([0.0, 1, 0], "permutations"),
    "slopes": ([[0.0, 1, 0], [0, 0, 1]], "permutations"),
    "everything": (np.eye(3), "sign flips"),
    "difference": ([[0.0, 1, -1]], "permutations"),
}


@pytest.mark.parametrize("n_inputs", [8, 24])  # float64 and float32
@pytest.mark.parametrize("name", DESIGNS)
def test_maxima_are_those_of_freedman_and_lane_fitted_one_by_one(name, n_inputs, rng):
    weights, scheme = DESIGNS[name]
    weights = np.asarray(weights)
    design = np.column_stack([np.ones(n_inputs), rng.normal(size=(n_inputs, 2)) + 1])
    y = rng.normal(size=(n_inputs, 30)) + 1
    space = partition_design(design, weights)
    if scheme == "permutations":
        zeros = np.zeros(n_inputs, dtype=int)
        drawn = exchanges(np.hstack([space.tested, space.nuisance]), zeros, 25, rng)
        brute = inverted(drawn.patterns)
    else:
        drawn = sign_flips(np.arange(n_inputs), 25, rng, mirrored=False)
        brute = drawn.patterns
    expected = np.array([freedman_lane(voxel, design, weights, brute) for voxel in y.T])

    result = maxima(y, design, weights, drawn)

    np.testing.assert_allclose(result, expected.max(axis=0), rtol=1e-9)
    if weights.ndim == 1:
        largest = maxima(y, design, weights, drawn, two_sided=True)
        np.testing.assert_allclose(largest, np.abs(expected).max(axis=0), rtol=1e-9)


def test_what_is_constant_within_blocks_need_not_be_moved(rng):
    blocks = np.repeat(np.arange(4), 3)
    pairs = (blocks[:, np.newaxis] == np.arange(4)).astype(float)
    design = np.column_stack([rng.normal(size=(12, 2)), pairs])
    weights = np.array([1.0, 0, 0, 0, 0, 0])
    y = rng.normal(size=(12, 10))
    space = partition_design(design, weights)
    drawn = exchanges(space.tested, blocks, 40, rng)
    residuals = engine.ResidualBlocks(lambda: (y,), space)

    moved = space.moving(blocks)
    less = engine.PermutedStatistics(space, drawn, moved, residuals, two_sided=False).maxima()

    assert moved.shape == (12, 1)
    assert (blocks[drawn.patterns] == blocks).all()
    np.testing.assert_allclose(less, maxima(y, design, weights, drawn), rtol=1e-9)


def test_the_statistic_is_that_of_the_second_level(rng):
    design = np.column_stack([np.ones(12), np.repeat([0, 1], 6), np.repeat([1, 0], 6)])
    y = rng.normal(size=(12, 50))
    fitted = fit_second_level(y, design, names=["mean", "a", "b"])

    for weights in ([0, 1, -1], [1, 0.5, 0.5], [[1, 1, 0], [1, 0, 1]]):
        result = permutation_test(y, design, weights, 2, rng)

        expected = fitted.contrast(weights)
        np.testing.assert_allclose(result.statistic, expected.statistic, rtol=1e-9)
        assert result.dof == expected.dof == 10


def test_a_mean_beside_a_covariate_is_tested_by_sign_flips(rng):
    y, design = rng.normal(size=(9, 20)), np.column_stack([np.ones(9), rng.normal(size=9)])

    schemes = [permutation_test(y, design, weights, 200, rng).scheme for weights in np.eye(2)]
    chosen = permutation_test(y, design, [0, 1], 200, rng, scheme="sign flips").scheme

    assert [*schemes, chosen] == ["sign flips", "permutations", "sign flips"]


def test_f_of_one_row_is_a_two_sided_t(rng):
    design = np.column_stack([np.ones(14), rng.normal(size=(14, 2))])
    y = rng.normal(size=(14, 40))

    t = permutation_test(y, design, [0, 1, 0], 60, np.random.default_rng(5), two_sided=True)
    f = permutation_test(y, design, [[0, 1, 0]], 60, np.random.default_rng(5))

    np.testing.assert_allclose(f.maxima, t.maxima**2, rtol=1e-9)
    np.testing.assert_allclose(f.p_max, t.p_max, rtol=1e-12)
    assert (f.t is None, t.t is t.statistic) == (True, True)


def test_exchanging_pairs_is_flipping_signs_of_differences(rng):
    first, second = rng.normal(size=(2, 6, 20))
    pairs = np.tile(np.arange(6), 2)
    design = np.column_stack([np.repeat([1, -1], 6), pairs[:, np.newaxis] == np.arange(6)])
    weights = [1, *[0] * 6]

    paired = permutation_test(np.vstack([first, second]), design, weights, 64, rng, blocks=pairs)
    flipped = permutation_test(first - second, np.ones((6, 1)), [1], 64, rng)

    assert (paired.scheme, flipped.scheme) == ("permutations", "sign flips")
    assert (paired.is_exact, flipped.is_exact) == (True, True)
    np.testing.assert_allclose(paired.statistic, flipped.statistic, rtol=1e-9)
    np.testing.assert_allclose(np.sort(paired.maxima), np.sort(flipped.maxima), rtol=1e-9)


def test_signs_of_a_block_are_flipped_together(rng):
    y = rng.normal(size=(6, 5))
    labels = ["b", "a", "b", "c", "a", "c"]

    result = permutation_test(y, np.ones((6, 1)), [1], 8, rng, blocks=labels)

    drawn = permutation_test(y, np.ones((6, 1)), [1], 7, rng, blocks=labels)

    units = np.unique(labels, return_inverse=True)[1]
    flips = np.array(list(itertools.product([1, -1], repeat=3)))[:, units]
    expected = [max(statistic(flip * voxel, np.ones((6, 1)), [1]) for voxel in y.T)
                for flip in flips]  # fmt: skip
    np.testing.assert_allclose(np.sort(result.maxima), np.sort(expected), rtol=1e-9)
    distances = np.abs(drawn.maxima[:, np.newaxis] - expected).min(axis=1)
    np.testing.assert_allclose(distances, 0, atol=1e-9)
    assert (result.is_exact, drawn.is_exact) == (True, False)


def test_a_voxel_without_residuals_is_not_tested_and_changes_nothing(rng):
    y = rng.normal(size=(15, 6))
    with_constant = np.column_stack([y[:, :2], np.full(15, 0.1), np.zeros(15), y[:, 2:]])

    result = permutation_test(with_constant, np.ones((15, 1)), [1], 300, np.random.default_rng(1))
    plain = permutation_test(y, np.ones((15, 1)), [1], 300, np.random.default_rng(1))

    np.testing.assert_allclose(result.statistic[2:4], 0, atol=0)
    np.testing.assert_allclose(result.p_max[2:4], 1, rtol=0)
    kept = [0, 1, 4, 5, 6, 7]
    np.testing.assert_allclose(result.p_max[kept], plain.p_max, rtol=1e-12)


def test_a_voxel_that_is_not_tested_is_no_maximum_where_all_others_are_negative(rng):
    y = np.column_stack([np.full(6, 2.0), rng.normal(size=6) - 0.5])

    result = permutation_test(y, np.ones((6, 1)), [1], 64, rng)
    alone = permutation_test(y[:, 1:], np.ones((6, 1)), [1], 64, rng)

    assert result.maxima[1:].min() < 0
    np.testing.assert_allclose(result.maxima[1:], alone.maxima[1:], rtol=1e-12)
    np.testing.assert_allclose(result.p_max[0], 1, rtol=0)


def test_nothing_to_test_gives_nothing(rng):
    result = permutation_test(np.ones((4, 3)), np.ones((4, 1)), [1], 16, rng)

    np.testing.assert_allclose(result.maxima, 0, atol=0)
    np.testing.assert_allclose(result.p_max, 1, rtol=0)


@pytest.mark.parametrize("n_inputs", [2, 4])
def test_few_inputs_and_many_voxels_have_maxima_without_rounding(n_inputs, rng):
    y = rng.normal(size=(n_inputs, 30_000))
    ones, flips = (
        np.ones((n_inputs, 1)),
        np.array(list(itertools.product([1, -1], repeat=n_inputs))),
    )

    result = permutation_test(y, ones, [1], 2**n_inputs, rng)

    means = flips @ y / n_inputs
    left = flips[:, :, np.newaxis] * y - means[:, np.newaxis]
    variances = (left**2).sum(axis=1) / (n_inputs - 1) / n_inputs
    expected = (means / np.sqrt(variances)).max(axis=1)
    assert expected.max() > 30
    np.testing.assert_allclose(np.sort(result.maxima), np.sort(expected), rtol=1e-6)


def test_signs_can_be_flipped_where_a_slope_is_tested(rng):
    design = np.column_stack([np.ones(6), rng.normal(size=6)])
    y = rng.normal(size=(6, 4)) + 2
    flips = np.array(list(itertools.product([1, -1], repeat=6)))

    result = permutation_test(y, design, [0, 1], 64, rng, scheme="sign flips")

    expected = [freedman_lane(voxel, design, [0, 1], flips) for voxel in y.T]
    np.testing.assert_allclose(
        np.sort(result.maxima), np.sort(np.max(expected, axis=0)), rtol=1e-9
    )


def test_the_unit_of_the_effects_and_the_order_of_voxels_do_not_matter(rng):
    y = rng.normal(size=(12, 700))
    design = np.column_stack([np.ones(12), np.arange(12.0)])

    result = permutation_test(y, design, [0, 1], 50, np.random.default_rng(1))
    scaled = (1e-9 * y[:, ::-1]).astype(np.float32)
    other = permutation_test(scaled, 1e6 * design, [0, 1], 50, np.random.default_rng(1))

    np.testing.assert_allclose(other.maxima, result.maxima, rtol=1e-4)
    np.testing.assert_allclose(other.statistic[::-1], result.statistic, rtol=1e-3)


def test_the_effects_are_left_as_they_are(rng):
    y = rng.normal(size=(5, 40))
    before = y.copy()

    permutation_test(y, np.ones((5, 1)), [1], 30, rng, two_sided=True)

    np.testing.assert_allclose(y, before, rtol=0)


def test_rearrangements_are_random_only_where_there_are_more_than_asked_for(rng):
    y = rng.normal(size=(8, 3))
    counts = {}
    for n_permutations in (255, 256, 1000):
        for two_sided in (True, False):
            result = permutation_test(
                y, np.ones((8, 1)), [1], n_permutations, rng, two_sided=two_sided
            )
            counts[n_permutations, two_sided] = (len(result.maxima), result.is_exact)

    assert counts[255, True] == counts[255, False] == (255, False)
    assert {counts[n, side] for n in (256, 1000) for side in (True, False)} == {(256, True)}


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("kind", ["mean", "groups with a covariate"])
def test_the_family_wise_error_of_null_data_is_what_it_should_be(kind, two_sided):
    rng = np.random.default_rng(11)
    group, age = np.repeat([0.0, 1.0], 7), rng.normal(size=14)
    design = np.ones((14, 1)) if kind == "mean" else np.column_stack([group, 0 * age + 1, age])
    n_sets, result = 500, 0
    for _ in range(n_sets):
        shared = rng.standard_t(5, size=(14, 1))
        y = shared + rng.standard_t(5, size=(14, 30))
        if kind != "mean":
            y += 2 * age[:, np.newaxis] + 3
        tested = permutation_test(
            y, design, [1, 0, 0][: design.shape[1]], 100, rng, two_sided=two_sided
        )
        result += tested.p_max.min() <= 0.1

    # 100 permutations give exactly .1; Freedman and Lane nearly so. Standard error .013
    assert abs(result / n_sets - 0.1) < 0.04


def test_p_values_count_ties():
    p = family_wise_p([2.0, 2.0 + 1e-12, -1.0, 5.0], [5.0, 2.0, 1.0, -3.0])

    np.testing.assert_allclose(p, [0.5, 0.5, 0.75, 0.25], rtol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"effects": np.ones((4, 2))}, r"effects have shape \(4, 2\); the design has 5 rows"),
        ({"effects": np.full((5, 3), np.nan)}, r"not finite at 3 of 3 voxels"),
        ({"weights": [1]}, r"weights have shape \(1,\) and the design \(5, 2\)"),
        ({"weights": [0, 0]}, r"a row of weights is all 0"),
        ({"weights": [np.inf, 0]}, r"not finite"),
        ({"n_permutations": 1}, r"number of permutations is 1; .* at least 2"),
        (
            {"scheme": "flip"},
            r"unknown scheme 'flip'; known schemes: auto, sign flips, permutations",
        ),
        ({"blocks": [1, 2]}, r"blocks have shape \(2,\). Give one label for each of the 5 inputs"),
        ({"blocks": range(5)}, r"exchanging inputs changes nothing"),
        ({"cluster_threshold": 3.0}, "clusters and TFCE need neighbors"),
        ({"tfce": True}, "clusters and TFCE need neighbors"),
        ({"design": np.eye(5), "weights": np.ones(5)}, r"5 inputs and 5 independent columns"),
    ],
)
def test_what_cannot_be_tested_is_refused(change, message, rng):
    arguments = {
        "effects": np.ones((5, 2)),
        "design": np.column_stack([np.ones(5), np.arange(5)]),
        "weights": [0, 1],
        "n_permutations": 20,
        "rng": rng,
    }

    with pytest.raises(ValueError, match=message):
        permutation_test(**arguments | change)


def test_what_the_design_does_not_determine_is_refused(rng):
    design = np.column_stack([np.ones(6), np.ones(6)])

    with pytest.raises(NotEstimableError, match=r"\[1\.0, 0\.0\] cannot be estimated"):
        permutation_test(np.ones((6, 2)), design, [1, 0], 10, rng)
    assert (
        permutation_test(rng.normal(size=(6, 2)), design, [1, 1], 10, rng).scheme == "sign flips"
    )
