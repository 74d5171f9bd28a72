"""The temporary folders of a call: opened when it first writes, removed when it ends."""

import argparse
import tempfile
from contextlib import suppress
from pathlib import Path

from boldglm.cli.supervision import remove_when_killed
from boldglm.errors import CannotWriteError
from boldglm.io.files.atomic import stage, unstage
from boldglm.io.files.call_folders import CallFolder, remove_old_call_folders

WORK_FOLDER = ".boldglm-work"  # in the output folder, unless -w names another
HOME_PREFIX = "boldglm-home-"  # of folders for the settings of libraries
SCRATCH_PREFIX = "boldglm-plan-"  # of folders for what only a dry run needs


class WorkFolders:
    """Temporary folders of a call, a context that removes them.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed options of the command line.

    Attributes
    ----------
    work : Path
        The work folder, which calls may share.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._output = options.output_dir.absolute()
        inside = self._output / WORK_FOLDER
        self.work = (Path(options.work_dir) if options.work_dir else inside).resolve()
        self._parents = {inside, self.work}
        self._keep = bool(options.debug)
        self._is_dry = bool(options.dry_run)
        self._folders: list[CallFolder] = []
        self._staged: list[Path] = []
        self._opened: Path | None = None

    def open(self) -> Path:
        """Return the folder of this call in the work folder; the first time, create it.

        Raises
        ------
        CannotWriteError
            If the work folder or the output folder cannot be written.
        """
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Path:
        inside = self._output / WORK_FOLDER
        try:
            staging = self._create(inside).path
        except OSError as error:
            raise CannotWriteError(
                f"The output folder {self._output} cannot be written: {error.strerror or error}. "
                "Choose another folder, or change its permissions."
            ) from error
        self._stage(self._output, staging)
        self._stage(self._output.resolve(), staging)
        if self.work == inside.resolve():
            return staging.resolve()
        try:
            folder = self._create(self.work).path
        except OSError as error:
            raise CannotWriteError(
                f"The work folder {self.work} cannot be written: {error.strerror or error}. "
                "Choose another with -w."
            ) from error
        self._stage(self.work, folder)
        return folder

    def scratch(self) -> Path:
        """Return a new folder in the temporary folder of the system, for a call that only plans.

        Raises
        ------
        CannotWriteError
            If there is no place for it.
        """
        try:
            return self._create(Path(tempfile.gettempdir()), SCRATCH_PREFIX).path.resolve()
        except OSError as error:
            raise CannotWriteError(
                f"The temporary folder cannot be written: {error.strerror or error}. Name another "
                "with the variable TMPDIR."
            ) from error

    def home(self) -> Path | None:
        """Return a folder for the settings of libraries, or None if there is no place for it."""
        for place in (tempfile.gettempdir, lambda: self._output / WORK_FOLDER):
            with suppress(OSError):
                return self._create(Path(place()), HOME_PREFIX).path
        return None

    def __enter__(self) -> "WorkFolders":
        """Return the folders, of which none is open yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folders of this call, with --debug but the temporary ones."""
        for root in self._staged:
            unstage(root)
        for folder in self._folders:
            if self._keep and folder.path.parent == self.work:
                folder.keep()
            else:
                folder.remove()
        if not self._is_dry:
            self._clean()

    def _clean(self) -> None:
        """Remove what killed calls left, also if this one had nothing to do."""
        for parent in self._parents:
            with suppress(OSError):  # it does not exist, or is somebody else's
                remove_old_call_folders(parent)
                if parent.name == WORK_FOLDER:
                    parent.rmdir()  # unless other calls or cached fits are in it

    def _create(self, parent: Path, prefix: str = "") -> CallFolder:
        folder = CallFolder(parent, prefix)
        self._folders.append(folder)
        if not self._keep:
            remove_when_killed(folder.path)
        return folder

    def _stage(self, root: Path, folder: Path) -> None:
        stage(root, folder)
        self._staged.append(root)
