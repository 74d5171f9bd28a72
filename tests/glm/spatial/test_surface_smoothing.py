"""Smoothing along a mesh: as wide as asked, within the mask, whatever the triangles."""

import numpy as np
import pytest

from boldglm.glm.spatial.surface_smoothing import MeshSmoother, edge_length, edge_weights
from icosphere import edges_of, icosphere


def measured_fwhm(maps, points, triangles):
    """Full width at half maximum from the correlation of neighbors (Hagler et al. 2006)."""
    edges = edges_of(triangles)
    one, other = maps[:, edges[:, 0]], maps[:, edges[:, 1]]
    distance = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1).mean()
    correlation = 1 - ((one - other) ** 2).sum() / (one**2 + other**2).sum()
    return distance * np.sqrt(-2 * np.log(2) / np.log(correlation))


def jittered(points, size):
    """Move vertices along the sphere, so that triangles have all shapes and sizes."""
    moved = points + np.random.default_rng(1).normal(0, size, points.shape)
    return np.linalg.norm(points[0]) * moved / np.linalg.norm(moved, axis=1, keepdims=True)


@pytest.mark.parametrize("fwhm", [6.0, 8.0, 12.0])
@pytest.mark.parametrize("jitter", [0.0, 0.5], ids=["even mesh", "uneven mesh"])
def test_smoothed_noise_measures_the_width_that_was_asked(fwhm, jitter):
    points, triangles = icosphere(5)  # 3.8 mm between vertices
    points = jittered(points, jitter)
    smoother = MeshSmoother(points, triangles, np.ones(len(points), bool), fwhm)
    rng = np.random.default_rng(0)

    maps = np.stack([smoother.smooth(rng.normal(size=len(points))) for _ in range(60)])

    np.testing.assert_allclose(measured_fwhm(maps, points, triangles), fwhm, rtol=0.05)


def test_a_point_spreads_to_a_gaussian_of_its_distance():
    points, triangles = icosphere(5)
    spike = np.zeros(len(points))
    spike[500] = 1.0

    spread = MeshSmoother(points, triangles, spike == spike, 16.0).smooth(spike)

    distance = 100 * np.arccos(np.clip(points @ points[500] / 1e4, -1, 1))
    expected = np.exp(-4 * np.log(2) * (distance / 16) ** 2)
    np.testing.assert_allclose(spread / spread[500], expected, atol=0.02)


def test_what_is_constant_stays_so_up_to_the_edge_of_the_mask_and_nothing_crosses_it():
    points, triangles = icosphere(3)
    mask = points[:, 2] > 0
    values = np.where(points[:, 0] > 0, 1e4, 7.0)
    smoother = MeshSmoother(points, triangles, mask, 30.0)

    constant = smoother.smooth(np.full(mask.sum(), 1234.5))
    smoothed = smoother.smooth(values[mask])

    np.testing.assert_allclose(constant, 1234.5, rtol=1e-6)
    _, areas = edge_weights(points, triangles)
    np.testing.assert_allclose(
        areas[mask] @ smoothed, areas[mask] @ values[mask], rtol=1e-5
    )  # heat is kept


def test_vertices_without_neighbors_in_the_mask_keep_their_values():
    points, triangles = icosphere(2)
    mask = np.zeros(len(points), bool)
    mask[[0, 3]] = True  # on opposite sides

    smoothed = MeshSmoother(points, triangles, mask, 50.0).smooth([3.0, -8.0])

    np.testing.assert_allclose(smoothed, [3.0, -8.0], rtol=1e-4)


def test_triangles_without_area_and_vertices_without_triangles_give_finite_values():
    points, triangles = icosphere(3)
    first, second, _ = triangles[200]
    points[first] = points[second]
    points = np.vstack([points, [0.0, 0, 0]])
    rng = np.random.default_rng(0)

    smoothed = MeshSmoother(points, triangles, np.ones(len(points), bool), 30.0).smooth(
        rng.normal(size=len(points))
    )

    assert np.isfinite(smoothed).all()
    assert np.abs(smoothed[:-1]).max() < 2


@pytest.mark.parametrize(
    ("fwhm", "mask", "message"),
    [
        (0.0, [True] * 162, "must be positive"),
        (3.0, [True] * 162, "too narrow for a mesh"),
        (40.0, [False] * 162, "do not form a surface"),
        (40.0, [True] * 5, "do not form a surface"),
    ],
)
def test_what_cannot_be_smoothed_is_refused(fwhm, mask, message):
    points, triangles = icosphere(2)

    with pytest.raises(ValueError, match=message):
        MeshSmoother(points, triangles, mask, fwhm)


def test_the_narrowest_width_is_accurate_and_half_of_it_is_not():
    points, triangles = icosphere(5)
    everywhere = np.ones(len(points), bool)
    narrowest = 1.4 * edge_length(edge_weights(points, triangles)[1])

    def reached(fwhm, **options):
        smoother = MeshSmoother(points, triangles, everywhere, fwhm, **options)
        rng = np.random.default_rng(0)
        maps = np.stack([smoother.smooth(rng.normal(size=len(points))) for _ in range(20)])
        return measured_fwhm(maps, points, triangles) / fwhm

    assert abs(reached(1.01 * narrowest) - 1) < 0.02
    assert abs(reached(0.5 * narrowest, is_checked=False) - 1) > 0.1
    with pytest.raises(ValueError, match="too narrow for a mesh"):
        reached(0.99 * narrowest)
