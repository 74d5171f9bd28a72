"""Ordinary least squares at every voxel: noise that is white.

One matrix product per block of voxels; residuals are not formed, because their sum of
squares is that of the signal less that of its projection.

Notation: U orthonormal basis of the design, b = U'y, ν residual degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.blocks import Block, BoldSeries, Chunks, each_projected
from boldglm.glm.noise.contrast_variance import ContrastVariance


@dataclass(frozen=True, eq=False)
class OLSEstimates:
    """What ordinary least squares keeps of each voxel.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        Estimates in the orthonormal basis, of centered signals.
    means : ndarray of shape (n_voxels,)
        What centering subtracted.
    sigma2 : ndarray of shape (n_voxels,)
        Noise variance, signal units squared.
    dof : int
        Residual degrees of freedom.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    dof: int

    @property
    def ar(self) -> None:
        """White noise has no autoregressive coefficients."""
        return None

    @property
    def simulated_autocorrelations(self) -> None:
        """No series were simulated and kept."""
        return None

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return covariances of estimates; see `boldglm.glm.noise.contrast_variance`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastVariance
            ``sigma2`` times one matrix for all voxels.
        """
        dofs = np.full((1, len(rows)), float(self.dof))
        return ContrastVariance(self.sigma2, (rows @ rows.T)[np.newaxis], dofs)


def estimate_ols(
    bold: BoldSeries, model: LinearModel, chunks: Chunks
) -> tuple[LinearModel, OLSEstimates]:
    """Estimate every voxel by ordinary least squares.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        Signals.
    model : LinearModel
        The design.
    chunks : Chunks
        How many voxels at a time, and by how many threads.

    Returns
    -------
    tuple of (LinearModel, OLSEstimates)
        The model as it was, and the estimates.

    Notes
    -----
    σ² = (y'y - b'b) / ν after centering; where the fit explains nearly everything the
    residuals are formed instead (`each_projected`).

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> groups = np.kron(np.eye(2), np.ones((3, 1)))
    >>> signal = np.array([[1.0, 2, 3, 3, 4, 5]]).T
    >>> model, estimates = estimate_ols(signal, linear_model(groups), Chunks())
    >>> estimates.sigma2.round(12).tolist()
    [1.0]
    """
    n_voxels = bold.shape[1]
    coordinates = np.empty((model.rank, n_voxels))
    means, sigma2 = np.empty(n_voxels), np.empty(n_voxels)

    def keep(block: Block) -> None:
        np.add(block.coordinates, block.removed, out=coordinates[:, block.voxels])
        means[block.voxels] = block.means
        sigma2[block.voxels] = block.ssr() / model.dof

    each_projected(bold, model, chunks, keep)
    return model, OLSEstimates(coordinates, means, sigma2, model.dof)
