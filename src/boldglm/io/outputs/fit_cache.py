"""Fits of runs on disk, and a cache of them: with new contrasts, runs need not be fitted again."""

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm import Fit
from boldglm.glm.first_level.slice_fit import SliceFit
from boldglm.io.files.atomic import (
    path_inside,
    refuse_links_outside,
    share_file,
    temporary_name,
    whole_file,
)
from boldglm.io.files.checksums import checksum, is_unchanged
from boldglm.io.files.json_files import load_json, write_json
from boldglm.io.outputs.records import same_fingerprint

OUTPUTS = "outputs.json"
_DAMAGED = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,  # of zip files with features that no version of Python reads
    zipfile.BadZipFile,
)
_TEXTS = ("names", "noise")  # arrays of text in a file of a fit
MAP_OUTPUTS = ("run_maps", "trial_maps")  # outputs with a dictionary of files


def write_fit(path: Path, fit: Fit | SliceFit, scale: np.ndarray) -> None:
    """Write a fit as npz.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.
    fit : Fit or SliceFit
        Fit of a run.
    scale : ndarray of shape (n_voxels,)
        Factor from estimates to the unit of the effects.
    """
    arrays: dict[str, Any] = {"scale": scale, **fit.to_arrays()}
    with whole_file(path) as file:
        np.savez(file, **arrays)


def read_fit(path: Path) -> tuple[Fit | SliceFit, np.ndarray]:
    """Read the fit, and the scale of its voxels, from a file of `write_fit`.

    Raises
    ------
    BadDataError
        If it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
        with np.load(path, allow_pickle=False) as loaded:
            arrays = dict(loaded)
        _check_types(arrays)
        kind = SliceFit if "n_parts" in arrays else Fit
        return kind.from_arrays(arrays), arrays["scale"]
    except (*_DAMAGED, OSError) as error:
        raise BadDataError(
            f"The fit {path} cannot be read ({error}). Delete it, and repeat the call."
        ) from error


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse what `write_fit` never writes: compressed arrays, and two of one name."""
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise ValueError("it has two arrays of one name")
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ValueError(f"{member.filename!r} is compressed or encrypted")


def _check_types(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse an array of text in place of numbers, and the reverse."""
    for name, array in arrays.items():
        is_text = name.rpartition(".")[2] in _TEXTS
        if (array.dtype.kind == "U") != is_text or array.dtype.kind not in "Ubiuf":
            raise ValueError(f"{name!r} has values of type {array.dtype}")


def cached_fit(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the outputs of a cached fit, or None if there is none with this key.

    Parameters
    ----------
    folder : Path
        Cache folder of the run.
    key : str
        Digest of the inputs of the fit.

    Returns
    -------
    dict or None
        Paths and values, as given to `cache_fit`.
    """
    path = folder / OUTPUTS
    try:
        content = load_json(path)
    except (OSError, ValueError):
        return None  # no cached fit, or an incomplete one
    try:
        if not same_fingerprint(content["Key"], key):
            return None
        outputs: dict[str, Any] = _with_paths(content["Outputs"], folder)
        refuse_links_outside(map(Path, _files_of(outputs)), [folder])
        checksums = content["Checksums"]
        whole = all(
            is_unchanged(Path(file), checksums[Path(file).name]) for file in _files_of(outputs)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged, or naming files outside the cache: the run is fitted
    return outputs if whole else None


def cache_fit(folder: Path, key: str, outputs: Mapping[str, Any]) -> None:
    """Store the outputs of a fit in the cache, and replace an earlier fit of the run.

    The file of the fit is a hard link if the file system supports it. All other files are copied.

    Parameters
    ----------
    folder : Path
        Cache folder of the run.
    key : str
        Digest of the inputs of the fit.
    outputs : mapping
        Paths and values; ``fit_file`` is the path of the file of `write_fit`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(folder)
    temporary.mkdir()  # unlike `tempfile`, by the umask: a group may share the folder
    try:
        names: dict[str, str] = {}
        for number, source in enumerate(_files_of(outputs)):
            # not a BIDS name, so that no search for maps finds it; the extension gives the format
            name = f"cached{number}.{Path(source).name.partition('.')[2]}"
            names[source] = name
            if source == outputs["fit_file"]:
                share_file(Path(source), temporary / name)
            else:
                shutil.copyfile(source, temporary / name)
        checksums = {name: checksum(temporary / name) for name in names.values()}
        content = {"Key": key, "Outputs": _renamed(outputs, names), "Checksums": checksums}
        write_json(temporary / OUTPUTS, content)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def cache_size(folder: Path) -> int:
    """Return the size of the files in a cache folder, bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _files_of(outputs: Mapping[str, Any]) -> list[str]:
    files = [str(value) for key, value in outputs.items() if key.endswith("_file")]
    for key in MAP_OUTPUTS:
        files += [str(path) for path in outputs.get(key, {}).values()]
    return files


def _renamed(outputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for key, value in outputs.items():
        if key in MAP_OUTPUTS:
            renamed[key] = {label: names[str(path)] for label, path in value.items()}
        else:
            renamed[key] = names[str(value)] if key.endswith("_file") else value
    return renamed


def _with_paths(outputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    with_paths: dict[str, Any] = {}
    for key, value in outputs.items():
        if key in MAP_OUTPUTS:
            with_paths[key] = {
                label: str(path_inside(folder, name)) for label, name in value.items()
            }
        else:
            with_paths[key] = str(path_inside(folder, value)) if key.endswith("_file") else value
    return with_paths
