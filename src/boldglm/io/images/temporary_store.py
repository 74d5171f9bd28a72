"""Temporary files for series that are too long for memory.

The files have no name: they are unlinked when they are created, so they vanish with the process
in any case. Resident memory does not grow with the number of volumes.
"""

import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import FULL, CannotWriteError, DiskFullError

BLOCK_VOXELS = 2048  # voxels stored together: a fit reads one such block at a time
BATCH_BYTES = 2**24  # size of the volumes that are reordered by voxels at a time


class _UnnamedFile:
    """A file without a name, closed when the last reference to it is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - see finalize
        except OSError as error:
            raise self._failed(error) from error
        self._descriptor = file.fileno()
        weakref.finalize(self, file.close)

    def write(self, values: np.ndarray, offset: int) -> None:
        """Write a whole array; the system may need several calls."""
        remaining = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        while remaining:
            try:
                done = os.pwrite(self._descriptor, remaining, offset)
            except OSError as error:
                raise self._failed(error) from error
            remaining, offset = remaining[done:], offset + done

    def _failed(self, error: OSError) -> CannotWriteError:
        kind = DiskFullError if error.errno in FULL else CannotWriteError
        return kind(
            f"{self._folder} cannot be written: {error.strerror}. Data that are too large for "
            "memory need a temporary file there. Free space, or choose another work folder with "
            "-w."
        )

    def read(self, into: np.ndarray, offset: int) -> None:
        """Fill an array with bytes from an offset on."""
        remaining = into.reshape(-1).view(np.uint8).data
        while remaining:
            done = os.preadv(self._descriptor, [remaining], offset)
            if not done:
                raise OSError("the temporary file of the series is shorter than expected")
            remaining, offset = remaining[done:], offset + done


class TemporaryVolumes:
    """Volumes in a temporary file, in the order in which they were added.

    Parameters
    ----------
    folder : Path
        Folder of the file.
    dtype : numpy.dtype
        Data type of the volumes.
    size : int
        Number of values in a volume.
    """

    def __init__(self, folder: Path, dtype: np.dtype, size: int) -> None:
        self._file = _UnnamedFile(folder)
        self._dtype, self._size = dtype, size
        self._count = 0

    def append(self, volume: np.ndarray) -> None:
        """Add a volume."""
        self._file.write(volume, self._count * volume.nbytes)
        self._count += 1

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the volumes in one array, which each overwrites."""
        volume = np.empty(self._size, dtype=self._dtype)
        for number in range(self._count):
            self._file.read(volume, number * volume.nbytes)
            yield volume


class SeriesInMemory:
    """A series of shape (n_scans, n_voxels) in memory, written like a `TemporarySeries`.

    Parameters
    ----------
    dtype : numpy.dtype
        Data type of the values.
    shape : tuple of int
        Numbers of volumes and voxels.
    """

    def __init__(self, dtype: np.dtype, shape: tuple[int, int]) -> None:
        self._values = np.empty(shape, dtype=dtype)
        self._filled = 0

    def next_row(self) -> np.ndarray:
        """Return the array to fill with the voxels of the next volume; (n_voxels,)."""
        self._filled += 1
        return self._values[self._filled - 1]

    def finish(self, columns: np.ndarray) -> np.ndarray:
        """Return the array restricted to some voxels, in increasing order, without a copy."""
        if columns.size < self._values.shape[1]:
            for row in self._values:
                row[: columns.size] = row[columns]
        return self._values[:, : columns.size]


class TemporarySeries:
    """A series of shape (n_scans, n_voxels) in a temporary file, written by volume.

    It is read by slices of voxels, ``series[:, start:stop]``, as a fit reads it, or as a whole
    with `numpy.asarray`.

    Parameters
    ----------
    folder : Path
        Folder of the file.
    dtype : numpy.dtype
        Data type of the values.
    shape : tuple of int
        Numbers of volumes and voxels.
    """

    ndim = 2

    def __init__(self, folder: Path, dtype: np.dtype, shape: tuple[int, int]) -> None:
        self._file = _UnnamedFile(folder)
        self.dtype = np.dtype(dtype)
        self._written_shape = shape
        self._columns: np.ndarray | None = None
        batch = max(1, BATCH_BYTES // (shape[1] * self.dtype.itemsize))
        self._batch = np.empty((min(batch, shape[0]), shape[1]), dtype=self.dtype)
        self._written = self._filled = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of volumes and voxels."""
        n_voxels = self._written_shape[1] if self._columns is None else self._columns.size
        return self._written_shape[0], n_voxels

    def __len__(self) -> int:
        """Return the number of volumes."""
        return self._written_shape[0]

    def next_row(self) -> np.ndarray:
        """Return the array to fill with the voxels of the next volume; (n_voxels,)."""
        if self._filled == len(self._batch):
            self._flush()
        self._filled += 1
        return self._batch[self._filled - 1]

    def finish(self, columns: np.ndarray) -> "TemporarySeries":
        """Write the last volumes, and restrict the series to some voxels, in increasing order."""
        self._flush()
        self._batch = self._batch[:0]
        if columns.size < self._written_shape[1]:
            self._columns = columns
        return self

    def _flush(self) -> None:
        n_scans, n_voxels = self._written_shape
        item = self.dtype.itemsize
        for start in range(0, n_voxels, BLOCK_VOXELS):
            width = min(BLOCK_VOXELS, n_voxels - start)
            part = np.ascontiguousarray(self._batch[: self._filled, start : start + width])
            offset = (start * n_scans + self._written * width) * item
            self._file.write(part, offset)
        self._written += self._filled
        self._filled = 0

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read all volumes of a slice of voxels; (n_scans, n)."""
        scans, voxels = index
        if scans != slice(None) or not isinstance(voxels, slice):
            raise IndexError("a temporary series can only be read as series[:, start:stop]")
        start, stop, step = voxels.indices(self.shape[1])
        if step != 1:
            raise IndexError("a temporary series can only be read in steps of one voxel")
        if stop <= start:
            return np.empty((self._written_shape[0], 0), dtype=self.dtype)
        if self._columns is None:
            return self._range(start, stop)
        columns = self._columns[start:stop]
        return self._range(columns[0], columns[-1] + 1)[:, columns - columns[0]]

    def _range(self, start: int, stop: int) -> np.ndarray:
        n_scans, n_voxels = self._written_shape
        blocks = []
        for first in range(start - start % BLOCK_VOXELS, stop, BLOCK_VOXELS):
            width = min(BLOCK_VOXELS, n_voxels - first)
            block = np.empty((n_scans, width), dtype=self.dtype)
            self._file.read(block, first * n_scans * self.dtype.itemsize)
            blocks.append(block[:, max(start - first, 0) : stop - first])
        return blocks[0] if len(blocks) == 1 else np.hstack(blocks)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read the whole series."""
        if copy is False:
            raise ValueError("a temporary series can only be read into a new array")
        return self[:, :].astype(self.dtype if dtype is None else dtype, copy=False)
