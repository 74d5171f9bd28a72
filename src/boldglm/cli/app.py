"""What `participant` and `group` do, from options to the last line on the terminal."""

import argparse
import logging
import shutil
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
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.plan import Analysis, ModelChoice, make_plan
from boldglm.cli.dry_run import show_levels, show_plan
from boldglm.cli.values import Smoothing
from boldglm.errors import BadDataError, CannotWriteError, UsageError
from boldglm.io.bids.events import read_events
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.bids.query import find_runs
from boldglm.io.bids.selection import Selection
from boldglm.io.files.json_files import write_json
from boldglm.io.outputs.derivatives import RUN_MAPS, model_file_name, prepare_output
from boldglm.io.outputs.fit_cache import kept_bytes
from boldglm.io.outputs.records import STAMP, Record, notes_of_records
from boldglm.notices import EXCLUSION, HEADINGS, Notice
from boldglm.vocabulary import DUMMY_SCANS, FD_THRESHOLD, HIGH_PASS
from boldglm.workflows.execution import Execution, execute
from boldglm.workflows.group import init_group_wf, plan_group
from boldglm.workflows.lower_levels import init_lower_levels_wf
from boldglm.workflows.subject import AppSettings, init_boldglm_wf

OWN_WORK = ".boldglm-work"
FITS = "fits"  # in the work folder
logger = logging.getLogger(__name__)


def run_participant(options: argparse.Namespace, command: str) -> int:
    """Fit the runs of the chosen participants and combine them; return the exit code."""
    _start_logging(verbose=options.verbose)
    started = time.monotonic()
    selection = Selection.of(
        options.participant_label,
        options.session_label,
        options.task,
        options.run_label,
        options.bids_filter_file,
    )
    found = find_runs(
        options.bids_dir,
        selection,
        options.derivatives,
        options.space,
        options.bids_database_dir,
    )
    tables = ParticipantTables(options.bids_dir)
    plan = make_plan(found.runs, _model_choice(options), options.output_dir.resolve(), tables)
    if options.single_trials is not None:
        for analysis in plan:
            _check_trials(analysis, options.single_trials)
    if options.dry_run:
        show_plan(plan, found.notices, sys.stdout)
        return 0
    preprocessed = {one.name: one.path for one in found.derivatives}
    prepare_output(options.output_dir, options.bids_dir, found.dataset_name, command, preprocessed)
    for analysis in plan:
        name = model_file_name(analysis.model.name)
        write_json(options.output_dir / "models" / name, analysis.model.spec.source)
    for notice in [*found.notices, *(each for run in plan for each in run.model.spec.notes)]:
        logger.info("%s", notice)
    _write_settings(options, command)
    context = _context(options, command, found.notices)
    workflow, n_runs = init_boldglm_wf(plan, context)
    failures: list[str] = []
    if workflow is not None:
        failures = _execute(options, workflow, n_runs)
    seconds = time.monotonic() - started
    kept = kept_bytes(context.cache_folder) if context.cache_folder else 0
    _summarize(options.output_dir, plan, n_runs, failures, found.notices, kept, seconds)
    return 1 if failures else 0


def run_above(options: argparse.Namespace, command: str, levels: Sequence[str]) -> int:
    """Fit levels above the run from what lies in the output folder; return the exit code."""
    _start_logging(verbose=options.verbose)
    subjects = Selection.of(options.participant_label).subjects
    output = options.output_dir.resolve()
    asked = options.smoothing
    own = _level_options(asked) if asked and asked.level in levels else {}
    plans = plan_group(output, options.bids_dir, subjects, levels, own)
    if asked is not None:
        _check_smoothing_above(asked, levels, [plan.model for plan in plans])
    notices = [notice for plan in plans for notice in plan.notices]
    if options.dry_run:
        for plan in plans:
            show_levels(plan.levels, sys.stdout)
        _print_notices(notices)
        print("\nNothing was fitted (--dry-run).")
        return 0
    context = _context(options, command, tuple(notices))
    is_group = "dataset" in levels
    workflow = (init_group_wf if is_group else init_lower_levels_wf)(plans, context)
    if workflow is not None:
        failures = _execute(options, workflow, 0)
        if failures:
            for failure in failures:
                print(f"boldglm: {failure}", file=sys.stderr)
            return 65 if all("different grids" in failure for failure in failures) else 1
    else:
        print("Nothing to do: all results are finished and their inputs have not changed.")
    for plan in plans:
        places = f"{len(plan.levels)} results of the {' and '.join(levels)} level"
        print(f"Tested {len(plan.subjects)} participants ({', '.join(plan.subjects)}): {places}.")
    records = [one.record for plan in plans for one in plan.levels if one.record.is_file()]
    notices += [each for path in records for each in Record.read(path, output).result.notices]
    _print_notices(notices)
    reports = ["group.html"] if is_group else [
        f"sub-{subject}.html" for plan in plans for subject in plan.subjects
    ]  # fmt: skip
    for report in dict.fromkeys(reports):
        print(f"Report: {options.output_dir / report}")
    return 0


def _check_trials(analysis: Analysis, method: str) -> None:
    """Refuse single trials that cannot be estimated before anything is fitted."""
    if analysis.model.plain is None:
        raise BadDataError(
            f"--single-trials needs a model that convolves trial types, but the model "
            f"{analysis.model.name} has other transformations. Omit --single-trials, or simplify "
            "the model."
        )
    choices = TrialSettings(method, analysis.model.hrf_model, analysis.model.noise_model)
    trial_shape(choices.hrf_model)
    for run in analysis.runs:
        events = run.inputs.events
        check_run_trials(read_events(events), run.design, choices, events.name)


def _model_choice(options: argparse.Namespace) -> ModelChoice:
    high_pass = HIGH_PASS if options.high_pass is None else options.high_pass
    defaults = DefaultModelOptions(
        conditions=_tuple(options.conditions),
        hrf_model=options.hrf_model or "spm",
        fir_delays=_tuple(options.fir_delays),
        modulate=tuple(options.modulate or ()),
        orthogonalize=tuple(options.orthogonalize or ()),
        contrasts=_tuple(options.contrast),
        high_pass=None if high_pass == "none" else high_pass,
        noise_model=options.noise_model or "auto",
        signal_scaling=options.signal_scaling or "percent",
        **_smoothing_of_runs(options.smoothing),
    )
    file = None if options.model == "default" else Path(options.model)
    dummy_scans = options.dummy_scans
    confounds = ConfoundRequest(
        strategies=_tuple(options.confounds),
        fd_threshold=options.fd_threshold,
        dummy_scans=None if dummy_scans in (None, "auto") else dummy_scans,
        high_pass_is_requested=options.high_pass is not None,
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
    )


def _smoothing_of_runs(asked: Smoothing | None) -> dict[str, Any]:
    if asked is None or asked.level != "run":
        return {}
    return {"smoothing": asked.fwhm, "smoothing_type": asked.kind}


def _level_options(asked: Smoothing | None) -> dict[str, dict[str, Any]]:
    """Return what the command line says about nodes above the run, as a model file would."""
    if asked is None or asked.level == "run":
        return {}
    return {asked.level: {"SmoothingFWHM": asked.fwhm}}


def _check_smoothing_above(
    asked: Smoothing, levels: Sequence[str], models: Sequence[Model]
) -> None:
    """Refuse a smoothing that the finished results do not have and these levels do not do."""
    if asked.level in levels:
        return
    for model in models:
        done = (model.smoothing, model.smoothing_type)
        if asked.level != "run" or done != (asked.fwhm, asked.kind):
            raise UsageError(
                f"--smoothing {asked.fwhm:g}:{asked.level} cannot change finished results (the "
                f"runs were smoothed by: {smoothing_words(model)}). Pass it to the participant "
                f"level, or smooth the effects that enter {' or '.join(levels)}."
            )


def _fit_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says about the fit, as a model file would."""
    dummies = options.dummy_scans if isinstance(options.dummy_scans, int) else None
    of_runs = _smoothing_of_runs(options.smoothing)
    given = {
        "NoiseModel": options.noise_model,
        "SignalScaling": options.signal_scaling,
        "SmoothingFWHM": of_runs.get("smoothing"),
        "SmoothingType": of_runs.get("smoothing_type"),
        FD_THRESHOLD: options.fd_threshold,
        DUMMY_SCANS: dummies,
    }
    return {key: value for key, value in given.items() if value is not None}


def _tuple(values: Sequence | None) -> tuple | None:
    return None if values is None else tuple(values)


def _context(
    options: argparse.Namespace, command: str, notices: tuple[Notice, ...]
) -> AppSettings:
    return AppSettings(
        output_dir=options.output_dir.resolve(),
        command=command,
        notices=notices,
        n_threads=options.omp_nthreads,
        maps=tuple(dict.fromkeys(one for one in options.maps or () if one in RUN_MAPS)),
        single_trials=options.single_trials,
        cache_folder=_work_of(options) / FITS if not options.no_keep_fits else None,
        inference=_inference(options),
        levels=("run",) if options.analysis_level == "run" else ("run", "session", "subject"),
        stamp=f"{STAMP}{uuid.uuid4().hex[:8]}" if options.fresh else "",
    )


def _inference(options: argparse.Namespace) -> dict[str, Any]:
    asked = {"permutations": options.permutations, "cluster_p": options.cluster_p}
    asked["tfce"] = options.tfce or None
    return {key: value for key, value in asked.items() if value is not None}


def _work_of(options: argparse.Namespace) -> Path:
    if options.work_dir:
        return Path(options.work_dir).resolve()
    return Path(options.output_dir).resolve() / OWN_WORK


def _execute(options: argparse.Namespace, workflow: Workflow, n_runs: int) -> list[str]:
    output = options.output_dir.resolve()
    work = _work_of(options)
    own = work / uuid.uuid4().hex[:12]  # two calls may share a work folder
    try:
        own.mkdir(parents=True)
    except OSError as error:
        raise CannotWriteError(
            f"The work folder {work} cannot be written: {error.strerror}. Choose another one with "
            "-w."
        ) from error
    how = Execution(
        work_dir=own,
        log_dir=output / "logs",
        nprocs=options.nprocs,
        stop_on_first_crash=options.stop_on_first_crash,
        debug=options.debug,
    )
    failures = execute(workflow, how, n_runs)
    if not options.debug:
        shutil.rmtree(own, ignore_errors=True)
        if options.work_dir is None and not any(work.iterdir()):
            work.rmdir()
    return failures


def _write_settings(options: argparse.Namespace, command: str) -> None:
    settings = {key: value for key, value in vars(options).items() if value is not None}
    write_json(options.output_dir / "logs" / "settings.json", {"Command": command, **settings})


def _summarize(
    output_dir: Path,
    plan: Sequence[Analysis],
    n_runs: int,
    failures: list[str],
    notices: Sequence[Notice],
    kept: int,
    seconds: float,
) -> None:
    total = sum(len(analysis.runs) for analysis in plan)
    subjects = list(dict.fromkeys(one for analysis in plan for one in analysis.subjects))
    for failure in failures:
        print(f"boldglm: {failure}", file=sys.stderr)
    runs = [run for analysis in plan for run in analysis.runs]
    planned = [(f"{run.inputs.name} (run)", each) for run in runs for each in run.notices]
    recorded = notes_of_records(output_dir, [run.inputs.entities for run in runs])
    higher = [notice for analysis in plan for notice in analysis.notices]
    shown = [*notices, *_together([*planned, *recorded]), *higher]
    if n_runs < total:
        print(f"{total - n_runs} of {total} runs were already finished and were not refitted.")
    if failures:
        print(
            f"{len(failures)} failed (see above); the other runs are complete. Fix the cause and "
            "repeat the command: it fits only what is missing."
        )
    print(f"{total} runs of {len(subjects)} participants, {seconds:.1f} s.")
    if kept:
        size = f"{kept / 1e9:.2f} GB" if kept > 1e8 else f"{kept / 1e6:.1f} MB"
        print(f"The fits are cached ({size}): changing contrasts does not refit.")
    _print_notices(shown)
    if not any(notice.kind == EXCLUSION for notice in shown):
        print("Nothing was excluded.")
    for subject in subjects:
        report = output_dir / f"sub-{subject}.html"
        if report.is_file():
            print(f"Report: {report}")


def _together(notices: Sequence[tuple[str, Notice]]) -> list[Notice]:
    """Merge equal notices: what holds for a thousand runs is printed once."""
    results: dict[Notice, dict[str, None]] = {}
    for result, notice in notices:
        results.setdefault(notice, {})[result] = None
    return [
        notice.about(f"{first}{f' and {len(others)} more' if others else ''}")
        for notice, (first, *others) in results.items()
    ]


def _print_notices(notices: Sequence[Notice], most: int = 20) -> None:
    """Print what was excluded, what needs a look, and what was chosen, each once."""
    for kind, heading in HEADINGS.items():
        texts = list(dict.fromkeys(notice.text for notice in notices if notice.kind == kind))
        if not texts:
            continue
        print(f"{heading} ({len(texts)}):")
        for text in texts[:most]:
            print(f"  {text}")
        if len(texts) > most:
            print(f"  and {len(texts) - most} more: see the reports")


def _start_logging(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(message)s", force=True
    )
