"""The workflow of the group level, from the records that the participant level left."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm._version import __version__
from boldglm.errors import BadDataError, MissingInputError
from boldglm.interfaces import TestSubjects, WriteReport
from boldglm.io.derivatives import model_file_name, node_label, read_json
from boldglm.io.model import Model, read_model
from boldglm.io.results import Record, fingerprint, is_finished
from boldglm.workflows.methods import methods_paragraphs, references, versions
from boldglm.workflows.nodes import make_node
from boldglm.workflows.outputs import NodeOutput, init_outputs_wf
from boldglm.workflows.subject import AppContext, common_entities


@dataclass(frozen=True)
class GroupPlan:
    """The subjects of one model, ready to be tested."""

    model: Model
    labels: tuple[str, ...]
    records: tuple[Path, ...]
    entities: dict[str, str]
    fingerprint: str


def plan_group(output_dir: Path, subjects: Sequence[str] = ()) -> tuple[GroupPlan, ...]:
    """Find what the participant level left in the output folder.

    Parameters
    ----------
    output_dir : Path
        Where `participant` wrote.
    subjects : sequence of str
        Labels to include; empty means all.

    Returns
    -------
    tuple of GroupPlan
        One for each model.

    Raises
    ------
    MissingInputError
        If there are no models or no finished subjects.
    BadDataError
        If a model has fewer than two subjects.
    """
    files = sorted((output_dir / "models").glob("model-*_smdl.json"))
    if not files:
        raise MissingInputError(
            f"{output_dir} has no models/model-*_smdl.json: run the participant level into this "
            "folder first."
        )
    plans = [plan for file in files for plan in _plan_model(output_dir, file, subjects)]
    if not plans:
        raise MissingInputError(
            f"{output_dir} has no finished subject"
            + (f" among {', '.join(subjects)}" if subjects else "")
            + ": run the participant level first."
        )
    return tuple(plans)


def _plan_model(output_dir: Path, file: Path, subjects: Sequence[str]) -> list[GroupPlan]:
    """Plan one group of subjects, or one for each hemisphere where these have their own files."""
    model = read_model(file)
    if model.dataset_node is None:
        return []
    found: dict[str, dict[str, tuple[Path, Record]]] = {}
    for path in sorted(
        (output_dir / "logs" / "records").glob(
            f"node-{node_label(str(model.subject_node))}_*.json"
        )
    ):
        record = Record.read(path, output_dir)
        label = record.entities["sub"]
        wanted = f"bids::models/{file.name}"
        if (subjects and label not in subjects) or not record.files or not _is_of(record, wanted):
            continue
        chosen = found.setdefault(record.entities.get("hemi", ""), {})
        if label in chosen:
            raise BadDataError(
                f"sub-{label} has two results for {file.name}: {chosen[label][0].name} and "
                f"{path.name}. Remove the outdated one from logs/records."
            )
        chosen[label] = (path, record)
    return [_plan_of(model, chosen, output_dir, file) for chosen in found.values()]


def _plan_of(
    model: Model, chosen: dict[str, tuple[Path, Record]], output_dir: Path, file: Path
) -> GroupPlan:
    if len(chosen) < 2:
        raise BadDataError(
            f"The group level needs at least two subjects; {output_dir} has one for {file.name} "
            f"(sub-{next(iter(chosen))}). Run the participant level for more."
        )
    records = [record for _, record in chosen.values()]
    entities = common_entities([record.entities for record in records])
    return GroupPlan(
        model=model,
        labels=tuple(f"sub-{label}" for label in chosen),
        records=tuple(path for path, _ in chosen.values()),
        entities=entities,
        fingerprint=fingerprint(__version__, [record.fingerprint for record in records]),
    )


def _is_of(record: Record, model_uri: str) -> bool:
    """Tell whether a subject's maps come from a model, by the sidecar of one of them."""
    sidecars = [file for file in record.files if file.name.endswith("_statmap.json")]
    return bool(sidecars) and read_json(sidecars[0]).get("Model") == model_uri


def init_group_wf(
    plans: Sequence[GroupPlan], context: AppContext, *, name: str = "group_wf"
) -> Workflow | None:
    """Build the workflow of the group level: one-sample t over subjects, and one report.

    Returns
    -------
    Workflow or None
        None when everything is finished already.
    """
    workflow = Workflow(name=name)
    records = Node(Merge(len(plans)), name="records")
    for number, plan in enumerate(plans, start=1):
        output = group_output(plan, context)
        if is_finished(output.record, context.output_dir, output.fingerprint):
            setattr(records.inputs, f"in{number}", str(output.record))
            continue
        test = make_node(
            TestSubjects(
                result_files=[str(path) for path in plan.records], labels=list(plan.labels)
            ),
            name=f"test_subjects_{number}",
        )
        writing = init_outputs_wf(output, name=f"group_{number}_outputs_wf")
        workflow.connect([
            (test, writing, [("result_file", "inputnode.result_file")]),
            (writing, records, [("outputnode.record_file", f"in{number}")]),
        ])  # fmt: skip
    if not workflow.list_node_names() and (context.output_dir / "group.html").is_file():
        return None
    _add_report(workflow, plans, context, records)
    return workflow


def group_output(plan: GroupPlan, context: AppContext) -> NodeOutput:
    """Say what the outputs of the group are called and tell."""
    model = plan.model
    entities = {key: label for key, label in plan.entities.items() if key not in ("sub", "ses")}
    return NodeOutput(
        output_dir=context.output_dir,
        node=model.dataset_node or "dataset",
        level="dataset",
        entities=entities,
        fingerprint=plan.fingerprint + context.stamp,
        title=f"Task {entities.get('task', model.name)}: {len(plan.labels)} participants",
        facts=[
            ("Participants", f"{len(plan.labels)}: {', '.join(plan.labels)}"),
            ("Test", f"one-sample t, {len(plan.labels) - 1} degrees of freedom"),
        ],
        details={
            "Model": f"bids::models/{model_file_name(model.name)}",
            "SignalScaling": model.signal_scaling,
            "SmoothingFWHM": model.smoothing or 0.0,
            "Sources": [
                f"bids::{path.relative_to(context.output_dir).as_posix()}" for path in plan.records
            ],
        },
        is_open=True,
    )


def _add_report(
    workflow: Workflow, plans: Sequence[GroupPlan], context: AppContext, records: Node
) -> None:
    methods, cited = [], []
    for plan in plans:
        methods += methods_paragraphs(plan.model, "dataset")
        cited += references(plan.model)
    report = make_node(
        WriteReport(
            output_dir=str(context.output_dir),
            report_name="group.html",
            title="Group",
            subtitle="One-sample t tests over participants",
            left_out=list(context.left_out),
            methods=list(dict.fromkeys(methods)),
            references=list(dict.fromkeys(cited)),
            command=context.command,
            versions=list(versions()),
        ),
        name="write_report",
    )
    workflow.connect(records, "out", report, "record_files")
