"""Checks of nodes and edges as a whole: names, one root, no cycle, levels that rise."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from boldglm.stats_model.specification import LEVELS, EdgeSpec, NodeSpec
from boldglm.suggestions import did_you_mean

Refuse = Callable[[str, str, str], NoReturn]


def check_edges(nodes: Sequence[NodeSpec], edges: Sequence[EdgeSpec], refuse: Refuse) -> None:
    """Refuse what is no directed graph from one Run node upward.

    Parameters
    ----------
    nodes, edges : sequences
        Of the model.
    refuse : callable
        Takes JSON path, finding and remedy, and raises.
    """
    names = [node.name for node in nodes]
    for name in names:
        if names.count(name) > 1:
            refuse("$.Nodes", f"two nodes are called {name!r}", "Give each its own Name.")
    for index, edge in enumerate(edges):
        for key, name in (("Source", edge.source), ("Destination", edge.destination)):
            if name not in names:
                refuse(
                    f"$.Edges[{index}].{key}",
                    f"there is no node {name!r}",
                    f"Nodes: {', '.join(names)}.{did_you_mean(name, names)}",
                )
    _check_cycles(names, edges, refuse)
    led_to = {edge.destination for edge in edges}
    roots = [node for node in nodes if node.name not in led_to]
    if len(roots) > 1:
        refuse(
            "$.Edges",
            f"no edge leads to {', '.join(repr(node.name) for node in roots)}",
            "A model has one root: connect the others.",
        )
    if roots[0].level != "run":
        refuse(
            f"{roots[0].path}.Level",
            f"the first node is at level {roots[0].level}",
            "A model starts with a Run node.",
        )
    _check_levels(nodes, edges, refuse)


def _check_cycles(names: Sequence[str], edges: Sequence[EdgeSpec], refuse: Refuse) -> None:
    done: set[str] = set()
    while True:
        ready = [
            name
            for name in names
            if name not in done
            and all(edge.source in done for edge in edges if edge.destination == name)
        ]
        if not ready:
            break
        done |= set(ready)
    left = [name for name in names if name not in done]
    if left:
        refuse("$.Edges", f"the edges among {', '.join(left)} form a cycle", "Remove one of them.")


def _check_levels(nodes: Sequence[NodeSpec], edges: Sequence[EdgeSpec], refuse: Refuse) -> None:
    by_name = {node.name: node for node in nodes}
    for index, edge in enumerate(edges):
        source, destination = by_name[edge.source], by_name[edge.destination]
        if destination.level == "run":
            refuse(
                f"{destination.path}.Level",
                f"the Run node {destination.name!r} comes after {source.name!r}",
                "Only the first node of a model fits runs.",
            )
        if LEVELS.index(destination.level) < LEVELS.index(source.level):
            refuse(
                f"$.Edges[{index}]",
                f"it leads down, from level {source.level} to {destination.level}",
                "Edges go from Run towards Dataset.",
            )
