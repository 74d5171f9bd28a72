"""Variance and degrees of freedom of contrasts, and the t and F statistics that follow.

A noise model consists of a function that estimates it and a frozen dataclass of the arrays that
result (`NoiseEstimates`). For a test, a noise model provides the covariance of the contrast
estimates and the degrees of freedom of that covariance. Everything here is the same for all
noise models.

Notation: V covariance of q estimates, θ noise parameters other than the scale, A their
sampling covariance, ν residual degrees of freedom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class ContrastVariance:
    """Covariance of the estimates of q contrasts at n voxels, and its degrees of freedom.

    Parameters
    ----------
    scale : ndarray of shape (n,)
        Noise variance. The covariance at a voxel is ``scale`` times `unit_covariance`.
    unit_covariance : ndarray of shape (m, q, q)
        Covariance for unit scale, of m noise clusters. m is 1 if the covariance does not depend
        on the data, and n if every voxel has its own.
    dof : ndarray of shape (m, q)
        Degrees of freedom of t tests in q directions in which the estimates are uncorrelated.
    labels : ndarray of int, of shape (n,), optional
        Noise cluster of each voxel; not needed if m is 1 or n.
    """

    scale: FloatArray
    unit_covariance: FloatArray
    dof: FloatArray
    labels: IndexArray | None = None

    def at_voxels(self, values: FloatArray, voxels: slice = slice(None)) -> FloatArray:
        """Return the values of each voxel from an array with one entry for each cluster."""
        if self.labels is not None:
            return np.asarray(values[self.labels[voxels]])
        return values if len(values) == 1 else values[voxels]


class NoiseEstimates(Protocol):
    """Estimates of a noise model at every voxel: a frozen dataclass whose fields are arrays."""

    @property
    def coordinates(self) -> FloatArray:
        """Estimates in the orthonormal basis, of centered signals; (rank, n_voxels)."""

    @property
    def means(self) -> FloatArray:
        """Mean that was subtracted from each signal; (n_voxels,)."""

    @property
    def sigma2(self) -> FloatArray:
        """Noise variance; (n_voxels,)."""

    @property
    def ar(self) -> FloatArray | None:
        """Autoregressive coefficients, if the model has any; (order, n_voxels)."""

    @property
    def simulated_autocorrelations(self) -> FloatArray | None:
        """Residual autocorrelations of simulated series after prewhitening, if there are any.

        Shape (`whiteness_lags`, n_series); the series were simulated for the same design.
        """

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return the covariance of the estimates of q contrasts, rows of shape (q, rank)."""


@runtime_checkable
class SharedContrastVariances(Protocol):
    """Noise estimates that compute the covariances of several contrasts faster together."""

    def contrast_variances(self, sets: Sequence[FloatArray]) -> list[ContrastVariance]:
        """Return the result of `contrast_variance` for each set of rows."""


def t_statistics(
    effects: FloatArray, variances: ContrastVariance
) -> tuple[FloatArray, FloatArray, float | FloatArray]:
    """Return the variance, t value and degrees of freedom of one contrast.

    Parameters
    ----------
    effects : ndarray of shape (n_voxels,)
        Estimates of the contrast.
    variances : ContrastVariance
        Variance of the contrast.

    Returns
    -------
    tuple of (ndarray, ndarray, float or ndarray), each of shape (n_voxels,)
        Variance of the effect, t, and degrees of freedom. The latter are a single number if
        the noise model has no parameters other than the scale. Where the variance is 0, t is 0.

    Examples
    --------
    >>> variances = ContrastVariance(np.array([4.0]), np.full((1, 1, 1), 0.25), np.full((1, 1), 9))
    >>> t_statistics(np.array([3.0]), variances)
    (array([1.]), array([3.]), 9.0)
    """
    variance = variances.scale * variances.at_voxels(variances.unit_covariance[:, 0, 0])
    dof = variances.dof[:, 0]
    t = _ratio(effects, np.sqrt(variance))
    return variance, t, float(dof[0]) if len(dof) == 1 else variances.at_voxels(dof)


def f_statistics(
    effects: FloatArray, variances: ContrastVariance
) -> tuple[FloatArray, float | FloatArray]:
    """Return F and its denominator degrees of freedom.

    Parameters
    ----------
    effects : ndarray of shape (q, n_voxels)
        Estimates of the q contrasts.
    variances : ContrastVariance
        Covariance of the contrasts, which must be linearly independent.

    Returns
    -------
    tuple of (ndarray, float or ndarray), each of shape (n_voxels,)
        F, which is 0 where the noise variance is 0, and its denominator degrees of freedom.

    Notes
    -----
    F = e' V⁻¹ e / q. If there are noise parameters, F is split into q squared t values with
    degrees of freedom νₘ in directions in which the estimates are uncorrelated; F then has
    2E / (E - q) degrees of freedom with E = Σ νₘ / (νₘ - 2) [1]_. The directions, and hence the
    result, depend on the rows that span the contrast. `evaluate_contrast` passes rows that are
    uncorrelated in white noise, so that the result does not depend on how the contrast is
    written.

    References
    ----------
    .. [1] Fai AH-T, Cornelius PL (1996). Approximate F-tests of multiple degree of freedom
       hypotheses in generalized least squares analyses of unbalanced split-plot experiments.
       Journal of Statistical Computation and Simulation 54:363-378.
       https://doi.org/10.1080/00949659608811740
    """
    q, n_voxels = effects.shape
    covariance = variances.unit_covariance
    per_voxel = variances.labels is None and len(covariance) > 1
    # a matrix for every voxel is inverted block by block, which takes less memory
    matrices = covariance if per_voxel else np.asarray(np.linalg.inv(covariance))
    F = np.empty(n_voxels)
    for voxels in blocks_of(n_voxels):
        block = effects[:, voxels]
        precision = variances.at_voxels(matrices, voxels)
        if per_voxel:
            precision = np.asarray(np.linalg.inv(precision))
        weighted = precision @ block.T[..., np.newaxis]
        squares = np.einsum("iv,vi->v", block, weighted[..., 0])
        F[voxels] = _ratio(squares, q * variances.scale[voxels])
    dof = _fai_cornelius(variances.dof)
    return F, float(dof[0]) if len(dof) == 1 else variances.at_voxels(dof)


def satterthwaite(
    covariance: FloatArray, gradients: FloatArray, parameter_covariance: FloatArray, dof: int
) -> FloatArray:
    """Return degrees of freedom in the directions in which the estimates are uncorrelated.

    Parameters
    ----------
    covariance : ndarray of shape (m, q, q)
        Covariance of the estimates for unit scale.
    gradients : ndarray of shape (m, p, q, q)
        Derivative of the covariance with respect to each of the p noise parameters, divided by
        the scale.
    parameter_covariance : ndarray of shape (m, p, p)
        Sampling covariance of the noise parameters.
    dof : int
        Residual degrees of freedom.

    Returns
    -------
    ndarray of shape (m, q)
        2 / (2/ν + d'A d) with d the derivatives of the logarithm of the variance [1]_.

    References
    ----------
    .. [1] Satterthwaite FE (1946). An approximate distribution of estimates of variance
       components. Biometrics Bulletin 2:110-114. https://doi.org/10.2307/3002019

    Examples
    --------
    The variance is proportional to the exponential of a parameter with variance .02:

    >>> one = np.ones((1, 1, 1))
    >>> satterthwaite(one, one[np.newaxis], 0.02 * one, 100).tolist()
    [[50.0]]
    """
    values, vectors = np.linalg.eigh(covariance)
    along = np.einsum("mka,mpkl,mla->map", vectors, gradients, vectors, optimize=True)
    slopes = along / values[..., np.newaxis]
    spread = np.einsum("map,mpr,mar->ma", slopes, parameter_covariance, slopes, optimize=True)
    return np.asarray(2.0 / (2.0 / dof + spread))


def whiteness_lags(n_scans: int) -> int:
    """Return the number of lags at which residuals are tested for autocorrelation: 8 or fewer.

    Parameters
    ----------
    n_scans : int
        Number of scans.

    Returns
    -------
    int

    Examples
    --------
    >>> whiteness_lags(200), whiteness_lags(12)
    (8, 2)
    """
    return max(min(8, n_scans // 5), 1)


def _fai_cornelius(dofs: FloatArray) -> FloatArray:
    """Return the degrees of freedom of F from those of its q squared t; (…, q) -> (…,)."""
    q = dofs.shape[-1]
    smallest = dofs.min(axis=-1)
    # With 2 degrees of freedom or fewer, a squared t has no finite mean to match.
    valid = smallest > 2.0 + 1e-6
    usable = np.where(valid[..., np.newaxis], dofs, 4.0)
    expected = (usable / (usable - 2.0)).sum(axis=-1)
    matched = 2.0 * expected / (expected - q)
    matched = np.where(valid, matched, np.minimum(smallest, 2.0))
    # Equal degrees of freedom match themselves; this avoids rounding errors.
    return np.where(smallest == dofs.max(axis=-1), smallest, matched)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
