"""The fit: what must hold for any design and data, and what is refused."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from boldglm.glm import NOISE_MODELS, Fit, fit, orthogonalize
from boldglm.glm.design import Design
from boldglm.glm.exact_ar import refuse_too_many
from boldglm.glm.fit import check_noise_model
from boldglm.glm.linear_model import linear_model

# "ar3" and so on are the same code as "ar2"
MODELS = [name for name in NOISE_MODELS if name not in {"ar3", "ar4", "ar5", "ar6"}]
EVERY = pytest.mark.parametrize("noise", MODELS)


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
        refuse_too_many(linear_model(X), order)
    except ValueError:
        return False
    return True


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


@given(problems(), st.sampled_from(MODELS))
def test_betas_have_a_row_per_regressor_and_a_column_per_voxel(problem, noise):
    bold, X = sensible(problem, noise)

    found = fit(bold, X, noise=noise)

    assert found.betas.shape == (X.shape[1], 3)
    assert found.sigma2.shape == (3,)
    assert found.rank == np.linalg.matrix_rank(X)
    assert found.dof == len(X) - found.rank
    assert (found.n_scans, found.n_voxels) == bold.shape
    assert (found.ar is None) == (noise == "ols")


@given(problems())
def test_ols_betas_are_the_pseudo_inverse_times_the_data(problem):
    bold, X = problem

    expected = np.linalg.pinv(X) @ bold

    # near-equal regressors amplify rounding by their condition number, at most about 1e4
    np.testing.assert_allclose(fit(bold, X, noise="ols").betas, expected, rtol=1e-9, atol=1e-9)


@given(problems())
def test_ols_noise_variance_is_that_of_the_residuals(problem):
    bold, X = problem

    found = fit(bold, X, noise="ols")

    residuals = bold - X @ np.linalg.pinv(X) @ bold
    np.testing.assert_allclose(found.sigma2, (residuals**2).sum(axis=0) / found.dof, rtol=1e-8)


@given(problems(full_rank=True), st.sampled_from(MODELS))
def test_adding_a_fitted_signal_moves_betas_only(problem, noise):
    bold, X = sensible(problem, noise)
    shift = np.arange(1.0, X.shape[1] + 1)[:, np.newaxis]

    before, after = fit(bold, X, noise=noise), fit(bold + X @ shift, X, noise=noise)

    np.testing.assert_allclose(
        after.betas - before.betas, shift + np.zeros(3), atol=rounding(noise, 1e-6)
    )
    np.testing.assert_allclose(after.sigma2, before.sigma2, rtol=rounding(noise, 1e-6))


@given(problems(), st.floats(1e-6, 1e6), st.sampled_from(MODELS))
def test_the_unit_of_the_signal_leaves_t_and_f(problem, unit, noise):
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


@given(problems(full_rank=True), st.integers(0, 1000), st.sampled_from(MODELS))
def test_other_regressors_of_the_same_space_leave_t_of_the_same_contrast(problem, seed, noise):
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


@given(problems(), st.sampled_from(MODELS))
def test_a_duplicated_regressor_changes_neither_noise_nor_degrees_of_freedom(problem, noise):
    bold, X = sensible(problem, noise)

    once, twice = fit(bold, X, noise=noise), fit(bold, np.c_[X, X[:, 0]], noise=noise)

    assert twice.dof == once.dof
    np.testing.assert_allclose(twice.sigma2, once.sigma2, rtol=rounding(noise, 1e-7))


@given(problems(), st.permutations(range(3)), st.sampled_from(MODELS))
def test_the_order_of_voxels_does_not_matter(problem, order, noise):
    bold, X = sensible(problem, noise)
    row = estimable(X)[0]

    straight = fit(bold, X, noise=noise).contrast(row).t
    permuted = fit(bold[:, order], X, noise=noise).contrast(row).t

    np.testing.assert_allclose(
        permuted, straight[list(order)], rtol=rounding(noise, 1e-7), atol=rounding(noise, 1e-9)
    )


@given(problems(), st.integers(1, 4), st.sampled_from(MODELS))
def test_the_size_of_blocks_changes_nothing_beyond_rounding(problem, block_size, noise):
    bold, X = sensible(problem, noise)

    blocks, whole = fit(bold, X, noise=noise, block_size=block_size), fit(bold, X, noise=noise)

    np.testing.assert_allclose(
        blocks.betas, whole.betas, rtol=rounding(noise, 1e-7), atol=rounding(noise, 1e-9)
    )
    np.testing.assert_allclose(blocks.sigma2, whole.sigma2, rtol=rounding(noise, 1e-7))


@given(problems(full_rank=True), st.sampled_from(MODELS))
def test_orthogonalizing_leaves_the_t_of_what_is_orthogonalized(problem, noise):
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


def test_regressors_of_very_different_size_all_count():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    units = np.array([1e-9, 1.0, 1e9, 1e-3])
    bold = rng.normal(size=(50, 3))

    found = fit(bold, X * units, noise="ols")

    assert found.rank == 4
    np.testing.assert_allclose(
        found.betas * units[:, np.newaxis], fit(bold, X, noise="ols").betas, rtol=1e-9
    )


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, ">f8", bool])
def test_any_real_type_is_calculated_in_double_precision(dtype):
    rng = np.random.default_rng(0)
    bold = (rng.normal(size=(40, 6)) * 20 + 100).astype(dtype)
    X = np.column_stack([rng.normal(size=40), np.ones(40)])

    found = fit(bold, X, noise="ols")

    assert found.betas.dtype == np.float64
    np.testing.assert_array_equal(found.betas, fit(bold.astype(np.float64), X, noise="ols").betas)


@EVERY
def test_one_signal_and_one_regressor_may_be_vectors(noise):
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(2, 30))

    found = fit(y, x, noise=noise)

    assert found.betas.shape == (1, 1)
    np.testing.assert_array_equal(
        found.betas, fit(y[:, np.newaxis], x[:, np.newaxis], noise=noise).betas
    )


@EVERY
def test_no_voxels_give_empty_maps(noise):
    found = fit(np.zeros((20, 0)), np.ones(20), noise=noise)

    assert found.betas.shape == (1, 0)
    assert found.contrast([1.0]).z.shape == (0,)
    assert found.contrast([[1.0]]).z.shape == (0,)


@EVERY
def test_arguments_are_left_as_they_were(noise):
    rng = np.random.default_rng(0)
    bold, X = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
    copies = bold.copy(), X.copy()

    fit(bold, X, noise=noise).contrast([1, 0])

    np.testing.assert_array_equal(bold, copies[0])
    np.testing.assert_array_equal(X, copies[1])


def test_the_basis_is_orthonormal_and_knows_the_constant():
    rng = np.random.default_rng(0)
    indicators = np.kron(np.eye(3), np.ones((5, 1)))

    model = linear_model(np.c_[indicators, rng.normal(size=15)])

    np.testing.assert_allclose(model.basis.T @ model.basis, np.eye(4), atol=1e-14)
    np.testing.assert_allclose(model.constant_weights, [1, 1, 1, 0], atol=1e-14)
    assert not linear_model(rng.normal(size=(15, 3))).spans_constant


# --- a fit travels


@EVERY
def test_a_fit_survives_a_file_in_every_bit(noise, tmp_path):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(30, 2)), np.ones(30)])
    design = Design(
        X, ["a b", "größe", "constant"], np.arange(30), ["condition"] * 2 + ["constant"]
    )
    before = fit(rng.normal(size=(30, 4)), design, noise=noise)

    np.savez(tmp_path / "fit.npz", **before.to_arrays())
    with np.load(tmp_path / "fit.npz", allow_pickle=False) as arrays:
        after = Fit.from_arrays(arrays)

    assert (after.names, after.noise, after.dof) == (before.names, before.noise, before.dof)
    np.testing.assert_array_equal(after.betas, before.betas)
    np.testing.assert_array_equal(after.sigma2, before.sigma2)
    one, two = before.contrast("a b - größe"), after.contrast("a b - größe")
    np.testing.assert_array_equal(two.z, one.z)
    np.testing.assert_array_equal(two.dof, one.dof)


@EVERY
def test_a_fit_keeps_a_few_numbers_per_voxel_not_the_scans(noise):
    bold = np.random.default_rng(0).normal(size=(200, 600))

    def kept(n_voxels):
        arrays = fit(bold[:, :n_voxels], np.ones(200), noise=noise).estimates.__dict__.values()
        return sum(
            a.shape[-1] * a[..., 0].size
            for a in map(np.asarray, arrays)
            if a.ndim and a.shape[-1] == n_voxels
        )

    assert kept(600) / 600 == kept(300) / 300 < 10


# --- what is refused


@pytest.mark.parametrize(
    ("bold", "design", "options", "message"),
    [
        (np.ones((5, 2)), np.ones((6, 1)), {}, "bold has 5 scans but the design has 6 rows"),
        (np.ones((2, 6)), np.ones((6, 1)), {}, "It looks transposed"),
        (np.ones((6, 2, 2)), np.ones((6, 1)), {}, "needs two axes"),
        (np.ones((6, 2)), np.ones((6, 1, 1)), {}, "design has shape"),
        (np.ones((6, 2)), np.ones((6, 0)), {}, "design has shape"),
        (np.ones((6, 2)), np.zeros((6, 2)), {}, "0 in every scan"),
        (np.ones((6, 2)) * 1j, np.ones((6, 1)), {}, "needs real numbers"),
        (np.array([["a"]] * 6), np.ones((6, 1)), {}, "needs real numbers"),
        (np.ones((3, 2)), np.eye(3), {}, "3 scans cannot be fitted by a design of rank 3"),
        (
            np.ones((6, 2)),
            np.ones((6, 1)),
            {"noise": "atuo"},
            "Known: auto, ols.*mean 'auto'",
        ),
        (np.ones((6, 2)), np.ones((6, 1)), {"block_size": 0}, "block_size is 0"),
        (np.ones((6, 2)), np.ones((6, 1)), {"n_threads": 0}, "n_threads is 0"),
    ],
)
def test_input_that_cannot_be_fitted_is_refused(bold, design, options, message):
    with pytest.raises(ValueError, match=message):
        fit(bold, design, **options)


def test_missing_values_are_counted_and_named():
    bold, X = np.ones((6, 5)), np.random.default_rng(0).normal(size=(6, 2))
    bold[2, 1] = bold[3, 1] = np.nan
    bold[0, 4] = np.inf

    for n_threads in (1, 3):
        with pytest.raises(ValueError, match="not finite at 2 of 5 voxels"):
            fit(bold, X, block_size=2, n_threads=n_threads)
    X[4, 1] = np.nan
    with pytest.raises(ValueError, match="not finite, in 'column_2'"):
        fit(np.ones((6, 5)), X, noise="ols")


@pytest.mark.parametrize("noise", [name for name in MODELS if name not in {"ar2", "arma11"}])
def test_one_residual_degree_of_freedom_is_enough(noise):
    rng = np.random.default_rng(0)

    found = fit(rng.normal(size=(6, 3)), rng.normal(size=(6, 5)), noise=noise)

    assert found.dof == 1
    assert np.isfinite(found.contrast([1, 0, 0, 0, 0]).z).all()


@pytest.mark.parametrize("noise", NOISE_MODELS)
@pytest.mark.parametrize("dof", [0, 1, 3, 5, 8, 30])
def test_what_is_refused_is_refused_before_there_are_data(noise, dof):
    X = np.random.default_rng(dof).normal(size=(dof + 4, 4))

    def refusal(attempt):
        try:
            attempt()
        except ValueError as error:
            return str(error)
        return None

    told = refusal(lambda: check_noise_model(X, noise))

    assert told == refusal(
        lambda: fit(np.random.default_rng(1).normal(size=(len(X), 2)), X, noise)
    )
    assert (told is None) == (dof >= {"arma11": 6}.get(noise, 1)) or noise[2:].isdigit()
