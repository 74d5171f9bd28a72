"""Generalized least squares for voxels that share a few kinds of noise.

Where many voxels have the same noise coefficients, one small matrix serves all of them, and the
fit of a kind is one matrix product. Voxels are brought into the order of their kinds, piece by
piece of the data, so that the voxels of a kind lie side by side.

Notation: U orthonormal basis of the design, y centered signal, b = U'y, e = y - Ub its OLS
residual, Q inverse of the noise covariance for innovations of variance 1, M = U'QU.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.autoregression import Precision
from boldglm.glm.kernels import FloatArray
from boldglm.glm.lagged_basis import LaggedBasis, lag_sums
from boldglm.glm.linear_model import LinearModel, Series, projected_blocks

BYTES_AT_ONCE = 2**26
VOXELS_AT_ONCE = 2048
PIECES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Residuals:
    """What ordinary least squares leaves at each voxel, as far as noise models need it.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        b.
    means : ndarray of shape (n_voxels,)
        What centering subtracted.
    sums : ndarray of shape (order + 1, n_voxels)
        Lag sums of e.
    ends : ndarray of shape (2 * order, n_voxels)
        First `order` scans of e, then the last ones beginning with the last.
    silent : ndarray of bool, of shape (n_voxels,)
        Voxels without any residual beyond rounding.
    sample : ndarray of shape (n_scans, n)
        e of some voxels, regularly spaced, none of them silent.
    """

    coordinates: FloatArray
    means: FloatArray
    sums: FloatArray
    ends: FloatArray
    silent: NDArray[np.bool_]
    sample: FloatArray


def ols_residuals(
    bold: Series, model: LinearModel, block_size: int, *, order: int, n_sample: int
) -> Residuals:
    """Fit by ordinary least squares and keep lag sums of the residuals, in one pass.

    Parameters
    ----------
    bold : Series of shape (n_scans, n_voxels)
        Signals.
    model : LinearModel
        The design.
    block_size : int
        Voxels per block.
    order : int
        Largest lag.
    n_sample : int
        About how many voxels' residuals are kept.

    Returns
    -------
    Residuals
    """
    n_voxels = bold.shape[1]
    coordinates, means = np.empty((model.rank, n_voxels)), np.empty(n_voxels)
    sums, ends = np.empty((order + 1, n_voxels)), np.empty((2 * order, n_voxels))
    silent = np.empty(n_voxels, dtype=bool)
    every = max(-(-n_voxels // n_sample), 1)
    samples = [np.empty((model.n_scans, 0))]
    buffer = np.empty(model.n_scans * min(block_size, n_voxels))
    for block in projected_blocks(bold, model, block_size):
        left = buffer[: block.signal.size].reshape(block.signal.shape)
        np.matmul(model.basis, block.coordinates, out=left)
        np.subtract(block.signal, left, out=left)
        coordinates[:, block.voxels] = block.coordinates + block.removed
        means[block.voxels] = block.means
        sums[:, block.voxels] = lag_sums(left, order)
        ends[:order, block.voxels] = left[:order]
        ends[order:, block.voxels] = left[::-1][:order]
        silent[block.voxels] = block.silent
        picked = np.arange(-block.voxels.start % every, block.means.size, every)
        samples.append(left[:, picked[~block.silent[picked]]])
    return Residuals(coordinates, means, sums, ends, silent, np.concatenate(samples, axis=1))


def gls_by_kinds(
    bold: Series, model: LinearModel, found: Residuals, which: NDArray, noise: Precision
) -> FloatArray:
    """Turn OLS into GLS coordinates, in place, and return the variances of the innovations.

    Parameters
    ----------
    bold : Series of shape (n_scans, n_voxels)
        Signals.
    model : LinearModel
        The design.
    found : Residuals
        Of OLS; its coordinates become those of GLS.
    which : ndarray of int, of shape (n_voxels,)
        Kind of each voxel.
    noise : Precision
        Of each kind.

    Returns
    -------
    ndarray of shape (n_voxels,)
        SSR over residual degrees of freedom; 0 at silent voxels.

    Notes
    -----
    b + M⁻¹g with g = U'Qe, and SSR = e'Qe - g'M⁻¹g, where e'Qe is a weighted sum of what
    `found` has.
    """
    lagged, order = LaggedBasis(model.basis, noise.order), noise.order
    matrices = lagged.normal_matrices(noise)
    inverses = np.linalg.inv(matrices)
    twice = noise.band * np.where(np.arange(order + 1) == 0, 1.0, 2.0)[:, np.newaxis]
    sigma2 = np.empty(bold.shape[1])
    buffer = np.empty(bold.shape[0] * VOXELS_AT_ONCE)
    kept = (found.coordinates, found.sums, found.ends)
    step = _voxels_at_once(bold)
    spares = [np.empty((len(values), step)) for values in kept]
    for voxels, arrangement, signals in _sorted_by_kind(bold, which):
        b, sums, ends = (
            _arranged(values[:, voxels], arrangement, spare)
            for values, spare in zip(kept, spares, strict=True)
        )
        means, squares = found.means[voxels][arrangement], np.empty(arrangement.size)
        for kind, weighted, piece in _pieces(which[voxels][arrangement], lagged, noise):
            centered = buffer[: len(signals) * (piece.stop - piece.start)]
            centered = centered.reshape(len(signals), -1)
            np.subtract(signals[:, piece], means[piece], out=centered)
            g = weighted.T @ centered
            g -= matrices[kind] @ b[:, piece]
            delta = inverses[kind] @ g
            b[:, piece] += delta
            squares[piece] = twice[:, kind] @ sums[:, piece]
            squares[piece] -= np.einsum("rv,rv->v", g, delta)
            start, stop = ends[:order, piece], ends[order:, piece]
            squares[piece] -= np.einsum("sv,sv->v", start, noise.first[kind] @ start)
            squares[piece] -= np.einsum("sv,sv->v", stop, noise.last[kind] @ stop)
        back = np.empty_like(arrangement)
        back[arrangement] = np.arange(arrangement.size)
        for row, target in zip(b, found.coordinates[:, voxels], strict=True):
            np.take(row, back, out=target, mode="clip")
        sigma2[voxels] = squares[back]
    sigma2 = np.maximum(sigma2, 0.0) / model.dof
    sigma2[found.silent] = 0.0
    return sigma2


def _sorted_by_kind(bold: Series, which: NDArray) -> Iterator[tuple[slice, NDArray, NDArray]]:
    """Yield voxels, the order of their kinds, and their signals in this order."""
    n_voxels, step = bold.shape[1], _voxels_at_once(bold)
    buffer = np.empty(0, dtype=bold.dtype)
    for start in range(0, n_voxels, step):
        voxels = slice(start, min(start + step, n_voxels))
        order = np.argsort(which[voxels], kind="stable")
        signals = np.asarray(bold[:, voxels])
        if buffer.dtype != signals.dtype or len(buffer) < signals.size:
            buffer = np.empty(signals.size, dtype=signals.dtype)
        arranged = buffer[: signals.size].reshape(signals.shape)
        np.take(signals, order, axis=1, out=arranged, mode="clip")
        yield voxels, order, arranged


def _voxels_at_once(bold: Series) -> int:
    n_scans, n_voxels = bold.shape
    return max(1, min(BYTES_AT_ONCE // (n_scans * np.dtype(bold.dtype).itemsize), n_voxels))


def _arranged(values: FloatArray, order: NDArray, spare: FloatArray) -> FloatArray:
    """Return columns in another order, in memory that is there already."""
    result = spare[:, : order.size]
    for row, target in zip(values, result, strict=True):
        # "clip" spares take a copy that it makes in case an index is out of range
        np.take(row, order, out=target, mode="clip")
    return result


def _pieces(
    kinds: NDArray, lagged: LaggedBasis, noise: Precision
) -> Iterator[tuple[int, FloatArray, slice]]:
    """Yield kind, QU and voxels, of runs of the same kind that are not too long."""
    edges = np.flatnonzero(np.diff(kinds, prepend=-1, append=-1))
    starts = [np.arange(a, b, VOXELS_AT_ONCE) for a, b in pairwise(edges.tolist())]
    bounds = np.concatenate([*starts, edges[-1:]])
    for first in range(0, len(bounds) - 1, PIECES_AT_ONCE):
        some = bounds[first : first + PIECES_AT_ONCE + 1]
        here = kinds[some[:-1]]
        weighted = lagged.weighted_basis(noise.of(here))
        for k, (start, stop) in enumerate(pairwise(some.tolist())):
            yield int(here[k]), weighted[k], slice(start, stop)


def cells(along: FloatArray, most: int, finest: float) -> NDArray[np.int32]:
    """Group columns that lie in the same cell of a grid.

    Parameters
    ----------
    along : ndarray of shape (n_axes, n)
        Where the columns are.
    most : int
        How many cells may be occupied; the grid is as fine as that allows.
    finest : float
        Width of cells that is fine enough.

    Returns
    -------
    ndarray of int, of shape (n,)
        Number of each column's cell, from 0 on, all of them occupied.

    Examples
    --------
    >>> cells(np.array([[0.1, 5.2, 0.0, 5.1]]), 10, 1.0).tolist()
    [0, 1, 0, 1]
    """
    width = finest
    while True:
        grid = np.round(along / width)
        grid -= grid.min(axis=1, keepdims=True)
        sizes = grid.max(axis=1) + 1
        if np.prod(sizes) < 2**52:  # as many as float64 can number
            strides = np.concatenate([[1.0], np.cumprod(sizes[:-1])])
            found, which = np.unique(strides @ grid, return_inverse=True)
            if len(found) <= most:
                return which.astype(np.int32)
        width *= 1.3
