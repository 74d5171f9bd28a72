"""Collinearity of a design and efficiency of contrasts, without data.

Correlated regressors make estimates uncertain, not biased, and orthogonalization adds no
information. These numbers show the loss of precision before the data are analyzed.

Notation: X design, c or C contrast weights, + pseudo-inverse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.named_columns import named_columns

# Length of the part of a unit vector outside the row space of X below which it is rounding error.
OUTSIDE = 1e-8


@dataclass(frozen=True, eq=False)
class Collinearity:
    """Correlations of regressors and precision of contrasts.

    Parameters
    ----------
    names : tuple of str
        Names of the regressors.
    correlations : ndarray of shape (n_regressors, n_regressors)
        Pearson correlations. Rows and columns of constant regressors, which have no
        correlation, are 0, diagonal included.
    vif : dict of str to float
        Variance inflation factor of each regressor that is not constant: variance of its
        estimate relative to a design with only this regressor and the constant. Infinite if
        the other regressors explain it exactly.
    rank : int
        Number of linearly independent columns.
    condition_number : float
        Condition number of the design with columns of unit length; infinite if the rank is
        not full.
    efficiency : dict of str to float
        Efficiency of each contrast, ``1 / trace(C (X'X)⁺ C')``; 0 if it is not estimable.
    predicted_standard_error : dict of str to float or ndarray of shape (q,)
        Standard error of the effect of each contrast (of each row of an F contrast) for white
        noise of standard deviation 1; infinite if it is not estimable.
    estimable : dict of str to bool
        Whether the design determines each contrast.

    See Also
    --------
    collinearity : Function that returns it.

    Examples
    --------
    >>> result = collinearity([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> result.rank, round(result.condition_number, 6)
    (2, 1.0)
    """

    names: tuple[str, ...]
    correlations: FloatArray
    vif: dict[str, float]
    rank: int
    condition_number: float
    efficiency: dict[str, float]
    predicted_standard_error: dict[str, float | FloatArray]
    estimable: dict[str, bool]


def collinearity(
    design: Design | ArrayLike,
    contrasts: Mapping[str, ArrayLike] | None = None,
) -> Collinearity:
    """Return the collinearity of a design and the efficiency of contrasts.

    Parameters
    ----------
    design : Design, data frame, or array_like of shape (n_scans, n_regressors)
        Columns of a bare array are named ``column_1`` and so on.
    contrasts : mapping of str to array_like of shape (n_regressors,) or (q, n_regressors)
        Weights of t contrasts and of F contrasts.

    Returns
    -------
    Collinearity
        All numbers assume white noise; autocorrelation changes efficiency somewhat.

    Raises
    ------
    ValueError
        If weights have the wrong length, are all 0 or not finite.

    See Also
    --------
    build_design : Build a design from events.

    Notes
    -----
    For noise of standard deviation σ the estimate of ``c β`` has standard error
    ``σ sqrt(c (X'X)⁺ c')`` [1]_. The variance inflation factor of column j is
    ``x'x [(X'X)⁺]_jj`` with x the column minus its mean (if the design has a constant).

    References
    ----------
    .. [1] Dale AM (1999). Optimal experimental design for event-related fMRI. Human Brain
       Mapping 8:109-114.

    Examples
    --------
    Two columns that correlate at 0.5 have a variance inflation factor of 1 / (1 - 0.25):

    >>> X = np.column_stack([[1, -1, 0, 0], [1, 0, -1, 0], np.ones(4)])
    >>> result = collinearity(X, {"first": [1, 0, 0]})
    >>> result.correlations[0, 1].round(3).item(), round(result.vif["column_1"], 3), result.rank
    (0.5, 1.333, 3)
    >>> round(result.predicted_standard_error["first"] ** 2, 3)
    0.667
    """
    names, columns = named_columns(design)
    space = _row_space(columns)
    constants = np.ptp(columns, axis=0) <= 1e-12 * abs(columns).max(axis=0)
    efficiency: dict[str, float] = {}
    errors: dict[str, float | FloatArray] = {}
    estimable: dict[str, bool] = {}
    for name, weights in (contrasts or {}).items():
        rows = _checked_weights(name, weights, len(names))
        variances, estimable[name] = space.variances(rows)
        efficiency[name] = float(1 / variances.sum())
        standard_errors = np.sqrt(variances)
        errors[name] = standard_errors if np.ndim(weights) == 2 else float(standard_errors[0])
    return Collinearity(
        names=names,
        correlations=_correlations(columns, constants),
        vif=_inflation(names, columns, constants, space),
        rank=space.rank,
        condition_number=space.condition_number,
        efficiency=efficiency,
        predicted_standard_error=errors,
        estimable=estimable,
    )


def condition_pairs(design: Design) -> list[tuple[int, int]]:
    """Return the pairs of columns of different conditions; those of one are not told apart.

    Examples
    --------
    >>> roles = ["condition", "condition", "constant"]
    >>> condition_pairs(Design([[0, 1, 1], [1, 0, 1]], ["a", "b", "constant"], [0, 2], roles))
    [(0, 1)]
    """
    return [
        (first, second)
        for first, second in combinations(design.columns("condition"), 2)
        if design.conditions[first] != design.conditions[second]
    ]


@dataclass(frozen=True)
class _RowSpace:
    """Singular value decomposition of a design with columns of unit length."""

    singular: FloatArray  # (n_singular,), decreasing
    right: FloatArray  # (n_regressors, n_regressors), rows; the first `rank` span the space
    lengths: FloatArray  # (n_regressors,), of the columns before scaling
    rank: int

    @property
    def condition_number(self) -> float:
        if self.rank < len(self.lengths):
            return float("inf")
        return float(self.singular[0] / self.singular[-1])

    def variances(self, rows: FloatArray) -> tuple[FloatArray, bool]:
        """Return diag(C (X'X)⁺ C'), infinite for rows not estimable, and whether all rows are."""
        scaled = rows / self.lengths
        coordinates = scaled @ self.right.T
        outside = np.linalg.norm(coordinates[:, self.rank :], axis=1)
        estimable = outside <= OUTSIDE * np.linalg.norm(scaled, axis=1)
        variances = ((coordinates[:, : self.rank] / self.singular[: self.rank]) ** 2).sum(axis=1)
        return np.where(estimable, variances, np.inf), bool(estimable.all())


def _row_space(columns: FloatArray) -> _RowSpace:
    lengths = np.linalg.norm(columns, axis=0)
    lengths[lengths == 0] = 1.0
    # The full right factor contains the null space, which decides whether a contrast is
    # estimable. It is cheap, because a design has at most a few hundred regressors.
    triangle = np.linalg.qr(columns / lengths, mode="r")
    _, singular, right = np.linalg.svd(triangle, full_matrices=True)
    cutoff = np.finfo(np.float64).eps * max(columns.shape) * singular[0]
    return _RowSpace(singular, right, lengths, int((singular > cutoff).sum()))


def _correlations(columns: FloatArray, constants: np.ndarray) -> FloatArray:
    centered = columns - columns.mean(axis=0)
    centered[:, constants] = 0.0
    lengths = np.linalg.norm(centered, axis=0)
    unit = centered / np.where(lengths == 0, 1.0, lengths)
    correlations = np.clip(unit.T @ unit, -1.0, 1.0)
    np.fill_diagonal(correlations, np.where(constants, 0.0, 1.0))
    return correlations


def _inflation(
    names: Sequence[str], columns: FloatArray, constants: np.ndarray, space: _RowSpace
) -> dict[str, float]:
    has_constant = bool((constants & columns.any(axis=0)).any())
    alone = columns - columns.mean(axis=0) if has_constant else columns
    variances, _ = space.variances(np.eye(len(names)))
    return {
        name: float(alone[:, k] @ alone[:, k] * variances[k])
        for k, name in enumerate(names)
        if not constants[k]
    }


def _checked_weights(name: str, weights: ArrayLike, n_regressors: int) -> FloatArray:
    rows = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if rows.ndim != 2 or rows.shape[1] != n_regressors:
        raise ValueError(
            f"contrast {name!r} has weights of shape {np.shape(weights)}, but the design has "
            f"{n_regressors} regressors. Give one weight for each."
        )
    if not np.isfinite(rows).all() or not rows.any(axis=1).all():
        raise ValueError(f"contrast {name!r} has a row of weights that are all 0 or not finite.")
    return rows
