"""Three models of two correlated regressors, from the fit of one, against refits of each."""

import numpy as np
import pytest
from scipy.linalg import toeplitz

from boldglm.glm import Design, fit, orthogonalize_design
from boldglm.glm.design.regressor_pairs import (
    BOTH,
    DIFFERENCE,
    FIRST,
    ORTHOGONALIZED,
    SECOND,
    WITHOUT,
    named_pair,
)
from boldglm.glm.first_level.pair_estimates import pair_estimates, sample_of_voxels
from boldglm.glm.noise.ar_process import precision_of
from boldglm.vocabulary import NOISE_MODELS

N_SCANS, N_VOXELS = 160, 250
NAMES = ("trial_type.cue", "trial_type.target", "trial_type.rest", "trend", "constant")
ROLES = ("condition", "condition", "condition", "drift", "constant")


def smooth(rng, n=1):
    kernel = np.exp(-np.arange(12) / 3)
    return np.stack([np.convolve(rng.normal(size=N_SCANS + 11), kernel, "valid")
                     for _ in range(n)], axis=1)  # fmt: skip


def make_design():
    """The target follows the cue, and a third condition shares something with both."""
    rng = np.random.default_rng(3)
    cue, rest = smooth(rng, 2).T
    target = 0.8 * cue + 0.6 * smooth(rng)[:, 0] + 0.4 * rest
    trend = np.linspace(-1, 1, N_SCANS)
    columns = np.column_stack([cue, target, rest, trend, np.ones(N_SCANS)])
    return Design(columns, NAMES, np.arange(N_SCANS) * 2.0, ROLES)


def make_data(design, seed=5):
    """AR(1) noise of .4, and responses to cue and target that differ between voxels."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(N_SCANS + 50, N_VOXELS))
    for scan in range(1, len(noise)):
        noise[scan] += 0.4 * noise[scan - 1]
    heights = 0.1 * rng.normal(size=(2, N_VOXELS))
    return 100 + design.matrix[:, :2] @ heights + noise[50:]


def without(design, *names):
    kept = [k for k, name in enumerate(design.names) if name not in names]
    return Design(design.matrix[:, kept], [design.names[k] for k in kept], design.frame_times,
                  [design.roles[k] for k in kept])  # fmt: skip


def estimates_of(data, design, noise, name):
    """The estimate of a column and its standard error, of a fit."""
    contrast = fit(data, design, noise=noise).contrast({name: 1})
    return contrast.effect, np.sqrt(contrast.variance)


def with_precision(data, design, precision, name):
    """Generalized least squares with a precision of the noise, for one voxel."""
    X, column = design.matrix, design.index(name)
    covariance = np.linalg.inv(X.T @ precision @ X)
    betas = covariance @ X.T @ precision @ data
    residuals = data - X @ betas
    scale = residuals @ precision @ residuals / (N_SCANS - X.shape[1])
    return betas[column], np.sqrt(scale * covariance[column, column])


def dense_precision(coefficients):
    """The inverse covariance of an autoregression with innovations of variance 1."""
    order, n = len(coefficients), N_SCANS
    partial = precision_of(np.asarray(coefficients)[:, np.newaxis])
    band = partial.band[:, 0]
    matrix = toeplitz(np.concatenate([band, np.zeros(n - len(band))]))
    matrix[:order, :order] -= partial.first[0]
    matrix[::-1, ::-1][:order, :order] -= partial.last[0]
    return matrix


@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_with_both_and_orthogonalized_are_refits(noise):
    design = make_design()
    data = make_data(design)
    cue, target = NAMES[:2]
    pair = named_pair(design, target, cue)
    found = pair_estimates(fit(data, design, noise=noise), design, pair)

    orthogonalized = orthogonalize_design(design, [(target, (cue,))])
    for key, name, fitted in (
        ((FIRST, BOTH), cue, design),
        ((SECOND, BOTH), target, design),
        ((FIRST, ORTHOGONALIZED), cue, orthogonalized),
        ((SECOND, ORTHOGONALIZED), target, orthogonalized),
    ):
        effect, error = estimates_of(data, fitted, noise, name)
        np.testing.assert_allclose(found.effects[key], effect, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.standard_errors[key], error, rtol=1e-5)
    contrast = fit(data, design, noise=noise).contrast("cue - target")
    np.testing.assert_allclose(found.effects[DIFFERENCE, BOTH], contrast.effect, atol=1e-9)
    np.testing.assert_allclose(
        found.standard_errors[DIFFERENCE, BOTH], np.sqrt(contrast.variance), rtol=1e-9
    )


@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_without_one_of_them_is_near_a_refit_and_exactly_that_with_the_same_noise(noise):
    design = make_design()
    data = make_data(design)
    cue, target = NAMES[:2]
    fitted = fit(data, design, noise=noise)
    found = pair_estimates(fitted, design, named_pair(design, target, cue))

    for name, key, other in ((cue, FIRST, target), (target, SECOND, cue)):
        alone = without(design, other)
        effect, error = estimates_of(data, alone, noise, name)
        distance = (found.effects[key, WITHOUT] - effect) / error
        ratio = found.standard_errors[key, WITHOUT] / error
        # a refit estimates the noise anew, but for ols, which has nothing to estimate
        largest, mean = (1e-9, 1e-9) if noise == "ols" else (0.6, 0.05)
        assert abs(distance).max() < largest
        assert abs(distance).mean() < mean
        assert abs(ratio - 1).max() < min(largest, 0.1)
        if noise == "arma11":
            continue  # its autoregression only approximates the noise that was assumed
        for voxel in range(0, N_VOXELS, 25):
            coefficients = [0.0] if fitted.ar is None else fitted.ar[:, voxel]
            precision = dense_precision(coefficients)
            if noise == "nilearn-ar1":  # keeps the first volume as it is
                precision[0, 0] += coefficients[0] ** 2
            effect, error = with_precision(data[:, voxel], alone, precision, name)
            assert found.effects[key, WITHOUT][voxel] == pytest.approx(effect, rel=1e-6, abs=1e-6)
            if noise != "auto":  # which corrects its variances
                assert found.standard_errors[key, WITHOUT][voxel] == pytest.approx(error, rel=1e-5)


def test_the_fit_of_the_orthogonalized_design_tells_the_same():
    design, (cue, target, rest) = make_design(), NAMES[:3]
    data = make_data(design)
    pair = named_pair(design, target, cue)
    plain = pair_estimates(fit(data, design, noise="ar1"), design, pair)
    # a second rule, so that rules must be undone in the right order
    changed = orthogonalize_design(design, [(target, (cue,)), (rest, (target,))])
    found = pair_estimates(fit(data, changed, noise="ar1"), changed, pair)

    for key, effect in plain.effects.items():
        np.testing.assert_allclose(found.effects[key], effect, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            found.standard_errors[key], plain.standard_errors[key], rtol=1e-5
        )


def test_a_condition_with_derivatives_is_left_out_and_orthogonalized_as_a_whole():
    cue, target = NAMES[:2]
    plain = make_design()
    slopes = np.gradient(plain.matrix[:, :2], axis=0)
    names = (cue, f"{cue}_derivative", target, f"{target}_derivative", *NAMES[2:])
    columns = np.column_stack([plain.matrix[:, 0], slopes[:, 0], plain.matrix[:, 1],
                               slopes[:, 1], plain.matrix[:, 2:]])  # fmt: skip
    conditions = (cue, cue, target, target, NAMES[2], "", "")
    roles = ("condition",) * 5 + ROLES[3:]
    design = Design(columns, names, plain.frame_times, roles, conditions)
    data = make_data(plain)
    found = pair_estimates(fit(data, design, noise="ols"), design,
                           named_pair(design, target, cue))  # fmt: skip

    alone, _ = estimates_of(data, without(design, target, f"{target}_derivative"), "ols", cue)
    np.testing.assert_allclose(found.effects[FIRST, WITHOUT], alone, rtol=1e-8, atol=1e-8)
    orthogonalized = orthogonalize_design(design, [(target, (cue,))])
    effect, error = estimates_of(data, orthogonalized, "ols", cue)
    np.testing.assert_allclose(found.effects[FIRST, ORTHOGONALIZED], effect, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(found.standard_errors[FIRST, ORTHOGONALIZED], error, rtol=1e-7)


@pytest.mark.parametrize("noise", ["auto", "ols", "ar1", "ar2"])
def test_a_sample_of_voxels_has_their_estimates(noise):
    design = make_design()
    fitted = fit(make_data(design), design, noise=noise)
    pair = named_pair(design, *NAMES[1::-1])
    every = pair_estimates(fitted, design, pair)
    sample, voxels = sample_of_voxels(fitted, 100)
    found = pair_estimates(sample, design, pair)

    assert voxels == (slice(None, None, 3) if noise.startswith("ar") else slice(None))
    for key, effect in every.effects.items():
        np.testing.assert_allclose(found.effects[key], effect[voxels], rtol=1e-9)
        np.testing.assert_allclose(
            found.standard_errors[key], every.standard_errors[key][voxels], rtol=1e-9
        )
    assert sample_of_voxels(fitted, N_VOXELS) == (fitted, slice(None))
