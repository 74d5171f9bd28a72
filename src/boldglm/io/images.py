"""NIfTI images to masked (time, voxel) arrays, and maps back to NIfTI.

The only module that imports nibabel. Series themselves are read by `boldglm.io.volumes`.
"""

import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from isal import igzip, igzip_lib
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from boldglm.errors import BadDataError, MissingInputError

MILLISECONDS, MICROSECONDS = 16, 24  # xyzt_units codes of NIfTI for time
SIZE_OF_NIFTI2_HEADER = 540  # the first number of such a file
NO_EXTENSION = bytes(4)  # what follows a NIfTI header that has none
COMPRESSION = 2  # of isal (0 to 3): smaller than 1 at nearly its speed
_ISAL_ERROR: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]
READ_ERRORS: tuple[type[Exception], ...] = (
    EOFError,
    zlib.error,
    igzip.BadGzipFile,
    _ISAL_ERROR,
    OSError,
)
_IMAGE_ERRORS: tuple[type[Exception], ...] = (
    *READ_ERRORS,
    nib.filebasedimages.ImageFileError,
    HeaderDataError,
    WrapStructError,
)


@dataclass(frozen=True)
class BoldHeader:
    """What the header of a BOLD file says; times in seconds."""

    path: Path
    shape: tuple[int, int, int]
    n_scans: int
    repetition_time: float | None  # None where the header does not say
    dtype: np.dtype
    slope: float
    intercept: float
    data_offset: int
    nifti: Any  # the nibabel header: affine, codes and units for the maps

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume as stored."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def affine(self) -> np.ndarray:
        """Voxel indices to millimetres, (4, 4)."""
        return self.nifti.get_best_affine()

    @property
    def voxel_sizes(self) -> tuple[float, float, float]:
        """Millimetres between voxels along each axis, however the grid is turned."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def read_bold_header(path: Path) -> BoldHeader:
    """Read the header of a 4-D NIfTI file and check that it describes a usable series.

    Raises
    ------
    MissingInputError
        If the file cannot be opened.
    BadDataError
        If it is not gzip though named .gz, not NIfTI, not 4-D, or shorter than its header says.
    """
    _check_magic(path)
    try:
        image: Any = nib.load(path)
        header: Any = image.header
        slope, intercept = image.dataobj.slope, image.dataobj.inter
    except _IMAGE_ERRORS as error:
        raise BadDataError(
            f"{path.name} is not a readable NIfTI file ({error}). Convert or copy it again."
        ) from error
    if header.get_data_dtype().kind not in "iuf":
        raise BadDataError(
            f"{path.name} holds values of type {header.get_data_dtype()}; a BOLD run holds real "
            "numbers. Is it a complex or color image?"
        )
    shape = tuple(int(n) for n in image.shape)
    if len(shape) != 4 or shape[3] < 2:
        raise BadDataError(
            f"{path.name} has shape {' x '.join(map(str, shape))}; a BOLD run is 4-D with more "
            "than one volume. Is it a single volume under the name of a series?"
        )
    bold = BoldHeader(
        path=path,
        shape=shape[:3],
        n_scans=shape[3],
        repetition_time=_header_repetition_time(header),
        dtype=header.get_data_dtype(),
        slope=float(slope),
        intercept=float(intercept),
        data_offset=int(image.dataobj.offset),
        nifti=header,
    )
    _check_length(bold)
    return bold


def _check_magic(path: Path) -> None:
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


def _header_repetition_time(header: Any) -> float | None:
    step = float(header.get_zooms()[3])
    unit = int(header["xyzt_units"]) & 0x38
    scale = {MILLISECONDS: 1e-3, MICROSECONDS: 1e-6}.get(unit, 1.0)
    if scale == 1.0 and step > 100:  # milliseconds under a wrong unit: no volume takes 100 s
        scale = 1e-3
    return step * scale if step > 0 and np.isfinite(step) else None


def _check_length(header: BoldHeader) -> None:
    """Find a truncated file without decompressing a whole one.

    The last four bytes of a gzip file hold the uncompressed length modulo 2**32. Where they
    disagree with the header, the file is cut off, or has several gzip members: then, and only
    then, it is read through.
    """
    needed = header.data_offset + header.volume_bytes * header.n_scans
    if header.path.suffix != ".gz":
        found = header.path.stat().st_size
    else:
        with header.path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            (stated,) = struct.unpack("<I", file.read(4))
        if stated == needed % 2**32:
            return
        found = _uncompressed_length(header.path, needed)
    if found < needed:
        raise BadDataError(
            f"{header.path.name} is cut off: its header announces {header.n_scans} volumes "
            f"({needed} bytes), the file holds {found} bytes. Copy or convert it again."
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


def read_mask(path: Path, header: BoldHeader) -> np.ndarray:
    """Read a mask and check that it lies on the grid of the BOLD series.

    Raises
    ------
    MissingInputError, BadDataError
        If it cannot be read, lies on another grid, or is empty.
    """
    image = load_map(path)
    _same_grid(path, image.shape[:3], image.affine, header.path, header.shape, header.affine)
    mask = np.asarray(image.dataobj).reshape(header.shape) > 0
    if not mask.any():
        raise BadDataError(f"The mask {path.name} is empty: no voxel is above zero.")
    return mask


def load_map(path: Path) -> Any:
    """Load an image of one volume with nibabel, or say why it cannot be."""
    try:
        if path.name.endswith(".nii.gz"):
            return _from_bytes(igzip.decompress(path.read_bytes()))  # at thrice nibabel's speed
        return nib.load(path)
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {path}.") from error
    except _IMAGE_ERRORS as error:
        raise BadDataError(f"{path.name} is not a readable image ({error}).") from error


def _from_bytes(content: bytes) -> Any:
    either_order = {int.from_bytes(content[:4], order) for order in ("little", "big")}
    image_class = nib.Nifti2Image if SIZE_OF_NIFTI2_HEADER in either_order else nib.Nifti1Image
    return image_class.from_bytes(content)


def read_maps(paths: list[Path], mask: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
    """Read maps that must share one grid.

    Returns
    -------
    values : ndarray of shape (n_maps, n_voxels)
        Float64; inside the mask, or the whole volume when there is none.
    image : nibabel image
        The first one, whose grid and header the results keep.

    Raises
    ------
    BadDataError
        If the grids differ, with both shapes and what to do.
    """
    first = load_map(paths[0])
    rows = []
    for path in paths:
        image = load_map(path)
        _same_grid(path, image.shape, image.affine, paths[0], first.shape, first.affine)
        values = np.asarray(image.dataobj, dtype=np.float64)
        rows.append(values[mask] if mask is not None else values.ravel())
    return np.stack(rows), first


def _same_grid(
    path: Path,
    shape: tuple[int, ...],
    affine: np.ndarray,
    other: Path,
    other_shape: tuple[int, ...],
    other_affine: np.ndarray,
) -> None:
    if tuple(shape[:3]) != tuple(other_shape[:3]):
        found = (" x ".join(map(str, dims[:3])) for dims in (shape, other_shape))
        detail = "{} voxels against {}".format(*found)
    elif np.abs(affine - other_affine).max() > 1e-3:
        gap = np.abs(affine - other_affine).max()
        detail = f"same number of voxels, but affines that differ by up to {gap:.3g} mm"
    else:
        return
    raise BadDataError(
        f"{path.name} and {other.name} lie on different grids ({detail}). Images that are "
        "compared voxel by voxel must share one space and grid: use data resampled to "
        "a common template (fMRIPrep's --output-spaces), or analyse the subjects one by one."
    )


def write_map(
    path: Path,
    values: np.ndarray,
    mask: np.ndarray,
    like: Any,
    *,
    intent: tuple[str, tuple[float, ...]] = ("none", ()),
    dtype: type = np.float32,
) -> None:
    """Write one value per masked voxel as a 3-D NIfTI, zero outside the mask.

    The grid, affine and sform/qform codes are those of `like` (a nibabel header). The file
    appears under its name only when it is complete.
    """
    volume: np.ndarray = np.zeros(mask.shape, dtype=dtype)
    volume[mask] = np.where(np.isfinite(values), values, 0)
    header = _header(mask.shape, like, dtype)
    header.set_intent(intent[0], intent[1])
    # The image class of nibabel would write slice by slice, which takes longer than the rest.
    content = header.binaryblock + NO_EXTENSION + volume.tobytes(order="F")
    write_bytes(path, igzip.compress(content, compresslevel=COMPRESSION, mtime=0))


def write_series(
    path: Path,
    values: np.ndarray,
    mask: np.ndarray,
    like: Any,
    repetition_time: float | None = None,
) -> None:
    """Write one row of values per volume as a 4-D NIfTI, float32, zero outside the mask.

    Volume by volume, so that memory does not grow with their number; the file appears under its
    name only when it is complete.
    """
    header = _header((*mask.shape, len(values)), like, np.float32)
    if repetition_time is not None:
        header.set_zooms((*header.get_zooms()[:3], repetition_time))
        header.set_xyzt_units(header.get_xyzt_units()[0], "sec")
    volume: np.ndarray = np.zeros(mask.shape, dtype=np.float32)
    with (
        whole_file(path) as file,
        igzip.IGzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed,
    ):
        packed.write(header.binaryblock + NO_EXTENSION)
        for row in values:
            volume[mask] = np.where(np.isfinite(row), row, 0)
            packed.write(volume.tobytes(order="F"))


def _header(shape: tuple[int, ...], like: Any, dtype: type) -> Any:
    """Return a NIfTI header on the grid of another one."""
    header = nib.Nifti1Header()
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


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name when it is complete, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with whole_file(path) as file:
        file.write(content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
