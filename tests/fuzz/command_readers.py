"""Command lines: parsing and, on a tiny dataset, planning; any exit code that is documented."""

import contextlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from boldglm.cli.main import main
from boldglm.errors import BoldglmError
from fuzz import mutations, seeds
from fuzz.reader import Reader
from stopped_calls import write_tiny_dataset

CODES = {0, *(kind.exit_code for kind in BoldglmError.__subclasses__())}


class RefusedError(BoldglmError):
    """A command line that ended with a message and a documented code."""

    exit_code = 65


def call_in(folder: Path, words: Sequence[str]) -> None:
    """Run a command line in a folder.

    Raises
    ------
    RefusedError
        If it ends with a message and a documented code.
    AssertionError
        If it ends with another code, or without a message.
    """
    said, here = io.StringIO(), Path.cwd()
    try:
        os.chdir(folder)
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main(words)
    finally:
        os.chdir(here)
    assert code in CODES, f"exit code {code}"
    text = said.getvalue()
    assert "Traceback" not in text or "--debug" in words, text
    if code:
        assert text.strip(), f"nothing was said of exit code {code}"
        raise RefusedError(text)


def _call(path: Path, data: str) -> None:
    """Run the command line of a file, of which no word is a path outside of its folder."""
    words = [str(word) for word in json.loads(path.read_text(encoding="utf-8"))]
    inside = [word for word in words if not word.startswith(("/", "~")) and ".." not in word]
    call_in(path.parent, [data, "out", *inside, "--dry-run"])


def _read_options(path: Path) -> None:
    """Parse a command line for a folder that is no dataset."""
    _call(path, "nothing")


def _read_command_line(path: Path) -> None:
    _call(path, "bids")


def _with_dataset(folder: Path) -> None:
    write_tiny_dataset(folder / "bids")


def _with_empty_folder(folder: Path) -> None:
    (folder / "nothing").mkdir()


COMMAND_LINES = (
    Reader("options", "words.json", seeds.command_lines, mutations.of_command, _read_options,
           _with_empty_folder, quick=60, all_valid=False),
    Reader("dry runs", "words.json", seeds.command_lines, mutations.of_command,
           _read_command_line, _with_dataset, quick=6, all_valid=False),
)  # fmt: skip
