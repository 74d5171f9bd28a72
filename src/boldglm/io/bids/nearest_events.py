"""The events file of a run, by the inheritance principle."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from boldglm.errors import BadDataError
from boldglm.io.entities import applies_to, entities_stem

EventsFile = tuple[dict[str, str], Path]  # its entities, and where it is


def nearest_events(
    run: Mapping[str, str], root: Path, files_in: Callable[[Path], Sequence[EventsFile]]
) -> Path | None:
    """Return the events of a run, or None: those of the nearest folder with the most entities.

    `BIDSLayout.get_nearest` does not find files above the run's own folder, so the rule is applied
    here.

    Parameters
    ----------
    run : mapping of str to str
        Entities of the run.
    root : Path
        The dataset.
    files_in : callable
        Returns the events files of a folder.

    Raises
    ------
    BadDataError
        If two files apply equally.
    """
    func = root / f"sub-{run['sub']}"
    func /= f"ses-{run['ses']}/func" if "ses" in run else "func"
    for folder in (func, *(parent for parent in func.parents if parent.is_relative_to(root))):
        fitting = [
            (len(entities), path)
            for entities, path in files_in(folder)
            if applies_to(entities, run)
        ]
        if fitting:
            most = max(count for count, _ in fitting)
            best = sorted(path for count, path in fitting if count == most)
            if len(best) > 1:
                names = ", ".join(path.name for path in best)
                raise BadDataError(
                    f"{entities_stem(dict(run))} has more than one events file: {names}."
                )
            return best[0]
    return None
