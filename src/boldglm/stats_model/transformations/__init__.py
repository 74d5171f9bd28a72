"""Transformations of BIDS Stats Models (``pybids-transforms-v1``, and what models use beyond it).

Each is a pure function from variables to variables. `apply_instructions` checks and runs them in
the order of the model file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from boldglm.errors import BadDataError
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
    Instruction,
    as_list,
    check_instruction,
)
from boldglm.stats_model.variables import Variables

__all__ = ["TRANSFORMATIONS", "apply_instructions"]


@dataclass(frozen=True)
class Transformation:
    """A function, its parameters, and what becomes of it where a run lacks an input.

    `absent`: "each" (that input's output is missing too), "all" (the one output is missing),
    "ignore" (an input that is not there adds nothing) or "own" (the function sees to it).
    """

    function: Callable[[Variables, Instruction], Variables]
    parameters: tuple[str, ...] = ()
    absent: str = "each"


TRANSFORMATIONS: Mapping[str, Transformation] = {
    "Factor": Transformation(categories.factor, ("Constraint", "RefLevel", "Sep")),
    "Convolve": Transformation(
        timing.convolve, ("Model", "Derivative", "Dispersion", "FirDelays", "Parameters")
    ),
    "Assign": Transformation(editing.assign, ("Target", "InputAttr", "TargetAttr"), "own"),
    "Replace": Transformation(editing.replace_values, ("Replace", "Attribute")),
    "Copy": Transformation(editing.copy),
    "Rename": Transformation(editing.rename),
    "Select": Transformation(editing.select, absent="ignore"),
    "Delete": Transformation(editing.delete, absent="ignore"),
    "Group": Transformation(editing.group, ("GroupName",), "ignore"),
    "Constant": Transformation(editing.constant, ("Value",)),
    "Threshold": Transformation(
        arithmetic.threshold, ("Threshold", "Above", "Signed", "Binarize")
    ),
    "Demean": Transformation(arithmetic.demean),
    "Scale": Transformation(arithmetic.scale, ("Demean", "Rescale", "ReplaceNa")),
    "Product": Transformation(arithmetic.product, absent="all"),
    "Sum": Transformation(arithmetic.total, ("Weights",), "ignore"),
    "Add": Transformation(arithmetic.total, ("Weights",), "ignore"),
    "And": Transformation(arithmetic.conjunction, absent="all"),
    "Or": Transformation(arithmetic.disjunction, absent="ignore"),
    "Not": Transformation(arithmetic.negation),
    "Power": Transformation(arithmetic.power, ("Value",)),
    "Log": Transformation(arithmetic.logarithm, ("Base",)),
    "DropNA": Transformation(arithmetic.drop_na),
    "Filter": Transformation(filtering.filter_events, ("Query", "By")),
    "Split": Transformation(categories.split, ("By",)),
    "Concatenate": Transformation(categories.concatenate, ("Sep",), "all"),
    "LabelIdenticalRows": Transformation(categories.label_identical_rows, ("Cumulative",)),
    "Lag": Transformation(timing.lag, ("Shift", "Order", "Mode", "Constant", "Difference")),
    "Orthogonalize": Transformation(timing.orthogonalize, ("Other",)),
    "ToDense": Transformation(timing.to_dense, ("SamplingRate",)),
    "Resample": Transformation(timing.to_dense, ("SamplingRate",)),
}
_PARAMETERS = {name: one.parameters for name, one in TRANSFORMATIONS.items()}
MISSING_POLICIES = ("drop", "error", "zero")


def apply_instructions(
    variables: Variables,
    instructions: Sequence[Mapping[str, Any]],
    path: str,
    *,
    missing: str = "drop",
    names_seen: set[str] | None = None,
) -> tuple[Variables, tuple[Notice, ...]]:
    """Run instructions in order.

    Parameters
    ----------
    variables : Variables
        Of a run, or of the inputs of a node; `Variables.missing` are names that only other
        runs have.
    instructions : sequence of mapping
        As the model file has them.
    path : str
        JSON path of the list, for messages.
    missing : {"drop", "zero", "error"}
        What to do with an input that only other runs have: leave it and what follows from it
        out, or refuse. ("zero" is dropped here too; contrasts are weighted anew for it.)
    names_seen : set of str, optional
        Takes up every name that exists at some stage.

    Returns
    -------
    variables : Variables
    notes : tuple of Notice
        Exclusions and warnings.

    Raises
    ------
    BadDataError
        With JSON path, finding and remedy: unknown transformation, parameter or variable, or
        values that cannot be used.

    Examples
    --------
    >>> from boldglm.stats_model.variables import row_variables
    >>> rows = row_variables({"sex": ["f", "m"], "age": [20, 30]})
    >>> instructions = [{"Name": "Factor", "Input": "sex"}, {"Name": "Demean", "Input": "age"}]
    >>> found, _ = apply_instructions(rows, instructions, "$.Nodes[1]")
    >>> {name: found[name].values.tolist() for name in found.names}
    {'age': [-5.0, 5.0], 'sex.f': [1.0, 0.0], 'sex.m': [0.0, 1.0]}
    """
    notes: list[Notice] = []
    for index, content in enumerate(instructions):
        where = f"{path}[{index}]"
        variables = with_comparisons(variables, content)
        call = check_instruction(content, variables, where, _PARAMETERS)
        if call.absent and missing == "error":
            raise BadDataError(
                f"At {where} ({call.name}): this run has no {', '.join(call.absent)}, and "
                "--missing-conditions error asks to stop. Use drop, or leave the run out."
            )
        chosen = TRANSFORMATIONS[call.name]
        sees_to_it = chosen.absent == "own"
        skipped = bool(call.absent) and (chosen.absent == "all" or not call.inputs)
        if sees_to_it or (not skipped and (call.inputs or call.name == "Constant")):
            variables = chosen.function(variables, call)
        if call.absent and not sees_to_it and not variables.collects_names:
            variables = replace(
                variables, missing=variables.missing | _missing_outputs(call, skipped=skipped)
            )
        if names_seen is not None:
            names_seen |= set(variables.names) | variables.missing
        notes += call.notes
    return variables, tuple(dict.fromkeys(notes))


def _missing_outputs(call: Instruction, *, skipped: bool) -> frozenset[str]:
    """Names that the instruction would have made, had the run its inputs."""
    output = call.value("Output", None)
    named = [] if output is None else [str(one) for one in as_list(output)]
    listed = [str(one) for one in as_list(call.value("Input", []))]
    if skipped:
        made = named or list(call.absent)
    elif len(named) == len(listed):
        made = [out for out, one in zip(named, listed, strict=True) if one in call.absent]
    else:
        made = list(call.absent)
    if call.name == "Convolve":
        suffixes = timing.basis_of(call).suffixes
        made = [name + suffix for name in made for suffix in ("", *suffixes)]
    return frozenset(made)
