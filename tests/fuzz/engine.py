"""One execution: a file is changed, read, and the outcome named."""

import resource
import signal
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from boldglm.errors import (
    BadDataError,
    BoldglmError,
    InvalidDatasetError,
    MissingInputError,
    NothingSelectedError,
)
from fuzz.reader import Reader
from fuzz.readers import READERS

ACCEPTED, REFUSED = "accepted", "refused"
TRACEBACK, HANG, MEMORY = "traceback", "hang", "memory"
EXIT_CODE, GARBAGE = "wrong exit code", "values from garbage"
OUTCOMES = (ACCEPTED, REFUSED, TRACEBACK, HANG, MEMORY, EXIT_CODE, GARBAGE)
FAILURES = OUTCOMES[2:]
EXIT_CODES = {kind.exit_code for kind in (BadDataError, InvalidDatasetError, MissingInputError,
                                          NothingSelectedError)}  # fmt: skip
LONGEST = 5.0  # seconds of processor time of an execution
LONGEST_WAIT = 60.0  # seconds; other programs may be at work
LARGEST = 2**28  # bytes by which an execution may raise the memory of the process


class HangError(BaseException):
    """An execution takes too long; no reader catches it."""


@dataclass(frozen=True)
class Outcome:
    """How an execution ended.

    Parameters
    ----------
    kind : str
        One of `OUTCOMES`.
    detail : str
        The message or traceback.
    place : str
        Where a failure arose, by which failures are told apart.
    """

    kind: str
    detail: str = ""
    place: str = ""


class Bench:
    """Folders in which readers find their files.

    Parameters
    ----------
    root : Path
        An empty folder, best one in memory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seeds: dict[str, list[bytes]] = {}

    def content(self, reader: Reader, seed: int, number: int) -> bytes:
        """Return the file of an execution, which a seed and a number determine."""
        if reader.name not in self._seeds:
            self._seeds[reader.name] = list(reader.seeds())
            self._folder(reader).mkdir(parents=True)
            reader.prepare(self._folder(reader))
        random = Random(f"{seed} {reader.name} {number}")
        valid = self._seeds[reader.name]
        content = reader.change(random, valid[number % len(valid)])
        if random.random() < 0.1:
            content = reader.change(Random(number), valid[0]) if random.random() < 0.5 else content
        return content

    def execute(self, reader: Reader, content: bytes) -> Outcome:
        """Write a file, read it and name the outcome."""
        if reader.name not in self._seeds:
            self.content(reader, 0, 0)
        path = self._folder(reader) / reader.file_name
        path.write_bytes(content)
        before = _most_memory()
        with _alarm():
            outcome = _read(reader, path)
        grown = _most_memory() - before
        if grown > LARGEST:
            return Outcome(MEMORY, f"{grown / 2**20:.0f} MiB more", reader.name)
        return outcome

    def _folder(self, reader: Reader) -> Path:
        return self._root / "".join(char if char.isalnum() else "-" for char in reader.name)


@contextmanager
def bench() -> Iterator[Bench]:
    """Give folders in memory if the system has such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Bench(Path(folder))


def _read(reader: Reader, path: Path) -> Outcome:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path)
    except BoldglmError as error:
        if error.exit_code in EXIT_CODES and str(error).strip():
            return Outcome(REFUSED, str(error))
        return Outcome(EXIT_CODE, f"{error.exit_code}: {error}", type(error).__name__)
    except HangError:
        return Outcome(HANG, traceback.format_exc(), "alarm")
    except MemoryError:
        return Outcome(MEMORY, traceback.format_exc(), _place(traceback.format_exc()))
    except Exception as error:
        text = traceback.format_exc()
        kind = GARBAGE if _is_of_fuzzer(error) else TRACEBACK
        return Outcome(kind, text, f"{type(error).__name__} {_place(text)}")
    return Outcome(ACCEPTED)


def _is_of_fuzzer(error: BaseException) -> bool:
    """Whether the reader had returned, and a comparison failed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/boldglm/" in frame.filename]
    return not own


def _place(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("File ")]
    inside = [line for line in lines if "/src/boldglm/" in line] or lines
    return inside[-1].rpartition("/")[2] if inside else ""


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise HangError

    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, LONGEST),
              (signal.ITIMER_REAL, signal.SIGALRM, LONGEST_WAIT))  # fmt: skip
    old = [signal.signal(number, ring) for _, number, _ in clocks]
    for clock, _, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for (clock, number, _), handler in zip(clocks, old, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def replay(name: str, seed: int, number: int) -> tuple[bytes, Outcome]:
    """Repeat one execution; return its file and outcome."""
    with bench() as place:
        content = place.content(READERS[name], seed, number)
        return content, place.execute(READERS[name], content)
