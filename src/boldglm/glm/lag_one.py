"""The algebra of a first order autoregression in the basis of a design.

All functions of ρ here are exact and cost a few operations per voxel and basis column.

Notation as in `boldglm.glm.ar1`. With q = ρ² on the diagonal of both end points,
M = D⁻¹ - q F'F, hence M⁻¹ = D + D F' S F D with the 2 x 2 matrix S = q (1 - q K)⁻¹,
K = F D F' (Woodbury).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.kernels import FloatArray


@dataclass(frozen=True, eq=False)
class LagOne:
    """What an autoregression needs of the design.

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
    def of(cls, basis: FloatArray) -> "tuple[LagOne, FloatArray]":
        """Return this of an orthonormal basis, and the rotation that diagonalizes U'NU.

        Parameters
        ----------
        basis : ndarray of shape (n_scans, rank)
            Orthonormal columns.

        Returns
        -------
        tuple of (LagOne, ndarray of shape (rank, rank))
            For the basis ``basis @ rotation``.

        Examples
        --------
        >>> lag, rotation = LagOne.of(np.full((4, 1), 0.5))
        >>> lag.eigenvalues.tolist(), lag.ends.tolist(), rotation.tolist()
        ([1.5], [[0.5], [0.5]], [[1.0]])
        """
        half = basis[:-1].T @ basis[1:]
        eigenvalues, rotation = np.linalg.eigh(half + half.T)
        return cls(eigenvalues, basis[[0, -1]] @ rotation), rotation

    def at(self, rho: FloatArray) -> "LagOneAt":
        """Return the same at values of ρ, of shape (n,)."""
        return LagOneAt(self, rho)

    @cached_property
    def end_products(self) -> FloatArray:
        """Products of the rows of F, in the order of K: 00, 01, 11; (3, rank)."""
        first, last = self.ends
        return np.stack([first * first, first * last, last * last])


class LagOneAt:
    """M(ρ) at n values of ρ, as functions that never form it.

    Parameters
    ----------
    lag : LagOne
        Of the design.
    rho : ndarray of shape (n,)
        Values within (-1, 1).
    """

    def __init__(self, lag: LagOne, rho: FloatArray) -> None:
        self.lag = lag
        self.rho = rho
        self.q = rho**2
        self.D = 1 / (1 + self.q - np.multiply.outer(lag.eigenvalues, rho))
        self.K = lag.end_products @ self.D
        self.determinant = (1 - self.q * self.K[0]) * (1 - self.q * self.K[2])
        self.determinant -= (self.q * self.K[1]) ** 2

    @cached_property
    def slope(self) -> FloatArray:
        """Derivative of D⁻¹ by ρ: 2ρ - Λ; (rank, n)."""
        return np.subtract.outer(-self.lag.eigenvalues, -2 * self.rho)

    def correct(self, first: FloatArray, last: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return S times the vectors (first, last)."""
        scale = self.q / self.determinant
        cross = self.q * self.K[1]
        return (
            scale * ((1 - self.q * self.K[2]) * first + cross * last),
            scale * ((1 - self.q * self.K[0]) * last + cross * first),
        )

    def solve(self, right: FloatArray) -> FloatArray:
        """Return M⁻¹ times one vector per value of ρ; (rank, n)."""
        scaled = self.D * right
        first, last = self.correct(*(self.lag.ends @ scaled))
        scaled += self.D * (self.lag.ends.T @ np.stack([first, last]))
        return scaled

    def log_determinant(self) -> FloatArray:
        """Return log |M|; (n,)."""
        return np.asarray(np.log(self.determinant) - np.log(self.D).sum(axis=0))

    def log_determinant_slopes(self) -> tuple[FloatArray, FloatArray]:
        """Return the first and second derivative of log |M| by ρ; each (n,)."""
        rho, q, D = self.rho, self.q, self.D
        moved = D * self.slope
        K, K1 = self.K, self.lag.end_products @ (-D * moved)
        K2 = self.lag.end_products @ (2 * D * (moved**2 - D))
        # A = 1 - q K, in the order 00, 01, 11
        A = np.array([[1.0], [0.0], [1.0]]) - q * K
        A1 = -(2 * rho * K + q * K1)
        A2 = -(2 * K + 4 * rho * K1 + q * K2)
        one = (A1[0] * A[2] + A[0] * A1[2] - 2 * A[1] * A1[1]) / self.determinant
        two = A2[0] * A[2] + 2 * A1[0] * A1[2] + A[0] * A2[2]
        two -= 2 * (A1[1] ** 2 + A[1] * A2[1])
        return (
            moved.sum(axis=0) + one,
            (2 * D - moved**2).sum(axis=0) + two / self.determinant - one**2,
        )


@dataclass(frozen=True, eq=False)
class LagOneStatistics:
    """What the data say about an autoregression, at n voxels; e is the OLS residual.

    Parameters
    ----------
    w : ndarray of shape (rank, n)
        U'N e.
    g0 : ndarray of shape (n,)
        e'e.
    g1 : ndarray of shape (n,)
        e'N e, twice the sum of products of neighbors.
    ends : ndarray of shape (2, n)
        First and last element of e.
    """

    w: FloatArray
    g0: FloatArray
    g1: FloatArray
    ends: FloatArray

    def subset(self, voxels: NDArray[np.intp]) -> "LagOneStatistics":
        """Return the statistics of some voxels."""
        return LagOneStatistics(
            self.w[:, voxels], self.g0[voxels], self.g1[voxels], self.ends[:, voxels]
        )

    def ssr_at_nodes(self, nodes: LagOneAt) -> NDArray[np.float32]:
        """Return sums of squares at every node for every voxel, over e'e, by three products.

        Parameters
        ----------
        nodes : LagOneAt
            Values of ρ, the same for all voxels.

        Returns
        -------
        ndarray of shape (n_nodes, n)
            (e'Qe - g'M⁻¹g) / e'e, in single precision: it is to find where to look closer.
        """
        single = np.float32
        rho, q = (values[:, np.newaxis].astype(single) for values in (nodes.rho, nodes.q))
        k00, k01, k11 = nodes.K[:, :, np.newaxis].astype(single)
        scale = (nodes.q / nodes.determinant)[:, np.newaxis].astype(single)
        unit = np.sqrt(self.g0)
        w, (first, last) = (self.w / unit).astype(single), (self.ends / unit).astype(single)
        g1 = (self.g1 / self.g0).astype(single)
        # F D g and g'D g, from F D w and w'D w, because g = -ρ w - q F'(first, last)
        weights = np.concatenate([nodes.D * ends[:, np.newaxis] for ends in nodes.lag.ends], 1)
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

    def solution(self, at: LagOneAt) -> "LagOneSolution":
        """Return the GLS solution and sum of squares at one ρ per voxel.

        Parameters
        ----------
        at : LagOneAt
            One value of ρ per voxel.

        Returns
        -------
        LagOneSolution

        Notes
        -----
        With ε = e - Uδ the GLS residual, SSR = ε'Qε and SSR' = ε'Q'ε, since U'Qε = 0.
        """
        rho, q, F = at.rho, at.q, at.lag.ends
        g = -rho * self.w - q * (F.T @ self.ends)
        delta = at.solve(g)
        white = (1 + q) * self.g0 - rho * self.g1 - q * (self.ends**2).sum(axis=0)
        ssr = white - np.einsum("rv,rv->v", g, delta)
        ends = self.ends - F @ delta
        inner = self.g0 + np.einsum("rv,rv->v", delta, delta) - (ends**2).sum(axis=0)
        turned = at.lag.eigenvalues[:, np.newaxis] * delta
        turned -= self.w
        lagged = self.g1 + np.einsum("rv,rv->v", delta, turned - self.w)
        return LagOneSolution(delta, ssr, 2 * rho * inner - lagged, inner, turned, ends)


@dataclass(frozen=True, eq=False)
class LagOneSolution:
    """Generalized least squares at one ρ per voxel; ε is its residual.

    Parameters
    ----------
    delta : ndarray of shape (rank, n)
        What GLS adds to the OLS estimate.
    ssr : ndarray of shape (n,)
        ε'Qε.
    first : ndarray of shape (n,)
        Its derivative by ρ.
    inner : ndarray of shape (n,)
        ε'ε less its ends.
    turned : ndarray of shape (rank, n)
        -U'Nε.
    ends : ndarray of shape (2, n)
        First and last element of ε.
    """

    delta: FloatArray
    ssr: FloatArray
    first: FloatArray
    inner: FloatArray
    turned: FloatArray
    ends: FloatArray

    def second(self, at: LagOneAt) -> FloatArray:
        """Return the second derivative of SSR by ρ, (n,): ε'Q''ε - 2 u'M⁻¹u, u = U'Q'ε."""
        u = self.delta + at.lag.ends.T @ self.ends
        u *= -2 * at.rho
        u += self.turned
        return np.asarray(2 * self.inner - 2 * np.einsum("rv,rv->v", u, at.solve(u)))
