"""Records of finished nodes.

A record is written after all other files of a node, with the size and the checksum of each. If its
fingerprint matches and the files are as they were written, the node is not computed again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.entities import entities_stem
from boldglm.io.files.atomic import path_inside, refuse_links_outside, sync_files
from boldglm.io.files.checksums import is_unchanged
from boldglm.io.files.json_files import load_json, read_json, write_json
from boldglm.io.outputs.dataset_links import paths_of, uris_of
from boldglm.io.outputs.measured_pairs import MeasuredPair
from boldglm.io.outputs.names import RECORD, ResultPaths, output_dir_of
from boldglm.io.outputs.record_checks import check_record
from boldglm.io.outputs.region_tables import RegionFiles
from boldglm.notices import Notice, by_kind, from_kinds

KEY = "boldglm"  # of a record in its file, which is also a sidecar
# where records of the dataset level lie, in the folders of their nodes
DATASET_RECORDS = (f"node-*/{RECORD}", f"node-*/*_{RECORD}")
STAMP = "~"  # precedes a suffix that changes the fingerprint of unchanged inputs


@dataclass(frozen=True)
class ContrastMaps:
    """The maps of a contrast, by the label of the statistic."""

    name: str
    test: str  # "t" or "F"
    weights: dict[str, list[float]]  # weights of each regressor in the rows of the contrast
    dof: float  # median if they differ between voxels
    dof_numerator: int
    maps: dict[str, Path]
    inputs: tuple[str, ...] = ()  # of higher levels: the input of each row of the design
    design: Mapping[str, list[float]] = field(default_factory=dict)  # of higher levels: columns
    table: Path | None = None  # cluster table
    inference: Mapping[str, Any] = field(default_factory=dict)  # thresholds and permutations
    sources: tuple[Path, ...] = ()  # of higher levels: maps that came in; not in records
    warnings: tuple[str, ...] = ()  # of this contrast, here and at the levels below

    @property
    def statistic(self) -> str:
        """Label of the map of the test statistic."""
        return self.test


@dataclass(frozen=True)
class NodeResult:
    """Files of a node: mask, mean image (for figures), and maps of its contrasts."""

    mask: Path
    mean: Path
    contrasts: tuple[ContrastMaps, ...]
    notices: tuple[Notice, ...] = ()
    maps: Mapping[str, Path] = field(default_factory=dict)  # maps of the run
    meshes: tuple[Path, ...] = ()  # surfaces for figures; files of the inputs
    whiteness: Mapping[str, float] = field(default_factory=dict)  # from `write_run_maps`
    smoothness: Mapping[str, Any] = field(default_factory=dict)  # from `measure_smoothness`
    quality: Mapping[str, Any] = field(default_factory=dict)  # from `write_run_maps`
    mask_size: Mapping[str, int] = field(default_factory=dict)  # Analyzed and Excluded voxels
    sources: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)  # of Mask and Mean
    regions: RegionFiles | None = None  # with --atlas
    pairs: tuple[MeasuredPair, ...] = ()  # of correlated regressors, which the report explains

    def to_dict(self, root: Path | None = None) -> dict[str, Any]:
        """Return a dictionary for JSON, with paths relative to `root` if given."""

        def text(path: Path) -> str:
            return path.relative_to(root).as_posix() if root else str(path)

        def texts(paths: Iterable[Path]) -> list[str]:
            return [text(path) for path in paths]

        sources = {image: texts(paths) for image, paths in self.sources.items()}
        return {
            "Mask": text(self.mask),
            "Mean": text(self.mean),
            **by_kind(self.notices),
            "Meshes": uris_of(self.meshes, root) if root else [str(path) for path in self.meshes],
            "Maps": {label: text(path) for label, path in self.maps.items()},
            "Whiteness": dict(self.whiteness),
            "Smoothness": dict(self.smoothness),
            **({"Quality": dict(self.quality)} if self.quality else {}),
            "MaskSize": dict(self.mask_size),
            **({"Sources": sources} if sources else {}),
            **({"Regions": self.regions.to_dict(root)} if self.regions else {}),
            **({"Pairs": [pair.to_dict() for pair in self.pairs]} if self.pairs else {}),
            "Contrasts": [
                {
                    "Name": contrast.name,
                    "Test": contrast.test,
                    "Weights": contrast.weights,
                    "DegreesOfFreedom": contrast.dof,
                    "NumeratorDegreesOfFreedom": contrast.dof_numerator,
                    "Maps": {label: text(path) for label, path in contrast.maps.items()},
                    "Inputs": list(contrast.inputs),
                    "DesignMatrix": dict(contrast.design),
                    "Table": None if contrast.table is None else text(contrast.table),
                    "Inference": dict(contrast.inference),
                    **({"Sources": texts(contrast.sources)} if contrast.sources else {}),
                    **({"Warnings": list(contrast.warnings)} if contrast.warnings else {}),
                }
                for contrast in self.contrasts
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], root: Path | None = None) -> "NodeResult":
        """Create from the dictionary of `to_dict`; relative paths start from `root`."""

        def located(path: str) -> Path:
            return Path(path) if root is None else path_inside(root, path)

        meshes = content.get("Meshes", ())
        return cls(
            mask=located(content["Mask"]),
            mean=located(content["Mean"]),
            notices=from_kinds(content),
            meshes=paths_of(meshes, root) if root else tuple(map(Path, meshes)),
            maps={label: located(path) for label, path in content.get("Maps", {}).items()},
            whiteness=content.get("Whiteness", {}),
            smoothness=content.get("Smoothness", {}),
            quality=content.get("Quality", {}),
            mask_size=content.get("MaskSize", {}),
            sources={
                image: tuple(map(located, paths))
                for image, paths in content.get("Sources", {}).items()
            },
            regions=RegionFiles.from_dict(content["Regions"], located)
            if content.get("Regions")
            else None,
            pairs=tuple(MeasuredPair.from_dict(pair) for pair in content.get("Pairs", ())),
            contrasts=tuple(
                ContrastMaps(
                    contrast["Name"],
                    contrast["Test"],
                    contrast["Weights"],
                    contrast["DegreesOfFreedom"],
                    contrast["NumeratorDegreesOfFreedom"],
                    {label: located(path) for label, path in contrast["Maps"].items()},
                    tuple(contrast.get("Inputs", ())),
                    contrast.get("DesignMatrix", {}),
                    located(contrast["Table"]) if contrast.get("Table") else None,
                    contrast.get("Inference", {}),
                    tuple(map(located, contrast.get("Sources", ()))),
                    tuple(contrast.get("Warnings", ())),
                )
                for contrast in content["Contrasts"]
            ),
        )

    def contrast(self, name: str) -> ContrastMaps | None:
        """Return the maps of a contrast, or None if the node does not have it."""
        return next((contrast for contrast in self.contrasts if contrast.name == name), None)

    def moved(
        self,
        mask: Path,
        mean: Path,
        maps: dict[tuple[str, str], Path],
        tables: Mapping[str, Path],
        run_maps: Mapping[str, Path],
        regions: RegionFiles | None = None,
    ) -> "NodeResult":
        """Return the result with other paths; keys of maps are (contrast, statistic)."""
        contrasts = tuple(
            replace(
                contrast,
                maps={label: maps[contrast.name, label] for label in contrast.maps},
                table=tables.get(contrast.name),
                sources=(),
            )
            for contrast in self.contrasts
        )
        return replace(
            self,
            mask=mask,
            mean=mean,
            contrasts=contrasts,
            maps=run_maps,
            sources={},
            regions=regions,
        )


@dataclass(frozen=True)
class Record:
    """A finished node: its model, fingerprint of its inputs, and result.

    Parameters
    ----------
    fingerprint : str
        Digest of everything that the result depends on.
    node, level : str
        Name of the node, and its level: run, session, subject or dataset.
    entities : dict
        BIDS entities of the files.
    result : NodeResult
        Its maps.
    files : mapping of Path to str
        Everything that was written for it, with the checksum of each file.
    model : str
        Name of the model.
    analysis : mapping
        Identity of the analysis: Digest of the node, Version, Options that change numbers, and
        Selection of sessions and runs.
    section : mapping
        What the report says of the result beside its maps and design.
    """

    fingerprint: str
    node: str
    level: str
    entities: dict[str, str]
    result: NodeResult
    files: Mapping[Path, str]
    model: str = ""
    analysis: Mapping[str, Any] = field(default_factory=dict)
    section: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of the node in the identity of its analysis; empty if it has none."""
        return str(self.analysis.get("Digest", ""))

    def write(self, path: Path, root: Path, sidecar: Mapping[str, Any] | None = None) -> None:
        """Write the record, with paths relative to the output folder, once its files are safe.

        Parameters
        ----------
        path : Path
            Its file.
        root : Path
            Output folder.
        sidecar : mapping, optional
            What the file says of the maps, which inherit it.
        """
        sync_files(self.files)
        content = {
            "Fingerprint": self.fingerprint,
            "Model": self.model,
            "Analysis": dict(self.analysis),
            "Node": self.node,
            "Level": self.level,
            "Entities": self.entities,
            "Result": self.result.to_dict(root),
            "Section": dict(self.section),
            "Files": [file.relative_to(root).as_posix() for file in self.files],
            "Checksums": list(self.files.values()),
        }
        write_json(path, {**(sidecar or {}), KEY: content})
        sync_files([path])

    def check_place(self, path: Path, root: Path) -> None:
        """Check that the record lies where its node and its entities say.

        Raises
        ------
        ValueError
            If it is that of another result.
        """
        expected = ResultPaths.of(root, self.node, self.entities).record().relative_to(root)
        if path.parts[-len(expected.parts) :] != expected.parts:
            raise ValueError(f"its Node and Entities are those of {expected.as_posix()}")

    def refuse_links_outside(self, folder: Path, root: Path) -> None:
        """Refuse files in linked folders, except the folder of the record and of its figures.

        Raises
        ------
        ValueError
            If a file lies outside of them and of the output folder `root`.
        """
        result = self.result
        paths = [result.mask, result.mean, *result.maps.values(), *self.files]
        paths += result.regions.files if result.regions else ()
        for sources in result.sources.values():
            paths += sources
        for contrast in result.contrasts:
            paths += [*contrast.maps.values(), *contrast.sources]
            paths += [contrast.table] if contrast.table else []
        figures = ResultPaths.of(root, self.node, self.entities).figure("", "").parent
        refuse_links_outside(paths, (root, folder, figures))

    @property
    def needed_files(self) -> tuple[Path, ...]:
        """Files that levels above read: mask, mean image, maps of t contrasts, regions."""
        maps = [
            path
            for contrast in self.result.contrasts
            if contrast.test != "F"
            for label, path in contrast.maps.items()
            if label in ("effect", "variance", "dof")
        ]
        regions = self.result.regions
        return (self.result.mask, self.result.mean, *maps, *(regions.files if regions else ()))

    @classmethod
    def read(cls, path: Path, root: Path) -> "Record":
        """Read a record below the output folder `root`.

        Raises
        ------
        MissingInputError
            If there is no such record.
        BadDataError
            If it is damaged, or names a file outside the output folder.
        """
        try:
            content = load_json(path)[KEY]
            check_record(content)
            record = cls(
                content["Fingerprint"],
                content["Node"],
                content["Level"],
                content["Entities"],
                NodeResult.from_dict(content["Result"], root),
                _files(content, root),
                content["Model"],
                _analysis(content),
                content["Section"],
            )
            record.check_place(path, root)
            record.refuse_links_outside(path.parent, root)
            return record
        except FileNotFoundError as error:
            raise MissingInputError(
                f"There is no record {path}. Run the level that should have written it."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise BadDataError(
                f"The record {path} is damaged: {reason}. Delete it and repeat the level that "
                "wrote it."
            ) from error


def _analysis(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the identity of the analysis of a record; nothing if an old version wrote it."""
    analysis = content.get("Analysis", {})
    options = analysis.get("Options", {})
    selection = analysis.get("Selection", {})
    if not isinstance(options, dict) or not isinstance(selection, dict):
        raise TypeError("Options and Selection must be objects")
    return analysis  # type: ignore[no-any-return]


def _files(content: Mapping[str, Any], root: Path) -> dict[Path, str]:
    """Return the files of a record with their checksums."""
    files = [path_inside(root, file) for file in content["Files"]]
    checksums = [str(written) for written in content["Checksums"]]
    if len(files) != len(checksums):
        raise ValueError(f"it has {len(files)} files and {len(checksums)} checksums")
    return dict(zip(files, checksums, strict=True))


def notes_of_records(
    output_dir: Path, runs: Sequence[Mapping[str, str]]
) -> list[tuple[str, Notice]]:
    """Return the notices of finished nodes that some runs belong to.

    Parameters
    ----------
    output_dir : Path
        Derivative dataset.
    runs : sequence of mapping
        Entities of the runs. A node that combines runs has a subset of their entities.

    Returns
    -------
    list of (str, Notice)
        Name of the result, and notice, in the order of the file names of the records.
    """
    by_subject: dict[str, list[Mapping[str, str]]] = {}
    for run in runs:
        by_subject.setdefault(run["sub"], []).append(run)
    notes: list[tuple[str, Notice]] = []
    for path in record_files(output_dir, by_subject):
        record = Record.read(path, output_dir)
        subject_runs = by_subject[record.entities["sub"]]
        if any(record.entities.items() <= run.items() for run in subject_runs):
            name = f"{entities_stem(record.entities)} ({record.level})"
            notes += [(name, note) for note in record.result.notices]
    return notes


def record_files(output_dir: Path, subjects: Iterable[str] | None = None) -> list[Path]:
    """Return the records of an output folder, in the order of their paths.

    Parameters
    ----------
    output_dir : Path
        Derivative dataset.
    subjects : iterable of str, optional
        Labels of participants; by default all of them, and the dataset level too.
    """
    if subjects is None:
        patterns = [f"node-*/sub-*/{folder}func/*_{RECORD}" for folder in ("", "ses-*/")]
        patterns += DATASET_RECORDS
    else:
        patterns = [
            f"node-*/sub-{subject}/{folder}func/sub-{subject}_*{RECORD}"
            for subject in subjects
            for folder in ("", "ses-*/")
        ]
    return _records_like(output_dir, patterns)


def dataset_record_files(output_dir: Path) -> list[Path]:
    """Return the records of the dataset level of an output folder, in the order of their paths."""
    return _records_like(output_dir, DATASET_RECORDS)


def _records_like(output_dir: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path for pattern in patterns for path in output_dir.glob(pattern)}
    return sorted(path for path in found if "_stat-" not in path.name and not path.is_dir())


def is_finished(path: Path, root: Path, fingerprint: str) -> bool:
    """Whether a record with this fingerprint exists, and all of its files are as written."""
    if not path.is_file():
        return False
    try:
        record = Record.read(path, root)
    except BadDataError:
        return False  # an incomplete record, or one of an older version
    return same_fingerprint(record.fingerprint, fingerprint) and all(
        is_unchanged(file, written) for file, written in record.files.items()
    )


def same_fingerprint(written: str, current: str) -> bool:
    """Compare the fingerprint of a record with the current one.

    A stamp in the current fingerprint requests a new result; a stamp in the record is ignored.

    Examples
    --------
    >>> same_fingerprint("a1", "a1"), same_fingerprint("a1~07", "a1")
    (True, True)
    >>> same_fingerprint("a1", "a1~08"), same_fingerprint("a1~07", "a2")
    (False, False)
    """
    return written == current or written.partition(STAMP)[0] == current


def fingerprint(*parts: Any) -> str:
    """Return a digest of the inputs of a result.

    A path is represented by its name, size and modification time, an array by its bytes. Folders
    do not count, so that a dataset can be moved.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            status = part.stat()
            part = [part.name, status.st_size, status.st_mtime_ns]
        if isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).tobytes())
            continue
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:32]


def read_result(path: Path) -> NodeResult:
    """Read a result from `result.json` or from the record of a finished node."""
    if path.name.endswith(RECORD):
        return Record.read(path, output_dir_of(path)).result
    return NodeResult.from_dict(read_json(path))
