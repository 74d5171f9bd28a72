"""What each option is about, and at which levels it is taken: honored or refused, never ignored.

Options are named as argparse stores them.
"""

import argparse
from collections.abc import Mapping

from boldglm.cli.places import check_place_of_file
from boldglm.errors import MissingInputError, UsageError
from boldglm.vocabulary import BOLD_COMMANDS, HIGHER_COMMANDS, RUN_MAPS

RUNS = "runs"
ANALYSIS = "analysis"
GROUP = "group"
MAPS = "maps"
SELECTION = "selection"
EXECUTION = "execution"

ROLES: Mapping[str, str] = {
    # which results: participants and their runs, or the results that a level starts from
    **dict.fromkeys(
        (
            "participant_label",
            "session_label",
            "task",
            "run_label",
            "bids_filter_file",
            "space",
            "exclude",
        ),
        SELECTION,
    ),
    # what runs are fitted with; levels above them take only what their results were fitted with
    **dict.fromkeys(
        (
            *("derivatives", "mask", "mesh"),
            *("repetition_time", "slice_time_reference", "slice_times"),
            *("model", "model_name", "missing_conditions", "missing_times"),
            *("conditions", "trial_type_column", "hrf_model", "fir_delays", "modulate"),
            *("orthogonalize", "contrast", "confounds", "high_pass", "drift"),
            *("fd_threshold", "dummy_scans", "noise_model", "smoothing", "signal_scaling"),
        ),
        ANALYSIS,
    ),
    # what only runs have
    **dict.fromkeys(
        ("single_trials", "on_bad_run", "list_participants", "plan_file", "explain"), RUNS
    ),
    # what is written, at the levels of the call; some maps are of runs only
    **dict.fromkeys(("maps", "atlas"), MAPS),
    # what only the dataset level has
    **dict.fromkeys(
        (
            *("permutations", "sides", "cluster_p", "tfce"),
            *("missing_participants", "first_level"),
        ),
        GROUP,
    ),
    # how a call works; no result depends on it
    **dict.fromkeys(
        (
            *("dry_run", "nprocs", "omp_nthreads", "mem_gb", "work_dir", "no_keep_fits", "fresh"),
            *(
                "stop_on_first_crash",
                "verbose",
                "debug",
                "bids_database_dir",
                "skip_bids_validation",
                *("no_report", "reports_only", "figures"),
            ),
            *("nipype_plugin", "nipype_plugin_args", "mem_mb", "notrack"),
        ),
        EXECUTION,
    ),
}


def flag_of(name: str) -> str:
    """Return the option as it is written on the command line."""
    return "--" + name.replace("_", "-")


def given_options(options: argparse.Namespace, role: str) -> list[str]:
    """Return the names of the options of a role that were given."""
    return [
        name
        for name, its_role in ROLES.items()
        if its_role == role and getattr(options, name, None) not in (None, False, "default")
    ]


def check_levels(options: argparse.Namespace) -> None:
    """Refuse options that the analysis level has no use for.

    Raises
    ------
    UsageError
        If one was given.
    """
    level = options.analysis_level
    if options.reports_only:
        _check_reports_only(options)
    group = given_options(options, GROUP)
    if group and "dataset" not in HIGHER_COMMANDS.get(level, ()):
        raise UsageError(
            f"{flag_of(group[0])} is about the test over participants, and {level} makes none. "
            "Give it with the level group."
        )
    runs = given_options(options, RUNS)
    runs += ["maps"] if set(options.maps or ()) & set(RUN_MAPS) else []
    if runs and level not in BOLD_COMMANDS:
        raise UsageError(
            f"{flag_of(runs[0])} is about single runs, which the level {level} does not fit. Give "
            "it with the level participant or run."
        )


def check_plan_file(options: argparse.Namespace) -> None:
    """Refuse a file for the plan where no plan is shown, or among the input."""
    if options.plan_file is not None and not options.dry_run:
        raise UsageError("--plan-file writes the plan of a dry run. Add --dry-run.")
    if options.plan_file is not None:
        check_place_of_file("--plan-file", options.plan_file, options.bids_dir)


def check_power(options: argparse.Namespace) -> None:
    """Refuse noise that contradicts itself, and files that are missing or among the input."""
    if options.noise_autocorrelation and options.noise_sd is None:
        raise UsageError(
            "--noise-autocorrelation is about the noise of --noise-sd; that of a pilot is "
            "measured. Add --noise-sd, or leave it out."
        )
    if options.pilot_mask is not None:
        if options.noise_sd is not None and options.between_sd is not None:
            raise UsageError(
                "--pilot-mask chooses voxels of a pilot, and --noise-sd and --between-sd need "
                "none. Leave out --pilot-mask."
            )
        if not options.pilot_mask.is_file():
            raise MissingInputError(f"--pilot-mask {options.pilot_mask}: there is no such file.")
    if options.pilot is not None and not options.pilot.is_dir():
        raise MissingInputError(f"--pilot {options.pilot}: there is no such folder.")
    if options.output_file is not None:
        check_place_of_file("--output-file", options.output_file, options.bids_dir)


def _check_reports_only(options: argparse.Namespace) -> None:
    """Refuse options that cannot change a report of what is there."""
    given = [name for role in (SELECTION, ANALYSIS, RUNS, GROUP, MAPS)
             for name in given_options(options, role)]  # fmt: skip
    refused = [name for name in given if name != "participant_label"]
    if options.participant_label and "dataset" in HIGHER_COMMANDS.get(options.analysis_level, ()):
        refused.insert(0, "participant_label")
    if "explain" in refused:
        raise UsageError(
            "--reports-only fits nothing, and --explain needs the fits of runs. Omit "
            "--reports-only: a finished run is not fitted again while its fit is cached."
        )
    if refused:
        raise UsageError(
            f"--reports-only writes reports of what is in {options.output_dir}, and "
            f"{flag_of(refused[0])} changes nothing about it. Omit {flag_of(refused[0])}."
        )
