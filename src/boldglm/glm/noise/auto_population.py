"""Noise as it is over the voxels of a run, beyond what the autoregression of the weights can say.

The weights of generalized least squares are those of an autoregression of few terms, which in
short runs is as much as can be told of one voxel. Noise need not be like that: sums of fast
and slow parts have long tails that few terms only approach, and which part is large differs
between voxels. For weights that hardly matters; for the variance that is stated it does, by
a tenth where sampling is fast. The average over many voxels shows what is missing. Simulated
runs get it, so that variances and degrees of freedom are those of such noise.

Notation: z, s, m and λ as in `auto_prior`, p the order of the weights, x polynomial
terms of z along the axes in which voxels differ most (`terms_of`), D what z of p and more lags
is beyond that of the autoregression of order p, a row of weights on x for each lag.
"""

from dataclasses import dataclass, replace

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.auto_prior import LARGEST_Z, ARPrior, PartialStatistic, balanced, draw
from boldglm.glm.noise.gls import lag_sums
from boldglm.glm.noise.polynomials import polynomial

N_SIMULATED = 2000
ROUNDS = 2
ENOUGH_VOXELS = 200  # with fewer, nothing beyond the autoregression is looked for


@dataclass(frozen=True, eq=False)
class NoisePopulation:
    """What noise the voxels of a run have; see `estimate_population`.

    Parameters
    ----------
    prior : ARPrior
        Of autoregressions of order p.
    along : ndarray of shape (order, n) or (order, 0)
        Coordinates of z along the axes, to draw from; normal draws if there are none.
    departures : ndarray of shape (n_lags, n_terms)
        D.
    """

    prior: ARPrior
    along: FloatArray
    departures: FloatArray

    def draw(
        self, n: int, rng: np.random.Generator, n_effective: float = np.inf
    ) -> tuple[FloatArray, FloatArray]:
        """Draw noise of n voxels.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.Generator
            Source of the draws.
        n_effective : float
            Of how many independent voxels the mean is known; it scatters accordingly.

        Returns
        -------
        tuple of (ndarray of shape (order, n), ndarray of shape (n_lags, n))
            z of the autoregression of order p that is nearest, and z of the noise.
        """
        prior = self.prior
        if self.along.shape[1] == 0:
            spread = prior.differences + 1 / n_effective
            covariance = (prior.axes * spread) @ prior.axes.T
            z = draw(prior.mean, covariance, balanced(len(prior.mean), n, rng))
        else:
            which = (np.arange(n) + 0.5) * self.along.shape[1] / n
            chance = rng.standard_normal((len(prior.mean), n)) / np.sqrt(n_effective)
            along = self.along[:, which.astype(int)] + chance
            z = np.clip(prior.mean[:, np.newaxis] + prior.axes @ along, -LARGEST_Z, LARGEST_Z)
        return z, self.with_departures(z)

    def with_departures(self, z: FloatArray) -> FloatArray:
        """Return z of the noise, (n_lags, n), from that of the nearest autoregression."""
        result = self.departures @ terms_of(self.prior, z)
        result[: len(z)] += z
        return np.clip(result, -LARGEST_Z, LARGEST_Z)


def terms_of(prior: ARPrior, z: FloatArray) -> FloatArray:
    """Return polynomial terms of z along the axes in which voxels differ most; (n_terms, n)."""
    most = np.argsort(prior.differences)[::-1][:2]
    most = most[prior.differences[most] > 0]
    spread = np.sqrt(prior.differences[most])[:, np.newaxis]
    along = prior.coordinates(z)[most] / spread
    return polynomial(np.clip(along, -3, 3), 2)


def lags_for(order: int, n_scans: int, dof: int) -> int:
    """Return up to which lag the noise of a run is looked at.

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
    """Find out what noise voxels have beyond the autoregression of order p.

    Parameters
    ----------
    statistic : PartialStatistic
        Of order p, tuned to the run.
    prior : ARPrior
        Learnt with it.
    residuals : ndarray of shape (n_scans, n)
        OLS residuals of a sample of voxels.
    n_effective : float
        How many independent voxels these are worth.
    rng : numpy.random.Generator
        For simulations.

    Returns
    -------
    NoisePopulation

    Notes
    -----
    Indirect inference [1]_: s of all lags is regressed on x of the estimated z, in the sample
    and in noise that is simulated and estimated alike. D is changed by the difference between
    both until they agree, and then shrunk by as much as chance alone would make of it [2]_.
    Voxels are drawn from the estimates of the sample, scaled about their mean to the covariance
    that `prior` has: so they may be skewed, or of two tissues.

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
    plain = NoisePopulation(prior, np.empty((order, 0)), np.zeros((n_lags, n_terms)))
    if n <= ENOUGH_VOXELS:
        return plain
    long = PartialStatistic(statistic.basis, n_lags)
    s = long(lag_sums(residuals, n_lags))
    z = prior.estimate(s[:order])
    seen_terms = terms_of(prior, z)
    seen = np.linalg.lstsq(seen_terms.T, s.T, rcond=None)[0].T
    population = NoisePopulation(prior, _scaled(prior, z), plain.departures)
    short, _ = population.draw(N_SIMULATED, rng)
    terms, seed = terms_of(prior, short), rng.integers(2**32)
    for _ in range(ROUNDS):
        true = population.with_departures(short)
        sums = lag_sums(long.residuals(true, np.random.default_rng(seed)), n_lags)
        s, chance = long(sums), long.chance(long.expected_sums(true), sums)
        found_terms = terms_of(prior, prior.estimate(s[:order]))
        # of the same expectation as found_terms @ s.T, but with less of the noise
        products = found_terms @ s.T - terms @ chance.T
        found = np.linalg.solve(found_terms @ found_terms.T, products).T
        population = replace(population, departures=population.departures + seen - found)
    departures = population.departures
    noise = np.cov(s - found @ found_terms).reshape(n_lags, n_lags)
    weights = seen_terms @ seen_terms.T * (min(n, n_effective) / n)
    size = np.einsum("jk,kl,jl->", np.linalg.solve(noise, departures), weights, departures)
    shrunk = max(0.0, 1 - departures.size / size) if size > 0 else 0.0
    return replace(population, departures=shrunk * departures)


def _scaled(prior: ARPrior, z: FloatArray) -> FloatArray:
    """Return coordinates of z with mean 0 and the covariance of the prior, in order of size.

    None, of shape (order, 0), where voxels do not differ.
    """
    differing = np.flatnonzero(prior.differences)
    if differing.size == 0:
        return np.empty((len(z), 0))
    wanted = np.sqrt(prior.differences[differing])[:, np.newaxis]
    along = prior.coordinates(z)[differing] / wanted
    along -= along.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.cov(along).reshape(differing.size, -1))
    along = wanted * ((vectors / np.sqrt(values)) @ vectors.T @ along)
    result = np.zeros_like(z)
    result[differing] = along[:, np.argsort(along[-1])]
    return result
