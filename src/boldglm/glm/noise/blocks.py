"""Walking through the voxels of a run in blocks that fit the processor's cache.

Notation: U orthonormal basis of the design, y signal, b = U'y, eps the spacing of float64 at 1.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from boldglm.glm.arrays.memory import blocks_of
from boldglm.glm.arrays.threads import Scratch, each
from boldglm.glm.arrays.types import BoolArray, FloatArray
from boldglm.glm.design.linear_model import EPS, LinearModel

# Where the fit leaves less of the signal's energy than this, y'y - b'b has lost more digits
# than it may, and residuals are formed.
NEARLY_ALL_EXPLAINED = 1e-4


@dataclass(frozen=True)
class Chunks:
    """How to walk through the voxels; changes memory and speed, not results.

    Parameters
    ----------
    block_size : int
        Voxels at a time.
    n_threads : int
        Blocks at a time.
    """

    block_size: int = 2048
    n_threads: int = 1


@runtime_checkable
class BoldSeries(Protocol):
    """Signals that can be read a block of voxels at a time: an array, or something like it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_scans, n_voxels)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __getitem__(self, key: Any) -> Any:
        """Return all scans of some voxels, for ``[:, start:stop]``."""


@dataclass(frozen=True, eq=False)
class Block:
    """A block of voxels with its projection on the basis; made by `each_projected`.

    Parameters
    ----------
    voxels : slice
        Which voxels these are.
    means : ndarray of shape (n,)
        What was subtracted from each signal: its mean, or 0 if the design has no constant.
    signal : ndarray of shape (n_scans, n)
        Centered signals, less `removed`.
    coordinates : ndarray of shape (rank, n)
        ``U'signal``.
    energy : ndarray of shape (n,)
        Sum of squares of `signal`.
    removed : ndarray of shape (rank, n)
        Coordinates of what was taken out of signals that the design explains nearly
        entirely; mostly 0.
    without_variance : ndarray of bool, of shape (n,)
        Voxels without any residual beyond rounding, of which `signal` is all 0.
    """

    voxels: slice
    means: FloatArray
    signal: FloatArray
    coordinates: FloatArray
    energy: FloatArray
    removed: FloatArray
    without_variance: BoolArray

    def ssr(self) -> FloatArray:
        """Return the sum of squared residuals, without forming residuals."""
        explained = np.einsum("rv,rv->v", self.coordinates, self.coordinates)
        return np.maximum(self.energy - explained, 0.0)


def read_blocks(bold: BoldSeries, block_size: int) -> Iterator[tuple[slice, FloatArray]]:
    """Walk through the voxels, one block after the other.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        Signals of any real type.
    block_size : int
        Voxels per block.

    Yields
    ------
    tuple of (slice, ndarray of shape (n_scans, n))
        Which voxels, and their signals as float64, in memory that the next block uses again.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    reader = _Reader(bold)
    for voxels in blocks_of(bold.shape[1], block_size):
        yield voxels, reader.read(voxels)


def each_block(
    bold: BoldSeries, chunks: Chunks, work: Callable[[slice, FloatArray], None]
) -> None:
    """Do some work on every block of voxels, several blocks at a time.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        Signals of any real type. What is not an array in memory is read by one thread at a time.
    chunks : Chunks
        How large blocks are, and how many at a time.
    work : callable
        Called with which voxels, and their signals as float64, of shape (n_scans, n), in memory
        that the thread's next block uses again. Stores what it finds at its own voxels.

    Raises
    ------
    ValueError
        If a value is not finite.

    Examples
    --------
    >>> found = np.empty(5)
    >>> def add_up(voxels, signal):
    ...     found[voxels] = signal.sum(axis=0)
    >>> each_block(np.ones((3, 5)), Chunks(block_size=2, n_threads=2), add_up)
    >>> found.tolist()
    [3.0, 3.0, 3.0, 3.0, 3.0]
    """
    reader = _Reader(bold)

    def read_and_work(voxels: slice) -> None:
        work(voxels, reader.read(voxels))

    each(blocks_of(bold.shape[1], chunks.block_size), read_and_work, chunks.n_threads)


def each_projected(
    bold: BoldSeries, model: LinearModel, chunks: Chunks, work: Callable[[Block], None]
) -> None:
    """Do some work on every block of voxels, projected on the design.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        Signals of any real type; each block is converted to float64.
    model : LinearModel
        Its basis is projected on.
    chunks : Chunks
        How large blocks are, and how many at a time.
    work : callable
        Called with a `Block`, which has enough digits left in ``energy - coordinates²``
        whatever the fit: voxels which the design explains nearly entirely have their fit
        subtracted first. Its signal is in memory that the thread's next block uses again.

    Raises
    ------
    ValueError
        If a value is not finite.
    """

    def project_and_work(voxels: slice, signal: FloatArray) -> None:
        means = np.zeros(signal.shape[1])
        if model.spans_constant:
            means = signal.mean(axis=0)
            signal -= means
        work(_projected(voxels, means, signal, model.basis))

    each_block(bold, chunks, project_and_work)


class _Reader:
    """Reads blocks as float64, each thread into memory of its own."""

    def __init__(self, bold: BoldSeries) -> None:
        self.bold = bold
        self._scratch = Scratch()
        self._lock = threading.Lock()

    def read(self, voxels: slice) -> FloatArray:
        """Return the signals of some voxels, in memory that the thread's next call uses again."""
        signal = self._scratch.array(self.bold.shape[0], voxels.stop - voxels.start)
        if isinstance(self.bold, np.ndarray):
            block = self.bold[:, voxels]
            np.copyto(signal, block)
        else:
            with self._lock:  # a file has one place where it is being read
                block = np.asarray(self.bold[:, voxels])
                np.copyto(signal, block)
        # integers are finite; what was read tells, for a file may say how it is stored
        if block.dtype.kind not in "iub" and not np.isfinite(np.einsum("tv->", signal)):
            with self._lock:
                _refuse_missing(self.bold, max(voxels.stop - voxels.start, 1))
        return signal


def _refuse_missing(bold: BoldSeries, block_size: int) -> None:
    n_voxels = bold.shape[1]
    bad = 0
    for voxels in blocks_of(n_voxels, block_size):
        bad += int((~np.isfinite(np.asarray(bold[:, voxels])).all(axis=0)).sum())
    if bad:
        raise ValueError(
            f"bold is not finite at {bad} of {n_voxels} voxels. Leave them out of the mask."
        )


def _projected(voxels: slice, means: FloatArray, signal: FloatArray, basis: FloatArray) -> Block:
    coordinates = basis.T @ signal
    energy = np.einsum("tv,tv->v", signal, signal)
    rounding = (len(signal) * EPS) ** 2 * (energy + len(signal) * means**2)
    removed = np.zeros_like(coordinates)
    without_variance = np.zeros(len(means), dtype=bool)
    left = energy - np.einsum("rv,rv->v", coordinates, coordinates)
    hard = np.flatnonzero(left <= NEARLY_ALL_EXPLAINED * energy)
    if hard.size:
        residuals = signal[:, hard] - basis @ coordinates[:, hard]
        energy[hard] = np.einsum("tv,tv->v", residuals, residuals)
        nothing = energy[hard] <= rounding[hard]
        residuals[:, nothing] = 0.0
        without_variance[hard] = nothing
        signal[:, hard] = residuals
        removed[:, hard] = coordinates[:, hard]
        coordinates[:, hard] = basis.T @ residuals
        energy[without_variance] = 0.0
    return Block(voxels, means, signal, coordinates, energy, removed, without_variance)
