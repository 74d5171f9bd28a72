"""Events tables: read, checked row by row, ready for a design."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boldglm.errors import BadDataError, StopRequestedError
from boldglm.io.bids.tables import lines_in_words, read_table
from boldglm.notices import Notice, exclusion, warning
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import MISSING_TIMES_POLICY, TRIAL_TYPE

if TYPE_CHECKING:
    import pandas as pd

PREFIX = f"{TRIAL_TYPE}."  # of the variables that the transformation Factor makes
MOST_SHOWN = 4  # values of a column that a message shows


@dataclass(frozen=True)
class Events:
    """The events of one run; times in seconds from the start of the first volume.

    `notices` says which rows are not used and why.
    """

    onset: np.ndarray  # (n_events,)
    duration: np.ndarray  # (n_events,)
    trial_type: np.ndarray  # (n_events,), text
    notices: tuple[Notice, ...]
    other_columns: Mapping[str, np.ndarray] = field(
        default_factory=dict
    )  # text or NaN, (n_events,)
    column: str = TRIAL_TYPE  # of the file, which names the condition of each event
    lines: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))  # of the file

    @property
    def prefix(self) -> str:
        """What precedes a trial type in the name of its variable."""
        return f"{self.column}."

    @property
    def conditions(self) -> tuple[str, ...]:
        """Trial types that occur, sorted."""
        return tuple(sorted(set(self.trial_type.tolist())))

    def without(self, conditions: Collection[str]) -> "Events":
        """Return the events of the other conditions."""
        keep = ~np.isin(self.trial_type, list(conditions))
        return replace(
            self,
            onset=self.onset[keep],
            duration=self.duration[keep],
            trial_type=self.trial_type[keep],
            other_columns={name: column[keep] for name, column in self.other_columns.items()},
            lines=self.lines[keep] if self.lines.size else self.lines,
        )

    def as_columns(self, conditions: tuple[str, ...], prefix: str = PREFIX) -> dict:
        """Return the events of some conditions under their variable names.

        The result is what `boldglm.glm.build_design` takes.
        """
        keep = np.isin(self.trial_type, conditions)
        return {
            "onset": self.onset[keep],
            "duration": self.duration[keep],
            "trial_type": [prefix + name for name in self.trial_type[keep]],
        }


def read_events(
    path: Path, column: str = TRIAL_TYPE, missing_times: str = MISSING_TIMES_POLICY
) -> Events:
    """Read a BIDS events file and check the rows that will be used.

    Rows whose trial type is n/a (responses, say) are not used, and are counted.

    Parameters
    ----------
    path : Path
        Tab-separated, with the columns onset and duration (seconds) and one of trial types.
    column : str
        The column that names the condition of each event.
    missing_times : {"row", "run", "error"}
        What a row that has a trial type but no onset or duration excludes: itself, or the run
        (a `BadDataError`).

    Returns
    -------
    Events

    Raises
    ------
    MissingInputError
        If the file cannot be read.
    BadDataError
        If a column is missing, no row has a trial type, or a row that has one lacks a usable
        onset or duration; the message names file, column and rows.
    """
    table = read_table(path)
    for needed in ("onset", "duration", column):
        if needed not in table.columns:
            raise BadDataError(_missing_column(path, needed, table, column))
    if table.empty:
        raise BadDataError(
            f"{path.name} has a header but no events. Add a row for each event, or choose other "
            "runs."
        )
    named = table[column].notna().to_numpy()
    if not named.any():
        raise BadDataError(
            f"{path.name} has no events to model: {column} is n/a in all {len(table)} rows. "
            "Write the condition of each event in that column."
        )
    used, notices = _with_times(path, table[named], missing_times)
    onset = _numbers(path, used, "onset")
    duration = _numbers(path, used, "duration")
    if (duration < 0).any():
        rows = lines_in_words(used.index[duration < 0])
        raise BadDataError(f"{path.name} has negative durations in {rows}. Correct the column.")
    if not named.all():
        notices = (
            exclusion(
                f"{int((~named).sum())} of {len(named)} rows of {path.name}, because they "
                f"have no {column}"
            ),
            *notices,
        )
    names = used[column].to_numpy(dtype=object).astype(str)
    _refuse_broken_names(path, names, used.index)
    notices += _repeated(path, names, onset)
    other_columns = {
        other: used[other].to_numpy(dtype=object)
        for other in used.columns
        if other not in ("onset", "duration", column)
    }
    lines = used.index.to_numpy()
    return Events(onset, duration, names, notices, other_columns, column, lines)


def read_event_columns(path: Path) -> dict[str, np.ndarray]:
    """Read all columns of a BIDS events file, as transformations take them.

    Returns
    -------
    dict of str to ndarray of shape (n_events,)
        onset and duration in seconds, NaN where they are n/a; other columns as text, missing
        where they are n/a.

    Raises
    ------
    MissingInputError
        If the file cannot be read.
    BadDataError
        If onset or duration are missing, or hold text.
    """
    table = read_table(path)
    columns: dict[str, np.ndarray] = {}
    for column in ("onset", "duration"):
        if column not in table.columns:
            raise BadDataError(_missing_column(path, column, table))
        present = table[column].notna()
        numbers = np.full(len(table), np.nan)
        numbers[present.to_numpy()] = _numbers(path, table[present], column)
        columns[column] = numbers
    for name in table.columns:
        if name not in columns:
            columns[str(name)] = table[name].to_numpy(dtype=object)
    return columns


def no_event_columns() -> dict[str, np.ndarray]:
    """Return the columns of a run without events, as `read_event_columns` does."""
    return {"onset": np.zeros(0), "duration": np.zeros(0)}


def _with_times(
    path: Path, table: "pd.DataFrame", policy: str
) -> tuple["pd.DataFrame", tuple[Notice, ...]]:
    """Return the rows that have an onset and a duration, with a notice that names the others."""
    missing = {column: table[column].isna() for column in ("onset", "duration")}
    untimed = missing["onset"] | missing["duration"]
    if not untimed.any():
        return table, ()
    columns = " or ".join(column for column, rows in missing.items() if rows.any())
    where = lines_in_words(table.index[untimed])
    if policy != MISSING_TIMES_POLICY:
        error = StopRequestedError if policy == "error" else BadDataError
        raise error(
            f"{path.name} has n/a as {columns} in {where}, and --missing-times {policy} "
            f"{'does not allow that' if policy == 'error' else 'excludes such a run'}. Give the "
            "value, set the trial type of these rows to n/a, or pass --missing-times row."
        )
    if untimed.all():
        raise BadDataError(
            f"{path.name} has no events to model: {columns} is n/a in all {len(table)} rows that "
            "have a trial type. Give it in seconds (a duration of 0 is allowed)."
        )
    text = f"{int(untimed.sum())} of {len(table)} events of {path.name}, because {columns} is n/a"
    return table[~untimed], (exclusion(f"{text} in {where}"),)


def _refuse_broken_names(path: Path, names: np.ndarray, index: "pd.Index") -> None:
    """Refuse names with a tab, which cannot be written to tables."""
    broken = np.array(["\t" in name for name in names], dtype=bool)
    if broken.any():
        raise BadDataError(
            f"{path.name} has a tab within a trial_type in {lines_in_words(index[broken])}. "
            "Rename it."
        )


def _repeated(path: Path, names: np.ndarray, onset: np.ndarray) -> tuple[Notice, ...]:
    """Warn of events that are listed more than once: their responses add up."""
    count = len(names) - len(set(zip(names.tolist(), onset.tolist(), strict=True)))
    if not count:
        return ()
    return (
        warning(
            f"{count} of {len(names)} events in {path.name} repeat an earlier event of the same "
            "trial_type and onset. All are modeled, so their responses add up"
        ),
    )


def _missing_column(
    path: Path, column: str, table: "pd.DataFrame", trial_types: str = TRIAL_TYPE
) -> str:
    """Describe a column that a file lacks, with those that could serve."""
    found = [str(name) for name in table.columns]
    text = f"{path.name} has no column {column!r} (found: {', '.join(found)})."
    if column != trial_types:
        return text + did_you_mean(column, found) + " Add it, in seconds."
    if column != TRIAL_TYPE:
        return (
            text
            + did_you_mean(column, found)
            + (" Correct --trial-type-column, or choose runs whose events have the column.")
        )
    candidates = _categorical_columns(table)
    if not candidates:
        return text + " Add one that names the condition of each event."
    shown = "; ".join(f"{name} ({', '.join(values)})" for name, values in candidates.items())
    return (
        f"{text} These columns could name the condition of each event: {shown}. Choose one with "
        "--trial-type-column, or add trial_type."
    )


def _categorical_columns(table: "pd.DataFrame") -> dict[str, list[str]]:
    """Return the columns whose values repeat, with some of their values."""
    candidates = {}
    for name in table.columns:
        values = table[name].dropna()
        distinct = list(dict.fromkeys(values))
        if name in ("onset", "duration") or not distinct or len(distinct) > len(values) / 2:
            continue
        shown = distinct[:MOST_SHOWN]
        candidates[str(name)] = shown + (["..."] if len(distinct) > MOST_SHOWN else [])
    return candidates


def _numbers(path: Path, table: "pd.DataFrame", column: str) -> np.ndarray:
    import pandas as pd

    numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
    bad = ~np.isfinite(numbers)
    if bad.any():
        found = table[column][bad].iloc[0]
        shown = repr(found)
        remedy = (
            "Write decimals with a point."
            if isinstance(found, str) and re.fullmatch(r"-?\d+,\d+", found.strip())
            else f"Give the {column}, or write n/a in rows that are not to be modeled."
        )
        raise BadDataError(
            f"{path.name} has {column} {shown} in {lines_in_words(table.index[bad])}, where a "
            f"number of seconds is needed. {remedy}"
        )
    return numbers
