"""Filter: keep the events that satisfy a comparison. The text is read, never evaluated."""

import operator
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from boldglm.stats_model.transformations.alignment import aligned
from boldglm.stats_model.transformations.instructions import Instruction, as_number
from boldglm.stats_model.variables import Variable, Variables

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
OR, AND = r"(?:\s+or\b|\s*\|\|?)", r"(?:\s+and\b|\s*&&?)"
QUOTES = "'\"`"


def filter_events(variables: Variables, call: Instruction) -> Variables:
    """Keep the rows of variables where a query such as ``rt > .2 and correct == 1`` holds.

    A comparison with n/a, != too, does not hold.
    """
    query = str(call.value("Query", "")).strip()
    if not query:
        call.refuse("Query", "it is missing", "Write a comparison, such as 'rt > 0.2'.")
    by = call.names("By", variables, required=False)
    made = []
    for name in call.inputs:
        names = [name, *(one for one in by if one != name)]
        own, *others = aligned(variables, names, call, onto_first=True)
        columns = {own.name: own, **{one.name: one for one in others}}
        kept = _holds(query, columns, call)
        if own.is_sparse:
            made.append(replace(own.keep(kept), name=call.output_of(name)))
        else:
            values = np.where(kept, np.asarray(own.values, dtype=float), 0.0)
            made.append(replace(own.with_values(values), name=call.output_of(name)))
    return variables.with_variables(made)


def _holds(query: str, columns: dict[str, Variable], call: Instruction) -> np.ndarray:
    """Read a query: or binds less than and, and less than not; parentheses go first."""
    for pattern, join in ((OR, np.logical_or), (AND, np.logical_and)):
        parts = _split(query, pattern, call)
        if len(parts) > 1:
            return np.asarray(join.reduce([_holds(part, columns, call) for part in parts]))
    text = query.strip()
    negated = re.match(r"(?:not\s+|not(?=\()|~)", text)
    if negated:
        return ~_holds(text[negated.end() :], columns, call)
    if text.startswith("(") and _closes(text) == len(text) - 1:
        return _holds(text[1:-1], columns, call)
    return _compare(text, columns, call)


def _split(query: str, pattern: str, call: Instruction) -> list[str]:
    """Split at words that stand outside quotes, parentheses and brackets."""
    parts, depth, start, place = [], 0, 0, 0
    while place < len(query):
        found = re.compile(pattern).match(query, place) if not depth else None
        if query[place] in QUOTES:
            end = query.find(query[place], place + 1)
            place = end if end > 0 else place
        elif found:
            parts.append(query[start:place])
            start = found.end()
            place = start - 1
        depth += (query[place] in "([") - (query[place] in ")]")
        if depth < 0:
            break
        place += 1
    if depth:
        call.refuse("Query", f"{query!r} has a parenthesis too many", "Give each its partner.")
    return [*parts, query[start:]]


def _closes(text: str) -> int:
    """Return where the parenthesis that a text begins with is closed."""
    depth = 0
    for place, one in enumerate(text):
        depth += (one == "(") - (one == ")")
        if not depth:
            return place
    return -1


def _compare(text: str, columns: dict[str, Variable], call: Instruction) -> np.ndarray:
    parts = re.fullmatch(r"\s*(.+?)\s*(==|!=|>=|<=|>|<|\bnot in\b|\bin\b)\s*(.+?)\s*", text)
    if parts is None or parts[1].strip("`'\"") not in columns:
        call.refuse(
            "Query",
            f"{text.strip()!r} is no comparison that can be read",
            f"Write '<variable> <operator> <value>' with one of {', '.join(columns)} and one of "
            f"{', '.join(COMPARISONS)} or 'in [...]', joined by and, or, not (other variables "
            "that it needs go into By).",
        )
    variable = columns[parts[1].strip("`'\"")]
    there = ~variable.is_missing
    if parts[2].endswith("in"):
        listed = [one.strip() for one in parts[3].strip("[]()").split(",")]
        wanted = [_literal(one, variable, call) for one in listed]
        inside = np.array([value in wanted for value in variable.values], dtype=bool)
        return there & (inside == (parts[2] == "in"))
    if variable.is_text and parts[2] in (">", "<", ">=", "<=") and as_number(parts[3]) is not None:
        odd = next((one for one in variable.values if one and as_number(one) is None), "n/a")
        call.refuse(
            "Query",
            f"{variable.name!r} holds text ({odd!r}), which is neither more nor less than "
            f"{parts[3]}",
            "Make it numbers with Replace, with 'n/a' for what is none.",
        )
    wanted = _literal(parts[3], variable, call)
    compare = COMPARISONS[parts[2]]
    return np.array(
        [is_there and bool(compare(value, wanted))
         for is_there, value in zip(there, variable.values, strict=True)], dtype=bool
    )  # fmt: skip


def _literal(text: str, variable: Variable, call: Instruction) -> Any:
    plain = text.strip().strip("'\"")
    if variable.is_text:
        return plain
    try:
        return float(plain)
    except ValueError:
        call.refuse("Query", f"{variable.name!r} holds numbers, not {text!r}", "Give a number.")
