"""Nodes that keep the files that their outputs refer to."""

from typing import Any

from nipype.pipeline.engine import Node


def make_node(interface: Any, name: str, mem_gb: float = 0.2) -> Node:
    """Return a node whose working folder is left as the interface wrote it.

    nipype removes every file that no connected output names, in other people's workflows by
    default. A design has a sidecar, and a result lists its maps: both must stay.
    """
    node = Node(interface, name=name, mem_gb=mem_gb)
    node.config = {"execution": {"remove_unnecessary_outputs": "false"}}
    return node
