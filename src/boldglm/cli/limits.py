"""Errors of the operating system that a user can do something about, in words."""

import errno
import os
import resource

from boldglm.errors import (
    FULL,
    LIMITS,
    NOT_WRITABLE,
    BoldglmError,
    CannotWriteError,
    MissingInputError,
)

LEAST_MEMORY = 600_000_000  # bytes of addresses that the libraries take when they are loaded


def check_memory_limit() -> None:
    """Refuse a limit of memory in which OpenBLAS would wait for ever, or give up, when loaded.

    Raises
    ------
    BoldglmError
        If the limit is too low.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY:
        raise BoldglmError(
            f"The limit of memory ({limit / 1e6:.0f} MB, ulimit -v) is too low: libraries alone "
            f"need {LEAST_MEMORY / 1e6:.0f} MB. Raise it."
        )


def limit_message(error: BaseException) -> str | None:
    """Say what limit of the system an error comes from and what to do, or None if of none.

    Examples
    --------
    >>> limit_message(OSError(errno.EMFILE, "Too many open files", "a.nii.gz"))
    'a.nii.gz: Too many open files. Raise the number of files that a process may open (ulimit -n).'
    >>> limit_message(RuntimeError("generator raised StopIteration"))
    """
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename else ""
        remedy = LIMITS.get(error.errno, "Free space." if error.errno in FULL else "")
        return f"{place}{os.strerror(error.errno)}. {remedy}".strip()
    if isinstance(error, MemoryError):
        return f"memory ran out. {LIMITS[errno.ENOMEM]}"
    if isinstance(error, RuntimeError) and "start new thread" in text:
        return f"no further thread can be started. {LIMITS[errno.EAGAIN]}"
    if isinstance(error, ImportError) and ("cannot allocate" in text.lower() or "map" in text):
        return f"a library cannot be loaded ({text}). {LIMITS[errno.ENOMEM]}"
    return None


def limit_code(error: BaseException) -> int:
    """Return the exit code of an error that `limit_message` has words for."""
    number = getattr(error, "errno", None)
    if number in (*FULL, errno.EROFS):
        return CannotWriteError.exit_code
    return MissingInputError.exit_code if number in (errno.ENOENT, *NOT_WRITABLE) else 1
