"""Statistics of permuted data: one matrix product for many permutations and voxels.

Notation: y effects of the inputs at a voxel, [W Z] orthonormal basis of the design with W the
tested directions and Z the nuisance (see `partition`), e = y - Z Z'y scaled to unit length, P
permutation, ν degrees of freedom.

P e is fitted in place of y (Freedman and Lane). With a = W'P e and d = 1 - ‖Z'P e‖², the partial
correlation is r = a / √d, and t = r √(ν / (1 - r²)). P e has the same length as e, and the part of
Z that is constant within blocks of exchanged inputs has no effect. Hence only the rows P'[W Z]
times e need to be computed, and t is largest where r is largest.
"""

from collections.abc import Callable, Iterable, Iterator
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
MAP_BYTES = 2**25  # of whole maps that are in memory together, if all voxels are
STREAM_BYTES = 2**27  # of what is in memory of permutations whose voxels are read in blocks


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
    scaled = np.empty((n_inputs, n_voxels), dtype=_dtype_of(space))
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


def _dtype_of(space: Partition) -> np.dtype:
    """Return the precision of the matrix products."""
    return np.dtype(np.float32 if space.dof >= LEAST_DOF_OF_FLOAT32 else np.float64)


def slices(start: int, stop: int, size: int) -> Iterator[slice]:
    """Yield successive slices of a size."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))


class ResidualBlocks:
    """Residuals of successive blocks of voxels; those of a single block stay in memory.

    Parameters
    ----------
    effects : callable
        Returns the effects of successive blocks of voxels, (n_inputs, n_voxels) each.
    space : Partition
        Tested and nuisance directions.

    Attributes
    ----------
    statistic, without_variance : ndarray of shape (n_voxels,)
        As in `Residuals`, of all voxels.
    """

    def __init__(self, effects: Callable[[], Iterable[RealArray]], space: Partition) -> None:
        self._effects, self._space = effects, space
        self._single: tuple[RealArray, Residuals] | None = None
        statistics, without_variance = [], []
        for number, y in enumerate(effects()):
            residuals = nuisance_residuals(y, space)
            statistics.append(residuals.statistic)
            without_variance.append(residuals.without_variance)
            self._single = (y, residuals) if number == 0 else None
        self.statistic = np.concatenate(statistics)
        self.without_variance = np.concatenate(without_variance)

    @property
    def is_single(self) -> bool:
        """Whether there is a single block, which is in memory."""
        return self._single is not None

    def __iter__(self) -> Iterator[tuple[RealArray, Residuals]]:
        """Yield effects and residuals of each block."""
        if self._single is not None:
            yield self._single
            return
        for y in self._effects():
            yield y, nuisance_residuals(y, self._space)


@dataclass(frozen=True, eq=False)
class _Winners:
    """The voxel with the largest statistic of each permutation so far."""

    best: RealArray  # (n_patterns,), partial correlations
    effects: RealArray  # (n_patterns, n_inputs)
    without_variance: BoolArray  # (n_patterns,)

    @classmethod
    def none(cls, n_patterns: int, n_inputs: int) -> "_Winners":
        return cls(
            np.full(n_patterns, -np.inf),
            np.zeros((n_patterns, n_inputs)),
            np.ones(n_patterns, dtype=bool),
        )

    def update(self, which: slice, values: RealArray, y: RealArray, columns: IndexArray) -> None:
        """Replace the voxels of some permutations by better ones, columns of the effects."""
        better = np.flatnonzero(values > self.best[which])
        patterns = better + which.start
        self.best[patterns] = values[better]
        self.effects[patterns] = y[:, columns[better]].T
        self.without_variance[patterns] = False


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
    residuals : ResidualBlocks
        Inputs without the nuisance.
    two_sided : bool
        Whether the maximum is that of \\|t\\|.
    """

    space: Partition
    permutations: Permutations
    moved: FloatArray
    residuals: ResidualBlocks
    two_sided: bool

    def maxima(self, on_maps: Callable[[RealArray], None] | None = None) -> FloatArray:
        """Return the largest statistic of each permutation.

        Parameters
        ----------
        on_maps : callable, optional
            Called with the whole maps of successive batches of permutations, (n_batch,
            n_voxels), which later batches overwrite.

        Returns
        -------
        ndarray of shape (n_patterns,)
            In float64, also if the matrix products are in float32.

        Notes
        -----
        The blocks of voxels are read once for as many permutations as fit into memory: without
        maps thousands, with maps as many as `STREAM_BYTES` of them.
        """
        n_voxels = self.residuals.statistic.size
        together, at_a_time = self._sizes(on_maps is not None)
        largest = np.zeros(len(self.permutations))
        for group in slices(0, len(self.permutations), together):
            size = group.stop - group.start
            maps = None if on_maps is None else np.empty((size, n_voxels), dtype=self._dtype)
            winners = self._winners(group, at_a_time, maps)
            for which in slices(0, size, at_a_time):
                patterns = slice(group.start + which.start, group.start + which.stop)
                largest[patterns] = self._exact(patterns, winners, which)
                if on_maps is not None and maps is not None:
                    on_maps(self._statistic(maps[which]))
        return largest

    def _sizes(self, has_maps: bool) -> tuple[int, int]:
        """Return how many permutations are done in one pass, and how many in one product."""
        n_inputs, n_voxels = len(self.space.tested), self.residuals.statistic.size
        if not has_maps:
            return max(AT_A_TIME, STREAM_BYTES // (8 * n_inputs)), AT_A_TIME
        map_bytes = self._dtype.itemsize * n_voxels
        at_a_time = max(1, min(AT_A_TIME, MAP_BYTES // map_bytes))
        if self.residuals.is_single:
            return at_a_time, at_a_time
        return max(1, STREAM_BYTES // (map_bytes * at_a_time)) * at_a_time, at_a_time

    @property
    def _dtype(self) -> np.dtype:
        return _dtype_of(self.space)

    def _winners(self, group: slice, at_a_time: int, maps: RealArray | None) -> _Winners:
        """Return the voxel with the largest statistic of each permutation; fill the maps of r."""
        size = group.stop - group.start
        winners = _Winners.none(size, len(self.space.tested))
        first = 0
        for y, residuals in self.residuals:
            last = first + y.shape[1]
            for which in slices(0, size, at_a_time):
                patterns = slice(group.start + which.start, group.start + which.stop)
                part = None if maps is None else maps[which, first:last]
                winners.update(which, *self._largest_of_block(residuals, patterns, part, y))
            first = last
        return winners

    def _largest_of_block(
        self, residuals: Residuals, which: slice, maps: RealArray | None, y: RealArray
    ) -> tuple[RealArray, RealArray, IndexArray]:
        """Return r of each permutation at its largest voxel, the effects, and the voxels."""
        e = residuals.scaled
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
            excluded = residuals.without_variance[start : start + width]
            if excluded.any():
                r[:, excluded] = -np.inf
            columns = r.argmax(axis=1)
            values = r[each, columns]
            better = values > best
            best[better], winners[better] = values[better], start + columns[better]
        return best, y, winners

    def _exact(self, patterns: slice, winners: _Winners, which: slice) -> FloatArray:
        """Return the statistic of each permutation at one voxel, in float64."""
        y = winners.effects[which].T
        e = y - self.space.nuisance @ (self.space.nuisance.T @ y)
        e /= np.maximum(np.linalg.norm(e, axis=0), np.finfo(np.float64).tiny)
        e[:, winners.without_variance[which]] = 0.0
        products = np.einsum("cpn,np->cp", self.permutations.apply(self._basis, patterns), e)
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
