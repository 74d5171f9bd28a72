"""Run a workflow with nipype: its settings, progress on the terminal, and error messages."""

import logging
import shutil
import sys
import time
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception
from typing import Any, TextIO

from nipype import config
from nipype.pipeline.engine import Workflow

from boldglm.workflows.failures import Failure, failure
from boldglm.workflows.jobs import fitted_run
from boldglm.workflows.memory_limit import processes_within
from boldglm.workflows.nodes import run_name
from boldglm.workflows.plugins import PluginChoice, make_plugin

POLL_SECONDS = 0.02  # nipype's default would add 2 s to every node
JOB_POLL_SECONDS = 0.2  # between two looks at jobs, of which few ask the scheduler
JOB_FINISHED_SECONDS = 20  # until the files of a job that has ended appear on a shared disk


BAR = 20  # characters of a bar of progress
CLEAR_TO_END = "\x1b[K"


@dataclass
class Progress:
    """Prints a line, with an estimate of the time left, whenever a run has been fitted.

    On a terminal there is one line that is written anew, with a bar.

    Parameters
    ----------
    n_runs : int
        Number of runs to fit.
    stream : TextIO
        Where to print; by default standard error.
    """

    n_runs: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    started: float = field(default_factory=time.monotonic)
    done: int = 0
    running: set[str] = field(default_factory=set)

    def __call__(self, node: Any, status: str) -> None:
        """Handle the status of a node, as nipype's plugins report it."""
        name = str(node.fullname)
        if status == "start":
            if not self.running:  # the time that nipype took to build its graph does not count
                self.started = time.monotonic()
            self.running.add(name)
        elif status == "end" and name in self.running and (run := fitted_run(node)) is not None:
            # nipype also reports the end of nodes that it skips after a failure
            self.done += 1
            self._print(run)

    def _print(self, run: str) -> None:
        elapsed = time.monotonic() - self.started
        remaining = elapsed / self.done * (self.n_runs - self.done)
        name = run_name(run)
        estimate = f", about {_duration(remaining)} left" if self.done < self.n_runs else ""
        text = f"[{self.done}/{self.n_runs}] fitted {name}{estimate}"
        if not self.stream.isatty():
            print(text, file=self.stream, flush=True)
            return
        full = BAR * self.done // self.n_runs
        width = shutil.get_terminal_size().columns - 1
        line = f"{'━' * full}{'─' * (BAR - full)} {text}"[:width]
        if not can_encode(line, self.stream):
            line = text[:width]
        end = "\n" if self.done == self.n_runs else ""
        self.stream.write(f"\r{line}{CLEAR_TO_END}{end}")
        self.stream.flush()

    def close(self) -> None:
        """End the line that was written anew, if the last run was not its end."""
        if self.stream.isatty() and 0 < self.done < self.n_runs:
            print(file=self.stream, flush=True)


@dataclass(frozen=True)
class Execution:
    """How to run a workflow.

    Parameters
    ----------
    work_dir : Path
        Folder for intermediate files.
    log_dir : Path
        Folder for crash files.
    nprocs : int
        Number of processes.
    mem_gb : float, optional
        Memory in GB that all processes together may take; fewer of them run if necessary. With a
        scheduler, memory of each job.
    stop_on_first_crash : bool
        Whether to stop at the first failure instead of finishing the other runs.
    debug : bool
        Whether to leave the files of all nodes in place and show nipype's log.
    plugin : PluginChoice, optional
        The nipype plugin to use; by default one that fits `nprocs`.
    jobs_file : Path, optional
        File to list the commands in that cancel the jobs of a scheduler.
    """

    work_dir: Path
    log_dir: Path
    nprocs: int = 1
    mem_gb: float | None = None
    stop_on_first_crash: bool = False
    debug: bool = False
    plugin: PluginChoice | None = None
    jobs_file: Path | None = None

    @property
    def has_scheduler(self) -> bool:
        """Whether jobs are submitted to a scheduler."""
        return self.plugin is not None and self.plugin.is_scheduler


def execute(workflow: Workflow, how: Execution, n_runs: int) -> list[Failure]:
    """Run a workflow and collect what failed.

    If a run fails, the others go on, unless the disk is full. One run is finished before the next
    starts, or as many runs at a time as there are processes.

    Parameters
    ----------
    workflow : Workflow
        The workflow.
    how : Execution
        Folders and processes.
    n_runs : int
        Number of runs that the workflow fits, for the progress lines.

    Returns
    -------
    list of Failure
        Each failure once.
    """
    _configure(workflow, how)
    workflow.base_dir = str(how.work_dir)
    progress = Progress(n_runs)
    settings: dict[str, Any] = {
        "status_callback": progress,
        "keep_files": how.debug,
        "log_dir": how.log_dir,
        "jobs_file": how.jobs_file,
    }
    nprocs = how.nprocs
    if how.mem_gb is not None:
        nprocs = processes_within(workflow, how.mem_gb, 1 if how.has_scheduler else nprocs)
        settings["memory_gb"] = how.mem_gb
    plugin = make_plugin(how.plugin, nprocs, settings)
    try:
        workflow.run(plugin=plugin)
    except Exception as error:  # nipype raises its own types instead of those of the nodes
        text = "".join(format_exception(error))
        failures = plugin.failures or [failure(text, lambda: None, how.work_dir)]
        return list(dict.fromkeys(failures))
    finally:
        progress.close()
    return []


def _configure(workflow: Workflow, how: Execution) -> None:
    settings = {
        "execution": {
            "poll_sleep_duration": JOB_POLL_SECONDS if how.has_scheduler else POLL_SECONDS,
            "job_finished_timeout": JOB_FINISHED_SECONDS,
            "crashfile_format": "txt",
            "create_report": "false",  # the folders of nodes are removed anyway
            "crashdump_dir": str(how.log_dir),
            "stop_on_first_crash": str(how.stop_on_first_crash).lower(),
            "check_version": "false",
            "hash_method": "timestamp",
        },
        "monitoring": {"enabled": "false"},
    }
    config.update_config(settings)
    workflow.config = deepcopy(config._sections)  # it copied the settings when it was created
    level = logging.INFO if how.debug else logging.CRITICAL
    for name in ("nipype", "nipype.workflow", "nipype.interface", "nipype.utils"):
        logging.getLogger(name).setLevel(level)


def can_encode(text: str, stream: TextIO) -> bool:
    """Say whether a stream has characters for a text."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
