"""Transformations of numbers: Demean, Scale, Threshold, Product, Sum, Orthogonalize and others."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite

import numpy as np

from boldglm.notices import warning
from boldglm.stats_model.transformations.alignment import aligned
from boldglm.stats_model.transformations.instructions import Instruction, as_list
from boldglm.stats_model.variables import Variable, Variables


def transform_each(
    variables: Variables,
    instruction: Instruction,
    transform: Callable[[np.ndarray, Variable], np.ndarray],
) -> Variables:
    """Transform the values of each input separately."""
    outputs, inputs = instruction.outputs, instruction.inputs
    if outputs is not None and len(outputs) != len(inputs):
        instruction.refuse(
            "Output",
            f"found {len(outputs)} names for {len(inputs)} inputs",
            "Write one name for each input.",
        )
    results = []
    for name in inputs:
        variable = instruction.numeric(variables[name])
        values = transform(np.asarray(variable.values, dtype=float), variable)
        results.append(replace(variable.with_values(values), name=instruction.output_of(name)))
    return variables.with_variables(results)


def demean(variables: Variables, instruction: Instruction) -> Variables:
    """Subtract the mean of the values that are not missing."""
    return transform_each(variables, instruction, lambda values, _: values - _mean(values))


def scale(variables: Variables, instruction: Instruction) -> Variables:
    """Subtract the mean and divide by the standard deviation (with divisor n - 1)."""
    does_demean = instruction.flag("Demean", default=True)
    does_rescale = instruction.flag("Rescale", default=True)
    replace_na = instruction.word("ReplaceNa", "off", ("off", "none", "before", "after"))

    def transform(values: np.ndarray, variable: Variable) -> np.ndarray:
        if replace_na == "before":
            values = np.nan_to_num(values)
        present = values[np.isfinite(values)]
        if does_demean:
            values = values - _mean(values)
        if does_rescale:
            deviation = present.std(ddof=1) if present.size > 1 else 0.0
            varies = deviation > 1e-12 * max(abs(present).max(initial=0.0), 1e-300)
            if not varies and replace_na == "after":
                return np.zeros(values.size)
            if not varies:
                instruction.refuse(
                    "Input",
                    f"{variable.name!r} does not vary, so its standard deviation is 0",
                    "Write Rescale false, or ReplaceNa 'after' to get zeros, or remove it from "
                    "Input.",
                )
            values = values / deviation
        return np.nan_to_num(values) if replace_na == "after" else values

    return transform_each(variables, instruction, transform)


def _mean(values: np.ndarray) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else 0.0


def threshold(variables: Variables, instruction: Instruction) -> Variables:
    """Set values that do not pass a threshold to 0, and with Binarize the others to 1."""
    limit = instruction.number("Threshold", 0.0)
    is_above = instruction.flag("Above", default=True)
    is_signed = instruction.flag("Signed", default=True)
    binarize = instruction.flag("Binarize", default=False)

    def transform(values: np.ndarray, _: Variable) -> np.ndarray:
        compared = values if is_signed else abs(values)
        bound = limit if is_signed else abs(limit)
        with np.errstate(invalid="ignore"):
            passes = compared >= bound if is_above else compared <= bound
        return np.where(passes, 1.0 if binarize else compared, 0.0)

    return transform_each(variables, instruction, transform)


def power(variables: Variables, instruction: Instruction) -> Variables:
    """Raise values to a power."""
    exponent = instruction.number("Value", 2.0)

    def transform(values: np.ndarray, variable: Variable) -> np.ndarray:
        return _check_finite(values, values**exponent, variable, instruction)

    with np.errstate(invalid="ignore", divide="ignore"):
        return transform_each(variables, instruction, transform)


def logarithm(variables: Variables, instruction: Instruction) -> Variables:
    """Take the logarithm of values: the natural one, or to the base Base."""
    base = instruction.number("Base", np.e)
    if base <= 0 or base == 1:
        instruction.refuse("Base", f"found {base:g}", "Write a number above 0 other than 1.")

    def transform(values: np.ndarray, variable: Variable) -> np.ndarray:
        logarithms = np.log(values) / np.log(base)
        return _check_finite(values, logarithms, variable, instruction)

    with np.errstate(invalid="ignore", divide="ignore"):
        return transform_each(variables, instruction, transform)


def _check_finite(
    values: np.ndarray, results: np.ndarray, variable: Variable, instruction: Instruction
) -> np.ndarray:
    undefined = np.isfinite(values) & ~np.isfinite(results)
    if undefined.any():
        instruction.refuse(
            "Input",
            f"{variable.name!r} contains {values[undefined][0]:g}, for which {instruction.name} "
            "has no finite result",
            "Change the value with Replace, or remove its events with Filter.",
        )
    return results


def product(variables: Variables, instruction: Instruction) -> Variables:
    """Multiply variables."""
    return _combine(variables, instruction, lambda values: values.prod(axis=0))


def weighted_sum(variables: Variables, instruction: Instruction) -> Variables:
    """Add variables, with the weights in Weights if it is given."""
    listed = instruction.value("Weights", None)
    known = (*instruction.inputs, *instruction.missing_inputs)
    names = [name for name in instruction.listed_inputs if name in known]
    weights = [1.0] * len(names) if listed is None else as_list(listed)
    if len(weights) != len(names):
        instruction.refuse(
            "Weights",
            f"found {len(weights)} weights for {len(names)} inputs",
            "Write one weight for each input.",
        )
    for index, value in enumerate(weights):
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            instruction.refuse(f"Weights[{index}]", f"found {value!r}", "Write a number.")
    weight_of = dict(zip(names, weights, strict=True))
    factors = np.array([weight_of[name] for name in instruction.inputs], dtype=float)
    return _combine(variables, instruction, lambda values: factors @ values)


def conjunction(variables: Variables, instruction: Instruction) -> Variables:
    """Return 1 where all variables differ from 0, and 0 elsewhere."""

    def combine(values: np.ndarray) -> np.ndarray:
        return (np.nan_to_num(values) != 0).all(axis=0).astype(float)

    return _combine(variables, instruction, combine)


def disjunction(variables: Variables, instruction: Instruction) -> Variables:
    """Return 1 where at least one variable differs from 0, and 0 elsewhere."""

    def combine(values: np.ndarray) -> np.ndarray:
        return (np.nan_to_num(values) != 0).any(axis=0).astype(float)

    return _combine(variables, instruction, combine)


def negation(variables: Variables, instruction: Instruction) -> Variables:
    """Return 1 where a variable is 0, and 0 elsewhere, including missing values."""
    return transform_each(variables, instruction, lambda values, _: (values == 0).astype(float))


def _combine(
    variables: Variables,
    instruction: Instruction,
    combine: Callable[[np.ndarray], np.ndarray],
) -> Variables:
    """Combine the aligned values of all inputs, (n_inputs, n_rows), into one variable."""
    inputs = [
        instruction.numeric(variable)
        for variable in aligned(variables, instruction.inputs, instruction, fill=0.0)
    ]
    first = inputs[0]
    if first.duration is not None and any(
        not np.array_equal(first.duration, variable.duration, equal_nan=True)
        for variable in inputs[1:]
        if variable.duration is not None
    ):
        instruction.notes.append(
            warning(
                f"{instruction.single_output()!r} ({instruction.name} of "
                f"{', '.join(instruction.inputs)}) has the durations of {first.name!r}; those of "
                "the other inputs differ"
            )
        )
    values = np.stack([np.asarray(variable.values, dtype=float) for variable in inputs])
    result = replace(first.with_values(combine(values)), name=instruction.single_output())
    return variables.with_variables([result])


def drop_na(variables: Variables, instruction: Instruction) -> Variables:
    """Remove events whose value is missing."""
    results = []
    for name in instruction.inputs:
        variable = variables[name]
        if not variable.is_sparse:
            instruction.refuse(
                "Input",
                f"{name!r} is not a list of events",
                "Apply DropNA to columns of the events file only.",
            )
        present = variable.select_events(~variable.is_missing)
        results.append(replace(present, name=instruction.output_of(name)))
    return variables.with_variables(results)


def orthogonalize(variables: Variables, instruction: Instruction) -> Variables:
    """Subtract the least-squares fit of other variables; the fit includes a constant.

    The constant itself is not subtracted, so that the mean of a variable stays as it is where
    the other variables have mean 0.
    """
    others = instruction.existing_variables("Other", variables)
    results = []
    for name in instruction.inputs:
        other_names = [other for other in others if other != name]
        if not other_names:
            instruction.refuse(
                "Other", f"it names only {name!r} itself", "Write the name of another variable."
            )
        rows = aligned(variables, [name, *other_names], instruction, onto_first=True)
        variable, *explaining = [instruction.numeric(row) for row in rows]
        values = np.asarray(variable.values, dtype=float)
        columns = np.stack([np.asarray(other.values, dtype=float) for other in explaining], axis=1)
        present = np.isfinite(values) & np.isfinite(columns).all(axis=1)
        design = np.column_stack([np.ones(int(present.sum())), columns[present]])
        fitted = np.linalg.lstsq(design, values[present], rcond=None)[0]
        residuals = values.copy()
        residuals[present] = values[present] - columns[present] @ fitted[1:]
        results.append(replace(variable.with_values(residuals), name=instruction.output_of(name)))
    return variables.with_variables(results)
