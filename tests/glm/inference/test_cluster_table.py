"""Rows of a table of clusters: by hand, and on a real map against FSL's own table."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from boldglm.glm import grid_neighbors, mesh_neighbors, tabulate_clusters

AFFINE = np.array([[-2.0, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])


def places_of(mask):
    return np.argwhere(mask) @ AFFINE[:3, :3].T + AFFINE[:3, 3]


def test_clusters_are_sorted_by_size_and_peaks_by_height():
    volume = np.zeros((12, 6, 6))
    volume[1, 1, 1] = 9.0  # the highest, alone
    volume[2:10, 4, 4] = [4, 5, 4, 4, 4, 4, 6, 4]  # peaks 10 mm apart
    volume[10:12, 0, 0] = [-7, -5]
    mask = np.ones(volume.shape, bool)

    rows = tabulate_clusters(
        volume[mask], 3.5, grid_neighbors(mask), places_of(mask),
        volumes=np.full(mask.sum(), 12.0), two_sided=True,
    )  # fmt: skip

    assert [(row.cluster, row.peak) for row in rows] == [(1, 1), (1, 2), (2, 1), (3, 1)]
    np.testing.assert_allclose([row.statistic for row in rows], [6, 5, -7, 9], rtol=0)
    assert [row.n_voxels for row in rows] == [8, 8, 2, 1]
    np.testing.assert_allclose([row.volume for row in rows], [96, 96, 24, 12], rtol=1e-12)
    np.testing.assert_allclose([row.mass for row in rows], [7, 7, 5, 5.5], rtol=1e-12)
    np.testing.assert_allclose([rows[0].x, rows[0].y, rows[0].z], [-6, -12, 17], rtol=1e-12)
    np.testing.assert_allclose([volume[mask][row.voxel] for row in rows], [6, 5, -7, 9], rtol=0)


def test_no_more_peaks_are_listed_than_may_be():
    mask = np.ones((20, 1, 1), bool)
    values = np.tile([3.0, 5.0], 10)

    rows = tabulate_clusters(
        values, 2.0, grid_neighbors(mask), places_of(mask), min_distance=4.0, max_peaks=3
    )

    assert [(row.cluster, row.peak, row.voxel) for row in rows] == [
        (1, 1, 1),
        (1, 2, 3),
        (1, 3, 5),
    ]
    assert np.isnan(rows[0].volume)


def test_clusters_on_a_mesh_have_areas():
    mesh = mesh_neighbors([[0, 1, 2], [2, 1, 3]], np.ones(4, bool))

    (row,) = tabulate_clusters(
        [3.0, 1.0, 4.0, 3.5], 2.0, mesh, np.eye(4, 3) * 20, volumes=[1.0, 2, 3, 4]
    )

    assert (row.voxel, row.n_voxels, row.volume, row.z) == (2, 3, 8.0, 20.0)


def test_a_map_below_the_threshold_has_no_rows():
    mask = np.ones((2, 2, 2), bool)

    assert tabulate_clusters(np.ones(8), 2.0, grid_neighbors(mask), places_of(mask)) == []


def test_coordinates_that_do_not_fit_are_refused():
    mask = np.ones((2, 2, 2), bool)

    with pytest.raises(ValueError, match=r"coordinates have shape \(7, 3\) and volumes \(8,\)"):
        tabulate_clusters(np.ones(8), 2.0, grid_neighbors(mask), np.zeros((7, 3)))


def test_clusters_of_a_real_map_are_those_of_fsl(real_data):
    folder = real_data("ds114-feat-reference")
    image = nib.load(folder / "zstat1.nii.gz")
    mask = nib.load(folder / "mask.nii.gz").get_fdata() > 0
    theirs = pd.read_csv(folder / "cluster_zstat1.txt", sep="\t")
    peaks = pd.read_csv(folder / "lmax_zstat1.txt", sep="\t")
    threshold = nib.load(folder / "thresh_zstat1.nii.gz").get_fdata()
    lowest = np.floor(threshold[threshold > 0].min() * 10) / 10
    voxels = np.argwhere(mask)

    rows = tabulate_clusters(
        image.get_fdata()[mask], lowest, grid_neighbors(mask, 26), voxels, min_distance=0,
        max_peaks=1000,
    )  # fmt: skip

    highest = [row for row in rows if row.peak == 1][: len(theirs)]
    assert [row.n_voxels for row in highest] == theirs["Voxels"].tolist()
    by_place = {(row.x, row.y, row.z): row for row in rows}
    for _, cluster in theirs.iterrows():
        result = by_place[tuple(cluster[[f"Z-MAX {axis} (vox)" for axis in "XYZ"]])]
        assert (result.peak, result.n_voxels) == (1, cluster["Voxels"])
        np.testing.assert_allclose(result.statistic, cluster["Z-MAX"], atol=0.005)
    for _, peak in peaks.iterrows():
        result = by_place[peak["x"], peak["y"], peak["z"]]
        np.testing.assert_allclose(result.statistic, peak["Z"], atol=0.005)
