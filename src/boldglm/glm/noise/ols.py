"""Ordinary least squares at every voxel, for white noise.

Each block of voxels takes one matrix product. Residuals are not formed, because their sum of
squares is the sum of squares of the signal minus that of its projection.

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
    """Estimates of ordinary least squares at every voxel.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        Estimates in the orthonormal basis, from centered signals.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
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
        """None: white noise has no autoregressive coefficients."""
        return None

    @property
    def simulated_autocorrelations(self) -> None:
        """None: this noise model simulates no series."""
        return None

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return the covariance of contrasts; see `boldglm.glm.noise.contrast_variance`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastVariance
            ``sigma2`` times the same matrix at all voxels.
        """
        dof = np.full((1, len(rows)), float(self.dof))
        return ContrastVariance(self.sigma2, (rows @ rows.T)[np.newaxis], dof)


def estimate_ols(
    bold: BoldSeries, model: LinearModel, chunks: Chunks
) -> tuple[LinearModel, OLSEstimates]:
    """Fit every voxel by ordinary least squares.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data.
    model : LinearModel
        The design.
    chunks : Chunks
        Block size and number of threads.

    Returns
    -------
    tuple of (LinearModel, OLSEstimates)
        The unchanged design, and the estimates.

    Notes
    -----
    σ² = (y'y - b'b) / ν after centering. Where the fit explains almost everything, the residuals
    are formed explicitly (`each_projected`).

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

    def store(block: Block) -> None:
        np.add(block.coordinates, block.removed, out=coordinates[:, block.voxels])
        means[block.voxels] = block.means
        sigma2[block.voxels] = block.ssr() / model.dof

    each_projected(bold, model, chunks, store)
    return model, OLSEstimates(coordinates, means, sigma2, model.dof)
