"""The analyses of an output folder, each in a file that its first job writes.

`models/model-<name>_analysis.json` has the options and the model; `model-<name>_smdl.json` beside
it is the model alone, for other programs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError
from boldglm.io.files.atomic import write_first
from boldglm.io.files.json_files import json_bytes, load_json, write_json
from boldglm.io.outputs.names import analysis_file_name, model_file_name

MODELS = "models"
KEYS = ("Name", "Version", "Options", "Nodes", "Model")


@dataclass(frozen=True)
class SavedAnalysis:
    """An analysis as an output folder has it.

    Parameters
    ----------
    name : str
        Name of the model.
    version : str
        Version of boldglm that the first job had.
    options : mapping
        Options that change numbers.
    nodes : mapping of str to str
        Digest of each node, as in `boldglm.analysis.model.identity.Identity`.
    model : mapping
        Content of the BIDS Stats Model.
    """

    name: str
    version: str
    options: Mapping[str, Any]
    nodes: Mapping[str, str]
    model: Mapping[str, Any]

    @property
    def tasks(self) -> frozenset[str]:
        """Labels of the tasks that the model is for; empty means any."""
        entities = self.model.get("Input")
        tasks = entities.get("task") if isinstance(entities, dict) else None
        return frozenset({tasks} if isinstance(tasks, str) else map(str, tasks or ()))

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {
            "Name": self.name,
            "Version": self.version,
            "Options": dict(self.options),
            "Nodes": dict(self.nodes),
            "Model": dict(self.model),
        }


def saved_analyses(output_dir: Path) -> tuple[SavedAnalysis, ...]:
    """Return the analyses of an output folder, in the order of their file names.

    Raises
    ------
    BadDataError
        If a file is damaged.
    """
    paths = sorted((output_dir / MODELS).glob(analysis_file_name("*")))
    return tuple(_read(path) for path in paths)


def saved_analysis(output_dir: Path, name: str) -> SavedAnalysis | None:
    """Return the analysis with a model of this name, or None."""
    path = output_dir / MODELS / analysis_file_name(name)
    return _read(path) if path.exists() else None


def save_analysis(output_dir: Path, analysis: SavedAnalysis, *, replace: bool) -> SavedAnalysis:
    """Save an analysis, unless the folder has one of that name; return what it has.

    Of several jobs that do this at the same time, one writes the file and all return its content.

    Parameters
    ----------
    output_dir : Path
        Output folder.
    analysis : SavedAnalysis
        The analysis.
    replace : bool
        Whether it takes the place of an earlier one.

    Raises
    ------
    CannotWriteError
        If the folder cannot be written.
    """
    path = output_dir / MODELS / analysis_file_name(analysis.name)
    if replace:
        write_json(path, analysis.to_dict())
        there = analysis
    else:
        write_first(path, json_bytes(analysis.to_dict()))
        there = _read(path)
    model_file = output_dir / MODELS / model_file_name(there.name)
    if replace or not model_file.exists():  # a person may have edited it, for the group level
        write_json(model_file, there.model)
    return there


def is_edited(path: Path, saved: SavedAnalysis) -> bool:
    """Say whether a model file is there and has other content than was saved in it.

    Raises
    ------
    BadDataError
        If it cannot be read.
    """
    try:
        return bool(load_json(path) != saved.model)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise BadDataError(f"The model {path} cannot be read: {error}. Delete it.") from error


def _read(path: Path) -> SavedAnalysis:
    try:
        content = load_json(path)
        saved = SavedAnalysis(*(content[key] for key in KEYS))
        for mapping in (saved.options, saved.nodes, saved.model):
            if not isinstance(mapping, dict):
                raise TypeError("Options, Nodes and Model must be objects")
        texts = (saved.name, saved.version, *saved.nodes.values())
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("Name, Version and digests must be texts")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise BadDataError(
            f"{path} is damaged: {reason}. Delete it and repeat the participant level; results "
            "that suit the analysis are kept."
        ) from error
    return saved
