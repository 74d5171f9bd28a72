"""Restricted maximum likelihood of the variance between inputs, at every voxel.

Notation, at one voxel: Q orthonormal basis of the design (n by r), y effects of the inputs, v
their variances, τ² variance between inputs, w = 1/(v + τ²), W = diag(w), A = Q'WQ,
P = W - WQA⁻¹Q'W.
"""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import FloatArray

MAX_STEPS = 60
CONVERGED = 1e-10  # change of τ², relative to τ² + mean v
BLOCK_BYTES = 2**18  # of an array of shape (n_inputs, n_voxels) that fits the processor's cache


@dataclass(frozen=True)
class Weighted:
    """Weighted least squares at every voxel."""

    inverse: FloatArray  # A⁻¹, (rank, rank, n_voxels)
    coefficients: FloatArray  # (rank, n_voxels)
    residuals: FloatArray  # (n_inputs, n_voxels)


def weighted_least_squares(basis: FloatArray, y: FloatArray, w: FloatArray) -> Weighted:
    """Fit a design to every voxel with weights of its own.

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design.
    y, w : ndarray of shape (n_inputs, n_voxels)
        Effects and weights.
    """
    inverse = _inverses(weighted_products(basis, w))
    coefficients = _times(inverse, basis.T @ (w * y))
    return Weighted(inverse, coefficients, y - basis @ coefficients)


def weighted_products(basis: FloatArray, w: FloatArray) -> FloatArray:
    """Return Q' diag(w) Q at every voxel, shape (rank, rank, n_voxels)."""
    n_inputs, rank = basis.shape
    products = (basis[:, :, np.newaxis] * basis[:, np.newaxis, :]).reshape(n_inputs, rank**2)
    return np.asarray(products.T @ w).reshape(rank, rank, -1)


def _inverses(matrices: FloatArray) -> FloatArray:
    """Invert matrices of shape (rank, rank, n_voxels)."""
    if len(matrices) == 1:
        return 1 / matrices
    if len(matrices) == 2:
        (a, b), (c, d) = matrices
        return np.asarray(np.array([[d, -b], [-c, a]]) / (a * d - b * c))
    return np.asarray(np.linalg.inv(matrices.transpose(2, 0, 1)), np.float64).transpose(1, 2, 0)


def reml_variance(basis: FloatArray, effects: FloatArray, variances: FloatArray) -> FloatArray:
    """Estimate the variance between inputs at every voxel by restricted maximum likelihood.

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design; rank may be 0.
    effects, variances : ndarray of shape (n_inputs, n_voxels)
        Effects and their known variances (positive).

    Returns
    -------
    ndarray of shape (n_voxels,)
        τ², 0 where the score at 0 is not positive.

    Notes
    -----
    The score is (y'P²y - tr P)/2, and its slope tr(P²)/2 - y'P³y. Newton's steps begin at the
    root for variances that are all equal to their mean, and stay within a bracket of the root. A
    step that would leave the bracket goes to its midpoint instead, so that every voxel converges.
    """
    n_inputs, n_voxels = effects.shape
    between = np.empty(n_voxels)
    size = max(64, BLOCK_BYTES // (8 * n_inputs))
    for start in range(0, n_voxels, size):
        block = slice(start, start + size)
        between[block] = _reml(basis, effects[:, block], variances[:, block])
    return between


def _reml(basis: FloatArray, effects: FloatArray, variances: FloatArray) -> FloatArray:
    n_inputs, n_voxels = effects.shape
    between, scale = np.zeros(n_voxels), variances.mean(axis=0)
    score, _ = _score(basis, effects, variances, between)
    active = np.flatnonzero(score > 0)
    y, v, scale = effects[:, active], variances[:, active], scale[active]
    residuals = y - basis @ (basis.T @ y)
    mean_square = np.einsum("nv,nv->v", residuals, residuals) / (n_inputs - basis.shape[1])
    guess = np.maximum(mean_square - scale, 0.05 * scale)
    low, high = np.zeros(active.size), np.full(active.size, np.inf)
    for _ in range(MAX_STEPS):
        if not active.size:
            break
        score, slope = _score(basis, y, v, guess)
        low, high = np.where(score > 0, guess, low), np.where(score > 0, high, guess)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = guess - score / slope
        outside = ~((step > low) & (step < high) & (slope < 0))
        middle = np.where(np.isinf(high), 2 * guess + scale, (low + high) / 2)
        updated = np.where(outside, middle, step)
        moving = abs(updated - guess) > CONVERGED * (updated + scale)
        between[active] = updated
        guess = updated
        if moving.sum() < 0.7 * active.size:  # copies of fewer voxels cost less than their steps
            active, y, v = active[moving], y[:, moving], v[:, moving]
            low, high, guess, scale = low[moving], high[moving], guess[moving], scale[moving]
    return between


def _score(
    basis: FloatArray, y: FloatArray, v: FloatArray, between: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the score of τ² and its slope, each of shape (n_voxels,)."""
    w = 1 / (v + between)
    if not basis.shape[1]:
        squares, w_squares = (w * y) ** 2, w**2
        score = (squares.sum(axis=0) - w.sum(axis=0)) / 2
        return score, w_squares.sum(axis=0) / 2 - (w * squares).sum(axis=0)
    w2 = w * w
    weighted = weighted_least_squares(basis, y, w)
    inverse = weighted.inverse
    second = _products(inverse, weighted_products(basis, w2))
    third = np.einsum("ijv,jiv->v", inverse, weighted_products(basis, w2 * w))
    trace = w.sum(axis=0) - np.einsum("iiv->v", second)
    trace_of_square = w2.sum(axis=0) - 2 * third + np.einsum("ijv,jiv->v", second, second)
    z = w * weighted.residuals  # Py
    wz = w * z
    across = basis.T @ wz
    sum_of_cubes = np.einsum("nv,nv->v", wz, z)
    sum_of_cubes -= (across * _times(inverse, across)).sum(axis=0)
    score = (np.einsum("nv,nv->v", z, z) - trace) / 2
    return score, trace_of_square / 2 - sum_of_cubes


def _times(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Multiply matrices of shape (rank, rank, n_voxels) by vectors of shape (rank, n_voxels)."""
    if len(matrices) == 1:
        return matrices[0] * vectors
    return np.einsum("ijv,jv->iv", matrices, vectors)


def _products(first: FloatArray, second: FloatArray) -> FloatArray:
    """Multiply matrices of shape (rank, rank, n_voxels)."""
    if len(first) == 1:
        return first * second
    return np.einsum("ijv,jkv->ikv", first, second)
