"""The queue of a scheduler: what is in it, asked neither too often nor too rarely."""

import logging
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)
SOONEST, LATEST = 0.5, 10.0  # seconds between two questions to the scheduler
SECONDS_TO_ANSWER = 60.0
_ENDING = ("CG", "CD", "F", "CA", "TO", "OOM", "NF", "PR", "BF", "DL")


class Pace:
    """When to ask again: soon after something has happened, and more rarely later."""

    def __init__(self) -> None:
        self._changed = self._asked = time.monotonic()

    def is_due(self) -> bool:
        """Say whether it is time to ask again."""
        quiet = self._asked - self._changed
        return time.monotonic() - self._asked >= min(LATEST, max(SOONEST, quiet / 10))

    def asked(self, *, changed: bool) -> None:
        """Note that an answer came, and whether it was another than the one before."""
        self._asked = time.monotonic()
        if changed:
            self._changed = self._asked


class SlurmQueue:
    """The jobs of this user that SLURM has yet to finish, asked for all of them at once."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._numbers: frozenset[int] = frozenset()
        self._new: set[int] = set()  # submitted after the last answer
        self._is_silent = False

    def add(self, number: int) -> None:
        """Note a job that has just been submitted."""
        self._new.add(number)

    def has(self, number: int) -> bool:
        """Say whether a job waits or runs."""
        if self._pace.is_due():
            self._ask()
        return number in self._new or number in self._numbers

    def _ask(self) -> None:
        command = ["squeue", "--noheader", f"--user={os.getuid()}", "--format=%A %t"]
        try:
            answer = call(command)
        except (OSError, subprocess.SubprocessError) as error:
            self._pace.asked(changed=False)
            if not self._is_silent:
                logger.warning("squeue does not answer (%s); waiting until it does.", error)
            self._is_silent = True
            return
        lines = [line.split() for line in answer.splitlines()]
        numbers = frozenset(int(line[0]) for line in lines if line[1] not in _ENDING)
        self._pace.asked(changed=numbers != self._numbers)
        self._numbers, self._is_silent = numbers, False
        self._new.clear()


def pbs_has(number: int) -> bool:
    """Say whether a job waits or runs in PBS or Torque; if neither is known, it does."""
    try:
        answer = call(["qstat", "-f", str(number)])
    except (OSError, subprocess.SubprocessError) as error:
        return not re.search(r"unknown job id|has finished", str(error), re.IGNORECASE)
    return not re.search(r"job_state = [CF]", answer)


def call(command: Sequence[str]) -> str:
    """Run a command of a scheduler and return what it prints.

    Raises
    ------
    OSError
        If it cannot be started.
    subprocess.SubprocessError
        If it fails, with its message, or does not answer.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER, check=False
    )
    if done.returncode:
        raise subprocess.SubprocessError(" ".join((done.stderr or done.stdout).split()))
    return done.stdout


def slurm_resources(options: str, memory: int, processors: int) -> list[str]:
    """Return how SLURM is asked for memory (MB) and processors, unless `options` do so.

    Examples
    --------
    >>> slurm_resources("--partition=short --mem=4G", 900, 2)
    ['--cpus-per-task=2']
    """
    added = []
    if not has_option(options, "--mem", "--mem-per-cpu", "--exclusive"):
        added.append(f"--mem={memory}M")
    if not has_option(options, "-c", "--cpus-per-task", "--exclusive"):
        added.append(f"--cpus-per-task={processors}")
    return added


def has_option(options: str, *names: str) -> bool:
    """Say whether a text with options has one of these.

    Examples
    --------
    >>> has_option("--open-mode=append -c2", "-o", "--output")
    False
    >>> has_option("--open-mode=append -c2", "-c")
    True
    """
    words = shlex.split(options)
    return any(
        word.partition("=")[0] == name
        if name.startswith("--")
        else re.match(rf"{name}(?!-)", word) is not None
        for word in words
        for name in names
    )


def cancel(command: str, numbers: Iterable[object]) -> None:
    """Cancel jobs, as far as the scheduler still has them."""
    words = [command, *map(str, numbers)]
    if len(words) > 1:
        subprocess.run(words, capture_output=True, timeout=SECONDS_TO_ANSWER, check=False)
