"""Take out of one regressor what others explain of it.

Orthogonalizing B against A gives what the two share to A. The fit, the residuals and the
estimate and t of B stay the same; the estimate of A becomes what it would be without B in
the model. (Frisch-Waugh-Lovell.)

Notation: x what is orthogonalized, A what against, Z nuisance columns, M_Z the projection
onto what Z does not explain.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.names import resolve_name, short_name

# Relative to the length of a column: below this, what is left of it is rounding.
NOTHING_LEFT = 1e-10


def orthogonalize(x: ArrayLike, against: ArrayLike, adjust: ArrayLike | None = None) -> FloatArray:
    """Return x less the combination of `against` that best explains it.

    Parameters
    ----------
    x : array_like of shape (n_scans,) or (n_scans, n_columns)
        What is orthogonalized, each column by itself.
    against : array_like of shape (n_scans,) or (n_scans, n_against)
        Columns whose share is taken out; may be linearly dependent.
    adjust : array_like of shape (n_scans,) or (n_scans, n_adjust), optional
        Columns that are also in the model, such as constant, drift and confounds. The share
        of `against` is then the one beside them, and only that share is subtracted.

    Returns
    -------
    ndarray of the shape of x
        A new array. Without `adjust` it is orthogonal to `against`; with it, its part that
        `adjust` does not explain is.

    Raises
    ------
    ValueError
        If the numbers of scans differ or a value is not finite.

    See Also
    --------
    orthogonalize_design : Apply rules to the columns of a design.

    Notes
    -----
    ``x - A γ`` with ``γ = (M_Z A)⁺ M_Z x`` [1]_. Doing it twice changes nothing more.

    References
    ----------
    .. [1] Lovell MC (1963). Seasonal adjustment of economic time series and multiple
       regression analysis. JASA 58:993-1010. https://doi.org/10.1080/01621459.1963.10480682

    Examples
    --------
    >>> orthogonalize([1.0, 1.0], against=[2.0, 0.0]).tolist()
    [0.0, 1.0]

    Next to a constant only the slope is shared, so a line loses its slope, not its mean:

    >>> line = np.array([0.0, 1.0, 2.0])
    >>> orthogonalize(line + 5, against=line, adjust=np.ones(3)).round(12).tolist()
    [5.0, 5.0, 5.0]
    """
    values = np.array(x, dtype=np.float64)
    columns = _as_columns(values, "x", len(values))
    explaining = _as_columns(against, "against", len(values))
    nuisance = _as_columns(
        np.zeros((len(values), 0)) if adjust is None else adjust, "adjust", len(values)
    )
    weights = _shared_weights(columns, explaining, nuisance)
    result = columns - explaining @ weights
    # What remains of a column that is explained entirely is rounding, which a later scaling
    # of the columns would blow up to a regressor.
    lengths = np.linalg.norm(columns, axis=0)
    result[:, np.linalg.norm(result, axis=0) <= NOTHING_LEFT * lengths] = 0.0
    return result.reshape(values.shape)


def residualize(x: FloatArray, nuisance: FloatArray) -> FloatArray:
    """Return what nuisance columns do not explain of each column of x.

    Parameters
    ----------
    x : ndarray of shape (n_scans, n_columns)
        Columns; not changed.
    nuisance : ndarray of shape (n_scans, n_nuisance)
        Columns, which may be linearly dependent.

    Returns
    -------
    ndarray of shape (n_scans, n_columns)
        ``M_Z x``.

    Examples
    --------
    >>> residualize(np.array([[1.0], [3.0]]), np.ones((2, 1))).tolist()
    [[-1.0], [1.0]]
    """
    basis = _orthonormal_basis(_unit_columns(nuisance)[0])
    residual = x - basis @ (basis.T @ x)
    return np.asarray(residual - basis @ (basis.T @ residual))  # twice is enough (Kahan)


def _shared_weights(x: FloatArray, against: FloatArray, adjust: FloatArray) -> FloatArray:
    """Return the weights of `against`, of shape (n_against, n_columns)."""
    scaled, lengths = _unit_columns(against)
    left, singular, right = np.linalg.svd(residualize(scaled, adjust), full_matrices=False)
    kept = singular > NOTHING_LEFT  # absolute: the columns had unit length before
    weights = right[kept].T @ ((left[:, kept].T @ residualize(x, adjust)) / singular[kept, None])
    return weights / lengths[:, np.newaxis]


def _orthonormal_basis(columns: FloatArray) -> FloatArray:
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    cutoff = max(columns.shape) * np.finfo(np.float64).eps * singular.max(initial=0.0)
    return left[:, singular > cutoff]


def _unit_columns(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return columns scaled to unit length and the lengths, 1 for a column of zeros."""
    lengths = np.linalg.norm(columns, axis=0)
    lengths[lengths == 0] = 1.0
    return columns / lengths, lengths


def _as_columns(values: ArrayLike, name: str, n_scans: int) -> FloatArray:
    columns = np.asarray(values, dtype=np.float64)
    if columns.ndim == 1:
        columns = columns[:, np.newaxis]
    if columns.ndim != 2 or len(columns) != n_scans:
        raise ValueError(
            f"{name} has shape {columns.shape}, but x has {n_scans} scans: give one row per scan."
        )
    if not np.isfinite(columns).all():
        raise ValueError(f"{name} has {np.sum(~np.isfinite(columns))} values that are not finite.")
    return columns


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

    See Also
    --------
    parse_orthogonalization : Read a rule.
    orthogonalize : Does this for arrays.

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


def parse_orthogonalization(rule: str, names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Read one rule ``B ~ A1 + A2``: take out of B what A1 and A2 explain of it.

    Parameters
    ----------
    rule : str
        A name, a tilde, and one or more names joined by plus signs.
    names : sequence of str
        The names that exist, which may hold blanks and operators: at each place the longest
        one that fits is taken. Short forms as in `resolve_name`.

    Returns
    -------
    tuple of (str, tuple of str)
        The full names of what is orthogonalized and of what it is orthogonalized against.

    Raises
    ------
    ValueError
        If the rule has another form or names something that does not exist.

    See Also
    --------
    orthogonalize_design : Apply the rule.

    Examples
    --------
    >>> parse_orthogonalization("B ~ A1 + A2", ["A1", "A2", "B"])
    ('B', ('A1', 'A2'))
    >>> parse_orthogonalization("go + stop ~ cue", ["trial_type.go + stop", "cue"])
    ('trial_type.go + stop', ('cue',))
    """
    target, separator, rest = _read_name(rule, names)
    if separator != "~":
        raise ValueError(_malformed(rule))
    against: list[str] = []
    separator = "+"
    while separator == "+":
        name, separator, rest = _read_name(rest, names)
        against.append(name)
    if separator:
        raise ValueError(_malformed(rule))
    return target, tuple(against)


def _read_name(text: str, names: Sequence[str]) -> tuple[str, str, str]:
    """Split text into the full name it starts with, the operator after it, and the rest."""
    text = text.strip()
    written = {*names, *(short_name(name) for name in names)}
    for candidate in sorted(written, key=len, reverse=True):
        rest = text[len(candidate) :].lstrip()
        if text.startswith(candidate) and (not rest or rest[0] in "~+"):
            return resolve_name(candidate, names), rest[:1], rest[1:]
    parts = re.split(r"([~+])", text, maxsplit=1)
    if not parts[0].strip():
        raise ValueError(f"a name is missing before {text!r}. Write 'B ~ A1 + A2'.")
    return resolve_name(parts[0].strip(), names), "".join(parts[1:2]), "".join(parts[2:])


def _malformed(rule: str) -> str:
    return f"cannot read the orthogonalization {rule!r}. Write 'B ~ A' or 'B ~ A1 + A2'."
