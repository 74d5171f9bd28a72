"""Work in blocks, so that temporary arrays stay small."""

from collections.abc import Iterator

VOXELS_AT_ONCE = 4096  # few enough that several temporary arrays fit in the processor's cache


def blocks_of(n: int, size: int = VOXELS_AT_ONCE) -> Iterator[slice]:
    """Divide n elements into consecutive blocks of equal size; the last block may be shorter.

    Parameters
    ----------
    n : int
        Number of elements, such as voxels.
    size : int
        Number of elements in a block.

    Yields
    ------
    slice

    Examples
    --------
    >>> list(blocks_of(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def matrices_within(n_bytes: int, rank: int, most: int) -> int:
    """Return how many float64 matrices of shape (rank, rank) fit in memory.

    Parameters
    ----------
    n_bytes : int
        Memory that the matrices may take.
    rank : int
        Size of the matrices.
    most : int
        Largest number to return.

    Returns
    -------
    int
        From 1 to `most`.

    Examples
    --------
    >>> matrices_within(2**27, 30, 2000), matrices_within(2**27, 300, 2000)
    (2000, 186)
    """
    return max(min(most, n_bytes // (8 * rank**2)), 1)
