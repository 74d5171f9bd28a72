"""Participants of a call: a list for the jobs of a cluster, and those whom a group lacks."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from boldglm.analysis.model.model import read_model
from boldglm.analysis.plan.missing_participants import missing_participants, refuse_missing
from boldglm.analysis.plan.model_input import select_input
from boldglm.cli.choices import selection_of
from boldglm.io.bids.query import RunFiles
from boldglm.workflows.group import GroupPlan


def list_participants(runs: Sequence[RunFiles], options: argparse.Namespace) -> int:
    """Print the labels of participants with runs to fit, one in a line, and return 0."""
    selected = list(runs)
    if options.model != "default":
        file = Path(options.model)
        selected = select_input(selected, read_model(file), file)
    for label in sorted({run.entities["sub"] for run in selected}):
        print(label)
    return 0


def check_completeness(plans: Sequence[GroupPlan], options: argparse.Namespace) -> None:
    """Refuse a group without participants of the dataset who have its task.

    Whoever was excluded on purpose is not missing.

    Raises
    ------
    MissingInputError
        If somebody is missing.
    """
    inputs = [
        item
        for plan in plans
        for level in plan.levels
        for fit in level.plan.fits
        for item in fit.inputs
    ]
    known = {subject for plan in plans for subject in plan.subjects}
    known |= {
        run.entities["sub"]
        for plan in plans
        for run in plan.excluded
        if run.entities.keys() == {"sub"}
    }
    tasks = {item.entities["task"] for item in inputs if "task" in item.entities}
    refuse_missing(
        missing_participants(options.bids_dir, tasks, known, selection_of(options).subjects),
        "Run the participant level for them"
        if options.first_level is None
        else "Add their maps to --first-level",
    )
