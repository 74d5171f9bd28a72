"""The fits of higher levels as nipype nodes, with their inputs and outputs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.analysis.higher_levels.group_inference import inference_settings
from boldglm.analysis.higher_levels.node_fits import NodeFits
from boldglm.analysis.model.model import Model
from boldglm.analysis.model.model_options import model_options
from boldglm.analysis.plan.atlases import PlannedAtlases, atlas_label
from boldglm.analysis.plan.levels import LevelPlan
from boldglm.glm.design.summaries import listed
from boldglm.interfaces import FitNode
from boldglm.io.entities import ENTITY_ORDER, without_common_parts
from boldglm.io.outputs.records import fingerprint, is_finished
from boldglm.stats_model.node_plans import NodePlan
from boldglm.vocabulary import COVERAGE, DEFAULT_MAPS, ESTIMATOR
from boldglm.workflows.nodes import make_node
from boldglm.workflows.outputs import NodeOutput, init_outputs_wf

METHOD_WORDS = {
    "fixed": "fixed effects, weighted by inverse variance",
    "ols": "ordinary least squares over inputs",
    "mixed": "mixed effects, variance between inputs by REML",
}


@dataclass(frozen=True)
class NestedRecord:
    """The record that a workflow inside another one writes.

    Parameters
    ----------
    workflow : Workflow
        The outer workflow.
    place : str
        Name of the inner workflow in it.
    """

    workflow: Workflow
    place: str


# an existing record, or the workflow that writes it
RecordSource: TypeAlias = Path | Workflow | NestedRecord
RECORD_OUTPUT = "outputs_wf.outputnode.record_file"


def add_level(
    workflow: Workflow,
    level: LevelPlan,
    sources: Mapping[str, RecordSource],
    output: NodeOutput,
    fits: NodeFits,
    name: str,
) -> RecordSource:
    """Add the fit of a node for one group of inputs to a workflow, unless it is finished.

    Parameters
    ----------
    workflow : Workflow
        The workflow to extend.
    level : LevelPlan
        The planned fit.
    sources : mapping
        Where the record of each input comes from, by the path of the record.
    output : NodeOutput
        From `level_output`.
    fits : NodeFits
        From `node_fits`.
    name : str
        Name of the inner workflow.

    Returns
    -------
    Path or Workflow
        The finished record, or the inner workflow, which has it as
        ``outputs_wf.outputnode.record_file``.
    """
    inputs = [sources[key] for key in level.plan.input_keys]
    has_new_input = not all(isinstance(source, Path) for source in inputs)
    if not has_new_input and is_finished(output.record, output.output_dir, output.fingerprint):
        return output.record
    inner = Workflow(name=name)
    merge = Node(Merge(len(inputs)), name="inputs")
    fit = make_node(FitNode(fits=fits), name="fit_node")
    outputs_wf = init_outputs_wf(output, name="outputs_wf")
    inner.connect([
        (merge, fit, [("out", "result_files")]),
        (fit, outputs_wf, [("result_file", "inputnode.result_file")]),
    ])  # fmt: skip
    workflow.add_nodes([inner])
    for number, source in enumerate(inputs, start=1):
        connect_record(workflow, source, inner, f"inputs.in{number}")
    return inner


def connect_record(
    workflow: Workflow, source: RecordSource, target: Node | Workflow, field: str
) -> None:
    """Connect a record to an input field: an existing one now, or the output of its workflow."""
    if isinstance(source, Workflow):
        workflow.connect(source, RECORD_OUTPUT, target, field)
    elif isinstance(source, NestedRecord):
        workflow.connect(source.workflow, f"{source.place}.{RECORD_OUTPUT}", target, field)
    elif isinstance(target, Workflow):
        node, _, name = field.rpartition(".")
        setattr(target.get_node(node).inputs, name, str(source))
    else:
        setattr(target.inputs, field, str(source))


def node_fits(
    level: LevelPlan, model: Model, inference: Mapping[str, Any], atlases: PlannedAtlases
) -> NodeFits:
    """Return the fits of a planned node, as `FitNode` takes them.

    Parameters
    ----------
    level : LevelPlan
        The planned node.
    model : Model
        The model that it belongs to.
    inference : mapping
        Options of `Inference` that override those of the model.
    atlases : PlannedAtlases
        Atlas of each space, whose regions are tested as well.
    """
    node = level.plan.node
    options = model_options(node, model.name)
    return NodeFits.of(
        level.plan,
        method="fixed" if node.type == "meta" else options.get("Estimator", ESTIMATOR),
        coverage=options.get("Coverage", COVERAGE[node.level]),
        inference=inference_settings(options, inference),
        smoothing=options.get("SmoothingFWHM"),
        atlas=atlases.of(level.plan.entities),
        from_maps=not atlases.have_tables,
    )


def level_output(
    level: LevelPlan,
    model: Model,
    fits: NodeFits,
    output_dir: Path,
    details: Mapping[str, Any],
    stamp: str,
    maps: Sequence[str] = (),
) -> NodeOutput:
    """Name and describe the outputs of a planned node.

    Parameters
    ----------
    level : LevelPlan
        The planned node.
    model : Model
        The model that it belongs to.
    fits : NodeFits
        From `node_fits`.
    output_dir : Path
        Root of the derivative dataset.
    details : mapping
        Content of every sidecar.
    stamp : str
        Appended to the fingerprint.
    maps : sequence of str
        Maps of contrasts to write; empty for the default.
    """
    plan, node = level.plan, level.plan.node
    labels = plan.input_labels()
    shown = listed(without_common_parts(list(labels.values())), 20)
    columns = list(dict.fromkeys(name for fit in plan.fits for name in fit.design.names))
    facts = [
        ("Level", f"{node.level}, node {node.name} of the model"),
        ("Inputs", f"{len(labels)}: {shown}"),
        ("Method", METHOD_WORDS[fits.method]),
        ("Design", ", ".join(columns) + " (the mean over inputs)" * (columns == ["intercept"])),
    ]
    facts += [("Errors", words) for words in error_words(plan)]
    if fits.smoothing is not None:
        facts.append(("Smoothing of input effects", f"{fits.smoothing:g} mm FWHM"))
        details = {**details, "InputSmoothingFWHM": fits.smoothing}
    digest = "".join(
        f"-{label}" for label in [*sorted(maps), *atlas_label(fits.atlas, fits.from_maps)]
    )
    if node.level == "dataset":
        digest += "-" + fingerprint(fits.inference.to_dict())[:8]
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
        details=dict(details),
        model=model.name,
        analysis=model.of_result(node.name, node.level),
        is_open=True,
        maps=tuple(maps) or DEFAULT_MAPS,
    )  # fmt: skip


def error_words(plan: NodePlan) -> list[str]:
    """Say which inputs have variances of their own or depend on each other, if any do."""
    words = []
    for errors in dict.fromkeys(fit.errors for fit in plan.fits):
        if errors.blocks:
            words.append(
                f"{len(errors.blocks)} inputs of {len(set(errors.blocks))} participants: "
                "variances robust to dependence within participants (CR2)"
            )
        elif errors.variance_groups:
            sizes = Counter(errors.variance_groups)
            listed = ", ".join(f"{label} ({count})" for label, count in sizes.items())
            words.append(f"variances of groups: {listed}")
    return words


def _inference_words(fits: NodeFits) -> str:
    inference = fits.inference
    tail = "each tail" if inference.two_sided else "the upper tail"
    text = (
        f"{inference.sides}-sided; false discovery rate; clusters of voxels with "
        f"p < {inference.cluster_p:g} in {tail}"
    )
    if not inference.permutations:
        return text
    largest = "|t|" if inference.two_sided else "t"
    statistics = f"maximum {largest}, cluster extent and mass" + (
        ", TFCE" if inference.tfce else ""
    )
    return f"{text}; family-wise error by {inference.permutations} permutations ({statistics})"


def _title(level: LevelPlan, model: Model, n_inputs: int) -> str:
    plan = level.plan
    entities = plan.entities
    parts = [f"Task {entities['task']}"] if "task" in entities else [plan.node.name]
    parts += [f"session {entities['ses']}"] if "ses" in entities else []
    parts += [f"{key} {entities[key]}" for key in entities if key not in ENTITY_ORDER]
    sources = {item.node for fit in plan.fits for item in fit.inputs}
    noun = "run" if sources == {model.run_node.name} else "result"
    count = f"{n_inputs} {noun}s combined" if n_inputs > 1 else f"one {noun}"
    if plan.node.level == "dataset":
        subjects = {item.entities.get("sub") for fit in plan.fits for item in fit.inputs}
        count = f"{len(subjects)} participants"
    return f"{', '.join(parts)}: {count}"
