"""Both hemispheres of fMRIPrep's surfaces, from the command line to maps, levels and reports."""

import json
import re

import nibabel as nib
import numpy as np
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.glm import fit
from boldglm.glm.spatial.surface_smoothing import MeshSmoother
from boldglm.io.outputs.design_files import read_design
from fake_surfaces import (
    N_MEDIAL,
    N_VERTICES,
    POINTS,
    TRIANGLES,
    vertex_series,
    write_gifti,
    write_surfaces,
)
from icosphere import icosphere

FUNC = "node-run/sub-01/func/sub-01_task-cuetarget_run-1_hemi-{}_space-fsaverage5"
OF_SUBJECT = "node-subject/sub-01/func/sub-01_task-cuetarget_hemi-{}_space-fsaverage5"
OPTIONS = ("--space", "fsaverage5", "--noise-model", "ols")
ONE_RUN = ("--participant-label", "01", "--run-label", "1")


def participant(dataset, out, *options):
    return main([str(dataset), str(out), "participant", *OPTIONS, *options])


def values(path):
    return nib.load(path).agg_data().astype(float)


def test_each_hemisphere_is_fitted_at_its_vertices(dataset, tmp_path):
    write_surfaces(dataset)
    out = tmp_path / "out"

    assert participant(dataset, out, *ONE_RUN, "--maps", "residuals") == 0

    raw = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    for side in "LR":
        stem = FUNC.format(side)
        series = vertex_series(raw, side)[:, N_MEDIAL:].astype(float)
        design = read_design(out / f"{stem}_design.tsv")
        expected = fit(series, design, noise="ols").contrast("cue")
        mean = np.delete(series, design.censored, axis=0).mean(axis=0)
        inside = values(out / f"{stem}_desc-brain_mask.shape.gii") > 0
        np.testing.assert_array_equal(inside, np.arange(N_VERTICES) >= N_MEDIAL)
        t = values(out / f"{stem}_contrast-cue_stat-t_statmap.shape.gii")
        effect = values(out / f"{stem}_contrast-cue_stat-effect_statmap.shape.gii")
        percent = 100 * expected.effect / mean
        np.testing.assert_allclose(t[inside], expected.t, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(effect[inside], percent, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(t[~inside], 0)
        sidecar = map_metadata(out / f"{stem}_contrast-cue_stat-t_statmap.json")
        assert sidecar["Mask"] == f"bids::{stem}_desc-brain_mask.shape.gii"
        assert f"hemi-{side}_space-fsaverage5_bold.func.gii" in sidecar["Sources"][0]
        sidecar = json.loads((out / f"{stem}_desc-residuals_bold.json").read_text())
        assert sidecar["RepetitionTime"] == pytest.approx(2.0)
        residuals = nib.load(out / f"{stem}_desc-residuals_bold.func.gii")
        assert len(residuals.darrays) == len(series)


def test_levels_go_on_by_hemisphere_and_the_report_shows_both_together(dataset, tmp_path):
    write_surfaces(dataset)
    out = tmp_path / "out"

    assert participant(dataset, out) == 0
    assert main([str(dataset), str(out), "group"]) == 0

    for side in "LR":
        runs = [
            values(
                out / f"{FUNC.format(side).replace('run-1', f'run-{number}')}_contrast-cue_stat-"
                "effect_statmap.shape.gii"
            )
            for number in (1, 2)
        ]
        combined = values(
            out / f"{OF_SUBJECT.format(side)}_contrast-cue_stat-effect_statmap.shape.gii"
        )
        low, high = np.minimum(*runs) - 1e-5, np.maximum(*runs) + 1e-5
        assert np.all((combined >= low) & (combined <= high))
        stem = f"task-cuetarget_hemi-{side}_space-fsaverage5"
        group = out / f"node-dataset/{stem}_contrast-cue_stat-t_statmap.shape.gii"
        assert np.abs(values(group)[N_MEDIAL:]).min() > 0
    report = (out / "sub-01.html").read_text()
    titles = re.findall(r"<h2[^>]*>([^<]*)", report)
    assert sum("runs combined" in title for title in titles) == 1
    assert sum("run 1" in title for title in titles) == 1
    assert "left hemisphere" in report
    assert "right hemisphere" in report
    assert "No mesh" not in report


def test_smoothing_runs_along_the_mesh_that_the_derivatives_have(dataset, tmp_path):
    write_surfaces(dataset)
    out = tmp_path / "out"

    code = participant(dataset, out, *ONE_RUN, "--smoothing", "20")

    assert code == 0
    stem = FUNC.format("L")
    raw = dataset / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz"
    mask = np.arange(N_VERTICES) >= N_MEDIAL
    smoother = MeshSmoother(POINTS, TRIANGLES, mask, 20.0)
    series = np.stack([smoother.smooth(row[mask]) for row in vertex_series(raw, "L")])
    design = read_design(out / f"{stem}_design.tsv")
    expected = fit(series.astype(float), design, noise="ols").contrast("cue")
    t = values(out / f"{stem}_contrast-cue_stat-t_statmap.shape.gii")
    np.testing.assert_allclose(t[mask], expected.t, rtol=1e-3, atol=1e-3)


def test_smoothing_without_a_mesh_is_refused_before_the_fit_and_a_mesh_can_be_given(
    dataset, tmp_path, capsys
):
    folder = write_surfaces(dataset, meshes=("inflated",))
    out = tmp_path / "out"
    one = (*ONE_RUN, "--smoothing", "20")

    assert participant(dataset, out, *one) == 65
    message = capsys.readouterr().err
    meshes = [
        path.rename(tmp_path / path.name.replace("inflated", "white"))
        for path in sorted(folder.glob("sub-01/anat/*_inflated.surf.gii"))
    ]
    assert participant(dataset, tmp_path / "given", *one, "--mesh", *map(str, meshes)) == 0

    for words in ("midthickness, white or pial", "sub-01_hemi-L_inflated.surf.gii", "--mesh"):
        assert words in message
    assert not (out / "node-run").exists()


def test_without_any_mesh_the_report_says_so_and_shows_distributions(dataset, tmp_path):
    write_surfaces(dataset, meshes=())
    out = tmp_path / "out"

    assert participant(dataset, out, *ONE_RUN) == 0

    report = (out / "sub-01.html").read_text()
    assert f"No mesh with {N_VERTICES} vertices was found" in report


def test_volumes_and_surfaces_together_are_a_choice_to_make(dataset, tmp_path, capsys):
    write_surfaces(dataset)

    code = main([str(dataset), str(tmp_path / "out"), "participant"])

    assert code == 18
    assert "2 spaces: MNI152NLin2009cAsym:res-2, fsaverage5" in capsys.readouterr().err


def test_a_mesh_that_is_not_there_or_fits_no_run_is_refused(dataset, tmp_path, capsys):
    write_surfaces(dataset)
    points, triangles = icosphere(2)
    arrays = [points.astype(np.float32), triangles.astype(np.int32)]
    write_gifti(tmp_path / "hemi-L_white.surf.gii", arrays, ["POINTSET", "TRIANGLE"])

    absent = participant(dataset, tmp_path / "a", "--mesh", str(tmp_path / "none.surf.gii"))
    coarse = participant(
        dataset, tmp_path / "b", "--mesh", str(tmp_path / "hemi-L_white.surf.gii")
    )

    assert (absent, coarse) == (66, 65)
    said = capsys.readouterr().err
    assert "There is no surface" in said
    assert "162 vertices" in said
    assert "642 vertices" in said
