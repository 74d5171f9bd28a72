"""The workflow of the group level, which starts from records of the participant level."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nipype.pipeline.engine import Workflow

from boldglm.analysis.citation import reference_texts
from boldglm.analysis.methods_text import methods_paragraphs, versions
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.excluded_results import Exclusions, without_results
from boldglm.analysis.plan.finished import finished_records
from boldglm.analysis.plan.first_levels import check_variances
from boldglm.analysis.plan.levels import LevelPlan, plan_levels, record_inputs
from boldglm.analysis.plan.result_filter import ResultFilter
from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm.design.summaries import counted
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.bids.selection import Selection
from boldglm.io.images.formats import read_geometry
from boldglm.io.outputs.records import Record
from boldglm.io.outputs.report_pages import GROUP, ReportPage
from boldglm.notices import Notice
from boldglm.workflows.higher_levels import (
    RecordSource,
    add_level,
    level_output,
    node_fits,
)
from boldglm.workflows.reports import add_report, region_methods
from boldglm.workflows.subject import AppSettings, model_details

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GroupPlan:
    """The higher levels of one model, planned from finished results.

    Parameters
    ----------
    model : Model
        The model.
    levels : tuple of LevelPlan
        Planned fits, inputs first.
    records : tuple of Path
        Records of the finished results that the levels start from.
    notices : tuple of Notice
        Nodes without anything to fit, participants that are left out, and why.
    excluded : tuple of ExcludedRun
        Runs and participants that are not analyzed.
    """

    model: Model
    levels: tuple[LevelPlan, ...]
    records: tuple[Path, ...]
    notices: tuple[Notice, ...] = ()
    excluded: tuple[ExcludedRun, ...] = ()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the participants whose results are used."""
        labels = [
            str(item.entities["sub"])
            for level in self.levels
            for fit in level.plan.fits
            for item in fit.inputs
            if "sub" in item.entities
        ]
        return tuple(dict.fromkeys(labels))


def plan_group(
    output_dir: Path,
    bids_dir: Path,
    models: Sequence[Model],
    levels: Sequence[str] = ("dataset",),
    chosen: ResultFilter | None = None,
) -> tuple[GroupPlan, ...]:
    """Plan higher levels from the finished results in the output folder.

    Parameters
    ----------
    output_dir : Path
        Output folder of the participant level.
    bids_dir : Path
        The dataset, for its tables of participants and sessions.
    models : sequence of Model
        From `boldglm.analysis.plan.models_of_results.models_of_results`.
    levels : sequence of str
        Levels to plan, of session, subject and dataset.
    chosen : ResultFilter, optional
        Results to start from; by default all.

    Returns
    -------
    tuple of GroupPlan
        One for each model that has results.

    Raises
    ------
    MissingInputError
        If there are no finished results.
    NothingSelectedError
        If none of them is selected.
    BadDataError
        If a node cannot be planned, a dataset node has fewer than two participants, or
        participants were not fitted alike.
    """
    chosen = chosen or ResultFilter()
    subjects = chosen.selection.subjects
    tables = ParticipantTables(bids_dir)
    candidates = [_plan_model(output_dir, model, tables, levels, chosen) for model in models]
    plans = tuple(
        replace(plan, notices=(*tables.notices, *plan.notices))
        for plan in candidates
        if plan is not None
    )
    if plans:
        return plans
    found = [
        record.entities
        for model in models
        for record in finished_records(
            output_dir, model, _below(model, levels), ResultFilter(Selection(subjects))
        ).values()
    ]
    if found:
        chosen.refuse(found)
    raise MissingInputError(
        f"{output_dir} has no finished results"
        + (f" of {', '.join(f'sub-{subject}' for subject in subjects)}" if subjects else "")
        + f" for the {' and '.join(levels)} level to start from. Run the participant level "
        "first."
    )


def _below(model: Model, levels: Sequence[str]) -> list[str]:
    """Return the nodes of lower levels whose results enter these levels."""
    sources = [
        edge.source
        for node in model.spec.nodes
        if node.level in levels
        for edge in model.spec.edges_into(node)
    ]
    return [name for name in dict.fromkeys(sources) if model.spec.node(name).level not in levels]


def _plan_model(
    output_dir: Path,
    model: Model,
    tables: ParticipantTables,
    levels: Sequence[str],
    chosen: ResultFilter,
) -> GroupPlan | None:
    below = _below(model, levels)
    excluded = Exclusions.of(output_dir, tables.bids_dir, model.name, chosen)
    records = finished_records(output_dir, model, below, chosen, excluded)
    inputs = [
        item for path, record in records.items() for item in record_inputs(record, path, tables)
    ]
    fingerprints = {
        str(path): record.fingerprint.split("-")[0] for path, record in records.items()
    }
    planned, notices = plan_levels(
        model, inputs, fingerprints, output_dir, levels, tables.levels()
    )
    if not planned:
        if notices:
            reasons = [*tables.notices[:1], *notices[:5]]
            raise BadDataError(f"{model.name}: {'. '.join(map(str, reasons))}.")
        return None
    if model.starts_from_maps:
        check_variances(model, planned, records)
    _check_smoothing(planned, records)
    have = [record.entities["sub"] for record in records.values()]
    subjects = chosen.selection.subjects
    left_out = [run.notice for run in excluded.runs]
    left_out += without_results(
        below, have, tables.bids_dir, excluded.runs, subjects, model.spec.input
    )
    plan = GroupPlan(model, planned, tuple(records), (*left_out, *notices), excluded.runs)
    if "dataset" in levels:
        check_size(plan, f"{output_dir} has results of", "Run the participant level for more.")
    return plan


def check_size(plan: GroupPlan, there_are: str, remedy: str) -> None:
    """Refuse a group of one participant.

    Raises
    ------
    BadDataError
        If there are fewer than two participants, and no node can be fitted with one.
    """
    if len(plan.subjects) < 2 and not _is_testable(plan.levels):
        raise BadDataError(
            f"The group level needs at least two participants, but {there_are} "
            f"sub-{', '.join(plan.subjects)} only (model {plan.model.name}). {remedy}"
        )


def _check_smoothing(planned: Sequence[LevelPlan], records: Mapping[Path, Record]) -> None:
    """Refuse to smooth surface results whose meshes no longer exist."""
    for level in planned:
        fwhm = level.plan.node.boldglm_options.get("SmoothingFWHM")
        if not fwhm:
            continue
        for path in level.inputs:
            if path in records:
                read_geometry(
                    records[path].result.mask, records[path].result.meshes
                ).check_smoothing(fwhm)


def _is_testable(levels: Sequence[LevelPlan]) -> bool:
    """Return whether some node has enough inputs; fixed effects need only one."""
    return any(
        level.plan.node.type == "meta"
        or any(len(fit.inputs) > len(fit.design.names) for fit in level.plan.fits)
        for level in levels
    )


def init_planned_group_wf(
    plans: Sequence[GroupPlan], settings: AppSettings, *, name: str = "group_wf"
) -> Workflow | None:
    """Build the workflow of the higher levels and of the group report, from finished records.

    Parameters
    ----------
    plans : sequence of GroupPlan
        From `plan_group`.
    settings : AppSettings
        Settings that all workflows share.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow or None
        None if everything is finished already.
    """
    workflow = Workflow(name=name)
    has_work = add_group(workflow, plans, settings, {})
    return workflow if has_work else None


def add_group(
    workflow: Workflow,
    plans: Sequence[GroupPlan],
    settings: AppSettings,
    written: dict[str, RecordSource],
) -> bool:
    """Add higher levels and the group report to a workflow, unless they are finished.

    Parameters
    ----------
    workflow : Workflow
        The workflow to extend.
    plans : sequence of GroupPlan
        From `plan_group`, or levels of a plan whose runs are not fitted yet.
    settings : AppSettings
        Settings that all workflows share.
    written : dict of str to RecordSource
        What writes records that do not exist yet, by their paths; the records of these levels
        are added.

    Returns
    -------
    bool
        Whether anything was added.
    """
    sections: list[RecordSource] = []
    n_before = len(workflow.list_node_names())
    for number, plan in enumerate(plans, start=1):
        sources: dict[str, RecordSource] = {str(path): path for path in plan.records}
        sources |= written
        for index, level in enumerate(plan.levels):
            fits = node_fits(level, plan.model, settings.inference, settings.atlases)
            details = group_details(plan.model)
            output = level_output(
                level,
                plan.model,
                fits,
                settings.output_dir,
                details,
                settings.stamp,
                settings.contrast_maps,
            )
            label = f"{level.plan.node.level}_{number}_{index}_wf"
            source = add_level(workflow, level, sources, output, fits, label)
            sources[str(output.record)] = written[str(output.record)] = source
            if level.plan.node.level == "dataset":
                sections.append(source)
    planned = [level.record for plan in plans for level in plan.levels]
    sections += settings.saved_results.others(None, planned)[0]
    has_report = not sections or settings.reports.is_there(settings.output_dir, GROUP)
    has_results = len(workflow.list_node_names()) > n_before
    if not has_results and has_report:
        return False
    if sections:
        _add_report(workflow, plans, settings, sections)
    return True


def _subtitle(plans: Sequence[GroupPlan]) -> str:
    """Return how many participants are analyzed and how many are not."""
    analyzed = {subject for plan in plans for subject in plan.subjects}
    excluded = {run.entities["sub"] for plan in plans for run in plan.excluded}
    n_runs = len({run.name for plan in plans for run in plan.excluded if run.n_runs})
    numbers = f"{counted(len(analyzed), 'participant')} analyzed"
    if excluded - analyzed:
        numbers += f", {len(excluded - analyzed)} excluded"
    if n_runs:
        numbers += f"; {counted(n_runs, 'run')} excluded"
    return f"Results across participants: {numbers}"


def group_details(model: Model) -> dict:
    """Return the part of the sidecars of the group that describes the model."""
    keys = ("Model", "SignalScaling", "SmoothingFWHM", "SmoothingType")
    return {key: value for key, value in model_details(model).items() if key in keys}


def _methods_of(plans: Sequence[GroupPlan], settings: AppSettings) -> dict[str, tuple[str, ...]]:
    """Return the methods of each model whose results the report of the group shows.

    Those of other models are what the calls that fitted them wrote.
    """
    planned = [level.record for plan in plans for level in plan.levels]
    others = {model.name for model in settings.saved_results.others(None, planned)[1]}
    earlier = _earlier_methods(settings.output_dir) if others else {}
    methods = {name: texts for name, texts in earlier.items() if name in others}
    regions = region_methods(settings.atlases, "dataset")
    for plan in plans:
        levels = [level.plan for level in plan.levels]
        texts = methods_paragraphs(plan.model, "dataset", settings.inference, levels)
        methods[plan.model.name] = (*texts, *regions)
    return methods


def _earlier_methods(output_dir: Path) -> Mapping[str, tuple[str, ...]]:
    try:
        return ReportPage.read(output_dir, GROUP).methods_of
    except MissingInputError:  # no report was planned yet
        return {}
    except BadDataError as error:
        logger.warning("The methods section of the group lacks other models. %s", error)
        return {}


def _add_report(
    workflow: Workflow,
    plans: Sequence[GroupPlan],
    settings: AppSettings,
    sources: Sequence[RecordSource],
) -> None:
    methods_of = _methods_of(plans, settings)
    methods = dict.fromkeys(text for _, texts in sorted(methods_of.items()) for text in texts)
    page = ReportPage(
        name=GROUP,
        title="Group",
        subtitle=_subtitle(plans),
        notices=tuple(settings.notices),
        methods=tuple(methods),
        references=tuple(reference_texts(list(methods))),
        command=settings.command,
        versions=tuple(versions()),
        methods_of=methods_of,
    )
    add_report(workflow, page, sources, settings.output_dir, settings.reports)
