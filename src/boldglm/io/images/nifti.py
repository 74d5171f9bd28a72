"""NIfTI-1 and NIfTI-2: grids of voxels, BOLD series, and maps."""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

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

MILLISECONDS, MICROSECONDS = 16, 24  # codes of units of time in xyzt_units
LONGEST_STEP = 100  # seconds; no volume takes longer, so a larger number is in milliseconds
SIZE_OF_HEADER, SIZE_OF_NIFTI2_HEADER = 348, 540  # the first number of a file is one of them
NO_EXTENSION = bytes(4)  # follows a NIfTI header without extensions
SINGLE_MAGIC = (b"n+1", b"n+2")  # header and values in one file
CODES_OF_SPACE = range(6)  # of qform and sform
SMALLEST_VOXEL, LARGEST_VOXEL = 1e-4, 1e4  # mm, of the grid
FLATTEST = 1e-6  # volume of a voxel whose edges have length 1, at least
MOST_PADDING = 4096  # bytes that may follow the values; some programs fill up a block
_HEADER_ERRORS: tuple[type[Exception], ...] = (
    *READ_ERRORS,
    ValueError,
    OverflowError,
    nib.filebasedimages.ImageFileError,
    HeaderDataError,
    WrapStructError,
)


@dataclass(frozen=True, eq=False)
class VolumeGrid(Geometry):
    """Voxels of a volume, and the NIfTI header from which maps on its grid take their affine."""

    header: Any  # nibabel's Nifti1Header or Nifti2Header

    element_name: ClassVar[str] = "voxels"
    map_ending: ClassVar[str] = ".nii.gz"
    series_ending: ClassVar[str] = ".nii.gz"

    @property
    def affine(self) -> np.ndarray:
        """From voxel indices to mm, (4, 4)."""
        return self.header.get_best_affine()

    @property
    def voxel_sizes(self) -> tuple[float, float, float]:
        """Distances between voxels along the axes of the array, mm; the grid may be oblique."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def difference(self, other: Self) -> str:
        """Compare shapes and affines."""
        if self.shape != other.shape:
            return f"{_by(self.shape)} voxels against {_by(other.shape)}"
        gap = np.abs(self.affine - other.affine).max()
        if gap > 1e-3:
            return f"same number of voxels, but affines that differ by up to {gap:.3g} mm"
        return ""

    def read_map(self, path: Path) -> np.ndarray:
        """Read a volume on this grid."""
        grid, values = read_volume(path)
        grid.check_same(path.name, self, "the other images")
        return values

    def default_mask(self, mean: np.ndarray, varies: BoolArray) -> BoolArray:
        """Compute a brain mask."""
        return compute_brain_mask(mean, varies)

    def domains(self) -> tuple[DomainPart, ...]:
        """Return the volume as a single part."""
        return (DomainPart("volume", slice(None), VolumeDomain(self.mask, self.voxel_sizes)),)

    def parts(self) -> tuple[GridPart, ...]:
        """Return the volume as a single part."""
        return (GridPart("", slice(None), self.mask, self.affine),)

    def _write_map(self, path: Path, values: np.ndarray, intent: Intent) -> None:
        header = self._map_header(self.shape, values.dtype)
        header.set_intent(intent[0], intent[1])
        content = nib.Nifti1Image(values, None, header).to_bytes()
        write_bytes(path, igzip.compress(content, compresslevel=COMPRESSION, mtime=0))

    def _write_series(self, path: Path, rows: np.ndarray, repetition_time: float | None) -> None:
        """Write volume by volume, so that memory does not grow with the number of volumes."""
        header = self._map_header((*self.shape, len(rows)), np.dtype(np.float32))
        if repetition_time is not None:
            header.set_zooms((*header.get_zooms()[:3], repetition_time))
            header.set_xyzt_units(header.get_xyzt_units()[0], "sec")
        with (
            whole_file(path) as file,
            # the empty name keeps the name of the temporary file out of the gzip header
            igzip.IGzipFile("", "wb", COMPRESSION, fileobj=file, mtime=0) as compressed,
        ):
            compressed.write(header.binaryblock + NO_EXTENSION)
            for row in rows:
                compressed.write(self.unmask(row, np.float32).ravel(order="F").data)

    def _map_header(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """Return a NIfTI header on this grid."""
        original, header = self.header, nib.Nifti1Header()
        header["magic"], header["vox_offset"] = b"n+1", header.single_vox_offset
        header.set_slope_inter(1.0, 0.0)
        header.set_data_shape(shape)
        header.set_data_dtype(dtype)
        zooms = tuple(float(zoom) for zoom in original.get_zooms()[:3])
        header.set_zooms(zooms + (1.0,) * (len(shape) - 3))
        header["xyzt_units"] = int(original["xyzt_units"]) & 0x07
        sform, sform_code = original.get_sform(coded=True)
        qform, qform_code = original.get_qform(coded=True)
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
        """Size of one volume as stored, bytes."""
        return self.volume_size * self.dtype.itemsize

    def volumes(self, *, n_threads: int = 1) -> Iterator[np.ndarray]:
        """Decompress the file once, in order."""
        return stream_volumes(self, n_threads=n_threads)


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header of a 4-D NIfTI file and check it.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not NIfTI, not 4-D, not gzip although named .gz, or shorter than its header says.
    """
    check_start(path)
    try:
        header = read_header(path)
        offset = values_offset(header)
        slope, intercept = scaling(header)
        check_affine(header)
        shape = tuple(int(n) for n in header.get_data_shape())
        dtype = header.get_data_dtype()
    except _HEADER_ERRORS as error:
        raise BadDataError(
            f"{path.name} is not a readable NIfTI file ({error}). Convert or copy it again."
        ) from error
    if dtype.kind not in "iuf":
        raise BadDataError(
            f"{path.name} has values of type {dtype}, but a BOLD run has real numbers. Check "
            "whether it is a complex or color image."
        )
    if len(shape) != 4 or shape[3] < 2:
        raise BadDataError(
            f"{path.name} has shape {_by(shape)}, but a BOLD run is 4-D with more than one "
            "volume. Check whether it is a single volume that is named like a series."
        )
    _check_length(path, offset, shape, dtype)
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
    """Raise an error if a file cannot be opened, is empty, or is named .gz but is not gzip."""
    if path.exists() and not path.is_file():  # a pipe or device might never end
        raise BadDataError(f"{path} is not a regular file. Give an image file.")
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise MissingInputError(
            f"{path} cannot be read: {error.strerror}. Check that it exists and is readable."
        ) from error
    if not start:
        raise BadDataError(
            f"{path.name} is empty (0 bytes). If the dataset is a DataLad or git-annex clone, "
            "fetch its content (datalad get)."
        )
    if path.suffix == ".gz" and start != b"\x1f\x8b":
        raise BadDataError(
            f"{path.name} is named .gz but is not gzip (it starts with {start.hex()}). Compress "
            "it, or rename it to .nii if it is an uncompressed NIfTI file."
        )


def read_header(path: Path) -> Any:
    """Read the header of a NIfTI-1 or NIfTI-2 file without its extensions.

    In a compressed file, extensions may be of any size.
    """
    with open_read(path) as file:
        start = file.read(SIZE_OF_NIFTI2_HEADER)
    return parse_header(start)


def scaling(header: Any) -> tuple[float, float]:
    """Return slope and intercept of the stored values.

    Raises
    ------
    ValueError
        If scaled values could exceed the range of float32, or the slope is infinite.
    """
    if np.isinf(header["scl_slope"]):  # 0 and NaN stand for values that are not scaled
        raise ValueError(f"its scl_slope is {float(header['scl_slope'])}")
    slope, intercept = header.get_slope_inter()
    slope = 1.0 if slope is None else float(slope)
    intercept = 0.0 if intercept is None else float(intercept)
    if not (1e-30 < abs(slope) < 1e30 and abs(intercept) < 1e30):
        raise ValueError(f"its slope is {slope:g} and its intercept {intercept:g}")
    return slope, intercept


def values_offset(header: Any) -> int:
    """Return how many bytes come before the values.

    Raises
    ------
    ValueError
        If the values would overlap the header, or their place is no number of bytes.
    """
    offset = float(header["vox_offset"])
    least = int(header.single_vox_offset)
    if not (np.isfinite(offset) and offset >= least and offset == int(header["vox_offset"])):
        raise ValueError(
            f"its vox_offset is {offset:g}, but values begin after the {least} bytes of the header"
        )
    return int(header["vox_offset"])


def check_affine(header: Any) -> None:
    """Check that voxels have a position and a size.

    Raises
    ------
    ValueError
        If the affine has numbers that are not finite, cannot be inverted or has voxels of an
        impossible size, or if the qform has a code but is no rotation.
    """
    with np.errstate(all="ignore"):
        affine = header.get_best_affine()
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
    good = np.isfinite(affine).all() and sizes.min() > SMALLEST_VOXEL
    good = good and sizes.max() < LARGEST_VOXEL
    if not good or not abs(np.linalg.det(affine[:3, :3] / sizes)) > FLATTEST:
        rows = "; ".join(" ".join(f"{value:.6g}" for value in row) for row in affine[:3])
        raise ValueError(
            f"its affine [{rows}] cannot be inverted or has impossible voxel sizes, so its voxels "
            "have no position; correct its sform or qform"
        )
    if int(header["qform_code"]) > 0:
        _check_qform(header)


def _check_qform(header: Any) -> None:
    """Check that maps can have the qform of an image, even if its sform is used."""
    try:
        with np.errstate(all="ignore"):
            nib.Nifti1Header().set_qform(header.get_qform(), strip_shears=True)
    except (ValueError, HeaderDataError, np.linalg.LinAlgError) as error:
        raise ValueError(
            f"its qform is no rotation ({error}); correct it, or set its qform_code to 0"
        ) from error


def _check_codes(header: Any) -> None:
    """Check the codes of the space: with another code, voxels would lie elsewhere."""
    for name in ("qform_code", "sform_code"):
        if int(header[name]) not in CODES_OF_SPACE:
            raise ValueError(f"its {name} is {int(header[name])}, which NIfTI does not define")
    if int(header["xyzt_units"]) & 0x07 not in nib.nifti1.unit_codes.code:
        raise ValueError(f"its xyzt_units is {int(header['xyzt_units'])}, an unknown unit")


def parse_header(start: bytes) -> Any:
    """Parse the first bytes of a file as a header of NIfTI-1 or NIfTI-2.

    Raises
    ------
    ValueError
        If they are none, or the header of a file without values.
    """
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    either_order = {int.from_bytes(start[:4], order) for order in orders}
    if SIZE_OF_NIFTI2_HEADER in either_order:
        kind: Any = nib.Nifti2Header
        size = SIZE_OF_NIFTI2_HEADER
    elif SIZE_OF_HEADER in either_order:
        kind, size = nib.Nifti1Header, SIZE_OF_HEADER
    else:
        raise ValueError("it does not begin with the size of a NIfTI header, 348 or 540")
    _check_codes(kind(start[:size], check=False))  # nibabel's check replaces unknown codes by 0
    header: Any = kind(start[:size])
    if int.from_bytes(start[:4], "little" if header.endianness == "<" else "big") != size:
        raise ValueError("the size of its header has another byte order than its dim")
    magic = bytes(header["magic"].tobytes())[:3]
    if magic not in SINGLE_MAGIC:
        raise ValueError(
            f"its magic is {magic!r}, but a file with header and values has "
            f"{SINGLE_MAGIC[0]!r} or {SINGLE_MAGIC[1]!r}"
        )
    return header


def _header_repetition_time(header: Any) -> float | None:
    step = float(header.get_zooms()[3])
    unit = int(header["xyzt_units"]) & 0x38
    scale = {MILLISECONDS: 1e-3, MICROSECONDS: 1e-6}.get(unit, 1.0)
    if scale == 1.0 and step > LONGEST_STEP:  # the header gives the wrong unit
        scale = 1e-3
    return step * scale if step > 0 and np.isfinite(step) else None


def _check_length(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Detect a truncated file or a wrong header, if possible without decompressing the file.

    The last four bytes of a gzip file hold the uncompressed length modulo 2**32. If they disagree
    with the header, the file is damaged, padded or has several gzip members; only then is the
    whole file decompressed.
    """
    n_values = int(np.prod(shape, dtype=object))  # exact: no header can make it wrap around
    if n_values // shape[-1] > MOST_VOXELS or min(shape) < 1:
        raise BadDataError(
            f"{path.name} has a damaged header: its volumes would have {_by(shape[:3])} voxels. "
            "Convert or copy it again."
        )
    needed = offset + n_values * dtype.itemsize
    length, problem = most_bytes(path), ""
    if path.suffix == ".gz" and length >= needed:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            (stated,) = struct.unpack("<I", file.read(4))
        if stated == needed % 2**32:
            return
        length, problem = _uncompressed_length(path, needed + MOST_PADDING + 1)
    described = f"its header gives {shape[3]} volumes ({needed:,} bytes)"
    if length < needed:
        raise BadDataError(
            f"{path.name} is truncated: {described}, but only {length:,} bytes can be read. Copy "
            "or convert it again."
        )
    if problem:
        raise BadDataError(
            f"{path.name} is damaged: after {length:,} bytes, {problem}. Copy or convert it again."
        )
    if path.suffix != ".gz" or length > needed:
        check_padding(path, length - needed, described)


def check_padding(path: Path, n_more: int, described: str) -> None:
    """Refuse a file with more bytes than its header describes, whose voxels may be displaced."""
    if n_more > MOST_PADDING:
        raise BadDataError(
            f"{path.name} is longer than its header says: {described}, but at least {n_more:,} "
            "bytes more follow. The header or the file is damaged. Copy or convert it again."
        )


def _uncompressed_length(path: Path, enough: int) -> tuple[int, str]:
    """Return how many bytes can be decompressed, up to `enough`, and what is damaged."""
    length = 0
    try:
        with igzip.open(path, "rb") as stream:
            while length < enough and (block := stream.read(2**24)):
                length += len(block)
    except READ_ERRORS as error:
        return length, str(error)
    return length, ""


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def read_volume(path: Path) -> tuple[VolumeGrid, np.ndarray]:
    """Read an image of one volume: its grid, with all voxels in the mask, and its values.

    Raises
    ------
    MissingInputError
        If the file does not exist.
    BadDataError
        If it cannot be read, or has more than one volume.
    """
    image = load_map(path)
    values = np.asarray(image.dataobj, dtype=np.float64)
    shape = tuple(image.shape[:3])
    if values.size != np.prod(shape) or len(shape) != 3:
        raise BadDataError(
            f"{path.name} has shape {_by(image.shape)}, but a mask or map has one volume. Give a "
            "file with a single volume."
        )
    return VolumeGrid(full_mask(shape), image.header), values.reshape(shape)


def load_map(path: Path) -> Any:
    """Load an image of one volume with nibabel.

    Raises
    ------
    MissingInputError
        If the file does not exist.
    BadDataError
        If it cannot be read.
    """
    if path.exists():
        check_start(path)
    try:
        with open_read(path) as file:
            start = file.read(SIZE_OF_NIFTI2_HEADER)
            header = parse_header(start)
            scaling(header)
            check_affine(header)
            needed = _bytes_of_map(path, header)
            content = start + file.read(max(0, needed - len(start)))
            n_more = len(file.read(MOST_PADDING + 1))  # to the end, where its checksum is
        if len(content) < needed:
            raise EOFError(f"its header gives {needed} bytes, but it has {len(content)}")
        is_nifti2 = isinstance(header, nib.Nifti2Header)
        image = (nib.Nifti2Image if is_nifti2 else nib.Nifti1Image).from_bytes(content)
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {path}. Check the path.") from error
    except _HEADER_ERRORS as error:
        raise BadDataError(
            f"{path.name} is not a readable image ({error}). Copy or convert it again."
        ) from error
    check_padding(path, n_more, f"its header gives one volume ({needed:,} bytes)")
    return image


def _bytes_of_map(path: Path, header: Any) -> int:
    """Return the length that a header gives, if the file can be as long."""
    n_values = int(np.prod(header.get_data_shape(), dtype=object))
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise ValueError(f"it has values of type {dtype}, not real numbers")
    needed = values_offset(header) + n_values * dtype.itemsize
    possible = 0 < n_values <= MOST_VOXELS and min(header.get_data_shape()) > 0
    if not possible or needed > most_bytes(path):
        raise ValueError(
            f"its header gives {n_values} voxels, {needed} bytes, more than the file has"
        )
    return needed
