"""The models that finished results in an output folder belong to, for levels above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from boldglm.analysis.model.identity import (
    differing_options,
    first_difference,
    identity_of,
    option_words,
)
from boldglm.analysis.model.model import Model, parse_model, read_model
from boldglm.analysis.plan.saved_model import as_saved, check_nodes, replace_model
from boldglm.errors import BadDataError, MissingInputError, NothingSelectedError, UsageError
from boldglm.io.outputs.analyses import (
    MODELS,
    SavedAnalysis,
    is_edited,
    save_analysis,
    saved_analyses,
)
from boldglm.io.outputs.names import model_file_name
from boldglm.notices import Notice
from boldglm.suggestions import list_known


@dataclass(frozen=True)
class HigherModelChoice:
    """Which model the levels above finished results have.

    Parameters
    ----------
    file : Path or None
        A model file; None for every model of the output folder.
    name : str, optional
        With a file, another name for its model, which also precedes the names of its nodes;
        without, the name of the only model to fit.
    fit_options : mapping
        Keys of `Software.boldglm` that the results have instead of those of the run node of
        `file`.
    level_options : mapping
        Keys of `Software.boldglm` that override those of higher-level nodes, by level.
    """

    file: Path | None = None
    name: str | None = None
    fit_options: Mapping[str, Any] = field(default_factory=dict)
    level_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultModels:
    """The models to fit at some levels, and those of them that the output folder does not have."""

    models: tuple[Model, ...]
    new: tuple[Model, ...] = ()


def models_of_results(
    output_dir: Path, choice: HigherModelChoice, levels: Sequence[str]
) -> ResultModels:
    """Return the models to fit at some levels, each with the identity of its results.

    A model file in the output folder that was edited since it was saved is read like one that the
    user names.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    choice : HigherModelChoice
        A model file, or all models of the folder.
    levels : sequence of str
        Levels to fit.

    Returns
    -------
    ResultModels
        The model of the file, or those of the folder.

    Raises
    ------
    MissingInputError
        If the folder has no analysis.
    BadDataError
        If the nodes of a file below `levels` are not those that the results were fitted with.
    NothingSelectedError
        If the folder has no analysis of the name that was chosen.
    """
    saved = saved_analyses(output_dir)
    if not saved:
        raise MissingInputError(
            f"{output_dir} has no models/model-*_analysis.json. Run the participant level with "
            "this output folder first."
        )
    if choice.file is not None:
        model = _model_of_file(choice.file, choice, saved, levels)
        return ResultModels((model,), (model,))
    named = [
        one for one in _different(saved) if choice.name is None or _is_named(one, choice.name)
    ]
    if not named:
        names = [one.name for one in saved]
        raise NothingSelectedError(
            f"--model-name {choice.name}: the output folder has no analysis of that name."
            f"{list_known(str(choice.name), names)}"
        )
    models, edited = [], []
    for one in _different(named):
        path = output_dir / MODELS / model_file_name(one.name)
        if not is_edited(path, one):
            models.append(_saved_model(one, choice.level_options))
            continue
        model = _model_of_file(path, replace(choice, name=None), saved, levels)
        models.append(model)
        edited.append(model)
    return ResultModels(tuple(models), tuple(edited))


def _different(saved: Sequence[SavedAnalysis]) -> list[SavedAnalysis]:
    """Leave out analyses that are another one under a second name, with the same results."""
    first = {tuple(sorted(one.nodes.items())): one for one in reversed(saved)}
    return [one for one in saved if first[tuple(sorted(one.nodes.items()))] is one]


def _is_named(saved: SavedAnalysis, name: str) -> bool:
    """Say whether an analysis has a name, perhaps followed by its task."""
    labels = saved.tasks
    return saved.name in (name, *(f"{name}{task[:1].upper()}{task[1:]}" for task in labels))


def saved_models(output_dir: Path) -> list[Model]:
    """Return the models of an output folder as they were saved, with their identities."""
    return [_saved_model(one) for one in saved_analyses(output_dir)]


def current_digests(output_dir: Path) -> frozenset[str]:
    """Return the digests of the nodes of all analyses of an output folder.

    A result with another digest is of an earlier analysis, which no report shows.
    """
    identities = [model.identity for model in saved_models(output_dir)]
    return frozenset(digest for one in identities if one for digest in one.nodes.values())


def _saved_model(
    saved: SavedAnalysis, level_options: Mapping[str, Mapping[str, Any]] | None = None
) -> Model:
    model = parse_model(
        dict(saved.model), model_file_name(saved.name), level_options=level_options
    )
    identity = identity_of(model.spec, saved.options, version=saved.version)
    return replace(model, identity=identity)


def _model_of_file(
    file: Path, choice: HigherModelChoice, saved: Sequence[SavedAnalysis], levels: Sequence[str]
) -> Model:
    """Read a model file whose lower nodes are those of an analysis in the folder."""
    model = read_model(file, choice.fit_options, choice.level_options, choice.name)
    below = [node.name for node in model.spec.nodes if node.level not in levels]
    for one in saved:
        identity = identity_of(model.spec, one.options, version=one.version)
        if all(one.nodes.get(name) == identity.nodes[name] for name in below):
            model = replace(model, identity=identity)
            check_nodes(model, saved)
            return model
    named = [one for one in saved if one.name == model.name]
    nearest = (named or list(saved))[0]
    raise BadDataError(
        f"{file.name}: no results in the output folder were fitted with its "
        f"{' and '.join(map(repr, below))} {'node' if len(below) == 1 else 'nodes'}. The analysis "
        f"{nearest.name!r} there differs {_place(model, nearest, below)}. Run the participant "
        f"level with --model {file} first (with --model-name NAME or in another OUTPUT_DIR, to "
        "keep the earlier results), or leave out --model to fit the models of the results."
    )


def _place(model: Model, saved: SavedAnalysis, below: Sequence[str]) -> str:
    """Say where the nodes below the fitted levels differ from those of an analysis."""
    ours, theirs = (
        {
            "Input": content.get("Input"),
            "Nodes": [node for node in content["Nodes"] if node.get("Name") in below],
            "Edges": content.get("Edges"),
        }
        for content in (model.spec.source, saved.model)
    )
    place = first_difference(theirs, ours)
    return f"at {place}" if place else "in the edges between them"


def save_new_model(output_dir: Path, model: Model) -> tuple[Notice, ...]:
    """Save a model in the output folder, once its levels are to be fitted.

    Returns
    -------
    tuple of Notice
        Says whether it replaces another model of that name.
    """
    analysis = as_saved(model)
    earlier = [one for one in saved_analyses(output_dir) if one.name == model.name]
    if not earlier:
        save_analysis(output_dir, analysis, replace=True)
        return ()
    if dict(earlier[0].nodes) == dict(analysis.nodes):
        return ()
    return (replace_model(output_dir, earlier[0], analysis),)


def refuse_other_options(
    models: Sequence[Model], given: Mapping[str, Any], levels: Sequence[str]
) -> None:
    """Refuse options that the results, which a level starts from, do not have.

    Parameters
    ----------
    models : sequence of Model
        The models to fit.
    given : mapping
        Options of this call that lower levels depend on.
    levels : sequence of str
        Levels to fit.

    Raises
    ------
    UsageError
        If an option differs from that of the analysis.
    """
    for model in models:
        assert model.identity is not None
        options = {name: model.identity.options.get(name) for name in given}
        for name, theirs, ours in differing_options(options, given):
            raise UsageError(
                f"The {' and '.join(levels)} level starts from the results in OUTPUT_DIR, and "
                f"{option_words(name, ours)} does not suit them: the analysis {model.name!r} has "
                f"{option_words(name, theirs)}. Leave out the option, or run the participant "
                "level with it, in another OUTPUT_DIR or with --model-name NAME."
            )
