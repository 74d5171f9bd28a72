"""Columns of a design that the transformation Orthogonalize has changed."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from math import nan
from typing import Any

from boldglm.stats_model.transformations.instructions import as_list, normalized

HRF_SUFFIX = re.compile(r"_(derivative|dispersion|delay_.*)")  # of columns of one variable


def orthogonalized_columns(
    instructions: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> tuple[tuple[str, dict[str, float]], ...]:
    """Return which columns of a design were orthogonalized against which others.

    Parameters
    ----------
    instructions : sequence of mapping
        Instructions of a run node, in order.
    columns : sequence of str
        Columns of the design that come from transformations.

    Returns
    -------
    tuple of (str, dict of str to float)
        As `Design.shared`. The weights are NaN, because variables may be convolved and sampled
        after they were orthogonalized.

    Examples
    --------
    >>> instructions = [
    ...     {"Name": "Orthogonalize", "Input": ["rt"], "Other": ["go"]},
    ...     {"Name": "Convolve", "Input": ["go", "rt"], "Output": ["go", "response"]},
    ... ]
    >>> orthogonalized_columns(instructions, ["go", "response", "stop"])
    (('response', {'go': nan}),)
    """
    pairs: list[tuple[str, list[str]]] = []
    for instruction in instructions:
        kind, outputs = normalized(str(instruction.get("Name", ""))), _outputs(instruction)
        # inputs stay beside outputs of another name, unless they are renamed
        names_of = {name: [output] if kind == "rename" else [name, output]
                    for name, output in outputs.items()}  # fmt: skip
        pairs = [
            (each, [after for other in others for after in names_of.get(other, [other])])
            for name, others in pairs
            for each in dict.fromkeys(names_of.get(name, [name]))
        ]
        if kind == "orthogonalize":
            others = [str(name) for name in as_list(_value(instruction, "Other"))]
            pairs += [(output, others) for output in outputs.values()]
    shared = []
    for name, others in pairs:
        for column in (column for column in columns if _is_of(column, name)):
            explaining = [each for each in columns if any(_is_of(each, other) for other in others)]
            weights = dict.fromkeys((each for each in explaining if each != column), nan)
            if weights:
                shared.append((column, weights))
    return tuple(shared)


def _outputs(instruction: Mapping[str, Any]) -> dict[str, str]:
    """Return the names that an instruction gives to its inputs, if there is one for each."""
    inputs = [str(name) for name in as_list(_value(instruction, "Input"))]
    outputs = [str(name) for name in as_list(_value(instruction, "Output"))] or inputs
    suffix = str(_value(instruction, "OutputSuffix") or "")
    if len(outputs) != len(inputs):
        return {}
    return {name: output + suffix for name, output in zip(inputs, outputs, strict=True)}


def _value(instruction: Mapping[str, Any], key: str) -> Any:
    found = [value for name, value in instruction.items() if normalized(name) == normalized(key)]
    return found[0] if found and found[0] is not None else []


def _is_of(column: str, name: str) -> bool:
    """Return whether a column is made of a variable that is named, perhaps by a pattern."""
    stem = HRF_SUFFIX.sub("", column)
    return any(each == name or fnmatchcase(each, name) for each in (column, stem))
