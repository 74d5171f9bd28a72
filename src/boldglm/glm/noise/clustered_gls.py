"""Generalized least squares for voxels that share a few kinds of noise.

Where many voxels have the same noise coefficients, one small matrix serves all of them, and the
fit of a kind is one matrix product. Voxels are brought into the order of their kinds, piece by
piece of the data, so that the voxels of a kind lie side by side.

Notation: U orthonormal basis of the design, y centered signal, b = U'y, e = y - Ub its OLS
residual, Q inverse of the noise covariance for innovations of variance 1, M = U'QU.
"""

import threading
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.threads import Scratch, each
from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar_process import Precision
from boldglm.glm.noise.blocks import Block, BoldSeries, Chunks, each_projected
from boldglm.glm.noise.gls import GLSDesign, lag_sums

BYTES_AT_ONCE = 2**26
VOXELS_AT_ONCE = 2048
VOXELS_PER_CLUSTER = 384  # voxels to sort at a time, on average; more only take memory
PIECES_AT_ONCE = 16
ROWS_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class OLSResiduals:
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
    without_variance : ndarray of bool, of shape (n_voxels,)
        Voxels without any residual beyond rounding.
    sample : ndarray of shape (n_scans, n)
        e of some voxels, about regularly spaced, none of them without variance.
    """

    coordinates: FloatArray
    means: FloatArray
    sums: FloatArray
    ends: FloatArray
    without_variance: BoolArray
    sample: FloatArray


def ols_residuals(
    bold: BoldSeries, model: LinearModel, chunks: Chunks, *, order: int, n_sample: int
) -> OLSResiduals:
    """Fit by ordinary least squares and keep lag sums of the residuals, in one pass.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        Signals.
    model : LinearModel
        The design.
    chunks : Chunks
        How many voxels at a time, and by how many threads.
    order : int
        Largest lag.
    n_sample : int
        About how many voxels' residuals are kept.

    Returns
    -------
    OLSResiduals
    """
    n_voxels = bold.shape[1]
    coordinates, means = np.empty((model.rank, n_voxels)), np.empty(n_voxels)
    sums, ends = np.empty((order + 1, n_voxels)), np.empty((2 * order, n_voxels))
    without_variance = np.empty(n_voxels, dtype=bool)
    sample = _Sample(max(-(-n_voxels // n_sample), 1))
    scratch = Scratch()

    def keep(block: Block) -> None:
        left = scratch.array(*block.signal.shape)
        np.matmul(model.basis, block.coordinates, out=left)
        np.subtract(block.signal, left, out=left)
        np.add(block.coordinates, block.removed, out=coordinates[:, block.voxels])
        means[block.voxels] = block.means
        sums[:, block.voxels] = lag_sums(left, order)
        ends[:order, block.voxels] = left[:order]
        ends[order:, block.voxels] = left[::-1][:order]
        without_variance[block.voxels] = block.without_variance
        sample.take(block.voxels.start, block.without_variance, left)

    each_projected(bold, model, chunks, keep)
    return OLSResiduals(
        coordinates, means, sums, ends, without_variance, sample.taken(model.n_scans)
    )


class _Sample:
    """Residuals of one voxel in every so many, the first that has variance."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._held: dict[int, tuple[int, FloatArray]] = {}
        self._lock = threading.Lock()

    def take(self, start: int, without_variance: BoolArray, residuals: FloatArray) -> None:
        """Look through a block of voxels, the first of which has the number `start`."""
        analyzed = np.flatnonzero(~without_variance)
        stretches, first = np.unique((start + analyzed) // self.every, return_index=True)
        picked = analyzed[first]
        with self._lock:  # a stretch may reach into the block of another thread
            for stretch, column in zip(stretches.tolist(), picked.tolist(), strict=True):
                if stretch not in self._held or start < self._held[stretch][0]:
                    self._held[stretch] = (start, residuals[:, column].copy())

    def taken(self, n_scans: int) -> FloatArray:
        """Return what was taken, in the order of voxels; (n_scans, n)."""
        columns = [self._held[stretch][1] for stretch in sorted(self._held)]
        return np.column_stack(columns) if columns else np.empty((n_scans, 0))


def clustered_gls(
    bold: BoldSeries,
    model: LinearModel,
    found: OLSResiduals,
    which: NDArray,
    noise: Precision,
    n_threads: int = 1,
) -> FloatArray:
    """Turn OLS into GLS coordinates, in place, and return the variances of the innovations.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        Signals.
    model : LinearModel
        The design.
    found : OLSResiduals
        Of OLS; its coordinates become those of GLS.
    which : ndarray of int, of shape (n_voxels,)
        Kind of each voxel.
    noise : Precision
        Of each kind.
    n_threads : int
        Kinds at a time.

    Returns
    -------
    ndarray of shape (n_voxels,)
        SSR over residual degrees of freedom; 0 at voxels without variance.

    Notes
    -----
    b + M⁻¹g with g = U'Qe, and SSR = e'Qe - g'M⁻¹g, where e'Qe is a weighted sum of what
    `found` has.
    """
    kinds = _NoiseClusters.of(model, noise)
    sigma2 = np.empty(bold.shape[1])
    size = _portion_size(bold, len(kinds.matrices))
    spare = _SortedVoxels.spare(bold, found, size)
    for voxels in blocks_of(bold.shape[1], size):
        portion = _SortedVoxels.of(bold, found, which, voxels, spare, n_threads)
        sigma2[voxels.start + portion.order] = kinds.solve(portion, n_threads)
        portion.put_back(found.coordinates[:, voxels], n_threads)
    sigma2 = np.maximum(sigma2, 0.0) / model.dof
    sigma2[found.without_variance] = 0.0
    return sigma2


@dataclass(frozen=True, eq=False)
class _NoiseClusters:
    """Kinds of noise, and what a design makes of them."""

    gls_design: GLSDesign
    noise: Precision
    matrices: FloatArray  # M
    inverses: FloatArray
    twice: FloatArray  # weights of lag sums in e'Qe

    @classmethod
    def of(cls, model: LinearModel, noise: Precision) -> "_NoiseClusters":
        gls_design = GLSDesign(model.basis, noise.order)
        matrices = gls_design.normal_matrices(noise)
        both_sides = np.where(np.arange(noise.order + 1) == 0, 1.0, 2.0)[:, np.newaxis]
        inverses = np.asarray(np.linalg.inv(matrices), dtype=np.float64)
        return cls(gls_design, noise, matrices, inverses, noise.band * both_sides)

    def solve(self, portion: "_SortedVoxels", n_threads: int) -> FloatArray:
        """Turn the coordinates of a portion into those of GLS; return SSR of its voxels."""
        squares = np.empty(portion.order.size)
        scratch = Scratch()

        def solve_some(pieces: list[tuple[int, slice]]) -> None:
            own = self.noise.of(np.array([kind for kind, _ in pieces]))
            weighted = self.gls_design.weighted_basis(own)
            for (kind, voxels), basis in zip(pieces, weighted, strict=True):
                centered = scratch.array(len(portion.signals), voxels.stop - voxels.start)
                np.subtract(portion.signals[:, voxels], portion.means[voxels], out=centered)
                squares[voxels] = self._solve_one(kind, basis.T @ centered, portion, voxels)

        each(_pieces(portion.kinds), solve_some, n_threads)
        return squares

    def _solve_one(
        self, kind: int, projected: FloatArray, portion: "_SortedVoxels", voxels: slice
    ) -> FloatArray:
        """Do so for voxels of one kind, from (QU)'y."""
        order = self.noise.order
        g = projected - self.matrices[kind] @ portion.coordinates[:, voxels]
        delta = self.inverses[kind] @ g
        portion.coordinates[:, voxels] += delta
        ssr = self.twice[:, kind] @ portion.sums[:, voxels]
        ssr -= np.einsum("rv,rv->v", g, delta)
        start, stop = portion.ends[:order, voxels], portion.ends[order:, voxels]
        ssr -= np.einsum("sv,sv->v", start, self.noise.first[kind] @ start)
        ssr -= np.einsum("sv,sv->v", stop, self.noise.last[kind] @ stop)
        return np.asarray(ssr)


@dataclass(frozen=True, eq=False)
class _SortedVoxels:
    """A portion of the voxels in the order of their kinds, in memory that is used again."""

    order: IndexArray
    kinds: IndexArray
    means: FloatArray
    signals: NDArray
    coordinates: FloatArray
    sums: FloatArray
    ends: FloatArray

    @staticmethod
    def spare(bold: BoldSeries, found: OLSResiduals, size: int) -> list[NDArray]:
        """Return memory for portions of so many voxels."""
        signals = np.empty((bold.shape[0], size), dtype=bold.dtype)
        kept = (found.coordinates, found.sums, found.ends)
        return [signals, *(np.empty((len(values), size)) for values in kept)]

    @classmethod
    def of(
        cls,
        bold: BoldSeries,
        found: OLSResiduals,
        which: NDArray,
        voxels: slice,
        spare: list[NDArray],
        n_threads: int,
    ) -> "_SortedVoxels":
        order = np.argsort(which[voxels], kind="stable")
        kept = (found.coordinates, found.sums, found.ends)
        sources = [np.asarray(bold[:, voxels]), *(values[:, voxels] for values in kept)]
        arranged = [values[:, : order.size] for values in spare]
        rows = [
            pair
            for pairs in zip(sources, arranged, strict=True)
            for pair in zip(*pairs, strict=True)
        ]
        _each_row(rows, order, n_threads)
        return cls(order, which[voxels][order], found.means[voxels][order], *arranged)

    def put_back(self, coordinates: FloatArray, n_threads: int) -> None:
        """Write the coordinates in the order in which the voxels came."""
        back = np.empty_like(self.order)
        back[self.order] = np.arange(self.order.size)
        _each_row(list(zip(self.coordinates, coordinates, strict=True)), back, n_threads)


def _each_row(rows: list[tuple[NDArray, NDArray]], order: NDArray, n_threads: int) -> None:
    """Write the elements of some rows in another order into others."""

    def arrange(some: list[tuple[NDArray, NDArray]]) -> None:
        for row, target in some:
            # "wrap" spares take a copy that it makes in case an index is out of range
            np.take(row, order, out=target, mode="wrap")

    each([rows[some] for some in blocks_of(len(rows), ROWS_AT_ONCE)], arrange, n_threads)


def _portion_size(bold: BoldSeries, n_kinds: int) -> int:
    """Return how many voxels to sort at a time: enough of a kind for a product, no more."""
    n_scans, n_voxels = bold.shape
    most = BYTES_AT_ONCE // (n_scans * np.dtype(bold.dtype).itemsize)
    return max(1, min(max(VOXELS_AT_ONCE, VOXELS_PER_CLUSTER * n_kinds), most, n_voxels))


def _pieces(kinds: NDArray) -> list[list[tuple[int, slice]]]:
    """Return kind and voxels of runs of the same kind that are not too long, some at a time."""
    edges = np.flatnonzero(np.diff(kinds, prepend=-1, append=-1))
    starts = [np.arange(a, b, VOXELS_AT_ONCE) for a, b in pairwise(edges.tolist())]
    bounds = np.concatenate([*starts, edges[-1:]]).tolist()
    pieces = [(int(kinds[a]), slice(a, b)) for a, b in pairwise(bounds)]
    return [pieces[some] for some in blocks_of(len(pieces), PIECES_AT_ONCE)]


def grid_clusters(along: FloatArray, most: int, finest: float) -> NDArray[np.int32]:
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
    >>> grid_clusters(np.array([[0.1, 5.2, 0.0, 5.1]]), 10, 1.0).tolist()
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
