"""What a noise model tells about contrasts, and the t and F statistics that follow.

A noise model is a module with two things: a function that estimates it, and a frozen
dataclass of arrays with what it keeps of each voxel (`NoiseEstimates`). All that tests need
of it is the covariance of some estimates and how that varies with the noise parameters, so
that a further noise model changes nothing here.

Notation: V covariance of q estimates, θ noise parameters other than the scale, A their
sampling covariance, ν residual degrees of freedom.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from boldglm.glm.kernels import FloatArray

VOXELS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class ContrastMoments:
    """Covariance of the estimates of q contrasts at n voxels.

    Parameters
    ----------
    scale : ndarray of shape (n,)
        Noise variance, of which ``scale`` times `shape` is the covariance.
    shape : ndarray of shape (n, q, q) or (1, q, q)
        Covariance for unit scale; one for all voxels if it does not depend on the data.
    gradients : ndarray of shape (n, p, q, q)
        Derivative of the covariance by each of the p noise parameters, divided by scale.
        Without parameters p is 0.
    parameter_covariance : ndarray of shape (n, p, p)
        Sampling covariance of the noise parameters.
    """

    scale: FloatArray
    shape: FloatArray
    gradients: FloatArray = field(default_factory=lambda: np.zeros((1, 0, 1, 1)))
    parameter_covariance: FloatArray = field(default_factory=lambda: np.zeros((1, 0, 0)))


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
    def rho(self) -> FloatArray | None:
        """First order autoregressive coefficient, if the model has one; (n_voxels,)."""

    def contrast_moments(self, rows: FloatArray, voxels: slice) -> ContrastMoments:
        """Return the covariance of the estimates of some contrasts, of shape (q, rank)."""


def t_statistics(
    effects: FloatArray, row: FloatArray, estimates: NoiseEstimates, dof: int
) -> tuple[FloatArray, FloatArray, float | FloatArray]:
    """Return the variance, t and degrees of freedom of one contrast.

    Parameters
    ----------
    effects : ndarray of shape (n_voxels,)
        Estimates of the contrast.
    row : ndarray of shape (rank,)
        The contrast in the orthonormal basis.
    estimates : NoiseEstimates
        Of the noise.
    dof : int
        Residual degrees of freedom.

    Returns
    -------
    tuple of (ndarray, ndarray, float or ndarray), each of shape (n_voxels,)
        Variance of the effect, t, and degrees of freedom, which are one number when the
        noise model has no parameter to estimate. Where the variance is 0, t is 0.
    """
    variance, dofs = np.empty_like(effects), np.empty_like(effects)
    constant = True
    for voxels in _blocks(effects.size):
        moments = estimates.contrast_moments(row[np.newaxis], voxels)
        variance[voxels] = moments.scale * moments.shape[:, 0, 0]
        dofs[voxels] = _satterthwaite(
            moments.shape[:, 0, 0],
            moments.gradients[:, :, 0, 0],
            moments.parameter_covariance,
            dof,
        )
        constant = moments.gradients.shape[1] == 0
    t = _ratio(effects, np.sqrt(variance))
    return variance, t, float(dof) if constant else dofs


def f_statistics(
    effects: FloatArray, rows: FloatArray, estimates: NoiseEstimates, dof: int
) -> tuple[FloatArray, float | FloatArray]:
    """Return F and its denominator degrees of freedom.

    Parameters
    ----------
    effects : ndarray of shape (q, n_voxels)
        Estimates of the q contrasts.
    rows : ndarray of shape (q, rank)
        The contrasts in the orthonormal basis; linearly independent.
    estimates : NoiseEstimates
        Of the noise.
    dof : int
        Residual degrees of freedom.

    Returns
    -------
    tuple of (ndarray, float or ndarray), each of shape (n_voxels,)
        F, 0 where the noise variance is 0, and its degrees of freedom.

    Notes
    -----
    F = e' V⁻¹ e / q. With noise parameters, V = P diag(v) P' splits F into q squared t values
    with Satterthwaite degrees of freedom νₘ, and F has 2E / (E - q) with
    E = Σ νₘ / (νₘ - 2) [1]_. P, and with it the result, depends on which rows span the
    contrast; rows that are uncorrelated in white noise, as `evaluate_contrast` gives them,
    make it the same for all ways to write a contrast.

    References
    ----------
    .. [1] Fai AH-T, Cornelius PL (1996). Approximate F-tests of multiple degree of freedom
       hypotheses in generalized least squares analyses of unbalanced split-plot experiments.
       Journal of Statistical Computation and Simulation 54:363-378.
       https://doi.org/10.1080/00949659608811740
    """
    q, n_voxels = effects.shape
    F, dofs = np.empty(n_voxels), np.empty(n_voxels)
    constant = True
    for voxels in _blocks(n_voxels):
        moments = estimates.contrast_moments(rows, voxels)
        values, vectors = np.linalg.eigh(moments.shape)
        turned = np.einsum("...km,k...->...m", vectors, effects[:, voxels])
        F[voxels] = _ratio((turned**2 / values).sum(axis=-1), q * moments.scale)
        gradients = np.einsum(
            "...km,...pkl,...lm->...mp", vectors, moments.gradients, vectors, optimize=True
        )
        each = _satterthwaite(values, gradients, moments.parameter_covariance[:, np.newaxis], dof)
        dofs[voxels] = _fai_cornelius(each)
        constant = moments.gradients.shape[1] == 0
    return F, float(dof) if constant else dofs


def _satterthwaite(
    variance: FloatArray, gradients: FloatArray, parameter_covariance: FloatArray, dof: int
) -> FloatArray:
    """Return 2 / (2/ν + d'A d), d the derivative of log variance; (…,), (…, p), (…, p, p)."""
    slopes = gradients / variance[..., np.newaxis]
    spread = np.einsum("...p,...pr,...r->...", slopes, parameter_covariance, slopes)
    return np.asarray(2.0 / (2.0 / dof + spread))


def _fai_cornelius(dofs: FloatArray) -> FloatArray:
    """Return the degrees of freedom of F from those of its q squared t; (…, q) -> (…,)."""
    q = dofs.shape[-1]
    smallest = dofs.min(axis=-1)
    # A squared t with 2 degrees of freedom or less has no mean to match.
    valid = smallest > 2.0 + 1e-6
    usable = np.where(valid[..., np.newaxis], dofs, 4.0)
    expected = (usable / (usable - 2.0)).sum(axis=-1)
    matched = 2.0 * expected / (expected - q)
    return np.where(valid, matched, np.minimum(smallest, 2.0))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _blocks(n_voxels: int) -> Iterator[slice]:
    for start in range(0, n_voxels, VOXELS_AT_ONCE):
        yield slice(start, min(start + VOXELS_AT_ONCE, n_voxels))
