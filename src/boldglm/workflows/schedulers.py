"""nipype's plugins for schedulers of clusters, with one job for each run and place above it.

nipype's own plugins do not tell the scheduler how much memory and how many processors a node
needs. They ask about each job separately, several times a second. They leave jobs in the queue
when they are stopped, and the one that submits the whole graph returns before anything has been
computed.
"""

import re
import shlex
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from nipype.pipeline.plugins.base import GraphPluginBase
from nipype.pipeline.plugins.pbs import PBSPlugin
from nipype.pipeline.plugins.sge import SGEPlugin
from nipype.pipeline.plugins.slurm import SLURMPlugin

from boldglm.errors import KilledError
from boldglm.workflows.failures import Failure, failure
from boldglm.workflows.jobs import TRACEBACK, as_jobs, resources
from boldglm.workflows.queues import (
    SOONEST,
    Pace,
    SlurmQueue,
    call,
    cancel,
    has_option,
    pbs_has,
    slurm_resources,
)

SLURM_NUMBER = r"Submitted batch job (\d+)"
_ENDED = "results file does not exist after"  # what nipype says of a job that left nothing


class Jobs(ABC):
    """What all plugins of schedulers have in common.

    Beside the arguments of nipype's plugin, there are ``keep_files`` (leave the folders of nodes),
    ``log_dir`` (a folder for logs of jobs that were ended), and ``jobs_file`` (a file that lists
    the commands that cancel the jobs).
    """

    failures: list[Failure]
    plugin_args: dict[str, Any]
    arguments: ClassVar[str]  # the name of nipype's argument with options of the scheduler
    command: ClassVar[str]
    number_in: ClassVar[str]  # what the command answers, with the number of the job
    name_option: ClassVar[str]
    cancel_command: ClassVar[str]
    reports_here: ClassVar[bool] = True

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all jobs but those that need the results of a failed one."""
        self.failures = []
        jobs = as_jobs(
            graph,
            keep_files=bool(self.plugin_args.get("keep_files")),
            reports_here=self.reports_here,
        )
        for job in jobs:
            job.plugin_args = {self.arguments: self.options_of(job), "overwrite": True}
        try:
            super().run(jobs, config, updatehash=updatehash)  # type: ignore[misc]
        except BaseException:  # nobody waits for the other jobs
            self.cancel_jobs()
            raise

    def options_of(self, job: Any) -> str:
        """Return the options of the scheduler for a job."""
        memory, processors = resources(job)
        options = str(self.plugin_args.get(self.arguments, ""))
        for name, number in (("{mem_mb}", memory), ("{cpus}", processors)):
            options = options.replace(name, str(number))
        added = self.resource_options(options, memory, processors)
        return " ".join([*added, *self.log_options(options, _log(job)), options]).strip()

    @abstractmethod
    def resource_options(self, options: str, memory: int, processors: int) -> list[str]:
        """Return how to request memory and processors, unless the options of the user do."""

    def log_options(self, options: str, log: Path) -> list[str]:
        """Return where a job writes its log, unless the options of the user say so."""
        return [] if has_option(options, "-o", "--output") else [f"-o {log}", f"-e {log}"]

    def submit(self, words: list[str]) -> Any:
        """Submit a job and return its number, which is noted in the list of jobs to cancel.

        Raises
        ------
        RuntimeError
            If the scheduler does not take it, also after some time.
        """
        tries = int(self.plugin_args.get("max_tries", 2))
        pause = float(self.plugin_args.get("retry_timeout", 2))
        for further in range(tries, -1, -1):
            try:
                answer = call([self.command, *words])
                number = re.search(self.number_in, answer)
                if number is None:
                    raise subprocess.SubprocessError(f"it answers {answer.strip()!r}")
            except (OSError, subprocess.SubprocessError) as error:
                if not further:
                    raise RuntimeError(
                        f"{self.command} does not take the job {words[-2]}: {error}"
                    ) from error
                time.sleep(pause)
            else:
                break
        assert number is not None
        if (path := self.plugin_args.get("jobs_file")) is not None:
            with Path(path).open("a", encoding="ascii") as file:
                file.write(f"{self.cancel_command} {number[1]}\n")
        return int(number[1])

    @abstractmethod
    def cancel_jobs(self) -> None:
        """Cancel all jobs of this call."""

    def note_failure(self, job: Any, trace: str, report: Callable[[], Any]) -> None:
        """Add a failure to those of this call."""
        self.failures.append(failure(trace, report, Path(job.output_dir())))

    def ended_early(self, job: Any) -> str:
        """Say that a job ended without results, and copy its log to where it stays."""
        memory, _ = resources(job)
        log, text = _log(job), ""
        if log.is_file():
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            text = next((line.strip() for line in reversed(lines) if line.strip()), "")
            folder = Path(self.plugin_args.get("log_dir", log.parent))
            folder.mkdir(parents=True, exist_ok=True)
            log = Path(shutil.copy(log, folder / log.name))
        error = KilledError(
            f"The scheduler ended the job {job.name}, most likely because it needed more memory "
            f"(requested: {memory} MB) or time than it may. "
            + (f"Its log {log} ends with: {text!r}. " if text else "It left no log. ")
            + "Request more by --nipype-plugin-args; the same command resumes."
        )
        return f"boldglm.errors.KilledError: {error}\n"


class JobByJob(Jobs):
    """Submits each job once the jobs that it needs have ended."""

    longest_name: ClassVar[int | None] = None
    procs: list[Any]
    _pending: dict[Any, str]
    _config: Any

    def _report_crash(self, node: Any, result: Any = None) -> Any:
        trace = "".join((result or {}).get("traceback") or ())
        if _ENDED in trace:
            trace = self.ended_early(node)
        result = {"result": None, **(result or {}), "traceback": trace.splitlines(keepends=True)}
        crash_file: list[Any] = []

        def report() -> Any:
            crash_file.append(super(JobByJob, self)._report_crash(node, result))  # type: ignore[misc]
            return crash_file[0]

        self.note_failure(node, trace, report)
        if self.failures[-1].is_final:
            raise RuntimeError(self.failures[-1].message)
        return crash_file[0] if crash_file else None

    def _submit_batchtask(self, scriptfile: str, node: Any) -> Any:
        # nipype's own methods take a command that failed for a job without a number
        name = re.sub(r"^(?=[^A-Za-z])", "job_", node.name)[: self.longest_name]
        number = self.submit([*_words(node, self.arguments), self.name_option, name, scriptfile])
        self._pending[number] = node.output_dir()
        return number

    def cancel_jobs(self) -> None:
        """Cancel the jobs that have not ended."""
        cancel(self.cancel_command, self._pending)


class Slurm(JobByJob, SLURMPlugin):
    """Submits jobs to SLURM, one by one."""

    arguments, command, cancel_command = "sbatch_args", "sbatch", "scancel"
    number_in, name_option = SLURM_NUMBER, "-J"

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all jobs but those that need the results of a failed one."""
        self._queue = SlurmQueue()
        super().run(graph, config, updatehash=updatehash)

    def resource_options(self, options: str, memory: int, processors: int) -> list[str]:
        """Return ``--mem`` and ``--cpus-per-task``."""
        return slurm_resources(options, memory, processors)

    def _is_pending(self, taskid: int) -> bool:
        return self._queue.has(taskid)

    def submit(self, words: list[str]) -> Any:
        """Submit a job and return its number."""
        number = super().submit(words)
        self._queue.add(number)
        return number


class Pbs(JobByJob, PBSPlugin):
    """Submits jobs to PBS or Torque, one by one."""

    arguments, command, cancel_command = "qsub_args", "qsub", "qdel"
    number_in, name_option, longest_name = r"^\s*(\d+)", "-N", 15

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all jobs but those that need the results of a failed one."""
        self._paces: dict[int, Pace] = defaultdict(Pace)
        super().run(graph, config, updatehash=updatehash)

    def resource_options(self, options: str, memory: int, processors: int) -> list[str]:
        """Return ``-l mem=...,ncpus=...``."""
        if has_option(options, "-l"):
            return []
        return [f"-l mem={memory}mb,ncpus={processors}"]

    def _is_pending(self, taskid: int) -> bool:
        pace = self._paces[taskid]
        if not pace.is_due():
            return True
        is_pending = pbs_has(taskid)
        pace.asked(changed=not is_pending)
        return is_pending


class Sge(JobByJob, SGEPlugin):
    """Submits jobs to SGE, one by one.

    How memory and processors are requested differs from cluster to cluster: the user's options say
    it, with {mem_mb} and {cpus} in place of numbers.
    """

    arguments, command, cancel_command = "qsub_args", "qsub", "qdel"
    number_in, name_option = r"Your job (\d+)", "-N"

    def resource_options(self, options: str, memory: int, processors: int) -> list[str]:  # noqa: ARG002
        """Return nothing."""
        return []

    def submit(self, words: list[str]) -> Any:
        """Submit a job and return its number."""
        number = super().submit(words)
        self._refQstatSubstitute.add_startup_job(number, " ".join(words))
        return number


class SlurmGraph(Jobs, GraphPluginBase):
    """Submits all jobs to SLURM at once, with their dependencies, and waits for them."""

    arguments, command, cancel_command = "sbatch_args", "sbatch", "scancel"
    number_in, name_option, reports_here = SLURM_NUMBER, "-J", False

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run all jobs but those that need the results of a failed one."""
        self._numbers: list[int] = []
        super().run(graph, config, updatehash=updatehash)

    def resource_options(self, options: str, memory: int, processors: int) -> list[str]:
        """Return ``--mem`` and ``--cpus-per-task``; jobs that cannot start are removed."""
        return ["--kill-on-invalid-dep=yes", *slurm_resources(options, memory, processors)]

    def _submit_graph(
        self, pyfiles: list[str], dependencies: Mapping[int, list[int]], nodes: list[Any]
    ) -> None:
        queue = SlurmQueue()
        template = template_of(self.plugin_args, "#!/bin/bash")
        for index, (script, job) in enumerate(zip(pyfiles, nodes, strict=True)):
            batch = Path(script).with_suffix(".sh")
            batch.write_text(f"{template}\n{shlex.join([sys.executable, script])}\n")
            needed = ":".join(str(self._numbers[number]) for number in dependencies[index])
            words = _words(job, self.arguments)
            words += [f"--dependency=afterok:{needed}"] if needed else []
            self._numbers.append(self.submit([*words, self.name_option, job.name, str(batch)]))
            queue.add(self._numbers[-1])
        self._wait(queue, nodes)
        self._collect(nodes, dependencies)

    def _wait(self, queue: SlurmQueue, nodes: list[Any]) -> None:
        """Wait until all jobs have ended, and report each."""
        callback = self._status_callback or (lambda *_: None)  # type: ignore[attr-defined]
        waiting = dict(zip(self._numbers, nodes, strict=True))
        for job in nodes:
            callback(job, "start")
        while waiting:
            time.sleep(SOONEST)
            for number in [number for number in waiting if not queue.has(number)]:
                job = waiting.pop(number)
                callback(job, "end" if _has_succeeded(job) else "exception")

    def _collect(self, nodes: list[Any], dependencies: Mapping[int, list[int]]) -> None:
        """Note which jobs failed, and raise an error if some did."""
        failed: set[int] = set()
        for index, job in enumerate(nodes):
            if _has_succeeded(job):
                continue
            if failed.isdisjoint(dependencies[index]):
                trace = Path(job.output_dir()) / TRACEBACK
                text = trace.read_text(encoding="utf-8") if trace.is_file() else None
                self.note_failure(job, text or self.ended_early(job), lambda: None)
            failed.add(index)
        if self.failures:
            raise RuntimeError(self.failures[0].message)

    def cancel_jobs(self) -> None:
        """Cancel the jobs that have not ended."""
        cancel(self.cancel_command, self._numbers)


def template_of(arguments: Mapping[str, Any], default: str) -> str:
    """Return the beginning of job scripts: a text, or the content of a file."""
    template = str(arguments.get("template", default))
    return Path(template).read_text(encoding="utf-8") if Path(template).is_file() else template


def _words(job: Any, arguments: str) -> list[str]:
    """Return the options of the scheduler for a job."""
    return shlex.split(job.plugin_args[arguments])


def _log(job: Any) -> Path:
    """Return the log of a job, beside its script."""
    return Path(job.base_dir) / job._hierarchy.partition(".")[0] / "batch" / f"{job.fullname}.log"


def _has_succeeded(job: Any) -> bool:
    folder = Path(job.output_dir())
    return (folder / f"result_{job.name}.pklz").is_file() and not (folder / TRACEBACK).is_file()
