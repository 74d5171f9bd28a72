"""Change files and read them for a given time: the command of `make fuzz`.

Each reader has a process of its own, so that a crash is a finding and memory is that of one
reader. An execution depends on the seed, the reader and its number alone; what fails is stored
with the seed and the number, to be repeated by ``python -m fuzz.campaign --replay FILE``.
"""

import argparse
import logging
import multiprocessing as mp
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fuzz.engine import ACCEPTED, FAILURES, REFUSED, bench
from fuzz.readers import READERS

CRASH = "crash"
MOST_MEMORY = 2**33  # bytes of address space of a process
MOST_SHOWN = 1500  # characters of a finding
COLUMNS = ("reader", "executions", "refused", "accepted", "findings")


@dataclass(frozen=True)
class Finding:
    """An execution that failed, the first of its kind and place."""

    reader: str
    number: int
    kind: str
    detail: str
    content: bytes


@dataclass
class Tally:
    """What the executions of a reader ended in."""

    counts: Counter = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


def fuzz_reader(name: str, seed: int, seconds: float, started: Any, results: Any) -> None:
    """Run executions for some time, in a process of its own.

    Parameters
    ----------
    name : str
        The reader.
    seed : int
        Of the random numbers.
    seconds : float
        When to stop.
    started : multiprocessing.Value
        Number of the execution that has begun.
    results : multiprocessing.Connection
        Takes the `Tally`.
    """
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    reader, tally, places = READERS[name], Tally(), set()
    end, number = time.monotonic() + seconds, 0
    with bench() as place:
        while time.monotonic() < end:
            started.value = number
            content = place.content(reader, seed, number)
            outcome = place.execute(reader, content)
            tally.counts[outcome.kind] += 1
            if outcome.kind in FAILURES and (outcome.kind, outcome.place) not in places:
                places.add((outcome.kind, outcome.place))
                finding = Finding(name, number, outcome.kind, outcome.detail, content)
                tally.findings.append(finding)
            number += 1
    results.send(tally)


def fuzz(name: str, seed: int, seconds: float) -> Tally:
    """Run executions of a reader in another process, and wait for it."""
    context = mp.get_context("spawn")
    started = context.Value("q", 0)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=fuzz_reader, args=(name, seed, seconds, started, sender))
    process.start()
    sender.close()
    try:
        tally: Tally = receiver.recv()
    except EOFError:  # it ended without a result
        process.join()
        number = started.value
        with bench() as place:
            content = place.content(READERS[name], seed, number)
        crash = Finding(name, number, CRASH, f"exit code {process.exitcode}", content)
        tally = Tally(Counter({CRASH: 1, REFUSED: number}), [crash])
    process.join()
    return tally


def row(name: str, tally: Tally) -> str:
    """Return the counts of a reader as a row of a table."""
    counts = tally.counts
    failed = counts.total() - counts[REFUSED] - counts[ACCEPTED]
    numbers = (counts.total(), counts[REFUSED], counts[ACCEPTED], failed)
    return f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |"


def store(finding: Finding, seed: int, folder: Path) -> Path:
    """Write the file of a finding, and what happened beside it."""
    slug = "".join(char if char.isalnum() else "-" for char in finding.reader)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{slug}.{seed}.{finding.number}"
    path.write_bytes(finding.content)
    text = f"{finding.reader}\n{finding.kind}\n{finding.detail}\n"
    path.with_name(f"{path.name}.txt").write_text(text, encoding="utf-8", errors="replace")
    return path


def replay(path: Path) -> int:
    """Read a stored file again; return 1 if it fails."""
    name = path.with_name(f"{path.name}.txt").read_text(encoding="utf-8").splitlines()[0]
    with bench() as place:
        outcome = place.execute(READERS[name], path.read_bytes())
    print(f"{name}: {outcome.kind}\n{outcome.detail}")
    return int(outcome.kind in FAILURES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="processor time, all readers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--reader", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--replay", type=Path, help="read this stored file again")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return replay(options.replay)
    each = options.seconds / len(options.reader)
    total = Tally()
    print(f"| {' | '.join(COLUMNS)} |\n|---|---:|---:|---:|---:|", flush=True)
    with ThreadPoolExecutor(options.processes) as threads:
        tallies = threads.map(partial(fuzz, seed=options.seed, seconds=each), options.reader)
        for name, tally in zip(options.reader, tallies, strict=True):
            print(row(name, tally), flush=True)
            total.counts += tally.counts
            total.findings += tally.findings
            for finding in tally.findings:
                store(finding, options.seed, options.findings)
    print(row("all", total))
    for finding in total.findings:
        print(f"\n{finding.reader}, execution {finding.number}: {finding.kind}")
        print(finding.detail[-MOST_SHOWN:])
    return int(bool(total.findings))


if __name__ == "__main__":
    sys.exit(main())
