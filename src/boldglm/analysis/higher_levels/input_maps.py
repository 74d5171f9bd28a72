"""The maps that enter a higher-level fit: each is read once, and all of them by blocks of voxels.

Maps of few inputs are held in memory. Those of many are written to a temporary file in the order
of the voxels, since compressed images can only be read as a whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from boldglm.analysis.higher_levels.input_smoothing import ESTIMATED
from boldglm.analysis.higher_levels.shared_mask import SharedMask
from boldglm.glm import SecondLevelFit, fit_second_level
from boldglm.glm.second_level.blockwise import BlockwiseFit
from boldglm.io.images.geometry import Geometry
from boldglm.io.images.temporary_store import TemporarySeries
from boldglm.io.outputs.records import ContrastMaps

BLOCK_BYTES = 2**25  # of the effects that are in memory together, as float64
MAPS_READ = {  # by each estimator
    "ols": ("effect",),
    "mixed": ("effect", "variance"),
    "fixed": ("effect", "variance", "dof"),
}
Inputs: TypeAlias = Sequence[tuple[int, ContrastMaps]]  # index of the result, and its contrast
Rows: TypeAlias = np.ndarray | TemporarySeries  # (n_inputs, n_voxels)


def fit_inputs(
    inputs: Inputs,
    shared: SharedMask,
    folder: Path,
    design: np.ndarray,
    *,
    method: str,
    **options: Any,
) -> SecondLevelFit | BlockwiseFit:
    """Fit a design to effects (n_inputs, n_voxels).

    An effect is missing (NaN) outside the mask of its result, and where both effect and variance
    are 0: there, the result had too few inputs itself. Without variances, which other programs
    may not have written, an effect of 0 is missing.

    Parameters
    ----------
    inputs : sequence of (int, ContrastMaps)
        Index of each result, and its contrast.
    shared : SharedMask
        The voxels to fit.
    folder : Path
        Folder for temporary files, which have no name.
    design : ndarray of shape (n_inputs, n_columns)
        One row for each input.
    method : {"ols", "fixed", "mixed"}
        Estimator.
    **options
        Further arguments of `fit_second_level`.

    Returns
    -------
    SecondLevelFit or BlockwiseFit
        The first if the effects fit into `BLOCK_BYTES`.
    """
    shape = (len(inputs), shared.geometry.n_voxels)

    def gathered(rows: Callable[[], Iterable[np.ndarray]]) -> Rows:
        return _gather(rows, shape, folder)

    effects = gathered(lambda: _effects(inputs, shared, method))
    variances: Rows | None = None
    dofs: Rows | None = None
    if method != "ols":
        geometry = shared.geometry
        variances = gathered(
            lambda: _rows(geometry, (maps.maps["variance"] for _, maps in inputs))
        )
        unknown = 1.0 if method == "mixed" else 0.0  # of other programs; mixed effects use none
        dofs = np.array([[max(maps.dof, 1.0) if "dof" in maps.maps else maps.dof or unknown]
                         for _, maps in inputs])  # fmt: skip
        if method == "fixed" and any("dof" in maps.maps for _, maps in inputs):
            dofs = gathered(lambda: _dofs(inputs, geometry))

    def fit_of(voxels: slice) -> SecondLevelFit:
        return fit_second_level(
            effects[:, voxels],
            design,
            variances=None if variances is None else variances[:, voxels],
            dofs=dofs if dofs is None or dofs.shape[1] == 1 else dofs[:, voxels],
            method=method,
            **options,
        )

    if isinstance(effects, np.ndarray):
        return fit_of(slice(None))
    return BlockwiseFit(shape[1], max(256, BLOCK_BYTES // (8 * shape[0])), fit_of)


def _rows(geometry: Geometry, paths: Iterable[Path]) -> Iterator[np.ndarray]:
    for path in paths:
        yield geometry.read_rows([path])[0]


def _effects(inputs: Inputs, shared: SharedMask, method: str) -> Iterator[np.ndarray]:
    """Yield the effects of each input, NaN where there is none."""
    for index, maps in inputs:
        (row,) = _rows(shared.geometry, [maps.maps["effect"]])
        row[shared.lacks(index)] = np.nan
        if method == "ols" and (row == 0).any():  # rare, so that further maps are rarely read
            estimated = maps.maps.get(ESTIMATED) or maps.maps.get("variance")
            other = 0 if estimated is None else next(_rows(shared.geometry, [estimated]))
            row[(row == 0) & (other == 0)] = np.nan
        yield row


def _dofs(inputs: Inputs, geometry: Geometry) -> Iterator[np.ndarray]:
    for _, maps in inputs:
        if "dof" in maps.maps:
            yield np.maximum(geometry.read_rows([maps.maps["dof"]])[0], 1.0)
        else:
            yield np.full(geometry.n_voxels, maps.dof)


def _gather(
    rows: Callable[[], Iterable[np.ndarray]], shape: tuple[int, int], folder: Path
) -> Rows:
    """Hold rows in memory, or write them to a temporary file in the precision that they have."""
    if 8 * shape[0] * shape[1] <= BLOCK_BYTES:
        held = np.empty(shape)
        for target, row in zip(held, rows(), strict=True):
            target[:] = row
        return held
    for dtype in (np.float32, np.float64):
        series = TemporarySeries(folder, np.dtype(dtype), shape)
        if all(_is_exact(series.next_row(), row) for row in rows()):
            return series.finish(np.arange(shape[1]))
    raise AssertionError("float64 holds all digits")


def _is_exact(target: np.ndarray, row: np.ndarray) -> bool:
    """Copy a row, and say whether the target has all of its digits."""
    with np.errstate(over="ignore", under="ignore"):
        target[:] = row
    return np.array_equal(target, row, equal_nan=True)


def input_effects(inputs: Inputs, shared: SharedMask) -> Iterator[np.ndarray]:
    """Yield the effects of each input as least squares take them, NaN where there is none."""
    return _effects(inputs, shared, "ols")
