"""AR(1) noise with a separate coefficient at every voxel, without approximation.

Generalized least squares with any coefficient costs hardly more than ordinary least squares. In
a basis in which the lag-1 matrix of the design is diagonal, the normal equations are a diagonal
matrix with a correction of rank 2 for the first and the last scan. They are solved in closed
form for all voxels at once.

The module has, in this order, the algebra of the design (`AR1Design`, `AR1NormalMatrices`) and
of the residuals (`AR1Residuals`, `AR1Solution`), the search for the coefficient by restricted
maximum likelihood, and the estimates (`AR1Estimates`, `estimate_ar1`).

Notation: U orthonormal basis of the design, y signal, e its OLS residual, N matrix with ones on
the first off-diagonals, ρ coefficient, Q(ρ) = (1 + ρ²) - ρ N - ρ² (1 at the first and the last
scan) inverse of the noise covariance for innovations of variance 1, M = U'QU, F first and last
row of U, Λ diagonal of U'NU, D = 1 / (1 + ρ² - ρ Λ), K = F D F', S matrix of the correction for
both ends (M⁻¹ = D + D F'S F D), z = atanh ρ, r rank, T scans.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.types import Float32Array, FloatArray, IndexArray, RealArray
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.blocks import Block, BoldSeries, Chunks, each_projected
from boldglm.glm.noise.contrast_variance import ContrastVariance, satterthwaite
from boldglm.glm.noise.gls import lagged_sum

# Range of the search for ρ and number of its nodes, which are equally spaced in atanh ρ. Drift
# that a design does not model brings ρ close to 1; beyond .99 a run is too short to tell.
LOWEST, HIGHEST, N_NODES = -0.95, 0.99, 31

# A Newton step shorter than this leaves an error of about its square.
SHORT_STEP = 3e-4

# Between nodes, the criterion is approximated by a polynomial through this many nodes on either
# side of the best one. At nearly all voxels its minimum is within a short step of the true one.
REACH = 4

# Contrast variances depend on the data through ρ alone. They are tabulated at this many points
# and interpolated by cubic polynomials with matching slopes, which is exact to rounding.
N_TABLE = 4096
TABLE_Z = np.linspace(np.arctanh(LOWEST), np.arctanh(HIGHEST), N_TABLE)
NUMBERS_AT_ONCE = 2**16  # size of temporary arrays for degrees of freedom
MAX_STEPS = 12


@dataclass(frozen=True, eq=False)
class AR1Design:
    """Properties of the design that AR(1) noise depends on.

    Parameters
    ----------
    eigenvalues : ndarray of shape (rank,)
        Λ, the diagonal of U'NU; within (-2, 2).
    ends : ndarray of shape (2, rank)
        F, first and last row of U.
    """

    eigenvalues: FloatArray
    ends: FloatArray

    @classmethod
    def of(cls, basis: FloatArray) -> "tuple[AR1Design, FloatArray]":
        """Rotate an orthonormal basis so that U'NU is diagonal.

        Parameters
        ----------
        basis : ndarray of shape (n_scans, rank)
            Orthonormal columns.

        Returns
        -------
        tuple of (AR1Design, ndarray of shape (rank, rank))
            The design in the basis ``basis @ rotation``, and the rotation.

        Examples
        --------
        >>> design, rotation = AR1Design.of(np.full((4, 1), 0.5))
        >>> design.eigenvalues.tolist(), design.ends.tolist(), rotation.tolist()
        ([1.5], [[0.5], [0.5]], [[1.0]])
        """
        half = basis[:-1].T @ basis[1:]
        eigenvalues, rotation = np.linalg.eigh(half + half.T)
        return cls(eigenvalues, basis[[0, -1]] @ rotation), rotation

    def at(self, rho: FloatArray) -> "AR1NormalMatrices":
        """Return the normal matrices at values of ρ, (n,)."""
        return AR1NormalMatrices(self, rho)

    @cached_property
    def end_products(self) -> FloatArray:
        """Products of the rows of F in the order 00, 01, 11, as for K; (3, rank)."""
        first, last = self.ends
        return np.stack([first * first, first * last, last * last])


class AR1NormalMatrices:
    """M(ρ) at n values of ρ: products and determinants that never form the matrices.

    Parameters
    ----------
    design : AR1Design
        Properties of the design.
    rho : ndarray of shape (n,)
        Values within (-1, 1).
    """

    def __init__(self, design: AR1Design, rho: FloatArray) -> None:
        self.design = design
        self.rho = rho
        self.q = rho**2
        self.D = 1 / (1 + self.q - np.multiply.outer(design.eigenvalues, rho))
        self.K = design.end_products @ self.D
        self.determinant = (1 - self.q * self.K[0]) * (1 - self.q * self.K[2])
        self.determinant -= (self.q * self.K[1]) ** 2

    @cached_property
    def slope(self) -> FloatArray:
        """Derivative of D⁻¹ with respect to ρ, 2ρ - Λ; (rank, n)."""
        return np.subtract.outer(-self.design.eigenvalues, -2 * self.rho)

    def correct(self, first: FloatArray, last: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return S times the vectors with the elements `first` and `last`; each (n,)."""
        scale = self.q / self.determinant
        cross = self.q * self.K[1]
        return (
            scale * ((1 - self.q * self.K[2]) * first + cross * last),
            scale * ((1 - self.q * self.K[0]) * last + cross * first),
        )

    def solve(self, right: FloatArray) -> FloatArray:
        """Return M⁻¹ times one vector for each value of ρ; (rank, n)."""
        scaled = self.D * right
        first, last = self.correct(*(self.design.ends @ scaled))
        scaled += self.D * (self.design.ends.T @ np.stack([first, last]))
        return scaled

    def log_determinant(self) -> FloatArray:
        """Return log |M|; (n,)."""
        return np.asarray(np.log(self.determinant) - np.log(self.D).sum(axis=0))

    def log_determinant_slopes(self) -> tuple[FloatArray, FloatArray]:
        """Return the first and second derivative of log |M| with respect to ρ; each (n,)."""
        rho, q, D = self.rho, self.q, self.D
        change = D * self.slope
        K, K1 = self.K, self.design.end_products @ (-D * change)
        K2 = self.design.end_products @ (2 * D * (change**2 - D))
        # A = 1 - q K, in the order 00, 01, 11
        A = np.array([[1.0], [0.0], [1.0]]) - q * K
        A1 = -(2 * rho * K + q * K1)
        A2 = -(2 * K + 4 * rho * K1 + q * K2)
        first = (A1[0] * A[2] + A[0] * A1[2] - 2 * A[1] * A1[1]) / self.determinant
        second = A2[0] * A[2] + 2 * A1[0] * A1[2] + A[0] * A2[2]
        second -= 2 * (A1[1] ** 2 + A[1] * A2[1])
        return (
            change.sum(axis=0) + first,
            (2 * D - change**2).sum(axis=0) + second / self.determinant - first**2,
        )


@dataclass(frozen=True, eq=False)
class AR1Residuals:
    """Statistics of the OLS residuals e of n voxels that the likelihood of ρ depends on.

    Parameters
    ----------
    w : ndarray of shape (rank, n)
        U'N e.
    g0 : ndarray of shape (n,)
        e'e.
    g1 : ndarray of shape (n,)
        e'N e, twice the sum of products of successive scans.
    ends : ndarray of shape (2, n)
        First and last element of e.
    """

    w: FloatArray
    g0: FloatArray
    g1: FloatArray
    ends: FloatArray

    def subset(self, voxels: IndexArray) -> "AR1Residuals":
        """Return the statistics of a subset of the voxels."""
        return AR1Residuals(
            self.w[:, voxels], self.g0[voxels], self.g1[voxels], self.ends[:, voxels]
        )

    def ssr_at_nodes(self, nodes: AR1NormalMatrices) -> Float32Array:
        """Return the GLS sum of squares over e'e for every node and voxel, by three products.

        Parameters
        ----------
        nodes : AR1NormalMatrices
            Normal matrices at the nodes, the same for all voxels.

        Returns
        -------
        ndarray of shape (n_nodes, n)
            (e'Qe - g'M⁻¹g) / e'e in single precision, which is enough to find the best node.
        """
        single = np.float32
        rho, q = (values[:, np.newaxis].astype(single) for values in (nodes.rho, nodes.q))
        k00, k01, k11 = nodes.K[:, :, np.newaxis].astype(single)
        scale = (nodes.q / nodes.determinant)[:, np.newaxis].astype(single)
        unit = np.sqrt(self.g0)
        w, (first, last) = (self.w / unit).astype(single), (self.ends / unit).astype(single)
        g1 = (self.g1 / self.g0).astype(single)
        # F D g and g'D g, from F D w and w'D w, because g = -ρ w - q F'(first, last)
        weights = np.concatenate([nodes.D * ends[:, np.newaxis] for ends in nodes.design.ends], 1)
        toward_first, toward_last = np.split(weights.T.astype(single) @ w, 2)
        squares = nodes.D.T.astype(single) @ (w * w)
        at_first, at_last = k00 * first + k01 * last, k01 * first + k11 * last
        p = rho * toward_first
        s = rho * toward_last
        g_D_g = q * (squares + q * (at_first * first + at_last * last))
        g_D_g += 2 * q * (p * first + s * last)
        p += q * at_first
        s += q * at_last
        corrected = (1 - q * k11) * p * p + 2 * q * k01 * p * s + (1 - q * k00) * s * s
        white = (1 + q) - rho * g1 - q * (first * first + last * last)
        white -= g_D_g
        white -= scale * corrected
        return np.asarray(white, dtype=single)

    def solution(self, at: AR1NormalMatrices) -> "AR1Solution":
        """Return the GLS solution and sum of squares at one ρ per voxel.

        Parameters
        ----------
        at : AR1NormalMatrices
            Normal matrices at one value of ρ per voxel.

        Returns
        -------
        AR1Solution

        Notes
        -----
        With ε = e - Uδ the GLS residual, SSR = ε'Qε and SSR' = ε'Q'ε, since U'Qε = 0.
        """
        rho, q, F = at.rho, at.q, at.design.ends
        g = -rho * self.w - q * (F.T @ self.ends)
        delta = at.solve(g)
        white = (1 + q) * self.g0 - rho * self.g1 - q * (self.ends**2).sum(axis=0)
        ssr = white - np.einsum("rv,rv->v", g, delta)
        ends = self.ends - F @ delta
        inner = self.g0 + np.einsum("rv,rv->v", delta, delta) - (ends**2).sum(axis=0)
        lagged = at.design.eigenvalues[:, np.newaxis] * delta
        lagged -= self.w
        products = self.g1 + np.einsum("rv,rv->v", delta, lagged - self.w)
        return AR1Solution(delta, ssr, 2 * rho * inner - products, inner, lagged, ends)


@dataclass(frozen=True, eq=False)
class AR1Solution:
    """Generalized least squares at one ρ per voxel, with residual ε.

    Parameters
    ----------
    delta : ndarray of shape (rank, n)
        Difference between the GLS and the OLS estimate.
    ssr : ndarray of shape (n,)
        ε'Qε.
    first : ndarray of shape (n,)
        Derivative of `ssr` with respect to ρ.
    inner : ndarray of shape (n,)
        ε'ε without the first and the last scan.
    lagged : ndarray of shape (rank, n)
        -U'Nε.
    ends : ndarray of shape (2, n)
        First and last element of ε.
    """

    delta: FloatArray
    ssr: FloatArray
    first: FloatArray
    inner: FloatArray
    lagged: FloatArray
    ends: FloatArray

    def second(self, at: AR1NormalMatrices) -> FloatArray:
        """Return the second derivative of SSR, ε'Q''ε - 2 u'M⁻¹u with u = U'Q'ε; (n,)."""
        u = self.delta + at.design.ends.T @ self.ends
        u *= -2 * at.rho
        u += self.lagged
        return np.asarray(2 * self.inner - 2 * np.einsum("rv,rv->v", u, at.solve(u)))


def ar1_residuals(block: Block, design: AR1Design, neighbors: FloatArray) -> AR1Residuals:
    """Return the statistics of the residuals of a block, without forming the residuals.

    Parameters
    ----------
    block : Block
        Voxels, projected onto the basis of `design`.
    design : AR1Design
        Properties of the design.
    neighbors : ndarray of shape (n_scans, rank)
        N U.

    Returns
    -------
    AR1Residuals
        Voxels without variance have ``g0`` 1.
    """
    b, y = block.coordinates, block.signal
    w = neighbors.T @ y - design.eigenvalues[:, np.newaxis] * b
    g0 = np.where(block.without_variance, 1.0, block.ssr())
    products = 2 * np.einsum("tv,tv->v", y[:-1], y[1:])
    explained = np.einsum("rv,rv->v", b, 2 * w + design.eigenvalues[:, np.newaxis] * b)
    return AR1Residuals(w, g0, products - explained, y[[0, -1]] - design.ends @ b)


@dataclass(frozen=True, eq=False)
class _Optimum:
    """ρ at the minimum of the criterion, and the GLS solution there; see `AR1Estimates`."""

    rho: FloatArray
    delta: FloatArray
    ssr: FloatArray
    slope: FloatArray
    z_variance: FloatArray


class _Search:
    """Minimizes the criterion of restricted maximum likelihood over ρ for a block of voxels."""

    def __init__(self, design: AR1Design, dof: int) -> None:
        self.design = design
        self.dof = dof
        self.nodes = np.linspace(np.arctanh(LOWEST), np.arctanh(HIGHEST), N_NODES)
        self.step = float(self.nodes[1] - self.nodes[0])
        at = design.at(np.tanh(self.nodes))
        self.at_nodes = at
        self.offsets = np.arange(-REACH, REACH + 1)
        vandermonde = np.vander(self.offsets.astype(float), increasing=True)
        self.through_nodes: FloatArray = np.asarray(np.linalg.inv(vandermonde), dtype=np.float64)
        self.penalty = (at.log_determinant() - np.log(1 - at.rho**2)).astype(np.float32)

    def optimum(self, statistics: AR1Residuals) -> _Optimum:
        """Return ρ where the criterion is smallest, and the solution there."""
        criterion = np.log(statistics.ssr_at_nodes(self.at_nodes))
        criterion *= self.dof
        criterion += self.penalty[:, np.newaxis]
        best = criterion.argmin(axis=0)
        z, curvature = self.polished(self.minimum_between(criterion, best), best, statistics)
        rho = np.tanh(z)
        solution = statistics.solution(self.design.at(rho))
        # In large samples the variance of z is 1 / (T (1 - ρ²)). This replaces the curvature
        # where ρ is at the end of its range, and bounds it from below where the criterion is flat.
        expected = 2 * self.dof * (1 - rho**2)
        inside = (z > self.nodes[0]) & (z < self.nodes[-1])
        curvature = np.where(inside, np.maximum(curvature, 0.1 * expected), expected)
        slope = solution.first / solution.ssr * (1 - rho**2)
        return _Optimum(rho, solution.delta, solution.ssr, slope, 2 / curvature)

    def derivatives(
        self, at: AR1NormalMatrices, solution: AR1Solution
    ) -> tuple[FloatArray, FloatArray]:
        """Return the first and second derivative of the criterion with respect to z."""
        rho, ssr, log_determinant = at.rho, solution.ssr, at.log_determinant_slopes()
        slope = 1 - rho**2  # of ρ with respect to z
        ratio = solution.first / ssr
        by_rho = self.dof * ratio + log_determinant[0] + 2 * rho / slope
        twice = self.dof * (solution.second(at) / ssr - ratio**2) + log_determinant[1]
        twice += 2 * (1 + rho**2) / slope**2
        return by_rho * slope, twice * slope**2 - 2 * rho * slope * by_rho

    def minimum_between(self, criterion: RealArray, best: IndexArray) -> FloatArray:
        """Return z at the minimum of the polynomial through the nodes around the best one."""
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
        self, z: FloatArray, best: IndexArray, statistics: AR1Residuals
    ) -> tuple[FloatArray, FloatArray]:
        """Refine z by Newton steps within the nodes next to the best; return z and curvature."""
        low = self.nodes[np.maximum(best - 1, 0)]
        high = self.nodes[np.minimum(best + 1, N_NODES - 1)]
        z, curvatures = z.copy(), np.empty_like(z)
        moving = np.arange(z.size)
        for _ in range(MAX_STEPS):
            here = z[moving]
            at = self.design.at(np.tanh(here))
            subset = statistics if moving.size == z.size else statistics.subset(moving)
            slope, curvature = self.derivatives(at, subset.solution(at))
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
    """Evaluate polynomials at x; coefficients in order of rising powers."""
    result = coefficients[-1].copy()
    for row in coefficients[-2::-1]:
        result *= x
        result += row
    return result


@dataclass(frozen=True, eq=False)
class AR1Estimates:
    """Estimates of the AR(1) noise model at every voxel.

    Parameters
    ----------
    coordinates : ndarray of shape (rank, n_voxels)
        GLS estimates in the orthonormal basis, from centered signals.
    means : ndarray of shape (n_voxels,)
        Mean that was subtracted from each signal.
    sigma2 : ndarray of shape (n_voxels,)
        Variance of the innovations, signal units squared. The variance of the noise is
        ``sigma2 / (1 - rho**2)``.
    rho : ndarray of shape (n_voxels,)
        Coefficient, estimated by restricted maximum likelihood.
    slope : ndarray of shape (n_voxels,)
        Derivative of ``log sigma2`` with respect to z.
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
    def simulated_autocorrelations(self) -> None:
        """None: this noise model simulates no series."""
        return None

    def contrast_variance(self, rows: FloatArray) -> ContrastVariance:
        """Return the covariance of contrasts; see `boldglm.glm.noise.contrast_variance`.

        Parameters
        ----------
        rows : ndarray of shape (q, rank)
            Contrasts in the orthonormal basis.

        Returns
        -------
        ContrastVariance
            A covariance for every voxel, with degrees of freedom for one noise parameter, z.

        Notes
        -----
        The covariance is σ² C M⁻¹ C', and its derivative with respect to z is
        σ² (C M⁻¹ C' d log σ²/dz - (1 - ρ²) C M⁻¹ (dM/dρ) M⁻¹ C').
        """
        table, q, n_voxels = self._table(rows), len(rows), self.means.size
        covariance, dof = np.empty((n_voxels, q, q)), np.empty((n_voxels, q))
        for voxels in blocks_of(n_voxels, max(NUMBERS_AT_ONCE // q**2, 1)):
            block, gradient = self._interpolated(table, voxels)
            gradient += block * self.slope[voxels, np.newaxis, np.newaxis]
            z_variance = self.z_variance[voxels, np.newaxis, np.newaxis]
            covariance[voxels] = block
            dof[voxels] = satterthwaite(block, gradient[:, np.newaxis], z_variance, self.dof)
        return ContrastVariance(self.sigma2, covariance, dof)

    def _table(self, rows: FloatArray) -> tuple[FloatArray, ...]:
        """Return cubic coefficients of C M⁻¹ C' in each cell of the table; (N_TABLE - 1, q, q)."""
        values, slopes = self._covariance(rows, np.tanh(TABLE_Z))
        width = TABLE_Z[1] - TABLE_Z[0]
        # from values and slopes at both ends of each cell
        rise, start, stop = np.diff(values, axis=0), slopes[:-1] * width, slopes[1:] * width
        return values[:-1], start, 3 * rise - 2 * start - stop, start + stop - 2 * rise

    def _interpolated(
        self, table: tuple[FloatArray, ...], voxels: slice
    ) -> tuple[FloatArray, FloatArray]:
        """Return C M⁻¹ C' of n voxels and its derivative with respect to z; each (n, q, q)."""
        width = TABLE_Z[1] - TABLE_Z[0]
        position = (np.arctanh(self.rho[voxels]) - TABLE_Z[0]) / width
        cell = np.clip(position.astype(np.intp), 0, N_TABLE - 2)
        x = (position - cell)[:, np.newaxis, np.newaxis]
        a, b, c, d = (coefficients[cell] for coefficients in table)
        return a + x * (b + x * (c + x * d)), (b + x * (2 * c + x * 3 * d)) / width

    def _covariance(self, rows: FloatArray, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return C M⁻¹ C' at n values of ρ, and its derivatives with respect to z; (n, q, q)."""
        at = AR1Design(self.eigenvalues, self.ends).at(rho)
        solved = [at.solve(np.broadcast_to(row[:, np.newaxis], at.D.shape)) for row in rows]
        at_ends = [self.ends @ column for column in solved]
        q = len(rows)
        covariance, slope = np.empty((rho.size, q, q)), np.empty((rho.size, q, q))
        for i in range(q):
            weighted = at.slope * solved[i]
            for j in range(i, q):
                covariance[:, i, j] = covariance[:, j, i] = rows[j] @ solved[i]
                change = 2 * rho * (at_ends[i] * at_ends[j]).sum(axis=0)
                change -= np.einsum("rv,rv->v", weighted, solved[j])
                slope[:, i, j] = slope[:, j, i] = change * (1 - rho**2)
        return covariance, slope


def estimate_ar1(
    bold: BoldSeries, model: LinearModel, chunks: Chunks
) -> tuple[LinearModel, AR1Estimates]:
    """Fit every voxel by generalized least squares with its own AR(1) coefficient.

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
    tuple of (LinearModel, AR1Estimates)
        The design in the basis that diagonalizes the lag-1 matrix, and the estimates. Voxels
        without variance have ``rho`` and ``sigma2`` 0.

    Notes
    -----
    ρ maximizes the restricted likelihood [1]_: it minimizes the criterion
    (T - r) log SSR(ρ) + log |M(ρ)| - log(1 - ρ²), first on nodes, then by a polynomial of
    degree 8 and Newton's method. Given ρ, the estimate is b + M⁻¹ g with g = U'Qe, and
    SSR = e'Qe - g'M⁻¹g. The variance of z is 2 divided by the curvature of the criterion.

    Restricted likelihood corrects for the design, which makes residuals less autocorrelated than
    the noise: with 30 regressors in 200 scans, the lag-1 autocorrelation of residuals is near .24
    where ρ is .4.

    References
    ----------
    .. [1] Patterson HD, Thompson R (1971). Recovery of inter-block information when block
       sizes are unequal. Biometrika 58:545-554. https://doi.org/10.1093/biomet/58.3.545

    Examples
    --------
    Noise that changes its sign at every scan:

    >>> from boldglm.glm.design.linear_model import linear_model
    >>> signal = np.array([[1.0, -1.2, 0.9, -1.1, 1.0, -0.8, 1.1, -1.0]]).T
    >>> model, estimates = estimate_ar1(signal, linear_model(np.ones((8, 1))), Chunks())
    >>> bool(estimates.rho[0] < -0.7)
    True
    """
    design, rotation = AR1Design.of(model.basis)
    model = model.rotated(rotation)
    n_voxels = bold.shape[1]
    out = {name: np.empty(n_voxels) for name in ("means", "sigma2", "rho", "slope", "z_variance")}
    coordinates = np.empty((model.rank, n_voxels))
    neighbors = lagged_sum(model.basis, 1)
    search = _Search(design, model.dof)

    def search_block(block: Block) -> None:
        optimum = search.optimum(ar1_residuals(block, design, neighbors))
        coordinates[:, block.voxels] = block.coordinates + block.removed + optimum.delta
        out["means"][block.voxels] = block.means
        out["sigma2"][block.voxels] = np.where(
            block.without_variance, 0.0, optimum.ssr / model.dof
        )
        out["rho"][block.voxels] = np.where(block.without_variance, 0.0, optimum.rho)
        out["slope"][block.voxels] = np.where(block.without_variance, 0.0, optimum.slope)
        out["z_variance"][block.voxels] = optimum.z_variance

    each_projected(bold, model, chunks, search_block)
    return model, AR1Estimates(
        coordinates, **out, eigenvalues=design.eigenvalues, ends=design.ends, dof=model.dof
    )
