"""Autoregressive noise of a given order, with its own coefficients at every voxel.

Each voxel's normal equations are built and solved for its own coefficients: exact, and slower
than the models that share anything. With more coefficients than two or three their scatter
makes tests too liberal in short runs, which degrees of freedom mend only in part; `auto` is made
for that. This model is for when a paper says AR(2).

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
LAGS_BEYOND = 60  # to which autocorrelation of the noise is taken to reach
N_SIMULATED, SEED = 2000, 1927
VOXELS_AT_ONCE, BYTES_AT_ONCE = 512, 2**24  # of which every voxel has a matrix of its own
STEP = 1e-4  # in z, for derivatives
# Standard deviation of z, for white noise, above which tests were found to be useless: at the
# ends of the range of z most voxels have a handful of degrees of freedom or less. Between .4 and
# this, real runs of some autocorrelation are still tested at the right rate.
LARGEST_SPREAD = 0.6


@dataclass(frozen=True, eq=False)
class ARpEstimates:
    """What autoregressive noise of each voxel's own coefficients keeps.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        Generalized least squares estimates in the orthonormal basis, of centered signals.
    means : ndarray of shape (n_voxels,)
        What centering subtracted.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared.
    ar : ndarray of shape (order, n_voxels)
        Coefficients.
    slopes : ndarray of shape (order, n_voxels)
        Expected derivative of log `sigma2` by z.
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
        """No series were simulated and kept."""
        return None

    @cached_property
    def gls_design(self) -> GLSDesign:
        """Products of the basis with its shifts."""
        return GLSDesign(self.basis, len(self.ar))

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return covariances of estimates; see `boldglm.glm.noise.contrast_variance`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastVariance
            Of its own kind at every voxel, with p noise parameters.

        Notes
        -----
        With f = U M⁻¹ c, c'M⁻¹c is f'Qf, and its derivative is -f'(dQ/dz)f.
        """
        return self.contrast_variances([rows])[0]

    def contrast_variances(self, sets: Sequence[FloatArray]) -> list[ContrastVariance]:
        """Return the covariances of several contrasts, solving for each voxel once.

        Parameters
        ----------
        sets : sequence of ndarray, each of shape (q, rank)
            One for each contrast, in the orthonormal basis; q may differ.

        Returns
        -------
        list of ContrastVariance
            For each set what `contrast_variance` returns.
        """
        n_voxels = self.means.size
        ends = np.cumsum([0, *map(len, sets)])
        rows = np.concatenate(list(sets))
        shapes = [np.empty((n_voxels, len(one), len(one))) for one in sets]
        dofs = [np.empty((n_voxels, len(one))) for one in sets]
        for voxels in _blocks(n_voxels, self.basis.shape[1]):
            ar, slopes = self.ar[:, voxels], self.slopes.T[voxels, :, np.newaxis, np.newaxis]
            matrices = self.gls_design.normal_matrices(precision_of(ar))
            right = np.broadcast_to(rows.T, (len(matrices), *rows.T.shape))
            solved: FloatArray = np.asarray(np.linalg.solve(matrices, right), dtype=np.float64)
            changes = _derivatives(ar)
            for k, own in enumerate(slice(*pair) for pair in pairwise(ends)):
                shape = shapes[k][voxels] = np.einsum("qr,vrp->vqp", sets[k], solved[..., own])
                gradient = shape[:, np.newaxis] * slopes
                gradient -= self._changes(solved[..., own], changes)
                spread, dof = self.z_covariance[np.newaxis], len(self.basis) - self.basis.shape[1]
                dofs[k][voxels] = satterthwaite(shape, gradient, spread, dof)
        return [ContrastVariance(self.sigma2, *one) for one in zip(shapes, dofs, strict=True)]

    def _changes(self, solved: FloatArray, changes: Sequence[Precision]) -> FloatArray:
        """Return s'U'(dQ/dz)Us for all pairs of n sets of vectors s, (n, order, q, q)."""
        n, rank, q = solved.shape
        result = np.zeros((n, len(changes), q, q))
        vectors = np.ascontiguousarray(solved.transpose(1, 0, 2))
        for lag, gram in enumerate(self.gls_design.grams):
            turned = (gram @ vectors.reshape(rank, -1)).reshape(vectors.shape)
            forms = np.einsum("rni,rnj->nij", vectors, turned)
            for m, change in enumerate(changes):
                result[:, m] += change.band[lag][:, np.newaxis, np.newaxis] * forms
        for m, change in enumerate(changes):
            ends = ((self.gls_design.first, change.first), (self.gls_design.last, change.last))
            for rows, corner in ends:
                there = rows @ solved
                result[:, m] -= there.transpose(0, 2, 1) @ (corner @ there)
        return result


def check_order(model: LinearModel, order: int) -> None:
    """Refuse an order whose coefficients a run of this design says too little about.

    Parameters
    ----------
    model : LinearModel
        The design.
    order : int
        p.

    Raises
    ------
    ValueError
        If fewer than 2p + 2 degrees of freedom are left, or the z of white noise would be
        estimated with a standard deviation of more than .6.

    Notes
    -----
    Measured on series of white noise with this design. Slow regressors count most: what they
    take of the autocovariances has to be guessed back.

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> check_order(linear_model(np.ones((100, 1))), 4)
    >>> slow = np.cos(np.pi * np.arange(30) * (np.arange(60)[:, np.newaxis] + 0.5) / 60)
    >>> check_order(linear_model(slow), 4)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: 60 scans and a design of rank 30 say too little about 4 autoregressive ...
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
            f"{model.n_scans} scans and a design of rank {model.rank} say too little about "
            f"{order} autoregressive coefficients at every voxel: of white noise they would be "
            f"found with an error of {spread:.2f} (standard deviation of z; at most "
            f"{LARGEST_SPREAD} is of use). Use the noise model auto, for which voxels share "
            "coefficients, ar1, or a lower order."
        )


def estimate_ar_p(
    bold: BoldSeries, model: LinearModel, chunks: Chunks, order: int
) -> tuple[LinearModel, ARpEstimates]:
    """Estimate every voxel by generalized least squares with its own coefficients.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        Signals, of consecutive scans.
    model : LinearModel
        The design.
    chunks : Chunks
        How many voxels at a time, and by how many threads.
    order : int
        p.

    Returns
    -------
    tuple of (LinearModel, ARpEstimates)
        The model as it was, and the estimates. Voxels without any residual have ``sigma2`` 0.

    Raises
    ------
    ValueError
        If the run is too short for the order; see `check_order`.

    Notes
    -----
    Coefficients solve the Yule-Walker equations of autocovariances v that match the lag sums
    of the residuals in expectation, Σ_j tr(R J_k R (J_j + J_j')) v_j [1]_ over all lags j, those
    beyond p being what the coefficients imply, by iteration. Their sampling covariance is that
    of simulated series with the mean coefficients on the same design.

    References
    ----------
    .. [1] Worsley KJ, Liao CH, Aston J, Petre V, Duncan GH, Morales F, Evans AC (2002). A
       general statistical analysis for fMRI data. NeuroImage 15:1-15, appendix A.
       https://doi.org/10.1006/nimg.2001.0933

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> bold = simulate(np.array([[0.5], [-0.4]]), 400, np.random.default_rng(0))
    >>> _, found = estimate_ar_p(bold, linear_model(np.ones(400)[:, None]), Chunks(), 2)
    >>> bool(abs(found.ar[:, 0] - [0.5, -0.4]).max() < 0.1)
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
        own = matched(np.where(block.without_variance, np.eye(order + 1)[:, :1], sums))
        delta, ssr, changes = _gls(gls_design, residuals, sums, own)
        coordinates[:, block.voxels] = block.coordinates + block.removed + delta
        means[block.voxels], without_variance[block.voxels] = block.means, block.without_variance
        sigma2[block.voxels] = np.where(block.without_variance, 0.0, ssr / model.dof)
        ar[:, block.voxels], slopes[:, block.voxels] = own, changes / model.dof

    each_projected(bold, model, chunks, fit_block)
    analyzed = ar[:, ~without_variance] if not without_variance.all() else np.zeros((order, 1))
    covariance = matched.sampling_covariance(np.arctanh(ar_to_partial(analyzed)).mean(axis=1))
    return model, ARpEstimates(coordinates, means, sigma2, ar, slopes, covariance, model.basis)


class _MomentMatch:
    """Coefficients from lag sums of residuals, corrected for the design over all lags."""

    def __init__(self, basis: FloatArray, order: int) -> None:
        self.basis, self.order = basis, order
        expected = expected_lag_sums(basis, order)[:, : order + 1 + LAGS_BEYOND]
        self.inverse = np.linalg.inv(expected[:, : order + 1])
        self.beyond = expected[:, order + 1 :]

    def __call__(self, sums: FloatArray) -> FloatArray:
        """Return coefficients of n voxels; (order + 1, n) -> (order, n)."""
        left = sums
        for _ in range(N_ITERATIONS):
            v = self.inverse @ left
            v[0] = np.maximum(v[0], 1e-3 * abs(v).max(axis=0))
            ar = partial_to_ar(autocovariances_to_partial(v, LARGEST_PARTIAL))
            n_lags = self.order + 1 + self.beyond.shape[1]
            tail = autocorrelations(ar, n_lags)[self.order + 1 :]
            left = sums - v[0] * (self.beyond @ tail)
        return ar

    def sampling_covariance(self, z: FloatArray) -> FloatArray:
        """Return the covariance of estimates of z, (order, order), for noise with this z."""
        ar = np.repeat(partial_to_ar(np.tanh(z[:, np.newaxis])), N_SIMULATED, axis=1)
        series = simulate(ar, len(self.basis), np.random.default_rng(SEED))
        series -= self.basis @ (self.basis.T @ series)
        found = np.arctanh(ar_to_partial(self(lag_sums(series, self.order))))
        return np.cov(found).reshape(self.order, self.order)


def _blocks(n_voxels: int, rank: int) -> Iterator[slice]:
    """Cut voxels into blocks for each voxel of which there may be a matrix of this rank."""
    return blocks_of(n_voxels, matrices_within(BYTES_AT_ONCE, rank, VOXELS_AT_ONCE))


def _gls(
    gls_design: GLSDesign, residuals: FloatArray, sums: FloatArray, ar: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what GLS adds to OLS, SSR, and its expected derivatives by z over σ².

    From OLS residuals (n_scans, n), their lag sums, and coefficients.
    """
    order, (n_scans, rank) = len(ar), gls_design.basis.shape
    stacked = gls_design.shifted.transpose(0, 2, 1).reshape(-1, n_scans)
    delta, ssr, slopes = np.empty((rank, ar.shape[1])), np.empty(ar.shape[1]), np.empty_like(ar)
    for some in _blocks(ar.shape[1], rank):
        noise, signal = precision_of(ar[:, some]), residuals[:, some]
        first, last = signal[:order], signal[::-1][:order]
        products = (stacked @ signal).reshape(order + 1, rank, -1)
        g = np.einsum("kv,krv->rv", noise.band, products)
        g -= gls_design.first.T @ np.einsum("vsu,uv->sv", noise.first, first)
        g -= gls_design.last.T @ np.einsum("vsu,uv->sv", noise.last, last)
        inverses = np.asarray(np.linalg.inv(gls_design.normal_matrices(noise)), dtype=np.float64)
        delta[:, some] = np.einsum("vij,jv->iv", inverses, g)
        squares = _form_of_sums(sums[:, some], first, last, noise)
        squares -= np.einsum("rv,rv->v", g, delta[:, some])
        ssr[some] = np.maximum(squares, 0.0)
        slopes[:, some] = _expected_slopes(gls_design, inverses, ar[:, some])
    return delta, ssr, slopes


def _expected_slopes(gls_design: GLSDesign, inverses: FloatArray, ar: FloatArray) -> FloatArray:
    """Return the expected derivatives of SSR over σ² by z; (order, n).

    log|Q| = Σ m log(1 - k_m²), so tr(V dQ/dz_m) = -2 m k_m; the fit takes tr(M⁻¹ dM/dz_m).
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
    """Return the derivatives of Q by each z, as the parts of it."""
    z = np.arctanh(ar_to_partial(ar))
    result = []
    for m in range(len(ar)):
        moved = [z.copy(), z.copy()]
        moved[0][m] += STEP
        moved[1][m] -= STEP
        up, down = (precision_of(partial_to_ar(np.tanh(one))) for one in moved)
        result.append(Precision(*((a - b) / (2 * STEP) for a, b in zip(up, down, strict=True))))
    return result


def _form_of_sums(
    sums: FloatArray, first: FloatArray, last: FloatArray, noise: Precision
) -> FloatArray:
    result = 2 * np.einsum("kv,kv->v", noise.band, sums) - noise.band[0] * sums[0]
    result -= np.einsum("sv,vsu,uv->v", first, noise.first, first, optimize=True)
    result -= np.einsum("sv,vsu,uv->v", last, noise.last, last, optimize=True)
    return np.asarray(result)
