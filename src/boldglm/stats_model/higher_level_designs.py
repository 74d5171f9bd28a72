"""Designs above the run: one row an input, columns from tables, contrasts and transformations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from boldglm.errors import BadDataError
from boldglm.notices import Notice, exclusion, note, warning
from boldglm.stats_model.formula import formula_of
from boldglm.stats_model.specification import ENTITY_KEYS, NodeSpec
from boldglm.stats_model.transformations import apply_instructions
from boldglm.stats_model.transformations.categories import (
    COMPARED,
    levels_in_all_runs,
    levels_of,
    shown,
)
from boldglm.stats_model.variables import Variable, Variables, row_variables
from boldglm.suggestions import did_you_mean

if TYPE_CHECKING:
    from boldglm.stats_model.node_inputs import NodeInput

INTERCEPT = "intercept"


@dataclass(frozen=True)
class HigherLevelDesign:
    """A design with one row for each input of a group.

    Parameters
    ----------
    names : tuple of str
        Columns; the constant is called ``intercept``.
    matrix : ndarray of shape (n_items, n_columns)
    dropped : tuple of str
        Terms of X that would be 0 everywhere, because no input of the group has them.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    dropped: tuple[str, ...] = ()


def higher_level_design(
    node: NodeSpec, items: Sequence["NodeInput"], known: frozenset[str] = frozenset()
) -> tuple[HigherLevelDesign, list["NodeInput"], list[Notice]]:
    """Build the design of one group of inputs.

    Parameters
    ----------
    node : NodeSpec
        Its X, Formula and Transformations.
    items : sequence of NodeInput
        Inputs of one group.
    known : frozenset of str
        Names of levels that inputs of other groups may have.

    Returns
    -------
    design : HigherLevelDesign
    items : list of NodeInput
        Rows of the design: inputs that have a value in every column used.
    notes : list of Notice
        Which inputs and columns were excluded, and why.

    Raises
    ------
    BadDataError
        If X names what is neither a column of the tables nor an incoming contrast.
    """
    rows = replace(_variables(items), missing=known)
    rows, transformed = apply_instructions(
        rows, node.instructions, f"{node.path}.Transformations.Instructions"
    )
    notes = [*transformed]
    names, values, dropped = _terms(node, rows, len(items), notes)
    matrix = np.array(values, dtype=float).reshape(len(names), len(items)).T
    complete = np.isfinite(matrix).all(axis=1)
    for item, is_complete, row in zip(items, complete, matrix, strict=True):
        if not is_complete:
            absent = [name for name, one in zip(names, row, strict=True) if not np.isfinite(one)]
            notes.append(
                exclusion(f"{item.label} from node {node.name!r}: it has no {', '.join(absent)}")
            )
    kept = [item for item, is_complete in zip(items, complete, strict=True) if is_complete]
    return HigherLevelDesign(tuple(names), matrix[complete], tuple(dropped)), kept, notes


def levels_of_inputs(items: Sequence["NodeInput"]) -> frozenset[str]:
    """Return the levels of every column that the inputs have, as ``<column>==<level>``.

    `higher_level_design` takes them as `known`, so that the reference level of a category is the
    same in every group of inputs, also in a group where no input has that level.
    """
    rows = _variables(items)
    return frozenset(
        f"{name}{COMPARED}{shown(level)}" for name in rows.names for level in levels_of(rows[name])
    )


def _variables(items: Sequence["NodeInput"]) -> Variables:
    """Columns over inputs: incoming contrasts, entities (always text), columns of tables."""
    found = {
        name: Variable(name, np.array([float(item.contrast == name) for item in items]))
        for name in dict.fromkeys(item.contrast for item in items)
    }
    for name, key in ENTITY_KEYS.items():
        labels = [item.entities.get(key) for item in items]
        if any(label is not None for label in labels):
            found[name] = Variable(name, np.array([*labels, None], dtype=object)[:-1])
    columns = dict.fromkeys(name for item in items for name in item.metadata)
    tables = row_variables({name: [one.metadata.get(name) for one in items] for name in columns})
    return Variables({**found, **tables.found})


def _terms(
    node: NodeSpec, rows: Variables, size: int, notes: list[Notice]
) -> tuple[list[str], list[list[float]], list[str]]:
    """Return names and values of the columns of a design, and the terms that nobody has."""
    absent = {name: Variable(name, np.zeros(size)) for name in sorted(rows.missing)
              if COMPARED not in name and name not in rows}  # fmt: skip
    rows = replace(rows, found={**rows.found, **absent})
    chosen = _chosen(node, rows, list(absent), notes)
    has_constant = 1 in node.x
    terms: list[tuple[str, ...]] = [(name,) for name in chosen]
    categorical: tuple[str, ...] = ()
    if node.formula is not None:
        formula = formula_of(node)
        for name in formula.variables:
            if name not in rows:
                _refuse(name, rows, list(absent), f"{node.path}.Model.Formula")
        terms, has_constant = list(formula.terms), formula.has_constant
        categorical = formula.categorical
    coded = {
        name: _coded(rows, name, name in categorical, has_constant, node, notes)
        for name in dict.fromkeys(name for term in terms for name in term)
    }
    found: dict[str, list[float]] = {INTERCEPT: [1.0] * size} if has_constant else {}
    for term in terms:
        products = {"": [1.0] * size}
        for name in term:
            products = {
                f"{before}:{part}" if before else part: list(np.multiply(values, own))
                for before, values in products.items()
                for part, own in coded[name].items()
            }
        found.update(products)
    dropped = [name for name, values in found.items() if not np.any(np.nan_to_num(values, nan=1))]
    kept = [name for name in found if name not in dropped]
    return kept, [found[name] for name in kept], dropped


def _chosen(
    node: NodeSpec, rows: Variables, absent: Sequence[str], notes: list[Notice]
) -> list[str]:
    """Expand X to names of columns."""
    chosen: list[str] = []
    for index, term in enumerate(node.x):
        text = str(term)
        matched = () if term == 1 else rows.matching(text)
        chosen += matched
        if term == 1 or matched or text == INTERCEPT:
            continue
        if not set(text) & set("*?"):
            _refuse(text, rows, absent, f"{node.path}.Model.X[{index}]")
        notes.append(warning(f"node {node.name!r}: nothing matches {text!r} of X"))
    return list(dict.fromkeys(chosen))


def _refuse(name: str, rows: Variables, absent: Sequence[str], path: str) -> None:
    there = [one for one in rows.names if one not in absent]
    raise BadDataError(
        f"At {path}: {name!r} is no column of participants.tsv or sessions.tsv, no entity, no "
        f"result of a transformation and no incoming contrast."
        f"{did_you_mean(name, list(rows.names))} There are {', '.join(there) or 'none'}."
    )


def _coded(
    rows: Variables,
    name: str,
    is_category: bool,
    has_constant: bool,
    node: NodeSpec,
    notes: list[Notice],
) -> dict[str, list[float]]:
    """Return a numeric column as it is, and text as one indicator a level.

    Beside a constant the first level (in alphabetical order) is the reference, without a column.
    """
    variable = rows[name]
    if not variable.is_text and not is_category:
        return {name: variable.values.tolist()}
    everywhere = levels_in_all_runs(variable, rows)
    has_reference = has_constant and len(everywhere) > 1
    levels = [shown(level) for level in levels_of(variable)]
    kept = [level for level in levels if not (has_reference and level == everywhere[0])]
    if not is_category:
        reference = f", against {everywhere[0]!r}" if has_reference else ""
        notes.append(
            note(
                f"node {node.name!r}: {name!r} is text and gets a column for each of "
                f"{', '.join(kept)}{reference}. Use a Factor transformation to choose"
            )
        )
    return {
        f"{name}.{level}": [
            float("nan") if is_missing else float(shown(value) == level)
            for value, is_missing in zip(variable.values, variable.is_missing, strict=True)
        ]
        for level in kept
    }
