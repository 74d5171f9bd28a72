"""Transformations of numbers: Demean, Scale, Threshold, Product, Sum, And, Or, Not, Power, ..."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite

import numpy as np

from boldglm.notices import warning
from boldglm.stats_model.transformations.alignment import aligned
from boldglm.stats_model.transformations.instructions import Instruction, as_list
from boldglm.stats_model.variables import Variable, Variables


def each(
    variables: Variables, call: Instruction, change: Callable[[np.ndarray, Variable], np.ndarray]
) -> Variables:
    """Change the values of every input by itself."""
    if call.outputs is not None and len(call.outputs) != len(call.inputs):
        call.refuse(
            "Output",
            f"{len(call.outputs)} names for {len(call.inputs)} variables",
            "Give one for each.",
        )
    made = []
    for name in call.inputs:
        variable = call.numeric(variables[name])
        values = change(np.asarray(variable.values, dtype=float), variable)
        made.append(replace(variable.with_values(values), name=call.output_of(name)))
    return variables.with_variables(made)


def demean(variables: Variables, call: Instruction) -> Variables:
    """Take out the mean, over the values that are there."""
    return each(variables, call, lambda values, _: values - _mean(values))


def scale(variables: Variables, call: Instruction) -> Variables:
    """Take out the mean and divide by the standard deviation (of divisor n - 1)."""
    does_demean = call.flag("Demean", default=True)
    does_rescale = call.flag("Rescale", default=True)
    fill = call.word("ReplaceNa", "off", ("off", "none", "before", "after"))

    def change(values: np.ndarray, variable: Variable) -> np.ndarray:
        if fill == "before":
            values = np.nan_to_num(values)
        present = values[np.isfinite(values)]
        if does_demean:
            values = values - _mean(values)
        if does_rescale:
            spread = present.std(ddof=1) if present.size > 1 else 0.0
            varies = spread > 1e-12 * max(abs(present).max(initial=0.0), 1e-300)
            if not varies and fill == "after":
                return np.zeros(values.size)
            if not varies:
                call.refuse(
                    "Input",
                    f"{variable.name!r} does not vary",
                    "A constant cannot be scaled: use Rescale false, ReplaceNa 'after' for "
                    "zeros, or leave it out.",
                )
            values = values / spread
        return np.nan_to_num(values) if fill == "after" else values

    return each(variables, call, change)


def _mean(values: np.ndarray) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else 0.0


def threshold(variables: Variables, call: Instruction) -> Variables:
    """Set values that do not pass a threshold to 0, and perhaps the others to 1."""
    limit = call.number("Threshold", 0.0)
    is_above = call.flag("Above", default=True)
    is_signed = call.flag("Signed", default=True)
    binarize = call.flag("Binarize", default=False)

    def change(values: np.ndarray, _: Variable) -> np.ndarray:
        compared = values if is_signed else abs(values)
        bound = limit if is_signed else abs(limit)
        with np.errstate(invalid="ignore"):
            passes = compared >= bound if is_above else compared <= bound
        return np.where(passes, 1.0 if binarize else compared, 0.0)

    return each(variables, call, change)


def power(variables: Variables, call: Instruction) -> Variables:
    """Raise to a power."""
    exponent = call.number("Value", 2.0)

    def change(values: np.ndarray, variable: Variable) -> np.ndarray:
        return _finite(values, values**exponent, variable, call)

    with np.errstate(invalid="ignore", divide="ignore"):
        return each(variables, call, change)


def logarithm(variables: Variables, call: Instruction) -> Variables:
    """Take the natural logarithm, or that to another base."""
    base = call.number("Base", np.e)
    if base <= 0 or base == 1:
        call.refuse("Base", f"found {base:g}", "Give a number above 0 other than 1.")

    def change(values: np.ndarray, variable: Variable) -> np.ndarray:
        changed = np.log(values) / np.log(base)
        return _finite(values, changed, variable, call)

    with np.errstate(invalid="ignore", divide="ignore"):
        return each(variables, call, change)


def _finite(
    before: np.ndarray, after: np.ndarray, variable: Variable, call: Instruction
) -> np.ndarray:
    bad = np.isfinite(before) & ~np.isfinite(after)
    if bad.any():
        call.refuse(
            "Input", f"{variable.name!r} holds {before[bad][0]:g}", "It has no finite result."
        )
    return after


def product(variables: Variables, call: Instruction) -> Variables:
    """Multiply variables."""
    return _together(variables, call, lambda values: values.prod(axis=0))


def total(variables: Variables, call: Instruction) -> Variables:
    """Add variables, perhaps with weights."""
    weights = call.value("Weights", None)
    names = [name for name in call.listed if name in call.inputs or name in call.absent]
    given = [1.0] * len(names) if weights is None else as_list(weights)
    if len(given) != len(names):
        call.refuse("Weights", f"{len(given)} for {len(names)} variables", "Give one for each.")
    for index, value in enumerate(given):
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            call.refuse(f"Weights[{index}]", f"found {value!r}", "A number is needed.")
    of = dict(zip(names, given, strict=True))
    factors = np.array([of[name] for name in call.inputs], dtype=float)
    return _together(variables, call, lambda values: factors @ values)


def conjunction(variables: Variables, call: Instruction) -> Variables:
    """1 where all variables are other than 0."""
    return _together(
        variables, call, lambda values: (np.nan_to_num(values) != 0).all(axis=0).astype(float)
    )


def disjunction(variables: Variables, call: Instruction) -> Variables:
    """1 where some variable is other than 0."""
    return _together(
        variables, call, lambda values: (np.nan_to_num(values) != 0).any(axis=0).astype(float)
    )


def negation(variables: Variables, call: Instruction) -> Variables:
    """1 where a variable is 0, and 0 elsewhere, also where it is n/a."""
    return each(variables, call, lambda values, _: (values == 0).astype(float))


def _together(
    variables: Variables, call: Instruction, join: Callable[[np.ndarray], np.ndarray]
) -> Variables:
    found = [call.numeric(one) for one in aligned(variables, call.inputs, call, absent=0.0)]
    first = found[0].duration
    if first is not None and any(
        not np.array_equal(first, one.duration, equal_nan=True)
        for one in found[1:]
        if one.duration is not None
    ):
        call.notes.append(
            warning(
                f"{call.one_output()!r} ({call.name} of {', '.join(call.inputs)}) has the "
                f"durations of {found[0].name!r}; those of the other inputs differ"
            )
        )
    values = np.stack([np.asarray(one.values, dtype=float) for one in found])
    made = replace(found[0].with_values(join(values)), name=call.one_output())
    return variables.with_variables([made])


def drop_na(variables: Variables, call: Instruction) -> Variables:
    """Take out events without a value."""
    made = []
    for name in call.inputs:
        variable = variables[name]
        if not variable.is_sparse:
            call.refuse("Input", f"{name!r} is no list of events", "DropNA needs events.")
        made.append(replace(variable.keep(~variable.is_missing), name=call.output_of(name)))
    return variables.with_variables(made)
