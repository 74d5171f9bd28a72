"""JSON files that others wrote: any content ends in values or in one kind of error."""

import errno
import json
from pathlib import Path
from typing import Any

from boldglm.io.files.atomic import write_bytes

MAX_DEPTH = 100  # of objects and lists within each other; Python gives up at some hundreds
MAX_DIGITS = 18  # of integers; longer ones become floating point numbers, perhaps infinite


def load_json(path: Path) -> Any:
    """Read a JSON file in UTF-8, with or without a byte order mark.

    Halves of surrogate pairs, which are no text and could not be written anywhere, become U+FFFD.

    Raises
    ------
    OSError
        If it cannot be read, or is a pipe or device, which might never end.
    ValueError
        If it is not JSON, nested deeper than `MAX_DEPTH`, or has two values for one key.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is not a regular file")
    text = path.read_text(encoding="utf-8-sig")
    try:
        content = json.loads(text, parse_int=_integer, object_pairs_hook=_object)
        too_deep = _is_deeper(content, MAX_DEPTH)
    except RecursionError:
        too_deep = True
    if too_deep:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if "\\ud" not in text.lower():  # how surrogates are written
        return content
    units = json.dumps(content, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(units.decode("utf-16", "replace"))


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs; nobody can know which of two values of a key is meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        for key, value in pairs:
            if made[key] != value and not (made[key] != made[key] and value != value):
                shown = json.dumps([value, made[key]], default=str)[:80]
                raise ValueError(f"it has the key {key!r} twice, with different values {shown}")
    return made


def _is_deeper(content: Any, levels: int) -> bool:
    """Say whether objects and lists are nested in more levels than these."""
    inside = [content]
    for _ in range(levels):
        inside = [
            one
            for held in inside
            if isinstance(held, dict | list)
            for one in (held.values() if isinstance(held, dict) else held)
            if isinstance(one, dict | list)
        ]
        if not inside:
            return False
    return True


def write_json(path: Path, content: Any) -> None:
    """Write JSON that a person can read, whole or not at all."""
    write_bytes(path, json_bytes(content))


def json_bytes(content: Any) -> bytes:
    """Return what `write_json` writes."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return (text + "\n").encode()


def read_json(path: Path) -> Any:
    """Read a JSON file that boldglm wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
