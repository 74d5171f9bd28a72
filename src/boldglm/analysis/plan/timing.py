"""When the volumes of a run were acquired, from its sidecar and its header."""

import math
from typing import Any

from boldglm.errors import BadDataError
from boldglm.io.bids.query import RunFiles
from boldglm.io.images.geometry import BoldHeader

TIME_TOLERANCE = 1e-3  # seconds by which header and sidecar may differ


def repetition_time(files: RunFiles, header: BoldHeader) -> float:
    """Return the seconds between volumes from the sidecar, checked against the header.

    Raises
    ------
    BadDataError
        If RepetitionTime is missing or is not a positive number, or differs from the header.
    """
    name = files.bold.name
    sidecar = name.split(".", 1)[0] + ".json"
    stated = files.metadata.get("RepetitionTime")
    if stated is None:
        hint = (
            f" (the image header says {header.repetition_time:g})"
            if header.repetition_time
            else ""
        )
        raise BadDataError(
            f"{name} has no RepetitionTime in {sidecar} or in a sidecar that applies to it{hint}. "
            "Add RepetitionTime in seconds."
        )
    seconds = _finite(stated)
    if seconds is None or seconds <= 0:
        raise BadDataError(
            f"{name} has RepetitionTime {stated!r} in its sidecar; it must be a positive "
            "number of seconds."
        )
    if seconds > 100:
        raise BadDataError(
            f"{name} has RepetitionTime {seconds:g} in its sidecar, which seems to be in "
            f"milliseconds. Write it in seconds, {seconds / 1000:g}."
        )
    in_header = header.repetition_time
    if in_header is not None and abs(in_header - seconds) > TIME_TOLERANCE:
        raise BadDataError(
            f"{name}: RepetitionTime is {seconds:g} s in its sidecar but {in_header:g} s in the "
            "image header. Every regressor depends on it. Look up the right value in the protocol "
            "and correct the other one."
        )
    return seconds


def start_time(files: RunFiles) -> float:
    """Return the time of the first volume in seconds; 0 if the sidecar has no StartTime.

    Raises
    ------
    BadDataError
        If StartTime is not a number.
    """
    value = files.metadata.get("StartTime", 0.0)
    seconds = _finite(value)
    if seconds is None:
        raise BadDataError(
            f"{files.bold.name} has StartTime {value!r:.40} in its sidecar; it must be a number "
            "of seconds."
        )
    return seconds


def _finite(value: Any) -> float | None:
    """Return the value if it is a finite number, else None."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) else None
