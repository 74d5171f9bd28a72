"""What becomes of a condition that a run lacks: dropped, refused, or its weight shared."""

import json

import nibabel as nib
import numpy as np
import pytest

from boldglm import map_metadata
from boldglm.cli.main import main
from model_nodes import SUBJECT, run_node_of

STEM = "sub-01_task-cuetarget"


@pytest.fixture
def lacking(dataset):
    """Return a dataset whose first run of the first participant has no cue."""
    path = dataset / f"sub-01/func/{STEM}_run-1_events.tsv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join(row for row in rows if "cue" not in row.split("\t")[2]) + "\n")
    return dataset


def model_of(tmp_path, dummy=False):
    conditions = ["trial_type.cue", "trial_type.target"]
    content = {
        "Name": "means",
        "BIDSModelVersion": "1.0.0",
        "Nodes": [
            run_node_of(
                conditions,
                Contrasts=[
                    {"Name": "mean", "ConditionList": conditions, "Weights": ["1/2", "1/2"],
                     "Test": "t"},
                    {"Name": "difference", "ConditionList": conditions, "Weights": [1, -1],
                     "Test": "t"},
                    {"Name": "target", "ConditionList": conditions[1:], "Weights": [1],
                     "Test": "pass"},
                ],
            ),
            SUBJECT,
            {"Level": "Dataset", "Name": "all", "GroupBy": ["contrast"],
             "Model": {"Type": "meta", "X": [1]}, "DummyContrasts": {"Test": "t"}},
        ],
    }  # fmt: skip
    path = tmp_path / "model-means_smdl.json"
    path.write_text(json.dumps(content))
    return path


def fit(dataset, out, model, *options):
    return main([str(dataset), str(out), "participant", "-m", str(model), "--participant-label",
                 "01", "--noise-model", "ols", *options])  # fmt: skip


def effect(out, node, contrast, run=""):
    path = (
        out / f"node-{node}/sub-01/func/{STEM}{run}_contrast-{contrast}_stat-effect_statmap.nii.gz"
    )
    return nib.load(path).get_fdata() if path.is_file() else None


def test_a_condition_is_dropped_with_the_contrasts_that_need_it(lacking, tmp_path, capsys):
    out, model = tmp_path / "out", model_of(tmp_path)

    assert fit(lacking, out, model) == 0

    for contrast in ("mean", "difference"):
        assert effect(out, "run", contrast, "_run-1") is None
        np.testing.assert_allclose(
            effect(out, "subject", contrast), effect(out, "run", contrast, "_run-2"), rtol=1e-5
        )
    assert effect(out, "run", "target", "_run-1") is not None
    shown = capsys.readouterr().out
    assert "'trial_type.cue' of X: it has no event" in shown
    assert "_run-1 from contrast" in shown
    assert "not estimated there" in (out / "sub-01.html").read_text()
    design = json.loads((out / f"node-run/sub-01/func/{STEM}_run-1_design.json").read_text())
    assert any("trial_type.cue" in note for note in design["Exclusions"])


def test_the_weight_of_a_missing_condition_is_shared_by_its_side(lacking, tmp_path):
    out, model = tmp_path / "out", model_of(tmp_path)

    assert fit(lacking, out, model, "--missing-conditions", "zero") == 0

    mean, target = (effect(out, "run", name, "_run-1") for name in ("mean", "target"))
    np.testing.assert_allclose(mean, target, rtol=1e-5, atol=1e-7)
    assert effect(out, "run", "difference", "_run-1") is None  # one side is gone
    path = out / f"node-run/sub-01/func/{STEM}_run-1_contrast-mean_stat-t_statmap.json"
    assert map_metadata(path)["Weights"] == {"trial_type.target": [1.0]}
    assert "has weight 0" in (out / "sub-01.html").read_text()


def test_a_missing_condition_stops_where_that_was_asked_for(lacking, tmp_path, capsys):
    model = model_of(tmp_path)
    default = [str(lacking), str(tmp_path / "b"), "participant", "--participant-label", "01"]

    assert fit(lacking, tmp_path / "a", model, "--missing-conditions", "error") == 65
    assert main([*default, "--missing-conditions", "error"]) == 65

    shown = capsys.readouterr().err
    assert shown.count("--missing-conditions error does not allow that") == 2
    assert f"{STEM}_run-1_events.tsv" in shown
    assert not list(tmp_path.glob("[ab]/node-*"))


def test_a_condition_that_nobody_has_is_a_mistake(dataset, tmp_path, capsys):
    model = model_of(tmp_path)
    model.write_text(model.read_text().replace("trial_type.cue", "trial_type.cues"))

    assert fit(dataset, tmp_path / "out", model, "--dry-run") == 65

    assert "Did you mean 'trial_type.cue'?" in capsys.readouterr().err


def test_what_passes_has_effect_and_variance_and_no_test(dataset, tmp_path):
    out = tmp_path / "out"

    assert fit(dataset, out, model_of(tmp_path)) == 0

    stats = {path.name.split("stat-")[1].split("_")[0]
             for path in (out / "node-run").rglob("*contrast-target_stat-*.nii.gz")}  # fmt: skip
    assert stats == {"effect", "variance", "dof"} - ({"dof"} - stats)
    assert effect(out, "subject", "target") is not None


def test_one_participant_is_enough_for_fixed_effects(dataset, tmp_path):
    out = tmp_path / "out"
    assert fit(dataset, out, model_of(tmp_path)) == 0

    assert main([str(dataset), str(out), "group"]) == 0

    group = out / "node-all/task-cuetarget_contrast-mean_stat-effect_statmap.nii.gz"
    np.testing.assert_allclose(
        nib.load(group).get_fdata(), effect(out, "subject", "mean"), rtol=1e-5, atol=1e-7
    )


def without_cue(dataset):
    for path in dataset.glob("sub-01/func/*_events.tsv"):
        rows = path.read_text().splitlines()
        path.write_text("\n".join(row for row in rows if "cue" not in row.split("\t")[2]) + "\n")


@pytest.mark.parametrize("named", ["trial_type.*", "trial_type.cue"])
def test_a_participant_alone_may_lack_a_condition_that_others_have(
    dataset, tmp_path, capsys, named
):
    """As where every participant is a job of its own."""
    without_cue(dataset)
    out, model = tmp_path / "out", model_of(tmp_path)
    content = json.loads(model.read_text())
    convolve = content["Nodes"][0]["Transformations"]["Instructions"][1]
    convolve["Input"] = [named, "trial_type.target"]
    model.write_text(json.dumps(content))

    assert fit(dataset, out, model) == 0

    shown = capsys.readouterr().out
    assert "contrast 'difference': this run lacks trial_type.cue" in shown
    assert effect(out, "subject", "target") is not None
    assert effect(out, "subject", "difference") is None
    assert fit(dataset, tmp_path / "b", model, "--missing-conditions", "error") == 65


def test_a_participant_alone_may_lack_a_condition_of_a_saved_default_model(dataset, tmp_path):
    both = tmp_path / "both"
    first = [str(dataset), str(both), "participant", "--participant-label", "02"]
    assert main([*first, "--noise-model", "ols"]) == 0
    without_cue(dataset)
    out, model = tmp_path / "out", both / "models/model-default_smdl.json"

    assert fit(dataset, out, model) == 0

    maps = (out / "node-subject/sub-01").rglob("*stat-effect_statmap.nii.gz")
    names = {path.name.split("contrast-")[1].split("_")[0] for path in maps}
    assert "target" in names
    assert not any("cue" in name.lower() for name in names)


def test_a_run_that_lacks_the_condition_of_an_orthogonalization_is_fitted_without_it(
    lacking, tmp_path, capsys
):
    out = tmp_path / "out"
    options = ["--participant-label", "01", "--orthogonalize", "target ~ cue"]

    assert main([str(lacking), str(out), "participant", *options, "--noise-model", "ols"]) == 0

    assert "has no trial_type.cue" in capsys.readouterr().out
    alone = tmp_path / "alone"
    options = ["--participant-label", "01", "--run-label", "1", "--conditions", "target"]
    assert main([str(lacking), str(alone), "participant", *options, "--noise-model", "ols"]) == 0
    orthogonalized, plain = (effect(root, "run", "target", "_run-1") for root in (out, alone))
    np.testing.assert_array_equal(orthogonalized, plain)
