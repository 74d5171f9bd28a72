"""The CIFTI-2 format: uncompressed NIfTI-2 with an XML extension about its axes.

The brain models in the extension assign a vertex or voxel to each column. Values are stored by
column: all volumes of a grayordinate are contiguous.
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
from boldglm.io.images.cifti_checks import check_brain_models, check_xml
from boldglm.io.images.nifti import (
    SIZE_OF_NIFTI2_HEADER,
    check_padding,
    check_start,
    parse_header,
    scaling,
    values_offset,
)

XML_CODE = 32  # of the NIfTI extension
SCALARS_CODE, SERIES_CODE = 3006, 3002  # NIfTI intents


@dataclass(frozen=True, eq=False)
class BrainModels:
    """The vertex or voxel of each column, as an axis of nibabel and as XML."""

    axis: Any  # nibabel's BrainModelAxis

    @cached_property
    def xml(self) -> bytes:
        """XML element of the brain models."""
        return bytes(self.axis.to_mapping(1).to_xml())

    def start_of_file(self, maps_axis: Any, dtype: np.dtype) -> bytes:
        """Return everything before the values: the NIfTI-2 header and the extension.

        Parameters
        ----------
        maps_axis : nibabel.cifti2.ScalarAxis or SeriesAxis
            Axis of the maps.
        dtype : numpy.dtype
            Data type of the values.
        """
        xml = (
            b'<?xml version="1.0" encoding="UTF-8"?><CIFTI Version="2"><Matrix>'
            + bytes(maps_axis.to_mapping(0).to_xml())
            + self.xml
            + b"</Matrix></CIFTI>"
        )
        size = -(-(len(xml) + 8) // 16) * 16
        is_series = isinstance(maps_axis, cifti2_axes.SeriesAxis)
        header = nib.Nifti2Header()
        header.set_data_dtype(dtype)
        header.set_data_shape((1, 1, 1, 1, len(maps_axis), len(self.axis)))
        header["magic"] = header.single_magic
        header["vox_offset"] = SIZE_OF_NIFTI2_HEADER + 4 + size
        header["intent_code"] = SERIES_CODE if is_series else SCALARS_CODE
        header["intent_name"] = "ConnDenseSeries" if is_series else "ConnDenseScalar"
        header.set_slope_inter(1.0, 0.0)
        extension_start = np.array([size, XML_CODE], dtype=f"{header.endianness}i4").tobytes()
        return bytes(header.binaryblock) + b"\x01\0\0\0" + extension_start + xml.ljust(size - 8)


@dataclass(frozen=True)
class CiftiFile:
    """A CIFTI-2 file without its values."""

    path: Path
    header: Any  # nibabel's Nifti2Header
    maps_axis: Any  # axis of the maps; None if it was not parsed
    models: Any  # nibabel's BrainModelAxis of the columns
    n_maps: int
    scaling: tuple[float, float]  # slope and intercept

    @property
    def data_offset(self) -> int:
        """Bytes before the values."""
        return int(self.header.get_data_offset())

    @property
    def dtype(self) -> np.dtype:
        """Data type of the stored values."""
        return self.header.get_data_dtype()


def open_cifti(path: Path, known: "BrainModels | None" = None) -> CiftiFile:
    """Read everything except the values.

    Parameters
    ----------
    path : Path
        CIFTI-2 file.
    known : BrainModels, optional
        Brain models that the file probably has, to avoid parsing them again.

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
                raise ValueError("it is NIfTI-1, but CIFTI-2 is NIfTI-2")
            length = min(values_offset(header), size) - SIZE_OF_NIFTI2_HEADER
            xml = _extension(file.read(max(0, length)))
        is_known = known is not None and known.xml in xml
        maps_axis, models = (
            (None, known.axis) if known and is_known else _axes(xml, _n_columns(header))
        )
        shape = tuple(int(n) for n in header.get_data_shape())
        if len(shape) != 6 or shape[:4] != (1, 1, 1, 1) or shape[5] != len(models):
            raise ValueError(f"its shape is {shape}, but its XML has {len(models)} grayordinates")
        if maps_axis is not None and shape[4] != len(maps_axis):
            raise ValueError(f"its shape has {shape[4]} maps, but its XML {len(maps_axis)}")
        if header.get_data_dtype().kind not in "iuf":
            raise ValueError(f"the data type {header.get_data_dtype()} is not supported")
        slope_and_intercept = scaling(header)
    except BadDataError:
        raise
    except Exception as error:  # nibabel's parser raises many classes
        raise BadDataError(
            f"{path.name} is not a readable CIFTI-2 file ({error}). Convert or copy it again."
        ) from error
    needed = int(header.get_data_offset()) + shape[4] * shape[5] * header.get_data_dtype().itemsize
    if size < needed:
        raise BadDataError(
            f"{path.name} is truncated: its header gives {shape[4]} maps of {shape[5]} "
            f"grayordinates ({needed:,} bytes), but it has {size:,} bytes. Copy or convert it "
            "again."
        )
    described = f"its header gives {shape[4]} maps ({needed:,} bytes)"
    check_padding(path, size - needed, described)
    return CiftiFile(path, header, maps_axis, models, shape[4], slope_and_intercept)


def _extension(content: bytes) -> bytes:
    """Find the XML among the extensions, each of which starts with its length."""
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


def _n_columns(header: Any) -> int:
    shape = header.get_data_shape()
    if len(shape) != 6 or min(shape) < 1:
        raise ValueError(f"its shape is {tuple(map(int, shape))}, but CIFTI has six dimensions")
    return int(shape[5])


def _axes(xml: bytes, n_columns: int) -> tuple[Any, Any]:
    """Parse the axes of maps and of grayordinates; refuse entities and impossible sizes."""
    check_xml(xml, n_columns)
    parser: Any = Cifti2Parser()
    parser.parse(string=xml)
    matrix = parser.header.matrix
    maps_axis, models = matrix.get_axis(0), matrix.get_axis(1)
    if not isinstance(models, cifti2_axes.BrainModelAxis):
        kind = type(models).__name__.removesuffix("Axis").lower()
        raise ValueError(f"its columns are {kind}, not vertices and voxels; it may be parcellated")
    check_brain_models(models)
    return maps_axis, models
