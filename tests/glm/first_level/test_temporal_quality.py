"""Temporal signal-to-noise ratio and DVARS against planted values."""

import numpy as np
import pytest

from boldglm.glm import build_design, fit
from boldglm.glm.first_level.slice_fit import fit_slices
from boldglm.glm.first_level.temporal_quality import temporal_quality

N_SCANS, N_VOXELS = 300, 400
TIMES = np.arange(N_SCANS) * 2.0
EVENTS = {"onset": np.arange(10.0, 560.0, 25.0), "duration": [4.0] * 22, "trial_type": ["go"] * 22}


def planted(rng, mean=1000.0, noise=10.0):
    """White noise of a standard deviation around a mean, with a response and drift."""
    design = build_design(EVENTS, TIMES, high_pass=128)
    response = 40 * design.matrix[:, [0]] + 30 * design.matrix[:, design.columns("drift")[:1]]
    return design, mean + response + rng.normal(0, noise, (N_SCANS, N_VOXELS))


@pytest.mark.parametrize("noise_model", ["ols", "ar1", "auto"])
def test_the_ratio_is_the_planted_one_whatever_responses_and_drift(noise_model):
    design, bold = planted(np.random.default_rng(0))

    found = temporal_quality(bold, fit(bold, design, noise=noise_model))

    assert np.median(found.snr) == pytest.approx(100, rel=0.01)
    assert found.snr.shape == (N_VOXELS,)


def test_autocorrelated_noise_counts_before_whitening():
    rng = np.random.default_rng(1)
    innovations = rng.normal(0, 10 * np.sqrt(1 - 0.5**2), (N_SCANS + 50, N_VOXELS))
    noise = np.zeros_like(innovations)
    for scan in range(1, len(noise)):
        noise[scan] = 0.5 * noise[scan - 1] + innovations[scan]
    bold = 500 + noise[50:]

    found = temporal_quality(bold, fit(bold, np.ones(N_SCANS), noise="ar1"))

    assert np.median(found.snr) == pytest.approx(50, rel=0.03)


def test_a_spike_is_seen_in_dvars_and_does_not_count_for_the_ratio_if_censored():
    rng = np.random.default_rng(2)
    _, bold = planted(rng)
    bold[120] += 30000
    censoring = build_design(EVENTS, TIMES, high_pass=128, censored=[120])
    without = build_design(EVENTS, TIMES, high_pass=128)

    censored = temporal_quality(bold, fit(bold, censoring, noise="ols"))
    counted = temporal_quality(bold, fit(bold, without, noise="ols"))

    assert np.median(censored.snr) == pytest.approx(100, rel=0.02)
    assert np.median(counted.snr) < 60
    assert np.isnan(censored.dvars[0])
    usual = np.median(censored.dvars[1:])
    assert usual == pytest.approx(100 * np.sqrt(2) * 10 / 1000, rel=0.05)  # percent of the mean
    np.testing.assert_allclose(censored.dvars[[120, 121]], 3000, rtol=0.01)


def test_blocks_and_samples_agree_and_units_do_not_matter():
    design, bold = planted(np.random.default_rng(3))
    fitted = fit(bold, design, noise="ols")

    whole = temporal_quality(bold, fitted)
    blocks = temporal_quality(bold, fitted, block_size=37)
    sample = temporal_quality(bold, fitted, n_sample=100)
    scaled = temporal_quality(0.01 * bold, fit(0.01 * bold, design, noise="ols"))

    np.testing.assert_allclose(blocks.snr, whole.snr)
    np.testing.assert_allclose(blocks.dvars, whole.dvars)
    np.testing.assert_allclose(sample.snr, whole.snr[np.r_[0:50, 200:250]])
    np.testing.assert_allclose(scaled.dvars, whole.dvars)
    np.testing.assert_allclose(scaled.snr, whole.snr)


def test_without_noise_or_mean_there_is_no_ratio():
    bold = np.column_stack([np.full(20, 3.0), np.arange(20.0) + 100])
    found = temporal_quality(bold, fit(bold, np.column_stack([np.arange(20.0), np.ones(20)]),
                                       noise="ols"))  # fmt: skip
    assert found.snr.tolist() == [0, 0]
    demeaned = np.random.default_rng(4).normal(size=(20, 5))
    demeaned -= demeaned.mean(axis=0) + 1
    found = temporal_quality(demeaned, fit(demeaned, np.ones(20), noise="ols"))
    assert np.isnan(found.dvars).all()


def test_slices_with_designs_of_their_own():
    design, bold = planted(np.random.default_rng(5))
    parts = [np.arange(0, 200), np.arange(200, 400)]

    found = temporal_quality(bold, fit_slices(bold, [design, design], parts, design, "ols"))

    np.testing.assert_allclose(
        found.snr, temporal_quality(bold, fit(bold, design, noise="ols")).snr
    )
