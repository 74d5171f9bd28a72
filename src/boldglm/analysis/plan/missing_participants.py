"""Participants of the dataset who have the task of a group, but no results in it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from boldglm.errors import MissingInputError
from boldglm.io.entities import entities_of

_BOLD = ("func/*_bold.nii*", "ses-*/func/*_bold.nii*")


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


def refuse_missing(missing: Sequence[str], remedy: str) -> None:
    """Refuse a group if participants are missing.

    Parameters
    ----------
    missing : sequence of str
        Their labels.
    remedy : str
        How they could get into the group, in the imperative.

    Raises
    ------
    MissingInputError
        Names all of them.
    """
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        raise MissingInputError(
            f"The group is incomplete: {_listed(missing)} {verb} no finished results. {remedy}, "
            "exclude them (--exclude), or use --missing-participants "
            "exclude."
        )


def _tasks_of(folder: Path) -> Iterator[str]:
    """Yield the task of every BOLD series of a participant."""
    for pattern in _BOLD:
        for path in folder.glob(pattern):
            yield entities_of(path.name).get("task", "")


def _listed(labels: Sequence[str]) -> str:
    names = [f"sub-{label}" for label in labels]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
