"""Run a workflow: nipype's settings, progress, and what failed in words."""

import logging
import re
import sys
import time
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from nipype import config
from nipype.pipeline.engine import Workflow

from boldglm.workflows.execution_order import InProcessesPlugin, OneByOnePlugin

POLL_SECONDS = 0.02  # nipype's default of 2 s costs two seconds a node
RUN_NODE = "estimate_contrasts"  # the last step of a fit


@dataclass
class Progress:
    """Says how far a workflow is: one line for each run that is fitted."""

    n_runs: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    started: float = field(default_factory=time.monotonic)
    done: int = 0
    running: set[str] = field(default_factory=set)

    def __call__(self, node: Any, status: str) -> None:
        """Take a report of nipype on a node."""
        name = str(node.fullname)
        if status == "start":
            if not self.running:  # nipype has built its graph, which may have taken a while
                self.started = time.monotonic()
            self.running.add(name)
        elif status == "end" and node.name == RUN_NODE and name in self.running:
            # nipype also reports the end of nodes that it passes over after a failure
            self.done += 1
            self._say(node.fullname.split(".")[-3])

    def _say(self, run: str) -> None:
        elapsed = time.monotonic() - self.started
        left = elapsed / self.done * (self.n_runs - self.done)
        name = re.sub(r"_wf$", "", run)
        rest = f", about {_duration(left)} left" if self.done < self.n_runs else ""
        print(f"[{self.done}/{self.n_runs}] fitted {name}{rest}", file=self.stream, flush=True)


@dataclass(frozen=True)
class Execution:
    """How a workflow is run."""

    work_dir: Path
    log_dir: Path
    nprocs: int = 1
    stop_on_first_crash: bool = False
    debug: bool = False  # keep the files of all nodes, and let nipype say what it does


def execute(workflow: Workflow, how: Execution, n_runs: int) -> list[str]:
    """Run a workflow to its end and return one message for each failure.

    Independent runs go on when one fails. Nodes are run one by one in this process or, several
    at a time, in others; each run to its end before the next one starts.
    """
    _configure(workflow, how)
    workflow.base_dir = str(how.work_dir)
    progress = Progress(n_runs)
    before = set(how.log_dir.glob("crash-*"))
    arguments: dict[str, Any] = {"status_callback": progress, "keep_files": how.debug}
    plugin: Any = OneByOnePlugin(arguments)
    if how.nprocs > 1:
        arguments |= {"n_procs": how.nprocs, "raise_insufficient": False}
        plugin = InProcessesPlugin(arguments)
    try:
        workflow.run(plugin=plugin)
    except Exception as error:  # nipype wraps what its nodes raise in types of its own
        crashes = sorted(set(how.log_dir.glob("crash-*")) - before)
        messages = [_message(path) for path in crashes]
        return list(dict.fromkeys(messages)) or [str(error)]
    return []


def _configure(workflow: Workflow, how: Execution) -> None:
    settings = {
        "execution": {
            "poll_sleep_duration": POLL_SECONDS,
            "crashfile_format": "txt",
            "create_report": "false",  # of each node, in a folder that is removed
            "crashdump_dir": str(how.log_dir),
            "stop_on_first_crash": str(how.stop_on_first_crash).lower(),
            "check_version": "false",
            "hash_method": "timestamp",
        },
        "monitoring": {"enabled": "false"},
    }
    config.update_config(settings)
    workflow.config = deepcopy(config._sections)  # a workflow copies the settings when it is made
    level = logging.INFO if how.debug else logging.CRITICAL
    for name in ("nipype", "nipype.workflow", "nipype.interface", "nipype.utils"):
        logging.getLogger(name).setLevel(level)


def _message(crash_file: Path) -> str:
    """Take the last message of a crash file; what boldglm raises itself explains itself."""
    text = crash_file.read_text(encoding="utf-8", errors="replace")
    own = re.findall(r"^\s*boldglm\.errors\.\w+: (.+)$", text, flags=re.MULTILINE)
    if own:
        return own[-1].strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = next(
        (line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception|Warning)", line)),
        "",
    )
    return f"{last or 'unknown failure'} (details in {crash_file})"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
