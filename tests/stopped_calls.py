"""Calls of the program that are stopped, and what they leave: processes, folders and files."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from boldglm.demo.dataset import DatasetPlan, write_dataset

OPTIONS = ("--noise-model", "ols", "--conditions", "cue")
LEVELS = ("participant", "group")


def write_tiny_dataset(folder: Path) -> Path:
    """Write a dataset that takes about three seconds."""
    return write_dataset(folder, DatasetPlan(n_scans=40, shape=(8, 9, 6)))


@dataclass
class Call:
    """A call of the program in processes of its own.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line.
    folder : Path
        Where it is called, so that commands are the same in every folder.
    """

    arguments: tuple[str, ...]
    folder: Path
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        self.log = self.folder.with_name(f"{self.folder.name}.log")
        self.name = f"CALL={self.folder}"
        environment = {**os.environ, "CALL": str(self.folder)}
        self.started = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "boldglm", *self.arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                **{"stdout": log, "stderr": log, **self.options},
            )

    def at(self, seconds: float) -> bool:
        """Wait until some time after the start; return whether the call is still at work."""
        try:
            self.process.wait(max(0, seconds - (time.monotonic() - self.started)))
        except subprocess.TimeoutExpired:
            return True
        return False

    def stop(self, number: signal.Signals) -> float:
        """Send a signal; return after how many seconds the call has ended."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - begun

    def text(self) -> str:
        """Return what was printed."""
        return self.log.read_text(errors="replace")

    def running(self) -> list[int]:
        """Return the processes of this call that are still there."""
        name = os.fsencode(self.name)
        return [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/environ")
            if name in _content(path).split(b"\0")
        ]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""


def call(dataset: Path, out: Path, level: str, *options: str, **popen) -> Call:
    """Start a level of the analysis in the folder that holds the output folder."""
    more = OPTIONS if level == "participant" else ()
    out.parent.mkdir(parents=True, exist_ok=True)
    return Call((str(dataset), out.name, level, *more, *options), out.parent, popen)


def finished(dataset: Path, out: Path, *options: str) -> dict[str, bytes]:
    """Run both levels to their end, and return every file."""
    for level in LEVELS:
        ended = call(dataset, out, level, *options)
        assert ended.process.wait(300) == 0, ended.text()
    return contents(out)


def temporary_files(out: Path) -> list[str]:
    """Return files and folders of calls that were not removed."""
    kept = (".bidsignore", ".boldglm-work", "fits")
    names = [path.relative_to(out) for path in out.rglob("*")]
    return [
        str(name)
        for name in names
        if (name.name.startswith(".") and name.name not in kept)
        or (name.parts[0] == ".boldglm-work" and len(name.parts) == 2 and name.name not in kept)
    ]


def contents(out: Path) -> dict[str, bytes]:
    """Return every file of an output folder but those of the fit cache."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".boldglm-work" not in path.parts
    }
