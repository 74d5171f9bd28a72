"""First order autoregressive noise with its own coefficient at every voxel, exactly.

Generalized least squares at any coefficient costs hardly more than ordinary least squares:
in a basis in which the lag-1 matrix of the design is diagonal, its normal equations are a
diagonal matrix with a correction of rank 2 for the first and the last scan, solved in closed
form for all voxels at once.

Notation: U orthonormal basis of the design, y signal, e its OLS residual, N ones on both
first off-diagonals, ρ coefficient, Q(ρ) = (1 + ρ²) - ρ N - ρ² (1 at both end points), the
inverse of the noise covariance for innovations of variance 1, M = U'QU, F first and last
row of U, Λ the diagonal of U'NU, D = 1 / (1 + ρ² - ρ Λ), z = atanh ρ, r rank, T scans.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.blocks import Block, Series, Walk, each_projected
from boldglm.glm.kernels import FloatArray
from boldglm.glm.lag_one import LagOne, LagOneAt, LagOneSolution, LagOneStatistics
from boldglm.glm.lagged_basis import neighbors
from boldglm.glm.linear_model import LinearModel
from boldglm.glm.memory import blocks_of
from boldglm.glm.moments import ContrastMoments, satterthwaite

# Where ρ is looked for, and on how many nodes, equally spaced in atanh ρ. Drift that a
# design leaves in brings ρ close to 1; beyond .99 a run is too short to tell.
LOWEST, HIGHEST, N_NODES = -0.95, 0.99, 31

# A Newton step shorter than this leaves an error of about its square.
SHORT_STEP = 3e-4

# Between nodes the criterion is taken for a polynomial through so many to either side of the best
# one, whose minimum is within a short step of the true one at nearly all voxels.
REACH = 4

# Contrast variances are functions of ρ alone: tabulated on so many points, and interpolated by
# cubic polynomials with the right slopes, they are exact to rounding.
N_TABLE = 4096
TABLE_Z = np.linspace(np.arctanh(LOWEST), np.arctanh(HIGHEST), N_TABLE)
NUMBERS_AT_ONCE = 2**16  # in each array on the way from the table to degrees of freedom
MAX_STEPS = 12


@dataclass(frozen=True, eq=False)
class AR1Estimates:
    """What first order autoregressive noise keeps of each voxel.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        Generalized least squares estimates in the orthonormal basis, of centered signals.
    means : ndarray of shape (n_voxels,)
        What centering subtracted.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared. The noise itself has the variance
        ``sigma2 / (1 - rho**2)``.
    rho : ndarray of shape (n_voxels,)
        Coefficient, estimated by restricted maximum likelihood.
    slope : ndarray of shape (n_voxels,)
        Derivative of ``log sigma2`` by z.
    z_variance : ndarray of shape (n_voxels,)
        Sampling variance of z.
    eigenvalues : ndarray of shape (rank,)
        Λ.
    ends : ndarray of shape (2, rank)
        F.
    dof : int
        Residual degrees of freedom.
    """

    coordinates: FloatArray
    means: FloatArray
    sigma2: FloatArray
    rho: FloatArray
    slope: FloatArray
    z_variance: FloatArray
    eigenvalues: FloatArray
    ends: FloatArray
    dof: int

    @property
    def ar(self) -> FloatArray:
        """Autoregressive coefficients, (1, n_voxels)."""
        return self.rho[np.newaxis]

    @property
    def left_of_simulated(self) -> None:
        """No series were simulated and kept."""
        return None

    def contrast_moments(self, rows: FloatArray) -> ContrastMoments:
        """Return covariances of estimates; see `boldglm.glm.moments`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastMoments
            Of its own kind at every voxel, with one noise parameter, z.

        Notes
        -----
        Covariance σ² C M⁻¹ C', of derivative
        σ² (C M⁻¹ C' d log σ²/dz - (1 - ρ²) C M⁻¹ (dM/dρ) M⁻¹ C').
        """
        table, q, n_voxels = self._table(rows), len(rows), self.means.size
        shape, dofs = np.empty((n_voxels, q, q)), np.empty((n_voxels, q))
        for voxels in blocks_of(n_voxels, max(NUMBERS_AT_ONCE // q**2, 1)):
            shape[voxels], gradient = self._interpolated(table, voxels)
            gradient += shape[voxels] * self.slope[voxels, np.newaxis, np.newaxis]
            spread = self.z_variance[voxels, np.newaxis, np.newaxis]
            dofs[voxels] = satterthwaite(shape[voxels], gradient[:, np.newaxis], spread, self.dof)
        return ContrastMoments(self.sigma2, shape, dofs)

    def _table(self, rows: FloatArray) -> tuple[FloatArray, ...]:
        """Return polynomials of degree 3 for C M⁻¹ C' between values of z, (N_TABLE - 1, q, q)."""
        values, slopes = self._covariance(rows, np.tanh(TABLE_Z))
        width = TABLE_Z[1] - TABLE_Z[0]
        # from values and slopes at both ends of each cell
        rise, start, stop = np.diff(values, axis=0), slopes[:-1] * width, slopes[1:] * width
        return values[:-1], start, 3 * rise - 2 * start - stop, start + stop - 2 * rise

    def _interpolated(
        self, table: tuple[FloatArray, ...], voxels: slice
    ) -> tuple[FloatArray, FloatArray]:
        """Return C M⁻¹ C' at n voxels, and its derivative by z; each (n, q, q)."""
        width = TABLE_Z[1] - TABLE_Z[0]
        where = (np.arctanh(self.rho[voxels]) - TABLE_Z[0]) / width
        cell = np.clip(where.astype(np.intp), 0, N_TABLE - 2)
        x = (where - cell)[:, np.newaxis, np.newaxis]
        a, b, c, d = (coefficients[cell] for coefficients in table)
        return a + x * (b + x * (c + x * d)), (b + x * (2 * c + x * 3 * d)) / width

    def _covariance(self, rows: FloatArray, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return C M⁻¹ C' at n values of ρ, and its derivative by z; each (n, q, q)."""
        at = LagOne(self.eigenvalues, self.ends).at(rho)
        solved = [at.solve(np.broadcast_to(row[:, np.newaxis], at.D.shape)) for row in rows]
        at_ends = [self.ends @ column for column in solved]
        q = len(rows)
        shape, slope = np.empty((rho.size, q, q)), np.empty((rho.size, q, q))
        for i in range(q):
            turned = at.slope * solved[i]
            for j in range(i, q):
                shape[:, i, j] = shape[:, j, i] = rows[j] @ solved[i]
                change = 2 * rho * (at_ends[i] * at_ends[j]).sum(axis=0)
                change -= np.einsum("rv,rv->v", turned, solved[j])
                slope[:, i, j] = slope[:, j, i] = change * (1 - rho**2)
        return shape, slope


def estimate_ar1(bold: Series, model: LinearModel, walk: Walk) -> tuple[LinearModel, AR1Estimates]:
    """Estimate every voxel by generalized least squares with its own coefficient.

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
    tuple of (LinearModel, AR1Estimates)
        The model in the basis that diagonalizes the lag-1 matrix, and the estimates. Voxels
        without any residual have ``rho`` and ``sigma2`` 0.

    Notes
    -----
    ρ minimizes the restricted likelihood [1]_, (T - r) log SSR(ρ) + log |M(ρ)| - log(1 - ρ²),
    on nodes, then by a polynomial of degree 8 and Newton's method. Given ρ the estimate is
    b + M⁻¹ g with g = U'Qe, and SSR = e'Qe - g'M⁻¹g; the variance of z is 2 over the curvature
    of the criterion. The estimate of ρ is not biased by the removal of the design, other than
    that from the residuals' own autocorrelation, which for true .4 is near .24 with 30
    regressors in 200 scans.

    References
    ----------
    .. [1] Patterson HD, Thompson R (1971). Recovery of inter-block information when block
       sizes are unequal. Biometrika 58:545-554. https://doi.org/10.1093/biomet/58.3.545

    Examples
    --------
    Noise that changes sign at every scan:

    >>> from boldglm.glm.linear_model import linear_model
    >>> signal = np.array([[1.0, -1.2, 0.9, -1.1, 1.0, -0.8, 1.1, -1.0]]).T
    >>> model, estimates = estimate_ar1(signal, linear_model(np.ones((8, 1))), Walk())
    >>> bool(estimates.rho[0] < -0.7)
    True
    """
    lag, rotation = LagOne.of(model.basis)
    model = model.rotated(rotation)
    n_voxels = bold.shape[1]
    out = {name: np.empty(n_voxels) for name in ("means", "sigma2", "rho", "slope", "z_variance")}
    coordinates = np.empty((model.rank, n_voxels))
    shifted = neighbors(model.basis, 1)
    search = _Search(lag, model.dof)

    def search_block(block: Block) -> None:
        statistics = lag_one_statistics(block, lag, shifted)
        found = search.optimum(statistics)
        coordinates[:, block.voxels] = block.coordinates + block.removed + found.delta
        out["means"][block.voxels] = block.means
        out["sigma2"][block.voxels] = np.where(block.silent, 0.0, found.ssr / model.dof)
        out["rho"][block.voxels] = np.where(block.silent, 0.0, found.rho)
        out["slope"][block.voxels] = np.where(block.silent, 0.0, found.slope)
        out["z_variance"][block.voxels] = found.z_variance

    each_projected(bold, model, walk, search_block)
    return model, AR1Estimates(
        coordinates, **out, eigenvalues=lag.eigenvalues, ends=lag.ends, dof=model.dof
    )


def lag_one_statistics(block: Block, lag: LagOne, shifted: FloatArray) -> LagOneStatistics:
    """Return what the criterion needs of each voxel, without forming residuals."""
    b, y = block.coordinates, block.signal
    w = shifted.T @ y - lag.eigenvalues[:, np.newaxis] * b
    g0 = np.where(block.silent, 1.0, block.ssr())
    products = 2 * np.einsum("tv,tv->v", y[:-1], y[1:])
    explained = np.einsum("rv,rv->v", b, 2 * w + lag.eigenvalues[:, np.newaxis] * b)
    return LagOneStatistics(w, g0, products - explained, y[[0, -1]] - lag.ends @ b)


@dataclass(frozen=True, eq=False)
class _Optimum:
    """ρ, and everything at it."""

    rho: FloatArray
    delta: FloatArray
    ssr: FloatArray
    slope: FloatArray
    z_variance: FloatArray


class _Search:
    """Minimizes the restricted likelihood criterion over ρ, for a block of voxels."""

    def __init__(self, lag: LagOne, dof: int) -> None:
        self.lag = lag
        self.dof = dof
        self.nodes = np.linspace(np.arctanh(LOWEST), np.arctanh(HIGHEST), N_NODES)
        self.step = float(self.nodes[1] - self.nodes[0])
        at = lag.at(np.tanh(self.nodes))
        self.at_nodes = at
        self.offsets = np.arange(-REACH, REACH + 1)
        vandermonde = np.vander(self.offsets.astype(float), increasing=True)
        self.through_nodes: FloatArray = np.asarray(np.linalg.inv(vandermonde), dtype=np.float64)
        self.penalty = (at.log_determinant() - np.log(1 - at.rho**2)).astype(np.float32)

    def optimum(self, statistics: LagOneStatistics) -> _Optimum:
        """Return ρ where the criterion is smallest, and what follows from it."""
        criterion = np.log(statistics.ssr_at_nodes(self.at_nodes))
        criterion *= self.dof
        criterion += self.penalty[:, np.newaxis]
        best = criterion.argmin(axis=0)
        z, curvature = self.polished(self.minimum_between(criterion, best), best, statistics)
        rho = np.tanh(z)
        found = statistics.solution(self.lag.at(rho))
        # In large samples the variance of z is 1 / (T (1 - ρ²)). It stands in where ρ is at
        # the end of its range, and it keeps a flat criterion from giving no information.
        expected = 2 * self.dof * (1 - rho**2)
        inside = (z > self.nodes[0]) & (z < self.nodes[-1])
        curvature = np.where(inside, np.maximum(curvature, 0.1 * expected), expected)
        slope = found.first / found.ssr * (1 - rho**2)
        return _Optimum(rho, found.delta, found.ssr, slope, 2 / curvature)

    def derivatives(self, at: LagOneAt, found: LagOneSolution) -> tuple[FloatArray, FloatArray]:
        """Return the first and second derivative of the criterion by z."""
        rho, ssr, log_determinant = at.rho, found.ssr, at.log_determinant_slopes()
        room = 1 - rho**2
        ratio = found.first / ssr
        by_rho = self.dof * ratio + log_determinant[0] + 2 * rho / room
        twice = self.dof * (found.second(at) / ssr - ratio**2) + log_determinant[1]
        twice += 2 * (1 + rho**2) / room**2
        return by_rho * room, twice * room**2 - 2 * rho * room * by_rho

    def minimum_between(
        self, criterion: NDArray[np.floating], best: NDArray[np.intp]
    ) -> FloatArray:
        """Return z at the minimum of the polynomial through the nodes around the best."""
        middle = np.clip(best, REACH, N_NODES - 1 - REACH)
        window = np.take_along_axis(criterion, middle + self.offsets[:, np.newaxis], axis=0)
        window = (window - window[REACH]).astype(np.float64)
        coefficients = self.through_nodes @ window
        powers = np.arange(1, 2 * REACH + 1)[:, np.newaxis]
        slopes = powers * coefficients[1:]
        curvatures = powers[:-1] * slopes[1:]
        start = (best - middle).astype(np.float64)
        lowest, highest = np.maximum(start - 1, -REACH), np.minimum(start + 1, REACH)
        x = start
        for _ in range(4):
            slope, curvature = _horner(slopes, x), _horner(curvatures, x)
            move = np.divide(slope, curvature, out=np.zeros_like(x), where=curvature > 0)
            x = np.clip(x - move, lowest, highest)
        return self.nodes[middle] + self.step * x

    def polished(
        self, z: FloatArray, best: NDArray[np.intp], statistics: LagOneStatistics
    ) -> tuple[FloatArray, FloatArray]:
        """Return z after Newton steps, between the nodes around it, and the last curvatures."""
        low = self.nodes[np.maximum(best - 1, 0)]
        high = self.nodes[np.minimum(best + 1, N_NODES - 1)]
        z, curvatures = z.copy(), np.empty_like(z)
        moving = np.arange(z.size)
        for _ in range(MAX_STEPS):
            here = z[moving]
            at = self.lag.at(np.tanh(here))
            some = statistics if moving.size == z.size else statistics.subset(moving)
            slope, curvature = self.derivatives(at, some.solution(at))
            newton = here - slope / np.where(curvature > 0, curvature, 1.0)
            downhill = np.where(slope > 0, (here + low[moving]) / 2, (here + high[moving]) / 2)
            z[moving] = np.clip(
                np.where(curvature > 0, newton, downhill), low[moving], high[moving]
            )
            curvatures[moving] = curvature
            moving = moving[np.abs(z[moving] - here) > SHORT_STEP]
            if not moving.size:
                break
        return z, curvatures


def _horner(coefficients: FloatArray, x: FloatArray) -> FloatArray:
    """Return polynomials, of rising powers, at x."""
    result = coefficients[-1].copy()
    for row in coefficients[-2::-1]:
        result *= x
        result += row
    return result
