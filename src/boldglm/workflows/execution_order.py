"""The order in which nodes run: each run to its end before the next, its files removed then.

nipype's own plugins run all first steps, then all second steps, and so on. With a thousand runs
the first maps would be written when the last run is fitted: whatever ends the program before would
take everything with it, and until then the estimates of all runs would lie on disk.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from traceback import format_exception_only
from typing import Any

import networkx as nx
from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.multiproc import MultiProcPlugin
from nipype.pipeline.plugins.tools import report_crash

from boldglm.errors import KilledError

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


def runs_first_at_the_end(ordered: list[Any], graph: Any, n_processes: int) -> list[Any]:
    """Return the order for several processes, in which the last runs come before summaries.

    In the order of one process the last run of all would begin when what is made of the runs
    before it, such as the maps of a participant, is done; and then the other processes would have
    nothing to do.

    Parameters
    ----------
    ordered : list
        As `depth_first` gives it.
    graph : networkx.DiGraph
    n_processes : int
        As many runs come first.

    Returns
    -------
    list
        Each node after all that it needs.
    """
    above_runs: set[Any] = set()
    for node in ordered:
        needed = graph.predecessors(node)
        if any(one in above_runs or one.name == LAST_STEP for one in needed):
            above_runs.add(node)
    ends = [
        place
        for place, node in enumerate(ordered)
        if node.name == LAST_STEP and node not in above_runs
    ]
    begin = 0 if len(ends) <= n_processes else ends[-n_processes - 1]
    return ordered[:begin] + sorted(ordered[begin:], key=lambda node: node in above_runs)


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
    """Run nodes in several processes, those of earlier runs first.

    Unlike nipype's own, it waits for a process to end instead of asking fifty times a second
    (each time collecting garbage, which keeps a processor busy), and a process that is killed
    fails its nodes instead of being waited for without end.
    """

    procs: list[Any]  # nodes in the order in which they are tried
    depidx: Any  # (node, node): what waits for what
    refidx: Any
    pool: ProcessPoolExecutor
    _cwd: str
    _files: _Files | None = None

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all nodes; those that need one that failed are passed over."""
        gc.freeze()  # what is there now is not looked through, in no process
        try:
            super().run(graph, config, updatehash=updatehash)
        finally:
            gc.unfreeze()

    def _generate_dependency_list(self, graph: Any) -> None:
        super()._generate_dependency_list(graph)
        if not self.plugin_args.get("keep_files"):
            self._files = _Files(graph)
        place = {node: number for number, node in enumerate(self.procs)}
        self.procs = runs_first_at_the_end(depth_first(graph), graph, self.processors)
        order = [place[node] for node in self.procs]
        self.depidx = self.depidx[order][:, order]
        self.refidx = self.refidx[order][:, order]

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        # what can be started has been started; more can be when one of these has ended
        wait(self._task_obj.values(), return_when=FIRST_COMPLETED)

    def _submit_job(self, node: Any, updatehash: bool = False) -> Any:
        try:
            return super()._submit_job(node, updatehash=updatehash)
        except BrokenProcessPool:  # a process was killed after the last results were collected
            self._renew_pool()
            return super()._submit_job(node, updatehash=updatehash)

    def _async_callback(self, args: Any) -> None:
        if args.exception() is None:  # else `_get_result` tells
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> Any:
        task = self._task_obj[taskid]
        if not task.done() or task.exception() is None:
            return super()._get_result(taskid)
        self._renew_pool()
        error = KilledError(
            "a process was killed from outside, most likely because memory ran out: fit fewer "
            "runs at the same time (--nprocs). What is finished is kept; the same command goes on "
            "from there."
        )
        return {"result": None, "traceback": format_exception_only(error)}

    def _renew_pool(self) -> None:
        """Replace processes of which one was killed: they take no further work."""
        self.pool.shutdown(wait=False)
        self.pool = ProcessPoolExecutor(
            max_workers=self.processors, initializer=os.chdir, initargs=(self._cwd,)
        )

    def _task_finished_cb(self, jobid: int, cached: bool = False) -> None:
        super()._task_finished_cb(jobid, cached)
        if self._files is not None:
            self._files.ended(self.procs[jobid])
