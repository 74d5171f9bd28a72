"""What a call above the run starts from: results of the output folder, or of other programs."""

import argparse
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boldglm.analysis.plan.first_levels import (
    check_saved_models,
    plan_first_levels,
    save_first_level_model,
)
from boldglm.analysis.plan.models_of_results import ResultModels, models_of_results
from boldglm.cli.choices import check_options_of_results, higher_model_choice
from boldglm.cli.option_roles import ANALYSIS, flag_of, given_options
from boldglm.cli.places import check_places
from boldglm.cli.work_folders import WorkFolders
from boldglm.errors import UsageError
from boldglm.io.first_levels.find import find_first_levels
from boldglm.io.outputs.names import prepare_output
from boldglm.io.outputs.records import STAMP
from boldglm.notices import Notice
from boldglm.workflows.first_levels import take_first_levels

LINK = "firstlevel"  # in DatasetLinks: the folder of the maps
OF_ANY_MAPS = ("model", "model_name", "smoothing")


@dataclass(frozen=True)
class StartingResults:
    """Finished results and the models of the levels above them.

    Parameters
    ----------
    found : ResultModels
        The models.
    levels : tuple of str
        Levels to fit.
    folder : Path
        Folder of the results: the output folder, or, in a dry run of maps of other programs, a
        temporary one.
    notices : tuple of Notice
        What is known of maps of other programs.
    """

    found: ResultModels
    levels: tuple[str, ...]
    folder: Path
    notices: tuple[Notice, ...] = ()


def starting_results(
    options: argparse.Namespace, command: str, levels: Sequence[str], folders: WorkFolders
) -> StartingResults:
    """Return what the levels of a call start from; take in the maps of `--first-level`.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed options of the command line.
    command : str
        The command line.
    levels : sequence of str
        Levels of the call.
    folders : WorkFolders
        Temporary folders of the call.
    """
    output = options.output_dir.resolve()
    choice = higher_model_choice(options, levels)
    if options.first_level is None:
        found = models_of_results(output, choice, levels)
        check_options_of_results(options, found.models, levels)
        return StartingResults(found, tuple(levels), output)
    _check_options(options, levels)
    first_levels = find_first_levels(options.first_level)
    if options.first_level.is_dir():  # which is searched as a whole
        check_places(options.output_dir, options.bids_dir, [first_levels.folder])
    plan = plan_first_levels(first_levels, choice)
    check_saved_models(output, plan.model)
    if options.dry_run:
        work = target = folders.scratch()
    else:
        work, target = folders.open(), output
        is_root = first_levels.folder == Path(first_levels.folder.anchor)
        links = {} if is_root else {LINK: first_levels.folder}  # else Sources are absolute paths
        prepare_output(options.output_dir, options.bids_dir, None, command, links)
    stamp = f"{STAMP}{uuid.uuid4().hex[:8]}" if options.fresh else ""
    removed = take_first_levels(plan, target, work, stamp)
    if not options.dry_run:
        save_first_level_model(output, plan.model)
    models = ResultModels((plan.model,))
    return StartingResults(models, plan.levels, target, (*plan.notices, *removed))


def _check_options(options: argparse.Namespace, levels: Sequence[str]) -> None:
    """Refuse options of fits that other programs did."""
    given = [name for name in given_options(options, ANALYSIS) if name not in OF_ANY_MAPS]
    if given:
        raise UsageError(
            f"{flag_of(given[0])} is about the fit of runs, and --first-level gives results of "
            f"fits that another program did. Leave out {flag_of(given[0])}."
        )
    smoothing = options.smoothing
    if smoothing is not None and smoothing.level not in levels:
        width = f"{smoothing.fwhm:g}"
        raise UsageError(
            f"--smoothing {width}:{smoothing.level}: another program did the fit that "
            f"--first-level gives. Write {' or '.join(f'{width}:{level}' for level in levels)} to "
            "smooth the effects that enter the group."
        )
