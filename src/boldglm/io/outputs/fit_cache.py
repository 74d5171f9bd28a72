"""Fits of runs on disk, and kept there, so that changed contrasts need no series and no fit."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.glm import Fit
from boldglm.io.files.atomic import path_inside, share_file, whole_file
from boldglm.io.files.json_files import load_json, write_json
from boldglm.io.outputs.records import same_fingerprint

OUTPUTS = "outputs.json"


def write_fit(path: Path, found: Fit, scale: np.ndarray) -> None:
    """Write a fit as npz.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.
    found : Fit
    scale : ndarray of shape (n_voxels,)
        What turns estimates into the unit that was asked for.
    """
    arrays: dict[str, Any] = {"scale": scale, **found.to_arrays()}
    with whole_file(path) as file:
        np.savez(file, **arrays)


def read_fit(path: Path) -> tuple[Fit, np.ndarray]:
    """Read what `write_fit` wrote: the fit, and the scale of its voxels."""
    with np.load(path) as archive:
        arrays = dict(archive)
    return Fit.from_arrays(arrays), arrays["scale"]


def cached_fit(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the outputs of a kept fit, or None if there is none of this key.

    Parameters
    ----------
    folder : Path
        Of one run.
    key : str
        Digest of everything that the fit depends on.
    """
    path = folder / OUTPUTS
    try:
        content = load_json(path)
    except (OSError, ValueError):
        return None  # none, or one that was interrupted: the run is fitted
    if not same_fingerprint(content.get("Key", ""), key):
        return None
    try:
        outputs: dict[str, Any] = _with_paths(content["Outputs"], folder)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged, or naming files outside the cache: the run is fitted
    files = [Path(file) for file in _files_of(outputs)]
    return outputs if all(file.is_file() for file in files) else None


def cache_fit(folder: Path, key: str, outputs: Mapping[str, Any]) -> None:
    """Keep the outputs of a fit in place of those that were kept before.

    Contrasts of a kept fit are those of the new one, bit by bit: it is the same file, under a
    second name where the file system has such.

    Parameters
    ----------
    folder : Path
        Of one run.
    key : str
    outputs : mapping
        Paths and plain values; ``fit_file`` is the archive of the estimates.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        names: dict[str, str] = {}
        for number, source in enumerate(_files_of(outputs)):
            # names that no search for maps finds; the ending says the format
            name = f"kept{number}.{Path(source).name.partition('.')[2]}"
            names[source] = name
            if source == outputs["fit_file"]:
                share_file(Path(source), made / name)
            else:
                shutil.copyfile(source, made / name)
        content = {"Key": key, "Outputs": _renamed(outputs, names)}
        write_json(made / OUTPUTS, content)
        if folder.exists():
            shutil.rmtree(folder)
        made.replace(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def cache_size(folder: Path) -> int:
    """Return how much the fits in a folder take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _files_of(outputs: Mapping[str, Any]) -> list[str]:
    found = [str(value) for key, value in outputs.items() if key.endswith("_file")]
    for key in ("run_maps", "trial_maps"):
        found += [str(path) for path in outputs.get(key, {}).values()]
    return found


def _renamed(outputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, value in outputs.items():
        if key in ("run_maps", "trial_maps"):
            changed[key] = {label: names[str(path)] for label, path in value.items()}
        else:
            changed[key] = names[str(value)] if key.endswith("_file") else value
    return changed


def _with_paths(outputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in outputs.items():
        if key in ("run_maps", "trial_maps"):
            found[key] = {label: str(path_inside(folder, name)) for label, name in value.items()}
        else:
            found[key] = str(path_inside(folder, value)) if key.endswith("_file") else value
    return found
