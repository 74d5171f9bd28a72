"""Whether a call belongs to an analysis that its output folder has already."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from boldglm.analysis.model.identity import (
    DEFAULT,
    MODEL,
    VERSION,
    Identity,
    comparable_differences,
    first_difference,
    identity_of,
    option_words,
)
from boldglm.analysis.model.model import Model, parse_model
from boldglm.errors import UsageError
from boldglm.io.outputs.analyses import SavedAnalysis, save_analysis, saved_analyses
from boldglm.io.outputs.names import analysis_file_name, model_file_name
from boldglm.notices import Notice, note, warning
from boldglm.vocabulary import LEVELS

PARTICIPANT_LEVELS = LEVELS[:-1]


def settled_model(
    model: Model, identity: Identity, output_dir: Path, *, replaces: bool
) -> tuple[Model, tuple[Notice, ...]]:
    """Return the model to fit, with its identity, if it suits the output folder.

    Parameters
    ----------
    model : Model
        The model of this call.
    identity : Identity
        Its identity.
    output_dir : Path
        Root of the derivative dataset.
    replaces : bool
        Whether this analysis takes the place of an earlier one with the same name.

    Returns
    -------
    model : Model
        `model`, or, if the default model of the same options was saved earlier, the saved one.
    notices : tuple of Notice
        Whether it differs from `model`, because the dataset has changed.

    Raises
    ------
    UsageError
        If the folder has an analysis of that name with other options or another model, or one of
        another name whose results would have the same file names.
    """
    saved = saved_analyses(output_dir)
    model = replace(model, identity=identity)
    check_nodes(model, saved)
    file_name = analysis_file_name(model.name)
    same = next((one for one in saved if analysis_file_name(one.name) == file_name), None)
    if same is None or replaces:
        return model, ()
    differences = _differences(same, model, identity)
    if differences:
        raise UsageError(
            f"{output_dir} has an analysis {same.name!r} already, and this call differs from it: "
            f"{'; '.join(differences)}. All participants of an analysis are fitted alike. Repeat "
            "the call with the same options, choose another OUTPUT_DIR, keep both with "
            "--model-name NAME, or replace the earlier analysis with --fresh."
        )
    if _are_default(same, identity) and dict(same.nodes) != dict(identity.nodes):
        return _saved_default(model, same, identity)
    return model, ()


def save_model(output_dir: Path, model: Model, *, replaces: bool) -> tuple[Notice, ...]:
    """Save the analysis of a model in the output folder, unless an earlier job did.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    model : Model
        From `settled_model`.
    replaces : bool
        Whether it takes the place of an earlier analysis of the same name.

    Returns
    -------
    tuple of Notice
        Says whether the dataset level of the saved model was replaced.

    Raises
    ------
    UsageError
        If another job has saved another analysis of that name since the plan was made.
    """
    analysis = as_saved(model)
    saved = save_analysis(output_dir, analysis, replace=replaces)
    if dict(saved.nodes) == dict(analysis.nodes):
        return ()
    if _changed_nodes(saved, model):
        raise UsageError(
            f"Another job has saved the analysis {saved.name!r} in {output_dir} just now, and it "
            "is not the one of this call. Repeat the call to see what differs."
        )
    return (replace_model(output_dir, saved, analysis),)


def as_saved(model: Model) -> SavedAnalysis:
    """Return the analysis of a model as an output folder keeps it."""
    identity = model.identity
    assert identity is not None
    source = dict(model.spec.source)
    return SavedAnalysis(model.name, identity.version, identity.options, identity.nodes, source)


def replace_model(output_dir: Path, saved: SavedAnalysis, analysis: SavedAnalysis) -> Notice:
    """Save an analysis that differs from the saved one above its results only, and say so."""
    save_analysis(output_dir, analysis, replace=True)
    place = first_difference(dict(saved.model), dict(analysis.model)) or "$"
    return note(
        f"models/{model_file_name(saved.name)} was replaced by the model of this call, which "
        f"differs from it at {place}; results of the nodes below that are the same"
    )


def check_nodes(model: Model, saved: Sequence[SavedAnalysis]) -> None:
    """Refuse a model whose results would take the place of those of another model."""
    assert model.identity is not None
    for other in saved:
        if other.name == model.name or not _share_a_task(model, other):
            continue
        for name, digest in model.identity.nodes.items():
            if other.nodes.get(name, digest) != digest:
                raise UsageError(
                    f"OUTPUT_DIR has results of the model {other.name!r}, whose node {name!r} "
                    f"differs from the node of that name in the model {model.name!r}. Their files "
                    "would have the same names. Give the nodes of this model names of their own "
                    "with --model-name NAME, or choose another OUTPUT_DIR."
                )


def _share_a_task(model: Model, other: SavedAnalysis) -> bool:
    named = other.tasks
    return not named or not model.tasks or bool(named & set(model.tasks))


def _are_default(saved: SavedAnalysis, identity: Identity) -> bool:
    return saved.options.get(MODEL) == identity.options.get(MODEL) == DEFAULT


def _differences(saved: SavedAnalysis, model: Model, identity: Identity) -> list[str]:
    """Return in words what differs from a saved analysis of the same name."""
    if saved.name != identity.name:
        return [f"its model is {saved.name!r}, this one {identity.name!r}"]
    if saved.tasks != set(model.tasks) and _are_default(saved, identity):
        return [f"it is of the task {', '.join(sorted(saved.tasks))}, not of "
                f"{', '.join(sorted(model.tasks))}"]  # fmt: skip
    changed = _changed_nodes(saved, model)
    pairs = comparable_differences(saved.options, identity.options)
    if not _are_default(saved, identity) and not changed:
        pairs = []  # options of the fit are part of the model, which the digests compare
    if saved.version != identity.version:
        pairs.append((VERSION, saved.version, identity.version))
    if not pairs and changed and not _are_default(saved, identity):
        place = first_difference(dict(saved.model), dict(model.spec.source)) or "$"
        return [f"the models differ at {place}"]
    return [
        f"the analysis has {option_words(name, theirs)}, this call {option_words(name, ours)}"
        for name, theirs, ours in pairs
    ]


def _changed_nodes(saved: SavedAnalysis, model: Model) -> list[str]:
    """Return the nodes of participants that differ from those of a saved analysis."""
    levels = {node.name: node.level for node in model.spec.nodes}
    return [
        name
        for name, level in levels.items()
        if saved.nodes.get(name) != model.digest_of(name) and level in PARTICIPANT_LEVELS
    ]


def _saved_default(
    model: Model, saved: SavedAnalysis, identity: Identity
) -> tuple[Model, tuple[Notice, ...]]:
    """Return the default model that the first job saved, from an earlier state of the dataset."""
    file_name = model_file_name(saved.name)
    read = parse_model(dict(saved.model), file_name)
    place = first_difference(dict(saved.model), dict(model.spec.source)) or "$"
    text = (
        f"the dataset has changed since models/{file_name} was saved: the default model of today "
        f"differs from it at {place}. The saved model is fitted, so that all participants have "
        "the same. To make a new one, fit all of them again with --fresh"
    )
    again = identity_of(read.spec, identity.options, identity.selection)
    return replace(read, identity=again), (warning(text),)
