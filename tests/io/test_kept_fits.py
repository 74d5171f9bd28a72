"""Fits on disk."""

import numpy as np
import pytest

from boldglm.glm import NOISE_MODELS, fit
from boldglm.io.kept_fits import read_fit, write_fit


@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_a_fit_on_disk_tests_contrasts_to_single_precision(noise, tmp_path):
    rng = np.random.default_rng(11)
    design = np.column_stack([rng.standard_normal((90, 3)), np.linspace(-1, 1, 90), np.ones(90)])
    # a drift of fifty times the noise, and a mean of thousands
    bold = 5000 + rng.standard_normal((90, 400)) + 50 * np.linspace(-1, 1, 90)[:, np.newaxis]
    scale = rng.uniform(0.5, 2.0, 400)
    found = fit(bold, design, noise=noise)
    write_fit(tmp_path / "fit.npz", found, scale)

    again, scale_again = read_fit(tmp_path / "fit.npz")

    np.testing.assert_allclose(scale_again, scale, rtol=1e-7)
    contrast, expected = again.contrast([1, -1, 0, 0, 0]), found.contrast([1, -1, 0, 0, 0])
    error = np.sqrt(expected.variance)
    np.testing.assert_allclose(contrast.effect / error, expected.effect / error, atol=2e-5)
    np.testing.assert_allclose(contrast.variance, expected.variance, rtol=2e-6)
    np.testing.assert_allclose(contrast.dof, expected.dof, rtol=1e-6)
    for name in ("basis", "back_projection"):
        kept, made = getattr(again.model, name), getattr(found.model, name)
        np.testing.assert_array_equal(kept, made)
