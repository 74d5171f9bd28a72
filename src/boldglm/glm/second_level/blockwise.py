"""Fits of more inputs and voxels than memory holds, a block of voxels at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from boldglm.glm.arrays.types import BoolArray, FloatArray
from boldglm.glm.first_level.contrasts import Contrast, ContrastForm, contrast_weights
from boldglm.glm.second_level.error_models import ErrorModel
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.second_level import SecondLevelFit, as_contrast


@dataclass(frozen=True, eq=False)
class BlockwiseFit:
    """A second-level fit whose voxels are read a block at a time, whenever they are needed.

    Parameters
    ----------
    n_voxels : int
        Number of voxels.
    width : int
        Number of voxels in a block.
    fit_of : callable
        Given a slice of the voxels, returns their `SecondLevelFit`; the slice may be empty.
    chosen : ndarray of bool, of shape (n_voxels,), optional
        The voxels that are fitted; by default all.
    pooled : ErrorModel, optional
        Errors whose ratio of variances is known from more voxels than the chosen ones.

    See Also
    --------
    SecondLevelFit : The same with all voxels in memory.

    Examples
    --------
    >>> from boldglm.glm.second_level.second_level import fit_second_level
    >>> effects = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 9.0]])
    >>> f = BlockwiseFit(3, 2, lambda voxels: fit_second_level(
    ...     effects[:, voxels], np.ones((2, 1)), names=["mean"]))
    >>> f.contrast("mean").effect.round(9).tolist()
    [1.5, 3.0, 6.0]
    """

    n_voxels: int
    width: int
    fit_of: Callable[[slice], SecondLevelFit]
    chosen: BoolArray | None = None
    pooled: ErrorModel | None = None

    @cached_property
    def _empty(self) -> SecondLevelFit:
        return self.fit_of(slice(0, 0))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the design."""
        return self._empty.names

    @property
    def design(self) -> FloatArray:
        """The design, (n_inputs, n_columns)."""
        return self._empty.design

    @property
    def method(self) -> str:
        """The estimator."""
        return self._empty.method

    @cached_property
    def errors(self) -> ErrorModel:
        """Groups with variances of their own, and inputs that depend on each other."""
        if self.pooled is not None:
            return self.pooled
        moments = self._empty.ratio_moments()
        if moments is None:
            return self._empty.errors
        for voxels in self._slices():
            block = self.fit_of(voxels).ratio_moments()
            moments = moments if block is None else moments + block
        return self._empty.errors.pooled(moments)

    def _slices(self) -> Iterator[slice]:
        for start in range(0, self.n_voxels, self.width):
            yield slice(start, min(start + self.width, self.n_voxels))

    @property
    def dof_differs(self) -> bool:
        """Whether degrees of freedom differ between voxels that have all inputs."""
        return self._empty.dof_differs

    @cached_property
    def is_complete(self) -> BoolArray:
        """Whether all inputs have a value at each voxel; (n_voxels,)."""
        return np.concatenate([block.is_complete for block in self.blocks()])

    def independent_rows(self, weights: FloatArray) -> FloatArray:
        """Return linearly independent rows of a contrast."""
        return self._empty.independent_rows(weights)

    def at(self, voxels: BoolArray) -> "BlockwiseFit":
        """Return the fit of some voxels, (n_voxels,) bool."""
        chosen = voxels
        if self.chosen is not None:
            chosen = self.chosen.copy()
            chosen[self.chosen] = voxels
        return replace(self, chosen=chosen, pooled=self.errors)

    def blocks(self) -> Iterator[SecondLevelFit]:
        """Yield the fits of successive blocks of voxels, without blocks that have none."""
        for voxels in self._slices():
            if self.chosen is None or self.chosen[voxels].all():
                yield replace(self.fit_of(voxels), errors=self.errors)
            elif self.chosen[voxels].any():
                yield replace(self.fit_of(voxels), errors=self.errors).at(self.chosen[voxels])

    def contrast(self, contrast: ContrastForm, name: str | None = None) -> Contrast:
        """Test a contrast at every voxel, as `SecondLevelFit.contrast`."""
        label, weights = contrast_weights(contrast, self.names, name)
        rows = self._empty.testable_rows(label, weights)
        estimates = Estimates.joined(block.estimates(rows) for block in self.blocks())
        return as_contrast(label, weights, estimates, len(rows))
