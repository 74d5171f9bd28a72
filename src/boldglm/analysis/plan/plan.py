"""The plan of an analysis, made and checked before any image data are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from boldglm.analysis.first_level.confounds import check_patterns
from boldglm.analysis.first_level.model_design import names_in_any_run
from boldglm.analysis.model.identity import identity_of
from boldglm.analysis.model.model import Model, read_model
from boldglm.analysis.plan.analysis_options import analysis_options
from boldglm.analysis.plan.conditions_elsewhere import columns_elsewhere, names_elsewhere
from boldglm.analysis.plan.contrast_checks import check_contrasts
from boldglm.analysis.plan.dataset_model import ModelChoice, parse_default_model
from boldglm.analysis.plan.grids import on_one_grid
from boldglm.analysis.plan.input_notices import input_notices
from boldglm.analysis.plan.levels import LevelPlan, plan_levels
from boldglm.analysis.plan.model_input import left_out_by_input, select_input
from boldglm.analysis.plan.run_checks import inspect_run
from boldglm.analysis.plan.run_plans import (
    RunDesign,
    RunPlan,
    RunRead,
    design_of_run,
    plan_run,
)
from boldglm.analysis.plan.saved_model import settled_model
from boldglm.analysis.plan.slice_designs import with_slice_designs
from boldglm.errors import BadDataError
from boldglm.io.bids.confounds_table import read_confounds
from boldglm.io.bids.events import no_event_columns, read_event_columns, read_events
from boldglm.io.bids.excluded_runs import BadRuns, ExcludedRun
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.bids.query import RunFiles
from boldglm.io.bids.survey import Survey
from boldglm.io.files.contents import check_content
from boldglm.io.images.meshes import read_mesh
from boldglm.io.outputs.names import ResultPaths, camel_case, clashing_labels
from boldglm.notices import Notice
from boldglm.stats_model.entity_names import ENTITY_KEYS
from boldglm.stats_model.json_paths import with_context
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.node_plans import check_run_groups
from boldglm.stats_model.run_contrasts import run_contrasts
from boldglm.stats_model.specification import ContrastSpec
from boldglm.stats_model.transformations.categories import COMPARISON
from boldglm.vocabulary import LEVELS

__all__ = ["Analysis", "ModelChoice", "RunPlan", "make_plan"]


@dataclass(frozen=True)
class Analysis:
    """A model with its runs and higher levels.

    Parameters
    ----------
    model : Model
        The model.
    runs : tuple of RunPlan
        Planned runs.
    levels : tuple of LevelPlan
        Planned nodes of higher levels, inputs first.
    notices : tuple of Notice
        Nodes that have nothing to estimate, and why.
    excluded : tuple of ExcludedRun
        Runs that cannot be analyzed, and why.
    """

    model: Model
    runs: tuple[RunPlan, ...]
    levels: tuple[LevelPlan, ...]
    notices: tuple[Notice, ...] = ()
    excluded: tuple[ExcludedRun, ...] = ()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the participants, in the order of their runs."""
        return tuple(self._by_subject)

    def of_subject(self, subject: str) -> tuple[RunPlan, ...]:
        """Return the runs of one participant."""
        return self._by_subject.get(subject, ())

    @cached_property
    def _by_subject(self) -> dict[str, tuple[RunPlan, ...]]:
        by_subject: dict[str, list[RunPlan]] = {}
        for run in self.runs:
            by_subject.setdefault(run.inputs.subject, []).append(run)
        return {subject: tuple(runs) for subject, runs in by_subject.items()}


def make_plan(
    files: Sequence[RunFiles],
    choice: ModelChoice,
    output_dir: Path,
    tables: ParticipantTables,
    survey: Survey | None = None,
) -> tuple[Analysis, ...]:
    """Read all headers and events files, build all designs, and exclude what cannot be fitted.

    Parameters
    ----------
    files : sequence of RunFiles
        Runs that have events.
    choice : ModelChoice
        The model file, or how to build the default model of each task.
    output_dir : Path
        Root of the derivative dataset.
    tables : ParticipantTables
        Metadata of participants and sessions, for higher levels.
    survey : Survey, optional
        The runs of all participants, which determine the default model; by default those given.

    Returns
    -------
    tuple of Analysis
        One for the model file, or one for each task.

    Raises
    ------
    BadDataError
        If no run can be analyzed, or one cannot and the choice is to stop at it.
    NothingSelectedError
        If the model file selects none of the runs.
    """
    bad = BadRuns(choice.on_bad_run)
    if choice.file is not None:
        model = read_model(choice.file, choice.fit_options, choice.level_options, choice.name)
        selected = select_input(files, model, choice.file)
        runs = _read_runs(selected, choice, model, bad)
        try:
            analysis = _plan_analysis(model, runs, choice, output_dir, tables, survey, bad)
            left_out = left_out_by_input(files, selected, model)
            return tuple(
                replace(each, notices=(*left_out, *each.notices))
                for each in _with_excluded([analysis], bad)
            )
        except BadDataError as error:
            if "$." not in str(error) or choice.file.name in str(error):
                raise
            raise type(error)(with_context(choice.file.name, str(error))) from error
    runs = _read_runs(files, choice, None, bad)
    analyses = []
    for task in dict.fromkeys(run.inputs.task for run in runs):
        of_task = [run for run in runs if run.inputs.task == task]
        model = parse_default_model(task, of_task, choice, survey)
        analyses.append(_plan_analysis(model, of_task, choice, output_dir, tables, survey, bad))
    return _with_excluded(analyses, bad)


def _with_excluded(analyses: Sequence[Analysis | None], bad: BadRuns) -> tuple[Analysis, ...]:
    """Add to each analysis the bad runs of its task, to the first one those of no other."""
    planned = [analysis for analysis in analyses if analysis is not None]
    if not planned:
        raise bad.refusal()
    tasks = [analysis.runs[0].inputs.task for analysis in planned]
    places = [
        tasks.index(run.entities["task"]) if run.entities["task"] in tasks else 0
        for run in bad.excluded
    ]
    return tuple(
        replace(
            analysis,
            excluded=tuple(
                run for run, place in zip(bad.excluded, places, strict=True) if place == number
            ),
        )
        for number, analysis in enumerate(planned)
    )


def _read_runs(
    files: Sequence[RunFiles], choice: ModelChoice, model: Model | None, bad: BadRuns
) -> list[RunRead]:
    """Read headers and tables of all runs that can be read."""
    runs = bad.passing(files, lambda run: run.entities, lambda run: _read_run(run, choice, model))
    if not runs:
        raise bad.refusal()
    _check_meshes(choice.meshes, runs)
    return runs


def _check_meshes(meshes: Sequence[Path], runs: Sequence[RunRead]) -> None:
    """Refuse a mesh that cannot be read or that no run has data on."""
    for path in meshes:
        mesh = read_mesh(path)
        if not any(run.header.geometry.accepts_mesh(path) for run in runs):
            first = runs[0]
            raise BadDataError(
                f"--mesh {path.name} has {len(mesh.coordinates)} vertices"
                f"{' of ' + mesh.structure if mesh.structure else ''}, but no run has data on "
                f"that surface ({first.inputs.bold.name} has {first.header.volume_size:,} "
                f"{first.header.geometry.element_name}). Give the mesh of the space of the runs, "
                "or leave out --mesh."
            )


def _plan_analysis(
    model: Model,
    runs: Sequence[RunRead],
    choice: ModelChoice,
    output_dir: Path,
    tables: ParticipantTables,
    survey: Survey | None,
    bad: BadRuns,
) -> Analysis | None:
    """Plan all levels of one model; None if none of its runs can be analyzed."""
    identity = identity_of(model.spec, analysis_options(choice), choice.selection)
    model, changes = settled_model(model, identity, output_dir, replaces=choice.replaces)

    def tables_of(run: RunPlan) -> dict[str, Any]:
        return tables.of(run.inputs.entities, run.inputs.bold.name)

    check_patterns(model.confounds.columns, [run.table for run in runs if run.table])
    _check_slice_smoothing(model, runs)
    planned, notices = _plan_runs(model, runs, choice, survey, bad)
    planned = on_one_grid(model, planned, bad)
    with_tables = bad.passing(planned, _entities_planned, lambda run: (run, tables_of(run)))
    if not with_tables:
        return None
    planned = [run for run, _ in with_tables]
    check_run_groups(model.run_node, [tables.of(run.inputs.entities) for run in planned])
    node_inputs, fingerprints = [], {}
    for run, metadata in with_tables:
        record = ResultPaths.of(output_dir, model.run_node.name, run.inputs.entities).record()
        fingerprints[str(record)] = run.fingerprint
        node_inputs += [
            NodeInput(
                model.run_node.name,
                str(record),
                run.inputs.name,
                spec.name,
                run.inputs.entities,
                metadata,
            )
            for spec in run.contrasts
            if spec.test != "F" and run.collinearity.estimable.get(spec.name, False)
        ]
    levels, of_levels = plan_levels(
        model,
        node_inputs,
        fingerprints,
        output_dir,
        LEVELS[1:],
        tables.levels() | _entity_levels(planned, survey),
    )
    return Analysis(model, tuple(planned), levels, (*changes, *notices, *of_levels))


def _entity_levels(runs: Sequence[RunPlan], survey: Survey | None) -> frozenset[str]:
    """Return the sessions, runs, ... that runs of the task have in the dataset."""
    surveyed = survey.of_task(runs[0].inputs.task) if survey else []
    return frozenset(
        f"{name}{COMPARISON}{run.entities[key]}"
        for run in surveyed
        for name, key in ENTITY_KEYS.items()
        if key in run.entities
    )


def _plan_runs(
    model: Model,
    runs: Sequence[RunRead],
    choice: ModelChoice,
    survey: Survey | None,
    bad: BadRuns,
) -> tuple[list[RunPlan], list[Notice]]:
    """Build the designs of all runs that can be analyzed, with the contrasts of all of them."""
    missing = choice.missing_conditions
    with_names = bad.passing(runs, _entities_read, lambda run: (run, _names(model, run)))
    if not with_names:
        return [], []
    runs = [run for run, _ in with_names]
    others = _other_events(runs, survey)
    template = runs[0].tables if model.plain is None else None
    names = frozenset[str]().union(*(names for _, names in with_names))
    known = names | names_elsewhere(model, names, others, template)

    def build(run: RunRead) -> RunDesign:
        return design_of_run(run, model, known, missing)

    designs = bad.passing(runs, _entities_read, lambda run: with_slice_designs(build(run), build))
    if not designs:
        return [], []
    modeled = names - _without_a_column(model, designs)
    elsewhere = names_elsewhere(model, modeled, others, template)
    further = columns_elsewhere(model, elsewhere, others, template)
    contrasts = _contrasts(model, designs, further)
    planned = bad.passing(
        designs,
        lambda design: design.run.inputs.entities,
        lambda design: plan_run(design, model, contrasts, missing),
    )
    chosen = frozenset(spec.name for spec in contrasts)
    if choice.file is None and choice.options.contrasts is None:
        modulators = {modulator.name for modulator in model.modulators}
        chosen = frozenset(name for name in chosen if modulators & set(name.split(" - ")))
    return planned, check_contrasts(contrasts, planned, elsewhere, chosen)


def _without_a_column(model: Model, designs: Sequence[RunDesign]) -> frozenset[str]:
    """Return the conditions of the model that no run has an event of in its time."""
    columns = [name for run in designs for name in run.design.names]
    terms = {str(term) for term in model.run_node.x if term != 1}
    return frozenset(
        term
        for term in terms
        if not any(column == term or column.startswith(f"{term}_") for column in columns)
    )


def _entities_planned(run: RunPlan) -> Mapping[str, str]:
    return run.inputs.entities


def _entities_read(run: RunRead) -> Mapping[str, str]:
    return run.inputs.entities


def _check_slice_smoothing(model: Model, runs: Sequence[RunRead]) -> None:
    """Refuse to smooth across slices that are modeled at times of their own."""
    if model.smoothing and any(run.slice_times for run in runs):
        raise BadDataError(
            "--slice-times model cannot be applied to smoothed runs, because smoothing mixes "
            f"slices of different times. Smooth the effects instead (--smoothing "
            f"{model.smoothing:g}:subject), or leave out --slice-times model."
        )


def _names(model: Model, run: RunRead) -> frozenset[str]:
    """Return the variables of a run."""
    if model.plain is None:
        return names_in_any_run(model, [run.tables])
    conditions = run.events.conditions if run.events else ()
    return frozenset(model.plain.prefix + name for name in conditions)


def _other_events(runs: Sequence[RunRead], survey: Survey | None) -> list[Path]:
    """Return the events files of the runs of the dataset that are not planned."""
    selected = {run.inputs.events.resolve() for run in runs if run.inputs.events}
    surveyed = survey.of_task(runs[0].inputs.task) if survey else []
    return [run.events for run in surveyed if run.events and run.events.resolve() not in selected]


def _contrasts(
    model: Model, designs: Sequence[RunDesign], elsewhere: frozenset[str]
) -> tuple[ContrastSpec, ...]:
    """Return the contrasts of all runs, or refuse two that would have the same file names.

    They do not depend on which runs are planned: `elsewhere` are columns of other runs.
    """
    roles = {
        name: role
        for run in designs
        for name, role in zip(run.design.names, run.design.roles, strict=True)
    }
    roles |= dict.fromkeys(elsewhere, "condition")
    # in a model without conditions, confounds are what it asks about
    asked = "condition" if "condition" in roles.values() else "confound"
    task = {name: None for name, role in roles.items() if role == asked}
    other = {name: None for name, role in roles.items() if role != asked}
    known = [str(term) for term in model.run_node.x if term != 1]
    ordered = [name for name in known if name in task]
    columns = list(dict.fromkeys([*ordered, *sorted(task)]))
    contrasts = run_contrasts(model.run_node, columns, list(other), known)
    for first, second in clashing_labels([spec.name for spec in contrasts]):
        raise BadDataError(
            f"The contrasts {first!r} and {second!r} would both be written as "
            f"contrast-{camel_case(second)}. Rename one of them ('name = weights')."
        )
    return contrasts


def _read_run(files: RunFiles, choice: ModelChoice, model: Model | None) -> RunRead:
    parts = (files.bold, files.events, files.mask, *files.confounds, *files.meshes)
    for path in parts:
        if path is not None:
            check_content(path)
    inspected = inspect_run(files, choice.timing)
    inputs, header = inspected.inputs, inspected.header
    if choice.mask is not None:
        inputs = replace(inputs, mask=choice.mask.resolve())
    if choice.meshes:
        inputs = replace(inputs, meshes=tuple(path.resolve() for path in choice.meshes))
    table = read_confounds(*inputs.confounds) if inputs.confounds else None
    plain = None if model is None else model.plain
    events, columns = None, {}
    if inputs.events is None:
        columns = no_event_columns()
    elif model is None or plain is not None:
        column = choice.options.trial_type_column if plain is None else plain.column
        events = read_events(inputs.events, column, choice.missing_times)
    else:
        columns = read_event_columns(inputs.events)
    run = RunRead(
        inputs,
        header,
        events,
        columns,
        table,
        inspected.notices,
        inspected.slice_times,
        choice.missing_times,
    )
    return replace(run, notices=(*run.notices, *input_notices(run)))
