"""Errors that a user can fix, each with the exit code of the command line.

The codes are those of the BIDS execution specification draft. A message names the file,
what was found, what was expected and what to do; `boldglm.cli.main` is the only place
that catches these and turns them into text on standard error.
"""

import errno


class BoldglmError(Exception):
    """Anything boldglm refuses; `exit_code` is what the command returns."""

    exit_code = 1


class UsageError(BoldglmError):
    """Options that are invalid or contradict each other."""

    exit_code = 2


class InvalidDatasetError(BoldglmError):
    """The input folder is not a BIDS dataset."""

    exit_code = 16


class UnknownLevelError(BoldglmError):
    """An analysis level that does not exist."""

    exit_code = 17


class NothingSelectedError(BoldglmError):
    """The filters select no run."""

    exit_code = 18


class BadDataError(BoldglmError):
    """Events, images, confounds or a model that cannot be analyzed."""

    exit_code = 65


class StopRequestedError(BadDataError):
    """What an option asks to stop at, such as `--missing-conditions error`."""


class MissingInputError(BoldglmError):
    """A file that is needed is missing or cannot be read."""

    exit_code = 66


class CannotWriteError(BoldglmError):
    """The output or work folder cannot be written."""

    exit_code = 73


class DiskFullError(CannotWriteError):
    """Nothing more can be written: a full disk, a quota or a limit of the size of files."""


LIMITS = {
    errno.EMFILE: "Raise the number of files that a process may open (ulimit -n).",
    errno.ENFILE: "Other programs hold too many files open; end some of them.",
    errno.EAGAIN: "Raise the number of processes (ulimit -u), or use fewer (--nprocs).",
    errno.ENOMEM: "Free memory, raise its limit (ulimit -v), or use fewer processes (--nprocs).",
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_WRITABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.ENAMETOOLONG,
    errno.EIO,
)


def writing_error(path: object, error: OSError) -> CannotWriteError:
    """Return the error that says that a file or folder cannot be written, and what to do.

    Examples
    --------
    >>> print(writing_error("out/a.nii.gz", OSError(errno.ENOSPC, "No space left on device")))
    out/a.nii.gz cannot be written: No space left on device. Free space, then repeat the command: \
    finished results are kept.
    """
    reason = f"{path} cannot be written: {error.strerror or error}."
    if error.errno in FULL:
        limit = " or raise the limit (ulimit -f)" if error.errno == errno.EFBIG else ""
        return DiskFullError(
            f"{reason} Free space{limit}, then repeat the command: finished results are kept."
        )
    if error.errno == errno.EISDIR:
        return CannotWriteError(f"{reason} Remove the folder that has this name.")
    return CannotWriteError(f"{reason} Change its permissions, or choose another folder.")


class KilledError(BoldglmError):
    """A process that was fitting a run was killed by the system."""
