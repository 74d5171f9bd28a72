"""Adjust p values of many voxels for the false discovery rate or the family-wise error.

An adjusted value is compared directly with the level: the voxels whose adjusted value is at most
.05 are those that the procedure rejects at .05. Voxels that were not tested are NaN and do not
count.

Notation: p(1) ≤ ... ≤ p(m) the p values of the m tested voxels in order.
"""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray


def benjamini_hochberg(p: ArrayLike) -> FloatArray:
    """Return p values adjusted for the false discovery rate.

    Among the voxels whose adjusted value is at most α, the expected share of false positives is at
    most α. This holds if tests are independent or positively dependent, as neighboring voxels are.

    Parameters
    ----------
    p : array_like
        p values from 0 to 1, of any shape; NaN where there was no test. One-sided p values control
        the rate on their side only.

    Returns
    -------
    ndarray of the same shape
        q values, from p to 1 and in the same order as p; NaN where p is NaN.

    Raises
    ------
    ValueError
        If a p value is below 0 or above 1.

    See Also
    --------
    bonferroni : Control the family-wise error instead.

    Notes
    -----
    q(i) = min over j ≥ i of p(j) m / j [1]_.

    References
    ----------
    .. [1] Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate: a practical and
       powerful approach to multiple testing. Journal of the Royal Statistical Society B
       57:289-300. doi:10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    .02 * 3 / 2 is .03. The smallest p cannot get a larger q than that:

    >>> benjamini_hochberg([0.02, np.nan, 0.9, 0.015]).round(6).tolist()
    [0.03, nan, 0.9, 0.03]
    """
    values = _checked(p)
    tested = np.flatnonzero(~np.isnan(values))
    row = values.ravel()
    order = tested[np.argsort(row[tested])]  # the order of equal p values does not matter
    scaled = row[order] * (order.size / np.arange(1, order.size + 1))
    adjusted = np.full(values.size, np.nan)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted.reshape(values.shape)


def bonferroni(p: ArrayLike) -> FloatArray:
    """Return p values adjusted for the number of voxels.

    The probability of any false positive among the voxels whose adjusted value is at most α is at
    most α, for any dependence between voxels. If voxels are correlated, a permutation test has
    more power (`boldglm.glm.inference.permutation_test`).

    Parameters
    ----------
    p : array_like
        p values from 0 to 1, of any shape; NaN where there was no test.

    Returns
    -------
    ndarray of the same shape
        p times the number of tests, at most 1; NaN where p is NaN.

    Raises
    ------
    ValueError
        If a p value is below 0 or above 1.

    See Also
    --------
    permutation_test : Family-wise error that accounts for correlated voxels.
    benjamini_hochberg : Control the false discovery rate instead.

    Examples
    --------
    >>> bonferroni([0.01, np.nan, 0.5]).tolist()
    [0.02, nan, 1.0]
    """
    values = _checked(p)
    return np.minimum(values * np.count_nonzero(~np.isnan(values)), 1.0)


def _checked(p: ArrayLike) -> FloatArray:
    values = np.asarray(p, dtype=np.float64)
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        raise ValueError(
            f"{np.count_nonzero(wrong)} p values are outside of 0 to 1, such as "
            f"{values[wrong].flat[0]:g}. Give p values, not statistics or logarithms."
        )
    return values
