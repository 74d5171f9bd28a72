"""Whether a run must have an events file: not if the model names confounds only."""

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from boldglm.analysis.model.model import read_model
from boldglm.glm.design.confound_names import confound_category, is_pattern
from boldglm.io.bids.confounds_table import read_confounds
from boldglm.io.bids.query import RunFiles
from boldglm.stats_model.formula import formula_of
from boldglm.stats_model.specification import NodeSpec
from boldglm.stats_model.transformations.instructions import as_list

_INPUT_KEYS = ("Input", "Target", "Other", "By")
_OTHER_CONFOUNDS = (
    *("motion_outlier", "non_steady_state_outlier", "framewise_displacement", "dvars"),
    *("std_dvars", "rmsd"),
)


def events_needed(model_file: Path | None) -> Callable[[RunFiles], bool]:
    """Return a function that tells whether a run must have an events file.

    Parameters
    ----------
    model_file : Path or None
        The model file, which is read when a run without events is met; None for the default
        model, which needs events.

    Returns
    -------
    callable
        Takes the files of a run.
    """
    if model_file is None:
        return lambda _: True

    @cache
    def run_node() -> NodeSpec:
        return read_model(model_file).run_node

    def is_needed(run: RunFiles) -> bool:
        columns = read_confounds(*run.confounds).columns if run.confounds else ()
        return needs_events(run_node(), columns)

    return is_needed


def needs_events(node: NodeSpec, columns: Sequence[str]) -> bool:
    """Tell whether a run node names a variable that comes from events.

    Parameters
    ----------
    node : NodeSpec
        The run node.
    columns : sequence of str
        Columns of the confounds table of a run. Names that fMRIPrep gives to confounds count as
        confounds also where the table lacks them.
    """
    names = [str(term) for term in node.x if term != 1]
    names += formula_of(node).variables if node.formula else ()
    names += node.hrf.variables if node.hrf is not None else ()
    made: set[str] = set()
    for instruction in node.instructions:
        names += _names_in(instruction, *_INPUT_KEYS)
        outputs = list(_names_in(instruction, "Output"))
        suffix = "".join(_names_in(instruction, "OutputSuffix"))
        if outputs or suffix:
            made |= {name + suffix for name in outputs or _names_in(instruction, "Input")}
    return any(not _matches(name, (*columns, *made)) and not _is_confound(name) for name in names)


def _names_in(instruction: dict[str, Any], *keys: str) -> Iterator[str]:
    """Return the names under some keys of an instruction; case of the keys does not matter."""
    lowered = {key.lower().replace("_", ""): value for key, value in instruction.items()}
    for key in keys:
        listed = as_list(lowered.get(key.lower(), []))
        yield from (name for name in listed if isinstance(name, str))


def _matches(name: str, known: Sequence[str]) -> bool:
    return name in known or (is_pattern(name) and any(fnmatchcase(one, name) for one in known))


def _is_confound(name: str) -> bool:
    return confound_category(name) != "other" or name.startswith(_OTHER_CONFOUNDS)
