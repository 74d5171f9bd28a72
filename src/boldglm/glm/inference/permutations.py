"""Permutations of the inputs of a group test: sign flips and exchanges.

Under the null hypothesis, permuted data are as likely as the observed data. If a mean is tested
and errors are symmetric, signs can be flipped. If groups or covariates are tested and errors are
exchangeable, inputs can be exchanged. If there are no more permutations than requested, all are
listed; otherwise they are drawn at random.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from boldglm.glm.arrays.types import FloatArray, IndexArray

SAME_ROW = 10  # decimals to which two rows of an orthonormal basis are compared


@dataclass(frozen=True, eq=False)
class Permutations:
    """Sign flips or exchanges of inputs, without the observed order.

    Parameters
    ----------
    scheme : {"sign flips", "permutations"}
        Kind of permutations; exchanges are called "permutations".
    patterns : ndarray of int, of shape (n_patterns, n_inputs)
        Signs, 1 or -1, or indices of inputs.
    is_exhaustive : bool
        Whether these are all permutations other than the observed order. If not, they were drawn
        with replacement.
    weight : int
        Number of permutations that each pattern represents: 2 if only one of two patterns with
        opposite signs is listed.
    """

    scheme: str
    patterns: IndexArray
    is_exhaustive: bool
    weight: int = 1

    def __len__(self) -> int:
        return len(self.patterns)

    def apply(self, rows: FloatArray, which: slice) -> FloatArray:
        """Permute values of the inputs.

        Parameters
        ----------
        rows : ndarray of shape (n_inputs, n_columns)
            Values of each input.
        which : slice
            Permutations to apply.

        Returns
        -------
        ndarray of shape (n_columns, n_applied, n_inputs)
        """
        patterns = self.patterns[which]
        if self.scheme == "sign flips":
            return rows.T[:, np.newaxis, :] * patterns
        return np.moveaxis(rows[patterns], 2, 0)

    def with_observed(self, observed: float, permuted: FloatArray) -> FloatArray:
        """Return the values of all permutations, beginning with the observed order.

        Parameters
        ----------
        observed : float
            Value of the observed data.
        permuted : ndarray of shape (n_patterns,)
            Value of each pattern.

        Returns
        -------
        ndarray of shape (weight * (n_patterns + 1),)
        """
        return np.repeat(np.append(observed, permuted), self.weight)


def sign_flips(
    units: IndexArray,
    n_patterns: int,
    rng: np.random.Generator,
    *,
    mirrored: bool,
) -> Permutations:
    """Flip the signs of inputs; inputs of the same unit are flipped together.

    Parameters
    ----------
    units : ndarray of int, of shape (n_inputs,)
        Unit of each input, numbered from 0. An independent input is a unit of its own.
    n_patterns : int
        Number of permutations that are requested.
    rng : numpy.random.Generator
        Random numbers.
    mirrored : bool
        Whether the statistic is the same when all signs are reversed, as in two-sided tests. Only
        one of two such patterns is then listed.

    Returns
    -------
    Permutations
        All other than the observed order, if there are at most `n_patterns`; otherwise as many
        random ones.

    Examples
    --------
    >>> sign_flips(np.arange(3), 100, np.random.default_rng(), mirrored=True).patterns.tolist()
    [[1, -1, 1], [1, 1, -1], [1, -1, -1]]
    """
    n_units = int(units.max()) + 1
    n_free = n_units - int(mirrored)
    if n_free <= 62 and 2**n_units - 1 <= n_patterns:
        codes = np.arange(1, 2**n_free)[:, np.newaxis]
        bits = np.zeros((len(codes), n_units), dtype=np.int8)
        bits[:, n_units - n_free :] = codes >> np.arange(n_free) & 1
        patterns = (1 - 2 * bits)[:, units]
        return Permutations("sign flips", patterns, is_exhaustive=True, weight=1 + int(mirrored))
    drawn = rng.integers(0, 2, size=(n_patterns, n_units), dtype=np.int8)
    return Permutations("sign flips", (1 - 2 * drawn)[:, units], is_exhaustive=False)


def exchanges(
    rows: FloatArray,
    blocks: IndexArray,
    n_patterns: int,
    rng: np.random.Generator,
) -> Permutations:
    """Exchange inputs within blocks.

    Parameters
    ----------
    rows : ndarray of shape (n_inputs, n_columns)
        Row of the design for each input. Exchanging two inputs with the same row changes nothing.
    blocks : ndarray of int, of shape (n_inputs,)
        Block of each input, numbered from 0. Inputs are exchanged within blocks only.
    n_patterns : int
        Number of permutations that are requested.
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    Permutations
        All that differ from each other and from the observed order, if there are at most
        `n_patterns`; otherwise as many random ones.

    Raises
    ------
    ValueError
        If no exchange changes anything.

    Examples
    --------
    Two groups, of one and two inputs. The first input can be exchanged with two others:

    >>> rows = np.array([[1.0], [0.0], [0.0]])
    >>> exchanges(rows, np.zeros(3, int), 100, np.random.default_rng()).patterns.tolist()
    [[1, 2, 0], [1, 0, 2]]
    """
    _, row_numbers = np.unique(np.round(rows, SAME_ROW) + 0.0, axis=0, return_inverse=True)
    row_numbers = row_numbers.ravel()
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    n_different = math.prod(_n_orders(row_numbers[inputs]) for inputs in members)
    if n_different == 1:
        raise ValueError(
            "exchanging inputs changes nothing: within each block, all inputs have the same row "
            "of the design. Test the mean by sign flips, or give blocks in which inputs differ."
        )
    if n_different - 1 <= n_patterns:
        listed = np.array(list(_all_orders(row_numbers, members)))
        unchanged = (row_numbers[listed] == row_numbers).all(axis=1)
        return Permutations("permutations", listed[~unchanged], is_exhaustive=True)
    orders = np.tile(np.arange(len(rows)), (n_patterns, 1))
    for inputs in members:
        orders[:, inputs] = rng.permuted(orders[:, inputs], axis=1)
    return Permutations("permutations", orders, is_exhaustive=False)


def _n_orders(rows: IndexArray) -> int:
    """Return the number of different orders of elements, some of which are equal."""
    n_equal = math.prod(math.factorial(int(count)) for count in np.bincount(rows))
    return math.factorial(rows.size) // n_equal


def _all_orders(rows: IndexArray, members: Sequence[IndexArray]) -> Iterator[IndexArray]:
    """Yield each different order of all inputs once."""
    for block_orders in itertools.product(*(tuple(_orders_of(rows[block])) for block in members)):
        order = np.empty(rows.size, dtype=np.intp)
        for block, positions in zip(members, block_orders, strict=True):
            order[block] = block[list(positions)]
        yield order


def _orders_of(rows: IndexArray) -> Iterator[tuple[int, ...]]:
    """Yield each different order of a block once; inputs with equal rows keep their order."""
    remaining = {int(row): np.flatnonzero(rows == row).tolist() for row in np.unique(rows)}
    order: list[int] = []

    def extended() -> Iterator[tuple[int, ...]]:
        if len(order) == rows.size:
            yield tuple(order)
            return
        for positions in remaining.values():
            if positions:
                order.append(position := positions.pop(0))
                yield from extended()
                positions.insert(0, position)
                order.pop()

    return extended()
