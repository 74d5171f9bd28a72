"""Autoregressive noise whose coefficients are pooled over voxels (`auto`), the default model.

One voxel has too few scans to estimate the several coefficients that its noise needs. Thousands
of voxels together show how the noise varies over the brain. `auto` uses this distribution as a
prior for each voxel (empirical Bayes). It then simulates how much the remaining errors of the
coefficients change the variance of each contrast, and corrects the variance and the degrees of
freedom for them. In six steps:

1. Fit by ordinary least squares. Compute the partial autocorrelations of the residuals at lags 1
   to p, and transform them: s = atanh (`order_for`, `auto_prior.PartialStatistic`).
2. Find out how the design distorts them: the expectation and the covariance of s for noise whose
   true transformed partial autocorrelations are z (`auto_prior.ForwardMap`).
3. Estimate the mean and the covariance of z over the voxels of the run, keeping only differences
   between voxels that exceed sampling error (`auto_prior.estimate_prior`).
4. Estimate z of each voxel as a compromise between its s and this distribution. Group voxels with
   nearly equal z into clusters, and fit each cluster by generalized least squares
   (`auto_prior.ARPrior.estimate`, `clustered_gls`).
5. Estimate the part of the autocorrelation that p coefficients cannot describe
   (`auto_population`).
6. Simulate series with noise as in steps 3 and 5 and estimate them as in steps 1 to 4. Compare the
   true with the stated variance of each contrast, and correct the latter and its degrees of
   freedom (`simulate_pairs`, `auto_small_sample`).

Notation: U orthonormal basis of the design, y signal, e its OLS residual, Q inverse of the noise
covariance for innovations of variance 1, M = U'QU, p order of the autoregression, z = atanh of
the partial autocorrelations of the noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from boldglm.glm.arrays.memory import matrices_within
from boldglm.glm.arrays.types import BoolArray, FloatArray, IndexArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar_process import lag_weights, partial_to_ar, precision_of
from boldglm.glm.noise.auto_population import NoisePopulation, estimate_population, terms_of
from boldglm.glm.noise.auto_prior import ARPrior, PartialStatistic, estimate_prior
from boldglm.glm.noise.auto_small_sample import (
    SimulatedSeries,
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
    join_residuals,
    ols_residuals,
    scattered_gls,
)
from boldglm.glm.noise.contrast_variance import ContrastVariance, whiteness_lags
from boldglm.glm.noise.gls import GLSDesign, lag_sums, precision_times, whitened_autocorrelations
from boldglm.glm.noise.residual_autocovariance import effective_voxels

SEED = 20021  # of the simulations: fixed, so that a run always gives the same result
N_SERIES = 1000
MOST_CLUSTERS = 2000
BYTES_OF_CLUSTERS = 2**27  # memory for the matrices of all clusters; a limit from rank 91 on
SAMPLE = 2000  # voxels whose residuals are kept for steps 5 and 6
FEW_VOXELS = 200  # up to this number, every voxel is a cluster of its own
FINEST_STEP = 0.25  # width of clusters at least, in standard errors of a voxel's z


@dataclass(frozen=True, eq=False)
class AutoEstimates:
    """Estimates of the noise model `auto` at every voxel and for every noise cluster.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        GLS estimates in the orthonormal basis, from centered signals.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared.
    labels : ndarray of int, of shape (n_voxels,)
        Noise cluster of each voxel.
    cluster_ar : ndarray of shape (order, n_clusters)
        Autoregressive coefficients of each cluster.
    cluster_terms : ndarray of shape (n_terms, n_clusters)
        Terms of z in each cluster that the corrections depend on; see `terms_of`.
    simulated_true, simulated_estimated, simulated_stated : ndarray
    simulated_terms, simulated_sampling_error : ndarray
        Simulated series, (…, n_series); see `boldglm.glm.noise.auto_small_sample`.
    simulated_autocorrelations : ndarray of shape (n_lags, n_series)
        Residual autocorrelations of the simulated series after prewhitening.
    basis : ndarray of shape (n_scans, rank)
        U.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    labels: IndexArray
    cluster_ar: FloatArray
    cluster_terms: FloatArray
    simulated_true: FloatArray
    simulated_estimated: FloatArray
    simulated_stated: FloatArray
    simulated_terms: FloatArray
    simulated_sampling_error: FloatArray
    simulated_autocorrelations: FloatArray
    basis: FloatArray

    @property
    def ar(self) -> FloatArray:
        """Autoregressive coefficients, (order, n_voxels)."""
        return self.cluster_ar[:, self.labels]

    @cached_property
    def gls_design(self) -> GLSDesign:
        """Products of the basis with lagged copies of itself."""
        return GLSDesign(self.basis, len(self.cluster_ar))

    @cached_property
    def inverses(self) -> FloatArray:
        """M⁻¹ of each cluster; (n_clusters, rank, rank)."""
        return self.gls_design.inverses(precision_of(self.cluster_ar))

    @cached_property
    def simulated_inverses(self) -> FloatArray:
        """M⁻¹ with the estimated coefficients of each simulated series; (n_series, rank, rank)."""
        return self.gls_design.inverses(precision_of(self.simulated_estimated))

    @cached_property
    def simulated_spectra(self) -> FloatArray:
        """Spectra of the true noise of each simulated series; (n_series, n_frequencies)."""
        return spectra(self.simulated_true, len(self.basis))

    def covariance(self, rows: FloatArray) -> FloatArray:
        """Return the uncorrected covariance of contrasts in each cluster, for unit innovations.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ndarray of shape (n_clusters, q, q)
            C M⁻¹ C', which takes the coefficients for known.
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
            For each cluster, `covariance` corrected by `auto_small_sample.corrections`.

        Notes
        -----
        Several contrasts are corrected in the directions in which their estimates are
        uncorrelated in the average simulated series. These directions do not depend on how the
        contrasts are written. If each row were corrected by itself, F would depend on that.
        """
        return self.corrected(rows, self.correction(rows))

    def correction(self, rows: FloatArray) -> "ContrastCorrection":
        """Return how much the noise coefficients' uncertainty changes the covariance of contrasts.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastCorrection
            Factors and degrees of freedom for every cluster.
        """
        _, rotation = np.linalg.eigh(rows @ self.simulated_inverses.mean(axis=0) @ rows.T)
        directions = rotation.T @ rows
        dof = self.basis.shape[0] - self.basis.shape[1]
        simulated = SimulatedSeries(
            self.simulated_true, self.simulated_estimated, self.simulated_stated,
            self.simulated_terms, self.simulated_sampling_error,
        )  # fmt: skip
        corrected = [
            corrections(
                variance_ratios(
                    self.basis,
                    self.simulated_inverses,
                    self.simulated_spectra,
                    simulated,
                    direction,
                ),
                simulated,
                self.cluster_terms,
                dof,
            )
            for direction in directions
        ]
        factors, dofs = (np.stack(values, axis=1) for values in zip(*corrected, strict=True))
        return ContrastCorrection(rotation, factors, dofs)

    def corrected(self, rows: FloatArray, correction: "ContrastCorrection") -> ContrastVariance:
        """Return the covariance of contrasts with a correction of `correction`."""
        rotation, root = correction.rotation, np.sqrt(correction.factors)
        directions = rotation.T @ rows
        covariance = self.covariance(directions) * root[:, :, np.newaxis] * root[:, np.newaxis, :]
        covariance = rotation @ covariance @ rotation.T
        return ContrastVariance(self.sigma2, covariance, correction.dof, self.labels)


@dataclass(frozen=True, eq=False)
class ContrastCorrection:
    """Corrections of q contrasts for every noise cluster.

    Parameters
    ----------
    rotation : ndarray of shape (q, q)
        Directions in which the estimates are uncorrelated in the average simulated series.
    factors : ndarray of shape (n_clusters, q)
        Factors of the variance in these directions.
    dof : ndarray of shape (n_clusters, q)
        Degrees of freedom in these directions.
    """

    rotation: FloatArray
    factors: FloatArray
    dof: FloatArray

    def of(self, clusters: IndexArray) -> "ContrastCorrection":
        """Return the corrections of some clusters."""
        return ContrastCorrection(self.rotation, self.factors[clusters], self.dof[clusters])


def order_for(n_scans: int, dof: int) -> int:
    """Return the order of the autoregression for a run.

    Parameters
    ----------
    n_scans : int
        Number of scans.
    dof : int
        Residual degrees of freedom.

    Returns
    -------
    int
        At most 6, or 10 from 400 scans on, and at most one per 12 degrees of freedom; 1 for 8 to
        11 degrees of freedom, and 0 for fewer.

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
    """Fit every voxel by generalized least squares with pooled autoregressive coefficients.

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
        The unchanged design, and the estimates. Voxels without variance have ``sigma2`` and
        coefficients 0, and do not affect other voxels.

    Notes
    -----
    The data are read twice: for the autocovariances of the OLS residuals, and for GLS. Given the
    coefficients of a cluster, the estimate is exactly b + M⁻¹ g with g = U'Qe, and
    SSR = e'Qe - g'M⁻¹g.

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> noise = np.random.default_rng(0).normal(size=(120, 300))
    >>> _, estimates = estimate_auto(noise, linear_model(np.ones((120, 1))), Chunks())
    >>> estimates.ar.shape, bool(abs(estimates.ar).max() < 0.2)
    ((6, 300), True)
    """
    order = order_for(model.n_scans, model.dof)
    ols = ols_residuals(bold, model, chunks, order=max(order, 1), n_sample=SAMPLE)
    clusters = _clusters_of(ols, model, order)
    noise = precision_of(clusters.ar)
    sigma2 = clustered_gls(bold, model, ols, clusters.labels, noise, chunks.n_threads)
    return model, _estimates(ols, sigma2, clusters, model)


def estimate_auto_parts(
    parts: Sequence[tuple[BoldSeries, LinearModel]], model: LinearModel, chunks: Chunks
) -> tuple[AutoEstimates, list[tuple[LinearModel, AutoEstimates]]]:
    """Fit parts of a run, each with a design of its own, with coefficients pooled over all parts.

    Parameters
    ----------
    parts : sequence of (BoldSeries, LinearModel)
        Voxels and design of each part.
    model : LinearModel
        A design that resembles those of the parts, for everything that concerns the run as a
        whole: the distribution of the noise, simulations and corrections.
    chunks : Chunks
        Block size and number of threads.

    Returns
    -------
    run : AutoEstimates
        Noise of the run, for `AutoEstimates.correction`; its voxels are those of all parts, in
        order.
    estimates : list of (LinearModel, AutoEstimates)
        What `estimate_auto` returns, for each part. Clusters are numbered in each part by
        themselves.
    """
    order = order_for(model.n_scans, model.dof)
    n_voxels = sum(bold.shape[1] for bold, _ in parts)
    fits = [
        ols_residuals(
            bold,
            own,
            chunks,
            order=max(order, 1),
            n_sample=max(1, round(SAMPLE * bold.shape[1] / n_voxels)),
        )
        for bold, own in parts
    ]
    ols = join_residuals(fits)
    clusters = _clusters_of(ols, model, order)
    run = _estimates(ols, np.zeros(n_voxels), clusters, model)
    edges = np.cumsum([0, *(bold.shape[1] for bold, _ in parts)]).tolist()
    estimates = []
    for (bold, own), part, start, stop in zip(parts, fits, edges[:-1], edges[1:], strict=True):
        some = clusters.of(slice(start, stop))
        noise = precision_of(some.ar)
        sigma2 = scattered_gls(bold, own, part, some.labels, noise, chunks)
        estimates.append((own, _estimates(part, sigma2, some, own)))
    return run, estimates


def _clusters_of(ols: OLSResiduals, model: LinearModel, order: int) -> "_NoiseClusters":
    if order > 0 and not ols.without_variance.all():
        return _estimate_clusters(ols, model, order)
    return _white_cluster(ols, model, max(order, 1))


def _estimates(
    ols: OLSResiduals, sigma2: FloatArray, clusters: "_NoiseClusters", model: LinearModel
) -> AutoEstimates:
    simulated = clusters.simulated
    return AutoEstimates(
        ols.coordinates, ols.means, sigma2, clusters.labels, clusters.ar, clusters.terms,
        simulated.true, simulated.estimated, simulated.stated, simulated.terms,
        simulated.sampling_error, clusters.autocorrelations, model.basis,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _NoiseClusters:
    """Noise clusters of a run, and the simulated series that corrections are computed from."""

    labels: IndexArray  # of voxels
    ar: FloatArray
    terms: FloatArray
    simulated: SimulatedSeries
    autocorrelations: FloatArray  # of the simulated residuals after prewhitening

    def of(self, voxels: slice) -> "_NoiseClusters":
        """Return the clusters of some voxels, numbered from 0."""
        present, labels = np.unique(self.labels[voxels], return_inverse=True)
        labels = labels.astype(np.int32)
        return replace(self, labels=labels, ar=self.ar[:, present], terms=self.terms[:, present])


def _estimate_clusters(ols: OLSResiduals, model: LinearModel, order: int) -> _NoiseClusters:
    """Do steps 1 to 6 except for the fit."""
    rng = np.random.default_rng(SEED)
    statistic = PartialStatistic(model.basis, order)
    analyzed = ~ols.without_variance
    s = statistic(ols.sums if analyzed.all() else ols.sums[:, analyzed])
    prior = estimate_prior(statistic, s, rng)
    max_clusters = matrices_within(BYTES_OF_CLUSTERS, model.rank, MOST_CLUSTERS)
    labels, z = _cluster_voxels(prior, s, max_clusters)
    labels, z = _add_white_cluster(ols.without_variance, labels, z)
    n_effective = min(
        effective_voxels(ols.sample, model.basis, prior.mean_ar()), float(s.shape[1])
    )
    population = estimate_population(statistic, prior, ols.sample, n_effective, rng)
    simulated, autocorrelations = simulate_series(statistic, population, n_effective, rng)
    ar = partial_to_ar(np.tanh(z))
    return _NoiseClusters(labels, ar, terms_of(prior, z), simulated, autocorrelations)


def _white_cluster(ols: OLSResiduals, model: LinearModel, order: int) -> _NoiseClusters:
    """Return one cluster of white noise, for runs that are too short or without any variance."""
    zeros, ones = np.zeros((order, 1)), np.ones((1, 1))
    labels = np.zeros(ols.means.size, dtype=np.int32)
    series = np.random.default_rng(SEED).standard_normal((model.n_scans, N_SERIES))
    series -= model.basis @ (model.basis.T @ series)
    autocorrelations = whitened_autocorrelations(
        series, np.zeros((order, N_SERIES)), whiteness_lags(model.n_scans)
    )
    simulated = SimulatedSeries(zeros, zeros, ones[0], ones, zeros)
    return _NoiseClusters(labels, zeros, ones, simulated, autocorrelations)


def _cluster_voxels(
    prior: ARPrior, s: FloatArray, max_clusters: int
) -> tuple[IndexArray, FloatArray]:
    """Return the cluster of each voxel, and z of each cluster."""
    differing = prior.linear(s)[prior.differences > 0]
    if len(differing) == 0:
        return np.zeros(s.shape[1], dtype=np.int32), prior.mean[:, np.newaxis]
    if s.shape[1] <= FEW_VOXELS:
        return np.arange(s.shape[1], dtype=np.int32), prior.estimate(s)
    labels = grid_clusters(differing, max_clusters, FINEST_STEP)
    counts = np.bincount(labels)
    centers = np.stack([np.bincount(labels, weights=row) for row in s]) / counts
    return labels, prior.estimate(centers)


def _add_white_cluster(
    without_variance: BoolArray, labels: IndexArray, z: FloatArray
) -> tuple[IndexArray, FloatArray]:
    """Put voxels without variance into a last cluster of white noise.

    The other clusters are made without these voxels, whose coefficients are meaningless.
    """
    if not without_variance.any():
        return labels, z
    all_labels = np.full(without_variance.size, z.shape[1], dtype=np.int32)
    all_labels[~without_variance] = labels
    return all_labels, np.column_stack([z, np.zeros(len(z))])


def simulate_series(
    statistic: PartialStatistic,
    population: NoisePopulation,
    n_effective: float,
    rng: np.random.Generator,
) -> tuple[SimulatedSeries, FloatArray]:
    """Simulate series with the design and the noise of the run, and estimate their noise.

    Parameters
    ----------
    statistic : PartialStatistic
        For the design of the run.
    population : NoisePopulation
        Noise of the voxels of the run.
    n_effective : float
        Effective number of independent voxels from which the population was estimated. The
        uncertainty of the mean of z is simulated accordingly.
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    tuple of (SimulatedSeries, ndarray of shape (n_lags, n_series))
        True and estimated noise, and the autocorrelations of the GLS residuals after
        prewhitening with the estimated noise.
    """
    prior, order, basis = population.prior, statistic.order, statistic.basis
    z, long_z = population.draw(N_SERIES, rng, n_effective)
    long_statistic = PartialStatistic(basis, len(long_z))
    residuals = long_statistic.residuals(long_z, rng)
    sums = lag_sums(residuals, long_statistic.order)
    expected = long_statistic.expected_sums(long_z)
    s = statistic(sums[: order + 1])
    error = statistic.sampling_error(expected[: order + 1], sums[: order + 1])
    true, estimated = partial_to_ar(np.tanh(long_z)), partial_to_ar(np.tanh(prior.estimate(s)))
    ssr = _to_gls(residuals, basis, estimated)
    autocorrelations = whitened_autocorrelations(residuals, estimated, whiteness_lags(len(basis)))
    terms = terms_of(prior, z)
    # sampling error of e'Qe with the true Q, except for the terms of the first and last scans
    ssr_error = (lag_weights(true) * (sums - expected)).sum(axis=0)
    stated = stated_variances(ssr, len(basis) - basis.shape[1], terms, error, ssr_error)
    return SimulatedSeries(true, estimated, stated, terms, error), autocorrelations


def _to_gls(residuals: FloatArray, basis: FloatArray, ar: FloatArray) -> FloatArray:
    """Replace OLS by GLS residuals, in place; return e'Qe of the GLS residuals, (n,)."""
    noise = precision_of(ar)
    inverses = GLSDesign(basis, len(ar)).inverses(noise)
    weighted = precision_times(residuals, noise)
    g = basis.T @ weighted
    delta = np.einsum("nij,jn->in", inverses, g)
    ssr = np.einsum("tn,tn->n", residuals, weighted) - np.einsum("in,in->n", g, delta)
    residuals -= basis @ delta
    return np.asarray(ssr)
