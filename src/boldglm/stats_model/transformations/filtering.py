"""Filter: keep the events that satisfy a comparison. The text is read, never evaluated."""

import operator
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from boldglm.stats_model.transformations.aligning import aligned
from boldglm.stats_model.transformations.calls import Call
from boldglm.stats_model.variables import Variable, Variables

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def filter_events(variables: Variables, call: Call) -> Variables:
    """Keep the rows of variables where a query such as ``rt > .2 and correct == 1`` holds."""
    query = str(call.value("Query", "")).strip()
    if not query:
        call.refuse("Query", "it is missing", "Write a comparison, such as 'rt > 0.2'.")
    by = call.names("By", variables, required=False)
    made = []
    for name in call.inputs:
        own, *others = aligned(variables, [name, *(one for one in by if one != name)], call)
        columns = {own.name: own, **{one.name: one for one in others}}
        kept = _any_of(query, columns, call)
        if own.is_sparse:
            made.append(replace(own.keep(kept), name=call.output_of(name)))
        else:
            values = np.where(kept, np.asarray(own.values, dtype=float), 0.0)
            made.append(replace(own.with_values(values), name=call.output_of(name)))
    return variables.having(made)


def _any_of(query: str, columns: dict[str, Variable], call: Call) -> np.ndarray:
    terms = [
        np.logical_and.reduce(
            [
                _compare(part, columns, call)
                for part in re.split(r"\s+and\s+|\s*&\s*", term.strip(" ()"))
            ]
        )
        for term in re.split(r"\s+or\s+|\s*\|\s*", query)
    ]
    return np.asarray(np.logical_or.reduce(terms))


def _compare(text: str, columns: dict[str, Variable], call: Call) -> np.ndarray:
    parts = re.fullmatch(r"\s*\(?\s*(.+?)\s*(==|!=|>=|<=|>|<|\bin\b)\s*(.+?)\s*\)?\s*", text)
    if parts is None or parts[1].strip("`'\"") not in columns:
        call.refuse(
            "Query",
            f"{text.strip()!r} is no comparison that can be read",
            f"Write '<variable> <operator> <value>' with one of {', '.join(columns)} and one of "
            f"{', '.join(COMPARISONS)} or 'in [...]', joined by and, or.",
        )
    variable = columns[parts[1].strip("`'\"")]
    if parts[2] == "in":
        listed = [one.strip() for one in parts[3].strip("[]()").split(",")]
        wanted = [_literal(one, variable, call) for one in listed]
        return np.array([value in wanted for value in variable.values])
    wanted = _literal(parts[3], variable, call)
    compare = COMPARISONS[parts[2]]
    return np.array(
        [value is not None and value == value and bool(compare(value, wanted))
         for value in variable.values]
    )  # fmt: skip


def _literal(text: str, variable: Variable, call: Call) -> Any:
    plain = text.strip().strip("'\"")
    if variable.is_text:
        return plain
    try:
        return float(plain)
    except ValueError:
        call.refuse("Query", f"{variable.name!r} holds numbers, not {text!r}", "Give a number.")
