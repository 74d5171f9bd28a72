"""One BOLD run and the files that belong to it: plain paths and numbers."""

from dataclasses import asdict, dataclass
from pathlib import Path

from boldglm.io.entities import entities_stem


@dataclass(frozen=True)
class RunInputs:
    """One BOLD run with its events: plain paths and numbers, nothing of pybids.

    Times are in seconds; `start_time` is that at which the first volume is modeled, and
    `volume_timing` the onset of each volume, if the sidecar lists them. `entities` holds the
    labels as the file name spells them (`{"sub": "01", "task": "faces", "run": "01"}`), so that
    output names keep them.
    """

    bold: Path
    events: Path | None  # None: the model needs none
    entities: dict[str, str]
    repetition_time: float
    start_time: float
    n_scans: int
    sources: tuple[str, ...]  # BIDS URIs of what the run was made from
    volume_timing: tuple[float, ...] = ()
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
    def spacing(self) -> str:
        """How the volumes follow each other, such as ``one every 2 s``."""
        if not self.volume_timing:
            return f"one every {self.repetition_time:g} s"
        return f"at the times of VolumeTiming (median distance {self.repetition_time:g} s)"

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
