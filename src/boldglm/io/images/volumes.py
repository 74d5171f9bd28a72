"""The volumes of a BOLD file as a stream: decompressed once, in order, as stored.

Decompression can run ahead of the reader in a separate thread. It releases the interpreter lock,
so it takes no time from the reader.
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
REST = 2**16  # bytes read after the last volume; headers that leave more are refused
WAIT = 0.1  # seconds between checks of the thread whether its reader has stopped


class VolumeLayout(Protocol):
    """Position and data type of the volumes in a file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def n_scans(self) -> int:
        """Number of volumes."""

    @property
    def dtype(self) -> np.dtype:
        """Data type of the values."""

    @property
    def data_offset(self) -> int:
        """Bytes before the first volume in the decompressed file."""

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume."""


def stream_volumes(header: VolumeLayout, *, n_threads: int = 1) -> Iterator[np.ndarray]:
    """Yield each volume as stored: unscaled, flat in the order of the file, native byte order.

    Parameters
    ----------
    header : VolumeLayout
        File, and layout of its volumes.
    n_threads : int
        With two or more, a compressed file is decompressed ahead in a separate thread.

    Yields
    ------
    ndarray of shape (n_voxels,)
        The first axis of the image varies fastest. Read-only.

    Raises
    ------
    BadDataError
        If the file is damaged or ends early; the message gives the number of the volume.
    """
    read = _ahead if n_threads > 1 and header.path.suffix == ".gz" else _blocks
    native = header.dtype.newbyteorder("=")
    for block in read(header):
        yield np.frombuffer(block, dtype=header.dtype).astype(native, copy=False)


def _blocks(header: VolumeLayout) -> Iterator[bytes]:
    size = header.volume_bytes
    with open_read(header.path) as file:
        file.seek(header.data_offset)  # never read at once: an extension may unpack to any size
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
                    f"{header.path.name} ends at volume {number} of the {header.n_scans} in its "
                    "header. Copy or convert it again."
                )
            yield block
        try:
            file.read(REST)  # at the end of a gzip file is the checksum of all of it
        except READ_ERRORS as error:
            raise BadDataError(
                f"{header.path.name} is damaged: {error} after its last volume. Copy or convert "
                "it again."
            ) from error


def _ahead(header: VolumeLayout) -> Iterator[bytes]:
    """Yield the blocks of `_blocks`, which runs in another thread; its errors are raised here."""
    depth = max(2, AHEAD_BYTES // header.volume_bytes)
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not stopped.is_set():
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
        stopped.set()
        thread.join()


class RunningSummary:
    """Mean of all voxels, and which voxels of the mask vary, updated with each volume.

    Parameters
    ----------
    dtype : numpy.dtype
        Data type of the volumes.
    n_scans : int
        Largest number of volumes.
    """

    def __init__(self, dtype: np.dtype, n_scans: int) -> None:
        exact = dtype.kind in "iu" and np.iinfo(dtype).bits <= 16 and n_scans < 2**15
        self._sum_type = np.dtype(np.int32 if exact else np.float64)
        self._n_uncensored = 0
        self._not_finite: np.ndarray | None = None  # in a censored volume

    def add(self, volume: np.ndarray, inside: np.ndarray, *, is_censored: bool = False) -> None:
        """Add the next volume.

        Parameters
        ----------
        volume : ndarray of shape (n_voxels,)
            Must not be changed afterwards.
        inside : ndarray of shape (n_inside,)
            Values in the mask, always of the same voxels.
        is_censored : bool
            Of a censored volume, only values that are not finite are recorded.
        """
        if is_censored:
            not_finite = ~np.isfinite(inside)
            self._not_finite = (
                not_finite if self._not_finite is None else self._not_finite | not_finite
            )
            return
        self._n_uncensored += 1
        if self._n_uncensored == 1:
            self._first = inside.copy()
            self._total = volume.astype(self._sum_type)
            self._varies = np.zeros(inside.size, dtype=bool)
            self._differs = np.empty(inside.size, dtype=bool)
            return
        with np.errstate(invalid="ignore", over="ignore"):  # such voxels are excluded later
            self._total += volume
        np.not_equal(inside, self._first, out=self._differs)
        self._varies |= self._differs

    def mean(self) -> np.ndarray:
        """Mean of the uncensored volumes, (n_voxels,); not finite where any of them is not."""
        return self._total / self._n_uncensored

    def varies(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Whether voxels are finite in all volumes and vary in uncensored ones, (n_inside,).

        `positions` are the indices of the voxels of the mask in a volume; by default all.
        """
        total = self._total if positions is None else self._total[positions]
        varies = self._varies & np.isfinite(total)
        return varies if self._not_finite is None else varies & ~self._not_finite
