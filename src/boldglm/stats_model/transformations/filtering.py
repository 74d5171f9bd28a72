"""The transformation Filter: its query is parsed here and never evaluated as code."""

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


def filter_events(variables: Variables, instruction: Instruction) -> Variables:
    """Keep the events for which a query holds, such as ``rt > .2 and correct == 1``.

    A dense variable is 0 where the query does not hold. A comparison with n/a never holds, not
    even ``!=``.
    """
    query = str(instruction.value("Query", "")).strip()
    if not query:
        instruction.refuse(
            "Query", "Query is missing", "Add it, with a comparison such as 'rt > 0.2'."
        )
    by = instruction.existing_variables("By", variables, required=False)
    results = []
    for name in instruction.inputs:
        names = [name, *(other for other in by if other != name)]
        variable, *others = aligned(variables, names, instruction, onto_first=True)
        columns = {variable.name: variable, **{other.name: other for other in others}}
        holds = _evaluate(query, columns, instruction)
        if variable.is_sparse:
            filtered = variable.select_events(holds)
        else:
            values = np.where(holds, np.asarray(variable.values, dtype=float), 0.0)
            filtered = variable.with_values(values)
        results.append(replace(filtered, name=instruction.output_of(name)))
    return variables.with_variables(results)


def _evaluate(query: str, columns: dict[str, Variable], instruction: Instruction) -> np.ndarray:
    """Return where a query holds; parentheses bind first, then not, and, or."""
    for pattern, join in ((OR, np.logical_or), (AND, np.logical_and)):
        parts = _split(query, pattern, instruction)
        if len(parts) > 1:
            return np.asarray(
                join.reduce([_evaluate(part, columns, instruction) for part in parts])
            )
    text = query.strip()
    negated = re.match(r"(?:not\s+|not(?=\()|~)", text)
    if negated:
        return ~_evaluate(text[negated.end() :], columns, instruction)
    if text.startswith("(") and _closes(text) == len(text) - 1:
        return _evaluate(text[1:-1], columns, instruction)
    return _compare(text, columns, instruction)


def _split(query: str, pattern: str, instruction: Instruction) -> list[str]:
    """Split a query at a word that is outside quotes, parentheses and brackets."""
    parts, depth, start, position = [], 0, 0, 0
    while position < len(query):
        match = re.compile(pattern).match(query, position) if not depth else None
        if query[position] in QUOTES:
            end = query.find(query[position], position + 1)
            position = end if end > 0 else position
        elif match:
            parts.append(query[start:position])
            start = match.end()
            position = start - 1
        depth += (query[position] in "([") - (query[position] in ")]")
        if depth < 0:
            break
        position += 1
    if depth:
        instruction.refuse(
            "Query",
            f"{query!r} has unbalanced parentheses",
            "Close each parenthesis that is opened.",
        )
    return [*parts, query[start:]]


def _closes(text: str) -> int:
    """Return the position of the parenthesis that closes the first one, or -1."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return position
    return -1


def _compare(text: str, columns: dict[str, Variable], instruction: Instruction) -> np.ndarray:
    """Return where a single comparison holds."""
    parts = re.fullmatch(r"\s*(.+?)\s*(==|!=|>=|<=|>|<|\bnot in\b|\bin\b)\s*(.+?)\s*", text)
    if parts is None or parts[1].strip("`'\"") not in columns:
        instruction.refuse(
            "Query",
            f"{text.strip()!r} cannot be parsed as a comparison",
            "Write '<variable> <operator> <value>'. Variables: "
            f"{', '.join(columns)} (list others in By). Operators: {', '.join(COMPARISONS)}, in, "
            "not in. Join comparisons with and, or, not.",
        )
    variable = columns[parts[1].strip("`'\"")]
    present = ~variable.is_missing
    if parts[2].endswith("in"):
        members = [
            _literal(member.strip(), variable, instruction)
            for member in parts[3].strip("[]()").split(",")
        ]
        is_member = np.array([value in members for value in variable.values], dtype=bool)
        return present & (is_member == (parts[2] == "in"))
    if variable.is_text and parts[2] in (">", "<", ">=", "<=") and as_number(parts[3]) is not None:
        texts = (value for value in variable.values if value and as_number(value) is None)
        instruction.refuse(
            "Query",
            f"{variable.name!r} contains text ({next(texts, 'n/a')!r}), which cannot be compared "
            f"with {parts[3]}",
            "Replace the text by numbers or 'n/a' with Replace first.",
        )
    operand = _literal(parts[3], variable, instruction)
    compare = COMPARISONS[parts[2]]
    return np.array(
        [is_present and bool(compare(value, operand))
         for is_present, value in zip(present, variable.values, strict=True)], dtype=bool
    )  # fmt: skip


def _literal(text: str, variable: Variable, instruction: Instruction) -> Any:
    """Return the operand of a comparison: text or a number, as the variable has."""
    unquoted = text.strip().strip("'\"")
    if variable.is_text:
        return unquoted
    try:
        return float(unquoted)
    except ValueError:
        instruction.refuse(
            "Query",
            f"{variable.name!r} contains numbers and cannot be compared with {text!r}",
            "Write a number.",
        )
