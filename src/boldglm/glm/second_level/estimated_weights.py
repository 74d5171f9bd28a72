"""What the estimation of weights from variances does to fixed effects.

Notation: v variance of an input with ν degrees of freedom, w = 1/v its weight, h its weight in the
contrast, ℓ its leverage.
"""

import numpy as np

from boldglm.glm.arrays.types import FloatArray

MANY_DOFS, TERMS = 50.0, 8  # from where on the series is used, and how far
NODES, POWER = 16, 8  # of the quadrature
SECOND_ORDER = 2.0


def variance_factor(leverage: FloatArray, dofs: FloatArray) -> FloatArray:
    """Return the factor by which h²v underestimates what an input adds to the variance.

    Parameters
    ----------
    leverage : ndarray of shape (n_inputs, n_voxels)
        ℓ.
    dofs : ndarray of shape (n_inputs, n_voxels) or (n_inputs, 1)
        ν.

    Returns
    -------
    ndarray of shape (n_inputs, n_voxels)

    Notes
    -----
    For a variance v with mean σ² and any function g, E[v k(v)] = σ² E[g(v)] if k is the mean of
    g(sv) with s distributed as Beta(ν/2, 1). With g = h², and h(sv) = h / (s + (1 - s) ℓ),
    Σ h² v K is therefore an unbiased estimate of the variance of the contrast, for any number of
    inputs and degrees of freedom:

        K = ν/2 ∫ s^(ν/2 - 1) (s + (1 - s) ℓ)⁻² ds, from 0 to 1.

    To first order this is 1 + 4 (1 - ℓ) / ν, for a mean the correction of Meier (1953).

    Examples
    --------
    >>> variance_factor(np.array([[0.5]]), np.array([[8.0]])).round(3).item()
    1.271
    >>> variance_factor(np.array([[1.0]]), np.array([[8.0]])).round(3).item()
    1.0
    """
    a, z = dofs / 2, np.clip(1 - leverage, 0, 1)
    if dofs.min() >= MANY_DOFS:
        factor = np.ones_like(z)
        for j in range(TERMS, 0, -1):
            factor = 1 + factor * z * ((j + 1) / (a + j))
        return factor
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    factor = np.zeros_like(z)
    for x, weight in zip((1 + nodes) / 2, weights / 2, strict=True):
        # s = x^(POWER / a), so that nodes are where the integrand is steep
        share = 1 - (1 - x ** (POWER / a)) * z
        factor += weight * POWER * x ** (POWER - 1) / share**2
    return factor


def weighted_dof(shares: FloatArray, leverage: FloatArray, dofs: FloatArray) -> FloatArray:
    """Return the degrees of freedom of the variance of a contrast.

    Parameters
    ----------
    shares : ndarray of shape (q, n_inputs, n_voxels)
        h²v of each row of the contrast.
    leverage : ndarray of shape (n_inputs, n_voxels)
        ℓ.
    dofs : ndarray of shape (n_inputs, n_voxels) or (n_inputs, 1)
        ν.

    Returns
    -------
    ndarray of shape (n_voxels,)
        The mean over rows.

    Notes
    -----
    With a = h²v / Σ h²v, the inverse is Σ a²/ν (Satterthwaite) + 2 Σ a (1 - ℓ)/ν². The second term
    stands for the variance of the contrast given its weights, which varies with them and makes
    tails heavier. Its form vanishes if weights are not estimated (ℓ = 1); its factor is from
    simulations (`combine_fixed_effects` lists the rates).
    """
    a = shares / shares.sum(axis=1, keepdims=True)
    first = (a**2 / dofs).sum(axis=1)
    second = (a * ((1 - leverage) / dofs**2)).sum(axis=1)
    with np.errstate(divide="ignore"):  # infinite dofs give an uncertainty of 0
        return np.asarray((1 / (first + SECOND_ORDER * np.maximum(second, 0))).mean(axis=0))
