"""The command `boldglm`: parse, prepare the process, run, and turn errors into exit codes.

Only this module catches boldglm's errors. Everything heavy is imported after parsing.
"""

import argparse
import gc
import locale
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from types import ModuleType

from boldglm.cli.help_text import with_hyphens
from boldglm.cli.limits import check_memory_limit, limit_code, limit_message
from boldglm.cli.option_roles import check_levels, check_plan_file, check_power
from boldglm.cli.parser import (
    build_demo_parser,
    build_export_parser,
    build_parser,
    build_power_parser,
)
from boldglm.cli.places import check_places
from boldglm.cli.report_command import command_text
from boldglm.cli.streams import failed_output, open_streams
from boldglm.cli.supervision import supervised
from boldglm.cli.work_folders import HOME_PREFIX, WorkFolders
from boldglm.errors import (
    BoldglmError,
    CannotWriteError,
    MissingInputError,
    UnknownLevelError,
    UsageError,
)
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import BOLD_COMMANDS, COMMANDS, HIGHER_COMMANDS

MODEL_OPTIONS = (
    "conditions",
    "trial_type_column",
    "hrf_model",
    "fir_delays",
    "orthogonalize",
    "modulate",
    "contrast",
    "confounds",
    "high_pass",
    "drift",
)


# with these, what is printed is the result
PRINTED = frozenset(
    ("--bids-exec-spec", "--dry-run", "--list-participants", "--help", "-h", "--version")
)


def run() -> None:
    """Entry point of the console script."""
    open_streams()
    sys.exit(supervised(lambda: _main_with_output(sys.argv[1:])))


def _main_with_output(arguments: list[str]) -> int:
    """Run the command line; a text that could not be printed is an error if it is all there is."""
    code = main(arguments)
    reason = failed_output()
    if reason is None or code:
        return code
    print(f"boldglm: standard output cannot be written: {reason}.", file=sys.stderr)
    is_printed = _is_power(arguments) or PRINTED & set(map(with_hyphens, arguments))
    return CannotWriteError.exit_code if is_printed else 0


def main(argv: Sequence[str]) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str
        Arguments without the program's name.

    Returns
    -------
    int
        0, or the code of what went wrong; messages go to standard error.
    """
    arguments = list(argv)
    if "--bids-exec-spec" in map(with_hyphens, arguments):
        print(_spec_text(), end="")
        return 0
    debug = "--debug" in arguments
    try:
        return _call(arguments)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a usage error
        return stop.code if isinstance(stop.code, int) else 2
    except BoldglmError as error:
        if debug:
            traceback.print_exc()
        print(f"boldglm: {error}", file=sys.stderr)
        return error.exit_code
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        message = limit_message(error)
        if message is None or debug:
            raise
        print(f"boldglm: {message}", file=sys.stderr)
        return limit_code(error)
    except KeyboardInterrupt:
        print(
            "boldglm: interrupted. Finished runs are kept; the same command resumes",
            file=sys.stderr,
        )
        return 130


def _call(arguments: list[str]) -> int:
    """Run what the first word names, or the app; a dataset may have the name of that word."""
    if arguments[:1] == ["demo"] and not set(arguments[1:]) & set(COMMANDS):
        return _demo(build_demo_parser().parse_args(arguments[1:]))
    if arguments[:1] == ["export"] and not set(arguments[2:3]) & set(COMMANDS):
        return _export(build_export_parser().parse_args(arguments[1:]))
    if _is_power(arguments):
        return _power(build_power_parser().parse_args(arguments[1:]))
    return _app(build_parser().parse_args(arguments), arguments)


def _is_power(arguments: Sequence[str]) -> bool:
    """Tell whether a call is of `boldglm power`, not of a dataset in a folder of that name."""
    return list(arguments[:1]) == ["power"] and not set(arguments[2:3]) & set(COMMANDS)


def _app(options: argparse.Namespace, arguments: list[str]) -> int:
    level = options.analysis_level
    if level not in COMMANDS:
        raise UnknownLevelError(
            f"There is no analysis level {level!r}. Use participant or group, "
            "or one of run, session, subject and dataset."
            f"{did_you_mean(level, COMMANDS)}"
        )
    _leave_removed_folder(options)
    check_levels(options)
    check_plan_file(options)
    _check_usage(options)
    command = command_text(arguments)
    with WorkFolders(options) as folders:
        _prepare_process(options.omp_nthreads, folders.home)
        app = _load_app()
        if options.reports_only:
            return int(app.run_reports(options, folders))
        if level in BOLD_COMMANDS:
            return int(app.run_participant(options, command, folders))
        return int(app.run_higher_levels(options, command, HIGHER_COMMANDS[level], folders))


def _load_app() -> ModuleType:
    """Import the app after parsing, so that ``--help`` answers at once.

    The imports make half a million objects that are never freed. Without garbage collection during
    the import, and with these objects frozen after it, a dry run of the demo takes 1.8 s of
    processor time instead of 2.3 s, and its participant level 4.9 s instead of 5.5 s.
    """
    if "boldglm.cli.app" in sys.modules:
        return sys.modules["boldglm.cli.app"]
    gc.disable()
    try:
        from boldglm.cli import app
    finally:
        gc.enable()
    gc.freeze()
    return app


def _check_usage(options: argparse.Namespace) -> None:
    _check_model(options)
    _settle_memory(options)
    _check_reports(options)
    if options.tfce and not options.permutations:
        raise UsageError("--tfce needs --permutations.")
    if options.cluster_p is not None and not 0 < options.cluster_p < 0.5:
        raise UsageError(f"--cluster-p {options.cluster_p:g} is not between 0 and 0.5.")


def _check_model(options: argparse.Namespace) -> None:
    """Refuse options of the model that contradict each other, and places that are input."""
    given = [name for name in MODEL_OPTIONS if getattr(options, name) is not None]
    if options.model != "default" and given:
        flag = "--" + given[0].replace("_", "-")
        raise UsageError(
            f"{flag} shapes the default model and cannot be combined with the model file "
            f"{options.model}. Write it into the file, or omit --model."
        )
    if options.fir_delays and options.hrf_model != "fir":
        raise UsageError("--fir-delays needs --hrf-model fir.")
    _check_drift(options)
    if options.fd_threshold is not None and not options.fd_threshold > 0:
        raise UsageError(f"--fd-threshold {options.fd_threshold:g} is not above 0 mm.")
    if options.mask is not None and not options.mask.is_file():
        raise MissingInputError(f"--mask {options.mask}: there is no such file.")
    check_places(options.output_dir, options.bids_dir)


def _check_reports(options: argparse.Namespace) -> None:
    """Refuse options of reports that contradict each other."""
    if options.no_report and (options.reports_only or options.figures):
        other = "--reports-only" if options.reports_only else "--figures"
        raise UsageError(
            f"--no-report and {other} contradict each other. Leave out one of the two."
        )
    if options.reports_only and options.dry_run:
        raise UsageError(
            "--reports-only fits nothing, so there is nothing to plan. Omit --dry-run."
        )


def _check_drift(options: argparse.Namespace) -> None:
    """Refuse a drift model and a period that contradict each other."""
    drift, period = options.drift, options.high_pass
    if drift == "cosine" and period == "none":
        raise UsageError("--drift cosine and --high-pass none contradict each other.")
    if drift not in (None, "cosine") and period not in (None, "none"):
        raise UsageError(
            f"--high-pass {period:g} is the period of a cosine drift, but --drift {drift} has no "
            "cosines. Leave out one of the two."
        )


def _settle_memory(options: argparse.Namespace) -> None:
    """Take the limit of memory from `--mem-mb`, if it is given there."""
    if options.mem_mb is None:
        return
    if options.mem_gb is not None:
        raise UsageError("--mem-gb and --mem-mb say the same. Leave out one of them.")
    options.mem_gb = options.mem_mb / 1000


def _power(options: argparse.Namespace) -> int:
    _leave_removed_folder(options)
    check_power(options)
    _check_model(options)
    with WorkFolders(options) as folders:
        _prepare_process(1, folders.home)
        from boldglm.cli.power import run_power

        return run_power(options, folders)


def _export(options: argparse.Namespace) -> int:
    _leave_removed_folder(options)
    _prepare_process(1, lambda: None)
    from boldglm.cli.export import run_export

    return run_export(options)


def _demo(options: argparse.Namespace) -> int:
    _prepare_process(1, lambda: None)
    from boldglm.demo.run import run_demo

    return run_demo(options.output_dir, main, nprocs=options.nprocs, data_only=options.data_only)


def _leave_removed_folder(options: argparse.Namespace) -> None:
    """Go elsewhere if the current folder no longer exists; no path may be relative to it."""
    try:
        Path.cwd()
        return
    except OSError:
        os.chdir("/")
    for value in vars(options).values():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path) and not path.is_absolute():
                raise MissingInputError(
                    f"The current folder no longer exists, so that {path} cannot be found. Change "
                    "to another folder, or give absolute paths."
                )


def _prepare_process(n_threads: int, make_home: Callable[[], Path | None]) -> None:
    """Set what libraries read at import: threads, no network, writable folders.

    In a container the root file system may be read-only and the home folder absent.
    """
    check_memory_limit()
    _write_text_as_utf8()
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = str(n_threads)
    os.environ.setdefault("NO_ET", "1")
    os.environ.setdefault("NIPYPE_NO_ET", "1")
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ.setdefault("LOGNAME", "boldglm")  # nipype's SLURM plugin needs one
    if not _has_home() and (home := make_home()) is not None:
        for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NIPYPE_CONFIG_DIR"):
            if HOME_PREFIX in os.environ.get(name, HOME_PREFIX):  # not set, or by an earlier call
                os.environ[name] = str(home)


def _has_home() -> bool:
    try:
        home = Path.home()
    except RuntimeError:  # HOME is not set, and the system does not know the user
        return False
    return home.is_dir() and os.access(home, os.R_OK | os.W_OK | os.X_OK)


def _write_text_as_utf8() -> None:
    """Let libraries write any name to text files, whatever the locale of the terminal.

    Files that nipype opens without an encoding have that of the locale, and in a locale without
    UTF-8 it cannot write names of conditions. The terminal keeps its own encoding.
    """
    if locale.getpreferredencoding(do_setlocale=False).replace("-", "").lower() == "utf8":
        return
    os.environ["PYTHONUTF8"] = "1"  # of processes that this one starts
    for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8"):
        try:
            locale.setlocale(locale.LC_CTYPE, name)
        except locale.Error:
            continue
        return


def _spec_text() -> str:
    packaged = resources.files("boldglm") / "data" / "bids_app_spec.json"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    checkout = Path(__file__).parents[3] / "bids_app_spec.json"  # an editable installation
    return checkout.read_text(encoding="utf-8")
