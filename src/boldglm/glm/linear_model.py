"""What a design says before any data: an orthonormal basis, the rank, the way back to betas.

Every noise model works in an orthonormal basis of the design's column space, in which a rank
deficient design is like any other, and returns to regression weights by one small matrix.

Notation: X design, U orthonormal basis of its columns (U'U = 1), b = U'y coordinates of the
signal y, X⁺ pseudo-inverse, D lengths of the columns, eps the spacing of float64 at 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.collinearity import OUTSIDE
from boldglm.glm.design import Design
from boldglm.glm.kernels import FloatArray

EPS = float(np.finfo(np.float64).eps)

# Where the fit leaves less of the signal's energy than this, y'y - b'b has lost more digits
# than it may, and residuals are formed.
NEARLY_ALL_EXPLAINED = 1e-4


@runtime_checkable
class Series(Protocol):
    """Signals that can be read a block of voxels at a time: an array, or something like it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_scans, n_voxels)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __getitem__(self, key: Any) -> Any:
        """Return all scans of some voxels, for ``[:, start:stop]``."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A design in the form in which it is fitted; made by `linear_model`.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        Orthonormal columns that span those of the design.
    back_projection : ndarray of shape (n_regressors, rank)
        Turns coordinates in the basis into regression weights: ``X⁺ U``.
    null_space : ndarray of shape (n_regressors, n_regressors - rank)
        Orthonormal combinations of the columns, scaled to unit length, that are zero.
    lengths : ndarray of shape (n_regressors,)
        Lengths of the design's columns, 1 for a column of zeros.
    constant_weights : ndarray of shape (n_regressors,)
        Regression weights of a constant signal of 1, or zeros when the design cannot make a
        constant.
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
        """Whether the design can make a constant, so that signals may be centered."""
        return bool(self.constant_weights.any())

    def rotated(self, rotation: FloatArray) -> "LinearModel":
        """Return the same model in another basis of the same space.

        Parameters
        ----------
        rotation : ndarray of shape (rank, rank)
            Orthogonal matrix; columns are the new basis in terms of the present one.

        Returns
        -------
        LinearModel
            With ``basis @ rotation``.
        """
        return replace(
            self,
            basis=self.basis @ rotation,
            back_projection=self.back_projection @ rotation,
        )

    def outside(self, weights: FloatArray) -> FloatArray:
        """Return how far contrasts are from what the data determine.

        Parameters
        ----------
        weights : ndarray of shape (q, n_regressors)
            Contrast weights.

        Returns
        -------
        ndarray of shape (q, n_regressors - rank)
            Part of the weights in the null space, relative to their size, in units in which
            every regressor has length 1. All 0 where a contrast is estimable.
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
        Regression weights ``back_projection @ basis.T @ y`` equal ``np.linalg.pinv(X) @ y``:
        the shortest of the solutions when there are many.

    Notes
    -----
    The rank is judged on columns of unit length, as in `boldglm.glm.collinearity`, so that
    it does not depend on units: X = Q R, R D⁻¹ = L S V', U = Q L. One solution is
    D⁻¹ V S⁻¹ b; less its part in the null space of X it is the shortest [1]_.

    References
    ----------
    .. [1] Golub GH, Van Loan CF (2013). Matrix Computations, 4th edition, section 5.5.

    Examples
    --------
    Of two equal regressors each gets half:

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
    # What is rounding here would be multiplied by the mean of the signal, which may be 10⁴.
    sizes = abs(weights) * lengths
    weights[sizes <= tolerance * sizes.max()] = 0.0
    return weights


@dataclass(frozen=True, eq=False)
class Block:
    """A block of voxels with its projection on the basis; made by `projected_blocks`.

    Parameters
    ----------
    voxels : slice
        Which voxels these are.
    means : ndarray of shape (n,)
        What was subtracted from each signal: its mean, or 0 if the design has no constant.
    signal : ndarray of shape (n_scans, n)
        Centered signals, less `removed`.
    coordinates : ndarray of shape (rank, n)
        ``U'signal``.
    energy : ndarray of shape (n,)
        Sum of squares of `signal`.
    removed : ndarray of shape (rank, n)
        Coordinates of what was taken out of signals that the design explains nearly
        entirely; mostly 0.
    silent : ndarray of bool, of shape (n,)
        Voxels without any residual beyond rounding, of which `signal` is all 0.
    """

    voxels: slice
    means: FloatArray
    signal: FloatArray
    coordinates: FloatArray
    energy: FloatArray
    removed: FloatArray
    silent: NDArray[np.bool_]

    def ssr(self) -> FloatArray:
        """Return the sum of squared residuals, without forming residuals."""
        explained = np.einsum("rv,rv->v", self.coordinates, self.coordinates)
        return np.maximum(self.energy - explained, 0.0)


def read_blocks(bold: Series, block_size: int) -> Iterator[tuple[slice, FloatArray]]:
    """Walk through the voxels in blocks that fit the processor's cache.

    Parameters
    ----------
    bold : Series of shape (n_scans, n_voxels)
        Signals of any real type.
    block_size : int
        Voxels per block.

    Yields
    ------
    tuple of (slice, ndarray of shape (n_scans, n))
        Which voxels, and their signals as float64, in memory that the next block uses again.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    n_scans, n_voxels = bold.shape
    buffer = np.empty(n_scans * min(block_size, n_voxels))
    for start in range(0, n_voxels, block_size):
        voxels = slice(start, min(start + block_size, n_voxels))
        signal = buffer[: n_scans * (voxels.stop - start)].reshape(n_scans, -1)
        np.copyto(signal, bold[:, voxels])
        if not np.isfinite(np.einsum("tv->", signal)):
            _refuse_missing(bold, block_size)
        yield voxels, signal


def _refuse_missing(bold: Series, block_size: int) -> None:
    n_voxels = bold.shape[1]
    bad = 0
    for start in range(0, n_voxels, block_size):
        some = np.asarray(bold[:, start : start + block_size])
        bad += int((~np.isfinite(some).all(axis=0)).sum())
    if bad:
        raise ValueError(
            f"bold is not finite at {bad} of {n_voxels} voxels. Leave them out of the mask."
        )


def projected_blocks(bold: Series, model: LinearModel, block_size: int) -> Iterator[Block]:
    """Walk through the voxels, projecting each block of them on the design.

    Parameters
    ----------
    bold : Series of shape (n_scans, n_voxels)
        Signals of any real type; each block is converted to float64.
    model : LinearModel
        Its basis is projected on.
    block_size : int
        Voxels per block.

    Yields
    ------
    Block
        With enough digits left in ``energy - coordinates²`` whatever the fit: voxels which
        the design explains nearly entirely have their fit subtracted first. Its signal is in
        memory that the next block uses again.
    """
    for voxels, signal in read_blocks(bold, block_size):
        means = np.zeros(signal.shape[1])
        if model.spans_constant:
            means = signal.mean(axis=0)
            signal -= means
        yield _projected(voxels, means, signal, model.basis)


def _projected(voxels: slice, means: FloatArray, signal: FloatArray, basis: FloatArray) -> Block:
    coordinates = basis.T @ signal
    energy = np.einsum("tv,tv->v", signal, signal)
    rounding = (len(signal) * EPS) ** 2 * (energy + len(signal) * means**2)
    removed = np.zeros_like(coordinates)
    silent = np.zeros(len(means), dtype=bool)
    left = energy - np.einsum("rv,rv->v", coordinates, coordinates)
    hard = np.flatnonzero(left <= NEARLY_ALL_EXPLAINED * energy)
    if hard.size:
        residuals = signal[:, hard] - basis @ coordinates[:, hard]
        energy[hard] = np.einsum("tv,tv->v", residuals, residuals)
        nothing = energy[hard] <= rounding[hard]
        residuals[:, nothing] = 0.0
        silent[hard] = nothing
        signal[:, hard] = residuals
        removed[:, hard] = coordinates[:, hard]
        coordinates[:, hard] = basis.T @ residuals
        energy[silent] = 0.0
    return Block(voxels, means, signal, coordinates, energy, removed, silent)
