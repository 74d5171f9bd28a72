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

    def log_determinant(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return log |M| and its first and second derivative by ρ; each (n,)."""
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
            np.log(self.determinant) - np.log(D).sum(axis=0),
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

    def ssr_at_nodes(self, nodes: LagOneAt) -> FloatArray:
        """Return the sum of squares at every node for every voxel, by three products.

        Parameters
        ----------
        nodes : LagOneAt
            Values of ρ, the same for all voxels.

        Returns
        -------
        ndarray of shape (n_nodes, n)
            e'Qe - g'M⁻¹g.
        """
        rho, q = nodes.rho[:, np.newaxis], nodes.q[:, np.newaxis]
        k00, k01, k11 = nodes.K[:, :, np.newaxis]
        first, last = self.ends
        # F D g and g'D g, from F D w and w'D w, because g = -ρ w - q F'(first, last)
        toward_first = (nodes.D * nodes.lag.ends[0][:, np.newaxis]).T @ self.w
        toward_last = (nodes.D * nodes.lag.ends[1][:, np.newaxis]).T @ self.w
        squares = nodes.D.T @ self.w**2
        from_ends = k00 * first**2 + 2 * k01 * first * last + k11 * last**2
        g_D_g = q * (squares + q * from_ends)
        g_D_g += 2 * q * rho * (toward_first * first + toward_last * last)
        p = -rho * toward_first - q * (k00 * first + k01 * last)
        s = -rho * toward_last - q * (k01 * first + k11 * last)
        scale = (nodes.q / nodes.determinant)[:, np.newaxis]
        corrected = (1 - q * k11) * p**2 + 2 * q * k01 * p * s + (1 - q * k00) * s**2
        white = (1 + q) * self.g0 - rho * self.g1 - q * (first**2 + last**2)
        return np.asarray(white - g_D_g - scale * corrected)

    def ssr_at(self, at: LagOneAt) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the GLS solution and sum of squares at one ρ per voxel.

        Parameters
        ----------
        at : LagOneAt
            One value of ρ per voxel.

        Returns
        -------
        tuple of ndarray, of shapes (rank, n), (n,), (n,) and (n,)
            What GLS adds to the OLS estimate; SSR; its first and second derivative by ρ.

        Notes
        -----
        With ε = e - Uδ the GLS residual, SSR = ε'Qε, SSR' = ε'Q'ε and
        SSR'' = ε'Q''ε - 2 u'M⁻¹u, u = U'Q'ε, since U'Qε = 0.
        """
        rho, q, F = at.rho, at.q, at.lag.ends
        eigenvalues = at.lag.eigenvalues[:, np.newaxis]
        g = -rho * self.w - q * (F.T @ self.ends)
        delta = at.solve(g)
        white = (1 + q) * self.g0 - rho * self.g1 - q * (self.ends**2).sum(axis=0)
        ssr = white - np.einsum("rv,rv->v", g, delta)
        ends = self.ends - F @ delta
        turned = eigenvalues * delta
        inner = self.g0 + np.einsum("rv,rv->v", delta, delta) - (ends**2).sum(axis=0)
        lagged = self.g1 + np.einsum("rv,rv->v", delta, turned - 2 * self.w)
        u = turned - self.w - 2 * rho * (delta + F.T @ ends)
        second = 2 * inner - 2 * np.einsum("rv,rv->v", u, at.solve(u))
        return delta, ssr, 2 * rho * inner - lagged, second
