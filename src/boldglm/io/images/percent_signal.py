"""Whether percent of the mean is a meaningful unit for a series.

The mean of a BOLD series is many times its standard deviation over time: about 20 to 200 times in
gray matter, and 1.9 times in air, where a magnitude image holds nothing but noise. Denoised,
detrended and z-scored series have a mean of about 0, and dividing by it gives numbers of any size.
"""

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.noise.blocks import BoldSeries

LOWEST_RATIO = 1.0  # of mean to standard deviation; air has 1.9
N_BLOCKS, BLOCK = 8, 128  # voxels that are looked at


def check_percent_signal(
    bold: BoldSeries, factor: float, means: FloatArray, file_name: str
) -> None:
    """Refuse percent signal change for a series whose means are near zero.

    Parameters
    ----------
    bold : BoldSeries of shape (n_scans, n_voxels)
        The analyzed voxels.
    factor : float
        Factor from the unit of `bold` to that of `means`.
    means : ndarray of shape (n_voxels,)
        Mean of each voxel over time.
    file_name : str
        Name of the file, for the message.

    Raises
    ------
    BadDataError
        If at least half of a sample of the voxels have a mean below their standard deviation over
        time. The sample is spread over the voxels; with up to 1024 voxels it holds all of them.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(50, 30))
    >>> check_percent_signal(noise + 20, 1.0, np.full(30, 20.0), "bold.nii.gz")
    """
    ratios = np.concatenate(
        [
            _ratios(np.asarray(bold[:, voxels], dtype=np.float64) * factor, means[voxels])
            for voxels in _sampled_blocks(means.size)
        ]
    )
    is_low = ratios < LOWEST_RATIO
    if 2 * int(is_low.sum()) < ratios.size:
        return
    raise BadDataError(
        f"{file_name}: {int(is_low.sum())} of {ratios.size} voxels that were checked have a mean "
        f"below their standard deviation over time (median ratio {np.median(ratios):.2g}), so the "
        "series seems to be denoised, detrended or standardized, and percent of the mean is not a "
        "meaningful unit. Pass --signal-scaling none (SignalScaling in a model file), or choose a "
        "series that retains its mean."
    )


def _sampled_blocks(n_voxels: int) -> list[slice]:
    """Return slices that hold all voxels, or some spread over them."""
    if n_voxels <= N_BLOCKS * BLOCK:
        return [slice(0, n_voxels)]
    starts = np.linspace(0, n_voxels - BLOCK, N_BLOCKS).astype(int)
    return [slice(int(start), int(start) + BLOCK) for start in starts]


def _ratios(series: FloatArray, means: FloatArray) -> FloatArray:
    """Return the ratio of mean to standard deviation of each voxel."""
    spread = series.std(axis=0)
    return np.divide(means, spread, out=np.full(means.size, np.inf), where=spread > 0)
