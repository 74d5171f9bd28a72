"""NIfTI volumes, version 1 and 2: grids of voxels, series on them, maps read and written."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm.arrays.types import BoolArray
from boldglm.glm.spatial.brain_mask import compute_brain_mask
from boldglm.glm.spatial.domains import VolumeDomain
from boldglm.io.files.atomic import whole_file, write_bytes
from boldglm.io.files.compression import COMPRESSION, READ_ERRORS, most_bytes, open_read
from boldglm.io.images.domains import DomainPart
from boldglm.io.images.geometry import (
    MOST_VOXELS,
    BoldHeader,
    Geometry,
    GridPart,
    Intent,
    full_mask,
)
from boldglm.io.images.volumes import stream_volumes

MILLISECONDS, MICROSECONDS = 16, 24  # xyzt_units codes of NIfTI for time
SIZE_OF_HEADER, SIZE_OF_NIFTI2_HEADER = 348, 540  # the first number of a file is one of them
NO_EXTENSION = bytes(4)  # what follows a NIfTI header that has none
_HEADER_ERRORS: tuple[type[Exception], ...] = (
    *READ_ERRORS,
    ValueError,
    nib.filebasedimages.ImageFileError,
    HeaderDataError,
    WrapStructError,
)


@dataclass(frozen=True, eq=False)
class VolumeGrid(Geometry):
    """Voxels of a volume, with the NIfTI header that maps on its grid keep."""

    header: Any  # of nibabel: affine, codes and units

    element_name: ClassVar[str] = "voxels"
    map_ending: ClassVar[str] = ".nii.gz"
    series_ending: ClassVar[str] = ".nii.gz"

    @property
    def affine(self) -> np.ndarray:
        """Voxel indices to millimetres, (4, 4)."""
        return self.header.get_best_affine()

    @property
    def voxel_sizes(self) -> tuple[float, float, float]:
        """Millimetres between voxels along each axis, however the grid is turned."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def difference(self, other: Self) -> str:
        """Compare shapes and affines."""
        if self.shape != other.shape:
            found = (" x ".join(map(str, one.shape)) for one in (self, other))
            return "{} voxels against {}".format(*found)
        gap = np.abs(self.affine - other.affine).max()
        if gap > 1e-3:
            return f"same number of voxels, but affines that differ by up to {gap:.3g} mm"
        return ""

    def read_map(self, path: Path) -> np.ndarray:
        """Read a volume on this grid."""
        found, values = read_volume(path)
        found.check_same(path.name, self, "the images that it is compared with")
        return values

    def default_mask(self, mean: np.ndarray, has_signal: BoolArray) -> BoolArray:
        """Find the brain."""
        return compute_brain_mask(mean, has_signal)

    def domains(self) -> tuple[DomainPart, ...]:
        """Return the one volume that there is."""
        return (DomainPart("volume", slice(None), VolumeDomain(self.mask, self.voxel_sizes)),)

    def parts(self) -> tuple[GridPart, ...]:
        """Return the one volume that there is."""
        return (GridPart("", slice(None), self.mask, self.affine),)

    def _write_map(self, path: Path, values: np.ndarray, intent: Intent) -> None:
        header = self._map_header(self.shape, values.dtype)
        header.set_intent(intent[0], intent[1])
        content = nib.Nifti1Image(values, None, header).to_bytes()
        write_bytes(path, igzip.compress(content, compresslevel=COMPRESSION, mtime=0))

    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        """Write volume by volume, so that memory does not grow with their number."""
        header = self._map_header((*self.shape, len(rows)), np.dtype(np.float32))
        if repetition_time is not None:
            header.set_zooms((*header.get_zooms()[:3], repetition_time))
            header.set_xyzt_units(header.get_xyzt_units()[0], "sec")
        # The empty name keeps that of the temporary file out of the header.
        with (
            whole_file(path) as file,
            igzip.IGzipFile(
                "", "wb", COMPRESSION, fileobj=file, mtime=0
            ) as packed,  # no name inside
        ):
            packed.write(header.binaryblock + NO_EXTENSION)
            for row in rows:
                packed.write(self.unmask(row, np.float32).ravel(order="F").data)

    def _map_header(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """Return a NIfTI header on this grid."""
        like, header = self.header, nib.Nifti1Header()
        header["magic"], header["vox_offset"] = b"n+1", header.single_vox_offset
        header.set_slope_inter(1.0, 0.0)
        header.set_data_shape(shape)
        header.set_data_dtype(dtype)
        zooms = tuple(float(zoom) for zoom in like.get_zooms()[:3])
        header.set_zooms(zooms + (1.0,) * (len(shape) - 3))
        header["xyzt_units"] = int(like["xyzt_units"]) & 0x07
        sform, sform_code = like.get_sform(coded=True)
        qform, qform_code = like.get_qform(coded=True)
        header.set_qform(qform, int(qform_code), strip_shears=True)
        header.set_sform(sform, int(sform_code))
        return header


@dataclass(frozen=True, eq=False)
class NiftiHeader(BoldHeader):
    """The header of a 4-D NIfTI file."""

    geometry: VolumeGrid
    data_offset: int

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume as stored."""
        return self.volume_size * self.dtype.itemsize

    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:
        """Decompress the file once, in order."""
        return stream_volumes(self, n_threads=n_threads)


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header of a 4-D NIfTI file and check that it describes a usable series.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not gzip though named .gz, not NIfTI, not 4-D, or shorter than its header says.
    """
    check_start(path)
    try:
        header = read_header(path)
        slope, intercept = scaling(header)
        shape = tuple(int(n) for n in header.get_data_shape())
        dtype = header.get_data_dtype()
    except _HEADER_ERRORS as error:
        raise BadDataError(
            f"{path.name} is not a readable NIfTI file ({error}). Convert or copy it again."
        ) from error
    if dtype.kind not in "iuf":
        raise BadDataError(
            f"{path.name} holds values of type {dtype}; a BOLD run holds real "
            "numbers. Is it a complex or color image?"
        )
    if len(shape) != 4 or shape[3] < 2:
        raise BadDataError(
            f"{path.name} has shape {' x '.join(map(str, shape))}; a BOLD run is 4-D with more "
            "than one volume. Is it a single volume under the name of a series?"
        )
    offset = int(header.get_data_offset())
    _check_length(path, offset, shape, dtype)
    affine = header.get_best_affine()
    if not (np.isfinite(affine).all() and abs(np.linalg.det(affine)) > 0):
        raise BadDataError(
            f"{path.name} has an affine that cannot be inverted, so its voxels are nowhere:\n"
            f"{affine}\nCorrect its sform or qform."
        )
    return NiftiHeader(
        path=path,
        geometry=VolumeGrid(full_mask(shape[:3]), header),
        n_scans=shape[3],
        repetition_time=_header_repetition_time(header),
        dtype=dtype,
        slope=slope,
        intercept=intercept,
        data_offset=offset,
    )


def check_start(path: Path) -> None:
    """Refuse a file that cannot be opened, is empty, or is called .gz and is not gzip."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise MissingInputError(f"{path} cannot be read: {error.strerror}.") from error
    if not start:
        raise BadDataError(
            f"{path.name} is empty (0 bytes). Fetch the file: is the dataset a DataLad or "
            "git-annex clone whose content was not downloaded?"
        )
    if path.suffix == ".gz" and start != b"\x1f\x8b":
        raise BadDataError(
            f"{path.name} is named .gz but is not gzip (it starts with {start.hex()}). Compress "
            "it, or rename it to .nii if it is an uncompressed NIfTI file."
        )


def read_header(path: Path) -> Any:
    """Read the header block alone, as nibabel's header of either version.

    Extensions are passed over: in a compressed file they could be of any size.
    """
    with open_read(path) as file:
        start = file.read(SIZE_OF_NIFTI2_HEADER)
    return parse_header(start)


def scaling(header: Any) -> tuple[float, float]:
    """Return slope and intercept of the stored values.

    Raises
    ------
    ValueError
        If they turn numbers into what float32 cannot hold.
    """
    slope, intercept = header.get_slope_inter()
    slope = 1.0 if slope is None else float(slope)
    intercept = 0.0 if intercept is None else float(intercept)
    if not (1e-30 < abs(slope) < 1e30 and abs(intercept) < 1e30):
        raise ValueError(f"it scales values by {slope:g} and adds {intercept:g}")
    return slope, intercept


def parse_header(start: bytes) -> Any:
    """Parse the first bytes of a file as nibabel's header of either version of NIfTI."""
    either_order = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    if SIZE_OF_NIFTI2_HEADER in either_order:
        return nib.Nifti2Header(start[:SIZE_OF_NIFTI2_HEADER])
    return nib.Nifti1Header(start[:SIZE_OF_HEADER])


def _header_repetition_time(header: Any) -> float | None:
    step = float(header.get_zooms()[3])
    unit = int(header["xyzt_units"]) & 0x38
    scale = {MILLISECONDS: 1e-3, MICROSECONDS: 1e-6}.get(unit, 1.0)
    if scale == 1.0 and step > 100:  # milliseconds under a wrong unit: no volume takes 100 s
        scale = 1e-3
    return step * scale if step > 0 and np.isfinite(step) else None


def _check_length(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Find a truncated file, or a header that lies, without decompressing a whole file.

    The last four bytes of a gzip file hold the uncompressed length modulo 2**32. Where they
    disagree with the header, the file is cut off, or has several gzip members: then, and only
    then, it is read through.
    """
    n_values = int(np.prod(shape, dtype=object))  # exact: no header can make it wrap around
    if n_values // shape[-1] > MOST_VOXELS or min(shape) < 1:
        raise BadDataError(
            f"{path.name} announces volumes of {' x '.join(map(str, shape[:3]))} voxels, which no "
            "image has: its header is damaged. Convert or copy it again."
        )
    needed = offset + n_values * dtype.itemsize
    found = most_bytes(path)
    if path.suffix == ".gz" and found >= needed:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            (stated,) = struct.unpack("<I", file.read(4))
        if stated == needed % 2**32:
            return
        found = _uncompressed_length(path, needed)
    if found < needed:
        raise BadDataError(
            f"{path.name} is cut off: its header announces {shape[3]} volumes "
            f"({needed:,} bytes), but only {found:,} bytes can be read. Copy or convert it again."
        )


def _uncompressed_length(path: Path, enough: int) -> int:
    length = 0
    try:
        with igzip.open(path, "rb") as stream:
            while length < enough and (block := stream.read(2**24)):
                length += len(block)
    except READ_ERRORS:
        return length
    return length


def read_volume(path: Path) -> tuple[VolumeGrid, np.ndarray]:
    """Read an image of one volume: its grid, all inside the mask, and its values.

    Raises
    ------
    MissingInputError, BadDataError
        If it is not there, or cannot be read.
    """
    image = load_map(path)
    values = np.asarray(image.dataobj, dtype=np.float64)
    shape = tuple(image.shape[:3])
    if values.size != np.prod(shape) or len(shape) != 3:
        raise BadDataError(
            f"{path.name} has shape {' x '.join(map(str, image.shape))}; a mask or map is one "
            "volume."
        )
    return VolumeGrid(full_mask(shape), image.header), values.reshape(shape)


def load_map(path: Path) -> Any:
    """Load an image of one volume with nibabel, or say why it cannot be."""
    try:
        with open_read(path) as file:
            start = file.read(SIZE_OF_NIFTI2_HEADER)
            header = parse_header(start)
            n_values = int(np.prod(header.get_data_shape(), dtype=object))
            needed = int(header.get_data_offset()) + n_values * header.get_data_dtype().itemsize
            possible = 0 < n_values <= MOST_VOXELS and min(header.get_data_shape()) > 0
            if not possible or needed > most_bytes(path):
                raise BadDataError(
                    f"{path.name} is not a readable image: its header announces {n_values} "
                    f"voxels ({needed} bytes), which the file cannot hold. Copy or convert it "
                    "again."
                )
            content = start + file.read(max(0, needed - len(start)))
        if len(content) < needed:
            raise EOFError(f"{needed} bytes are announced, {len(content)} are there")
        is_nifti2 = isinstance(header, nib.Nifti2Header)
        return (nib.Nifti2Image if is_nifti2 else nib.Nifti1Image).from_bytes(content)
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {path}.") from error
    except _HEADER_ERRORS as error:
        raise BadDataError(f"{path.name} is not a readable image ({error}).") from error
