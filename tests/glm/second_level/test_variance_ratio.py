"""Two groups whose ratio of variances is pooled over voxels."""

import numpy as np
import pytest
from scipy import integrate, stats

from boldglm.glm import fit_second_level
from boldglm.glm.second_level.blockwise import BlockwiseFit
from boldglm.glm.second_level.reml import reml_variance
from boldglm.glm.second_level.variance_ratio import RatioMoments, RatioPrior, pooled_variance

CONTRAST = [1.0, -1.0]


def two_groups(first, second):
    groups = np.repeat([0, 1], [first, second])
    return groups, np.eye(2)[groups]


def rates(first, second, deviation, scatter, n_voxels=40_000, seed=2):
    """Rates at .05 and .001, where ln of the ratio of variances scatters over voxels."""
    rng = np.random.default_rng(seed)
    groups, means = two_groups(first, second)
    y = rng.normal(size=(first + second, n_voxels))
    y[groups == 0] *= deviation * np.exp(scatter / 2 * rng.normal(size=n_voxels))
    tested = fit_second_level(y, means, variance_groups=groups).contrast(CONTRAST)
    p = 2 * stats.t.sf(np.abs(tested.t), tested.dof)
    return [(p < level).mean() for level in (0.05, 0.001)]


@pytest.mark.parametrize("sizes", [(2, 3), (2, 6), (3, 9), (4, 4), (6, 18)])
@pytest.mark.parametrize("deviation", [0.5, 1, 2, 4])
@pytest.mark.parametrize("scatter", [0, 1])
def test_rates_are_nominal_in_small_groups_whatever_the_ratio(sizes, deviation, scatter):
    at_05, at_001 = rates(*sizes, deviation, scatter)

    assert 0.045 < at_05 < 0.055
    assert 0.0004 < at_001 < 0.0017


def mixture_p(limit, r, dofs, loadings, prior):
    """Two-sided p of |effect| = limit, with s₂² = 1 and s₁² = r, by adaptive integration."""
    first, second = dofs

    def density(x):
        given = stats.f.pdf(r / np.exp(x), first, second) / np.exp(x)
        return given * stats.norm.pdf(x, prior.mean, prior.variance**0.5)

    def tail(x):
        rho = np.exp(x)
        variance = (first * r / rho + second) / (first + second)
        variance *= rho * loadings[0] + loadings[1]
        return 2 * stats.t.sf(limit / variance**0.5, first + second)

    bounds = prior.mean - 12 * prior.variance**0.5, prior.mean + 12 * prior.variance**0.5
    total = integrate.quad(density, *bounds, limit=400)[0]
    return integrate.quad(lambda x: density(x) * tail(x), *bounds, limit=400)[0] / total


@pytest.mark.parametrize("dofs", [(1.0, 5.0), (5.0, 17.0), (2.4, 8.6)])
@pytest.mark.parametrize("r", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("variance", [0.1, 2.0])
def test_quantiles_are_those_of_the_mixture(dofs, r, variance):
    prior, loadings = RatioPrior(0.7, variance), np.array([0.5, 0.2])
    squares = np.array([[r], [1.0]]) * np.array(dofs)[:, np.newaxis]

    stated, dof = pooled_variance(squares, np.array(dofs), loadings, prior)

    for level in (0.05, 0.001):
        limit = stats.t.isf(level / 2, dof[0]) * stated[0] ** 0.5
        assert mixture_p(limit, r, dofs, loadings, prior) == pytest.approx(level, rel=0.02)


def test_a_ratio_that_is_known_gives_students_t():
    rng = np.random.default_rng(3)
    y = rng.normal(size=(9, 200))
    a, b = y[:3], y[3:]
    squares = np.stack([2 * a.var(axis=0, ddof=1), 5 * b.var(axis=0, ddof=1)])

    known = RatioPrior(0.0, 1e-6)
    variance, dof = pooled_variance(squares, np.array([2.0, 5.0]), np.array([1 / 3, 1 / 6]), known)

    t = (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(variance)
    np.testing.assert_allclose(t, stats.ttest_ind(a, b).statistic, rtol=1e-3)
    np.testing.assert_allclose(dof, 7, rtol=1e-3)


def test_blocks_of_voxels_share_the_ratio_of_all():
    rng = np.random.default_rng(4)
    groups, means = two_groups(3, 6)
    y = rng.normal(size=(9, 700)) * np.exp(rng.normal(size=700))
    y[groups == 0] *= 3

    def fit_of(voxels):
        return fit_second_level(y[:, voxels], means, names=["a", "b"], variance_groups=groups)

    whole, parts = fit_of(slice(None)), BlockwiseFit(700, 150, fit_of)
    chosen = np.arange(700) % 3 == 0
    for ours, theirs in ((parts, whole), (parts.at(chosen), whole.at(chosen))):
        tested, expected = ours.contrast("a - b"), theirs.contrast("a - b")
        np.testing.assert_allclose(tested.t, expected.t, rtol=1e-5)
        np.testing.assert_allclose(tested.dof, expected.dof, rtol=1e-5)
    assert whole.errors.ratio.mean == pytest.approx(np.log(9), abs=0.25)


def test_voxels_that_share_their_errors_count_as_few():
    rng = np.random.default_rng(5)
    groups, means = two_groups(6, 8)
    basis = means / np.sqrt([6, 8])
    alone = rng.normal(size=(14, 5000))
    shared = rng.normal(size=(14, 1)) + 0.1 * alone

    independent = RatioMoments.of(basis, alone, groups)
    dependent = RatioMoments.of(basis, shared, groups)

    assert independent.independent > 2000
    assert dependent.independent < 3
    assert dependent.prior().variance > 10 * independent.prior().variance


def test_voxels_without_variance_in_a_group_have_finite_results():
    rng = np.random.default_rng(6)
    groups, means = two_groups(3, 6)
    y = rng.normal(size=(9, 300))
    y[:3, 0], y[3:, 1], y[:, 2] = 1.0, 1.0, 0.0

    tested = fit_second_level(y, means, variance_groups=groups).contrast(CONTRAST)

    assert np.isfinite(tested.t).all()
    assert np.isfinite(tested.variance).all()
    assert tested.t[0] != 0
    assert tested.t[1] != 0
    assert tested.t[2] == 0


def mixed_inputs(sizes, deviation, n_voxels=20_000, seed=7):
    """Effects with errors between and within inputs, and estimates of the variances within."""
    rng = np.random.default_rng(seed)
    groups, means = two_groups(*sizes)
    true = np.exp(0.5 * rng.normal(size=(sum(sizes), n_voxels)))
    y = rng.normal(size=true.shape) * np.where(groups == 0, deviation, 1)[:, np.newaxis]
    y += np.sqrt(true) * rng.normal(size=true.shape)
    return groups, means, y, true * rng.chisquare(40, true.shape) / 40


def mixed_fit(groups, means, y, v, **options):
    dofs = np.full(len(y), 40.0)
    return fit_second_level(
        y, means, variances=v, dofs=dofs, method="mixed", variance_groups=groups, **options
    )


@pytest.mark.parametrize("sizes", [(2, 3), (4, 4), (3, 9), (6, 18)])
@pytest.mark.parametrize("deviation", [0.5, 1, 2, 4])
def test_rates_of_mixed_effects_are_nominal_in_small_groups(sizes, deviation):
    tested = mixed_fit(*mixed_inputs(sizes, deviation)).contrast(CONTRAST)

    p = 2 * stats.t.sf(np.abs(tested.t), tested.dof)

    assert 0.044 < (p < 0.05).mean() < 0.056
    assert (p < 0.001).mean() < 0.0017


def test_mixed_effects_with_equal_variances_are_least_squares():
    groups, means, y, _ = mixed_inputs((4, 7), 2, n_voxels=500)

    tested = mixed_fit(groups, means, y, np.full(y.shape, 0.7)).contrast(CONTRAST)

    expected = fit_second_level(y, means, variance_groups=groups).contrast(CONTRAST)
    np.testing.assert_allclose(tested.effect, expected.effect, rtol=1e-9)
    np.testing.assert_allclose(tested.t, expected.t, rtol=1e-2)
    np.testing.assert_allclose(tested.dof, expected.dof, rtol=1e-2)


def test_the_variance_of_mixed_effects_is_that_of_its_formulas():
    groups, means, y, v = mixed_inputs((3, 5), 2, n_voxels=300)
    fit = mixed_fit(groups, means, y, v)

    tested = fit.contrast(CONTRAST)

    left = np.linalg.svd(means, full_matrices=False)[0]
    w = 1 / (v[:, 0] + reml_variance(left, y[:, :1], v[:, :1])[0])
    inverse = np.linalg.inv(means.T @ (w[:, None] * means))
    h = CONTRAST @ inverse @ means.T * w
    residuals = y[:, 0] - means @ inverse @ means.T @ (w * y[:, 0])
    free = 1 - np.diag(means @ inverse @ means.T) * w
    cells = [groups == 0, groups == 1]
    nu = np.array([2.0, 4.0])
    squares = np.array([(w * residuals**2)[own].sum() for own in cells])
    loadings = np.array([(h**2 / w)[own].sum() for own in cells])
    variance, dof = pooled_variance(squares[:, None], nu, loadings, fit.errors.ratio)
    trusting = squares / nu * loadings
    robust = (h**2 * residuals**2 / free).sum()
    remove = np.eye(8) - means @ inverse @ means.T * w
    extra = 0.0
    for own, share, free_dof in zip(cells, trusting / trusting.sum(), nu, strict=True):
        form = np.diag(own * h**2 / free)
        spread = remove.T @ form @ remove @ np.diag(1 / w)
        extra += share**2 * (np.trace(spread @ spread) / np.trace(spread) ** 2 - 1 / free_dof)
    assert tested.effect[0] == pytest.approx(h @ y[:, 0], rel=1e-9)
    assert tested.variance[0] == pytest.approx(variance[0] * robust / trusting.sum(), rel=2e-3)
    assert tested.dof[0] == pytest.approx(1 / (1 / dof[0] + extra), rel=2e-3)


def test_blocks_of_voxels_share_the_ratio_of_mixed_effects():
    groups, means, y, v = mixed_inputs((3, 6), 3, n_voxels=500)

    def fit_of(voxels):
        return mixed_fit(groups, means, y[:, voxels], v[:, voxels], names=["a", "b"])

    whole, parts = fit_of(slice(None)), BlockwiseFit(500, 120, fit_of)
    tested, expected = parts.contrast("a - b"), whole.contrast("a - b")
    np.testing.assert_allclose(tested.t, expected.t, rtol=1e-5)
    np.testing.assert_allclose(tested.dof, expected.dof, rtol=1e-5)
    assert 0.5 < whole.errors.ratio.mean < 2.2


def test_mixed_effects_of_few_voxels_estimate_each_group_by_itself():
    groups, means, y, v = mixed_inputs((5, 6), 3, n_voxels=99)

    fit = mixed_fit(groups, means, y, v)

    assert fit.errors.ratio is None
    np.testing.assert_allclose(
        fit.contrast([1.0, 0.0]).variance,
        mixed_fit(groups[:5], means[:5, :1], y[:5], v[:5]).contrast([1.0]).variance,
        rtol=1e-8,
    )
