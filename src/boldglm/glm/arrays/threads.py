"""Threads over blocks of voxels: the same work on independent pieces, several at a time.

numpy lets other threads run while it calculates, so that threads over blocks use as many
processors as there are, where threads inside of products of small matrices do not.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from boldglm.glm.arrays.types import FloatArray

Item = TypeVar("Item")


def usable_threads() -> int:
    """Return how many threads calculations may use: OMP_NUM_THREADS, or the processors there are.

    Processors that this process is not allowed to use do not count.

    Examples
    --------
    >>> usable_threads() >= 1
    True
    """
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if said.isdigit() and int(said) > 0:
        return int(said)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(items: Iterable[Item], work: Callable[[Item], None], n_threads: int) -> None:
    """Do some work on every item, several items at a time.

    Linear algebra has one thread meanwhile: the items are what is shared out.

    Parameters
    ----------
    items : iterable
        Independent pieces of work.
    work : callable
        Called with each of them; writes its results where no other item's go.
    n_threads : int
        How many items at a time.

    Raises
    ------
    Exception
        What `work` raised first, in the order of the items; those not begun are left out.

    Examples
    --------
    >>> squares = [0] * 4
    >>> each(range(4), lambda k: squares.__setitem__(k, k * k), 2)
    >>> squares
    [0, 1, 4, 9]
    """
    pieces = list(items)
    n_threads = min(n_threads, len(pieces))
    with _linear_algebra().limit(limits=1, user_api="blas"):
        if n_threads <= 1:
            for piece in pieces:
                work(piece)
            return
        failed = threading.Event()

        def unless_failed(piece: Item) -> None:
            if failed.is_set():
                return
            try:
                work(piece)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(n_threads) as pool:
            for _ in pool.map(unless_failed, pieces):
                pass


@cache
def _linear_algebra() -> ThreadpoolController:
    """Return the handle on the threads of numpy's linear algebra; to find it takes a while."""
    return ThreadpoolController()


class Scratch(threading.local):
    """Memory that every thread has for itself and uses again for each of its pieces.

    Examples
    --------
    >>> scratch = Scratch()
    >>> first = scratch.array(2, 3)
    >>> first.shape, np.shares_memory(first, scratch.array(3, 2))
    ((2, 3), True)
    """

    def __init__(self) -> None:
        self._held = np.empty(0)

    def array(self, *shape: int) -> FloatArray:
        """Return an array of any content, in the memory of the one that was asked for before."""
        size = int(np.prod(shape))
        if self._held.size < size:
            self._held = np.empty(size)
        return self._held[:size].reshape(shape)
