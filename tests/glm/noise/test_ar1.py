"""Autoregressive noise: coefficient, estimates and degrees of freedom.

The reference is made independently, with the full covariance matrix of every voxel:
whitening by its Cholesky factor, and a scalar optimizer for the coefficient.
"""

import numpy as np
import pytest
from scipy import linalg, optimize

from boldglm.glm import fit
from boldglm.glm.noise.ar1 import AR1Design, AR1Residuals

N_SCANS = 120


def autoregressive(rho, n_scans=N_SCANS, seed=0):
    """Return stationary noise with one coefficient per voxel; (n_scans, n_voxels)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n_scans, len(rho)))
    noise[0] /= np.sqrt(1 - np.square(rho))
    for scan in range(1, n_scans):
        noise[scan] += rho * noise[scan - 1]
    return noise


def drifting_design(n_scans=N_SCANS, seed=1):
    """Return regressors that are slow, a constant, and one that follows from others."""
    X = np.random.default_rng(seed).normal(size=(n_scans, 6)).cumsum(axis=0)
    return np.column_stack([X, np.ones(n_scans), X[:, 0] - 2 * X[:, 1]])


class FullCovariance:
    """Generalized least squares of one voxel with the n_scans x n_scans covariance."""

    def __init__(self, y, X, rho):
        n_scans = len(y)
        covariance = linalg.toeplitz(rho ** np.arange(n_scans)) / (1 - rho**2)
        factor = np.linalg.cholesky(covariance)
        left, singular, _ = np.linalg.svd(X, full_matrices=False)
        basis = left[:, singular > 1e-10 * singular[0]]
        white_y, white_X, white_basis = (
            linalg.solve_triangular(factor, a, lower=True) for a in (y, X, basis)
        )
        self.dof = n_scans - basis.shape[1]
        self.betas = np.linalg.pinv(white_X) @ white_y
        self.unscaled = np.linalg.pinv(white_X.T @ white_X)
        residuals = white_y - white_basis @ (np.linalg.pinv(white_basis) @ white_y)
        self.ssr = residuals @ residuals
        self.criterion = (
            self.dof * np.log(self.ssr)
            + 2 * np.log(np.diag(factor)).sum()
            + np.linalg.slogdet(white_basis.T @ white_basis)[1]
        )

    def log_variance(self, c):
        return np.log(self.ssr / self.dof * (c @ self.unscaled @ c))


@pytest.fixture(scope="module")
def problem():
    true = np.linspace(-0.6, 0.95, 24)
    return autoregressive(true) + 500, drifting_design()


@pytest.fixture(scope="module")
def fitted(problem):
    return fit(*problem, noise="ar1")


def test_rho_maximizes_the_restricted_likelihood(problem, fitted):
    bold, X = problem
    centered = bold - bold.mean(axis=0)

    best = []
    for y in centered.T:
        values = [FullCovariance(y, X, np.tanh(z)).criterion for z in np.linspace(-1.5, 2.3, 39)]
        start = np.linspace(-1.5, 2.3, 39)[np.argmin(values)]
        at = optimize.minimize_scalar(
            lambda z, y=y: FullCovariance(y, X, np.tanh(z)).criterion,
            bounds=(start - 0.1, start + 0.1),
            method="bounded",
            options={"xatol": 1e-9},
        )
        best.append(np.tanh(at.x))

    # the optimizer itself knows its minimum to about the square root of rounding
    np.testing.assert_allclose(fitted.ar[0], best, atol=1e-6)


def test_estimates_are_those_of_the_full_covariance(problem, fitted):
    bold, X = problem
    c = np.array([0.0, 0, 1, -1, 0, 0, 0, 0])
    tested = fitted.contrast(c)
    full = [FullCovariance(y, X, rho) for y, rho in zip(bold.T, fitted.ar[0], strict=True)]

    np.testing.assert_allclose(fitted.sigma2, [gls.ssr / gls.dof for gls in full], rtol=1e-10)
    np.testing.assert_allclose(tested.effect, [c @ gls.betas for gls in full], rtol=1e-9)
    np.testing.assert_allclose(
        tested.variance, [np.exp(gls.log_variance(c)) for gls in full], rtol=1e-9
    )


def test_betas_of_dependent_regressors_are_the_shortest_solution(problem, fitted):
    X = problem[1]

    # what a solution of any length fits, and what the shortest one of that fit is
    shortest = np.linalg.pinv(X) @ (X @ fitted.betas)
    np.testing.assert_allclose(fitted.betas, shortest, rtol=1e-9, atol=1e-11)


def test_degrees_of_freedom_count_the_uncertainty_of_rho(problem, fitted):
    bold, X = problem
    c = np.array([0.0, 0, 1, -1, 0, 0, 0, 0])
    tested, h = fitted.contrast(c), 1e-3

    expected = []
    for y, z in zip((bold - bold.mean(axis=0)).T, np.arctanh(fitted.ar[0]), strict=True):
        low, middle, high = (FullCovariance(y, X, np.tanh(z + d)) for d in (-h, 0, h))
        curvature = (low.criterion - 2 * middle.criterion + high.criterion) / h**2
        slope = (high.log_variance(c) - low.log_variance(c)) / (2 * h)
        expected.append(2 / (2 / fitted.dof + slope**2 * 2 / curvature))

    # the curvature is that of the last step but one, and the reference differentiates numerically
    np.testing.assert_allclose(tested.dof, expected, rtol=1e-3)
    assert (tested.dof < fitted.dof).all()


def test_degrees_of_freedom_of_f_are_those_of_fai_and_cornelius(problem, fitted):
    bold, X = problem
    C, h = np.eye(8)[[2, 3, 4]], 1e-3
    tested = fitted.contrast(C)
    # the method depends on which rows span the contrast: those uncorrelated in white noise
    C = np.linalg.solve(np.linalg.cholesky(C @ np.linalg.pinv(X.T @ X) @ C.T), C)

    expected = []
    for y, z in zip((bold - bold.mean(axis=0)).T, np.arctanh(fitted.ar[0]), strict=True):
        low, middle, high = (FullCovariance(y, X, np.tanh(z + d)) for d in (-h, 0, h))
        of_z = 2 * h**2 / (low.criterion - 2 * middle.criterion + high.criterion)
        covariances = [gls.ssr / gls.dof * (C @ gls.unscaled @ C.T) for gls in (low, middle, high)]
        values, vectors = np.linalg.eigh(covariances[1])
        change = (covariances[2] - covariances[0]) / (2 * h)
        slopes = np.diag(vectors.T @ change @ vectors) / values
        each = 2 / (2 / fitted.dof + slopes**2 * of_z)
        total = (each / (each - 2)).sum()
        expected.append(2 * total / (total - 3))

    np.testing.assert_allclose(tested.dof, expected, rtol=1e-3)


def test_f_matches_the_full_covariance(problem, fitted):
    bold, X = problem
    C = np.eye(8)[[2, 3, 4]]
    tested = fitted.contrast(C)

    expected = []
    for y, rho in zip(bold.T, fitted.ar[0], strict=True):
        full = FullCovariance(y, X, rho)
        effects = C @ full.betas
        covariance = full.ssr / full.dof * (C @ full.unscaled @ C.T)
        expected.append(effects @ np.linalg.solve(covariance, effects) / 3)

    np.testing.assert_allclose(tested.F, expected, rtol=1e-9)
    assert (tested.dof > 2).all()


def test_the_estimate_of_rho_is_nearly_unbiased_in_a_short_run_with_many_regressors():
    true = np.repeat([0.0, 0.2, 0.4, 0.6], 1000)
    X = np.column_stack([np.random.default_rng(3).normal(size=(150, 25)), np.ones(150)])

    rho = fit(autoregressive(true, 150), X, noise="ar1").ar[0].reshape(4, 1000).mean(axis=1)

    # 1000 voxels with standard deviation .09: standard error .003
    np.testing.assert_allclose(rho, [0, 0.2, 0.4, 0.6], atol=0.015)


def test_white_noise_gives_nearly_the_estimates_of_ordinary_least_squares():
    bold = np.random.default_rng(0).normal(size=(400, 50))
    X = np.column_stack([np.random.default_rng(1).normal(size=(400, 2)), np.ones(400)])

    white, autoregression = fit(bold, X), fit(bold, X, noise="ar1")

    assert np.abs(autoregression.ar).max() < 0.2
    np.testing.assert_allclose(autoregression.betas, white.betas, atol=0.05)


@pytest.mark.parametrize("rho", [0.999, -0.99])
def test_noise_beyond_the_range_of_rho_stays_finite(rho):
    bold = autoregressive(np.full(40, rho), 60)
    X = np.column_stack([np.linspace(-1, 1, 60) ** 2, np.ones(60)])

    fitted = fit(bold, X, noise="ar1")
    t, F = fitted.contrast([1, 0]), fitted.contrast(np.eye(2))

    assert (fitted.ar >= -0.95 - 1e-12).all()
    assert (fitted.ar <= 0.99 + 1e-12).all()
    for values in (t.z, t.dof, F.z, F.dof, fitted.betas, fitted.sigma2):
        assert np.isfinite(values).all()
    assert (t.dof > 0).all()
    assert (t.dof <= fitted.dof + 1e-9).all()


# --- the algebra, against matrices that are formed


@pytest.mark.parametrize("rho", [-0.9, -0.3, 0.0, 0.4, 0.98])
def test_inverse_determinant_and_their_derivatives_agree_with_formed_matrices(rho):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(np.column_stack([rng.normal(size=(30, 4)), np.ones(30)]))[0]
    design, rotation = AR1Design.of(basis)
    U = basis @ rotation

    def formed(value):
        covariance = linalg.toeplitz(value ** np.arange(30)) / (1 - value**2)
        return U.T @ np.linalg.inv(covariance) @ U

    right, h = rng.normal(size=5), 1e-4
    at = design.at(np.array([rho]))
    low, middle, high = (np.linalg.slogdet(formed(rho + d))[1] for d in (-h, 0, h))

    np.testing.assert_allclose(
        at.solve(right[:, np.newaxis])[:, 0], np.linalg.solve(formed(rho), right), rtol=1e-10
    )
    value, *slopes = at.log_determinant(), *at.log_determinant_slopes()
    first, second = (float(part[0]) for part in slopes)
    np.testing.assert_allclose(value, middle, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(first, (high - low) / (2 * h), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(second, (high - 2 * middle + low) / h**2, rtol=1e-3, atol=1e-4)


def test_sums_of_squares_on_the_nodes_are_those_at_each_voxel():
    rng = np.random.default_rng(0)
    design, _ = AR1Design.of(np.linalg.qr(rng.normal(size=(30, 4)))[0])
    statistics = AR1Residuals(
        rng.normal(size=(4, 6)), 50 + rng.random(6), rng.normal(size=6), rng.normal(size=(2, 6))
    )
    nodes = np.array([-0.8, 0.0, 0.7])

    grid = statistics.ssr_at_nodes(design.at(nodes))

    for row, rho in zip(grid, nodes, strict=True):
        np.testing.assert_allclose(
            row, statistics.solution(design.at(np.full(6, rho))).ssr / statistics.g0, rtol=1e-5
        )


def test_a_flat_likelihood_leaves_a_tenth_of_the_information_of_a_long_run():
    # in a long run the variance of z is 1 / (T (1 - ρ²))
    X = np.random.default_rng(5).normal(size=(16, 10))
    estimates = fit(np.random.default_rng(6).normal(size=(16, 3000)), X, noise="ar1").estimates

    relative = estimates.z_variance * estimates.dof * (1 - estimates.rho**2)

    np.testing.assert_allclose(relative.max(), 10.0, rtol=1e-9)
