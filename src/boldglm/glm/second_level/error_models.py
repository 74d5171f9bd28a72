"""Errors of inputs that are not alike: variances of groups, and dependence within participants.

Notation, at one voxel: Q orthonormal basis of the design (n by r), y effects, e residuals, H the
hat matrix, ℓ its diagonal, C contrast rows in the coordinates of Q.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.variance_ratio import RatioMoments, RatioPrior, pooled_variance

DEPENDENT = 1e-9  # eigenvalue of I - H within a block that is rounding error


class TooFewInputsError(ValueError):
    """Groups or blocks of inputs are too few or too small for the test."""


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Which inputs share a variance, and which depend on each other.

    Parameters
    ----------
    variance_groups : ndarray of int, of shape (n_inputs,), optional
        Group of each input, numbered from 0; each group has a variance of its own.
    blocks : ndarray of int, of shape (n_inputs,), optional
        Participant of each input, numbered from 0; errors within a block may have any covariance.
    ratio : RatioPrior, optional
        Distribution over voxels of the ratio of the variances of two groups.

    Examples
    --------
    >>> ErrorModel.of(4, blocks=["01", "01", "02", "02"]).blocks.tolist()
    [0, 0, 1, 1]
    >>> ErrorModel.of(2, blocks=["01", "02"]).is_plain
    True
    """

    variance_groups: IndexArray | None = None
    blocks: IndexArray | None = None
    ratio: RatioPrior | None = None

    @classmethod
    def of(
        cls,
        n_inputs: int,
        variance_groups: ArrayLike | None = None,
        blocks: ArrayLike | None = None,
    ) -> "ErrorModel":
        """Number the labels of groups and blocks.

        Parameters
        ----------
        n_inputs : int
            Number of inputs.
        variance_groups, blocks : array_like of shape (n_inputs,), optional
            A label for each input. One group, and blocks of one input each, are left out.

        Raises
        ------
        ValueError
            If there is not one label for each input.
        """
        groups = _numbered(variance_groups, n_inputs, "variance_groups")
        units = _numbered(blocks, n_inputs, "blocks")
        if groups is not None and groups.max() == 0:
            groups = None
        if units is not None and units.max() == n_inputs - 1:
            units = None
        return cls(groups, units)

    @property
    def is_plain(self) -> bool:
        """Whether all inputs are independent and have one variance."""
        return self.variance_groups is None and self.blocks is None

    def among(self, inputs: IndexArray) -> "ErrorModel":
        """Return the model of some inputs."""

        def chosen(numbers: IndexArray | None) -> IndexArray | None:
            return None if numbers is None else numbers[inputs]

        model = self.of(len(inputs), chosen(self.variance_groups), chosen(self.blocks))
        return model if model.variance_groups is None else replace(model, ratio=self.ratio)

    @property
    def has_ratio(self) -> bool:
        """Whether variances are those of two groups, whose ratio can be pooled over voxels."""
        groups = self.variance_groups
        return groups is not None and self.blocks is None and int(groups.max()) == 1

    @property
    def weights(self) -> FloatArray | None:
        """Weight of each input by the pooled ratio of two variances; None if it is not known."""
        if self.ratio is None or self.variance_groups is None:
            return None
        return np.where(self.variance_groups == 0, np.exp(-self.ratio.mean), 1.0)

    def pooled(self, moments: RatioMoments | None) -> "ErrorModel":
        """Return the model with the distribution of the ratio of variances over voxels.

        Parameters
        ----------
        moments : RatioMoments or None
            Sums over voxels.
        """
        return self if moments is None else replace(self, ratio=moments.prior())


def _numbered(labels: ArrayLike | None, n_inputs: int, name: str) -> IndexArray | None:
    if labels is None:
        return None
    values = np.asarray(labels)
    if values.shape != (n_inputs,):
        raise ValueError(
            f"{name} have shape {values.shape}. Give one label for each of the {n_inputs} inputs."
        )
    return np.unique(values, return_inverse=True)[1].ravel()


def least_squares_of_groups(
    basis: FloatArray,
    rows: FloatArray,
    y: FloatArray,
    groups: IndexArray,
    ratio: RatioPrior | None = None,
) -> Estimates:
    r"""Estimate contrasts by least squares when each group has a variance of its own.

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design.
    rows : ndarray of shape (q, rank)
        Contrast in the coordinates of the basis.
    y : ndarray of shape (n_inputs, n_voxels)
        Effects.
    groups : ndarray of int, of shape (n_inputs,)
        Group of each input.
    ratio : RatioPrior, optional
        Distribution over voxels of the ratio of the variances of two groups, which replaces the
        test of Welch for t if both groups enter the contrast.

    Notes
    -----
    The variance of group g is s² = Σ e² / ν with ν = Σ (1 - ℓ) over the group [1]_, and the
    covariance of the contrast Σ s² C Q'Q C' over groups. Its degrees of freedom are those of
    `welch_james`. For two groups this is Welch's t test, for the means of several Welch's F.

    References
    ----------
    .. [1] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation inference
       for the general linear model. NeuroImage 92:381-397. doi:10.1016/j.neuroimage.2014.01.060
    """
    coefficients = basis.T @ y
    residuals = y - basis @ coefficients
    members = group_members(groups)
    dofs = members @ (1 - np.einsum("ni,ni->n", basis, basis))
    squares = members @ residuals**2
    size = members @ y**2
    squares[squares <= len(y) ** 2 * np.finfo(np.float64).eps ** 2 * size] = 0.0
    h = basis @ rows.T  # weights of the contrast on the inputs
    per_variance = np.einsum("gn,np,nq->gpq", members, h, h)
    loadings = per_variance[:, 0, 0]
    if ratio is not None and len(rows) == 1 and loadings.min() > DEPENDENT * loadings.max():
        variance, dof = pooled_variance(squares, dofs, loadings, ratio)
        every = np.ones(dof.size, dtype=bool)
        return Estimates(rows @ coefficients, variance[:, np.newaxis, np.newaxis], dof, every)
    parts = np.einsum("gv,gpq->gvpq", squares / dofs[:, np.newaxis], per_variance)
    return _of_groups(rows @ coefficients, parts, dofs[:, np.newaxis])


def _of_groups(effects: FloatArray, parts: FloatArray, dofs: FloatArray) -> Estimates:
    """Add the covariances of groups, (n_groups, n_voxels, q, q)."""
    covariance = parts.sum(axis=0)
    factor, dof = welch_james(parts, covariance, dofs)
    return Estimates(
        effects,
        covariance * factor[:, np.newaxis, np.newaxis],
        dof,
        np.ones(dof.size, dtype=bool),
    )


def welch_james(
    parts: FloatArray, covariance: FloatArray, dofs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the correction of a covariance that is a sum over groups, and degrees of freedom.

    Parameters
    ----------
    parts : ndarray of shape (n_groups, n_voxels, q, q)
        Covariance that each group contributes.
    covariance : ndarray of shape (n_voxels, q, q)
        Their sum.
    dofs : ndarray of shape (n_groups, n_voxels) or (n_groups, 1)
        Degrees of freedom of each part.

    Returns
    -------
    factor, dof : ndarray of shape (n_voxels,)
        The Wald statistic with factor times the covariance, divided by q, has an F distribution
        with q and dof degrees of freedom.

    Notes
    -----
    With V the sum, R = V⁻¹ V(g) and A = Σ (tr(R²) + tr(R)²) / (2 ν(g)), the factor is
    (q + 2A - 6A/(q + 2)) / q, and the degrees of freedom are q (q + 2) / (3A) [1]_. For q = 1
    these are 1 and the degrees of freedom of Welch and Satterthwaite [2]_; for the means of
    several groups those of Welch's F test [3]_.

    References
    ----------
    .. [1] Johansen S (1980). The Welch-James approximation to the distribution of the residual
       sum of squares in a weighted linear regression. Biometrika 67:85-92.
       doi:10.1093/biomet/67.1.85
    .. [2] Satterthwaite FE (1946). An approximate distribution of estimates of variance
       components. Biometrics Bulletin 2:110-114. doi:10.2307/3002019
    .. [3] Welch BL (1951). On the comparison of several mean values: an alternative approach.
       Biometrika 38:330-336. doi:10.1093/biomet/38.3-4.330

    Examples
    --------
    Two groups of 6 with equal variances have 10 degrees of freedom:

    >>> parts = np.ones((2, 1, 1, 1))
    >>> factor, dof = welch_james(parts, parts.sum(axis=0), np.array([[5.0], [5.0]]))
    >>> factor.tolist(), dof.round(6).tolist()
    ([1.0], [10.0])
    """
    q = parts.shape[-1]
    if q == 1:
        total = covariance[:, 0, 0]
        shares = np.divide(parts[..., 0, 0], total, out=np.ones(parts.shape[:2]), where=total > 0)
        return np.ones(total.size), 1 / (shares**2 / dofs).sum(axis=0)
    singular = covariance.trace(axis1=1, axis2=2) <= 0
    shares = np.linalg.solve(np.where(singular[:, None, None], np.eye(q), covariance), parts)
    traces = np.einsum("gvii->gv", shares)
    squares = np.einsum("gvij,gvji->gv", shares, shares)
    A = np.maximum(((squares + traces**2) / (2 * dofs)).sum(axis=0), np.finfo(float).tiny)
    return 1 + (2 * A - 6 * A / (q + 2)) / q, q * (q + 2) / (3 * A)


def group_members(groups: IndexArray) -> FloatArray:
    """Return indicators of groups, shape (n_groups, n_inputs).

    Parameters
    ----------
    groups : ndarray of int, of shape (n_inputs,)
        Group of each input.
    """
    return np.asarray(groups == np.arange(groups.max() + 1)[:, np.newaxis], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class BlockVariance:
    """The covariance of a contrast that is robust to dependence within blocks.

    Parameters
    ----------
    rows : tuple of ndarray of shape (q, n_in_block)
        What is multiplied by the residuals of each block.
    members : tuple of ndarray of int
        Inputs of each block.
    factor, dof : float
        Correction of the covariance, and degrees of freedom of the denominator.

    Notes
    -----
    The covariance is Σ u u' over blocks, with u = C Q' (I - H)^(-1/2) e in a block (CR2): unbiased
    if errors are in truth independent with one variance [1]_. The degrees of freedom are those of
    the same case: of Bell and McCaffrey for t [1]_, and of Hotelling's T² for F [2]_. A mean over
    equally many inputs of each participant gives the t test of the participants' means, and pairs
    give the paired t test.

    References
    ----------
    .. [1] Bell RM, McCaffrey DF (2002). Bias reduction in standard errors for linear regression
       with multi-stage samples. Survey Methodology 28:169-181.
    .. [2] Pustejovsky JE, Tipton E (2018). Small-sample methods for cluster-robust variance
       estimation and hypothesis testing in fixed effects models. Journal of Business and Economic
       Statistics 36:672-683. doi:10.1080/07350015.2016.1247004
    """

    rows: tuple[FloatArray, ...]
    members: tuple[IndexArray, ...]
    factor: float
    dof: float

    @classmethod
    def of(cls, basis: FloatArray, rows: FloatArray, blocks: IndexArray) -> "BlockVariance":
        """Compute everything that does not depend on the effects.

        Parameters
        ----------
        basis : ndarray of shape (n_inputs, rank)
            Orthonormal basis of the design.
        rows : ndarray of shape (q, rank)
            Contrast in the coordinates of the basis.
        blocks : ndarray of int, of shape (n_inputs,)
            Block of each input.
        """
        members = tuple(np.flatnonzero(blocks == block) for block in np.unique(blocks))
        adjusted = []
        for inputs in members:
            own = basis[inputs]
            values, vectors = np.linalg.eigh(np.eye(len(inputs)) - own @ own.T)
            kept = values > DEPENDENT
            root = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
            adjusted.append(rows @ own.T @ root)
        factor, dof = _hotelling(basis, adjusted, members)
        return cls(tuple(adjusted), members, factor, dof)

    def covariance(self, residuals: FloatArray) -> FloatArray:
        """Return the corrected covariance of the contrast, (n_voxels, q, q).

        Parameters
        ----------
        residuals : ndarray of shape (n_inputs, n_voxels)
            Residuals of least squares.
        """
        u = np.stack(
            [
                rows @ residuals[inputs]
                for rows, inputs in zip(self.rows, self.members, strict=True)
            ]
        )
        return np.asarray(self.factor * np.einsum("gpv,gqv->vpq", u, u))


def _hotelling(
    basis: FloatArray, rows: list[FloatArray], members: tuple[IndexArray, ...]
) -> tuple[float, float]:
    """Return the correction of the covariance and the degrees of freedom; NaN if there are none.

    With D the covariance in units of its expectation, η = q (q + 1) / Σ var(D) over its elements.
    """
    q, n = len(rows[0]), len(basis)
    by_block = []  # rows on the errors of all inputs, (q, n_inputs)
    for own, inputs in zip(rows, members, strict=True):
        spread = np.zeros((q, n))
        spread[:, inputs] = own
        by_block.append(spread - own @ basis[inputs] @ basis.T)
    g = np.stack(by_block)  # (n_blocks, q, n_inputs)
    expected = np.einsum("gpn,gqn->pq", g, g)
    values, vectors = np.linalg.eigh(expected)
    if values[0] <= DEPENDENT * values[-1]:
        return np.nan, np.nan
    g = np.einsum("pq,gqn->gpn", (vectors / np.sqrt(values)) @ vectors.T, g)
    products = np.einsum("gpn,hqn->ghpq", g, g)
    same = np.einsum("ghpp,ghqq->", products, products)
    crossed = np.einsum("ghpq,ghqp->", products, products)
    eta = q * (q + 1) / (same + crossed)
    dof = eta - q + 1
    return (float(eta / dof), float(dof)) if dof > 0 else (np.nan, np.nan)


def least_squares_of_blocks(
    basis: FloatArray, rows: FloatArray, y: FloatArray, blocks: IndexArray
) -> Estimates:
    """Estimate contrasts by least squares when inputs of a block depend on each other.

    Parameters
    ----------
    basis, rows, y
        As for `least_squares_of_groups`.
    blocks : ndarray of int, of shape (n_inputs,)
        Block of each input.

    See Also
    --------
    BlockVariance : The variance that is used.
    """
    model = BlockVariance.of(basis, rows, blocks)
    coefficients = basis.T @ y
    residuals = y - basis @ coefficients
    n_voxels = y.shape[1]
    if np.isnan(model.dof):
        return Estimates.zeros(len(rows), n_voxels)
    size = np.einsum("nv,nv->v", y, y)
    rounding = len(y) ** 2 * np.finfo(np.float64).eps ** 2 * size
    residuals[:, np.einsum("nv,nv->v", residuals, residuals) <= rounding] = 0.0
    return Estimates(
        rows @ coefficients,
        model.covariance(residuals),
        np.full(n_voxels, model.dof),
        np.ones(n_voxels, dtype=bool),
    )
