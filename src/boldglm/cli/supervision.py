"""A small process that watches over the one that computes, and ends it at once when told to.

A process that computes cannot promise to end soon: Python looks at signals between two of its own
instructions, of which a fit or a compression may be one, and libraries catch what they should not.
So the command consists of two processes. The first imports nothing large and only waits for
signals; the second does the work. What has been written is whole at any moment, because each file
appears under its name when it is complete. The second process can therefore be killed at any
moment.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from boldglm.io.files.call_folders import discard_folder
from boldglm.processes import adopt_orphans, end_with

RESUME = "Finished results are kept; the same command resumes"
ENDINGS = {
    signal.SIGINT: f"interrupted. {RESUME}",
    signal.SIGTERM: f"terminated. {RESUME}",
    signal.SIGHUP: f"the terminal was closed. {RESUME}",
}
KILLED = (
    "the operating system killed the process, most likely because memory ran out. "
    f"{RESUME}; give it fewer processes (--nprocs)"
)
COMMANDS = b"commands:"  # before the name of a file with commands; folders begin with a slash
SECONDS_TO_END = 1.0  # for killed processes; only one that waits for a disk can take longer
_announcements: int | None = None  # where the second process names its temporary folders


def exit_when_told() -> None:
    """End this process by SIGINT and SIGTERM with one line, from now until `supervised`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    _say(f"boldglm: {ENDINGS[signal.Signals(number)]}\n")
    os._exit(128 + number)


def supervised(work: Callable[[], int]) -> int:
    """Do something in a second process that ends at once when this one is told to end.

    Both processes return from this function. The second one returns the exit code of the work; the
    first one the same, or 128 plus the number of the signal that ended the work.

    Parameters
    ----------
    work : callable
        What to do; returns an exit code.

    Returns
    -------
    int
        The exit code.
    """
    watched = {signal.SIGCHLD, *ENDINGS}
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup
        watched.remove(signal.SIGHUP)
    # As process 1 of a container, a process gets only those signals that it has a handler for.
    before = {number: signal.signal(number, _handle) for number in watched}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    adopt_orphans()
    reader, writer = os.pipe()
    supervisor = os.getpid()
    try:
        child = os.fork()
    except OSError:  # no further process is allowed: do the work here
        _restore(before)
        return work()
    if child:
        os.close(writer)
        return _supervise(child, reader, watched)
    end_with(supervisor)
    os.close(reader)
    global _announcements
    _announcements = writer
    _restore(dict.fromkeys(watched, signal.SIG_DFL))
    return work()


def remove_when_killed(folder: Path) -> None:
    """Name a temporary folder that is removed if the work is ended by a signal."""
    if _announcements is not None:
        os.write(_announcements, os.fsencode(folder.absolute()) + b"\0")


def cancel_when_killed(file: Path) -> None:
    """Name a file with commands that are run if the work is ended by a signal, one in a line."""
    if _announcements is not None:
        os.write(_announcements, COMMANDS + os.fsencode(file.absolute()) + b"\0")


def _handle(_number: int, _frame: object) -> None:
    """Do nothing: `signal.sigwait` returns the signals."""


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)


def _supervise(child: int, reader: int, watched: set[signal.Signals]) -> int:
    """Wait until the work or this process is to end; return the exit code."""
    while True:
        number = signal.Signals(signal.sigwait(watched))
        if number in ENDINGS:
            break
        status = _status(child)
        if status is None:
            continue
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
        number = signal.Signals(os.WTERMSIG(status))
        break
    _say(f"boldglm: {ENDINGS.get(number) or _crash(number)}\n")
    _kill(child)
    _remove_announced(reader)
    return 128 + number if number in ENDINGS else 1


def _crash(number: signal.Signals) -> str:
    if number == signal.SIGKILL:
        return KILLED
    return f"the process was ended by {number.name}. {RESUME}"


def _status(child: int) -> int | None:
    """Return the status of the work if it has ended; forget other processes that have ended."""
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if process == child:
            return status
        if not process:
            return None


def _kill(child: int) -> None:
    """Kill the work, and wait until its processes, which end with it, have ended."""
    with suppress(ProcessLookupError):  # it has ended
        os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < deadline:
        try:
            process, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return  # all have ended
        if not process:
            time.sleep(0.005)


def _remove_announced(reader: int) -> None:
    os.set_blocking(reader, False)
    content = b""
    with suppress(BlockingIOError):  # a process that waits for a disk still holds the other end
        while part := os.read(reader, 65536):
            content += part
    names = [name for name in content.split(b"\0") if name]
    _run_commands([Path(os.fsdecode(name.removeprefix(COMMANDS))) for name in names
                   if name.startswith(COMMANDS)])  # fmt: skip
    for name in names:
        if not name.startswith(COMMANDS):
            discard_folder(Path(os.fsdecode(name)))


def _run_commands(files: list[Path]) -> None:
    """Run the commands that cancel jobs, those of one program together."""
    if not files:
        return
    import subprocess  # only here: this process is to stay small

    arguments: dict[str, list[str]] = {}
    for file in files:
        with suppress(OSError):  # no job was submitted
            for line in file.read_text(encoding="ascii").splitlines():
                program, _, argument = line.partition(" ")
                arguments.setdefault(program, []).append(argument)
    started = []
    for program, values in arguments.items():
        with suppress(OSError):
            started.append(
                subprocess.Popen(
                    [program, *values],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
    for process in started:  # that do not end with this process
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)


def _say(text: str) -> None:
    with suppress(OSError):  # nobody is reading
        os.write(2, text.encode("ascii"))
