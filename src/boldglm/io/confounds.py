"""Confounds tables: read, columns chosen, scans to censor found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from boldglm.errors import BadDataError, MissingInputError, UsageError, nearest
from boldglm.glm import Confounds, expand_strategies, match_columns, prepare_confounds
from boldglm.glm.confound_names import (
    COSINES,
    DEFAULT_CONFOUNDS,
    MAY_BE_EMPTY,
    NON_STEADY_STATE,
    has_cosines,
    is_pattern,
    modern_name,
)
from boldglm.glm.confounds import MANY_CENSORED, describe_scans
from boldglm.io.events import read_table

DISPLACEMENT = "framewise_displacement"


@dataclass(frozen=True, eq=False)
class ConfoundsTable:
    """A confounds table of one run, its columns under the names of today's fMRIPrep.

    `masks` tells, for CompCor columns, the mask that they are from.
    """

    path: Path
    cells: pd.DataFrame  # text; missing where the file has n/a
    masks: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the file."""
        return tuple(self.cells.columns)

    def values(self, names: Sequence[str]) -> np.ndarray:
        """Return columns as numbers, (n_scans, len(names)); NaN where the file has n/a."""
        columns = [self._numbers(name) for name in names]
        return np.column_stack(columns) if columns else np.zeros((len(self.cells), 0))

    def _numbers(self, name: str) -> np.ndarray:
        cells = self.cells[name]
        numbers = pd.to_numeric(cells, errors="coerce")
        strange = cells.notna() & numbers.isna()
        if strange.any():
            row = int(np.flatnonzero(strange)[0])
            raise BadDataError(
                f"{self.path.name}, column {name!r}, line {row + 2}: {cells.iloc[row]!r} is no "
                "number. Mend the table or leave the column out."
            )
        return numbers.to_numpy(dtype=float)


@dataclass(frozen=True)
class ConfoundChoices:
    """What of a confounds table goes into the design of every run.

    `columns` are names and patterns as a model lists them; a scan is censored when its
    framewise displacement is above `fd_threshold` (mm), or among the first `dummy_scans`.
    """

    columns: tuple[str, ...] = ()
    fd_threshold: float | None = None
    dummy_scans: int = 0

    @property
    def needs_table(self) -> bool:
        """Whether a run needs a confounds table."""
        return bool(self.columns) or self.fd_threshold is not None


@dataclass(frozen=True)
class ConfoundWishes:
    """What a person asked for, before the tables of the runs are known.

    `words` is None for the default; `dummy_scans` is None for those that fMRIPrep found.
    """

    words: tuple[str, ...] | None = None
    fd_threshold: float | None = None
    dummy_scans: int | None = None
    high_pass_is_asked: bool = False

    def choices(self, tables: Sequence[ConfoundsTable]) -> ConfoundChoices:
        """Turn wishes into what a model says, given the tables of its runs."""
        columns = choose_confounds(
            self.words,
            tables,
            find_dummy_scans=self.dummy_scans is None,
            own_high_pass=self.high_pass_is_asked,
        )
        return ConfoundChoices(columns, self.fd_threshold, self.dummy_scans or 0)


def read_confounds(path: Path) -> ConfoundsTable:
    """Read a confounds table and, for CompCor, the JSON beside it.

    Parameters
    ----------
    path : Path
        One row for each scan; a name for each column. Names that fMRIPrep used before version
        1.2 (``RotX``, ``aCompCor00``) are changed to today's.

    Returns
    -------
    ConfoundsTable

    Raises
    ------
    MissingInputError
        If the file cannot be read.
    BadDataError
        If it is not a table, or two columns have the same name.
    """
    cells = read_table(path)
    cells.columns = [modern_name(name) for name in cells.columns]
    twice = sorted({name for name in cells.columns if list(cells.columns).count(name) > 1})
    if twice:
        raise BadDataError(f"{path.name} has more than one column {twice[0]!r}: rename one.")
    return ConfoundsTable(path, cells, _masks(path.with_suffix(".json")))


def confounds_of_run(
    table: ConfoundsTable | None, choices: ConfoundChoices, n_scans: int, run: str
) -> Confounds:
    """Take from a run's table what the design needs.

    Parameters
    ----------
    table : ConfoundsTable or None
        None if the run has no table.
    choices : ConfoundChoices
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
    if len(table.cells) != n_scans:
        raise BadDataError(
            f"{table.path.name} has {len(table.cells)} rows, but {run} has {n_scans} volumes: "
            "there must be one row for each. Is it another run's table, or was the series cut?"
        )
    _add_displaced(reasons, table, choices.fd_threshold)
    try:
        names = match_columns(choices.columns, table.columns)
        found = prepare_confounds(names, table.values(names), reasons)
    except ValueError as error:
        raise BadDataError(f"{table.path.name}: {error}") from error
    notes = (*found.notes, *_run_notes(table, choices, found, n_scans))
    return replace(found, notes=notes)


def choose_confounds(
    words: Sequence[str] | None,
    tables: Sequence[ConfoundsTable],
    *,
    find_dummy_scans: bool,
    own_high_pass: bool,
) -> tuple[str, ...]:
    """Return the names and patterns that the model of some runs lists.

    Parameters
    ----------
    words : sequence of str or None
        As `boldglm.glm.expand_strategies` takes them, or ``none``; None for the default: the
        six motion parameters, ``cosine*`` and ``non_steady_state_outlier*``.
    tables : sequence of ConfoundsTable
        Of all runs; empty if none has a table.
    find_dummy_scans : bool
        Whether scans that fMRIPrep found not to be in steady state are censored.
    own_high_pass : bool
        Whether a drift or none was asked for; then the default takes no cosines.

    Raises
    ------
    MissingInputError
        If there are words but no table.
    BadDataError
        If a word means nothing, or not the same columns in all runs.
    """
    wanted = list(words) if words is not None else None
    if not tables:
        if wanted and wanted != ["none"]:
            raise MissingInputError(
                f"--confounds {' '.join(wanted)}: no run has a confounds table "
                "(*_desc-confounds_timeseries.tsv). They come with fMRIPrep's derivatives: point "
                "to them with -d."
            )
        return ()
    if wanted is None:
        _check_default(tables)
        chosen = [name for name in DEFAULT_CONFOUNDS if name != NON_STEADY_STATE]
        chosen = [name for name in chosen if name != COSINES or not own_high_pass]
    elif wanted == ["none"]:
        chosen = []
    else:
        chosen = list(_same_in_all(wanted, tables))
    if find_dummy_scans and NON_STEADY_STATE not in chosen:
        chosen.append(NON_STEADY_STATE)
    if not any(has_cosines(table.columns) for table in tables):
        chosen = [name for name in chosen if name != COSINES]
    return tuple(chosen)


def high_pass_beside(
    columns: Sequence[str], period: float | None, *, is_asked: bool
) -> float | None:
    """Return the period of our own drift beside these confounds: none beside cosines.

    Raises
    ------
    UsageError
        If a period was asked for although the confounds bring a high-pass filter.
    """
    if not has_cosines(columns):
        return period
    if is_asked and period is not None:
        raise UsageError(
            f"--confounds brings fMRIPrep's cosines, which are a high-pass filter; --high-pass "
            f"{period:g} would be a second one. Leave out one of the two."
        )
    return None


def check_patterns(columns: Sequence[str], tables: Sequence[ConfoundsTable]) -> None:
    """Refuse a pattern that matches no column of any run.

    Raises
    ------
    BadDataError
        With the nearest column.
    """
    found = list(dict.fromkeys(name for table in tables for name in table.columns))
    for pattern in columns:
        if not is_pattern(pattern) or pattern in MAY_BE_EMPTY or not tables:
            continue
        if not match_columns([pattern], found):
            raise BadDataError(
                f"No confounds table has a column that fits {pattern!r}."
                f"{nearest(pattern.rstrip('*'), found)} {tables[0].path.name} has: "
                f"{', '.join(found[:40])}{' ...' if len(found) > 40 else ''}."
            )


def _masks(path: Path) -> dict[str, str]:
    """Read from the JSON beside a table which mask each CompCor column is from."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadDataError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadDataError(f"{path} must hold a JSON object.")
    return {
        modern_name(name): str(about["Mask"])
        for name, about in content.items()
        if isinstance(about, dict) and about.get("Mask")
    }


def _add_displaced(
    reasons: dict[int, list[str]], table: ConfoundsTable, threshold: float | None
) -> None:
    """Add the scans that moved more than the threshold; n/a (the first scan) did not."""
    if threshold is None:
        return
    if DISPLACEMENT not in table.columns:
        raise BadDataError(
            f"{table.path.name} has no column {DISPLACEMENT!r}, which --fd-threshold needs."
            f"{nearest(DISPLACEMENT, table.columns)}"
        )
    displacement = table.values([DISPLACEMENT])[:, 0]
    for scan in np.flatnonzero(displacement > threshold):
        why = f"{DISPLACEMENT} {displacement[scan]:.3g} mm > {threshold:g} mm"
        reasons.setdefault(int(scan), []).append(why)


def _run_notes(
    table: ConfoundsTable, choices: ConfoundChoices, found: Confounds, n_scans: int
) -> list[str]:
    notes = [
        f"{table.path.name} has no column that fits {pattern!r}"
        + (": this run has no high-pass filter" if pattern == COSINES else "")
        for pattern in choices.columns
        if is_pattern(pattern)
        and (pattern == COSINES or pattern not in MAY_BE_EMPTY)
        and not match_columns([pattern], table.columns)
    ]
    if len(found.censored) > MANY_CENSORED * n_scans:
        notes.append(
            f"more than {MANY_CENSORED:.0%} of the scans are censored, "
            f"{describe_scans(list(found.censored), n_scans)}: look at this run before using it"
        )
    return notes


def _check_default(tables: Sequence[ConfoundsTable]) -> None:
    for table in tables:
        missing = [
            name
            for name in DEFAULT_CONFOUNDS
            if not is_pattern(name) and name not in table.columns
        ]
        if missing:
            raise BadDataError(
                f"{table.path.name} lacks {', '.join(missing)}, which the default takes. Say "
                "with --confounds which columns to take, or --confounds none. It has: "
                f"{', '.join(table.columns[:40])}."
            )


def _same_in_all(words: Sequence[str], tables: Sequence[ConfoundsTable]) -> tuple[str, ...]:
    """Expand the words for every run; a model must list the same for all."""
    first: tuple[str, ...] = ()
    for table in tables:
        try:
            found = expand_strategies(words, table.columns, table.masks)
        except ValueError as error:
            raise BadDataError(f"--confounds: {table.path.name}: {error}") from error
        first = first or found
        if found != first:
            differ = sorted(set(found) ^ set(first))
            raise BadDataError(
                f"--confounds {' '.join(words)} means other columns in {table.path.name} than in "
                f"{tables[0].path.name} ({', '.join(differ[:6])}), and one model must fit all "
                "runs. Ask for a number of components (compcor:5), name the columns, or fit the "
                "runs one by one (--run-label)."
            )
    return first
