"""Measure programs against each other: fresh processes, alternating rounds, time and memory.

A *side* is a function that does a job once and is started in a process of its own, with a
number of cores and threads, by `run_side`; it tells what each part took and the largest memory
that its process ever held. `alternate` runs all sides in turn, round by round, the order
turned around in every other round, so that what the machine does meanwhile strikes all of them.

Only the standard library is imported here, so that a side can time its own imports.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
UNTIMED = ("import", "prepare", "check")  # parts of a side that are no part of the job

PACKAGES = ("numpy", "scipy", "nibabel", "nilearn", "nipype", "pybids", "isal")

Sample = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What every benchmark can be told on its command line."""

    options: argparse.Namespace
    command: str
    cache: Path
    results: Path
    rounds: int
    tiny: bool


class Stopwatch:
    """Adds up the seconds of named parts."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Book the time since the last lap to a part."""
        now = time.perf_counter()
        self.parts[part] = self.parts.get(part, 0.0) + now - self._last
        self._last = now


def argument_parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with what all benchmarks share."""
    parser = argparse.ArgumentParser(description=description.partition("\n\n")[0])
    parser.add_argument(
        "--cache", type=Path, help="folder that keeps generated data (default: a temporary one)"
    )
    parser.add_argument(
        "--results", type=Path, help="folder of the result file (default: benchmarks/results)"
    )
    parser.add_argument("--rounds", type=int, default=rounds, help=f"(default: {rounds})")
    parser.add_argument("--tiny", action="store_true", help="to try the script; needs --results")
    return parser


@contextmanager
def settings(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Iterator[Settings]:
    """Parse a command line, and lend a cache folder for as long as the benchmark runs."""
    options = parser.parse_args(arguments)
    if options.tiny and options.results is None:
        parser.error("--tiny measures nothing worth keeping: give --results FOLDER")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    with tempfile.TemporaryDirectory(prefix="boldglm-benchmark-") as temporary:
        cache = Path(options.cache or temporary).resolve()
        cache.mkdir(parents=True, exist_ok=True)
        results = (options.results or RESULTS).resolve()
        yield Settings(
            options, _shown_command(arguments), cache, results, options.rounds, options.tiny
        )


def _shown_command(arguments: Sequence[str]) -> str:
    """Return the command without folders, which say nothing about the measurement."""
    shown, skip = [], False
    for word in arguments:
        if not skip and word.partition("=")[0] not in ("--cache", "--results"):
            shown.append("FOLDER" if Path(word).is_absolute() else word)
        skip = not skip and word in ("--cache", "--results")
    return " ".join([f"python benchmarks/{Path(sys.argv[0]).name}", *shown])


@contextmanager
def cores(count: int) -> Iterator[dict[str, str]]:
    """Pin this process, and so what it starts, to some cores; yields the environment to use."""
    allowed = os.sched_getaffinity(0)
    if count > len(allowed):
        raise SystemExit(f"{count} threads were asked for; this machine lends {len(allowed)}.")
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(count))}
        # a source tree keeps its bytecode then, as a package has it that pip has installed
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        yield environment
    finally:
        os.sched_setaffinity(0, allowed)


def run_side(script: str, side: str, threads: int = 1, **arguments: Any) -> Sample:
    """Do the job of one side in a fresh process.

    Parameters
    ----------
    script, side : str
        File in this folder, and the function in it, which takes the arguments by name.
    threads : int
        Cores that it may use, and threads of its linear algebra.

    Returns
    -------
    dict
        ``parts`` (seconds by name), ``seconds`` (their sum without imports and preparation),
        ``process_seconds`` (from start to end of the process), ``peak_bytes``, and whatever
        else the side returns.
    """
    with cores(threads) as environment:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(HERE / script), side, json.dumps(arguments)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        elapsed = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{script} {side} failed with exit code {done.returncode}.")
    sample: Sample = json.loads(done.stdout.splitlines()[-1])
    seconds = sum(value for part, value in sample["parts"].items() if part not in UNTIMED)
    return {**sample, "seconds": seconds, "process_seconds": elapsed}


def be_a_side(sides: Mapping[str, Callable[..., Sample]]) -> None:
    """Do what `run_side` asks for on the command line, and print what it took as JSON."""
    side, arguments = sys.argv[1:]
    sample = sides[side](**json.loads(arguments))
    print(json.dumps({**sample, "peak_bytes": peak_bytes("self")}))


def peak_bytes(process: int | str) -> int:
    """Return the largest resident memory that a process ever held (Linux), in bytes.

    Not `ru_maxrss`, which starts at the size of the process that started this one.
    """
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has just ended


def alternate(sides: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Run every side once a round, forwards in even rounds and backwards in odd ones."""
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides)[:: -1 if number % 2 else 1]
        for name in names:
            sample = sides[name]()
            samples[name].append(sample)
            print(
                f"round {number + 1}/{rounds}  {name:<28} {sample['seconds']:8.3f} s", flush=True
            )
    return samples


def spread(values: Sequence[float], digits: int = 4) -> dict[str, float]:
    """Return median, smallest, largest and number of some values."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
        "n": len(values),
    }


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what the samples of one side come to."""
    parts = samples[0]["parts"]
    return {
        "seconds": spread([one["seconds"] for one in samples]),
        "process_seconds": spread([one["process_seconds"] for one in samples]),
        "parts": {
            part: round(statistics.median(one["parts"][part] for one in samples), 4)
            for part in parts
        },
        "peak_gb": round(max(one["peak_bytes"] for one in samples) / 1e9, 3),
    }


def ratio(
    theirs: Sequence[Sample], ours: Sequence[Sample], key: str = "seconds"
) -> dict[str, float]:
    """Return how many times longer they take: of the medians, and their best to our worst."""
    slow, fast = ([one[key] for one in samples] for samples in (theirs, ours))
    return {
        "median": round(statistics.median(slow) / statistics.median(fast), 2),
        "pessimistic": round(min(slow) / max(fast), 2),
    }


def overhead(ours: Sequence[Sample], floor: Sequence[Sample]) -> dict[str, float]:
    """Return how many times the floor we take: of the medians, and our worst to its best."""
    slow, fast = ([one["seconds"] for one in samples] for samples in (ours, floor))
    return {
        "median": round(statistics.median(slow) / statistics.median(fast), 2),
        "pessimistic": round(max(slow) / min(fast), 2),
    }


def hardware() -> dict[str, Any]:
    """Describe processor, memory and interpreter; nothing that identifies the machine."""
    return {
        "processor": _first_value("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_first_value("/proc/meminfo", "MemTotal").split()[0]) / 1e6),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def machine() -> dict[str, Any]:
    """Describe the hardware and the versions in this environment."""
    import numpy as np  # not at the top: sides time their imports

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    return {**hardware(), **versions, "blas": f"{blas['name']} {blas['version']}"}


def _first_value(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    raise SystemExit(f"{path} does not say {key}: these benchmarks need Linux.")


def write_result(settings: Settings, name: str, content: Mapping[str, Any]) -> Path:
    """Write the result file of a benchmark: what was measured, how, when and on what."""
    path = settings.results / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"command": settings.command, "date": today(), "machine": machine()}
    path.write_text(json.dumps({**head, **content}, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path.name}; `python benchmarks/report.py` renews docs/benchmarks.md")
    return path


def today() -> str:
    """Return the date as it is written in results."""
    return time.strftime("%Y-%m-%d", time.gmtime())
