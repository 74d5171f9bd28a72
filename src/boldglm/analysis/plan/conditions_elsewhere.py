"""Conditions of the model that only runs outside the selection have.

If a participant is fitted alone, it may lack a condition that other participants have, which is
not a mistake of the model. Events of other runs are read only if the model names a condition that
the selected runs lack.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from boldglm.analysis.first_level.model_design import (
    RunTables,
    columns_of_patterns,
    names_in_any_run,
    patterns_of,
)
from boldglm.analysis.model.model import Model
from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.bids.events import read_event_columns, read_events
from boldglm.stats_model.transformations.instructions import as_list


def names_elsewhere(
    model: Model,
    known: Iterable[str],
    events: Iterable[Path],
    template: RunTables | None = None,
) -> frozenset[str]:
    """Return names of variables in the model that only other runs of the task have.

    Parameters
    ----------
    model : Model
        The model.
    known : iterable of str
        Names of variables that the selected runs have.
    events : iterable of Path
        Events files of the other runs of the task.
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
    for path in events if missing else ():
        if missing <= names:
            break
        try:
            names |= _names_in_events(model, path, template)
        except (BadDataError, MissingInputError):
            continue  # this run is not selected, so its errors do not matter here
    return frozenset(names - set(known))


def columns_elsewhere(
    model: Model,
    names: Iterable[str],
    events: Iterable[Path],
    template: RunTables | None,
) -> frozenset[str]:
    """Return columns of X that only other runs have, if dummy contrasts test each column.

    Then the contrasts of a run do not depend on which runs are fitted with it.

    Parameters
    ----------
    model : Model
        The model.
    names : iterable of str
        From `names_elsewhere`.
    events : iterable of Path
        Events files of the other runs of the task.
    template : RunTables or None
        As for `names_elsewhere`.

    Returns
    -------
    frozenset of str
        Names of columns. Events files that cannot be read are ignored.
    """
    dummies = model.run_node.dummy_contrasts
    if dummies is None or dummies.contrasts:
        return frozenset()
    stems = tuple(names)
    columns = {
        str(term)
        for term in model.run_node.x
        if any(str(term) == name or str(term).startswith(f"{name}_") for name in stems)
    }
    if template is None or not patterns_of(model):
        return frozenset(columns)
    for path in events:
        try:
            columns |= columns_of_patterns(model, _as_run(path, template))
        except (BadDataError, MissingInputError):
            continue  # reported where this run is analyzed
    return frozenset(columns)


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


def _names_in_events(model: Model, path: Path, template: RunTables | None) -> frozenset[str]:
    if model.plain is not None:
        events = read_events(path, model.plain.column)
        return frozenset(events.prefix + name for name in events.conditions)
    assert template is not None
    return names_in_any_run(model, [_as_run(path, template)])


def _as_run(path: Path, template: RunTables) -> RunTables:
    """Return the tables of a run with these events, and all else as in the template."""
    return replace(
        template, events=read_event_columns(path), events_name=path.name, bold_name=path.name
    )
