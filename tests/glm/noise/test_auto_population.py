"""Noise of voxels beyond the autoregression of the weights: found, not made up, and used."""

import numpy as np
import pytest

from boldglm.glm import fit
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.noise.ar_process import autocovariances_to_partial, simulate
from boldglm.glm.noise.auto_population import estimate_population
from boldglm.glm.noise.auto_prior import PartialStatistic, estimate_prior
from boldglm.glm.noise.gls import lag_sums
from noise_designs import a_design


def first_order(coefficients, n_scans, seed):
    """Return AR(1) noise, a column for each coefficient."""
    return simulate(coefficients[np.newaxis], n_scans, np.random.default_rng(seed))


def two_scales(shares, n_scans, seed):
    """Return AR(1) .85 noise with these shares of the variance, the rest white."""
    rng = np.random.default_rng(seed)
    slow = simulate(np.full((1, shares.size), 0.85), n_scans, rng) * np.sqrt(1 - 0.85**2)
    return np.sqrt(shares) * slow + np.sqrt(1 - shares) * rng.standard_normal(slow.shape)


def estimated(bold, basis, order):
    residuals = bold - basis @ (basis.T @ bold)
    statistic, rng = PartialStatistic(basis, order), np.random.default_rng(0)
    prior = estimate_prior(statistic, statistic(lag_sums(residuals, order)), rng)
    return estimate_population(statistic, prior, residuals, float(bold.shape[1]), rng)


def test_what_few_terms_miss_is_found_at_the_lags_beyond():
    basis, share = linear_model(a_design(240)[:, [0, 1, -1]]).basis, 0.5
    population = estimated(two_scales(np.full(6000, share), 240, 17), basis, 2)
    _, z = population.draw(10, np.random.default_rng(1))

    true = share * 0.85 ** np.arange(len(z) + 1.0)[:, np.newaxis]
    true[0] = 1.0
    partial = autocovariances_to_partial(true)
    np.testing.assert_allclose(np.tanh(z.mean(axis=1)), partial[:, 0], atol=0.02)
    assert abs(partial[2:4]).min() > 0.06


def test_nothing_is_found_where_there_is_nothing():
    basis = linear_model(a_design(240)).basis
    population = estimated(first_order(np.full(1000, 0.4), 240, 18), basis, 2)

    assert abs(population.departures).max() < 0.001  # chance alone: .003


def test_few_voxels_are_not_searched():
    basis = linear_model(a_design(240)).basis
    population = estimated(two_scales(np.full(150, 0.5), 240, 19), basis, 2)

    assert not population.departures.any()
    assert population.along.shape == (2, 0)


def test_voxels_of_two_tissues_are_drawn_as_two():
    basis = linear_model(a_design(240)).basis
    population = estimated(first_order(np.repeat([0.0, 0.75], 1500), 240, 20), basis, 1)
    z, _ = population.draw(1000, np.random.default_rng(2))

    middle, width = z[0].mean(), z[0].std()
    assert (abs(z[0] - middle) < width / 3).mean() < 0.1  # of normal draws, a quarter
    covariance = (population.prior.axes**2 * population.prior.differences)[0, 0]
    np.testing.assert_allclose(width**2, covariance, rtol=0.02)


@pytest.mark.parametrize("column", [0, 1])
def test_p_values_are_calibrated_where_voxels_are_white_and_slow_in_all_proportions(column):
    X = a_design(200)
    shares = np.random.default_rng(21).uniform(0, 1, 20_000)

    p = fit(two_scales(shares, 200, 22), X, noise="auto").contrast(np.eye(14)[column]).p

    significant = (p < 0.025) | (p > 0.975)
    for some in (shares < 0.2, shares > 0.8, shares >= 0):
        assert abs(significant[some].mean() - 0.05) < 0.01


def test_variances_of_slow_blocks_are_right_where_sampling_is_fast():
    rng = np.random.default_rng(23)
    time = np.arange(600)
    blocks = np.convolve(time % 50 >= 25, np.hanning(9), mode="same")
    drift = [np.cos(np.pi * k * (time + 0.5) / 600) for k in range(1, 8)]
    X = np.column_stack([blocks, *drift, np.ones(600)])
    slow = first_order(np.full(8000, 0.95), 600, 24) * np.sqrt(1 - 0.95**2)
    quick = first_order(np.full(8000, 0.5), 600, 25) * np.sqrt(1 - 0.5**2)
    bold = slow + quick + rng.standard_normal(slow.shape)

    fitted = fit(bold, X, noise="auto")

    # standard error .016; it would be 1.13 of order 10 alone
    tested = fitted.contrast(np.eye(9)[0])
    stated = (fitted.betas[0] / tested.t) ** 2
    np.testing.assert_allclose(stated.mean() / (fitted.betas[0] ** 2).mean(), 1.0, atol=0.05)
