"""The order in which nodes run: each run to its end before the next, its files removed then.

nipype's own plugins run all first steps, then all second steps, and so on. With a thousand runs
the first maps would be written when the last run is fitted: whatever ends the program before would
take everything with it, and until then the estimates of all runs would lie on disk.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.multiproc import MultiProcPlugin
from nipype.pipeline.plugins.tools import report_crash

LAST_STEP = "write_derivatives"  # after it, nothing needs the files of the steps before


def depth_first(graph: Any) -> list[Any]:
    """Return the nodes of a graph so that what leads to one result is together.

    Parameters
    ----------
    graph : networkx.DiGraph
        Edges point from what comes first to what needs it.

    Returns
    -------
    list
        Each node after all that it needs.

    Examples
    --------
    >>> steps = nx.DiGraph([("fit1", "write1"), ("fit2", "write2")])
    >>> depth_first(steps)
    ['fit1', 'write1', 'fit2', 'write2']
    """
    ordered: dict[Any, None] = {}

    def visit(node: Any) -> None:
        if node not in ordered:
            for needed in graph.predecessors(node):
                visit(needed)
            ordered[node] = None

    for node in list(nx.topological_sort(graph)):
        if not graph.out_degree(node):
            visit(node)
    return list(ordered)


class _Files:
    """Removes the folders of nodes when what they lead to is written."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._done: set[Any] = set()
        self._removed: set[Any] = set()

    def ended(self, node: Any) -> None:
        """Take notice that a node is done."""
        self._done.add(node)
        if node.name != LAST_STEP:
            return
        for one in nx.ancestors(self._graph, node) - self._removed:
            if one.name != LAST_STEP and all(last in self._done for last in self._leads_to(one)):
                shutil.rmtree(one.output_dir(), ignore_errors=True)
                self._removed.add(one)

    def _leads_to(self, node: Any) -> Iterator[Any]:
        """Yield the last steps, or nodes without any, that a node leads to first."""
        for following in self._graph.successors(node):
            if following.name == LAST_STEP or not self._graph.out_degree(following):
                yield following
            else:
                yield from self._leads_to(following)


class OneByOnePlugin(PluginBase):
    """Run nodes in this process. `keep_files` of the arguments leaves all folders there."""

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all nodes; those that need one that failed are passed over."""
        here = Path.cwd()
        files = None if self.plugin_args.get("keep_files") else _Files(graph)
        failures: list[Exception] = []
        passed_over: set[Any] = set()
        try:
            for node in depth_first(graph):
                if node in passed_over:
                    continue
                self._status_callback(node, "start")
                try:
                    node.run(updatehash=updatehash)
                except Exception as error:  # a node may raise whatever it likes
                    report_crash(node)
                    failures.append(error)
                    passed_over |= nx.descendants(graph, node)
                    self._status_callback(node, "exception")
                    if config["execution"]["stop_on_first_crash"] == "true":
                        break
                else:
                    self._status_callback(node, "end")
                    if files is not None:
                        files.ended(node)
        finally:
            os.chdir(here)
        if failures:
            raise failures[0]


class InProcessesPlugin(MultiProcPlugin):
    """Run nodes in several processes, those of earlier runs first."""

    procs: list[Any]  # nodes in the order in which they are tried
    depidx: Any  # (node, node): what waits for what
    refidx: Any
    _files: _Files | None = None

    def _generate_dependency_list(self, graph: Any) -> None:
        super()._generate_dependency_list(graph)
        if not self.plugin_args.get("keep_files"):
            self._files = _Files(graph)
        place = {node: number for number, node in enumerate(self.procs)}
        self.procs = depth_first(graph)
        order = [place[node] for node in self.procs]
        self.depidx = self.depidx[order][:, order]
        self.refidx = self.refidx[order][:, order]

    def _task_finished_cb(self, jobid: int, cached: bool = False) -> None:
        super()._task_finished_cb(jobid, cached)
        if self._files is not None:
            self._files.ended(self.procs[jobid])
