"""Distribution of autocorrelation over voxels, a prior for each voxel (steps 1 to 4 of `auto`).

The autoregressive coefficients of a single voxel are poorly determined. With 200 scans and 30
regressors, each partial autocorrelation has a standard error near .1, which can change the
variance of an effect in a block design by a factor of 1.5. Thousands of voxels together show
which combinations of coefficients differ over the brain, and by how much. Only these need to be
estimated at each voxel; for all others, voxels get the mean of the run.

Step 1 computes s from the residuals of each voxel (`PartialStatistic`). Step 2 simulates how s
depends on z with this design (`ForwardMap`). Step 3 estimates m and S (`estimate_prior`). Step 4
estimates z of a voxel from its s, with m and S as the prior (`ARPrior.estimate`).

Notation: z = atanh of the partial autocorrelations of the noise (order p), s = atanh of those of
the residuals, μ(z) expectation and N covariance of s for noise with z, m and S mean and covariance
of z over voxels, λ eigenvalues of S in units of the sampling covariance of z.
"""

from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.ar_process import (
    autocorrelations,
    autocovariances_to_partial,
    partial_to_ar,
    simulate,
    variance_ratio,
)
from boldglm.glm.noise.gls import lag_sums
from boldglm.glm.noise.polynomials import derivatives, polynomial
from boldglm.glm.noise.residual_autocovariance import expected_lag_sums

N_SIMULATED = 4000
N_GAUSS_NEWTON = 5
N_ROUNDS = 4  # forward maps, each around the estimates of the previous one
N_TO_BEGIN = 1000  # in the first rounds, which only locate the region of interest
FARTHEST = 4  # standard deviations from the center, beyond which a forward map is constant
NEAR = 3  # standard deviations from the center, which a step of the mean may not leave
MAX_EXTRA_ROUNDS = 8  # beyond the usual four, if the mean is far from the starting point
LARGEST_Z = 2.3  # partial autocorrelations of .98; beyond, a run is too short to tell

# The prior of a voxel has this many times the covariance S. With S itself (1), false positive
# rates are right on average over the brain, but too high where autocorrelation is highest and too
# low where it is lowest.
INFLATION = 6.0

# Standard deviation of z at lag 1 over all datasets; at lag j it is j times smaller. It
# matters where a run has no information: few scans and many regressors, which absorb slow noise.
PLAUSIBLE = 1.0

# Number of voxels that the mean of s is assumed to come from when it is weighed against plausible
# values of z: voxels are not independent, and a simulation is not exact.
TRUSTED_VOXELS = 100

# Prior expectation of the variance of z at lag 1 over voxels, and the number of voxels at which it
# has the same weight as the data.
USUAL_VARIANCE, USUAL_VOXELS = 0.06, 20


class PartialStatistic:
    """The statistic s of residuals, and its expectation in long series.

    Residuals are less autocorrelated than the noise. s is not corrected for this; instead,
    `expectation` and `ForwardMap` describe which s noise with a given z is expected to have.

    Parameters
    ----------
    basis : ndarray of shape (n_scans, rank)
        Orthonormal basis of the design.
    order : int
        p.
    """

    def __init__(self, basis: FloatArray, order: int) -> None:
        self.basis = basis
        self.order = order
        self.expected = expected_lag_sums(basis, order)

    def __call__(self, sums: FloatArray) -> FloatArray:
        """Return s of n voxels, (order, n), from lag sums of their residuals, (order + 1, n)."""
        s = np.empty((self.order, sums.shape[1]))
        for batch in blocks_of(sums.shape[1]):  # temporary arrays stay in the cache
            np.arctanh(autocovariances_to_partial(sums[:, batch]), out=s[:, batch])
        return s

    def residuals(self, z: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Simulate OLS residuals, (n_scans, n), with one series for each column of z."""
        series = simulate(partial_to_ar(np.tanh(z)), len(self.basis), rng)
        series -= self.basis @ (self.basis.T @ series)
        return series

    def expected_sums(self, z: FloatArray) -> FloatArray:
        """Return the expected lag sums for innovations of variance 1; (order + 1, n)."""
        ar = partial_to_ar(np.tanh(z))
        return np.asarray(
            self.expected @ autocorrelations(ar, len(self.basis)) * variance_ratio(ar)
        )

    def expectation(self, z: FloatArray) -> FloatArray:
        """Return s of the expected lag sums, which is the expectation of s in long series."""
        return self(self.expected_sums(z))

    def sampling_error(self, expected: FloatArray, sums: FloatArray) -> FloatArray:
        """Return the first-order sampling error of s, whose expectation is exactly 0.

        Parameters
        ----------
        expected, sums : ndarray of shape (order + 1, n)
            Expected and actual lag sums of each series.

        Returns
        -------
        ndarray of shape (order, n)
            Derivative of s at `expected` in the direction `sums` - `expected`.
        """
        step = 1e-3 * (sums - expected)
        return (self(expected + step) - self(expected - step)) / 2e-3


class ForwardMap:
    """μ(z) and N in a region around a mean of z, from simulations on this design.

    Parameters
    ----------
    statistic : PartialStatistic
        s, for this design.
    mean : ndarray of shape (order,)
        Center of the region.
    covariance : ndarray of shape (order, order)
        Extent of the region.
    rng : numpy.random.Generator
        Random numbers of the simulation.
    n_simulated : int
        Number of simulated series.

    Notes
    -----
    μ is the sum of two polynomials: one of degree 3, fitted to `PartialStatistic.expectation`,
    which is free of sampling error, and one of degree 2, fitted to the additional bias of short
    series in the simulation after their first-order sampling error was subtracted.
    """

    def __init__(
        self,
        statistic: PartialStatistic,
        mean: FloatArray,
        covariance: FloatArray,
        rng: np.random.Generator,
        n_simulated: int = N_SIMULATED,
    ) -> None:
        self.center = mean[:, np.newaxis]
        self.spread = np.sqrt(np.diag(covariance))[:, np.newaxis]
        self.reach = NEAR * self.spread[:, 0]
        z = draw(mean, covariance, rng.standard_normal((len(mean), n_simulated)))
        expected_sums = statistic.expected_sums(z)
        expected = statistic(expected_sums)
        x = (z - self.center) / self.spread
        self.smooth = _regression(polynomial(x, 3), expected)
        sums = lag_sums(statistic.residuals(z, rng), statistic.order)
        excess = statistic(sums) - expected
        terms = polynomial(x, 2)
        self.shift = _regression(terms, excess - statistic.sampling_error(expected_sums, sums))
        self.noise = np.cov(excess - self.shift @ terms).reshape(len(mean), -1)
        coefficients = self.smooth.copy()
        coefficients[:, : self.shift.shape[1]] += self.shift
        self.slopes = coefficients @ derivatives(len(mean), 3) / self.spread[:, :, np.newaxis]

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return μ(z); (order, n) -> (order, n)."""
        x = np.clip((z - self.center) / self.spread, -FARTHEST, FARTHEST)
        terms = polynomial(x, 3)
        return np.asarray(self.smooth @ terms + self.shift @ terms[: self.shift.shape[1]])

    def jacobian(self, z: FloatArray) -> FloatArray:
        """Return the derivatives of μ with respect to z; (order, n) -> (n, order, order)."""
        x = (z - self.center) / self.spread
        terms = polynomial(np.clip(x, -FARTHEST, FARTHEST), 2)
        slopes = self.slopes @ terms  # (order of z, order of s, n)
        slopes *= (abs(x) <= FARTHEST)[:, np.newaxis]
        return np.asarray(slopes.transpose(2, 1, 0), dtype=np.float64)

    def inverse(self, mean: FloatArray, n_voxels: float = 1.0) -> tuple[FloatArray, FloatArray]:
        """Linearize μ at `mean` and return the linear estimator of z from s.

        Parameters
        ----------
        mean : ndarray of shape (order,)
            z at which μ is linearized.
        n_voxels : float
            Number of independent voxels that s is averaged over.

        Returns
        -------
        tuple of (ndarray, ndarray), each of shape (order, order)
            Matrix that converts differences of s to differences of z, and error covariance of z.
            Both stay bounded in directions in which s has no information (`PLAUSIBLE`).
        """
        slope = self.jacobian(mean[:, np.newaxis])[0]
        weighted = n_voxels * np.linalg.solve(self.noise, slope).T
        error = np.linalg.inv(weighted @ slope + plausible_precision(len(mean)))
        return error @ weighted, error


@dataclass(frozen=True, eq=False)
class ARPrior:
    """Distribution of z over the voxels of a run; see `estimate_prior`.

    Parameters
    ----------
    forward : ForwardMap
        μ and N.
    mean : ndarray of shape (order,)
        m.
    axes : ndarray of shape (order, order)
        Columns in which S is diag(λ) and the sampling covariance of z the identity.
    differences : ndarray of shape (order,)
        λ, which is 0 where differences between voxels do not exceed sampling error.
    """

    forward: ForwardMap
    mean: FloatArray
    axes: FloatArray
    differences: FloatArray

    def mean_ar(self) -> FloatArray:
        """Return the autoregressive coefficients that belong to m; (order, 1)."""
        return partial_to_ar(np.tanh(self.mean[:, np.newaxis]))

    def coordinates(self, z: FloatArray) -> FloatArray:
        """Return z - m along the axes, in standard errors of a voxel's z; (order, n)."""
        return np.asarray(np.linalg.solve(self.axes, z - self.mean[:, np.newaxis]))

    def linear(self, s: FloatArray) -> FloatArray:
        """Return the coordinates of the estimates with μ linearized at m; (order, n)."""
        center = self.mean[:, np.newaxis]
        weight = INFLATION * self.differences / (1 + INFLATION * self.differences)
        back = np.linalg.solve(self.axes, self.forward.inverse(self.mean)[0])
        back *= weight[:, np.newaxis]
        return np.asarray(back @ s - back @ self.forward(center))

    def estimate(self, s: FloatArray) -> FloatArray:
        """Return the most probable z given s; (order, n) -> (order, n).

        Notes
        -----
        Gauss-Newton steps minimize (s - μ(z))' N⁻¹ (s - μ(z)) + (z - m)' P⁻¹ (z - m), where P
        is S times `INFLATION`, over the axes along which voxels differ.
        """
        differing = np.flatnonzero(self.differences)
        z = np.repeat(self.mean[:, np.newaxis], s.shape[1], axis=1)
        if differing.size == 0:
            return z
        axes = self.axes[:, differing]
        precision = np.linalg.inv(self.forward.noise)
        along = np.zeros((differing.size, s.shape[1]))
        prior_precision = 1 / (INFLATION * self.differences[differing])
        for _ in range(N_GAUSS_NEWTON):
            slope = self.forward.jacobian(z) @ axes
            weighted = slope.transpose(0, 2, 1) @ precision
            gradient = weighted @ (s - self.forward(z)).T[..., np.newaxis]
            gradient[..., 0] -= (prior_precision[:, np.newaxis] * along).T
            step = np.linalg.solve(weighted @ slope + np.diag(prior_precision), gradient)[..., 0].T
            along += np.clip(step, -5, 5)
            z = np.clip(self.mean[:, np.newaxis] + axes @ along, -LARGEST_Z, LARGEST_Z)
        return z


def estimate_prior(
    statistic: PartialStatistic, s: FloatArray, rng: np.random.Generator
) -> ARPrior:
    """Estimate the distribution of z over the voxels of a run.

    Parameters
    ----------
    statistic : PartialStatistic
        s, for the design of the run.
    s : ndarray of shape (order, n_voxels)
        s of each voxel.
    rng : numpy.random.Generator
        Random numbers of the simulations.

    Returns
    -------
    ARPrior

    Notes
    -----
    m and S are chosen such that noise with this mean and covariance of z would give s with the
    observed mean and covariance over voxels; in particular, Cov s = Cov μ(z) + N [1]_. The
    equations are solved by iteration, with a new forward map in each round. Sampling error alone
    would make the eigenvalues λ as large as the edge of Marchenko and Pastur for this number of
    simulations and voxels. Smaller ones are set to 0: all voxels are then equal in this direction.

    References
    ----------
    .. [1] Morris CN (1983). Parametric empirical Bayes inference: theory and applications.
       Journal of the American Statistical Association 78:47-55.
       https://doi.org/10.1080/01621459.1983.10477920
    """
    order, n_voxels = s.shape
    usual = np.diag(USUAL_VARIANCE / np.arange(1, order + 1) ** 2)
    share = 1 / (1 + (USUAL_VOXELS / n_voxels) ** 2)
    observed = np.cov(s).reshape(order, order) if n_voxels > 1 else np.zeros((order, order))
    observed_mean = s.mean(axis=1)
    mean, covariance, error = observed_mean, usual, 0.1 * usual
    normal = balanced(order, N_SIMULATED, rng)
    n_left, n_extra = N_ROUNDS, MAX_EXTRA_ROUNDS
    while n_left:
        n_simulated = N_TO_BEGIN if n_left > 2 else N_SIMULATED
        forward = ForwardMap(statistic, mean, covariance + 0.3 * error, rng, n_simulated)
        for _ in range(3):
            expected = forward(draw(mean, covariance, normal[:, :n_simulated]))
            back, error = forward.inverse(mean)
            missing = observed - forward.noise - np.cov(expected).reshape(order, order)
            covariance = _between(covariance + share * back @ missing @ back.T, 1e-6, PLAUSIBLE)
            mean = improved_mean(forward, mean, observed_mean - expected.mean(axis=1))
        covariance = share * covariance + (1 - share) * usual
        is_at_edge = bool((abs(mean - forward.center[:, 0]) >= 0.99 * forward.reach).any())
        if is_at_edge and n_extra:
            n_extra -= 1
        else:
            n_left -= 1
    lower = np.linalg.cholesky(error)
    whitened = np.linalg.solve(lower, np.linalg.solve(lower, covariance).T)
    differences, rotation = np.linalg.eigh((whitened + whitened.T) / 2)
    edge = (1 + np.sqrt(order / N_SIMULATED + order / (n_voxels + USUAL_VOXELS))) ** 2 - 1
    threshold = edge if n_voxels > USUAL_VOXELS else 0.0
    differences = np.where(differences > threshold, differences, 0.0)
    return ARPrior(forward, mean, lower @ rotation, differences)


def plausible_precision(order: int) -> FloatArray:
    """Return the inverse of the plausible covariance of z.

    Parameters
    ----------
    order : int
        p.

    Returns
    -------
    ndarray of shape (order, order)
        Diagonal; see `PLAUSIBLE`.

    Examples
    --------
    >>> plausible_precision(2).tolist()
    [[1.0, 0.0], [0.0, 4.0]]
    """
    return np.diag((np.arange(1, order + 1) / PLAUSIBLE) ** 2)


def improved_mean(forward: ForwardMap, mean: FloatArray, missing: FloatArray) -> FloatArray:
    """Take a Newton step of the mean of z towards the observed mean of s.

    The step is drawn towards plausible values where s has no information, and does not leave the
    region in which `forward` was simulated, because its slopes are invalid elsewhere.

    Parameters
    ----------
    forward : ForwardMap
        μ and N.
    mean : ndarray of shape (order,)
        Present mean of z.
    missing : ndarray of shape (order,)
        Observed minus expected mean of s.

    Returns
    -------
    ndarray of shape (order,)
    """
    back, error = forward.inverse(mean, TRUSTED_VOXELS)
    step = back @ missing - error @ plausible_precision(len(mean)) @ mean
    center = forward.center[:, 0]
    offset = mean + np.clip(step, -0.3, 0.3) - center
    return np.asarray(center + np.clip(offset, -forward.reach, forward.reach))


def draw(mean: FloatArray, covariance: FloatArray, normal: FloatArray) -> FloatArray:
    """Convert standard normal draws to draws of z.

    Parameters
    ----------
    mean : ndarray of shape (order,)
        Mean of z.
    covariance : ndarray of shape (order, order)
        Covariance of z.
    normal : ndarray of shape (order, n)
        Standard normal draws.

    Returns
    -------
    ndarray of shape (order, n)
        Clipped to ±`LARGEST_Z`.

    Examples
    --------
    >>> draw(np.array([0.5]), np.array([[0.04]]), np.array([[-1.0, 2.0, 50.0]])).round(3).tolist()
    [[0.3, 0.9, 2.3]]
    """
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root does not depend on the signs of eigenvectors, which rounding decides.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.clip(mean[:, np.newaxis] + root @ normal, -LARGEST_Z, LARGEST_Z)


def balanced(order: int, n: int, rng: np.random.Generator) -> FloatArray:
    """Return standard normal draws in pairs of opposite sign, so that their mean is 0.

    Parameters
    ----------
    order, n : int
        Shape of the draws; n must be even.
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    ndarray of shape (order, n)

    Examples
    --------
    >>> draws = balanced(2, 6, np.random.default_rng(0))
    >>> draws.shape, draws.sum(axis=1).tolist()
    ((2, 6), [0.0, 0.0])
    """
    half = rng.standard_normal((order, n // 2))
    return np.stack([half, -half], axis=2).reshape(order, -1)


def _between(matrix: FloatArray, low: float, high: float) -> FloatArray:
    """Clip the eigenvalues of a symmetric matrix."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.clip(values, low, high)) @ vectors.T)


def _regression(terms: FloatArray, values: FloatArray) -> FloatArray:
    """Return ridge regression coefficients with a minimal penalty; (order, n_terms)."""
    penalty = 1e-6 * terms.shape[1] * np.eye(len(terms))
    return np.asarray(np.linalg.solve(terms @ terms.T + penalty, terms @ values.T).T)
