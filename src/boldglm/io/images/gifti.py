"""GIFTI files, read and written array by array.

The XML is parsed in pieces, so that a long series needs no memory. Files are not trusted: XML
entities are refused, external files are not opened, and an array is decompressed only up to the
length in its attributes.
"""

import base64
import binascii
import xml.parsers.expat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
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
PIECE = 2**20  # bytes parsed at a time
MOST_DIGITS = 18  # of numbers of things
TYPES = {
    f"NIFTI_TYPE_{name}": np.dtype(name.lower())
    for name in ("UINT8", "INT8", "INT16", "UINT16", "INT32", "UINT32", "FLOAT32", "FLOAT64")
}
ENCODINGS = ("ASCII", "Base64Binary", "GZipBase64Binary")  # values in another file are not read
BYTE_ORDERS = {"LittleEndian": "<", "BigEndian": ">"}
INDEX_ORDERS = {"RowMajorOrder": "C", "ColumnMajorOrder": "F"}
MOST_DIMENSIONS = 6
# of a declared encoding that Python does not know, expat passes on a LookupError
_UNREADABLE = (ValueError, KeyError, LookupError, OSError)


@dataclass(frozen=True)
class GiftiArray:
    """A DataArray of a file, not decoded yet."""

    attributes: Mapping[str, str]
    file_metadata: Mapping[str, str]
    n_arrays: int  # NumberOfDataArrays of the file
    text: str  # encoded data; empty if read without data

    @property
    def intent(self) -> str:
        """Intent of the values, such as ``NIFTI_INTENT_TIME_SERIES``."""
        return self.attributes.get("Intent", "")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without trailing axes of length 1."""
        n_axes = whole_number(self.attributes[_N_AXES])
        if not 0 < n_axes <= MOST_DIMENSIONS:
            raise ValueError(f"an array has {n_axes} dimensions")
        dims = [whole_number(self.attributes[f"Dim{k}"]) for k in range(n_axes)]
        return (dims[0], *(n for n in dims[1:] if n != 1))

    @property
    def dtype(self) -> np.dtype:
        """Data type of the values, in the byte order of the file."""
        dtype = TYPES[self.attributes["DataType"]]
        if self.attributes.get("Encoding") == "ASCII":
            return dtype
        is_little = BYTE_ORDERS[self.attributes["Endian"]] == "<"
        return dtype.newbyteorder("<" if is_little else ">")

    def decode(self) -> np.ndarray:
        """Decode the values.

        Raises
        ------
        ValueError
            If they do not match the attributes.
        """
        expected = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        encoding = self.attributes["Encoding"]
        if encoding == "ASCII":
            values = np.array(self.text.split(), dtype=self.dtype)
        else:
            content = self._bytes(encoding, expected)
            if len(content) != expected:
                length = f"{len(content)}" if len(content) < expected else "more"
                raise ValueError(f"an array should have {expected} bytes, but has {length}")
            values = np.frombuffer(content, dtype=self.dtype)
        order: Any = INDEX_ORDERS[self.attributes["ArrayIndexingOrder"]]
        return values.reshape(self.shape, order=order)

    def _bytes(self, encoding: str, expected: int) -> bytes:
        content = base64.b64decode("".join(self.text.split()), validate=True)
        if encoding == "Base64Binary":
            return content
        stream = isal_zlib.decompressobj()
        unpacked = bytes(stream.decompress(content, expected + 1))  # one more shows a longer one
        if len(unpacked) == expected and not stream.eof:
            raise ValueError("an array is compressed without an end")
        return unpacked

    def check(self) -> None:
        """Check the attributes that say how the data are encoded.

        Raises
        ------
        ValueError
            If they are unknown, or the array has an impossible size.
        KeyError
            If an attribute is missing.
        """
        n_values = int(np.prod(self.shape, dtype=object))
        if not 0 < n_values <= MOST_VOXELS or min(self.shape) < 1:
            raise ValueError(f"the shape in its header gives an array of {n_values} values")
        known = {
            "DataType": TYPES,
            "Encoding": ENCODINGS,
            "Endian": BYTE_ORDERS,
            "ArrayIndexingOrder": INDEX_ORDERS,
        }
        for key, values in known.items():
            if self.attributes[key] not in values:
                raise ValueError(
                    f"the {key} {self.attributes[key]!r} is not supported (supported: "
                    f"{', '.join(values)})"
                )


_N_AXES = "Dimensionality"


@dataclass
class _Parsing:
    """State of the parser, and handlers of its events."""

    with_data: bool
    arrays: list[GiftiArray] = field(default_factory=list)  # complete and not yet yielded
    file_metadata: dict[str, str] = field(default_factory=dict)
    n_arrays: int = 0
    has_begun: bool = False
    attributes: dict[str, str] | None = None  # of the current array
    texts: dict[str, list[str]] = field(default_factory=dict)
    element: str = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.has_begun and name != "GIFTI":
            raise ValueError(f"its first element is {name}, not GIFTI")
        self.element = name
        if name == "GIFTI":
            if self.has_begun:
                raise ValueError("it has an element GIFTI within another")
            self.has_begun = True
            self.n_arrays = whole_number(attributes.get("NumberOfDataArrays", "0"))
        elif name == "DataArray":
            if self.attributes is not None:
                raise ValueError("it has an array within another")
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
            self.arrays.append(
                GiftiArray(self.attributes, self.file_metadata, self.n_arrays, text)
            )
            self.attributes = None

    def refuse(self, *_: object) -> None:
        raise ValueError("it declares XML entities or refers to them, which GIFTI does not allow")


def stream_arrays(path: Path, *, with_data: bool = True) -> Iterator[GiftiArray]:
    """Yield the arrays of a GIFTI file in order, with one in memory at a time.

    Parameters
    ----------
    path : Path
        GIFTI file.
    with_data : bool
        Whether to read the data of the arrays, or only their attributes.

    Raises
    ------
    BadDataError
        If the file is not GIFTI, or damaged.
    """
    parsing = _Parsing(with_data)
    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = parsing.start
    parser.CharacterDataHandler = parsing.text
    parser.EndElementHandler = parsing.end
    parser.EntityDeclHandler = parsing.refuse
    parser.SkippedEntityHandler = parsing.refuse
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                parser.Parse(piece, False)
                for array in parsing.arrays:
                    array.check()
                yield from parsing.arrays
                parsing.arrays.clear()
        parser.Parse(b"", True)
    except (xml.parsers.expat.ExpatError, *_UNREADABLE) as error:
        raise not_readable(path, error) from error


def whole_number(text: str) -> int:
    """Read digits as they stand in attributes of GIFTI and CIFTI.

    Raises
    ------
    ValueError
        If the text is something else, or a number that no image needs.

    Examples
    --------
    >>> whole_number(" 32492 ")
    32492
    """
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS):
        raise ValueError(f"{text[:40]!r} is not a whole number of at most {MOST_DIGITS} digits")
    return int(digits)


def not_readable(path: Path, error: Exception) -> BadDataError:
    """Return the error for a damaged file."""
    reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return BadDataError(
        f"{path.name} is not a readable GIFTI file ({reason}). Convert or copy it again."
    )


def decoded(path: Path, array: GiftiArray) -> np.ndarray:
    """Decode an array, or raise `not_readable`."""
    try:
        return array.decode()
    except (*_UNREADABLE, OverflowError, binascii.Error, _ISAL_ERROR) as error:
        raise not_readable(path, error) from error


def write_arrays(
    path: Path,
    arrays: Iterable[np.ndarray],
    n_arrays: int,
    intent: str,
    metadata: Mapping[str, str],
    array_metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays with one value per vertex as GIFTI, in one atomic step.

    Parameters
    ----------
    path : Path
        GIFTI file.
    arrays : iterable of ndarray of shape (n_vertices,)
        Values as float32, int32 or uint8; one array is in memory at a time.
    n_arrays : int
        Number of arrays.
    intent : str
        Intent of all arrays, such as ``"NIFTI_INTENT_TTEST"``.
    metadata, array_metadata : mapping of str to str
        Metadata of the file, and of each array.
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
    little_endian = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
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
    attribute_text = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items())
    file.write(f"<DataArray {attribute_text}>\n{_metadata(metadata)}<Data>".encode())
    file.write(base64.b64encode(isal_zlib.compress(little_endian.tobytes(), COMPRESSION)))
    file.write(b"</Data>\n</DataArray>\n")


def _metadata(content: Mapping[str, str]) -> str:
    rows = "".join(
        f"<MD><Name>{escape(key)}</Name><Value>{escape(value)}</Value></MD>\n"
        for key, value in content.items()
    )
    return f"<MetaData>\n{rows}</MetaData>\n"
