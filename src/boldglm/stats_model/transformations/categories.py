"""Transformations of categories: Factor, Split, Concatenate and LabelIdenticalRows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product as combinations_of
from typing import Any

import numpy as np

from boldglm.stats_model.transformations.alignment import aligned
from boldglm.stats_model.transformations.instructions import Instruction, as_list, as_number
from boldglm.stats_model.variables import Variable, Variables
from boldglm.suggestions import did_you_mean

COMPARISON = "=="  # joins a variable and a level in the name of an indicator


def factor(variables: Variables, instruction: Instruction) -> Variables:
    """Turn a variable into an indicator for each of its levels, named ``<name>.<level>``.

    With a Constraint, the reference level is the same in all runs and groups of inputs, also
    where it does not occur. An event without a level is 0 in every indicator. Above the run, an
    input without a level is missing (NaN) in every indicator, so that a design with these
    indicators excludes it.
    """
    value_without_level = np.nan if variables.frame_times is None else 0.0
    constraint = instruction.word("Constraint", "none", ("none", "drop_one", "mean_zero"))
    separator = str(instruction.value("Sep", "."))
    for name in instruction.inputs:
        variable = variables[name]
        reference, n_levels = None, 0
        if constraint != "none":
            all_levels = levels_in_all_runs(variable, variables)
            comparisons = {f"{name}{COMPARISON}{level}" for level in all_levels}
            variables = replace(variables, missing=variables.missing | comparisons)
            n_levels = len(all_levels)
            reference = _reference(instruction, all_levels, variables) if n_levels > 1 else None
        at_reference = _indicator(variable, reference).astype(bool)
        indicators = []
        for level in map(level_text, levels_of(variable)):
            if level == reference:
                continue
            values = _indicator(variable, level)
            values[variable.is_missing] = value_without_level
            if constraint == "mean_zero" and reference is not None:
                values[at_reference] = -1 / (n_levels - 1)
            indicators.append(_derived(variable, values, name + separator + level))
        variables = variables.without([name]).with_variables(indicators)
    return variables


def _reference(instruction: Instruction, levels: Sequence[str], variables: Variables) -> str:
    """Return the level that gets no indicator: RefLevel, or else the first."""
    value = instruction.value("RefLevel", None)
    if value is None:
        return levels[0]
    level = level_text(value)
    if level not in levels and not variables.collects_names:
        instruction.refuse(
            "RefLevel",
            f"found {value!r}",
            f"Levels: {', '.join(levels)}.{did_you_mean(level, levels)}",
        )
    return level


def levels_in_all_runs(variable: Variable, variables: Variables) -> list[str]:
    """Return the levels of a variable in all runs or groups, sorted, as text.

    The levels that occur elsewhere are in `Variables.missing`, as ``<name>==<level>``.
    """
    prefix = variable.name + COMPARISON
    elsewhere = {
        name.removeprefix(prefix) for name in variables.missing if name.startswith(prefix)
    }
    return sorted(elsewhere | set(map(level_text, levels_of(variable))), key=_sorting_key)


def _sorting_key(level: str) -> tuple[bool, float, str]:
    """Sort numbers by size, before text."""
    number = as_number(level)
    return (True, 0.0, level) if number is None else (False, number, level)


def _indicator(variable: Variable, level: str | None) -> np.ndarray:
    """Return 1 where a variable has the level, and 0 elsewhere."""
    return np.array([float(_is_level(value, level)) for value in variable.values], dtype=float)


def _is_level(value: object, level: str | None) -> bool:
    return value is not None and value == value and level_text(value) == level


def levels_of(variable: Variable) -> list:
    """Return the values that occur, sorted, without missing ones."""
    if variable.is_text:
        return sorted({value for value in variable.values if value is not None})
    return sorted({float(value) for value in variable.values if np.isfinite(value)})


def level_text(level: object) -> str:
    """Return a level as text; whole numbers have no decimal point.

    Examples
    --------
    >>> level_text(2.0), level_text(1000001.0), level_text(0.25), level_text("go")
    ('2', '1000001', '0.25', 'go')
    """
    return f"{level:.15g}" if isinstance(level, float) else str(level)


def _derived(variable: Variable, values: np.ndarray, name: str) -> Variable:
    return replace(variable.with_values(values), name=name)


def with_comparisons(variables: Variables, content: Mapping[str, Any]) -> Variables:
    """Add indicators for inputs written as ``<variable>==<level>``, as in public models."""
    indicators = []
    for text in map(str, as_list(content.get("Input", []))):
        name, comparison, level = text.partition(COMPARISON)
        variable = variables.by_name.get(name.strip())
        if comparison and variable is not None and text not in variables:
            equal = [
                float(value is not None and level_text(value) == level.strip())
                for value in variable.values
            ]
            indicators.append(_derived(variable, np.array(equal), text))
    return variables.with_variables(indicators)


def split(variables: Variables, instruction: Instruction) -> Variables:
    """Split a variable by the levels of others, into ``<name>.<other>[<level>]``."""
    by = instruction.existing_variables("By", variables)
    found = variables  # an input may be one that splits others
    for name in instruction.inputs:
        variable, *others = aligned(variables, [name, *by], instruction, onto_first=True)
        parts = []
        for levels in combinations_of(*(levels_of(other) for other in others)):
            has_levels = np.ones(variable.values.size, dtype=bool)
            for other, level in zip(others, levels, strict=True):
                has_levels &= np.array([value == level for value in other.values])
            labels = [
                f"{other_name}[{level_text(level)}]"
                for other_name, level in zip(by, levels, strict=True)
            ]
            label = f"{instruction.output_of(name)}.{'.'.join(labels)}"
            if variable.is_sparse:
                parts.append(replace(variable.select_events(has_levels), name=label))
            else:
                values = np.where(has_levels, np.asarray(variable.values, dtype=float), 0.0)
                parts.append(_derived(variable, values, label))
        found = found.without([name]).with_variables(part for part in parts if part.values.size)
    return found


def concatenate(variables: Variables, instruction: Instruction) -> Variables:
    """Join the values of variables row by row into one category, such as ``go_left``."""
    separator = str(instruction.value("Sep", "_"))
    inputs = aligned(variables, instruction.inputs, instruction)
    joined = []
    for row in zip(*(variable.values for variable in inputs), strict=True):
        has_missing = any(value is None or value != value for value in row)
        joined.append(None if has_missing else separator.join(map(level_text, row)))
    values = np.array([*joined, None], dtype=object)[:-1]
    return variables.with_variables([_derived(inputs[0], values, instruction.single_output())])


def label_identical_rows(variables: Variables, instruction: Instruction) -> Variables:
    """Number the rows with the same value: 1, 2, ... within a series of them, or throughout.

    With Cumulative the count goes on after a row with another value; else it starts at 1 again.
    """
    cumulative = instruction.flag("Cumulative", default=False)
    has_names = bool(instruction.outputs or instruction.value("OutputSuffix", None))
    results = []
    for name in instruction.inputs:
        numbers: list[float] = []
        counts: dict[object, int] = {}
        previous: object = None
        for value in variables[name].values:
            if cumulative:
                counts[value] = counts.get(value, 0) + 1
            else:
                counts[value] = counts.get(value, 0) + 1 if value == previous else 1
            previous = value
            numbers.append(float(counts[value]))
        label = instruction.output_of(name) + ("" if has_names else "_label")
        results.append(_derived(variables[name], np.array(numbers), label))
    return variables.with_variables(results)
