"""Transformations that edit variables: Copy, Rename, Select, Delete, Group, Constant, Assign,
Replace.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from boldglm.notices import note, warning
from boldglm.stats_model.transformations.categories import level_text
from boldglm.stats_model.transformations.instructions import Instruction, as_number
from boldglm.stats_model.variables import Variable, Variables, parse_column

TIME_ATTRIBUTES = ("onset", "duration")
ATTRIBUTES = ("amplitude", "value", *TIME_ATTRIBUTES)


def copy(variables: Variables, instruction: Instruction) -> Variables:
    """Add copies of variables under other names."""
    _check_outputs(instruction)
    return variables.with_variables(
        replace(variables[name], name=instruction.output_of(name), source="derived")
        for name in instruction.inputs
    )


def rename(variables: Variables, instruction: Instruction) -> Variables:
    """Rename variables."""
    return copy(variables, instruction).without(
        name for name in instruction.inputs if name not in (instruction.outputs or ())
    )


def _check_outputs(instruction: Instruction) -> None:
    if instruction.value("OutputSuffix", None) is None and (
        instruction.outputs is None or len(instruction.outputs) != len(instruction.inputs)
    ):
        instruction.refuse(
            "Output",
            f"found {len(instruction.outputs or ())} names for {len(instruction.inputs)} inputs",
            "Write one name for each input.",
        )


def select(variables: Variables, instruction: Instruction) -> Variables:
    """Keep only the variables in Input."""
    return variables.without(name for name in variables.names if name not in instruction.inputs)


def delete(variables: Variables, instruction: Instruction) -> Variables:
    """Remove the variables in Input."""
    return variables.without(instruction.inputs)


def group(variables: Variables, instruction: Instruction) -> Variables:
    """Give a group of variables a name that later instructions can use."""
    name = str(instruction.value("Output", None) or instruction.value("GroupName", ""))
    if not name or name in variables:
        instruction.refuse("Output", f"found {name!r}", "Write a name that no variable has.")
    return replace(variables, groups={**variables.groups, name: instruction.inputs})


def constant(variables: Variables, instruction: Instruction) -> Variables:
    """Add a variable with the same value at all volumes, or for all inputs."""
    value = instruction.number("Value", 1.0)
    name = instruction.single_output()
    if variables.frame_times is not None:
        values = np.full(variables.frame_times.shape, value)
        return variables.with_variables([Variable(name, values, times=variables.frame_times)])
    size = len(next(iter(variables.by_name.values())).values) if variables.by_name else 0
    return variables.with_variables([Variable(name, np.full(size, value))])


def assign(variables: Variables, instruction: Instruction) -> Variables:
    """Copy amplitude, onset or duration of one variable to another.

    Inputs and targets are paired in the order of the file. If the run lacks the variable or the
    target of a pair, it lacks the result too.
    """
    targets = instruction.listed_variables("Target", variables)
    sources = instruction.listed_inputs
    if len(sources) not in (1, len(targets)):
        instruction.refuse(
            "Target",
            f"found {len(targets)} targets for {len(sources)} inputs",
            "Write one target for each input.",
        )
    names = targets if instruction.listed_outputs is None else instruction.listed_outputs
    if len(names) != len(targets):
        instruction.refuse(
            "Output",
            f"found {len(names)} names for {len(targets)} targets",
            "Write one name for each target.",
        )
    source_attribute = instruction.word("InputAttr", "amplitude", ATTRIBUTES)
    target_attribute = instruction.word("TargetAttr", "amplitude", ATTRIBUTES)
    sources = sources * len(targets) if len(sources) == 1 else sources
    results, missing = [], []
    for source, target, name in zip(sources, targets, names, strict=True):
        if source in variables and target in variables:
            values = _values_to_assign(
                variables[source], variables[target], source_attribute, target_attribute,
                instruction,
            )  # fmt: skip
            changed = _with_attribute(variables[target], target_attribute, values)
            results.append(replace(changed, name=name))
            continue
        missing.append(name)
        if target in variables:
            instruction.notes.append(
                warning(
                    f"{target!r} gets no {target_attribute} from {source!r}, which does not exist"
                )
            )
    if not variables.collects_names:
        variables = replace(variables, missing=variables.missing | set(missing))
    return variables.without(missing).with_variables(results)


def _values_to_assign(
    source: Variable,
    target: Variable,
    source_attribute: str,
    target_attribute: str,
    instruction: Instruction,
) -> np.ndarray:
    for variable in (source, target):
        if not variable.is_sparse:
            instruction.refuse(
                "Input",
                f"{variable.name!r} is not a list of events",
                "Use Assign between columns of the events file only.",
            )
    if source.values.size != target.values.size:
        instruction.refuse(
            "Target",
            f"{target.name!r} has {target.values.size} events, but {source.name!r} has "
            f"{source.values.size}",
            "Use variables that have the same events.",
        )
    if target_attribute in TIME_ATTRIBUTES and source_attribute not in TIME_ATTRIBUTES:
        source = instruction.numeric(source)
    return _attribute(source, source_attribute)


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


def replace_values(variables: Variables, instruction: Instruction) -> Variables:
    """Replace values, onsets or durations."""
    replacements = _replacements(instruction)
    attribute = instruction.word("Attribute", "value", (*ATTRIBUTES, "all"))
    attributes = ("amplitude", *TIME_ATTRIBUTES) if attribute == "all" else (attribute,)
    results = []
    for name in instruction.inputs:
        variable = variables[name]
        for changed in attributes:
            variable = _replaced(variable, changed, replacements, instruction)
        results.append(replace(variable, name=instruction.output_of(name)))
    return variables.with_variables(results)


def _replacements(instruction: Instruction) -> dict[str, Any]:
    """Return old and new values; pairs written as ``{"key": old, "value": new}`` are noted."""
    content = instruction.value("Replace", None)
    items = content if isinstance(content, list) else [content]
    replacements: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, Mapping):
            instruction.refuse(
                "Replace", f"found {content!r}", "Write an object, {old value: new value}."
            )
        if set(item) != {"key", "value"}:
            replacements |= item
            continue
        old = str(item["key"])
        if set(old) & set("^$*+?\\|()[]"):
            instruction.refuse(
                "Replace",
                f"the key {old!r} may be a regular expression",
                'Write each value, as {"old value": "new value"}.',
            )
        replacements[old] = item["value"]
        instruction.notes.append(
            note(f"Replace at {instruction.path}: the value {old!r} becomes {item['value']!r}")
        )
    return replacements


def _replaced(
    variable: Variable, attribute: str, replacements: Mapping, instruction: Instruction
) -> Variable:
    """Return a variable with the values of one attribute replaced."""
    is_time = attribute in TIME_ATTRIBUTES
    if is_time and not variable.is_sparse:
        instruction.refuse(
            "Attribute",
            f"{variable.name!r} is not a list of events, so it has no {attribute}",
            "Write 'value'.",
        )
    values = _attribute(variable, attribute)
    replaced = [_replacement(value, replacements) for value in values]
    changed = parse_column(replaced)
    if changed.dtype == object:  # numbers beside text are levels: 2, not 2.0
        changed = parse_column([level_text(value) for value in replaced])
    if is_time and changed.dtype == object:
        text = next(value for value in changed if value and as_number(value) is None)
        instruction.refuse(
            "Replace",
            f"found {text!r} as {attribute} of {variable.name!r}",
            "Write seconds, or 'n/a'.",
        )
    return _with_attribute(variable, attribute, changed)


def _replacement(value: object, replacements: Mapping) -> object:
    """Return the new value; text is compared as it is written, and numbers as numbers."""
    is_missing = value is None or (isinstance(value, float) and np.isnan(value))
    for old, new in replacements.items():
        if is_missing:
            if str(old).strip().lower() in ("", "n/a", "nan"):
                return new
        elif old == value or (isinstance(value, float) and as_number(old) == value):
            return new
    return value
