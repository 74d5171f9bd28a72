"""First order autoregression as nilearn fits it, for comparison only.

Its coefficients come from residuals uncorrected, are rounded toward 0 to two decimals, and the
first scan keeps the weight of any other. False positive rates are too high with it, on white
noise as well (docs/calibration.md); it is here so that results can be compared number by number.

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
    """What nilearn's autoregression keeps of each voxel and of each bin.

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
            Of each bin, with the degrees of freedom of known coefficients.
        """
        dofs = np.full((1, len(rows)), float(self.dof))
        shape = rows @ self.inverses @ rows.T
        return ContrastVariance(self.sigma2, np.asarray(shape), dofs, self.labels)


def estimate_nilearn_ar1(
    bold: BoldSeries, model: LinearModel, chunks: Chunks
) -> tuple[LinearModel, NilearnAR1Estimates]:
    """Estimate every voxel as nilearn 0.14 does with ``noise_model="ar1"``.

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
        The unchanged design, and the estimates. Of a rank deficient design the degrees of
        freedom are T - r also here, where nilearn takes T less the number of columns.

    Notes
    -----
    ρ is the autocovariance of the OLS residuals at lag 1 over that at lag 0, each divided by
    its number of products, after the mean over all scans and voxels is subtracted; then
    truncated toward 0 to hundredths. Whitening subtracts ρ times the scan before from all but
    the first scan, so Q is that of an autoregression without the correction at the first scan.
    """
    lag, rotation = AR1Design.of(model.basis)
    model = model.rotated(rotation)
    shifted = lagged_sum(model.basis, 1)
    mean = 0.0 if model.spans_constant else _mean_residual(bold, model, chunks)
    n_voxels = bold.shape[1]
    coordinates, means = np.empty((model.rank, n_voxels)), np.empty(n_voxels)
    sigma2, coefficients = np.empty(n_voxels), np.empty(n_voxels)

    def weigh(block: Block) -> None:
        seen = ar1_residuals(block, lag, shifted)
        totals = block.signal.sum(axis=0) - model.basis.sum(axis=0) @ block.coordinates
        rho = np.trunc(BINS * _yule_walker(seen, totals, mean, model.n_scans)) / BINS
        rho[block.without_variance] = 0.0
        delta, ssr = _weighted(seen, lag, rho)
        coordinates[:, block.voxels] = block.coordinates + block.removed + delta
        means[block.voxels], coefficients[block.voxels] = block.means, rho
        sigma2[block.voxels] = np.where(block.without_variance, 0.0, ssr / model.dof)

    each_projected(bold, model, chunks, weigh)
    rho, which = np.unique(coefficients, return_inverse=True)
    inverses = np.stack([_inverse(lag, one) for one in rho.tolist()] or [np.eye(model.rank)])
    return model, NilearnAR1Estimates(coordinates, means, sigma2, which, rho, inverses, model.dof)


def _yule_walker(seen: AR1Residuals, totals: FloatArray, mean: float, n_scans: int) -> FloatArray:
    """Return ρ before rounding, (n,), of residuals less their mean over scans and voxels."""
    g0 = seen.g0 + n_scans * mean**2 - 2 * mean * totals
    g1 = seen.g1 / 2 + (n_scans - 1) * mean**2
    g1 -= mean * (2 * totals - seen.ends[0] - seen.ends[1])
    return np.asarray((g1 / (n_scans - 1)) / (g0 / n_scans))


def _mean_residual(bold: BoldSeries, model: LinearModel, chunks: Chunks) -> float:
    """Return the mean of all OLS residuals, which is not 0 without a constant."""
    totals = np.zeros(bold.shape[1])

    def add_up(block: Block) -> None:
        totals[block.voxels] = (block.signal - model.basis @ block.coordinates).sum(axis=0)

    each_projected(bold, model, chunks, add_up)
    return float(totals.sum()) / (model.n_scans * max(bold.shape[1], 1))


def _weighted(
    seen: AR1Residuals, lag: AR1Design, rho: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what GLS adds to the OLS estimate, (rank, n), and its sum of squares, (n,).

    Notes
    -----
    M is D⁻¹ less ρ² times the outer product of U's last row, D diagonal in this basis, so
    M⁻¹ is D and a matrix of rank 1 (Sherman and Morrison).
    """
    q, last = rho**2, lag.ends[1][:, np.newaxis]
    D = 1 / (1 + q - np.multiply.outer(lag.eigenvalues, rho))
    g = -rho * seen.w - q * last * seen.ends[1]
    delta = D * g
    at_last = lag.ends[1] @ delta
    delta += D * last * (q / (1 - q * (lag.ends[1] ** 2 @ D)) * at_last)
    ssr = (1 + q) * seen.g0 - rho * seen.g1 - q * seen.ends[1] ** 2
    return delta, ssr - np.einsum("rv,rv->v", g, delta)


def _inverse(lag: AR1Design, rho: float) -> FloatArray:
    """Return M⁻¹ of one coefficient, (rank, rank)."""
    D = 1 / (1 + rho**2 - rho * lag.eigenvalues)
    turned = D * lag.ends[1]
    scale = rho**2 / (1 - rho**2 * (lag.ends[1] @ turned))
    return np.diag(D) + scale * np.outer(turned, turned)
