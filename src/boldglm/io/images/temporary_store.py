"""Series that are too long for memory, in files that vanish with the process.

The files have no name: they are unlinked when they are made, so that nothing is left behind
whatever happens. Resident memory does not grow with the number of volumes.
"""

import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import CannotWriteError

BLOCK_VOXELS = 2048  # voxels that lie together: what a fit reads at a time
BATCH_BYTES = 2**24  # volumes that are turned to the order of the voxels at a time


class _Scratch:
    """A file without a name, which is closed when nobody refers to it any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - see finalize
        except OSError as error:
            raise self._failed(error) from error
        self._descriptor = file.fileno()
        weakref.finalize(self, file.close)

    def write(self, values: np.ndarray, offset: int) -> None:
        """Write all of an array, in however many calls the system wants."""
        left = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        while left:
            try:
                done = os.pwrite(self._descriptor, left, offset)
            except OSError as error:
                raise self._failed(error) from error
            left, offset = left[done:], offset + done

    def _failed(self, error: OSError) -> CannotWriteError:
        return CannotWriteError(
            f"A run that is too long for memory is kept in a temporary file in {self._folder}, "
            f"which cannot be written: {error.strerror}. Free space there, or give another work "
            "folder with -w."
        )

    def read(self, into: np.ndarray, offset: int) -> None:
        """Fill an array."""
        left = into.reshape(-1).view(np.uint8).data
        while left:
            done = os.preadv(self._descriptor, [left], offset)
            if not done:
                raise OSError("a temporary file of the series is shorter than what was written")
            left, offset = left[done:], offset + done


class TemporaryVolumes:
    """Whole volumes, kept in the order in which they came.

    Parameters
    ----------
    folder : Path
        Where the file lies.
    dtype : numpy.dtype
        Of the volumes.
    size : int
        Values in one volume.
    """

    def __init__(self, folder: Path, dtype: np.dtype, size: int) -> None:
        self._scratch = _Scratch(folder)
        self._dtype, self._size = dtype, size
        self._count = 0

    def append(self, volume: np.ndarray) -> None:
        """Keep a volume."""
        self._scratch.write(volume, self._count * volume.nbytes)
        self._count += 1

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the volumes; each is overwritten by the next."""
        volume = np.empty(self._size, dtype=self._dtype)
        for number in range(self._count):
            self._scratch.read(volume, number * volume.nbytes)
            yield volume


class SeriesInMemory:
    """A (n_scans, n_voxels) array in memory, written by volumes like a `TemporarySeries`.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the values.
    shape : tuple of int
        Number of volumes and of voxels.
    """

    def __init__(self, dtype: np.dtype, shape: tuple[int, int]) -> None:
        self._values = np.empty(shape, dtype=dtype)
        self._filled = 0

    def next_row(self) -> np.ndarray:
        """Return where the voxels of the next volume are to be put; shape (n_voxels,)."""
        self._filled += 1
        return self._values[self._filled - 1]

    def finish(self, columns: np.ndarray) -> np.ndarray:
        """Return the array with some of the voxels, in increasing order, without a copy."""
        if columns.size < self._values.shape[1]:
            for row in self._values:
                row[: columns.size] = row[columns]
        return self._values[:, : columns.size]


class TemporarySeries:
    """A (n_scans, n_voxels) array in a file, written by volumes and read by voxels.

    Slices of voxels, ``spool[:, start:stop]``, are all that can be read, as a fit reads them;
    `numpy.asarray` reads everything.

    Parameters
    ----------
    folder : Path
        Where the file lies.
    dtype : numpy.dtype
        Of the values.
    shape : tuple of int
        Number of volumes and of voxels.
    """

    ndim = 2

    def __init__(self, folder: Path, dtype: np.dtype, shape: tuple[int, int]) -> None:
        self._scratch = _Scratch(folder)
        self.dtype = np.dtype(dtype)
        self._stored = shape
        self._columns: np.ndarray | None = None
        batch = max(1, BATCH_BYTES // (shape[1] * self.dtype.itemsize))
        self._batch = np.empty((min(batch, shape[0]), shape[1]), dtype=self.dtype)
        self._written = self._filled = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Number of volumes and of voxels."""
        n_voxels = self._stored[1] if self._columns is None else self._columns.size
        return self._stored[0], n_voxels

    def __len__(self) -> int:
        """Return the number of volumes."""
        return self._stored[0]

    def next_row(self) -> np.ndarray:
        """Return where the voxels of the next volume are to be put; shape (n_voxels,)."""
        if self._filled == len(self._batch):
            self._flush()
        self._filled += 1
        return self._batch[self._filled - 1]

    def finish(self, columns: np.ndarray) -> "TemporarySeries":
        """Write what is left, and keep some of the voxels, in increasing order."""
        self._flush()
        self._batch = self._batch[:0]
        if columns.size < self._stored[1]:
            self._columns = columns
        return self

    def _flush(self) -> None:
        n_scans, n_voxels = self._stored
        item = self.dtype.itemsize
        for start in range(0, n_voxels, BLOCK_VOXELS):
            width = min(BLOCK_VOXELS, n_voxels - start)
            part = np.ascontiguousarray(self._batch[: self._filled, start : start + width])
            offset = (start * n_scans + self._written * width) * item
            self._scratch.write(part, offset)
        self._written += self._filled
        self._filled = 0

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read all volumes of a slice of voxels, as an array of shape (n_scans, n)."""
        scans, voxels = index
        if scans != slice(None) or not isinstance(voxels, slice):
            raise IndexError("a spooled series is read as series[:, start:stop]")
        start, stop, step = voxels.indices(self.shape[1])
        if step != 1:
            raise IndexError("a spooled series is read in steps of one voxel")
        if stop <= start:
            return np.empty((self._stored[0], 0), dtype=self.dtype)
        if self._columns is None:
            return self._range(start, stop)
        wanted = self._columns[start:stop]
        return self._range(wanted[0], wanted[-1] + 1)[:, wanted - wanted[0]]

    def _range(self, start: int, stop: int) -> np.ndarray:
        n_scans, n_voxels = self._stored
        found = []
        for first in range(start - start % BLOCK_VOXELS, stop, BLOCK_VOXELS):
            width = min(BLOCK_VOXELS, n_voxels - first)
            block = np.empty((n_scans, width), dtype=self.dtype)
            self._scratch.read(block, first * n_scans * self.dtype.itemsize)
            found.append(block[:, max(start - first, 0) : stop - first])
        return found[0] if len(found) == 1 else np.hstack(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read everything."""
        if copy is False:
            raise ValueError("a spooled series can be read only into a new array")
        return self[:, :].astype(self.dtype if dtype is None else dtype, copy=False)
