"""Transformations of categories: Factor, Split, Concatenate, LabelIdenticalRows."""

from collections.abc import Mapping
from itertools import product as every_pair
from typing import Any

import numpy as np

from boldglm.stats_model.transformations.aligning import aligned
from boldglm.stats_model.transformations.calls import Call, as_list
from boldglm.stats_model.variables import Variable, Variables


def factor(variables: Variables, call: Call) -> Variables:
    """Turn a variable into one indicator for each of its levels, called ``<name>.<level>``."""
    constraint = call.word("Constraint", "none", ("none", "drop_one", "mean_zero"))
    separator = str(call.value("Sep", "."))
    for name in call.inputs:
        variable = variables[name]
        levels = levels_of(variable)
        reference = call.value("RefLevel", None)
        texts = [shown(level) for level in levels]
        if reference is not None and str(reference) not in texts:
            call.refuse("RefLevel", f"found {reference!r}", f"Levels: {', '.join(texts)}.")
        made = []
        drop = None
        if constraint != "none" and len(levels) > 1:
            drop = texts.index(str(reference)) if reference is not None else 0
        for index, level in enumerate(levels):
            if index == drop:
                continue
            values = np.array([float(value == level) for value in variable.values])
            if drop is not None and constraint == "mean_zero":
                at_reference = np.array([value == levels[drop] for value in variable.values])
                values[at_reference] = -1 / (len(levels) - 1)
            made.append(_named(variable.with_values(values), name + separator + texts[index]))
        variables = variables.without([name]).having(made)
    return variables


def levels_of(variable: Variable) -> list:
    """Return the values that occur, sorted, without missing ones."""
    if variable.is_text:
        return sorted({value for value in variable.values if value is not None})
    return sorted({float(value) for value in variable.values if np.isfinite(value)})


def shown(level: object) -> str:
    """Write a level as it is in the table: whole numbers without a point."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def _named(variable: Variable, name: str) -> Variable:
    return Variable(
        name, variable.values, variable.onset, variable.duration, variable.times, "derived"
    )


def with_comparisons(variables: Variables, content: Mapping[str, Any]) -> Variables:
    """Put in indicators for inputs written as ``<variable>==<level>``, as public models do."""
    made = []
    for one in as_list(content.get("Input", [])):
        name, comparison, level = str(one).partition("==")
        variable = variables.found.get(name.strip())
        if comparison and variable is not None and str(one) not in variables:
            same = [
                float(value is not None and shown(value) == level.strip())
                for value in variable.values
            ]
            made.append(_named(variable.with_values(np.array(same)), str(one)))
    return variables.having(made)


def split(variables: Variables, call: Call) -> Variables:
    """Split a variable by the levels of others, into ``<name>.<by>[<level>]``."""
    by = call.names("By", variables)
    for name in call.inputs:
        own, *others = aligned(variables, [name, *by], call)
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
        variables = variables.without([name]).having(one for one in made if one.values.size)
    return variables


def concatenate(variables: Variables, call: Call) -> Variables:
    """Join the values of variables row by row into one category, such as ``go_left``."""
    separator = str(call.value("Sep", "_"))
    found = aligned(variables, call.inputs, call)
    joined = []
    for row in zip(*(one.values for one in found), strict=True):
        absent = any(value is None or value != value for value in row)
        joined.append(None if absent else separator.join(shown(value) for value in row))
    values = np.array([*joined, None], dtype=object)[:-1]
    return variables.having([_named(found[0].with_values(values), call.one_output())])


def label_identical_rows(variables: Variables, call: Call) -> Variables:
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
    return variables.having(made)
