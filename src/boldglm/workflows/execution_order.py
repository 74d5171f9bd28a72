"""The order of nodes: a run is finished, and its intermediate files are removed, before the next.

nipype's own plugins run the first step of all runs, then the second step of all runs, and so on.
With a thousand runs, no map would be written before all runs are fitted: an interruption would
lose everything, and the estimates of all runs would lie on disk at the same time.
"""

import gc
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from traceback import format_exception, format_exception_only
from types import FrameType
from typing import Any

import networkx as nx
from nipype.pipeline.plugins.base import PluginBase
from nipype.pipeline.plugins.multiproc import MultiProcPlugin
from nipype.pipeline.plugins.tools import report_crash

from boldglm.errors import KilledError
from boldglm.io.files.atomic import restage, stages
from boldglm.processes import end_with
from boldglm.workflows.failures import Failure, failure

RUN_NODE = "estimate_contrasts"  # the node with which the fit of a run ends
LAST_STEP = "write_derivatives"  # after it, the files of earlier steps are not needed
REPORT = "write_report"  # after it, those of drawings


def depth_first(graph: Any) -> list[Any]:
    """Return the nodes of a graph ordered so that the steps to each result are adjacent.

    Parameters
    ----------
    graph : networkx.DiGraph
        Edges point from a node to the nodes that need its outputs.

    Returns
    -------
    list
        The nodes, each after all nodes that it needs.

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


def last_runs_first(ordered: list[Any], graph: Any, n_processes: int) -> list[Any]:
    """Move the last runs before the higher levels, so that no process is idle at the end.

    In depth-first order, the very last run would start only after the higher levels of the runs
    before it, such as the maps of a participant; the other processes would have nothing to do.

    Parameters
    ----------
    ordered : list
        The nodes in the order of `depth_first`.
    graph : networkx.DiGraph
        The graph of the nodes.
    n_processes : int
        Number of processes, and of the last runs that are moved.

    Returns
    -------
    list
        The nodes, each after all nodes that it needs.
    """
    above_runs: set[Any] = set()
    for node in ordered:
        needed = graph.predecessors(node)
        if any(parent in above_runs or parent.name == LAST_STEP for parent in needed):
            above_runs.add(node)
    run_ends = [
        index
        for index, node in enumerate(ordered)
        if node.name == LAST_STEP and node not in above_runs
    ]
    begin = 0 if len(run_ends) <= n_processes else run_ends[-n_processes - 1]
    return ordered[:begin] + sorted(ordered[begin:], key=lambda node: node in above_runs)


class _NodeFolders:
    """Removes the folders of nodes once the derivatives that need them are written."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._done: set[Any] = set()
        self._removed: set[Any] = set()

    def node_done(self, node: Any) -> None:
        """Remove the folders that are no longer needed now that a node is done."""
        self._done.add(node)
        if node.name not in (LAST_STEP, REPORT):
            return
        for step in nx.ancestors(self._graph, node) - self._removed:
            if step.name != LAST_STEP and all(end in self._done for end in self._ends(step)):
                shutil.rmtree(step.output_dir(), ignore_errors=True)
                self._removed.add(step)

    def _ends(self, node: Any) -> Iterator[Any]:
        """Yield the next nodes after which the files of a node are not needed."""
        for following in self._graph.successors(node):
            if following.name == LAST_STEP or not self._graph.out_degree(following):
                yield following
            else:
                yield from self._ends(following)


def _prepare_process(folder: str, parent: int, temporary_folders: Mapping[Path, Path]) -> None:
    """Prepare a process that runs nodes, which its parent alone ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the parent gets it too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with(parent)
    restage(temporary_folders)
    os.chdir(folder)


def _failure(node: Any, trace: Sequence[str], report: Callable[[], Any]) -> Failure:
    return failure("".join(trace), report, Path(node.output_dir()))


class _Interrupt:
    """Remembers whether Ctrl-C was pressed, which nipype takes for an error of the node."""

    def __init__(self) -> None:
        self.pressed = False
        self._handler: Any = None

    def __enter__(self) -> "_Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.getsignal(signal.SIGINT)
        if callable(self._handler):  # neither ignored nor left to the system
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if callable(self._handler):
            signal.signal(signal.SIGINT, self._handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        self._handler(number, frame)


class OneByOnePlugin(PluginBase):
    """Run nodes one after the other in this process.

    The plugin argument ``keep_files`` leaves the folders of all nodes in place.
    """

    failures: list[Failure]

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all nodes but those that need the outputs of a failed node."""
        here = Path.cwd()
        self.failures = []
        try:
            with _Interrupt() as interrupt:
                self._run_nodes(graph, config, updatehash, interrupt)
        finally:
            os.chdir(here)
        if self.failures:
            raise RuntimeError(self.failures[0].message)

    def _run_nodes(self, graph: Any, config: Any, updatehash: bool, interrupt: _Interrupt) -> None:
        """Run the nodes until one of them says that no other can succeed."""
        folders = None if self.plugin_args.get("keep_files") else _NodeFolders(graph)
        skipped: set[Any] = set()
        for node in depth_first(graph):
            if node in skipped:
                continue
            self._status_callback(node, "start")
            try:
                node.run(updatehash=updatehash)
            except Exception as error:  # a node may raise anything
                if interrupt.pressed:
                    raise KeyboardInterrupt from error
                report = partial(report_crash, node)
                self.failures.append(_failure(node, format_exception(error), report))
                skipped |= nx.descendants(graph, node)
                self._status_callback(node, "exception")
                stop_at_first = config["execution"]["stop_on_first_crash"] == "true"
                if stop_at_first or self.failures[-1].is_final:
                    break
            else:
                self._status_callback(node, "end")
                if folders is not None:
                    folders.node_done(node)


class InProcessesPlugin(MultiProcPlugin):
    """Run nodes in several processes, those of earlier runs first.

    nipype's own plugin polls fifty times a second and collects garbage each time, which keeps a
    processor busy; this one waits until a process has ended. If a process is killed, its node
    fails, where nipype's plugin would wait forever.
    """

    procs: list[Any]  # nodes in the order in which they are started
    depidx: Any  # (node, node): which node waits for which
    refidx: Any
    pool: ProcessPoolExecutor
    _cwd: str
    failures: list[Failure]
    _folders: _NodeFolders | None = None

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all nodes but those that need the outputs of a failed node."""
        self.failures = []
        self._renew_pool()
        gc.freeze()  # no process needs to search the existing objects for garbage
        try:
            super().run(graph, config, updatehash=updatehash)
        except BaseException:  # the processes are not to finish what nobody waits for
            self._kill_processes()
            raise
        finally:
            gc.unfreeze()

    def _kill_processes(self) -> None:
        for process in list((self.pool._processes or {}).values()):
            process.kill()
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _generate_dependency_list(self, graph: Any) -> None:
        super()._generate_dependency_list(graph)
        if not self.plugin_args.get("keep_files"):
            self._folders = _NodeFolders(graph)
        index = {node: number for number, node in enumerate(self.procs)}
        self.procs = last_runs_first(depth_first(graph), graph, self.processors)
        order = [index[node] for node in self.procs]
        self.depidx = self.depidx[order][:, order]
        self.refidx = self.refidx[order][:, order]

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        # all nodes that can start have started; others can once one of them has ended
        wait(self._task_obj.values(), return_when=FIRST_COMPLETED)

    def _submit_job(self, node: Any, updatehash: bool = False) -> Any:
        try:
            return super()._submit_job(node, updatehash=updatehash)
        except BrokenProcessPool:  # a process was killed after the last results were collected
            self._renew_pool()
            return super()._submit_job(node, updatehash=updatehash)

    def _async_callback(self, args: Any) -> None:
        if args.exception() is None:  # `_get_result` handles exceptions
            super()._async_callback(args)

    def _report_crash(self, node: Any, result: Any = None) -> Any:
        crash_file: list[Any] = []

        def report() -> Any:
            crash_file.append(super(InProcessesPlugin, self)._report_crash(node, result))
            return crash_file[0]

        self.failures.append(_failure(node, result["traceback"], report))
        if self.failures[-1].is_final:
            raise RuntimeError(self.failures[-1].message)
        return crash_file[0] if crash_file else None

    def _get_result(self, taskid: int) -> Any:
        task = self._task_obj[taskid]
        exception = task.exception() if task.done() else None
        if exception is None:
            return super()._get_result(taskid)
        if not isinstance(exception, BrokenProcessPool):
            return {"result": None, "traceback": format_exception(exception)}
        self._renew_pool()
        error = KilledError(
            "The operating system killed a process, most likely because memory ran out. Finished "
            "results are safe: give the same command again to continue, with fewer runs at the "
            "same time (--nprocs)."
        )
        return {"result": None, "traceback": format_exception_only(error)}

    def _renew_pool(self) -> None:
        """Replace the pool by one whose processes end with this one.

        A pool accepts no further work once a process was killed.
        """
        self.pool.shutdown(wait=False)
        self.pool = ProcessPoolExecutor(
            max_workers=self.processors,
            initializer=_prepare_process,
            initargs=(self._cwd, os.getpid(), stages()),
        )

    def _task_finished_cb(self, jobid: int, cached: bool = False) -> None:
        super()._task_finished_cb(jobid, cached)
        if self._folders is not None:
            self._folders.node_done(self.procs[jobid])
