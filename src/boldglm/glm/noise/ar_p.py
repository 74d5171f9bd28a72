"""AR(p) noise with separate coefficients at every voxel, without approximation.

The normal equations of each voxel are built and solved for its own coefficients, which is slower
than noise models whose voxels share matrices. With more than two or three coefficients, their
sampling error makes tests too liberal in short runs, and degrees of freedom correct this only in
part: use `auto` there. This model is for analyses that must match a published AR(2), for example.

Notation as in `clustered_gls`; p order, z = atanh of the partial autocorrelations k,
v autocovariances of the noise, c contrast in the orthonormal basis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from boldglm.glm.arrays.memory import blocks_of, matrices_within
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar_process import (
    Precision,
    ar_to_partial,
    autocorrelations,
    autocovariances_to_partial,
    partial_to_ar,
    precision_of,
    simulate,
)
from boldglm.glm.noise.blocks import Block, BoldSeries, Chunks, each_projected
from boldglm.glm.noise.contrast_variance import ContrastVariance, satterthwaite
from boldglm.glm.noise.gls import GLSDesign, lag_sums
from boldglm.glm.noise.residual_autocovariance import expected_lag_sums

LARGEST_PARTIAL = 0.97
N_ITERATIONS = 5
LAGS_BEYOND = 60  # lags beyond the order at which the noise may still be autocorrelated
N_SIMULATED, SEED = 2000, 1927
VOXELS_AT_ONCE, BYTES_AT_ONCE = 512, 2**24  # with one matrix for every voxel
STEP = 1e-4  # in z, for numerical derivatives
# Largest standard deviation of z, in white noise, for which tests are useful. Above it, z reaches
# the ends of its range and most voxels have only a few degrees of freedom. Between .4 and this
# value, tests in real, autocorrelated runs still have the nominal false positive rate.
LARGEST_SPREAD = 0.6


@dataclass(frozen=True, eq=False)
class ARpEstimates:
    """Estimates of the AR(p) noise model at every voxel.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        GLS estimates in the orthonormal basis, from centered signals.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared.
    ar : ndarray of shape (order, n_voxels)
        Coefficients.
    slopes : ndarray of shape (order, n_voxels)
        Expected derivative of log `sigma2` with respect to z.
    z_covariance : ndarray of shape (order, order)
        Sampling covariance of z.
    basis : ndarray of shape (n_scans, rank)
        U.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    ar: FloatArray
    slopes: FloatArray
    z_covariance: FloatArray
    basis: FloatArray

    @property
    def simulated_autocorrelations(self) -> None:
        """None: this noise model simulates no series."""
        return None

    @cached_property
    def gls_design(self) -> GLSDesign:
        """Products of the basis with lagged copies of itself."""
        return GLSDesign(self.basis, len(self.ar))

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return the covariance of contrasts; see `boldglm.glm.noise.contrast_variance`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastVariance
            A covariance for every voxel, with degrees of freedom for p noise parameters.

        Notes
        -----
        With f = U M⁻¹ c, the variance c'M⁻¹c is f'Qf, and its derivative is -f'(dQ/dz)f.
        """
        return self.contrast_variances([rows])[0]

    def contrast_variances(self, sets: Sequence[FloatArray]) -> list[ContrastVariance]:
        """Return the covariances of several contrasts, solving the equations of each voxel once.

        Parameters
        ----------
        sets : sequence of ndarray, each of shape (q, rank)
            The rows of each contrast in the orthonormal basis; q may differ between contrasts.

        Returns
        -------
        list of ContrastVariance
            The result of `contrast_variance` for each set.
        """
        n_voxels = self.means.size
        ends = np.cumsum([0, *map(len, sets)])
        all_rows = np.concatenate(list(sets))
        covariances = [np.empty((n_voxels, len(rows), len(rows))) for rows in sets]
        dofs = [np.empty((n_voxels, len(rows))) for rows in sets]
        for voxels in _blocks(n_voxels, self.basis.shape[1]):
            ar, slopes = self.ar[:, voxels], self.slopes.T[voxels, :, np.newaxis, np.newaxis]
            matrices = self.gls_design.normal_matrices(precision_of(ar))
            right = np.broadcast_to(all_rows.T, (len(matrices), *all_rows.T.shape))
            solved: FloatArray = np.asarray(np.linalg.solve(matrices, right), dtype=np.float64)
            changes = _derivatives(ar)
            for k, columns in enumerate(slice(*pair) for pair in pairwise(ends)):
                covariance = np.einsum("qr,vrp->vqp", sets[k], solved[..., columns])
                gradient = covariance[:, np.newaxis] * slopes
                gradient -= self._changes(solved[..., columns], changes)
                dof = len(self.basis) - self.basis.shape[1]
                covariances[k][voxels] = covariance
                dofs[k][voxels] = satterthwaite(
                    covariance, gradient, self.z_covariance[np.newaxis], dof
                )
        return [
            ContrastVariance(self.sigma2, covariance, dof)
            for covariance, dof in zip(covariances, dofs, strict=True)
        ]

    def _changes(self, solved: FloatArray, changes: Sequence[Precision]) -> FloatArray:
        """Return s'U'(dQ/dz)Us for all pairs of the q vectors s of n voxels; (n, order, q, q)."""
        n, rank, q = solved.shape
        result = np.zeros((n, len(changes), q, q))
        vectors = np.ascontiguousarray(solved.transpose(1, 0, 2))
        for lag, gram in enumerate(self.gls_design.grams):
            products = (gram @ vectors.reshape(rank, -1)).reshape(vectors.shape)
            forms = np.einsum("rni,rnj->nij", vectors, products)
            for m, change in enumerate(changes):
                result[:, m] += change.band[lag][:, np.newaxis, np.newaxis] * forms
        for m, change in enumerate(changes):
            ends = ((self.gls_design.first, change.first), (self.gls_design.last, change.last))
            for rows, corner in ends:
                at_end = rows @ solved
                result[:, m] -= at_end.transpose(0, 2, 1) @ (corner @ at_end)
        return result


def check_order(model: LinearModel, order: int) -> None:
    """Raise an error if a run of this design cannot determine p coefficients at every voxel.

    Parameters
    ----------
    model : LinearModel
        The design.
    order : int
        p.

    Raises
    ------
    ValueError
        If there are fewer than 2p + 2 residual degrees of freedom, or if z is estimated with a
        standard deviation of more than .6 in white noise.

    Notes
    -----
    The standard deviation is measured on simulated white noise with this design. Slow regressors
    matter most: they remove much of the autocovariances, which then must be estimated without it.

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> check_order(linear_model(np.ones((100, 1))), 4)
    >>> slow = np.cos(np.pi * np.arange(30) * (np.arange(60)[:, np.newaxis] + 0.5) / 60)
    >>> check_order(linear_model(slow), 4)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: 60 scans and a design of rank 30 are too few to estimate 4 autoregressive ...
    """
    if model.dof < 2 * order + 2:
        raise ValueError(
            f"{model.n_scans} scans and a design of rank {model.rank} leave {model.dof} degrees "
            f"of freedom, too few for autoregression of order {order}: it needs {2 * order + 2}. "
            "Use the noise model auto or ar1."
        )
    covariance = _MomentMatch(model.basis, order).sampling_covariance(np.zeros(order))
    spread = float(np.sqrt(np.diag(covariance).max()))
    if spread > LARGEST_SPREAD:
        raise ValueError(
            f"{model.n_scans} scans and a design of rank {model.rank} are too few to estimate "
            f"{order} autoregressive coefficients at every voxel: in white noise, the standard "
            f"deviation of their z would be {spread:.2f} instead of {LARGEST_SPREAD} or less. "
            "Use the noise model auto, which shares coefficients between voxels, ar1, or a lower "
            "order."
        )


def estimate_ar_p(
    bold: BoldSeries, model: LinearModel, chunks: Chunks, order: int
) -> tuple[LinearModel, ARpEstimates]:
    """Fit every voxel by generalized least squares with its own AR(p) coefficients.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data, scans in temporal order without gaps.
    model : LinearModel
        The design.
    chunks : Chunks
        Block size and number of threads.
    order : int
        p.

    Returns
    -------
    tuple of (LinearModel, ARpEstimates)
        The unchanged design, and the estimates. Voxels without variance have ``sigma2`` 0.

    Raises
    ------
    ValueError
        If the run is too short for the order; see `check_order`.

    Notes
    -----
    The coefficients solve the Yule-Walker equations for autocovariances v whose expected lag sums
    of residuals, Σ_j tr(R J_k R (J_j + J_j')) v_j [1]_, equal the observed ones. The sum runs over
    all lags j; those beyond p follow from the coefficients, so the equations are iterated. The
    sampling covariance is estimated from simulated series with the same design and the mean
    coefficients.

    References
    ----------
    .. [1] Worsley KJ, Liao CH, Aston J, Petre V, Duncan GH, Morales F, Evans AC (2002). A
       general statistical analysis for fMRI data. NeuroImage 15:1-15, appendix A.
       https://doi.org/10.1006/nimg.2001.0933

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> bold = simulate(np.array([[0.5], [-0.4]]), 400, np.random.default_rng(0))
    >>> _, estimates = estimate_ar_p(bold, linear_model(np.ones(400)[:, None]), Chunks(), 2)
    >>> bool(abs(estimates.ar[:, 0] - [0.5, -0.4]).max() < 0.1)
    True
    """
    check_order(model, order)
    matched, gls_design = _MomentMatch(model.basis, order), GLSDesign(model.basis, order)
    n_voxels = bold.shape[1]
    coordinates, means = np.empty((model.rank, n_voxels)), np.empty(n_voxels)
    sigma2, without_variance = np.empty(n_voxels), np.empty(n_voxels, dtype=bool)
    ar, slopes = np.empty((order, n_voxels)), np.empty((order, n_voxels))

    def fit_block(block: Block) -> None:
        residuals = block.signal - model.basis @ block.coordinates
        sums = lag_sums(residuals, order)
        block_ar = matched(np.where(block.without_variance, np.eye(order + 1)[:, :1], sums))
        delta, ssr, changes = _gls(gls_design, residuals, sums, block_ar)
        coordinates[:, block.voxels] = block.coordinates + block.removed + delta
        means[block.voxels], without_variance[block.voxels] = block.means, block.without_variance
        sigma2[block.voxels] = np.where(block.without_variance, 0.0, ssr / model.dof)
        ar[:, block.voxels], slopes[:, block.voxels] = block_ar, changes / model.dof

    each_projected(bold, model, chunks, fit_block)
    analyzed_ar = ar[:, ~without_variance] if not without_variance.all() else np.zeros((order, 1))
    covariance = matched.sampling_covariance(np.arctanh(ar_to_partial(analyzed_ar)).mean(axis=1))
    return model, ARpEstimates(coordinates, means, sigma2, ar, slopes, covariance, model.basis)


class _MomentMatch:
    """Estimates coefficients from lag sums of residuals, corrected for the design at all lags."""

    def __init__(self, basis: FloatArray, order: int) -> None:
        self.basis, self.order = basis, order
        expected = expected_lag_sums(basis, order)[:, : order + 1 + LAGS_BEYOND]
        self.inverse = np.linalg.inv(expected[:, : order + 1])
        self.beyond = expected[:, order + 1 :]

    def __call__(self, sums: FloatArray) -> FloatArray:
        """Return coefficients of n voxels; (order + 1, n) -> (order, n)."""
        near = sums  # without the contribution of lags beyond the order
        for _ in range(N_ITERATIONS):
            v = self.inverse @ near
            v[0] = np.maximum(v[0], 1e-3 * abs(v).max(axis=0))
            ar = partial_to_ar(autocovariances_to_partial(v, LARGEST_PARTIAL))
            n_lags = self.order + 1 + self.beyond.shape[1]
            tail = autocorrelations(ar, n_lags)[self.order + 1 :]
            near = sums - v[0] * (self.beyond @ tail)
        return ar

    def sampling_covariance(self, z: FloatArray) -> FloatArray:
        """Return the sampling covariance of z, (order, order), for noise with the given z."""
        ar = np.repeat(partial_to_ar(np.tanh(z[:, np.newaxis])), N_SIMULATED, axis=1)
        series = simulate(ar, len(self.basis), np.random.default_rng(SEED))
        series -= self.basis @ (self.basis.T @ series)
        estimates = np.arctanh(ar_to_partial(self(lag_sums(series, self.order))))
        return np.cov(estimates).reshape(self.order, self.order)


def _blocks(n_voxels: int, rank: int) -> Iterator[slice]:
    """Divide voxels into blocks that have memory for one matrix of this rank per voxel."""
    return blocks_of(n_voxels, matrices_within(BYTES_AT_ONCE, rank, VOXELS_AT_ONCE))


def _gls(
    gls_design: GLSDesign, residuals: FloatArray, sums: FloatArray, ar: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the GLS minus the OLS estimate, SSR, and the expected derivatives of SSR / σ².

    The arguments are OLS residuals (n_scans, n), their lag sums, and the coefficients.
    """
    order, (n_scans, rank) = len(ar), gls_design.basis.shape
    stacked = gls_design.shifted.transpose(0, 2, 1).reshape(-1, n_scans)
    delta, ssr, slopes = np.empty((rank, ar.shape[1])), np.empty(ar.shape[1]), np.empty_like(ar)
    for voxels in _blocks(ar.shape[1], rank):
        noise, signal = precision_of(ar[:, voxels]), residuals[:, voxels]
        first, last = signal[:order], signal[::-1][:order]
        products = (stacked @ signal).reshape(order + 1, rank, -1)
        g = np.einsum("kv,krv->rv", noise.band, products)
        g -= gls_design.first.T @ np.einsum("vsu,uv->sv", noise.first, first)
        g -= gls_design.last.T @ np.einsum("vsu,uv->sv", noise.last, last)
        inverses = np.asarray(np.linalg.inv(gls_design.normal_matrices(noise)), dtype=np.float64)
        delta[:, voxels] = np.einsum("vij,jv->iv", inverses, g)
        squares = _form_of_sums(sums[:, voxels], first, last, noise)
        squares -= np.einsum("rv,rv->v", g, delta[:, voxels])
        ssr[voxels] = np.maximum(squares, 0.0)
        slopes[:, voxels] = _expected_slopes(gls_design, inverses, ar[:, voxels])
    return delta, ssr, slopes


def _expected_slopes(gls_design: GLSDesign, inverses: FloatArray, ar: FloatArray) -> FloatArray:
    """Return the expected derivatives of SSR / σ² with respect to z; (order, n).

    log|Q| = Σ m log(1 - k_m²), so tr(V dQ/dz_m) = -2 m k_m, from which the fit takes away
    tr(M⁻¹ dM/dz_m).
    """
    partial = ar_to_partial(ar)
    flat = inverses.reshape(len(inverses), -1)
    traces = (gls_design.grams.reshape(gls_design.order + 1, -1)) @ flat.T
    at_first = gls_design.first @ inverses @ gls_design.first.T
    at_last = gls_design.last @ inverses @ gls_design.last.T
    slopes = np.empty_like(ar)
    for m, change in enumerate(_derivatives(ar)):
        taken = (change.band * traces).sum(axis=0)
        taken -= np.einsum("vsu,vsu->v", change.first, at_first)
        taken -= np.einsum("vsu,vsu->v", change.last, at_last)
        slopes[m] = -2 * (m + 1) * partial[m] - taken
    return slopes


def _derivatives(ar: FloatArray) -> list[Precision]:
    """Return the derivative of Q with respect to each z, in the form of a `Precision`."""
    z = np.arctanh(ar_to_partial(ar))
    result = []
    for m in range(len(ar)):
        above, below = z.copy(), z.copy()
        above[m] += STEP
        below[m] -= STEP
        up, down = (precision_of(partial_to_ar(np.tanh(shifted))) for shifted in (above, below))
        result.append(Precision(*((a - b) / (2 * STEP) for a, b in zip(up, down, strict=True))))
    return result


def _form_of_sums(
    sums: FloatArray, first: FloatArray, last: FloatArray, noise: Precision
) -> FloatArray:
    result = 2 * np.einsum("kv,kv->v", noise.band, sums) - noise.band[0] * sums[0]
    result -= np.einsum("sv,vsu,uv->v", first, noise.first, first, optimize=True)
    result -= np.einsum("sv,vsu,uv->v", last, noise.last, last, optimize=True)
    return np.asarray(result)
