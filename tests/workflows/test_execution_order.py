"""Runs go to their end one after the other, and what they leave behind is removed."""

import inspect
import io
import multiprocessing as mp
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import networkx as nx
import nipype
import numpy as np
import pytest
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from boldglm.cli.main import main
from boldglm.interfaces import FitGLM
from boldglm.io.outputs.records import record_files
from boldglm.workflows import execution
from boldglm.workflows.execution_order import (
    RUN_NODE,
    InProcessesPlugin,
    depth_first,
    last_runs_first,
)

# What `InProcessesPlugin` uses of nipype's `MultiProcPlugin` without nipype promising it.
NIPYPE_VERSIONS = "1.9, 1.10 and 1.11"
PRIVATE_METHODS = {
    "_async_callback": "(self, args)",
    "_generate_dependency_list": "(self, graph)",
    "_get_result": "(self, taskid)",
    "_report_crash": "(self, node, result=None)",
    "_send_procs_to_workers": "(self, updatehash=False, graph=None)",
    "_submit_job": "(self, node, updatehash=False)",
    "_task_finished_cb": "(self, jobid, cached=False)",
}
ATTRIBUTES = {"_cwd", "_task_obj", "depidx", "pool", "processors", "procs", "refidx"}


def participant(dataset, out, *options):
    return main([str(dataset), str(out), "participant", "--noise-model", "ols", *options])


def records(out):
    stems = {path.stem for path in record_files(out) if "node-run" in path.parts}
    return {"node-run_" + stem.removesuffix("_statmap") for stem in stems}


def test_every_node_comes_after_what_it_needs():
    rng = np.random.default_rng(4)
    edges = [(int(a), int(b)) for a, b in rng.integers(0, 60, (200, 2)) if a < b]
    graph = nx.DiGraph(edges)

    order = depth_first(graph)

    place = {node: number for number, node in enumerate(order)}
    assert len(order) == len(graph)
    assert all(place[a] < place[b] for a, b in graph.edges)


class Step(NamedTuple):
    name: str
    of: str


@pytest.mark.parametrize(
    ("n_processes", "expected"),
    [
        (1, "a1 a2 A b1 b2 B c1 c2 C"),
        (2, "a1 a2 A b1 b2 c1 c2 B C"),
        (3, "a1 a2 A b1 b2 c1 c2 B C"),
        (4, "a1 a2 b1 b2 c1 c2 A B C"),
        (8, "a1 a2 b1 b2 c1 c2 A B C"),
    ],
)
def test_with_several_processes_no_run_is_left_for_the_end(n_processes, expected):
    graph = nx.DiGraph()
    for label in "abc":
        above = Step("fit_node", label.upper())
        for run in (f"{label}1", f"{label}2"):
            written = Step("write_derivatives", run)
            graph.add_edge(Step("fit_glm", run), written)
            graph.add_edge(written, above)
        graph.add_edge(above, Step("write_derivatives", label.upper()))

    order = last_runs_first(depth_first(graph), graph, n_processes)

    place = {node: number for number, node in enumerate(order)}
    assert len(order) == len(graph)
    assert all(place[a] < place[b] for a, b in graph.edges)
    assert " ".join(step.of for step in order if step.name == "write_derivatives") == expected


@pytest.fixture
def watched(monkeypatch):
    """Return what happens while a workflow runs: (name of a node, its status), with a hook."""
    seen = []
    hooks = []
    usual = execution.Progress.__call__

    def call(self, node, status):
        seen.append((node.name, status))
        for hook in hooks:
            hook(node, status)
        usual(self, node, status)

    monkeypatch.setattr(execution.Progress, "__call__", call)
    return seen, hooks


def test_a_run_is_written_before_the_next_one_is_fitted(dataset, tmp_path, watched):
    seen, _ = watched

    assert participant(dataset, tmp_path / "out") == 0

    steps = [name for name, status in seen if status == "start"
             and name in ("fit_glm", "write_derivatives", "write_report")]  # fmt: skip
    subject = ["fit_glm", "write_derivatives"] * 2 + ["write_derivatives", "write_report"]
    assert steps == subject * 2


def test_the_time_left_does_not_count_what_came_before_the_first_step():
    said = io.StringIO()
    progress = execution.Progress(n_runs=1001, stream=said, started=-1e7)
    name = RUN_NODE
    node = SimpleNamespace(name=name, fullname=f"boldglm_wf.run_1_wf.fit_wf.{name}")

    progress(node, "start")
    progress(node, "end")

    assert re.search(r"^\[1/1001\] fitted .*, about \d+ s left$", said.getvalue())


class Terminal(io.TextIOWrapper):
    """A terminal that keeps what is written."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self):
        return True

    def shown(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize(("encoding", "has_bar"), [("utf-8", True), ("ascii", False)])
def test_on_a_terminal_one_line_is_written_anew(monkeypatch, encoding, has_bar):
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal(encoding)
    progress = execution.Progress(n_runs=2, stream=terminal)

    for number in (1, 2):
        path = f"boldglm_wf.run_{number}_wf.fit_wf.{RUN_NODE}"
        node = SimpleNamespace(name=RUN_NODE, fullname=path)
        progress(node, "start")
        progress(node, "end")
        assert terminal.shown().count("\n") == number - 1  # only at the end

    lines = terminal.shown().split("\r")[1:]
    assert len(lines) == 2
    assert all(len(line.partition("\x1b")[0]) < 60 for line in lines)
    assert lines[0].startswith("━━━━━━━━━━──────────" if has_bar else "[1/2] fitted ")


def test_the_line_of_a_terminal_is_ended_if_not_all_runs_were_fitted():
    terminal = Terminal("utf-8")
    progress = execution.Progress(n_runs=2, stream=terminal)
    node = SimpleNamespace(name=RUN_NODE, fullname=f"boldglm_wf.run_1_wf.fit_wf.{RUN_NODE}")
    progress(node, "start")
    progress(node, "end")

    progress.close()

    assert terminal.shown().endswith("\n")


def test_a_call_that_is_ended_loses_only_the_run_it_was_in(dataset, tmp_path, watched):
    seen, hooks = watched

    def end(node, status):
        if [name for name, how in seen if how == "start"].count("fit_glm") == 3:
            raise KeyboardInterrupt

    hooks.append(end)
    with pytest.raises(KeyboardInterrupt):
        execution_of(dataset, tmp_path / "out")
    assert len(records(tmp_path / "out")) == 2
    hooks.clear()
    seen.clear()

    assert participant(dataset, tmp_path / "out") == 0

    assert [name for name, status in seen if status == "start"].count("fit_glm") == 2
    assert len(records(tmp_path / "out")) == 4


def execution_of(dataset, out):
    """Call the program so that an interruption comes through."""
    code = participant(dataset, out)
    if code == 130:  # as a shell says it
        raise KeyboardInterrupt


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_estimates_of_runs_that_are_written_are_removed(nprocs, dataset, tmp_path, watched):
    _, hooks = watched
    work, held = tmp_path / "work", []

    def count(node, status):
        if node.name == "write_report" and status == "start":
            held.append(len(list(work.rglob("fit.npz"))))

    hooks.append(count)

    assert participant(dataset, tmp_path / "out", "-w", str(work), "--nprocs", nprocs) == 0

    assert len(held) == 2
    assert held[0] <= 1 + int(nprocs)  # of the runs that are being fitted
    assert held[-1] == 0
    assert len(records(tmp_path / "out")) == 4


def test_debug_keeps_all_files(dataset, tmp_path):
    work = tmp_path / "work"

    assert participant(dataset, tmp_path / "out", "-w", str(work), "--debug") == 0

    assert len(list(work.rglob("fit.npz"))) == 4


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_a_run_that_fails_takes_only_what_needs_it(nprocs, dataset, tmp_path, capsys):
    for name in ("sub-01", "sub-02"):
        path = dataset / name / "func" / f"{name}_task-cuetarget_run-1_bold.nii.gz"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255  # the file is damaged in its middle
        path.write_bytes(content)
    intact = dataset / "sub-02" / "func" / "sub-02_task-cuetarget_run-1_bold.nii.gz"
    intact.write_bytes((intact.parent / intact.name.replace("run-1", "run-2")).read_bytes())

    code = participant(dataset, tmp_path / "out", "--nprocs", nprocs)

    said = capsys.readouterr()
    assert code == 1
    assert "sub-01_task-cuetarget_run-1_bold.nii.gz" in said.err
    assert records(tmp_path / "out") == {
        "node-run_sub-01_task-cuetarget_run-2",
        "node-run_sub-02_task-cuetarget_run-1",
        "node-run_sub-02_task-cuetarget_run-2",
    }
    assert (tmp_path / "out" / "sub-02.html").is_file()
    assert not (tmp_path / "out" / "sub-01.html").exists()
    assert Path.cwd() != tmp_path


@pytest.mark.skipif(mp.get_start_method() != "fork", reason="other processes have no patch")
def test_a_killed_process_fails_its_runs_with_a_remedy_and_the_others_go_on(
    dataset, tmp_path, capsys, monkeypatch
):
    usual = FitGLM._run_interface

    def killed(self, runtime):
        if "sub-01" in self.inputs.bold_file:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, runtime)

    monkeypatch.setattr(FitGLM, "_run_interface", killed)

    code = participant(dataset, tmp_path / "out", "--nprocs", "2")

    said = capsys.readouterr()
    assert code == 1
    assert said.err.count("The operating system killed a process, most likely because memory") == 1
    assert "--nprocs" in said.err
    assert not [name for name in records(tmp_path / "out") if "sub-01" in name]
    monkeypatch.undo()
    assert participant(dataset, tmp_path / "out", "--nprocs", "2") == 0
    assert len(records(tmp_path / "out")) == 4


@pytest.mark.skipif(mp.get_start_method() != "fork", reason="other processes have no patch")
def test_a_process_that_is_killed_before_a_node_is_submitted_takes_no_run_with_it(
    dataset, tmp_path, monkeypatch
):
    submitted = []
    usual = MultiProcPlugin._submit_job

    def submit(self, node, updatehash=False):
        submitted.append(node.fullname)
        if len(submitted) == 1:
            self.pool.submit(os._exit, 1).exception()  # waits until the process has ended
        return usual(self, node, updatehash=updatehash)

    monkeypatch.setattr(MultiProcPlugin, "_submit_job", submit)

    assert participant(dataset, tmp_path / "out", "--nprocs", "2") == 0

    assert submitted[1] == submitted[0]
    assert len(records(tmp_path / "out")) == 4


def test_while_processes_work_this_one_waits_and_does_not_ask(dataset, tmp_path, monkeypatch):
    asked = []
    usual = MultiProcPlugin._send_procs_to_workers

    def ask(self, **arguments):
        asked.append(len(self._task_obj))
        usual(self, **arguments)

    monkeypatch.setattr(MultiProcPlugin, "_send_procs_to_workers", ask)

    assert participant(dataset, tmp_path / "out", "--nprocs", "2") == 0

    n_nodes = 4 * 5 + 2 * 4
    assert len(asked) < 3 * n_nodes


def nipype_changed(what):
    return (
        f"nipype {nipype.__version__} changed {what}. InProcessesPlugin in "
        f"workflows/execution_order.py was written for nipype {NIPYPE_VERSIONS}: compare it with "
        "nipype's MultiProcPlugin, then renew this list."
    )


@pytest.mark.parametrize("name", PRIVATE_METHODS)
def test_a_private_method_of_nipype_has_the_signature_that_is_overridden(name):
    method = getattr(MultiProcPlugin, name, None)
    signature = "no such method" if method is None else str(inspect.signature(method))

    assert signature == PRIVATE_METHODS[name], nipype_changed(f"MultiProcPlugin.{name}")


def test_nipype_has_the_attributes_that_the_plugin_reads():
    plugin = MultiProcPlugin({"n_procs": 1})
    plugin.pool.shutdown()

    missing = sorted(name for name in ATTRIBUTES if not hasattr(plugin, name))

    assert missing == [], nipype_changed(f"attributes of MultiProcPlugin ({', '.join(missing)})")


def test_no_other_private_method_of_nipype_is_overridden():
    private = {name for name in vars(InProcessesPlugin) if re.match(r"_[a-z]", name)}

    assert {name for name in private if hasattr(MultiProcPlugin, name)} == set(PRIVATE_METHODS)
