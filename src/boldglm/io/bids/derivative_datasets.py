"""Derivative datasets: those that a person names, or what fMRIPrep left in the dataset."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boldglm.errors import InvalidDatasetError, MissingInputError, NothingSelectedError
from boldglm.io.bids.sidecars import read_object

PIPELINES = ("fmriprep", "nibabies")  # what a folder of derivatives/ must be from to be taken
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Derivative:
    """A derivative dataset: its name in BIDS URIs, its folder and the pipeline it is from."""

    name: str
    path: Path
    pipeline: str

    def uri(self, path: Path) -> str:
        """Return the BIDS URI of a file in it."""
        return f"bids:{self.name}:{path.relative_to(self.path).as_posix()}"

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of its participants."""
        folders = (one for one in self.path.glob("sub-*") if one.is_dir())
        return tuple(sorted(one.name.removeprefix("sub-") for one in folders))


def find_derivatives(bids_dir: Path, given: Sequence[str] | None) -> tuple[Derivative, ...]:
    """Find the derivatives to fit: those given, or what fMRIPrep left in the dataset.

    Parameters
    ----------
    bids_dir : Path
        The raw dataset.
    given : sequence of str or None
        Folders, each perhaps as ``name=folder``; ``none`` for no derivatives; None to look for
        fMRIPrep's in ``derivatives/``.

    Returns
    -------
    tuple of Derivative
        Empty if the raw series are to be fitted.

    Raises
    ------
    MissingInputError, InvalidDatasetError
        If a folder is not there, or has no participants.
    NothingSelectedError
        If the dataset has several such derivatives and none was given, or a name is used twice.
    """
    if given is None:
        found = [one for one in _candidates(bids_dir / "derivatives") if _is_fmriprep(one)]
        if len(found) > 1:
            listed = ", ".join(str(one.relative_to(bids_dir)) for one in found)
            raise NothingSelectedError(
                f"{bids_dir} has several preprocessed derivatives: {listed}. Choose one with -d, "
                "or the raw series with -d none."
            )
        for one in found:
            logger.info("Using the preprocessed data in %s (-d none uses the raw data)", one)
        return tuple(_derivative(one.name, one) for one in found)
    if list(given) == ["none"]:
        return ()
    derivatives = tuple(_given(text) for text in given)
    names = [one.name for one in derivatives]
    for name in names:
        if name == "raw" or names.count(name) > 1:
            raise NothingSelectedError(
                f"-d: the name {name!r} is taken: give each its own as name=folder."
            )
    return derivatives


def _candidates(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [folder, *sorted(one for one in folder.iterdir() if one.is_dir())]


def _is_fmriprep(folder: Path) -> bool:
    names = [folder.name, _pipeline(folder)] if any(folder.glob("sub-*")) else []
    return any(name.lower().startswith(PIPELINES) for name in names)


def _given(text: str) -> Derivative:
    name, separator, folder = text.partition("=")
    path = Path(folder if separator else text)
    if not path.is_dir():
        raise MissingInputError(f"-d {text}: there is no folder {path}.")
    return _derivative(name if separator else path.resolve().name, path)


def _derivative(name: str, path: Path) -> Derivative:
    if not any(path.glob("sub-*")):
        inside = sorted(one.name for one in path.iterdir() if one.is_dir())
        raise InvalidDatasetError(
            f"{path} is no derivative dataset: it has no sub-* folders (it has: "
            f"{', '.join(inside[:10]) or 'none at all'}). Give the folder that holds them."
        )
    label = "".join(char if char.isalnum() else "-" for char in name).strip("-") or "derivative"
    path = path.resolve()
    return Derivative(label, path, _pipeline(path) or path.name)


def _pipeline(folder: Path) -> str:
    """Return name and version of what made a derivative dataset; empty if it does not say."""
    path = folder / "dataset_description.json"
    if not path.is_file():
        return ""
    content = read_object(path)
    made = content.get("GeneratedBy") or [content.get("PipelineDescription") or {}]
    first = made[0] if isinstance(made, list) and made and isinstance(made[0], dict) else {}
    return " ".join(str(first[key]) for key in ("Name", "Version") if first.get(key))
