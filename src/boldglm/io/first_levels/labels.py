"""Entities that the names of files and folders tell, for maps whose own names have none."""

import re
from pathlib import Path

KEYS = ("sub", "ses", "task", "run", "space")
_PAIR = re.compile(rf"(?:^|[_.])({'|'.join(KEYS)})-([A-Za-z0-9+]+)")


def entities_of_path(path: Path) -> dict[str, str]:
    """Return entities in the parts of a relative path; a later part has precedence.

    Examples
    --------
    >>> entities_of_path(Path("sub-01/ses-a/sub-01_task-go_run-2.feat"))
    {'sub': '01', 'ses': 'a', 'task': 'go', 'run': '2'}
    """
    return {key: label for part in path.parts for key, label in _PAIR.findall(part)}
