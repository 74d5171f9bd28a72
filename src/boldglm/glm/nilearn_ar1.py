"""First order autoregression as nilearn fits it, for comparison only.

Its coefficients come from residuals uncorrected, are rounded toward 0 to two decimals, and the
first scan keeps the weight of any other. False positive rates are too high with it, on white
noise as well (docs/calibration.md); it is here so that results can be compared number by number.

Notation as in `boldglm.glm.kinds`; ρ coefficient, T scans.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.autoregression import Precision
from boldglm.glm.kernels import FloatArray
from boldglm.glm.kinds import Residuals, gls_by_kinds, ols_residuals
from boldglm.glm.lagged_basis import LaggedBasis
from boldglm.glm.linear_model import LinearModel, Series, read_blocks
from boldglm.glm.moments import ContrastMoments

BINS = 100  # per unit of the coefficient


@dataclass(frozen=True, eq=False)
class NilearnAR1Estimates:
    """What nilearn's autoregression keeps of each voxel and of each bin.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        Estimates in the orthonormal basis, of centered signals.
    means : ndarray of shape (n_voxels,)
        What centering subtracted.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared.
    which : ndarray of int, of shape (n_voxels,)
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
    which: NDArray[np.integer]
    rho: FloatArray
    inverses: FloatArray
    dof: int

    @property
    def ar(self) -> FloatArray:
        """Autoregressive coefficients, (1, n_voxels)."""
        return self.rho[np.newaxis, self.which]

    @property
    def left_of_simulated(self) -> None:
        """No series were simulated and kept."""
        return None

    def contrast_moments(self, rows: FloatArray) -> ContrastMoments:
        """Return covariances of estimates; see `boldglm.glm.moments`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastMoments
            Of each bin, with the degrees of freedom of known coefficients.
        """
        dofs = np.full((1, len(rows)), float(self.dof))
        shape = rows @ self.inverses @ rows.T
        return ContrastMoments(self.sigma2, np.asarray(shape), dofs, self.which)


def estimate_nilearn_ar1(
    bold: Series, model: LinearModel, block_size: int
) -> tuple[LinearModel, NilearnAR1Estimates]:
    """Estimate every voxel as nilearn 0.14 does with ``noise_model="ar1"``.

    Parameters
    ----------
    bold : Series of shape (n_scans, n_voxels)
        Signals, of consecutive scans.
    model : LinearModel
        The design.
    block_size : int
        Voxels per block.

    Returns
    -------
    tuple of (LinearModel, NilearnAR1Estimates)
        The model as it was, and the estimates. Of a rank deficient design the degrees of
        freedom are T - r also here, where nilearn takes T less the number of columns.

    Notes
    -----
    ρ is the autocovariance of the OLS residuals at lag 1 over that at lag 0, each divided by
    its number of products, after the mean over all scans and voxels is subtracted; then
    truncated toward 0 to hundredths. Whitening subtracts ρ times the scan before from all but
    the first scan, so Q is that of an autoregression without the correction at the first scan.
    """
    found = ols_residuals(bold, model, block_size, order=1, n_sample=1)
    coefficients = np.trunc(BINS * _yule_walker(bold, model, found, block_size)) / BINS
    rho, which = np.unique(coefficients, return_inverse=True)
    band = np.stack([1 + rho**2, -rho])
    corner = (rho**2)[:, np.newaxis, np.newaxis]
    noise = Precision(band, np.zeros_like(corner), corner)
    normal = LaggedBasis(model.basis, 1).normal_matrices(noise)
    inverses = np.asarray(np.linalg.inv(normal), dtype=np.float64)
    sigma2 = gls_by_kinds(bold, model, found, which, noise)
    return model, NilearnAR1Estimates(
        found.coordinates, found.means, sigma2, which, rho, inverses, model.dof
    )


def _yule_walker(
    bold: Series, model: LinearModel, found: Residuals, block_size: int
) -> FloatArray:
    """Return ρ before rounding, (n_voxels,); 0 where there is no residual."""
    n_scans = model.n_scans
    g0, g1 = found.sums.copy()
    if not model.spans_constant:
        totals = _totals(bold, model, found, block_size)
        mean = totals.sum() / (n_scans * totals.size)
        g0 += n_scans * mean**2 - 2 * mean * totals
        g1 += (n_scans - 1) * mean**2 - mean * (2 * totals - found.ends[0] - found.ends[1])
    g0[found.silent], g1[found.silent] = 1.0, 0.0
    return np.asarray((g1 / (n_scans - 1)) / (g0 / n_scans))


def _totals(bold: Series, model: LinearModel, found: Residuals, block_size: int) -> FloatArray:
    """Return the sums of the residuals over time, (n_voxels,)."""
    totals = -(model.basis.sum(axis=0) @ found.coordinates)
    for voxels, signal in read_blocks(bold, block_size):
        totals[voxels] += signal.sum(axis=0)
    return np.asarray(totals)
