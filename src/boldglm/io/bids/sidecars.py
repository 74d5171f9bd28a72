"""Metadata of a file from the JSON sidecars that apply to it, by the inheritance principle.

Only sidecars of files that are used are opened, and each folder is listed once: a dataset of
thousands of runs has as many sidecars, most of which nobody asked for.
"""

import os
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError
from boldglm.io.entities import applies_to, entities_of
from boldglm.io.files.json_files import load_json


class Sidecars:
    """The sidecars of one dataset, listed and read as they are needed.

    Parameters
    ----------
    root : Path
        The dataset: what lies above it does not apply.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, dict[str, list[tuple[dict[str, str], Path]]]] = {}
        self._contents: dict[Path, dict[str, Any]] = {}

    def of(self, path: Path) -> dict[str, Any]:
        """Return the metadata of a file below the root.

        Raises
        ------
        BadDataError
            If a sidecar that applies is not a JSON object.

        Notes
        -----
        A sidecar applies if it has the suffix of the file and no entity that the file lacks;
        those nearer to the file, and then those with more entities, have the last word.
        """
        wanted, suffix = entities_of(path.name), suffix_of(path.name)
        found: dict[str, Any] = {}
        for above in reversed(path.relative_to(self._root).parents):
            here = self._listed(self._root / above).get(suffix, [])
            fitting = [pair for pair in here if applies_to(pair[0], wanted)]
            for _, sidecar in sorted(fitting, key=lambda pair: len(pair[0])):
                found |= self._content(sidecar)
        return found

    def _listed(self, folder: Path) -> dict[str, list[tuple[dict[str, str], Path]]]:
        """Return the sidecars in a folder with their entities, by suffix."""
        if folder not in self._folders:
            by_suffix: dict[str, list[tuple[dict[str, str], Path]]] = {}
            with os.scandir(folder) as entries:  # many times as fast as a glob
                names = sorted(one.name for one in entries if one.name.endswith(".json"))
            for name in names:
                pair = (entities_of(name), folder / name)
                by_suffix.setdefault(suffix_of(name), []).append(pair)
            self._folders[folder] = by_suffix
        return self._folders[folder]

    def _content(self, path: Path) -> dict[str, Any]:
        if path not in self._contents:
            self._contents[path] = read_object(path)
        return self._contents[path]


def suffix_of(file_name: str) -> str:
    """Return the suffix of a BIDS file name: what follows the last underscore.

    Examples
    --------
    >>> suffix_of("sub-01_task-faces_bold.nii.gz"), suffix_of("bold.json")
    ('bold', 'bold')
    """
    return file_name.split(".", 1)[0].rsplit("_", 1)[-1]


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that must hold an object.

    Raises
    ------
    BadDataError
        If it cannot be read, or holds something else.
    """
    try:
        content = load_json(path)
    except (OSError, ValueError) as error:
        raise BadDataError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadDataError(f"{path} must hold a JSON object.")
    return content
