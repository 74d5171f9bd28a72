"""The workflow of a run in somebody else's workflow, with plain files and nipype's defaults."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nipype.pipeline.engine import Workflow

from boldglm.glm import build_design, fit
from boldglm.workflows import init_run_wf

STEM = "sub-01_task-cuetarget_run-1"


def test_plain_files_give_the_maps_of_the_array_functions(dataset, tmp_path):
    func = dataset / "sub-01" / "func"
    outer = Workflow(name="somebody_elses", base_dir=str(tmp_path))
    run_wf = init_run_wf(contrasts=["cue - target", "any = cue, target"], noise_model="ols",
                         signal_scaling="none")  # fmt: skip
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
    design = build_design(events, np.arange(len(bold)) * 2.0)
    expected = fit(bold, design, noise="ols").contrast("cue - target")
    got = np.asarray(nib.load(found.effect_files).dataobj)[mask]
    np.testing.assert_allclose(got, expected.effect, rtol=1e-5, atol=1e-5)
    assert [Path(path).name for path in found.stat_files] == [
        "contrast-cueMinusTarget_stat-t_statmap.nii.gz",
        "contrast-any_stat-F_statmap.nii.gz",
    ]


def test_the_graph_has_a_node_for_each_step_and_no_more():
    workflow = init_run_wf(contrasts=["a"], orthogonalize=["b ~ a"])

    assert sorted(workflow.list_node_names()) == [
        "build_design",
        "estimate_contrasts",
        "fit_glm",
        "inputnode",
        "notices",
        "orthogonalize",
        "outputnode",
    ]
