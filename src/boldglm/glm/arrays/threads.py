"""Threads over blocks of voxels, which run the same work on independent pieces.

numpy releases the interpreter lock while it computes, so threads over blocks use all processors.
Threads inside the linear algebra library do not, because the matrices of a block are small.
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
    """Return the number of threads to compute with.

    Returns
    -------
    int
        ``OMP_NUM_THREADS`` if it is set, otherwise the number of processors that this process is
        allowed to use.

    Examples
    --------
    >>> usable_threads() >= 1
    True
    """
    setting = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if setting.isdigit() and int(setting) > 0:
        return int(setting)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(items: Iterable[Item], work: Callable[[Item], None], n_threads: int) -> None:
    """Call a function on every item, in parallel.

    The linear algebra library is limited to one thread meanwhile.

    Parameters
    ----------
    items : iterable
        Independent pieces of work.
    work : callable
        Called with each item. Stores its results itself, separately from those of other items.
    n_threads : int
        Number of threads.

    Raises
    ------
    Exception
        The first exception that `work` raised, in the order of the items. Items that have not
        been started by then are skipped.

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
    """Return the controller of numpy's linear algebra threads, which is slow to create."""
    return ThreadpoolController()


class Scratch(threading.local):
    """A buffer for each thread, reused for each of its pieces of work.

    Examples
    --------
    >>> scratch = Scratch()
    >>> first = scratch.array(2, 3)
    >>> first.shape, np.shares_memory(first, scratch.array(3, 2))
    ((2, 3), True)
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0)

    def array(self, *shape: int) -> FloatArray:
        """Return an uninitialized array, which overwrites the one returned before."""
        size = int(np.prod(shape))
        if self._buffer.size < size:
            self._buffer = np.empty(size)
        return self._buffer[:size].reshape(shape)
