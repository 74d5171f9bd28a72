"""Autoregressive noise whose coefficients each voxel shares, as far as the run justifies it.

The model to use when there is no reason for another. Each voxel's coefficients are its own
where voxels differ and the run's where they do not (`boldglm.glm.noise.auto_prior`). Voxels whose
coefficients are the same within a fraction of their uncertainty then form a kind of noise,
for which generalized least squares is one matrix product; p values carry what is not known of
the coefficients (`boldglm.glm.noise.auto_small_sample`).

Notation: U orthonormal basis of the design, y signal, e its OLS residual, Q inverse of the
noise covariance for innovations of variance 1, M = U'QU, z as in `boldglm.glm.noise.auto_prior`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from boldglm.glm.arrays.memory import matrices_within
from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar_process import lag_weights, partial_to_ar, precision_of
from boldglm.glm.noise.auto_population import NoisePopulation, estimate_population, terms_of
from boldglm.glm.noise.auto_prior import ARPrior, PartialStatistic, estimate_prior
from boldglm.glm.noise.auto_small_sample import (
    Pairs,
    corrections,
    spectra,
    stated_variances,
    variance_ratios,
)
from boldglm.glm.noise.blocks import BoldSeries, Chunks
from boldglm.glm.noise.clustered_gls import (
    OLSResiduals,
    clustered_gls,
    grid_clusters,
    ols_residuals,
)
from boldglm.glm.noise.contrast_variance import ContrastVariance, whiteness_lags
from boldglm.glm.noise.gls import GLSDesign, lag_sums, precision_times, whitened_autocorrelations
from boldglm.glm.noise.residual_autocovariance import effective_voxels

SEED = 20021  # of the simulations on the design, so that a run always gives the same result
N_PAIRS = 1000
MOST_CLUSTERS = 2000
BYTES_OF_CLUSTERS = 2**27  # that matrices of all kinds may take; counts from a rank of 91 on
SAMPLE = 2000  # voxels, to tell how much all have in common
FEW_VOXELS = 200  # as many have each a kind of their own
FINEST_STEP = 0.25  # between kinds, in standard errors of a voxel's z


@dataclass(frozen=True, eq=False)
class AutoEstimates:
    """What shared autoregressive noise keeps of each voxel and of each kind of noise.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        GLS estimates in the orthonormal basis, from centered signals.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared.
    labels : ndarray of int, of shape (n_voxels,)
        Kind of noise of each voxel.
    cluster_ar : ndarray of shape (order, n_clusters)
        Autoregressive coefficients of each kind.
    cluster_terms : ndarray of shape (n_terms, n_clusters)
        What corrections depend on, of each kind.
    pairs_true, pairs_estimated, pairs_stated, pairs_terms, pairs_chance : ndarray
        As in `boldglm.glm.noise.auto_small_sample.Pairs`, (…, n_pairs).
    simulated_autocorrelations : ndarray of shape (n_lags, n_pairs)
        Autocorrelations that prewhitening left in the simulated series.
    basis : ndarray of shape (n_scans, rank)
        U.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    labels: IndexArray
    cluster_ar: FloatArray
    cluster_terms: FloatArray
    pairs_true: FloatArray
    pairs_estimated: FloatArray
    pairs_stated: FloatArray
    pairs_terms: FloatArray
    pairs_chance: FloatArray
    simulated_autocorrelations: FloatArray
    basis: FloatArray

    @property
    def ar(self) -> FloatArray:
        """Autoregressive coefficients, (order, n_voxels)."""
        return self.cluster_ar[:, self.labels]

    @cached_property
    def gls_design(self) -> GLSDesign:
        """Products of the basis with its shifts."""
        return GLSDesign(self.basis, len(self.cluster_ar))

    @cached_property
    def inverses(self) -> FloatArray:
        """M⁻¹ of each kind, (n_clusters, rank, rank)."""
        return self.gls_design.inverses(precision_of(self.cluster_ar))

    @cached_property
    def pair_inverses(self) -> FloatArray:
        """M⁻¹ of the estimates of each pair, (n_pairs, rank, rank)."""
        return self.gls_design.inverses(precision_of(self.pairs_estimated))

    @cached_property
    def pair_spectra(self) -> FloatArray:
        """Spectra of the true noise of each pair, (n_pairs, n_frequencies)."""
        return spectra(self.pairs_true, len(self.basis))

    def covariance(self, rows: FloatArray) -> FloatArray:
        """Return the GLS covariance of contrasts for innovations of variance 1, of each kind.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ndarray of shape (n_clusters, q, q)
            C M⁻¹ C', of coefficients that are taken for known.
        """
        return np.asarray(rows @ self.inverses @ rows.T)

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return the covariance of contrasts; see `boldglm.glm.noise.contrast_variance`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastVariance
            Of each kind of noise: `covariance`, corrected by `small_sample.corrections`.

        Notes
        -----
        Several contrasts are corrected in the directions in which their estimates are not
        correlated in the average simulated run. These are the same however the contrasts are
        written; corrections row by row would make F depend on that.
        """
        _, turned = np.linalg.eigh(rows @ self.pair_inverses.mean(axis=0) @ rows.T)
        directions = turned.T @ rows
        dof = self.basis.shape[0] - self.basis.shape[1]
        pairs = Pairs(
            self.pairs_true, self.pairs_estimated, self.pairs_stated, self.pairs_terms,
            self.pairs_chance,
        )  # fmt: skip
        known = (self.basis, self.pair_inverses, self.pair_spectra)
        ratios = [variance_ratios(*known, pairs, row) for row in directions]
        found = [corrections(one, pairs, self.cluster_terms, dof) for one in ratios]
        factors, dofs = (np.stack(values, axis=1) for values in zip(*found, strict=True))
        root = np.sqrt(factors)
        shape = self.covariance(directions) * root[:, :, np.newaxis] * root[:, np.newaxis, :]
        return ContrastVariance(self.sigma2, turned @ shape @ turned.T, dofs, self.labels)


def order_for(n_scans: int, dof: int) -> int:
    """Return the order of the autoregression for a run, 10 at most and 0 for the shortest.

    Examples
    --------
    >>> order_for(200, 170), order_for(600, 570), order_for(30, 20), order_for(10, 5)
    (6, 10, 1, 0)
    """
    most = 6 if n_scans < 400 else 10
    return min(most, dof // 12 if dof >= 12 else int(dof >= 8))


def estimate_auto(
    bold: BoldSeries, model: LinearModel, chunks: Chunks
) -> tuple[LinearModel, AutoEstimates]:
    """Estimate every voxel by generalized least squares with partly shared coefficients.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data, scans in temporal order without gaps.
    model : LinearModel
        The design.
    chunks : Chunks
        Block size and number of threads.

    Returns
    -------
    tuple of (LinearModel, AutoEstimates)
        The unchanged design, and the estimates. Voxels without any residual have ``sigma2``
        and coefficients 0, and change nothing for the others.

    Notes
    -----
    The signals are read twice: for the autocovariances of OLS residuals, and for GLS. Given
    the kinds the estimate is b + M⁻¹ g with g = U'Qe, and SSR = e'Qe - g'M⁻¹g, exactly.
    """
    order = order_for(model.n_scans, model.dof)
    found = ols_residuals(bold, model, chunks, order=max(order, 1), n_sample=SAMPLE)
    usable = order > 0 and not found.without_variance.all()
    clusters = (
        _estimate_clusters(found, model, order) if usable else _white(found, model, max(order, 1))
    )
    sigma2 = clustered_gls(
        bold, model, found, clusters.labels, precision_of(clusters.ar), chunks.n_threads
    )
    pairs = clusters.pairs
    return model, AutoEstimates(
        found.coordinates, found.means, sigma2, clusters.labels, clusters.ar, clusters.terms,
        pairs.true, pairs.estimated, pairs.stated, pairs.terms, pairs.chance, clusters.left,
        model.basis,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _NoiseClusters:
    """Kinds of noise, who has which, and pairs to correct by."""

    labels: IndexArray
    ar: FloatArray
    terms: FloatArray
    pairs: Pairs
    left: FloatArray  # autocorrelations that are left in what was simulated


def _estimate_clusters(found: OLSResiduals, model: LinearModel, order: int) -> _NoiseClusters:
    rng = np.random.default_rng(SEED)
    statistic = PartialStatistic(model.basis, order)
    s = statistic(
        found.sums[:, ~found.without_variance] if found.without_variance.any() else found.sums
    )
    prior = estimate_prior(statistic, s, rng)
    most = matrices_within(BYTES_OF_CLUSTERS, model.rank, MOST_CLUSTERS)
    which, z = _with_all_voxels(found.without_variance, *_noise_clusters(prior, s, most))
    n_effective = min(
        effective_voxels(found.sample, model.basis, prior.mean_ar()), float(s.shape[1])
    )
    population = estimate_population(statistic, prior, found.sample, n_effective, rng)
    pairs, left = simulate_pairs(statistic, population, n_effective, rng)
    return _NoiseClusters(which, partial_to_ar(np.tanh(z)), terms_of(prior, z), pairs, left)


def _white(found: OLSResiduals, model: LinearModel, order: int) -> _NoiseClusters:
    """Return white noise for all, where there are too few scans to tell, or no noise at all."""
    none, one = np.zeros((order, 1)), np.ones((1, 1))
    which = np.zeros(found.means.size, dtype=np.int32)
    series = np.random.default_rng(SEED).standard_normal((model.n_scans, N_PAIRS))
    series -= model.basis @ (model.basis.T @ series)
    left = whitened_autocorrelations(
        series, np.zeros((order, N_PAIRS)), whiteness_lags(model.n_scans)
    )
    return _NoiseClusters(which, none, one, Pairs(none, none, one[0], one, none), left)


def _noise_clusters(prior: ARPrior, s: FloatArray, most: int) -> tuple[IndexArray, FloatArray]:
    """Return the kind of noise of each voxel, and z of each kind."""
    along = prior.linear(s)[prior.differences > 0]
    if len(along) == 0:
        return np.zeros(s.shape[1], dtype=np.int32), prior.mean[:, np.newaxis]
    if s.shape[1] <= FEW_VOXELS:
        return np.arange(s.shape[1], dtype=np.int32), prior.estimate(s)
    which = grid_clusters(along, most, FINEST_STEP)
    counts = np.bincount(which)
    centers = np.stack([np.bincount(which, weights=row) for row in s]) / counts
    return which, prior.estimate(centers)


def _with_all_voxels(
    without_variance: BoolArray, which: IndexArray, z: FloatArray
) -> tuple[IndexArray, FloatArray]:
    """Return kinds of all voxels from those of the voxels that have a signal; the last is white.

    Kinds are made without voxels that have no variance, whose coefficients say nothing.
    """
    if not without_variance.any():
        return which, z
    everywhere = np.full(without_variance.size, z.shape[1], dtype=np.int32)
    everywhere[~without_variance] = which
    return everywhere, np.column_stack([z, np.zeros(len(z))])


def simulate_pairs(
    statistic: PartialStatistic,
    population: NoisePopulation,
    n_effective: float,
    rng: np.random.Generator,
) -> tuple[Pairs, FloatArray]:
    """Simulate runs on the design with noise as varied as the run's, and estimate it.

    Parameters
    ----------
    statistic : PartialStatistic
        Tuned to the run.
    population : NoisePopulation
        Learnt from the run.
    n_effective : float
        How many independent voxels it was estimated from: the mean of all voxels is not known
        better than that.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    tuple of (Pairs, ndarray of shape (n_lags, n_pairs))
        True and estimated noise, and the autocorrelations that prewhitening by the estimated
        one left in the GLS residuals.
    """
    prior, order, basis = population.prior, statistic.order, statistic.basis
    z, long = population.draw(N_PAIRS, rng, n_effective)
    wide = PartialStatistic(basis, len(long))
    residuals = wide.residuals(long, rng)
    sums, expected = lag_sums(residuals, wide.order), wide.expected_sums(long)
    near, near_expected = sums[: order + 1], expected[: order + 1]
    s, chance = statistic(near), statistic.chance(near_expected, near)
    true, estimated = (partial_to_ar(np.tanh(one)) for one in (long, prior.estimate(s)))
    ssr = _to_gls(residuals, basis, estimated)
    left = whitened_autocorrelations(residuals, estimated, whiteness_lags(len(basis)))
    terms = terms_of(prior, z)
    weights = lag_weights(true)
    scale = (weights * (sums - expected)).sum(axis=0)  # of e'Qe by the true Q, but for the ends
    stated = stated_variances(ssr, len(basis) - basis.shape[1], terms, chance, scale)
    return Pairs(true, estimated, stated, terms, chance), left


def _to_gls(residuals: FloatArray, basis: FloatArray, ar: FloatArray) -> FloatArray:
    """Turn OLS into GLS residuals, in place; return e'Qe of the latter, (n,)."""
    noise = precision_of(ar)
    inverses = GLSDesign(basis, len(ar)).inverses(noise)
    weighted = precision_times(residuals, noise)
    g = basis.T @ weighted
    delta = np.einsum("nij,jn->in", inverses, g)
    ssr = np.einsum("tn,tn->n", residuals, weighted) - np.einsum("in,in->n", g, delta)
    residuals -= basis @ delta
    return np.asarray(ssr)
