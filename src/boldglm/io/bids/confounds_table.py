"""Confounds tables of a run: the names of their columns at once, values when they are asked for.

A table of fMRIPrep has hundreds of columns, of which a design takes a dozen. Plans are made of
thousands of runs at once, so that only what is used may lie in memory.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.confound_names import MOTION, modern_name
from boldglm.io.bids.sidecars import read_object
from boldglm.io.bids.tables import outline, read_table

if TYPE_CHECKING:
    import pandas as pd

DISPLACEMENT, DVARS = "framewise_displacement", ("std_dvars", "dvars")
WATCHED = (DISPLACEMENT, *DVARS, *MOTION)  # what the report shows of motion, whatever is fitted


@dataclass(frozen=True, eq=False)
class ConfoundsTable:
    """The confounds of one run, columns under the names of today's fMRIPrep.

    `places` tells, for each column, its file and where in it the column is, from 0. `masks`
    tells, for CompCor columns, the mask that they are from; `variance_explained` the share of its
    variance that a component and those before it explain. `watched` has the values of the columns
    `WATCHED`, NaN where a cell is no finite number.
    """

    name: str  # of the file, or of all of them
    n_rows: int
    places: Mapping[str, tuple[Path, int]]
    masks: Mapping[str, str] = field(default_factory=dict)
    variance_explained: Mapping[str, float] = field(default_factory=dict)
    watched: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the files."""
        return tuple(self.places)

    def values(self, names: Sequence[str]) -> np.ndarray:
        """Read columns as numbers, (n_rows, len(names)); NaN where the file has n/a.

        Raises
        ------
        BadDataError
            If a cell is neither a number nor n/a.
        """
        found: np.ndarray = np.zeros((self.n_rows, len(names)))
        for path in dict.fromkeys(self.places[name][0] for name in names):
            own = [place for place, name in enumerate(names) if self.places[name][0] == path]
            asked = [names[place] for place in own]
            cells = read_table(path, [self.places[name][1] for name in asked])
            found[:, own] = _numbers(path, cells, asked)
        return found


def read_confounds(*paths: Path) -> ConfoundsTable:
    """Read the headers of a run's confounds tables and, for CompCor, the JSON beside them.

    Parameters
    ----------
    *paths : Path
        One or more tables: one row for each scan; a name for each column. Names that fMRIPrep
        used before version 1.2 (``RotX``, ``aCompCor00``) are changed to today's.

    Returns
    -------
    ConfoundsTable
        The columns of all tables, those of the first one first.

    Raises
    ------
    MissingInputError
        If a file cannot be read.
    BadDataError
        If it is not a table, two columns have the same name but not the same values, or the
        tables have different numbers of rows.
    """
    tables = [_read_one(path) for path in paths]
    first = tables[0]
    places = dict(first.places)
    for table in tables[1:]:
        if table.n_rows != first.n_rows:
            raise BadDataError(
                f"{table.name} has {table.n_rows} rows, but {first.name} {first.n_rows}: "
                "tables of one run need one row for each volume. Leave one of the derivatives "
                "out of -d, or move the table away."
            )
        for name, (path, place) in table.places.items():
            if name in places and not _cells(path, place).equals(_cells(*places[name])):
                raise BadDataError(
                    f"{table.name} and {places[name][0].name} are tables of one run, and both "
                    f"have a column {name!r}, with different values: rename one."
                )
        places = {**table.places, **places}
    ordered = {name: places[name] for table in tables for name in table.places}
    return _joined(tables, ordered)


def read_confound_names(*paths: Path) -> ConfoundsTable:
    """Read the names of confounds from the first line of each table, without any values.

    Enough to choose the confounds of a model, and fast where the tables of a whole dataset are
    needed.

    Parameters
    ----------
    *paths : Path
        Tables of one run.

    Returns
    -------
    ConfoundsTable
        The columns of all tables, with 0 rows.

    Raises
    ------
    MissingInputError, BadDataError
        As for `read_confounds`.
    """
    tables = [_described(path, _first_line(path), 0) for path in paths]
    places = {name: place for table in tables for name, place in table.places.items()}
    return _joined(tables, places)


def _joined(
    tables: Sequence[ConfoundsTable], places: Mapping[str, tuple[Path, int]]
) -> ConfoundsTable:
    """Return the tables of a run as one, with these columns."""
    return ConfoundsTable(
        " + ".join(table.name for table in tables),
        tables[0].n_rows,
        places,
        {name: mask for table in tables for name, mask in table.masks.items()},
        {name: share for table in tables for name, share in table.variance_explained.items()},
        {name: values for table in tables for name, values in table.watched.items()},
    )


def _first_line(path: Path) -> list[str]:
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig") as file:
            line = str(file.readline())
    except OSError as error:
        raise MissingInputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path.name} is no text in UTF-8: {error}.") from error
    return [name.strip().strip('"') for name in line.rstrip("\r\n").split("\t")]


def _read_one(path: Path) -> ConfoundsTable:
    table = outline(path)
    described = _described(path, table.columns, len(table.rows))
    watched = {
        name: np.array([_finite(cells[described.places[name][1]]) for _, cells in table.rows])
        for name in WATCHED
        if name in described.places
    }
    return replace(described, watched=watched)


def _finite(cell: str) -> float:
    """Return a finite number, or NaN; a cell that a design needs is read by `values`, strictly."""
    try:
        value = float(cell)
    except ValueError:
        return float("nan")
    return value if isfinite(value) else float("nan")


def _described(path: Path, header: Sequence[str], n_rows: int) -> ConfoundsTable:
    names = [modern_name(name) for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadDataError(f"{path.name} has more than one column {twice[0]!r}: rename one.")
    sidecar = path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.tsv')}.json")
    about = read_object(sidecar) if sidecar.is_file() else {}
    components = {modern_name(name): one for name, one in about.items() if isinstance(one, dict)}
    variance_explained = {
        name: one["CumulativeVarianceExplained"]
        for name, one in components.items()
        if isinstance(one.get("CumulativeVarianceExplained"), int | float)
    }
    masks = {name: str(one["Mask"]) for name, one in components.items() if one.get("Mask")}
    places = {name: (path, place) for place, name in enumerate(names)}
    return ConfoundsTable(path.name, n_rows, places, masks, variance_explained)


def _cells(path: Path, place: int) -> "pd.Series":
    return read_table(path, [place]).iloc[:, 0]


def _numbers(path: Path, cells: "pd.DataFrame", names: Sequence[str]) -> np.ndarray:
    """Turn text into numbers, NaN where there is none."""
    import pandas as pd  # takes a while, and what is above the run reads no confounds

    text = pd.Series(cells.to_numpy(dtype=object).ravel())
    numbers = pd.to_numeric(text, errors="coerce")
    strange = np.flatnonzero(text.notna() & numbers.isna())
    if strange.size:
        row, column = divmod(int(strange[0]), len(names))
        raise BadDataError(
            f"{path.name}, column {names[column]!r}, line {cells.index[row]}: "
            f"{text[strange[0]]!r} is no number. Mend the table or leave the column out."
        )
    return numbers.to_numpy(dtype=float).reshape(cells.shape)
