"""GIFTI files as streams of arrays: XML parsed piece by piece, nothing decoded that is not asked.

A file is data and stays so: entities are refused, external files are not opened, and an array is
decompressed to the length that it announces and no further.
"""

import base64
import binascii
import xml.parsers.expat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from isal import isal_zlib

from boldglm.errors import BadDataError
from boldglm.io.files.atomic import whole_file
from boldglm.io.files.compression import COMPRESSION
from boldglm.io.images.geometry import MOST_VOXELS

POINTS, TRIANGLES = "NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE"
SERIES = "NIFTI_INTENT_TIME_SERIES"
_ISAL_ERROR: type[Exception] = isal_zlib.error  # type: ignore[assignment]
PIECE = 2**20  # bytes given to the parser at a time
TYPES = {
    f"NIFTI_TYPE_{name}": np.dtype(name.lower())
    for name in ("UINT8", "INT8", "INT16", "UINT16", "INT32", "UINT32", "FLOAT32", "FLOAT64")
}


@dataclass(frozen=True)
class GiftiArray:
    """One DataArray of a file, not decoded yet."""

    attributes: Mapping[str, str]
    file_metadata: Mapping[str, str]
    n_announced: int  # arrays that the file says it has
    text: str  # its data as they are written; empty if they were not asked for

    @property
    def intent(self) -> str:
        """What the values are, such as ``NIFTI_INTENT_TIME_SERIES``."""
        return self.attributes.get("Intent", "")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, without axes of length 1 behind the first."""
        dims = [int(self.attributes[f"Dim{k}"]) for k in range(int(self.attributes[_N_AXES]))]
        return (dims[0], *(n for n in dims[1:] if n != 1))

    @property
    def dtype(self) -> np.dtype:
        """Type of the values in the file's byte order."""
        is_big = self.attributes.get("Endian") == "BigEndian"
        return TYPES[self.attributes["DataType"]].newbyteorder(">" if is_big else "<")

    def decode(self) -> np.ndarray:
        """Return the values.

        Raises
        ------
        ValueError
            If they are not what the attributes say.
        """
        expected = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        encoding = self.attributes.get("Encoding", "")
        if encoding == "ASCII":
            values = np.array(self.text.split(), dtype=self.dtype)
        else:
            content = self._bytes(encoding, expected)
            if len(content) != expected:
                found = f"{len(content)}" if len(content) < expected else "more"
                raise ValueError(f"an array of {expected} bytes is announced, {found} found")
            values = np.frombuffer(content, dtype=self.dtype)
        column_major = self.attributes.get("ArrayIndexingOrder") == "ColumnMajorOrder"
        return values.reshape(self.shape, order="F" if column_major else "C")

    def _bytes(self, encoding: str, expected: int) -> bytes:
        if encoding not in ("Base64Binary", "GZipBase64Binary"):
            raise ValueError(f"data in the encoding {encoding!r} are not read")
        packed = base64.b64decode(self.text)
        if encoding == "Base64Binary":
            return packed
        stream = isal_zlib.decompressobj()
        return bytes(stream.decompress(packed, expected + 1))  # one more tells that there is more


_N_AXES = "Dimensionality"


@dataclass
class _Parsing:
    """What expat has come across so far."""

    with_data: bool
    done: list[GiftiArray] = field(default_factory=list)
    file_metadata: dict[str, str] = field(default_factory=dict)
    n_announced: int = 0
    attributes: dict[str, str] | None = None  # of the array that is open
    texts: dict[str, list[str]] = field(default_factory=dict)
    element: str = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.element = name
        if name == "GIFTI":
            self.n_announced = int(attributes.get("NumberOfDataArrays", 0))
        elif name == "DataArray":
            self.attributes = attributes
            self.texts["Data"] = []
        elif name in ("Name", "Value"):
            self.texts[name] = []

    def text(self, text: str) -> None:
        if self.element in ("Name", "Value") or (self.element == "Data" and self.with_data):
            self.texts[self.element].append(text)

    def end(self, name: str) -> None:
        self.element = ""
        if name == "MD" and self.attributes is None:
            key, value = ("".join(self.texts.pop(part, [])) for part in ("Name", "Value"))
            self.file_metadata[key.strip()] = value.strip()
        elif name == "DataArray" and self.attributes is not None:
            text = "".join(self.texts.pop("Data"))
            self.done.append(
                GiftiArray(self.attributes, self.file_metadata, self.n_announced, text)
            )
            self.attributes = None

    def refuse(self, *_: object) -> None:
        raise ValueError("it declares XML entities, which GIFTI has no use for")


def stream_arrays(path: Path, *, with_data: bool = True) -> Iterator[GiftiArray]:
    """Yield the arrays of a GIFTI file in order, one in memory at a time.

    Parameters
    ----------
    path : Path
        The file.
    with_data : bool
        Whether their data are kept; their attributes always are.

    Raises
    ------
    BadDataError
        If the file is not GIFTI, or damaged.
    """
    found = _Parsing(with_data)
    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = found.start
    parser.CharacterDataHandler = found.text
    parser.EndElementHandler = found.end
    parser.EntityDeclHandler = found.refuse
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                parser.Parse(piece, False)
                for array in found.done:
                    _check_array(array)
                yield from found.done
                found.done.clear()
        parser.Parse(b"", True)
    except (xml.parsers.expat.ExpatError, ValueError, KeyError, OSError) as error:
        raise not_readable(path, error) from error


def _check_array(array: GiftiArray) -> None:
    n_values = int(np.prod(array.shape, dtype=object))
    if not 0 < n_values <= MOST_VOXELS or min(array.shape) < 1:
        raise ValueError(f"it announces an array of {n_values} values, which no surface has")
    if array.attributes["DataType"] not in TYPES:
        raise ValueError(f"values of type {array.attributes['DataType']} are not read")


def not_readable(path: Path, error: Exception) -> BadDataError:
    """Say that a file is damaged."""
    reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
    return BadDataError(
        f"{path.name} is not a readable GIFTI file ({reason}). Convert or copy it again."
    )


def decoded(path: Path, array: GiftiArray) -> np.ndarray:
    """Decode an array, or say that the file is damaged."""
    try:
        return array.decode()
    except (ValueError, KeyError, binascii.Error, _ISAL_ERROR) as error:
        raise not_readable(path, error) from error


def write_arrays(
    path: Path,
    arrays: Iterable[np.ndarray],
    n_arrays: int,
    intent: str,
    metadata: Mapping[str, str],
    array_metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays of one value per vertex as GIFTI, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    arrays : iterable of ndarray of shape (n_vertices,)
        Of float32, int32 or uint8; one in memory at a time.
    n_arrays : int
        How many will come.
    intent : str
        Of all, such as ``"NIFTI_INTENT_TTEST"``.
    metadata, array_metadata : mapping of str to str
        Of the file, and of each array.
    """
    with whole_file(path) as file:
        file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<!DOCTYPE GIFTI SYSTEM "http://www.nitrc.org/frs/download.php/115/gifti.dtd">\n'
            f'<GIFTI Version="1.0" NumberOfDataArrays="{n_arrays}">\n'
            f"{_metadata(metadata)}<LabelTable/>\n".encode()
        )
        for values in arrays:
            _write_array(file, values, intent, array_metadata or {})
        file.write(b"</GIFTI>\n")


def _write_array(
    file: IO[bytes], values: np.ndarray, intent: str, metadata: Mapping[str, str]
) -> None:
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    attributes = {
        "Intent": intent,
        "DataType": f"NIFTI_TYPE_{values.dtype.name.upper()}",
        "ArrayIndexingOrder": "RowMajorOrder",
        _N_AXES: "1",
        "Encoding": "GZipBase64Binary",
        "Endian": "LittleEndian",
        "ExternalFileName": "",
        "ExternalFileOffset": "",
        "Dim0": str(values.size),
    }
    written = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items())
    file.write(f"<DataArray {written}>\n{_metadata(metadata)}<Data>".encode())
    file.write(base64.b64encode(isal_zlib.compress(little.tobytes(), COMPRESSION)))
    file.write(b"</Data>\n</DataArray>\n")


def _metadata(content: Mapping[str, str]) -> str:
    rows = "".join(
        f"<MD><Name>{escape(key)}</Name><Value>{escape(value)}</Value></MD>\n"
        for key, value in content.items()
    )
    return f"<MetaData>\n{rows}</MetaData>\n"
