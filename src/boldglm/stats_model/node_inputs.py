"""The inputs of a node: contrasts of results that the edges of the model let through."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boldglm.errors import BadDataError
from boldglm.stats_model.entity_names import ENTITY_KEYS
from boldglm.stats_model.specification import EdgeSpec, NodeSpec, StatsModel
from boldglm.suggestions import did_you_mean

MISSING_VALUES = ("", "n/a", "nan")


@dataclass(frozen=True)
class NodeInput:
    """One contrast of one result, planned or finished, that can enter a higher node.

    Parameters
    ----------
    node : str
        Name of the node that estimates it.
    key : str
        Identifies the result that holds its maps.
    label : str
        Name of the result in messages.
    contrast : str
    entities : mapping of str to str
        Short BIDS keys (sub, ses, task, run) and labels.
    metadata : mapping of str to object
        Columns that the tables of the dataset have for it (age, sex).
    """

    node: str
    key: str
    label: str
    contrast: str
    entities: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """Return the value under a name of GroupBy or Filter, or None if there is none."""
        if name == "contrast":
            return self.contrast
        if name in ENTITY_KEYS:
            return self.entities.get(ENTITY_KEYS[name])
        value = self.metadata.get(name, self.entities.get(name))
        return None if value is None or str(value).lower() in MISSING_VALUES else value


def inputs_of_node(
    model: StatsModel, node: NodeSpec, results: Sequence[NodeInput]
) -> list[NodeInput]:
    """Return the results that at least one edge passes to a node, each once.

    Parameters
    ----------
    model : StatsModel
    node : NodeSpec
    results : sequence of NodeInput
        Results of all nodes.

    Raises
    ------
    BadDataError
        If an edge filters by a name that no result has, or for a contrast that the source of the
        edge cannot estimate.
    """
    inputs: dict[tuple[str, str, str], NodeInput] = {}
    for edge in model.edges_into(node):
        from_source = [result for result in results if result.node == edge.source]
        _check_filter(model, edge, from_source)
        for result in from_source:
            if all(str(result.value(name)) in values for name, values in edge.filter.items()):
                inputs[result.node, result.key, result.contrast] = result
    return list(inputs.values())


def _check_filter(model: StatsModel, edge: EdgeSpec, results: Sequence[NodeInput]) -> None:
    """Refuse a filter that no result can pass, because it names what does not exist."""
    start = (
        f"At $.Edges[{model.edges.index(edge)}].Filter: the edge from {edge.source!r} to "
        f"{edge.destination!r} filters"
    )
    for name in edge.filter:
        if results and not any(result.value(name) is not None for result in results):
            known = grouping_names(results)
            raise BadDataError(
                f"{start} by {name!r}, which no result of {edge.source!r} has. Known: "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )
    estimated = dict.fromkeys(result.contrast for result in results)
    possible = [*estimated, *sorted(_results_of(model, model.node(edge.source)) - set(estimated))]
    for name in edge.filter.get("contrast", ()) if results else ():
        if name not in possible:
            raise BadDataError(
                f"{start} for the contrast {name!r}, which {edge.source!r} does not have. Its "
                f"contrasts: {', '.join(possible)}.{did_you_mean(name, possible)}"
            )


def possible_contrasts(model: StatsModel, node: NodeSpec) -> frozenset[str]:
    """Return the contrasts that the model allows a node to receive, whether estimated or not.

    Contrasts that come from a pattern in X are not among them.
    """
    contrasts: set[str] = set()
    for edge in model.edges_into(node):
        passed = edge.filter.get("contrast")
        results = _results_of(model, model.node(edge.source))
        contrasts |= results if passed is None else results & set(passed)
    return frozenset(contrasts)


def _results_of(model: StatsModel, node: NodeSpec) -> frozenset[str]:
    """Return the contrasts that a node passes on, as far as the model file names them."""
    names = {spec.name: spec.columns for spec in node.contrasts if spec.test != "F"}
    dummy = node.dummy_contrasts
    if dummy is not None and dummy.test != "F":
        terms = node.x if dummy.contrasts is None else dummy.contrasts
        names |= {str(term): (str(term),) for term in terms if not set(str(term)) & set("*?")}
    if node.name == model.root.name:
        return frozenset(names)
    incoming = possible_contrasts(model, node)
    passed = {
        name
        for name, columns in names.items()
        if len(columns) == 1
        and columns[0] not in map(str, node.x)
        and named_contrast(columns[0], incoming) is not None
    }
    by_contrast = "contrast" in node.group_by
    groups = [[contrast] for contrast in incoming] if by_contrast else [list(incoming)]
    made = {result_name(name, group) for group in groups for name in set(names) - passed}
    return frozenset(made | passed)


def named_contrast(name: str, incoming: Iterable[str]) -> str | None:
    """Return the incoming contrast of that name, in full or after the name of its column.

    Examples
    --------
    >>> named_contrast("go", ["trial_type.go", "rt"]), named_contrast("x", ["trial_type.go"])
    ('trial_type.go', None)
    """
    names = list(incoming)
    if name in names:
        return name
    full = [text for text in names if text.partition(".")[2] == name]
    return full[0] if len(full) == 1 else None


def grouping_names(inputs: Sequence[NodeInput]) -> list[str]:
    """Return the names that GroupBy or Filter may use for these inputs."""
    long_names = {short: name for name, short in ENTITY_KEYS.items()}
    entities = [long_names.get(key, key) for node_input in inputs for key in node_input.entities]
    columns = [column for node_input in inputs for column in node_input.metadata]
    return list(dict.fromkeys(["contrast", *entities, *columns]))


def result_name(name: str, incoming: Sequence[str]) -> str:
    """Name the result of a contrast as pybids does, after the incoming contrast if there is one.

    Parameters
    ----------
    name : str
        Name of the contrast at the node.
    incoming : sequence of str
        Contrasts that enter the node in one group.

    Examples
    --------
    >>> result_name("1", ["go"]), result_name("age", ["go"]), result_name("1", ["go", "stop"])
    ('go', 'go_age', 'intercept')
    """
    is_constant = name in ("1", "intercept")
    if len(incoming) == 1:
        return incoming[0] if is_constant else f"{incoming[0]}_{name}"
    return "intercept" if is_constant else name
