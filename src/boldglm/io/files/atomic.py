"""Files that are written whole or not at all.

A file is written under a temporary name and renamed when it is complete. Where a call of the
program has a folder for its temporary files, the name is in that folder, so that there is only one
place to clean up if the call is killed; else it is beside the file.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from boldglm.errors import FULL, NOT_WRITABLE, writing_error

LONGEST_PATH = 1000  # bytes of what a file names; systems take 4096 with the folder
LONGEST_NAME = 255  # bytes; of most file systems
_SYNCING_THREADS = 8  # a disk writes many files at once in the time of two
_stages: dict[Path, Path] = {}  # folder of temporary files for what is written below a root


def stage(root: Path, folder: Path) -> None:
    """Put temporary files of what is written below `root` into a folder on the same disk."""
    _stages[root.absolute()] = folder.absolute()


def unstage(root: Path) -> None:
    """Put temporary files beside what is written below `root` from now on."""
    _stages.pop(root.absolute(), None)


def stages() -> dict[Path, Path]:
    """Return folders of temporary files by their roots, for another process of the same call."""
    return dict(_stages)


def restage(folders: Mapping[Path, Path]) -> None:
    """Use the folders of temporary files of the process that started this one."""
    _stages.update(folders)


def temporary_name(target: Path) -> Path:
    """Return a name for what will be renamed to `target`."""
    token = secrets.token_hex(6)
    for root, folder in _stages.items():
        if target.absolute().is_relative_to(root) and folder.is_dir():
            return folder / f"file-{token}"
    return target.with_name(f".{target.name}.{token}")


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name when it is complete, or not at all."""
    with _in_place_of(path) as temporary, temporary.open("xb") as file:
        yield file


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with whole_file(path) as file:
        file.write(content)


def write_first(path: Path, content: bytes) -> None:
    """Write a file that appears whole, unless there is one of that name already.

    Of several processes that do this at the same time, one writes the file.
    """
    if path.exists():
        return
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(temporary, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno in (*FULL, *NOT_WRITABLE) and error.errno != errno.EPERM:
                raise
            _create(path, content)  # the file system has no links
    except OSError as error:
        raise writing_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _create(path: Path, content: bytes) -> None:
    with suppress(FileExistsError), path.open("xb") as file:
        file.write(content)


def copy_file(source: Path, target: Path) -> Path:
    """Copy a file, whole or not at all, with the permissions of new files; return the copy."""
    with _in_place_of(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def share_file(source: Path, target: Path) -> Path:
    """Give a file a second name, whole or not at all; copy it where the file system has none.

    For files that nothing of ours writes to again. What is written is always a new file, so that
    no name of an old one sees it.
    """
    with _in_place_of(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            shutil.copy(source, temporary)
    return target


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until files, and their names in their folders, would survive a loss of power.

    Eighty files take 0.05 s together, and 0.3 s one after the other.
    """
    files = list(paths)
    folders = {file.parent for file in files}
    try:
        with ThreadPoolExecutor(_SYNCING_THREADS) as threads:
            list(threads.map(_sync, files))
            list(threads.map(_sync, folders))
    except RuntimeError:  # no further thread is allowed
        for path in (*files, *folders):
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system whose folders cannot be synchronized
            raise writing_error(path, error) from error
    finally:
        os.close(descriptor)


def path_inside(folder: Path, relative: str) -> Path:
    """Return a path that a file names, if it lies inside a folder.

    What a record or a cache says may come from anywhere; it must not lead out of its folder, for
    reading, writing or deleting.

    Raises
    ------
    ValueError
        If the path is absolute or too long, climbs out of the folder or has a NUL character.

    Examples
    --------
    >>> path_inside(Path("out"), "sub-01.html").as_posix()
    'out/sub-01.html'
    >>> path_inside(Path("out"), "../victim.txt")
    Traceback (most recent call last):
        ...
    ValueError: '../victim.txt' leads out of the folder out
    """
    if "\0" in relative or len(os.fsencode(relative)) > LONGEST_PATH:
        raise ValueError(f"{relative!r:.80} has a NUL character or is too long for a path")
    parts = Path(os.path.normpath(relative)).parts
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in parts):
        raise ValueError(f"{relative!r:.80} has a name of more than {LONGEST_NAME} bytes")
    if Path(relative).is_absolute() or os.pardir in parts[:1]:
        raise ValueError(f"{relative!r} leads out of the folder {folder}")
    return folder / relative


def refuse_links_outside(paths: Iterable[Path], folders: Iterable[Path]) -> None:
    """Refuse files that lie in folders that are links to elsewhere.

    A file may be a link itself, as in git-annex: deleting or replacing it leaves its target.

    Parameters
    ----------
    paths : iterable of Path
        Files that a record or a cache names.
    folders : iterable of Path
        Where they may lie, whether or not these folders are links.

    Raises
    ------
    ValueError
        If a file lies in none of the folders.
    """
    places = [os.path.realpath(folder) for folder in folders]
    for parent in dict.fromkeys(path.parent for path in paths):
        real = Path(os.path.realpath(parent))
        if not any(real.is_relative_to(place) for place in places):
            raise ValueError(f"{parent} leads out of the folder, to {real}")


@contextmanager
def _in_place_of(target: Path) -> Iterator[Path]:
    """Give a name in the same folder; what is there in the end takes the place of the target."""
    temporary = temporary_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        try:
            temporary.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _move_to_other_file_system(temporary, target)
    except OSError as error:
        if error.errno not in (*FULL, *NOT_WRITABLE):
            raise
        raise writing_error(target, error) from error
    finally:
        with suppress(OSError):  # also where both were names of one file already
            temporary.unlink()


def _move_to_other_file_system(temporary: Path, target: Path) -> None:
    """Replace a file in a folder that is mounted or linked from elsewhere."""
    beside = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        shutil.copyfile(temporary, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
