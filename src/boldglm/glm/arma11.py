"""First order autoregression plus white noise, which is ARMA(1,1), on a grid of coefficients.

Slow physiological noise under thermal noise has autocorrelations s ρᵏ: they begin lower than those
of an autoregression and last longer. Each voxel takes the point of a grid of ρ and s at which its
restricted likelihood is largest; voxels of the same point share all matrices.

Notation: ρ coefficient, s share of the autoregression in the variance, V correlation matrix of a
grid point, Q = V⁻¹, U orthonormal basis of the design (r columns), M = U'QU, P = Q - QUM⁻¹U'Q,
T scans, ν = T - r.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz

from boldglm.glm.autoregression import autocovariances_to_partial, partial_to_ar
from boldglm.glm.blocks import Block, Series, Walk, each_projected
from boldglm.glm.kernels import FloatArray
from boldglm.glm.lagged_basis import lag_sums
from boldglm.glm.linear_model import LinearModel
from boldglm.glm.moments import ContrastMoments
from boldglm.glm.residual_autocovariance import expected_lag_sums

RHO = np.array([-0.3, 0.1, 0.3, 0.45, 0.6, 0.7, 0.8, 0.87, 0.93, 0.97])
SHARE = np.array([0.15, 0.3, 0.45, 0.6, 0.8, 1.0])
START_LAGS = 4
WHITENING_ORDER = 12  # of the autoregression that stands for a grid point in `ar`
STEP = 1e-4
VOXELS_AT_ONCE = 8192
FEWEST_DOF = 6


@dataclass(frozen=True, eq=False)
class ARMA11Estimates:
    """What autoregressive plus white noise keeps of each voxel and of each grid point.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        Generalized least squares estimates in the orthonormal basis, of centered signals.
    means : ndarray of shape (n_voxels,)
        What centering subtracted.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the noise, signal units squared.
    which : ndarray of int, of shape (n_voxels,)
        Grid point of each voxel.
    rho, share : ndarray of shape (n_points,)
        ρ and s of each point.
    basis : ndarray of shape (n_scans, rank)
        U.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    which: NDArray[np.integer]
    rho: FloatArray
    share: FloatArray
    basis: FloatArray

    @property
    def left_of_simulated(self) -> None:
        """No series were simulated and kept."""
        return None

    @property
    def ar(self) -> FloatArray:
        """Coefficients of autoregressions with the same first 12 autocorrelations."""
        lags = min(WHITENING_ORDER, len(self.basis) // 4) + 1
        each = zip(self.rho.tolist(), self.share.tolist(), strict=True)
        correlations = np.array([_correlations(*point, lags) for point in each]).reshape(-1, lags)
        return partial_to_ar(autocovariances_to_partial(correlations.T))[:, self.which]

    @cached_property
    def points(self) -> list["_Point"]:
        """The grid points that some voxel has."""
        each = zip(self.rho.tolist(), self.share.tolist(), strict=True)
        return [_Point(rho, share, self.basis) for rho, share in each]

    def contrast_moments(self, rows: FloatArray) -> ContrastMoments:
        """Return covariances of estimates; see `boldglm.glm.moments`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastMoments
            Of each grid point.

        Notes
        -----
        Degrees of freedom are 2 / g'A g for each row: g the derivatives of the logarithm of
        its variance by log σ², ρ and s, A the inverse of their expected restricted information,
        ½ tr(P ∂V P ∂V).
        """
        q = len(rows)
        shape = np.array([rows @ one.inverse @ rows.T for one in self.points]).reshape(-1, q, q)
        dofs = np.array([[one.dof(row) for row in rows] for one in self.points]).reshape(-1, q)
        return ContrastMoments(self.sigma2, shape, dofs, self.which)


class _Point:
    """One grid point: everything that follows from ρ, s and the design."""

    def __init__(self, rho: float, share: float, basis: FloatArray) -> None:
        self.rho, self.share, self.basis = rho, share, basis
        self.precision: FloatArray = _inverse(self._correlation(rho, share))
        self.weighted: FloatArray = self.precision @ basis
        normal = basis.T @ self.weighted
        self.inverse: FloatArray = _inverse(normal)
        self.penalty = float(np.linalg.slogdet(normal)[1] - np.linalg.slogdet(self.precision)[1])

    def _correlation(self, rho: float, share: float) -> FloatArray:
        return np.asarray(toeplitz(_correlations(rho, share, len(self.basis))))

    @cached_property
    def root(self) -> FloatArray:
        """R with R'R = P, so that SSR is the squared length of R y."""
        whitener = np.linalg.cholesky(self.precision).T
        frame = np.linalg.qr(whitener @ self.basis)[0]
        return np.asarray(whitener - frame @ (frame.T @ whitener))

    @cached_property
    def changes(self) -> list[FloatArray]:
        """Derivatives of σ²V by log σ², ρ and s, at σ² of 1."""
        rho, share = self.rho, self.share
        high, low = min(rho + STEP, 0.999), max(rho - STEP, -0.999)
        by_rho = self._correlation(high, share) - self._correlation(low, share)
        by_share = self._correlation(rho, share + STEP) - self._correlation(rho, share - STEP)
        return [self._correlation(rho, share), by_rho / (high - low), by_share / (2 * STEP)]

    @cached_property
    def parameter_covariance(self) -> FloatArray:
        """Inverse of the expected restricted information; (3, 3)."""
        P = self.precision - self.weighted @ self.inverse @ self.weighted.T
        turned = [P @ change for change in self.changes]
        information = [[0.5 * np.einsum("ij,ji->", a, b) for a in turned] for b in turned]
        return np.asarray(np.linalg.pinv(np.array(information), hermitian=True))

    def dof(self, row: FloatArray) -> float:
        """Return the degrees of freedom of a contrast."""
        weights = self.weighted @ (self.inverse @ row)
        variance = row @ self.inverse @ row
        slopes = np.array([weights @ change @ weights for change in self.changes]) / variance
        most = self.basis.shape[0] - self.basis.shape[1]
        spread = float(slopes @ self.parameter_covariance @ slopes)
        return min(max(2 / spread, 1.0), most) if spread > 0 else float(most)


def estimate_arma11(
    bold: Series, model: LinearModel, walk: Walk
) -> tuple[LinearModel, ARMA11Estimates]:
    """Estimate every voxel by generalized least squares with the best point of a grid.

    Parameters
    ----------
    bold : Series of shape (n_scans, n_voxels)
        Signals, of consecutive scans.
    model : LinearModel
        The design.
    walk : Walk
        How many voxels at a time, and by how many threads.

    Returns
    -------
    tuple of (LinearModel, ARMA11Estimates)
        The model as it was, and the estimates. Voxels without any residual have ``sigma2`` 0.

    Raises
    ------
    ValueError
        If there are too few scans.

    Notes
    -----
    Largest restricted likelihood [1]_ over the grid, as AFNI's 3dREMLfit searches it: ν log SSR +
    log|M| - log|Q| is smallest. The search begins at the point whose expected autocovariances of
    residuals are nearest to those seen, and moves to the best neighbor until none is better.

    References
    ----------
    .. [1] Patterson HD, Thompson R (1971). Recovery of inter-block information when block
       sizes are unequal. Biometrika 58:545-554. https://doi.org/10.1093/biomet/58.3.545

    Examples
    --------
    >>> from boldglm.glm.linear_model import linear_model
    >>> white = np.random.default_rng(0).normal(size=(120, 3))
    >>> _, found = estimate_arma11(white, linear_model(np.ones((120, 1))), Walk())
    >>> bool((abs(found.rho * found.share) < 0.2).all())
    True
    """
    if model.dof < FEWEST_DOF:
        raise ValueError(
            f"{model.n_scans} scans and a design of rank {model.rank} leave {model.dof} degrees "
            f"of freedom, too few to tell ARMA(1,1) noise: it needs {FEWEST_DOF}."
        )
    n_voxels = bold.shape[1]
    grid = _Grid(model.basis, max(min(START_LAGS, model.dof - 1), 1))
    coordinates, means = np.empty((model.rank, n_voxels)), np.empty(n_voxels)
    sigma2, best = np.empty(n_voxels), np.empty(n_voxels, dtype=np.intp)

    def fit_block(block: Block) -> None:
        residuals = block.signal - model.basis @ block.coordinates
        points, ssr = _search(residuals, grid, model.dof)
        points[block.silent], ssr[block.silent] = 0, 0.0
        coordinates[:, block.voxels] = block.coordinates + block.removed
        means[block.voxels], best[block.voxels] = block.means, points
        sigma2[block.voxels] = ssr / model.dof
        for number in np.unique(points).tolist():
            point, some = grid.point(number), np.flatnonzero(points == number)
            delta = point.inverse @ (point.weighted.T @ residuals[:, some])
            coordinates[:, block.voxels.start + some] += delta

    large = replace(walk, block_size=max(walk.block_size, VOXELS_AT_ONCE))
    each_projected(bold, model, large, fit_block)
    used, which = np.unique(best, return_inverse=True)
    rho, share = grid.values[used].T
    return model, ARMA11Estimates(
        coordinates, means, sigma2, which.astype(np.int32), rho, share, model.basis
    )


class _Grid:
    """All points, made when they are needed; the first is white noise."""

    def __init__(self, basis: FloatArray, lags: int) -> None:
        self.basis, self.lags = basis, lags
        self.values = np.array([(0.0, 1.0), *((rho, share) for rho in RHO for share in SHARE)])
        expected = expected_lag_sums(basis, lags)
        noise = [_correlations(float(rho), float(s), len(basis)) for rho, s in self.values]
        each = np.stack(noise) @ expected.T
        self.targets = (each / each[:, :1])[:, 1:]
        self._made: dict[int, _Point] = {}

    def point(self, number: int) -> _Point:
        """Return a point by its number."""
        if number not in self._made:
            rho, share = self.values[number].tolist()
            self._made[number] = _Point(rho, share, self.basis)
        return self._made[number]

    def neighbors(self, number: int) -> list[int]:
        """Return the points beside one; white noise is beside all of the smallest share."""
        if number == 0:
            return [1 + k * len(SHARE) for k in range(len(RHO))] + [1 + len(SHARE) - 1]
        i, j = divmod(number - 1, len(SHARE))
        around = [(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
        inside = [(a, b) for a, b in around if 0 <= a < len(RHO) and 0 <= b < len(SHARE)]
        return [1 + a * len(SHARE) + b for a, b in inside] + ([0] if j == 0 or i == 1 else [])

    def nearest(self, residuals: FloatArray) -> NDArray[np.intp]:
        """Return the point of each voxel whose expected residuals are most like its own."""
        sums = lag_sums(residuals, self.lags)
        seen = sums[1:] / np.where(sums[0] > 0, sums[0], 1.0)
        distance = (self.targets**2).sum(axis=1)[:, np.newaxis] - 2 * self.targets @ seen
        return np.asarray(distance.argmin(axis=0))


def _search(residuals: FloatArray, grid: _Grid, dof: int) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the best point of each voxel, and SSR there; from OLS residuals (n_scans, n)."""
    shape = (len(grid.values), residuals.shape[1])
    ssr, scores = np.zeros(shape), np.full(shape, np.inf)
    best = grid.nearest(residuals)
    wanted = np.zeros(shape, dtype=bool)
    wanted[best, np.arange(shape[1])] = True
    moving = np.ones(shape[1], dtype=bool)
    while moving.any():
        for origin in np.unique(best[moving]).tolist():
            wanted[np.ix_(grid.neighbors(origin), moving & (best == origin))] = True
        wanted &= np.isinf(scores)
        for number in np.flatnonzero(wanted.any(axis=1)).tolist():
            some = np.flatnonzero(wanted[number])
            left = grid.point(number).root @ residuals[:, some]
            value = np.einsum("tv,tv->v", left, left)
            ssr[number, some] = value
            logarithm = np.log(np.maximum(value, 1e-300))
            scores[number, some] = dof * logarithm + grid.point(number).penalty
        wanted[:] = False
        found = scores.argmin(axis=0)
        moving = found != best
        best = found
    return best, ssr[best, np.arange(shape[1])]


def _correlations(rho: float, share: float, n_lags: int) -> FloatArray:
    """Return the autocorrelations of a point, 1 at lag 0."""
    correlations = np.asarray(share * rho ** np.arange(n_lags), dtype=np.float64)
    correlations[0] = 1.0
    return correlations


def _inverse(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)
