"""Betas, noise variance, t, F and p against statsmodels, voxel by voxel.

White noise against OLS; autoregressive noise against GLS with the full covariance matrix at
our own coefficient, rho^|i - j| / (1 - rho^2), so that statsmodels' scale is the variance of
the innovations too. Tolerance 1e-9 relative: both work in double precision, and what is
compared goes through matrices with condition numbers up to about 1e4.
"""

import warnings

import numpy as np
import pytest
from scipy import linalg

from boldglm.glm import fit
from boldglm.glm.stats.distributions import t_to_p

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm

N_SCANS, N_VOXELS = 90, 6
RTOL = 1e-9


def designs():
    rng = np.random.default_rng(1)
    free = rng.normal(size=(N_SCANS, 4))
    slow = rng.normal(size=(N_SCANS, 4)).cumsum(axis=0)
    ones = np.ones((N_SCANS, 1))
    groups = np.kron(np.eye(3), np.ones((N_SCANS // 3, 1)))
    return {
        "with a constant": np.hstack([free, ones]),
        "without a constant": free,
        "slow regressors": np.hstack([slow, ones]),
        "a constant only as a sum": np.hstack([groups, free[:, :2]]),
        "a duplicated regressor": np.hstack([free, ones, free[:, [0]]]),
        "a dependent regressor": np.hstack([slow, ones, slow[:, [0]] - 2 * slow[:, [1]]]),
        "too many constants": np.hstack([groups, ones, free]),
        "different units": np.hstack([free * [1e-6, 1, 1e6, 1e3], ones]),
    }


DESIGNS = designs()


def signals(mean):
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(N_SCANS, N_VOXELS))
    for scan in range(1, N_SCANS):
        noise[scan] += np.linspace(-0.3, 0.8, N_VOXELS) * noise[scan - 1]
    return noise + mean


def estimable_contrasts(X):
    """Return a t contrast and three rows of an F contrast in the row space, of like size."""
    rows = np.random.default_rng(3).normal(size=(4, N_SCANS)) @ X
    return rows[0], rows[1:]


def reference(y, X, rho=None):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*rank-deficient")
        if rho is None:
            return sm.OLS(y, X).fit()
        covariance = linalg.toeplitz(rho ** np.arange(len(y))) / (1 - rho**2)
        return sm.GLS(y, X, sigma=covariance).fit()


def assert_same_statistics(bold, X, noise, rtol=RTOL, p_rtol=RTOL):
    found = fit(bold, X, noise=noise)
    row, rows = estimable_contrasts(X)
    t, F = found.contrast(row), found.contrast(rows)
    for voxel, y in enumerate(bold.T):
        theirs = reference(y, X, None if noise == "ols" else found.ar[0, voxel])
        tested, joint = theirs.t_test(row), theirs.f_test(rows)
        size = np.abs(theirs.params).max()
        ours = found.betas[:, voxel]
        np.testing.assert_allclose(ours, theirs.params, rtol=rtol, atol=rtol * 1e-2 * size)
        np.testing.assert_allclose(found.sigma2[voxel], theirs.scale, rtol=rtol)
        assert found.dof == theirs.df_resid
        np.testing.assert_allclose(t.effect[voxel], tested.effect.item(), rtol=rtol)
        np.testing.assert_allclose(t.variance[voxel], tested.sd.item() ** 2, rtol=rtol)
        np.testing.assert_allclose(t.t[voxel], tested.tvalue.item(), rtol=rtol)
        np.testing.assert_allclose(F.F[voxel], joint.fvalue, rtol=rtol)
        assert F.dof_numerator == joint.df_num
        if noise == "ols":  # statsmodels does not count the uncertainty of rho
            np.testing.assert_allclose(
                2 * t_to_p(abs(t.t[voxel]), t.dof), tested.pvalue.item(), rtol=p_rtol
            )
            np.testing.assert_allclose(F.p[voxel], joint.pvalue, rtol=p_rtol)


@pytest.mark.parametrize("noise", ["ols", "ar1"])
@pytest.mark.parametrize("design", DESIGNS)
def test_statistics_are_those_of_statsmodels(design, noise):
    assert_same_statistics(signals(mean=0.0), DESIGNS[design], noise)


@pytest.mark.parametrize("noise", ["ols", "ar1"])
@pytest.mark.parametrize("design", ["with a constant", "without a constant", "slow regressors"])
def test_statistics_of_data_with_a_large_mean_are_those_of_statsmodels(design, noise):
    # p of contrasts that the mean enters is near 1e-300 here, where p changes by a multiple
    # of the degrees of freedom times the relative change of t
    assert_same_statistics(signals(mean=1e4), DESIGNS[design], noise, p_rtol=1e-7)


@pytest.mark.parametrize("noise", ["ols", "ar1"])
def test_redundant_rows_do_not_count_where_statsmodels_counts_them_by_rank(noise):
    X, bold = DESIGNS["with a constant"], signals(0.0)
    rows = np.eye(5)[[0, 1, 0]]
    found = fit(bold, X, noise=noise)

    redundant, plain = found.contrast(rows), found.contrast(rows[:2])

    assert redundant.dof_numerator == 2
    np.testing.assert_allclose(redundant.F, plain.F, rtol=RTOL)
    theirs = reference(bold[:, 0], X, None if noise == "ols" else found.ar[0, 0]).f_test(rows[:2])
    np.testing.assert_allclose(redundant.F[0], theirs.fvalue, rtol=RTOL)
