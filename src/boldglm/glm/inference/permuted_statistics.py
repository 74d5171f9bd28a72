"""Statistics of rearranged data at all voxels: one matrix product for many ways and voxels.

Notation: y effects of the inputs at a voxel, [W Z] an orthonormal basis of the design with W what
is tested (see `partition`), e = y - Z Z'y scaled to unit length, P a rearrangement,
ν degrees of freedom. P e is fitted in place of y (Freedman and Lane): with a = W'P e and
d = 1 - ‖Z'P e‖², r = a / √d is the partial correlation, and t = r √(ν / (1 - r²)). The length of
P e is that of e, and what of Z is constant within blocks of exchanged inputs adds nothing. So the
rows P'[W Z] times e are all there is to compute, and the largest t is where r is largest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray, RealArray
from boldglm.glm.inference.partition import Partition
from boldglm.glm.inference.permutations import Permutations

EPS = float(np.finfo(np.float64).eps)
LEAST_DOF_OF_FLOAT32 = 10  # with fewer, statistics get too large for short floats
# Share of the energy that may be rounding.
SMALLEST = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-14}
WAYS, SCRATCH = 32, 2**15  # rearrangements, and results, of one matrix product
VOXELS = 2**12  # that are prepared at a time
MAP_BYTES = 2**25  # of whole maps that are held at a time


@dataclass(frozen=True, eq=False)
class Residuals:
    """What the nuisance leaves of the inputs, and the statistic of the data as they are.

    Parameters
    ----------
    scaled : ndarray of shape (n_inputs, n_voxels)
        Of unit length, or 0 at voxels without variance; float32 from 10 degrees of freedom on.
    statistic : ndarray of shape (n_voxels,)
        t or F; 0 at voxels without variance.
    without_variance : ndarray of bool, of shape (n_voxels,)
        Voxels that the design explains up to rounding.
    """

    scaled: RealArray
    statistic: FloatArray
    without_variance: BoolArray


def nuisance_residuals(effects: RealArray, space: Partition) -> Residuals:
    """Take the nuisance out of the inputs, and test the data as they are.

    Parameters
    ----------
    effects : ndarray of shape (n_inputs, n_voxels)
        Finite.
    space : Partition
        What is tested, and the nuisance.

    Returns
    -------
    Residuals

    Examples
    --------
    >>> from boldglm.glm.inference.partition import partition_design
    >>> mean = partition_design(np.ones((3, 1)), [1])
    >>> found = nuisance_residuals(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]), mean)
    >>> found.statistic.round(4).tolist(), found.without_variance.tolist()
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
        left = e - space.tested @ a
        rss = np.einsum("nv,nv->v", left, left)
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
    """Statistics of all rearrangements of one test.

    Parameters
    ----------
    space : Partition
    permutations : Permutations
    moved : ndarray of shape (n_inputs, n_moved)
        The part of Z that rearrangements move.
    residuals : Residuals
    two_sided : bool
        Whether the largest is that of \\|t\\|.
    """

    space: Partition
    permutations: Permutations
    moved: FloatArray
    residuals: Residuals
    two_sided: bool

    def maxima(
        self, effects: RealArray, on_maps: Callable[[RealArray], None] | None = None
    ) -> FloatArray:
        """Return the largest statistic of each rearrangement.

        Parameters
        ----------
        effects : ndarray of shape (n_inputs, n_voxels)
            Those that the residuals are of.
        on_maps : callable, optional
            Is given the whole maps of some rearrangements after those of others, (n_some,
            n_voxels); not to be kept.

        Returns
        -------
        ndarray of shape (n_patterns,)
            In float64, whatever the type of the products.
        """
        e = self.residuals.scaled
        n_voxels = e.shape[1]
        at_a_time = WAYS
        if on_maps is not None:
            at_a_time = max(1, min(WAYS, MAP_BYTES // (e.itemsize * n_voxels)))
        largest = np.zeros(len(self.permutations))
        for start in range(0, len(self.permutations), at_a_time):
            which = slice(start, min(start + at_a_time, len(self.permutations)))
            n_patterns = which.stop - start
            maps = None if on_maps is None else np.empty((n_patterns, n_voxels), dtype=e.dtype)
            winners = self._winners(which, maps)
            largest[which] = self._at(effects, which, winners)
            if on_maps is not None and maps is not None:
                on_maps(self._statistic(maps))
        return largest

    def _winners(self, which: slice, maps: RealArray | None) -> IndexArray:
        """Return the voxel with the largest statistic of some ways; fill in whole maps of r."""
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
            hidden = self.residuals.without_variance[start : start + width]
            if hidden.any():
                r[:, hidden] = -np.inf
            places = r.argmax(axis=1)
            here = r[each, places]
            better = here > best
            best[better], winners[better] = here[better], start + places[better]
        return winners

    def _at(self, effects: RealArray, which: slice, voxels: IndexArray) -> FloatArray:
        """Return the statistic of some ways at one voxel each, in float64."""
        y = np.asarray(effects[:, voxels], dtype=np.float64)
        e = y - self.space.nuisance @ (self.space.nuisance.T @ y)
        e /= np.maximum(np.linalg.norm(e, axis=0), np.finfo(np.float64).tiny)
        e[:, self.residuals.without_variance[voxels]] = 0.0
        products = np.einsum("cpn,np->cp", self.permutations.apply(self._basis, which), e)
        found = self._statistic(self._explained(products[:, np.newaxis])[0])
        return np.asarray(np.abs(found) if self.two_sided else found, np.float64)

    @property
    def _basis(self) -> FloatArray:
        return np.hstack([self.space.tested, self.moved])

    def _explained(self, products: RealArray) -> RealArray:
        """Return partial correlations, for F squared multiple ones, (n_patterns, n_voxels)."""
        n_tested = self.space.tested.shape[1]
        is_t = self.space.test == "t"
        part = products[:n_tested]
        found = part[0] if is_t else np.einsum("cpv,cpv->pv", part, part)
        if len(products) > n_tested:
            rest = products[n_tested:]
            left = np.maximum(1 - np.einsum("cpv,cpv->pv", rest, rest), SMALLEST[rest.dtype])
            found = found / (np.sqrt(left) if is_t else left)
        return found

    def _statistic(self, explained: RealArray) -> RealArray:
        """Return t or F of partial correlations or their squares."""
        is_t = self.space.test == "t"
        squares = explained**2 if is_t else explained
        left = np.maximum(1 - squares, SMALLEST[squares.dtype])
        if is_t:
            return np.asarray(explained * np.sqrt(self.space.dof / left))
        return np.asarray(squares / left * (self.space.dof / self.space.tested.shape[1]))
