"""Readers that share no code with boldglm, to compare what it reads with what a file holds.

They follow the published formats in a few lines, for small files, and refuse by any exception.
"""

import base64
import gzip
import struct
import xml.etree.ElementTree as ET
import zlib
from xml.parsers import expat

import numpy as np

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
         1024: "i8", 1280: "u8"}  # fmt: skip
GIFTI_TYPES = {"UINT8": "u1", "INT8": "i1", "INT16": "i2", "UINT16": "u2", "INT32": "i4",
               "UINT32": "u4", "FLOAT32": "f4", "FLOAT64": "f8"}  # fmt: skip


def nifti(content: bytes, *, compressed: bool) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Return scaled values, the affine of the sform if there is one, and the number of bytes."""
    if compressed:
        content = gzip.decompress(content)
    order = "<" if struct.unpack("<i", content[:4])[0] in (348, 540) else ">"
    (size,) = struct.unpack(f"{order}i", content[:4])
    if size == 348:
        dims = struct.unpack(f"{order}8h", content[40:56])
        (code,) = struct.unpack(f"{order}h", content[70:72])
        offset, slope, intercept = struct.unpack(f"{order}3f", content[108:120])
        (sform_code,) = struct.unpack(f"{order}h", content[254:256])
        sform = struct.unpack(f"{order}12f", content[280:328])
    else:
        assert size == 540, size
        (code,) = struct.unpack(f"{order}h", content[12:14])
        dims = struct.unpack(f"{order}8q", content[16:80])
        (offset,) = struct.unpack(f"{order}q", content[168:176])
        slope, intercept = struct.unpack(f"{order}2d", content[176:192])
        (sform_code,) = struct.unpack(f"{order}i", content[348:352])
        sform = struct.unpack(f"{order}12d", content[400:496])
    shape = dims[1 : dims[0] + 1]
    assert offset >= size + 4, offset
    n_values = int(np.prod(shape, dtype=object))
    values = np.frombuffer(content, f"{order}{TYPES[code]}", n_values, int(offset))
    scaled = values.astype(float)
    if slope != 0 and np.isfinite(slope):
        scaled = scaled * slope + intercept
    affine = np.vstack([np.reshape(sform, (3, 4)), [0, 0, 0, 1]]) if sform_code > 0 else None
    used = int(offset) + values.nbytes
    return scaled.reshape(shape, order="F"), affine, len(content) - used


def gifti(content: bytes) -> list[tuple[str, np.ndarray]]:
    """Return the intents and values of all arrays."""
    root = _tree(content)
    assert root.tag == "GIFTI", root.tag
    arrays = []
    for element in root.iter("DataArray"):
        attributes = element.attrib
        dims = [int(attributes[f"Dim{k}"]) for k in range(int(attributes["Dimensionality"]))]
        data = element.find("Data")
        text = "" if data is None else "".join(data.itertext())
        kind = GIFTI_TYPES[attributes["DataType"].removeprefix("NIFTI_TYPE_")]
        order = {"LittleEndian": "<", "BigEndian": ">"}[attributes["Endian"]]
        if attributes["Encoding"] == "ASCII":
            values = np.array([float(word) for word in text.split()]).astype(kind)
        else:
            unpacked = base64.b64decode(text)
            if attributes["Encoding"] == "GZipBase64Binary":
                unpacked = zlib.decompress(unpacked)
            values = np.frombuffer(unpacked, order + kind)
        is_row_major = attributes["ArrayIndexingOrder"] == "RowMajorOrder"
        values = values.reshape(dims, order="C" if is_row_major else "F")
        arrays.append((attributes.get("Intent", ""), values))
    return arrays


def _tree(content: bytes) -> ET.Element:
    """Return the root of an XML document, in which a colon is a character of a name."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(content, True)
    return builder.close()


def cifti(content: bytes) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return values as (n_maps, n_grayordinates), and the indices of each brain model."""
    order = "<" if struct.unpack("<i", content[:4])[0] == 540 else ">"
    (code,) = struct.unpack(f"{order}h", content[12:14])
    dims = struct.unpack(f"{order}8q", content[16:80])
    (offset,) = struct.unpack(f"{order}q", content[168:176])
    slope, intercept = struct.unpack(f"{order}2d", content[176:192])
    n_maps, n_columns = dims[5:7]
    assert dims[:5] == (6, 1, 1, 1, 1), dims
    stored = np.frombuffer(content, f"{order}{TYPES[code]}", n_maps * n_columns, offset)
    values = stored.reshape(n_columns, n_maps).T.astype(float)
    if slope != 0 and np.isfinite(slope):
        values = values * slope + intercept
    start = content.index(b"<CIFTI")
    text = content[start : content.index(b"</CIFTI>", start) + 8]
    models = []
    for element in sorted(
        _tree(text).iter("BrainModel"), key=lambda model: int(model.get("IndexOffset"))
    ):
        listed = "".join(child.text or "" for child in element)
        indices = np.array([int(word) for word in listed.split()])
        assert len(indices) in (int(element.get("IndexCount")), 3 * int(element.get("IndexCount")))
        models.append(indices)
    return values, models


def freesurfer(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return points and triangles of a surface of FreeSurfer, after one or two lines of text."""
    _, _, rest = content.partition(b"\n")
    rest = rest.removeprefix(b"\n")
    n_points, n_triangles = struct.unpack(">2i", rest[:8])
    numbers = struct.unpack(
        f">{3 * n_points}f{3 * n_triangles}i", rest[8:][: 12 * (n_points + n_triangles)]
    )
    points, triangles = numbers[: 3 * n_points], numbers[3 * n_points :]
    return np.reshape(points, (-1, 3)), np.reshape(triangles, (-1, 3))


def column(content: bytes, name: str) -> list[str] | None:
    """Return the cells of a column of a plain table; None if it has quotes or is compressed."""
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    marks = (b"\xff\xfe", b"\xfe\xff")
    text = content.decode("utf-16" if content.startswith(marks) else "utf-8-sig")
    if '"' in text:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows = [line.split("\t") for line in lines if line.strip()]
    place = [cell.strip() for cell in rows[0]].index(name)
    return [row[place].strip() for row in rows[1:]]
