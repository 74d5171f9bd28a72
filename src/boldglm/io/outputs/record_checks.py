"""Types of what a record holds, checked before anything is made of it.

Records lie in output folders, where others may have written them: a text in place of a number
would fail far from here, after hours of fitting.
"""

import math
from collections.abc import Mapping
from typing import Any

TESTS = ("t", "F", "pass")


def check_record(content: Any) -> None:
    """Check the names, entities and contrasts of a record.

    Parameters
    ----------
    content : Any
        Content of the record, as read from its file.

    Raises
    ------
    TypeError, ValueError
        If a value has another type than records have, or leads out of a folder.
    KeyError
        If a value is missing.
    """
    for key in ("Fingerprint", "Node", "Level", "Model"):
        _text(key, content[key])
    entities = _mapping("Entities", content["Entities"])
    _names("Entities", [*entities, *entities.values()])
    _mapping("Section", content["Section"])
    result = _mapping("Result", content["Result"])
    _texts("Maps", [*result.get("Maps", {}).values()])
    for key in ("Whiteness", "MaskSize"):
        _numbers(key, [*_mapping(key, result.get(key, {})).values()])
    _mapping("Smoothness", result.get("Smoothness", {}))
    _check_quality(_mapping("Quality", result.get("Quality", {})))
    regions = _mapping("Regions", result.get("Regions", {}))
    _texts("Regions", [regions[key] for key in ("Atlas", "Digest", "Table", "Image") if regions])
    _names("Regions", [regions["Atlas"]] if regions else [])
    for contrast in _list("Contrasts", result["Contrasts"]):
        _check_contrast(_mapping("Contrasts", contrast))


def _check_quality(quality: Mapping[str, Any]) -> None:
    values = _list("Quality", quality.get("DVARS", []))
    numbers = [value for key, value in quality.items() if key != "DVARS"]
    _numbers("Quality", [value for value in (*numbers, *values) if value is not None])


def _check_contrast(contrast: Mapping[str, Any]) -> None:
    _text("Name", contrast["Name"])
    if contrast["Test"] not in TESTS:
        raise ValueError(f"its Test is {contrast['Test']!r:.40}, not t, F or pass")
    for key in ("Weights", "DesignMatrix"):
        for values in _mapping(key, contrast.get(key, {})).values():
            _numbers(key, _list(key, values))
    if len({len(values) for values in contrast["Weights"].values()} - {0}) != 1:
        raise ValueError("its Weights are not one number for each row of the contrast")
    _numbers("DegreesOfFreedom", [contrast["DegreesOfFreedom"]])
    if contrast["DegreesOfFreedom"] < 0:
        raise ValueError(f"its DegreesOfFreedom is {contrast['DegreesOfFreedom']:g}")
    rows = contrast["NumeratorDegreesOfFreedom"]
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise TypeError(f"its NumeratorDegreesOfFreedom is {rows!r:.40}")
    _texts("Inputs", _list("Inputs", contrast.get("Inputs", [])))
    _texts("Maps", [*_mapping("Maps", contrast["Maps"]).values()])
    _mapping("Inference", contrast.get("Inference", {}))


def _mapping(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"its {key} is {value!r:.40}, not an object")
    return value


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"its {key} is {value!r:.40}, not a list")
    return value


def _text(key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"its {key} is {value!r:.40}, not a text")


def _texts(key: str, values: list[Any]) -> None:
    for value in values:
        _text(key, value)


def _names(key: str, values: list[Any]) -> None:
    """Check texts that become parts of file names."""
    for value in values:
        _text(key, value)
        if any(mark in value for mark in ("/", "\\", "\0")) or value in (".", ".."):
            raise ValueError(f"its {key} {value!r:.40} cannot be part of a file name")


def _numbers(key: str, values: list[Any]) -> None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise TypeError(f"its {key} has {value!r:.40}, not a number")
