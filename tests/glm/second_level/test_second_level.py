"""Fits over inputs: what they must hold to, and how bad input is refused."""

import numpy as np
import pandas as pd
import pytest

from boldglm.glm import NotEstimableError, combine_fixed_effects, fit, fit_second_level
from boldglm.glm.second_level.reml import reml_variance
from boldglm.glm.second_level.robust_weighted import robust_weighted

RNG = np.random.default_rng(3)
N, V = 9, 40
EFFECTS = RNG.normal(0.4, 1, (N, V))
VARIANCES = RNG.chisquare(20, (N, V)) / 20
DOFS = RNG.uniform(15, 60, (N, V))
DESIGN = np.column_stack([np.ones(N), np.arange(N) % 2, RNG.normal(size=N)])
NAMES = ["mean", "group", "age"]
METHODS = ("ols", "fixed", "mixed")


def fitted(method, effects=EFFECTS, design=DESIGN, variances=VARIANCES, **options):
    return fit_second_level(
        effects, design, variances=variances, dofs=DOFS[: len(effects)], method=method,
        names=NAMES[: design.shape[1]], **options
    )  # fmt: skip


def test_least_squares_over_inputs_is_the_fit_of_a_run():
    found, expected = fitted("ols"), fit(EFFECTS, DESIGN, noise="ols")
    for weights in ([0, 1, 0], [1, -1, 0.5]):
        one, other = found.contrast(weights), expected.contrast(weights)
        np.testing.assert_allclose(one.t, other.t, rtol=1e-10)
        np.testing.assert_allclose(one.variance, other.variance, rtol=1e-10)
        assert one.dof == other.dof
    np.testing.assert_allclose(
        found.contrast([[0, 1, 0], [0, 0, 1]]).F,
        expected.contrast([[0, 1, 0], [0, 0, 1]]).F,
        rtol=1e-9,
    )


def test_the_mean_by_fixed_effects_has_nearly_meiers_variance():
    found = fit_second_level(
        EFFECTS, np.ones((N, 1)), variances=VARIANCES, dofs=DOFS, method="fixed"
    ).contrast([1.0])
    shares = (1 / VARIANCES) / (1 / VARIANCES).sum(axis=0)
    variance = (1 + 4 * (shares * (1 - shares) / DOFS).sum(axis=0)) / (1 / VARIANCES).sum(axis=0)
    np.testing.assert_allclose(found.effect, (shares * EFFECTS).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, variance, rtol=0.04)
    first, second = (shares**2 / DOFS).sum(axis=0), (shares * (1 - shares) / DOFS**2).sum(axis=0)
    np.testing.assert_allclose(1 / found.dof, first + 2 * second, rtol=1e-12)
    np.testing.assert_allclose(
        combine_fixed_effects(EFFECTS, VARIANCES, DOFS).t, found.t, rtol=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_unit_of_measurement_changes_no_t(method):
    one = fitted(method).contrast("group")
    other = fitted(method, EFFECTS * 1e-4, variances=VARIANCES * 1e-8).contrast("group")
    np.testing.assert_allclose(one.t, other.t, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one.p, other.p, rtol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_inputs_changes_nothing(method):
    order = RNG.permutation(N)
    other = fit_second_level(
        EFFECTS[order], DESIGN[order], variances=VARIANCES[order], dofs=DOFS[order],
        method=method, names=NAMES,
    ).contrast("age")  # fmt: skip
    np.testing.assert_allclose(fitted(method).contrast("age").t, other.t, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_rank_deficient_design_gives_what_its_columns_span(method):
    doubled = np.column_stack([DESIGN, 1 - DESIGN[:, 1]])
    found = fit_second_level(
        EFFECTS, doubled, variances=VARIANCES, dofs=DOFS, method=method,
        names=[*NAMES, "other group"],
    )  # fmt: skip
    difference = found.contrast([0, 1, 0, -1])
    np.testing.assert_allclose(
        difference.t, fitted(method).contrast("group").t, rtol=1e-6, atol=1e-8
    )
    with pytest.raises(NotEstimableError, match="linearly dependent"):
        found.contrast("group")


@pytest.mark.parametrize("method", METHODS)
def test_a_voxel_that_some_inputs_lack_is_fitted_with_the_others(method):
    holes = EFFECTS.copy()
    holes[[1, 4], 5:9] = np.nan
    holes[7, 20:22] = np.nan
    found = fitted(method, holes, coverage=0.5).contrast("group")
    rest = [k for k in range(N) if k not in (1, 4)]
    alone = fit_second_level(
        EFFECTS[rest], DESIGN[rest], variances=VARIANCES[rest], dofs=DOFS[rest], method=method,
        names=NAMES,
    ).contrast("group")  # fmt: skip
    whole = fitted(method).contrast("group")
    np.testing.assert_allclose(found.t[5:9], alone.t[5:9], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.t[:5], whole.t[:5], rtol=1e-9, atol=1e-12)


def test_coverage_says_which_voxels_are_tested():
    holes = EFFECTS.copy()
    holes[:3, 0] = np.nan
    found = fitted("ols", holes, coverage=0.7)
    assert not found.tested[0]
    assert found.tested[1:].all()
    assert found.n_inputs[0] == 6
    assert found.contrast("mean").t[0] == 0
    assert fitted("ols", holes, coverage=0.6).contrast("mean").t[0] != 0


def test_a_contrast_that_the_inputs_of_a_voxel_do_not_determine_is_not_tested_there():
    holes = EFFECTS.copy()
    holes[1::2, 3] = np.nan  # one group is gone
    found = fitted("ols", holes, coverage=0.3).contrast("group")
    assert found.t[3] == 0
    assert (found.t[4:] != 0).all()


def test_an_input_without_variance_is_absent():
    variances = VARIANCES.copy()
    variances[2, 7] = 0.0
    found = fitted("mixed", variances=variances, coverage=0.5)
    assert found.n_inputs[7] == N - 1


def test_mixed_effects_without_scatter_between_inputs_weight_by_precision():
    tight = RNG.normal(0, 0.01, (N, V)) + 1
    found = fitted("mixed", tight).contrast("mean")
    precise = fitted("fixed", tight).contrast("mean")
    np.testing.assert_allclose(found.effect, precise.effect, rtol=1e-10)


def test_mixed_effects_of_inputs_with_equal_variances_are_least_squares():
    equal = np.full((N, V), 0.3)
    found, plain = fitted("mixed", variances=equal), fitted("ols")
    for name in ("age", "mean"):
        effects = [fit.contrast(name).effect for fit in (found, plain)]
        np.testing.assert_allclose(*effects, rtol=1e-8)
    ones, given = np.ones((N, 1)), {"variances": equal, "dofs": np.full(N, 60.0)}
    found = fit_second_level(EFFECTS, ones, method="mixed", **given).contrast([1.0])
    plain = fit_second_level(EFFECTS, ones).contrast([1.0])
    np.testing.assert_allclose(found.t, plain.t, rtol=1e-8)
    np.testing.assert_allclose(found.dof, N - 1, rtol=1e-8)


BAD = [
    ({"effects": EFFECTS[0]}, "cannot have shape"),
    ({"design": DESIGN[:4]}, "4 rows"),
    ({"method": "magic"}, "known are ols, "),
    ({"method": "mixed", "variances": None}, "needs variances"),
    ({"coverage": 0}, "above 0"),
    ({"names": ["one"]}, "1 names for 3 columns"),
    ({"design": np.where(DESIGN == 1, np.nan, DESIGN)}, "not finite"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_what_cannot_be_fitted_is_refused(change, words):
    given = {"effects": EFFECTS, "design": DESIGN, "variances": VARIANCES, "dofs": DOFS, **change}
    with pytest.raises(ValueError, match=words):
        fit_second_level(given.pop("effects"), given.pop("design"), **given)


@pytest.mark.parametrize("n_inputs", [6, 12])
@pytest.mark.parametrize("between", [0.0, 1.0, 8.0])
def test_mixed_effects_keep_their_false_positive_rate(n_inputs, between):
    rng = np.random.default_rng([n_inputs, int(between)])
    n_voxels = 40000
    own = np.exp(rng.normal(0, 0.5, (n_inputs, 1))) * np.ones((1, n_voxels))
    effects = rng.standard_normal(own.shape) * np.sqrt(own + between)
    variances = own * rng.chisquare(60, own.shape) / 60
    found = fit_second_level(
        effects, np.ones((n_inputs, 1)), variances=variances, dofs=np.full(n_inputs, 60.0),
        method="mixed",
    ).contrast([1.0])  # fmt: skip
    assert 0.035 < (found.p < 0.05).mean() < 0.056
    assert (found.p < 0.001).mean() < 0.0014


@pytest.mark.parametrize("n_inputs", [5, 12])
def test_few_inputs_of_very_unequal_variance_are_not_significant_too_often(n_inputs):
    rng = np.random.default_rng(n_inputs)
    variances = np.exp(rng.normal(size=(n_inputs, 30_000)))
    effects = rng.normal(size=variances.shape) * np.sqrt(variances + 1)
    found = fit_second_level(
        effects, np.ones((n_inputs, 1)), variances=variances, dofs=np.full(n_inputs, 60.0),
        method="mixed",
    ).contrast([1.0])  # fmt: skip
    assert 0.035 < (2 * np.minimum(found.p, 1 - found.p) < 0.05).mean() < 0.058


def test_an_input_that_has_all_of_the_weight_leaves_one_degree_of_freedom():
    rng = np.random.default_rng(5)
    variances = np.exp(0.5 * rng.normal(size=(8, 20_000)))
    variances[0] *= 1e-12
    effects = rng.normal(size=variances.shape) * np.sqrt(variances)
    found = fit_second_level(
        effects, np.ones((8, 1)), variances=variances, dofs=np.full(8, 60.0), method="mixed"
    ).contrast([1.0])
    assert 1 <= found.dof.min() <= found.dof.max() <= 7
    p = 2 * np.minimum(found.p, 1 - found.p)
    assert (p < 0.05).mean() < 0.055
    assert (p < 0.001).mean() < 0.0014


def robust_by_definition(design, C, W, y):
    """Return effects, their CR2 covariance, and η, with var(D) element by element."""
    n, q = len(design), len(C)
    inverse = np.linalg.inv(design.T @ W @ design)
    left = np.eye(n) - design @ inverse @ design.T @ W
    h = C @ inverse @ design.T @ W @ np.diag(1 / np.sqrt(np.diag(left)))
    cov = h @ np.diag((left @ y) ** 2) @ h.T
    g = np.linalg.inv(np.linalg.cholesky(C @ inverse @ C.T)) @ h
    B = left @ np.linalg.inv(W) @ left.T
    total = 0.0
    for s in range(q):
        for u in range(q):
            first, second = np.outer(g[s], g[s]) * B, np.outer(g[u], g[u]) * B
            crossed = np.outer(g[s], g[u]) * B
            total += (first * second).sum() + (crossed * crossed.T).sum()
    return C @ inverse @ design.T @ W @ y, cov, q * (q + 1) / total


def mixed_example():
    """Return groups of 4, 5 and 6 inputs, effects and variances, and the weights of a voxel."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3), [4, 5, 6], axis=0)
    v = rng.uniform(0.2, 3, (15, 2))
    y = rng.normal(size=(15, 2)) * np.sqrt(v + 1)
    fit = fit_second_level(y, groups, variances=v, dofs=np.full(15, 60.0), method="mixed")
    between = reml_variance(np.linalg.qr(groups)[0], y, v)
    return groups, y, [np.diag(1 / own) for own in (v + between).T], fit


def test_f_of_mixed_effects_is_that_of_the_definition():
    groups, y, weights, fit = mixed_example()
    C = np.array([[1.0, -1, 0], [0, 1, -1]])
    found = fit.contrast(C)
    for voxel, W in enumerate(weights):
        effect, cov, eta = robust_by_definition(groups, C, W, y[:, voxel])
        np.testing.assert_allclose(np.atleast_1d(found.dof)[voxel], eta - 1, rtol=1e-7)
        wald = effect @ np.linalg.solve(cov, effect)
        np.testing.assert_allclose(found.F[voxel], wald * (eta - 1) / (eta * 2), rtol=1e-7)


def test_t_of_mixed_effects_trusts_weights_as_far_as_the_design_asks_for_it():
    groups, y, weights, fit = mixed_example()
    C = np.array([[1.0, -1, 0]])
    found = fit.contrast(C[0])
    nu = 12
    delta = robust_by_definition(groups, C, np.eye(15), y[:, 0])[2]
    r = delta / nu
    k = 0.9 * (1 - r**2) * min(1, (3.5 / delta) ** 2)
    assert 0.1 < k < 0.9
    for voxel, W in enumerate(weights):
        effect, cov, d = robust_by_definition(groups, C, W, y[:, voxel])
        inverse = np.linalg.inv(groups.T @ W @ groups)
        e = y[:, voxel] - groups @ inverse @ groups.T @ W @ y[:, voxel]
        model = (e @ W @ e / nu) * (C @ inverse @ C.T)[0, 0]
        variance = (1 - k) * cov[0, 0] + k * model
        uncertainty = (1 - k) ** 2 / d + (1 - (1 - k) ** 2) / min(nu, d / r)
        np.testing.assert_allclose(found.t[voxel], effect[0] / np.sqrt(variance), rtol=1e-7)
        np.testing.assert_allclose(np.atleast_1d(found.dof)[voxel], 1 / uncertainty, rtol=1e-7)


def test_the_mixture_of_variances_has_the_mean_and_variance_that_its_dofs_say():
    rng = np.random.default_rng(1)
    x = np.array([0.0, 0.1, 0.3, 0.4, 0.8, 1.0, 1.1, 4.0])
    basis = np.linalg.qr(np.column_stack([np.ones(8), x]))[0]
    y = rng.standard_normal((8, 200_000))  # of the variances that the weights say
    found = robust_weighted(basis, np.array([[0.0, 1.0]]), y, np.ones_like(y), steadied=True)
    variance = found.covariance[:, 0, 0]
    np.testing.assert_allclose(variance.mean(), 1, rtol=0.01)
    np.testing.assert_allclose(found.dof[0], 2 / variance.var(), rtol=0.02)


@pytest.mark.parametrize("n_inputs", [5, 8, 12, 20])
def test_a_skewed_covariate_does_not_make_mixed_effects_mild(n_inputs):
    rng = np.random.default_rng(n_inputs)
    x = np.exp(np.linspace(-1.5, 1.5, n_inputs))
    design = np.column_stack([np.ones(n_inputs), x - x.mean()])
    own = np.exp(rng.normal(0, 0.5, (n_inputs, 30_000)))
    effects = rng.standard_normal(own.shape) * np.sqrt(own + 1)
    variances = own * rng.chisquare(40, own.shape) / 40
    found = fit_second_level(
        effects, design, variances=variances, dofs=np.full(n_inputs, 40.0), method="mixed"
    ).contrast([0.0, 1.0])
    assert 0.044 < (2 * np.minimum(found.p, 1 - found.p) < 0.05).mean() < 0.056


@pytest.mark.parametrize("n_inputs", [3, 8])
def test_fixed_effects_of_a_difference_keep_their_false_positive_rate(n_inputs):
    rng = np.random.default_rng(n_inputs)
    n_voxels, dof = 60000, 30.0
    n = 2 * n_inputs
    true = np.exp(rng.normal(0, 0.4, (n, 1)))
    effects = rng.standard_normal((n, n_voxels)) * np.sqrt(true)
    variances = true * rng.chisquare(dof, (n, n_voxels)) / dof
    design = np.column_stack([np.ones(n), np.repeat([0, 1], n_inputs)])
    found = fit_second_level(
        effects, design, variances=variances, dofs=np.full(n, dof), method="fixed"
    ).contrast([0.0, 1.0])
    assert 0.046 < (found.p < 0.05).mean() < 0.055
    assert 0.0005 < (found.p < 0.001).mean() < 0.0017


def test_the_columns_of_a_data_frame_name_the_design():
    rng = np.random.default_rng(0)
    design = pd.DataFrame({"mean": np.ones(12), "age": rng.normal(size=12)})
    effects = rng.normal(size=(12, 3))

    found = fit_second_level(effects, design)

    assert found.names == ("mean", "age")
    bare = fit_second_level(effects, design.to_numpy())
    assert bare.names == ("x1", "x2")
    np.testing.assert_array_equal(found.contrast("age").t, bare.contrast({"x2": 1}).t)


def test_three_lines_describe_a_fit():
    effects = np.ones((4, 1500))
    effects[0, :20] = np.nan

    found = fit_second_level(effects, np.ones((4, 1)), names=["mean"])

    assert repr(found).splitlines() == [
        "Second-level fit of 4 inputs, 1,500 voxels, 1 column",
        "  method: ols",
        "  voxels with enough inputs: 1,480 of 1,500",
    ]
    assert "<th>columns</th><td>mean</td>" in found._repr_html_()
