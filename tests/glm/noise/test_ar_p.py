"""Autoregressions of higher order, each voxel with its own coefficients."""

import tracemalloc

import numpy as np
import pytest
from scipy.linalg import toeplitz

from boldglm.glm import fit
from boldglm.glm.first_level.fit import check_noise_model
from boldglm.glm.noise.ar_process import (
    ar_to_partial,
    autocorrelations,
    partial_to_ar,
    simulate,
    variance_ratio,
)
from boldglm.glm.noise.gls import GLSDesign


def a_design(n_scans=200, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(n_scans)
    events = rng.uniform(size=(n_scans, 3)) < 0.1
    slow = [np.cos(np.pi * k * (time + 0.5) / n_scans) for k in range(1, 7)]
    walk = np.cumsum(rng.normal(size=(n_scans, 10)), axis=0)
    return np.column_stack([time % 20 >= 10, events, *slow, walk, np.ones(n_scans)])


def noise_of(ar, n_voxels, n_scans=200, seed=0):
    columns = np.repeat(np.asarray(ar)[:, np.newaxis], n_voxels, axis=1)
    return simulate(columns, n_scans, np.random.default_rng(seed))


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_given_its_coefficients_the_fit_is_generalized_least_squares(order, mean):
    X = a_design()
    X = np.column_stack([X, X[:, 1] - X[:, 2]])  # rank deficient
    bold = noise_of([0.5, -0.2], 40) + mean
    fitted = fit(bold, X, noise=f"ar{order}")
    tested = fitted.contrast(np.eye(X.shape[1])[0])

    for voxel in range(0, 40, 8):
        ar = fitted.ar[:, [voxel]]
        column = autocorrelations(ar, len(X))[:, 0] * variance_ratio(ar)[0]
        precision = np.linalg.inv(toeplitz(column))
        normal = np.linalg.pinv(X.T @ precision @ X)
        betas = normal @ X.T @ precision @ bold[:, voxel]
        residuals = bold[:, voxel] - X @ betas
        sigma2 = residuals @ precision @ residuals / fitted.dof
        np.testing.assert_allclose(fitted.sigma2[voxel], sigma2, rtol=1e-9)
        # an effect of a thousandth of the mean has lost that many digits to it
        np.testing.assert_allclose(tested.effect[voxel], betas[0], rtol=1e-9, atol=1e-13 * mean)
        np.testing.assert_allclose(tested.variance[voxel], sigma2 * normal[0, 0], rtol=1e-9)


@pytest.mark.parametrize("ar", [[0.5, -0.3], [0.4, 0.2, 0.0, 0.1]], ids=["order 2", "order 4"])
def test_coefficients_are_not_biased_by_the_regressors(ar):
    fitted = fit(noise_of(ar, 2000), a_design(), noise=f"ar{len(ar)}")

    np.testing.assert_allclose(fitted.ar.mean(axis=1), ar, atol=0.03)


def test_p_values_of_order_two_are_calibrated_where_that_is_the_noise():
    X = a_design()
    fitted = fit(noise_of([0.5, -0.3], 8000, seed=3), X, noise="ar2")

    for column in range(2):
        tested = fitted.contrast(np.eye(X.shape[1])[column])
        assert abs(((tested.p < 0.025) | (tested.p > 0.975)).mean() - 0.05) < 0.01
        assert np.median(tested.dof) < fitted.dof


def covariance_of(ar, n_scans):
    """Return the covariance of noise with innovations of variance 1."""
    return toeplitz(autocorrelations(ar, n_scans)[:, 0] * variance_ratio(ar)[0])


def log_variance(z, covariance, X, c):
    """Return the logarithm of the contrast's variance with z, expected of noise as given."""
    precision = np.linalg.inv(covariance_of(partial_to_ar(np.tanh(z[:, np.newaxis])), len(X)))
    inverse = np.linalg.inv(X.T @ precision @ X)
    left = precision - precision @ X @ inverse @ X.T @ precision
    return np.log(np.trace(left @ covariance)) + np.log(c @ inverse @ c)


def test_degrees_of_freedom_follow_from_how_the_variance_changes_with_the_coefficients():
    X = a_design(120)
    fitted = fit(noise_of([0.5, -0.3], 50, n_scans=120), X, noise="ar2")
    contrasts = np.eye(X.shape[1])[:3]

    for c in contrasts:
        tested = fitted.contrast(c)
        for voxel in (0, 20, 40):
            ar = fitted.ar[:, [voxel]]
            z, noise = np.arctanh(ar_to_partial(ar))[:, 0], covariance_of(ar, len(X))
            slopes = [
                (log_variance(z + step, noise, X, c) - log_variance(z - step, noise, X, c)) / 2e-4
                for step in 1e-4 * np.eye(2)
            ]
            spread = slopes @ fitted.estimates.z_covariance @ slopes
            np.testing.assert_allclose(tested.dof[voxel], 2 / (2 / fitted.dof + spread), rtol=1e-5)


def test_degrees_of_freedom_in_several_directions_are_those_of_dense_matrices():
    X = a_design(120)
    fitted = fit(noise_of([0.5, -0.3], 30, n_scans=120), X, noise="ar2")
    U, estimates = fitted.model.basis, fitted.estimates
    rows = np.random.default_rng(0).normal(size=(3, U.shape[1]))

    variances = estimates.contrast_variance(rows)

    def covariance(z, noise):
        precision = np.linalg.inv(covariance_of(partial_to_ar(np.tanh(z[:, np.newaxis])), len(U)))
        inverse = np.linalg.inv(U.T @ precision @ U)
        left = precision - precision @ U @ inverse @ U.T @ precision
        return np.trace(left @ noise) * rows @ inverse @ rows.T

    for voxel in (0, 15):
        ar = fitted.ar[:, [voxel]]
        z, noise = np.arctanh(ar_to_partial(ar))[:, 0], covariance_of(ar, len(U))
        values, vectors = np.linalg.eigh(covariance(z, noise))
        slopes = [
            np.diag(vectors.T @ (covariance(z + h, noise) - covariance(z - h, noise)) @ vectors)
            / (2e-4 * values)
            for h in 1e-4 * np.eye(2)
        ]
        spread = np.einsum("pa,pr,ra->a", slopes, estimates.z_covariance, slopes)
        np.testing.assert_allclose(variances.dof[voxel], 2 / (2 / fitted.dof + spread), rtol=1e-4)


def test_signals_are_read_once():
    bold, read = noise_of([0.5, -0.3], 70), []

    class Counted:
        """A file that counts."""

        shape, dtype = bold.shape, bold.dtype

        def __getitem__(self, key):
            read.extend(range(70)[key[1]])
            return bold[key]

    fitted = fit(Counted(), a_design(), noise="ar2", block_size=20)

    assert sorted(read) == list(range(70))
    np.testing.assert_allclose(fitted.betas, fit(bold, a_design(), noise="ar2").betas, rtol=1e-9)


def test_designs_of_high_rank_have_matrices_of_few_voxels_at_a_time():
    X = np.random.default_rng(0).normal(size=(300, 150))
    bold = noise_of([0.5, -0.3], 800, n_scans=300)
    tracemalloc.start()

    fitted = fit(bold, X, noise="ar2", n_threads=1)
    fitted.contrast(np.eye(150)[:2])

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 150**2 * 800  # one matrix for each voxel


def test_f_of_one_row_is_the_square_of_t():
    X = a_design()
    fitted = fit(noise_of([0.5, -0.3], 20), X, noise="ar3")
    row = np.eye(X.shape[1])[1] - np.eye(X.shape[1])[2]

    t, f = fitted.contrast(row), fitted.contrast(row[np.newaxis])

    np.testing.assert_allclose(f.F, t.t**2, rtol=1e-12)
    np.testing.assert_allclose(f.dof, t.dof, rtol=1e-9)


def test_contrasts_that_are_tested_together_are_those_tested_alone():
    X = a_design()
    fitted = fit(noise_of([0.5, -0.3], 30), X, noise="ar2")
    contrasts = [("first", np.eye(len(X[0]))[0]), ("any", np.eye(len(X[0]))[1:4]),
              ("last", np.eye(len(X[0]))[-1])]  # fmt: skip

    together = list(fitted.contrasts(contrasts))

    for (name, weights), one in zip(contrasts, together, strict=True):
        alone = fitted.contrast(weights, name=name)
        assert (one.name, one.test) == (name, alone.test)
        np.testing.assert_allclose(one.statistic, alone.statistic, rtol=1e-12)
        np.testing.assert_allclose(one.dof, alone.dof, rtol=1e-9)


def test_voxels_are_solved_once_for_all_contrasts(monkeypatch):
    X = a_design()
    fitted = fit(noise_of([0.5, -0.3], 30), X, noise="ar2")
    calls = []
    matrices = GLSDesign.normal_matrices
    monkeypatch.setattr(
        GLSDesign, "normal_matrices", lambda *given: calls.append(1) or matrices(*given)
    )

    tested = list(fitted.contrasts([(str(k), row) for k, row in enumerate(np.eye(len(X[0])))]))

    assert len(tested) == len(X[0])
    assert len(calls) == 1


@pytest.mark.parametrize(("n_scans", "order"), [(60, 3), (60, 4), (60, 6), (100, 6)])
def test_a_run_that_says_too_little_about_the_coefficients_is_refused(n_scans, order):
    rng = np.random.default_rng([n_scans, order])
    walks = np.cumsum(rng.normal(size=(n_scans, 20)), axis=0)
    X = np.column_stack([np.arange(n_scans) % 20 >= 10, walks, np.ones(n_scans)])

    with pytest.raises(
        ValueError, match=r"deviation of their z would be .* Use the noise model auto"
    ):
        fit(noise_of([0.5], 5, n_scans), X, noise=f"ar{order}")
    with pytest.raises(ValueError, match="Use the noise model auto"):
        check_noise_model(X, f"ar{order}")


@pytest.mark.parametrize("ar", [[0.0], [0.5]], ids=["white", "order 1"])
@pytest.mark.parametrize(("n_scans", "order"), [(60, 2), (100, 2), (150, 4), (200, 4)])
def test_a_run_that_is_not_refused_has_tests_of_use(n_scans, order, ar):
    rng = np.random.default_rng([n_scans, order])
    walks = np.cumsum(rng.normal(size=(n_scans, 10)), axis=0)
    X = np.column_stack([np.arange(n_scans) % 20 >= 10, walks, np.ones(n_scans)])

    tested = fit(noise_of(ar, 4000, n_scans, seed=1), X, noise=f"ar{order}").contrast(
        np.eye(12)[0]
    )

    rate = ((tested.p < 0.025) | (tested.p > 0.975)).mean()
    assert 0.03 < rate < 0.08
    assert np.median(tested.dof) > 10


def test_a_short_run_is_refused():
    with pytest.raises(ValueError, match="too few for autoregression of order 4: it needs 10"):
        fit(np.random.default_rng(0).normal(size=(12, 3)), np.eye(12)[:, :4], noise="ar4")
