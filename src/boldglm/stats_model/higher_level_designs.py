"""Designs of higher levels: a row for each input; columns from tables, contrasts and entities."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from boldglm.errors import BadDataError
from boldglm.notices import Notice, exclusion, note, warning
from boldglm.stats_model.entity_names import ENTITY_KEYS
from boldglm.stats_model.formula import formula_of
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.specification import NodeSpec
from boldglm.stats_model.transformations import apply_instructions
from boldglm.stats_model.transformations.categories import (
    COMPARISON,
    level_text,
    levels_in_all_runs,
    levels_of,
)
from boldglm.stats_model.transformations.instructions import as_number
from boldglm.stats_model.variables import Variable, Variables, input_variables
from boldglm.suggestions import did_you_mean

INTERCEPT = "intercept"


@dataclass(frozen=True)
class HigherLevelDesign:
    """A design with a row for each input of a group.

    Parameters
    ----------
    names : tuple of str
        Names of the columns; the constant is ``intercept``.
    matrix : ndarray of shape (n_inputs, n_columns)
    dropped : tuple of str
        Terms of X that would be 0 everywhere, because no input of the group has them.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    dropped: tuple[str, ...] = ()


def higher_level_design(
    node: NodeSpec, inputs: Sequence[NodeInput], known: frozenset[str] = frozenset()
) -> tuple[HigherLevelDesign, list[NodeInput], list[Notice]]:
    """Build the design of one group of inputs.

    Parameters
    ----------
    node : NodeSpec
        Its X, Formula and Transformations are used.
    inputs : sequence of NodeInput
        Inputs of one group.
    known : frozenset of str
        Contrasts and levels that inputs of other groups have.

    Returns
    -------
    design : HigherLevelDesign
    inputs : list of NodeInput
        The rows of the design: inputs with a value in every column.
    notes : list of Notice
        Inputs that were excluded and why, and other notes about the design.

    Raises
    ------
    BadDataError
        If X names neither a column of the tables, nor an entity, nor an incoming contrast.
    """
    variables = replace(_variables(inputs), missing=known)
    variables, instruction_notes = apply_instructions(
        variables, node.instructions, f"{node.path}.Transformations.Instructions"
    )
    notes = list(instruction_notes)
    absent = _absent_levels(variables, known - levels_of_inputs(inputs))
    variables = variables.with_variables(Variable(name, np.zeros(len(inputs))) for name in absent)
    names, columns, dropped = _columns(node, variables, len(inputs), notes)
    matrix = np.array(columns, dtype=float).reshape(len(names), len(inputs)).T
    is_complete = np.isfinite(matrix).all(axis=1)
    kept = []
    for node_input, complete, row in zip(inputs, is_complete, matrix, strict=True):
        if complete:
            kept.append(node_input)
            continue
        lacking = [name for name, value in zip(names, row, strict=True) if not np.isfinite(value)]
        notes.append(
            exclusion(
                f"{node_input.label} from node {node.name!r}: it has no {', '.join(lacking)}"
            )
        )
    return HigherLevelDesign(tuple(names), matrix[is_complete], tuple(dropped)), kept, notes


def levels_of_inputs(inputs: Sequence[NodeInput]) -> frozenset[str]:
    """Return the levels of every column that the inputs have, as ``<column>==<level>``.

    `higher_level_design` takes them as `known`, so that the reference level of a category is the
    same in every group of inputs, also in a group where no input has that level.
    """
    variables = _variables(inputs)
    return frozenset(
        f"{name}{COMPARISON}{level_text(level)}"
        for name in variables.names
        for level in levels_of(variables[name])
    )


def _absent_levels(variables: Variables, elsewhere: Iterable[str]) -> list[str]:
    """Return the indicators of levels that inputs of other groups have, and none of this one.

    Parameters
    ----------
    variables : Variables
        Variables of this group; where they have an indicator of a factor, others are missing.
    elsewhere : iterable of str
        Levels as ``<column>==<level>``.
    """
    names = []
    for factor, is_level, level in (text.partition(COMPARISON) for text in sorted(elsewhere)):
        name = f"{factor}.{level}"
        siblings = [other for other in variables.names if other.startswith(f"{factor}.")]
        if is_level and siblings and name not in variables:
            names.append(name)
    return names


def _variables(inputs: Sequence[NodeInput]) -> Variables:
    """Return incoming contrasts (0 or 1), entities (text) and columns of tables as variables."""
    by_name = {
        contrast: Variable(contrast, np.array([float(row.contrast == contrast) for row in inputs]))
        for contrast in dict.fromkeys(node_input.contrast for node_input in inputs)
    }
    for name, key in ENTITY_KEYS.items():
        labels = [node_input.entities.get(key) for node_input in inputs]
        if any(label is not None for label in labels):
            by_name[name] = Variable(name, np.array([*labels, None], dtype=object)[:-1])
    columns = dict.fromkeys(name for node_input in inputs for name in node_input.metadata)
    tables = input_variables(
        {name: [row.metadata.get(name) for row in inputs] for name in columns}
    )
    return Variables({**by_name, **tables.by_name})


def _columns(
    node: NodeSpec, variables: Variables, n_inputs: int, notes: list[Notice]
) -> tuple[list[str], list[list[float]], list[str]]:
    """Return names and values of the columns of a design, and the terms that no input has."""
    absent = {name: Variable(name, np.zeros(n_inputs)) for name in sorted(variables.missing)
              if COMPARISON not in name and name not in variables}  # fmt: skip
    variables = replace(variables, by_name={**variables.by_name, **absent})
    names = _variables_of_x(node, variables, list(absent), notes)
    has_constant = 1 in node.x
    terms: list[tuple[str, ...]] = [(name,) for name in names]
    categorical: tuple[str, ...] = ()
    if node.formula is not None:
        formula = formula_of(node)
        for name in formula.variables:
            if name not in variables:
                _refuse(name, variables, list(absent), f"{node.path}.Model.Formula")
        terms, has_constant = list(formula.terms), formula.has_constant
        categorical = formula.categorical
    coded = {
        name: _coded(variables, name, name in categorical, has_constant, node, notes)
        for name in dict.fromkeys(name for term in terms for name in term)
    }
    columns: dict[str, list[float]] = {INTERCEPT: [1.0] * n_inputs} if has_constant else {}
    for term in terms:
        products = {"": [1.0] * n_inputs}
        for name in term:
            products = {
                f"{product}:{column}" if product else column: list(np.multiply(values, factor))
                for product, values in products.items()
                for column, factor in coded[name].items()
            }
        columns.update(products)
    dropped = [
        name for name, values in columns.items() if not np.any(np.nan_to_num(values, nan=1))
    ]
    kept = [name for name in columns if name not in dropped]
    return kept, [columns[name] for name in kept], dropped


def _variables_of_x(
    node: NodeSpec, variables: Variables, absent: Sequence[str], notes: list[Notice]
) -> list[str]:
    """Return the variables that X names or matches."""
    names: list[str] = []
    for index, term in enumerate(node.x):
        text = str(term)
        matched = () if term == 1 else variables.matching(text)
        names += matched
        if term == 1 or matched or text == INTERCEPT:
            continue
        if not set(text) & set("*?"):
            _refuse(text, variables, absent, f"{node.path}.Model.X[{index}]")
        notes.append(warning(f"node {node.name!r}: nothing matches {text!r} of X"))
    return list(dict.fromkeys(names))


def _refuse(name: str, variables: Variables, absent: Sequence[str], path: str) -> None:
    usable = [variable for variable in variables.names if variable not in absent]
    raise BadDataError(
        f"At {path}: {name!r} is not a column of participants.tsv or sessions.tsv, not an entity, "
        "not the result of a transformation and not an incoming contrast. Variables here: "
        f"{', '.join(usable) or 'none'}.{did_you_mean(name, list(variables.names))}"
    )


def _check_all_text(variable: Variable, node: NodeSpec) -> None:
    """Refuse a column in which some values are numbers and others, such as 89+, are text."""
    present = [str(value) for value, gone in zip(variable.values, variable.is_missing, strict=True)
               if not gone]  # fmt: skip
    text = [value for value in dict.fromkeys(present) if as_number(value) is None]
    if 0 < len(text) < len(set(present)):
        raise BadDataError(
            f"Node {node.name!r}, at {node.path}.Model.X: {variable.name!r} has numbers and also "
            f"{', '.join(map(repr, text[:5]))}, which is not a number. Write a number (with a "
            "decimal point) or n/a instead, or make the column categorical with a Factor "
            "transformation."
        )


def _coded(
    variables: Variables,
    name: str,
    is_category: bool,
    has_constant: bool,
    node: NodeSpec,
    notes: list[Notice],
) -> dict[str, list[float]]:
    """Return a numeric variable as one column, and text as an indicator for each level.

    In a design with a constant, the first level (in alphabetical order) is the reference and has
    no column.
    """
    variable = variables[name]
    if not variable.is_text and not is_category:
        return {name: variable.values.tolist()}
    if not is_category:
        _check_all_text(variable, node)
    all_levels = levels_in_all_runs(variable, variables)
    has_reference = has_constant and len(all_levels) > 1
    levels = [level_text(level) for level in levels_of(variable)]
    kept = [level for level in levels if not (has_reference and level == all_levels[0])]
    if not is_category:
        reference = f", compared with {all_levels[0]!r}" if has_reference else ""
        notes.append(
            note(
                f"node {node.name!r}: {name!r} is text and gets a column for each of "
                f"{', '.join(kept)}{reference}. Use a Factor transformation to choose the levels"
            )
        )
    return {
        f"{name}.{level}": [
            float("nan") if is_missing else float(level_text(value) == level)
            for value, is_missing in zip(variable.values, variable.is_missing, strict=True)
        ]
        for level in kept
    }
