"""Tables of clusters of some voxels: where they lie, and whether it is known who are neighbors."""

import numpy as np
import pandas as pd
import pytest

from boldglm.analysis.higher_levels.group_inference import Inference, VoxelAdjacency, infer
from boldglm.glm import fit_second_level
from boldglm.io.images import grayordinates
from boldglm.io.images.cifti import BrainModels
from boldglm.io.images.grayordinates import Grayordinates
from boldglm.io.outputs.records import ContrastMaps
from boldglm.notices import exclusion
from fake_surfaces import N_MEDIAL, N_VERTICES, POINTS, TRIANGLES, brain_models, write_gifti

SHAPE, AFFINE = (9, 10, 8), np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 3, 3], [0, 0, 0, 1]])
AXIS = brain_models(SHAPE, AFFINE)
LEFT = np.arange(len(AXIS)) < N_VERTICES - N_MEDIAL
VOXELS = ~AXIS.surface_mask


def meshes(folder, sides):
    paths = [folder / f"hemi-{side}_midthickness.surf.gii" for side in sides]
    for path in paths:
        arrays = [POINTS.astype(np.float32), TRIANGLES.astype(np.int32)]
        write_gifti(path, arrays, ["POINTSET", "TRIANGLE"])
    return paths


def inferred(place, where, active, folder):
    """Test the mean of five inputs with effects in some grayordinates."""
    effects = np.random.default_rng(2).normal(0, 0.01, (5, place.n_voxels))
    fitted = fit_second_level(effects + active[place.mask], np.ones((5, 1)), names=["mean"])
    tested = fitted.contrast([1.0], name="cue")
    return infer(
        ContrastMaps("cue", "t", {}, 4.0, 1, {}),
        tested,
        fitted,
        where,
        Inference(sides="one"),
        folder,
    )


@pytest.fixture
def mask():
    return np.random.default_rng(1).random(len(AXIS)) < 0.9


@pytest.mark.parametrize("active", [LEFT, VOXELS, np.zeros_like(LEFT)])
def test_no_table_leaves_out_a_hemisphere_whose_mesh_is_not_known(mask, active, tmp_path):
    place = Grayordinates(mask, BrainModels(AXIS)).with_meshes(meshes(tmp_path, "L"))

    found, notes = inferred(place, VoxelAdjacency(place), active, tmp_path)

    assert found.table is None
    assert notes == (exclusion("table of clusters of 'cue': the surface has no mesh"),)


@pytest.mark.parametrize("active", [LEFT | VOXELS, VOXELS, np.zeros_like(LEFT)])
def test_peaks_are_where_they_are_and_meshes_are_read_once(mask, active, tmp_path, monkeypatch):
    read = []
    choose = grayordinates.choose_mesh
    monkeypatch.setattr(
        grayordinates, "choose_mesh", lambda *given: read.append(given) or choose(*given)
    )
    place = Grayordinates(mask, BrainModels(AXIS)).with_meshes(meshes(tmp_path, "LR"))
    where = VoxelAdjacency(place)

    for _ in range(2):
        found, notes = inferred(place, where, active, tmp_path)

    table = pd.read_csv(found.table, sep="\t", dtype={"cluster_id": str})
    places = np.vstack([POINTS[N_MEDIAL:], POINTS[N_MEDIAL:], AXIS.voxel[VOXELS] @ AFFINE[:3, :3]])
    places[VOXELS] += AFFINE[:3, 3]
    for peak in table[["x", "y", "z"]].to_numpy():
        assert np.linalg.norm(places[mask & active] - peak, axis=1).min() < 1e-3
    assert table["size"].sum() == (mask & active).sum()
    assert notes == ()
    assert len(read) == 2  # one for each hemisphere
