"""The share of variance that the task explains of what the other columns leave.

Notation: X_T columns of the task, X_0 all other columns, q rank of X_T without what X_0 explains
of it, ν residual degrees of freedom.
"""

from collections.abc import Sequence

import numpy as np

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.first_level.fit import Fit
from boldglm.glm.first_level.slice_fit import SliceFit

# Part of a column outside the span of the others, relative to its length, below which it is none.
NOTHING_LEFT = 1e-6


def partial_r_squared(
    fit: Fit | SliceFit, design: Design, columns: Sequence[int] | None = None
) -> FloatArray:
    """Return the share of variance that some columns explain of what all others leave.

    Parameters
    ----------
    fit : Fit
        Fit of the design.
    design : Design
        The design; of slices with designs of their own, that at the reference time.
    columns : sequence of int, optional
        By default those of the conditions.

    Returns
    -------
    ndarray of shape (n_voxels,)
        From 0 to 1, of the data after prewhitening; zeros if the other columns explain all of
        these.

    See Also
    --------
    boldglm.glm.r_squared : Share that the whole design explains, drift and confounds included.

    Notes
    -----
    q F / (q F + ν), where F tests all columns together. With white noise, that is
    (RSS_0 - RSS) / RSS_0 with the residual sums of squares of the designs without and with X_T;
    with autocorrelated noise, the same of prewhitened data [1]_. Without any effect it is about
    q / (q + ν).

    References
    ----------
    .. [1] Edwards LJ et al. (2008). An R² statistic for fixed effects in the linear mixed model.
       Statistics in Medicine 27:6137-6157. https://doi.org/10.1002/sim.3429

    Examples
    --------
    >>> from boldglm.glm import fit
    >>> task, slope = np.array([1.0, -1, -1, 1]), np.array([-3.0, -1, 1, 3])
    >>> design = Design(np.column_stack([task, slope, np.ones(4)]), ["task", "slope", "constant"],
    ...                 np.arange(4.0), ["condition", "drift", "constant"])
    >>> bold = np.column_stack([3 * task + 9 * slope + np.array([-1.0, 3, -3, 1]) + 50])
    >>> partial_r_squared(fit(bold, design, noise="ols"), design).round(3).tolist()
    [0.643]
    """
    chosen = design.columns("condition") if columns is None else list(columns)
    weights = _testable_weights(design.matrix, chosen)
    if not len(weights):
        return np.zeros(fit.n_voxels)
    (tested,) = fit.contrasts([("task", weights)])
    explained = len(weights) * np.nan_to_num(tested.statistic, posinf=np.inf)
    share = 1 - fit.dof / (explained + fit.dof)
    return np.asarray(np.clip(share, 0.0, 1.0))


def _testable_weights(matrix: FloatArray, chosen: Sequence[int]) -> FloatArray:
    """Return rows that test all that a design can tell of some columns, (q, n_regressors)."""
    others = np.delete(matrix, chosen, axis=1)
    lengths = np.linalg.norm(matrix[:, chosen], axis=0)
    lengths[lengths == 0] = 1.0
    units = matrix[:, chosen] / lengths
    left, sizes, _ = np.linalg.svd(others, full_matrices=False)
    basis = left[:, sizes > 1e-10 * sizes.max(initial=0)]
    for _ in range(2):  # twice is exact to rounding
        units = units - basis @ (basis.T @ units)
    _, sizes, right = np.linalg.svd(units, full_matrices=False)
    rows = right[sizes > NOTHING_LEFT] * lengths
    weights = np.zeros((len(rows), matrix.shape[1]))
    weights[:, chosen] = rows
    return weights
