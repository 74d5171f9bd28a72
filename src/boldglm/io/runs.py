"""What is known about one BOLD run before anything is fitted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# The order in which BIDS writes entities in file names.
ENTITY_ORDER = (
    *("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "hemi", "space", "cohort"),
    *("res", "den"),
)
RUN_KEYS = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")  # what tells runs apart


@dataclass(frozen=True)
class RunInputs:
    """One BOLD run with its events: plain paths and numbers, nothing of pybids.

    Times are in seconds. `entities` holds the labels as the file name spells them
    (`{"sub": "01", "task": "faces", "run": "01"}`), so that output names keep them.
    """

    bold: Path
    events: Path
    entities: dict[str, str]
    repetition_time: float
    start_time: float
    n_scans: int
    sources: tuple[str, ...]  # BIDS URIs of what the run was made from
    mask: Path | None = None  # None: computed from the series
    confounds: tuple[Path, ...] = ()  # tables, a row for each volume
    meshes: tuple[Path, ...] = ()  # surfaces of the cortex that may fit the series
    kind: str = ""  # the label of its desc, if it is preprocessed
    derivatives: str = ""  # the pipeline that preprocessed the run, and its folder

    @property
    def name(self) -> str:
        """File-name stem of the run, without its suffix."""
        return entities_stem(self.entities)

    @property
    def subject(self) -> str:
        """Label of the participant, without sub-."""
        return self.entities["sub"]

    @property
    def task(self) -> str:
        """Label of the task, without task-."""
        return self.entities["task"]

    def to_dict(self) -> dict:
        """Return what JSON can hold."""
        paths = {"bold": self.bold, "events": self.events, "mask": self.mask}
        return {
            **asdict(self),
            **{key: None if path is None else str(path) for key, path in paths.items()},
            "confounds": [str(path) for path in self.confounds],
            "meshes": [str(path) for path in self.meshes],
        }


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
