"""Events tables: read, checked row by row, ready for a design."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.bids.tables import lines_in_words, read_table
from boldglm.notices import Notice, exclusion, warning

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "trial_type."  # of the variables that the transformation Factor makes


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

    @property
    def conditions(self) -> tuple[str, ...]:
        """Trial types that occur, sorted."""
        return tuple(sorted(set(self.trial_type.tolist())))

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


def read_events(path: Path) -> Events:
    """Read a BIDS events file and check the rows that will be used.

    Rows whose `trial_type` is n/a (responses, say) are not used, and are counted.

    Parameters
    ----------
    path : Path
        Tab-separated, with the columns onset and duration (seconds) and trial_type.

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
    for column in ("onset", "duration", "trial_type"):
        if column not in table.columns:
            raise BadDataError(_missing_column(path, column, list(table.columns)))
    if table.empty:
        raise BadDataError(
            f"{path.name} has a header but no events. Add a row for each event, or remove the "
            "file to exclude the run."
        )
    named = table["trial_type"].notna().to_numpy()
    if not named.any():
        raise BadDataError(
            f"{path.name} has no events to model: trial_type is n/a in all {len(table)} rows. "
            "Write the condition of each event in that column."
        )
    used = table[named]
    onset = _numbers(path, used, "onset")
    duration = _numbers(path, used, "duration")
    if (duration < 0).any():
        rows = lines_in_words(used.index[duration < 0])
        raise BadDataError(f"{path.name} has negative durations in {rows}. Correct the column.")
    notices: tuple[Notice, ...] = ()
    if not named.all():
        notices = (
            exclusion(
                f"{int((~named).sum())} of {len(named)} rows of {path.name}, because they "
                "have no trial_type"
            ),
        )
    names = used["trial_type"].str.strip().to_numpy(dtype=object).astype(str)
    _refuse_broken_names(path, names, used.index)
    notices += _repeated(path, names, onset)
    other_columns = {
        column: used[column].to_numpy(dtype=object)
        for column in used.columns
        if column not in ("onset", "duration", "trial_type")
    }
    return Events(onset, duration, names, notices, other_columns)


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
            raise BadDataError(_missing_column(path, column, list(table.columns)))
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


def _missing_column(path: Path, column: str, found: list[str]) -> str:
    text = f"{path.name} has no column {column!r} (found: {', '.join(found)})."
    if column == "trial_type":
        return text + " Add one that names the condition of each event."
    return text + " Add it, in seconds."


def _numbers(path: Path, table: "pd.DataFrame", column: str) -> np.ndarray:
    import pandas as pd

    numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
    bad = ~np.isfinite(numbers)
    if bad.any():
        found = table[column][bad].iloc[0]
        shown = "n/a" if pd.isna(found) else repr(found)
        remedy = (
            "Write decimals with a point."
            if isinstance(found, str) and re.fullmatch(r"-?\d+,\d+", found.strip())
            else f"Give the {column}, or set trial_type to n/a in rows that are not to be modeled."
        )
        raise BadDataError(
            f"{path.name} has {column} {shown} in {lines_in_words(table.index[bad])}, where a "
            f"number of seconds is needed. {remedy}"
        )
    return numbers
