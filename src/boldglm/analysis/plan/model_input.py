"""What `Input` of a model file selects, and whom it leaves out."""

from collections.abc import Sequence
from pathlib import Path

from boldglm.analysis.model.model import Model
from boldglm.errors import BadDataError, NothingSelectedError
from boldglm.io.bids.query import RunFiles
from boldglm.io.entities import entities_stem
from boldglm.notices import Notice, exclusion, note
from boldglm.stats_model.entity_names import ENTITY_KEYS, SERIES_KEYS
from boldglm.suggestions import did_you_mean

MOST_NAMED = 10


def select_input(files: Sequence[RunFiles], model: Model, file: Path) -> list[RunFiles]:
    """Return the runs that the Input of the model selects.

    Parameters
    ----------
    files : sequence of RunFiles
        Runs to select from.
    model : Model
        The model.
    file : Path
        The file of the model, for messages.

    Returns
    -------
    list of RunFiles
        The runs, in the same order.

    Raises
    ------
    BadDataError
        If the model is for another task, for several, or for an entity that no run has.
    NothingSelectedError
        If it selects none of the runs.
    """
    selected = list(files)
    for key, labels in model.spec.input.items():
        known = list(dict.fromkeys(str(_label_of(run, key)) for run in selected))
        selected = [
            run
            for run in selected
            if any(_is_same_label(str(_label_of(run, key)), label) for label in labels)
        ]
        if known == ["None"] and key not in (*ENTITY_KEYS, *SERIES_KEYS):
            raise BadDataError(
                f"{file.name}, at $.Input.{key}: no run has this entity."
                f"{did_you_mean(key, list(ENTITY_KEYS))} "
                f"The runs have {', '.join(files[0].entities)}."
            )
        if not selected:
            error = BadDataError if key == "task" else NothingSelectedError
            raise error(
                f"{file.name}, at $.Input.{key}: the model is for {key} "
                f"{', '.join(map(repr, labels))}, but the selected runs have {', '.join(known)}. "
                "Change Input, or choose other runs."
            )
    tasks = list(dict.fromkeys(run.entities["task"] for run in selected))
    if "task" not in model.spec.input and len(tasks) > 1:
        raise BadDataError(
            f"{file.name} names no task (Input.task), and the runs have several: "
            f"{', '.join(tasks)}. Choose one with --task."
        )
    return selected


def _label_of(run: RunFiles, name: str) -> str | None:
    """Return what `Input` of a model selects by: an entity, or a part of the file name."""
    if name == "description":
        return run.kind or None
    stem, _, extension = run.bold.name.partition(".")
    parts = {"suffix": stem.rpartition("_")[2], "datatype": "func", "extension": f".{extension}"}
    return parts.get(name, run.entities.get(ENTITY_KEYS.get(name, name)))


def _is_same_label(label: str, label_in_model: str) -> bool:
    """Compare labels, ignoring leading zeros of numbers and a prefix such as ``sub-``."""
    label_in_model = label_in_model.rpartition("-")[2]
    if label.isdigit() and label_in_model.isdigit():
        return int(label) == int(label_in_model)
    return label == label_in_model


def left_out_by_input(
    files: Sequence[RunFiles], selected: Sequence[RunFiles], model: Model
) -> list[Notice]:
    """Say which participants and runs the Input of a model leaves out.

    Parameters
    ----------
    files, selected : sequence of RunFiles
        Runs before and after `select_input`.
    model : Model
        The model.
    """
    found, kept = [run.entities for run in files], [run.entities for run in selected]
    if len(found) == len(kept):
        return []
    keys = ", ".join(model.spec.input)
    start = (
        f"Input ({keys}) of the model {model.name!r} selects {len(kept)} of {len(found)} BOLD "
        "series"
    )
    subjects = {entities["sub"] for entities in kept}
    gone = dict.fromkeys(f"sub-{one['sub']}" for one in found if one["sub"] not in subjects)
    notices = []
    if gone:
        verb = "has" if len(gone) == 1 else "have"
        notices.append(exclusion(f"{start}: {_listed(list(gone))} {verb} none of them"))
    rest = [entities for entities in found if entities["sub"] in subjects and entities not in kept]
    if rest:
        names = [entities_stem(dict(entities)) for entities in rest]
        notices.append(note(f"{start}, not {_listed(names)}"))
    return notices


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
