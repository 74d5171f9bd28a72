"""The BOLD series of a run inside its mask, as an array of shape (n_scans, n_voxels).

The file is decompressed once. A short series stays in memory, in the data type of the file. A
long one goes to an unnamed temporary file, in the order in which the fit reads it.
"""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import BoolArray, IndexArray
from boldglm.glm.noise.blocks import BoldSeries
from boldglm.glm.spatial.domains import Smoother
from boldglm.glm.spatial.smoothness import sampled_residual_rows
from boldglm.io.images.formats import read_bold_header, read_mask
from boldglm.io.images.geometry import BoldHeader, Geometry
from boldglm.io.images.noise_smoothness import smooth_parts_to_target
from boldglm.io.images.percent_signal import check_percent_signal
from boldglm.io.images.slices import SliceGroups
from boldglm.io.images.temporary_store import SeriesInMemory, TemporarySeries, TemporaryVolumes
from boldglm.io.images.volumes import RunningSummary
from boldglm.notices import Notice, exclusion
from boldglm.vocabulary import SIGNAL_SCALING, SMOOTHING_TYPE

MEMORY_LIMIT = 2**27  # bytes; a longer series goes to a temporary file

_NO_VOXEL = (
    "{} has no voxel to analyze: inside the mask, every voxel is constant, not finite or without "
    "a positive mean. If the data were standardized or detrended, use --signal-scaling none."
)


class ScaledSeries:
    """A series whose blocks are multiplied by a slope and shifted by an intercept when read.

    Only used for files with an intercept or a negative slope. A positive slope is applied to the
    estimates instead, which is cheaper.

    Parameters
    ----------
    stored : BoldSeries
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
        """Numbers of volumes and voxels."""
        return self._stored.shape

    def __len__(self) -> int:
        """Return the number of volumes."""
        return self._stored.shape[0]

    def __getitem__(self, index: Any, /) -> np.ndarray:
        """Read ``[:, start:stop]``, scaled."""
        return np.asarray(self._stored[index], dtype=np.float64) * self._slope + self._intercept

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read the whole series."""
        if copy is False:
            raise ValueError("a scaled series can only be read into a new array")
        return self[:, :].astype(self.dtype if dtype is None else dtype, copy=False)


@dataclass(frozen=True)
class MaskedRun:
    """The BOLD series of a run inside its mask.

    Attributes
    ----------
    header : BoldHeader
        Header of the file.
    bold : BoldSeries
        (n_scans, n_voxels), with voxels in the order of the mask of `geometry` unless there are
        `slice_voxels`, in the unit of the stored values.
    geometry : Geometry
        The analyzed voxels.
    slice_voxels : tuple of ndarray of int
        If slices are fitted at times of their own, the voxels of each time, as positions in the
        mask of `geometry`. The columns of `bold` are then in this order. Otherwise empty.
    mean : ndarray
        Mean of the uncensored volumes before smoothing, in the shape of a volume and the unit of
        the file.
    scale : ndarray of shape (n_voxels,)
        Factor from the unit of `bold` to the unit of the effects.
    notices : tuple of Notice
        Excluded voxels, and warnings about smoothing.
    n_excluded : int
        Voxels of the mask that are not analyzed.
    applied_smoothing : mapping
        `SmoothingToTarget.description`, for isoblurto; otherwise empty.
    """

    header: BoldHeader
    bold: BoldSeries
    geometry: Geometry
    mean: np.ndarray
    scale: np.ndarray
    notices: tuple[Notice, ...]
    n_excluded: int
    applied_smoothing: Mapping[str, Any] = field(default_factory=dict)
    slice_voxels: tuple[IndexArray, ...] = ()

    @property
    def mask_size(self) -> dict[str, int]:
        """Numbers of analyzed and of excluded voxels in the mask."""
        return {"Analyzed": self.geometry.n_voxels, "Excluded": self.n_excluded}


@dataclass(frozen=True)
class LoadSettings:
    """How a run is loaded.

    Parameters
    ----------
    signal_scaling : str
        ``"percent"`` of the mean of each voxel over the uncensored volumes, or ``"none"``.
    smoothing : float, optional
        FWHM in mm. No smoothing by default.
    smoothing_type : {"iso", "isoblurto"}
        Whether `smoothing` is the FWHM of the Gaussian or the smoothness of the noise afterwards.
    basis : ndarray of shape (n_scans, rank), optional
        Orthonormal basis of the design. isoblurto measures the smoothness of the residuals from
        it. A constant by default.
    n_threads : int
        With two or more, the file is decompressed in a separate thread.
    temporary_folder : Path, optional
        Folder of temporary files; by default that of the system.
    memory_limit : int
        Size in bytes up to which a series stays in memory.
    meshes : tuple of Path
        Surfaces along which data are smoothed.
    censored : frozenset of int
        Censored volumes, counted from 0. They contribute neither to means nor to the variance
        over time.
    slice_groups : SliceGroups, optional
        Slices whose voxels are put together. Such a series cannot be smoothed, which would mix
        times.
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
    slice_groups: SliceGroups | None = None

    def __post_init__(self) -> None:
        if self.slice_groups is not None and self.smoothing is not None:
            raise ValueError("a series whose slices have times of their own cannot be smoothed.")

    def order_of(self, mask: BoolArray) -> IndexArray:
        """Return the voxels of a mask in the order in which the series holds them."""
        if self.slice_groups is None:
            return np.arange(np.count_nonzero(mask))
        return self.slice_groups.order(mask)

    @property
    def folder(self) -> Path:
        """Folder of temporary files."""
        return self.temporary_folder or Path(tempfile.gettempdir())

    def new_series(
        self, dtype: np.dtype, shape: tuple[int, int]
    ) -> SeriesInMemory | TemporarySeries:
        """Return an empty store for a masked series."""
        if self._fits_memory(dtype, shape):
            return SeriesInMemory(dtype, shape)
        return TemporarySeries(self.folder, dtype, shape)

    def new_volumes(self, dtype: np.dtype, shape: tuple[int, int]) -> "list | TemporaryVolumes":
        """Return an empty store for volumes whose analyzed voxels are not known yet."""
        if self._fits_memory(dtype, shape):
            return []
        return TemporaryVolumes(self.folder, dtype, shape[1])

    def _fits_memory(self, dtype: np.dtype, shape: tuple[int, int]) -> bool:
        return dtype.itemsize * shape[0] * shape[1] <= self.memory_limit


def load_run(bold_file: Path, mask_file: Path | None, settings: LoadSettings) -> MaskedRun:
    """Load a run inside a mask that is given, or computed from the mean image.

    Voxels of the mask are excluded and counted if they are constant over the uncensored volumes
    or not finite in any volume, or if their mean is not positive (with percent scaling only).
    Smoothing is restricted to the remaining voxels. A computed mask is based on the data before
    smoothing.

    Parameters
    ----------
    bold_file : Path
        BOLD series.
    mask_file : Path or None
        Mask on the grid of the series; None to compute one.
    settings : LoadSettings
        Scaling, smoothing and resources.

    Returns
    -------
    MaskedRun

    Raises
    ------
    BadDataError
        If the file is damaged, no voxel remains, or percent scaling is requested for a series
        whose mean is near zero.
    """
    header = read_bold_header(bold_file)
    mask = None if mask_file is None else read_mask(mask_file, header).mask
    if mask is not None and settings.smoothing is None:
        return _load_once(header, mask, settings)
    return _load_via_volumes(header, mask, settings)


@dataclass(frozen=True)
class _AnalyzedVoxels:
    """The voxels that remain in the mask, and their means."""

    geometry: Geometry
    mean: np.ndarray  # volume
    mean_inside: np.ndarray  # (n_voxels,), smoothed if the series is
    notices: tuple[Notice, ...]
    n_excluded: int
    applied_smoothing: Mapping[str, Any] = field(default_factory=dict)


def _load_once(header: BoldHeader, mask: BoolArray, settings: LoadSettings) -> MaskedRun:
    """Store the voxels of a known mask while the volumes are read."""
    inside = header.geometry.with_mask(mask)
    order = settings.order_of(mask)
    positions = inside.positions[order]
    dtype = header.dtype.newbyteorder("=")
    series = settings.new_series(dtype, (header.n_scans, positions.size))
    summary = RunningSummary(dtype, header.n_scans)
    for scan, volume in enumerate(header.volumes(n_threads=settings.n_threads)):
        row = series.next_row()
        np.take(volume, positions, out=row, mode="wrap")
        summary.add(volume, row, is_censored=scan in settings.censored)
    mean, varies = _mean_and_varying(header, summary, inside, order)
    voxels = _exclude_voxels(header, mask, mean, varies, settings)
    bold = series.finish(np.flatnonzero(voxels.geometry.mask[mask][order]))
    return _masked_run(header, bold, voxels, settings)


def _load_via_volumes(
    header: BoldHeader, mask: BoolArray | None, settings: LoadSettings
) -> MaskedRun:
    """Store volumes until the analyzed voxels are known, then select or smooth these."""
    inside = None if mask is None else header.geometry.with_mask(mask)
    positions = None if inside is None else inside.positions
    size = header.volume_size if positions is None else positions.size
    dtype = header.dtype.newbyteorder("=")
    volumes = settings.new_volumes(dtype, (header.n_scans, size))
    summary = RunningSummary(dtype, header.n_scans)
    for scan, volume in enumerate(header.volumes(n_threads=settings.n_threads)):
        row = volume if positions is None else volume[positions]
        summary.add(volume, row, is_censored=scan in settings.censored)
        volumes.append(row)
    mean, varies = _mean_and_varying(header, summary, inside)
    if mask is None:
        if not varies.any():
            raise BadDataError(_NO_VOXEL.format(header.path.name))
        mask = header.geometry.default_mask(mean, varies)
    voxels = _exclude_voxels(header, mask, mean, varies, settings)
    geometry = voxels.geometry
    columns = geometry.positions if positions is None else np.flatnonzero(geometry.mask[mask])
    columns = columns[settings.order_of(geometry.mask)]
    if settings.smoothing is None:
        series = settings.new_series(dtype, (header.n_scans, columns.size))
        for volume in volumes:
            np.take(volume, columns, out=series.next_row(), mode="wrap")
        return _masked_run(header, series.finish(np.arange(columns.size)), voxels, settings)
    smoother, voxels = _choose_smoother(volumes, columns, header, voxels, settings)
    series = settings.new_series(np.dtype(np.float32), (header.n_scans, columns.size))
    for volume in volumes:
        smoother.smooth(volume[columns], out=series.next_row())
    mean_inside = smoother.smooth(voxels.mean_inside).astype(np.float64)
    bold = series.finish(np.arange(columns.size))
    return _masked_run(header, bold, replace(voxels, mean_inside=mean_inside), settings)


def _choose_smoother(
    volumes: Iterable[np.ndarray],
    columns: np.ndarray,
    header: BoldHeader,
    voxels: _AnalyzedVoxels,
    settings: LoadSettings,
) -> tuple[Smoother, _AnalyzedVoxels]:
    """Return the smoother of the settings, and the voxels with notices about it."""
    assert settings.smoothing is not None
    geometry = voxels.geometry.with_meshes(settings.meshes)
    if settings.smoothing_type == "iso":
        return geometry.smoother(settings.smoothing), voxels
    basis = settings.basis
    if basis is None:
        basis = np.full((header.n_scans, 1), header.n_scans**-0.5)
    rows = sampled_residual_rows((volume[columns] for volume in volumes), basis, columns.size)
    result = smooth_parts_to_target(rows, geometry.domains(), settings.smoothing, header.path.name)
    notices = (*voxels.notices, *result.notices)
    return result.smoother, replace(voxels, notices=notices, applied_smoothing=result.description)


def _mean_and_varying(
    header: BoldHeader,
    summary: RunningSummary,
    inside: Geometry | None,
    order: IndexArray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return as volumes the mean in the unit of the file, and which voxels of the mask vary.

    `order` is that of the voxels of the mask in the summary.
    """
    mean = header.geometry.as_volume(summary.mean() * header.slope + header.intercept)
    if inside is None:
        return mean, header.geometry.as_volume(summary.varies())
    if order is None:
        return mean, inside.unmask(summary.varies(inside.positions))
    varies = np.empty(order.size, dtype=bool)
    varies[order] = summary.varies(inside.positions[order])
    return mean, inside.unmask(varies)


def _exclude_voxels(
    header: BoldHeader,
    mask: BoolArray,
    mean: np.ndarray,
    varies: BoolArray,
    settings: LoadSettings,
) -> _AnalyzedVoxels:
    """Exclude voxels of the mask that cannot be analyzed, with a notice of how many they are."""
    file_name, elements = header.path.name, header.geometry.element_name
    n_given = int(mask.sum())
    analyzed = mask & varies
    notices = []
    n_constant = n_given - int(analyzed.sum())
    if n_constant:
        notices.append(
            exclusion(
                f"{n_constant} of {n_given} {elements} in the mask of {file_name}: they are "
                "constant or not finite"
            )
        )
    if settings.signal_scaling == "percent":
        is_positive = np.nan_to_num(mean) > 0
        n_not_positive = int((analyzed & ~is_positive).sum())
        analyzed &= is_positive
        if n_not_positive:
            notices.append(
                exclusion(
                    f"{n_not_positive} of {n_given} {elements} in the mask of {file_name}: their "
                    "mean is not positive, so percent signal change is undefined"
                )
            )
    if not analyzed.any():
        raise BadDataError(_NO_VOXEL.format(file_name))
    geometry = header.geometry.with_mask(analyzed)
    n_excluded = n_given - geometry.n_voxels
    return _AnalyzedVoxels(geometry, mean, mean[analyzed], tuple(notices), n_excluded)


def _masked_run(
    header: BoldHeader, bold: BoldSeries, voxels: _AnalyzedVoxels, settings: LoadSettings
) -> MaskedRun:
    """Apply slope and percent scaling to the estimates where possible, otherwise to the data."""
    factor = header.slope
    if header.intercept != 0 or header.slope < 0:
        bold, factor = ScaledSeries(bold, header.slope, header.intercept), 1.0
    scale = np.full(voxels.mean_inside.size, factor)
    if settings.signal_scaling == "percent":
        means = voxels.mean_inside[settings.order_of(voxels.geometry.mask)]
        check_percent_signal(bold, factor, means, header.path.name)
        scale = 100.0 * factor / voxels.mean_inside
    return MaskedRun(
        header,
        bold,
        voxels.geometry,
        voxels.mean,
        scale,
        voxels.notices,
        voxels.n_excluded,
        voxels.applied_smoothing,
        ()
        if settings.slice_groups is None
        else settings.slice_groups.voxels(voxels.geometry.mask),
    )
