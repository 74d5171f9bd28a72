"""The workflow of the group level, from the records that the participant level left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.analysis.methods_text import methods_paragraphs, references, versions
from boldglm.analysis.model.model import Model, read_model
from boldglm.analysis.plan.levels import LevelPlan, finished_records, items_of_record, plan_levels
from boldglm.errors import BadDataError, MissingInputError
from boldglm.interfaces import WriteReport
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.images.formats import read_geometry
from boldglm.io.outputs.records import Record
from boldglm.notices import Notice
from boldglm.workflows.higher_levels import (
    RecordSource,
    add_level,
    connect_record,
    level_output,
    node_fits,
)
from boldglm.workflows.nodes import make_node
from boldglm.workflows.subject import AppContext, model_details


@dataclass(frozen=True)
class GroupPlan:
    """The places of one model above the run, laid out over finished records."""

    model: Model
    levels: tuple[LevelPlan, ...]
    records: tuple[Path, ...]  # finished, which the levels start from
    notices: tuple[Notice, ...] = ()  # nodes that have nothing to fit somewhere

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the participants whose results are used."""
        found = [
            str(item.entities["sub"])
            for level in self.levels
            for fit in level.plan.fits
            for item in fit.inputs
            if "sub" in item.entities
        ]
        return tuple(dict.fromkeys(found))


def plan_group(
    output_dir: Path,
    bids_dir: Path,
    subjects: Sequence[str] = (),
    levels: Sequence[str] = ("dataset",),
    level_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[GroupPlan, ...]:
    """Lay out levels above the run over what lies in the output folder.

    Parameters
    ----------
    output_dir : Path
        Where `participant` wrote.
    bids_dir : Path
        The dataset, for its tables of participants and sessions.
    subjects : sequence of str
        Labels to include; empty means all.
    levels : sequence of str
        Levels to lay out, of session, subject and dataset.
    level_options : mapping, optional
        Keys of `Software.boldglm` that override those of the models, by level.

    Returns
    -------
    tuple of GroupPlan
        One for each model.

    Raises
    ------
    MissingInputError
        If there are no models or no finished results.
    BadDataError
        If a node cannot be laid out, or fewer than two participants reach a dataset node.
    """
    files = sorted((output_dir / "models").glob("model-*_smdl.json"))
    if not files:
        raise MissingInputError(
            f"{output_dir} has no models/model-*_smdl.json: run the participant level into this "
            "folder first."
        )
    tables = ParticipantTables(bids_dir)
    models = [read_model(file, level_options=level_options) for file in files]
    found = [_plan_model(output_dir, model, tables, subjects, levels) for model in models]
    plans = tuple(plan for plan in found if plan is not None)
    if not plans:
        raise MissingInputError(
            f"{output_dir} has no finished result"
            + (f" of {', '.join(subjects)}" if subjects else "")
            + f" that a {' or '.join(levels)} node could start from: run the participant level "
            "first."
        )
    return plans


def _plan_model(
    output_dir: Path,
    model: Model,
    tables: ParticipantTables,
    subjects: Sequence[str],
    levels: Sequence[str],
) -> GroupPlan | None:
    below = [node.name for node in model.spec.nodes if node.level not in levels]
    records = {
        path: record
        for path, record in finished_records(output_dir, model, subjects).items()
        if record.node in below
    }
    items = [item for path, one in records.items() for item in items_of_record(one, path, tables)]
    prints = {str(path): record.fingerprint.split("-")[0] for path, record in records.items()}
    planned, notices = plan_levels(model, items, prints, output_dir, levels, tables.levels())
    if not planned:
        if notices:
            raise BadDataError(f"{model.name}: {'. '.join(map(str, notices[:5]))}.")
        return None
    _check_distances(planned, records)
    plan = GroupPlan(model, planned, tuple(records), notices)
    if "dataset" in levels and len(plan.subjects) < 2 and not _is_enough(planned):
        raise BadDataError(
            f"The group level needs at least two subjects; {output_dir} has one for the model "
            f"{model.name} (sub-{', '.join(plan.subjects)}). Run the participant level for more."
        )
    return plan


def _check_distances(planned: Sequence[LevelPlan], records: Mapping[Path, Record]) -> None:
    """Refuse to smooth finished results whose surfaces have gone since."""
    for level in planned:
        width = level.plan.node.boldglm_options.get("SmoothingFWHM")
        if not width:
            continue
        for path in level.inputs:
            if path in records:
                read_geometry(
                    records[path].result.mask, records[path].result.meshes
                ).check_smoothing(width)


def _is_enough(levels: Sequence[LevelPlan]) -> bool:
    """Tell whether some node can go on from what there is: fixed effects can from one input."""
    return any(
        level.plan.node.type == "meta"
        or any(len(fit.inputs) > len(fit.design.names) for fit in level.plan.fits)
        for level in levels
    )


def init_group_wf(
    plans: Sequence[GroupPlan], context: AppContext, *, name: str = "group_wf"
) -> Workflow | None:
    """Build the workflow of the levels above the run from finished records, and its report.

    Returns
    -------
    Workflow or None
        None when everything is finished already.
    """
    workflow = Workflow(name=name)
    shown: list[RecordSource] = []
    for number, plan in enumerate(plans, start=1):
        sources: dict[str, RecordSource] = {str(path): path for path in plan.records}
        for index, level in enumerate(plan.levels):
            fits = node_fits(level, plan.model, context.inference)
            details = group_details(plan.model)
            output = level_output(
                level, plan.model, fits, context.output_dir, details, context.stamp
            )
            label = f"{level.plan.node.level}_{number}_{index}_wf"
            source = add_level(workflow, level, sources, output, fits, label)
            sources[str(output.record)] = source
            if level.plan.node.level == "dataset":
                shown.append(source)
    report = context.output_dir / "group.html"
    if not workflow.list_node_names() and (report.is_file() or not shown):
        return None
    if shown:
        records = Node(Merge(len(shown)), name="records")
        workflow.add_nodes([records])
        for slot, source in enumerate(shown, start=1):
            connect_record(workflow, source, records, f"in{slot}")
        _add_report(workflow, plans, context, records)
    return workflow


def group_details(model: Model) -> dict:
    """Return what the sidecars of a group say of the model."""
    kept = ("Model", "SignalScaling", "SmoothingFWHM", "SmoothingType")
    return {key: value for key, value in model_details(model).items() if key in kept}


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
            subtitle="Results over participants",
            notices=list(context.notices),
            methods=list(dict.fromkeys(methods)),
            references=list(dict.fromkeys(cited)),
            command=context.command,
            versions=list(versions()),
        ),
        name="write_report",
    )
    workflow.connect(records, "out", report, "record_files")
