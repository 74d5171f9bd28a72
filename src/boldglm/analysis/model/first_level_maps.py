"""The model of a group whose first levels other programs estimated."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from boldglm.analysis.model.identity import DEFAULT, FIRST_LEVEL, MODEL, Identity, identity_of
from boldglm.analysis.model.model import MODEL_VERSION, Model
from boldglm.errors import BadDataError
from boldglm.stats_model.specification import StatsModel

NAME = "firstLevel"  # of the default model and of its node
OF_MAPS = "maps"  # value of the option in an identity; the maps themselves are in records
ABOVE_RUNS = ("session", "subject", "dataset")
_DESCRIPTION = "Contrasts that another program estimated."


def default_content(*, has_runs: bool, has_tasks: bool = False) -> dict[str, Any]:
    """Return the content of the model that is fitted without a model file.

    Parameters
    ----------
    has_runs : bool
        Whether the maps are of single runs, which fixed effects combine within participants.
    has_tasks : bool
        Whether the maps are of several tasks, which are kept apart.

    Examples
    --------
    >>> [node["Level"] for node in default_content(has_runs=False)["Nodes"]]
    ['Run', 'Dataset']
    """
    apart = ["contrast", *(["task"] if has_tasks else [])]
    combined = {
        "Level": "Subject",
        "Name": "combined",
        "GroupBy": ["subject", *apart],
        "Model": {"Type": "meta", "X": [1]},
        "DummyContrasts": {"Test": "t"},
    }
    group = {
        "Level": "Dataset",
        "Name": "dataset",
        "GroupBy": apart,
        "Model": {"Type": "glm", "X": [1]},
        "DummyContrasts": {"Test": "t"},
    }
    return {
        "Name": NAME,
        "BIDSModelVersion": MODEL_VERSION,
        "Nodes": [_run_node(), *([combined] if has_runs else []), group],
    }


def with_run_node(content: Any) -> Any:
    """Return the content of a model file with a Run node for the maps, if it has none.

    Parameters
    ----------
    content : Any
        Content of the file; what is no model is returned as it is, to be refused where it is read.
    """
    nodes = content.get("Nodes") if isinstance(content, dict) else None
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        return content
    if any(str(node.get("Level", "")).lower() == "run" for node in nodes):
        return content
    changed = copy.deepcopy(content)
    changed["Nodes"] = [_run_node(), *changed["Nodes"]]
    edges = changed.get("Edges")
    if edges:
        ends = {edge.get("Destination") for edge in edges if isinstance(edge, dict)}
        names = [node.get("Name") or str(node.get("Level", "")).lower() for node in nodes]
        roots = [name for name in names if name not in ends]
        changed["Edges"] = [{"Source": NAME, "Destination": name} for name in roots] + edges
    return changed


def _run_node() -> dict[str, Any]:
    return {
        "Level": "Run",
        "Name": NAME,
        "GroupBy": ["run", "session", "subject"],
        "Model": {"Type": "glm", "X": [1]},
        "Description": _DESCRIPTION,
    }


def identity_of_maps(spec: StatsModel, file_name: str | None) -> Identity:
    """Return the identity of an analysis of maps.

    Parameters
    ----------
    spec : StatsModel
        The model.
    file_name : str or None
        Name of its file; None for the default model.
    """
    options: Mapping[str, Any] = {MODEL: file_name or DEFAULT, FIRST_LEVEL: OF_MAPS}
    return identity_of(spec, options)


def levels_above(*, has_runs: bool) -> tuple[str, ...]:
    """Return the levels to fit: those above the run, or the dataset level alone."""
    return ABOVE_RUNS if has_runs else ("dataset",)


def node_of_maps(model: Model, levels: Sequence[str]) -> str:
    """Return the node whose results the maps are.

    Parameters
    ----------
    model : Model
        The model.
    levels : sequence of str
        Levels to fit.

    Raises
    ------
    BadDataError
        If the levels start from several nodes, or from none.
    """
    spec = model.spec
    parents = [
        edge.source
        for node in spec.nodes
        if node.level in levels
        for edge in spec.edges_into(node)
        if spec.node(edge.source).level not in levels
    ]
    names = list(dict.fromkeys(parents))
    if len(names) == 1:
        return names[0]
    what = f"start from the nodes {', '.join(map(repr, names))}" if names else "start from no node"
    raise BadDataError(
        f"The model {model.name!r}: its nodes of the level {' and '.join(levels)} {what}, but "
        "--first-level gives the results of one node. Use a model whose Dataset nodes have one "
        "source."
    )
