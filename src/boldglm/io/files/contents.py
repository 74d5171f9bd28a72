"""Files whose content is elsewhere: links that lead nowhere, and pointers of git-annex."""

from pathlib import Path

from boldglm.errors import MissingInputError

POINTER = b"/annex/objects/"  # what the file has in place of its content in an unlocked dataset
ANNEX = "annex/objects"  # in the target of a link


def check_content(path: Path) -> None:
    """Refuse a file whose content is not on this computer.

    Raises
    ------
    MissingInputError
        The message says how to get the content.
    """
    if path.is_symlink() and not path.exists():
        target = path.readlink()
        if ANNEX in target.as_posix():
            raise MissingInputError(_not_here(path))
        raise MissingInputError(
            f"{path.name} is a link to {target}, which does not exist. Restore that file, or, in "
            f"a DataLad dataset, run: datalad get {path}"
        )
    try:
        with path.open("rb") as file:
            is_pointer = file.read(len(POINTER)) == POINTER
    except OSError:
        return  # what reads the file says why it cannot be read
    if is_pointer:
        raise MissingInputError(_not_here(path))


def _not_here(path: Path) -> str:
    return (
        f"the content of {path.name} is not on this computer: the file is a pointer of git-annex. "
        f"Run: datalad get {path}"
    )
