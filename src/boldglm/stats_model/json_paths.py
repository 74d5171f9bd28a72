"""Walking through the content of a model file, with messages that say where."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any, NoReturn

from boldglm.errors import BadDataError
from boldglm.suggestions import did_you_mean

# What Fraction takes, but short: of 1e999999999 it would write out every digit.
_NUMBER = re.compile(r"\s*[-+]?[\d./]{1,40}([eE][-+]?\d{1,3})?\s*")


class JSONReader:
    """Remembers the file's name and what it tolerated; refuses with path, finding and remedy."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.notes: list[str] = []

    def refuse(self, path: str, found: str, remedy: str) -> NoReturn:
        raise BadDataError(f"{self.file_name}, at {path}: {found}. {remedy}")

    def note(self, path: str, text: str) -> None:
        self.notes.append(f"{self.file_name}, at {path}: {text}")

    def object(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.refuse(path, f"found {shown(value)}", "A JSON object is needed here.")
        return value

    def list(self, value: Any, path: str) -> list[Any]:
        """Return a list; one name alone is taken for a list of one, as older files have it."""
        if isinstance(value, str):
            self.note(path, f"{value!r} is read as a list of one")
            return [value]
        if not isinstance(value, list):
            self.refuse(path, f"found {shown(value)}", "A list is needed here.")
        return value

    def text(self, value: Any, path: str) -> str:
        """Return a name, which must be text."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)  # as a public model has it
        if not isinstance(value, str) or not value.strip():
            self.refuse(path, f"found {shown(value)}", "A name is needed, as text.")
        return value

    def check_keys(self, content: Mapping[str, Any], known: Sequence[str], path: str) -> None:
        for key in content:
            if key not in known:
                self.refuse(
                    f"{path}.{key}",
                    "this key is unknown",
                    f"Known: {', '.join(known)}.{did_you_mean(key, known)}",
                )

    def number(self, value: Any, path: str) -> float:
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
            self.refuse(path, f"{shown(value)} is no number", "Write 0.5 or '1/2'.")


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
