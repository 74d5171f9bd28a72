"""The smoothness of noise that was made with a known one."""

import numpy as np
import pytest

from boldglm.glm import fit
from boldglm.glm.spatial.domains import SurfaceDomain, VolumeDomain
from boldglm.glm.spatial.smoothness import (
    gaussian_width,
    grid_fwhm,
    mesh_edges,
    mesh_fwhm,
    sampled_residuals,
    sampled_scans,
)
from icosphere import icosphere


def ellipsoid(shape=(50, 48, 40)):
    axes = [np.linspace(-1, 1, length) for length in shape]
    return sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")) < 0.9


def smoothed_noise(domain, n_voxels, fwhm, n_rows=40):
    rng = np.random.default_rng(0)
    smoother = domain.smoother(fwhm)
    return np.stack([smoother.smooth(rng.normal(size=n_voxels)) for _ in range(n_rows)])


@pytest.mark.parametrize("sizes", [(2.0, 2.0, 2.0), (2.0, 3.0, 2.5)])
@pytest.mark.parametrize("fwhm", [6.0, 9.0, 12.0])
def test_the_width_of_smoothed_white_noise_is_found_along_each_axis(fwhm, sizes):
    mask = ellipsoid()
    domain = VolumeDomain(mask, sizes)
    rows = smoothed_noise(domain, mask.sum(), fwhm)

    # near the edge of a mask there is less to average, so noise is a little smoother there
    np.testing.assert_allclose(domain.fwhm(rows), fwhm, rtol=0.035)


def test_axes_are_told_apart_and_the_unit_of_a_voxel_does_not_matter():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(40, 30, 31, 32))
    rows[:, 1:] += rows[:, :-1]  # neighbors along x correlate by 1/2
    rows[..., :-1] += 0.5 * rows[..., 1:]  # along z by 0.5 / 1.25
    mask = np.ones(rows.shape[1:], bool)
    mask[0] = mask[..., -1] = False
    values = rows[:, mask] * rng.uniform(0.1, 1000, mask.sum())

    result = grid_fwhm(values, mask, (2.0, 3.0, 4.0))

    along_x, _, along_z = (
        size * np.sqrt(-2 * np.log(2) / np.log(r))
        for size, r in ((2.0, 0.5), (3.0, 0.5), (4.0, 0.4))
    )
    np.testing.assert_allclose(result[[0, 2]], [along_x, along_z], rtol=0.02)
    assert result[1] < 1.7  # white: a correlation of 0.01 is half a voxel already


def test_few_rows_give_no_smaller_width_than_many():
    mask = np.ones((24, 24, 24), bool)
    domain = VolumeDomain(mask, (2.0, 2.0, 2.0))
    rows = smoothed_noise(domain, mask.sum(), 3.5, n_rows=120)
    many = domain.fwhm(rows).mean()

    few = np.mean([domain.fwhm(rows[start : start + 4]).mean() for start in range(0, 120, 4)])

    assert abs(few / many - 1) < 0.01


@pytest.mark.parametrize("fwhm", [6.0, 9.0, 15.0])
@pytest.mark.parametrize("jitter", [0.0, 0.5], ids=["even mesh", "uneven mesh"])
def test_the_width_of_noise_smoothed_along_a_mesh_is_found(fwhm, jitter):
    points, triangles = icosphere(5)  # 3.8 mm between vertices
    points += np.random.default_rng(1).normal(0, jitter, points.shape)
    mask = points[:, 2] > -60
    domain = SurfaceDomain(points, triangles, mask)

    result = domain.fwhm(smoothed_noise(domain, mask.sum(), fwhm))

    np.testing.assert_allclose(result, [fwhm], rtol=0.035)


def test_edges_of_different_lengths_give_one_width():
    lengths = np.array([1.0, 2.0, 6.0])
    correlation = np.exp(-2 * np.log(2) * lengths**2 / 25).mean()

    assert gaussian_width(correlation, lengths) == pytest.approx(5.0, rel=1e-9)


def test_what_cannot_be_measured_is_not_a_number_or_0():
    plane = np.zeros((5, 5, 5), bool)
    plane[2] = True
    constant = np.ones((10, 25))
    white = np.random.default_rng(0).normal(size=(10, 25)) * np.array([1.0, -1.0] * 12 + [1.0])
    checks = np.indices((5, 5)).sum(axis=0).ravel() % 2 * 2.0 - 1

    assert np.isnan(grid_fwhm(constant, plane, (2, 2, 2))).all()  # perfectly correlated
    assert np.isnan(grid_fwhm(white, plane, (2, 2, 2))[0])  # one voxel thick
    np.testing.assert_array_equal(grid_fwhm(constant * checks, plane, (2, 2, 2))[1:], 0)
    lone = mesh_edges(np.eye(3), [[0, 1, 2]], [True, False, True])
    assert lone[0].tolist() == [[0, 1]]
    assert np.isnan(mesh_fwhm(np.zeros((4, 2)), *lone))


def test_voxels_without_noise_count_for_nothing():
    mask = ellipsoid((20, 20, 20))
    domain = VolumeDomain(mask, (3.0, 3.0, 3.0))
    rows = smoothed_noise(domain, mask.sum(), 8.0)
    expected = domain.fwhm(rows)

    rows[:, ::7] = 0

    np.testing.assert_allclose(domain.fwhm(rows), expected, rtol=0.02)


def test_residuals_of_a_fit_are_as_smooth_as_its_noise():
    mask = ellipsoid((30, 30, 30))
    domain = VolumeDomain(mask, (3.0, 3.0, 3.0))
    rng = np.random.default_rng(2)
    noise = smoothed_noise(domain, mask.sum(), 8.0, n_rows=100)
    time = np.arange(100)
    censored = np.zeros(100)
    censored[0] = 1
    drift = np.cos(np.pi * np.outer(time + 0.5, range(1, 8)) / 100)
    design = np.column_stack([time % 20 >= 10, censored, drift, np.ones(100)])
    signal = design @ rng.normal(0, 3, (design.shape[1], mask.sum()))  # rough
    result = fit(signal + noise + 1000, design, noise="ols")

    rows = sampled_residuals(signal + noise + 1000, result)

    assert 0 not in sampled_scans(result.model.basis, mask.sum())
    assert len(rows) == len(sampled_scans(result.model.basis, mask.sum())) == 64
    np.testing.assert_allclose(domain.fwhm(rows), domain.fwhm(noise), rtol=0.02)
    every = signal + noise + 1000 - design @ result.betas
    scans = sampled_scans(result.model.basis, mask.sum())
    np.testing.assert_allclose(rows, every[scans], atol=1e-3)
