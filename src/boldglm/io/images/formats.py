"""Headers of BOLD series, masks and maps in any format: the file name tells which."""

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
    """Read the header of a BOLD series and check it.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it has another format than its name says, or is shorter than its header says.
    """
    if path.name.endswith(CIFTI):
        return read_cifti_header(path)
    return read_gifti_header(path) if path.suffix == GIFTI else read_nifti_header(path)


def read_geometry(path: Path, meshes: Sequence[Path] = ()) -> Geometry:
    """Read the geometry of a map, with a mask of its values above zero.

    Parameters
    ----------
    path : Path
        Map or mask.
    meshes : sequence of Path
        Surfaces; those that no longer exist are ignored.

    Raises
    ------
    MissingInputError
        If the file does not exist.
    BadDataError
        If it cannot be read.
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
    MissingInputError
        If the file does not exist.
    BadDataError
        If it cannot be read, lies on another grid, or is empty.
    """
    geometry = read_geometry(path)
    geometry.check_same(path.name, header.geometry, header.path.name)
    if not geometry.mask.any():
        raise BadDataError(
            f"The mask {path.name} is empty: none of its values is above zero. Replace it by a "
            "mask with ones in the brain."
        )
    return header.geometry.with_mask(geometry.mask)


def image_ending(path: Path) -> str:
    """Return the extension of an image's file name, with all its dots.

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
