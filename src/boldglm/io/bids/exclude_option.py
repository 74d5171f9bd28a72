"""What `--exclude` names: participants and runs, one by one or in tables with reasons."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from boldglm.errors import BadDataError, MissingInputError, NothingSelectedError, UsageError
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.bids.tables import MISSING, outline
from boldglm.io.entities import ENTITY_ORDER, applies_to, entities_of, entities_stem
from boldglm.stats_model.entity_names import ENTITY_KEYS, entity_name
from boldglm.suggestions import did_you_mean

OPTION = "--exclude"
REASONS = ("reason", "reasons", "comment", "comments", "note", "notes", "description")
BOLD_FILES = "*_bold.*"


def read_exclude_option(values: Sequence[str]) -> tuple[ExcludedRun, ...]:
    """Read the values of `--exclude`.

    Parameters
    ----------
    values : sequence of str
        Names such as ``sub-01_task-faces_run-2``, of any of these entities, and tables (TSV). A
        table has columns of entities (participant_id, session, task, run) or names in its first
        column, and perhaps a column ``reason``.

    Returns
    -------
    tuple of ExcludedRun
        What is named, each once, with the reason.

    Raises
    ------
    UsageError
        If a name is not one of a participant or run.
    MissingInputError
        If a table cannot be read.
    BadDataError
        If a table has other columns, or a row names nobody.
    """
    named: dict[str, ExcludedRun] = {}
    for value in values:
        path = Path(value)
        if value.startswith("sub-") and not path.is_file():
            entities = _entities(value, f"{OPTION} {value}")
            rows = [_named(entities, f"{OPTION} names it")]
        else:
            rows = _read_table(path)
        for row in rows:
            named.setdefault(row.name, row)
    return tuple(named.values())


def check_named(named: Iterable[ExcludedRun], roots: Sequence[Path]) -> None:
    """Refuse names that nothing in the dataset has.

    Parameters
    ----------
    named : iterable of ExcludedRun
        From `read_exclude_option`.
    roots : sequence of Path
        Datasets in which participants are looked for, whether or not they are selected.

    Raises
    ------
    NothingSelectedError
        If a name fits no BOLD run; the message has the nearest one that there is.
    """
    folders = [path for root in roots for path in root.glob("sub-*") if path.is_dir()]
    participants = sorted({path.name for path in folders})
    for item in named:
        label = f"sub-{item.entities['sub']}"
        if label not in participants:
            raise NothingSelectedError(
                f"{OPTION} names {item.name}, but there is no participant {label}."
                f"{did_you_mean(label, participants)} Participants: {', '.join(participants[:20])}"
                f"{', ...' if len(participants) > 20 else ''}."
            )
        if len(item.entities) == 1:
            continue
        files = [file for path in folders if path.name == label for file in path.rglob(BOLD_FILES)]
        runs = [entities_of(file.name) for file in files]
        if not any(applies_to(item.entities, run) for run in runs):
            names = sorted({entities_stem(run) for run in runs})
            raise NothingSelectedError(
                f"{OPTION} names {item.name}, but {label} has no such run."
                f"{did_you_mean(item.name, names)} Its runs: {', '.join(names) or 'none'}."
            )


def named_of(entities: Mapping[str, str], named: Iterable[ExcludedRun]) -> ExcludedRun | None:
    """Return what excludes a run, or None.

    Examples
    --------
    >>> named = [ExcludedRun({"sub": "01", "run": "2"}, "moved")]
    >>> named_of({"sub": "01", "task": "faces", "run": "02"}, named) is named[0]
    True
    """
    return next((item for item in named if applies_to(item.entities, entities)), None)


def _entities(name: str, where: str) -> dict[str, str]:
    """Read a name such as ``sub-01_run-2``."""
    *parts, last = name.strip().split(".")[0].split("_")
    parts += [last] if "-" in last else []  # a suffix such as _bold names nothing
    pairs = [part.partition("-") for part in parts]
    for part, (key, _, label) in zip(parts, pairs, strict=True):
        if key not in ENTITY_ORDER or not label.isalnum():
            raise UsageError(
                f"{where}: {name!r} names no run, because of {part!r}."
                f"{did_you_mean(key, ENTITY_ORDER)} Write a participant or run as in file names, "
                "such as sub-01 or sub-01_ses-a_task-faces_run-2, or a file."
            )
    entities = {key: label for key, _, label in pairs}
    if "sub" not in entities:
        raise UsageError(f"{where}: {name!r} names no participant. Begin it with sub-.")
    return entities


def _read_table(path: Path) -> list[ExcludedRun]:
    """Read a table of runs and reasons."""
    if not path.is_file():
        raise MissingInputError(
            f"{OPTION} {path}: there is no such file. Names of participants and runs begin with "
            "sub-, such as sub-01_run-2."
        )
    table = outline(path)
    header, rows = list(table.columns), list(table.rows)
    if header[0].startswith("sub-"):  # no header
        rows.insert(0, (1, header))
        header = ["participant_id", *REASONS[:1]][: len(header)]
    keys = {index: _key_of(name, index, path, header) for index, name in enumerate(header)}
    return [_row(cells, keys, f"{path.name}, line {number}", path.name) for number, cells in rows]


def _key_of(name: str, index: int, path: Path, header: Sequence[str]) -> str:
    """Return which entity a column holds, or ``reason``."""
    if name.casefold() in REASONS:
        return REASONS[0]
    key = ENTITY_KEYS.get(entity_name(name), "")
    if not key and index == 0:
        return "sub"  # of names, under any heading
    if not key:
        known = ["participant_id", *list(ENTITY_KEYS)[1:], *REASONS[:1]]
        raise BadDataError(
            f"{OPTION} {path.name}: the column {name!r} is neither an entity nor a reason (found: "
            f"{', '.join(header)}).{did_you_mean(name, known)} Remove it or rename it: "
            f"{', '.join(known[:8])}, ..., reason."
        )
    return key


def _row(cells: Sequence[str], keys: Mapping[int, str], where: str, file_name: str) -> ExcludedRun:
    """Return what a row excludes; n/a in a column of an entity restricts nothing."""
    entities: dict[str, str] = {}
    reason = ""
    for index, cell in enumerate(map(str.strip, cells)):
        key = keys[index]
        if cell in MISSING:
            continue
        if key == REASONS[0]:
            reason = cell
        elif key == "sub":
            entities |= _entities(cell if cell.startswith("sub-") else f"sub-{cell}", where)
        else:
            entities |= _entities(f"sub-x_{key}-{cell.removeprefix(f'{key}-')}", where) | {
                "sub": entities.get("sub", "")
            }
    if not entities.get("sub"):
        raise BadDataError(f"{where}: the row names no participant. Write one, or remove the row.")
    source = f"{OPTION} {file_name} names it"
    return _named(entities, f"{source}: {reason.removesuffix('.')}" if reason else source)


def _named(entities: Mapping[str, str], reason: str) -> ExcludedRun:
    return ExcludedRun(entities, reason, is_group=entities.keys() <= {"sub", "ses"})
