"""Processes that end when the process that started them has ended, in whatever way."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial

SECONDS_BETWEEN_LOOKS = 0.2
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36  # of Linux's prctl


def end_with(parent: int) -> None:
    """End this process, wherever it is, as soon as its parent has ended.

    Linux sees to it, whatever this process is doing; elsewhere a thread looks five times a second.

    Parameters
    ----------
    parent : int
        Process id of the parent, as it was when this process was started.
    """
    is_told = _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if is_told and os.getppid() == parent:
        return
    # The parent ended while this process was being started, or a server of `multiprocessing`
    # started it for the parent.
    from multiprocessing import parent_process

    starter = parent_process()
    wait = starter.join if starter is not None else partial(_wait_for_end, parent)
    threading.Thread(target=_end_after, args=(wait,), daemon=True).start()


def adopt_orphans() -> None:
    """Become the parent of processes whose parents end, so that they can be waited for."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _wait_for_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _end_after(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)


def _prctl(option: int, value: int) -> bool:
    """Ask Linux for something; return False where it cannot be asked."""
    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):  # another operating system
        return False
