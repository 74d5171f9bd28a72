"""Columns of the design of a run, from its variables and the X of its node."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import FloatArray
from boldglm.notices import Notice, warning
from boldglm.stats_model.formula import formula_of
from boldglm.stats_model.specification import HRFSpec, NodeSpec, Term
from boldglm.stats_model.transformations.instructions import Instruction, unknown_variable
from boldglm.stats_model.transformations.timing import basis_of, convolved
from boldglm.stats_model.variables import Variables, sampled


@dataclass(frozen=True)
class RunColumns:
    """Columns of the design of a run, without drift.

    Parameters
    ----------
    names : tuple of str
        In the order of X.
    matrix : ndarray of shape (n_scans, n_columns)
    confounds : tuple of str
        Terms of X that are columns of the confounds file, in order; they are not in `matrix`.
    missing : tuple of str
        Terms of X that only other runs have.
    has_constant : bool
    notes : tuple of Notice
    """

    names: tuple[str, ...]
    matrix: FloatArray
    confounds: tuple[str, ...]
    missing: tuple[str, ...]
    has_constant: bool
    notes: tuple[Notice, ...] = ()


def apply_hrf(
    variables: Variables, hrf: HRFSpec | None, path: str
) -> tuple[Variables, list[Notice]]:
    """Convolve the variables of `Model.HRF` (which pybids ignores).

    Parameters
    ----------
    variables : Variables
    hrf : HRFSpec, optional
    path : str
        JSON path of `Model.HRF`, for messages.

    Returns
    -------
    variables : Variables
    notes : list of Notice

    Raises
    ------
    BadDataError
        If a variable is unknown, or is convolved or sampled already.
    """
    if hrf is None:
        return variables, []
    content: dict[str, Any] = {"Model": hrf.model, "Parameters": {}}
    for key, value in hrf.parameters.items():
        if key.lower().replace("_", "") == "firdelays":
            content["FirDelays"] = value
        else:
            content["Parameters"][key] = value
    instruction = Instruction("HRF", path, content)
    basis = basis_of(instruction)
    for index, pattern in enumerate(hrf.variables):
        matched = variables.matching(pattern)
        if not matched and not variables.lacks(pattern) and not set(pattern) & set("*?"):
            instruction.refuse(f"Variables[{index}]", *unknown_variable(pattern, variables))
        for name in matched:
            if not variables[name].is_sparse:
                instruction.refuse(
                    f"Variables[{index}]",
                    f"{name!r} is not a list of events any more",
                    "Convolve it once, either with Convolve or with HRF.",
                )
            variables = convolved(variables, name, name, basis, instruction)
    return variables, instruction.notes


def run_columns(variables: Variables, node: NodeSpec) -> RunColumns:
    """Make the columns of X from the variables of a run.

    Variables that are still events become boxcars, sampled at the volumes: X has them without an
    HRF. A pattern stands for all matching variables, in their order.

    Raises
    ------
    BadDataError
        If X names a variable that no run has, or a variable contains text or missing values.
    """
    path = f"{node.path}.Model.X"
    assert variables.frame_times is not None
    names, missing, notes = _variables_of_x(variables, node.x, path)
    confounds = [name for name in names if variables[name].source == "confounds"]
    terms: list[tuple[str, ...]] = [(name,) for name in names if name not in confounds]
    has_constant = 1 in node.x
    if node.formula is not None:
        path = f"{node.path}.Model.Formula"
        formula = formula_of(node)
        has_constant = formula.has_constant
        terms = [term for term in formula.terms if not set(missing) & set(term)]
        confounds = [name for name in confounds if name not in formula.variables]
    columns: dict[str, FloatArray] = {}
    for term in terms:
        factors = [_column(name, variables, path) for name in term]
        columns[":".join(term)] = np.prod(factors, axis=0)
    matrix = np.array(list(columns.values())).reshape(len(columns), len(variables.frame_times)).T
    return RunColumns(
        tuple(columns), matrix, tuple(confounds), tuple(missing), has_constant, tuple(notes)
    )


def _variables_of_x(
    variables: Variables, x: Sequence[Term], path: str
) -> tuple[list[str], list[str], list[Notice]]:
    """Return the variables that X names or matches, the names that only other runs have, notes."""
    names: list[str] = []
    missing: list[str] = []
    notes: list[Notice] = []
    for index, term in enumerate(x):
        text = str(term)
        if term == 1:
            continue
        matched = variables.matching(text)
        if matched:
            names += matched
        elif set(text) & set("*?"):
            notes.append(warning(f"nothing in this run matches {text!r} of X"))
        elif text in variables.missing:
            missing.append(text)
        else:
            finding, remedy = unknown_variable(text, variables)
            raise BadDataError(f"At {path}[{index}]: {finding}. {remedy}")
    return list(dict.fromkeys(names)), missing, notes


def _column(name: str, variables: Variables, path: str) -> FloatArray:
    """Return a variable sampled at the volumes, (n_scans,)."""
    if name not in variables:
        finding, remedy = unknown_variable(name, variables)
        raise BadDataError(f"At {path}: {finding}. {remedy}")
    variable = variables[name]
    if variable.is_text:
        raise BadDataError(
            f"At {path}: {name!r} contains text. Apply Factor to it, and name its levels instead."
        )
    assert variables.frame_times is not None
    column = sampled(variable, variables.frame_times)
    n_missing = int((~np.isfinite(column)).sum())
    if n_missing:
        raise BadDataError(
            f"At {path}: {name!r} has {n_missing} missing values. Fill them with Replace, or "
            "with Scale and ReplaceNa."
        )
    return column
