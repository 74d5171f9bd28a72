"""t and F maps of ordinary least squares against nilearn's run_glm.

Full rank designs only: of a rank deficient one nilearn divides the residuals by scans less
columns and looks t up with scans less rank, which do not belong together (the last test).
"""

import warnings

import numpy as np
import pytest

from boldglm.glm import build_design, fit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import run_glm


@pytest.fixture(scope="module")
def design():
    events = {
        "onset": np.arange(5, 230, 15.0),
        "duration": np.full(15, 4.0),
        "trial_type": ["a", "b", "c"] * 5,
    }
    confounds = np.random.default_rng(0).normal(size=(120, 6)).cumsum(axis=0)
    return build_design(events, np.arange(120) * 2.0, high_pass=128, confounds=confounds)


@pytest.fixture(scope="module")
def bold():
    return np.random.default_rng(1).normal(size=(120, 60)) * 20 + 100


def nilearn_contrast(bold, X, weights, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels, results = run_glm(bold, X, noise_model="ols")
        return compute_contrast(labels, results, weights, stat_type=kind)


@pytest.mark.parametrize("expression", ["a", "a - b", "(a + b)/2 - c"])
def test_t_maps_are_nilearns(bold, design, expression):
    ours = fit(bold, design, noise="ols").contrast(expression)
    theirs = nilearn_contrast(bold, design.matrix, ours.weights, "t")

    np.testing.assert_allclose(ours.effect, theirs.effect_size(), rtol=1e-9)
    np.testing.assert_allclose(ours.variance, theirs.effect_variance(), rtol=1e-9)
    np.testing.assert_allclose(ours.t, theirs.stat(), rtol=1e-9)
    np.testing.assert_allclose(ours.p, theirs.p_value(), rtol=1e-9)
    np.testing.assert_allclose(ours.z, theirs.z_score(), rtol=1e-9)


def test_f_maps_are_nilearns(bold, design):
    ours = fit(bold, design, noise="ols").contrast("a - b, b - c")
    theirs = nilearn_contrast(bold, design.matrix, ours.weights, "F")

    np.testing.assert_allclose(ours.F, theirs.stat(), rtol=1e-9)
    np.testing.assert_allclose(ours.p, theirs.p_value(), rtol=1e-9)


def test_of_a_rank_deficient_design_nilearn_divides_by_scans_less_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 9))
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    bold = rng.normal(size=(40, 5))
    weights = np.eye(10)[4]

    ours = fit(bold, X, noise="ols").contrast(weights)
    theirs = nilearn_contrast(bold, X, weights, "t")

    assert ours.dof == 31
    np.testing.assert_allclose(theirs.stat() / ours.t, np.sqrt(30 / 31), rtol=1e-9)
