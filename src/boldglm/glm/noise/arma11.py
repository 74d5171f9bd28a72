"""AR(1) plus white noise, which is ARMA(1,1), on a grid of parameters.

The sum of slow physiological and thermal noise has the autocorrelations s ρᵏ, which start lower
and decay more slowly than those of AR(1) noise. Each voxel is assigned the point of a grid of ρ
and s at which its restricted likelihood is largest. Voxels at the same point share all matrices.

The filtered series y_t - ρ y_{t-1} is correlated at lag 1 only. Therefore no matrix of scans by
scans is needed for a fit; one for each grid point would not fit in memory, and whitening with it
would be slow for long runs.

Notation: ρ coefficient, s share of the AR(1) part in the variance, V correlation matrix of a grid
point, Q = V⁻¹, A matrix with ones on the diagonal and -ρ below it, B = AVA' = L d L' tridiagonal,
U orthonormal basis of the design (r columns), M = U'QU, P = Q - QUM⁻¹U'Q, T scans, ν = T - r.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.linalg import lapack, matmul_toeplitz, solveh_banded, toeplitz

from boldglm.glm.arrays.types import Float32Array, FloatArray, IndexArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar_process import autocovariances_to_partial, partial_to_ar
from boldglm.glm.noise.blocks import Block, BoldSeries, Chunks, each_projected
from boldglm.glm.noise.contrast_variance import ContrastVariance

RHO = np.array([-0.3, 0.1, 0.3, 0.45, 0.6, 0.7, 0.8, 0.87, 0.93, 0.97])
SHARE = np.array([0.15, 0.3, 0.45, 0.6, 0.8, 1.0])
WHITENING_ORDER = 12  # of the autoregression that represents a grid point in `ar`
FEWEST_DOF = 6
NEARLY_WHITE = 1e-6


@dataclass(frozen=True, eq=False)
class ARMA11Estimates:
    """Estimates of the ARMA(1,1) noise model at every voxel and for every grid point in use.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        GLS estimates in the orthonormal basis, from centered signals.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the noise, signal units squared.
    labels : ndarray of int, of shape (n_voxels,)
        Grid point of each voxel.
    rho, share : ndarray of shape (n_points,)
        ρ and s of each point.
    basis : ndarray of shape (n_scans, rank)
        U.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    labels: IndexArray
    rho: FloatArray
    share: FloatArray
    basis: FloatArray

    @property
    def simulated_autocorrelations(self) -> None:
        """None: this noise model simulates no series."""
        return None

    @property
    def ar(self) -> FloatArray:
        """Coefficients of autoregressions that have the same first 12 autocorrelations."""
        lags = min(WHITENING_ORDER, len(self.basis) // 4) + 1
        points = zip(self.rho.tolist(), self.share.tolist(), strict=True)
        correlations = np.array([_correlations(*point, lags) for point in points])
        correlations = correlations.reshape(-1, lags)
        return partial_to_ar(autocovariances_to_partial(correlations.T))[:, self.labels]

    @cached_property
    def points(self) -> list["_Point"]:
        """The grid points to which voxels are assigned."""
        parameters = zip(self.rho.tolist(), self.share.tolist(), strict=True)
        return [_Point(rho, share, self.basis) for rho, share in parameters]

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return the covariance of contrasts; see `boldglm.glm.noise.contrast_variance`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastVariance
            A covariance for each grid point.

        Notes
        -----
        The degrees of freedom are 2 / g'A g in each direction in which estimates are uncorrelated,
        with g the derivatives of the logarithm of the variance with respect to log σ², ρ and s,
        and A the inverse of their expected restricted information, ½ tr(P ∂V P ∂V).
        """
        q = len(rows)
        covariance = np.array([rows @ point.inverse @ rows.T for point in self.points])
        dof = np.array([point.dof(rows) for point in self.points])
        return ContrastVariance(
            self.sigma2, covariance.reshape(-1, q, q), dof.reshape(-1, q), self.labels
        )


class _Point:
    """A grid point: all that follows from ρ, s and the design."""

    def __init__(self, rho: float, share: float, basis: FloatArray) -> None:
        self.rho, self.share, self.basis = rho, share, basis
        diagonal = share * (1 - rho**2) + (1 - share) * (1 + rho**2)
        # B in the format of `solveh_banded`: the upper diagonal first
        self.banded = np.full((2, len(basis)), diagonal)
        self.banded[1, 0] = 1.0
        self.banded[0] = -(1 - share) * rho
        normal = basis.T @ self.weighted(basis)
        self.inverse: FloatArray = np.asarray(np.linalg.inv(normal), dtype=np.float64)
        self.penalty = float(np.linalg.slogdet(normal)[1] + np.log(self.factors[0]).sum())

    @cached_property
    def factors(self) -> tuple[FloatArray, FloatArray]:
        """The diagonal of d, and the elements of L below its unit diagonal; (T,), (T - 1,)."""
        diagonal, below, _ = lapack.dpttrf(self.banded[1], self.banded[0, 1:])
        return diagonal, below

    def weighted(self, series: FloatArray) -> FloatArray:
        """Return Q times n series, with Q = A'B⁻¹A; (n_scans, n)."""
        result = series.copy()
        result[1:] -= self.rho * series[:-1]
        result = solveh_banded(self.banded, result, overwrite_b=True, check_finite=False)
        result[:-1] -= self.rho * result[1:]
        return np.asarray(result)

    def solution(self, residuals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the GLS minus the OLS estimate, (rank, n), and SSR, (n,), from OLS residuals."""
        weighted = self.weighted(residuals)
        g = self.basis.T @ weighted
        delta = self.inverse @ g
        ssr = np.einsum("tv,tv->v", residuals, weighted) - np.einsum("rv,rv->v", g, delta)
        return delta, np.maximum(ssr, 0.0)

    @cached_property
    def change(self) -> FloatArray:
        """First column of the derivative of V with respect to ρ, a Toeplitz matrix."""
        lags = np.arange(1.0, len(self.basis))
        return np.concatenate([[0.0], self.share * lags * self.rho ** (lags - 1)])

    @cached_property
    def parameter_covariance(self) -> FloatArray:
        """Inverse of the expected restricted information of log σ², ρ and s; (3, 3).

        The derivatives of V are V, `change`, and (V - 1)/s. PVP = P and tr PV = ν.
        """
        n_scans, rank = self.basis.shape
        Q_U = self.weighted(self.basis)
        P = self.weighted(np.eye(n_scans)) - Q_U @ self.inverse @ Q_U.T
        P_change = P @ toeplitz(self.change)
        dof, trace, scale_rho = n_scans - rank, np.trace(P), np.trace(P_change)
        rho_share = (scale_rho - np.einsum("ij,ij->", P, P_change)) / self.share
        share_share = (dof - 2 * trace + np.einsum("ij,ij->", P, P)) / self.share**2
        rho_rho = np.einsum("ij,ji->", P_change, P_change)
        scale_share = (dof - trace) / self.share
        information = [
            [dof, scale_rho, scale_share],
            [scale_rho, rho_rho, rho_share],
            [scale_share, rho_share, share_share],
        ]
        return np.asarray(np.linalg.pinv(np.array(information) / 2, hermitian=True))

    def dof(self, rows: FloatArray) -> FloatArray:
        """Return degrees of freedom in directions in which estimates are uncorrelated; (q,)."""
        covariance = rows @ self.inverse @ rows.T
        weights = self.weighted(self.basis @ (self.inverse @ rows.T))
        by_rho = weights.T @ matmul_toeplitz(self.change, weights)
        # In white noise the directions are not unique. Those of nearly white noise are taken.
        perturbation = NEARLY_WHITE * np.trace(covariance) / (np.linalg.norm(by_rho) or 1.0)
        _, directions = np.linalg.eigh(covariance + perturbation * by_rho)

        def along(form: FloatArray) -> FloatArray:
            return np.einsum("ia,ij,ja->a", directions, form, directions)

        variances = along(covariance)
        of_share = (1 - along(weights.T @ weights) / variances) / self.share
        slopes = np.stack([np.ones(len(rows)), along(by_rho) / variances, of_share])
        spread = np.einsum("ia,ij,ja->a", slopes, self.parameter_covariance, slopes)
        most = float(self.basis.shape[0] - self.basis.shape[1])
        return np.clip(2 / np.maximum(spread, 2 / most), 1.0, most)


def check_dof(model: LinearModel) -> None:
    """Raise an error if a design leaves too few degrees of freedom for ARMA(1,1) noise.

    Parameters
    ----------
    model : LinearModel
        The design.

    Raises
    ------
    ValueError
        If fewer than `FEWEST_DOF` degrees of freedom are left.

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> check_dof(linear_model(np.ones((7, 1))))
    """
    if model.dof < FEWEST_DOF:
        raise ValueError(
            f"{model.n_scans} scans and a design of rank {model.rank} leave {model.dof} degrees "
            f"of freedom, too few for ARMA(1,1) noise: it needs {FEWEST_DOF}. Use the noise model "
            "auto or ar1."
        )


def estimate_arma11(
    bold: BoldSeries, model: LinearModel, chunks: Chunks
) -> tuple[LinearModel, ARMA11Estimates]:
    """Fit every voxel by generalized least squares at the best point of a grid.

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
    tuple of (LinearModel, ARMA11Estimates)
        The unchanged design, and the estimates. Voxels without variance have ``sigma2`` 0.

    Raises
    ------
    ValueError
        If there are too few scans; see `check_dof`.

    Notes
    -----
    The best point has the largest restricted likelihood [1]_, as in AFNI's 3dREMLfit: the smallest
    ν log SSR + log|M| + log|V| with SSR = e'Qe - g'M⁻¹g, g = U'Qe and e the OLS residual. The
    search is in single precision, the estimates at the best point are in double precision.

    References
    ----------
    .. [1] Patterson HD, Thompson R (1971). Recovery of inter-block information when block
       sizes are unequal. Biometrika 58:545-554. https://doi.org/10.1093/biomet/58.3.545

    Examples
    --------
    >>> from boldglm.glm.design.linear_model import linear_model
    >>> white = np.random.default_rng(0).normal(size=(120, 3))
    >>> _, estimates = estimate_arma11(white, linear_model(np.ones((120, 1))), Chunks())
    >>> bool((abs(estimates.rho * estimates.share) < 0.2).all())
    True
    """
    check_dof(model)
    n_voxels = bold.shape[1]
    grid = _Grid(model.basis)
    coordinates, means = np.empty((model.rank, n_voxels)), np.empty(n_voxels)
    sigma2, best = np.empty(n_voxels), np.empty(n_voxels, dtype=np.intp)

    def fit_block(block: Block) -> None:
        residuals = block.signal - model.basis @ block.coordinates
        points = grid.best(residuals)
        points[block.without_variance] = 0
        coordinates[:, block.voxels] = block.coordinates + block.removed
        means[block.voxels], best[block.voxels] = block.means, points
        for number in np.unique(points).tolist():
            at_point = np.flatnonzero(points == number)
            delta, ssr = grid.points[number].solution(residuals[:, at_point])
            coordinates[:, block.voxels.start + at_point] += delta
            sigma2[block.voxels.start + at_point] = ssr / model.dof

    each_projected(bold, model, chunks, fit_block)
    used, labels = np.unique(best, return_inverse=True)
    rho, share = grid.values[used].T
    return model, ARMA11Estimates(
        coordinates, means, sigma2, labels.astype(np.int32), rho, share, model.basis
    )


class _Grid:
    """All grid points, beginning with white noise."""

    def __init__(self, basis: FloatArray) -> None:
        self.values = np.array([(0.0, 1.0), *((rho, share) for rho in RHO for share in SHARE)])
        self.points = [_Point(rho, share, basis) for rho, share in self.values.tolist()]
        edges = [0, *range(1, len(self.points) + 1, len(SHARE))]
        self.groups = [_SameRho(self.points[a:b]) for a, b in pairwise(edges)]

    def best(self, residuals: FloatArray) -> IndexArray:
        """Return the best point of each voxel, (n,), from OLS residuals (n_scans, n)."""
        lengths = np.linalg.norm(residuals, axis=0)
        unit = (residuals / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
        scores = np.concatenate([group.scores(unit) for group in self.groups])
        return np.asarray(scores.argmin(axis=0))


class _SameRho:
    """Grid points with the same ρ: computes their restricted likelihoods for many voxels."""

    def __init__(self, points: list[_Point]) -> None:
        basis = points[0].basis
        self.rho, self.dof = np.float32(points[0].rho), basis.shape[0] - basis.shape[1]
        self.penalties = np.array([point.penalty for point in points])[:, np.newaxis]
        # C⁻¹U'Q with CC' = M, stacked over points
        frames = [
            np.linalg.cholesky(point.inverse).T @ point.weighted(basis).T for point in points
        ]
        self.frames: Float32Array = np.concatenate(frames).astype(np.float32)
        diagonal, below = map(np.array, zip(*(point.factors for point in points), strict=True))
        root = np.sqrt(diagonal)
        # weights of the new scan and of the previous value in the recursion of `squares`; one row
        # for each scan, shape (n_scans, n_points, 1)
        self.new: Float32Array = (1 / root).T[..., np.newaxis].astype(np.float32)
        carried = -below * root[:, :-1] / root[:, 1:]
        self.carried: Float32Array = carried.T[..., np.newaxis].astype(np.float32)

    def scores(self, unit: Float32Array) -> FloatArray:
        """Return ν log SSR + log|M| + log|V| for residuals of unit length; (n_points, n)."""
        explained = (self.frames @ unit).reshape(len(self.penalties), -1, unit.shape[1])
        ssr = self.squares(unit) - np.einsum("krv,krv->kv", explained, explained)
        ssr = np.maximum(ssr, np.finfo(np.float32).tiny, dtype=np.float64)
        return np.asarray(self.dof * np.log(ssr) + self.penalties)

    def squares(self, unit: Float32Array) -> Float32Array:
        """Return e'Qe, the sum of squares of d^-½ L⁻¹ A e, scan by scan; (n_points, n)."""
        filtered = unit.copy()
        filtered[1:] -= self.rho * unit[:-1]
        white = self.new[0] * filtered[0]
        total, product = white * white, np.empty_like(white)
        for scan, new, carried in zip(filtered[1:], self.new[1:], self.carried, strict=True):
            np.multiply(new, scan, out=product)
            white *= carried
            white += product
            np.multiply(white, white, out=product)
            total += product
        return total


def _correlations(rho: float, share: float, n_lags: int) -> FloatArray:
    """Return the autocorrelations of a grid point, 1 at lag 0; (n_lags,)."""
    correlations = np.asarray(share * rho ** np.arange(n_lags), dtype=np.float64)
    correlations[0] = 1.0
    return correlations
