"""Estimators of higher levels: least squares, fixed effects and mixed effects.

Notation, at one voxel: X design (n by k), Q orthonormal basis of its columns, y effects of the
inputs, v their variances, ν degrees of freedom of v, τ² variance between inputs, w = 1/(v + τ²),
W = diag(w), A = Q'WQ, c a contrast in the coordinates of Q, h = W Q A⁻¹ c its weights on the
inputs, ℓ = diag(Q A⁻¹ Q'W) their leverages.
"""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.second_level.error_models import (
    ErrorModel,
    least_squares_of_blocks,
    least_squares_of_groups,
)
from boldglm.glm.second_level.estimated_weights import variance_factor, weighted_dof
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.mixed_groups import mixed_effects_of_groups
from boldglm.glm.second_level.reml import (
    reml_variance,
    spread_of_inputs,
    weighted_least_squares,
)
from boldglm.glm.second_level.robust_weighted import robust_weighted


@dataclass(frozen=True)
class Inputs:
    """Inputs that are present at some voxels: arrays of shape (n_inputs, n_voxels), all finite."""

    effects: FloatArray
    variances: FloatArray | None = None
    dofs: FloatArray | None = None  # (n_inputs, n_voxels) or (n_inputs, 1)


def estimate(
    design: FloatArray,
    rows: FloatArray,
    inputs: Inputs,
    method: str,
    errors: ErrorModel | None = None,
) -> Estimates:
    """Estimate contrasts of a design over inputs.

    Parameters
    ----------
    design : ndarray of shape (n_inputs, n_columns)
        One row per input.
    rows : ndarray of shape (q, n_columns)
        Estimable rows of a contrast.
    inputs : Inputs
        Effects at some voxels, for "fixed" and "mixed" with variances and degrees of freedom.
    method : {"ols", "fixed", "mixed"}
        Estimator.
    errors : ErrorModel, optional
        Groups with variances of their own ("ols" and "mixed"), and inputs that depend on each
        other ("ols"); blocks go before groups, as their variance is robust to both.

    Returns
    -------
    Estimates
        Effects of the contrast, their covariance and degrees of freedom.

    Notes
    -----
    "ols": β = X⁺y, covariance s² C (X'X)⁺ C', s² the residual mean square, dof n - rank.

    "fixed": β of weighted least squares. Because weights are estimated, the nominal covariance
    C A⁻¹ C' = Σ h h' v is too small; each input's part is multiplied by `variance_factor`, to
    first order 1 + 4 (1 - ℓ)/ν: half because errors of the weights increase the variance of β,
    half because A⁻¹ underestimates it. For a mean this is Meier's correction [1]_. Degrees of
    freedom are those of `weighted_dof`, for F the mean over orthogonal rows.

    "mixed": τ² by restricted maximum likelihood, then weighted least squares, whose covariance
    comes from the residuals of the inputs (`robust_weighted`).

    References
    ----------
    .. [1] Meier P (1953). Variance of a weighted mean. Biometrics 9:59-73. doi:10.2307/3001633
    """
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    rank = int((singular > 1e-10 * singular[0]).sum())
    basis = left[:, :rank]
    coordinates = rows @ (right[:rank].T / singular[:rank])  # (q, rank)
    blocks = None if errors is None else errors.blocks
    groups = None if errors is None else errors.variance_groups
    ratio = None if errors is None else errors.ratio
    if method == "ols":
        if blocks is not None:
            return least_squares_of_blocks(basis, coordinates, inputs.effects, blocks)
        if groups is not None:
            return least_squares_of_groups(basis, coordinates, inputs.effects, groups, ratio)
        return _least_squares(basis, coordinates, inputs.effects)
    assert inputs.variances is not None
    assert inputs.dofs is not None
    if method == "fixed":
        return _fixed(basis, coordinates, inputs)
    if groups is not None:
        return mixed_effects_of_groups(
            basis, coordinates, inputs.effects, inputs.variances, groups, ratio
        )
    between = reml_variance(basis, inputs.effects, inputs.variances)
    w = 1 / (inputs.variances + between)
    return robust_weighted(basis, coordinates, inputs.effects, w, steadied=True)


def _least_squares(basis: FloatArray, rows: FloatArray, y: FloatArray) -> Estimates:
    n_inputs, rank = basis.shape
    b = basis.T @ y
    residuals = y - basis @ b
    sum_of_squares = np.einsum("nv,nv->v", residuals, residuals)
    size = np.einsum("nv,nv->v", y, y)
    sum_of_squares[sum_of_squares <= n_inputs**2 * np.finfo(np.float64).eps ** 2 * size] = 0.0
    mean_square = sum_of_squares / (n_inputs - rank)
    covariance = mean_square[:, np.newaxis, np.newaxis] * (rows @ rows.T)
    n_voxels = y.shape[1]
    dof = np.full(n_voxels, float(n_inputs - rank))
    return Estimates(rows @ b, covariance, dof, np.ones(n_voxels, dtype=bool))


def _contrast_covariance(rows: FloatArray, matrices: FloatArray) -> FloatArray:
    """Return C A⁻¹ C' at every voxel, shape (q, q, n_voxels)."""
    return np.einsum("pjv,qj->pqv", np.einsum("pi,ijv->pjv", rows, matrices), rows)


def _fixed(basis: FloatArray, rows: FloatArray, inputs: Inputs) -> Estimates:
    assert inputs.variances is not None
    assert inputs.dofs is not None
    w = 1 / inputs.variances
    weighted = weighted_least_squares(basis, inputs.effects, w)
    back, spread = spread_of_inputs(basis, weighted)
    leverage = w * spread
    # weights of each row of the contrast on the inputs: (q, n_inputs, n_voxels)
    h = np.tensordot(rows, back, 1) * w
    nominal = _contrast_covariance(rows, weighted.inverse)
    added = h * (inputs.variances * (variance_factor(leverage, inputs.dofs) - 1))
    covariance = (nominal + np.einsum("pnv,qnv->pqv", added, h)).transpose(2, 0, 1)
    # orthogonal rows: eigenvectors of the nominal covariance
    if len(rows) > 1:
        _, vectors = np.linalg.eigh(nominal.transpose(2, 0, 1))
        h = np.einsum("vpq,pnv->qnv", vectors, h, optimize=True)
    dof = weighted_dof(h**2 * inputs.variances, leverage, inputs.dofs)
    is_estimated = np.ones(dof.size, dtype=bool)
    return Estimates(rows @ weighted.coefficients, covariance, dof, is_estimated)
