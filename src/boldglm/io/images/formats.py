"""Images of every kind by one door: headers of series, masks and maps, whatever their format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.images.geometry import BoldHeader, Geometry
from boldglm.io.images.grayordinates import ENDINGS as CIFTI
from boldglm.io.images.grayordinates import read_cifti_header, read_cifti_map
from boldglm.io.images.nifti import read_nifti_header, read_volume
from boldglm.io.images.surfaces import read_gifti_header, read_surface_map

GIFTI = ".gii"


def read_bold_header(path: Path) -> BoldHeader:
    """Read the header of a series and check that it describes a usable one.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not what its name says, or shorter than its header says.
    """
    if path.name.endswith(CIFTI):
        return read_cifti_header(path)
    return read_gifti_header(path) if path.suffix == GIFTI else read_nifti_header(path)


def read_geometry(path: Path, meshes: Sequence[Path] = ()) -> Geometry:
    """Read where the values of a map lie; its mask is where they are above zero.

    Of `meshes`, those that no longer exist are passed over.

    Raises
    ------
    MissingInputError, BadDataError
        If the file is not there or cannot be read.
    """
    if path.name.endswith(CIFTI):
        grayordinates, values = read_cifti_map(path)
        geometry: Geometry = grayordinates.with_mask(values > 0)
    elif path.suffix == GIFTI:
        surface, values = read_surface_map(path)
        geometry = surface.with_mask(values > 0)
    else:
        volume, values = read_volume(path)
        geometry = volume.with_mask(values > 0)
    return geometry.with_meshes([mesh for mesh in meshes if mesh.is_file()])


def read_mask(path: Path, header: BoldHeader) -> Geometry:
    """Read a mask and check that it lies on the grid of the BOLD series.

    Raises
    ------
    MissingInputError, BadDataError
        If it cannot be read, lies on another grid, or is empty.
    """
    found = read_geometry(path)
    found.check_same(path.name, header.geometry, header.path.name)
    if not found.mask.any():
        raise BadDataError(f"The mask {path.name} is empty: no voxel is above zero.")
    return header.geometry.with_mask(found.mask)


def image_ending(path: Path) -> str:
    """Return what follows the entities and the suffix of an image's name.

    Examples
    --------
    >>> image_ending(Path("sub-01_hemi-L_stat-t_statmap.shape.gii"))
    '.shape.gii'
    """
    return path.name[path.name.index(".") :]


def load_in_memory(path: Path) -> Any:
    """Load an image with its values, independent of the file.

    Parameters
    ----------
    path : Path
        A NIfTI, GIFTI or CIFTI file.

    Returns
    -------
    nibabel image
        Its values are those stored in the file, in the same type.
    """
    image: Any = nib.load(path)
    if isinstance(image, nib.Cifti2Image):
        values = np.asarray(image.dataobj).copy()
        return nib.Cifti2Image(values, image.header, image.nifti_header)
    if isinstance(image, nib.GiftiImage):
        return nib.GiftiImage.from_bytes(path.read_bytes())
    return type(image)(np.asarray(image.dataobj).copy(), image.affine, image.header)
