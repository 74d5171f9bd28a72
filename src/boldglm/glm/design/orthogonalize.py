"""Orthogonalize regressors against others.

Orthogonalizing B against A assigns their shared variance to A. With every noise model, fitted
values, residuals, and the estimate and t of B stay the same, and the estimate of A becomes its
estimate before plus γ times that of B, with γ the weight of A in the regression of B on A. With
least squares, this is the estimate of a model without B (Frisch-Waugh-Lovell), if no further
condition shares variance with B that A and the nuisance do not explain. With prewhitening it is
not exactly: γ is of the design as it is, not as it is prewhitened, and without B the noise
is estimated from other residuals.

Notation: x column to orthogonalize, A columns to orthogonalize against, Z nuisance columns, M_Z
the projection onto the orthogonal complement of Z.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.contrast_meaning import SharedVariance
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.names import resolve_name, short_name

# Length of a remainder, relative to the column, below which it is rounding error.
NOTHING_LEFT = 1e-10


def orthogonalize(x: ArrayLike, against: ArrayLike, adjust: ArrayLike | None = None) -> FloatArray:
    """Subtract from x the combination of other columns that explains it best.

    Parameters
    ----------
    x : array_like of shape (n_scans,) or (n_scans, n_columns)
        Columns to orthogonalize, one by one.
    against : array_like of shape (n_scans,) or (n_scans, n_against)
        Columns that explain x; may be linearly dependent.
    adjust : array_like of shape (n_scans,) or (n_scans, n_adjust), optional
        Further columns of the model, such as constant, drift and confounds. The weights of
        `against` are then estimated together with theirs, and only the part that `against`
        explains is subtracted.

    Returns
    -------
    ndarray of the shape of x
        A new array that is orthogonal to `against`, up to the part that `adjust` explains.

    Raises
    ------
    ValueError
        If the numbers of scans differ or a value is not finite.

    See Also
    --------
    orthogonalize_design : Apply rules to the columns of a design.

    Notes
    -----
    ``x - A γ`` with ``γ = (M_Z A)⁺ M_Z x`` [1]_. A second pass changes nothing.

    References
    ----------
    .. [1] Lovell MC (1963). Seasonal adjustment of economic time series and multiple
       regression analysis. JASA 58:993-1010. https://doi.org/10.1080/01621459.1963.10480682

    Examples
    --------
    >>> orthogonalize([1.0, 1.0], against=[2.0, 0.0]).tolist()
    [0.0, 1.0]

    Adjusted for a constant, a line loses its slope but keeps its mean:

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
    weights = shared_weights(columns, explaining, nuisance)
    result = columns - explaining @ weights
    # If a column is explained entirely, the remainder is rounding error, which a later scaling
    # of columns would turn into a regressor.
    lengths = np.linalg.norm(columns, axis=0)
    result[:, np.linalg.norm(result, axis=0) <= NOTHING_LEFT * lengths] = 0.0
    return result.reshape(values.shape)


def residualize(x: FloatArray, nuisance: FloatArray) -> FloatArray:
    """Return the residuals of each column of x after regression on nuisance columns.

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


def shared_weights(x: FloatArray, against: FloatArray, adjust: FloatArray) -> FloatArray:
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
    """Return columns scaled to unit length, and their lengths (1 for a column of zeros)."""
    lengths = np.linalg.norm(columns, axis=0)
    lengths[lengths == 0] = 1.0
    return columns / lengths, lengths


def _as_columns(values: ArrayLike, name: str, n_scans: int) -> FloatArray:
    columns = np.asarray(values, dtype=np.float64)
    if columns.ndim == 1:
        columns = columns[:, np.newaxis]
    if columns.ndim != 2 or len(columns) != n_scans:
        raise ValueError(
            f"{name} has shape {columns.shape}, but x has {n_scans} scans. Give one row per scan."
        )
    if not np.isfinite(columns).all():
        raise ValueError(f"{name} has {np.sum(~np.isfinite(columns))} values that are not finite.")
    return columns


def orthogonalize_design(design: Design, rules: Sequence[tuple[str, Sequence[str]]]) -> Design:
    """Orthogonalize columns of a design against other columns.

    Columns that are not conditions (constant, drift, confounds) are adjusted for. If B is
    orthogonalized against A, the estimate of A becomes the one of a model without B (exactly with
    least squares if no further condition correlates with B, nearly otherwise), and no other
    estimate changes.

    Parameters
    ----------
    design : Design
        Not changed.
    rules : sequence of (str, sequence of str)
        (B, (A1, A2, …)) orthogonalizes B against A1, A2, … together. The name of a condition
        means all its columns. Rules are applied in the order given, each to the result of the
        rules before it.

    Returns
    -------
    Design
        Design with the same names and roles, and with the weights of what was subtracted in
        `Design.shared`. The module `boldglm.glm.design.contrast_meaning` tells which contrasts
        keep their meaning.

    Raises
    ------
    ValueError
        If a name is unknown or on both sides of a rule, a name has two rules, rules are
        circular, or the other columns explain a column completely.

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
    shared: SharedVariance = ()
    nuisance = [k for k, role in enumerate(design.roles) if role != "condition"]
    for target, against in resolved:
        adjust = matrix[:, [k for k in nuisance if k not in (*target, *against)]]
        before = matrix[:, target]
        after = orthogonalize(before, matrix[:, against], adjust)
        remaining = np.linalg.norm(residualize(after, adjust), axis=0)
        explained = np.flatnonzero(remaining <= NOTHING_LEFT * np.linalg.norm(before, axis=0))
        if explained.size:
            raise ValueError(
                f"{design.names[target[explained[0]]]!r} cannot be orthogonalized, because "
                f"{', '.join(design.names[k] for k in against)} explain it completely, together "
                "with confounds, drift and constant. Remove the rule or the column."
            )
        shared += _shared_variance(design.names, matrix, target, against, adjust)
        matrix[:, target] = after
    return replace(design, matrix=matrix, shared=(*design.shared, *shared))


def _shared_variance(
    names: Sequence[str],
    matrix: FloatArray,
    target: Sequence[int],
    against: Sequence[int],
    adjust: FloatArray,
) -> SharedVariance:
    """Return the weights of the columns that explain each target, without rounding errors."""
    weights = shared_weights(matrix[:, target], matrix[:, against], adjust)
    lengths = np.linalg.norm(matrix, axis=0)
    sizes = abs(weights) * np.outer(lengths[against], 1 / lengths[target])
    weights[sizes <= NOTHING_LEFT] = 0.0
    return tuple(
        (
            names[column],
            {names[k]: float(gamma) for k, gamma in zip(against, gammas, strict=True)},
        )
        for column, gammas in zip(target, weights.T, strict=True)
    )


def _checked_rules(
    design: Design, rules: Sequence[tuple[str, Sequence[str]]]
) -> list[tuple[list[int], list[int]]]:
    """Return the column indices on both sides of each rule."""
    resolved: list[tuple[list[int], list[int]]] = []
    after: dict[int, set[int]] = {}  # column -> columns it is orthogonalized against
    for name, against in rules:
        target = _columns_of(design, name)
        explaining = sorted({k for column in against for k in _columns_of(design, column)})
        if not explaining:
            raise ValueError(f"{name!r} has no column to orthogonalize against. Name one.")
        if set(target) & set(explaining):
            raise ValueError(f"{name!r} cannot be orthogonalized against itself.")
        if set(target) & set(after):
            raise ValueError(
                f"{name!r} has two orthogonalization rules, and the second would partly undo the "
                "first. Write a single rule, 'B ~ A1 + A2'."
            )
        after.update({k: set(explaining) for k in target})
        resolved.append((target, explaining))
    _refuse_circular_rules(design, after)
    return resolved


def _refuse_circular_rules(design: Design, after: Mapping[int, set[int]]) -> None:
    for column in after:
        reached: set[int] = set()
        to_visit = set(after[column])
        while to_visit:
            reached |= to_visit
            to_visit = set[int]().union(*(after.get(k, ()) for k in to_visit)) - reached
        if column in reached:
            circular = ", ".join(design.names[k] for k in sorted(reached & set(after)))
            raise ValueError(
                f"the orthogonalization rules of {circular} are circular. Remove one of them."
            )


def _columns_of(design: Design, name: str) -> list[int]:
    """Return the indices of the columns that a name in a rule means."""
    conditions = list(dict.fromkeys(filter(None, design.conditions)))
    full = resolve_name(name, dict.fromkeys([*conditions, *design.names]))
    if full in conditions:
        return design.condition_columns(full)
    return [design.index(full)]


def parse_orthogonalization(rule: str, names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Read a rule ``B ~ A1 + A2``, which orthogonalizes B against A1 and A2.

    Parameters
    ----------
    rule : str
        A name, a tilde, and one or more names joined by plus signs.
    names : sequence of str
        Known names. They may contain blanks and operators; the longest name that fits is
        chosen. Names in the rule may be short, as in `resolve_name`.

    Returns
    -------
    tuple of (str, tuple of str)
        Full names of the column to orthogonalize and of those to orthogonalize it against.

    Raises
    ------
    ValueError
        If the rule has another form or a name is unknown.

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
    """Split text into its first name (in full), the operator after it, and the rest."""
    text = text.strip()
    accepted = {*names, *(short_name(name) for name in names)}
    for candidate in sorted(accepted, key=len, reverse=True):
        rest = text[len(candidate) :].lstrip()
        if text.startswith(candidate) and (not rest or rest[0] in "~+"):
            return resolve_name(candidate, names), rest[:1], rest[1:]
    parts = re.split(r"([~+])", text, maxsplit=1)
    if not parts[0].strip():
        raise ValueError(f"a name is missing before {text!r}. Write 'B ~ A1 + A2'.")
    return resolve_name(parts[0].strip(), names), "".join(parts[1:2]), "".join(parts[2:])


def _malformed(rule: str) -> str:
    return f"cannot read the orthogonalization {rule!r}. Write 'B ~ A' or 'B ~ A1 + A2'."
