"""A map of a volume packed for the viewer of the report: one byte a voxel, and a mean image.

Values of voxels are rounded to 127 sizes: steps of a tenth up to 8, then steps that grow
with the value. Differences between neighbors along the last axis compress better than values.
"""

import json
import zlib
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boldglm.glm.arrays.types import RealArray
from boldglm.reports.backdrop import Backdrop
from boldglm.reports.canvas import color_end
from boldglm.reports.mosaic import is_colored

_STEP, _LINEAR_END, _N_LEVELS = 0.1, 8.0, 128
_EFFORT = 6  # of the compression


def pack_volume(
    row: RealArray,
    backdrop: Backdrop,
    threshold: float,
    path: Path,
    *,
    statistic: str = "z",
    two_sided: bool = True,
) -> Path:
    """Pack a map, so that a reader of the report can move through it.

    Parameters
    ----------
    row : ndarray of shape (n_voxels,)
        Statistic of each voxel of the mask; NaN becomes zero, infinity the largest value.
    backdrop : Backdrop
        Mean image and mask.
    threshold : float
        At which the viewer starts; infinity stands for the largest value.
    path : Path
        The ``.json`` file to write.
    statistic : str
        Its symbol.
    two_sided : bool
        Whether the viewer starts with negative values too.

    Returns
    -------
    Path
        ``path``.

    Notes
    -----
    The file has the mean image, ``Base``, 0 outside of the mask and 1 to 24 from black to white,
    and the values of the map inside, ``Values``. Both are deflated bytes in base 64, in the order
    of axes that run to the right, front and top, the last fastest. ``Levels`` are the sizes of the
    values 0 to 127; bytes are such numbers with their sign, as differences to the one before.
    """
    finite = np.abs(row[np.isfinite(row)])
    end = float(finite.max()) if finite.size else 0.0
    values = np.clip(np.nan_to_num(row), -end, end)[backdrop.order]
    sizes = np.abs(values)
    chosen = is_colored(values if two_sided else np.maximum(values, 0), threshold)
    levels = _levels(float(sizes.max()))
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, sizes).astype(np.int16)
    codes = np.where(values < 0, -codes, codes)
    largest = int(np.argmax(sizes if two_sided else values))
    start = np.unravel_index(int(np.flatnonzero(backdrop.inside)[largest]), backdrop.inside.shape)
    box = backdrop.box
    base, key = backdrop.packed
    affine = backdrop.affine.copy()
    corner = np.array([extent.start for extent in box])
    affine[:3, 3] += affine[:3, :3] @ corner
    content: dict[str, Any] = {
        "Shape": [extent.stop - extent.start for extent in box],
        "Affine": [[float(f"{cell:.9g}") for cell in line] for line in affine[:3].tolist()],
        "Start": [int(index) - extent.start for index, extent in zip(start, box, strict=True)],
        "Statistic": statistic,
        "Threshold": threshold if np.isfinite(threshold) else None,
        "Maximum": float(f"{color_end(sizes[chosen], threshold):.4g}"),
        "TwoSided": two_sided,
        "Levels": [float(f"{level:.4g}") for level in levels.tolist()],
        "BaseKey": key,
        "Base": base,
        "Values": packed(np.diff(codes, prepend=0).astype(np.uint8)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def packed(content: NDArray[np.uint8]) -> str:
    """Return deflated bytes in base 64."""
    return b64encode(zlib.compress(content.tobytes(), _EFFORT)).decode()


def packed_with_key(content: NDArray[np.uint8]) -> tuple[str, str]:
    """Return packed bytes, and a key that is the same for the same content."""
    return packed(content), sha256(content.tobytes()).hexdigest()[:16]


def _levels(largest: float) -> RealArray:
    """Return the sizes that a value is rounded to."""
    if not np.isfinite(largest) or largest <= 0:
        return np.array([0.0, 1.0])
    if largest <= _LINEAR_END:
        n = min(int(np.ceil(largest / _STEP)), _N_LEVELS - 1)
        return np.linspace(0, largest, max(n, 64) + 1)
    n_linear = round(_LINEAR_END / _STEP)
    linear = np.arange(n_linear) * _STEP
    return np.concatenate([linear, np.geomspace(_LINEAR_END, largest, _N_LEVELS - n_linear)])
