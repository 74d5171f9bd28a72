"""Conditions that only runs outside the selection have: no mistake of the model.

A participant fitted by itself may lack a condition that others have. Their events are read only
where the model names what the selected runs do not have.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from boldglm.analysis.first_level.model_design import RunTables, names_in_any_run
from boldglm.analysis.model.model import Model
from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.bids.events import PREFIX, read_event_columns, read_events
from boldglm.stats_model.transformations.instructions import as_list


def names_elsewhere(
    model: Model,
    known: Iterable[str],
    bids_dir: Path,
    task: str,
    selected: Sequence[Path],
    like: RunTables | None = None,
) -> frozenset[str]:
    """Return names of variables that the model asks for and only other runs of the task have.

    Parameters
    ----------
    model : Model
    known : iterable of str
        Names of variables that the selected runs have.
    bids_dir : Path
        The raw dataset.
    task : str
    selected : sequence of Path
        Events files of the selected runs.
    like : RunTables, optional
        A selected run, whose timing and confounds stand in for those of the others; needed by
        models with transformations of their own.

    Returns
    -------
    frozenset of str
        Of the dataset, if any; events that cannot be read tell nothing.
    """
    wanted = _asked_for(model) - set(known)
    found: set[str] = set()
    mine = {path.resolve() for path in selected}
    for path in _events_of_task(bids_dir, task) if wanted else ():
        if wanted <= found:
            break
        if path.resolve() in mine:
            continue
        try:
            found |= _names_in(model, path, like)
        except (BadDataError, MissingInputError):
            continue  # whoever selects that run is told what is wrong with it
    return frozenset(found - set(known))


def _asked_for(model: Model) -> set[str]:
    """Names that the run node gives in full."""
    if model.plain is not None:
        return {PREFIX + name for name in model.plain.conditions}
    node = model.run_node
    names = [str(term) for term in node.x if term != 1]
    names += node.hrf.variables if node.hrf is not None else ()
    for instruction in node.instructions:
        names += [str(one) for one in as_list(instruction.get("Input", []))]
    return {name for name in names if not set(name) & set("*?")}


def _events_of_task(bids_dir: Path, task: str) -> Iterator[Path]:
    for pattern in ("sub-*/func", "sub-*/ses-*/func"):
        yield from sorted(bids_dir.glob(f"{pattern}/*_task-{task}_*events.tsv"))


def _names_in(model: Model, path: Path, like: RunTables | None) -> frozenset[str]:
    if like is None:
        return frozenset(PREFIX + name for name in read_events(path).conditions)
    tables = RunTables(read_event_columns(path), like.confounds, like.timing, path.name, path.name)
    return names_in_any_run(model, [tables])
