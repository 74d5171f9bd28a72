"""One BOLD run as a masked array: which voxels, and what they hold.

The file is decompressed once. What a fit reads lies in memory as the file stores it, or, where
that is much, in an unnamed temporary file in the order in which it is read.
"""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import BoolArray
from boldglm.glm.spatial.domains import Smoother
from boldglm.glm.spatial.smoothness import sampled_residual_rows
from boldglm.io.images.formats import read_bold_header, read_mask
from boldglm.io.images.geometry import BoldHeader, Geometry
from boldglm.io.images.noise_smoothness import blurring
from boldglm.io.images.temporary_store import SeriesInMemory, TemporarySeries, TemporaryVolumes
from boldglm.io.images.volumes import RunningSummary
from boldglm.notices import Notice, exclusion
from boldglm.vocabulary import SIGNAL_SCALING, SMOOTHING_TYPE

MEMORY_LIMIT = 2**27  # of a series that may lie in memory; longer ones go to a temporary file

_NO_VOXEL = (
    "{} has no voxel to analyze: inside the mask every voxel is constant, not finite or without a "
    "positive mean. If the data were standardized or detrended, use --signal-scaling none."
)


class BoldSeries(Protocol):
    """What a fit reads: (n_scans, n_voxels), in blocks of voxels."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of volumes and of voxels."""

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""

    def __getitem__(self, index: Any, /) -> np.ndarray:
        """Read ``[:, start:stop]``."""

    def __array__(self, dtype: Any = None, /) -> np.ndarray:
        """Read everything."""


class ScaledSeries:
    """A series with slope and intercept applied to each block that is read.

    Only for files with an intercept, or a slope below zero: a positive slope is applied to the
    estimates, which is cheaper.

    Parameters
    ----------
    stored : Series
        Values as stored.
    slope, intercept : float
        ``value = slope * stored + intercept``.
    """

    ndim = 2
    dtype = np.dtype(np.float64)

    def __init__(self, stored: BoldSeries, slope: float, intercept: float) -> None:
        self._stored, self._slope, self._intercept = stored, slope, intercept

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of volumes and of voxels."""
        return self._stored.shape

    def __len__(self) -> int:
        """Return the number of volumes."""
        return self._stored.shape[0]

    def __getitem__(self, index: Any, /) -> np.ndarray:
        """Read ``[:, start:stop]``, scaled."""
        return np.asarray(self._stored[index], dtype=np.float64) * self._slope + self._intercept

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read everything."""
        if copy is False:
            raise ValueError("a scaled series can be read only into a new array")
        return self[:, :].astype(self.dtype if dtype is None else dtype, copy=False)


@dataclass(frozen=True)
class MaskedRun:
    """A run inside its mask.

    `bold` is (n_scans, n_voxels), voxels in the order of the geometry's mask, in the unit that
    the file stores; `scale` (n_voxels,) turns estimates into the unit that was asked for. `mean`,
    over the volumes that count, has the volume's shape and is in the unit of the file, before
    smoothing.
    """

    header: BoldHeader
    bold: BoldSeries
    geometry: Geometry
    mean: np.ndarray
    scale: np.ndarray
    notices: tuple[Notice, ...]
    n_excluded: int  # voxels of the mask without signal
    applied_smoothing: Mapping[str, Any] = field(
        default_factory=dict
    )  # as `SmoothingToTarget.description`, for isoblurto

    @property
    def mask_size(self) -> dict[str, int]:
        """How many voxels of the mask were analyzed and how many excluded."""
        return {"Analyzed": self.geometry.n_voxels, "Excluded": self.n_excluded}


@dataclass(frozen=True)
class LoadSettings:
    """How a run is read.

    Parameters
    ----------
    signal_scaling : str
        ``"percent"`` of the voxel's mean over the volumes that count, or ``"none"``.
    smoothing : float, optional
        Full width at half maximum of a Gaussian in the mask, in mm.
    smoothing_type : {"iso", "isoblurto"}
        Whether that is the width of the Gaussian, or how smooth noise is to be after it.
    basis : ndarray of shape (n_scans, rank), optional
        Orthonormal columns of the design, whose residuals are the noise that isoblurto looks at;
        by default a constant.
    n_threads : int
        With more than one, decompression has a thread of its own.
    temporary_folder : Path, optional
        Where temporary files lie; by default the system's folder for them.
    memory_limit : int
        Largest series that lies in memory.
    meshes : tuple of Path
        Surfaces to smooth along.
    censored : frozenset of int
        Volumes, from 0, that do not count: neither for means nor for whether voxels vary.
    """

    signal_scaling: str = SIGNAL_SCALING
    smoothing: float | None = None
    smoothing_type: str = SMOOTHING_TYPE
    basis: np.ndarray | None = None
    n_threads: int = 1
    temporary_folder: Path | None = None
    memory_limit: int = MEMORY_LIMIT
    meshes: tuple[Path, ...] = ()
    censored: frozenset[int] = frozenset()

    @property
    def folder(self) -> Path:
        """Where temporary files lie."""
        return self.temporary_folder or Path(tempfile.gettempdir())

    def series(self, dtype: np.dtype, shape: tuple[int, int]) -> SeriesInMemory | TemporarySeries:
        """Return where to write a masked series."""
        if dtype.itemsize * shape[0] * shape[1] <= self.memory_limit:
            return SeriesInMemory(dtype, shape)
        return TemporarySeries(self.folder, dtype, shape)

    def volumes(self, dtype: np.dtype, shape: tuple[int, int]) -> "list | TemporaryVolumes":
        """Return where to keep volumes until the mask is known."""
        if dtype.itemsize * shape[0] * shape[1] <= self.memory_limit:
            return []
        return TemporaryVolumes(self.folder, dtype, shape[1])


def load_run(bold_file: Path, mask_file: Path | None, reading: LoadSettings) -> MaskedRun:
    """Read a run inside the given mask, or inside one computed from its mean image.

    Voxels that are constant over the volumes that count, or not finite at any time, and with
    percent scaling those whose mean is not positive, are left out of the mask and counted.
    Smoothing happens among the voxels that are left; a computed mask is that of the series before
    it.

    Parameters
    ----------
    bold_file, mask_file : Path
        Series; mask on its grid, or None to compute one.
    reading : LoadSettings
        Scaling, smoothing, and how.

    Returns
    -------
    MaskedRun

    Raises
    ------
    BadDataError
        If the file is damaged, or no voxel is left.
    """
    header = read_bold_header(bold_file)
    wanted = None if mask_file is None else read_mask(mask_file, header).mask
    if wanted is not None and reading.smoothing is None:
        return _gathered(header, wanted, reading)
    return _gathered_later(header, wanted, reading)


def _gathered(header: BoldHeader, wanted: BoolArray, reading: LoadSettings) -> MaskedRun:
    """Put the voxels of the mask where the fit will read them, as the volumes come."""
    inside = header.geometry.with_mask(wanted)
    positions = inside.positions
    dtype = header.dtype.newbyteorder("=")
    series = reading.series(dtype, (header.n_scans, positions.size))
    summary = RunningSummary(dtype, header.n_scans)
    for scan, volume in enumerate(header.volumes(n_threads=reading.n_threads)):
        row = series.next_row()
        np.take(volume, positions, out=row, mode="wrap")
        summary.add(volume, row, counts=scan not in reading.censored)
    mean, has_signal = _whole(header, summary, inside)
    geometry, notices = _usable(header, wanted, mean, has_signal, reading)
    bold = series.finish(np.flatnonzero(geometry.mask[wanted]))
    n_excluded = int(wanted.sum()) - geometry.n_voxels
    found = _Found(geometry, mean, mean[geometry.mask], notices, n_excluded)
    return _masked_run(header, bold, found, reading)


def _gathered_later(
    header: BoldHeader, wanted: BoolArray | None, reading: LoadSettings
) -> MaskedRun:
    """Keep the volumes until it is known which voxels are used; then gather, or smooth, them."""
    inside = None if wanted is None else header.geometry.with_mask(wanted)
    positions = None if inside is None else inside.positions
    size = header.volume_size if positions is None else positions.size
    dtype = header.dtype.newbyteorder("=")
    kept = reading.volumes(dtype, (header.n_scans, size))
    summary = RunningSummary(dtype, header.n_scans)
    for scan, volume in enumerate(header.volumes(n_threads=reading.n_threads)):
        row = volume if positions is None else volume[positions]
        summary.add(volume, row, counts=scan not in reading.censored)
        kept.append(row)
    mean, has_signal = _whole(header, summary, inside)
    if wanted is None:
        if not has_signal.any():
            raise BadDataError(_NO_VOXEL.format(header.path.name))
        wanted = header.geometry.default_mask(mean, has_signal)
    geometry, notices = _usable(header, wanted, mean, has_signal, reading)
    mask = geometry.mask
    taken = geometry.positions if positions is None else np.flatnonzero(mask[wanted])
    n_excluded = int(wanted.sum()) - geometry.n_voxels
    found = _Found(geometry, mean, mean[mask], notices, n_excluded)
    if reading.smoothing is None:
        series = reading.series(dtype, (header.n_scans, taken.size))
        for volume in kept:
            np.take(volume, taken, out=series.next_row(), mode="wrap")
        return _masked_run(header, series.finish(np.arange(taken.size)), found, reading)
    smoother, found = _smoother(kept, taken, header, found, reading)
    series = reading.series(np.dtype(np.float32), (header.n_scans, taken.size))
    for volume in kept:
        smoother.smooth(volume[taken], out=series.next_row())
    mean_inside = smoother.smooth(mean[mask]).astype(np.float64)
    bold = series.finish(np.arange(taken.size))
    return _masked_run(header, bold, replace(found, mean_inside=mean_inside), reading)


def _smoother(
    kept: Iterable[np.ndarray],
    taken: np.ndarray,
    header: BoldHeader,
    found: "_Found",
    reading: LoadSettings,
) -> tuple[Smoother, "_Found"]:
    """Return what smooths the volumes as it was asked for, and what there is to say of it."""
    assert reading.smoothing is not None
    geometry = found.geometry.with_meshes(reading.meshes)
    if reading.smoothing_type == "iso":
        return geometry.smoother(reading.smoothing), found
    basis = reading.basis
    if basis is None:
        basis = np.full((header.n_scans, 1), header.n_scans**-0.5)
    rows = sampled_residual_rows((volume[taken] for volume in kept), basis, taken.size)
    to = blurring(rows, geometry.domains(), reading.smoothing, header.path.name)
    notices = (*found.notices, *to.notes)
    return to.smoother, replace(found, notices=notices, applied_smoothing=to.description)


def _whole(
    header: BoldHeader, summary: RunningSummary, inside: Geometry | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean in the unit of the file, and where in the mask is signal, as volumes."""
    mean = header.geometry.as_volume(summary.mean() * header.slope + header.intercept)
    if inside is None:
        return mean, header.geometry.as_volume(summary.has_signal())
    return mean, inside.unmask(summary.has_signal(inside.positions))


@dataclass(frozen=True)
class _Found:
    """What was found while reading."""

    geometry: Geometry
    mean: np.ndarray
    mean_inside: np.ndarray  # (n_voxels,), smoothed if the series is
    notices: tuple[Notice, ...]
    n_excluded: int
    applied_smoothing: Mapping[str, Any] = field(default_factory=dict)


def _masked_run(
    header: BoldHeader, bold: BoldSeries, found: _Found, reading: LoadSettings
) -> MaskedRun:
    """Put slope, intercept and percent where they cost least."""
    factor = header.slope
    if header.intercept != 0 or header.slope < 0:
        bold, factor = ScaledSeries(bold, header.slope, header.intercept), 1.0
    scale = np.full(found.mean_inside.size, factor)
    if reading.signal_scaling == "percent":
        scale = 100.0 * factor / found.mean_inside
    return MaskedRun(
        header,
        bold,
        found.geometry,
        found.mean,
        scale,
        found.notices,
        found.n_excluded,
        found.applied_smoothing,
    )


def _usable(
    header: BoldHeader,
    wanted: BoolArray,
    mean: np.ndarray,
    has_signal: BoolArray,
    reading: LoadSettings,
) -> tuple[Geometry, tuple[Notice, ...]]:
    """Leave out and count what has no signal."""
    file_name, noun = header.path.name, header.geometry.element_name
    mask = wanted & has_signal
    flat = int((wanted & ~has_signal).sum())
    notices = []
    if flat:
        notices.append(
            exclusion(
                f"{flat} of {int(wanted.sum())} mask {noun} of {file_name}, which are constant or "
                "not finite"
            )
        )
    if reading.signal_scaling == "percent":
        bright = np.nan_to_num(mean) > 0
        dark = int((mask & ~bright).sum())
        mask &= bright
        if dark:
            notices.append(
                exclusion(
                    f"{dark} mask {noun} of {file_name}, whose mean is not positive, so that "
                    "percent signal change is undefined"
                )
            )
    if not mask.any():
        raise BadDataError(_NO_VOXEL.format(file_name))
    return header.geometry.with_mask(mask), tuple(notices)
