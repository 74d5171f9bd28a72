"""Transformations of categories: Factor, Split, Concatenate, LabelIdenticalRows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product as every_pair
from typing import Any

import numpy as np

from boldglm.stats_model.transformations.alignment import aligned
from boldglm.stats_model.transformations.instructions import Instruction, as_list, as_number
from boldglm.stats_model.variables import Variable, Variables
from boldglm.suggestions import did_you_mean

COMPARED = "=="  # between a variable and its level, in the name of an indicator


def factor(variables: Variables, call: Instruction) -> Variables:
    """Turn a variable into one indicator for each of its levels, called ``<name>.<level>``.

    A level without a column is the same one in all runs and groups, whether they have it or not.
    Above the run an input of which the level is not known has no indicators, and so no place in a
    design that uses them; an event without a level is of none.
    """
    unknown = np.nan if variables.frame_times is None else 0.0
    constraint = call.word("Constraint", "none", ("none", "drop_one", "mean_zero"))
    separator = str(call.value("Sep", "."))
    for name in call.inputs:
        variable = variables[name]
        reference, n_levels = None, 0
        if constraint != "none":
            everywhere = levels_in_all_runs(variable, variables)
            variables = replace(
                variables,
                missing=variables.missing | {f"{name}{COMPARED}{level}" for level in everywhere},
            )
            n_levels = len(everywhere)
            reference = _reference(call, everywhere, variables) if n_levels > 1 else None
        at_reference = np.array([_is_level(one, reference) for one in variable.values], dtype=bool)
        made = []
        for level in map(shown, levels_of(variable)):
            if level == reference:
                continue
            values = np.array([float(_is_level(one, level)) for one in variable.values])
            values[variable.is_missing] = unknown
            if constraint == "mean_zero" and reference is not None:
                values[at_reference] = -1 / (n_levels - 1)
            made.append(_named(variable.with_values(values), name + separator + level))
        variables = variables.without([name]).with_variables(made)
    return variables


def _reference(call: Instruction, levels: Sequence[str], variables: Variables) -> str:
    """Return the level that gets no column: the one asked for, or the first."""
    asked = call.value("RefLevel", None)
    if asked is None:
        return levels[0]
    if shown(asked) not in levels and not variables.collects_names:
        call.refuse(
            "RefLevel", f"found {asked!r}", f"Levels: {', '.join(levels)}."
            f"{did_you_mean(shown(asked), levels)}"
        )  # fmt: skip
    return shown(asked)


def levels_in_all_runs(variable: Variable, variables: Variables) -> list[str]:
    """Return its levels in all runs or groups, in order, as they are written in names.

    Those of others stand among the missing names, as ``<name>==<level>``.
    """
    start = variable.name + COMPARED
    others = {one.removeprefix(start) for one in variables.missing if one.startswith(start)}
    return sorted(others | set(map(shown, levels_of(variable))), key=_place)


def _place(level: str) -> tuple[bool, float, str]:
    """Numbers first, by size."""
    number = as_number(level)
    return (True, 0.0, level) if number is None else (False, number, level)


def _is_level(value: object, level: str | None) -> bool:
    return value is not None and value == value and shown(value) == level


def levels_of(variable: Variable) -> list:
    """Return the values that occur, sorted, without missing ones."""
    if variable.is_text:
        return sorted({value for value in variable.values if value is not None})
    return sorted({float(value) for value in variable.values if np.isfinite(value)})


def shown(level: object) -> str:
    """Write a level as it is in the table: whole numbers without a point.

    Examples
    --------
    >>> shown(2.0), shown(1000001.0), shown(0.25), shown("go")
    ('2', '1000001', '0.25', 'go')
    """
    return f"{level:.15g}" if isinstance(level, float) else str(level)


def _named(variable: Variable, name: str) -> Variable:
    return Variable(
        name, variable.values, variable.onset, variable.duration, variable.times, "derived"
    )


def with_comparisons(variables: Variables, content: Mapping[str, Any]) -> Variables:
    """Put in indicators for inputs written as ``<variable>==<level>``, as public models do."""
    made = []
    for one in as_list(content.get("Input", [])):
        name, comparison, level = str(one).partition(COMPARED)
        variable = variables.found.get(name.strip())
        if comparison and variable is not None and str(one) not in variables:
            same = [
                float(value is not None and shown(value) == level.strip())
                for value in variable.values
            ]
            made.append(_named(variable.with_values(np.array(same)), str(one)))
    return variables.with_variables(made)


def split(variables: Variables, call: Instruction) -> Variables:
    """Split a variable by the levels of others, into ``<name>.<by>[<level>]``."""
    by = call.names("By", variables)
    for name in call.inputs:
        own, *others = aligned(variables, [name, *by], call, onto_first=True)
        made = []
        for levels in every_pair(*(levels_of(one) for one in others)):
            inside = np.ones(own.values.size, dtype=bool)
            for other, level in zip(others, levels, strict=True):
                inside &= np.array([value == level for value in other.values])
            labels = [f"{key}[{shown(level)}]" for key, level in zip(by, levels, strict=True)]
            label = f"{call.output_of(name)}.{'.'.join(labels)}"
            if own.is_sparse:
                made.append(_named(own.keep(inside), label))
            else:
                values = np.where(inside, np.asarray(own.values, dtype=float), 0.0)
                made.append(_named(own.with_values(values), label))
        variables = variables.without([name]).with_variables(
            one for one in made if one.values.size
        )
    return variables


def concatenate(variables: Variables, call: Instruction) -> Variables:
    """Join the values of variables row by row into one category, such as ``go_left``."""
    separator = str(call.value("Sep", "_"))
    found = aligned(variables, call.inputs, call)
    joined = []
    for row in zip(*(one.values for one in found), strict=True):
        absent = any(value is None or value != value for value in row)
        joined.append(None if absent else separator.join(shown(value) for value in row))
    values = np.array([*joined, None], dtype=object)[:-1]
    return variables.with_variables([_named(found[0].with_values(values), call.one_output())])


def label_identical_rows(variables: Variables, call: Instruction) -> Variables:
    """Count rows with the same value: 1, 2, ... where they follow one another, or all of them."""
    cumulative = call.flag("Cumulative", default=False)
    made = []
    for name in call.inputs:
        counts: list[float] = []
        seen: dict[object, int] = {}
        before: object = None
        for value in variables[name].values:
            if cumulative:
                seen[value] = seen.get(value, 0) + 1
            else:
                seen[value] = seen.get(value, 0) + 1 if value == before else 1
            before = value
            counts.append(float(seen[value]))
        suffix = "" if call.outputs or call.value("OutputSuffix", None) else "_label"
        made.append(
            _named(variables[name].with_values(np.array(counts)), call.output_of(name) + suffix)
        )
    return variables.with_variables(made)
