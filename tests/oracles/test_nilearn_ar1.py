"""nilearn's own AR(1), number by number."""

import warnings

import numpy as np
import pytest

from boldglm.glm import fit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import run_glm


def series(mean, drift, n_scans=150, n_voxels=400):
    rng = np.random.default_rng(0)
    rho = rng.uniform(-0.3, 0.9, n_voxels)
    noise = rng.normal(size=(n_scans, n_voxels))
    for t in range(1, n_scans):
        noise[t] += rho * noise[t - 1]
    return noise + mean + drift * np.linspace(-1, 1, n_scans)[:, np.newaxis]


def regressors(constant, n_scans=150):
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.normal(size=(n_scans, 5)), np.cumsum(rng.normal(size=n_scans))])
    return np.column_stack([X, np.ones(n_scans)]) if constant else X


@pytest.mark.parametrize(
    ("mean", "drift", "constant"),
    [(0.0, 0.0, True), (1e4, 0.0, True), (100.0, 20.0, True), (0.3, 0.0, False)],
    ids=["centered", "large mean", "drift", "no constant"],
)
def test_every_number_is_nilearns(mean, drift, constant):
    bold, X = series(mean, drift), regressors(constant)
    contrasts = [np.eye(X.shape[1])[0], np.eye(X.shape[1])[1] - np.eye(X.shape[1])[5]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels, results = run_glm(bold, X, noise_model="ar1")
        theirs = [compute_contrast(labels, results, c, stat_type="t") for c in contrasts]
        their_f = compute_contrast(labels, results, np.stack(contrasts), stat_type="F")

    found = fit(bold, X, noise="nilearn-ar1")

    np.testing.assert_array_equal(found.ar[0], labels.astype(float))
    for weights, one in zip(contrasts, theirs, strict=True):
        ours = found.contrast(weights)
        np.testing.assert_allclose(ours.t, one.stat(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ours.effect, one.effect_size(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ours.variance, one.effect_variance(), rtol=1e-9)
        np.testing.assert_allclose(ours.p, one.p_value(), rtol=1e-8)
        np.testing.assert_allclose(ours.z, one.z_score(), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.contrast(np.stack(contrasts)).F, their_f.stat(), rtol=1e-8)
