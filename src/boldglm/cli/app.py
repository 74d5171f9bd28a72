"""The analysis levels of the command line, from options to the summary on the terminal."""

import argparse
import logging
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from boldglm.analysis.first_level.single_trials import TrialSettings, check_run_trials, trial_shape
from boldglm.analysis.methods_text import smoothing_words
from boldglm.analysis.model.confound_strategies import ConfoundRequest
from boldglm.analysis.model.default_model import DefaultModelOptions
from boldglm.analysis.model.events_needed import events_needed
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.dataset_model import ModelChoice
from boldglm.analysis.plan.plan import Analysis, make_plan
from boldglm.analysis.plan.timing import TimingOptions
from boldglm.cli.dry_run import NOTHING_FITTED, show_levels, show_plan
from boldglm.cli.values import Smoothing
from boldglm.cli.work_folders import WorkFolders
from boldglm.errors import BadDataError, UsageError
from boldglm.glm.design.summaries import counted
from boldglm.io.bids.events import read_events
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.bids.query import QueryResult, find_runs
from boldglm.io.bids.selection import Selection
from boldglm.io.files.json_files import write_json
from boldglm.io.outputs.fit_cache import cache_size
from boldglm.io.outputs.names import RUN_MAPS, model_file_name, prepare_output
from boldglm.io.outputs.records import STAMP, Record, notes_of_records
from boldglm.notices import EXCLUSION, HEADINGS, Notice
from boldglm.vocabulary import (
    DRIFT,
    DUMMY_SCANS,
    FD_THRESHOLD,
    HIGH_PASS,
    HRF_MODEL,
    NOISE_MODEL,
    SIGNAL_SCALING,
    TRIAL_TYPE,
)
from boldglm.workflows.execution import Execution, execute
from boldglm.workflows.failures import Failure
from boldglm.workflows.group import init_group_wf, plan_group
from boldglm.workflows.lower_levels import init_lower_levels_wf
from boldglm.workflows.subject import AppSettings, init_boldglm_wf

FIT_FOLDER = "fits"  # in the work folder
logger = logging.getLogger(__name__)


def run_participant(options: argparse.Namespace, command: str, folders: WorkFolders) -> int:
    """Fit the selected runs, combine them within participants, and return the exit code."""
    _start_logging(verbose=options.verbose)
    started = time.monotonic()
    query = _find_runs(options)
    tables = ParticipantTables(options.bids_dir)
    output = options.output_dir.resolve()
    plan = make_plan(query.runs, _model_choice(options), output, tables, query.survey)
    if options.single_trials is not None:
        for analysis in plan:
            _check_trials(analysis, options.single_trials)
    excluded = (*query.excluded, *(run for each in plan for run in each.excluded))
    of_runs = [run.notice for run in excluded]
    if options.dry_run:
        show_plan(plan, (*of_runs, *query.notices, *tables.notices), sys.stdout)
        return 0
    preprocessed = {dataset.name: dataset.path for dataset in query.derivatives}
    folder = folders.open()
    prepare_output(options.output_dir, options.bids_dir, query.dataset_name, command, preprocessed)
    for analysis in plan:
        name = model_file_name(analysis.model.name)
        write_json(options.output_dir / "models" / name, analysis.model.spec.source)
    of_models = (note for each in plan for note in each.model.spec.notes)
    notices = (*of_runs, *query.notices, *tables.notices, *of_models)
    for notice in notices:
        logger.info("%s", notice)
    _write_settings(options, command)
    settings = _app_settings(options, command, notices, folders.work)
    workflow, n_runs = init_boldglm_wf(plan, settings)
    failures: list[Failure] = []
    if workflow is not None:
        failures = _execute(options, workflow, folder, n_runs)
    seconds = time.monotonic() - started
    _summarize(options.output_dir, plan, n_runs, failures, notices, seconds)
    if settings.cache_folder is not None:
        _print_cache(settings.cache_folder)
    _print_reports(options.output_dir, [subject for each in plan for subject in each.subjects])
    return max((failure.exit_code for failure in failures), default=0)


def _find_runs(options: argparse.Namespace) -> QueryResult:
    """Find the runs that the options select."""
    selection = Selection.of(
        options.participant_label,
        options.session_label,
        options.task,
        options.run_label,
        options.bids_filter_file,
    )
    return find_runs(
        options.bids_dir,
        selection,
        options.derivatives,
        options.space,
        options.bids_database_dir,
        events_needed(None if options.model == "default" else Path(options.model)),
        options.on_bad_run,
        validate=not options.skip_bids_validation,
    )


def run_higher_levels(
    options: argparse.Namespace, command: str, levels: Sequence[str], folders: WorkFolders
) -> int:
    """Fit higher levels from the results in the output folder, and return the exit code."""
    _start_logging(verbose=options.verbose)
    subjects = Selection.of(options.participant_label).subjects
    output = options.output_dir.resolve()
    smoothing = options.smoothing
    level_options = _level_options(smoothing) if smoothing and smoothing.level in levels else {}
    plans = plan_group(output, options.bids_dir, subjects, levels, level_options)
    if smoothing is not None:
        _check_smoothing_of_results(smoothing, levels, [plan.model for plan in plans])
    notices = [notice for plan in plans for notice in (*plan.notices, *plan.model.spec.notes)]
    if options.dry_run:
        for plan in plans:
            show_levels(plan.levels, sys.stdout)
        _print_notices(notices)
        print(NOTHING_FITTED)
        return 0
    settings = _app_settings(options, command, tuple(notices), folders.work)
    is_group = "dataset" in levels
    workflow = (init_group_wf if is_group else init_lower_levels_wf)(plans, settings)
    if workflow is not None:
        prepare_output(options.output_dir, options.bids_dir, None, command)
        failures = _execute(options, workflow, folders.open(), 0)
        if failures:
            for failure in failures:
                print(f"boldglm: {failure.message}", file=sys.stderr)
            if all("different grids" in failure.message for failure in failures):
                return BadDataError.exit_code
            return max(failure.exit_code for failure in failures)
    else:
        print("Nothing to do: all results are finished and their inputs have not changed.")
    for plan in plans:
        results = counted(len(plan.levels), "result")
        participants = f"{counted(len(plan.subjects), 'participant')} ({', '.join(plan.subjects)})"
        print(f"{levels[0].capitalize()} level: {results} from {participants}.")
    records = [level.record for plan in plans for level in plan.levels if level.record.is_file()]
    notices += [notice for path in records for notice in Record.read(path, output).result.notices]
    _print_notices(notices)
    if is_group:
        print(f"Report: {options.output_dir / 'group.html'}")
    else:
        _print_reports(
            options.output_dir, [subject for plan in plans for subject in plan.subjects]
        )
    return 0


def _check_trials(analysis: Analysis, method: str) -> None:
    """Refuse single trials that cannot be estimated before anything is fitted."""
    if analysis.model.plain is None:
        raise BadDataError(
            "--single-trials needs a model that convolves trial types, but the model "
            f"{analysis.model.name} has other transformations. Omit --single-trials, or simplify "
            "the model."
        )
    if any(run.built.slices is not None for run in analysis.runs):
        raise BadDataError(
            "--single-trials estimates all slices at one time, so it cannot be combined with "
            "--slice-times model. Leave out one of them."
        )
    trials = TrialSettings(method, analysis.model.hrf_model, analysis.model.noise_model)
    trial_shape(trials.hrf_model)
    for run in analysis.runs:
        events = run.inputs.events
        assert events is not None  # a model that convolves trial types needs them
        table = read_events(events, analysis.model.plain.column)
        check_run_trials(table, run.design, trials, events.name)


def _model_choice(options: argparse.Namespace) -> ModelChoice:
    drift, high_pass = _drift(options)
    defaults = DefaultModelOptions(
        conditions=_tuple(options.conditions),
        trial_type_column=options.trial_type_column or TRIAL_TYPE,
        hrf_model=options.hrf_model or HRF_MODEL,
        fir_delays=_tuple(options.fir_delays),
        modulate=tuple(options.modulate or ()),
        orthogonalize=tuple(options.orthogonalize or ()),
        contrasts=_tuple(options.contrast),
        drift=drift,
        high_pass=high_pass,
        noise_model=options.noise_model or NOISE_MODEL,
        signal_scaling=options.signal_scaling or SIGNAL_SCALING,
        **_smoothing_of_runs(options.smoothing),
    )
    file = None if options.model == "default" else Path(options.model)
    dummy_scans = options.dummy_scans
    confounds = ConfoundRequest(
        strategies=_tuple(options.confounds),
        fd_threshold=options.fd_threshold,
        dummy_scans=None if dummy_scans in (None, "auto") else dummy_scans,
        drift_is_requested=options.high_pass is not None or options.drift is not None,
    )
    return ModelChoice(
        file,
        defaults,
        options.mask,
        confounds,
        meshes=tuple(options.mesh or ()),
        fit_options=_fit_options(options) if file is not None else {},
        level_options=_level_options(options.smoothing),
        missing_conditions=options.missing_conditions,
        missing_times=options.missing_times,
        on_bad_run=options.on_bad_run,
        timing=TimingOptions(
            options.repetition_time, options.slice_time_reference, options.slice_times
        ),
    )


def _drift(options: argparse.Namespace) -> tuple[str, float | None]:
    """Return the drift model and the period of its cosines."""
    drift = options.drift or DRIFT
    if drift != DRIFT or options.high_pass == "none":
        return drift, None
    return drift, HIGH_PASS if options.high_pass is None else options.high_pass


def _smoothing_of_runs(smoothing: Smoothing | None) -> dict[str, Any]:
    if smoothing is None or smoothing.level != "run":
        return {}
    return {"smoothing": smoothing.fwhm, "smoothing_type": smoothing.kind}


def _level_options(smoothing: Smoothing | None) -> dict[str, dict[str, Any]]:
    """Return the options of higher levels, with the keys of a model file."""
    if smoothing is None or smoothing.level == "run":
        return {}
    return {smoothing.level: {"SmoothingFWHM": smoothing.fwhm}}


def _check_smoothing_of_results(
    smoothing: Smoothing, levels: Sequence[str], models: Sequence[Model]
) -> None:
    """Refuse a smoothing of lower levels that their finished results do not have."""
    if smoothing.level in levels:
        return
    for model in models:
        of_runs = (model.smoothing, model.smoothing_type)
        if smoothing.level != "run" or of_runs != (smoothing.fwhm, smoothing.kind):
            width = f"{smoothing.fwhm:g}"
            raise UsageError(
                f"--smoothing {width}:{smoothing.level} does not match the finished results, "
                f"which this level starts from (smoothing of the runs: {smoothing_words(model)}). "
                f"Run the participant level with --smoothing {width}:{smoothing.level}, or write "
                f"{' or '.join(f'{width}:{level}' for level in levels)} to smooth the effects "
                "that enter this level."
            )


def _fit_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the fit, with the keys of a model file."""
    dummy_scans = options.dummy_scans if isinstance(options.dummy_scans, int) else None
    smoothing = _smoothing_of_runs(options.smoothing)
    values = {
        "NoiseModel": options.noise_model,
        "SignalScaling": options.signal_scaling,
        "SmoothingFWHM": smoothing.get("smoothing"),
        "SmoothingType": smoothing.get("smoothing_type"),
        FD_THRESHOLD: options.fd_threshold,
        DUMMY_SCANS: dummy_scans,
    }
    return {key: value for key, value in values.items() if value is not None}


def _tuple(values: Sequence | None) -> tuple | None:
    return None if values is None else tuple(values)


def _app_settings(
    options: argparse.Namespace, command: str, notices: tuple[Notice, ...], work: Path
) -> AppSettings:
    return AppSettings(
        output_dir=options.output_dir.resolve(),
        command=command,
        notices=notices,
        n_threads=options.omp_nthreads,
        maps=tuple(dict.fromkeys(name for name in options.maps or () if name in RUN_MAPS)),
        single_trials=options.single_trials,
        cache_folder=work / FIT_FOLDER if not options.no_keep_fits else None,
        inference=_inference(options),
        levels=("run",) if options.analysis_level == "run" else ("run", "session", "subject"),
        stamp=f"{STAMP}{uuid.uuid4().hex[:8]}" if options.fresh else "",
    )


def _inference(options: argparse.Namespace) -> dict[str, Any]:
    values = {
        "permutations": options.permutations,
        "sides": options.sides,
        "cluster_p": options.cluster_p,
        "tfce": options.tfce or None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _execute(
    options: argparse.Namespace, workflow: Workflow, folder: Path, n_runs: int
) -> list[Failure]:
    output = options.output_dir.resolve()
    execution = Execution(
        work_dir=folder,
        log_dir=output / "logs",
        nprocs=options.nprocs,
        mem_gb=options.mem_gb,
        stop_on_first_crash=options.stop_on_first_crash,
        debug=options.debug,
    )
    return execute(workflow, execution, n_runs)


def _write_settings(options: argparse.Namespace, command: str) -> None:
    values = {key: value for key, value in vars(options).items() if value is not None}
    write_json(options.output_dir / "logs" / "settings.json", {"Command": command, **values})


def _summarize(
    output_dir: Path,
    plan: Sequence[Analysis],
    n_runs: int,
    failures: list[Failure],
    notices: Sequence[Notice],
    seconds: float,
) -> None:
    """Print failures, how many runs are finished, and every notice."""
    for failure in failures:
        print(f"boldglm: {failure.message}", file=sys.stderr)
    runs = [run for analysis in plan for run in analysis.runs]
    subjects = {subject for analysis in plan for subject in analysis.subjects}
    planned = [(f"{run.inputs.name} (run)", notice) for run in runs for notice in run.notices]
    recorded = notes_of_records(output_dir, [run.inputs.entities for run in runs])
    higher_levels = [notice for analysis in plan for notice in analysis.notices]
    shown = [*notices, *_together([*planned, *recorded]), *higher_levels]
    if n_runs < len(runs):
        finished = f"{len(runs) - n_runs} of {counted(len(runs), 'run')}"
        print(f"{finished} were already finished and were not refitted.")
    if any(failure.is_final for failure in failures):
        print("Stopped there. Finished results are kept: the same command fits what is missing.")
    elif failures:
        print(
            f"{counted(len(failures), 'failure')} (see above). All other results are complete. "
            "Fix the cause and repeat the command: it fits only what is missing."
        )
    participants = counted(len(subjects), "participant")
    print(f"{counted(len(runs), 'run')} of {participants}, {seconds:.1f} s.")
    _print_notices(shown)
    if not any(notice.kind == EXCLUSION for notice in shown):
        print("Nothing was excluded.")


def _print_cache(folder: Path) -> None:
    size = cache_size(folder)
    if size:
        shown = f"{size / 1e9:.2f} GB" if size > 1e8 else f"{size / 1e6:.1f} MB"
        print(f"Fits are cached ({shown} in {folder}): changed contrasts need no refit.")


def _print_reports(output_dir: Path, subjects: Sequence[str]) -> None:
    for subject in dict.fromkeys(subjects):
        report = output_dir / f"sub-{subject}.html"
        if report.is_file():
            print(f"Report: {report}")


def _together(notices: Sequence[tuple[str, Notice]]) -> list[Notice]:
    """Merge equal notices, so that a notice of a thousand runs is printed once."""
    results: dict[Notice, dict[str, None]] = {}
    for result, notice in notices:
        results.setdefault(notice, {})[result] = None
    return [
        notice.about(f"{first}{f' and {len(further)} more' if further else ''}")
        for notice, (first, *further) in results.items()
    ]


def _print_notices(notices: Sequence[Notice], most: int = 20) -> None:
    """Print exclusions, warnings and notes under their headings, each once."""
    for kind, heading in HEADINGS.items():
        texts = list(dict.fromkeys(notice.text for notice in notices if notice.kind == kind))
        if not texts:
            continue
        print(f"{heading} ({len(texts)}):")
        for text in texts[:most]:
            print(f"  {text}")
        if len(texts) > most:
            print(f"  and {len(texts) - most} more (see the reports)")


def _start_logging(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(message)s", force=True
    )
