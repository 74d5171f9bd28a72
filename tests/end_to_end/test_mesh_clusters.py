"""Clusters of group maps: vertices by the mesh of their hemisphere, voxels by their grid."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from fake_surfaces import (
    N_MEDIAL,
    N_VERTICES,
    POINTS,
    TRIANGLES,
    brain_models,
    write_cifti,
    write_surfaces,
)

T_AT_05 = 2.353363  # of 3 degrees of freedom
OPTIONS = ("--noise-model", "ols", "--contrast", "cue")
TEST = ("--cluster-p", "0.05", "--permutations", "100", "--sides", "one")


@pytest.fixture
def four(tmp_path):
    plan = DatasetPlan(n_subjects=4, n_runs=1, n_scans=60, shape=(14, 16, 10))
    return write_dataset(tmp_path / "bids", plan)


def both_levels(dataset, out, space):
    assert main([str(dataset), str(out), "participant", "--space", space, *OPTIONS]) == 0
    assert main([str(dataset), str(out), "group", *TEST]) == 0
    return out / "node-dataset"


def sizes_along(edges, above):
    """Sizes of what is connected, largest first, by scipy."""
    pairs = edges[above[edges].all(axis=1)]
    graph = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=2 * above.shape)
    _, labels = connected_components(graph, directed=False)
    return np.sort(np.bincount(labels[above])[np.unique(labels[above])])[::-1].tolist()


def mesh_edges():
    return np.vstack([TRIANGLES[:, [0, 1]], TRIANGLES[:, [1, 2]], TRIANGLES[:, [2, 0]]])


def table_of(path):
    return pd.read_csv(path, sep="\t", dtype={0: str})


def test_clusters_of_each_hemisphere_are_those_of_its_mesh(four, tmp_path):
    write_surfaces(four)

    group = both_levels(four, tmp_path / "out", "fsaverage5")

    for side in "LR":
        stem = f"task-cuetarget_hemi-{side}_space-fsaverage5_contrast-cue"
        t = nib.load(group / f"{stem}_stat-t_statmap.shape.gii").agg_data()
        table = table_of(group / f"{stem}_desc-clusters_table.tsv")
        sizes = sizes_along(mesh_edges(), t >= T_AT_05)
        assert max(sizes) > 1
        assert table["size"].dropna().tolist() == sizes
        top = table.iloc[0]
        vertex = np.linalg.norm(POINTS - top[["x", "y", "z"]].to_numpy(float), axis=1).argmin()
        assert t[vertex] == pytest.approx(top.peak_t, rel=1e-4)
        assert vertex >= N_MEDIAL
        extent = nib.load(group / f"{stem}_stat-pFWEextent_statmap.shape.gii").agg_data()
        assert extent[vertex] == pytest.approx(top.p_fwe_extent, rel=1e-4)
        said = map_metadata(group / f"{stem}_stat-pFWE_statmap.json")
        assert (said["Permutations"], said["PermutationsAreAll"]) == (16, True)


def test_clusters_of_grayordinates_are_those_of_two_meshes_and_of_all_voxels_together(
    four, tmp_path
):
    write_cifti(four)

    group = both_levels(four, tmp_path / "out", "fsLR")

    stem = "task-cuetarget_space-fsLR_den-91k_contrast-cue"
    t = nib.load(group / f"{stem}_stat-t_statmap.dscalar.nii").get_fdata()[0]
    image = nib.load(four / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz")
    axis = brain_models(image.shape[:3], image.affine)
    expected, voxels = [], ~axis.surface_mask
    for name, own, model in axis.iter_structures():
        if "CORTEX" in name:
            whole = np.zeros(N_VERTICES)
            whole[model.vertex] = t[own]
            expected += sizes_along(mesh_edges(), whole >= T_AT_05)
    expected += sizes_along(touching(axis.voxel[voxels]), t[voxels] >= T_AT_05)
    found = table_of(group / f"{stem}_desc-clusters_table.tsv")["size"].dropna()
    assert found.tolist() == sorted(expected, reverse=True)


def touching(voxels):
    """Pairs of voxels that share a face or an edge."""
    apart = np.abs(voxels[:, np.newaxis] - voxels[np.newaxis])
    return np.argwhere(np.triu((apart.max(axis=2) == 1) & (apart.sum(axis=2) < 3)))


def test_without_a_mesh_there_is_no_table_of_clusters_and_that_is_said(four, tmp_path, capsys):
    write_surfaces(four, meshes=())

    group = both_levels(four, tmp_path / "out", "fsaverage5")

    assert "table of clusters of 'cue': the surface has no mesh" in capsys.readouterr().out
    assert not list(group.glob("*_desc-clusters_table.tsv"))
    assert not list(group.glob("*_stat-pFWEextent_statmap.shape.gii"))
    assert len(list(group.glob("*_stat-pFWE_statmap.shape.gii"))) == 2
