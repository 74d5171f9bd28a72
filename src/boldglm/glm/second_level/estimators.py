"""Estimators of higher levels: least squares, fixed effects and mixed effects.

Notation, at one voxel: X design (n by k), Q orthonormal basis of its columns, y effects of the
inputs, v their variances, ν degrees of freedom of v, τ² variance between inputs, w = 1/(v + τ²),
W = diag(w), A = Q'WQ, c a contrast in the coordinates of Q, h = W Q A⁻¹ c its weights on the
inputs, ℓ = diag(Q A⁻¹ Q'W) their leverages.
"""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import FloatArray

MAX_STEPS = 60
CONVERGED = 1e-10  # change of τ², relative to τ² + mean v


@dataclass(frozen=True)
class Inputs:
    """Inputs that are present at some voxels: arrays of shape (n_inputs, n_voxels), all finite."""

    effects: FloatArray
    variances: FloatArray | None = None
    dofs: FloatArray | None = None  # (n_inputs, n_voxels) or (n_inputs, 1)


@dataclass(frozen=True)
class Estimates:
    """Estimates of a contrast at every voxel."""

    effects: FloatArray  # (q, n_voxels)
    covariance: FloatArray  # (n_voxels, q, q)
    dof: FloatArray  # (n_voxels,)
    is_estimated: np.ndarray  # (n_voxels,)

    @classmethod
    def zeros(cls, n_rows: int, n_voxels: int) -> "Estimates":
        """Return estimates of voxels none of which is estimated yet."""
        return cls(
            np.zeros((n_rows, n_voxels)),
            np.zeros((n_voxels, n_rows, n_rows)),
            np.ones(n_voxels),
            np.zeros(n_voxels, dtype=bool),
        )

    def put(self, voxels: np.ndarray, block: "Estimates") -> None:
        """Store the estimates of some voxels."""
        self.effects[:, voxels] = block.effects
        self.covariance[voxels] = block.covariance
        self.dof[voxels] = block.dof
        self.is_estimated[voxels] = True


def estimate(design: FloatArray, rows: FloatArray, inputs: Inputs, method: str) -> Estimates:
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

    Returns
    -------
    Estimates
        Effects of the contrast, their covariance and degrees of freedom.

    Notes
    -----
    "ols": β = X⁺y, covariance s² C (X'X)⁺ C', s² the residual mean square, dof n - rank.

    "fixed": β of weighted least squares. Because weights are estimated, the nominal covariance
    C A⁻¹ C' is too small; each input adds 4/ν times its share of it times (1 - ℓ): half because
    errors of the weights increase the variance of β, half because A⁻¹ underestimates it. For a
    mean this is Meier's correction [1]_. Degrees of freedom: (Σ h²v)² / Σ (h²v)²/ν
    (Satterthwaite), for F the mean over orthogonal rows.

    "mixed": τ² by restricted maximum likelihood, then weighted least squares, whose covariance
    is scaled by the weighted residual mean square, with n - rank degrees of freedom (Knapp and
    Hartung [2]_).

    References
    ----------
    .. [1] Meier P (1953). Variance of a weighted mean. Biometrics 9:59-73. doi:10.2307/3001633
    .. [2] Knapp G, Hartung J (2003). Improved tests for a random effects meta-regression with a
       single covariate. Statistics in Medicine 22:2693-2710. doi:10.1002/sim.1482
    """
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    rank = int((singular > 1e-10 * singular[0]).sum())
    basis = left[:, :rank]
    coordinates = rows @ (right[:rank].T / singular[:rank])  # (q, rank)
    if method == "ols":
        return _least_squares(basis, coordinates, inputs.effects)
    assert inputs.variances is not None
    assert inputs.dofs is not None
    if method == "fixed":
        return _fixed(basis, coordinates, inputs)
    between = reml_variance(basis, inputs.effects, inputs.variances)
    return _knapp_hartung(basis, coordinates, inputs.effects, 1 / (inputs.variances + between))


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


@dataclass(frozen=True)
class _Weighted:
    """Weighted least squares at every voxel."""

    inverse: FloatArray  # A⁻¹, (rank, rank, n_voxels)
    coefficients: FloatArray  # (rank, n_voxels)
    residuals: FloatArray  # (n_inputs, n_voxels)


def _weighted(basis: FloatArray, y: FloatArray, w: FloatArray) -> _Weighted:
    inverse = _inverses(_weighted_products(basis, w))
    coefficients = np.einsum("ijv,jv->iv", inverse, basis.T @ (w * y))
    return _Weighted(inverse, coefficients, y - basis @ coefficients)


def _weighted_products(basis: FloatArray, w: FloatArray) -> FloatArray:
    """Return Q' diag(w) Q at every voxel, shape (rank, rank, n_voxels)."""
    n_inputs, rank = basis.shape
    products = (basis[:, :, np.newaxis] * basis[:, np.newaxis, :]).reshape(n_inputs, rank**2)
    return np.asarray(products.T @ w).reshape(rank, rank, -1)


def _inverses(matrices: FloatArray) -> FloatArray:
    """Invert matrices of shape (rank, rank, n_voxels)."""
    if len(matrices) == 1:
        return 1 / matrices
    return np.asarray(np.linalg.inv(matrices.transpose(2, 0, 1)), np.float64).transpose(1, 2, 0)


def _contrast_covariance(rows: FloatArray, matrices: FloatArray) -> FloatArray:
    """Return C A⁻¹ C' at every voxel, shape (q, q, n_voxels)."""
    return np.einsum("pjv,qj->pqv", np.einsum("pi,ijv->pjv", rows, matrices), rows)


def _fixed(basis: FloatArray, rows: FloatArray, inputs: Inputs) -> Estimates:
    assert inputs.variances is not None
    assert inputs.dofs is not None
    w = 1 / inputs.variances
    weighted = _weighted(basis, inputs.effects, w)
    back = np.matmul(basis, weighted.inverse)  # (rank, n_inputs, n_voxels)
    leverage = w * np.einsum("ni,inv->nv", basis, back)
    # weights of each row of the contrast on the inputs: (q, n_inputs, n_voxels)
    h = np.tensordot(rows, back, 1) * w
    excess = (1 - leverage) / inputs.dofs * inputs.variances
    nominal = _contrast_covariance(rows, weighted.inverse)
    covariance = (nominal + 4 * np.einsum("pnv,qnv->pqv", h * excess, h)).transpose(2, 0, 1)
    # orthogonal rows: eigenvectors of the nominal covariance
    if len(rows) > 1:
        _, vectors = np.linalg.eigh(nominal.transpose(2, 0, 1))
        h = np.einsum("vpq,pnv->qnv", vectors, h, optimize=True)
    shares = h**2 * inputs.variances
    uncertainty = (shares**2 / inputs.dofs).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # infinite dofs give an uncertainty of 0
        dof = (shares.sum(axis=1) ** 2 / uncertainty).mean(axis=0)
    is_estimated = np.ones(dof.size, dtype=bool)
    return Estimates(rows @ weighted.coefficients, covariance, dof, is_estimated)


def _knapp_hartung(basis: FloatArray, rows: FloatArray, y: FloatArray, w: FloatArray) -> Estimates:
    n_inputs, rank = basis.shape
    weighted = _weighted(basis, y, w)
    scale = (w * weighted.residuals**2).sum(axis=0) / (n_inputs - rank)
    covariance = (scale * _contrast_covariance(rows, weighted.inverse)).transpose(2, 0, 1)
    dof = np.full(y.shape[1], float(n_inputs - rank))
    return Estimates(rows @ weighted.coefficients, covariance, dof, np.ones(dof.size, dtype=bool))


def reml_variance(basis: FloatArray, effects: FloatArray, variances: FloatArray) -> FloatArray:
    """Estimate the variance between inputs at every voxel by restricted maximum likelihood.

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design.
    effects, variances : ndarray of shape (n_inputs, n_voxels)
        Effects and their known variances (positive).

    Returns
    -------
    ndarray of shape (n_voxels,)
        τ², 0 where the score at 0 is not positive.

    Notes
    -----
    With P = W - WQA⁻¹Q'W the score is (y'P²y - tr P)/2 and its expected slope -tr(P²)/2. Fisher
    scoring steps stay within a bracket of the root. A step that would leave the bracket goes to
    its midpoint instead, so that every voxel converges.
    """
    n_voxels = effects.shape[1]
    between = np.zeros(n_voxels)
    score, slope = _score(basis, effects, variances, between)
    active = np.flatnonzero(score > 0)
    low, high = np.zeros(active.size), np.full(active.size, np.inf)
    guess = score[active] / slope[active]
    scale = variances[:, active].mean(axis=0)
    for _ in range(MAX_STEPS):
        if not active.size:
            break
        score, slope = _score(basis, effects[:, active], variances[:, active], guess)
        low = np.where(score > 0, guess, low)
        high = np.where(score > 0, high, guess)
        step = guess + score / slope
        outside = ~((step > low) & (step < high))
        middle = np.where(np.isinf(high), 2 * guess + scale, (low + high) / 2)
        updated = np.where(outside, middle, step)
        between[active] = updated
        moving = abs(updated - guess) > CONVERGED * (updated + scale)
        active, low, high = active[moving], low[moving], high[moving]
        guess, scale = updated[moving], scale[moving]
    return between


def _score(
    basis: FloatArray, y: FloatArray, v: FloatArray, between: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the score of τ² and its expected slope, each of shape (n_voxels,)."""
    w = 1 / (v + between)
    weighted = _weighted(basis, y, w)
    second = np.einsum("ijv,jkv->ikv", weighted.inverse, _weighted_products(basis, w**2))
    third = np.einsum("ijv,jiv->v", weighted.inverse, _weighted_products(basis, w**3))
    trace = w.sum(axis=0) - np.einsum("iiv->v", second)
    trace_of_square = (w**2).sum(axis=0) - 2 * third + np.einsum("ijv,jiv->v", second, second)
    sum_of_squares = (w**2 * weighted.residuals**2).sum(axis=0)
    return (sum_of_squares - trace) / 2, trace_of_square / 2
