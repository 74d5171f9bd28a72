"""Transformations of BIDS Stats Models: pure functions from variables to variables.

They are those of ``pybids-transforms-v1``, and others that public models use.
`apply_instructions` applies them in the order of the model file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from boldglm.errors import StopRequestedError
from boldglm.notices import Notice
from boldglm.stats_model.transformations import (
    arithmetic,
    categories,
    editing,
    filtering,
    timing,
)
from boldglm.stats_model.transformations.categories import with_comparisons
from boldglm.stats_model.transformations.instructions import (
    ImpliedInstruction,
    Instruction,
    as_list,
    check_instruction,
    normalized,
)
from boldglm.stats_model.variables import Variables
from boldglm.vocabulary import MISSING_POLICY

__all__ = ["TRANSFORMATIONS", "apply_instructions", "is_known_transformation"]


@dataclass(frozen=True)
class Transformation:
    """A function, its parameters, and the effect of inputs that a run lacks.

    Parameters
    ----------
    function : callable
        Takes the variables and the instruction; returns the changed variables.
    parameters : tuple of str
        Keys that the instruction may have beside those that all instructions share.
    if_missing : {"each", "all", "ignore", "function"}
        "each": the output of a missing input is missing. "all": the single output is missing.
        "ignore": the output is made from the other inputs. "function": the function decides.
    """

    function: Callable[[Variables, Instruction], Variables]
    parameters: tuple[str, ...] = ()
    if_missing: str = "each"


TRANSFORMATIONS: Mapping[str, Transformation] = {
    "Factor": Transformation(categories.factor, ("Constraint", "RefLevel", "Sep")),
    "Convolve": Transformation(
        timing.convolve, ("Model", "Derivative", "Dispersion", "FirDelays", "Parameters")
    ),
    "Assign": Transformation(editing.assign, ("Target", "InputAttr", "TargetAttr"), "function"),
    "Replace": Transformation(editing.replace_values, ("Replace", "Attribute")),
    "Copy": Transformation(editing.copy),
    "Rename": Transformation(editing.rename),
    "Select": Transformation(editing.select, if_missing="ignore"),
    "Delete": Transformation(editing.delete, if_missing="ignore"),
    "Group": Transformation(editing.group, ("GroupName",), "ignore"),
    "Constant": Transformation(editing.constant, ("Value",)),
    "Threshold": Transformation(
        arithmetic.threshold, ("Threshold", "Above", "Signed", "Binarize")
    ),
    "Demean": Transformation(arithmetic.demean),
    "Scale": Transformation(arithmetic.scale, ("Demean", "Rescale", "ReplaceNa")),
    "Product": Transformation(arithmetic.product, if_missing="all"),
    "Sum": Transformation(arithmetic.weighted_sum, ("Weights",), "ignore"),
    "Add": Transformation(arithmetic.weighted_sum, ("Weights",), "ignore"),
    "And": Transformation(arithmetic.conjunction, if_missing="all"),
    "Or": Transformation(arithmetic.disjunction, if_missing="ignore"),
    "Not": Transformation(arithmetic.negation),
    "Power": Transformation(arithmetic.power, ("Value",)),
    "Log": Transformation(arithmetic.logarithm, ("Base",)),
    "DropNA": Transformation(arithmetic.drop_na),
    "Filter": Transformation(filtering.filter_events, ("Query", "By")),
    "Split": Transformation(categories.split, ("By",)),
    "Concatenate": Transformation(categories.concatenate, ("Sep",), "all"),
    "LabelIdenticalRows": Transformation(categories.label_identical_rows, ("Cumulative",)),
    "Lag": Transformation(timing.lag, ("Shift", "Order", "Mode", "Constant", "Difference")),
    "Orthogonalize": Transformation(arithmetic.orthogonalize, ("Other",)),
    "ToDense": Transformation(timing.to_dense, ("SamplingRate",)),
    "Resample": Transformation(timing.to_dense, ("SamplingRate",)),
}
_PARAMETERS = {name: item.parameters for name, item in TRANSFORMATIONS.items()}


def is_known_transformation(name: str) -> bool:
    """Tell whether there is a transformation of this name; case does not matter.

    Examples
    --------
    >>> is_known_transformation("drop_na"), is_known_transformation("Mean")
    (True, False)
    """
    return normalized(name) in {normalized(known) for known in TRANSFORMATIONS}


def apply_instructions(
    variables: Variables,
    instructions: Sequence[Mapping[str, Any]],
    path: str,
    *,
    missing: str = MISSING_POLICY,
    names_seen: set[str] | None = None,
) -> tuple[Variables, tuple[Notice, ...]]:
    """Apply instructions in order.

    Parameters
    ----------
    variables : Variables
        Variables of a run, or of the inputs of a higher node.
    instructions : sequence of mapping
        Instructions as written in the model file.
    path : str
        JSON path of the list of instructions, for messages.
    missing : {"drop", "zero", "error"}
        What to do with an input that only other runs have. "drop": it and what is made from it
        are missing in this run. "zero": the same here; `reweighted_contrasts` then changes the
        contrasts. "error": refuse.
    names_seen : set of str, optional
        Receives the name of every variable that exists after any of the instructions.

    Returns
    -------
    variables : Variables
    notes : tuple of Notice
        Exclusions and warnings.

    Raises
    ------
    BadDataError
        If a transformation, parameter or variable is unknown, or values cannot be transformed.

    Examples
    --------
    >>> from boldglm.stats_model.variables import input_variables
    >>> inputs = input_variables({"sex": ["f", "m"], "age": [20, 30]})
    >>> instructions = [{"Name": "Factor", "Input": "sex"}, {"Name": "Demean", "Input": "age"}]
    >>> changed, notes = apply_instructions(inputs, instructions, "$.Nodes[1]")
    >>> {name: changed[name].values.tolist() for name in changed.names}
    {'age': [-5.0, 5.0], 'sex.f': [1.0, 0.0], 'sex.m': [0.0, 1.0]}
    """
    notes: list[Notice] = []
    written = 0
    for content in instructions:
        where = path if isinstance(content, ImpliedInstruction) else f"{path}[{written}]"
        if isinstance(content, ImpliedInstruction) and not set(content["Input"]) <= set(
            variables.names
        ):
            continue  # the table may have a column of the very name that the model uses
        written += not isinstance(content, ImpliedInstruction)
        variables = with_comparisons(variables, content)
        instruction = check_instruction(content, variables, where, _PARAMETERS)
        if instruction.missing_inputs and missing == "error":
            raise StopRequestedError(
                f"At {where} ({instruction.name}): this run has no "
                f"{', '.join(instruction.missing_inputs)}, and --missing-conditions error does "
                "not allow that. Pass --missing-conditions drop, or choose other runs."
            )
        variables = _apply(variables, instruction)
        if names_seen is not None:
            names_seen |= set(variables.names) | variables.missing
        notes += instruction.notes
    return variables, tuple(dict.fromkeys(notes))


def _apply(variables: Variables, instruction: Instruction) -> Variables:
    """Apply one instruction, and mark what it cannot make in this run as missing."""
    transformation = TRANSFORMATIONS[instruction.name]
    if transformation.if_missing == "function":
        return transformation.function(variables, instruction)
    has_missing = bool(instruction.missing_inputs)
    skipped = has_missing and (transformation.if_missing == "all" or not instruction.inputs)
    if not skipped and (instruction.inputs or instruction.name == "Constant"):
        variables = transformation.function(variables, instruction)
    if has_missing and not variables.collects_names:
        missing = variables.missing | _missing_outputs(instruction, skipped=skipped)
        variables = replace(variables, missing=missing)
    return variables


def _missing_outputs(instruction: Instruction, *, skipped: bool) -> frozenset[str]:
    """Return the names that the instruction would have made from the missing inputs."""
    output = instruction.value("Output", None)
    outputs = [] if output is None else [str(name) for name in as_list(output)]
    listed = [str(name) for name in as_list(instruction.value("Input", []))]
    missing = list(instruction.missing_inputs)
    if skipped:
        names = outputs or missing
    elif len(outputs) == len(listed):
        pairs = zip(outputs, listed, strict=True)
        names = [output_name for output_name, input_name in pairs if input_name in missing]
    else:
        names = missing
    if instruction.name == "Convolve":
        suffixes = timing.basis_of(instruction).suffixes
        names = [name + suffix for name in names for suffix in ("", *suffixes)]
    return frozenset(names)
