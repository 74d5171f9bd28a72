"""Entities of BIDS file names, as pairs of key and label."""

from collections.abc import Mapping, Sequence

# The order in which BIDS writes entities in file names.
ENTITY_ORDER = (
    *("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "hemi", "space", "cohort"),
    *("seg", "res", "den"),
)
# Entities whose values are numbers: run-1 and run-01 are the same run (BIDS: index).
INDEX_KEYS = ("run", "echo", "flip", "inv", "split", "chunk")
RUN_KEYS = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")  # what tells runs apart
# Images of one acquisition may differ in these: they are not further runs.
NOT_OF_AN_ACQUISITION = ("rec", "ce")
ACQUISITION_KEYS = tuple(key for key in RUN_KEYS if key not in NOT_OF_AN_ACQUISITION)


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


def comparable(entities: Mapping[str, str]) -> dict[str, str]:
    """Return entities with their indices as plain numbers, so that they can be compared.

    Examples
    --------
    >>> comparable({"sub": "01", "run": "02"})
    {'sub': '01', 'run': '2'}
    """
    return {
        key: str(int(label)) if key in INDEX_KEYS and label.isdecimal() else label
        for key, label in entities.items()
    }


def applies_to(entities: Mapping[str, str], target: Mapping[str, str]) -> bool:
    """Tell whether a file of some entities applies to another: that one has all of them.

    Examples
    --------
    >>> applies_to({"task": "faces", "run": "1"}, {"sub": "01", "task": "faces", "run": "01"})
    True
    """
    return comparable(entities).items() <= comparable(target).items()


def run_of(entities: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return what tells a run apart from others: not its space, say, nor its echo.

    Examples
    --------
    >>> run_of({"sub": "01", "echo": "2", "space": "T1w"})
    frozenset({('sub', '01')})
    """
    return frozenset(pair for pair in comparable(entities).items() if pair[0] in RUN_KEYS)


def entities_of(file_name: str) -> dict[str, str]:
    """Read the entities of a BIDS file name, labels as they are spelled.

    Examples
    --------
    >>> entities_of("sub-01_task-faces_run-02_bold.nii.gz")
    {'sub': '01', 'task': 'faces', 'run': '02'}
    """
    stem = file_name.split(".", 1)[0]
    pairs = (part.split("-", 1) for part in stem.split("_")[:-1] if "-" in part)
    return dict(pairs)


def without_common_parts(stems: Sequence[str]) -> list[str]:
    """Return names without the entities that all of them have, to tell them apart in a list.

    Examples
    --------
    >>> without_common_parts(["sub-01_task-x_space-T1w", "sub-02_task-x_space-T1w"])
    ['sub-01', 'sub-02']
    >>> without_common_parts(["sub-01_task-x", "sub-01_task-x_run-2"])
    ['sub-01_task-x', 'run-2']
    >>> without_common_parts(["sub-01_task-x"])
    ['sub-01_task-x']
    """
    parts = [stem.split("_") for stem in stems]
    common = set(parts[0]).intersection(*parts[1:]) if len(parts) > 1 else set()
    shortened = ["_".join(part for part in each if part not in common) for each in parts]
    return [short or stem for short, stem in zip(shortened, stems, strict=True)]


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return names of runs without what all of them have in common.

    Examples
    --------
    >>> list(short_names(["sub-1_task-rest_run-1", "sub-1_task-rest_run-2"]).values())
    ['sub-1_run-1', 'sub-1_run-2']
    """
    parts = [name.split("_") for name in names]
    shared = set(parts[0]).intersection(*parts) if len(names) > 1 else set()
    return {
        name: "_".join([own[0], *(part for part in own[1:] if part not in shared)])
        for name, own in zip(names, parts, strict=True)
    }
