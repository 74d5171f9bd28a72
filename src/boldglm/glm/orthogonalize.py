"""Take out of one regressor what others explain of it.

Orthogonalizing B against A gives what the two share to A. The fit, the residuals and the
estimate and t of B stay the same; the estimate of A becomes what it would be without B in
the model. (Frisch-Waugh-Lovell.)

Notation: x what is orthogonalized, A what against, Z nuisance columns, M_Z the projection
onto what Z does not explain.
"""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.kernels import FloatArray

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
