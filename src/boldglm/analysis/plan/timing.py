"""When the volumes of a run were taken, by its sidecar and its header."""

import math
from typing import Any

from boldglm.errors import BadDataError
from boldglm.io.bids.query import RunFiles
from boldglm.io.images.geometry import BoldHeader

TIME_TOLERANCE = 1e-3  # seconds by which header and sidecar may differ


def repetition_time(files: RunFiles, header: BoldHeader) -> float:
    """Return the seconds between volumes that the sidecar says, if the header agrees.

    Raises
    ------
    BadDataError
        If it is missing or no number of seconds, or the two disagree.
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
            f"{name} has no RepetitionTime in {sidecar} or any sidecar that it inherits{hint}. "
            "Add it, in seconds."
        )
    seconds = _finite(stated)
    if seconds is None or seconds <= 0:
        raise BadDataError(
            f"{name} has RepetitionTime {stated!r} in its sidecar; it must be a positive "
            "number of seconds."
        )
    if seconds > 100:
        raise BadDataError(
            f"{name} has RepetitionTime {seconds:g} in its sidecar, which must be in seconds: "
            f"write {seconds / 1000:g}."
        )
    found = header.repetition_time
    if found is not None and abs(found - seconds) > TIME_TOLERANCE:
        raise BadDataError(
            f"{name}: its sidecar says RepetitionTime {seconds:g} s, the image header {found:g} "
            "s. One of them is wrong, and every regressor depends on it: find out which from the "
            "protocol and correct the other (BIDS requires them to agree)."
        )
    return seconds


def start_time(files: RunFiles) -> float:
    """Return the time of the first volume in seconds, 0 if the sidecar does not say.

    Raises
    ------
    BadDataError
        If it is no number.
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
    """Return a finite number; None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) else None
