"""What nodes failed of, as messages and exit codes."""

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boldglm import errors
from boldglm.errors import (
    FULL,
    LIMITS,
    BadDataError,
    BoldglmError,
    CannotWriteError,
    DiskFullError,
    writing_error,
)


@dataclass(frozen=True)
class Failure:
    """Why a node failed.

    Parameters
    ----------
    message : str
        For the user.
    exit_code : int
        What the command returns if nothing else is worse.
    is_final : bool
        Whether no other node could do better, as on a full disk.
    is_bad_data : bool
        Whether the input files are at fault.
    """

    message: str
    exit_code: int = 1
    is_final: bool = False
    is_bad_data: bool = False


def failure(trace: str, report: Callable[[], Any], folder: Path) -> Failure:
    """Return why a node failed, from the text of the exception.

    Parameters
    ----------
    trace : str
        Text of the exception, with those that it hides.
    report : callable
        Writes a crash file and returns its path; called for what a user cannot be told.
    folder : Path
        What cannot be written if the exception does not say it.

    Examples
    --------
    >>> failure("OSError: [Errno 28] No space left on device", str, Path("out")).exit_code
    73
    """
    known = re.findall(r"^\s*boldglm\.errors\.(\w+): (.+)$", trace, flags=re.MULTILINE)
    if known:
        kind = getattr(errors, known[-1][0], BoldglmError)
        code = kind.exit_code if issubclass(kind, CannotWriteError) else 1
        is_final = issubclass(kind, DiskFullError)
        if code == 1:
            _written(report)
        is_bad_data = issubclass(kind, BadDataError)
        return Failure(str(known[-1][1]).strip(), code, is_final, is_bad_data)
    system = re.findall(r"^\s*\w*Error: \[Errno (\d+)\] [^:\n]+(?:: '(.+)')?", trace, re.MULTILINE)
    if system:
        number, path = int(system[-1][0]), system[-1][1] or str(folder)
        if number in (*FULL, errno.EROFS):
            error = writing_error(path, OSError(number, os.strerror(number)))
            return Failure(str(error), error.exit_code, isinstance(error, DiskFullError))
        if number in LIMITS:
            return Failure(f"{path}: {os.strerror(number)}. {LIMITS[number]}")
    if re.search(r"^\s*(?:\w+\.)*_?\w*MemoryError\b", trace, re.MULTILINE):
        return Failure(f"memory ran out. {LIMITS[errno.ENOMEM]}")
    if "can't start new thread" in trace:
        return Failure(f"no further thread can be started. {LIMITS[errno.EAGAIN]}")
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    pattern = r"[\w.]+(Error|Exception|Warning)"
    last = next((line for line in reversed(lines) if re.match(pattern, line)), "unknown failure")
    crash_file = _written(report)
    return Failure(f"{last} (details in {crash_file})" if crash_file else last)


def _written(report: Callable[[], Any]) -> Path | None:
    """Write a crash file, if there is something to write and that is possible."""
    try:
        path = report()
    except OSError:
        return None
    return None if path is None else Path(path)
