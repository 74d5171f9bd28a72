"""The ratio of the variances of two groups, pooled over voxels.

Notation, at one voxel: s₁², s₂² variances of the residuals of the groups, ν₁, ν₂ their degrees of
freedom, ν the sum of these, r = s₁²/s₂², ρ the ratio of the true variances, h weights of a
contrast on the inputs, H₁, H₂ sums of h² over the groups.

With ρ known, the effect over √V(ρ) has a t distribution with ν degrees of freedom,
V(ρ) = (ν₁ s₁²/ρ + ν₂ s₂²)/ν · (ρ H₁ + H₂), whatever r is. With ln ρ distributed as N(m, κ²) over
voxels, it is a mixture of these over the distribution of ρ given r.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.second_level.reml import weighted_least_squares

FEWEST_VOXELS = 100
LOADING_STEP = 0.3  # of ln(H₂/H₁), between the tables of voxels with weights of their own
FEWEST_INDEPENDENT = 2.0  # the least to which neighbors and global signals reduce any number
UNKNOWN_INDEPENDENT = 10.0  # if both groups have a single residual, which cannot tell
LEVELS = (0.05, 0.001)  # two-sided p at which quantiles of the mixture are matched
N_RATIOS, REACH = 241, 8.0  # of the table, in standard deviations of ln r
N_NODES, SPAN = 49, 6.0  # of the integral over ln ρ
STEPS, CONVERGED = 40, 1e-10
LEAST_DOF, LEAST_VARIANCE = 0.5, 1e-6


@dataclass(frozen=True)
class RatioPrior:
    """Distribution of the logarithm of the ratio of two variances over voxels.

    Parameters
    ----------
    mean, variance : float
        m and κ².
    """

    mean: float
    variance: float


@dataclass(frozen=True, eq=False)
class RatioMoments:
    """Sums over voxels that give the distribution of the ratio; those of blocks of voxels add up.

    Parameters
    ----------
    dofs : tuple of float
        ν₁ and ν₂.
    n_voxels : int
        Voxels where both groups have residuals.
    total, squares : float
        Sums of ln r and of its square.
    products : tuple of ndarray
        Of each group, the sum of z z', with z the residuals of unit length in the coordinates that
        the design of the group leaves.
    """

    dofs: tuple[float, float]
    n_voxels: int
    total: float
    squares: float
    products: tuple[FloatArray, FloatArray]

    @classmethod
    def of(
        cls, basis: FloatArray, y: FloatArray, groups: IndexArray, w: FloatArray | None = None
    ) -> "RatioMoments":
        """Sum over voxels.

        Parameters
        ----------
        basis : ndarray of shape (n_inputs, rank)
            Orthonormal basis of the design.
        y : ndarray of shape (n_inputs, n_voxels)
            Effects, finite.
        groups : ndarray of int, of shape (n_inputs,)
            0 or 1.
        w : ndarray of shape (n_inputs, n_voxels), optional
            Weights; the ratio is that of the variances of residuals times √w.
        """
        nu = dofs_of_groups(basis, groups)
        first, second = groups == 0, groups == 1
        rounding = (len(y) * np.finfo(np.float64).eps) ** 2 * (y**2).sum(axis=0)
        if w is None:
            residuals = y - basis @ (basis.T @ y)
        else:
            y = np.sqrt(w) * weighted_least_squares(basis, y, w).residuals
            rounding, residuals = rounding * w.max(axis=0, initial=0.0), y
        sums = [(residuals[inside] ** 2).sum(axis=0) for inside in (first, second)]
        used = (sums[0] > rounding) & (sums[1] > rounding)
        log_r = np.log((sums[0][used] / nu[0]) / (sums[1][used] / nu[1]))
        products = [_products(basis[inside], y[inside][:, used]) for inside in (first, second)]
        return cls(
            (float(nu[0]), float(nu[1])),
            log_r.size,
            float(log_r.sum()),
            float((log_r**2).sum()),
            (products[0], products[1]),
        )

    def __add__(self, other: "RatioMoments") -> "RatioMoments":
        first, second = self.products
        return RatioMoments(
            self.dofs,
            self.n_voxels + other.n_voxels,
            self.total + other.total,
            self.squares + other.squares,
            (first + other.products[0], second + other.products[1]),
        )

    @property
    def independent(self) -> float:
        """Number of independent voxels that would scatter as these do.

        Residuals of unit length of a group with k residual dimensions have a mean product of I/k,
        from which the mean over N independent voxels has an expected squared distance of
        (1 - 1/k)/N.
        """
        distance, expected = 0.0, 0.0
        for products in self.products:
            k = len(products)
            if k > 1:
                distance += float(((products / self.n_voxels - np.eye(k) / k) ** 2).sum())
                expected += 1 - 1 / k
        if not expected:
            return min(UNKNOWN_INDEPENDENT, self.n_voxels)
        return float(np.clip(expected / max(distance, 1e-300), FEWEST_INDEPENDENT, self.n_voxels))

    def prior(self) -> RatioPrior | None:
        """Return the distribution of ln ρ over voxels, or None if there are too few voxels.

        Notes
        -----
        ln r scatters around ln ρ with variance ψ'(ν₁/2) + ψ'(ν₂/2), with ψ' the trigamma function,
        so κ² is what remains of the variance of ln r. The error of m is added to it: where all
        voxels share their errors, the pooled ratio is as uncertain as that of one voxel.
        """
        if self.n_voxels < FEWEST_VOXELS:
            return None
        halves = np.array(self.dofs) / 2
        noise = float(special.polygamma(1, halves).sum())
        offset = np.diff(special.digamma(halves) - np.log(halves))[0]
        mean = self.total / self.n_voxels
        n = self.independent
        spread = (self.squares / self.n_voxels - mean**2) / (1 - 1 / n)
        between = max(spread - noise, 0.0)
        return RatioPrior(
            round(float(mean + offset), 6),
            max(round((between + (between + noise) / n), 6), LEAST_VARIANCE),
        )


def dofs_of_groups(basis: FloatArray, groups: IndexArray) -> FloatArray:
    """Return the degrees of freedom of the residuals of two groups, shape (2,).

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design.
    groups : ndarray of int, of shape (n_inputs,)
        0 or 1.
    """
    free = 1 - np.einsum("ni,ni->n", basis, basis)
    return np.array([free[groups == 0].sum(), free[groups == 1].sum()])


def _products(basis: FloatArray, y: FloatArray) -> FloatArray:
    """Return the sum of z z' over voxels, (k, k), k the residual dimensions of a group."""
    left, singular, _ = np.linalg.svd(basis, full_matrices=True)
    rank = int((singular > 1e-10 * max(singular.max(initial=0.0), 1.0)).sum())
    z = left[:, rank:].T @ y
    length = np.linalg.norm(z, axis=0)
    z = np.divide(z, length, out=np.zeros_like(z), where=length > 0)
    return np.asarray(z @ z.T)


def pooled_variance(
    squares: FloatArray, dofs: FloatArray, loadings: FloatArray, prior: RatioPrior
) -> tuple[FloatArray, FloatArray]:
    """Return the variance of a contrast over two groups, and degrees of freedom.

    Parameters
    ----------
    squares : ndarray of shape (2, n_voxels)
        Sums of squared residuals of the groups, ν s².
    dofs : ndarray of shape (2,)
        ν₁ and ν₂.
    loadings : ndarray of shape (2,) or (2, n_voxels)
        H₁ and H₂.
    prior : RatioPrior
        Distribution of ln ρ over voxels.

    Returns
    -------
    variance, dof : ndarray of shape (n_voxels,)
        Of the t distribution whose quantiles at two-sided p of .05 and .001 are those of the
        mixture over ρ given r.
    """
    log_loading = np.log(loadings[1] / loadings[0])
    if log_loading.ndim:  # a grid that does not depend on which voxels are together
        low, high = np.floor([log_loading.min() / LOADING_STEP, log_loading.max() / LOADING_STEP])
        at = LOADING_STEP * np.arange(low, high + 2)
    else:
        at = log_loading[np.newaxis]
    tables = [
        _table(*(float(f"{value:.12g}") for value in (*dofs, np.exp(each))), prior) for each in at
    ]
    log_r = tables[0][0]
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.log(squares[0] / dofs[0]) - np.log(squares[1] / dofs[1])
    own = np.nan_to_num(own, nan=0.0, posinf=log_r[-1], neginf=log_r[0])
    scales = np.stack([np.interp(own, log_r, table[1]) for table in tables])
    log_dofs = np.stack([np.interp(own, log_r, table[2]) for table in tables])
    mean_square = squares.sum(axis=0) / dofs.sum()
    between = (log_loading - at[0]) / LOADING_STEP
    scale = np.exp(_interpolated(scales, between)) * loadings[0]
    return mean_square * scale, np.exp(_interpolated(log_dofs, between))


def _interpolated(rows: FloatArray, at: FloatArray | float) -> FloatArray:
    """Interpolate between rows, (n_rows, n_voxels), at a place for each voxel, or for all."""
    if len(rows) == 1:
        return rows[0]
    lower = np.minimum(np.floor(at).astype(np.intp), len(rows) - 2)
    voxels = np.arange(rows.shape[1])
    share = at - lower
    return np.asarray((1 - share) * rows[lower, voxels] + share * rows[lower + 1, voxels])


@lru_cache(maxsize=64)
def _table(
    first: float, second: float, loading: float, prior: RatioPrior
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ln r, and at each the logarithms of the variance and of the degrees of freedom.

    The variance is in units of the mean square of all residuals times H₁; `loading` is H₂/H₁.
    """
    nu = first + second
    noise = float(special.polygamma(1, [first / 2, second / 2]).sum())
    reach = REACH * np.sqrt(prior.variance + noise)
    log_r = prior.mean + np.linspace(-reach, reach, N_RATIOS)
    weights, variances = _mixture(log_r, first, second, loading, prior)
    at = [_quantile(weights, np.sqrt(variances), nu, level) for level in LEVELS]
    trial = np.exp(np.linspace(np.log(LEAST_DOF), np.log(nu), 400))
    quantiles = [-special.stdtrit(trial, level / 2) for level in LEVELS]
    falling = np.log(quantiles[1] / quantiles[0])
    dof = np.interp(-np.log(at[1] / at[0]), -falling, trial)
    scale = at[0] / -special.stdtrit(dof, LEVELS[0] / 2)
    return log_r, 2 * np.log(scale), np.log(dof)


def _mixture(
    log_r: FloatArray, first: float, second: float, loading: float, prior: RatioPrior
) -> tuple[FloatArray, FloatArray]:
    """Return weights and V(ρ) of the parts of the mixture, each (n_ratios, n_nodes)."""
    noise = float(special.polygamma(1, [first / 2, second / 2]).sum())
    share = prior.variance / (prior.variance + noise)
    center = prior.mean + share * (log_r - prior.mean)
    nodes = np.sqrt(share * noise) * np.linspace(-SPAN, SPAN, N_NODES)
    log_rho = center[:, np.newaxis] + nodes
    relative = log_r[:, np.newaxis] - log_rho  # ln(r/ρ), and r/ρ has an F distribution
    log_weights = first / 2 * relative - (first + second) / 2 * np.log(
        first * np.exp(relative) + second
    )
    log_weights -= (log_rho - prior.mean) ** 2 / (2 * prior.variance)
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    r = np.exp(log_r)[:, np.newaxis]
    squares = (first * np.exp(relative) + second) / (first * r + second)
    variances = squares * (np.exp(log_rho) + loading)
    return weights / weights.sum(axis=1, keepdims=True), variances


def _quantile(weights: FloatArray, scales: FloatArray, nu: float, level: float) -> FloatArray:
    """Return what the absolute value of each mixture of scaled t exceeds with a probability.

    Newton's steps on the logarithms of both, which are nearly proportional in the tails; a step
    that would leave the bracket goes to its middle.
    """
    log_density = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2)
    log_density -= 0.5 * np.log(np.pi * nu)
    single = np.log(-float(special.stdtrit(nu, level / 2)))
    low, high = single + np.log(scales.min(axis=1)), single + np.log(scales.max(axis=1))
    at = single + 0.5 * np.log((weights * scales**2).sum(axis=1))
    for _ in range(STEPS):
        z = np.exp(at)[:, np.newaxis] / scales
        p = 2 * (weights * special.stdtr(nu, -z)).sum(axis=1)
        density = np.exp(log_density - (nu + 1) / 2 * np.log1p(z**2 / nu))
        slope = -2 * (weights * z * density).sum(axis=1) / p
        low, high = np.where(p > level, at, low), np.where(p > level, high, at)
        step = at + np.log(level / p) / slope
        step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        moved, at = np.abs(step - at).max(), step
        if moved < CONVERGED:
            break
    return np.exp(at)
