"""What a noise model leaves: white where the model is true, not white where it is not."""

import numpy as np
import pytest

from boldglm.glm import NOISE_MODELS, fit, whiteness
from boldglm.glm.noise.ar_process import simulate


def a_design(n_scans=200):
    time = np.arange(n_scans)
    slow = [np.cos(np.pi * k * (time + 0.5) / n_scans) for k in range(1, 6)]
    return np.column_stack([time % 20 >= 10, *slow, np.ones(n_scans)])


def autoregressive(first, second, n_voxels=4000):
    ar = np.repeat([[first], [second]], n_voxels, axis=1)
    return simulate(ar, 200, np.random.default_rng(0))


@pytest.mark.parametrize("noise", ["ols", "ar1", "auto"])
def test_a_true_model_leaves_standard_normal_values(noise):
    bold = autoregressive(0.0 if noise == "ols" else 0.5, 0.0)

    left = whiteness(bold, fit(bold, a_design(), noise=noise))

    assert abs(left.mean()) < 0.1
    # less than 1 where every voxel has its own estimate, whose scatter looks like variety
    assert 0.8 < left.std() < 1.1
    assert 0.002 < (left > 2.33).mean() < 0.025


def test_a_model_that_is_too_simple_is_seen():
    bold = autoregressive(0.6, -0.5)

    left = {
        noise: whiteness(bold, fit(bold, a_design(), noise=noise)) for noise in ("ar1", "auto")
    }

    assert np.median(left["ar1"]) > 4
    assert abs(np.median(left["auto"])) < 0.2


def test_voxels_without_noise_are_0():
    bold = autoregressive(0.5, 0.0, n_voxels=20)
    bold[:, 3] = 7.0

    left = whiteness(bold, fit(bold, a_design(), noise="ar1"))

    assert left[3] == 0
    assert np.isfinite(left).all()


@pytest.mark.parametrize("noise", ["ols", "auto"])
@pytest.mark.parametrize(("n_scans", "dof"), [(9, 7), (12, 6), (40, 7)])
def test_short_runs_of_white_noise_are_white(n_scans, dof, noise):
    rng = np.random.default_rng(3)
    design = np.column_stack([rng.normal(size=(n_scans, n_scans - dof - 1)), np.ones(n_scans)])
    bold = rng.normal(size=(n_scans, 4000))

    left = whiteness(bold, fit(bold, design, noise=noise))

    assert abs(left.mean()) < 0.12
    assert 0.85 < left.std() < 1.15


@pytest.mark.parametrize("noise", ["ols", "ar1", "auto"])
@pytest.mark.parametrize("dof", [1, 2, 5])
def test_too_few_degrees_of_freedom_leave_nothing_to_test(dof, noise):
    rng = np.random.default_rng(3)
    design = rng.normal(size=(40, 40 - dof))
    bold = rng.normal(size=(40, 50))

    np.testing.assert_array_equal(whiteness(bold, fit(bold, design, noise=noise)), 0.0)


def test_lags_at_which_censoring_leaves_no_pair_are_no_test():
    design = np.column_stack([np.eye(80)[:, 1::2], np.ones(80)])
    bold = np.random.default_rng(4).normal(size=(80, 3000))

    left = whiteness(bold, fit(bold, design, noise="ols"))

    assert abs(left.mean()) < 0.12
    assert 0.85 < left.std() < 1.15


def test_signals_of_another_fit_are_refused():
    bold = autoregressive(0.5, 0.0, n_voxels=20)
    found = fit(bold, a_design(), noise="ols")
    missing = np.where(np.arange(20) == 3, np.nan, bold)

    for other, message in [
        (bold[:150], "bold has 150 scans, but the design has 200 rows"),
        (bold.T, "It looks transposed"),
        (bold[:, :7], "bold has 7 voxels, but the fit has 20"),
        (missing, "bold has values that are not finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            whiteness(other, found)


@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_every_noise_model_can_be_tested_with_any_number_of_voxels(noise):
    bold = autoregressive(0.0, 0.0, n_voxels=3)

    for some in (bold, bold[:, :1], bold[:, :0]):
        left = whiteness(some, fit(some, a_design(), noise=noise))
        assert left.shape == (some.shape[1],)
        assert (abs(left) < 5).all()


def test_one_signal_may_be_a_vector():
    y = autoregressive(0.5, 0.0, n_voxels=1)[:, 0]
    found = fit(y, a_design(), noise="ar1")

    np.testing.assert_array_equal(whiteness(y, found), whiteness(y[:, np.newaxis], found))


@pytest.mark.parametrize(("lag", "is_seen"), [(8, True), (9, False)])
def test_autocorrelation_is_looked_for_at_the_first_eight_lags(lag, is_seen):
    ar = np.zeros((lag, 2000))
    ar[-1] = 0.5
    bold = simulate(ar, 200, np.random.default_rng(0))

    left = whiteness(bold, fit(bold, a_design(), noise="ols"))

    assert (np.median(left) > 3) == is_seen
