"""What a run as a whole says about the autocorrelation of its voxels (empirical Bayes).

A single voxel's autoregressive coefficients are poorly known: with 200 scans and 30
regressors each partial autocorrelation has a standard error near .1, which for a block design
is a factor of 1.5 in the variance of an effect. Thousands of voxels together tell which
combinations of coefficients differ over the brain and by how much, and which are everywhere
the same; only the former need be taken from the voxel itself.

Notation: z = atanh of the partial autocorrelations (order p), s a statistic that estimates z
with noise, μ(z) its expectation and N its covariance, m and S mean and covariance of z over
voxels, λ eigenvalues of S in units of the sampling covariance of z.
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
N_TO_BEGIN = 1000  # simulations that only find out where to simulate
FARTHEST = 4  # standard deviations from the center; beyond, a map goes on as a constant
NEAR = 3  # standard deviations from the center, up to which a map shows where to go on
MOST_FURTHER = 8  # maps beyond the usual four, for a mean that is far from where it begins
LARGEST_Z = 2.3  # partial autocorrelations of .98; beyond, a run is too short to tell

# Differences between voxels are given this many times their variance before a voxel's own
# statistic is weighed against the mean of all: with the variance itself (1), averages over
# the brain would be right, but p values too small where autocorrelation is highest and too
# large where it is lowest.
INFLATION = 6.0

# Standard deviation of z at lag 1, in all data there are; at lag j it is j times smaller. It
# counts where a run says nothing: with few scans and many regressors, noise may look like drift.
PLAUSIBLE = 1.0

# The mean over voxels is weighed against what is plausible as if it were of so many of them:
# they are not independent, and no simulation is exact.
TRUSTED_VOXELS = 100

# Before any data: variance of z at lag 1 over voxels, and how few voxels must be for that to
# count as much as what they say.
USUAL_VARIANCE, USUAL_VOXELS = 0.06, 20


class PartialStatistic:
    """Partial autocorrelations of residuals, and what a design makes of those of the noise.

    Residuals are less autocorrelated than the noise; nothing is corrected here, because what
    is expected of s given z (`expectation`) has all of it.

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
        """Return s of n voxels, from lag sums of shape (order + 1, n); (order, n)."""
        s = np.empty((self.order, sums.shape[1]))
        for some in blocks_of(sums.shape[1]):  # temporary arrays stay in the cache
            np.arctanh(autocovariances_to_partial(sums[:, some]), out=s[:, some])
        return s

    def residuals(self, z: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return OLS residuals of simulated series, one for each column of z; (n_scans, n)."""
        series = simulate(partial_to_ar(np.tanh(z)), len(self.basis), rng)
        series -= self.basis @ (self.basis.T @ series)
        return series

    def expected_sums(self, z: FloatArray) -> FloatArray:
        """Return the expected lag sums, of innovations of variance 1; (order + 1, n)."""
        ar = partial_to_ar(np.tanh(z))
        return np.asarray(
            self.expected @ autocorrelations(ar, len(self.basis)) * variance_ratio(ar)
        )

    def expectation(self, z: FloatArray) -> FloatArray:
        """Return s of expected lag sums; the expectation of s in long series."""
        return self(self.expected_sums(z))

    def chance(self, expected: FloatArray, sums: FloatArray) -> FloatArray:
        """Return what s owes to chance in first order; its expectation is exactly 0.

        Parameters
        ----------
        expected, sums : ndarray of shape (order + 1, n)
            Lag sums as expected of each series, and as they are.

        Returns
        -------
        ndarray of shape (order, n)
            Derivative of s along `sums` less `expected`, at `expected`.
        """
        step = 1e-3 * (sums - expected)
        return (self(expected + step) - self(expected - step)) / 2e-3


class ForwardMap:
    """μ(z) and N near given mean and covariance, from simulation on this design.

    Parameters
    ----------
    statistic : PartialStatistic
        What is mapped to.
    mean : ndarray of shape (order,)
        Center of the region.
    covariance : ndarray of shape (order, order)
        Its extent.
    rng : numpy.random.Generator
        For the simulation.
    n_simulated : int
        Series to simulate.

    Notes
    -----
    A polynomial of degree 3 through `PartialStatistic.expectation`, which is free of noise,
    plus one of degree 2 through what short series add to it in simulation, less what is chance.
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
        self.shift = _regression(terms, excess - statistic.chance(expected_sums, sums))
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
        """Return derivatives of μ by z; (order, n) -> (n, order, order)."""
        x = (z - self.center) / self.spread
        terms = polynomial(np.clip(x, -FARTHEST, FARTHEST), 2)
        slopes = self.slopes @ terms  # (order of z, order of s, n)
        slopes *= (abs(x) <= FARTHEST)[:, np.newaxis]
        return np.asarray(slopes.transpose(2, 1, 0), dtype=np.float64)

    def inverse(self, mean: FloatArray, n_voxels: float = 1.0) -> tuple[FloatArray, FloatArray]:
        """Return how z follows from s near `mean`, and with what error.

        Parameters
        ----------
        mean : ndarray of shape (order,)
            z about which μ is taken for linear.
        n_voxels : float
            Of how many voxels s is the average.

        Returns
        -------
        tuple of (ndarray, ndarray), each of shape (order, order)
            Matrix from a difference in s to one in z, and covariance of z; neither grows
            without bound in directions of which s says nothing (`PLAUSIBLE`).
        """
        slope = self.jacobian(mean[:, np.newaxis])[0]
        weighted = n_voxels * np.linalg.solve(self.noise, slope).T
        error = np.linalg.inv(weighted @ slope + plausible_precision(len(mean)))
        return error @ weighted, error


@dataclass(frozen=True, eq=False)
class ARPrior:
    """How z varies over the voxels of a run, and what a voxel's s then says; see `estimate_prior`.

    Parameters
    ----------
    forward : ForwardMap
        μ and N.
    mean : ndarray of shape (order,)
        m.
    axes : ndarray of shape (order, order)
        Columns in which S is diag(λ) and the sampling covariance of z the identity.
    differences : ndarray of shape (order,)
        λ, 0 where voxels do not differ by more than chance.
    """

    forward: ForwardMap
    mean: FloatArray
    axes: FloatArray
    differences: FloatArray

    def mean_ar(self) -> FloatArray:
        """Return the autoregressive coefficients of the mean; (order, 1)."""
        return partial_to_ar(np.tanh(self.mean[:, np.newaxis]))

    def coordinates(self, z: FloatArray) -> FloatArray:
        """Return z along the axes, 0 at the mean, in standard errors of a voxel's z."""
        return np.asarray(np.linalg.solve(self.axes, z - self.mean[:, np.newaxis]))

    def linear(self, s: FloatArray) -> FloatArray:
        """Return approximate coordinates of the estimates that belong to s, (order, n)."""
        center = self.mean[:, np.newaxis]
        weight = INFLATION * self.differences / (1 + INFLATION * self.differences)
        back = np.linalg.solve(self.axes, self.forward.inverse(self.mean)[0])
        back *= weight[:, np.newaxis]
        return np.asarray(back @ s - back @ self.forward(center))

    def estimate(self, s: FloatArray) -> FloatArray:
        """Return the z that is most probable given s, (order, n) -> (order, n).

        Notes
        -----
        Gauss-Newton steps for (s - μ(z))' N⁻¹ (s - μ(z)) + (z - m)' P⁻¹ (z - m), where P is
        S times `INFLATION`, in coordinates along the axes that differ.
        """
        differing = np.flatnonzero(self.differences)
        z = np.repeat(self.mean[:, np.newaxis], s.shape[1], axis=1)
        if differing.size == 0:
            return z
        axes = self.axes[:, differing]
        precision = np.linalg.inv(self.forward.noise)
        along = np.zeros((differing.size, s.shape[1]))
        own = 1 / (INFLATION * self.differences[differing])
        for _ in range(5):
            slope = self.forward.jacobian(z) @ axes
            weighted = slope.transpose(0, 2, 1) @ precision
            gradient = weighted @ (s - self.forward(z)).T[..., np.newaxis]
            gradient[..., 0] -= (own[:, np.newaxis] * along).T
            step = np.linalg.solve(weighted @ slope + np.diag(own), gradient)[..., 0].T
            along += np.clip(step, -5, 5)
            z = np.clip(self.mean[:, np.newaxis] + axes @ along, -LARGEST_Z, LARGEST_Z)
        return z


def estimate_prior(
    statistic: PartialStatistic, s: FloatArray, rng: np.random.Generator
) -> ARPrior:
    """Estimate how the autocorrelation of noise varies over the voxels of a run.

    Parameters
    ----------
    statistic : PartialStatistic
        Tuned to the run.
    s : ndarray of shape (order, n_voxels)
        Its values.
    rng : numpy.random.Generator
        For simulations.

    Returns
    -------
    ARPrior

    Notes
    -----
    m and S such that z with this mean and covariance would give statistics with the mean and
    covariance that are seen: Cov s = Cov μ(z) + N [1]_. Directions in which S exceeds
    sampling noise by no more than the largest eigenvalue of pure noise would, of as many
    simulations and voxels (Marchenko and Pastur), count as equal in all voxels.

    References
    ----------
    .. [1] Morris CN (1983). Parametric empirical Bayes inference: theory and applications.
       Journal of the American Statistical Association 78:47-55.
       https://doi.org/10.1080/01621459.1983.10477920
    """
    order, n_voxels = s.shape
    usual = np.diag(USUAL_VARIANCE / np.arange(1, order + 1) ** 2)
    share = 1 / (1 + (USUAL_VOXELS / n_voxels) ** 2)
    seen = np.cov(s).reshape(order, order) if n_voxels > 1 else np.zeros((order, order))
    seen_mean = s.mean(axis=1)
    mean, covariance, error = seen_mean, usual, 0.1 * usual
    normal = balanced(order, N_SIMULATED, rng)
    n_left, n_further = 4, MOST_FURTHER
    while n_left:
        n_simulated = N_TO_BEGIN if n_left > 2 else N_SIMULATED
        forward = ForwardMap(statistic, mean, covariance + 0.3 * error, rng, n_simulated)
        for _ in range(3):
            expected = forward(draw(mean, covariance, normal[:, :n_simulated]))
            back, error = forward.inverse(mean)
            missing = seen - forward.noise - np.cov(expected).reshape(order, order)
            covariance = _between(covariance + share * back @ missing @ back.T, 1e-6, PLAUSIBLE)
            mean = closer(forward, mean, seen_mean - expected.mean(axis=1))
        covariance = share * covariance + (1 - share) * usual
        is_at_edge = bool((abs(mean - forward.center[:, 0]) >= 0.99 * forward.reach).any())
        if is_at_edge and n_further:
            n_further -= 1
        else:
            n_left -= 1
    lower = np.linalg.cholesky(error)
    whitened = np.linalg.solve(lower, np.linalg.solve(lower, covariance).T)
    differences, rotation = np.linalg.eigh((whitened + whitened.T) / 2)
    edge = (1 + np.sqrt(order / N_SIMULATED + order / (n_voxels + USUAL_VOXELS))) ** 2 - 1
    chance = edge if n_voxels > USUAL_VOXELS else 0.0
    differences = np.where(differences > chance, differences, 0.0)
    return ARPrior(forward, mean, lower @ rotation, differences)


def plausible_precision(order: int) -> FloatArray:
    """Return the inverse covariance of z in all data there are; (order, order)."""
    return np.diag((np.arange(1, order + 1) / PLAUSIBLE) ** 2)


def closer(forward: ForwardMap, mean: FloatArray, missing: FloatArray) -> FloatArray:
    """Return a mean whose statistic is nearer, by what is missing; plausible where in doubt.

    No further than `forward` reaches: its slopes are of use where it was simulated only.
    """
    back, error = forward.inverse(mean, TRUSTED_VOXELS)
    step = back @ missing - error @ plausible_precision(len(mean)) @ mean
    center = forward.center[:, 0]
    away = mean + np.clip(step, -0.3, 0.3) - center
    return np.asarray(center + np.clip(away, -forward.reach, forward.reach))


def draw(mean: FloatArray, covariance: FloatArray, normal: FloatArray) -> FloatArray:
    """Return draws of z from standard normal ones, within `LARGEST_Z`; (order, n)."""
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root: that of eigenvectors alone depends on their signs, and those on rounding.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.clip(mean[:, np.newaxis] + root @ normal, -LARGEST_Z, LARGEST_Z)


def balanced(order: int, n: int, rng: np.random.Generator) -> FloatArray:
    """Return standard normal draws whose mean is 0, each beside its opposite; (order, n)."""
    half = rng.standard_normal((order, n // 2))
    return np.stack([half, -half], axis=2).reshape(order, -1)


def _between(matrix: FloatArray, low: float, high: float) -> FloatArray:
    """Return the matrix with its eigenvalues kept within bounds."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.clip(values, low, high)) @ vectors.T)


def _regression(terms: FloatArray, values: FloatArray) -> FloatArray:
    """Return coefficients of values on terms, (order, n_terms), hardly penalized."""
    penalty = 1e-6 * terms.shape[1] * np.eye(len(terms))
    return np.asarray(np.linalg.solve(terms @ terms.T + penalty, terms @ values.T).T)
