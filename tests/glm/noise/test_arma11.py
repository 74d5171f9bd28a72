"""Autoregressive plus white noise: exact at the points of its grid, calibrated on such noise."""

import tracemalloc

import numpy as np
import pytest
from scipy.linalg import toeplitz

from boldglm.glm import fit
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.noise.ar_process import simulate
from boldglm.glm.noise.arma11 import RHO, SHARE, estimate_arma11
from boldglm.glm.noise.blocks import Chunks


def a_design(n_scans=160, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(n_scans)
    events = rng.uniform(size=(n_scans, 2)) < 0.1
    slow = [np.cos(np.pi * k * (time + 0.5) / n_scans) for k in range(1, 6)]
    return np.column_stack([time % 20 >= 10, events, *slow, np.ones(n_scans)])


def noise_of(rho, share, n_voxels, seed=0, n_scans=160):
    rng = np.random.default_rng(seed)
    slow = simulate(np.full((1, n_voxels), rho), n_scans, rng) * np.sqrt(1 - rho**2)
    return np.sqrt(share) * slow + np.sqrt(1 - share) * rng.normal(size=(n_scans, n_voxels))


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_at_its_grid_point_the_fit_is_generalized_least_squares(mean):
    X = a_design()
    X = np.column_stack([X, X[:, 1] - X[:, 2]])  # rank deficient
    bold = noise_of(0.85, 0.5, 40) + mean
    fitted = fit(bold, X, noise="arma11")
    tested = fitted.contrast(np.eye(X.shape[1])[0])

    for voxel in range(0, 40, 8):
        which = fitted.estimates.labels[voxel]
        column = fitted.estimates.share[which] * fitted.estimates.rho[which] ** np.arange(len(X))
        column[0] = 1.0
        precision = np.linalg.inv(toeplitz(column))
        normal = np.linalg.pinv(X.T @ precision @ X)
        betas = normal @ X.T @ precision @ bold[:, voxel]
        residuals = bold[:, voxel] - X @ betas
        sigma2 = residuals @ precision @ residuals / fitted.dof
        np.testing.assert_allclose(fitted.sigma2[voxel], sigma2, rtol=1e-8)
        np.testing.assert_allclose(tested.effect[voxel], betas[0], rtol=1e-7)
        np.testing.assert_allclose(tested.variance[voxel], sigma2 * normal[0, 0], rtol=1e-7)


def restricted_likelihoods(bold, X, rho, share):
    """Return minus twice the restricted log likelihoods of all voxels, from dense matrices."""
    column = share * rho ** np.arange(len(X))
    column[0] = 1.0
    V = toeplitz(column)
    precision = np.linalg.inv(V)
    normal = X.T @ precision @ X
    left = precision - precision @ X @ np.linalg.solve(normal, X.T @ precision)
    ssr = np.einsum("tv,ts,sv->v", bold, left, bold, optimize=True)
    dof = len(X) - X.shape[1]
    return dof * np.log(ssr) + np.linalg.slogdet(V)[1] + np.linalg.slogdet(normal)[1]


@pytest.mark.parametrize("n_scans", [40, 160])
@pytest.mark.parametrize(
    ("rho", "share"), [(0.0, 0.0), (-0.7, 1.0), (0.3, 1.0), (0.8, 0.6), (0.97, 0.4)]
)
def test_each_voxel_has_the_point_of_largest_restricted_likelihood(rho, share, n_scans):
    X = a_design(n_scans)
    bold = noise_of(rho, share, 300, seed=2, n_scans=n_scans)
    points = [(0.0, 1.0), *((r, s) for r in RHO for s in SHARE)]

    estimates = fit(bold, X, noise="arma11").estimates

    scores = {point: restricted_likelihoods(bold, X, *point) for point in points}
    own = zip(estimates.rho[estimates.labels], estimates.share[estimates.labels], strict=True)
    reached = [scores[point][voxel] for voxel, point in enumerate(own)]
    # of points that are as good within single precision either will do
    np.testing.assert_allclose(reached, np.min(list(scores.values()), axis=0), atol=2e-3)


def test_no_matrix_of_scans_by_scans_is_formed_for_the_fit():
    n_scans = 1000
    model = linear_model(a_design(n_scans))
    bold = noise_of(0.8, 0.6, 50, n_scans=n_scans)
    tracemalloc.start()

    estimate_arma11(bold, model, Chunks())

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * n_scans**2


def test_degrees_of_freedom_follow_from_the_restricted_information():
    X = a_design()
    fitted = fit(noise_of(0.7, 0.6, 40, seed=4), X, noise="arma11")
    which, time = fitted.estimates.labels, np.arange(len(X))

    def covariance(parameters):
        log_scale, rho, share = parameters
        column = share * rho**time
        column[0] = 1.0
        return np.exp(log_scale) * toeplitz(column)

    def log_variance(parameters, c):
        precision = np.linalg.inv(covariance(parameters))
        return np.log(c @ np.linalg.inv(X.T @ precision @ X) @ c)

    inside = np.flatnonzero(fitted.estimates.share[which] < 1)
    for voxel in inside[:3]:
        at = np.array(
            [0.0, fitted.estimates.rho[which[voxel]], fitted.estimates.share[which[voxel]]]
        )
        steps = 1e-4 * np.eye(3)
        precision = np.linalg.inv(covariance(at))
        weighted = precision @ X
        left = precision - weighted @ np.linalg.inv(X.T @ weighted) @ weighted.T
        turned = [left @ (covariance(at + d) - covariance(at - d)) / 2e-4 for d in steps]
        information = np.array([[np.trace(a @ b) / 2 for a in turned] for b in turned])
        for c in np.eye(X.shape[1])[:2]:
            slopes = [(log_variance(at + d, c) - log_variance(at - d, c)) / 2e-4 for d in steps]
            expected = 2 / (slopes @ np.linalg.solve(information, slopes))
            assert 1 < expected < fitted.dof
            np.testing.assert_allclose(fitted.contrast(c).dof[voxel], expected, rtol=1e-4)


def test_p_values_are_calibrated_on_such_noise():
    X = a_design()
    fitted = fit(noise_of(0.85, 0.5, 6000, seed=3), X, noise="arma11")

    for column in range(2):
        p = fitted.contrast(np.eye(X.shape[1])[column]).p
        assert abs(((p < 0.025) | (p > 0.975)).mean() - 0.05) < 0.015
