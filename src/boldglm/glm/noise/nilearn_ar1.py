"""AR(1) noise as nilearn fits it, for comparisons with nilearn only.

The coefficients are estimated from residuals without correction for the design and are truncated
to two decimals, and the first scan has the same weight as any other. False positive rates are too
high, even in white noise (docs/calibration.md). The model exists to reproduce nilearn's numbers.

Notation as in `boldglm.glm.noise.ar1`.
"""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar1 import AR1Design, AR1Residuals, ar1_residuals
from boldglm.glm.noise.blocks import Block, BoldSeries, Chunks, each_projected
from boldglm.glm.noise.contrast_variance import ContrastVariance
from boldglm.glm.noise.gls import lagged_sum

BINS = 100  # per unit of the coefficient


@dataclass(frozen=True, eq=False)
class NilearnAR1Estimates:
    """Estimates of nilearn's AR(1) noise model at every voxel and for every bin of coefficients.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        Estimates in the orthonormal basis, from centered signals.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared.
    labels : ndarray of int, of shape (n_voxels,)
        Bin of each voxel.
    rho : ndarray of shape (n_bins,)
        Coefficient of each bin.
    inverses : ndarray of shape (n_bins, rank, rank)
        M⁻¹ of each bin.
    dof : int
        Residual degrees of freedom.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    labels: IndexArray
    rho: FloatArray
    inverses: FloatArray
    dof: int

    @property
    def ar(self) -> FloatArray:
        """Autoregressive coefficients, (1, n_voxels)."""
        return self.rho[np.newaxis, self.labels]

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
            A covariance for each bin, with the degrees of freedom of known coefficients.
        """
        dof = np.full((1, len(rows)), float(self.dof))
        covariance = rows @ self.inverses @ rows.T
        return ContrastVariance(self.sigma2, np.asarray(covariance), dof, self.labels)


def estimate_nilearn_ar1(
    bold: BoldSeries, model: LinearModel, chunks: Chunks
) -> tuple[LinearModel, NilearnAR1Estimates]:
    """Fit every voxel as nilearn 0.14 does with ``noise_model="ar1"``.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data, scans in temporal order without gaps.
    model : LinearModel
        The design.
    chunks : Chunks
        Block size and number of threads.

    Returns
    -------
    tuple of (LinearModel, NilearnAR1Estimates)
        The design in the basis that diagonalizes the lag-1 matrix, and the estimates. The
        degrees of freedom are T - r for rank-deficient designs too; nilearn subtracts the number
        of columns instead of the rank.

    Notes
    -----
    The mean over all scans and voxels is subtracted from the OLS residuals. ρ is then their
    autocovariance at lag 1 divided by that at lag 0, each an average over its products, truncated
    to hundredths. Whitening subtracts ρ times the previous scan from all scans but the first, so Q
    lacks the correction at the first scan.
    """
    design, rotation = AR1Design.of(model.basis)
    model = model.rotated(rotation)
    neighbors = lagged_sum(model.basis, 1)
    mean = 0.0 if model.spans_constant else _mean_residual(bold, model, chunks)
    n_voxels = bold.shape[1]
    coordinates, means = np.empty((model.rank, n_voxels)), np.empty(n_voxels)
    sigma2, coefficients = np.empty(n_voxels), np.empty(n_voxels)

    def fit_block(block: Block) -> None:
        statistics = ar1_residuals(block, design, neighbors)
        totals = block.signal.sum(axis=0) - model.basis.sum(axis=0) @ block.coordinates
        rho = np.trunc(BINS * _yule_walker(statistics, totals, mean, model.n_scans)) / BINS
        rho[block.without_variance] = 0.0
        delta, ssr = _gls(statistics, design, rho)
        coordinates[:, block.voxels] = block.coordinates + block.removed + delta
        means[block.voxels], coefficients[block.voxels] = block.means, rho
        sigma2[block.voxels] = np.where(block.without_variance, 0.0, ssr / model.dof)

    each_projected(bold, model, chunks, fit_block)
    rho, labels = np.unique(coefficients, return_inverse=True)
    inverses = [_inverse(design, coefficient) for coefficient in rho.tolist()]
    return model, NilearnAR1Estimates(
        coordinates,
        means,
        sigma2,
        labels,
        rho,
        np.stack(inverses or [np.eye(model.rank)]),
        model.dof,
    )


def _yule_walker(
    statistics: AR1Residuals, totals: FloatArray, mean: float, n_scans: int
) -> FloatArray:
    """Return ρ before truncation, (n,), from residuals minus their mean over scans and voxels."""
    g0 = statistics.g0 + n_scans * mean**2 - 2 * mean * totals
    g1 = statistics.g1 / 2 + (n_scans - 1) * mean**2
    g1 -= mean * (2 * totals - statistics.ends[0] - statistics.ends[1])
    return np.asarray((g1 / (n_scans - 1)) / (g0 / n_scans))


def _mean_residual(bold: BoldSeries, model: LinearModel, chunks: Chunks) -> float:
    """Return the mean of all OLS residuals, which is 0 only if the design has a constant."""
    totals = np.zeros(bold.shape[1])

    def add_up(block: Block) -> None:
        totals[block.voxels] = (block.signal - model.basis @ block.coordinates).sum(axis=0)

    each_projected(bold, model, chunks, add_up)
    return float(totals.sum()) / (model.n_scans * max(bold.shape[1], 1))


def _gls(
    statistics: AR1Residuals, design: AR1Design, rho: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the GLS minus the OLS estimate, (rank, n), and SSR, (n,).

    Notes
    -----
    In this basis, M is the diagonal matrix D⁻¹ minus ρ² times the outer product of the last row of
    U, so M⁻¹ is D plus a matrix of rank 1 (Sherman and Morrison).
    """
    q, last = rho**2, design.ends[1][:, np.newaxis]
    D = 1 / (1 + q - np.multiply.outer(design.eigenvalues, rho))
    g = -rho * statistics.w - q * last * statistics.ends[1]
    delta = D * g
    at_last = design.ends[1] @ delta
    delta += D * last * (q / (1 - q * (design.ends[1] ** 2 @ D)) * at_last)
    ssr = (1 + q) * statistics.g0 - rho * statistics.g1 - q * statistics.ends[1] ** 2
    return delta, ssr - np.einsum("rv,rv->v", g, delta)


def _inverse(design: AR1Design, rho: float) -> FloatArray:
    """Return M⁻¹ for one coefficient; (rank, rank)."""
    D = 1 / (1 + rho**2 - rho * design.eigenvalues)
    weighted = D * design.ends[1]
    scale = rho**2 / (1 - rho**2 * (design.ends[1] @ weighted))
    return np.diag(D) + scale * np.outer(weighted, weighted)
