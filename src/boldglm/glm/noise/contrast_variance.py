"""What a noise model tells about contrasts, and the t and F statistics that follow.

A noise model is a module with two things: a function that estimates it, and a frozen
dataclass of arrays with what it keeps of each voxel (`NoiseEstimates`). All that tests need
of it is the covariance of some estimates and with how many degrees of freedom it is known,
so that a further noise model changes nothing here.

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
    """Covariance of the estimates of q contrasts at n voxels, of m kinds of noise.

    Parameters
    ----------
    scale : ndarray of shape (n,)
        Noise variance, of which ``scale`` times `shape` is the covariance.
    shape : ndarray of shape (m, q, q)
        Covariance for unit scale. m is 1 if it does not depend on the data, n if it differs
        at every voxel, or the number of kinds of noise that `which` names.
    dofs : ndarray of shape (m, q)
        Degrees of freedom of t tests in q directions in which the estimates are not
        correlated.
    labels : ndarray of int, of shape (n,), optional
        Which of the m kinds each voxel has; not needed where m is 1 or n.
    """

    scale: FloatArray
    shape: FloatArray
    dofs: FloatArray
    labels: IndexArray | None = None

    def at_voxels(self, values: FloatArray, voxels: slice = slice(None)) -> FloatArray:
        """Return what belongs to each voxel, of an array with one entry for each kind."""
        if self.labels is not None:
            return np.asarray(values[self.labels[voxels]])
        return values if len(values) == 1 else values[voxels]


class NoiseEstimates(Protocol):
    """What a noise model keeps of each voxel: a frozen dataclass whose fields are arrays."""

    @property
    def coordinates(self) -> FloatArray:
        """Estimates in the orthonormal basis, of centered signals; (rank, n_voxels)."""

    @property
    def means(self) -> FloatArray:
        """What centering subtracted; (n_voxels,)."""

    @property
    def sigma2(self) -> FloatArray:
        """Noise variance; (n_voxels,)."""

    @property
    def ar(self) -> FloatArray | None:
        """Autoregressive coefficients, if the model has any; (order, n_voxels)."""

    @property
    def simulated_autocorrelations(self) -> FloatArray | None:
        """Autocorrelations that prewhitening left in series simulated for it, if there are any.

        Shape (`whiteness_lags`, n_series); of residuals of the same design.
        """

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return the covariance of the estimates of some contrasts, of shape (q, rank)."""


@runtime_checkable
class SharedContrastVariances(Protocol):
    """Noise estimates that find the covariances of several contrasts faster than one by one."""

    def contrast_variances(self, sets: Sequence[FloatArray]) -> list[ContrastVariance]:
        """Return what `contrast_variance` does for each set of rows."""


def t_statistics(
    effects: FloatArray, moments: ContrastVariance
) -> tuple[FloatArray, FloatArray, float | FloatArray]:
    """Return the variance, t and degrees of freedom of one contrast.

    Parameters
    ----------
    effects : ndarray of shape (n_voxels,)
        Estimates of the contrast.
    moments : ContrastVariance
        Of the contrast.

    Returns
    -------
    tuple of (ndarray, ndarray, float or ndarray), each of shape (n_voxels,)
        Variance of the effect, t, and degrees of freedom, which are one number when the
        noise model has no parameter to estimate. Where the variance is 0, t is 0.
    """
    variance = moments.scale * moments.at_voxels(moments.shape[:, 0, 0])
    dofs = moments.dofs[:, 0]
    t = _ratio(effects, np.sqrt(variance))
    return variance, t, float(dofs[0]) if len(dofs) == 1 else moments.at_voxels(dofs)


def f_statistics(
    effects: FloatArray, moments: ContrastVariance
) -> tuple[FloatArray, float | FloatArray]:
    """Return F and its denominator degrees of freedom.

    Parameters
    ----------
    effects : ndarray of shape (q, n_voxels)
        Estimates of the q contrasts.
    moments : ContrastVariance
        Of the contrasts, which are linearly independent.

    Returns
    -------
    tuple of (ndarray, float or ndarray), each of shape (n_voxels,)
        F, 0 where the noise variance is 0, and its degrees of freedom.

    Notes
    -----
    F = e' V⁻¹ e / q. With noise parameters, F is split into q squared t values with
    degrees of freedom νₘ in directions in which the estimates are not correlated, and has
    2E / (E - q) with E = Σ νₘ / (νₘ - 2) [1]_. The directions, and with them the result,
    depend on which rows span the contrast; rows that are uncorrelated in white noise, as
    `evaluate_contrast` gives them, make it the same for all ways to write a contrast.

    References
    ----------
    .. [1] Fai AH-T, Cornelius PL (1996). Approximate F-tests of multiple degree of freedom
       hypotheses in generalized least squares analyses of unbalanced split-plot experiments.
       Journal of Statistical Computation and Simulation 54:363-378.
       https://doi.org/10.1080/00949659608811740
    """
    q, n_voxels = effects.shape
    is_own = moments.labels is None and len(moments.shape) > 1
    # what every voxel has for itself is inverted a block at a time
    kinds = moments.shape if is_own else np.asarray(np.linalg.inv(moments.shape))
    F = np.empty(n_voxels)
    for voxels in blocks_of(n_voxels):
        some = effects[:, voxels]
        precision = moments.at_voxels(kinds, voxels)
        if is_own:
            precision = np.asarray(np.linalg.inv(precision))
        weighted = precision @ some.T[..., np.newaxis]
        squares = np.einsum("iv,vi->v", some, weighted[..., 0])
        F[voxels] = _ratio(squares, q * moments.scale[voxels])
    dofs = _fai_cornelius(moments.dofs)
    return F, float(dofs[0]) if len(dofs) == 1 else moments.at_voxels(dofs)


def satterthwaite(
    shape: FloatArray, gradients: FloatArray, parameter_covariance: FloatArray, dof: int
) -> FloatArray:
    """Return degrees of freedom in the directions in which estimates are not correlated.

    Parameters
    ----------
    shape : ndarray of shape (m, q, q)
        Covariance of the estimates for unit scale.
    gradients : ndarray of shape (m, p, q, q)
        Derivative of the covariance by each of the p noise parameters, divided by scale.
    parameter_covariance : ndarray of shape (m, p, p)
        Sampling covariance of the noise parameters.
    dof : int
        Residual degrees of freedom.

    Returns
    -------
    ndarray of shape (m, q)
        2 / (2/ν + d'A d), d the derivative of the logarithm of the variance [1]_.

    References
    ----------
    .. [1] Satterthwaite FE (1946). An approximate distribution of estimates of variance
       components. Biometrics Bulletin 2:110-114. https://doi.org/10.2307/3002019

    Examples
    --------
    A parameter with variance .02, on which the variance depends in proportion:

    >>> one = np.ones((1, 1, 1))
    >>> satterthwaite(one, one[np.newaxis], 0.02 * one, 100).tolist()
    [[50.0]]
    """
    values, vectors = np.linalg.eigh(shape)
    along = np.einsum("mka,mpkl,mla->map", vectors, gradients, vectors, optimize=True)
    slopes = along / values[..., np.newaxis]
    spread = np.einsum("map,mpr,mar->ma", slopes, parameter_covariance, slopes, optimize=True)
    return np.asarray(2.0 / (2.0 / dof + spread))


def whiteness_lags(n_scans: int) -> int:
    """Return at how many lags residuals are looked at for autocorrelation: 8, or fewer.

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
    # A squared t with 2 degrees of freedom or less has no mean to match.
    valid = smallest > 2.0 + 1e-6
    usable = np.where(valid[..., np.newaxis], dofs, 4.0)
    expected = (usable / (usable - 2.0)).sum(axis=-1)
    matched = 2.0 * expected / (expected - q)
    matched = np.where(valid, matched, np.minimum(smallest, 2.0))
    # Equal ones are what they match, without the rounding.
    return np.where(smallest == dofs.max(axis=-1), smallest, matched)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
