"""Weighted least squares with a variance that does not trust the weights.

Notation, at one voxel: Q orthonormal basis of the design, w weights, A = Q'WQ, e residuals,
h weights of a contrast on the inputs, ℓ leverages.
"""

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.reml import Weighted, weighted_least_squares, weighted_products

PAIR_BYTES = 2**24  # of an array of shape (n_inputs, n_inputs, n_voxels)


def robust_weighted(
    basis: FloatArray, rows: FloatArray, y: FloatArray, w: FloatArray
) -> Estimates:
    """Estimate contrasts with weights, and their variance from the residuals of each input.

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design.
    rows : ndarray of shape (q, rank)
        Contrast in the coordinates of the basis.
    y, w : ndarray of shape (n_inputs, n_voxels)
        Effects and weights.

    Notes
    -----
    The covariance is Σ h h' e² / (1 - ℓ) over inputs (CR2), unbiased if the variances are 1/w, and
    consistent if they are not. Degrees of freedom are those of the same case, by Satterthwaite
    for t [1]_ and by Hotelling's T² for F [2]_. They are few where a few inputs have most of the
    weight.

    References
    ----------
    .. [1] Tipton E (2015). Small sample adjustments for robust variance estimation with
       meta-regression. Psychological Methods 20:375-393. doi:10.1037/met0000011
    .. [2] Pustejovsky JE, Tipton E (2018). Small-sample methods for cluster-robust variance
       estimation and hypothesis testing in fixed effects models. Journal of Business and Economic
       Statistics 36:672-683. doi:10.1080/07350015.2016.1247004
    """
    weighted = weighted_least_squares(basis, y, w)
    back = np.matmul(basis, weighted.inverse)  # (rank, n_inputs, n_voxels)
    spread = np.einsum("ni,inv->nv", basis, back)  # q'A⁻¹q of each input
    adjusted = np.tensordot(rows, back, 1) * (w / np.sqrt(np.maximum(1 - w * spread, 1e-12)))
    u = adjusted * weighted.residuals
    covariance = np.einsum("pnv,qnv->vpq", u, u)
    if len(rows) == 1:
        dof = _satterthwaite(basis, weighted, adjusted[0] ** 2, spread, w)
    else:
        expected = np.einsum("pi,ijv,qj->vpq", rows, weighted.inverse, rows, optimize=True)
        eta = _hotelling(back, basis, adjusted, expected, w)
        dof = eta - len(rows) + 1
        covariance *= np.where(dof > 0, eta / np.where(dof > 0, dof, 1), 1)[:, None, None]
    return Estimates(rows @ weighted.coefficients, covariance, np.maximum(dof, 1e-3), dof > 0)


def _satterthwaite(
    basis: FloatArray, weighted: Weighted, squares: FloatArray, spread: FloatArray, w: FloatArray
) -> FloatArray:
    """Return (tr B)² / tr(B²), with B the covariance of h e / √(1 - ℓ) over inputs."""
    variance = 1 / w
    expected = (squares * (variance - spread)).sum(axis=0)
    moved = np.einsum("ijv,jkv->ikv", weighted.inverse, weighted_products(basis, squares))
    products = (squares**2 * variance * (variance - 2 * spread)).sum(axis=0)
    return np.asarray(expected**2 / (products + np.einsum("ijv,jiv->v", moved, moved)))


def _hotelling(
    back: FloatArray, basis: FloatArray, adjusted: FloatArray, expected: FloatArray, w: FloatArray
) -> FloatArray:
    """Return η = q (q + 1) / Σ var(D), with D the covariance in units of its expectation."""
    q, n_inputs, n_voxels = adjusted.shape
    values, vectors = np.linalg.eigh(expected)
    whiten = vectors / np.sqrt(values)[:, np.newaxis, :]
    standard = np.einsum("vpq,pnv->qnv", whiten, adjusted, optimize=True)
    eta = np.empty(n_voxels)
    size = max(16, PAIR_BYTES // (8 * n_inputs**2))
    for start in range(0, n_voxels, size):
        block = slice(start, start + size)
        own = standard[:, :, block]
        pairs = -np.einsum("ni,imv->nmv", basis, back[:, :, block])
        diagonal = np.arange(n_inputs)
        pairs[diagonal, diagonal] += 1 / w[:, block]
        pairs *= np.einsum("qnv,qmv->nmv", own, own)
        eta[block] = q * (q + 1) / (2 * np.einsum("nmv,nmv->v", pairs, pairs))
    return eta
