"""Mixed effects when groups of inputs have variances of their own.

Notation, at one voxel: Q orthonormal basis of the design, y effects of the inputs, v their
variances, τ² variance between inputs, w = 1/(v + τ²), h weights of a contrast on the inputs, e
residuals, ℓ leverages.
"""

import numpy as np

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.second_level.error_models import DEPENDENT, group_members
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.reml import reml_variance
from boldglm.glm.second_level.robust_weighted import robust_by_group, robust_weighted
from boldglm.glm.second_level.variance_ratio import RatioPrior, dofs_of_groups, pooled_variance


def mixed_effects_of_groups(
    basis: FloatArray,
    rows: FloatArray,
    y: FloatArray,
    v: FloatArray,
    groups: IndexArray,
    ratio: RatioPrior | None = None,
) -> Estimates:
    """Estimate contrasts by mixed effects when each group has a variance of its own.

    Parameters
    ----------
    basis : ndarray of shape (n_inputs, rank)
        Orthonormal basis of the design.
    rows : ndarray of shape (q, rank)
        Contrast in the coordinates of the basis.
    y, v : ndarray of shape (n_inputs, n_voxels)
        Effects and their variances.
    groups : ndarray of int, of shape (n_inputs,)
        Group of each input.
    ratio : RatioPrior, optional
        Distribution over voxels of the ratio of the variances of the groups' residuals times √w,
        if there are two.

    Notes
    -----
    For t with a ratio, if both groups enter the contrast, see `mixed_effects_by_ratio`. Otherwise
    the variance between inputs is estimated in each group by itself, by restricted maximum
    likelihood, which gives the weights of `robust_weighted`.
    """
    if ratio is not None and len(rows) == 1:
        loadings = group_members(groups) @ (basis @ rows[0]) ** 2
        if loadings.min() > DEPENDENT * loadings.max():
            return mixed_effects_by_ratio(basis, rows[0], y, v, groups, ratio)
    w = np.empty_like(v)
    for group in range(int(groups.max()) + 1):
        inside = groups == group
        own = _basis(basis[inside])
        w[inside] = 1 / (v[inside] + reml_variance(own, y[inside], v[inside]))
    return robust_weighted(basis, rows, y, w)


def mixed_effects_by_ratio(
    basis: FloatArray,
    row: FloatArray,
    y: FloatArray,
    v: FloatArray,
    groups: IndexArray,
    ratio: RatioPrior,
) -> Estimates:
    r"""Test a contrast of two groups, whose ratio of variances all voxels estimate together.

    Parameters
    ----------
    basis, y, v, groups, ratio
        As for `mixed_effects_of_groups`.
    row : ndarray of shape (rank,)
        Contrast in the coordinates of the basis.

    Notes
    -----
    Weights have one τ² for both groups, so that the errors of a group have variance σ²/w with a
    factor σ² of its own. s² = Σ w e² / Σ (1 - ℓ) of each group, the distribution of their ratio
    and H = Σ h²/w give a variance V and degrees of freedom d, as for least squares
    (`pooled_variance`). V trusts the weights within groups. It is therefore multiplied by
    F = Σ h² e²/(1 - ℓ) / Σ s² H, which does not (`robust_weighted` uses the numerator alone), and

        1/dof = 1/d + Σ a² (1/d(g) - 1/ν(g)),

    with a the share of a group in Σ s² H, d(g) and ν(g) the degrees of freedom of its parts of
    the numerator and of s².
    """
    w = 1 / (v + reml_variance(basis, y, v))
    parts = robust_by_group(basis, row, y, w, group_members(groups))
    dofs = dofs_of_groups(basis, groups)
    squares = parts.mean_squares * dofs[:, np.newaxis]
    variance, dof = pooled_variance(squares, dofs, parts.loadings, ratio)
    trusting = parts.mean_squares * parts.loadings
    total = trusting.sum(axis=0)
    exact = total <= 0
    total = np.where(exact, 1.0, total)
    variance *= np.where(exact, 1.0, parts.robust.sum(axis=0) / total)
    surplus = np.maximum(1 / parts.dofs - 1 / parts.free, 0)
    dof = 1 / (1 / dof + ((trusting / total) ** 2 * surplus).sum(axis=0))
    every = np.ones(dof.size, dtype=bool)
    return Estimates(parts.effect[np.newaxis], variance[:, np.newaxis, np.newaxis], dof, every)


def _basis(design: FloatArray) -> FloatArray:
    left, singular, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, singular > 1e-10 * max(singular[0], 1.0)]
