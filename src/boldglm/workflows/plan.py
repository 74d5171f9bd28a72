"""What will be done, decided and checked before any image is read beyond its header."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from boldglm._version import __version__
from boldglm.errors import BadDataError
from boldglm.glm import Collinearity, Confounds, Design, collinearity
from boldglm.glm.confounds import describe_scans
from boldglm.glm.fit import check_noise_model
from boldglm.io.confound_wishes import ConfoundWishes, high_pass_beside
from boldglm.io.confounds import (
    check_denoising,
    check_patterns,
    confounds_of_run,
)
from boldglm.io.confounds_table import ConfoundsTable, read_confounds
from boldglm.io.default_model import DefaultModelOptions, default_model
from boldglm.io.derivatives import camel_case, clashing_labels
from boldglm.io.designs import (
    DesignChoices,
    RunTiming,
    apply_orthogonalization,
    contrast_weights,
    design_from_events,
)
from boldglm.io.events import PREFIX, Events, read_events
from boldglm.io.geometry import BoldHeader
from boldglm.io.images import read_bold_header, read_mask
from boldglm.io.model import Model, parse_model, read_model
from boldglm.io.query import RunFiles
from boldglm.io.results import fingerprint
from boldglm.io.runs import RunInputs
from boldglm.workflows.timing import repetition_time, start_time

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunPlan:
    """One run, its design and what it cannot do."""

    inputs: RunInputs
    header: BoldHeader
    design: Design
    confounds: Confounds
    numbers: Collinearity
    contrasts: tuple[dict[str, Any], ...]  # as the model writes them
    left_out: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Analysis:
    """A model and the runs of its task; of one hemisphere, where each has its own files."""

    model: Model
    runs: tuple[RunPlan, ...]

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
    """A model file, or how to build the default model."""

    file: Path | None
    options: DefaultModelOptions
    mask: Path | None = None
    confounds: ConfoundWishes = field(default_factory=ConfoundWishes)
    meshes: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _RunRead:
    """What was read of one run before there is a model."""

    inputs: RunInputs
    header: BoldHeader
    events: Events
    table: ConfoundsTable | None


def make_plan(files: Sequence[RunFiles], choice: ModelChoice) -> tuple[Analysis, ...]:
    """Read every header and events file, build every design, and refuse what cannot work.

    Parameters
    ----------
    files : sequence of RunFiles
        Runs that have events.
    choice : ModelChoice
        The model, or how to build it; one default model for each task.

    Returns
    -------
    tuple of Analysis

    Raises
    ------
    BadDataError
        With file, finding and remedy, for the first thing that cannot be analysed.
    """
    runs = [_read_run(one, choice) for one in files]
    tasks = list(dict.fromkeys(run.inputs.task for run in runs))
    if choice.file is not None:
        model = read_model(choice.file)
        tasks = _task_of(model, tasks, choice.file)
    analyses = []
    for task in tasks:
        own = [run for run in runs if run.inputs.task == task]
        if choice.file is None:
            model = _default(task, own, choice, several=len(tasks) > 1)
        check_patterns(model.confounds.columns, [run.table for run in own if run.table])
        planned = [_plan_run(run, model) for run in own]
        for side in dict.fromkeys(run.inputs.entities.get("hemi") for run in planned):
            same = (run for run in planned if run.inputs.entities.get("hemi") == side)
            analysis = Analysis(model, tuple(same))
            _check_contrasts(analysis)
            _check_grids(analysis)
            analyses.append(analysis)
    return tuple(analyses)


def _read_run(files: RunFiles, choice: ModelChoice) -> _RunRead:
    inputs, header = inspect_run(files)
    if choice.mask is not None:
        inputs = replace(inputs, mask=choice.mask.resolve())
    if choice.meshes:
        inputs = replace(inputs, meshes=tuple(path.resolve() for path in choice.meshes))
    table = read_confounds(*inputs.confounds) if inputs.confounds else None
    return _RunRead(inputs, header, read_events(inputs.events), table)


def inspect_run(files: RunFiles) -> tuple[RunInputs, BoldHeader]:
    """Check the header of a run against its metadata.

    Raises
    ------
    BadDataError
        If RepetitionTime is missing, or the sidecar and the header disagree.
    """
    header = read_bold_header(files.bold)
    inputs = RunInputs(
        bold=files.bold,
        events=_events(files),
        entities=files.entities,
        repetition_time=repetition_time(files, header),
        start_time=start_time(files),
        n_scans=header.n_scans,
        sources=files.sources,
        mask=files.mask,
        confounds=files.confounds,
        meshes=files.meshes,
        kind=files.kind,
        derivatives=files.derivatives,
    )
    logger.info(
        "%s: first volume at %g s (%s)",
        inputs.name,
        inputs.start_time,
        "StartTime" if "StartTime" in files.metadata else "no StartTime in its metadata",
    )
    return inputs, header


def _events(files: RunFiles) -> Path:
    assert files.events is not None  # runs without events were left out by the query
    return files.events


def _task_of(model: Model, tasks: list[str], file: Path) -> list[str]:
    if model.task is None:
        if len(tasks) > 1:
            raise BadDataError(
                f"{file.name} names no task (Input.task) and the runs have several: "
                f"{', '.join(tasks)}. Choose one with --task."
            )
        return tasks
    if model.task not in tasks:
        raise BadDataError(
            f"{file.name} is a model for task {model.task!r}; the selected runs have: "
            f"{', '.join(tasks)}."
        )
    return [model.task]


def _default(task: str, runs: Sequence[_RunRead], choice: ModelChoice, *, several: bool) -> Model:
    found = sorted({name for run in runs for name in run.events.conditions})
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
        runs=[run.events.conditions for run in runs],
    )
    return parse_model(content, f"model-{name}_smdl.json")


def _plan_run(run: _RunRead, model: Model) -> RunPlan:
    inputs, header = run.inputs, run.header
    timing = RunTiming(inputs.n_scans, inputs.repetition_time, inputs.start_time)
    choices = DesignChoices(
        model.conditions, model.hrf_model, model.fir_delays, model.high_pass, model.modulators
    )
    confounds = confounds_of_run(run.table, model.confounds, inputs.n_scans, inputs.bold.name)
    try:
        design, left_out = design_from_events(
            run.events, timing, choices, inputs.events.name, confounds
        )
        design, notes = apply_orthogonalization(design, model.orthogonalize)
    except ValueError as error:
        raise BadDataError(f"{inputs.events.name}: {error}") from error
    left_out += notes + check_denoising(inputs.kind, confounds.names, model.high_pass)
    _check_places(inputs, header, model)
    weights = {
        spec.name: laid
        for spec in model.contrasts
        if (laid := contrast_weights(spec, design.names)) is not None
    }
    numbers = collinearity(design, weights)
    _check_freedom(inputs, design, numbers, model.noise_model)
    if numbers.rank < design.n_regressors:
        left_out = (
            *left_out,
            f"the design has {design.n_regressors} columns but rank {numbers.rank}: "
            f"{_collinear(numbers)} are exactly collinear and share their estimate",
        )
    contrasts = tuple(_as_written(model))
    return RunPlan(
        inputs=inputs,
        header=header,
        design=design,
        confounds=confounds,
        numbers=numbers,
        contrasts=contrasts,
        left_out=left_out,
        fingerprint=fingerprint(
            __version__,
            inputs.bold,
            inputs.mask,
            *(inputs.meshes if model.smoothing else ()),
            design.matrix,
            list(design.names),
            list(contrasts),
            [model.noise_model, model.signal_scaling, model.smoothing],
            list(model.orthogonalize),
        ),
    )


def _check_freedom(
    inputs: RunInputs, design: Design, numbers: Collinearity, noise_model: str
) -> None:
    """Refuse a design that leaves nothing, or too little, to learn the noise from."""
    if inputs.n_scans <= numbers.rank:
        text = (
            f"{inputs.bold.name} has {inputs.n_scans} volumes and its design "
            f"{design.n_regressors} regressors (rank {numbers.rank}), which leaves no degree of "
            "freedom for noise. "
        )
        if design.censored:
            text += f"Censored scans: {describe_scans(design.censored, inputs.n_scans)}. "
        raise BadDataError(
            f"{text}Model fewer conditions (--conditions) or confounds (--confounds), censor less "
            "(--fd-threshold), use a longer --high-pass period, or leave the run out."
        )
    try:
        check_noise_model(design, noise_model)
    except ValueError as error:
        raise BadDataError(f"{inputs.bold.name}: {error}") from error


def _collinear(numbers: Collinearity) -> str:
    return ", ".join(name for name, value in numbers.vif.items() if not np.isfinite(value))


def _check_places(inputs: RunInputs, header: BoldHeader, model: Model) -> None:
    """Refuse a mask that lies elsewhere, and smoothing along a surface that is not there."""
    if inputs.mask is not None:
        read_mask(inputs.mask, header)
    if model.smoothing:
        header.geometry.with_meshes(inputs.meshes).check_smoothing(model.smoothing)


def _as_written(model: Model) -> list[dict[str, Any]]:
    return [
        {
            "Name": spec.name,
            "ConditionList": list(spec.columns),
            "Weights": [list(row) for row in spec.weights],
            "Test": spec.test,
        }
        for spec in model.contrasts
    ]


def _check_contrasts(analysis: Analysis) -> None:
    """Refuse contrasts whose files would have one name, or that no run can estimate."""
    for taken, second in clashing_labels([spec.name for spec in analysis.model.contrasts]):
        raise BadDataError(
            f"The contrasts {taken!r} and {second!r} would both be written as "
            f"contrast-{camel_case(second)}. Rename one of them ('name = weights')."
        )
    for spec in analysis.model.contrasts:
        able = [run for run in analysis.runs if run.numbers.estimable.get(spec.name, False)]
        if able:
            continue
        first = analysis.runs[0]
        collinear = _collinear(first.numbers)
        reason = (
            f"its regressors are exactly collinear in {first.inputs.name} ({collinear})"
            if collinear
            else "; ".join(
                [
                    f"{first.inputs.name} lacks one of {', '.join(spec.columns)}",
                    *(note for note in first.left_out if _is_about(note, spec.columns)),
                ]
            )
        )
        raise BadDataError(
            f"The contrast {spec.name!r} cannot be estimated in any run: {reason}. Change or drop "
            "the contrast, or the regressors."
        )


def _is_about(note: str, columns: Sequence[str]) -> bool:
    return any(repr(column.removeprefix(PREFIX)) in note for column in columns)


def _check_grids(analysis: Analysis) -> None:
    """Refuse to combine runs of one subject that lie on different grids."""
    if analysis.model.subject_node is None:
        return
    for subject in analysis.subjects:
        first, *others = analysis.of_subject(subject)
        for run in others:
            name, first_name = run.inputs.bold.name, first.inputs.bold.name
            run.header.geometry.check_same(
                name,
                first.header.geometry,
                first_name,
                f"So the runs of sub-{subject} cannot be combined voxel by voxel. Resample them "
                "to one grid, or choose with --session-label or --run-label.",
            )
