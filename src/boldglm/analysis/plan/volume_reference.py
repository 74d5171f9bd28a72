"""The time at which a volume is modeled: one moment of the seconds that its slices take.

A design has one row a volume, but the slices of a volume are acquired one after the other. If
slice timing was corrected, StartTime in the sidecar is the moment to which all slices were
interpolated. If not, the moment that is nearest to all slices is the middle of the acquisition.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from boldglm.errors import BadDataError
from boldglm.notices import Notice, note, warning
from boldglm.vocabulary import SLICE_TIME_REFERENCE

DURATIONS = ("FrameAcquisitionDuration", "AcquisitionDuration")
ROUNDING = 1e-3  # seconds
LATEST = 100.0  # seconds; a later StartTime must be in milliseconds


def reference_time(
    name: str,
    metadata: Mapping[str, Any],
    spacing: float,
    fraction: float | None,
    *,
    is_sparse: bool,
) -> tuple[float, tuple[Notice, ...]]:
    """Return at which time after its onset a volume is modeled.

    Parameters
    ----------
    name : str
        Name of the BOLD file, for messages.
    metadata : mapping
        Content of the sidecars that apply.
    spacing : float
        Smallest time between two volumes, in seconds.
    fraction : float or None
        Fraction of the acquisition, from 0 to 1; by default .5.
    is_sparse : bool
        Whether the sidecar has VolumeTiming, so that volumes may take less time than is between
        them.

    Returns
    -------
    seconds : float
        StartTime of the sidecar if there is one. Else ``first + fraction * (last - first)`` with
        the first and the last slice time, as fMRIPrep's ``--slice-time-ref``; without SliceTiming,
        0 and the duration of the acquisition.
    notices : tuple of Notice
        What was chosen.

    Raises
    ------
    BadDataError
        If StartTime cannot be a time within a volume, or the acquisition of a sparse run has no
        duration.
    """
    if "StartTime" in metadata:
        return _start_time(name, metadata["StartTime"], fraction)
    slices, notices = _usable_slice_times(metadata, spacing)
    share = SLICE_TIME_REFERENCE if fraction is None else fraction
    if slices:
        first, last, source = min(slices), max(slices), "from SliceTiming"
    else:
        first = 0.0
        last, source = _duration(name, metadata, spacing, share, is_sparse=is_sparse)
    seconds = round(first + share * (last - first), 6)
    if fraction is None:
        notices += (_choice(metadata, seconds, source),)
    return seconds, notices


def _start_time(name: str, value: Any, fraction: float | None) -> tuple[float, tuple[Notice, ...]]:
    seconds = finite(value)
    if seconds is None:
        raise BadDataError(
            f"{name} has StartTime {value!r:.40} in its sidecar; it must be a number of seconds."
        )
    if abs(seconds) > LATEST:
        raise BadDataError(
            f"{name} has StartTime {seconds:g} in its sidecar, and no volume takes so long. Write "
            "the time to which slices were corrected in seconds after the onset of the volume "
            f"({seconds / 1000:g} if it is in milliseconds)."
        )
    if fraction is None:
        return seconds, ()
    return seconds, (
        note(
            "--slice-time-reference was not used: slices were corrected to StartTime of the "
            f"sidecar, {seconds:g} s"
        ),
    )


def _choice(metadata: Mapping[str, Any], seconds: float, source: str) -> Notice:
    """Say at which moment volumes are modeled, and why."""
    where = (
        f"volumes are modeled at the middle of their acquisition, {seconds:g} s after its "
        f"beginning ({source})"
    )
    if metadata.get("SliceTimingCorrected") is True:
        return warning(
            f"{where}: slice timing was corrected, but the sidecar has no StartTime. If slices "
            "were corrected to another time, pass --slice-time-reference"
        )
    return note(f"{where}. To choose another time, pass --slice-time-reference")


def _usable_slice_times(
    metadata: Mapping[str, Any], spacing: float
) -> tuple[list[float], tuple[Notice, ...]]:
    """Return SliceTiming if it lies within a volume, else nothing and a warning."""
    if "SliceTiming" not in metadata:
        return [], ()
    stated = metadata["SliceTiming"]
    times = slice_times(stated)
    if times and max(times) <= spacing + ROUNDING:
        return times, ()
    reason = "is not a list of times in seconds"
    if times:
        reason = f"goes up to {max(times):g} s, later than the next volume ({spacing:g} s)"
    return [], (warning(f"SliceTiming in the sidecar {reason}, and was not used"),)


def slice_times(stated: Any) -> list[float]:
    """Return SliceTiming as numbers, or an empty list if it is anything but times of slices.

    Examples
    --------
    >>> slice_times([0, 0.5, 1]), slice_times([0, None]), slice_times([-0.5, 0])
    ([0.0, 0.5, 1.0], [], [])
    """
    if not isinstance(stated, Sequence) or isinstance(stated, str):
        return []
    times = [finite(value) for value in stated]
    found = [value for value in times if value is not None and value >= 0]
    return found if len(found) == len(times) else []


def _duration(
    name: str, metadata: Mapping[str, Any], spacing: float, share: float, *, is_sparse: bool
) -> tuple[float, str]:
    """Return how long the acquisition of a volume takes, and in words how the middle follows."""
    for key in DURATIONS:
        seconds = finite(metadata.get(key))
        # AcquisitionDuration of some converters is that of the whole series
        if seconds is not None and 0 < seconds <= spacing + ROUNDING:
            return seconds, f"half of {key}"
    if is_sparse:
        if share == 0:
            return 0.0, "the onset"
        raise BadDataError(
            f"{name} has VolumeTiming but not how long the acquisition of a volume takes. Add "
            "FrameAcquisitionDuration or SliceTiming to its sidecar, in seconds, or pass "
            "--slice-time-reference 0 to model volumes at their onset."
        )
    delay = finite(metadata.get("DelayTime"))
    if delay is not None and 0 < delay < spacing:
        return spacing - delay, "half of RepetitionTime less DelayTime"
    return spacing, "half of the repetition time"


def finite(value: Any) -> float | None:
    """Return the value if it is a finite number, else None."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None
