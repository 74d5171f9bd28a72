"""Images of labels (dseg, label.gii, dlabel.nii), put on the grid of the maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import cifti2_axes
from nibabel.processing import resample_from_to

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import IndexArray
from boldglm.io.images.cifti import open_cifti
from boldglm.io.images.geometry import Geometry, full_mask
from boldglm.io.images.gifti import not_readable
from boldglm.io.images.grayordinates import Grayordinates
from boldglm.io.images.nifti import VolumeGrid, load_map, read_volume
from boldglm.io.images.surfaces import Hemisphere, read_surface_map

CIFTI_LABELS = ".dlabel.nii"
GIFTI = ".gii"
LARGEST_LABEL = 2**31 - 1
ON_GRID = (
    "Resample the atlas to the grid of the maps by nearest neighbor, or give one of the same "
    "space."
)
ON_VERTICES = "Give the labels of the same vertices, of the same hemisphere."


@dataclass(frozen=True, eq=False)
class LabelImage:
    """Labels on the grid of the maps.

    Parameters
    ----------
    values : ndarray of int
        In the shape of a volume; 0 outside the regions.
    labels : tuple of int
        Labels of the file above 0, sorted; resampling may have lost some.
    names : mapping of int to str
        Names that the file itself has, as GIFTI and CIFTI do.
    resampled : str
        How the image was resampled; empty if it was not.
    """

    values: IndexArray
    labels: tuple[int, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    resampled: str = ""


def kind_of_labels(path: Path) -> type[Geometry]:
    """Return the class of the geometry of an image of labels, by the name of the file."""
    if path.name.endswith((CIFTI_LABELS, ".dscalar.nii")):
        return Grayordinates
    return Hemisphere if path.suffix == GIFTI else VolumeGrid


def read_labels(path: Path, onto: Geometry, *, may_resample: bool) -> LabelImage:
    """Read an image of labels for the maps of a geometry.

    Parameters
    ----------
    path : Path
        NIfTI for a volume, GIFTI for a hemisphere, CIFTI for grayordinates.
    onto : Geometry
        Geometry of the maps.
    may_resample : bool
        Whether a volume on another grid is of the same space, and may be resampled by nearest
        neighbor.

    Raises
    ------
    MissingInputError
        If the file does not exist.
    BadDataError
        If it cannot be read, its values are no labels, or it lies on another grid.
    """
    kind = kind_of_labels(path)
    if not isinstance(onto, kind):
        raise BadDataError(
            f"The atlas {path.name} has {kind.element_name}, but the maps have "
            f"{onto.element_name}. Give one in the format of the BOLD series: .nii.gz for "
            f"volumes, .label.gii for surfaces, {CIFTI_LABELS} for CIFTI."
        )
    if isinstance(onto, Grayordinates):
        return _cifti_labels(path, onto)
    if isinstance(onto, Hemisphere):
        hemisphere, values = read_surface_map(path)
        hemisphere.check_same(path.name, onto, "the maps", ON_VERTICES)
        labels = whole_labels(path, values)
        return LabelImage(labels, _present(labels), _gifti_names(path))
    assert isinstance(onto, VolumeGrid)
    return _volume_labels(path, onto, may_resample=may_resample)


def whole_labels(path: Path, values: np.ndarray) -> IndexArray:
    """Return values as whole numbers.

    Raises
    ------
    BadDataError
        If some are not, or are negative.
    """
    wrong = ~((values == np.round(values)) & (values >= 0) & (values <= LARGEST_LABEL))
    if wrong.any():
        example = float(values[wrong].flat[0])
        raise BadDataError(
            f"The atlas {path.name} has values that are no labels, such as {example:g}: labels "
            "are whole numbers, and 0 is outside all regions. Give a segmentation (dseg), not a "
            "probability map or an image that was interpolated."
        )
    return values.astype(np.int32)


def _present(labels: IndexArray) -> tuple[int, ...]:
    return tuple(int(label) for label in np.unique(labels) if label > 0)


def _volume_labels(path: Path, onto: VolumeGrid, *, may_resample: bool) -> LabelImage:
    grid, values = read_volume(path)
    labels = whole_labels(path, values)
    present = _present(labels)
    difference = grid.difference(onto)
    if not difference:
        return LabelImage(labels, present)
    if not may_resample:
        grid.check_same(f"The atlas {path.name}", onto, "the maps", ON_GRID)
    image: Any = nib.Nifti1Image(labels, grid.affine)
    moved: Any = resample_from_to(image, (onto.shape, onto.affine), order=0, mode="constant")
    resampled = np.asarray(moved.dataobj).astype(np.int32)
    return LabelImage(resampled, present, resampled=difference)


def _gifti_names(path: Path) -> dict[int, str]:
    """Return the names in the table of labels of a GIFTI file."""
    try:
        image: Any = nib.load(path)
        table = image.labeltable.get_labels_as_dict() or {}
        return {int(key): str(name) for key, name in table.items() if name}
    except Exception as error:  # nibabel's parser raises many classes
        raise not_readable(path, error) from error


def _cifti_labels(path: Path, onto: Grayordinates) -> LabelImage:
    """Read a file with a single map; vertices and voxels are matched by structure and number."""
    cifti = open_cifti(path)
    axis = cifti.maps_axis
    if cifti.n_maps != 1:
        listed = ", ".join(map(str, axis.name[:5])) if hasattr(axis, "name") else "no names"
        raise BadDataError(
            f"The atlas {path.name} has {cifti.n_maps} maps ({listed}). Give a file with one of "
            "them (wb_command -cifti-merge, with -column)."
        )
    slope, intercept = cifti.scaling
    stored = np.fromfile(path, cifti.dtype, len(cifti.models), offset=cifti.data_offset)
    given = whole_labels(path, stored.astype(np.float64) * slope + intercept)
    names: dict[int, str] = {}
    if isinstance(axis, cifti2_axes.LabelAxis):
        names = {int(key): str(name) for key, (name, _) in axis.label[0].items() if name}
    if cifti.models == onto.axis:
        return LabelImage(given, _present(given), names)
    matched = np.zeros(len(onto.axis), dtype=np.int32)
    of_file = {name: (columns, models) for name, columns, models in cifti.models.iter_structures()}
    shared = 0
    for name, columns, models in onto.axis.iter_structures():
        if name not in of_file:
            continue
        theirs, source = of_file[name]
        shared += 1
        matched[columns] = _matched(path, name, models, source, given[theirs])
    if not shared:
        raise BadDataError(
            f"The atlas {path.name} and the maps have no structure in common: it has "
            f"{', '.join(of_file)}. Give one of the same grayordinates."
        )
    return LabelImage(matched, _present(given), names)


def _matched(path: Path, name: str, models: Any, source: Any, labels: IndexArray) -> IndexArray:
    """Return the labels of a structure at its vertices or voxels in the maps."""
    sizes = models.nvertices.get(name), source.nvertices.get(name)
    if sizes[0] != sizes[1]:
        raise BadDataError(
            f"The atlas {path.name} and the maps have different surfaces of {name}: {sizes[1]} "
            f"vertices against {sizes[0]}. {ON_VERTICES}"
        )
    if sizes[0] is not None:
        lookup = np.zeros(sizes[0], dtype=np.int32)
        lookup[source.vertex] = labels
        return np.asarray(lookup[models.vertex])
    if (
        source.volume_shape != models.volume_shape
        or np.abs(source.affine - models.affine).max() > 1e-3
    ):
        raise BadDataError(
            f"The atlas {path.name} and the maps have different grids of voxels of {name}. "
            f"{ON_GRID}"
        )
    grid = np.zeros(source.volume_shape, dtype=np.int32)
    grid[tuple(source.voxel.T)] = labels
    return np.asarray(grid[tuple(models.voxel.T)])


def grid_of(path: Path) -> VolumeGrid:
    """Return the grid of a volume of labels."""
    image = load_map(path)
    return VolumeGrid(full_mask(tuple(image.shape[:3])), image.header)
