"""Files that may be compressed by gzip, read and written at several times the speed of zlib."""

import zlib
from pathlib import Path
from typing import IO

from isal import igzip, igzip_lib

COMPRESSION = 2  # of isal (0 to 3): smaller than 1 at nearly its speed
MOST_COMPRESSED = 1032  # bytes that one byte of a gzip file can stand for, at most
_ISAL_ERROR: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]
READ_ERRORS: tuple[type[Exception], ...] = (
    EOFError,
    zlib.error,
    igzip.BadGzipFile,
    _ISAL_ERROR,
    OSError,
)


def open_read(path: Path) -> IO[bytes]:
    """Open a file, decompressing it if it is called .gz."""
    return igzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def most_bytes(path: Path) -> int:
    """Return how many bytes a file can hold, decompressed, at the very most.

    What a header announces is not believed beyond this.
    """
    return path.stat().st_size * (MOST_COMPRESSED if path.suffix == ".gz" else 1)
