"""Fits on disk."""

import numpy as np
import pytest

from boldglm.glm import NOISE_MODELS, fit
from boldglm.io.outputs.fit_cache import read_fit, write_fit


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_a_fit_on_disk_tests_contrasts_as_the_one_in_memory(noise, unit, tmp_path):
    rng = np.random.default_rng(11)
    design = np.column_stack([rng.standard_normal((60, 2)), np.ones(60)])
    bold = unit * (5000 + rng.standard_normal((60, 40)))
    scale = rng.uniform(0.5, 2.0, 40)
    found = fit(bold, design, noise=noise)
    write_fit(tmp_path / "fit.npz", found, scale)

    again, scale_again = read_fit(tmp_path / "fit.npz")

    np.testing.assert_array_equal(scale_again, scale)
    contrast, expected = again.contrast([1, -1, 0]), found.contrast([1, -1, 0])
    assert (expected.variance > 0).all()
    for name in ("effect", "variance", "dof"):
        np.testing.assert_array_equal(getattr(contrast, name), getattr(expected, name))
