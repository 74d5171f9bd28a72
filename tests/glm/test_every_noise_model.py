"""Laws: what must hold for every noise model, whatever the design and the data.

A noise model that is added to `NOISE_MODELS` is tested here without a further line.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from boldglm.glm import NOISE_MODELS, fit, orthogonalize
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.noise.ar_p import check_order
from noise_designs import a_design

# "ar3" and so on are the same code as "ar2"
MODELS = [name for name in NOISE_MODELS if name not in {"ar3", "ar4", "ar5", "ar6"}]
EVERY = pytest.mark.parametrize("noise", MODELS)
SOME = settings(max_examples=20)  # of each noise model


def rounding(noise, rtol):
    """Return a tolerance for what differs by rounding, which "auto" amplifies.

    It learns from all voxels by iteration; here from three of a few scans each.
    """
    return 1e-3 if noise == "auto" else rtol


def sensible(problem, noise):
    """Return a problem that "auto" has an answer to: a mean without a constant is no noise."""
    bold, X = problem
    assume(noise != "auto" or (X == 1).all(axis=0).any() or abs(bold.mean()) < 50)
    assume(noise not in {"ar2", "arma11"} or len(X) - np.linalg.matrix_rank(X) >= 6)
    assume(noise != "ar2" or bears(X, order=2))
    return bold, X


def bears(X, order):
    """Tell whether a design leaves enough to learn an autoregression from."""
    try:
        check_order(linear_model(X), order)
    except ValueError:
        return False
    return True


def drawn(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@st.composite
def problems(draw, full_rank=False):
    """Draw signals and a design of some length, rank and conditioning."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_regressors = draw(st.integers(1, 6))
    n_scans = n_regressors + draw(st.integers(4, 40))
    X = rng.normal(size=(n_scans, n_regressors))
    if draw(st.booleans()):
        X[:, -1] = 1.0
    if n_regressors > 1 and draw(st.booleans()):  # two regressors that are nearly the same
        X[:, 0] = X[:, -1] + 10 ** -draw(st.floats(0, 3)) * X[:, 0]
    if not full_rank and n_regressors > 2 and draw(st.booleans()):
        X[:, 1] = X[:, 0] - 3 * X[:, 2]
    mean = draw(st.sampled_from([0.0, 100.0]))
    return rng.normal(size=(n_scans, 3)) + mean, X


def estimable(X, seed=0):
    """Return contrasts in the row space of the design."""
    return np.random.default_rng(seed).normal(size=(2, len(X))) @ X


# --- laws


@given(problems())
def test_ols_betas_are_the_pseudo_inverse_times_the_data(problem):
    bold, X = problem

    expected = np.linalg.pinv(X) @ bold

    # near-equal regressors amplify rounding by their condition number, at most about 1e4
    np.testing.assert_allclose(fit(bold, X, noise="ols").betas, expected, rtol=1e-9, atol=1e-9)


@given(problems())
def test_ols_noise_variance_is_that_of_the_residuals(problem):
    bold, X = problem

    fitted = fit(bold, X, noise="ols")

    residuals = bold - X @ np.linalg.pinv(X) @ bold
    np.testing.assert_allclose(fitted.sigma2, (residuals**2).sum(axis=0) / fitted.dof, rtol=1e-8)


@EVERY
@SOME
@given(problems())
def test_betas_have_a_row_per_regressor_and_a_column_per_voxel(noise, problem):
    bold, X = sensible(problem, noise)

    fitted = fit(bold, X, noise=noise)

    assert fitted.betas.shape == (X.shape[1], 3)
    assert fitted.sigma2.shape == (3,)
    assert fitted.rank == np.linalg.matrix_rank(X)
    assert fitted.dof == len(X) - fitted.rank
    assert (fitted.n_scans, fitted.n_voxels) == bold.shape
    assert (fitted.ar is None) == (noise == "ols")


@EVERY
@SOME
@given(problems(full_rank=True))
def test_adding_a_fitted_signal_moves_betas_only(noise, problem):
    bold, X = sensible(problem, noise)
    shift = np.arange(1.0, X.shape[1] + 1)[:, np.newaxis]

    before, after = fit(bold, X, noise=noise), fit(bold + X @ shift, X, noise=noise)

    np.testing.assert_allclose(
        after.betas - before.betas, shift + np.zeros(3), atol=rounding(noise, 1e-6)
    )
    np.testing.assert_allclose(after.sigma2, before.sigma2, rtol=rounding(noise, 1e-6))


@EVERY
@SOME
@given(problems(), st.floats(1e-6, 1e6))
def test_the_unit_of_the_signal_leaves_t_and_f(noise, problem, unit):
    bold, X = sensible(problem, noise)
    rows = estimable(X)

    before, after = fit(bold, X, noise=noise), fit(bold * unit, X, noise=noise)

    np.testing.assert_allclose(
        after.contrast(rows[0]).t,
        before.contrast(rows[0]).t,
        rtol=rounding(noise, 1e-6),
        atol=rounding(noise, 1e-6),
    )
    np.testing.assert_allclose(
        after.contrast(rows).F, before.contrast(rows).F, rtol=rounding(noise, 1e-6)
    )


@EVERY
@SOME
@given(problems(full_rank=True), st.integers(0, 1000))
def test_other_regressors_of_the_same_space_leave_t_of_the_same_contrast(noise, problem, seed):
    bold, X = sensible(problem, noise)
    rng = np.random.default_rng(seed)
    k = X.shape[1]
    change = np.linalg.qr(rng.normal(size=(k, k)))[0] * rng.uniform(0.5, 2, size=k)
    row = estimable(X)[0]

    before = fit(bold, X, noise=noise).contrast(row)
    after = fit(bold, X @ change, noise=noise).contrast(row @ change)

    np.testing.assert_allclose(
        after.t, before.t, rtol=rounding(noise, 1e-6), atol=rounding(noise, 1e-6)
    )
    np.testing.assert_allclose(after.variance, before.variance, rtol=rounding(noise, 1e-6))


@EVERY
@SOME
@given(problems())
def test_a_duplicated_regressor_changes_neither_noise_nor_degrees_of_freedom(noise, problem):
    bold, X = sensible(problem, noise)

    once, twice = fit(bold, X, noise=noise), fit(bold, np.c_[X, X[:, 0]], noise=noise)

    assert twice.dof == once.dof
    np.testing.assert_allclose(twice.sigma2, once.sigma2, rtol=rounding(noise, 1e-7))


@EVERY
@SOME
@given(problems(), st.permutations(range(3)))
def test_the_order_of_voxels_does_not_matter(noise, problem, order):
    bold, X = sensible(problem, noise)
    row = estimable(X)[0]

    straight = fit(bold, X, noise=noise).contrast(row).t
    permuted = fit(bold[:, order], X, noise=noise).contrast(row).t

    np.testing.assert_allclose(
        permuted, straight[list(order)], rtol=rounding(noise, 1e-7), atol=rounding(noise, 1e-9)
    )


@EVERY
@SOME
@given(problems(), st.integers(1, 4))
def test_the_size_of_blocks_changes_nothing_beyond_rounding(noise, problem, block_size):
    bold, X = sensible(problem, noise)

    blocks, whole = fit(bold, X, noise=noise, block_size=block_size), fit(bold, X, noise=noise)

    np.testing.assert_allclose(
        blocks.betas, whole.betas, rtol=rounding(noise, 1e-7), atol=rounding(noise, 1e-9)
    )
    np.testing.assert_allclose(blocks.sigma2, whole.sigma2, rtol=rounding(noise, 1e-7))


@EVERY
@SOME
@given(problems(full_rank=True))
def test_orthogonalizing_leaves_the_t_of_what_is_orthogonalized(noise, problem):
    bold, X = sensible(problem, noise)
    if X.shape[1] < 2:
        return
    other = X.copy()
    other[:, 1] = orthogonalize(X[:, 1], against=X[:, 0])
    row = np.eye(X.shape[1])[1]

    before, after = fit(bold, X, noise=noise), fit(bold, other, noise=noise)

    np.testing.assert_allclose(
        after.contrast(row).t,
        before.contrast(row).t,
        rtol=rounding(noise, 1e-5),
        atol=rounding(noise, 1e-6),
    )
    np.testing.assert_allclose(after.sigma2, before.sigma2, rtol=rounding(noise, 1e-6))
    every = slice(None)
    np.testing.assert_allclose(
        after.fitted(every), before.fitted(every), atol=rounding(noise, 1e-6), rtol=1e-6
    )


@EVERY
def test_orthogonalizing_gives_a_what_b_shares_with_it_and_only_least_squares_forget_b(noise):
    rng = np.random.default_rng(0)
    design = a_design()
    n_scans = len(design)
    b = 0.7 * design[:, 0] + 0.5 * design[:, 1] + 0.3 * rng.normal(size=n_scans)
    X = np.column_stack([design[:, 0], b, design[:, 1:]])
    other = X.copy()
    other[:, 1] = orthogonalize(b, against=X[:, 0], adjust=X[:, 2:])
    gamma = (b - other[:, 1]) @ X[:, 0] / (X[:, 0] @ X[:, 0])
    errors = lfilter([1], [1, -0.5], rng.normal(size=(n_scans, 60)), axis=0)
    bold = 100 + errors + 0.5 * X[:, [0]] + 0.5 * X[:, [1]]

    def tested(columns, which):
        fitted = fit(bold, columns, noise=noise)
        return fitted.contrast(np.eye(1, columns.shape[1], which)[0])

    before, after = tested(X, 0), tested(other, 0)
    expected = before.effect + gamma * tested(X, 1).effect
    np.testing.assert_allclose(after.effect, expected, rtol=1e-9)
    np.testing.assert_allclose(tested(other, 1).t, tested(X, 1).t, rtol=1e-6)
    without_b = tested(np.delete(X, 1, axis=1), 0)
    difference = np.abs(after.effect - without_b.effect) / np.sqrt(after.variance)
    if noise == "ols":
        assert difference.max() < 1e-10
    else:
        assert 1e-4 < difference.mean() < 0.1


# --- numbers that could go wrong


@EVERY
def test_a_large_mean_costs_no_digits_when_the_design_has_a_constant(noise):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(80, 3)), np.ones(80)])
    # multiples of 1/1024, so that adding 2**20 is exact
    bold = np.round(rng.normal(size=(80, 6)) * 1024) / 1024

    small, large = fit(bold, X, noise=noise), fit(bold + 2.0**20, X, noise=noise)

    np.testing.assert_allclose(large.sigma2, small.sigma2, rtol=1e-9)
    np.testing.assert_allclose(large.betas[:3], small.betas[:3], rtol=1e-9, atol=1e-12)
    row = [1.0, -1.0, 0.0, 0.0]
    np.testing.assert_allclose(large.contrast(row).t, small.contrast(row).t, rtol=1e-7)


@EVERY
def test_noise_is_found_under_signal_a_million_times_larger(noise):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    bold = rng.normal(size=(80, 5))
    signal = X @ np.full((3, 5), 1e6)

    alone, under = fit(bold, X, noise=noise), fit(bold + signal, X, noise=noise)

    # the sum itself is rounded at 1e-10, so this much is in the data
    np.testing.assert_allclose(under.sigma2, alone.sigma2, rtol=1e-8)


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, ">f8", bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_real_type_is_calculated_in_double_precision(dtype, order, noise):
    rng = np.random.default_rng(0)
    bold = (rng.normal(size=(40, 6)) * 20 + 100).astype(dtype, order=order)
    X = np.column_stack([rng.normal(size=40), np.ones(40)])
    bold.flags.writeable = X.flags.writeable = False

    fitted = fit(bold, X, noise=noise)

    assert fitted.betas.dtype == np.float64
    plain = fit(bold.astype(np.float64, order="C"), X, noise=noise)
    np.testing.assert_array_equal(fitted.betas, plain.betas)
    np.testing.assert_array_equal(fitted.sigma2, plain.sigma2)


@EVERY
def test_no_voxels_give_empty_maps(noise):
    fitted = fit(np.zeros((20, 0)), np.ones(20), noise=noise)

    assert fitted.betas.shape == (1, 0)
    assert fitted.contrast([1.0]).z.shape == (0,)
    assert fitted.contrast([[1.0]]).z.shape == (0,)


@EVERY
def test_arguments_are_left_as_they_were(noise):
    rng = np.random.default_rng(0)
    bold, X = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
    copies = bold.copy(), X.copy()

    fit(bold, X, noise=noise).contrast([1, 0])

    np.testing.assert_array_equal(bold, copies[0])
    np.testing.assert_array_equal(X, copies[1])


@EVERY
def test_one_signal_and_one_regressor_may_be_vectors(noise):
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(2, 30))

    fitted = fit(y, x, noise=noise)

    assert fitted.betas.shape == (1, 1)
    np.testing.assert_array_equal(
        fitted.betas, fit(y[:, np.newaxis], x[:, np.newaxis], noise=noise).betas
    )


# --- contrasts


@EVERY
def test_f_of_one_row_is_t_squared_with_the_same_degrees_of_freedom(noise):
    bold, X = drawn((60, 5)), drawn((60, 3), 1)
    fitted = fit(bold, X, noise=noise)

    t, F = fitted.contrast([1, -1, 0]), fitted.contrast([[1, -1, 0]])

    np.testing.assert_allclose(F.F, t.t**2, rtol=1e-10)
    np.testing.assert_allclose(F.dof, t.dof, rtol=1e-7)


@EVERY
def test_rows_that_follow_from_others_change_nothing(noise):
    fitted = fit(drawn((60, 5)), drawn((60, 4), 1), noise=noise)
    rows = np.eye(4)[:2]

    once = fitted.contrast(rows)
    more = fitted.contrast(np.vstack([rows, rows[0] - 3 * rows[1], 1e-6 * rows[1]]))

    assert more.dof_numerator == 2
    np.testing.assert_allclose(more.F, once.F, rtol=1e-10)
    np.testing.assert_allclose(more.dof, once.dof, rtol=1e-7)


@EVERY
def test_voxels_without_noise_have_finite_statistics_of_nothing(noise):
    X = np.column_stack([drawn((30, 2)), np.ones(30)])
    bold = np.column_stack([drawn(30, 1), np.full(30, 1234.5678), np.zeros(30), X @ [3, -1, 50]])

    fitted = fit(bold, X, noise=noise)
    t, F = fitted.contrast([1, 0, 0]), fitted.contrast(np.eye(3)[:2])

    np.testing.assert_array_equal(fitted.sigma2[1:], 0)
    np.testing.assert_array_equal(t.t[1:], 0)
    np.testing.assert_array_equal(t.z[1:], 0)
    np.testing.assert_array_equal(t.p[1:], 0.5)
    np.testing.assert_array_equal(F.F[1:], 0)
    np.testing.assert_array_equal(F.z[1:], 0)
    np.testing.assert_array_equal(F.p[1:], 1)
    np.testing.assert_allclose(fitted.betas[:, 3], [3, -1, 50], rtol=1e-12)
    assert all(np.isfinite(values).all() for values in (t.variance, t.dof, F.dof))


@pytest.mark.parametrize("noise", ["ols", "ar1", "arma11", "nilearn-ar1"])  # others share
def test_f_of_a_voxel_alone_is_that_among_others(noise):
    rng = np.random.default_rng(12)
    design = np.column_stack([rng.normal(size=(120, 3)).cumsum(axis=0), np.ones(120)])
    bold = rng.normal(size=(120, 2))
    rows = np.eye(4)[:2]

    among_others = fit(bold, design, noise=noise).contrast(rows)
    alone = fit(bold[:, :1], design, noise=noise).contrast(rows)

    np.testing.assert_allclose(alone.F, among_others.F[:1], rtol=1e-6)
    np.testing.assert_allclose(alone.dof, np.ravel(among_others.dof)[0], rtol=1e-9)


@EVERY
def test_f_is_one_however_its_rows_are_written(noise):
    rng = np.random.default_rng(3)
    design = np.column_stack([rng.normal(size=(120, 3)).cumsum(axis=0), np.ones(120)])
    bold = rng.normal(size=(120, 30)).cumsum(axis=0) + 3 * rng.normal(size=(120, 30))
    rows, fitted = np.eye(4)[:3], fit(bold, design, noise=noise)

    one = fitted.contrast(rows)
    other = fitted.contrast(np.array([[1.0, 2, 0], [0, -1, 0.5], [3, 0, 1]]) @ rows)

    np.testing.assert_allclose(other.F, one.F, rtol=1e-8)
    np.testing.assert_allclose(other.dof, one.dof, rtol=1e-6)


@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_threads_change_not_a_bit(noise):
    rng = np.random.default_rng(5)
    bold, X = rng.normal(size=(120, 700)) + 50, rng.normal(size=(120, 4))
    bold[:, 300] = 7.0  # a voxel without signal

    one = fit(bold, X, noise=noise, block_size=64, n_threads=1)
    many = fit(bold, X, noise=noise, block_size=64, n_threads=5)

    assert one.to_arrays().keys() == many.to_arrays().keys()
    for name, value in one.to_arrays().items():
        np.testing.assert_array_equal(many.to_arrays()[name], value, err_msg=name)
