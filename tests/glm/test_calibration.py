"""Null data must be significant as often as the level says.

The design is that of a real run: three event types, slow drift, and confounds that are
themselves autocorrelated. Seeds are fixed; bands are stated with their standard error.
"""

import numpy as np
import pytest
from scipy import stats

from boldglm.glm import build_design, fit

N_SCANS, REPETITION_TIME = 200, 2.0
N_VOXELS = 10_000


@pytest.fixture(scope="module")
def design():
    rng = np.random.default_rng(1)
    events = {
        "onset": np.sort(rng.uniform(0, 380, size=45)),
        "duration": np.full(45, 1.0),
        "trial_type": rng.permutation(["a", "b", "c"] * 15),
    }
    blocks = {"onset": np.arange(10, 380, 40.0), "duration": np.full(10, 20.0)}
    times = np.arange(N_SCANS) * REPETITION_TIME
    block = build_design(
        {**blocks, "trial_type": ["block"] * 10}, times, high_pass=None, constant=False
    )
    confounds = autoregressive(12, 0.9, rng)
    return build_design(
        events,
        times,
        hrf_model="spm + derivative",
        confounds=np.column_stack([block.matrix, confounds]),
        confound_names=["block", *(f"motion_{k}" for k in range(12))],
    )


def autoregressive(n_voxels, rho, rng):
    noise = rng.normal(size=(N_SCANS, n_voxels))
    noise[0] /= np.sqrt(1 - rho**2)
    for scan in range(1, N_SCANS):
        noise[scan] += rho * noise[scan - 1]
    return noise


def rates(p):
    two_sided = 2 * np.minimum(p, 1 - p)
    return (two_sided < 0.05).mean(), (two_sided < 0.001).mean()


@pytest.mark.parametrize("contrast", ["a - b", "block"])
def test_t_of_white_noise_follows_its_distribution(design, contrast):
    bold = np.random.default_rng(2).normal(size=(N_SCANS, N_VOXELS))

    tested = fit(bold, design, noise="ols").contrast(contrast)

    assert stats.kstest(tested.t, stats.t(tested.dof).cdf).pvalue > 0.01
    assert stats.kstest(tested.z, stats.norm.cdf).pvalue > 0.01


def test_f_of_white_noise_follows_its_distribution(design):
    bold = np.random.default_rng(3).normal(size=(N_SCANS, N_VOXELS))

    tested = fit(bold, design, noise="ols").contrast("a, b, c, a - b")

    assert tested.dof_numerator == 3
    assert stats.kstest(tested.F, stats.f(3, tested.dof).cdf).pvalue > 0.01
    assert stats.kstest(tested.p, stats.uniform.cdf).pvalue > 0.01


@pytest.mark.parametrize("rho", [0.0, 0.4])
@pytest.mark.parametrize("contrast", ["a - b", "block"])
def test_autoregressive_noise_gives_the_nominal_rate(design, contrast, rho):
    bold = autoregressive(2 * N_VOXELS, rho, np.random.default_rng(4))

    at_05, at_001 = rates(fit(bold, design, noise="ar1").contrast(contrast).p)

    # standard errors .0015 and .0002
    assert 0.045 < at_05 < 0.056
    assert 0.0004 < at_001 < 0.0018


def test_autoregressive_noise_gives_f_the_nominal_rate(design):
    bold = autoregressive(N_VOXELS, 0.4, np.random.default_rng(5))

    p = fit(bold, design, noise="ar1").contrast("block, a, b").p

    assert 0.044 < (p < 0.05).mean() < 0.060
    assert 0.0002 < (p < 0.001).mean() < 0.0025


def test_ordinary_least_squares_is_far_too_liberal_for_such_noise(design):
    # the reason for the effort; a test that the bands above can fail
    bold = autoregressive(N_VOXELS, 0.4, np.random.default_rng(4))

    assert rates(fit(bold, design, noise="ols").contrast("block").p)[0] > 0.12
