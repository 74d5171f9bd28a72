"""Input files named by BIDS URIs, so that records do not depend on where folders lie."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlparse

from boldglm.io.files.atomic import path_inside
from boldglm.io.files.json_files import load_json

DESCRIPTION = "dataset_description.json"
LINKS = "DatasetLinks"


def uris_of(paths: Sequence[Path], output_dir: Path) -> list[str]:
    """Return the BIDS URIs of files, and the absolute paths of those that no dataset holds.

    Parameters
    ----------
    paths : sequence of Path
        Files of the output folder or of its input datasets.
    output_dir : Path
        Derivative dataset, whose description names the input datasets.
    """
    output_dir = output_dir.resolve()
    resolved = [path.resolve() for path in paths]
    needs_links = any(not path.is_relative_to(output_dir) for path in resolved)
    folders = _links(output_dir) if needs_links else {}
    return [_uri(path, output_dir, folders) for path in resolved]


def _uri(path: Path, output_dir: Path, folders: Mapping[str, Path]) -> str:
    if path.is_relative_to(output_dir):
        return f"bids::{path.relative_to(output_dir).as_posix()}"
    holding = [name for name, folder in folders.items() if path.is_relative_to(folder)]
    if not holding:
        return str(path)
    name = max(holding, key=lambda name: len(folders[name].parts))
    return f"bids:{name}:{path.relative_to(folders[name]).as_posix()}"


def paths_of(uris: Sequence[str], output_dir: Path) -> tuple[Path, ...]:
    """Return the paths of what `uris_of` returned, whether or not the files exist.

    Raises
    ------
    ValueError
        If a URI leads out of its dataset, or has a NUL character.
    """
    folders = _links(output_dir) if uris else {}
    return tuple(_path(uri, output_dir, folders) for uri in uris)


def _path(uri: str, output_dir: Path, folders: Mapping[str, Path]) -> Path:
    if "\0" in uri:
        raise ValueError(f"{uri!r} has a NUL character")
    if not uri.startswith("bids:"):
        return Path(uri)
    _, name, relative = uri.split(":", 2)
    return path_inside(folders.get(name, output_dir), relative)


def link_to(folder: Path, output_dir: Path, bids_dir: Path) -> str:
    """Return the link of an input dataset; relative if it and the output lie in the raw dataset.

    Examples
    --------
    >>> link_to(Path("/data/ds"), Path("/data/ds/derivatives/boldglm"), Path("/data/ds"))
    '../..'
    >>> link_to(Path("/data/ds"), Path("/results"), Path("/data/ds"))
    'file:///data/ds'
    """
    folder, output_dir, bids_dir = folder.resolve(), output_dir.resolve(), bids_dir.resolve()
    if output_dir.is_relative_to(bids_dir) and folder.is_relative_to(bids_dir):
        return Path(os.path.relpath(folder, output_dir)).as_posix()
    return folder.as_uri()


def _links(output_dir: Path) -> dict[str, Path]:
    try:
        links = load_json(output_dir / DESCRIPTION)[LINKS]
        return {str(name): _folder(str(link), output_dir) for name, link in links.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # not written by boldglm: paths are absolute


def _folder(link: str, output_dir: Path) -> Path:
    if link.startswith("file:"):
        return Path(unquote(urlparse(link).path))
    return Path(os.path.normpath(output_dir.resolve() / link))
