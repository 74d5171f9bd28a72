"""Groups with variances of their own, and inputs that depend on each other."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.oneway import anova_oneway

from boldglm.glm import fit_second_level

N_VOXELS = 30


def one_hot(labels):
    return (np.asarray(labels)[:, np.newaxis] == np.unique(labels)).astype(float)


def noise(n_inputs, seed=0):
    return np.random.default_rng(seed).normal(size=(n_inputs, N_VOXELS))


def test_two_groups_are_compared_as_by_welch():
    groups = ["patients"] * 6 + ["controls"] * 18
    y = noise(24) * np.where(np.array(groups) == "patients", 3.0, 1.0)[:, np.newaxis]
    fit = fit_second_level(y, one_hot(groups), names=["c", "p"], variance_groups=groups)

    tested = fit.contrast("p - c")

    expected = stats.ttest_ind(y[:6], y[18 - 12 :], equal_var=False)
    np.testing.assert_allclose(tested.t, expected.statistic, rtol=1e-12)
    np.testing.assert_allclose(tested.dof, expected.df, rtol=1e-12)
    np.testing.assert_allclose(2 * np.minimum(tested.p, 1 - tested.p), expected.pvalue, rtol=1e-9)
    # the constant with an indicator is the same model
    design = np.column_stack([np.ones(24), np.array(groups) == "patients"])
    again = fit_second_level(y, design, variance_groups=groups).contrast([0, 1.0])
    np.testing.assert_allclose(again.t, tested.t, rtol=1e-12)
    np.testing.assert_allclose(again.dof, tested.dof, rtol=1e-12)


def test_several_groups_are_compared_as_by_welchs_f():
    groups = np.repeat(["a", "b", "c", "d"], [5, 8, 12, 6])
    y = noise(31) * np.repeat([2.0, 1.0, 0.5, 3.0], [5, 8, 12, 6])[:, np.newaxis]
    differences = np.column_stack([np.ones(3), -np.eye(3)])

    tested = fit_second_level(y, one_hot(groups), variance_groups=groups).contrast(differences)

    for voxel in range(N_VOXELS):
        data = [y[groups == group, voxel] for group in "abcd"]
        expected = anova_oneway(data, use_var="unequal", welch_correction=True)
        np.testing.assert_allclose(tested.F[voxel], expected.statistic, rtol=1e-10)
        np.testing.assert_allclose(tested.dof[voxel], expected.df_denom, rtol=1e-10)


def test_a_covariate_goes_along_and_variances_stay_those_of_the_groups():
    rng = np.random.default_rng(1)
    groups, age = np.repeat([0, 1], [8, 16]), rng.normal(size=24)
    design = np.column_stack([one_hot(groups), age])
    y = noise(24, 1)

    tested = fit_second_level(y, design, variance_groups=groups).contrast([1.0, -1.0, 0])

    h = np.linalg.pinv(design).T @ [1.0, -1.0, 0]
    hat = design @ np.linalg.pinv(design)
    residuals = y - hat @ y
    parts, dofs = [], []
    for group in (0, 1):
        dofs.append((1 - np.diag(hat))[groups == group].sum())
        square = (residuals[groups == group] ** 2).sum(axis=0) / dofs[-1]
        parts.append(square * (h[groups == group] ** 2).sum())
    total = sum(parts)
    np.testing.assert_allclose(tested.variance, total, rtol=1e-12)
    np.testing.assert_allclose(
        tested.dof, total**2 / sum(part**2 / dof for part, dof in zip(parts, dofs, strict=True))
    )


def test_mixed_effects_of_groups_are_those_of_each_group_by_itself():
    groups, y = np.repeat([0, 1], [7, 12]), noise(19, 2)
    v = np.random.default_rng(3).uniform(0.1, 2, (19, N_VOXELS))
    options = {"method": "mixed", "dofs": np.full(19, 50.0)}
    fit = fit_second_level(y, one_hot(groups), variances=v, variance_groups=groups, **options)

    tested = fit.contrast([1.0, -1.0])

    each = []
    for group in (0, 1):
        inside = groups == group
        own = fit_second_level(
            y[inside], np.ones((inside.sum(), 1)), variances=v[inside], method="mixed",
            dofs=np.full(inside.sum(), 50.0),
        )  # fmt: skip
        each.append(own.contrast([1.0]))
    np.testing.assert_allclose(tested.effect, each[0].effect - each[1].effect, rtol=1e-8)
    np.testing.assert_allclose(tested.variance, each[0].variance + each[1].variance, rtol=1e-8)


def test_a_group_too_small_for_a_variance_leaves_the_voxel_untested():
    y = noise(9)
    y[0, 3] = np.nan  # one of the two inputs of a group
    groups = [0, 0, *[1] * 7]
    tested = fit_second_level(y, one_hot(groups), variance_groups=groups, coverage=0.5)

    t = tested.contrast([1.0, -1.0]).t

    assert t[3] == 0
    assert np.all(np.delete(t, 3) != 0)


def test_pairs_give_the_paired_t_test_whether_or_not_participants_are_in_the_design():
    rng = np.random.default_rng(4)
    subjects, conditions = np.repeat(np.arange(9), 2), np.tile([0.0, 1.0], 9)
    y = noise(18, 4) + 3 * rng.normal(size=(9, N_VOXELS))[subjects]
    expected = stats.ttest_rel(y[1::2], y[::2])
    for design in (
        np.column_stack([conditions, one_hot(subjects)]),
        np.column_stack([conditions, np.ones(18)]),
    ):
        weights = np.eye(1, design.shape[1])[0]
        tested = fit_second_level(y, design, blocks=subjects).contrast(weights)
        np.testing.assert_allclose(tested.t, expected.statistic, rtol=1e-10)
        np.testing.assert_allclose(tested.dof, 8, rtol=1e-10)


def test_the_mean_over_sessions_is_tested_over_participants():
    subjects = np.repeat(np.arange(7), 3)
    y = noise(21, 5) + 2 * noise(7, 6)[subjects]

    tested = fit_second_level(y, np.ones((21, 1)), blocks=subjects).contrast([1.0])

    means = y.reshape(7, 3, N_VOXELS).mean(axis=1)
    np.testing.assert_allclose(tested.t, stats.ttest_1samp(means, 0).statistic, rtol=1e-10)
    np.testing.assert_allclose(tested.dof, 6, rtol=1e-10)


def test_the_variance_for_blocks_is_unbiased_and_differs_from_statsmodels_by_its_adjustment():
    rng = np.random.default_rng(7)
    subjects = np.repeat(np.arange(10), rng.integers(1, 5, 10))
    n_inputs = len(subjects)
    design = np.column_stack([np.ones(n_inputs), rng.normal(size=n_inputs)])
    errors = rng.normal(size=(n_inputs, 40_000))

    tested = fit_second_level(errors, design, blocks=subjects).contrast([0, 1.0])

    true = np.linalg.inv(design.T @ design)[1, 1]
    np.testing.assert_allclose(tested.variance.mean(), true, rtol=0.02)
    uncorrected = OLS(errors[:, 0], design).fit(
        cov_type="cluster", cov_kwds={"groups": subjects, "use_correction": False}
    )
    assert uncorrected.cov_params()[1, 1] < tested.variance[0] < 3 * uncorrected.cov_params()[1, 1]
    moments = 2 * tested.variance.mean() ** 2 / tested.variance.var()
    np.testing.assert_allclose(tested.dof, moments, rtol=0.05)
    rate = (2 * np.minimum(tested.p, 1 - tested.p) < 0.05).mean()
    assert 0.046 < rate < 0.054


def test_an_f_test_over_sessions_of_participants_has_the_nominal_rate():
    rng = np.random.default_rng(8)
    subjects, sessions = np.repeat(np.arange(12), 3), np.tile([0, 1, 2], 12)
    y = rng.normal(size=(36, 20_000)) + 2 * rng.normal(size=(12, 20_000))[subjects]
    design = np.column_stack([one_hot(sessions), np.repeat(rng.normal(size=12), 3)])

    tested = fit_second_level(y, design, blocks=subjects).contrast([[1, -1, 0, 0], [0, 1, -1, 0]])

    assert 0.045 < (tested.p < 0.05).mean() < 0.055
    naive = fit_second_level(y, design).contrast([[1, -1, 0, 0], [0, 1, -1, 0]])
    assert (naive.p < 0.05).mean() < 0.01


def test_one_group_or_one_input_a_block_changes_nothing():
    y, design = noise(8), np.ones((8, 1))
    plain = fit_second_level(y, design).contrast([1.0])
    for options in ({"variance_groups": ["a"] * 8}, {"blocks": range(8)}):
        tested = fit_second_level(y, design, **options).contrast([1.0])
        assert np.array_equal(tested.t, plain.t)
        assert tested.dof == plain.dof


def test_labels_must_fit_and_weighted_inputs_be_independent():
    y, design = noise(4), np.ones((4, 1))
    with pytest.raises(ValueError, match="variance_groups have shape"):
        fit_second_level(y, design, variance_groups=["a", "b"])
    weighted = {"variances": np.ones_like(y), "dofs": np.ones(4), "method": "mixed"}
    with pytest.raises(ValueError, match="takes inputs as independent"):
        fit_second_level(y, design, blocks=[0, 0, 1, 1], **weighted)
