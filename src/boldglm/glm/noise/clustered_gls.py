"""Generalized least squares for clusters of voxels with equal noise parameters.

Voxels in a noise cluster have the same autoregressive coefficients, so one small matrix serves
all of them, and the fit of the cluster is one matrix product. The data are read in portions, and
the voxels of each portion are sorted by cluster, so that a cluster is contiguous in memory.

Notation: U orthonormal basis of the design, y centered signal, b = U'y, e = y - Ub its OLS
residual, Q inverse of the noise covariance for innovations of variance 1, M = U'QU.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.threads import Scratch, each
from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar_process import Precision
from boldglm.glm.noise.blocks import Block, BoldSeries, Chunks, each_block, each_projected
from boldglm.glm.noise.gls import GLSDesign, lag_sums

BYTES_AT_ONCE = 2**26
VOXELS_AT_ONCE = 2048
VOXELS_PER_CLUSTER = 384  # average in a sorted portion; more would only take memory
PIECES_AT_ONCE = 16
ROWS_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class OLSResiduals:
    """Residuals of ordinary least squares, reduced to what noise models need of them.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        b.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
    sums : ndarray of shape (order + 1, n_voxels)
        Lag sums of e.
    ends : ndarray of shape (2 * order, n_voxels)
        First `order` scans of e, then the last `order` scans in reverse.
    without_variance : ndarray of bool, of shape (n_voxels,)
        Voxels whose residual is no larger than rounding error.
    sample : ndarray of shape (n_scans, n)
        e of a roughly regular sample of the voxels that have variance.
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
    """Fit by ordinary least squares and compute lag sums of the residuals, in one pass.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data.
    model : LinearModel
        The design.
    chunks : Chunks
        Block size and number of threads.
    order : int
        Largest lag.
    n_sample : int
        Approximate number of voxels whose residuals are kept.

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

    def store(block: Block) -> None:
        residuals = scratch.array(*block.signal.shape)
        np.matmul(model.basis, block.coordinates, out=residuals)
        np.subtract(block.signal, residuals, out=residuals)
        np.add(block.coordinates, block.removed, out=coordinates[:, block.voxels])
        means[block.voxels] = block.means
        sums[:, block.voxels] = lag_sums(residuals, order)
        ends[:order, block.voxels] = residuals[:order]
        ends[order:, block.voxels] = residuals[::-1][:order]
        without_variance[block.voxels] = block.without_variance
        sample.take(block.voxels.start, block.without_variance, residuals)

    each_projected(bold, model, chunks, store)
    return OLSResiduals(
        coordinates, means, sums, ends, without_variance, sample.values(model.n_scans)
    )


def join_residuals(parts: Sequence[OLSResiduals]) -> OLSResiduals:
    """Return the residuals of several parts of the voxels as those of all of them, in order.

    The coordinates, which may belong to designs of their own, are left out.
    """
    return OLSResiduals(
        np.empty((0, sum(part.means.size for part in parts))),
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.sums for part in parts], axis=1),
        np.concatenate([part.ends for part in parts], axis=1),
        np.concatenate([part.without_variance for part in parts]),
        np.concatenate([part.sample for part in parts], axis=1),
    )


class _Sample:
    """Residuals of one voxel from each stretch of `every` voxels: the first with variance."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._held: dict[int, tuple[int, FloatArray]] = {}
        self._lock = threading.Lock()

    def take(self, start: int, without_variance: BoolArray, residuals: FloatArray) -> None:
        """Sample from a block of voxels, the first of which has the index `start`."""
        analyzed = np.flatnonzero(~without_variance)
        stretches, first = np.unique((start + analyzed) // self.every, return_index=True)
        chosen = analyzed[first]
        with self._lock:  # a stretch may continue in the block of another thread
            for stretch, column in zip(stretches.tolist(), chosen.tolist(), strict=True):
                if stretch not in self._held or start < self._held[stretch][0]:
                    self._held[stretch] = (start, residuals[:, column].copy())

    def values(self, n_scans: int) -> FloatArray:
        """Return the sampled residuals in the order of voxels; (n_scans, n)."""
        columns = [self._held[stretch][1] for stretch in sorted(self._held)]
        return np.column_stack(columns) if columns else np.empty((n_scans, 0))


def clustered_gls(
    bold: BoldSeries,
    model: LinearModel,
    ols: OLSResiduals,
    labels: NDArray,
    noise: Precision,
    n_threads: int = 1,
) -> FloatArray:
    """Replace OLS by GLS coordinates, in place, and return the variances of the innovations.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data.
    model : LinearModel
        The design.
    ols : OLSResiduals
        Fit by ordinary least squares; its coordinates are overwritten by those of GLS.
    labels : ndarray of int, of shape (n_voxels,)
        Noise cluster of each voxel.
    noise : Precision
        Inverse noise covariance of each cluster.
    n_threads : int
        Number of clusters that are fitted in parallel.

    Returns
    -------
    ndarray of shape (n_voxels,)
        SSR over residual degrees of freedom; 0 at voxels without variance.

    Notes
    -----
    The estimate is b + M⁻¹g with g = U'Qe, and SSR = e'Qe - g'M⁻¹g, where e'Qe is a weighted
    sum of the lag sums and of the first and last scans of e.
    """
    clusters = _NoiseClusters.of(model, noise)
    sigma2 = np.empty(bold.shape[1])
    size = _portion_size(bold, len(clusters.matrices))
    buffers = _SortedVoxels.buffers(bold, ols, size)
    for voxels in blocks_of(bold.shape[1], size):
        portion = _SortedVoxels.of(bold, ols, labels, voxels, buffers, n_threads)
        sigma2[voxels.start + portion.order] = clusters.solve(portion, n_threads)
        portion.restore(ols.coordinates[:, voxels], n_threads)
    sigma2 = np.maximum(sigma2, 0.0) / model.dof
    sigma2[ols.without_variance] = 0.0
    return sigma2


def scattered_gls(
    bold: BoldSeries,
    model: LinearModel,
    ols: OLSResiduals,
    labels: NDArray,
    noise: Precision,
    chunks: Chunks,
) -> FloatArray:
    """Do what `clustered_gls` does, fast also where most clusters have one or two voxels.

    Parameters
    ----------
    bold, model, ols, labels, noise
        As for `clustered_gls`, whose result this is to rounding.
    chunks : Chunks
        Block size and number of threads.

    Returns
    -------
    ndarray of shape (n_voxels,)
        SSR over residual degrees of freedom; 0 at voxels without variance.

    Notes
    -----
    U'Qy is a sum of U'N_k y with weights of the voxel's cluster, less the terms of the first and
    last scans. All voxels of a block share the products U'N_k y.
    """
    clusters = _NoiseClusters.of(model, noise)
    sigma2 = np.empty(bold.shape[1])

    def solve(voxels: slice, signal: FloatArray) -> None:
        signal -= ols.means[voxels]
        sigma2[voxels] = clusters.solve_scattered(signal, ols, labels, voxels)

    each_block(bold, chunks, solve)
    sigma2 = np.maximum(sigma2, 0.0) / model.dof
    sigma2[ols.without_variance] = 0.0
    return sigma2


@dataclass(frozen=True, eq=False)
class _NoiseClusters:
    """Noise clusters, and the matrices that GLS with this design needs for each."""

    gls_design: GLSDesign
    noise: Precision
    matrices: FloatArray  # M
    inverses: FloatArray
    lag_weights: FloatArray  # of the lag sums in e'Qe

    @classmethod
    def of(cls, model: LinearModel, noise: Precision) -> "_NoiseClusters":
        gls_design = GLSDesign(model.basis, noise.order)
        matrices = gls_design.normal_matrices(noise)
        both_sides = np.where(np.arange(noise.order + 1) == 0, 1.0, 2.0)[:, np.newaxis]
        inverses = np.asarray(np.linalg.inv(matrices), dtype=np.float64)
        return cls(gls_design, noise, matrices, inverses, noise.band * both_sides)

    def solve(self, portion: "_SortedVoxels", n_threads: int) -> FloatArray:
        """Replace the coordinates of a portion by those of GLS; return SSR of its voxels."""
        squares = np.empty(portion.order.size)
        scratch = Scratch()

        def solve_some(pieces: list[tuple[int, slice]]) -> None:
            noise = self.noise.of(np.array([cluster for cluster, _ in pieces]))
            weighted = self.gls_design.weighted_basis(noise)
            for (cluster, voxels), basis in zip(pieces, weighted, strict=True):
                centered = scratch.array(len(portion.signals), voxels.stop - voxels.start)
                np.subtract(portion.signals[:, voxels], portion.means[voxels], out=centered)
                squares[voxels] = self._solve_cluster(cluster, basis.T @ centered, portion, voxels)

        each(_pieces(portion.labels), solve_some, n_threads)
        return squares

    def solve_scattered(
        self, signal: FloatArray, ols: OLSResiduals, labels: NDArray, voxels: slice
    ) -> FloatArray:
        """Replace the coordinates of a block of centered signals by those of GLS; return SSR."""
        own, order, design = labels[voxels], self.noise.order, self.gls_design
        noise = self.noise.of(own)
        g = np.zeros((design.basis.shape[1], own.size))
        for weights, shifted in zip(noise.band, design.shifted, strict=True):
            g += weights * (shifted.T @ signal)
        for rows, corners, ends in (
            (design.first, noise.first, signal[:order]),
            (design.last, noise.last, signal[::-1][:order]),
        ):
            g -= rows.T @ _each_times(corners, ends)
        g -= _each_times(self.matrices[own], ols.coordinates[:, voxels])
        delta = _each_times(self.inverses[own], g)
        ols.coordinates[:, voxels] += delta
        ssr = np.einsum("kv,kv->v", self.lag_weights[:, own], ols.sums[:, voxels])
        ssr -= np.einsum("rv,rv->v", g, delta)
        start, stop = ols.ends[:order, voxels], ols.ends[order:, voxels]
        ssr -= np.einsum("sv,sv->v", start, _each_times(noise.first, start))
        ssr -= np.einsum("sv,sv->v", stop, _each_times(noise.last, stop))
        return np.asarray(ssr)

    def _solve_cluster(
        self, cluster: int, projected: FloatArray, portion: "_SortedVoxels", voxels: slice
    ) -> FloatArray:
        """Do so for voxels of one cluster, from (QU)'y."""
        order = self.noise.order
        g = projected - self.matrices[cluster] @ portion.coordinates[:, voxels]
        delta = self.inverses[cluster] @ g
        portion.coordinates[:, voxels] += delta
        ssr = self.lag_weights[:, cluster] @ portion.sums[:, voxels]
        ssr -= np.einsum("rv,rv->v", g, delta)
        start, stop = portion.ends[:order, voxels], portion.ends[order:, voxels]
        ssr -= np.einsum("sv,sv->v", start, self.noise.first[cluster] @ start)
        ssr -= np.einsum("sv,sv->v", stop, self.noise.last[cluster] @ stop)
        return np.asarray(ssr)


def _each_times(matrices: FloatArray, columns: FloatArray) -> FloatArray:
    """Return each of n matrices times its column, (rows, n)."""
    return np.asarray((matrices @ columns.T[:, :, np.newaxis])[:, :, 0].T)


@dataclass(frozen=True, eq=False)
class _SortedVoxels:
    """A portion of the voxels, sorted by cluster, in buffers that are reused."""

    order: IndexArray
    labels: IndexArray
    means: FloatArray
    signals: NDArray
    coordinates: FloatArray
    sums: FloatArray
    ends: FloatArray

    @staticmethod
    def buffers(bold: BoldSeries, ols: OLSResiduals, size: int) -> list[NDArray]:
        """Allocate buffers for portions of up to `size` voxels."""
        signals = np.empty((bold.shape[0], size), dtype=bold.dtype)
        arrays = (ols.coordinates, ols.sums, ols.ends)
        return [signals, *(np.empty((len(values), size)) for values in arrays)]

    @classmethod
    def of(
        cls,
        bold: BoldSeries,
        ols: OLSResiduals,
        labels: NDArray,
        voxels: slice,
        buffers: list[NDArray],
        n_threads: int,
    ) -> "_SortedVoxels":
        order = np.argsort(labels[voxels], kind="stable")
        arrays = (ols.coordinates, ols.sums, ols.ends)
        sources = [np.asarray(bold[:, voxels]), *(values[:, voxels] for values in arrays)]
        targets = [values[:, : order.size] for values in buffers]
        rows = [
            row_and_target
            for source, target in zip(sources, targets, strict=True)
            for row_and_target in zip(source, target, strict=True)
        ]
        _reorder_rows(rows, order, n_threads)
        return cls(order, labels[voxels][order], ols.means[voxels][order], *targets)

    def restore(self, coordinates: FloatArray, n_threads: int) -> None:
        """Write the coordinates into an array in the original order of the voxels."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.order.size)
        _reorder_rows(list(zip(self.coordinates, coordinates, strict=True)), inverse, n_threads)


def _reorder_rows(rows: list[tuple[NDArray, NDArray]], order: NDArray, n_threads: int) -> None:
    """Write each row, with its elements reordered, into its target."""

    def reorder(pairs: list[tuple[NDArray, NDArray]]) -> None:
        for row, target in pairs:
            # mode "wrap" avoids the copy that take makes in case an index is out of range
            np.take(row, order, out=target, mode="wrap")

    each([rows[batch] for batch in blocks_of(len(rows), ROWS_AT_ONCE)], reorder, n_threads)


def _portion_size(bold: BoldSeries, n_clusters: int) -> int:
    """Return how many voxels to sort together: enough per cluster for an efficient product."""
    n_scans, n_voxels = bold.shape
    most = BYTES_AT_ONCE // (n_scans * np.dtype(bold.dtype).itemsize)
    return max(1, min(max(VOXELS_AT_ONCE, VOXELS_PER_CLUSTER * n_clusters), most, n_voxels))


def _pieces(labels: NDArray) -> list[list[tuple[int, slice]]]:
    """Divide sorted voxels into pieces of one cluster each; return lists of (cluster, voxels)."""
    edges = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    starts = [np.arange(a, b, VOXELS_AT_ONCE) for a, b in pairwise(edges.tolist())]
    bounds = np.concatenate([*starts, edges[-1:]]).tolist()
    pieces = [(int(labels[a]), slice(a, b)) for a, b in pairwise(bounds)]
    return [pieces[batch] for batch in blocks_of(len(pieces), PIECES_AT_ONCE)]


def grid_clusters(points: FloatArray, max_clusters: int, min_width: float) -> NDArray[np.int32]:
    """Cluster points that lie in the same cell of a grid.

    Parameters
    ----------
    points : ndarray of shape (n_axes, n)
        One point in each column.
    max_clusters : int
        Largest number of occupied cells; cells are widened until there are no more than that.
    min_width : float
        Width of the cells to begin with.

    Returns
    -------
    ndarray of int, of shape (n,)
        Cluster of each point, numbered from 0 without gaps.

    Examples
    --------
    >>> grid_clusters(np.array([[0.1, 5.2, 0.0, 5.1]]), 10, 1.0).tolist()
    [0, 1, 0, 1]
    """
    width = min_width
    while True:
        grid = np.round(points / width)
        grid -= grid.min(axis=1, keepdims=True)
        sizes = grid.max(axis=1) + 1
        if np.prod(sizes) < 2**52:  # float64 can number that many cells exactly
            strides = np.concatenate([[1.0], np.cumprod(sizes[:-1])])
            occupied, labels = np.unique(strides @ grid, return_inverse=True)
            if len(occupied) <= max_clusters:
                return labels.astype(np.int32)
        width *= 1.3
