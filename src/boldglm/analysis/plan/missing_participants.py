"""Participants of the dataset who have the task of a group, but no results in it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from boldglm.errors import MissingInputError
from boldglm.io.entities import entities_of
from boldglm.notices import Notice, exclusion

_BOLD = ("func/*_bold.nii*", "ses-*/func/*_bold.nii*")
_MOST_LISTED = 10


def missing_participants(
    bids_dir: Path, tasks: Collection[str], present: Collection[str], asked: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the labels of participants who could be in a group and are not.

    Parameters
    ----------
    bids_dir : Path
        The raw dataset.
    tasks : collection of str
        Labels of the tasks of the group; empty for any task.
    present : collection of str
        Labels of the participants whose results are in the group.
    asked : sequence of str
        Labels that the user named; then only these can be missing, with or without a series.

    Returns
    -------
    tuple of str
        Labels in alphabetical order.
    """
    if asked:
        return tuple(sorted(set(asked) - set(present)))
    labels = (folder.name.removeprefix("sub-") for folder in bids_dir.glob("sub-*"))
    return tuple(
        label
        for label in sorted(set(labels) - set(present))
        if any(not tasks or task in tasks for task in _tasks_of(bids_dir / f"sub-{label}"))
    )


def check_missing(missing: Sequence[str], *, is_error: bool) -> tuple[Notice, ...]:
    """Return the exclusion of participants without results, or refuse the group without them.

    Raises
    ------
    MissingInputError
        If `is_error` and somebody is missing.
    """
    if not missing:
        return ()
    if is_error:
        raise MissingInputError(
            f"The group is incomplete: {_listed(missing, len(missing))} "
            f"{'has' if len(missing) == 1 else 'have'} no finished results. Run the participant "
            "level for them, or use --missing-participants exclude."
        )
    text = (
        f"{_listed(missing)}: not in the group, because there are no finished results. Run the "
        "participant level for them, and the group again"
    )
    return (exclusion(text),)


def _tasks_of(folder: Path) -> Iterator[str]:
    """Yield the task of every BOLD series of a participant."""
    for pattern in _BOLD:
        for path in folder.glob(pattern):
            yield entities_of(path.name).get("task", "")


def _listed(labels: Sequence[str], most: int = _MOST_LISTED) -> str:
    names = [f"sub-{label}" for label in labels]
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
