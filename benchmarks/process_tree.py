"""Time a whole command and watch the memory of its process and of everything it starts."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from measure import Sample, cores, peak_bytes

SECONDS_BETWEEN_LOOKS = 0.1


class TreeWatch(threading.Thread):
    """Looks at a process and its descendants until it is stopped.

    `largest` is the most that any one process held, from the kernel's own record of each;
    `together` the largest sum seen at one look, in which shared pages count more than once.
    """

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.largest = self.together = 0
        self._done = threading.Event()

    def run(self) -> None:
        """Look again and again."""
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            tree = _descendants(self.root)
            self.together = max(self.together, sum(map(_resident_bytes, tree)))
            self.largest = max(self.largest, *map(_peak_or_zero, tree))

    def stop(self) -> None:
        """Stop looking."""
        self._done.set()
        self.join()


def _descendants(root: int) -> list[int]:
    """Return a process and all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended between the two calls
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for process in found:
        found.extend(children.get(process, []))
    return found


def largest_peak(root: int) -> int:
    """Return the peak of the largest of a process and all that it started, in bytes."""
    return max(map(_peak_or_zero, _descendants(root)))


def _resident_bytes(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak_or_zero(process: int) -> int:
    try:
        return peak_bytes(process)
    except OSError:
        return 0


def run_command(
    command: Sequence[str], log: Path, threads: int, environment: Mapping[str, str]
) -> Sample:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    log : Path
        Where what it prints is added.
    threads : int
        Cores that it may use, and threads of linear algebra.
    environment : mapping
        Added to this process's environment.

    Returns
    -------
    dict
        ``seconds`` from start to end, ``peak_bytes`` of its largest process and
        ``together_bytes`` of all of them.
    """
    with cores(threads) as surroundings, log.open("a") as file:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**surroundings, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    watch = TreeWatch(process.pid)
    watch.start()
    code = process.wait()
    elapsed = time.perf_counter() - start
    watch.stop()
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise SystemExit(f"{command[0]} failed with exit code {code}:\n{tail}")
    return {
        "seconds": elapsed,
        "peak_bytes": watch.largest,
        "together_bytes": watch.together,
    }
