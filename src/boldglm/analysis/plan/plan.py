"""What will be done, decided and checked before any image is read beyond its header."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from boldglm.analysis.first_level.confounds import check_patterns
from boldglm.analysis.first_level.model_design import names_in_any_run
from boldglm.analysis.model.confound_strategies import ConfoundRequest, high_pass_beside
from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.analysis.model.model import Model, parse_model, read_model
from boldglm.analysis.plan.conditions_elsewhere import names_elsewhere
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
from boldglm.errors import BadDataError, NothingSelectedError
from boldglm.io.bids.confounds_table import read_confounds
from boldglm.io.bids.events import PREFIX, read_event_columns, read_events
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.bids.query import RunFiles
from boldglm.io.images.meshes import read_mesh
from boldglm.io.outputs.derivatives import Place, camel_case, clashing_labels
from boldglm.notices import Notice
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.node_plans import GEOMETRY, check_run_groups
from boldglm.stats_model.run_contrasts import run_contrasts
from boldglm.stats_model.specification import ENTITY_KEYS, ContrastSpec
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import LEVELS

__all__ = ["Analysis", "ModelChoice", "RunPlan", "make_plan"]


@dataclass(frozen=True)
class Analysis:
    """A model, the runs that it is for, and what is fitted above them."""

    model: Model
    runs: tuple[RunPlan, ...]
    levels: tuple[LevelPlan, ...]
    notices: tuple[Notice, ...] = ()  # nodes that have nothing to estimate somewhere

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of the participants, in order."""
        return tuple(self._by_subject)

    def of_subject(self, subject: str) -> tuple[RunPlan, ...]:
        """Runs of one participant."""
        return self._by_subject.get(subject, ())

    @cached_property
    def _by_subject(self) -> dict[str, tuple[RunPlan, ...]]:
        found: dict[str, list[RunPlan]] = {}
        for run in self.runs:
            found.setdefault(run.inputs.subject, []).append(run)
        return {subject: tuple(runs) for subject, runs in found.items()}


@dataclass(frozen=True)
class ModelChoice:
    """A model file, or how to build the default model.

    `fit_options` are keys of `Software.boldglm` that override those of a file; `level_options`
    likewise of nodes above the run, by level, and of the default model too.
    """

    file: Path | None
    options: DefaultModelOptions
    mask: Path | None = None
    confounds: ConfoundRequest = field(default_factory=ConfoundRequest)
    fit_options: Mapping[str, Any] = field(default_factory=dict)
    level_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meshes: tuple[Path, ...] = ()
    missing_conditions: str = "drop"


def make_plan(
    files: Sequence[RunFiles], choice: ModelChoice, output_dir: Path, tables: ParticipantTables
) -> tuple[Analysis, ...]:
    """Read every header and events file, build every design, and refuse what cannot work.

    Parameters
    ----------
    files : sequence of RunFiles
        Runs that have events.
    choice : ModelChoice
        The model, or how to build it; one default model for each task.
    output_dir : Path
        Where results will lie.
    tables : ParticipantTables
        What the dataset says of participants, for the nodes above the run.

    Returns
    -------
    tuple of Analysis

    Raises
    ------
    BadDataError
        With file, finding and remedy, for the first thing that cannot be analyzed.
    NothingSelectedError
        If a model file is for none of the runs.
    """
    if choice.file is not None:
        model = read_model(choice.file, choice.fit_options, choice.level_options)
        chosen = _of_input(files, model, choice.file)
        runs = [_read_run(one, choice, model) for one in chosen]
        _check_meshes(choice.meshes, runs)
        try:
            return (_analyze(model, runs, choice, output_dir, tables),)
        except BadDataError as error:
            if "$." not in str(error) or choice.file.name in str(error):
                raise
            raise BadDataError(f"{choice.file.name}: {error}") from error
    runs = [_read_run(one, choice, None) for one in files]
    _check_meshes(choice.meshes, runs)
    tasks = list(dict.fromkeys(run.inputs.task for run in runs))
    analyzes = []
    for task in tasks:
        own = [run for run in runs if run.inputs.task == task]
        model = _default(task, own, choice, several=len(tasks) > 1)
        analyzes.append(_analyze(model, own, choice, output_dir, tables))
    return tuple(analyzes)


def _check_meshes(meshes: Sequence[Path], runs: Sequence[RunRead]) -> None:
    """Refuse a surface that cannot be read, or that belongs to none of the runs."""
    for path in meshes:
        mesh = read_mesh(path)
        if not any(run.header.geometry.fits(path) for run in runs):
            first = runs[0]
            raise BadDataError(
                f"--mesh {path.name} has {len(mesh.coordinates)} vertices"
                f"{' of ' + mesh.structure if mesh.structure else ''}, and none of the runs has "
                f"values on them ({first.inputs.bold.name} has {first.header.volume_size:,} "
                f"{first.header.geometry.noun}). Give the mesh of the series' space, or no --mesh."
            )


def _analyze(
    model: Model,
    runs: Sequence[RunRead],
    choice: ModelChoice,
    output_dir: Path,
    tables: ParticipantTables,
) -> Analysis:
    """Plan all levels of one model."""
    missing = choice.missing_conditions
    check_patterns(model.confounds.columns, [run.table for run in runs if run.table])
    known, elsewhere = _known(model, runs, tables.bids_dir)
    made = [design_of_run(run, model, known, missing) for run in runs]
    contrasts = _contrasts(model, made)
    planned = tuple(plan_run(one, model, contrasts, missing) for one in made)
    _check_contrasts(contrasts, planned, elsewhere)
    _check_grids(model, planned)
    check_run_groups(model.run_node, [tables.of(run.inputs.entities) for run in planned])
    items, prints = [], {}
    for run in planned:
        record = Place.of(output_dir, model.run_node.name, run.inputs.entities).record()
        metadata = tables.of(run.inputs.entities, run.inputs.bold.name)
        prints[str(record)] = run.fingerprint
        items += [
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
    levels, notices = plan_levels(model, items, prints, output_dir, LEVELS[1:], tables.levels())
    return Analysis(model, planned, levels, notices)


def _known(
    model: Model, runs: Sequence[RunRead], bids_dir: Path
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables that some run has, and those that only runs not selected have."""
    tables = [run.tables for run in runs] if model.plain is None else []
    if model.plain is None:
        known = names_in_any_run(model, tables)
    else:
        conditions = (name for run in runs if run.events for name in run.events.conditions)
        known = frozenset(PREFIX + name for name in conditions)
    elsewhere = names_elsewhere(
        model,
        known,
        bids_dir,
        runs[0].inputs.task,
        [run.inputs.events for run in runs],
        tables[0] if tables else None,
    )
    return known | elsewhere, elsewhere


def _contrasts(model: Model, made: Sequence[RunDesign]) -> tuple[ContrastSpec, ...]:
    """Contrasts of all runs; two whose files would have one name are refused."""
    task: dict[str, None] = {}
    other: dict[str, None] = {}
    for one in made:
        for name, role in zip(one.design.names, one.design.roles, strict=True):
            (task if role == "condition" else other)[name] = None
    known = [str(term) for term in model.run_node.x if term != 1]
    ordered = [name for name in known if name in task]
    columns = list(dict.fromkeys([*ordered, *task]))
    found = run_contrasts(model.run_node, columns, list(other), known)
    for taken, second in clashing_labels([spec.name for spec in found]):
        raise BadDataError(
            f"The contrasts {taken!r} and {second!r} would both be written as "
            f"contrast-{camel_case(second)}. Rename one of them ('name = weights')."
        )
    return found


def _read_run(files: RunFiles, choice: ModelChoice, model: Model | None) -> RunRead:
    inputs, header = inspect_run(files)
    if choice.mask is not None:
        inputs = replace(inputs, mask=choice.mask.resolve())
    if choice.meshes:
        inputs = replace(inputs, meshes=tuple(path.resolve() for path in choice.meshes))
    table = read_confounds(*inputs.confounds) if inputs.confounds else None
    if model is None or model.plain is not None:
        return RunRead(inputs, header, read_events(inputs.events), {}, table)
    return RunRead(inputs, header, None, read_event_columns(inputs.events), table)


def _of_input(files: Sequence[RunFiles], model: Model, file: Path) -> list[RunFiles]:
    """Choose the runs that the model's Input is for."""
    chosen = list(files)
    for key, wanted in model.spec.input.items():
        short = ENTITY_KEYS.get(key, key)
        found = list(dict.fromkeys(str(one.entities.get(short)) for one in chosen))
        chosen = [
            one
            for one in chosen
            if any(_same_label(str(one.entities.get(short)), value) for value in wanted)
        ]
        if found == ["None"] and key not in ENTITY_KEYS:
            raise BadDataError(
                f"{file.name}, at $.Input.{key}: no run has this entity."
                f"{did_you_mean(key, list(ENTITY_KEYS))} "
                f"The runs have {', '.join(files[0].entities)}."
            )
        if not chosen:
            error = BadDataError if key == "task" else NothingSelectedError
            raise error(
                f"{file.name}, at $.Input.{key}: it is a model for {key} "
                f"{', '.join(map(repr, wanted))}; the selected runs have: {', '.join(found)}."
            )
    tasks = list(dict.fromkeys(one.entities["task"] for one in chosen))
    if "task" not in model.spec.input and len(tasks) > 1:
        raise BadDataError(
            f"{file.name} names no task (Input.task) and the runs have several: "
            f"{', '.join(tasks)}. Choose one with --task."
        )
    return chosen


def _same_label(found: str, wanted: str) -> bool:
    """Compare labels; numbers may have leading zeros, names their prefix."""
    wanted = wanted.rpartition("-")[2]
    if found.isdigit() and wanted.isdigit():
        return int(found) == int(wanted)
    return found == wanted


def _default(task: str, runs: Sequence[RunRead], choice: ModelChoice, *, several: bool) -> Model:
    found = sorted({name for run in runs if run.events for name in run.events.conditions})
    name = "default" + (task[0].upper() + task[1:] if several else "")
    wishes, options = choice.confounds, choice.options
    confounds = wishes.choices([run.table for run in runs if run.table])
    high_pass = high_pass_beside(
        confounds.columns, options.high_pass, is_asked=wishes.high_pass_is_asked
    )
    options = replace(options, confounds=confounds, high_pass=high_pass)
    content = default_model(
        task,
        found,
        runs[0].inputs.repetition_time,
        options,
        name=name,
        runs=[run.events.conditions for run in runs if run.events],
    )
    return parse_model(content, f"model-{name}_smdl.json", level_options=choice.level_options)


def _check_contrasts(
    contrasts: Sequence[ContrastSpec], runs: Sequence[RunPlan], elsewhere: frozenset[str]
) -> None:
    """Refuse a contrast that no run can estimate, unless it needs what only other runs have."""
    estimable = {name for run in runs for name, can in run.collinearity.estimable.items() if can}
    for spec in contrasts:
        has_part = any(
            column == name or column.startswith(f"{name}_")
            for column in spec.columns
            for name in elsewhere
        )
        if spec.name in estimable or (has_part and estimable):
            continue
        first = runs[0]
        collinear = collinear_names(first.collinearity)
        reason = (
            f"its regressors are exactly collinear in {first.inputs.name} ({collinear})"
            if collinear
            else "; ".join(
                [
                    f"{first.inputs.name} lacks one of {', '.join(spec.columns)}",
                    *(str(each) for each in first.notices if _is_about(each, spec.columns)),
                ]
            )
        )
        raise BadDataError(
            f"The contrast {spec.name!r} cannot be estimated in any run: {reason}. Change or drop "
            "the contrast, or the regressors."
        )


def _is_about(notice: Notice, columns: Sequence[str]) -> bool:
    return any(repr(column.removeprefix(PREFIX)) in notice.text for column in columns)


def _check_grids(model: Model, runs: Sequence[RunPlan]) -> None:
    """Refuse to combine runs of one subject that lie on different grids."""
    if len(model.spec.nodes) == 1:
        return
    first: dict[tuple, RunPlan] = {}
    for run in runs:
        key = (run.inputs.subject, *(run.inputs.entities.get(one) for one in GEOMETRY))
        other = first.setdefault(key, run)
        run.header.geometry.check_same(
            run.inputs.bold.name,
            other.header.geometry,
            other.inputs.bold.name,
            f"So the runs of sub-{run.inputs.subject} cannot be combined voxel by voxel. Resample "
            "them to one grid, or choose with --session-label or --run-label.",
        )
