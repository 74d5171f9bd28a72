"""Memory: little at a time, and what one block frees taken up again by the next."""

import ctypes
import os
from collections.abc import Iterator

import numpy as np

KEPT_BYTES = 2**25 - 2**16
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
MOST_BYTES = 2**31 - 1  # that mallopt can be told
LARGE_BYTES = 2**28  # arrays that are returned to the system nevertheless
VOXELS_AT_ONCE = 4096  # few enough for arrays of several numbers for each


def blocks_of(n: int, size: int = VOXELS_AT_ONCE) -> Iterator[slice]:
    """Cut n things in a row, by default voxels, into blocks of one size, the last one shorter.

    Examples
    --------
    >>> list(blocks_of(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def matrices_within(n_bytes: int, rank: int, most: int) -> int:
    """Return how many matrices (rank, rank) there may be at a time, at least 1.

    Examples
    --------
    >>> matrices_within(2**27, 30, 2000), matrices_within(2**27, 300, 2000)
    (2000, 186)
    """
    return max(min(most, n_bytes // (8 * rank**2)), 1)


def keep_freed_memory() -> None:
    """Let the allocator keep what temporary arrays free, instead of returning it to the system.

    Work by blocks of voxels makes and frees arrays of a megabyte hundreds of times. glibc maps
    each of them anew, and the system clears every page of it, until the program has freed one
    large array: from then on arrays up to its size come from memory that is kept (its thresholds
    are dynamic; see mallopt(3)). This makes and frees one, of just below the 32 MiB up to which
    that works, without touching a page of it. A fit takes up to a third less time. Other
    allocators are not affected.
    """
    large = np.empty(KEPT_BYTES, dtype=np.uint8)
    del large


def keep_all_freed_memory() -> None:
    """Let the allocator return nothing to the system but arrays of 256 MiB and more.

    For a program of ours, not for a library within another's: what this process has freed is for
    itself alone. Beyond `keep_freed_memory` it spares the pages that are returned between one
    step and the next, which a virtual machine may have to fetch from its host again: up to a
    tenth of the time. C libraries without mallopt(3) are not affected, nor is a process whose
    environment says how it is to be.
    """
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & set(os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    if not mallopt(M_MMAP_THRESHOLD, LARGE_BYTES):  # more than old versions take
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
    mallopt(M_TRIM_THRESHOLD, MOST_BYTES)
