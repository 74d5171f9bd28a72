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
TRIED = (1.0, 0.4, 0.15, 0.06, 0.02)  # of the moment estimate, where the likelihood falls at 0
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


def spread_of_inputs(basis: FloatArray, weighted: Weighted) -> tuple[FloatArray, FloatArray]:
    """Return QA⁻¹, (rank, n_inputs, n_voxels), and q'A⁻¹q of each input, (n_inputs, n_voxels).

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design.
    weighted : Weighted
        Its fit.
    """
    back = np.matmul(basis, weighted.inverse)
    return back, np.einsum("ni,inv->nv", basis, back)


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
        τ², 0 where the likelihood has its maximum there.

    Notes
    -----
    The score is (y'P²y - tr P)/2, and its slope tr(P²)/2 - y'P³y. Newton's steps begin at the
    root for variances that are all equal to their mean, and stay within a bracket of the root. A
    step that would leave the bracket goes to its midpoint instead, so that every voxel converges.
    Where the likelihood falls at 0, as with variances that differ much, it can still have a
    second, higher maximum; it is searched for from values where the likelihood rises.
    """
    n_inputs, n_voxels = effects.shape
    between = np.empty(n_voxels)
    size = max(64, BLOCK_BYTES // (8 * n_inputs))
    for start in range(0, n_voxels, size):
        block = slice(start, start + size)
        between[block] = _reml(basis, effects[:, block], variances[:, block])
    return between


def _reml(basis: FloatArray, effects: FloatArray, variances: FloatArray) -> FloatArray:
    n_voxels = effects.shape[1]
    between = np.zeros(n_voxels)
    residuals = effects - basis @ (basis.T @ effects)
    mean_square = np.einsum("nv,nv->v", residuals, residuals) / (len(basis) - basis.shape[1])
    scale = variances.mean(axis=0)
    moments = mean_square - scale  # the estimate if all variances are equal to their mean
    score, _ = _score(basis, effects, variances, between)
    rising = np.flatnonzero(score > 0)
    guess = np.maximum(moments, 0.05 * scale)[rising]
    y, v = effects[:, rising], variances[:, rising]
    between[rising] = _maximum(basis, y, v, guess, np.zeros(rising.size))
    # the likelihood falls at 0, but may rise to a higher maximum further on
    moments = np.maximum(moments, 0.3 * scale)
    others = np.flatnonzero(score <= 0)
    for share in TRIED:
        y, v, tried = effects[:, others], variances[:, others], share * moments[others]
        score, _ = _score(basis, y, v, tried)
        rises = score > 0
        y, v, tried = y[:, rises], v[:, rises], tried[rises]
        root = _maximum(basis, y, v, 2 * tried, tried)
        is_higher = _likelihood(basis, y, v, root) > _likelihood(basis, y, v, 0 * root)
        between[others[rises]] = np.where(is_higher, root, 0.0)
        others = others[~rises]
    return between


def _maximum(
    basis: FloatArray, y: FloatArray, v: FloatArray, guess: FloatArray, low: FloatArray
) -> FloatArray:
    """Return the root of the score above `low`, where the score is positive."""
    between, scale = guess.copy(), v.mean(axis=0)
    active, high = np.arange(guess.size), np.full(guess.size, np.inf)
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


def _likelihood(
    basis: FloatArray, y: FloatArray, v: FloatArray, between: FloatArray
) -> FloatArray:
    """Return twice the restricted log-likelihood of τ², without its constant; (n_voxels,)."""
    w = 1 / (v + between)
    if not basis.shape[1]:
        return np.asarray((np.log(w) - w * y**2).sum(axis=0))
    weighted = weighted_least_squares(basis, y, w)
    products = weighted_products(basis, w).transpose(2, 0, 1)
    fit = np.log(w).sum(axis=0) - (w * weighted.residuals**2).sum(axis=0)
    return np.asarray(fit - np.linalg.slogdet(products)[1])


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
