"""The app on a dataset whose activation is known: effects, names, sidecars, resuming."""

import nibabel as nib
import numpy as np
import pytest
from scipy import stats

from boldglm import map_metadata
from boldglm.cli.main import main
from boldglm.demo.dataset import SPHERES, DatasetPlan, sphere_mask, write_dataset


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Both levels on 3 subjects x 2 runs; the paths of data and output."""
    root = tmp_path_factory.mktemp("known")
    plan = DatasetPlan(n_subjects=3, n_scans=120, shape=(16, 18, 12))
    data, out = write_dataset(root / "bids", plan), root / "out"
    assert main([str(data), str(out), "participant"]) == 0
    assert main([str(data), str(out), "group"]) == 0
    return data, out


def load(path):
    return np.asarray(nib.load(path).dataobj, dtype=float)


@pytest.mark.parametrize("sphere", SPHERES, ids=lambda sphere: sphere.name)
@pytest.mark.parametrize("number", [0, 1], ids=["cue", "target"])
def test_planted_effects_come_back_in_percent(done, sphere, number):
    _, out = done
    condition = ("cue", "target")[number]

    effect = load(
        out / f"node-dataset/task-cuetarget_contrast-{condition}_stat-effect_statmap.nii.gz"
    )
    inside = sphere_mask(sphere, effect.shape)

    assert effect[inside].mean() == pytest.approx(sphere.percent[number], abs=0.25)


def test_noise_outside_the_spheres_keeps_its_false_positive_rate(done):
    _, out = done
    func = out / "node-run/sub-01/func"
    stem = "sub-01_task-cuetarget_run-1"
    p = stats.norm.sf(load(func / f"{stem}_contrast-cue_stat-z_statmap.nii.gz"))
    null = load(func / f"{stem}_desc-brain_mask.nii.gz") > 0
    for sphere in SPHERES:
        null &= ~sphere_mask(sphere, p.shape)
    hits = int((p[null] < 0.05).sum())

    # neighbors are independent here, so the count is binomial
    low, high = stats.binom.interval(0.999, int(null.sum()), 0.05)
    assert low <= hits <= high


def test_the_tree_has_the_names_of_the_contract(done):
    _, out = done
    files = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    found = {path.as_posix() for path in files if path.parts[0] != ".boldglm-work"}
    run = "node-run/sub-02/func/sub-02_task-cuetarget_run-2"
    subject = "node-subject/sub-02/func/sub-02_task-cuetarget"
    expected = {
        "dataset_description.json",
        "models/model-default_smdl.json",
        "sub-01.html",
        "group.html",
        f"{run}_design.tsv",
        f"{run}_design.json",
        f"{run}_desc-correlation_matrix.tsv",
        f"{run}_desc-brain_mask.nii.gz",
        f"{run}_contrast-anyCondition_stat-F_statmap.nii.gz",
        *(f"{run}_contrast-cueMinusTarget_stat-{s}_statmap.nii.gz" for s in ("effect", "t")),
        *(f"{subject}_contrast-cue_stat-{s}_statmap.nii.gz" for s in ("variance", "z", "p")),
        "node-dataset/task-cuetarget_contrast-cue_stat-t_statmap.nii.gz",
    }

    assert expected <= found
    maps = [name for name in found if name.endswith("_statmap.nii.gz")]
    assert all(map_metadata(out / name)["Sources"] for name in maps)
    kept = {path.parts[1] for path in files if path.parts[0] == ".boldglm-work"}
    assert kept == {"fits"}  # of nipype's folders, nothing


def test_a_sidecar_says_what_the_map_is(done):
    _, out = done
    path = (
        out / "node-run/sub-01/func/sub-01_task-cuetarget_run-1_contrast-cueMinusTarget"
        "_stat-t_statmap.json"
    )

    said = map_metadata(path)

    assert said["Contrast"] == "cue - target"
    assert said["Weights"] == {"trial_type.cue": [1.0], "trial_type.target": [-1.0]}
    assert said["Test"] == "t"
    assert said["NoiseModel"] == "auto"
    assert said["Sources"][0] == ("bids:raw:sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz")
    assert 0 < said["DegreesOfFreedom"] < 120


def test_maps_keep_the_grid_and_hold_no_nan(done):
    data, out = done
    source = nib.load(data / "sub-01/func/sub-01_task-cuetarget_run-1_bold.nii.gz")
    for path in out.glob("node-run/sub-01/func/*_statmap.nii.gz"):
        image = nib.load(path)
        np.testing.assert_array_equal(image.affine, source.affine)
        assert image.header["sform_code"] == image.header["qform_code"] == 1
        assert image.get_data_dtype() == np.float32
        assert np.isfinite(load(path)).all()


def test_z_and_p_belong_together(done):
    _, out = done
    stem = out / "node-subject/sub-03/func/sub-03_task-cuetarget_contrast-target_stat-"
    z, p = (load(f"{stem}{label}_statmap.nii.gz") for label in ("z", "p"))
    inside = p > 0

    np.testing.assert_allclose(stats.norm.sf(z[inside]), p[inside], rtol=1e-4)


def test_a_second_run_fits_nothing(done, capsys):
    data, out = done
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*statmap.nii.gz")}

    assert main([str(data), str(out), "participant"]) == 0

    assert "6 of 6 runs were already finished" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_saved_model_gives_the_same_maps(done, tmp_path):
    data, out = done
    again = tmp_path / "again"
    model = out / "models" / "model-default_smdl.json"

    code = main([
        str(data), str(again), "participant", "--participant-label", "01", "-m", str(model)
    ])  # fmt: skip

    assert code == 0
    for path in again.rglob("*_statmap.nii.gz"):
        np.testing.assert_array_equal(load(path), load(out / path.relative_to(again)))


def test_several_processes_give_the_same_maps(done, tmp_path):
    data, out = done
    again = tmp_path / "again"

    assert (
        main([str(data), str(again), "participant", "--nprocs", "2", "-w", str(tmp_path / "w")])
        == 0
    )

    maps = list(again.rglob("*_statmap.nii.gz"))
    assert len(maps) > 50
    for path in maps:
        np.testing.assert_array_equal(load(path), load(out / path.relative_to(again)))


def test_reports_hold_everything_in_one_file(done):
    _, out = done
    text = (out / "sub-01.html").read_text()

    assert "data:image/png;base64" in text
    assert "data:image/svg+xml;base64" in text
    for words in (
        "cue - target",
        "Notes",
        "Methods",
        f"boldglm {done[0]}",
        "Task cuetarget, run 2",
    ):
        assert words in text


def test_input_is_never_written_to(done):
    data, _ = done
    names = {path.name for path in data.rglob("*") if path.is_file()}

    assert len(names) == 4 + 3 * 2 * 2
