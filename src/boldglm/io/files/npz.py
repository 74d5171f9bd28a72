"""Several arrays in one npz file, written without a copy of any."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from boldglm.io.files.atomic import whole_file


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an uncompressed npz file that `numpy.load` reads, whole or not at all.

    `numpy.savez` turns arrays into bytes piece by piece, which takes longer than the disk.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.
    arrays : mapping of str to ndarray
        Of any shape and plain type.
    """
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            _add(archive, name, np.asarray(values, order="C"))


def _add(archive: zipfile.ZipFile, name: str, values: np.ndarray) -> None:
    header = np.lib.format.header_data_from_array_1_0(values)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        member.write(values.reshape(-1).view(np.uint8).data)
