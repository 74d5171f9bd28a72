"""What of a run's confounds joins its design, and which scans are censored."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm import Confounds, match_columns, prepare_confounds
from boldglm.glm.design.confound_names import (
    COSINES,
    MAY_BE_EMPTY,
    confound_kind,
    is_denoised_by_aroma,
    is_pattern,
    lacks_cosines,
)
from boldglm.glm.design.confounds import MANY_CENSORED, describe_scans
from boldglm.io.bids.confounds_table import ConfoundsTable
from boldglm.notices import Notice, warning
from boldglm.suggestions import did_you_mean

DISPLACEMENT = "framewise_displacement"
AROMA_HINT = (
    " fMRIPrep has not written them since version 23.1; fMRIPost-AROMA does, and its table is "
    "read where its folder is given beside fMRIPrep's (-d FMRIPREP AROMA)."
)


def confounds_of_run(
    table: ConfoundsTable | None, choices: ConfoundSettings, n_scans: int, run: str
) -> Confounds:
    """Take from a run's table what the design needs.

    Parameters
    ----------
    table : ConfoundsTable or None
        None if the run has no table.
    choices : ConfoundSettings
        What to take.
    n_scans : int
        Number of scans of the run.
    run : str
        Name of the run, for messages.

    Raises
    ------
    MissingInputError
        If the choices need a table and there is none.
    BadDataError
        If a column is missing, the rows are not the scans, or a value is missing after the
        first row.
    """
    if table is None and choices.needs_table:
        asked = choices.columns or (f"{DISPLACEMENT} (--fd-threshold)",)
        raise MissingInputError(
            f"{run} has no confounds table, which the model needs for {', '.join(asked[:6])}. "
            "Such tables (*_desc-confounds_timeseries.tsv) come with fMRIPrep's derivatives: "
            "point to them with -d, or ask for no confounds."
        )
    reasons: dict[int, list[str]] = {}
    if choices.dummy_scans >= n_scans:
        raise BadDataError(
            f"{run} has {n_scans} volumes; --dummy-scans {choices.dummy_scans} would leave none."
        )
    for scan in range(choices.dummy_scans):
        reasons.setdefault(scan, []).append(f"one of the first {choices.dummy_scans}")
    if table is None:
        return prepare_confounds((), np.zeros((n_scans, 0)), reasons)
    if table.n_rows != n_scans:
        raise BadDataError(
            f"{table.name} has {table.n_rows} rows, but {run} has {n_scans} volumes: "
            "there must be one row for each. Is it another run's table, or was the series cut?"
        )
    _add_displaced(reasons, table, choices.fd_threshold)
    try:
        names = match_columns(choices.columns, table.columns)
        found = prepare_confounds(names, table.values(names), reasons)
    except ValueError as error:
        raise BadDataError(f"{table.name}: {error}") from error
    notes = (*found.notes, *_run_notes(table, choices, found, n_scans))
    return replace(found, notes=notes)


def check_patterns(columns: Sequence[str], tables: Sequence[ConfoundsTable]) -> None:
    """Refuse a pattern that matches no column of any run.

    Raises
    ------
    BadDataError
        With the did_you_mean column.
    """
    found = list(dict.fromkeys(name for table in tables for name in table.columns))
    for pattern in columns:
        if not is_pattern(pattern) or pattern in MAY_BE_EMPTY or not tables:
            continue
        if not match_columns([pattern], found):
            raise BadDataError(
                f"No confounds table has a column that fits {pattern!r}."
                f"{AROMA_HINT if pattern.startswith('aroma_') else ''}"
                f"{did_you_mean(pattern.rstrip('*'), found)} {tables[0].name} has: "
                f"{', '.join(found[:40])}{' ...' if len(found) > 40 else ''}."
            )


def check_denoising(
    kind: str, columns: Sequence[str], high_pass: float | None
) -> tuple[Notice, ...]:
    """Check that confounds suit series of a kind (their ``desc``) and the drift of the model.

    Returns
    -------
    tuple of Notice
        Warnings.

    Raises
    ------
    BadDataError
        If components that were taken out of a series would join its design.
    """
    aroma = [name for name in columns if confound_kind(name) == "ICA-AROMA"]
    if aroma and is_denoised_by_aroma(kind):
        raise BadDataError(
            f"The series are those called desc-{kind}, out of which ICA-AROMA took its noise "
            f"components; {', '.join(aroma[:3])} would take them out twice. Leave them out of the "
            "confounds, or fit the desc-preproc series."
        )
    if lacks_cosines(columns) and high_pass is None:
        return (
            warning(
                "the design has CompCor components but neither the cosines that they were "
                "computed with nor a drift model, so slow drift is not removed"
            ),
        )
    return ()


def _add_displaced(
    reasons: dict[int, list[str]], table: ConfoundsTable, threshold: float | None
) -> None:
    """Add the scans that moved more than the threshold; the first, which is n/a, did not."""
    if threshold is None:
        return
    if DISPLACEMENT not in table.columns:
        raise BadDataError(
            f"{table.name} has no column {DISPLACEMENT!r}, which --fd-threshold needs."
            f"{did_you_mean(DISPLACEMENT, table.columns)}"
        )
    displacement = table.values([DISPLACEMENT])[:, 0]
    unknown = np.flatnonzero(np.isnan(displacement[1:])) + 1
    if unknown.size:
        raise BadDataError(
            f"{table.name}: column {DISPLACEMENT!r} is n/a at {unknown.size} scans after the first"
            f" (first at scan {unknown[0]}, counted from 0), so that nobody can say whether they "
            "moved more than --fd-threshold. Fill it in, or censor by a column of your own."
        )
    for scan in np.flatnonzero(displacement > threshold):
        why = f"{DISPLACEMENT} {displacement[scan]:.3g} mm > {threshold:g} mm"
        reasons.setdefault(int(scan), []).append(why)


def _run_notes(
    table: ConfoundsTable, choices: ConfoundSettings, found: Confounds, n_scans: int
) -> list[Notice]:
    notes = [
        warning(
            f"{table.name} has no column that matches {pattern!r}"
            + (", so this run has no high-pass filter" if pattern == COSINES else "")
        )
        for pattern in choices.columns
        if is_pattern(pattern)
        and (pattern == COSINES or pattern not in MAY_BE_EMPTY)
        and not match_columns([pattern], table.columns)
    ]
    if len(found.censored) > MANY_CENSORED * n_scans:
        notes.append(
            warning(
                f"more than {MANY_CENSORED:.0%} of the volumes are censored, "
                f"{describe_scans(list(found.censored), n_scans)}. Check this run before using it"
            )
        )
    return notes
