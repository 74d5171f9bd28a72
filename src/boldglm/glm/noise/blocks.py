"""Read the voxels of a run in blocks that fit in the processor's cache.

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

# Where the residual is a smaller share of the signal's sum of squares than this, y'y - b'b loses
# too many digits by cancellation, so the residuals are formed explicitly.
NEARLY_ALL_EXPLAINED = 1e-4


@dataclass(frozen=True)
class Chunks:
    """How voxels are divided into blocks; affects memory and speed, not results.

    Parameters
    ----------
    block_size : int
        Number of voxels in a block.
    n_threads : int
        Number of blocks that are processed in parallel.
    """

    block_size: int = 2048
    n_threads: int = 1


@runtime_checkable
class BoldSeries(Protocol):
    """BOLD data that can be read a block of voxels at a time, such as an array or a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_scans, n_voxels)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __getitem__(self, key: Any) -> Any:
        """Return all scans of the voxels ``start:stop``, for the index ``[:, start:stop]``."""


@dataclass(frozen=True, eq=False)
class Block:
    """A block of voxels with its projection onto the basis; made by `each_projected`.

    Parameters
    ----------
    voxels : slice
        Position of the block among all voxels.
    means : ndarray of shape (n,)
        Mean that was subtracted from each signal; 0 if the design has no constant.
    signal : ndarray of shape (n_scans, n)
        Centered signals, without the part in `removed`.
    coordinates : ndarray of shape (rank, n)
        ``U'signal``.
    energy : ndarray of shape (n,)
        Sum of squares of `signal`.
    removed : ndarray of shape (rank, n)
        Coordinates of the fit that was subtracted from signals which the design explains
        almost entirely; 0 at all other voxels.
    without_variance : ndarray of bool, of shape (n,)
        Voxels whose residual is no larger than rounding error; their `signal` is set to 0.
    """

    voxels: slice
    means: FloatArray
    signal: FloatArray
    coordinates: FloatArray
    energy: FloatArray
    removed: FloatArray
    without_variance: BoolArray

    def ssr(self) -> FloatArray:
        """Return the sum of squared residuals, (n,), without forming the residuals."""
        explained = np.einsum("rv,rv->v", self.coordinates, self.coordinates)
        return np.maximum(self.energy - explained, 0.0)


def read_blocks(bold: BoldSeries, block_size: int) -> Iterator[tuple[slice, FloatArray]]:
    """Read all voxels, one block after the other.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data of any real type.
    block_size : int
        Number of voxels in a block.

    Yields
    ------
    tuple of (slice, ndarray of shape (n_scans, n))
        Position of the block and its data as float64. The next block overwrites this array.

    Raises
    ------
    ValueError
        If a value is not finite.

    Examples
    --------
    >>> blocks = read_blocks(np.arange(6).reshape(2, 3), block_size=2)
    >>> [(voxels.start, signal.shape) for voxels, signal in blocks]
    [(0, (2, 2)), (2, (2, 1))]
    """
    reader = _Reader(bold)
    for voxels in blocks_of(bold.shape[1], block_size):
        yield voxels, reader.read(voxels)


def each_block(
    bold: BoldSeries, chunks: Chunks, work: Callable[[slice, FloatArray], None]
) -> None:
    """Call a function on every block of voxels, in parallel.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data of any real type. Unless it is an array, only one thread reads it at a time.
    chunks : Chunks
        Block size and number of threads.
    work : callable
        Called with the position of the block, a slice, and its data as float64, (n_scans, n).
        The thread's next block overwrites this array. The function stores its results itself,
        at the positions of its voxels only.

    Raises
    ------
    ValueError
        If a value is not finite.

    Examples
    --------
    >>> totals = np.empty(5)
    >>> def add_up(voxels, signal):
    ...     totals[voxels] = signal.sum(axis=0)
    >>> each_block(np.ones((3, 5)), Chunks(block_size=2, n_threads=2), add_up)
    >>> totals.tolist()
    [3.0, 3.0, 3.0, 3.0, 3.0]
    """
    reader = _Reader(bold)

    def read_and_work(voxels: slice) -> None:
        work(voxels, reader.read(voxels))

    each(blocks_of(bold.shape[1], chunks.block_size), read_and_work, chunks.n_threads)


def each_projected(
    bold: BoldSeries, model: LinearModel, chunks: Chunks, work: Callable[[Block], None]
) -> None:
    """Call a function on every block of voxels, projected onto the design, in parallel.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        BOLD data of any real type; each block is converted to float64.
    model : LinearModel
        The design, whose basis the data are projected onto.
    chunks : Chunks
        Block size and number of threads.
    work : callable
        Called with a `Block`. Where the design explains a signal almost entirely, the fit is
        subtracted first, so that ``energy - coordinates²`` keeps enough digits everywhere.
        The thread's next block overwrites the signal.

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
    """Reads blocks as float64, each thread into its own buffer."""

    def __init__(self, bold: BoldSeries) -> None:
        self.bold = bold
        self._scratch = Scratch()
        self._lock = threading.Lock()

    def read(self, voxels: slice) -> FloatArray:
        """Return the data of a block; the thread's next call overwrites the array."""
        signal = self._scratch.array(self.bold.shape[0], voxels.stop - voxels.start)
        if isinstance(self.bold, np.ndarray):
            block = self.bold[:, voxels]
            np.copyto(signal, block)
        else:
            with self._lock:  # threads share the read position of a file
                block = np.asarray(self.bold[:, voxels])
                np.copyto(signal, block)
        # integers are finite; the block is asked, because a file may have another type than
        # the data that it returns
        if block.dtype.kind not in "iub" and not np.isfinite(np.einsum("tv->", signal)):
            with self._lock:
                _check_finite(self.bold, max(voxels.stop - voxels.start, 1))
        return signal


def _check_finite(bold: BoldSeries, block_size: int) -> None:
    n_voxels = bold.shape[1]
    n_bad = 0
    for voxels in blocks_of(n_voxels, block_size):
        n_bad += int((~np.isfinite(np.asarray(bold[:, voxels])).all(axis=0)).sum())
    if n_bad:
        raise ValueError(
            f"bold is not finite at {n_bad} of {n_voxels} voxels: they have NaN or infinite "
            "values. Exclude these voxels from the mask."
        )


def _projected(voxels: slice, means: FloatArray, signal: FloatArray, basis: FloatArray) -> Block:
    coordinates = basis.T @ signal
    energy = np.einsum("tv,tv->v", signal, signal)
    rounding = (len(signal) * EPS) ** 2 * (energy + len(signal) * means**2)
    removed = np.zeros_like(coordinates)
    without_variance = np.zeros(len(means), dtype=bool)
    unexplained = energy - np.einsum("rv,rv->v", coordinates, coordinates)
    explained = np.flatnonzero(unexplained <= NEARLY_ALL_EXPLAINED * energy)
    if explained.size:
        residuals = signal[:, explained] - basis @ coordinates[:, explained]
        energy[explained] = np.einsum("tv,tv->v", residuals, residuals)
        is_rounding = energy[explained] <= rounding[explained]
        residuals[:, is_rounding] = 0.0
        without_variance[explained] = is_rounding
        signal[:, explained] = residuals
        removed[:, explained] = coordinates[:, explained]
        coordinates[:, explained] = basis.T @ residuals
        energy[without_variance] = 0.0
    return Block(voxels, means, signal, coordinates, energy, removed, without_variance)
