"""Contrasts across orthogonalized regressors, said wherever their results are read."""

import json
from pathlib import Path

import pytest
from nipype.pipeline.engine import Workflow

from boldglm import FirstLevel, map_metadata
from boldglm.cli.main import main
from boldglm.io.outputs.records import read_result
from boldglm.workflows import DesignSettings, FitSettings, RunSettings, init_run_wf

RUN = "sub-01_task-cuetarget_run-1"
RULE = ("--orthogonalize", "target ~ cue")
OLS = ("--noise-model", "ols")
COMPARES = (
    "contrast 'cue - target': target was orthogonalized against cue, so the estimate of cue "
    "contains the variance shared with target, and the contrast does not compare the responses "
    "to cue and target"
)
MEASURES = "the contrast does not measure the response to cue alone"
EXCLUDED = "default contrast 'cue - target': target was orthogonalized against cue"


def warnings(path):
    return map_metadata(path).get("Warnings", [])


def test_default_contrasts_across_an_orthogonalization_are_excluded(dataset, tmp_path, capsys):
    out = tmp_path / "out"
    chosen = ("--participant-label", "01")
    assert main([str(dataset), str(out), "participant", *chosen, *RULE, *OLS, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"excluded: {EXCLUDED}" in said
    assert "warning: contrast 'cue': " in said
    assert MEASURES in said
    assert "contrast 'target':" not in said
    assert "contrast 'any condition'" not in said

    assert main([str(dataset), str(out), "participant", *chosen, *RULE, *OLS]) == 0

    summary = capsys.readouterr().out
    exclusions, _, others = summary.partition("Warnings (")
    assert EXCLUDED in exclusions
    assert MEASURES in others
    folder = out / "node-run/sub-01/func"
    assert not list(folder.glob("*cueMinusTarget*"))
    assert list(folder.glob(f"{RUN}_contrast-anyCondition_stat-F_statmap.nii.gz"))
    (text,) = warnings(folder / f"{RUN}_contrast-cue_stat-effect_statmap.json")
    assert MEASURES in text
    assert warnings(folder / f"{RUN}_contrast-target_stat-effect_statmap.json") == []
    assert warnings(folder / f"{RUN}_contrast-anyCondition_stat-F_statmap.json") == []
    report = (out / "sub-01.html").read_text()
    assert MEASURES in report
    assert "would not compare the responses to cue and target" in report


def test_a_contrast_that_was_asked_for_is_kept_and_warned_of_at_every_level(
    dataset, tmp_path, capsys
):
    out = tmp_path / "out"
    asked = ("--contrast", "cue - target", "--contrast", "target")
    assert main([str(dataset), str(out), "participant", *asked, *RULE, *OLS]) == 0
    assert COMPARES in capsys.readouterr().out
    assert main([str(dataset), str(out), "group"]) == 0
    assert COMPARES in capsys.readouterr().out

    for stem in (
        f"node-run/sub-01/func/{RUN}",
        "node-subject/sub-01/func/sub-01_task-cuetarget",
        "node-dataset/task-cuetarget",
    ):
        (text,) = warnings(out / f"{stem}_contrast-cueMinusTarget_stat-effect_statmap.json")
        assert text.startswith(COMPARES)
        assert warnings(out / f"{stem}_contrast-target_stat-effect_statmap.json") == []
    assert "does not compare the responses" in (out / "group.html").read_text()
    design = json.loads((out / f"node-run/sub-01/func/{RUN}_design.json").read_text())
    assert list(design["OrthogonalizationWeights"]) == ["trial_type.target"]


def test_without_orthogonalization_nothing_is_said(dataset, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--participant-label", "01", "--run-label", "1", "--dry-run")
    assert main([str(dataset), str(out), "participant", *options]) == 0
    said = capsys.readouterr().out
    assert "cue - target" in said
    assert "orthogonalized" not in said


@pytest.mark.parametrize(
    ("hrf_model", "kept"),
    [("spm", ["cue", "target", "any condition"]),
     ("fir", ["cue", "target", "any condition"]),
     # the derivative of the response to target enters what is tested of cue
     ("spm + derivative", ["cue", "target"])],
)  # fmt: skip
def test_the_test_of_all_conditions_is_kept_where_it_spans_the_same_space(
    dataset, tmp_path, hrf_model, kept
):
    out = tmp_path / "out"
    options = ("--participant-label", "01", "--run-label", "1", "--hrf-model", hrf_model, *OLS)
    delays = ("--fir-delays", "0", "4", "8") if hrf_model == "fir" else ()
    assert main([str(dataset), str(out), "participant", *options, *delays, *RULE]) == 0

    content = json.loads((out / "models/model-default_smdl.json").read_text())
    assert [contrast["Name"] for contrast in content["Nodes"][0]["Contrasts"]] == kept


def transformed_model(order):
    names = ["trial_type.cue", "trial_type.target"]
    steps = {
        "Convolve": {"Name": "Convolve", "Input": names, "Model": "spm"},
        "Orthogonalize": {"Name": "Orthogonalize", "Input": names[1:], "Other": names[:1]},
        "Copy": {"Name": "Copy", "Input": names[:1], "Output": ["first"]},
    }
    run = {
        "Level": "Run", "Name": "run", "GroupBy": ["run", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [{"Name": "Factor", "Input": ["trial_type"]},
                             *(steps[name] for name in order)],
        },
        "Model": {"Type": "glm", "X": [*names, 1]},
        "Contrasts": [{"Name": "difference", "ConditionList": names, "Weights": [1, -1],
                       "Test": "t"}],
        "DummyContrasts": {"Test": "t"},
    }  # fmt: skip
    return {"Name": "transformed", "BIDSModelVersion": "1.0.0", "Input": {"task": ["cuetarget"]},
            "Nodes": [run]}  # fmt: skip


@pytest.mark.parametrize(
    "order", [("Convolve", "Orthogonalize"), ("Convolve", "Orthogonalize", "Copy")]
)
def test_the_transformation_orthogonalize_is_warned_of(dataset, tmp_path, capsys, order):
    model, out = tmp_path / "model.json", tmp_path / "out"
    model.write_text(json.dumps(transformed_model(order)))
    options = ("--participant-label", "01", "--run-label", "1", "-m", str(model), *OLS)
    assert main([str(dataset), str(out), "participant", *options]) == 0

    said = capsys.readouterr().out
    assert "contrast 'difference': target was orthogonalized against cue" in said
    assert "contrast 'trial_type.cue': target was orthogonalized against cue" in said
    assert "contrast 'trial_type.target':" not in said
    folder = out / "node-run/sub-01/func"
    (text,) = warnings(folder / f"{RUN}_contrast-difference_stat-t_statmap.json")
    assert "does not compare the responses to cue and target" in text
    design = json.loads((folder / f"{RUN}_design.json").read_text())
    assert design["OrthogonalizationWeights"] == {"trial_type.target": {"trial_type.cue": None}}


def test_first_level_gives_the_same_warning(dataset):
    stem = str(dataset / f"sub-01/func/{RUN}_")
    other = stem.replace("run-1", "run-2")
    model = FirstLevel(noise_model="ols", orthogonalize=["target ~ cue"])

    model.fit(f"{stem}bold.nii.gz", f"{stem}events.tsv")
    assert any(
        str(notice).startswith(COMPARES) for notice in model.contrast("cue - target").notices
    )
    assert not [notice for notice in model.contrast("target").notices if "orthog" in str(notice)]

    model.fit([f"{stem}bold.nii.gz", f"{other}bold.nii.gz"],
              [f"{stem}events.tsv", f"{other}events.tsv"])  # fmt: skip
    assert any(
        str(notice).startswith(COMPARES) for notice in model.contrast("cue - target").notices
    )


def test_the_workflow_of_a_run_gives_the_same_warning(dataset, tmp_path):
    func = dataset / "sub-01" / "func"
    settings = RunSettings(
        design=DesignSettings(orthogonalize=("target ~ cue",)), fit=FitSettings(noise_model="ols")
    )
    outer = Workflow(name="somebody_elses", base_dir=str(tmp_path))
    run_wf = init_run_wf(["cue - target", "target"], settings)
    run_wf.inputs.inputnode.bold_file = str(func / f"{RUN}_bold.nii.gz")
    run_wf.inputs.inputnode.events_file = str(func / f"{RUN}_events.tsv")
    outer.add_nodes([run_wf])

    graph = outer.run()

    found = {node.name: node.result.outputs for node in graph.nodes()}["estimate_contrasts"]
    result = read_result(Path(found.result_file))
    assert [maps.warnings[0].startswith(COMPARES) for maps in result.contrasts if maps.warnings]
    assert result.contrast("target").warnings == ()
    assert sum(str(notice).startswith(COMPARES) for notice in result.notices) == 1
