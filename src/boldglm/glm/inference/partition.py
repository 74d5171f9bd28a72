"""What a contrast tests, apart from the rest of the design: an orthonormal basis of either.

Notation: X design, C contrast weights, W the directions in the columns of X that C tests, Z all
others. W'W = 1, Z'Z = 1, W'Z = 0, and [W Z] spans the columns of X; C b = 0 says that the signal
has no part in W. A test of C needs nothing else of X.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.first_level.contrasts import NotEstimableError

DEPENDENT = 1e-10  # singular value, relative to the largest, below which rows are dependent
SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Partition:
    """Directions over inputs; made by `partition_design`.

    Parameters
    ----------
    test : {"t", "F"}
    tested : ndarray of shape (n_inputs, n_tested)
        W; for t one column, on the side where the contrast is positive.
    nuisance : ndarray of shape (n_inputs, n_nuisance)
        Z.
    dof : int
        Residual degrees of freedom.
    """

    test: str
    tested: FloatArray
    nuisance: FloatArray
    dof: int

    @property
    def has_constant(self) -> bool:
        """Whether Z makes a constant: the mean is what it is if there is no effect."""
        ones = np.ones(len(self.nuisance))
        left = ones - self.nuisance @ (self.nuisance.T @ ones)
        return bool(np.linalg.norm(left) <= SAME * np.linalg.norm(ones))

    def moving(self, blocks: ArrayLike) -> FloatArray:
        """Return the part of Z that is not constant within blocks.

        Exchanging inputs within blocks leaves the rest of Z as it is.

        Parameters
        ----------
        blocks : array_like of int, of shape (n_inputs,)
            Numbers from 0 on.

        Returns
        -------
        ndarray of shape (n_inputs, n_moving)
            Orthonormal.
        """
        numbers = np.asarray(blocks)
        members = (numbers[:, np.newaxis] == np.arange(numbers.max() + 1)).astype(float)
        shared = self.nuisance.T @ (members / np.sqrt(members.sum(axis=0)))
        kept, directions = np.linalg.eigh(shared @ shared.T)
        return np.asarray(self.nuisance @ directions[:, kept < 1 - SAME])


def partition_design(design: ArrayLike, weights: ArrayLike) -> Partition:
    """Separate what a contrast tests from the rest of a design.

    Parameters
    ----------
    design : array_like of shape (n_inputs, n_columns)
        May be rank deficient.
    weights : array_like of shape (n_columns,) or (q, n_columns)
        Contrast weights: one row for t, several for F.

    Returns
    -------
    Partition

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, weights are all 0, or no degree of freedom
        is left.
    NotEstimableError
        If the design does not determine the contrast.

    Notes
    -----
    With U an orthonormal basis of the columns of X, C b = G U'y. The rows of G span W in terms of
    U, what is orthogonal to them spans Z.

    Examples
    --------
    The mean of three inputs, and their slope given the mean:

    >>> mean = partition_design([[1], [1], [1]], [1])
    >>> mean.tested.ravel().round(4).tolist(), mean.nuisance.shape, mean.dof
    ([0.5774, 0.5774, 0.5774], (3, 0), 2)
    >>> slope = partition_design([[1, 1], [1, 2], [1, 3]], [0, 1])
    >>> (slope.tested.ravel().round(4) + 0.0).tolist(), slope.has_constant
    ([-0.7071, 0.0, 0.7071], True)
    """
    X, C = np.asarray(design, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if X.ndim != 2 or C.ndim not in (1, 2) or C.shape[-1] != X.shape[1] or not C.size:
        raise ValueError(
            f"weights have shape {C.shape} and the design {X.shape}: give one weight for each "
            "column of the design, in one row for t and in several for F."
        )
    if not (np.isfinite(X).all() and np.isfinite(C).all()):
        raise ValueError("the design or the weights have values that are not finite.")
    rows = np.atleast_2d(C)
    if not rows.any(axis=1).all():
        raise ValueError("a row of weights is all 0.")
    model = linear_model(X)
    if model.outside(rows).any():
        raise NotEstimableError(
            f"the contrast {C.tolist()} cannot be estimated: columns of the design are linearly "
            f"dependent over the {len(X)} inputs."
        )
    if model.dof < 1:
        raise ValueError(
            f"{len(X)} inputs and {model.rank} independent columns leave no degree of freedom; "
            "there must be more inputs than columns."
        )
    G = rows @ model.back_projection
    G /= np.linalg.norm(G, axis=1, keepdims=True)
    _, singular, right = np.linalg.svd(G)
    n_tested = int((singular > DEPENDENT * singular[0]).sum())
    tested = right[:n_tested] if C.ndim == 2 else G
    return Partition(
        "F" if C.ndim == 2 else "t",
        model.basis @ tested.T,
        model.basis @ right[n_tested:].T,
        model.dof,
    )
