"""Weighted least squares with a variance that does not trust the weights.

Notation, at one voxel: Q orthonormal basis of the design, w weights, A = Q'WQ, e residuals,
h weights of a contrast on the inputs, ℓ leverages.
"""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.reml import (
    Weighted,
    spread_of_inputs,
    weighted_least_squares,
    weighted_products,
)

PAIR_BYTES = 2**24  # of an array of shape (n_inputs, n_inputs, n_voxels)
MOST_TRUST, FEW_DOFS = 0.9, 3.5  # trust in the weights, if the robust variance has this few dofs


def robust_weighted(
    basis: FloatArray, rows: FloatArray, y: FloatArray, w: FloatArray, steadied: bool = False
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
    steadied : bool, optional
        Whether the variance of a t test trusts the weights as far as the design asks for it.

    Notes
    -----
    The covariance is Σ h h' e² / (1 - ℓ) over inputs (CR2), unbiased if the variances are 1/w, and
    consistent if they are not. Degrees of freedom are those of the same case, by Satterthwaite
    for t [1]_ and by Hotelling's T² for F [2]_. They are few where a few inputs have most of the
    weight.

    They are also few where a few inputs have most of the contrast, as with a skewed covariate; the
    test is then mild (.025 at .05). `steadied` replaces the share k of the variance by
    s² c'A⁻¹c, s² = Σ w e² / ν, ν = n - rank (Knapp and Hartung [3]_). With d the degrees of
    freedom above, δ their value for equal weights, which the design alone decides, and r = δ/ν,

        k = .9 (1 - r²) min(1, (3.5/δ)²),   1/dof = (1 - k)²/d + (1 - (1 - k)²) / min(ν, d/r).

    This is Satterthwaite's value for the mixture, but for d/r in place of ν: s² counts on the
    weights, whose errors matter where few inputs have most of them. k is from
    simulations: as large as needed, and as small as possible, as s² is not robust to variances
    that the weights do not describe. For means and for two equal groups r is 1, and k is 0.

    References
    ----------
    .. [1] Tipton E (2015). Small sample adjustments for robust variance estimation with
       meta-regression. Psychological Methods 20:375-393. doi:10.1037/met0000011
    .. [2] Pustejovsky JE, Tipton E (2018). Small-sample methods for cluster-robust variance
       estimation and hypothesis testing in fixed effects models. Journal of Business and Economic
       Statistics 36:672-683. doi:10.1080/07350015.2016.1247004
    .. [3] Knapp G, Hartung J (2003). Improved tests for a random effects meta-regression with a
       single covariate. Statistics in Medicine 22:2693-2710. doi:10.1002/sim.1482
    """
    weighted = weighted_least_squares(basis, y, w)
    back, spread = spread_of_inputs(basis, weighted)
    adjusted = np.tensordot(rows, back, 1) * (w / np.sqrt(np.maximum(1 - w * spread, 1e-12)))
    u = adjusted * weighted.residuals
    covariance = np.einsum("pnv,qnv->vpq", u, u)
    if len(rows) == 1:
        dof = _satterthwaite(basis, weighted, adjusted[0] ** 2, spread, w)
        if steadied:
            covariance, dof = _steadied(basis, rows[0], weighted, w, covariance, dof)
    else:
        expected = np.einsum("pi,ijv,qj->vpq", rows, weighted.inverse, rows, optimize=True)
        eta = _hotelling(back, basis, adjusted, expected, w)
        dof = eta - len(rows) + 1
        covariance *= np.where(dof > 0, eta / np.where(dof > 0, dof, 1), 1)[:, None, None]
    return Estimates(rows @ weighted.coefficients, covariance, np.maximum(dof, 1e-3), dof > 0)


@dataclass(frozen=True, eq=False)
class GroupParts:
    """What the inputs of each group contribute to the variance of a t test.

    Parameters
    ----------
    effect : ndarray of shape (n_voxels,)
        Weighted estimate of the contrast.
    robust, dofs : ndarray of shape (n_groups, n_voxels)
        Σ h² e² / (1 - ℓ) over the inputs of a group, and its degrees of freedom.
    mean_squares, free, loadings : ndarray of shape (n_groups, n_voxels)
        s² = Σ w e² / Σ (1 - ℓ), Σ (1 - ℓ), and Σ h²/w over the inputs of a group: s² times the
        last is the variance if the weights are right up to a factor for each group.
    """

    effect: FloatArray
    robust: FloatArray
    dofs: FloatArray
    mean_squares: FloatArray
    free: FloatArray
    loadings: FloatArray


def robust_by_group(
    basis: FloatArray, row: FloatArray, y: FloatArray, w: FloatArray, members: FloatArray
) -> GroupParts:
    """Return the parts of the variance of a t test that groups of inputs contribute.

    Parameters
    ----------
    basis, y, w
        As for `robust_weighted`.
    row : ndarray of shape (rank,)
        Contrast in the coordinates of the basis.
    members : ndarray of shape (n_groups, n_inputs)
        1 for the inputs of each group, else 0.
    """
    weighted = weighted_least_squares(basis, y, w)
    back, spread = spread_of_inputs(basis, weighted)
    free = np.maximum(1 - w * spread, 1e-12)
    h = np.tensordot(row, back, 1) * w
    squares = h**2 / free
    dofs = [
        _satterthwaite(basis[inside], weighted, squares[inside], spread[inside], w[inside])
        for inside in members.astype(bool)
    ]
    free_of_groups = members @ free
    return GroupParts(
        row @ weighted.coefficients,
        members @ (squares * weighted.residuals**2),
        np.stack(dofs),
        members @ (w * weighted.residuals**2) / free_of_groups,
        free_of_groups,
        members @ (h**2 / w),
    )


def _steadied(
    basis: FloatArray,
    row: FloatArray,
    weighted: Weighted,
    w: FloatArray,
    covariance: FloatArray,
    dof: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the variance that trusts the weights in part, (n_voxels, 1, 1), and its dofs."""
    nu = len(basis) - basis.shape[1]
    share = _share_of_dofs(basis, row)
    trust = MOST_TRUST * (1 - share**2) * min(1.0, (FEW_DOFS / (share * nu)) ** 2)
    if trust < 1e-6:
        return covariance, dof
    mean_square = (w * weighted.residuals**2).sum(axis=0) / nu
    trusting = mean_square * np.einsum("i,ijv,j->v", row, weighted.inverse, row)
    robust = (1 - trust) ** 2
    uncertainty = robust / dof + (1 - robust) / np.minimum(nu, dof / share)
    return (1 - trust) * covariance + trust * trusting[:, None, None], 1 / uncertainty


def _share_of_dofs(basis: FloatArray, row: FloatArray) -> float:
    """Return the dofs of the robust variance, as a share of n - rank, if weights are equal."""
    n_inputs, rank = basis.shape
    ones = np.ones((n_inputs, 1))
    equal = robust_weighted(basis, row[np.newaxis], np.zeros((n_inputs, 1)), ones)
    return float(np.clip(equal.dof[0] / (n_inputs - rank), 1e-3, 1))


def _satterthwaite(
    basis: FloatArray, weighted: Weighted, squares: FloatArray, spread: FloatArray, w: FloatArray
) -> FloatArray:
    """Return (tr B)² / tr(B²), with B the covariance of h e / √(1 - ℓ) over inputs.

    Rows may be those of some inputs; `weighted` is the fit of all. Where one input has all of the
    weight, tr(B²) is the difference of numbers that are equal to rounding. It is at least the sum
    of the squares of the diagonal of B, so that at least one degree of freedom is left.
    """
    variance = 1 / w
    diagonal = squares * (variance - spread)
    expected = diagonal.sum(axis=0)
    moved = np.einsum("ijv,jkv->ikv", weighted.inverse, weighted_products(basis, squares))
    products = (squares**2 * variance * (variance - 2 * spread)).sum(axis=0)
    total = products + np.einsum("ijv,jiv->v", moved, moved)
    total = np.maximum(total, (diagonal**2).sum(axis=0))
    return np.maximum(expected**2 / total, 1.0)


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
