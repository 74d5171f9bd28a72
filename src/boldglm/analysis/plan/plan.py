"""The plan of an analysis, made and checked before any image data are read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from boldglm.analysis.first_level.confounds import check_patterns
from boldglm.analysis.first_level.model_design import RunTables, names_in_any_run
from boldglm.analysis.model.model import Model, read_model
from boldglm.analysis.plan.conditions_elsewhere import columns_elsewhere, names_elsewhere
from boldglm.analysis.plan.dataset_model import ModelChoice, parse_default_model
from boldglm.analysis.plan.input_notices import input_notices
from boldglm.analysis.plan.levels import LevelPlan, plan_levels
from boldglm.analysis.plan.run_checks import inspect_run
from boldglm.analysis.plan.run_plans import (
    RunDesign,
    RunPlan,
    RunRead,
    collinear_names,
    design_of_run,
    plan_run,
)
from boldglm.analysis.plan.slice_designs import with_slice_designs
from boldglm.errors import BadDataError, NothingSelectedError
from boldglm.io.bids.confounds_table import read_confounds
from boldglm.io.bids.events import no_event_columns, read_event_columns, read_events
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.bids.query import RunFiles
from boldglm.io.bids.survey import Survey
from boldglm.io.images.meshes import read_mesh
from boldglm.io.outputs.names import ResultPaths, camel_case, clashing_labels
from boldglm.notices import Notice
from boldglm.stats_model.entity_names import ENTITY_KEYS, SERIES_KEYS
from boldglm.stats_model.json_paths import with_context
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.node_plans import GEOMETRY, check_run_groups
from boldglm.stats_model.run_contrasts import run_contrasts
from boldglm.stats_model.specification import ContrastSpec
from boldglm.suggestions import did_you_mean
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
    """

    model: Model
    runs: tuple[RunPlan, ...]
    levels: tuple[LevelPlan, ...]
    notices: tuple[Notice, ...] = ()

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
    """Read all headers and events files, build all designs, and refuse what cannot be fitted.

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
        If some run cannot be analyzed.
    NothingSelectedError
        If the model file selects none of the runs.
    """
    if choice.file is not None:
        model = read_model(choice.file, choice.fit_options, choice.level_options)
        selected = _select_input(files, model, choice.file)
        runs = [_read_run(run_files, choice, model) for run_files in selected]
        _check_meshes(choice.meshes, runs)
        try:
            return (_plan_analysis(model, runs, choice, output_dir, tables, survey),)
        except BadDataError as error:
            if "$." not in str(error) or choice.file.name in str(error):
                raise
            raise BadDataError(with_context(choice.file.name, str(error))) from error
    runs = [_read_run(run_files, choice, None) for run_files in files]
    _check_meshes(choice.meshes, runs)
    analyses = []
    for task in dict.fromkeys(run.inputs.task for run in runs):
        of_task = [run for run in runs if run.inputs.task == task]
        model = parse_default_model(task, of_task, choice, survey)
        analyses.append(_plan_analysis(model, of_task, choice, output_dir, tables, survey))
    return tuple(analyses)


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
) -> Analysis:
    """Plan all levels of one model."""
    missing = choice.missing_conditions
    check_patterns(model.confounds.columns, [run.table for run in runs if run.table])
    others = _other_events(runs, survey)
    template = runs[0].tables if model.plain is None else None
    known, elsewhere = _known(model, runs, others, template)

    def build(run: RunRead) -> RunDesign:
        return design_of_run(run, model, known, missing)

    _check_slice_smoothing(model, runs)
    designs = [with_slice_designs(build(run), build) for run in runs]
    further = columns_elsewhere(model, elsewhere, others, template)
    contrasts = _contrasts(model, designs, further)
    planned = tuple(plan_run(design, model, contrasts, missing) for design in designs)
    _check_contrasts(contrasts, planned, elsewhere)
    _check_grids(model, planned)
    check_run_groups(model.run_node, [tables.of(run.inputs.entities) for run in planned])
    node_inputs, fingerprints = [], {}
    for run in planned:
        record = ResultPaths.of(output_dir, model.run_node.name, run.inputs.entities).record()
        metadata = tables.of(run.inputs.entities, run.inputs.bold.name)
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
            for spec in contrasts
            if spec.test != "F" and run.collinearity.estimable.get(spec.name, False)
        ]
    levels, notices = plan_levels(
        model, node_inputs, fingerprints, output_dir, LEVELS[1:], tables.levels()
    )
    return Analysis(model, planned, levels, notices)


def _check_slice_smoothing(model: Model, runs: Sequence[RunRead]) -> None:
    """Refuse to smooth across slices that are modeled at times of their own."""
    if model.smoothing and any(run.slice_times for run in runs):
        raise BadDataError(
            "--slice-times model cannot be applied to smoothed runs, because smoothing mixes "
            f"slices of different times. Smooth the effects instead (--smoothing "
            f"{model.smoothing:g}:subject), or leave out --slice-times model."
        )


def _known(
    model: Model, runs: Sequence[RunRead], others: Sequence[Path], template: RunTables | None
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables of all runs of the dataset, and those of runs not selected only."""
    if model.plain is None:
        known = names_in_any_run(model, [run.tables for run in runs])
    else:
        conditions = (name for run in runs if run.events for name in run.events.conditions)
        known = frozenset(model.plain.prefix + name for name in conditions)
    elsewhere = names_elsewhere(model, known, others, template)
    return known | elsewhere, elsewhere


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


def _select_input(files: Sequence[RunFiles], model: Model, file: Path) -> list[RunFiles]:
    """Return the runs that the Input of the model selects."""
    selected = list(files)
    for key, labels in model.spec.input.items():
        known = list(dict.fromkeys(str(_label_of(run, key)) for run in selected))
        selected = [
            run
            for run in selected
            if any(_is_same_label(str(_label_of(run, key)), label) for label in labels)
        ]
        if known == ["None"] and key not in (*ENTITY_KEYS, *SERIES_KEYS):
            raise BadDataError(
                f"{file.name}, at $.Input.{key}: no run has this entity."
                f"{did_you_mean(key, list(ENTITY_KEYS))} "
                f"The runs have {', '.join(files[0].entities)}."
            )
        if not selected:
            error = BadDataError if key == "task" else NothingSelectedError
            raise error(
                f"{file.name}, at $.Input.{key}: the model is for {key} "
                f"{', '.join(map(repr, labels))}, but the selected runs have {', '.join(known)}. "
                "Change Input, or choose other runs."
            )
    tasks = list(dict.fromkeys(run.entities["task"] for run in selected))
    if "task" not in model.spec.input and len(tasks) > 1:
        raise BadDataError(
            f"{file.name} names no task (Input.task), and the runs have several: "
            f"{', '.join(tasks)}. Choose one with --task."
        )
    return selected


def _label_of(run: RunFiles, name: str) -> str | None:
    """Return what `Input` of a model selects by: an entity, or a part of the file name."""
    if name == "description":
        return run.kind or None
    stem, _, extension = run.bold.name.partition(".")
    parts = {"suffix": stem.rpartition("_")[2], "datatype": "func", "extension": f".{extension}"}
    return parts.get(name, run.entities.get(ENTITY_KEYS.get(name, name)))


def _is_same_label(label: str, label_in_model: str) -> bool:
    """Compare labels, ignoring leading zeros of numbers and a prefix such as ``sub-``."""
    label_in_model = label_in_model.rpartition("-")[2]
    if label.isdigit() and label_in_model.isdigit():
        return int(label) == int(label_in_model)
    return label == label_in_model


def _check_contrasts(
    contrasts: Sequence[ContrastSpec], runs: Sequence[RunPlan], elsewhere: frozenset[str]
) -> None:
    """Refuse a contrast that no run can estimate, unless a run that is not selected can."""
    estimable = {
        name
        for run in runs
        for name, is_estimable in run.collinearity.estimable.items()
        if is_estimable
    }
    for spec in contrasts:
        needs_other_runs = any(
            column == name or column.startswith(f"{name}_")
            for column in spec.columns
            for name in elsewhere
        )
        if spec.name in estimable or (needs_other_runs and estimable):
            continue
        first = runs[0]
        collinear = collinear_names(first.collinearity)
        reason = (
            f"its regressors are exactly collinear in {first.inputs.name} ({collinear})"
            if collinear
            else "; ".join(
                [
                    f"{first.inputs.name} lacks one of {', '.join(spec.columns)}",
                    *(str(notice) for notice in first.notices if _is_about(notice, spec.columns)),
                ]
            )
        )
        raise BadDataError(
            f"The contrast {spec.name!r} cannot be estimated in any run: {reason}. Change or "
            "remove the contrast, or change the regressors."
        )


def _is_about(notice: Notice, columns: Sequence[str]) -> bool:
    return any(repr(column.partition(".")[2]) in notice.text for column in columns)


def _check_grids(model: Model, runs: Sequence[RunPlan]) -> None:
    """Refuse to combine runs of one participant that lie on different grids."""
    if len(model.spec.nodes) == 1:
        return
    first: dict[tuple, RunPlan] = {}
    for run in runs:
        key = (run.inputs.subject, *(run.inputs.entities.get(entity) for entity in GEOMETRY))
        other = first.setdefault(key, run)
        run.header.geometry.check_same(
            run.inputs.bold.name,
            other.header.geometry,
            other.inputs.bold.name,
            f"So the runs of sub-{run.inputs.subject} cannot be combined voxel by voxel. Resample "
            "them to one grid, or choose with --session-label or --run-label.",
        )
