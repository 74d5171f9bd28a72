"""Errors that a user can fix, each with the exit code of the command line.

The codes are those of the BIDS execution specification draft. A message names the file,
what was found, what was expected and what to do; `boldglm.cli.main` is the only place
that catches these and turns them into text on standard error.
"""


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


class MissingInputError(BoldglmError):
    """A file that is needed is missing or cannot be read."""

    exit_code = 66


class CannotWriteError(BoldglmError):
    """The output or work folder cannot be written."""

    exit_code = 73


class KilledError(BoldglmError):
    """A process that was fitting a run was killed by the system."""
