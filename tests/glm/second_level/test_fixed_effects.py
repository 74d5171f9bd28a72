"""Fixed effects over runs and the test over subjects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from boldglm.glm import combine_fixed_effects, fit, one_sample_t
from boldglm.glm.second_level.estimated_weights import variance_factor


def inputs(n_inputs, n_voxels, dof, seed=0, spread=1.0):
    """Return effects of 0 with their estimated variances."""
    rng = np.random.default_rng(seed)
    sigma = np.linspace(1.0, spread, n_inputs)[:, np.newaxis]
    effects = sigma * rng.normal(size=(n_inputs, n_voxels))
    return effects, sigma**2 * rng.chisquare(dof, size=(n_inputs, n_voxels)) / dof


def test_one_input_passes_through():
    effects, variances = inputs(1, 50, 30)

    found = combine_fixed_effects(effects, variances, [30])

    np.testing.assert_allclose(found.effect, effects[0], rtol=1e-15)
    np.testing.assert_allclose(found.variance, variances[0], rtol=1e-14)
    np.testing.assert_allclose(found.t, effects[0] / np.sqrt(variances[0]), rtol=1e-14)
    np.testing.assert_allclose(found.dof, 30, rtol=1e-14)


def test_inputs_count_by_their_precision():
    found = combine_fixed_effects([[1.0], [4.0], [2.0]], [[1.0], [4.0], [2.0]], [10, 20, 40])

    shares, dofs = np.array([4, 1, 2]) / 7, np.array([10, 20, 40])
    factor = special.hyp2f1(2, 1, dofs / 2 + 1, 1 - shares)
    first, second = (shares**2 / dofs).sum(), (shares * (1 - shares) / dofs**2).sum()
    np.testing.assert_allclose(found.effect, [(4 * 1 + 1 * 4 + 2 * 2) / 7])
    np.testing.assert_allclose(found.variance, [4 / 7 * (shares * factor).sum()], rtol=1e-8)
    np.testing.assert_allclose(found.dof, [1 / (first + 2 * second)])


@pytest.mark.parametrize("dof", [5, 8, 30, 60, 100])
def test_the_variance_of_a_weighted_mean_is_unbiased(dof):
    factor = variance_factor(np.linspace(0.02, 1, 50)[:, np.newaxis], np.full((1, 1), float(dof)))
    exact = special.hyp2f1(2, 1, dof / 2 + 1, 1 - np.linspace(0.02, 1, 50))
    np.testing.assert_allclose(factor[:, 0], exact, rtol=1e-6)
    effects, variances = inputs(4, 400_000, dof, spread=2.0)

    found = combine_fixed_effects(effects, variances, np.full(4, dof))

    np.testing.assert_allclose(found.variance.mean(), found.effect.var(), rtol=0.02)


def test_equal_inputs_pool_their_degrees_of_freedom():
    found = combine_fixed_effects(np.ones((3, 2)), np.ones((3, 2)), [50, 50, 50])

    np.testing.assert_allclose(1 / found.dof, 1 / 150 + 2 * (2 / 3) / 50**2)


@given(st.integers(0, 10000), st.integers(2, 6))
def test_the_order_and_the_unit_of_inputs_do_not_matter(seed, n_inputs):
    effects, variances = inputs(n_inputs, 4, 25, seed, spread=3.0)
    dofs = np.linspace(20, 60, n_inputs)
    order = np.random.default_rng(seed).permutation(n_inputs)

    found = combine_fixed_effects(effects, variances, dofs)
    other = combine_fixed_effects(7 * effects[order], 49 * variances[order], dofs[order])

    np.testing.assert_allclose(other.t, found.t, rtol=1e-12, atol=1e-12)  # effects may cancel
    np.testing.assert_allclose(other.dof, found.dof, rtol=1e-12)


def test_an_input_without_variance_is_left_out_at_that_voxel_only():
    effects, variances = inputs(3, 5, 30)
    broken = variances.copy()
    broken[1, 0], broken[1, 1], effects[1, 2] = 0.0, np.nan, np.inf
    broken[:, 4] = 0.0

    found = combine_fixed_effects(effects, broken, [30, 30, 30])
    without = combine_fixed_effects(effects[[0, 2]], variances[[0, 2]], [30, 30])
    complete = combine_fixed_effects(effects[:, 3:], variances[:, 3:], [30, 30, 30])

    np.testing.assert_allclose(found.t[:3], without.t[:3], rtol=1e-14)
    np.testing.assert_allclose(found.dof[:3], without.dof[:3], rtol=1e-14)
    np.testing.assert_allclose(found.t[3], complete.t[0], rtol=1e-14)
    assert (found.effect[4], found.t[4], found.z[4], found.p[4]) == (0, 0, 0, 0.5)


def test_degrees_of_freedom_may_differ_by_voxel():
    effects, variances = inputs(2, 3, 30)

    found = combine_fixed_effects(effects, variances, [[10, 20, 30], [10, 20, 30]])

    for voxel, dof in enumerate([10, 20, 30]):
        alone = combine_fixed_effects(effects[:, [voxel]], variances[:, [voxel]], [dof, dof])
        np.testing.assert_allclose(found.z[voxel], alone.z[0], rtol=1e-13)


def test_known_variances_give_a_normal_deviate():
    found = combine_fixed_effects([[50.0], [70.0]], [[1.0], [1.0]], [np.inf, np.inf])

    np.testing.assert_allclose(found.dof, np.inf)
    np.testing.assert_allclose(found.z, 120 / np.sqrt(2), rtol=1e-14)


def test_fixed_effects_of_two_long_runs_are_near_one_fit_of_both():
    rng = np.random.default_rng(0)
    X, bold = rng.normal(size=(2, 4000, 2)), rng.normal(size=(2, 4000, 40))
    runs = [fit(bold[run], X[run], noise="ols").contrast([1, -1]) for run in range(2)]

    found = combine_fixed_effects(
        [run.effect for run in runs], [run.variance for run in runs], [run.dof for run in runs]
    )
    together = fit(np.concatenate(bold), np.concatenate(X), noise="ols").contrast([1, -1])

    # weights are estimated in one and known in the other, which shows at runs of 4000 as .1
    np.testing.assert_allclose(found.z, together.z, atol=0.15)
    np.testing.assert_allclose(found.dof, together.dof, rtol=0.01)


@pytest.mark.parametrize(
    ("n_inputs", "dof"), [(2, 20), (3, 20), (12, 50), (2, 5), (3, 8), (6, 6), (12, 8)]
)
def test_null_inputs_are_significant_as_often_as_they_should_be(n_inputs, dof):
    n_voxels = 100_000
    effects, variances = inputs(n_inputs, n_voxels, dof)

    p = combine_fixed_effects(effects, variances, np.full(n_inputs, dof)).p

    # standard errors .0007 and .0001; with the nominal variance the rates are .0565 to .11
    assert 0.046 < (p < 0.05).mean() < 0.054
    assert 0.0006 < (p < 0.001).mean() < (0.0017 if dof >= 20 else 0.0025)


@pytest.mark.parametrize(
    ("effects", "variances", "dofs", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 3)), [1, 1], "effects have shape"),
        (np.ones(3), np.ones(3), [1], "effects cannot have shape"),
        (np.ones((2, 3)), np.ones((2, 3)), [1, 1, 1], "one per input \\(2\\)"),
        (np.ones((2, 3)), np.ones((2, 3)), 5.0, "one per input \\(2\\)"),
        (np.ones((2, 3)), np.ones((2, 3)), [1, 0], "must be positive"),
        (np.ones((2, 3)), np.ones((2, 3)), [1, np.nan], "must be positive"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(effects, variances, dofs, message):
    with pytest.raises(ValueError, match=message):
        combine_fixed_effects(effects, variances, dofs)


def test_the_test_over_subjects_is_that_of_scipy():
    effects = np.random.default_rng(0).normal(0.3, 1, size=(12, 30))

    found = one_sample_t(effects)
    expected = stats.ttest_1samp(effects, 0, alternative="greater")

    np.testing.assert_allclose(found.t, expected.statistic, rtol=1e-12)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-11)
    np.testing.assert_allclose(found.effect, effects.mean(axis=0), rtol=1e-14)
    assert found.dof == 11


def test_the_test_over_subjects_is_a_fit_of_a_constant():
    effects = np.random.default_rng(0).normal(size=(7, 5)) + 1

    found, fitted = one_sample_t(effects), fit(effects, np.ones(7), noise="ols").contrast([1.0])

    np.testing.assert_allclose(found.t, fitted.t, rtol=1e-12)
    np.testing.assert_allclose(found.variance, fitted.variance, rtol=1e-12)


def test_equal_subjects_say_nothing_about_their_spread():
    found = one_sample_t(np.full((5, 2), 0.1))

    np.testing.assert_array_equal(found.t, 0)
    np.testing.assert_array_equal(found.variance, 0)


def test_one_subject_and_missing_effects_are_refused():
    with pytest.raises(ValueError, match="at least 2 subjects"):
        one_sample_t(np.ones((1, 4)))
    with pytest.raises(ValueError, match="not finite at 1 voxels"):
        one_sample_t([[1.0, np.nan], [2.0, 3.0]])
