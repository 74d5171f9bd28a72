"""Ways to rearrange inputs that are as likely as the data if there is no effect.

Under the null hypothesis either the signs of errors are arbitrary (a mean is tested, and errors
are symmetric), or their order is (groups or covariates are tested, and errors are exchangeable).
Where there are no more ways than were asked for, all are listed.
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
    """Sign flips or orders, the data as they are not among those that were listed.

    Parameters
    ----------
    scheme : {"sign flips", "permutations"}
    patterns : ndarray of int, of shape (n_patterns, n_inputs)
        Signs, 1 or -1, or indices of inputs.
    is_exhaustive : bool
        Whether these are all ways but the data as they are; else they were drawn, with
        replacement.
    weight : int
        How many ways each stands for: 2 where one of two mirrored ones was left out.
    """

    scheme: str
    patterns: IndexArray
    is_exhaustive: bool
    weight: int = 1

    def __len__(self) -> int:
        return len(self.patterns)

    def apply(self, rows: FloatArray, which: slice) -> FloatArray:
        """Return some values per input in the order, or with the signs, of some ways.

        Parameters
        ----------
        rows : ndarray of shape (n_inputs, n_columns)
        which : slice
            Of the ways.

        Returns
        -------
        ndarray of shape (n_columns, n_chosen, n_inputs)
        """
        patterns = self.patterns[which]
        if self.scheme == "sign flips":
            return rows.T[:, np.newaxis, :] * patterns
        return np.moveaxis(rows[patterns], 2, 0)

    def with_observed(self, own: float, others: FloatArray) -> FloatArray:
        """Return a value of the data as they are, and those of all ways behind it.

        Parameters
        ----------
        own : float
        others : ndarray of shape (n_patterns,)

        Returns
        -------
        ndarray of shape (weight * (n_patterns + 1),)
        """
        return np.repeat(np.append(own, others), self.weight)


def sign_flips(
    units: IndexArray,
    n_patterns: int,
    rng: np.random.Generator,
    *,
    mirrored: bool,
) -> Permutations:
    """Flip the signs of inputs, those of one unit together.

    Parameters
    ----------
    units : ndarray of int, of shape (n_inputs,)
        From 0 on; a number of its own for each input that is independent of all others.
    n_patterns : int
        How many are asked for.
    rng : Generator
    mirrored : bool
        Whether turning all signs changes nothing that matters, as for two-sided tests: of each
        two such ways only one is listed.

    Returns
    -------
    Permutations
        All but the data as they are, if that is at most `n_patterns`; else as many random ones.

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


def permutations(
    rows: FloatArray,
    blocks: IndexArray,
    n_patterns: int,
    rng: np.random.Generator,
) -> Permutations:
    """Exchange inputs within blocks.

    Parameters
    ----------
    rows : ndarray of shape (n_inputs, n_columns)
        What a test knows of each input: exchanging two inputs with the same row is no
        rearrangement.
    blocks : ndarray of int, of shape (n_inputs,)
        Numbers from 0 on; one number for all if everything can be exchanged.
    n_patterns : int
        How many are asked for.
    rng : Generator

    Returns
    -------
    Permutations
        All that differ but the data as they are, if that is at most `n_patterns`; else as many
        random orders.

    Raises
    ------
    ValueError
        If no exchange changes anything.

    Examples
    --------
    Two groups, of one and two inputs; the first input may change places with two others:

    >>> rows = np.array([[1.0], [0.0], [0.0]])
    >>> every = permutations(rows, np.zeros(3, int), 100, np.random.default_rng())
    >>> every.patterns.tolist()
    [[1, 2, 0], [1, 0, 2]]
    """
    _, kinds = np.unique(np.round(rows, SAME_ROW) + 0.0, axis=0, return_inverse=True)
    kinds = kinds.ravel()
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    n_different = math.prod(_n_orders(kinds[own]) for own in members)
    if n_different == 1:
        raise ValueError(
            "exchanging inputs changes nothing: within each block all have the same row of the "
            "design. Test the mean by sign flips, or give blocks in which inputs differ."
        )
    if n_different - 1 <= n_patterns:
        listed = np.array(list(_all_orders(kinds, members)))
        unchanged = (kinds[listed] == kinds).all(axis=1)
        return Permutations("permutations", listed[~unchanged], is_exhaustive=True)
    orders = np.tile(np.arange(len(rows)), (n_patterns, 1))
    for own in members:
        orders[:, own] = rng.permuted(orders[:, own], axis=1)
    return Permutations("permutations", orders, is_exhaustive=False)


def _n_orders(kinds: IndexArray) -> int:
    """Return in how many different orders some things can be, of which some are alike."""
    alike = math.prod(math.factorial(int(count)) for count in np.bincount(kinds))
    return math.factorial(kinds.size) // alike


def _all_orders(kinds: IndexArray, members: Sequence[IndexArray]) -> Iterator[IndexArray]:
    """Give each different order of all inputs once."""
    for chosen in itertools.product(*(tuple(_orders_of(kinds[own])) for own in members)):
        order = np.empty(kinds.size, dtype=np.intp)
        for own, places in zip(members, chosen, strict=True):
            order[own] = own[list(places)]
        yield order


def _orders_of(kinds: IndexArray) -> Iterator[tuple[int, ...]]:
    """Give each different order of one block once; those alike keep their order."""
    left = {int(kind): np.flatnonzero(kinds == kind).tolist() for kind in np.unique(kinds)}
    order: list[int] = []

    def extended() -> Iterator[tuple[int, ...]]:
        if len(order) == kinds.size:
            yield tuple(order)
            return
        for places in left.values():
            if places:
                order.append(place := places.pop(0))
                yield from extended()
                places.insert(0, place)
                order.pop()

    return extended()
