"""The default model of a task, made from the tables of all runs of the dataset.

Which participants are fitted in a call does not matter: a cluster that fits one participant a job
uses the same model as one call for all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from boldglm.analysis.model.confound_strategies import ConfoundRequest, drift_with_confounds
from boldglm.analysis.model.default_model import DefaultModelOptions, default_model_with_notices
from boldglm.analysis.model.model import Model, parse_model
from boldglm.analysis.model.renamed import renamed_model
from boldglm.analysis.plan.run_plans import RunRead
from boldglm.analysis.plan.timing import TimingOptions
from boldglm.errors import BoldglmError
from boldglm.glm.design.confound_names import has_cosines
from boldglm.io.bids.confounds_table import ConfoundsTable, read_confound_names
from boldglm.io.bids.events import Events, read_events
from boldglm.io.bids.survey import Survey, SurveyedRun
from boldglm.io.entities import run_of
from boldglm.io.outputs.names import model_file_name
from boldglm.notices import warning
from boldglm.vocabulary import BAD_RUN_POLICY, MISSING_POLICY, MISSING_TIMES_POLICY

NO_DRIFT = warning(
    "the design has no drift regressors, so slow drift counts as noise. The noise model auto "
    "allows for most of it; with ols and ar1, p values of slow designs can be far too small or "
    "too large"
)


@dataclass(frozen=True)
class ModelChoice:
    """A model file, or how to build the default model.

    Parameters
    ----------
    file : Path or None
        The model file; None for the default model.
    options : DefaultModelOptions
        Options of the default model.
    mask : Path, optional
        Brain mask for all runs.
    confounds : ConfoundRequest
        Confounds of the default model.
    fit_options : mapping
        Keys of `Software.boldglm` that override those of the run node of a model file.
    level_options : mapping
        Keys of `Software.boldglm` that override those of higher-level nodes, by level.
    meshes : tuple of Path
        Surface meshes for all runs.
    missing_conditions : {"drop", "zero", "error"}
        What to do with a run that lacks a condition.
    missing_times : {"row", "run", "error"}
        What an event without onset or duration excludes.
    on_bad_run : {"exclude", "stop"}
        What to do with a run that cannot be analyzed.
    timing : TimingOptions
        What the user says about the times of volumes.
    name : str, optional
        Another name for the model, which also precedes the names of its nodes.
    derivatives : tuple of str
        Name and version of the pipelines that preprocessed the runs.
    selection : mapping of str to list of str
        Options that chose sessions and runs.
    replaces : bool
        Whether to replace an earlier analysis of the same name in the output folder.
    """

    file: Path | None
    options: DefaultModelOptions
    mask: Path | None = None
    confounds: ConfoundRequest = field(default_factory=ConfoundRequest)
    fit_options: Mapping[str, Any] = field(default_factory=dict)
    level_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meshes: tuple[Path, ...] = ()
    missing_conditions: str = MISSING_POLICY
    missing_times: str = MISSING_TIMES_POLICY
    on_bad_run: str = BAD_RUN_POLICY
    timing: TimingOptions = field(default_factory=TimingOptions)
    name: str | None = None
    derivatives: tuple[str, ...] = ()
    selection: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replaces: bool = False


def parse_default_model(
    task: str, runs: Sequence[RunRead], choice: ModelChoice, survey: Survey | None
) -> Model:
    """Build the default model of a task and read it like a model file.

    Parameters
    ----------
    task : str
        Label of the task.
    runs : sequence of RunRead
        Runs of this call.
    choice : ModelChoice
        Options of the model.
    survey : Survey or None
        Runs of all participants; None to use `runs` only.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    BadDataError
        If the options name conditions or confounds that no run has.
    """
    read = {run_of(run.inputs.entities) for run in runs}
    surveyed = survey.of_task(task) if survey else []
    others = [run for run in surveyed if run_of(run.entities) not in read]
    events = [run.events for run in runs if run.events]
    events += [table for run in others if (table := _events(run, choice)) is not None]
    tables = [run.table for run in runs if run.table]
    tables += [names for run in others if (names := _confound_names(run)) is not None]
    n_tasks = len({run.entities.get("task") for run in survey.runs if run.events}) if survey else 1
    suffix = "" if n_tasks == 1 else task[0].upper() + task[1:]
    request, options = choice.confounds, choice.options
    confounds = request.settings(tables)
    drift, high_pass = drift_with_confounds(
        confounds.columns,
        options.drift,
        options.high_pass,
        is_requested=request.drift_is_requested,
    )
    content, notices = default_model_with_notices(
        task,
        sorted({name for table in events for name in table.conditions}),
        _repetition_time(runs, survey, task),
        replace(options, confounds=confounds, drift=drift, high_pass=high_pass),
        name=f"default{suffix}",
        runs=[table.conditions for table in events],
        event_columns=[name for table in events for name in table.other_columns],
    )
    if choice.name is not None:
        content = renamed_model(content, choice.name + suffix)
    file_name = model_file_name(content["Name"])
    model = parse_model(content, file_name, level_options=choice.level_options)
    if not model.has_drift and not has_cosines(confounds.columns):
        notices = (*notices, NO_DRIFT)
    return replace(model, spec=replace(model.spec, notes=(*model.spec.notes, *notices)))


def _events(run: SurveyedRun, choice: ModelChoice) -> Events | None:
    """Return the events of a run; None if they cannot be read."""
    assert run.events is not None
    try:
        return read_events(run.events, choice.options.trial_type_column, choice.missing_times)
    except BoldglmError:
        return None  # reported where this run is analyzed


def _confound_names(run: SurveyedRun) -> ConfoundsTable | None:
    if not run.confounds:
        return None
    try:
        return read_confound_names(*run.confounds)
    except BoldglmError:
        return None  # reported where this run is analyzed


def _repetition_time(runs: Sequence[RunRead], survey: Survey | None, task: str) -> float:
    """Return the repetition time of the first run of the dataset, for the default FIR delays."""
    seconds = survey.repetition_time(task) if survey else None
    return seconds or runs[0].inputs.repetition_time
