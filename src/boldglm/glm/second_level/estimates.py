"""Estimates of a contrast at every voxel, and their t or F statistic."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import BoolArray, FloatArray


@dataclass(frozen=True)
class Estimates:
    """Estimates of a contrast at every voxel."""

    effects: FloatArray  # (q, n_voxels)
    covariance: FloatArray  # (n_voxels, q, q)
    dof: FloatArray  # (n_voxels,)
    is_estimated: BoolArray  # (n_voxels,)

    @classmethod
    def zeros(cls, n_rows: int, n_voxels: int) -> "Estimates":
        """Return estimates of voxels none of which is estimated yet."""
        return cls(
            np.zeros((n_rows, n_voxels)),
            np.zeros((n_voxels, n_rows, n_rows)),
            np.ones(n_voxels),
            np.zeros(n_voxels, dtype=bool),
        )

    @classmethod
    def joined(cls, blocks: Iterable["Estimates"]) -> "Estimates":
        """Return the estimates of successive blocks of voxels together."""
        effects, covariances, dofs, flags = zip(
            *(
                (block.effects, block.covariance, block.dof, block.is_estimated)
                for block in blocks
            ),
            strict=True,
        )
        return cls(
            np.concatenate(effects, axis=1),
            np.concatenate(covariances),
            np.concatenate(dofs),
            np.concatenate(flags),
        )

    def put(self, voxels: np.ndarray, block: "Estimates") -> None:
        """Store the estimates of some voxels."""
        self.effects[:, voxels] = block.effects
        self.covariance[voxels] = block.covariance
        self.dof[voxels] = block.dof
        self.is_estimated[voxels] = True

    def t_values(self) -> FloatArray:
        """Return t of a contrast with one row, (n_voxels,); 0 where it has no variance."""
        effect, variance = self.effects[0], self.covariance[:, 0, 0]
        return np.divide(
            effect,
            np.sqrt(variance),
            out=np.zeros_like(effect),
            where=self.is_estimated & (variance > 0),
        )

    def f_values(self) -> FloatArray:
        """Return F of all rows together, (n_voxels,); 0 where they have no variance."""
        n_rows, n_voxels = self.effects.shape
        F = np.zeros(n_voxels)
        testable = self.is_estimated & (self.covariance.trace(axis1=1, axis2=2) > 0)
        e = self.effects[:, testable].T
        solved = np.linalg.solve(self.covariance[testable], e[..., np.newaxis])[..., 0]
        F[testable] = (e * solved).sum(axis=1) / n_rows
        return F
