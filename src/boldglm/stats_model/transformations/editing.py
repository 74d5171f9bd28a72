"""Transformations of names: Copy, Rename, Select, Delete, Group, Constant, Assign, Replace."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from boldglm.notices import warning
from boldglm.stats_model.transformations.instructions import Instruction, as_number
from boldglm.stats_model.variables import Variable, Variables, typed

ATTRIBUTES = ("amplitude", "value", "onset", "duration")


def copy(variables: Variables, call: Instruction) -> Variables:
    """Put in copies under other names."""
    _check_outputs(call)
    return variables.with_variables(
        replace(variables[name], name=call.output_of(name), source="derived")
        for name in call.inputs
    )


def rename(variables: Variables, call: Instruction) -> Variables:
    """Give variables other names."""
    return copy(variables, call).without(
        name for name in call.inputs if name not in (call.outputs or ())
    )


def _check_outputs(call: Instruction) -> None:
    if call.value("OutputSuffix", None) is None and (
        call.outputs is None or len(call.outputs) != len(call.inputs)
    ):
        call.refuse(
            "Output",
            f"{len(call.outputs or ())} names for {len(call.inputs)} variables",
            "Give one for each.",
        )


def select(variables: Variables, call: Instruction) -> Variables:
    """Keep these variables only."""
    return variables.without(name for name in variables.names if name not in call.inputs)


def delete(variables: Variables, call: Instruction) -> Variables:
    """Take variables out."""
    return variables.without(call.inputs)


def group(variables: Variables, call: Instruction) -> Variables:
    """Let one name stand for several variables."""
    name = str(call.value("Output", None) or call.value("GroupName", ""))
    if not name or name in variables:
        call.refuse("Output", f"found {name!r}", "Give a name that no variable has.")
    return replace(variables, groups={**variables.groups, name: call.inputs})


def constant(variables: Variables, call: Instruction) -> Variables:
    """Put in a variable that is the same everywhere: at all scans, or for all inputs."""
    value = call.number("Value", 1.0)
    name = call.one_output()
    if variables.frame_times is not None:
        values = np.full(variables.frame_times.shape, value)
        return variables.with_variables([Variable(name, values, times=variables.frame_times)])
    size = len(next(iter(variables.found.values())).values) if variables.found else 0
    return variables.with_variables([Variable(name, np.full(size, value))])


def assign(variables: Variables, call: Instruction) -> Variables:
    """Take amplitude, onset or duration of one variable over into another.

    Inputs and targets go together by their place in the file. Where the run lacks one of a pair,
    it lacks the result too, and that is said.
    """
    targets = call.listed_in("Target", variables)
    if len(call.listed) not in (1, len(targets)):
        call.refuse("Target", f"{len(targets)} for {len(call.listed)} inputs", "Give one each.")
    names = targets if call.given_outputs is None else call.given_outputs
    if len(names) != len(targets):
        call.refuse("Output", f"{len(names)} for {len(targets)} targets", "Give one for each.")
    read = call.word("InputAttr", "amplitude", ATTRIBUTES)
    write = call.word("TargetAttr", "amplitude", ATTRIBUTES)
    sources = call.listed * len(targets) if len(call.listed) == 1 else call.listed
    made, missing = [], []
    for source, target, name in zip(sources, targets, names, strict=True):
        gone = [one for one in (source, target) if one not in variables]
        if not gone:
            made.append(_assigned(variables[source], variables[target], name, read, write, call))
            continue
        missing.append(name)
        if target in variables:
            call.notes.append(
                warning(f"{target!r} gets no {write} from {gone[0]!r}, which does not exist")
            )
    if not variables.collects_names:
        variables = replace(variables, missing=variables.missing | set(missing))
    return variables.without(missing).with_variables(made)


def _assigned(
    source: Variable, target: Variable, name: str, read: str, write: str, call: Instruction
) -> Variable:
    for one in (source, target):
        if not one.is_sparse:
            call.refuse("Input", f"{one.name!r} is no list of events", "Assign needs events.")
    if source.values.size != target.values.size:
        call.refuse(
            "Target",
            f"{target.name!r} has {target.values.size} events, {source.name!r} "
            f"{source.values.size}",
            "Both need the same events.",
        )
    of_time = ("onset", "duration")
    values = _attribute(
        call.numeric(source) if write in of_time and read not in of_time else source, read
    )
    return replace(_with_attribute(target, write, values), name=name)


def _attribute(variable: Variable, attribute: str) -> np.ndarray:
    if attribute == "onset":
        assert variable.onset is not None
        return variable.onset
    if attribute == "duration":
        assert variable.duration is not None
        return variable.duration
    return variable.values


def _with_attribute(variable: Variable, attribute: str, values: np.ndarray) -> Variable:
    if attribute == "onset":
        return replace(variable, onset=np.asarray(values, dtype=float), source="derived")
    if attribute == "duration":
        return replace(variable, duration=np.asarray(values, dtype=float), source="derived")
    return variable.with_values(values)


def replace_values(variables: Variables, call: Instruction) -> Variables:
    """Replace values, onsets or durations by others."""
    table = call.value("Replace", None)
    if isinstance(table, list) and all(isinstance(one, Mapping) for one in table):
        table = {key: value for one in table for key, value in one.items()}
    if not isinstance(table, Mapping):
        call.refuse("Replace", f"found {table!r}", "Give an object: {old: new}.")
    attribute = call.word("Attribute", "value", (*ATTRIBUTES, "all"))
    made = []
    for name in call.inputs:
        variable = variables[name]
        chosen = ("amplitude", "onset", "duration") if attribute == "all" else (attribute,)
        for one in chosen:
            if one in ("onset", "duration") and not variable.is_sparse:
                call.refuse("Attribute", f"{name!r} is no list of events", "Use 'value'.")
            values = _attribute(variable, one)
            changed = typed([_replaced(value, table) for value in values])
            if one in ("onset", "duration") and changed.dtype == object:
                odd = next(value for value in changed if value and as_number(value) is None)
                call.refuse("Replace", f"{odd!r} as {one} of {name!r}", "Give seconds, or 'n/a'.")
            variable = _with_attribute(variable, one, changed)
        made.append(replace(variable, name=call.output_of(name)))
    return variables.with_variables(made)


def _replaced(value: object, table: Mapping) -> object:
    """Look a value up, as text or as a number."""
    missing = value is None or (isinstance(value, float) and np.isnan(value))
    for old, new in table.items():
        if missing:
            if str(old).strip().lower() in ("", "n/a", "nan"):
                return new
        elif str(old) == str(value) or as_number(old) == as_number(value) is not None:
            return new
    return value
