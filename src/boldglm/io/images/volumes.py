"""The volumes of a BOLD file as a stream: decompressed once, in order, as they are stored.

With a thread of its own the stream runs ahead of its reader: decompression holds no lock of
the interpreter, so it costs no time while the reader works.
"""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.files.compression import READ_ERRORS, open_read

AHEAD_BYTES = 2**24  # decompressed ahead of the reader, at least two volumes
WAIT = 0.1  # seconds after which a thread looks whether its reader has gone


class Stored(Protocol):
    """Where the volumes of a file are, and of which type."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def n_scans(self) -> int:
        """Number of volumes."""

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""

    @property
    def data_offset(self) -> int:
        """Bytes before the first volume, of the decompressed file."""

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume."""


def stream_volumes(header: Stored, *, n_threads: int = 1) -> Iterator[np.ndarray]:
    """Yield each volume as stored (unscaled, in native byte order), flat in the file's order.

    Parameters
    ----------
    header : Stored
        Of the file.
    n_threads : int
        With more than one the file is decompressed ahead, in a thread of its own.

    Yields
    ------
    ndarray of shape (n_voxels,)
        The first axis of the image varies fastest. Not to be written to.

    Raises
    ------
    BadDataError
        If the file ends early or is damaged, with the number of the volume.
    """
    read = _ahead if n_threads > 1 and header.path.suffix == ".gz" else _blocks
    native = header.dtype.newbyteorder("=")
    for block in read(header):
        yield np.frombuffer(block, dtype=header.dtype).astype(native, copy=False)


def _blocks(header: Stored) -> Iterator[bytes]:
    size = header.volume_bytes
    with open_read(header.path) as file:
        file.seek(header.data_offset)  # an extension may unpack to anything: never in one piece
        for number in range(1, header.n_scans + 1):
            try:
                block = file.read(size)
            except READ_ERRORS as error:
                raise BadDataError(
                    f"{header.path.name} is damaged at volume {number} of {header.n_scans}: "
                    f"{error}. Copy or convert it again."
                ) from error
            if len(block) < size:
                raise BadDataError(
                    f"{header.path.name} ends at volume {number} of the {header.n_scans} that "
                    "its header announces. Copy or convert it again."
                )
            yield block


def _ahead(header: Stored) -> Iterator[bytes]:
    """Yield what `_blocks` does, read by another thread; its error is raised here."""
    depth = max(2, AHEAD_BYTES // header.volume_bytes)
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=depth)
    gone = threading.Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not gone.is_set():
            try:
                ready.put(item, timeout=WAIT)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for block in _blocks(header):
                if not put(block):
                    return
            put(None)
        except BaseException as error:  # the reader raises it in its own thread
            put(error)

    thread = threading.Thread(target=read, name="decompress", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        gone.set()
        thread.join()


class RunningSummary:
    """Sums of a series everywhere, and where in the mask it varies, while its volumes pass by.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the volumes.
    n_scans : int
        Number of volumes that will come, at most.
    """

    def __init__(self, dtype: np.dtype, n_scans: int) -> None:
        exact = dtype.kind in "iu" and np.iinfo(dtype).bits <= 16 and n_scans < 2**15
        self._sum_type = np.dtype(np.int32 if exact else np.float64)
        self._n_counted = 0
        self._broken: np.ndarray | None = None  # not finite in a volume that does not count

    def add(self, volume: np.ndarray, inside: np.ndarray, *, counts: bool = True) -> None:
        """Take the next volume into account; of one that does not count, only gaps.

        Parameters
        ----------
        volume : ndarray of shape (n_voxels,)
            Not to be written to afterwards.
        inside : ndarray of shape (n_inside,)
            Its values in the mask, the same voxels every time.
        counts : bool
        """
        if not counts:
            gaps = ~np.isfinite(inside)
            self._broken = gaps if self._broken is None else self._broken | gaps
            return
        self._n_counted += 1
        if self._n_counted == 1:
            self._first = inside.copy()
            self._total = volume.astype(self._sum_type)
            self._varies = np.zeros(inside.size, dtype=bool)
            self._differs = np.empty(inside.size, dtype=bool)
            return
        with np.errstate(invalid="ignore", over="ignore"):  # seen in the total, and left out
            self._total += volume
        np.not_equal(inside, self._first, out=self._differs)
        self._varies |= self._differs

    def mean(self) -> np.ndarray:
        """Mean over the volumes that count, (n_voxels,); not finite where a value is not."""
        return self._total / self._n_counted

    def has_signal(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Whether values are finite throughout and not all the same where they count, (n_inside,).

        `positions` are where in a volume the voxels of the mask are; by default it is all of it.
        """
        total = self._total if positions is None else self._total[positions]
        found = self._varies & np.isfinite(total)
        return found if self._broken is None else found & ~self._broken
