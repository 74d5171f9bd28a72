"""A table of first-level maps: a row for each contrast of each participant."""

from collections.abc import Mapping
from pathlib import Path

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.bids.tables import MISSING, outline
from boldglm.io.first_levels.maps import LABEL, FirstLevelMaps
from boldglm.notices import Notice, warning
from boldglm.suggestions import did_you_mean

# Columns by the key that they fill; the first name is the one of the documentation.
ENTITY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sub": ("subject", "participant_id", "sub"),
    "ses": ("session", "session_id", "ses"),
    "task": ("task",),
    "run": ("run",),
    "space": ("space",),
}
OTHER_COLUMNS = ("contrast", "effect", "variance", "dof", "mask")
NEEDED = ("subject", "contrast", "effect")


def read_first_level_table(path: Path) -> tuple[list[FirstLevelMaps], list[Notice]]:
    """Read a table of maps; paths in it start from its folder.

    Parameters
    ----------
    path : Path
        TSV with the columns subject, contrast and effect, and perhaps session, task, run, space,
        variance, dof and mask.

    Returns
    -------
    maps : list of FirstLevelMaps
        In the order of the table.
    notices : list of Notice
        Columns that are not used.

    Raises
    ------
    MissingInputError
        If the table or a file that it names does not exist.
    BadDataError
        If a column or a value is missing, or cannot be read.
    """
    table = outline(path)
    places = _places(path, table.columns)
    if not table.rows:
        raise BadDataError(f"{path.name} has a header and no rows. Add a row for each map.")
    found = [
        _row(path, line, {key: cells[place].strip() for key, place in places.items()})
        for line, cells in table.rows
    ]
    unused = [name for index, name in enumerate(table.columns) if index not in places.values()]
    if not unused:
        return found, []
    return found, [
        warning(
            f"{path.name}: the columns {', '.join(unused)} are not used. Covariates are read from "
            "participants.tsv in BIDS_DIR; write them there"
        )
    ]


def _places(path: Path, columns: tuple[str, ...]) -> dict[str, int]:
    """Return the index of each column that is known."""
    lower = [name.lower() for name in columns]
    names = {**ENTITY_COLUMNS, **{name: (name,) for name in OTHER_COLUMNS}}
    places: dict[str, int] = {}
    for key, spellings in names.items():
        there = [lower.index(name) for name in spellings if name in lower]
        if len(there) > 1:
            both = " and ".join(columns[place] for place in there)
            raise BadDataError(f"{path.name}: {both} mean the same. Remove one of the columns.")
        if there:
            places[key] = there[0]
    for name in NEEDED:
        if ("sub" if name == "subject" else name) not in places:
            raise BadDataError(
                f"{path.name} has no column {name!r} (found: {', '.join(columns)}). A table of "
                f"first-level maps needs {', '.join(NEEDED)}.{did_you_mean(name, columns)}"
            )
    return places


def _row(path: Path, line: int, cells: Mapping[str, str]) -> FirstLevelMaps:
    values = {key: cell for key, cell in cells.items() if cell not in MISSING}
    where = f"{path.name}, line {line}"
    for name in NEEDED:
        if ("sub" if name == "subject" else name) not in values:
            raise BadDataError(f"{where}: {name} is missing. Fill it in, or remove the row.")
    entities = {}
    for key in ENTITY_COLUMNS:
        if key in values:
            label = values[key].removeprefix(f"{key}-")
            if not LABEL.fullmatch(label):
                raise BadDataError(
                    f"{where}: {values[key]!r} is not a label of BIDS, which has letters and "
                    f"digits only. Write {key}-<label> or the label."
                )
            entities[key] = label
    files = {
        key: _file(path, where, values[key])
        for key in ("effect", "variance", "mask")
        if key in values
    }
    return FirstLevelMaps(
        entities,
        values["contrast"],
        files["effect"],
        variance=files.get("variance"),
        dof=_dof(path, where, values["dof"]) if "dof" in values else None,
        mask=files.get("mask"),
    )


def _file(path: Path, where: str, cell: str) -> Path:
    file = path.parent / cell
    if not file.is_file():
        raise MissingInputError(
            f"{where}: there is no file {file}. Paths start from the folder of the table; correct "
            "the path."
        )
    return file


def _dof(path: Path, where: str, cell: str) -> float | Path:
    try:
        dof = float(cell)
    except ValueError:
        return _file(path, where, cell)
    if not 0 < dof < float("inf"):
        raise BadDataError(f"{where}: dof is {cell}. Write a number above 0, or n/a.")
    return dof
