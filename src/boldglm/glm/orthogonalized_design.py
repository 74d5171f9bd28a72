"""Rules of orthogonalization applied to the columns of a design."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from boldglm.glm.design import Design
from boldglm.glm.names import resolve_name
from boldglm.glm.orthogonalize import NOTHING_LEFT, orthogonalize, residualize


def orthogonalize_design(design: Design, rules: Sequence[tuple[str, Sequence[str]]]) -> Design:
    """Take out of some columns of a design what others explain of them.

    Beside the columns that are not conditions, so that the constant, drift and confounds keep
    their part: the estimate of what was orthogonalized against becomes exactly what it would
    be without the orthogonalized column in the model, and nothing else changes.

    Parameters
    ----------
    design : Design
        Not changed.
    rules : sequence of (str, sequence of str)
        Each (B, (A1, A2, …)) takes out of B what A1, A2, … explain together. A condition's
        name stands for all its columns. Applied in the order given: a later rule sees the
        columns that an earlier one has left.

    Returns
    -------
    Design
        The same names and roles.

    Raises
    ------
    ValueError
        If a name is not in the design or stands on both sides, if a name has two rules, if
        rules go in a circle, or if nothing is left of a column.

    Examples
    --------
    >>> a, b = [1.0, -1, 1, -1], [3.0, -1, 1, -3]
    >>> columns = np.column_stack([a, b, np.ones(4)])
    >>> roles = ("condition", "condition", "constant")
    >>> design = Design(columns, ("A", "B", "constant"), [0, 2, 4, 6], roles)
    >>> orthogonalize_design(design, [("B", ["A"])]).matrix[:, 1].tolist()
    [1.0, 1.0, -1.0, -1.0]
    """
    resolved = _checked_rules(design, rules)
    matrix = np.array(design.matrix)
    nuisance = [k for k, role in enumerate(design.roles) if role != "condition"]
    for target, against in resolved:
        adjust = matrix[:, [k for k in nuisance if k not in (*target, *against)]]
        before = matrix[:, target]
        after = orthogonalize(before, matrix[:, against], adjust)
        remaining = np.linalg.norm(residualize(after, adjust), axis=0)
        gone = np.flatnonzero(remaining <= NOTHING_LEFT * np.linalg.norm(before, axis=0))
        if gone.size:
            raise ValueError(
                f"nothing is left of {design.names[target[gone[0]]]!r} once the share of "
                f"{', '.join(design.names[k] for k in against)} is taken out (beside confounds, "
                "drift and constant): leave out the rule or the column."
            )
        matrix[:, target] = after
    return replace(design, matrix=matrix)


def _checked_rules(
    design: Design, rules: Sequence[tuple[str, Sequence[str]]]
) -> list[tuple[list[int], list[int]]]:
    """Return the columns of each rule's two sides."""
    resolved: list[tuple[list[int], list[int]]] = []
    after: dict[int, set[int]] = {}  # column -> columns it is orthogonalized against
    for name, against in rules:
        target = _columns_of(design, name)
        others = sorted({k for other in against for k in _columns_of(design, other)})
        if not others:
            raise ValueError(f"{name!r} is orthogonalized against nothing: name a column.")
        if set(target) & set(others):
            raise ValueError(f"{name!r} cannot be orthogonalized against itself.")
        if set(target) & set(after):
            raise ValueError(
                f"{name!r} has two orthogonalization rules, of which the second would undo the "
                "first in part: write one, 'B ~ A1 + A2'."
            )
        after.update({k: set(others) for k in target})
        resolved.append((target, others))
    _refuse_circles(design, after)
    return resolved


def _refuse_circles(design: Design, after: Mapping[int, set[int]]) -> None:
    for column in after:
        reached: set[int] = set()
        to_visit = set(after[column])
        while to_visit:
            reached |= to_visit
            to_visit = set[int]().union(*(after.get(k, ()) for k in to_visit)) - reached
        if column in reached:
            circle = ", ".join(design.names[k] for k in sorted(reached & set(after)))
            raise ValueError(f"the orthogonalization rules of {circle} go in a circle.")


def _columns_of(design: Design, name: str) -> list[int]:
    """Return the columns that a name in a rule stands for."""
    conditions = list(dict.fromkeys(filter(None, design.conditions)))
    full = resolve_name(name, dict.fromkeys([*conditions, *design.names]))
    if full in conditions:
        return design.condition_columns(full)
    return [design.index(full)]
