"""What contrasts mean after regressors were orthogonalized.

Orthogonalizing B against A replaces x_B by x_B − x_A γ. The fitted values stay the same, so the
estimates become β̃_A = β_A + γ β_B and β̃_B = β_B, with least squares and with prewhitening. A
contrast c therefore estimates c̃'β of the design before, where c̃ equals c but for

    c̃_B = c_B + c_A'γ.

A t contrast keeps its meaning if c̃ = c, that is, if c_A'γ = 0: B alone does; A alone, A − B and
A + B do not, unless A and B share no variance. An F contrast C keeps its meaning if C̃ has the same
row space as C: the F test of A and B together does, that of A alone does not. With several rules,
they are undone one after the other, the last one first [1]_.

References
----------
.. [1] Mumford JA, Poline JB, Poldrack RA (2015). Orthogonalization of regressors in fMRI models.
   PLoS ONE 10(4):e0126255. https://doi.org/10.1371/journal.pone.0126255
"""

from collections.abc import Mapping, Sequence

import numpy as np

from boldglm.glm.arrays.types import FloatArray

SharedVariance = tuple[tuple[str, Mapping[str, float]], ...]
"""Orthogonalized columns in the order of the rules, each with γ of the columns that explained it.

NaN stands for a γ that is not known, and is different from all others.
"""

UNCHANGED = 1e-9  # change of a weight, relative to the weights that it comes from


def weights_before(
    weights: FloatArray, names: Sequence[str], shared: SharedVariance
) -> FloatArray:
    """Return the weights that a contrast has for the regressors before orthogonalization.

    Parameters
    ----------
    weights : ndarray of shape (n_regressors,) or (q, n_regressors)
        Weights of the orthogonalized regressors.
    names : sequence of str
        Names of the regressors.
    shared : SharedVariance
        `Design.shared` of the orthogonalized design.

    Returns
    -------
    ndarray of the shape of weights
        ``c̃``. A weight that depends on an unknown γ is an arbitrary number.

    See Also
    --------
    orthogonalized_parts : The rules that change a contrast.

    Examples
    --------
    >>> weights_before(np.array([1.0, -1.0]), ["A", "B"], (("B", {"A": 0.75}),)).tolist()
    [1.0, -0.25]
    """
    rows = np.array(np.atleast_2d(weights), dtype=np.float64)
    for column, explaining in reversed(_with_numbers(shared)):
        rows[:, names.index(column)] += _added(rows, names, explaining)
    return rows.reshape(np.shape(weights))


def orthogonalized_parts(
    weights: FloatArray, names: Sequence[str], shared: SharedVariance
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the orthogonalized columns that give a contrast another meaning.

    Parameters
    ----------
    weights, names, shared
        As for `weights_before`.

    Returns
    -------
    tuple of (str, tuple of str)
        Each orthogonalized column whose response enters the contrast with a weight that was not
        written, and the columns with a weight that it was orthogonalized against. Empty if the
        contrast keeps its meaning.

    See Also
    --------
    weights_before : What the contrast estimates.

    Examples
    --------
    >>> names, shared = ["A", "B"], (("B", {"A": 0.75}),)
    >>> orthogonalized_parts(np.array([1.0, -1.0]), names, shared)
    (('B', ('A',)),)
    >>> orthogonalized_parts(np.array([0.0, 1.0]), names, shared)
    ()
    >>> orthogonalized_parts(np.eye(2), names, shared)
    ()
    """
    rows = np.array(np.atleast_2d(weights), dtype=np.float64)
    if np.ndim(weights) == 2 and _same_row_space(rows, weights_before(rows, names, shared)):
        return ()
    parts = []
    for column, explaining in reversed(_with_numbers(shared)):
        added = _added(rows, names, explaining)
        sizes = sum(abs(rows[:, names.index(name)] * gamma) for name, gamma in explaining.items())
        if (abs(added) > UNCHANGED * sizes).any():
            entering = [name for name in explaining if rows[:, names.index(name)].any()]
            parts.append((column, tuple(entering)))
            rows[:, names.index(column)] += added
    return tuple(reversed(parts))


def _added(rows: FloatArray, names: Sequence[str], explaining: Mapping[str, float]) -> FloatArray:
    """Return ``c_A'γ`` for each row of a contrast."""
    total = np.zeros(len(rows))
    for name, gamma in explaining.items():
        total += rows[:, names.index(name)] * gamma
    return total


def _with_numbers(shared: SharedVariance) -> list[tuple[str, dict[str, float]]]:
    """Replace every unknown γ by a number of its own, so that they do not cancel."""
    numbers = iter(np.sqrt(np.arange(2, 2 + sum(len(each) for _, each in shared))))
    numbered = [(column, {name: (gamma, float(next(numbers))) for name, gamma in each.items()})
                for column, each in shared]  # fmt: skip
    return [
        (column, {name: own if np.isnan(gamma) else gamma for name, (gamma, own) in each.items()})
        for column, each in numbered
    ]


def _same_row_space(first: FloatArray, second: FloatArray) -> bool:
    """Return whether the rows of two contrasts span the same space."""
    together = np.vstack([first, second])
    cutoff = UNCHANGED * np.linalg.norm(together)
    ranks = [np.linalg.matrix_rank(rows, tol=cutoff) for rows in (first, together)]
    return bool(ranks[0] == ranks[1])
