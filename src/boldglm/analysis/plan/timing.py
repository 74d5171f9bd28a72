"""When the volumes of a run were acquired, from its sidecar, its header and the options.

Notation: BIDS describes a run either by RepetitionTime, or, for sparse acquisition, by
VolumeTiming, the onset of every volume.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.analysis.plan.volume_reference import (
    finite,
    reference_time,
)
from boldglm.errors import BadDataError
from boldglm.notices import Notice, warning
from boldglm.suggestions import list_known
from boldglm.vocabulary import SLICE_TIMES

TIME_TOLERANCE = 1e-3  # seconds by which header and sidecar may differ
LONGEST = 100.0  # seconds between volumes; anything longer must be milliseconds
UNEVEN = 0.01  # share of the spacing by which evenly spaced volumes may differ
WHITE_NOISE = "ols"


@dataclass(frozen=True)
class TimingOptions:
    """What the user says about the times of volumes.

    Parameters
    ----------
    repetition_time : {"sidecar", "header"} or float, optional
        Which repetition time holds, or its value in seconds. By default that of the sidecar,
        which the header must not contradict.
    slice_time_reference : float, optional
        At which fraction of its acquisition a volume is modeled, if its sidecar has no
        StartTime. By default `boldglm.vocabulary.SLICE_TIME_REFERENCE`.
    slice_times : {"reference", "model"}
        Whether all slices are modeled at that time, or each at its own.
    """

    repetition_time: str | float | None = None
    slice_time_reference: float | None = None
    slice_times: str = SLICE_TIMES[0]

    def __post_init__(self) -> None:
        if self.slice_times not in SLICE_TIMES:
            known = list_known(str(self.slice_times), SLICE_TIMES)
            raise ValueError(f"slice_times is {self.slice_times!r}.{known}")
        if self.slice_time_reference is not None and not 0 <= self.slice_time_reference <= 1:
            raise ValueError(
                f"slice_time_reference is {self.slice_time_reference!r}. Give a fraction of the "
                "acquisition of a volume, from 0 to 1."
            )

    @property
    def models_slices(self) -> bool:
        """Whether each slice is modeled at its own time."""
        return self.slice_times == "model"


@dataclass(frozen=True)
class RunMetadata:
    """What is known of the times of a run.

    Parameters
    ----------
    name : str
        Name of the BOLD file, for messages.
    metadata : mapping
        Content of the sidecars that apply.
    n_scans : int
        Number of volumes.
    header_time : float or None
        Repetition time in the header of the image, in seconds.
    """

    name: str
    metadata: Mapping[str, Any]
    n_scans: int
    header_time: float | None

    @property
    def sidecar(self) -> str:
        """Name of the sidecar beside the file."""
        return self.name.split(".", 1)[0] + ".json"


def run_timing(
    run: RunMetadata, options: TimingOptions = TimingOptions()
) -> tuple[RunTiming, tuple[Notice, ...]]:
    """Return when the volumes of a run are modeled.

    Parameters
    ----------
    run : RunMetadata
        Sidecar and header of the run.
    options : TimingOptions
        What the user says.

    Returns
    -------
    timing : RunTiming
        Times of the volumes.
    notices : tuple of Notice
        The choices that were made, unless the sidecar has a StartTime.

    Raises
    ------
    BadDataError
        If the sidecar does not say when volumes were acquired, says what BIDS does not allow, or
        contradicts the header.
    """
    is_listed = "VolumeTiming" in run.metadata and options.repetition_time in (None, "sidecar")
    onsets = _volume_timing(run) if is_listed else None
    if onsets is None:
        spacing = repetition_time(run, options.repetition_time)
        timing = RunTiming(run.n_scans, spacing, 0.0)
    else:
        spacing = float(np.diff(onsets).min())
        timing = RunTiming(run.n_scans, round(float(np.median(np.diff(onsets))), 6), 0.0, onsets)
    first, notices = reference_time(
        run.name,
        run.metadata,
        spacing,
        options.slice_time_reference,
        is_sparse=onsets is not None,
    )
    if "VolumeTiming" in run.metadata and not is_listed:
        notices += (warning("--repetition-time was used in place of VolumeTiming"),)
    if onsets is None:
        return replace(timing, start_time=first), notices
    if onsets[0] != 0:
        notices += (
            warning(
                f"VolumeTiming begins at {onsets[0]:g} s. Onsets of events were taken to be on "
                "the same clock"
            ),
        )
    return replace(timing, start_time=first + onsets[0]), notices


def repetition_time(run: RunMetadata, choice: str | float | None = None) -> float:
    """Return the seconds between volumes.

    Parameters
    ----------
    run : RunMetadata
        Sidecar and header of the run.
    choice : {"sidecar", "header"} or float, optional
        As in `TimingOptions`.

    Raises
    ------
    BadDataError
        If there is no repetition time, it is not a positive number of seconds, or sidecar and
        header contradict each other and `choice` does not settle it.
    """
    in_header = run.header_time
    if isinstance(choice, float | int):
        return float(choice)
    if choice == "header":
        if not in_header:
            raise BadDataError(
                f"{run.name} has no repetition time in its header, as --repetition-time header "
                "needs. Pass --repetition-time sidecar or its value in seconds."
            )
        return in_header
    seconds = _stated_repetition_time(run)
    contradicts = in_header is not None and abs(in_header - seconds) > TIME_TOLERANCE
    if contradicts and choice is None:
        raise BadDataError(
            f"{run.name}: RepetitionTime is {seconds:g} s in its sidecar but {in_header:g} s in "
            "the image header. Every regressor depends on it. Look up the right value in the "
            "protocol, and correct the other one or pass --repetition-time sidecar, header or the "
            "value in seconds."
        )
    return seconds


def _stated_repetition_time(run: RunMetadata) -> float:
    """Return RepetitionTime of the sidecar."""
    stated = run.metadata.get("RepetitionTime")
    if stated is None:
        hint, remedy = "", "pass --repetition-time SECONDS"
        if run.header_time:
            hint = f" (the image header says {run.header_time:g})"
            remedy = "pass --repetition-time header"
        raise BadDataError(
            f"{run.name} has neither RepetitionTime nor VolumeTiming in {run.sidecar} or in a "
            f"sidecar that applies to it{hint}. Add RepetitionTime in seconds (VolumeTiming for "
            f"sparse acquisition), or {remedy}."
        )
    seconds = finite(stated)
    if seconds is None or seconds <= 0:
        raise BadDataError(
            f"{run.name} has RepetitionTime {stated!r} in its sidecar; it must be a positive "
            "number of seconds."
        )
    if seconds > LONGEST:
        raise BadDataError(
            f"{run.name} has RepetitionTime {seconds:g} in its sidecar, which seems to be in "
            f"milliseconds. Write it in seconds, {seconds / 1000:g}."
        )
    return seconds


def _volume_timing(run: RunMetadata) -> tuple[float, ...]:
    """Return the onset of every volume in seconds."""
    stated = run.metadata["VolumeTiming"]
    for key in ("RepetitionTime", "DelayTime"):
        if key in run.metadata:
            raise BadDataError(
                f"{run.name} has both VolumeTiming and {key} in its sidecars, which BIDS does not "
                f"allow. Remove {key} if the acquisition was sparse, and VolumeTiming otherwise."
            )
    times = [finite(value) for value in stated] if isinstance(stated, list) else [None]
    onsets = tuple(value for value in times if value is not None)
    if len(onsets) < len(times) or not onsets or min(onsets) < 0:
        raise BadDataError(
            f"{run.name} has VolumeTiming {stated!r:.60} in its sidecar; it must be a list of the "
            "onset of each volume in seconds."
        )
    if len(onsets) != run.n_scans:
        raise BadDataError(
            f"{run.name} has {run.n_scans} volumes, but VolumeTiming in its sidecar has "
            f"{len(onsets)} times. List the onset of each volume in the file."
        )
    steps = np.diff(onsets)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise BadDataError(
            f"{run.name}: VolumeTiming in its sidecar does not increase at volume {at + 2} "
            f"({onsets[at]:g} s, then {onsets[at + 1]:g} s). List onsets in the order of the "
            "volumes."
        )
    if steps.size and np.median(steps) > LONGEST:
        raise BadDataError(
            f"{run.name} has volumes {np.median(steps):g} s apart by VolumeTiming in its sidecar, "
            "which seems to be in milliseconds. Write it in seconds."
        )
    return onsets


def uneven_times_warning(timing: RunTiming, noise_model: str) -> Notice | None:
    """Warn of volumes at uneven times if the noise model takes them for evenly spaced.

    Parameters
    ----------
    timing : RunTiming
        Times of the volumes.
    noise_model : str
        One of `boldglm.glm.NOISE_MODELS`.

    Returns
    -------
    Notice or None
        None if the volumes are evenly spaced, or the noise model has no autocorrelation.

    Examples
    --------
    >>> timing = RunTiming(4, 2.0, 0.0, (0.0, 2.0, 4.0, 12.0))
    >>> print(uneven_times_warning(timing, "ar1"))
    volumes are 2 to 8 s apart, and the noise model ar1 takes the correlation of neighboring
    volumes to be the same everywhere. Pass --noise-model ols if long gaps are frequent
    >>> uneven_times_warning(timing, "ols")
    """
    if not timing.volume_timing or noise_model == WHITE_NOISE:
        return None
    steps = np.diff(timing.frame_times)
    if steps.max() - steps.min() <= UNEVEN * np.median(steps):
        return None
    return warning(
        f"volumes are {steps.min():g} to {steps.max():g} s apart, and the noise model "
        f"{noise_model} takes the correlation of neighboring volumes to be the same everywhere. "
        "Pass --noise-model ols if long gaps are frequent"
    )
