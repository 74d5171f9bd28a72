"""How many nodes may run at a time within a limit of memory (`--mem-gb`)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from boldglm.errors import UsageError
from boldglm.io.images.bold_series import MEMORY_LIMIT
from boldglm.workflows.nodes import run_name

INTERPRETER_GB = 0.2  # of Python and its libraries, which the need of every node includes
FIT_NODE = "fit_glm"


def processes_within(workflow: Workflow, limit_gb: float, nprocs: int) -> int:
    """Return how many processes stay within a limit of memory.

    A run that would not fit otherwise is read through a temporary file from its first volume on.

    Parameters
    ----------
    workflow : Workflow
        The workflow, whose nodes say what they may need.
    limit_gb : float
        Memory in GB of this process and all others.
    nprocs : int
        Largest number of processes.

    Returns
    -------
    int
        From 1, which is this process, to `nprocs`.

    Raises
    ------
    UsageError
        If a node needs more than the limit.
    """
    here = resident_gb()
    allowed = limit_gb - max(here - INTERPRETER_GB, 0.0)
    nodes = dict(_nodes(workflow))
    for node in nodes.values():
        if node.mem_gb > allowed and node.name == FIT_NODE:
            _read_through_file(node)
    name, largest = max(nodes.items(), key=lambda item: item[1].mem_gb)
    if largest.mem_gb > allowed:
        need = largest.mem_gb + limit_gb - allowed
        raise UsageError(
            f"--mem-gb {limit_gb:g} is too little: {_work_of(name)} may need {need:.2f} GB. "
            f"Give at least {need + 0.005:.2f} GB."
        )
    return max(1, min(nprocs, int((limit_gb - here) / largest.mem_gb)))


def resident_gb() -> float:
    """Return the memory that this process takes, in GB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # a system without /proc
        return INTERPRETER_GB
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def _nodes(workflow: Workflow, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all nodes with their names, which have those of the workflows around them."""
    for node in workflow._graph.nodes:
        name = f"{prefix}{node.name}"
        if isinstance(node, Workflow):
            yield from _nodes(node, f"{name}.")
        else:
            yield name, node


def _read_through_file(node: Any) -> None:
    node.inputs.memory_limit = 0
    node._mem_gb = node.mem_gb - MEMORY_LIMIT / 1e9


def _work_of(name: str) -> str:
    """Return what a node is for, in words."""
    *workflows, node = name.split(".")
    if node == FIT_NODE and len(workflows) > 1:
        return f"the fit of {run_name(workflows[-2])}"
    return f"the step {name}"
