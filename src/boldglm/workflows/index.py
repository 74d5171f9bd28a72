"""The page of all participants, from what is in the output folder."""

from collections.abc import Collection
from pathlib import Path

from boldglm.errors import BadDataError, MissingInputError
from boldglm.interfaces.overviews import Z_BRIGHTEST, participant_overview
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import load_json
from boldglm.io.outputs.dataset_description import TITLE
from boldglm.io.outputs.dataset_links import DESCRIPTION
from boldglm.io.outputs.exclusions import excluded_subjects, stored_exclusions
from boldglm.io.outputs.names import INDEX, QUALITY
from boldglm.io.outputs.overviews import Overview, overview_state
from boldglm.io.outputs.records import Record
from boldglm.io.outputs.report_pages import GROUP, ReportPage, reported_names
from boldglm.notices import EXCLUSION, Notice
from boldglm.reports.index import NOT_SUMMARIZED, Participants, render_index
from boldglm.reports.sections import Z_SHOWN
from boldglm.workflows.other_results import SavedResults

MOST_TRIES = 5  # of writing the page while other jobs finish


def write_index(output_dir: Path, summarized: Collection[str] | None = None) -> Path | None:
    """Write the page of all participants.

    Jobs may do this at the same time. Each writes the page until nothing has changed meanwhile, so
    the last one to write misses no participant that is finished.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    summarized : collection of str, optional
        Labels of participants to summarize where that was not done yet; by default all. Others are
        listed without numbers, because other jobs may be at work on them.

    Returns
    -------
    Path or None
        The page; None if there are no results of participants.
    """
    path = output_dir / INDEX
    for _ in range(MOST_TRIES):
        state = _states(output_dir)
        if not state:
            return None
        content = render_index(_participants(output_dir, state, summarized)).encode()
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content)
        if _states(output_dir) == state:
            break
    return path


def _states(output_dir: Path) -> dict[str, tuple[str, bool]]:
    """Return the state of each participant with results, and whether it has a report."""
    subjects = [name.removeprefix("sub-") for name in reported_names(output_dir)]
    return {
        subject: (
            overview_state(output_dir, subject),
            (output_dir / f"sub-{subject}.html").is_file(),
        )
        for subject in subjects
    }


def _participants(
    output_dir: Path, states: dict[str, tuple[str, bool]], summarized: Collection[str] | None
) -> Participants:
    results = SavedResults(output_dir)
    overviews: list[Overview] = []
    unread: dict[str, str] = {}
    for subject, (state, _) in states.items():
        overview = Overview.read(output_dir, subject, state)
        if overview is None and (summarized is None or subject in summarized):
            try:
                overview = _summarized(output_dir, subject, state, results)
            except (BadDataError, MissingInputError) as error:
                unread[subject] = str(error)
                continue
        if overview is None:
            unread[subject] = NOT_SUMMARIZED
        elif overview.results or overview.runs:
            overviews.append(overview)
    reports = {f"sub-{subject}" for subject, (_, is_there) in states.items() if is_there}
    if (output_dir / f"{GROUP}.html").is_file():
        reports.add(GROUP)
    return Participants(
        _dataset_name(output_dir),
        tuple(overviews),
        unread,
        _excluded(output_dir, results),
        _group_exclusions(output_dir),
        frozenset(reports),
        Z_SHOWN,
        Z_BRIGHTEST,
        QUALITY if (output_dir / QUALITY).is_file() else "",
    )


def _summarized(output_dir: Path, subject: str, state: str, results: SavedResults) -> Overview:
    paths = results.others(subject, ())[0]
    records = [Record.read(path, output_dir) for path in paths]
    overview = participant_overview(output_dir, subject, records)
    overview.write(output_dir, state)
    return overview


def _excluded(output_dir: Path, results: SavedResults) -> dict[str, tuple[ExcludedRun, ...]]:
    found = {}
    for subject in excluded_subjects(output_dir):
        runs = [
            run
            for name in results.model_names
            for run in stored_exclusions(output_dir, name, [subject])
        ]
        each = {(tuple(run.entities.items()), run.reason): run for run in runs}
        if each:
            found[subject] = tuple(each.values())
    return found


def _group_exclusions(output_dir: Path) -> tuple[Notice, ...]:
    """Return whom the group excludes, if its report was planned."""
    try:
        page = ReportPage.read(output_dir, GROUP)
    except (BadDataError, MissingInputError):  # no group yet
        return ()
    return tuple(notice for notice in page.notices if notice.kind == EXCLUSION)


def _dataset_name(output_dir: Path) -> str:
    """Return the name of the analyzed dataset; that of the folder if it is not known."""
    try:
        name = str(load_json(output_dir / DESCRIPTION)["Name"])
    except (OSError, ValueError, KeyError, TypeError):
        return output_dir.name
    return name.removeprefix(f"{TITLE} of ")
