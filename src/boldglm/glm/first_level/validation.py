"""What a fit is given: signals, a design, how to work; checked before anything is done.

What cannot be fitted is refused with what was found, what is needed and what to do.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boldglm.glm.arrays.threads import usable_threads
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.noise.blocks import BoldSeries, Chunks


def checked_design(design: ArrayLike | Design) -> tuple[tuple[str, ...], FloatArray]:
    """Return names and values of regressors, or refuse what is no design."""
    columns = _real(design.matrix if isinstance(design, Design) else design, "the design")
    columns = columns.astype(np.float64)
    if columns.ndim == 1:
        columns = columns[:, np.newaxis]
    if columns.ndim != 2 or 0 in columns.shape:
        raise ValueError(
            f"the design has shape {columns.shape}; it needs scans in rows, regressors in columns."
        )
    if isinstance(design, Design):
        names: Sequence[str] = design.names
    else:
        names = [f"column_{k + 1}" for k in range(columns.shape[1])]
    missing = ~np.isfinite(columns).all(axis=0)
    if missing.any():
        listed = ", ".join(repr(names[k]) for k in np.flatnonzero(missing).tolist())
        raise ValueError(
            f"the design has values that are not finite, in {listed}. Fill them, or leave the "
            "columns out."
        )
    if not columns.any():
        raise ValueError("the design is 0 in every scan and column.")
    return tuple(names), columns


def checked_chunks(block_size: int, n_threads: int | None) -> Chunks:
    """Return how to walk through the voxels, by default with all threads there are."""
    if block_size < 1:
        raise ValueError(f"block_size is {block_size}; it is a number of voxels, at least 1.")
    if n_threads is not None and n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}; it is a number of threads, at least 1.")
    return Chunks(block_size, n_threads or usable_threads())


def checked_bold(bold: ArrayLike | BoldSeries, n_scans: int) -> BoldSeries:
    """Return signals of shape (n_scans, n_voxels), or refuse what cannot be fitted."""
    if np.ma.is_masked(bold):
        raise ValueError(
            f"bold has {np.ma.count_masked(bold)} masked values. Leave these voxels out, or "
            "censor these scans in the design, and give the values as a plain array."
        )
    signals: BoldSeries = bold if isinstance(bold, BoldSeries) else np.asarray(bold)
    if np.dtype(signals.dtype).kind not in "buif":
        raise ValueError(f"bold has type {signals.dtype}; it needs real numbers.")
    if isinstance(signals, np.ndarray) and signals.ndim == 1:
        signals = signals[:, np.newaxis]
    if len(signals.shape) != 2:
        raise ValueError(
            f"bold has shape {signals.shape}; it needs two axes, (n_scans, n_voxels). Reshape an "
            "image to (-1, n_scans) and transpose it."
        )
    if signals.shape[0] != n_scans:
        transposed = " It looks transposed." if signals.shape[1] == n_scans else ""
        raise ValueError(
            f"bold has {signals.shape[0]} scans but the design has {n_scans} rows; build the "
            f"design from the same run's number of scans.{transposed}"
        )
    return signals


def _real(values: ArrayLike, what: str) -> NDArray:
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{what} has type {array.dtype}; it needs real numbers.")
    return array
