"""Standard output and error that never keep the program from doing its work.

``boldglm ... | head`` closes its pipe, a log file may be on a full disk, and a service may start
programs with both streams closed. The maps are made all the same.
"""

import errno
import io
import os
import select
import sys

_streams: "list[_Forgiving]" = []


class _Forgiving(io.RawIOBase):
    """Writes to a descriptor until that fails, and then to nowhere."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, content) -> int:  # type: ignore[no-untyped-def, override]
        while self.error is None:
            try:
                return os.write(self._descriptor, content)
            except BlockingIOError:  # whoever reads is slow
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.error = error
        return len(content)


def open_streams() -> None:
    """Give the process standard streams that can be written to, whatever it was started with."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: else the next file that is opened would get its number
            os.open(os.devnull, os.O_RDWR)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if old is not None and old.fileno() != descriptor:
            continue
        raw = _Forgiving(descriptor)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw),
            encoding=old.encoding if old is not None else "utf-8",
            errors="backslashreplace",
            line_buffering=descriptor == 2 or raw.isatty(),
        )
        setattr(sys, name, stream)
        _streams.append(raw)


def failed_output() -> str | None:
    """Write what is left, and say why standard output could not be written, if it could not.

    A reader that has read enough, such as ``head``, is no failure.
    """
    sys.stdout.flush()
    for raw in _streams:
        if raw.fileno() == 1 and raw.error is not None and raw.error.errno != errno.EPIPE:
            return raw.error.strerror
    return None
