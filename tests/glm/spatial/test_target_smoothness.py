"""Noise that is smoothed until it is as smooth as a target."""

import numpy as np
import pytest

from boldglm.glm.spatial.domains import SurfaceDomain, VolumeDomain
from boldglm.glm.spatial.smoothness import sampled_residual_rows, sampled_scans
from boldglm.glm.spatial.target_smoothness import smooth_to_target
from icosphere import icosphere

AXES = np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 38, 30)), indexing="ij")
MASK = sum(axis**2 for axis in AXES) < 0.9
GRID = VolumeDomain(MASK, (2.0, 2.0, 3.0))


def noise(domain, n_voxels, fwhm, seed=0):
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(24, n_voxels))
    if not fwhm:
        return white
    smoother = domain.smoother(fwhm)
    smooth = np.stack([smoother.smooth(row) for row in white])
    return smooth / smooth.std()


def fresh(smoother, rows):
    return np.stack([smoother.smooth(row) for row in rows])


@pytest.mark.parametrize("target", [6.0, 8.0, 11.0])
@pytest.mark.parametrize("present", [0.0, 5.0], ids=["white", "5 mm"])
def test_noise_that_was_not_looked_at_is_as_smooth_as_the_target_too(present, target):
    smoother, result = smooth_to_target(GRID, noise(GRID, MASK.sum(), present), target)

    other = fresh(smoother, noise(GRID, MASK.sum(), present, seed=1))

    np.testing.assert_allclose(GRID.fwhm(other), target, rtol=0.05)
    np.testing.assert_allclose(result.after, target, rtol=0.02)
    assert result.is_reached
    # squares of widths add, where voxels are small enough to hold a Gaussian
    expected = np.sqrt(target**2 - present**2)
    np.testing.assert_allclose(result.kernel[:2], expected, rtol=0.08)


@pytest.mark.parametrize("target", [4.0, 8.0, 12.0])
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_rough_noise_on_smooth_noise_reaches_the_target(share, target):
    rough, smooth = noise(GRID, MASK.sum(), 0.0), noise(GRID, MASK.sum(), 12.0, seed=1)
    rows = np.sqrt(share) * rough + np.sqrt(1 - share) * smooth

    smoother, result = smooth_to_target(GRID, rows, target)

    # no formula of p and T gives this kernel: it is a matter of what lies below the rough noise
    if target == 8.0:
        assert (result.kernel < 0.8 * np.sqrt(target**2 - result.before**2)).all()
    measurable = result.kernel > 0
    np.testing.assert_allclose(GRID.fwhm(fresh(smoother, rows))[measurable], target, rtol=0.05)


def test_only_axes_that_are_not_smooth_yet_are_smoothed():
    rows = noise(VolumeDomain(MASK, (1.0, 2.0, 3.0)), MASK.sum(), 5.0)  # 10 mm along the first

    smoother, result = smooth_to_target(GRID, rows, 8.0)

    assert result.kernel[0] == 0
    assert result.before[0] == result.before.max() > 9.5
    assert result.too_smooth
    assert result.is_needed
    assert result.is_reached
    np.testing.assert_allclose(GRID.fwhm(fresh(smoother, rows))[1:], 8, rtol=0.05)


def test_what_is_smooth_enough_or_cannot_be_measured_is_left():
    plane = np.zeros((9, 9, 9), bool)
    plane[::2, ::2, ::2] = True  # no two side by side
    alone = VolumeDomain(plane, (2.0, 2.0, 2.0))

    smooth = smooth_to_target(GRID, noise(GRID, MASK.sum(), 9.0), 6.0)
    unknown = smooth_to_target(alone, np.random.default_rng(0).normal(size=(9, plane.sum())), 6.0)

    assert smooth[0] is None
    assert unknown[0] is None
    assert smooth[1].too_smooth
    assert not unknown[1].too_smooth
    assert np.isnan(unknown[1].before).all()


@pytest.mark.parametrize(("present", "target"), [(0.0, 9.0), (6.0, 9.0), (9.0, 9.5)])
def test_noise_along_a_mesh_reaches_the_target_even_by_a_narrow_kernel(present, target):
    points, triangles = icosphere(5)  # 3.8 mm between vertices
    mask = points[:, 2] > -60
    mesh = SurfaceDomain(points, triangles, mask)

    smoother, result = smooth_to_target(mesh, noise(mesh, mask.sum(), present), target)

    other = fresh(smoother, noise(mesh, mask.sum(), present, seed=1))
    np.testing.assert_allclose(mesh.fwhm(other), target, rtol=0.03)
    assert result.is_reached


@pytest.mark.parametrize("n_scans", [20, 32, 75])
def test_residuals_of_volumes_that_come_one_by_one_are_those_of_least_squares(n_scans):
    rng = np.random.default_rng(0)
    bold = rng.normal(1e4, 30, (n_scans, 50))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n_scans), rng.normal(size=(n_scans, 4))]))
    one = np.empty(50)

    def volumes():
        for row in bold:
            one[:] = row  # overwritten by the next
            yield one

    rows = sampled_residual_rows(volumes(), basis, 50)

    expected = bold - basis @ (basis.T @ bold)
    np.testing.assert_allclose(rows, expected[sampled_scans(basis, 50)], atol=1e-3)
