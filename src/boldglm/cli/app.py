"""The analysis levels of the command line, from options to the summary on the terminal."""

import argparse
import logging
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from boldglm.analysis.plan.atlases import (
    PlannedAtlases,
    images_of_runs,
    plan_atlases,
    plan_atlases_of_records,
)
from boldglm.analysis.plan.exclusions import store_all_exclusions
from boldglm.analysis.plan.explained_pairs import check_pairs
from boldglm.analysis.plan.models_of_results import current_digests, save_new_model
from boldglm.analysis.plan.output_options import (
    MapChoice,
    check_maps_for_levels,
    check_single_trials,
)
from boldglm.analysis.plan.plan import Analysis, make_plan
from boldglm.analysis.plan.result_filter import ResultFilter
from boldglm.analysis.plan.saved_model import save_model
from boldglm.cli.choices import model_choice, selected_runs, selection_of
from boldglm.cli.dry_run import NOTHING_FITTED, show_levels, show_plan
from boldglm.cli.first_levels import starting_results
from boldglm.cli.participants import check_completeness, list_participants
from boldglm.cli.plan_file import write_plan
from boldglm.cli.plan_page import PlanNotes
from boldglm.cli.plugin_options import plugin_choice
from boldglm.cli.report_command import report_command
from boldglm.cli.reports import write_reports
from boldglm.cli.results_table import result_lines
from boldglm.cli.supervision import cancel_when_killed
from boldglm.cli.work_folders import WorkFolders
from boldglm.errors import BadDataError
from boldglm.glm.design.summaries import counted
from boldglm.io.bids.atlas_option import AtlasRequest
from boldglm.io.bids.exclude_option import read_exclude_option
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.files.json_files import write_json
from boldglm.io.outputs.dataset_description import command_digest
from boldglm.io.outputs.fit_cache import cache_size
from boldglm.io.outputs.names import INDEX, prepare_output
from boldglm.io.outputs.quality_table import write_quality_table
from boldglm.io.outputs.records import STAMP, Record, notes_of_records
from boldglm.notices import EXCLUSION, HEADINGS, Notice, together
from boldglm.vocabulary import HIGHER_COMMANDS
from boldglm.workflows.citation import write_citation
from boldglm.workflows.execution import Execution, execute
from boldglm.workflows.failures import Failure
from boldglm.workflows.group import GroupPlan, init_planned_group_wf, plan_group
from boldglm.workflows.index import write_index
from boldglm.workflows.lower_levels import init_lower_levels_wf
from boldglm.workflows.other_results import SavedResults
from boldglm.workflows.reports import ReportSettings
from boldglm.workflows.subject import AppSettings, init_participants_wf

FIT_FOLDER = "fits"  # in the work folder
JOBS = "jobs.txt"  # in the folder of a call: how to cancel its jobs
logger = logging.getLogger(__name__)


def run_participant(options: argparse.Namespace, command: str, folders: WorkFolders) -> int:
    """Fit the selected runs, combine them within participants, and return the exit code."""
    _start_logging(verbose=options.verbose)
    started = time.monotonic()
    query = selected_runs(options)
    if options.list_participants:
        return list_participants(query.runs, options)
    tables = ParticipantTables(options.bids_dir)
    output = options.output_dir.resolve()
    choice = model_choice(options, query.derivatives)
    plan = make_plan(query.runs, choice, output, tables, query.survey)
    if options.analysis_level != "run":
        check_maps_for_levels(plan, MapChoice.of(options.maps or ()).contrast_maps)
    atlases = _atlases_of_runs(plan, options)
    if options.single_trials is not None:
        check_single_trials(plan, options.single_trials)
    not_explained = check_pairs(options.explain or (), plan)
    excluded = (*query.excluded, *(run for each in plan for run in each.excluded))
    of_runs = [run.notice for run in excluded]
    if options.dry_run:
        notices = (*of_runs, *query.notices, *tables.notices, *not_explained)
        _dry_run(plan, PlanNotes(notices, atlases, command), options, folders)
        return 0
    preprocessed = {dataset.name: dataset.path for dataset in query.derivatives}
    folder = folders.open()
    prepare_output(options.output_dir, options.bids_dir, query.dataset_name, command, preprocessed)
    changes = [
        notice
        for analysis in plan
        for notice in save_model(output, analysis.model, replaces=options.fresh)
    ]
    of_models = (note for each in plan for note in each.model.spec.notes)
    stale = SavedResults(output).stale({subject for each in plan for subject in each.subjects})
    common = (*query.notices, *tables.notices, *of_models, *changes, *stale, *not_explained)
    notices = (*of_runs, *common, *(notice for each in plan for notice in each.notices))
    store_all_exclusions(output, plan, excluded, selection_of(options))
    for notice in notices:
        logger.info("%s", notice)
    _write_settings(options, command)
    settings = _app_settings(options, command, notices, folders.work, excluded, atlases)
    workflow, n_runs = init_participants_wf(plan, settings)
    failures: list[Failure] = []
    if workflow is not None:
        failures = _execute(options, workflow, folder, n_runs)
    seconds = time.monotonic() - started
    _summarize(options.output_dir, plan, n_runs, failures, notices, seconds)
    if settings.cache_folder is not None:
        _print_cache(settings.cache_folder)
    subjects = [subject for each in plan for subject in each.subjects]
    _print_reports(options.output_dir, subjects)
    _write_overall(options, subjects, failures)
    return max((failure.exit_code for failure in failures), default=0)


def _dry_run(
    plan: Sequence[Analysis], notes: PlanNotes, options: argparse.Namespace, folders: WorkFolders
) -> None:
    """Print the plan, write it if asked to."""
    notes = replace(notes, explain=tuple(options.explain or ()))
    show_plan(
        plan, notes.notices, sys.stdout, notes.atlases, notes.explain, every_run=options.verbose
    )
    if options.plan_file is not None:
        write_plan(options.plan_file, plan, notes, folders.scratch)
        print(f"Plan: {options.plan_file}")


def run_higher_levels(
    options: argparse.Namespace, command: str, levels: Sequence[str], folders: WorkFolders
) -> int:
    """Fit higher levels from the results in the output folder, and return the exit code."""
    _start_logging(verbose=options.verbose)
    output = options.output_dir.resolve()
    start = starting_results(options, command, levels, folders)
    exclude = read_exclude_option(options.exclude or ())
    chosen = ResultFilter(selection_of(options), options.space, exclude)
    plans = plan_group(start.folder, options.bids_dir, start.found.models, start.levels, chosen)
    notices = list(start.notices)
    notices += [notice for plan in plans for notice in (*plan.notices, *plan.model.spec.notes)]
    if options.missing_participants == "error":
        check_completeness(plans, options)
    records = [path for plan in plans for path in plan.records]
    atlases = plan_atlases_of_records(_atlas_request(options), records, start.folder)
    if options.dry_run:
        show_levels([level for plan in plans for level in plan.levels], sys.stdout, atlases)
        _print_notices(notices)
        print(NOTHING_FITTED)
        return 0
    _write_settings(options, command)
    notices += [notice for model in start.found.new for notice in save_new_model(output, model)]
    notices += SavedResults(output).stale()
    excluded = tuple(run for plan in plans for run in plan.excluded)
    settings = _app_settings(options, command, tuple(notices), folders.work, excluded, atlases)
    is_group = "dataset" in levels
    workflow = (init_planned_group_wf if is_group else init_lower_levels_wf)(plans, settings)
    if workflow is not None:
        prepare_output(options.output_dir, options.bids_dir, None, command)
        failures = _execute(options, workflow, folders.open(), 0)
        if failures:
            for failure in failures:
                print(f"boldglm: {failure.message}", file=sys.stderr)
            if all(failure.is_bad_data for failure in failures):
                return BadDataError.exit_code
            return max(failure.exit_code for failure in failures)
    else:
        print("Nothing to do: all results are finished and their inputs have not changed.")
    _summarize_levels(plans, levels[0], notices, options.output_dir)
    _write_overall(options)
    return 0


def _summarize_levels(
    plans: Sequence[GroupPlan], level: str, notices: Sequence[Notice], output_dir: Path
) -> None:
    """Print what was fitted from whom, every notice, what was found, and where reports are."""
    for plan in plans:
        results = counted(len(plan.levels), "result")
        participants = f"{counted(len(plan.subjects), 'participant')} ({', '.join(plan.subjects)})"
        model = f", model {plan.model.name}" if len(plans) > 1 else ""
        print(f"{level.capitalize()} level{model}: {results} from {participants}.")
    finished = [
        Record.read(one.record, output_dir.resolve())
        for plan in plans
        for one in plan.levels
        if one.record.is_file()
    ]
    _print_notices([*notices, *(one for record in finished for one in record.result.notices)])
    if level == "dataset":
        for line in result_lines(finished):
            print(line)
        _print_report(output_dir / "group.html")
    else:
        _print_reports(output_dir, [subject for plan in plans for subject in plan.subjects])


def _write_overall(
    options: argparse.Namespace,
    subjects: Sequence[str] | None = None,
    failures: Sequence[Failure] = (),
) -> None:
    """Write the methods section, the table of runs and the page of all participants.

    Without reports, one that is there already is renewed, so that it shows nothing outdated. On a
    full disk, nothing is written.
    """
    if any(failure.is_final for failure in failures):
        return
    output = options.output_dir.resolve()
    write_citation(output)
    write_quality_table(output, current_digests(output))
    if options.no_report and not (output / INDEX).is_file():
        return
    page = write_index(output, () if options.no_report else subjects)
    if page is not None:
        print(f"All participants: {options.output_dir / page.name}")


def run_reports(options: argparse.Namespace, folders: WorkFolders) -> int:
    """Write the reports of what is in the output folder, and return the exit code."""
    _start_logging(verbose=options.verbose)
    names, failures = write_reports(
        options, lambda workflow: _execute(options, workflow, folders.open(), 0)
    )
    for failure in failures:
        print(f"boldglm: {failure.message}", file=sys.stderr)
    for name in names:
        _print_report(options.output_dir / f"{name}.html")
    chosen = [name.removeprefix("sub-") for name in names] if options.participant_label else None
    _write_overall(options, chosen, failures)
    return max((failure.exit_code for failure in failures), default=0)


def _app_settings(
    options: argparse.Namespace,
    command: str,
    notices: tuple[Notice, ...],
    work: Path,
    excluded: tuple[ExcludedRun, ...],
    atlases: PlannedAtlases,
) -> AppSettings:
    of_participants = "dataset" not in HIGHER_COMMANDS.get(options.analysis_level, ())
    maps = MapChoice.of(options.maps or ())
    return AppSettings(
        output_dir=options.output_dir.resolve(),
        command=report_command(command, for_each_participant=of_participants),
        notices=notices,
        excluded=excluded,
        n_threads=options.omp_nthreads,
        maps=maps.run_maps,
        single_trials=options.single_trials,
        cache_folder=work / FIT_FOLDER if not options.no_keep_fits else None,
        inference=_inference(options),
        levels=("run",) if options.analysis_level == "run" else ("run", "session", "subject"),
        stamp=f"{STAMP}{uuid.uuid4().hex[:8]}" if options.fresh else "",
        reports=ReportSettings(not options.no_report, options.figures),
        contrast_maps=maps.contrast_maps,
        atlases=atlases,
        explain=tuple(options.explain or ()),
    )


def _atlas_request(options: argparse.Namespace) -> AtlasRequest | None:
    return AtlasRequest.of(options.atlas) if options.atlas else None


def _atlases_of_runs(plan: Sequence[Analysis], options: argparse.Namespace) -> PlannedAtlases:
    """Find the atlas of each space, and check that it suits all runs."""
    request = _atlas_request(options)
    return plan_atlases(request, images_of_runs(plan) if request is not None else ())


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
    plugin = plugin_choice(options, folder)
    jobs_file = folder / JOBS if plugin is not None and plugin.is_scheduler else None
    if jobs_file is not None:
        cancel_when_killed(jobs_file)
    execution = Execution(
        work_dir=folder,
        log_dir=output / "logs",
        nprocs=options.nprocs,
        mem_gb=options.mem_gb,
        stop_on_first_crash=options.stop_on_first_crash,
        debug=options.debug,
        plugin=plugin,
        jobs_file=jobs_file,
    )
    return execute(workflow, execution, n_runs)


def _write_settings(options: argparse.Namespace, command: str) -> None:
    values = {key: value for key, value in vars(options).items() if value is not None}
    path = options.output_dir / "logs" / "settings" / f"{command_digest(command)}.json"
    write_json(path, {"Command": command, **values})


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
    shown = [*notices, *_together([*planned, *recorded])]
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
    failed = f", {counted(len(failures), 'failure')}" if failures else ""
    print(f"{counted(len(runs), 'run')} of {participants}{failed}, {seconds:.1f} s.")
    _print_notices(shown)
    if not failures and not any(notice.kind == EXCLUSION for notice in shown):
        print("Nothing was excluded.")


def _print_cache(folder: Path) -> None:
    size = cache_size(folder)
    if size:
        shown = f"{size / 1e9:.2f} GB" if size > 1e8 else f"{size / 1e6:.1f} MB"
        print(
            f"Fits are cached ({shown} in {folder}): other contrasts need no refit (give the "
            "analysis another --model-name)."
        )


def _print_reports(output_dir: Path, subjects: Sequence[str]) -> None:
    for subject in dict.fromkeys(subjects):
        _print_report(output_dir / f"sub-{subject}.html")


def _print_report(report: Path) -> None:
    if report.is_file():
        print(f"Report: {report}")


def _together(notices: Sequence[tuple[str, Notice]]) -> list[Notice]:
    """Merge equal notices, so that a notice of a thousand runs is printed once."""
    return [
        notice.about(f"{first}{f' and {len(further)} more' if further else ''}")
        for notice, (first, *further) in together(notices).items()
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
