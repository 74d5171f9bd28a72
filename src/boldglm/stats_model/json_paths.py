"""Check the types of JSON values; every message names the file and the JSON path."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any, NoReturn

from boldglm.errors import BadDataError
from boldglm.notices import Notice, note
from boldglm.suggestions import did_you_mean

# Numbers that Fraction accepts, but short ones: it would write out every digit of 1e999999999.
_NUMBER = re.compile(r"\s*[-+]?[\d./]{1,40}([eE][-+]?\d{1,3})?\s*")
# Keys that describe a model to its readers, in the singular.
_DESCRIPTIONS = (
    *("description", "comment", "note", "remark", "author", "license", "licence"),
    *("citation", "reference", "url", "doi", "longname", "title"),
)
_COMMENT_SIGNS = ("_", "$", "#", "//")
_LOCATIONS = ("At $", "Node '", "Run of ")  # beginnings of messages that say where


class JSONReader:
    """Returns JSON values with their type checked, and collects notes about the file.

    Parameters
    ----------
    file_name : str
        Name of the file, for messages.
    """

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.notes: list[Notice] = []

    def refuse(self, path: str, finding: str, remedy: str) -> NoReturn:
        """Raise a BadDataError that names file, JSON path, finding and remedy."""
        raise BadDataError(f"{self.file_name}, at {path}: {finding}. {remedy}")

    def note(self, path: str, text: str) -> None:
        self.notes.append(note(f"{self.file_name}, at {path}: {text}"))

    def object(self, value: Any, path: str) -> dict[str, Any]:
        """Return a JSON object."""
        if not isinstance(value, dict):
            self.refuse(path, f"found {abbreviated(value)}", "Write a JSON object, {...}.")
        return value

    def list(self, value: Any, path: str) -> list[Any]:
        """Return a list; a single name, as in older files, becomes a list with one entry."""
        if isinstance(value, str):
            self.note(path, f"{value!r} is read as a list with one entry")
            return [value]
        if not isinstance(value, list):
            self.refuse(path, f"found {abbreviated(value)}", "Write a list, [...].")
        return value

    def text(self, value: Any, path: str) -> str:
        """Return a name; a number, as in a public model, is written as text."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value.strip():
            self.refuse(path, f"found {abbreviated(value)}", "Write a name, as text.")
        return value

    def check_keys(self, content: Mapping[str, Any], known: Sequence[str], path: str) -> None:
        """Refuse a key that is not among the known ones, unless it describes something."""
        for key in content:
            if key not in known and describes(key):
                self.note(f"{path}.{key}", "the key is a description, and changes nothing")
            elif key not in known:
                self.refuse(
                    f"{path}.{key}",
                    "the key is unknown",
                    f"Known keys: {', '.join(known)}.{did_you_mean(key, known)}",
                )

    def number(self, value: Any, path: str) -> float:
        """Return a finite number, also one that is written as text or as a fraction."""
        try:
            if isinstance(value, bool):
                raise TypeError
            if isinstance(value, str) and not _NUMBER.fullmatch(value):
                raise ValueError
            number = float(Fraction(value)) if isinstance(value, str) else float(value)
            if not isfinite(number):
                raise ValueError
            return number
        except (ValueError, TypeError, ArithmeticError):
            self.refuse(
                path,
                f"{abbreviated(value)} is not a finite number",
                "Write a number, such as 0.5 or '1/2'.",
            )


def describes(key: str) -> bool:
    """Tell whether a key holds a text for readers, which changes nothing.

    Examples
    --------
    >>> describes("Description"), describes("_comment"), describes("Derivative")
    (True, True, False)
    """
    return key.startswith(_COMMENT_SIGNS) or key.strip().lower().removesuffix("s") in _DESCRIPTIONS


def abbreviated(value: Any) -> str:
    """Return the repr of a value, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def with_context(context: str, message: str) -> str:
    """Put the name of a file or a run in front of an error message.

    Examples
    --------
    >>> with_context("model_smdl.json", "At $.Nodes[0].Model.X: X is empty.")
    'model_smdl.json, at $.Nodes[0].Model.X: X is empty.'
    >>> with_context("model_smdl.json", "the file is empty.")
    'model_smdl.json: the file is empty.'
    """
    if message.startswith(_LOCATIONS):
        return f"{context}, {message[0].lower()}{message[1:]}"
    return f"{context}: {message}"
