"""The workflow of a run in somebody else's workflow, with plain files and nipype's defaults."""

import copy
import json
from pathlib import Path

import nibabel as nib
import numpy as np
from nipype.pipeline.engine import Workflow

from boldglm.glm import Design, build_design, fit
from boldglm.interfaces import WriteDesign
from boldglm.io.outputs.design_files import read_design
from boldglm.notices import warning
from boldglm.workflows import (
    BuiltDesign,
    ConfoundSettings,
    DesignSettings,
    FitSettings,
    ModelFile,
    Modulator,
    RunSettings,
    init_run_wf,
)
from model_nodes import CONVOLVED_CONDITIONS

STEM = "sub-01_task-cuetarget_run-1"


def test_plain_files_give_the_maps_of_the_array_functions(dataset, tmp_path):
    func = dataset / "sub-01" / "func"
    outer = Workflow(name="somebody_elses", base_dir=str(tmp_path))
    settings = RunSettings(fit=FitSettings(noise_model="ols", signal_scaling="none"))
    run_wf = init_run_wf(["cue - target", "any = cue, target"], settings)
    run_wf.inputs.inputnode.bold_file = str(func / f"{STEM}_bold.nii.gz")
    run_wf.inputs.inputnode.events_file = str(func / f"{STEM}_events.tsv")
    outer.add_nodes([run_wf])

    graph = outer.run()

    outputs = {node.name: node.result.outputs for node in graph.nodes()}
    found = outputs["estimate_contrasts"]
    mask = np.asarray(nib.load(outputs["fit_glm"].mask_file).dataobj) > 0
    bold = np.asarray(nib.load(func / f"{STEM}_bold.nii.gz").dataobj)[mask].T
    table = np.genfromtxt(func / f"{STEM}_events.tsv", names=True, dtype=None, encoding="utf-8")
    events = {name: table[name] for name in ("onset", "duration", "trial_type")}
    design = build_design(events, (np.arange(len(bold)) + 0.5) * 2.0)
    expected = fit(bold, design, noise="ols").contrast("cue - target")
    got = np.asarray(nib.load(found.effect_files).dataobj)[mask]
    np.testing.assert_allclose(got, expected.effect, rtol=1e-5, atol=1e-5)
    assert [Path(path).name for path in found.stat_files] == [
        "contrast-cueMinusTarget_stat-t_statmap.nii.gz",
        "contrast-any_stat-F_statmap.nii.gz",
    ]


def test_every_design_setting_reaches_the_interface_that_builds_the_design():
    confounds = ConfoundSettings(columns=("rot_*",), fd_threshold=0.5, dummy_scans=3)
    design = DesignSettings(
        conditions=("go",),
        hrf_model="fir",
        fir_delays=(0.0, 2.0),
        high_pass=None,
        modulators=(Modulator("go", "rt"),),
        confounds=confounds,
    )

    inputs = init_run_wf(["go"], RunSettings(design=design)).get_node("build_design").inputs

    expected = {
        "conditions": ["go"],
        "hrf_model": "fir",
        "fir_delays": [0.0, 2.0],
        "high_pass": None,
        "confounds": ["rot_*"],
        "fd_threshold": 0.5,
        "dummy_scans": 3,
        "modulators": [{"Condition": "go", "Column": "rt", "Order": 1}],
    }
    assert {name: getattr(inputs, name) for name in expected} == expected


def test_a_model_file_makes_the_design(dataset, tmp_path):
    conditions = ["trial_type.cue", "trial_type.target"]
    run = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": CONVOLVED_CONDITIONS,
        "Model": {"Type": "glm", "X": [*conditions, 1]},
    }
    model = tmp_path / "model-a_smdl.json"
    content = {"Name": "a", "BIDSModelVersion": "1.0.0", "Nodes": [run]}
    model.write_text(json.dumps(content))
    events = dataset / "sub-01/func" / f"{STEM}_events.tsv"
    workflow = init_run_wf(["cue"], RunSettings(design=ModelFile(model)))
    build = workflow.get_node("build_design").interface
    build.inputs.trait_set(events_file=str(events), n_scans=80, repetition_time=2.0)

    design = build.run(cwd=str(tmp_path)).outputs.design_file

    assert Path(design).read_text().splitlines()[0].split("\t") == [*conditions, "constant"]


def test_a_built_design_is_written_digit_by_digit_with_the_one_before(tmp_path):
    before, design = (random_design(seed) for seed in (1, 2))
    built = BuiltDesign(design, before, (("b", ("a",)),), (warning("look"),))

    outputs = WriteDesign(built=built).run(cwd=str(tmp_path)).outputs

    assert read_design(Path(outputs.design_file)) == design
    assert read_design(Path(outputs.before_file)) == before
    details = json.loads(Path(outputs.sidecar_file).read_text())
    assert details["Orthogonalized"] == ["b ~ a"]
    assert details["Warnings"] == ["look"]
    assert outputs.notices == [warning("look")]


def test_copies_of_a_workflow_share_a_built_design():
    workflow = init_run_wf(["a"], RunSettings(design=BuiltDesign(random_design(1))))

    copied = copy.deepcopy(workflow).get_node("write_design").inputs.built

    assert copied is workflow.get_node("write_design").inputs.built


def random_design(seed):
    matrix = np.random.default_rng(seed).normal(size=(5, 2))
    return Design(matrix, ("a", "b"), np.arange(5) * 2.0, ("condition", "condition"), ("a", "b"))


def test_the_graph_has_a_node_for_each_step_and_no_more():
    plain = init_run_wf(["a"])
    built = init_run_wf(["a"], RunSettings(design=BuiltDesign(random_design(1))))
    workflow = init_run_wf(["a"], RunSettings(design=DesignSettings(orthogonalize=("b ~ a",))))

    assert "orthogonalize" not in plain.list_node_names()
    assert not {"build_design", "orthogonalize"} & set(built.list_node_names())
    assert sorted(workflow.list_node_names()) == [
        "build_design",
        "estimate_contrasts",
        "fit_glm",
        "inputnode",
        "notices",
        "orthogonalize",
        "outputnode",
    ]
