"""The maps of one node, and the record that is kept of them.

A record is written last: where it exists and its fingerprint fits, the maps beside it are
complete, and nothing is fitted again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.entities import entities_of, entities_stem
from boldglm.io.files.atomic import path_inside
from boldglm.io.files.json_files import read_json, write_json
from boldglm.notices import Notice, by_kind, from_kinds

STAMP = "~"  # before what makes a fingerprint new though nothing has changed


@dataclass(frozen=True)
class ContrastMaps:
    """The maps of one contrast; `maps` goes from statistic label to file."""

    name: str
    test: str  # "t" or "F"
    weights: dict[str, list[float]]  # regressor -> its weight in each row
    dof: float  # median over voxels where they differ
    dof_numerator: int
    maps: dict[str, Path]
    inputs: tuple[str, ...] = ()  # above the run: what each row of the design is
    design: Mapping[str, list[float]] = field(default_factory=dict)  # its columns by name
    table: Path | None = None  # of clusters
    inference: Mapping[str, Any] = field(default_factory=dict)  # thresholds and permutations

    @property
    def statistic(self) -> str:
        """Label of the test statistic's map."""
        return self.test


@dataclass(frozen=True)
class NodeResult:
    """What one node produced: mask, mean image (an underlay) and the maps of its contrasts."""

    mask: Path
    mean: Path
    contrasts: tuple[ContrastMaps, ...]
    notices: tuple[Notice, ...] = ()
    maps: Mapping[str, Path] = field(default_factory=dict)  # of the run as a whole
    meshes: tuple[Path, ...] = ()  # to draw maps on; files of the inputs
    whiteness: Mapping[str, float] = field(default_factory=dict)  # as `write_run_maps` says
    smoothness: Mapping[str, Any] = field(default_factory=dict)  # as `residual_smoothness` says
    mask_size: Mapping[str, int] = field(default_factory=dict)  # voxels: Analyzed, Excluded

    def to_dict(self, root: Path | None = None) -> dict[str, Any]:
        """Return what JSON can hold, with paths relative to `root` if it is given."""

        def shown(path: Path) -> str:
            return path.relative_to(root).as_posix() if root else str(path)

        return {
            "Mask": shown(self.mask),
            "Mean": shown(self.mean),
            **by_kind(self.notices),
            "Meshes": [str(path) for path in self.meshes],
            "Maps": {label: shown(path) for label, path in self.maps.items()},
            "Whiteness": dict(self.whiteness),
            "Smoothness": dict(self.smoothness),
            "MaskSize": dict(self.mask_size),
            "Contrasts": [
                {
                    "Name": one.name,
                    "Test": one.test,
                    "Weights": one.weights,
                    "DegreesOfFreedom": one.dof,
                    "NumeratorDegreesOfFreedom": one.dof_numerator,
                    "Maps": {label: shown(path) for label, path in one.maps.items()},
                    "Inputs": list(one.inputs),
                    "DesignMatrix": dict(one.design),
                    "Table": None if one.table is None else shown(one.table),
                    "Inference": dict(one.inference),
                }
                for one in self.contrasts
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], root: Path | None = None) -> "NodeResult":
        """Read what `to_dict` returned; `root` is what relative paths start from."""

        def located(path: str) -> Path:
            return Path(path) if root is None else path_inside(root, path)

        return cls(
            mask=located(content["Mask"]),
            mean=located(content["Mean"]),
            notices=from_kinds(content),
            meshes=tuple(Path(path) for path in content.get("Meshes", ())),
            maps={label: located(path) for label, path in content.get("Maps", {}).items()},
            whiteness=content.get("Whiteness", {}),
            smoothness=content.get("Smoothness", {}),
            mask_size=content.get("MaskSize", {}),
            contrasts=tuple(
                ContrastMaps(
                    one["Name"],
                    one["Test"],
                    one["Weights"],
                    one["DegreesOfFreedom"],
                    one["NumeratorDegreesOfFreedom"],
                    {label: located(path) for label, path in one["Maps"].items()},
                    tuple(one.get("Inputs", ())),
                    one.get("DesignMatrix", {}),
                    located(one["Table"]) if one.get("Table") else None,
                    one.get("Inference", {}),
                )
                for one in content["Contrasts"]
            ),
        )

    def contrast(self, name: str) -> ContrastMaps | None:
        """Return the maps of a contrast, or None."""
        return next((one for one in self.contrasts if one.name == name), None)

    def moved(
        self,
        mask: Path,
        mean: Path,
        maps: dict[tuple[str, str], Path],
        tables: Mapping[str, Path],
        run_maps: Mapping[str, Path],
    ) -> "NodeResult":
        """Return the same result at other paths; maps are keyed by (contrast, statistic)."""
        contrasts = tuple(
            replace(
                one,
                maps={label: maps[one.name, label] for label in one.maps},
                table=tables.get(one.name),
            )
            for one in self.contrasts
        )
        return replace(self, mask=mask, mean=mean, contrasts=contrasts, maps=run_maps)


@dataclass(frozen=True)
class Record:
    """A finished node: its result, what it was made from, and what its report section says."""

    fingerprint: str
    node: str
    level: str  # run, session, subject or dataset
    entities: dict[str, str]
    result: NodeResult
    section: dict[str, Any]  # facts, figures and tables, for the report
    files: tuple[Path, ...]  # everything that was written
    model: str = ""  # name of the model

    def write(self, path: Path, root: Path) -> None:
        """Write the record, with paths relative to the output folder."""
        write_json(
            path,
            {
                "Fingerprint": self.fingerprint,
                "Model": self.model,
                "Node": self.node,
                "Level": self.level,
                "Entities": self.entities,
                "Result": self.result.to_dict(root),
                "Section": self.section,
                "Files": [file.relative_to(root).as_posix() for file in self.files],
            },
        )

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
            content = read_json(path)
            return cls(
                content["Fingerprint"],
                content["Node"],
                content["Level"],
                content["Entities"],
                NodeResult.from_dict(content["Result"], root),
                content["Section"],
                tuple(path_inside(root, file) for file in content["Files"]),
                content.get("Model", ""),
            )
        except FileNotFoundError as error:
            raise MissingInputError(f"There is no record {path}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise BadDataError(
                f"The record {path} is damaged: {reason}. Delete it and repeat the level that "
                "wrote it."
            ) from error


def notes_of_records(
    output_dir: Path, runs: Sequence[Mapping[str, str]]
) -> list[tuple[str, Notice]]:
    """Return the notices of the finished nodes of some runs.

    Parameters
    ----------
    output_dir : Path
        The derivative dataset.
    runs : sequence of mapping
        Entities of the runs; nodes that combine them have some of these.

    Returns
    -------
    list of (str, Notice)
        The result and the notice, in the order of the records' names.
    """
    by_subject: dict[str, list[Mapping[str, str]]] = {}
    for run in runs:
        by_subject.setdefault(run["sub"], []).append(run)
    notes: list[tuple[str, Notice]] = []
    for path in sorted((output_dir / "logs" / "records").glob("node-*_sub-*.json")):
        mine = by_subject.get(entities_of(path.name).get("sub", ""), [])
        if not mine:
            continue
        record = Record.read(path, output_dir)
        if any(record.entities.items() <= run.items() for run in mine):
            name = f"{entities_stem(record.entities)} ({record.level})"
            notes += [(name, note) for note in record.result.notices]
    return notes


def is_finished(path: Path, root: Path, fingerprint: str) -> bool:
    """Tell whether a record of these very inputs exists and all its files are there."""
    if not path.is_file():
        return False
    try:
        record = Record.read(path, root)
    except BadDataError:
        return False  # an interrupted or older record: make it anew
    return same_fingerprint(record.fingerprint, fingerprint) and all(
        file.is_file() for file in record.files
    )


def same_fingerprint(written: str, wanted: str) -> bool:
    """Compare fingerprints; a stamp in what is wanted asks for a new result, one written does not.

    Examples
    --------
    >>> same_fingerprint("a1", "a1"), same_fingerprint("a1~07", "a1")
    (True, True)
    >>> same_fingerprint("a1", "a1~08"), same_fingerprint("a1~07", "a2")
    (False, False)
    """
    return written == wanted or written.partition(STAMP)[0] == wanted


def fingerprint(*parts: Any) -> str:
    """Return a digest of everything a result depends on.

    Paths stand for their size and time of change, arrays for their bytes.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            status = part.stat()
            part = [str(part), status.st_size, status.st_mtime_ns]
        if isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).tobytes())
            continue
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:32]


def read_result(path: Path) -> NodeResult:
    """Read the result in a `result.json` or in the record of a finished node."""
    content = read_json(path)
    if "Result" in content:
        return NodeResult.from_dict(content["Result"], path.parents[2])
    return NodeResult.from_dict(content)
