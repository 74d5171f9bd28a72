"""The confounds and the censored volumes of a run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm import Confounds, match_columns, prepare_confounds
from boldglm.glm.design.confound_names import (
    COSINES,
    MAY_BE_EMPTY,
    confound_category,
    is_denoised_by_aroma,
    is_pattern,
    lacks_cosines,
)
from boldglm.glm.design.confounds import MANY_CENSORED, describe_scans
from boldglm.io.bids.confounds_table import DISPLACEMENT, ConfoundsTable
from boldglm.notices import Notice, warning
from boldglm.suggestions import did_you_mean

AROMA_HINT = (
    " fMRIPrep has not written them since version 23.1; fMRIPost-AROMA writes them. Give both "
    "folders (-d FMRIPREP AROMA)."
)


def confounds_of_run(
    table: ConfoundsTable | None, settings: ConfoundSettings, n_scans: int, run: str
) -> Confounds:
    """Read the confounds of a run and determine its censored volumes.

    Parameters
    ----------
    table : ConfoundsTable or None
        None if the run has no table.
    settings : ConfoundSettings
        Confounds to include and volumes to censor.
    n_scans : int
        Number of volumes of the run.
    run : str
        Name of the run, for messages.

    Returns
    -------
    Confounds
        Columns of shape (n_scans, n_confounds), censored volumes, and notices.

    Raises
    ------
    MissingInputError
        If the settings need a table but there is none.
    BadDataError
        If a column is missing, the table does not have a row for each volume, or a value is
        missing after the first row.
    """
    if table is None and settings.needs_table:
        needed = settings.columns or (f"{DISPLACEMENT} (--fd-threshold)",)
        raise MissingInputError(
            f"{run} has no confounds table, which the model needs for {', '.join(needed[:6])}. "
            "fMRIPrep writes such tables (*_desc-confounds_timeseries.tsv). Give the folder of "
            "its derivatives with -d, or use no confounds."
        )
    reasons: dict[int, list[str]] = {}
    if settings.dummy_scans >= n_scans:
        raise BadDataError(
            f"{run} has {n_scans} volumes, so --dummy-scans {settings.dummy_scans} would censor "
            "all of them. Give a smaller number."
        )
    for scan in range(settings.dummy_scans):
        reasons.setdefault(scan, []).append(f"one of the first {settings.dummy_scans}")
    if table is None:
        return prepare_confounds((), np.zeros((n_scans, 0)), reasons)
    if table.n_rows != n_scans:
        raise BadDataError(
            f"{table.name} has {table.n_rows} rows, but {run} has {n_scans} volumes; there must "
            "be one row for each volume. Check whether the table belongs to another run, and "
            "whether volumes of the series were removed."
        )
    _censor_displaced(reasons, table, settings.fd_threshold)
    try:
        names = match_columns(settings.columns, table.columns)
        confounds = prepare_confounds(names, table.values(names), reasons)
    except ValueError as error:
        raise BadDataError(f"{table.name}: {error}") from error
    warnings = _warnings(table, settings, confounds, n_scans)
    return replace(confounds, notes=(*confounds.notes, *warnings))


def check_patterns(columns: Sequence[str], tables: Sequence[ConfoundsTable]) -> None:
    """Refuse a pattern that matches no column of any run.

    Raises
    ------
    BadDataError
        With the pattern and the closest column.
    """
    known = list(dict.fromkeys(name for table in tables for name in table.columns))
    for pattern in columns:
        if not is_pattern(pattern) or pattern in MAY_BE_EMPTY or not tables:
            continue
        if not match_columns([pattern], known):
            raise BadDataError(
                f"No confounds table has a column that matches {pattern!r}."
                f"{AROMA_HINT if pattern.startswith('aroma_') else ''}"
                f"{did_you_mean(pattern.rstrip('*'), known)} {tables[0].name} has: "
                f"{', '.join(known[:40])}{' ...' if len(known) > 40 else ''}."
            )


def check_denoising(kind: str, columns: Sequence[str], *, has_drift: bool) -> tuple[Notice, ...]:
    """Check that the confounds suit the preprocessing of the series and the drift model.

    Parameters
    ----------
    kind : str
        Entity ``desc`` of the series.
    columns : sequence of str
        Names of the confounds.
    has_drift : bool
        Whether the design has drift regressors that are no confounds.

    Returns
    -------
    tuple of Notice
        Warnings.

    Raises
    ------
    BadDataError
        If the confounds were already removed from the series.
    """
    aroma = [name for name in columns if confound_category(name) == "ICA-AROMA"]
    if aroma and is_denoised_by_aroma(kind):
        raise BadDataError(
            f"ICA-AROMA has already removed its noise components from the desc-{kind} series, so "
            f"the confounds {', '.join(aroma[:3])} would remove them twice. Leave them out of the "
            "confounds, or fit the desc-preproc series."
        )
    if lacks_cosines(columns) and not has_drift:
        return (
            warning(
                "the design has CompCor components but neither the cosines that they were "
                "computed with nor a drift model, so slow drift is not removed"
            ),
        )
    return ()


def _censor_displaced(
    reasons: dict[int, list[str]], table: ConfoundsTable, threshold: float | None
) -> None:
    """Censor volumes with more displacement than the threshold; the first has none (n/a)."""
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
            f"{table.name}: column {DISPLACEMENT!r} is n/a at {unknown.size} volumes after the "
            f"first (first at volume {unknown[0]}, counted from 0), so --fd-threshold cannot be "
            "applied to them. Fill in the values, or censor volumes by a column of your own."
        )
    for scan in np.flatnonzero(displacement > threshold):
        reason = f"{DISPLACEMENT} {displacement[scan]:.3g} mm > {threshold:g} mm"
        reasons.setdefault(int(scan), []).append(reason)


def _warnings(
    table: ConfoundsTable, settings: ConfoundSettings, confounds: Confounds, n_scans: int
) -> list[Notice]:
    """Return warnings of patterns without a column, and of many censored volumes."""
    warnings = [
        warning(
            f"{table.name} has no column that matches {pattern!r}"
            + (", so this run has no high-pass filter" if pattern == COSINES else "")
        )
        for pattern in settings.columns
        if is_pattern(pattern)
        and (pattern == COSINES or pattern not in MAY_BE_EMPTY)
        and not match_columns([pattern], table.columns)
    ]
    if len(confounds.censored) > MANY_CENSORED * n_scans:
        warnings.append(
            warning(
                f"more than {MANY_CENSORED:.0%} of the volumes are censored, "
                f"{describe_scans(list(confounds.censored), n_scans)}. Check this run before "
                "using it"
            )
        )
    return warnings
