"""What goes along the edges of a model: contrasts of results, and what they will be called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boldglm.errors import BadDataError
from boldglm.stats_model.specification import ENTITY_KEYS, EdgeSpec, NodeSpec, StatsModel
from boldglm.suggestions import did_you_mean

NOT_KNOWN = ("", "n/a", "nan")


@dataclass(frozen=True)
class NodeInput:
    """One contrast of one finished or planned result: what goes along an edge.

    Parameters
    ----------
    node : str
        The node that made it.
    key : str
        Which result holds its maps.
    label : str
        What notes instruction the result.
    contrast : str
    entities : mapping
        Short BIDS keys (sub, ses, task, run) to labels.
    metadata : mapping
        What tables of the dataset say of it (age, sex).
    """

    node: str
    key: str
    label: str
    contrast: str
    entities: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def inputs_of_node(
    model: StatsModel, node: NodeSpec, items: Sequence[NodeInput]
) -> list[NodeInput]:
    """Return the items that some edge lets through to a node, once each.

    Raises
    ------
    BadDataError
        If an edge filters by what no result has, or for a contrast that its source cannot make.
    """
    found: dict[tuple[str, str, str], NodeInput] = {}
    for edge in model.edges_into(node):
        own = [item for item in items if item.node == edge.source]
        _check_filter(model, edge, own)
        for item in own:
            if all(
                str(grouping_value(item, key)) in values for key, values in edge.filter.items()
            ):
                found[item.node, item.key, item.contrast] = item
    return list(found.values())


def _check_filter(model: StatsModel, edge: EdgeSpec, items: Sequence[NodeInput]) -> None:
    """Refuse a filter that can pass nothing, whatever the data: it names what is not there."""
    start = (
        f"{model.name}, at $.Edges[{model.edges.index(edge)}].Filter: the edge from "
        f"{edge.source!r} to {edge.destination!r} filters"
    )
    for key in edge.filter:
        if items and not any(grouping_value(item, key) is not None for item in items):
            known = grouping_names(items)
            raise BadDataError(
                f"{start} by {key!r}, which no result has.{did_you_mean(key, known)} Known: "
                f"{', '.join(known)}."
            )
    there = dict.fromkeys(item.contrast for item in items)
    possible = [*there, *sorted(_results_of(model, model.node(edge.source)) - set(there))]
    for name in edge.filter.get("contrast", ()) if items else ():
        if name not in possible:
            raise BadDataError(
                f"{start} for the contrast {name!r}, which {edge.source!r} does not have."
                f"{did_you_mean(name, possible)} There are {', '.join(possible)}."
            )


def possible_contrasts(model: StatsModel, node: NodeSpec) -> frozenset[str]:
    """Return the contrasts that the model lets a node receive, estimated by somebody or not.

    Those that a pattern of X stands for are not among them.
    """
    found: set[str] = set()
    for edge in model.edges_into(node):
        wanted = edge.filter.get("contrast")
        results = _results_of(model, model.node(edge.source))
        found |= results if wanted is None else results & set(wanted)
    return frozenset(found)


def _results_of(model: StatsModel, node: NodeSpec) -> frozenset[str]:
    """Return the contrasts that a node passes on, as far as the file names them."""
    own = [spec.name for spec in node.contrasts if spec.test != "F"]
    if node.dummy_contrasts is not None and node.dummy_contrasts.test != "F":
        terms = (
            node.x if node.dummy_contrasts.contrasts is None else node.dummy_contrasts.contrasts
        )
        own += [str(one) for one in terms if not set(str(one)) & set("*?")]
    if node.name == model.root.name:
        return frozenset(own)
    incoming = possible_contrasts(model, node)
    groups = [[one] for one in incoming] if "contrast" in node.group_by else [list(incoming)]
    return frozenset(result_name(name, group) for group in groups for name in own)


def grouping_value(item: NodeInput, key: str) -> Any:
    """Return what an item has under a name of GroupBy or Filter, or None."""
    if key == "contrast":
        return item.contrast
    if key in ENTITY_KEYS:
        return item.entities.get(ENTITY_KEYS[key])
    value = item.metadata.get(key, item.entities.get(key))
    return None if value is None or str(value).lower() in NOT_KNOWN else value


def grouping_names(items: Sequence[NodeInput]) -> list[str]:
    """Return the names that GroupBy or Filter may use for some items."""
    long_names = {short: name for name, short in ENTITY_KEYS.items()}
    entities = [long_names.get(key, key) for item in items for key in item.entities]
    columns = [key for item in items for key in item.metadata]
    return list(dict.fromkeys(["contrast", *entities, *columns]))


def result_name(name: str, incoming: Sequence[str]) -> str:
    """Name a result as pybids does: after the one incoming contrast, if there is one.

    Examples
    --------
    >>> result_name("1", ["go"]), result_name("age", ["go"]), result_name("1", ["go", "stop"])
    ('go', 'go_age', 'intercept')
    """
    constant = name in ("1", "intercept")
    if len(incoming) == 1:
        return incoming[0] if constant else f"{incoming[0]}_{name}"
    return "intercept" if constant else name
