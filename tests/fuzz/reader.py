"""A reader of boldglm as the fuzzer sees it: its files, their changes and a check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Reader:
    """A reader and its files.

    Parameters
    ----------
    name : str
        As in the table of counts.
    file_name : str
        Name of the file that is changed.
    seeds : callable
        Returns valid files.
    change : callable
        Takes a `random.Random` and a file; returns another.
    read : callable
        Takes the path of the file, reads it and compares; an AssertionError means that values
        were made of garbage.
    prepare : callable, optional
        Writes the other files of the folder, once.
    quick : int
        Executions in the test suite.
    all_valid : bool
        Whether the reader accepts every file of `seeds`.
    """

    name: str
    file_name: str
    seeds: Callable[[], Sequence[bytes]]
    change: Callable[[Random, bytes], bytes]
    read: Callable[[Path], None]
    prepare: Callable[[Path], None] = lambda _: None
    quick: int = 120
    all_valid: bool = True
