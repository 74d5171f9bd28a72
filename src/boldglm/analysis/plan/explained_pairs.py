"""Pairs of regressors that a call asks to explain: which runs have them, and which show them."""

from collections.abc import Sequence
from pathlib import Path

from boldglm.analysis.first_level.measured_pairs import requested_pair
from boldglm.analysis.plan.plan import Analysis
from boldglm.analysis.plan.run_plans import RunPlan
from boldglm.errors import BadDataError
from boldglm.glm.design.regressor_pairs import names_for_pairs, read_pair
from boldglm.io.outputs.records import Record
from boldglm.notices import Notice, exclusion


def check_pairs(requested: Sequence[str], plan: Sequence[Analysis]) -> list[Notice]:
    """Check that some run has each pair.

    Parameters
    ----------
    requested : sequence of str
        Pairs such as ``"B ~ A"``.
    plan : sequence of Analysis
        The planned runs.

    Returns
    -------
    list of Notice
        An exclusion for each run that lacks a pair.

    Raises
    ------
    BadDataError
        If it is no pair, or if no run has one of its regressors.
    """
    runs = [run for analysis in plan for run in analysis.runs]
    known = list(dict.fromkeys(name for run in runs for name in names_for_pairs(run.design)))
    notices = []
    for text in dict.fromkeys(requested):
        try:
            read_pair(text, known)
        except ValueError as error:
            raise BadDataError(f"--explain '{text}': {error}") from error
        for run in runs:
            try:
                requested_pair(run.design, text)
            except ValueError as error:
                reason = str(error).rstrip(".").partition(". ")[0]
                notices.append(exclusion(f"{run.inputs.name}: --explain '{text}': {reason}"))
    return notices


def pairs_in_run(run: RunPlan, requested: Sequence[str]) -> tuple[str, ...]:
    """Return the pairs that a run has; `check_pairs` gives notice of the others."""
    found = []
    for text in dict.fromkeys(requested):
        try:
            requested_pair(run.design, text)
        except ValueError:
            continue
        found.append(text)
    return tuple(found)


def has_pairs(record: Path, root: Path, run: RunPlan, requested: Sequence[str]) -> bool:
    """Whether the record of a finished run has all pairs that are asked for and that it can have.

    Parameters
    ----------
    record : Path
        The record.
    root : Path
        Output folder.
    run : RunPlan
        The run.
    requested : sequence of str
        Pairs such as ``"B ~ A"``.
    """
    wanted = {requested_pair(run.design, text) for text in pairs_in_run(run, requested)}
    if not wanted:
        return True
    return wanted <= {measured.pair for measured in Record.read(record, root).result.pairs}
