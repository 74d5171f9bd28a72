"""The variance between inputs is where the restricted likelihood is highest."""

import numpy as np
import pytest

from boldglm.glm.second_level.reml import reml_variance

N_VOXELS = 1500


def likelihood(basis, y, v, between):
    """Return the restricted log-likelihood at one voxel, from its definition."""
    w = 1 / (v + between)
    inside = (basis.T * w) @ basis
    residual = y - basis @ np.linalg.solve(inside, basis.T @ (w * y)) if basis.size else y
    determinant = np.linalg.slogdet(inside)[1] if basis.size else 0.0
    return (np.log(w).sum() - determinant - (w * residual**2).sum()) / 2


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_no_other_value_has_a_higher_likelihood(rank):
    rng = np.random.default_rng(9)
    n_inputs = 12
    v = np.exp(1.5 * rng.normal(size=(n_inputs, N_VOXELS)))
    y = rng.normal(size=v.shape) * np.sqrt(v + 0.5)
    design = np.column_stack([np.ones(n_inputs), rng.normal(size=(n_inputs, 2))])[:, :rank]
    basis = np.linalg.qr(design)[0] if rank else design

    found = reml_variance(basis, y, v)

    grid = np.append(0, np.geomspace(0.003, 300, 80))
    for voxel in range(0, N_VOXELS, 1 if rank == 2 else 10):
        here = basis, y[:, voxel], v[:, voxel]
        best = max(likelihood(*here, value) for value in grid)
        assert likelihood(*here, found[voxel]) >= best - 1e-9


def test_equal_variances_give_the_estimate_by_moments():
    y = np.random.default_rng(1).normal(size=(9, 50)) * 2
    basis = np.full((9, 1), 1 / 3)
    found = reml_variance(basis, y, np.full(y.shape, 0.7))
    np.testing.assert_allclose(
        found, np.maximum(y.var(axis=0, ddof=1) - 0.7, 0), rtol=1e-8, atol=1e-12
    )
