"""A regressor for each censored scan against least squares on the scans that are left.

The reference deletes rows: statsmodels' generalized least squares of the scans that are left,
with their own part of the covariance of the whole run, so that scans on both sides of a gap
correlate as they did before. At the coefficient that `fit` estimated with the indicators.
"""

import warnings

import numpy as np
import pytest
from scipy import linalg

from boldglm.glm import build_design, fit
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.noise.ar_process import autocorrelations, variance_ratio

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm

N_SCANS, N_VOXELS = 90, 5
RTOL = 1e-9
GAPS = {
    "one scan": (40,),
    "the first scans": (0, 1, 2, 3),
    "the last scan": (89,),
    "neighbors and singles": (0, 7, 20, 21, 22, 23, 50, 52, 54, 88, 89),
    "a third of the run": tuple(range(0, N_SCANS, 3)),
}
EVENTS = {
    "onset": np.arange(20) * 8.0 + 3,
    "duration": np.ones(20),
    "trial_type": ["a", "b"] * 10,
}


def noisy(spikes=()):
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(N_SCANS, N_VOXELS))
    for scan in range(1, N_SCANS):
        noise[scan] += np.linspace(-0.2, 0.7, N_VOXELS) * noise[scan - 1]
    noise[list(spikes)] += 50 * rng.normal(size=(len(spikes), N_VOXELS))
    return noise + 100


def designs(censored):
    frame_times = np.arange(N_SCANS) * 2.0
    whole = build_design(EVENTS, frame_times, censored=censored)
    left = np.setdiff1d(np.arange(N_SCANS), censored)
    kept = [k for k, role in enumerate(whole.roles) if role != "censored"]
    return whole, left, whole.matrix[np.ix_(left, kept)], kept


def covariance(rho):
    return linalg.toeplitz(rho ** np.arange(N_SCANS)) / (1 - rho**2)


def covariance_of(found, voxel):
    """Return the covariance of a voxel's noise in the whole run, where `sigma2` is 1."""
    if found.ar is None:
        return np.eye(N_SCANS)
    if found.noise == "arma11":
        which = found.estimates.labels[voxel]
        column = found.estimates.share[which] * found.estimates.rho[which] ** np.arange(N_SCANS)
        column[0] = 1.0
        return linalg.toeplitz(column)
    ar = found.ar[:, [voxel]]
    return linalg.toeplitz(autocorrelations(ar, N_SCANS)[:, 0]) * variance_ratio(ar)[0]


def restricted_likelihood(y, X, V):
    """Return twice the restricted log likelihood, constants left out."""
    factor = linalg.cholesky(V, lower=True)
    yw, Xw = (linalg.solve_triangular(factor, one, lower=True) for one in (y, X))
    residuals = yw - Xw @ np.linalg.lstsq(Xw, yw, rcond=None)[0]
    freedom = len(y) - np.linalg.matrix_rank(X)
    log_v, log_x = 2 * np.log(np.diag(factor)).sum(), np.linalg.slogdet(Xw.T @ Xw)[1]
    return -freedom * np.log(residuals @ residuals) - log_v - log_x


@pytest.mark.parametrize("noise", ["auto", "ols", "ar1", "ar2", "arma11"])
@pytest.mark.parametrize("censored", GAPS.values(), ids=GAPS)
def test_indicators_are_least_squares_on_the_scans_that_are_left(censored, noise):
    whole, left, X, kept = designs(censored)
    bold = noisy(censored)

    found = fit(bold, whole, noise=noise)
    difference = found.contrast("a - b")

    row = np.zeros(X.shape[1])
    row[:2] = 1, -1
    for voxel in range(N_VOXELS):
        V = covariance_of(found, voxel)
        theirs = sm.GLS(bold[left, voxel], X, sigma=V[np.ix_(left, left)]).fit()
        tested = theirs.t_test(row)
        np.testing.assert_allclose(
            found.betas[kept, voxel], theirs.params, rtol=RTOL, atol=1e-9 * 100
        )
        np.testing.assert_allclose(found.sigma2[voxel], theirs.scale, rtol=RTOL)
        np.testing.assert_allclose(difference.effect[voxel], tested.effect.item(), rtol=1e-8)
        if noise != "auto":  # which adds to the variance what is not known of the coefficients
            np.testing.assert_allclose(difference.t[voxel], tested.tvalue.item(), rtol=1e-8)
        assert len(left) - np.linalg.matrix_rank(X) == theirs.df_resid


@pytest.mark.parametrize("censored", GAPS.values(), ids=GAPS)
def test_the_coefficient_maximizes_the_restricted_likelihood_of_the_scans_left(censored):
    whole, left, X, _ = designs(censored)
    bold = noisy(censored)

    rho = fit(bold, whole, noise="ar1").ar[0]

    for voxel in range(N_VOXELS):
        at = [
            restricted_likelihood(
                bold[left, voxel], X, covariance(rho[voxel] + step)[np.ix_(left, left)]
            )
            for step in (-0.01, 0.0, 0.01)
        ]
        assert at[1] > max(at[0], at[2])


@pytest.mark.parametrize("noise", ["ols", "ar1", "ar2", "arma11"])
def test_what_a_censored_scan_holds_changes_nothing(noise):
    censored = GAPS["neighbors and singles"]
    whole, _, _, _ = designs(censored)

    calm, wild = (fit(noisy(spikes), whole, noise=noise) for spikes in ((), censored))

    for name in ("a", "b"):
        one, other = calm.contrast(name), wild.contrast(name)
        np.testing.assert_allclose(one.t, other.t, rtol=1e-7)
        np.testing.assert_allclose(one.dof, other.dof, rtol=1e-5)


def test_degrees_of_freedom_are_those_of_the_scans_left():
    censored = GAPS["a third of the run"]
    whole, left, X, _ = designs(censored)

    found = fit(noisy(), whole, noise="ols")

    np.testing.assert_allclose(found.dof, len(left) - np.linalg.matrix_rank(X))


def test_a_censored_column_must_be_an_indicator():
    with pytest.raises(ValueError, match="'x' must be 1 at the censored scan"):
        Design(np.ones((3, 1)), ["x"], [0, 1, 2], ["censored"])
    whole, *_ = designs((5, 2))
    assert whole.censored == (2, 5)
    assert [name for name in whole.names if "censored" in name] == [
        "censored_scan_0002", "censored_scan_0005",
    ]  # fmt: skip
