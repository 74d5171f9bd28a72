"""Entities of BIDS file names, as pairs of key and label."""

from collections.abc import Mapping

# The order in which BIDS writes entities in file names.
ENTITY_ORDER = (
    *("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "hemi", "space", "cohort"),
    *("res", "den"),
)
RUN_KEYS = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")  # what tells runs apart


def entities_stem(entities: dict[str, str]) -> str:
    """Join entities to a file-name stem in the order of BIDS.

    Examples
    --------
    >>> entities_stem({"task": "faces", "sub": "01", "run": "02"})
    'sub-01_task-faces_run-02'
    """
    unknown = [key for key in entities if key not in ENTITY_ORDER]
    keys = [key for key in ENTITY_ORDER if key in entities] + unknown
    return "_".join(f"{key}-{entities[key]}" for key in keys)


def run_of(entities: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return what tells a run apart from others: not its space, say, nor its echo.

    Examples
    --------
    >>> run_of({"sub": "01", "echo": "2", "space": "T1w"})
    frozenset({('sub', '01')})
    """
    return frozenset((key, label) for key, label in entities.items() if key in RUN_KEYS)


def entities_of(file_name: str) -> dict[str, str]:
    """Read the entities of a BIDS file name, labels as they are spelt.

    Examples
    --------
    >>> entities_of("sub-01_task-faces_run-02_bold.nii.gz")
    {'sub': '01', 'task': 'faces', 'run': '02'}
    """
    stem = file_name.split(".", 1)[0]
    pairs = (part.split("-", 1) for part in stem.split("_")[:-1] if "-" in part)
    return dict(pairs)
