"""What the page of all participants says of one of them, stored in `logs/reports/`.

It is made of finished results only, so it is the same whichever call makes it. It holds a digest
of the records that it was made of, which have the checksums of their maps. One of others counts as
missing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boldglm.io.files.checksums import checksum
from boldglm.io.files.json_files import load_json, write_json
from boldglm.io.outputs.exclusions import exclusion_files
from boldglm.io.outputs.names import analysis_file_name, overview_file, report_page_file
from boldglm.io.outputs.records import fingerprint, record_files
from boldglm.notices import Notice, from_pairs

FORMAT = 3  # of the files; a new number makes all earlier ones count as missing


@dataclass(frozen=True)
class ContrastOverview:
    """A contrast of a participant in a few numbers and small pictures.

    Parameters
    ----------
    name : str
        The contrast.
    test : str
        ``"t"`` or ``"F"``.
    dof : float
        Degrees of freedom, the median if they differ between voxels.
    n_significant : int or None
        Voxels with q < .05; None if no map tells.
    element : str
        What is counted, such as ``"voxels"``.
    pictures : tuple of (str, str)
        PNG in base 64, and alternative text, of each part of the brain.
    """

    name: str
    test: str
    dof: float
    n_significant: int | None
    element: str
    pictures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ResultOverview:
    """A result at the highest level of a participant."""

    model: str
    node: str
    level: str
    entities: Mapping[str, str]
    contrasts: tuple[ContrastOverview, ...]


@dataclass(frozen=True)
class RunOverview:
    """A fitted run; what is not known of it is None."""

    model: str
    entities: Mapping[str, str]
    n_volumes: int | None
    n_censored: int
    dof: float | None  # smallest of its contrasts
    notices: tuple[Notice, ...] = ()
    mean_fd: float | None = None  # framewise displacement in mm
    tsnr: float | None = None  # median over voxels


@dataclass(frozen=True)
class Overview:
    """A participant on the page of all participants.

    Parameters
    ----------
    subject : str
        Label.
    results : tuple of ResultOverview
        Those of the highest level of each model.
    runs : tuple of RunOverview
        Every run of every model.
    notices : tuple of Notice
        Exclusions and warnings of the report as a whole.
    """

    subject: str
    results: tuple[ResultOverview, ...] = ()
    runs: tuple[RunOverview, ...] = ()
    notices: tuple[Notice, ...] = ()

    def write(self, root: Path, state: str) -> None:
        """Write the overview with the state of what it was made of."""
        content = {"Format": FORMAT, "State": state, "Overview": asdict(self)}
        write_json(overview_file(root, self.subject), content)

    @classmethod
    def read(cls, root: Path, subject: str, state: str) -> "Overview | None":
        """Read the overview of a participant; None if it is missing, damaged or out of date."""
        try:
            content = load_json(overview_file(root, subject))
            if (content["Format"], content["State"]) != (FORMAT, state):
                return None
            return _overview(content["Overview"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def overview_state(root: Path, subject: str) -> str:
    """Return a digest of what the overview of a participant is made of."""
    files = [
        *record_files(root, [subject]),
        report_page_file(root, f"sub-{subject}"),
        *exclusion_files(root, subject),
    ]
    analyses = sorted((root / "models").glob(analysis_file_name("*")))
    return fingerprint(
        FORMAT, *map(_state, files), *(path.read_text("utf-8") for path in analyses)
    )


def _state(path: Path) -> list[str]:
    try:
        return [path.parent.name, path.name, checksum(path)]
    except FileNotFoundError:
        return [path.name]


def _overview(content: Mapping[str, Any]) -> Overview:
    return Overview(
        str(content["subject"]),
        tuple(_result(one) for one in content["results"]),
        tuple(_run(one) for one in content["runs"]),
        from_pairs(content["notices"]),
    )


def _result(content: Mapping[str, Any]) -> ResultOverview:
    contrasts = tuple(
        ContrastOverview(
            str(one["name"]),
            str(one["test"]),
            float(one["dof"]),
            None if one["n_significant"] is None else int(one["n_significant"]),
            str(one["element"]),
            tuple((str(png), str(alt)) for png, alt in one["pictures"]),
        )
        for one in content["contrasts"]
    )
    return ResultOverview(
        str(content["model"]),
        str(content["node"]),
        str(content["level"]),
        _entities(content),
        contrasts,
    )


def _run(content: Mapping[str, Any]) -> RunOverview:
    return RunOverview(
        str(content["model"]),
        _entities(content),
        None if content["n_volumes"] is None else int(content["n_volumes"]),
        int(content["n_censored"]),
        _number(content["dof"]),
        from_pairs(content["notices"]),
        _number(content["mean_fd"]),
        _number(content["tsnr"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _entities(content: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(label) for key, label in content["entities"].items()}
