"""A head that looks like one, made of ellipsoids: no data of a person, and nothing to download."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from boldglm.glm.arrays.types import FloatArray

VOXEL_MM = 5.0
SHAPE = (29, 36, 29)
CORNER_MM = (-70.0, -105.0, -60.0)  # center of the first voxel, in the coordinates of MNI
GRAY, WHITE, FLUID = 1050.0, 850.0, 1350.0  # mean signal of echo-planar images


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the axes.

    Parameters
    ----------
    center, radii : tuple of float
        In mm.
    """

    center: tuple[float, float, float]
    radii: tuple[float, float, float]

    def depth(self, points: FloatArray) -> FloatArray:
        """Return 1 at the center, 0 on the surface and less outside; points are (3, ...)."""
        scaled = [(points[axis] - self.center[axis]) / self.radii[axis] for axis in range(3)]
        return np.asarray(1 - np.sqrt(sum(part**2 for part in scaled)))


CEREBRUM = Ellipsoid((0, -18, 12), (66, 84, 62))
TEMPORAL = (Ellipsoid((-46, -12, -24), (21, 42, 20)), Ellipsoid((46, -12, -24), (21, 42, 20)))
CEREBELLUM = Ellipsoid((0, -62, -36), (50, 30, 22))
VENTRICLES = (Ellipsoid((-11, -18, 16), (6, 30, 9)), Ellipsoid((11, -18, 16), (6, 30, 9)))


def affine() -> FloatArray:
    """Return the affine of the grid, (4, 4)."""
    matrix = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    matrix[:3, 3] = CORNER_MM
    return matrix


def coordinates() -> FloatArray:
    """Return the coordinates of all voxels in mm, (3, *SHAPE)."""
    axes = [CORNER_MM[axis] + VOXEL_MM * np.arange(SHAPE[axis]) for axis in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def brain_mask() -> np.ndarray:
    """Return the voxels of the brain, boolean of shape `SHAPE`."""
    points = coordinates()
    cerebrum = (CEREBRUM.depth(points) > 0) & (points[2] > -22 - 0.12 * points[1])
    others = [part.depth(points) > 0 for part in (*TEMPORAL, CEREBELLUM)]
    return np.logical_or.reduce([cerebrum, *others])


def mean_image() -> FloatArray:
    """Return the mean signal of every voxel, (*SHAPE): a folded cortex around white matter."""
    points = coordinates()
    inside = brain_mask()
    distance = ndimage.distance_transform_edt(inside, sampling=VOXEL_MM)
    x, y, z = points
    folds = 8.0 * np.sin(x / 7 + 2 * np.sin(y / 17)) * np.sin(y / 8 + 2 * np.sin(z / 15))
    image = np.where(distance > 15 + folds, WHITE, GRAY)
    fluid = np.logical_or.reduce([part.depth(points) > 0 for part in VENTRICLES])
    fissure = (np.abs(x) < 3) & (z > 25) & (distance < 25)
    image = np.where(fluid | fissure, FLUID, image)
    dropout = 1 - 0.45 * np.exp(-((y - 48) ** 2 / 400 + x**2 / 600 + (z + 18) ** 2 / 120))
    smooth = ndimage.gaussian_filter(np.where(inside, image * dropout, 0.0), 0.45)
    return np.asarray(np.where(inside, np.maximum(smooth, 300.0), 0.0))
