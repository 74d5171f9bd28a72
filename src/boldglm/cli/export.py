"""`boldglm export`: the maps of the group in a folder that NeuroVault takes."""

import argparse

from boldglm.analysis.citation import as_markdown
from boldglm.errors import BadDataError, MissingInputError, UsageError, writing_error
from boldglm.glm.design.summaries import counted
from boldglm.io.outputs.neurovault import LEFT_EMPTY, images_to_export, write_export
from boldglm.io.outputs.records import Record
from boldglm.io.outputs.report_pages import GROUP, ReportPage
from boldglm.workflows.other_results import SavedResults


def run_export(options: argparse.Namespace) -> int:
    """Export the maps of the group, and return the exit code.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed options of `boldglm export`.

    Raises
    ------
    MissingInputError
        If there are no results of the group, or no maps of the kinds that are asked for.
    UsageError
        If the folder lies in the output folder, or is not empty.
    """
    output, folder = options.output_dir.resolve(), options.folder.resolve()
    if folder.is_relative_to(output):
        raise UsageError(
            f"{options.folder} lies in {options.output_dir}, a BIDS dataset in which it has no "
            "place. Choose a folder elsewhere."
        )
    records = [Record.read(path, output) for path in SavedResults(output).others(None, ())[0]]
    if not records:
        raise MissingInputError(
            f"{output} has no results of the group to export. Run the group level first."
        )
    images, notices = images_to_export(records, options.maps, output)
    if not images:
        reason = notices[0].text if notices else f"no maps of {', '.join(options.maps)}"
        raise MissingInputError(f"There is nothing to export: {reason}.")
    try:
        write_export(folder, images, _methods(options))
    except OSError as error:
        raise writing_error(error.filename or folder, error) from error
    nodes = counted(len({image.source.parent for image in images}), "node")
    print(f"Exported {counted(len(images), 'map')} of {nodes} to {options.folder}")
    for notice in notices:
        print(f"{notice.kind.capitalize()}: {notice}")
    print(f"To be filled in by you: {', '.join(LEFT_EMPTY)} (see README.md there)")
    return 0


def _methods(options: argparse.Namespace) -> str:
    """Return the methods section of the group; a note in its place if it was not stored."""
    try:
        page = ReportPage.read(options.output_dir.resolve(), GROUP)
    except (BadDataError, MissingInputError) as error:
        return f"The methods section is not known. {error}\n"
    return as_markdown(page.methods)
