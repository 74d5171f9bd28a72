"""All runs of a dataset that an analysis is about, whoever is in the call.

What one participant is fitted with must not depend on who else is fitted in the same call, so the
default model is made from the tables of every run of the dataset. Nothing of pybids is used here,
which takes a millisecond a file: folders are listed and names are read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from boldglm.errors import BadDataError, BoldglmError
from boldglm.io.bids.derivative_datasets import Derivative
from boldglm.io.bids.nearest_events import EventsFile, nearest_events
from boldglm.io.bids.preprocessed import find_images
from boldglm.io.bids.sidecars import Sidecars
from boldglm.io.entities import entities_of, run_of

BOLD_ENDINGS = ("_bold.nii", "_bold.nii.gz")


@dataclass(frozen=True)
class SurveyedRun:
    """A run of the dataset with the tables that apply to it."""

    entities: dict[str, str]
    bold: Path
    events: Path | None
    confounds: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Survey:
    """The runs of all participants, listed when they are first needed.

    Parameters
    ----------
    bids_dir : Path
        The raw dataset, which holds the events.
    derivatives : sequence of Derivative
        Where the preprocessed series are; empty if the raw series are analyzed.
    is_analyzed : callable
        Tells from entities and path whether a series is one that the analysis is about: its
        task, and what the filters of the user say.
    """

    bids_dir: Path
    derivatives: Sequence[Derivative]
    is_analyzed: Callable[[dict[str, str], Path], bool]

    @cached_property
    def runs(self) -> tuple[SurveyedRun, ...]:
        """Every run once, in the order of participants and file names."""
        found: dict[frozenset[tuple[str, str]], SurveyedRun] = {}
        files_in = cache(_events_files)
        listed = self._preprocessed() if self.derivatives else self._raw()
        for entities, path, confounds in listed:
            if not self.is_analyzed(entities, path):
                continue
            run = run_of(entities)
            if run in found:
                continue
            with suppress(BadDataError):  # reported where this run is analyzed
                events = nearest_events(entities, self.bids_dir, files_in)
                found[run] = SurveyedRun(entities, path, events, confounds)
        return tuple(found.values())

    def of_task(self, task: str) -> list[SurveyedRun]:
        """Return the runs of a task that have events."""
        return [run for run in self.runs if run.entities.get("task") == task and run.events]

    def repetition_time(self, task: str) -> float | None:
        """Return the seconds between volumes of the first run of a task, from its sidecar."""
        roots = [derivative.path for derivative in self.derivatives] or [self.bids_dir]
        for run in self.of_task(task):
            for root in roots:
                if not run.bold.is_relative_to(root):
                    continue
                with suppress(BadDataError):  # reported where this run is analyzed
                    seconds = Sidecars(root).of(run.bold).get("RepetitionTime")
                    if isinstance(seconds, int | float) and seconds > 0:
                        return float(seconds)
        return None

    def _raw(self) -> Iterator[tuple[dict[str, str], Path, tuple[Path, ...]]]:
        for folder in func_folders(self.bids_dir):
            for path in sorted(folder.iterdir()):
                if path.name.endswith(BOLD_ENDINGS):
                    yield entities_of(path.name), path, ()

    def _preprocessed(self) -> Iterator[tuple[dict[str, str], Path, tuple[Path, ...]]]:
        labels = {label for derivative in self.derivatives for label in derivative.subjects}
        for label in sorted(labels):
            try:
                images = find_images(self.derivatives, (label,))
            except BoldglmError:
                continue  # reported where this participant is analyzed
            for image in images:
                yield image.entities, image.path, image.confounds


def _events_files(folder: Path) -> list[EventsFile]:
    paths = sorted(folder.glob("*_events.tsv")) if folder.is_dir() else []
    return [(entities_of(path.name), path) for path in paths]


def func_folders(bids_dir: Path) -> Iterator[Path]:
    """Yield the folders of functional data of all participants."""
    for subject in sorted(bids_dir.glob("sub-*")):
        for folder in (subject, *sorted(subject.glob("ses-*"))):
            if (folder / "func").is_dir():
                yield folder / "func"
