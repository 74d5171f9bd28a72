"""Input files named by BIDS URIs, so that records do not depend on where folders lie."""

import os
from pathlib import Path
from urllib.parse import unquote, urlparse

from boldglm.io.files.json_files import load_json

DESCRIPTION = "dataset_description.json"
LINKS = "DatasetLinks"


def uri_of(path: Path, output_dir: Path) -> str:
    """Return the BIDS URI of an input file, or its absolute path if no dataset holds it.

    Parameters
    ----------
    path : Path
        A file.
    output_dir : Path
        Derivative dataset, whose description names the input datasets.
    """
    path = path.resolve()
    folders = {name: folder for name, folder in _links(output_dir).items() if name}
    holding = [name for name, folder in folders.items() if path.is_relative_to(folder)]
    if not holding:
        return str(path)
    name = max(holding, key=lambda name: len(folders[name].parts))
    return f"bids:{name}:{path.relative_to(folders[name]).as_posix()}"


def path_of(uri: str, output_dir: Path) -> Path:
    """Return the path of a file from what `uri_of` returned, whether or not the file exists."""
    if not uri.startswith("bids:"):
        return Path(uri)
    _, name, relative = uri.split(":", 2)
    return _links(output_dir).get(name, output_dir) / relative


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
