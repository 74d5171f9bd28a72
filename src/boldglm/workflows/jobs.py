"""Jobs of a scheduler: one for each run from its file to its maps, and for each place above it.

A workflow has about ten nodes for each run. Submitted one by one, each of them would wait in the
queue and import the libraries again, for steps that mostly take a part of a second.
"""

import shutil
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from traceback import format_exc
from typing import Any

import networkx as nx
from nipype.interfaces.base import BaseInterfaceInputSpec, SimpleInterface, TraitedSpec
from nipype.pipeline.engine import Node

from boldglm.interfaces import FitNode, PlotRecord, WriteReport
from boldglm.io.files.atomic import restage, stages
from boldglm.workflows.execution_order import LAST_STEP, RUN_NODE, depth_first

REPORT = "write_report"
REPORT_STEPS = ("sections", REPORT)
JOB_SUFFIX = "_job"
TRACEBACK = "traceback.txt"  # in the folder of a job whose nodes failed
LIBRARIES_GB = 0.4  # what a job needs whatever its nodes do
LEVEL_GB = 1.0  # of a level above the run, which reads its inputs in blocks, however many


class RunNodes(SimpleInterface):
    """Run the nodes of a job one after the other.

    Their inputs come from the folders of earlier nodes, as nipype has set them up. They are no
    input of this interface: nipype reads inputs again with the result, when files that the nodes
    name may be gone.

    Parameters
    ----------
    nodes : sequence of Node
        The nodes, each after those that it needs.
    keep_files : bool
        Whether to leave the folders of all nodes.
    """

    input_spec = BaseInterfaceInputSpec
    output_spec = TraitedSpec
    _always_run = True  # the nodes are not part of the hash

    def __init__(self, nodes: Sequence[Any] = (), *, keep_files: bool = False) -> None:
        super().__init__()
        self.nodes = tuple(nodes)
        self.keep_files = keep_files
        self._temporary_folders = stages()

    def _run_interface(self, runtime):
        restage(self._temporary_folders)
        try:
            for node in self.nodes:
                node.run()
        except Exception:
            path = Path(runtime.cwd) / TRACEBACK
            path.write_text(format_exc(), encoding="utf-8", errors="replace")
            raise
        if not self.keep_files:
            for node in self.nodes:
                if node.name != LAST_STEP and not _is_drawing(node):
                    shutil.rmtree(node.output_dir(), ignore_errors=True)
        return runtime


def as_jobs(graph: Any, *, keep_files: bool, reports_here: bool) -> nx.DiGraph:
    """Return the graph of jobs that a graph of nodes consists of.

    Parameters
    ----------
    graph : networkx.DiGraph
        The graph of nodes, as nipype hands it to a plugin.
    keep_files : bool
        Whether jobs leave the folders of all nodes.
    reports_here : bool
        Whether reports are written by this process instead of a job.

    Returns
    -------
    networkx.DiGraph
        Nodes that run the nodes of a job. Nodes of other workflows remain as they are.
    """
    ordered = depth_first(graph)
    places = _places(ordered)
    reports = {node._hierarchy for node in ordered if isinstance(node.interface, WriteReport)}
    members: dict[str, list[Any]] = {}
    for node in ordered:
        owner = next(graph.predecessors(node), node) if _is_drawing(node) else node
        members.setdefault(_job_of(owner, places, reports), []).append(node)
    jobs = {
        key: nodes[0]
        if key == _alone(nodes[0])
        else _job(key, nodes, keep_files or _is_read_from_outside(nodes, graph))
        for key, nodes in members.items()
    }
    job_of = {node: jobs[key] for key, nodes in members.items() for node in nodes}
    result = nx.DiGraph()
    result.add_nodes_from(jobs.values())
    result.add_edges_from(
        (job_of[first], job_of[second])
        for first, second in graph.edges
        if job_of[first] is not job_of[second]
    )
    for job in jobs.values():
        job.run_without_submitting |= reports_here and job.name == f"{REPORT}{JOB_SUFFIX}"
    return result


def nodes_of(job: Any) -> list[Any]:
    """Return the nodes that a job runs: those of `as_jobs`, or the node of another workflow."""
    interface = getattr(job, "interface", None)
    return list(interface.nodes) if isinstance(interface, RunNodes) else [job]


def resources(job: Any) -> tuple[int, int]:
    """Return the memory in MB and the number of processors that a job needs.

    The nodes run one after the other, so that the largest counts.
    """
    nodes = nodes_of(job)
    has_level = any(isinstance(node.interface, FitNode) for node in nodes)
    memory = max([LEVEL_GB if has_level else LIBRARIES_GB, *(node.mem_gb for node in nodes)])
    threads = [getattr(node.inputs, "n_threads", 1) for node in nodes]
    return int(memory * 1024) + 1, max([1, *threads, *(node.n_procs for node in nodes)])


def fitted_run(job: Any) -> str | None:
    """Return the name of the workflow of the run that a job fits, or None if it fits none."""
    fits = (node for node in nodes_of(job) if node.name == RUN_NODE)
    return next((node.fullname.split(".")[-3] for node in fits), None)


def _places(nodes: list[Any]) -> set[str]:
    """Return the workflows of runs and higher levels: those that contain the writing of maps.

    Nodes that somebody iterates over other inputs share a workflow, but not a job.
    """
    ends = (node for node in nodes if node.name == LAST_STEP and not node.parameterization)
    return {node._hierarchy.rpartition(".")[0] for node in ends} - {""}


def _job_of(node: Any, places: set[str], reports: set[str]) -> str:
    """Return the name of the job that a node belongs to."""
    parts = (node._hierarchy or "").split(".")
    for length in range(len(parts), 0, -1):
        place = ".".join(parts[:length])
        if place in places:
            return place
    is_of_report = node.name in REPORT_STEPS or _is_drawing(node)
    if node._hierarchy in reports and is_of_report:
        return f"{node._hierarchy}.{REPORT}"
    return _alone(node)


def _is_drawing(node: Any) -> bool:
    """Whether a node draws a result: in the job that made it, for the report to put together."""
    return isinstance(getattr(node, "interface", None), PlotRecord)


def _is_read_from_outside(nodes: list[Any], graph: Any) -> bool:
    """Say whether somebody's node needs more of a job than the record of its result."""
    inside = set(nodes)
    return any(
        node.name != LAST_STEP and not inside.issuperset(graph.successors(node)) for node in nodes
    )


def _alone(node: Any) -> str:
    """Return the name of the job of a node that belongs to no other."""
    return f"{node.itername} alone"


def _job(key: str, nodes: list[Any], keep_files: bool) -> Any:
    """Return the node that runs some nodes."""
    hierarchy, _, name = key.rpartition(".")
    interface = RunNodes(nodes, keep_files=keep_files)
    job = Node(interface, name=f"{name}{JOB_SUFFIX}")
    job._hierarchy = hierarchy
    job.base_dir = nodes[0].base_dir
    job.config = deepcopy(nodes[0].config)
    return job
