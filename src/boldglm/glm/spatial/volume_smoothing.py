"""Gaussian smoothing of volumes among the voxels of a mask.

Smoothing a whole image mixes the brain with its surroundings: zeros outside a masked image, and
voxels without signal. Here only the voxels of a mask are used. Each smoothed value is a weighted
mean of voxels in the mask (normalized convolution), so that nothing leaks in, and a constant image
stays constant up to the edge.

Notation: S convolution with a Gaussian, m mask (1 inside, 0 outside), y values. The result is
S(m y) / S(m). S is separable: along each axis, it is one product with a banded matrix.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import Float32Array, FloatArray

# Standard deviations at which the kernel ends, as in scipy.ndimage.
TRUNCATE = 4.0

# Outputs per matrix product along an axis: few enough that most of the matrix lies in the band,
# and enough for an efficient product.
TILE = 32


def gaussian_kernel(fwhm: float, voxel_size: float) -> FloatArray:
    """Return the weights of a Gaussian along one axis.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, mm.
    voxel_size : float
        Distance between voxels, mm.

    Returns
    -------
    ndarray of shape (2 * radius + 1,)
        Weights of the neighbors, which sum to 1. The radius is 4 standard deviations, rounded.

    Raises
    ------
    ValueError
        If an argument is not positive and finite.

    Notes
    -----
    σ = FWHM / sqrt(8 log 2), sampled at the centers of the voxels.

    Examples
    --------
    At a distance of half the FWHM, the weight is half of the largest:

    >>> kernel = gaussian_kernel(fwhm=4.0, voxel_size=2.0)
    >>> middle = len(kernel) // 2
    >>> (kernel[middle + 1] / kernel[middle]).round(12).item(), len(kernel)
    (0.5, 7)
    """
    if not (0 < fwhm < np.inf and 0 < voxel_size < np.inf):
        raise ValueError(
            f"smoothing by {fwhm} mm of voxels of {voxel_size} mm: both must be positive."
        )
    sigma = fwhm / np.sqrt(8 * np.log(2)) / voxel_size
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


class MaskSmoother:
    """Smooths maps on the voxels of a mask.

    Parameters
    ----------
    mask : array_like of bool, of shape (x, y, z)
        Voxels of the maps.
    fwhm : float or sequence of 3 floats
        Full width at half maximum of the Gaussian, mm: one for all axes, or one for each axis, of
        which 0 means that the axis is not smoothed.
    voxel_sizes : sequence of 3 floats
        Distances between voxels along the axes, mm.

    Raises
    ------
    ValueError
        If the mask is empty or not three-dimensional, or a size is not positive.

    See Also
    --------
    smooth_volume : Smooth one volume.

    Notes
    -----
    Computations are in float32 and within the bounding box of the mask. Each axis takes one
    product with a banded matrix, which is computed in tiles of the band.

    Examples
    --------
    At a distance of one FWHM, the relative weight is 1/16. A peak spreads to its only neighbor,
    and constant values stay constant:

    >>> line = np.array([True, True, False, True]).reshape(4, 1, 1)
    >>> smoother = MaskSmoother(line, fwhm=2.0, voxel_sizes=(2.0, 2.0, 2.0))
    >>> smoother.smooth([1.0, 1.0, 7.0]).round(3).tolist()
    [1.0, 1.0, 7.0]
    >>> (17 * smoother.smooth([1.0, 0.0, 0.0])).round().tolist()
    [16.0, 1.0, 0.0]
    """

    def __init__(
        self, mask: ArrayLike, fwhm: float | ArrayLike, voxel_sizes: Sequence[float]
    ) -> None:
        inside = np.asarray(mask, dtype=bool)
        if inside.ndim != 3 or not inside.any():
            raise ValueError(
                f"the mask has shape {inside.shape} and {int(inside.sum())} voxels. It needs "
                "three axes and at least one voxel."
            )
        box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in inside.nonzero())
        nx, ny, nz = inside[box].shape
        self._shape = shape = (nx, ny, nz)
        self._positions = np.flatnonzero(inside[box])
        self._box = np.zeros(shape, dtype=np.float32)
        self._other = np.empty_like(self._box)
        self._third = np.empty_like(self._box)
        widths = np.asarray(fwhm, dtype=float)
        self._tiles = [
            _tiles(
                length, np.ones(1) if widths.ndim and width == 0 else gaussian_kernel(width, size)
            )
            for length, width, size in zip(
                shape, np.broadcast_to(widths, 3).tolist(), voxel_sizes, strict=True
            )
        ]
        ones = np.ones(self._positions.size, dtype=np.float32)
        self._reached = self._convolved(ones).copy()

    def smooth(self, values: ArrayLike, out: Float32Array | None = None) -> Float32Array:
        """Return a smoothed map.

        Parameters
        ----------
        values : array_like of shape (n_voxels,)
            Finite values in the order of ``mask[mask]``.
        out : ndarray of float32, of shape (n_voxels,), optional
            Array for the result.

        Returns
        -------
        ndarray of float32, of shape (n_voxels,)
            Smoothed values, in the unit of the values.
        """
        return np.divide(self._convolved(values), self._reached, out=out)

    def _convolved(self, values: ArrayLike) -> Float32Array:
        along_x, along_y, along_z = self._tiles
        x, y, z = self._shape
        self._box.reshape(-1)[self._positions] = values  # voxels outside the mask stay 0
        rows, turned = self._box.reshape(x, y * z), self._other.reshape(x, y * z)
        for outputs, inputs, weights in along_x:
            np.matmul(weights, rows[inputs], out=turned[outputs])
        for outputs, inputs, weights in along_y:
            np.matmul(weights, self._other[:, inputs], out=self._third[:, outputs])
        columns, done = self._third.reshape(x * y, z), self._other.reshape(x * y, z)
        for outputs, inputs, weights in along_z:
            np.matmul(columns[:, inputs], weights.T, out=done[:, outputs])
        return np.take(self._other.reshape(-1), self._positions)


def smooth_volume(
    data: ArrayLike, mask: ArrayLike, fwhm: float | ArrayLike, voxel_sizes: Sequence[float]
) -> Float32Array:
    """Smooth one volume or a BOLD series within a mask.

    Parameters
    ----------
    data : array_like of shape (x, y, z) or (x, y, z, n_scans)
        Volume, or volumes along the last axis. Values in the mask must be finite.
    mask : array_like of bool, of shape (x, y, z)
        Voxels that take part.
    fwhm : float or sequence of 3 floats
        Full width at half maximum of the Gaussian in mm, along each axis where there are three.
    voxel_sizes : sequence of 3 floats
        Distances between voxels along the axes, mm.

    Returns
    -------
    ndarray of float32, of the shape of data
        Smoothed values in the mask, 0 elsewhere.

    Raises
    ------
    ValueError
        If shapes do not fit, the mask is empty, a size is not positive or a value in the mask
        is not finite.

    See Also
    --------
    MaskSmoother : Smooths many volumes given by the voxels of a mask.

    Examples
    --------
    >>> spike = np.zeros((9, 9, 9))
    >>> spike[4, 4, 4] = 1.0
    >>> smooth = smooth_volume(spike, np.ones((9, 9, 9)), fwhm=4.0, voxel_sizes=(2.0, 2.0, 2.0))
    >>> (smooth[4, 4, 5] / smooth[4, 4, 4]).round(2).item()
    0.5
    """
    volumes = np.asarray(data)
    inside = np.asarray(mask, dtype=bool)
    if volumes.ndim not in (3, 4) or volumes.shape[:3] != inside.shape:
        raise ValueError(
            f"data have shape {volumes.shape} and the mask {inside.shape}. They need the same "
            "three axes; data may have scans along a fourth."
        )
    if not np.isfinite(volumes[inside]).all():
        raise ValueError("data have values in the mask that are not finite. Shrink the mask.")
    smoother = MaskSmoother(inside, fwhm, voxel_sizes)
    result = np.zeros(volumes.shape, dtype=np.float32)
    if volumes.ndim == 3:
        result[inside] = smoother.smooth(volumes[inside])
        return result
    for k in range(volumes.shape[3]):
        result[inside, k] = smoother.smooth(volumes[inside, k])
    return result


def _tiles(length: int, kernel: FloatArray) -> list[tuple[slice, slice, Float32Array]]:
    """Divide the banded matrix of a convolution into tiles (outputs, inputs, weights)."""
    radius = len(kernel) // 2
    tiles = []
    for start in range(0, length, TILE):
        stop = min(start + TILE, length)
        first, last = max(start - radius, 0), min(stop + radius, length)
        offsets = np.arange(first, last) - np.arange(start, stop)[:, np.newaxis]
        weights = np.where(
            abs(offsets) <= radius, kernel[np.clip(offsets, -radius, radius) + radius], 0
        )
        tiles.append((slice(start, stop), slice(first, last), weights.astype(np.float32)))
    return tiles
