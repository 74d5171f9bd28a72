"""Statistics of permuted data: one matrix product for many permutations and voxels.

Notation: y effects of the inputs at a voxel, [W Z] orthonormal basis of the design with W the
tested directions and Z the nuisance (see `partition`), e = y - Z Z'y scaled to unit length, P
permutation, ν degrees of freedom.

P e is fitted in place of y (Freedman and Lane). With a = W'P e and d = 1 - ‖Z'P e‖², the partial
correlation is r = a / √d, and t = r √(ν / (1 - r²)). P e has the same length as e, and the part of
Z that is constant within blocks of exchanged inputs has no effect. Hence only the rows P'[W Z]
times e need to be computed, and t is largest where r is largest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray, RealArray
from boldglm.glm.inference.partition import Partition
from boldglm.glm.inference.permutations import Permutations

EPS = float(np.finfo(np.float64).eps)
LEAST_DOF_OF_FLOAT32 = 10  # with fewer, statistics get too large for single precision
# Smallest share of the sum of squares that is not rounding error.
SMALLEST = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-14}
AT_A_TIME, SCRATCH = 32, 2**15  # permutations, and results, of one matrix product
VOXELS = 2**12  # in a block whose residuals are computed
MAP_BYTES = 2**25  # of whole maps that are in memory together


@dataclass(frozen=True, eq=False)
class Residuals:
    """Inputs without the nuisance, and the observed statistic.

    Parameters
    ----------
    scaled : ndarray of shape (n_inputs, n_voxels)
        e of unit length, or 0 at voxels without variance; float32 from 10 degrees of freedom on.
    statistic : ndarray of shape (n_voxels,)
        t or F; 0 at voxels without variance.
    without_variance : ndarray of bool, of shape (n_voxels,)
        Voxels that the design explains up to rounding error.
    """

    scaled: RealArray
    statistic: FloatArray
    without_variance: BoolArray


def nuisance_residuals(effects: RealArray, space: Partition) -> Residuals:
    """Remove the nuisance from the inputs, and compute the observed statistic.

    Parameters
    ----------
    effects : ndarray of shape (n_inputs, n_voxels)
        Effects; finite.
    space : Partition
        Tested and nuisance directions.

    Returns
    -------
    Residuals

    Examples
    --------
    >>> from boldglm.glm.inference.partition import partition_design
    >>> mean = partition_design(np.ones((3, 1)), [1])
    >>> residuals = nuisance_residuals(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]), mean)
    >>> residuals.statistic.round(4).tolist(), residuals.without_variance.tolist()
    ([3.4641, 0.0], [False, True])
    """
    n_inputs, n_voxels = effects.shape
    dtype = np.float32 if space.dof >= LEAST_DOF_OF_FLOAT32 else np.float64
    scaled = np.empty((n_inputs, n_voxels), dtype=dtype)
    statistic, without_variance = np.zeros(n_voxels), np.zeros(n_voxels, dtype=bool)
    for start in range(0, n_voxels, VOXELS):
        voxels = slice(start, start + VOXELS)
        y = np.asarray(effects[:, voxels], dtype=np.float64)
        e = y - space.nuisance @ (space.nuisance.T @ y)
        a = space.tested.T @ e
        residuals = e - space.tested @ a
        rss = np.einsum("nv,nv->v", residuals, residuals)
        rounding = (n_inputs * EPS) ** 2 * np.einsum("nv,nv->v", y, y)
        without_variance[voxels] = rss <= rounding
        rss[without_variance[voxels]] = np.inf
        e[:, without_variance[voxels]] = 0.0
        length = np.linalg.norm(e, axis=0)
        scaled[:, voxels] = np.divide(e, length, out=e, where=length > 0)
        if space.test == "t":
            statistic[voxels] = a[0] * np.sqrt(space.dof / rss)
        else:
            statistic[voxels] = (a**2).sum(axis=0) / rss * (space.dof / len(a))
    return Residuals(scaled, statistic, without_variance)


@dataclass(frozen=True, eq=False)
class PermutedStatistics:
    """Statistics of all permutations of a test.

    Parameters
    ----------
    space : Partition
        Tested and nuisance directions.
    permutations : Permutations
        Sign flips or exchanges.
    moved : ndarray of shape (n_inputs, n_moved)
        The part of Z that permutations change.
    residuals : Residuals
        Inputs without the nuisance.
    two_sided : bool
        Whether the maximum is that of \\|t\\|.
    """

    space: Partition
    permutations: Permutations
    moved: FloatArray
    residuals: Residuals
    two_sided: bool

    def maxima(
        self, effects: RealArray, on_maps: Callable[[RealArray], None] | None = None
    ) -> FloatArray:
        """Return the largest statistic of each permutation.

        Parameters
        ----------
        effects : ndarray of shape (n_inputs, n_voxels)
            The effects whose residuals were computed.
        on_maps : callable, optional
            Called with the whole maps of successive batches of permutations, (n_batch,
            n_voxels), which later batches overwrite.

        Returns
        -------
        ndarray of shape (n_patterns,)
            In float64, also if the matrix products are in float32.
        """
        e = self.residuals.scaled
        n_voxels = e.shape[1]
        at_a_time = AT_A_TIME
        if on_maps is not None:
            at_a_time = max(1, min(AT_A_TIME, MAP_BYTES // (e.itemsize * n_voxels)))
        largest = np.zeros(len(self.permutations))
        for start in range(0, len(self.permutations), at_a_time):
            which = slice(start, min(start + at_a_time, len(self.permutations)))
            n_patterns = which.stop - start
            maps = None if on_maps is None else np.empty((n_patterns, n_voxels), dtype=e.dtype)
            winners = self._winners(which, maps)
            largest[which] = self._at_voxels(effects, which, winners)
            if on_maps is not None and maps is not None:
                on_maps(self._statistic(maps))
        return largest

    def _winners(self, which: slice, maps: RealArray | None) -> IndexArray:
        """Return the voxel with the largest statistic of each permutation; fill the maps of r."""
        e = self.residuals.scaled
        rows = self.permutations.apply(self._basis, which)
        n_columns, n_patterns, n_inputs = rows.shape
        rows = np.ascontiguousarray(rows.reshape(-1, n_inputs), dtype=e.dtype)
        width = max(256, SCRATCH // len(rows))
        scratch = np.empty(len(rows) * width, dtype=e.dtype)
        each = np.arange(n_patterns)
        best, winners = np.full(n_patterns, -np.inf), np.zeros(n_patterns, dtype=np.intp)
        for start in range(0, e.shape[1], width):
            block = e[:, start : start + width]
            out = scratch[: len(rows) * block.shape[1]].reshape(len(rows), -1)
            np.matmul(rows, block, out=out)
            r = self._explained(out.reshape(n_columns, n_patterns, -1))
            if maps is not None:
                maps[:, start : start + width] = r
            if self.two_sided:
                np.abs(r, out=r)
            excluded = self.residuals.without_variance[start : start + width]
            if excluded.any():
                r[:, excluded] = -np.inf
            columns = r.argmax(axis=1)
            values = r[each, columns]
            better = values > best
            best[better], winners[better] = values[better], start + columns[better]
        return winners

    def _at_voxels(self, effects: RealArray, which: slice, voxels: IndexArray) -> FloatArray:
        """Return the statistic of each permutation at one voxel, in float64."""
        y = np.asarray(effects[:, voxels], dtype=np.float64)
        e = y - self.space.nuisance @ (self.space.nuisance.T @ y)
        e /= np.maximum(np.linalg.norm(e, axis=0), np.finfo(np.float64).tiny)
        e[:, self.residuals.without_variance[voxels]] = 0.0
        products = np.einsum("cpn,np->cp", self.permutations.apply(self._basis, which), e)
        statistic = self._statistic(self._explained(products[:, np.newaxis])[0])
        return np.asarray(np.abs(statistic) if self.two_sided else statistic, np.float64)

    @property
    def _basis(self) -> FloatArray:
        return np.hstack([self.space.tested, self.moved])

    def _explained(self, products: RealArray) -> RealArray:
        """Return partial correlations, or squared multiple ones for F; (n_patterns, n_voxels)."""
        n_tested = self.space.tested.shape[1]
        is_t = self.space.test == "t"
        tested, nuisance = products[:n_tested], products[n_tested:]
        explained = tested[0] if is_t else np.einsum("cpv,cpv->pv", tested, tested)
        if len(nuisance):
            length = 1 - np.einsum("cpv,cpv->pv", nuisance, nuisance)
            length = np.maximum(length, SMALLEST[nuisance.dtype])
            explained = explained / (np.sqrt(length) if is_t else length)
        return explained

    def _statistic(self, explained: RealArray) -> RealArray:
        """Convert partial correlations to t, or squared multiple ones to F."""
        is_t = self.space.test == "t"
        squares = explained**2 if is_t else explained
        unexplained = np.maximum(1 - squares, SMALLEST[squares.dtype])
        if is_t:
            return np.asarray(explained * np.sqrt(self.space.dof / unexplained))
        return np.asarray(squares / unexplained * (self.space.dof / self.space.tested.shape[1]))
