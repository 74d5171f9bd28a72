"""Family-wise error by permutation: signs flipped, or residuals exchanged (Freedman and Lane).

Notation: y effects of the inputs at a voxel, x the part of the contrast's regressor that the other
columns Z do not explain, e residuals of y from Z, Q orthonormal basis of Z, P a permutation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, permutations, product
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.clusters import Neighbors, cluster_sizes, enhance
from boldglm.glm.kernels import FloatArray

BLOCK_VOXELS = 2**13
BLOCK_PERMUTATIONS = 128
NULL_SPACE = 1e-10


@dataclass(frozen=True)
class PermutationTest:
    """What a permutation test finds; p values are of shape (n_voxels,).

    Parameters
    ----------
    t : ndarray of shape (n_voxels,)
    p_max : ndarray
        Family-wise error of each voxel by the largest t.
    maxima : ndarray of shape (n_permutations,)
        Largest t of each permutation, the first being the data as they are.
    p_extent, p_mass : ndarray or None
        Family-wise error of the cluster that a voxel is in; 1 outside clusters.
    p_tfce : ndarray or None
        Family-wise error by the largest enhanced value.
    kind : {"sign flips", "permutations"}
    is_exact : bool
        Whether all that there are were taken.
    """

    t: FloatArray
    p_max: FloatArray
    maxima: FloatArray
    kind: str
    is_exact: bool
    p_extent: FloatArray | None = None
    p_mass: FloatArray | None = None
    p_tfce: FloatArray | None = None


def permutation_test(
    effects: ArrayLike,
    design: ArrayLike,
    weights: ArrayLike,
    n_permutations: int,
    rng: np.random.Generator,
    *,
    two_sided: bool = False,
    neighbors: Neighbors | None = None,
    cluster_threshold: float | None = None,
    tfce: bool = False,
) -> PermutationTest:
    """Test a t contrast of a design over inputs, with its family-wise error by permutation.

    Parameters
    ----------
    effects : array_like of shape (n_inputs, n_voxels)
        Finite everywhere.
    design : array_like of shape (n_inputs, n_columns)
    weights : array_like of shape (n_columns,)
        A contrast that the design determines.
    n_permutations : int
        How many, the data as they are among them; all that there are if those are fewer.
    rng : numpy.random.Generator
    two_sided : bool
        Whether negative effects count too.
    neighbors : Neighbors, optional
        For clusters and enhancement.
    cluster_threshold : float, optional
        t above which voxels form clusters; needs neighbors.
    tfce : bool
        Whether to enhance without threshold; needs neighbors, and takes long.

    Returns
    -------
    PermutationTest

    Raises
    ------
    ValueError
        If shapes do not fit, no degree of freedom is left, or the design does not determine the
        contrast.

    Notes
    -----
    Where the mean of the inputs is part of what is tested, signs of residuals are flipped, which
    needs errors that are symmetric; otherwise residuals from Z are exchanged (Freedman and Lane),
    which needs errors that are alike [1]_. t of a permutation is r / √((1 - r²)/ν) with r the
    correlation of Pe with x, the part of Pe that Z explains taken out: one matrix product for
    all permutations and voxels of a block. p is (number of maxima at least as large) / (number of
    permutations), the data as they are included.

    References
    ----------
    .. [1] Winkler AM et al. (2014). Permutation inference for the general linear model.
       NeuroImage 92:381-397. doi:10.1016/j.neuroimage.2014.01.060

    Examples
    --------
    Three inputs have eight patterns of signs, of which one is as large as the data:

    >>> effects = np.array([[1.0], [2.0], [3.0]])
    >>> found = permutation_test(effects, np.ones((3, 1)), [1.0], 100, np.random.default_rng(0))
    >>> found.t.round(3).tolist(), found.p_max.tolist(), found.is_exact
    ([3.464], [0.125], True)
    """
    split = _split(effects, design, weights)
    maps_wanted = neighbors is not None and (cluster_threshold is not None or tfce)
    if (cluster_threshold is not None or tfce) and neighbors is None:
        raise ValueError("clusters and enhancement need neighbors.")
    kinds, is_exact = _operators(split, n_permutations, rng)
    t = _t_maps(split, kinds[:1], slice(None))[0].astype(float)
    if not maps_wanted:
        maxima = _maxima(split, kinds, two_sided=two_sided)
        p_max = _p(abs(t) if two_sided else t, maxima)
        return PermutationTest(t, p_max, maxima, split.kind, is_exact)
    assert neighbors is not None
    return _with_maps(split, kinds, is_exact, neighbors, cluster_threshold, tfce, two_sided)


@dataclass(frozen=True)
class _Split:
    """A contrast apart from everything else, and the data in units of their length."""

    x: FloatArray  # (n_inputs,), of unit length
    basis: FloatArray  # (n_inputs, rank of Z)
    data: np.ndarray  # (n_inputs, n_voxels), float32, unit length, 0 where e is 0
    dof: int
    kind: str


def _split(effects: ArrayLike, design: ArrayLike, weights: ArrayLike) -> _Split:
    y, X = np.asarray(effects, dtype=np.float64), np.asarray(design, dtype=np.float64)
    c = np.asarray(weights, dtype=np.float64).reshape(-1)
    if y.ndim != 2 or X.ndim != 2 or len(y) != len(X) or X.shape[1] != c.size:
        raise ValueError(f"effects {y.shape}, design {X.shape} and weights {c.shape} do not fit.")
    if not np.isfinite(y).all():
        raise ValueError("effects are not finite: test the voxels that all inputs have.")
    inverse = np.linalg.pinv(X.T @ X, rcond=NULL_SPACE)
    if np.linalg.norm(c - inverse @ (X.T @ X) @ c) > 1e-8 * np.linalg.norm(c):
        raise ValueError("the design does not determine the contrast.")
    regressor = X @ inverse @ c
    # Z spans what the columns can make under the hypothesis that the contrast is 0
    left, singular, _ = np.linalg.svd(X - np.outer(X @ c, c) / (c @ c), full_matrices=False)
    basis = left[:, singular > NULL_SPACE * max(singular[0], 1e-300)]
    x = regressor - basis @ (basis.T @ regressor)
    dof = len(X) - basis.shape[1] - 1
    if dof < 1:
        raise ValueError(f"{len(X)} inputs leave no degree of freedom.")
    residuals = y - basis @ (basis.T @ y)
    length = np.linalg.norm(residuals, axis=0)
    tiny = length <= len(X) * np.finfo(float).eps * np.linalg.norm(y, axis=0)
    data = np.divide(residuals, length, out=np.zeros_like(residuals), where=~tiny)
    ones = np.ones(len(X)) / np.sqrt(len(X))
    outside = np.linalg.norm(ones - basis @ (basis.T @ ones))
    within = np.linalg.norm(ones - X @ (inverse @ (X.T @ ones)))
    kind = "sign flips" if outside > 1e-8 and within < 1e-8 else "permutations"
    return _Split(x / np.linalg.norm(x), basis, data.astype(np.float32), dof, kind)


def _operators(split: _Split, wanted: int, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Return signs or orders of inputs, (n_permutations, n_inputs); the first changes nothing."""
    n = split.x.size
    if wanted < 1:
        raise ValueError("at least one permutation is needed.")
    if split.kind == "sign flips":
        if 2**n <= wanted:
            return np.array(list(product([1, -1], repeat=n)), dtype=np.int8), True
        signs = rng.choice(np.array([1, -1], dtype=np.int8), size=(wanted, n))
        signs[0] = 1
        return signs, False
    if n <= 12 and factorial(n) <= wanted:
        return np.array(list(islice(permutations(range(n)), factorial(n)))), True
    orders = np.argsort(rng.random((wanted, n)), axis=1)
    orders[0] = np.arange(n)
    return orders, False


def _rows(split: _Split, kinds: np.ndarray) -> np.ndarray:
    """Rows that the data are multiplied by: x and Z as each permutation sees them.

    Returns (n_permutations, 1 + rank of Z, n_inputs), float32.
    """
    columns = np.column_stack([split.x, split.basis]).T  # (1 + rank, n)
    if split.kind == "sign flips":
        seen = columns[np.newaxis] * kinds[:, np.newaxis, :]
    else:
        back = np.argsort(kinds, axis=1)  # x'Pe = (P'x)'e
        seen = columns[:, back].transpose(1, 0, 2)
    return np.ascontiguousarray(seen, dtype=np.float32)


def _correlations(split: _Split, rows: np.ndarray, voxels: slice) -> np.ndarray:
    """Correlations of the permuted data with x, Z taken out; (n_permutations, n_voxels)."""
    n_permutations, n_rows, n_inputs = rows.shape
    data = split.data[:, voxels]
    found = (rows.reshape(-1, n_inputs) @ data).reshape(n_permutations, n_rows, -1)
    along = found[:, 0]
    if n_rows == 1:
        return along
    left = 1 - np.einsum("prv,prv->pv", found[:, 1:], found[:, 1:])
    return along / np.sqrt(np.maximum(left, 1e-12))


def _t_of(correlations: np.ndarray, dof: int) -> np.ndarray:
    square = np.minimum(correlations.astype(np.float64) ** 2, 1 - 1e-14)
    return np.sign(correlations) * np.sqrt(dof * square / (1 - square))


def _t_maps(split: _Split, kinds: np.ndarray, voxels: slice) -> np.ndarray:
    if len(kinds) == 1:  # the data as they are, in double precision
        columns = _rows(split, kinds)[0].astype(np.float64)
        found = columns @ split.data[:, voxels].astype(np.float64)
        left = 1 - (found[1:] ** 2).sum(axis=0)
        return _t_of(found[:1] / np.sqrt(np.maximum(left, 1e-12)), split.dof)
    return _t_of(_correlations(split, _rows(split, kinds), voxels), split.dof)


def _maxima(split: _Split, kinds: np.ndarray, *, two_sided: bool) -> FloatArray:
    """Largest t of each permutation, block by block; t rises with the correlation."""
    n_voxels = split.data.shape[1]
    largest = np.full(len(kinds), -np.inf)
    for start in range(0, len(kinds), BLOCK_PERMUTATIONS):
        block = slice(start, start + BLOCK_PERMUTATIONS)
        rows = _rows(split, kinds[block])
        for first in range(0, n_voxels, BLOCK_VOXELS):
            found = _correlations(split, rows, slice(first, first + BLOCK_VOXELS))
            own = found.max(axis=1)
            if two_sided:
                own = np.maximum(own, -found.min(axis=1))
            largest[block] = np.maximum(largest[block], own)
    return _t_of(largest, split.dof)


def _p(values: FloatArray, maxima: FloatArray) -> FloatArray:
    """Share of the maxima that are at least as large; the first belongs to the data."""
    ordered = np.sort(maxima)
    slack = 1e-6 * np.maximum(abs(values), 1.0)  # maxima are in single precision
    reached = len(ordered) - np.searchsorted(ordered, values - slack)
    return np.maximum(reached, 1) / len(ordered)


def _with_maps(
    split: _Split,
    kinds: np.ndarray,
    is_exact: bool,
    neighbors: Neighbors,
    threshold: float | None,
    tfce: bool,
    two_sided: bool,
) -> PermutationTest:
    """The same with whole maps of each permutation, for clusters and enhancement."""
    t = _t_maps(split, kinds[:1], slice(None))[0]
    largest: dict[str, list[float]] = {"t": [], "extent": [], "mass": [], "tfce": []}
    for values in _each_map(split, kinds):
        signs = (1.0, -1.0) if two_sided else (1.0,)
        found = dict.fromkeys(largest, 0.0)
        found["t"] = float(abs(values).max() if two_sided else values.max())
        for sign in signs:
            if threshold is not None:
                _, extent, mass = cluster_sizes(sign * values, threshold, neighbors)
                found["extent"] = max(found["extent"], extent.max(initial=0.0))
                found["mass"] = max(found["mass"], mass.max(initial=0.0))
            if tfce:
                found["tfce"] = max(found["tfce"], enhance(sign * values, neighbors).max())
        for name, value in found.items():
            largest[name].append(value)
    maxima = {name: np.array(values) for name, values in largest.items()}
    p_extent = p_mass = p_tfce = None
    for sign in (1.0, -1.0) if two_sided else (1.0,):
        if threshold is not None:
            labels, extent, mass = cluster_sizes(sign * t, threshold, neighbors)
            p_extent = _spread(labels, _p(extent, maxima["extent"]), p_extent)
            p_mass = _spread(labels, _p(mass, maxima["mass"]), p_mass)
        if tfce:
            own = _p(enhance(sign * t, neighbors), maxima["tfce"])
            p_tfce = own if p_tfce is None else np.minimum(own, p_tfce)
    p_max = _p(abs(t) if two_sided else t, maxima["t"])
    return PermutationTest(t, p_max, maxima["t"], split.kind, is_exact, p_extent, p_mass, p_tfce)


def _each_map(split: _Split, kinds: np.ndarray, at_once: int = 16) -> Iterator[FloatArray]:
    yield _t_maps(split, kinds[:1], slice(None))[0]
    for start in range(1, len(kinds), at_once):
        block = kinds[start : start + at_once]
        yield from _t_of(_correlations(split, _rows(split, block), slice(None)), split.dof)


def _spread(labels: np.ndarray, p: FloatArray, before: FloatArray | None) -> FloatArray:
    """Give every voxel the p value of its cluster, 1 outside."""
    found = np.ones(labels.size) if before is None else before
    inside = labels >= 0
    found[inside] = p[labels[inside]]
    return found
