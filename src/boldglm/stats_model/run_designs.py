"""From the variables of a run to the columns of its design."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import FloatArray
from boldglm.notices import Notice, warning
from boldglm.stats_model.formula import formula_of
from boldglm.stats_model.specification import HRFSpec, NodeSpec, Term
from boldglm.stats_model.transformations.instructions import Instruction, unknown
from boldglm.stats_model.transformations.timing import basis_of, convolved
from boldglm.stats_model.variables import Variables, sampled


@dataclass(frozen=True)
class RunColumns:
    """Columns of a run's design, without drift.

    Parameters
    ----------
    names : tuple of str
        In the order of X.
    matrix : ndarray of shape (n_scans, n_columns)
    confounds : tuple of str
        Terms of X that are confounds as their table has them, in order.
    missing : tuple of str
        Terms that only other runs have.
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
    """Convolve what `Model.HRF` names (pybids passes over it).

    Raises
    ------
    BadDataError
        If a variable is unknown, or was convolved or sampled already.
    """
    if hrf is None:
        return variables, []
    content: dict[str, Any] = {"Model": hrf.model, "Parameters": {}}
    for key, value in hrf.parameters.items():
        if key.lower().replace("_", "") == "firdelays":
            content["FirDelays"] = value
        else:
            content["Parameters"][key] = value
    call = Instruction("HRF", path, content)
    basis = basis_of(call)
    for index, pattern in enumerate(hrf.variables):
        matched = variables.matching(pattern)
        if not matched and not variables.lacks(pattern) and not set(pattern) & set("*?"):
            call.refuse(f"Variables[{index}]", *unknown(pattern, variables))
        for name in matched:
            if not variables[name].is_sparse:
                call.refuse(
                    f"Variables[{index}]",
                    f"{name!r} is no list of events any more",
                    "Convolve it once: by Convolve or by HRF.",
                )
            variables = convolved(variables, name, name, basis, call)
    return variables, call.notes


def run_columns(variables: Variables, node: NodeSpec) -> RunColumns:
    """Lay out X over the variables of a run.

    Variables that are still events are sampled at the volumes as boxcars, as X asks for them
    without an HRF. Patterns stand for the variables of the run in their order.

    Raises
    ------
    BadDataError
        If X names what neither this run nor another has, or a variable holds text.
    """
    path = f"{node.path}.Model.X"
    assert variables.frame_times is not None
    names, missing, notes = _expanded(variables, node.x, path)
    confounds = [name for name in names if variables[name].source == "confounds"]
    terms: list[tuple[str, ...]] = [(name,) for name in names if name not in confounds]
    has_constant = 1 in node.x
    if node.formula is not None:
        formula = formula_of(node)
        has_constant = formula.has_constant
        gone = set(missing)
        terms = [term for term in formula.terms if not gone & set(term)]
        confounds = [name for name in confounds if name not in formula.variables]
    found: dict[str, FloatArray] = {}
    for term in terms:
        own = [_column(name, variables, f"{path} {term}") for name in term]
        found[":".join(term)] = np.prod(own, axis=0)
    matrix = np.array(list(found.values())).reshape(len(found), len(variables.frame_times)).T
    return RunColumns(
        tuple(found), matrix, tuple(confounds), tuple(missing), has_constant, tuple(notes)
    )


def _expanded(
    variables: Variables, x: Sequence[Term], path: str
) -> tuple[list[str], list[str], list[Notice]]:
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
            found, remedy = unknown(text, variables)
            raise BadDataError(f"At {path}[{index}]: {found}. {remedy}")
    return list(dict.fromkeys(names)), missing, notes


def _column(name: str, variables: Variables, path: str) -> FloatArray:
    if name not in variables:
        found, remedy = unknown(name, variables)
        raise BadDataError(f"At {path}: {found}. {remedy}")
    variable = variables[name]
    if variable.is_text:
        raise BadDataError(
            f"At {path}: {variable.name!r} holds text. Use Factor on it, and name its levels."
        )
    assert variables.frame_times is not None
    column = sampled(variable, variables.frame_times)
    if not np.isfinite(column).all():
        bad = int((~np.isfinite(column)).sum())
        raise BadDataError(
            f"At {path}: {variable.name!r} has {bad} missing values. Fill them with Replace, or "
            "Scale with ReplaceNa."
        )
    return column
