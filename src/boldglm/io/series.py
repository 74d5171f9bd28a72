"""One BOLD run as a masked array: which voxels, and what they hold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.brain_mask import compute_brain_mask
from boldglm.io.images import (
    BoldHeader,
    SeriesSummary,
    read_bold_header,
    read_mask,
    read_masked,
    stream_volumes,
    summarize_series,
)

KEEP_BYTES = 2**30  # runs up to this size are held as stored, so that they are read only once

_NO_VOXEL = (
    "{} has no voxel to analyse: inside the mask every voxel is constant, not finite or without a "
    "positive mean. If the data were standardized or detrended, use --signal-scaling none."
)


@dataclass(frozen=True)
class MaskedRun:
    """A run inside its mask.

    `bold` is (n_scans, n_voxels) float32 in the units of the file; `mean` and `mask` have the
    volume's shape; `scale` (n_voxels,) turns estimates into the unit that was asked for.
    """

    header: BoldHeader
    bold: np.ndarray
    mask: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    left_out: tuple[str, ...]


def load_run(bold_file: Path, mask_file: Path | None, signal_scaling: str) -> MaskedRun:
    """Read a run inside the given mask, or inside one computed from its mean image.

    Voxels that are constant or not finite at any time, and with percent scaling those whose
    mean is not positive, are left out of the mask and counted.

    Parameters
    ----------
    bold_file, mask_file : Path
        4-D series; 3-D mask on its grid, or None to compute one.
    signal_scaling : str
        ``"percent"`` of the voxel's mean over time, or ``"none"``.

    Raises
    ------
    BadDataError
        If no voxel is left.
    """
    header = read_bold_header(bold_file)
    small = header.volume_bytes * header.n_scans <= KEEP_BYTES
    volumes = list(stream_volumes(header)) if small else None
    summary = summarize_series(header, volumes)
    if mask_file is None and not summary.has_signal.any():
        raise BadDataError(_NO_VOXEL.format(bold_file.name))
    if mask_file is None:
        wanted = compute_brain_mask(summary.mean, summary.has_signal)
    else:
        wanted = read_mask(mask_file, header)
    mask, left_out = _usable(wanted, summary, signal_scaling, bold_file.name)
    bold = read_masked(header, mask, volumes)
    mean = summary.mean[mask]
    scale = 100.0 / mean if signal_scaling == "percent" else np.ones(mean.size)
    return MaskedRun(header, bold, mask, summary.mean, scale, left_out)


def _usable(
    wanted: np.ndarray, summary: SeriesSummary, signal_scaling: str, file_name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    mask = wanted & summary.has_signal
    flat = int((wanted & ~summary.has_signal).sum())
    left_out = []
    if flat:
        left_out.append(
            f"{flat} of {int(wanted.sum())} mask voxels of {file_name} are constant or not finite "
            "and were left out"
        )
    if signal_scaling == "percent":
        dark = int((mask & (summary.mean <= 0)).sum())
        mask &= summary.mean > 0
        if dark:
            left_out.append(
                f"{dark} mask voxels of {file_name} have a mean that is not positive, so no "
                "percent signal change, and were left out"
            )
    if not mask.any():
        raise BadDataError(_NO_VOXEL.format(file_name))
    return mask, tuple(left_out)
