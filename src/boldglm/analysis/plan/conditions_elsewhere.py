"""Conditions of the model that only runs outside the selection have.

If a participant is fitted alone, it may lack a condition that other participants have, which is
not a mistake of the model. Events of other runs are read only if the model names a condition that
the selected runs lack.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from boldglm.analysis.first_level.model_design import RunTables, names_in_any_run
from boldglm.analysis.model.model import Model
from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.bids.events import read_event_columns, read_events
from boldglm.stats_model.transformations.instructions import as_list


def names_elsewhere(
    model: Model,
    known: Iterable[str],
    bids_dir: Path,
    task: str,
    selected: Sequence[Path],
    template: RunTables | None = None,
) -> frozenset[str]:
    """Return names of variables in the model that only other runs of the task have.

    Parameters
    ----------
    model : Model
        The model.
    known : iterable of str
        Names of variables that the selected runs have.
    bids_dir : Path
        The raw dataset.
    task : str
        Label of the task.
    selected : sequence of Path
        Events files of the selected runs.
    template : RunTables, optional
        Tables of a selected run, whose timing and confounds are used for the other runs too;
        needed if the model has its own transformations.

    Returns
    -------
    frozenset of str
        Names of variables. Events files that cannot be read are ignored.
    """
    missing = _names_in_model(model) - set(known)
    names: set[str] = set()
    selected_files = {path.resolve() for path in selected}
    for path in _events_of_task(bids_dir, task) if missing else ():
        if missing <= names:
            break
        if path.resolve() in selected_files:
            continue
        try:
            names |= _names_in_events(model, path, template)
        except (BadDataError, MissingInputError):
            continue  # this run is not selected, so its errors do not matter here
    return frozenset(names - set(known))


def _names_in_model(model: Model) -> set[str]:
    """Return the names in the run node, without patterns."""
    if model.plain is not None:
        return {model.plain.prefix + name for name in model.plain.conditions}
    node = model.run_node
    names = [str(term) for term in node.x if term != 1]
    names += node.hrf.variables if node.hrf is not None else ()
    for instruction in node.instructions:
        names += [str(name) for name in as_list(instruction.get("Input", []))]
    return {name for name in names if not set(name) & set("*?")}


def _events_of_task(bids_dir: Path, task: str) -> Iterator[Path]:
    for pattern in ("sub-*/func", "sub-*/ses-*/func"):
        yield from sorted(bids_dir.glob(f"{pattern}/*_task-{task}_*events.tsv"))


def _names_in_events(model: Model, path: Path, template: RunTables | None) -> frozenset[str]:
    if model.plain is not None:
        events = read_events(path, model.plain.column)
        return frozenset(events.prefix + name for name in events.conditions)
    assert template is not None
    columns = read_event_columns(path)
    tables = RunTables(columns, template.confounds, template.timing, path.name, path.name)
    return names_in_any_run(model, [tables])
