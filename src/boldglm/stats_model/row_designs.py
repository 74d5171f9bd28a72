"""Designs above the run: one row an input, columns from tables, contrasts and transformations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from boldglm.errors import BadDataError, nearest
from boldglm.stats_model.formula import formula_of
from boldglm.stats_model.specification import NodeSpec
from boldglm.stats_model.transformations import apply_instructions
from boldglm.stats_model.variables import row_variables

if TYPE_CHECKING:
    from boldglm.stats_model.graph import Item

INTERCEPT = "intercept"


@dataclass(frozen=True)
class RowDesign:
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


def row_design(
    node: NodeSpec, items: Sequence["Item"], known: frozenset[str] = frozenset()
) -> tuple[RowDesign, list["Item"], list[str]]:
    """Build the design of one group of inputs.

    Parameters
    ----------
    node : NodeSpec
        Its X, Formula and Transformations.
    items : sequence of Item
        Inputs of one group.
    known : frozenset of str
        Names of levels that inputs of other groups may have.

    Returns
    -------
    design : RowDesign
    items : list of Item
        Rows of the design: inputs that have a value in every column used.
    notes : list of str
        Which inputs and columns were left out, and why.

    Raises
    ------
    BadDataError
        If X names what is neither a column of the tables nor an incoming contrast.
    """
    tables = {
        name: [item.metadata.get(name) for item in items]
        for name in dict.fromkeys(name for item in items for name in item.metadata)
    }
    rows = row_variables({**_indicators(items), **tables})
    rows = replace(rows, missing=known)
    rows, transformed = apply_instructions(
        rows, node.instructions, f"{node.path}.Transformations.Instructions"
    )
    notes = list(transformed)
    zeros = [0.0] * len(items)
    columns = dict.fromkeys(rows.missing, zeros)
    columns |= {name: rows[name].values.tolist() for name in rows.names}
    names, values, dropped = _terms(node, columns, notes)
    matrix = np.array(values, dtype=float).reshape(len(names), len(items)).T
    complete = np.isfinite(matrix).all(axis=1)
    for item, is_complete, row in zip(items, complete, matrix, strict=True):
        if not is_complete:
            absent = [name for name, one in zip(names, row, strict=True) if not np.isfinite(one)]
            notes.append(
                f"node {node.name!r}: {item.label} has no {', '.join(absent)} and is left out"
            )
    kept = [item for item, is_complete in zip(items, complete, strict=True) if is_complete]
    return RowDesign(tuple(names), matrix[complete], tuple(dropped)), kept, notes


def _indicators(items: Sequence["Item"]) -> dict[str, list[float]]:
    """One column for each incoming contrast: 1 in its rows."""
    return {
        name: [float(item.contrast == name) for item in items]
        for name in dict.fromkeys(item.contrast for item in items)
    }


def _terms(
    node: NodeSpec, columns: Mapping[str, list[Any]], notes: list[str]
) -> tuple[list[str], list[list[float]], list[str]]:
    """Return names and values of the columns of a design, and the terms that nobody has."""
    path = f"{node.path}.Model.X"
    size = len(next(iter(columns.values()), []))
    chosen = _chosen(node, columns, path)
    has_constant = 1 in node.x
    terms: list[tuple[str, ...]] = [(name,) for name in chosen]
    categorical: tuple[str, ...] = ()
    if node.formula is not None:
        formula = formula_of(node)
        for name in formula.variables:
            if name not in columns:
                _refuse(name, columns, f"{node.path}.Model.Formula")
        terms, has_constant = list(formula.terms), formula.has_constant
        categorical = formula.categorical
    coded = {
        name: _coded(name, columns[name], name in categorical, has_constant, node, notes)
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


def _chosen(node: NodeSpec, columns: Mapping[str, list[Any]], path: str) -> list[str]:
    """Expand X to names of columns."""
    chosen: list[str] = []
    for term in node.x:
        if term == 1:
            continue
        text = str(term)
        if text in columns:
            chosen.append(text)
        elif "*" in text or "?" in text:
            chosen += [name for name in columns if fnmatchcase(name, text)]
        elif text != INTERCEPT:
            _refuse(text, columns, path)
    return list(dict.fromkeys(chosen))


def _refuse(name: str, columns: Mapping[str, list[Any]], path: str) -> None:
    raise BadDataError(
        f"At {path}: {name!r} is no column of participants.tsv or sessions.tsv, no result of a "
        f"transformation and no incoming contrast.{nearest(name, list(columns))} There are "
        f"{', '.join(columns) or 'none'}."
    )


def _coded(
    name: str,
    values: Sequence[Any],
    is_category: bool,
    has_constant: bool,
    node: NodeSpec,
    notes: list[str],
) -> dict[str, list[float]]:
    """Return a numeric column as it is, and text as one indicator a level.

    Beside a constant the first level (in alphabetical order) is the reference, without a column.
    """
    is_text = any(isinstance(value, str) for value in values)
    if not is_text and not is_category:
        return {name: [float("nan") if value is None else float(value) for value in values]}
    levels = sorted({value for value in values if value is not None and value == value})
    shown = levels[1:] if has_constant and len(levels) > 1 else levels
    if not is_category:
        reference = f", against {levels[0]!r}" if shown != levels else ""
        notes.append(
            f"node {node.name!r}: {name!r} is text and gets a column for each of "
            f"{', '.join(map(str, shown))}{reference} (a Factor transformation says it outright)"
        )
    return {
        f"{name}.{_shown(level)}": [
            float("nan") if value is None or value != value else float(value == level)
            for value in values
        ]
        for level in shown
    }


def _shown(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)
