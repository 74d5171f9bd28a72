"""The design of a run, built with the transformations and the HRF of a BIDS Stats Model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from boldglm.analysis.first_level.confounds import confounds_of_run
from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.events_needed import needs_events
from boldglm.analysis.model.model import Model
from boldglm.errors import BadDataError, StopRequestedError
from boldglm.glm import Confounds, Design
from boldglm.glm.design.confound_names import is_pattern, match_columns
from boldglm.glm.design.design_matrix import Regressors, confound_regressors, join_regressors
from boldglm.io.bids.confounds_table import ConfoundsTable
from boldglm.notices import Notice, exclusion, note
from boldglm.stats_model.json_paths import with_context
from boldglm.stats_model.orthogonalized_columns import orthogonalized_columns
from boldglm.stats_model.run_designs import RunColumns, apply_hrf, run_columns
from boldglm.stats_model.specification import NodeSpec
from boldglm.stats_model.transformations import apply_instructions
from boldglm.stats_model.variables import Variables, run_variables
from boldglm.vocabulary import MISSING_POLICY, MISSING_TIMES_POLICY


@dataclass(frozen=True)
class RunTables:
    """The tables of one run, from which its design is built.

    Parameters
    ----------
    events : mapping of str to ndarray
        Columns of the events, from `read_event_columns`.
    confounds : ConfoundsTable or None
        The table of confounds, if there is one.
    timing : RunTiming
        When the volumes were acquired.
    events_name, bold_name : str
        Names of the files, for messages.
    missing_times : {"row", "run", "error"}
        What an event without onset or duration excludes.
    """

    events: Mapping[str, np.ndarray]
    confounds: ConfoundsTable | None
    timing: RunTiming
    events_name: str
    bold_name: str
    missing_times: str = MISSING_TIMES_POLICY


@dataclass(frozen=True)
class ModelDesign:
    """A design with its confounds, and the notices of building it."""

    design: Design
    confounds: Confounds
    notices: tuple[Notice, ...]


def design_from_model(
    model: Model, tables: RunTables, known: Iterable[str] = (), missing: str = MISSING_POLICY
) -> ModelDesign:
    """Build the design of one run with the transformations of a model.

    Parameters
    ----------
    model : Model
        The model.
    tables : RunTables
        Events and confounds of the run.
    known : iterable of str
        Names of variables that other runs have, from `names_in_any_run`.
    missing : {"drop", "zero", "error"}
        What to do if this run lacks a condition.

    Returns
    -------
    ModelDesign
        Design, confounds and notices.

    Raises
    ------
    BadDataError
        If the model names a variable that no run has, or the run has no regressor of the model.
    """
    node = model.run_node
    in_x = tuple(str(term) for term in node.x if term != 1)
    if in_x and tables.confounds is None and not needs_events(node, ()):
        settings = ConfoundSettings(in_x)
        confounds_of_run(None, settings, tables.timing.n_scans, tables.bold_name)  # refuses
    with _errors_name_run(tables):
        variables, notes = _transformed(_variables(node, tables, known), node, missing)
        columns = run_columns(variables, node)
    if missing == "error" and columns.missing:
        raise StopRequestedError(
            f"Run of {tables.events_name}, at {node.path}.Model.X: this run has no "
            f"{', '.join(columns.missing)}, and --missing-conditions error does not allow that. "
            "Pass --missing-conditions drop, or choose other runs."
        )
    confounds = _confounds(model, columns, tables)
    notices = [*notes, *columns.notes, *confounds.notes]
    notices += [
        exclusion(f"{name!r} of X: it has no event in {tables.events_name}")
        for name in columns.missing
    ]
    if not columns.names and node.x != (1,) and _needs_events(node, tables):
        terms = columns.missing or in_x
        raise BadDataError(
            f"Run of {tables.events_name}, at {node.path}.Model.X: no variable of this run "
            f"matches {', '.join(terms)}. Variables here: {', '.join(variables.names)}. Change X, "
            "or choose other runs."
        )
    if not columns.has_constant:
        notices.append(
            note("a constant was added although X has no 1, because the BOLD signal has a mean")
        )
    parts = [
        Regressors(columns.matrix[:, [column]], [name], "condition", name)
        for column, name in enumerate(columns.names)
    ]
    parts.append(confound_regressors(confounds.columns, confounds.names, tables.timing.n_scans))
    try:
        design = join_regressors(
            parts,
            tables.timing.frame_times,
            high_pass=model.high_pass,
            low_pass=model.low_pass,
            censored=list(confounds.censored),
            drift=model.drift,
        )
    except ValueError as error:
        raise BadDataError(f"{tables.bold_name}: {error}") from error
    shared = orthogonalized_columns(node.instructions, columns.names)
    return ModelDesign(replace(design, shared=shared), confounds, tuple(dict.fromkeys(notices)))


def names_in_any_run(model: Model, runs: Iterable[RunTables]) -> frozenset[str]:
    """Return the names of all variables that exist in some run before or after transformations.

    They tell a condition that only some runs lack from a name that no run has.

    Parameters
    ----------
    model : Model
        The model.
    runs : iterable of RunTables
        Events and confounds of the runs.

    Raises
    ------
    BadDataError
        If an instruction cannot be applied to a run.
    """
    node = model.run_node
    path = f"{node.path}.Transformations.Instructions"
    names: set[str] = set()
    for tables in runs:
        variables = replace(_variables(node, tables), collects_names=True)
        names |= set(variables.names)
        with _errors_name_run(tables):
            variables, _ = apply_instructions(variables, node.instructions, path, names_seen=names)
            variables, _ = apply_hrf(variables, node.hrf, f"{node.path}.Model.HRF")
        names |= set(variables.names) | variables.missing
    return frozenset(names)


def patterns_of(model: Model) -> list[str]:
    """Return the terms of X with wildcards."""
    return [str(term) for term in model.run_node.x if is_pattern(str(term))]


def columns_of_patterns(model: Model, tables: RunTables) -> frozenset[str]:
    """Return the variables of a run, after transformations, that the patterns in X stand for.

    Raises
    ------
    BadDataError
        If an instruction cannot be applied to the run.
    """
    node, patterns = model.run_node, patterns_of(model)
    variables, _ = _transformed(_variables(node, tables), node, "drop")
    return frozenset(
        name for name in variables.names if any(fnmatchcase(name, pattern) for pattern in patterns)
    )


@contextmanager
def _errors_name_run(tables: RunTables) -> Iterator[None]:
    """Add the run to error messages."""
    try:
        yield
    except BadDataError as error:
        text = with_context(f"Run of {tables.events_name}", str(error))
        raise type(error)(text) from error


def _transformed(
    variables: Variables, node: NodeSpec, missing: str
) -> tuple[Variables, tuple[Notice, ...]]:
    path = f"{node.path}.Transformations.Instructions"
    variables, notes = apply_instructions(variables, node.instructions, path, missing=missing)
    variables, hrf_notes = apply_hrf(variables, node.hrf, f"{node.path}.Model.HRF")
    return variables, (*notes, *hrf_notes)


def _variables(node: NodeSpec, tables: RunTables, known: Iterable[str] = ()) -> Variables:
    confounds = {}
    if tables.confounds is not None:
        names = _mentioned(node, tables.confounds.columns)
        values = tables.confounds.values(names)
        values[0] = np.where(np.isnan(values[0]), 0.0, values[0])  # n/a in derivatives
        confounds = dict(zip(names, values.T, strict=True))
        if len(values) != tables.timing.n_scans:
            confounds_of_run(
                tables.confounds, ConfoundSettings(), tables.timing.n_scans, tables.bold_name
            )
    try:
        variables = run_variables(
            tables.events, confounds, tables.timing.frame_times, tables.timing.end, known
        )
        return replace(variables, missing_times=tables.missing_times)
    except ValueError as error:
        raise BadDataError(str(error)) from error


def _mentioned(node: NodeSpec, columns: Sequence[str]) -> list[str]:
    """Return the columns that a node names, or matches with a pattern."""
    texts: set[str] = {str(term) for term in node.x}
    stack: list[Any] = list(node.instructions)
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            texts.add(value)
        elif isinstance(value, dict):
            stack += list(value.values())
        elif isinstance(value, list | tuple):
            stack += list(value)
    if node.formula:
        texts |= set(node.formula.replace("+", " ").replace("*", " ").replace(":", " ").split())
    return [
        name for name in columns if name in texts or any(fnmatchcase(name, text) for text in texts)
    ]


def _needs_events(node: NodeSpec, tables: RunTables) -> bool:
    return needs_events(node, tables.confounds.columns if tables.confounds else ())


def _confounds(model: Model, columns: RunColumns, tables: RunTables) -> Confounds:
    settings = replace(model.confounds, columns=columns.confounds)
    if tables.confounds is not None:
        match_columns(columns.confounds, tables.confounds.columns)
    return confounds_of_run(tables.confounds, settings, tables.timing.n_scans, tables.bold_name)
