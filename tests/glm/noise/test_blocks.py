"""Blocks of voxels, projected onto a design."""

import numpy as np
import pytest

from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.noise.blocks import Chunks, each_projected

N_SCANS = 150


def projected(bold, design):
    """Return the only block of some data."""
    blocks = []
    each_projected(bold, linear_model(design), Chunks(), blocks.append)
    (block,) = blocks
    return block


@pytest.mark.parametrize("mean", [1e-6, 1 / 3, 1e8 / 7])
def test_a_constant_signal_has_no_variance_though_subtracting_its_mean_leaves_rounding(mean):
    # the mean of equal numbers may differ from them in the last bit
    constants = mean * np.linspace(1, 2, 300)
    bold = np.repeat(constants[np.newaxis], N_SCANS, axis=0)
    assert (bold - bold.mean(axis=0)).any()

    block = projected(bold, np.ones((N_SCANS, 1)))

    assert block.without_variance.all()
    np.testing.assert_array_equal(block.ssr(), 0.0)
    np.testing.assert_allclose(block.means, constants, rtol=1e-14)


def test_a_signal_that_the_design_explains_has_no_variance():
    design = np.column_stack(
        [np.random.default_rng(0).normal(size=(N_SCANS, 3)), np.ones(N_SCANS)]
    )
    bold = design @ np.random.default_rng(1).normal(size=(4, 300)) + 1000

    assert projected(bold, design).without_variance.all()


@pytest.mark.parametrize("noise", [1e-3, 1e-6, 1e-8])
def test_small_residuals_keep_their_digits(noise):
    rng = np.random.default_rng(2)
    design = np.column_stack([rng.normal(size=(N_SCANS, 3)), np.ones(N_SCANS)])
    basis = np.linalg.qr(design)[0]
    residuals = noise * rng.normal(size=(N_SCANS, 50))
    residuals -= basis @ (basis.T @ residuals)

    block = projected(design @ rng.normal(size=(4, 50)) + residuals, design)

    assert not block.without_variance.any()
    np.testing.assert_allclose(block.ssr(), (residuals**2).sum(axis=0), rtol=1e-6)
