"""Checks of the BOLD data and options that are passed to a fit."""

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.threads import usable_threads
from boldglm.glm.noise.blocks import BoldSeries, Chunks


def checked_chunks(block_size: int, n_threads: int | None) -> Chunks:
    """Return the number of voxels in a block and of threads, by default all threads."""
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1 voxel, not {block_size}.")
    if n_threads is not None and n_threads < 1:
        raise ValueError(f"n_threads must be at least 1, not {n_threads}.")
    return Chunks(block_size, n_threads or usable_threads())


def checked_bold(bold: ArrayLike | BoldSeries, n_scans: int) -> BoldSeries:
    """Return BOLD data of shape (n_scans, n_voxels), or raise ValueError."""
    if np.ma.is_masked(bold):
        raise ValueError(
            f"bold has {np.ma.count_masked(bold)} masked values. Remove these voxels, or censor "
            "these scans in the design, and pass a plain array."
        )
    data: BoldSeries = bold if isinstance(bold, BoldSeries) else np.asarray(bold)
    if np.dtype(data.dtype).kind not in "buif":
        raise ValueError(f"bold has type {data.dtype}. It needs real numbers.")
    if isinstance(data, np.ndarray) and data.ndim == 1:
        data = data[:, np.newaxis]
    if len(data.shape) != 2:
        raise ValueError(
            f"bold has shape {data.shape}, but it needs two axes, (n_scans, n_voxels). Reshape "
            "an image to (-1, n_scans) and transpose it."
        )
    if data.shape[0] != n_scans:
        transposed = " It looks transposed." if data.shape[1] == n_scans else ""
        raise ValueError(
            f"bold has {data.shape[0]} scans, but the design has {n_scans} rows. Build the "
            f"design for the number of scans of this run.{transposed}"
        )
    return data


def checked_fitted_bold(bold: ArrayLike | BoldSeries, n_scans: int, n_voxels: int) -> BoldSeries:
    """Return the BOLD data of a fit, or raise ValueError if their shape differs from the fit."""
    data = checked_bold(bold, n_scans)
    if data.shape[1] != n_voxels:
        raise ValueError(
            f"bold has {data.shape[1]} voxels, but the fit has {n_voxels}. Pass the data that "
            "were fitted."
        )
    return data
