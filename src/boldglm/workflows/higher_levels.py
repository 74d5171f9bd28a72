"""The fits above the run as nipype nodes: what they read, make, and tell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.analysis.higher_levels.group_inference import inference_of
from boldglm.analysis.higher_levels.node_fits import NodeFits
from boldglm.analysis.model.model import Model
from boldglm.analysis.model.model_options import own_choices
from boldglm.analysis.plan.levels import COVERAGE, LevelPlan
from boldglm.interfaces import FitNode
from boldglm.io.entities import ENTITY_ORDER
from boldglm.io.outputs.records import fingerprint, is_finished
from boldglm.workflows.nodes import make_node
from boldglm.workflows.outputs import NodeOutput, init_outputs_wf

METHOD_WORDS = {
    "fixed": "fixed effects, weighted by inverse variance",
    "ols": "least squares over inputs",
    "mixed": "mixed effects: variance between inputs by REML, beside that within them",
}
RecordSource: TypeAlias = Path | Workflow  # a finished record, or the workflow that will write it


def add_level(
    workflow: Workflow,
    level: LevelPlan,
    sources: Mapping[str, RecordSource],
    output: NodeOutput,
    fits: NodeFits,
    name: str,
) -> RecordSource:
    """Add the fit of one place to a workflow, unless it is finished.

    Parameters
    ----------
    workflow : Workflow
    level : LevelPlan
    sources : mapping
        Where the records of the inputs come from, by path.
    output : NodeOutput
        From `level_output`.
    fits : NodeFits
        From `node_fits`.
    name : str
        Name of the inner workflow.

    Returns
    -------
    Path or Workflow
        The finished record, or the workflow whose ``outputs_wf.outputnode.record_file`` it is.
    """
    inputs = [sources[key] for key in level.plan.input_keys]
    fresh = any(isinstance(one, Workflow) for one in inputs)
    if not fresh and is_finished(output.record, output.output_dir, output.fingerprint):
        return output.record
    inner = Workflow(name=name)
    merged = Node(Merge(len(inputs)), name="inputs")
    fitted = make_node(FitNode(fits=fits), name="fit_node")
    writing = init_outputs_wf(output, name="outputs_wf")
    inner.connect([
        (merged, fitted, [("out", "result_files")]),
        (fitted, writing, [("result_file", "inputnode.result_file")]),
    ])  # fmt: skip
    workflow.add_nodes([inner])
    for number, source in enumerate(inputs, start=1):
        connect_record(workflow, source, inner, f"inputs.in{number}")
    return inner


def connect_record(
    workflow: Workflow, source: RecordSource, target: Node | Workflow, field: str
) -> None:
    """Give a record to an input, now or once its workflow has made it."""
    if isinstance(source, Workflow):
        workflow.connect(source, "outputs_wf.outputnode.record_file", target, field)
    elif isinstance(target, Workflow):
        node, _, name = field.rpartition(".")
        setattr(target.get_node(node).inputs, name, str(source))
    else:
        setattr(target.inputs, field, str(source))


def node_fits(level: LevelPlan, model: Model, inference: Mapping[str, Any]) -> NodeFits:
    """Return what the interface needs to know of the fits of one place."""
    node = level.plan.node
    own = own_choices(node, model.name)
    return NodeFits.of(
        level.plan,
        method="fixed" if node.type == "meta" else own.get("Estimator", "ols"),
        coverage=own.get("Coverage", COVERAGE[node.level]),
        inference=inference_of(own, inference),
        smoothing=own.get("SmoothingFWHM"),
    )


def level_output(
    level: LevelPlan,
    model: Model,
    fits: NodeFits,
    output_dir: Path,
    details: Mapping[str, Any],
    stamp: str,
) -> NodeOutput:
    """Say what the outputs of a place are called and tell."""
    plan, node = level.plan, level.plan.node
    labels = plan.input_labels()
    shown = ", ".join(list(labels.values())[:20]) + (", ..." if len(labels) > 20 else "")
    columns = list(dict.fromkeys(name for fit in plan.fits for name in fit.design.names))
    facts = [
        ("Node", f"{node.name} ({node.level})"),
        ("Inputs", f"{len(labels)}: {shown}"),
        ("Method", METHOD_WORDS[fits.method]),
        ("Design", ", ".join(columns)),
    ]
    if fits.smoothing is not None:
        facts.append(("Smoothing of inputs", f"effects by {fits.smoothing:g} mm FWHM"))
        details = {**details, "InputSmoothingFWHM": fits.smoothing}
    digest = ""
    if node.level == "dataset":
        digest = "-" + fingerprint(fits.inference.to_dict())[:8]
        facts.append(("Corrected p values", _inference_words(fits)))
    facts += [("Group", f"{key} {value}") for key, value in plan.groups.items()
              if key not in ("subject", "session")]  # fmt: skip
    return NodeOutput(
        output_dir=output_dir,
        node=node.name,
        level=node.level,
        entities=dict(plan.entities),
        fingerprint=f"{level.fingerprint}{digest}{stamp}",
        title=_title(level, model, len(labels)),
        facts=facts,
        details={
            **details,
            "Sources": [f"bids::{Path(key).relative_to(output_dir).as_posix()}"
                        for key in plan.input_keys],
        },
        model=model.name,
        is_open=True,
    )  # fmt: skip


def _inference_words(fits: NodeFits) -> str:
    wanted = fits.inference
    text = f"false discovery rate; clusters of voxels with p < {wanted.cluster_p:g}"
    if not wanted.permutations:
        return text
    more = ", cluster extent and mass" + (", TFCE" if wanted.tfce else "")
    return f"{text}; family-wise error by {wanted.permutations} permutations: largest t{more}"


def _title(level: LevelPlan, model: Model, n_inputs: int) -> str:
    plan = level.plan
    entities = plan.entities
    parts = [f"Task {entities['task']}"] if "task" in entities else [plan.node.name]
    parts += [f"session {entities['ses']}"] if "ses" in entities else []
    parts += [f"{key} {entities[key]}" for key in entities if key not in ENTITY_ORDER]
    sources = {item.node for fit in plan.fits for item in fit.inputs}
    what = "run" if sources == {model.run_node.name} else "result"
    count = f"{n_inputs} {what}s combined" if n_inputs > 1 else f"one {what}"
    if plan.node.level == "dataset":
        subjects = {item.entities.get("sub") for fit in plan.fits for item in fit.inputs}
        count = f"{len(subjects)} participants"
    return f"{', '.join(parts)}: {count}, node {plan.node.name}"
