"""CIFTI-2 as a format: NIfTI-2 without compression, and an extension that names the columns.

The extension is XML that says which vertex or voxel each column is. Values lie by column: all
volumes of one grayordinate side by side.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import cifti2_axes
from nibabel.cifti2.parse_cifti2 import Cifti2Parser

from boldglm.errors import BadDataError
from boldglm.io.images.geometry import MOST_VOXELS
from boldglm.io.images.nifti import SIZE_OF_NIFTI2_HEADER, check_start, parse_header, scaling

XML_CODE, SCALARS_CODE, SERIES_CODE = 32, 3006, 3002  # of NIfTI extensions and intents


@dataclass(frozen=True, eq=False)
class BrainModels:
    """Which vertex or voxel each column is, parsed and as files have it."""

    axis: Any  # nibabel's BrainModelAxis

    @cached_property
    def xml(self) -> bytes:
        """The element of the XML that holds them."""
        return bytes(self.axis.to_mapping(1).to_xml())

    def start_of_file(self, along: Any, dtype: np.dtype) -> bytes:
        """Return everything before the values: NIfTI-2 header, and the extension.

        Parameters
        ----------
        along : ScalarAxis or SeriesAxis
            Of nibabel: what the maps are.
        dtype : numpy.dtype
            Of the values.
        """
        xml = (
            b'<?xml version="1.0" encoding="UTF-8"?><CIFTI Version="2"><Matrix>'
            + bytes(along.to_mapping(0).to_xml())
            + self.xml
            + b"</Matrix></CIFTI>"
        )
        size = -(-(len(xml) + 8) // 16) * 16
        is_series = isinstance(along, cifti2_axes.SeriesAxis)
        header = nib.Nifti2Header()
        header.set_data_dtype(dtype)
        header.set_data_shape((1, 1, 1, 1, len(along), len(self.axis)))
        header["magic"] = header.single_magic
        header["vox_offset"] = SIZE_OF_NIFTI2_HEADER + 4 + size
        header["intent_code"] = SERIES_CODE if is_series else SCALARS_CODE
        header["intent_name"] = "ConnDenseSeries" if is_series else "ConnDenseScalar"
        header.set_slope_inter(1.0, 0.0)
        of_extension = np.array([size, XML_CODE], dtype=f"{header.endianness}i4").tobytes()
        return bytes(header.binaryblock) + b"\x01\0\0\0" + of_extension + xml.ljust(size - 8)


@dataclass(frozen=True)
class CiftiFile:
    """Everything of a file but its values."""

    path: Path
    header: Any  # nibabel's Nifti2Header
    along: Any  # axis of the maps; None if it was not looked at
    models: Any  # brain models of the columns
    n_maps: int
    scaling: tuple[float, float]  # slope and intercept

    @property
    def data_offset(self) -> int:
        """Bytes before the values."""
        return int(self.header.get_data_offset())

    @property
    def dtype(self) -> np.dtype:
        """Of the values as stored."""
        return self.header.get_data_dtype()


def open_cifti(path: Path, known: "BrainModels | None" = None) -> CiftiFile:
    """Read everything but the values.

    Parameters
    ----------
    path : Path
        The file.
    known : BrainModels, optional
        Brain models that it probably has; they are not parsed again then.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not CIFTI-2 with brain models, or shorter than its header says.
    """
    check_start(path)
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            header = parse_header(file.read(SIZE_OF_NIFTI2_HEADER))
            if not isinstance(header, nib.Nifti2Header):
                raise ValueError("it is NIfTI-1, and CIFTI-2 is NIfTI-2")
            length = min(int(header.get_data_offset()), size) - SIZE_OF_NIFTI2_HEADER
            xml = _extension(file.read(max(0, length)))
        is_known = known is not None and known.xml in xml
        along, models = (None, known.axis) if known and is_known else _axes(xml)
        shape = tuple(int(n) for n in header.get_data_shape())
        if len(shape) != 6 or shape[:4] != (1, 1, 1, 1) or shape[5] != len(models):
            raise ValueError(f"of shape {shape}, but {len(models)} grayordinates are described")
        if along is not None and shape[4] != len(along):
            raise ValueError(f"{shape[4]} maps are announced, {len(along)} described")
        if header.get_data_dtype().kind not in "iuf":
            raise ValueError(f"values of type {header.get_data_dtype()} are not read")
        slope_and_intercept = scaling(header)
    except BadDataError:
        raise
    except Exception as error:  # nibabel's parser raises of many kinds
        raise BadDataError(
            f"{path.name} is not a readable CIFTI-2 file ({error}). Convert or copy it again."
        ) from error
    needed = int(header.get_data_offset()) + shape[4] * shape[5] * header.get_data_dtype().itemsize
    if size < needed:
        raise BadDataError(
            f"{path.name} is cut off: its header announces {shape[4]} maps of {shape[5]} "
            f"grayordinates ({needed} bytes), the file holds {size} bytes. Copy or "
            "convert it again."
        )
    return CiftiFile(path, header, along, models, shape[4], slope_and_intercept)


def _extension(content: bytes) -> bytes:
    """Find the XML among the extensions, each of which says how long it is."""
    start = 4
    while start + 8 <= len(content):
        sizes = np.frombuffer(content, "<i4", 2, start)
        if not 8 < sizes[0] <= len(content):
            sizes = sizes.byteswap()
        size, code = (int(value) for value in sizes)
        if not 8 < size <= len(content) - start:
            break
        if code == XML_CODE:
            return content[start + 8 : start + size].rstrip(b"\0 ")
        start += size
    raise ValueError("it has no CIFTI extension")


def _axes(xml: bytes) -> tuple[Any, Any]:
    """Parse the axes of maps and of grayordinates, without entities and of possible sizes."""
    if b"<!ENTITY" in xml or b"<!DOCTYPE" in xml:
        raise ValueError("it declares XML entities, which CIFTI has no use for")
    parser: Any = Cifti2Parser()
    parser.parse(string=xml)
    matrix = parser.header.matrix
    along, models = matrix.get_axis(0), matrix.get_axis(1)
    if not isinstance(models, cifti2_axes.BrainModelAxis):
        kind = type(models).__name__.removesuffix("Axis").lower()
        raise ValueError(f"its columns are {kind}, not vertices and voxels: is it parcellated?")
    sizes = [*models.nvertices.values()]
    if models.volume_shape is not None:
        sizes.append(int(np.prod(models.volume_shape, dtype=object)))
    if sizes and not 0 < max(sizes) <= MOST_VOXELS:
        raise ValueError(f"it announces {max(sizes)} vertices or voxels, which no brain has")
    return along, models
