"""Orthonormal basis and rank of a design, and the matrix that gives betas.

Every noise model works in an orthonormal basis of the design's column space, where rank-deficient
designs need no special treatment. One small matrix turns coordinates into regression weights.

Notation: X design, U orthonormal basis of its columns (U'U = 1), b = U'y coordinates of
BOLD data y, X⁺ pseudo-inverse, D lengths of the columns, eps the spacing of float64 at 1.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.collinearity import OUTSIDE
from boldglm.glm.design.design_matrix import Design

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A design in the form in which it is fitted; made by `linear_model`.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns that span those of the design.
    back_projection : ndarray of shape (n_regressors, rank)
        ``X⁺ U``, which turns coordinates in the basis into regression weights.
    null_space : ndarray of shape (n_regressors, n_regressors - rank)
        Orthonormal basis of the null space of the design with columns of unit length.
    lengths : ndarray of shape (n_regressors,)
        Lengths of the design's columns, 1 for a column of zeros.
    constant_weights : ndarray of shape (n_regressors,)
        Regression weights of data that are 1 at all scans; zeros if the design does not span
        the constant.
    """

    basis: FloatArray
    back_projection: FloatArray
    null_space: FloatArray
    lengths: FloatArray
    constant_weights: FloatArray

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        return int(self.basis.shape[0])

    @property
    def rank(self) -> int:
        """Number of linearly independent regressors."""
        return int(self.basis.shape[1])

    @property
    def dof(self) -> int:
        """Residual degrees of freedom, ``n_scans - rank``."""
        return self.n_scans - self.rank

    @property
    def spans_constant(self) -> bool:
        """Whether the design spans the constant, so that data may be centered."""
        return bool(self.constant_weights.any())

    def rotated(self, rotation: FloatArray) -> "LinearModel":
        """Return the same model in another basis of the same space.

        Parameters
        ----------
        rotation : ndarray of shape (rank, rank)
            Orthogonal matrix whose columns are the new basis in coordinates of the present one.

        Returns
        -------
        LinearModel
            The model with ``basis @ rotation``.
        """
        return replace(
            self,
            basis=self.basis @ rotation,
            back_projection=self.back_projection @ rotation,
        )

    def outside(self, weights: FloatArray) -> FloatArray:
        """Return the part of contrasts that the design does not determine.

        Parameters
        ----------
        weights : ndarray of shape (q, n_regressors)
            Contrast weights.

        Returns
        -------
        ndarray of shape (q, n_regressors - rank)
            Coordinates of the weights in the null space, relative to the size of the weights,
            for regressors of unit length. All 0 for an estimable contrast.
        """
        scaled = weights / self.lengths
        sizes = np.linalg.norm(scaled, axis=1, keepdims=True)
        parts = scaled @ self.null_space / np.where(sizes > 0, sizes, 1.0)
        return np.where(np.linalg.norm(parts, axis=1, keepdims=True) > OUTSIDE, parts, 0.0)


def linear_model(design: ArrayLike | Design) -> LinearModel:
    """Return the basis, rank and back-projection of a design.

    Parameters
    ----------
    design : array_like of shape (n_scans, n_regressors)
        Finite; may be rank deficient, with columns of any scale.

    Returns
    -------
    LinearModel
        Regression weights ``back_projection @ basis.T @ y`` equal ``np.linalg.pinv(X) @ y``,
        the minimum-norm solution.

    Notes
    -----
    The rank is that of columns of unit length, as in `boldglm.glm.design.collinearity`, so that
    it does not depend on units: X = Q R, R D⁻¹ = L S V', U = Q L. D⁻¹ V S⁻¹ b is
    a solution; minus its part in the null space of X, it is the minimum-norm solution [1]_.

    References
    ----------
    .. [1] Golub GH, Van Loan CF (2013). Matrix Computations, 4th edition, section 5.5.

    Examples
    --------
    Two equal regressors share the effect equally:

    >>> model = linear_model([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    >>> model.rank, model.dof, model.spans_constant
    (1, 2, False)
    >>> (model.back_projection @ model.basis.T @ [4.0, 4.0, 9.0]).round(12).tolist()
    [2.0, 2.0]
    """
    columns = np.asarray(design, dtype=np.float64)
    lengths = np.linalg.norm(columns, axis=0)
    lengths[lengths == 0] = 1.0
    frame, triangle = np.linalg.qr(columns / lengths)
    left, singular, right = np.linalg.svd(triangle, full_matrices=True)
    cutoff = EPS * max(columns.shape) * singular[0]
    rank = int((singular > cutoff).sum())
    basis = frame @ left[:, :rank]
    null_space = right[rank:].T
    solution = right[:rank].T / singular[:rank] / lengths[:, np.newaxis]
    directions, _ = np.linalg.qr(null_space / lengths[:, np.newaxis])
    back_projection = solution - directions @ (directions.T @ solution)
    constant_weights = _constant_weights(basis, back_projection, lengths)
    return LinearModel(basis, back_projection, null_space, lengths, constant_weights)


def _constant_weights(
    basis: FloatArray, back_projection: FloatArray, lengths: FloatArray
) -> FloatArray:
    ones = np.ones(len(basis))
    coordinates = basis.T @ ones
    tolerance = len(basis) * EPS
    if np.linalg.norm(ones - basis @ coordinates) > tolerance * np.sqrt(len(basis)):
        return np.zeros(len(lengths))
    weights = back_projection @ coordinates
    # Rounding errors would be multiplied by the mean of the data, which may be 10⁴.
    sizes = abs(weights) * lengths
    weights[sizes <= tolerance * sizes.max()] = 0.0
    return weights
