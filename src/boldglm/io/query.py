"""Ask pybids which BOLD runs there are and what belongs to them.

The only module that imports pybids, and it does so once, before any graph is built.
Only what was asked for is indexed: folders of other participants, of other datatypes and
of derivatives are passed over (pybids would read every sidecar in them).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boldglm.errors import (
    BadDataError,
    InvalidDatasetError,
    MissingInputError,
    NothingSelectedError,
    nearest,
)
from boldglm.io.runs import entities_of

OTHER_DATATYPES = ("anat", "dwi", "fmap", "perf", "eeg", "meg", "ieeg", "beh", "pet", "micr")
TOP_LEVEL_ASIDE = ("derivatives", "sourcedata", "code", "stimuli", "models")


@dataclass(frozen=True)
class Selection:
    """Labels to analyse, with or without their prefixes; empty means all."""

    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    filters: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(
        cls,
        subjects: Sequence[str] | None = None,
        sessions: Sequence[str] | None = None,
        tasks: Sequence[str] | None = None,
        runs: Sequence[str] | None = None,
        filter_file: Path | None = None,
    ) -> "Selection":
        """Take what the command line gave: prefixes stripped, the filter file read."""
        return cls(
            _labels(subjects, "sub"),
            _labels(sessions, "ses"),
            _labels(tasks, "task"),
            _labels(runs, "run"),
            _read_filters(filter_file),
        )


@dataclass(frozen=True)
class RunFiles:
    """A BOLD file, its metadata after inheritance, and its events (None if it has none)."""

    bold: Path
    events: Path | None
    metadata: dict[str, Any]
    entities: dict[str, str]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class QueryResult:
    """The runs found, and in words what was left out."""

    runs: tuple[RunFiles, ...]
    left_out: tuple[str, ...]
    dataset_name: str


def find_runs(bids_dir: Path, selection: Selection) -> QueryResult:
    """Find every BOLD run that the selection asks for, with its events.

    Parameters
    ----------
    bids_dir : Path
        Root of a raw BIDS dataset.
    selection : Selection
        Which participants, sessions, tasks and runs.

    Returns
    -------
    QueryResult
        Runs in the order of their file names. Sidecars and events are inherited as BIDS says.

    Raises
    ------
    InvalidDatasetError
        If the folder has no valid dataset_description.json.
    MissingInputError
        If there is no such folder, or no run has events.
    NothingSelectedError
        If the dataset has no such participant, session, task or run.
    """
    layout = _index(bids_dir, selection)
    images = layout.get(suffix="bold", extension=[".nii", ".nii.gz"])
    found = sorted(images, key=lambda image: image.path)
    _check_labels(bids_dir, selection, found)
    chosen = [image for image in found if _is_chosen(image, selection)]
    if not chosen:
        raise NothingSelectedError(_nothing_left(bids_dir, selection, found))
    chosen, left_out = _without_partial_images(chosen)
    events = _Events(layout)
    runs = []
    for image in chosen:
        path = Path(image.path)
        runs.append(
            RunFiles(
                bold=path,
                events=events.for_bold(path),
                metadata=layout.get_metadata(image.path),
                entities=entities_of(path.name),
                sources=(),
            )
        )
    with_events = [_with_sources(run, bids_dir) for run in runs if run.events is not None]
    left_out += [
        f"{run.bold.name} has no events file and was left out" for run in runs if not run.events
    ]
    if not with_events:
        raise MissingInputError(
            f"None of the {len(runs)} BOLD runs selected in {bids_dir} has an events file: add "
            f"{runs[0].bold.name.rsplit('_bold', 1)[0]}_events.tsv (columns onset, duration, "
            "trial_type) beside the run, or one for the whole task higher up in the dataset."
        )
    return QueryResult(tuple(with_events), tuple(left_out), _dataset_name(bids_dir))


def _index(bids_dir: Path, selection: Selection) -> Any:
    if not bids_dir.is_dir():
        raise MissingInputError(f"There is no folder {bids_dir}: give the root of a BIDS dataset.")
    description = bids_dir / "dataset_description.json"
    if not description.is_file():
        raise InvalidDatasetError(
            f"{bids_dir} is not a BIDS dataset: it has no dataset_description.json. Give the "
            'folder that holds the sub-* folders, and add the file there ({"Name": ..., '
            '"BIDSVersion": "1.10.0"}).'
        )
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidDatasetError(f"{description} cannot be read as JSON: {error}.") from error
    missing = [key for key in ("Name", "BIDSVersion") if key not in content]
    if missing:
        raise InvalidDatasetError(f"{description} lacks {' and '.join(missing)}: BIDS needs both.")

    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    ignore = [
        re.compile(r"(^|/)\."),
        re.compile(rf"^/({'|'.join(TOP_LEVEL_ASIDE)})(/|$)"),
        re.compile(rf"/({'|'.join(OTHER_DATATYPES)})(/|$)"),
    ]
    if selection.subjects:
        others = "|".join(re.escape(label) for label in selection.subjects)
        ignore.append(re.compile(rf"/sub-(?!({others})(/|_|$))"))
    indexer = BIDSLayoutIndexer(validate=True, index_metadata=True, ignore=ignore)
    return BIDSLayout(str(bids_dir.resolve()), validate=True, indexer=indexer)


class _Events:
    """Events files by the inheritance principle: the nearest whose entities all apply.

    `BIDSLayout.get_nearest` does not find files above the run's own folder, so the rule is
    applied here to the files that pybids indexed.
    """

    def __init__(self, layout: Any) -> None:
        self._by_folder: dict[Path, list[tuple[dict[str, str], Path]]] = {}
        for file in layout.get(suffix="events", extension=".tsv"):
            path = Path(file.path)
            entities = entities_of(path.name)
            self._by_folder.setdefault(path.parent, []).append((entities, path))

    def for_bold(self, bold: Path) -> Path | None:
        """Return the events file that applies to a BOLD file, or None."""
        wanted = entities_of(bold.name)
        for folder in bold.parents:
            fitting = [
                (len(entities), path)
                for entities, path in self._by_folder.get(folder, [])
                if entities.items() <= wanted.items()
            ]
            if fitting:
                most = max(count for count, _ in fitting)
                best = sorted(path for count, path in fitting if count == most)
                if len(best) > 1:
                    names = ", ".join(path.name for path in best)
                    raise BadDataError(f"{bold.name} has more than one events file: {names}.")
                return best[0]
        return None


def _with_sources(run: RunFiles, bids_dir: Path) -> RunFiles:
    root = bids_dir.resolve()
    uris = tuple(
        f"bids:raw:{path.relative_to(root).as_posix()}"
        for path in (run.bold, run.events)
        if path is not None
    )
    return RunFiles(run.bold, run.events, run.metadata, run.entities, uris)


def _without_partial_images(images: list) -> tuple[list, list[str]]:
    """Leave out single echoes and phase images: a run is its (combined) magnitude image."""
    kept, left_out = [], []
    for image in images:
        name = Path(image.path).name
        entities = entities_of(name)
        if "echo" in entities:
            left_out.append(f"{name} is a single echo and was left out: combine the echoes first")
        elif entities.get("part", "mag") != "mag":
            left_out.append(f"{name} is not a magnitude image and was left out")
        else:
            kept.append(image)
    if not kept:
        raise NothingSelectedError("No run is left: " + "; ".join(left_out) + ".")
    return kept, left_out


def _is_chosen(image: Any, selection: Selection) -> bool:
    entities = entities_of(Path(image.path).name)
    asked = {"ses": selection.sessions, "task": selection.tasks, "run": selection.runs}
    for key, labels in asked.items():
        if labels and not any(_same_label(entities.get(key), label) for label in labels):
            return False
    return all(_passes(image.entities, key, value) for key, value in selection.filters)


def _same_label(found: str | None, asked: str) -> bool:
    """Compare labels; run-1 and run-01 are the same run to a person."""
    if found is None:
        return False
    return found == asked or (found.isdigit() and asked.isdigit() and int(found) == int(asked))


def _passes(entities: dict, key: str, value: Any) -> bool:
    found = entities.get(key)
    if value is None:
        return found is None
    allowed = value if isinstance(value, list) else [value]
    return found is not None and any(_same_label(str(found), str(item)) for item in allowed)


def _check_labels(bids_dir: Path, selection: Selection, images: list) -> None:
    """Refuse a label that the dataset does not have, with the nearest one it has."""
    all_entities = [entities_of(Path(image.path).name) for image in images]
    on_disk = sorted(path.name[4:] for path in bids_dir.glob("sub-*") if path.is_dir())
    for label in selection.subjects:
        if label not in on_disk:
            raise NothingSelectedError(
                f"{bids_dir} has no participant {label!r}.{nearest(label, on_disk)} It has: "
                f"{_shortened(on_disk)}."
            )
    asked = (
        ("session", "ses", selection.sessions),
        ("task", "task", selection.tasks),
        ("run", "run", selection.runs),
    )
    for word, key, labels in asked:
        have = sorted({entities[key] for entities in all_entities if key in entities})
        for label in labels:
            if not any(_same_label(one, label) for one in have):
                raise NothingSelectedError(
                    f"No BOLD run in {bids_dir} has {word} {label!r}.{nearest(label, have)} "
                    f"Found: {_shortened(have)}."
                )


def _nothing_left(bids_dir: Path, selection: Selection, images: list) -> str:
    if not images:
        return (
            f"{bids_dir} has no BOLD run (sub-*/func/*_bold.nii.gz) for the participants asked "
            "for. Is it the root of the dataset, and are the file names valid BIDS?"
        )
    filters = {key: value for key, value in vars(selection).items() if value}
    return (
        f"The filters select none of the {len(images)} BOLD runs in {bids_dir}: {filters}. Found "
        f"for example {Path(images[0].path).name}. Drop or change a filter."
    )


def _labels(given: Sequence[str] | None, prefix: str) -> tuple[str, ...]:
    return tuple(label.removeprefix(f"{prefix}-") for label in given or ())


def _read_filters(path: Path | None) -> tuple[tuple[str, Any], ...]:
    if path is None:
        return ()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"--bids-filter-file {path} cannot be read: {error}.") from error
    except ValueError as error:
        raise BadDataError(f"--bids-filter-file {path} is not JSON: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("bold", {}), dict):
        raise BadDataError(
            f'--bids-filter-file {path} must be an object like {{"bold": {{"task": "faces"}}}}.'
        )
    unknown = [name for name in content if name != "bold"]
    if unknown:
        raise BadDataError(
            f"--bids-filter-file {path} has the query {unknown[0]!r}; boldglm asks only for "
            f"'bold'.{nearest(unknown[0], ['bold'])}"
        )
    return tuple(content.get("bold", {}).items())


def _dataset_name(bids_dir: Path) -> str:
    content = json.loads((bids_dir / "dataset_description.json").read_text(encoding="utf-8"))
    return str(content["Name"])


def _shortened(names: Sequence[str], most: int = 20) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
