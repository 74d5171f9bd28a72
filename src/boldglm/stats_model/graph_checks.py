"""Check the graph of nodes and edges: unique names, one root, no cycle, levels that rise."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from boldglm.stats_model.specification import EdgeSpec, NodeSpec
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import LEVELS

Refuse = Callable[[str, str, str], NoReturn]


def check_graph(nodes: Sequence[NodeSpec], edges: Sequence[EdgeSpec], refuse: Refuse) -> None:
    """Check that edges lead from a single Run node to higher levels, without a cycle.

    Parameters
    ----------
    nodes : sequence of NodeSpec
    edges : sequence of EdgeSpec
    refuse : callable
        Takes JSON path, finding and remedy, and raises.
    """
    names = [node.name for node in nodes]
    for name in names:
        if names.count(name) > 1:
            refuse("$.Nodes", f"two nodes are named {name!r}", "Rename one of them.")
    for index, edge in enumerate(edges):
        for key, name in (("Source", edge.source), ("Destination", edge.destination)):
            if name not in names:
                refuse(
                    f"$.Edges[{index}].{key}",
                    f"there is no node {name!r}",
                    f"Nodes: {', '.join(names)}.{did_you_mean(name, names)}",
                )
    _check_cycles(names, edges, refuse)
    destinations = {edge.destination for edge in edges}
    roots = [node for node in nodes if node.name not in destinations]
    if len(roots) > 1:
        refuse(
            "$.Edges",
            f"no edge leads to the nodes {', '.join(repr(node.name) for node in roots)}",
            "A model has one root: add edges to the other nodes.",
        )
    if roots[0].level != "run":
        refuse(
            f"{roots[0].path}.Level",
            f"the root node is at the {roots[0].level} level",
            "A model starts with a Run node: add one, or correct the edges.",
        )
    _check_levels(nodes, edges, refuse)


def _check_cycles(names: Sequence[str], edges: Sequence[EdgeSpec], refuse: Refuse) -> None:
    visited: set[str] = set()
    while True:
        ready = [
            name
            for name in names
            if name not in visited
            and all(edge.source in visited for edge in edges if edge.destination == name)
        ]
        if not ready:
            break
        visited |= set(ready)
    cyclic = [name for name in names if name not in visited]
    if cyclic:
        refuse(
            "$.Edges",
            f"the edges between the nodes {', '.join(cyclic)} form a cycle",
            "Remove one of these edges.",
        )


def _check_levels(nodes: Sequence[NodeSpec], edges: Sequence[EdgeSpec], refuse: Refuse) -> None:
    by_name = {node.name: node for node in nodes}
    for index, edge in enumerate(edges):
        source, destination = by_name[edge.source], by_name[edge.destination]
        if destination.level == "run":
            refuse(
                f"{destination.path}.Level",
                f"the Run node {destination.name!r} comes after {source.name!r}",
                "Only the root can be a Run node: change Level, or remove the edge.",
            )
        if LEVELS.index(destination.level) < LEVELS.index(source.level):
            refuse(
                f"$.Edges[{index}]",
                f"the edge leads from the {source.level} to the {destination.level} level",
                "Edges lead from Run to Session, Subject and Dataset: exchange Source and "
                "Destination, or remove the edge.",
            )
