"""Plan a group from first levels of other programs: its model, and what is not assumed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from boldglm.analysis.model.first_level_maps import (
    default_content,
    identity_of_maps,
    levels_above,
    node_of_maps,
    with_run_node,
)
from boldglm.analysis.model.identity import FIRST_LEVEL
from boldglm.analysis.model.model import Model, parse_model
from boldglm.analysis.model.model_options import model_options
from boldglm.analysis.model.renamed import renamed_model
from boldglm.analysis.plan.levels import LevelPlan
from boldglm.analysis.plan.models_of_results import HigherModelChoice
from boldglm.analysis.plan.saved_model import as_saved, check_nodes
from boldglm.errors import BadDataError, MissingInputError, UsageError
from boldglm.glm.design.summaries import counted
from boldglm.io.entities import entities_stem
from boldglm.io.files.json_files import load_json
from boldglm.io.first_levels.find import FirstLevels
from boldglm.io.first_levels.maps import FirstLevelMaps
from boldglm.io.outputs.analyses import save_analysis, saved_analyses
from boldglm.io.outputs.names import analysis_file_name, clashing_labels, model_file_name
from boldglm.io.outputs.records import Record
from boldglm.notices import Notice, note, warning
from boldglm.vocabulary import ESTIMATOR

PERCENT = "%"


@dataclass(frozen=True)
class FirstLevelPlan:
    """The model of a group of maps, and where the maps enter it.

    Parameters
    ----------
    model : Model
        The model.
    node : str
        The node whose results the maps are.
    levels : tuple of str
        Levels to fit.
    first_levels : FirstLevels
        The maps.
    notices : tuple of Notice
        What is unknown of them.
    """

    model: Model
    node: str
    levels: tuple[str, ...]
    first_levels: FirstLevels
    notices: tuple[Notice, ...]

    @property
    def results(self) -> dict[tuple[tuple[str, str], ...], list[FirstLevelMaps]]:
        """The maps by the entities of the result that they belong to."""
        by_result: dict[tuple[tuple[str, str], ...], list[FirstLevelMaps]] = {}
        for maps in self.first_levels.maps:
            by_result.setdefault(maps.result, []).append(maps)
        return by_result


def plan_first_levels(first_levels: FirstLevels, choice: HigherModelChoice) -> FirstLevelPlan:
    """Choose the model of a group of maps.

    Parameters
    ----------
    first_levels : FirstLevels
        The maps.
    choice : HigherModelChoice
        A model file, or none for the mean of each contrast over participants.

    Returns
    -------
    FirstLevelPlan

    Raises
    ------
    BadDataError
        If the scales of effects differ, contrasts would have the same file names, or the maps do
        not suit the model.
    UsageError
        If options of a fit were given, which has been done elsewhere.
    """
    if choice.fit_options:
        raise UsageError(
            "--first-level gives results of fits that other programs did, so options of the fit "
            f"({', '.join(choice.fit_options)}) change nothing. Leave them out."
        )
    found = first_levels.maps
    notices = [*first_levels.notices, *_scale_notices(found), *_unknown(found)]
    names = list(dict.fromkeys(maps.contrast for maps in found))
    for one, other in clashing_labels(names):
        raise BadDataError(
            f"The contrasts {one!r} and {other!r} would have the same file names. Rename one of "
            "them (in a table: column contrast)."
        )
    has_runs = any("run" in maps.entities for maps in found)
    tasks = {maps.entities.get("task") for maps in found}
    content = default_content(has_runs=has_runs, has_tasks=len(tasks) > 1)
    model = _model(choice, content, found[0].scale)
    levels = levels_above(has_runs=has_runs)
    node = node_of_maps(model, levels)
    if has_runs and model.spec.node(node).level != "run":
        raise BadDataError(
            f"The maps are of single runs, but node {node!r} of the model is at the "
            f"{model.spec.node(node).level} level. Add a Run node before it."
        )
    return FirstLevelPlan(model, node, levels, first_levels, tuple(notices))


def _model(choice: HigherModelChoice, content: Any, scale: str) -> Model:
    """Return the model of a file, or the default one of this content, with its identity."""
    file = choice.file
    if file is not None:
        try:
            content = with_run_node(load_json(file))
        except OSError as error:
            message = f"The model {file} cannot be read: {error.strerror}."
            raise MissingInputError(message) from error
        except ValueError as error:
            raise BadDataError(f"The model {file} is not valid JSON: {error}.") from error
    if choice.name is not None:
        content = renamed_model(content, choice.name)
    file_name = file.name if file is not None else model_file_name(content["Name"])
    scaling = {"SignalScaling": "percent" if scale == PERCENT else "none"}
    model = parse_model(content, file_name, scaling, choice.level_options)
    identity = identity_of_maps(model.spec, file.name if file is not None else None)
    return replace(model, identity=identity)


def _scale_notices(found: Sequence[FirstLevelMaps]) -> list[Notice]:
    """Say what is known of the units of effects; refuse units that differ."""
    scales: dict[str, list[FirstLevelMaps]] = {}
    for maps in found:
        scales.setdefault(maps.scale, []).append(maps)
    known = [scale for scale in scales if scale]
    if len(known) > 1:
        examples = "; ".join(f"{scales[scale][0].effect}: {scale}" for scale in known)
        raise BadDataError(
            f"The effects have different units, as their sidecars say: {examples}. Effects of "
            "different units cannot be compared. Estimate them with one scaling, or correct the "
            "sidecars."
        )
    if known and "" in scales:
        return [
            warning(
                f"the units of effects are {known[0]} as some sidecars say, and others (such as "
                f"that of {scales[''][0].effect.name}) say nothing. Check that all are the same"
            )
        ]
    if known == [PERCENT]:
        return []
    what = f" ({known[0]}), and" if known else ", no sidecar names their units, and"
    return [
        note(
            f"effects are on the scale of the program that estimated them{what} boldglm does "
            "not change it. Means and differences over participants have a meaning only if all "
            "first levels were scaled alike"
        )
    ]


def _unknown(found: Sequence[FirstLevelMaps]) -> list[Notice]:
    """Say which variances, degrees of freedom and masks are not known."""
    notices = []
    n_maps = len(found)

    def count(maps: Iterable[FirstLevelMaps]) -> tuple[int, str]:
        listed = list(maps)
        if not listed:
            return 0, ""
        which = "no map" if len(listed) == n_maps else f"{len(listed)} of {n_maps} effects have no"
        return len(listed), which

    without, words = count(maps for maps in found if maps.variance is None)
    if without:
        start = "no effect has a" if without == n_maps else words
        notices.append(note(f"{start} variance, so they can enter least squares only"))
    without, words = count(maps for maps in found if maps.variance and maps.dof is None)
    if without:
        start = "no variance has" if without == n_maps else f"{without} of {n_maps} variances have"
        end = "" if without == n_maps else "no "
        notices.append(
            note(f"{start} {end}degrees of freedom that are known, so fixed effects are refused")
        )
    without, words = count(maps for maps in found if maps.mask is None)
    if without:
        start = "no effect has a" if without == n_maps else words
        notices.append(
            note(f"{start} mask: voxels whose effect is 0 or not a number count as outside of it")
        )
    return notices


def check_saved_models(output_dir: Path, model: Model) -> None:
    """Refuse a model whose results would take the place of those of another analysis.

    Raises
    ------
    UsageError
        If the folder has an analysis of runs with this name, or another whose nodes have the same
        names.
    """
    saved = saved_analyses(output_dir)
    check_nodes(model, saved)
    file_name = analysis_file_name(model.name)
    same = next((one for one in saved if analysis_file_name(one.name) == file_name), None)
    if same is not None and FIRST_LEVEL not in same.options:
        raise UsageError(
            f"{output_dir} has an analysis {same.name!r} of runs that boldglm fitted. Give the "
            "analysis of --first-level another name (--model-name NAME), or another OUTPUT_DIR."
        )


def save_first_level_model(output_dir: Path, model: Model) -> None:
    """Save the model in the output folder, in place of an earlier one of maps."""
    analysis = as_saved(model)
    saved = {one.name: one.to_dict() for one in saved_analyses(output_dir)}
    if saved.get(model.name) != analysis.to_dict():
        save_analysis(output_dir, analysis, replace=True)


def check_variances(
    model: Model, planned: Sequence[LevelPlan], records: Mapping[Path, Record]
) -> None:
    """Refuse nodes that need variances or degrees of freedom that other programs did not give.

    Raises
    ------
    BadDataError
        Names the node, the method, the inputs and what they lack.
    """
    for level in planned:
        node = level.plan.node
        fixed = node.type == "meta"
        method = "fixed" if fixed else model_options(node, model.name).get("Estimator", ESTIMATOR)
        if method == "ols":
            continue
        lacking: dict[str, list[str]] = {"variances": [], "degrees of freedom": []}
        for item in (item for fit in level.plan.fits for item in fit.inputs):
            record = records.get(Path(item.key))
            maps = record.result.contrast(item.contrast) if record else None
            if record is None or maps is None:
                continue
            label = f"{entities_stem(record.entities)} ({item.contrast})"
            if "variance" not in maps.maps:
                lacking["variances"].append(label)
            elif method == "fixed" and not maps.dof:
                lacking["degrees of freedom"].append(label)
        for what, labels in lacking.items():
            if labels:
                raise BadDataError(_lacking(node.name, method, what, labels))


def _lacking(node: str, method: str, what: str, labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    column = "variance" if what == "variances" else "dof"
    return (
        f"Node {node!r} combines its inputs by {method} effects, which need {what}, but "
        f"{counted(len(labels), 'input')} of --first-level "
        f"{'has' if len(labels) == 1 else 'have'} none: {', '.join(labels[:3])}{more}. Give them "
        f"(in a table: column {column}), or use least squares (Type glm, Estimator ols)."
    )
