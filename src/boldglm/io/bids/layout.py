"""The raw dataset as pybids indexes it: BOLD and events files, and what applies to which.

The only module that imports pybids. It indexes BOLD and events files and nothing else, of the
participants asked for: pybids takes a millisecond for each file that it looks at, and many more
for each sidecar. Sidecars are read where a run needs them (`boldglm.io.bids.sidecars`).
"""

import hashlib
import logging
import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from boldglm._version import __version__
from boldglm.errors import CannotWriteError, InvalidDatasetError, MissingInputError
from boldglm.io.bids.nearest_events import EventsFile, nearest_events
from boldglm.io.bids.sidecars import Sidecars
from boldglm.io.bids.survey import BOLD_ENDINGS, func_folders
from boldglm.io.entities import entities_of, run_of
from boldglm.io.files.json_files import load_json

OTHER_DATATYPES = ("anat", "dwi", "fmap", "perf", "eeg", "meg", "ieeg", "beh", "pet", "micr")
TOP_LEVEL_ASIDE = ("derivatives", "sourcedata", "code", "stimuli", "models")
_IGNORED = (
    re.compile(r"(^|/)\."),
    re.compile(rf"^/({'|'.join(TOP_LEVEL_ASIDE)})(/|$)"),
    re.compile(rf"/({'|'.join(OTHER_DATATYPES)})(/|$)"),
    # files that are neither BOLD nor events; folders have no dot and no underscore
    re.compile(r"/[^/]*[._][^/]*(?<!_bold\.nii)(?<!_bold\.nii\.gz)(?<!_events\.tsv)$"),
)
_INDEX = "layout_index.sqlite"  # what pybids calls the file
logger = logging.getLogger(__name__)


class RawDataset:
    """BOLD and events files of a raw dataset.

    Parameters
    ----------
    bids_dir : Path
        Its root.
    subjects : sequence of str
        Labels of the participants; empty for all.
    database : Path, optional
        Folder where the index is kept, of all participants; made anew when a folder of the
        dataset has changed since.
    validate : bool
        Whether the description must be valid, and names that BIDS does not have are left out.

    Raises
    ------
    MissingInputError, InvalidDatasetError
        If the folder is missing, or has no valid dataset_description.json (with `validate`).
    CannotWriteError
        If the index cannot be written to its folder.
    """

    def __init__(
        self,
        bids_dir: Path,
        subjects: Sequence[str],
        database: Path | None,
        *,
        validate: bool = True,
    ) -> None:
        self.name = _dataset_name(bids_dir, validate=validate)
        self.root = bids_dir.resolve()
        started = time.monotonic()
        layout = (
            _layout(self.root, subjects, validate=validate)
            if database is None
            else _kept_layout(self.root, database, validate=validate)
        )
        every = layout.get(suffix="bold", extension=[".nii", ".nii.gz"], return_type="filename")
        self.bold = [path for path in sorted(map(Path, every)) if _is_of(path, subjects)]
        self._subjects = subjects
        self._events: dict[Path, list[EventsFile]] = {}
        for name in layout.get(suffix="events", extension=".tsv", return_type="filename"):
            path = Path(name)
            self._events.setdefault(path.parent, []).append((entities_of(path.name), path))
        self._runs = {run_of(entities_of(path.name)): path for path in reversed(self.bold)}
        self._sidecars = Sidecars(self.root)
        seconds = time.monotonic() - started
        logger.info("%s: %d BOLD files indexed in %.1f s", self.root, len(self.bold), seconds)

    def metadata(self, path: Path) -> dict[str, Any]:
        """Return the metadata of a file, those of all sidecars that apply."""
        return self._sidecars.of(path)

    def unknown_names(self) -> list[Path]:
        """Return the BOLD series of the participants that BIDS has no such name for."""
        folders = (
            folder for folder in func_folders(self.root) if _is_of_folder(folder, self._subjects)
        )
        listed = (path for folder in folders for path in sorted(folder.glob("*_bold.nii*")))
        known = set(self.bold)
        return [path for path in listed if path.name.endswith(BOLD_ENDINGS) and path not in known]

    def bold_of(self, wanted: Mapping[str, str]) -> Path | None:
        """Return the raw series of a run (its first echo), or None."""
        return self._runs.get(run_of(wanted))

    def events_of(self, wanted: Mapping[str, str]) -> Path | None:
        """Return the events of a run by the inheritance principle, or None.

        Raises
        ------
        BadDataError
            If two files apply equally.
        """
        return nearest_events(wanted, self.root, lambda folder: self._events.get(folder, []))


def long_entities(path: Path) -> dict[str, Any]:
    """Return the entities of a file under the names that pybids gives them (``session``)."""
    from bids.layout import parse_file_entities

    found: dict[str, Any] = parse_file_entities(str(path), config=["bids", "derivatives"])
    return found


def _dataset_name(bids_dir: Path, *, validate: bool) -> str:
    """Check the description of a dataset; return its name, or else that of the folder."""
    if not bids_dir.is_dir():
        raise MissingInputError(f"There is no folder {bids_dir}. Give the root of a BIDS dataset.")
    description = bids_dir / "dataset_description.json"
    if not (validate or description.is_file()):
        return bids_dir.resolve().name
    if not description.is_file():
        raise InvalidDatasetError(
            f"{bids_dir} is not a BIDS dataset: it has no dataset_description.json. Give the "
            'folder that holds the sub-* folders, and add the file there ({"Name": ..., '
            '"BIDSVersion": "1.10.0"}), or pass --skip-bids-validation.'
        )
    try:
        content = load_json(description)
    except (OSError, ValueError) as error:
        raise InvalidDatasetError(f"{description} cannot be read as JSON: {error}.") from error
    keys = ("Name", "BIDSVersion")
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing and validate:
        raise InvalidDatasetError(
            f"{description} lacks {' and '.join(missing)}, which BIDS requires. Add what is "
            "missing, or pass --skip-bids-validation."
        )
    return bids_dir.resolve().name if "Name" in missing else str(content["Name"])


def _is_of(path: Path, subjects: Sequence[str]) -> bool:
    return not subjects or entities_of(path.name).get("sub") in subjects


def _is_of_folder(func: Path, subjects: Sequence[str]) -> bool:
    return not subjects or any(parent.name[4:] in subjects for parent in list(func.parents)[:2])


def _layout(
    root: Path, subjects: Sequence[str], database: Path | None = None, *, validate: bool = True
) -> Any:
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    ignore = list(_IGNORED)
    if subjects:
        asked = "|".join(re.escape(label) for label in subjects)
        ignore.append(re.compile(rf"/sub-(?!({asked})(/|_|$))"))
    indexer = BIDSLayoutIndexer(validate=validate, index_metadata=False, ignore=ignore)
    # pybids does not read a description that begins with a byte order mark; `_dataset_name` does
    return BIDSLayout(str(root), validate=False, indexer=indexer, database_path=database)


def _kept_layout(root: Path, database: Path, *, validate: bool) -> Any:
    """Load the index that an earlier call left, or make and keep one of the whole dataset.

    It has a folder of its own below `database`, for it lacks what other programs index.
    """
    import bids
    from bids.layout import BIDSLayout
    from sqlalchemy.exc import SQLAlchemyError

    made_of = f"{root} {__version__} {bids.__version__}" + " any name" * (not validate)
    folder = database / f"boldglm-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    index = folder / _INDEX
    if index.is_file() and index.stat().st_mtime_ns > max(_changes(root)):
        try:
            layout = BIDSLayout(str(root), validate=False, database_path=folder)
            layout.get(suffix="events", return_type="filename")
        except (SQLAlchemyError, sqlite3.Error, AttributeError) as error:
            logger.warning("The index %s cannot be read (%s) and is made anew.", index, error)
        else:
            logger.info("The index of the dataset was taken from %s", folder)
            return layout
    started = time.time_ns()  # what changes while files are listed makes the index old
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            _layout(root, (), Path(temporary), validate=validate)
            made = Path(temporary) / _INDEX
            os.utime(made, ns=(started, started))
            made.replace(index)  # whole or not at all, for processes that start together
    except OSError as error:
        raise CannotWriteError(
            f"--bids-database-dir {database} cannot be written: {error.strerror or error}. Give "
            "another folder, or leave the option out."
        ) from error
    logger.info("The index of the dataset was written to %s", folder)
    return BIDSLayout(str(root), validate=False, database_path=folder)


def _changes(root: Path) -> Iterator[int]:
    """Yield when the folders that hold BOLD and events last changed, in nanoseconds."""
    for folder in (root, *_folders(root, "sub-")):
        yield folder.stat().st_mtime_ns
        for place in (folder, *_folders(folder, "ses-")) if folder != root else ():
            yield place.stat().st_mtime_ns
            if (place / "func").is_dir():
                yield (place / "func").stat().st_mtime_ns


def _folders(parent: Path, prefix: str) -> list[Path]:
    with os.scandir(parent) as found:
        return [parent / one.name for one in found if one.name.startswith(prefix) and one.is_dir()]
