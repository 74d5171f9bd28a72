"""Partition of a design into tested and nuisance directions.

Notation: X design, C contrast weights, W orthonormal basis of the directions in the columns of X
that C tests, Z orthonormal basis of all other directions. W'Z = 0, and [W Z] spans the columns of
X. C b = 0 means that the signal has no component in W. A test of C depends on X through W and Z
only.
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
    """Tested and nuisance directions of a design; made by `partition_design`.

    Parameters
    ----------
    test : {"t", "F"}
        Statistic of the test.
    tested : ndarray of shape (n_inputs, n_tested)
        W. For t, one column in the direction in which the contrast is positive.
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
        """Whether a constant lies in Z, so that the model without the effect has a mean."""
        ones = np.ones(len(self.nuisance))
        residual = ones - self.nuisance @ (self.nuisance.T @ ones)
        return bool(np.linalg.norm(residual) <= SAME * np.linalg.norm(ones))

    def moving(self, blocks: ArrayLike) -> FloatArray:
        """Return the part of Z that is not constant within blocks.

        Exchanging inputs within blocks does not change the rest of Z.

        Parameters
        ----------
        blocks : array_like of int, of shape (n_inputs,)
            Block of each input, numbered from 0.

        Returns
        -------
        ndarray of shape (n_inputs, n_moving)
            Orthonormal columns.
        """
        numbers = np.asarray(blocks)
        members = (numbers[:, np.newaxis] == np.arange(numbers.max() + 1)).astype(float)
        shared = self.nuisance.T @ (members / np.sqrt(members.sum(axis=0)))
        kept, directions = np.linalg.eigh(shared @ shared.T)
        return np.asarray(self.nuisance @ directions[:, kept < 1 - SAME])


def partition_design(design: ArrayLike, weights: ArrayLike) -> Partition:
    """Separate the directions that a contrast tests from the rest of a design.

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
    With U an orthonormal basis of the columns of X, C b = G U'y. The rows of G span W in the basis
    U, and their orthogonal complement spans Z.

    Examples
    --------
    The mean of three inputs, and their slope with the mean as nuisance:

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
            f"weights have shape {C.shape} and the design {X.shape}. Give one weight for each "
            "column of the design: one row for t, several rows for F."
        )
    if not (np.isfinite(X).all() and np.isfinite(C).all()):
        raise ValueError("the design or the weights contain values that are not finite.")
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
            f"{len(X)} inputs and {model.rank} independent columns leave no degree of freedom. "
            "There must be more inputs than columns."
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
