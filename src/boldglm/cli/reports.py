"""`--reports-only`: reports from what is in the output folder."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from nipype.pipeline.engine import Workflow

from boldglm.errors import MissingInputError
from boldglm.io.bids.selection import Selection
from boldglm.io.outputs.report_pages import GROUP, reported_names
from boldglm.workflows.failures import Failure
from boldglm.workflows.other_results import SavedResults
from boldglm.workflows.reports import init_reports_wf, records_of_report

Execute = Callable[[Workflow], list[Failure]]


def write_reports(
    options: argparse.Namespace, execute: Execute
) -> tuple[list[str], list[Failure]]:
    """Write the reports of an analysis level, and return those that were written and what failed.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed options of the command line.
    execute : callable
        Runs a workflow and returns what failed.

    Raises
    ------
    MissingInputError
        If there are no results to report.
    """
    output = options.output_dir.resolve()
    names = _names(options, output)
    before = {name: _state(output / f"{name}.html") for name in names}
    workflow = init_reports_wf(output, names, with_figures=options.figures)
    failures = execute(workflow)
    return [n for n in names if _state(output / f"{n}.html") != before[n]], failures


def _state(page: Path) -> tuple[int, int] | None:
    """Return what changes when a page is written anew, or None if there is none."""
    try:
        status = page.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _names(options: argparse.Namespace, output: Path) -> list[str]:
    """Return the names of the reports to write."""
    if options.analysis_level in ("group", "dataset"):
        if not records_of_report(SavedResults(output), GROUP):
            raise MissingInputError(
                f"{output} has no results of the group to report. Run the group level first."
            )
        return [GROUP]
    known = reported_names(output)
    chosen = [f"sub-{label}" for label in Selection.of(options.participant_label).subjects]
    missing = [name for name in chosen if name not in known]
    if missing or not known:
        what = ", ".join(missing) or "any participant"
        raise MissingInputError(
            f"{output} has no results of {what} to report. Run the participant level first"
            f"{_those_there(known)}."
        )
    return chosen or known


def _those_there(known: Sequence[str], most: int = 10) -> str:
    if not known:
        return ""
    more = ", ..." if len(known) > most else ""
    return f", or choose from {', '.join(known[:most])}{more}"
