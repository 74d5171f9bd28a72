"""Noise that the p coefficients of a voxel cannot describe (step 5 of `auto`).

Generalized least squares weights the scans by an autoregression of order p, because the data of
one voxel determine no more coefficients. True noise, such as a sum of fast and slow parts, has
long tails of autocorrelation that p coefficients only approximate. This hardly affects the
weights, but with fast sampling the stated variance can be wrong by a tenth. What is missing can be
estimated from many voxels together, and is added to the noise of the simulated series (step 6).

Notation: z, s, m and λ as in `auto_prior`, p order of the autoregression, x polynomial terms of z
along the axes in which voxels differ most (`terms_of`), D departures: the z of the noise at p and
more lags minus the z of the autoregression of order p is D x, with one row of D for each lag.
"""

from dataclasses import dataclass, replace

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.auto_prior import LARGEST_Z, ARPrior, PartialStatistic, balanced, draw
from boldglm.glm.noise.gls import lag_sums
from boldglm.glm.noise.polynomials import polynomial

N_SIMULATED = 2000
ROUNDS = 2
ENOUGH_VOXELS = 200  # no more than these are too few to estimate departures from


@dataclass(frozen=True, eq=False)
class NoisePopulation:
    """Distribution of noise over the voxels of a run; see `estimate_population`.

    Parameters
    ----------
    prior : ARPrior
        Distribution of z of the autoregression of order p.
    along : ndarray of shape (order, n) or (order, 0)
        Coordinates of z along the axes of the prior, from which noise is drawn. If there are
        none, it is drawn from a normal distribution.
    departures : ndarray of shape (n_lags, n_terms)
        D.
    """

    prior: ARPrior
    along: FloatArray
    departures: FloatArray

    def draw(
        self, n: int, rng: np.random.Generator, n_effective: float = np.inf
    ) -> tuple[FloatArray, FloatArray]:
        """Draw the noise of n voxels.

        Parameters
        ----------
        n : int
            Number of voxels.
        rng : numpy.random.Generator
            Random numbers.
        n_effective : float
            Effective number of independent voxels that the mean was estimated from. The mean
            varies between draws accordingly.

        Returns
        -------
        tuple of (ndarray of shape (order, n), ndarray of shape (n_lags, n))
            z of the nearest autoregression of order p, and z of the noise.
        """
        prior = self.prior
        if self.along.shape[1] == 0:
            spread = prior.differences + 1 / n_effective
            covariance = (prior.axes * spread) @ prior.axes.T
            z = draw(prior.mean, covariance, balanced(len(prior.mean), n, rng))
        else:
            voxels = (np.arange(n) + 0.5) * self.along.shape[1] / n
            error = rng.standard_normal((len(prior.mean), n)) / np.sqrt(n_effective)
            along = self.along[:, voxels.astype(int)] + error
            z = np.clip(prior.mean[:, np.newaxis] + prior.axes @ along, -LARGEST_Z, LARGEST_Z)
        return z, self.with_departures(z)

    def with_departures(self, z: FloatArray) -> FloatArray:
        """Return z of the noise, (n_lags, n), from z of the nearest autoregression, (order, n)."""
        result = self.departures @ terms_of(self.prior, z)
        result[: len(z)] += z
        return np.clip(result, -LARGEST_Z, LARGEST_Z)


def terms_of(prior: ARPrior, z: FloatArray) -> FloatArray:
    """Return polynomial terms of z along the axes in which voxels differ most.

    Parameters
    ----------
    prior : ARPrior
        Distribution of z over voxels.
    z : ndarray of shape (order, n)
        Transformed partial autocorrelations.

    Returns
    -------
    ndarray of shape (n_terms, n)
        Terms of degree 2 in at most two coordinates, in standard deviations over voxels.
    """
    most = np.argsort(prior.differences)[::-1][:2]
    most = most[prior.differences[most] > 0]
    spread = np.sqrt(prior.differences[most])[:, np.newaxis]
    along = prior.coordinates(z)[most] / spread
    return polynomial(np.clip(along, -3, 3), 2)


def lags_for(order: int, n_scans: int, dof: int) -> int:
    """Return the number of lags at which departures are estimated.

    Parameters
    ----------
    order : int
        p.
    n_scans, dof : int
        Number of scans and residual degrees of freedom.

    Returns
    -------
    int
        A fifteenth of the scans, at most a sixth of the degrees of freedom, at least p.

    Examples
    --------
    >>> lags_for(6, 200, 170), lags_for(10, 600, 570), lags_for(1, 30, 20)
    (13, 40, 2)
    """
    return max(order, min(n_scans // 15, dof // 6))


def estimate_population(
    statistic: PartialStatistic,
    prior: ARPrior,
    residuals: FloatArray,
    n_effective: float,
    rng: np.random.Generator,
) -> NoisePopulation:
    """Estimate the departures of noise from the autoregression of order p.

    Parameters
    ----------
    statistic : PartialStatistic
        Of order p, for the design of the run.
    prior : ARPrior
        Distribution of z over the voxels of the run.
    residuals : ndarray of shape (n_scans, n)
        OLS residuals of a sample of voxels.
    n_effective : float
        Effective number of independent voxels in the sample.
    rng : numpy.random.Generator
        Random numbers of the simulations.

    Returns
    -------
    NoisePopulation

    Notes
    -----
    This is indirect inference [1]_. s at all lags is regressed on x of the estimated z, both in
    the sample and in simulated noise whose z is estimated in the same way. The difference between
    the two regressions is added to D, twice. D is then shrunk by the amount that sampling error
    alone would produce [2]_. The z of the simulated noise are the estimates of the sample, scaled
    about their mean to the covariance of `prior`. Their distribution may thus be skewed, or have
    two modes, as in a run with two tissues.

    References
    ----------
    .. [1] Gourieroux C, Monfort A, Renault E (1993). Indirect inference. Journal of Applied
       Econometrics 8:S85-S118. https://doi.org/10.1002/jae.3950080507
    .. [2] James W, Stein C (1961). Estimation with quadratic loss. Proceedings of the Fourth
       Berkeley Symposium on Mathematical Statistics and Probability 1:361-379.
    """
    n_scans, rank = statistic.basis.shape
    order, n = statistic.order, residuals.shape[1]
    n_lags = lags_for(order, n_scans, n_scans - rank)
    n_terms = len(terms_of(prior, prior.mean[:, np.newaxis]))
    without = NoisePopulation(prior, np.empty((order, 0)), np.zeros((n_lags, n_terms)))
    if n <= ENOUGH_VOXELS:
        return without
    long_statistic = PartialStatistic(statistic.basis, n_lags)
    s = long_statistic(lag_sums(residuals, n_lags))
    z = prior.estimate(s[:order])
    observed_terms = terms_of(prior, z)
    observed = np.linalg.lstsq(observed_terms.T, s.T, rcond=None)[0].T
    population = NoisePopulation(prior, _scaled(prior, z), without.departures)
    drawn_z, _ = population.draw(N_SIMULATED, rng)
    drawn_terms, seed = terms_of(prior, drawn_z), rng.integers(2**32)
    for _ in range(ROUNDS):
        true = population.with_departures(drawn_z)
        series = long_statistic.residuals(true, np.random.default_rng(seed))
        sums = lag_sums(series, n_lags)
        s = long_statistic(sums)
        error = long_statistic.sampling_error(long_statistic.expected_sums(true), sums)
        terms = terms_of(prior, prior.estimate(s[:order]))
        # the same expectation as that of terms @ s.T, with a smaller sampling error
        products = terms @ s.T - drawn_terms @ error.T
        simulated = np.linalg.solve(terms @ terms.T, products).T
        departures = population.departures + observed - simulated
        population = replace(population, departures=departures)
    noise = np.cov(s - simulated @ terms).reshape(n_lags, n_lags)
    weights = observed_terms @ observed_terms.T * (min(n, n_effective) / n)
    size = np.einsum("jk,kl,jl->", np.linalg.solve(noise, departures), weights, departures)
    shrinkage = max(0.0, 1 - departures.size / size) if size > 0 else 0.0
    return replace(population, departures=shrinkage * departures)


def _scaled(prior: ARPrior, z: FloatArray) -> FloatArray:
    """Return coordinates of z, scaled to mean 0 and the covariance of the prior, and sorted.

    If voxels do not differ, the result is empty, (order, 0).
    """
    differing = np.flatnonzero(prior.differences)
    if differing.size == 0:
        return np.empty((len(z), 0))
    deviation = np.sqrt(prior.differences[differing])[:, np.newaxis]
    along = prior.coordinates(z)[differing] / deviation
    along -= along.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.cov(along).reshape(differing.size, -1))
    along = deviation * ((vectors / np.sqrt(values)) @ vectors.T @ along)
    result = np.zeros_like(z)
    result[differing] = along[:, np.argsort(along[-1])]
    return result
