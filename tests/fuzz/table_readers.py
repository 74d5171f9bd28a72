"""Readers of tables; cells of plain tables are compared with those of an independent reader."""

import math
from pathlib import Path

import numpy as np

from boldglm.io.bids.confounds_table import read_confounds
from boldglm.io.bids.events import read_event_columns, read_events
from boldglm.io.bids.participants import ParticipantTables
from fuzz import independent, mutations, seeds
from fuzz.reader import Reader


def _read_events(path: Path) -> None:
    events = read_events(path)
    assert np.isfinite(events.onset).all()
    assert (events.duration >= 0).all()
    assert len(events.onset) == len(events.duration) == len(events.trial_type) > 0
    onsets, names = (independent.column(path.read_bytes(), name) for name in
                     ("onset", "trial_type"))  # fmt: skip
    if onsets is not None and names is not None:
        written = {(name, float(onset)) for name, onset in zip(names, onsets, strict=True)
                   if _is_number(onset)}  # fmt: skip
        assert set(zip(events.trial_type.tolist(), events.onset.tolist(), strict=True)) <= written


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _read_event_columns(path: Path) -> None:
    columns = read_event_columns(path)
    assert len({len(values) for values in columns.values()}) == 1
    assert not np.isinf(columns["onset"]).any()


def _read_confounds(path: Path) -> None:
    table = read_confounds(path)
    values = table.values(table.columns)
    assert values.shape == (table.n_rows, len(table.columns))
    content = path.read_bytes()
    for place, name in enumerate(table.columns):
        try:
            cells = independent.column(content, name)
        except ValueError:  # under an older name
            continue
        if cells is not None:
            numbers = [float(cell) if _is_number(cell) else math.nan for cell in cells]
            same = (values[:, place] == numbers) | np.isnan(numbers)
            assert same.all(), f"column {name!r}"


def _read_participants(path: Path) -> None:
    tables = ParticipantTables(path.parent)
    for label in ("01", "02", "03"):
        _check_row(tables.of({"sub": label}), path, f"sub-{label}")
    assert isinstance(tables.levels(), frozenset)


def _check_row(row: dict, path: Path, first: str) -> None:
    """Compare the cells of a row with those of the line that begins with a label."""
    assert all(value is None or isinstance(value, str) for value in row.values())
    content = path.read_bytes()
    for name, value in row.items():
        try:
            cells = independent.column(content, name)
        except ValueError:  # a table of another folder
            continue
        if value is not None and cells is not None:
            lines = content.decode("utf-8", "replace")
            assert value in cells, f"{name} {value!r} of {first} is not in {lines!r}"


def _read_sessions(path: Path) -> None:
    tables = ParticipantTables(path.parents[1])
    for label in ("pre", "post", "other"):
        _check_row(tables.of({"sub": "01", "ses": label}), path, f"ses-{label}")


def _read_scans(path: Path) -> None:
    tables = ParticipantTables(path.parents[1])
    row = tables.of({"sub": "01"}, "sub-01_task-go_run-1_bold.nii.gz")
    _check_row(row, path, "func/sub-01_task-go_run-1_bold.nii.gz")


def _with_subject(folder: Path) -> None:
    (folder / "sub-01").mkdir()


TABLES = (
    Reader("events", "x_events.tsv", lambda: [seeds.EVENTS.encode()], mutations.of_table,
           _read_events),
    Reader("columns of events", "x_events.tsv", lambda: [seeds.EVENTS.encode()],
           mutations.of_table, _read_event_columns),
    Reader("confounds", "x_timeseries.tsv", lambda: [seeds.CONFOUNDS.encode()],
           mutations.of_table, _read_confounds),
    Reader("participants", "participants.tsv", lambda: [seeds.PARTICIPANTS.encode()],
           mutations.of_table, _read_participants),
    Reader("sessions", "sub-01/sub-01_sessions.tsv", lambda: [seeds.SESSIONS.encode()],
           mutations.of_table, _read_sessions, _with_subject),
    Reader("scans", "sub-01/sub-01_scans.tsv", lambda: [seeds.SCANS.encode()],
           mutations.of_table, _read_scans, _with_subject),
)  # fmt: skip
