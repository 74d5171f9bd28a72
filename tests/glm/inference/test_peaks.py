"""Peaks of clusters in any row, against one voxel at a time; on grids, see the reports' tests."""

import numpy as np
import pytest
from scipy import ndimage

from boldglm.glm import cluster_peaks, find_clusters, grid_neighbors, mesh_neighbors


def one_by_one(values, labels, neighbors, places, min_distance):
    """Walk from the highest voxel down; keep local maxima that are far from those kept."""
    pairs = np.stack(neighbors.pairs())
    kept = []
    for voxel in np.argsort(-np.abs(values), kind="stable"):
        touching = pairs[:, (pairs == voxel).any(axis=0)].ravel()
        rivals = touching[labels[touching] == labels[voxel]]
        near = [peak for peak in kept if labels[peak] == labels[voxel]
                and np.linalg.norm(places[peak] - places[voxel]) < min_distance]  # fmt: skip
        highest = np.abs(values[rivals]).max(initial=0)
        if labels[voxel] >= 0 and abs(values[voxel]) >= highest and not near:
            kept.append(int(voxel))
    return kept


def test_peaks_in_a_grid_are_those_found_one_by_one():
    rng = np.random.default_rng(6)
    mask = rng.random((10, 9, 8)) < 0.9
    values = 3 * ndimage.gaussian_filter(rng.normal(size=mask.shape), 0.7)[mask]
    neighbors = grid_neighbors(mask)
    labels, _, _ = find_clusters(values, 0.8, neighbors, two_sided=True)
    places = np.argwhere(mask) * [2.0, 2.5, 3.0] - 10

    result = {
        distance: cluster_peaks(values, labels, neighbors, places, min_distance=distance)
        for distance in (0.0, 6.0, 100.0)
    }

    for distance, peaks in result.items():
        assert peaks.tolist() == one_by_one(values, labels, neighbors, places, distance)
    assert len(result[0.0]) > len(result[6.0]) > len(result[100.0]) == labels.max() + 1


def test_peaks_on_a_mesh_follow_its_edges():
    # a strip of triangles; vertices 0 and 3 are not joined
    mesh = mesh_neighbors([[0, 1, 2], [1, 2, 3]], np.ones(4, bool))
    places = np.array([[0.0, 0, 0], [4, 3, 0], [4, -3, 0], [8, 0, 0]])
    labels = np.zeros(4, dtype=int)

    assert cluster_peaks([5.0, 3, 3, 4], labels, mesh, places).tolist() == [0, 3]
    assert cluster_peaks([5.0, 3, 3, 4], labels, mesh, places, min_distance=8.1).tolist() == [0]
    assert cluster_peaks([4.0, 6, 3, 5], labels, mesh, places).tolist() == [1]
    assert cluster_peaks([-4.0, -6, -3, 0], [0, 0, 0, -1], mesh, places).tolist() == [1]


def test_nothing_in_clusters_has_no_peaks():
    line = grid_neighbors(np.ones((1, 1, 3), bool))

    peaks = cluster_peaks(np.ones(3), np.full(3, -1), line, np.zeros((3, 3)))

    assert peaks.tolist() == []


@pytest.mark.parametrize(("distance", "n_peaks"), [(7.9, 1), (8.0, 2)])
def test_by_default_peaks_are_8_mm_apart_as_in_spm(distance, n_peaks):
    line = grid_neighbors(np.ones((3, 1, 1), bool))
    coordinates = np.array([[0.0, 0, 0], [distance / 2, 0, 0], [distance, 0, 0]])

    peaks = cluster_peaks([5.0, 3.0, 4.0], np.zeros(3, int), line, coordinates)

    assert peaks.size == n_peaks
