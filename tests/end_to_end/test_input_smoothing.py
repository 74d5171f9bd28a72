"""Effects smoothed on their way into a level above the run."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.glm import fit_second_level
from boldglm.glm.spatial.surface_smoothing import MeshSmoother
from boldglm.glm.spatial.volume_smoothing import MaskSmoother
from fake_surfaces import N_MEDIAL, N_VERTICES, POINTS, TRIANGLES, write_surfaces

STEM = "task-cuetarget_contrast-cue"
OLS = ("--noise-model", "ols")


def call(dataset, out, level, *options):
    return main([str(dataset), str(out), level, *options])


def load(path):
    return np.asarray(nib.load(path).dataobj, dtype=float)


def effects_of(out, node, pattern):
    paths = sorted(out.glob(f"node-{node}/sub-*/func/{pattern}"))
    masks = [path.with_name(path.name.split("_contrast")[0] + "_desc-brain_mask.nii.gz")
             for path in paths]  # fmt: skip
    return paths, [load(path) for path in paths], [load(path) > 0 for path in masks]


def smoothed_in_its_mask(effect, mask, fwhm, sizes):
    volume = np.zeros(effect.shape)
    volume[mask] = MaskSmoother(mask, fwhm, sizes).smooth(effect[mask])
    return volume


def test_effects_of_participants_are_smoothed_before_the_test_of_the_group(dataset, tmp_path):
    out = tmp_path / "out"
    # a voxel that only one of the participants has must not bleed into the other's
    path = dataset / "sub-02/func/sub-02_task-cuetarget_run-1_bold.nii.gz"
    image = nib.load(path)
    values = np.asarray(image.dataobj).copy()
    values[6:8, 6:8, 4] = 500
    nib.save(nib.Nifti1Image(values, image.affine, image.header), path)
    options = (*OLS, "--smoothing", "10:dataset", "--contrast", "cue", "--run-label", "1")
    assert call(dataset, out, "participant", *options) == 0
    assert call(dataset, out, "group") == 0

    paths, effects, masks = effects_of(out, "subject", f"*_{STEM}_stat-effect_statmap.nii.gz")
    sizes = nib.load(paths[0]).header.get_zooms()[:3]
    smooth = [smoothed_in_its_mask(*each, 10.0, sizes)
              for each in zip(effects, masks, strict=True)]  # fmt: skip
    both = masks[0] & masks[1]
    expected = fit_second_level(np.stack([one[both] for one in smooth]), np.ones((2, 1)))
    tested = expected.contrast([1.0])
    group = out / f"node-dataset/{STEM}_stat-effect_statmap.nii.gz"
    np.testing.assert_allclose(load(group)[both], tested.effect, rtol=1e-4, atol=1e-5)
    t = load(out / f"node-dataset/{STEM}_stat-t_statmap.nii.gz")[both]
    np.testing.assert_allclose(t, tested.t, rtol=1e-3, atol=1e-4)
    plain = np.mean([one[both] for one in effects], axis=0)
    assert abs(load(group)[both] - plain).max() > 0.05
    said = map_metadata(group)
    assert (said["InputSmoothingFWHM"], said["SmoothingFWHM"]) == (10.0, 0.0)
    report = (out / "group.html").read_text()
    assert "Smoothing of input effects" in report
    assert "smoothed with a Gaussian kernel of 10 mm" in report
    below = map_metadata(paths[0])
    assert "InputSmoothingFWHM" not in below


def test_the_group_level_can_smooth_anew_and_leaves_what_is_below(dataset, tmp_path, capsys):
    out = tmp_path / "out"
    options = (*OLS, "--contrast", "cue", "--run-label", "1")
    assert call(dataset, out, "participant", *options, "--smoothing", "6") == 0
    assert call(dataset, out, "group") == 0
    plain = load(out / f"node-dataset/{STEM}_stat-effect_statmap.nii.gz")

    assert call(dataset, out, "group", "--smoothing", "9:dataset", "--dry-run") == 0
    assert ", effects smoothed by 9 mm FWHM, task-cuetarget:" in capsys.readouterr().out
    assert call(dataset, out, "group", "--smoothing", "9:dataset") == 0
    smoothed = load(out / f"node-dataset/{STEM}_stat-effect_statmap.nii.gz")
    assert smoothed[plain != 0].std() < 0.8 * plain[plain != 0].std()
    assert call(dataset, out, "group", "--smoothing", "6") == 0  # as the runs are
    again = load(out / f"node-dataset/{STEM}_stat-effect_statmap.nii.gz")
    np.testing.assert_array_equal(again, plain)
    capsys.readouterr()

    assert call(dataset, out, "group", "--smoothing", "5") == 2
    message = capsys.readouterr().err
    assert "--smoothing 5:run does not match the finished results" in message
    assert "smoothing of the runs: 6 mm FWHM" in message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("5:subject", ("model-default_smdl.json", "weights its inputs by their variances")),
        ("5:session", ("has no session node", "run, subject, dataset")),
    ],
)
def test_what_would_need_variances_or_is_not_there_is_refused_before_any_fit(
    dataset, tmp_path, capsys, given, words
):
    assert call(dataset, tmp_path / "out", "participant", "--smoothing", given) == 65

    message = capsys.readouterr().err
    for one in words:
        assert one in message
    assert not (tmp_path / "out/node-run").exists()


def test_mixed_effects_of_smoothed_inputs_are_refused_by_path(dataset, tmp_path, capsys):
    assert call(dataset, tmp_path / "out", "participant", *OLS, "--run-label", "1") == 0
    model = tmp_path / "out/models/model-default_smdl.json"
    content = json.loads(model.read_text())
    content["Nodes"][2]["Model"]["Software"] = {
        "boldglm": {"Estimator": "mixed", "SmoothingFWHM": 5}
    }
    model.write_text(json.dumps(content))

    assert call(dataset, tmp_path / "out", "group") == 65

    message = capsys.readouterr().err
    assert "$.Nodes[2].Model.Software.boldglm.SmoothingFWHM" in message
    assert "variance of a smoothed effect" in message


@pytest.fixture
def least_squares_model(dataset, tmp_path):
    """Return a model whose subject node is least squares over runs."""
    one_run = ("--participant-label", "01", "--run-label", "1")
    assert call(dataset, tmp_path / "default", "participant", *OLS, *one_run) == 0
    content = json.loads((tmp_path / "default/models/model-default_smdl.json").read_text())
    content["Nodes"][1]["Model"]["Type"] = "glm"
    path = tmp_path / "ols_smdl.json"
    path.write_text(json.dumps(content))
    return path


def test_a_level_within_participants_smooths_what_enters_a_node_of_least_squares(
    dataset, tmp_path, least_squares_model
):
    out = tmp_path / "out"
    options = ("-m", str(least_squares_model), "--smoothing", "10:subject")
    assert call(dataset, out, "participant", "--participant-label", "01", *options) == 0

    paths, effects, masks = effects_of(
        out, "run", "sub-01_task-cuetarget_run-*_contrast-cue_stat-effect_statmap.nii.gz"
    )
    sizes = nib.load(paths[0]).header.get_zooms()[:3]
    smooth = [smoothed_in_its_mask(*each, 10.0, sizes)
              for each in zip(effects, masks, strict=True)]  # fmt: skip
    both = masks[0] & masks[1]
    found = out / f"node-subject/sub-01/func/sub-01_{STEM}_stat-variance_statmap.nii.gz"
    values = np.stack([one[both] for one in smooth])
    np.testing.assert_allclose(
        load(found)[both], values.var(axis=0, ddof=1) / 2, rtol=2e-3, atol=1e-6
    )
    saved = json.loads((out / "models/model-default_smdl.json").read_text())
    assert saved["Nodes"][1]["Model"]["Software"]["boldglm"]["SmoothingFWHM"] == 10.0
    assert "SmoothingFWHM" not in saved["Nodes"][0]["Model"]["Software"]["boldglm"]


def test_one_run_leaves_no_variance_and_is_refused_before_the_fit(
    dataset, tmp_path, capsys, least_squares_model
):
    options = ("-m", str(least_squares_model), "--smoothing", "10:subject", "--run-label", "1")

    assert call(dataset, tmp_path / "out", "participant", *options) == 65

    message = capsys.readouterr().err
    assert "node 'subject': sub-01" in message
    assert "1 inputs for a design of rank 1" in message
    assert not (tmp_path / "out/node-run").exists()


def test_effects_on_surfaces_are_smoothed_along_the_mesh_or_refused(dataset, tmp_path, capsys):
    folder = write_surfaces(dataset)
    out = tmp_path / "out"
    options = (*OLS, "--space", "fsaverage5", "--smoothing", "30:dataset", "--contrast", "cue",
               "--run-label", "1")  # fmt: skip
    assert call(dataset, out, "participant", *options) == 0
    assert call(dataset, out, "group") == 0

    mask = np.arange(N_VERTICES) >= N_MEDIAL
    smoother = MeshSmoother(POINTS, TRIANGLES, mask, 30.0)
    ending = "hemi-L_space-fsaverage5_contrast-cue_stat-effect_statmap.shape.gii"
    effects = [
        smoother.smooth(nib.load(path).agg_data()[mask])
        for path in sorted(out.glob(f"node-subject/sub-*/func/sub-*_{ending}"))
    ]
    group = nib.load(out / f"node-dataset/task-cuetarget_{ending}").agg_data()
    np.testing.assert_allclose(group[mask], np.mean(effects, axis=0), rtol=1e-3, atol=1e-5)

    shutil.rmtree(folder / "sub-01/anat")
    capsys.readouterr()
    assert call(dataset, out, "group", "--smoothing", "25:dataset") == 65
    assert "needs its mesh" in capsys.readouterr().err
