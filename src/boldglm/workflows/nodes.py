"""Nodes whose folders nipype leaves as the interface wrote them, and names of workflows."""

import re
from typing import Any

from nipype.pipeline.engine import Node


def make_node(interface: Any, name: str, mem_gb: float = 0.2) -> Node:
    """Return a node whose working folder is left as the interface wrote it.

    By default, nipype removes every file that no connected output names. But a design has a
    sidecar, and a result refers to its maps.

    Parameters
    ----------
    interface : nipype interface
        What the node runs.
    name : str
        Name of the node.
    mem_gb : float
        Memory that the node may need, in GB; for the scheduler.

    Returns
    -------
    Node
        The node.
    """
    node = Node(interface, name=name, mem_gb=mem_gb)
    node.config = {"execution": {"remove_unnecessary_outputs": "false"}}
    return node


def run_name(workflow: str) -> str:
    """Return the name of a run from that of its workflow, which cannot have hyphens.

    Examples
    --------
    >>> run_name("sub_01_task_faces_run_1_wf")
    'sub-01_task-faces_run-1'
    """
    return re.sub(r"([a-z]+)_([0-9A-Za-z]+)", r"\1-\2", workflow.removesuffix("_wf"))
