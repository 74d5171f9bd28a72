"""Temporary folders of one call of the program each, which the next call removes if it could not.

A folder holds a file that its process keeps locked for as long as it lives. The system gives the
lock up when the process ends, in whatever way; a folder whose lock can be taken is of nobody. Only
processes of one machine, in containers or not, surely see each other's locks, so that the folder
of another machine is left alone until it is old.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

LOCK = "call.json"
OLD_SECONDS = 7 * 24 * 3600.0
_NEW = ".new-"  # of folders that have no lock yet
_OLD = ".old-"  # of folders that are being removed, and may have lost their lock
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ATTEMPTS = 5  # other calls may remove the parent, if it is empty, in the same moment


class CallFolder:
    """A temporary folder of this call; folders of calls that have ended are removed.

    Parameters
    ----------
    parent : Path
        Where to create it.
    prefix : str
        What the names of such folders start with; others in the same place are not looked at.

    Attributes
    ----------
    path : Path
        The folder. Its name has those of the machine and the process.

    Raises
    ------
    OSError
        If it cannot be created.
    """

    def __init__(self, parent: Path, prefix: str = "") -> None:
        machine = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname())[:40]
        name = f"{prefix}{machine}-{os.getpid()}-{secrets.token_hex(4)}"
        self.path = parent / name
        new = parent / f"{_NEW}{name}"
        for attempt in range(_ATTEMPTS):
            try:
                parent.mkdir(parents=True, exist_ok=True)
                remove_old_call_folders(parent, prefix)
                new.mkdir()
                break
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
        self._lock = os.open(new / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        content = {"Machine": machine, "System": _system(), "Process": os.getpid()}
        os.write(self._lock, json.dumps(content).encode())
        with suppress(OSError):  # a file system without locks: nobody can take it either
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(self.path)

    def remove(self) -> None:
        """Remove the folder."""
        discard_folder(self.path)
        os.close(self._lock)

    def keep(self) -> None:
        """Leave the folder to the user: no call will remove it."""
        (self.path / LOCK).unlink(missing_ok=True)
        os.close(self._lock)


def discard_folder(folder: Path) -> None:
    """Remove a folder of a call; if that is interrupted, the next call removes the rest.

    It gets a name that says so first, since its lock may be the first file that goes.
    """
    old = folder.with_name(f"{_OLD}{folder.name}")
    try:
        folder.rename(old)
    except OSError:  # another call is removing it, or has done so
        return
    shutil.rmtree(old, ignore_errors=True)


def remove_old_call_folders(parent: Path, prefix: str = "") -> None:
    """Remove the folders of calls that have ended without doing so."""
    with os.scandir(parent) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.removeprefix(_NEW).removeprefix(_OLD).startswith(prefix)
            and entry.is_dir(follow_symlinks=False)
        ]
    for name in names:
        folder = parent / name
        if name.startswith(_OLD):
            shutil.rmtree(folder, ignore_errors=True)
        elif _is_abandoned(folder):
            discard_folder(folder)


def _is_abandoned(folder: Path) -> bool:
    """Say whether a folder is one of a call that has ended."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False  # no folder of a call, somebody else's, or just removed
    try:
        is_old = time.time() - os.fstat(lock).st_mtime > OLD_SECONDS
        if folder.name.startswith(_NEW):
            return is_old  # else perhaps not locked yet
        content = json.loads(os.read(lock, 4096))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return is_old or content["System"] == _system()
    except BlockingIOError:
        return False  # its process is at work
    except OSError:
        return is_old  # a file system without locks
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # of another program
    finally:
        os.close(lock)


def _system() -> str:
    """Return what all processes of this machine have in common until it is restarted."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()
