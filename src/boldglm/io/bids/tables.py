"""BIDS tables: text in columns, read whole or refused with file, line and likely cause.

Every table goes through `read_table` or `outline`: events, confounds, participants, sessions,
scans. A row that does not fit the header is refused, because a guess about which cell belongs to
which column could move every value to its neighbor.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boldglm.errors import BadDataError, MissingInputError

if TYPE_CHECKING:
    import pandas as pd

MISSING = frozenset(("n/a", "N/A", "NA", "NaN", "nan", ""))
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
GZIP = b"\x1f\x8b"
SEPARATORS = {",": "commas", ";": "semicolons", None: "blanks"}


@dataclass(frozen=True)
class Outline:
    """The header of a table, and the lines of the file that hold its rows.

    Parameters
    ----------
    columns : tuple of str
        Names of the columns. A last column without a name and without values, which a tab at the
        end of every line makes, is no column.
    rows : tuple of (int, list of str)
        Line of the file, counted from 1, and its cells.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]


def outline(path: Path) -> Outline:
    """Read a table and check that every row has a cell for each column of the header.

    Blank lines, and lines of tabs alone at the end of the file, are no rows.

    Parameters
    ----------
    path : Path
        Separated by tabs, in UTF-8 or in UTF-16 with a byte order mark; perhaps compressed by
        gzip.

    Raises
    ------
    MissingInputError
        If the file cannot be read.
    BadDataError
        If it is not such a table; the message names the file, the line and the likely cause.
    """
    lines = [
        (number, cells)
        for number, cells in _lines(path.name, _text(path))
        if len(cells) > 1 or any(cell.strip() for cell in cells)
    ]
    while lines and not any(cell.strip() for cell in lines[-1][1]):
        lines.pop()
    if not lines:
        raise BadDataError(
            f"{path.name} is empty: it needs a header that names the columns, and rows."
        )
    (_, header), *rows = lines
    names = [name.strip() for name in header]
    _refuse_other_separators(path.name, header, rows)
    for number, cells in rows:
        if len(cells) != len(names):
            raise BadDataError(_other_length(path.name, number, cells, names))
    while names and not names[-1] and not any(cells[len(names) - 1].strip() for _, cells in rows):
        names.pop()
    _check_names(path.name, names)
    return Outline(tuple(names), tuple(rows))


def read_table(path: Path, places: Sequence[int] | None = None) -> "pd.DataFrame":
    """Read a BIDS table as text; n/a is missing, blanks around cells are left out.

    Parameters
    ----------
    path : Path
        The table.
    places : sequence of int, optional
        Columns to read, from 0; by default all.

    Returns
    -------
    DataFrame
        Text or NaN. Its index is the line of each row in the file.

    Raises
    ------
    MissingInputError
        If the file cannot be read.
    BadDataError
        If it is not a table.
    """
    import pandas as pd  # takes a while, and what is above the run reads no tables

    table = outline(path)
    chosen = range(len(table.columns)) if places is None else places
    columns = {
        table.columns[place]: [_cell(cells[place]) for _, cells in table.rows] for place in chosen
    }
    return pd.DataFrame(columns, index=[number for number, _ in table.rows], dtype=object)


def lines_in_words(numbers: Any, most: int = 5) -> str:
    """Name lines of a file; `numbers` is any sequence of integers.

    Examples
    --------
    >>> lines_in_words([4]), lines_in_words(range(2, 10))
    ('line 4', 'lines 2, 3, 4, 5, 6 and 3 more')
    """
    shown = ", ".join(str(int(number)) for number in numbers[:most])
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {shown}{more}"


def _cell(text: str) -> str | float:
    stripped = text.strip()
    return float("nan") if stripped in MISSING else stripped


def _text(path: Path) -> str:
    """Return the text of a file, whichever of the usual encodings it is in."""
    try:
        content = path.read_bytes()
        if content.startswith(GZIP):
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadDataError(f"{path.name} is a damaged gzip file: {error}.") from error
    except OSError as error:
        raise MissingInputError(f"{path} cannot be read: {error.strerror or error}.") from error
    encoding = BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise BadDataError(
            f"{path.name} is not text in {name} (line {line}, byte {error.start}: "
            f"{error.reason}). Save it again with the encoding UTF-8."
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise BadDataError(
            f"{path.name} has NUL characters (line {line}), so it is not text, or text in UTF-16 "
            "without a byte order mark. Save it again with the encoding UTF-8."
        )
    return text


def _lines(name: str, text: str) -> list[tuple[int, list[str]]]:
    """Split a text into lines, with their numbers, and these into cells."""
    texts = re.split("\r\n|\n|\r", text)  # not splitlines, which also splits at other characters
    if '"' not in text:
        return [(number, line.split("\t")) for number, line in enumerate(texts, start=1)]
    return [(number, _quoted_cells(name, number, line)) for number, line in enumerate(texts, 1)]


def _quoted_cells(name: str, number: int, line: str) -> list[str]:
    """Split a line in which cells may stand in quotation marks, with tabs inside."""
    reader = csv.reader([f"{line}\n"], delimiter="\t", skipinitialspace=True)
    cells = next(reader, [""]) if len(line) < csv.field_size_limit() else line.split("\t")
    if any("\n" in cell for cell in cells):
        raise BadDataError(
            f'{name} has a quotation mark (") in line {number} that is not closed in the same '
            "line. Close it, or leave it out."
        )
    return cells or [""]


def _other_length(name: str, number: int, cells: Sequence[str], names: Sequence[str]) -> str:
    """Describe a row with more or fewer cells than the header."""
    text = f"{name}, line {number}: {len(cells)} cells, but {len(names)} columns in the header. "
    if len(cells) > len(names):
        if not any(cell.strip() for cell in cells[len(names) :]):
            return text + "The line ends in a tab that the header does not have: remove it."
        return text + (
            "Either the header lacks the name of a column, or a cell holds a tab: correct it."
        )
    if any(re.search(r"\S {2,}\S", cell) for cell in cells):
        return text + "Blanks seem to stand in place of a tab: correct it."
    return text + (
        "The line was cut off, or lacks a tab or an n/a: write n/a into each cell without a value."
    )


def _refuse_other_separators(
    name: str, header: Sequence[str], rows: Sequence[tuple[int, list[str]]]
) -> None:
    """Refuse a table whose only column is several that something other than tabs separates."""
    if len(header) > 1:
        return
    for separator, words in SEPARATORS.items():
        n_columns = len(header[0].split(separator))
        if n_columns > 1 and all(
            len(cells) == 1 and len(cells[0].split(separator)) >= n_columns
            for _, cells in rows[:3]
        ):
            raise BadDataError(
                f"{name} is separated by {words}, not by tabs, so all of it is one column "
                f"({header[0].strip()!r:.60}). Save it with tabs between the columns."
            )


def _check_names(name: str, names: Sequence[str]) -> None:
    """Refuse columns without a name, and two of the same name."""
    for place, column in enumerate(names):
        if not column:
            raise BadDataError(
                f"{name} has no name for column {place + 1} in its header ({', '.join(names)}). "
                "Name it, or remove the column."
            )
        if column in names[:place]:
            raise BadDataError(
                f"{name} has more than one column {column!r} (columns "
                f"{names.index(column) + 1} and {place + 1}). Rename or remove one."
            )
