"""When the slices of a volume were acquired, for `--slice-times model`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.analysis.plan.volume_reference import ROUNDING, slice_times
from boldglm.errors import BadDataError
from boldglm.io.images.geometry import BoldHeader
from boldglm.notices import Notice, note

AXES = {"i": 0, "j": 1, "k": 2}
SAME_TIME = 4  # decimals of a second to which slices of one time agree


@dataclass(frozen=True)
class SliceTimes:
    """When the slices of a volume were acquired.

    Parameters
    ----------
    axis : int
        Axis of the image along which slices follow each other.
    seconds : tuple of float
        Time of each slice after the onset of its volume, in the order of the image.
    """

    axis: int
    seconds: tuple[float, ...]

    def notice(self, timing: RunTiming) -> Notice:
        """Say how the slices are modeled, and at which time after the onset the design is."""
        reference = timing.start_time - (timing.volume_timing[0] if timing.volume_timing else 0.0)
        distinct = sorted({round(value, SAME_TIME) for value in self.seconds})
        return note(
            f"each slice is modeled at its own time: {len(distinct)} designs, from "
            f"{distinct[0]:g} to {distinct[-1]:g} s after the beginning of a volume "
            f"(SliceTiming). The design in files and report is that of {reference:g} s"
        )


def slice_times_of_run(
    name: str,
    metadata: Mapping[str, Any],
    header: BoldHeader,
    spacing: float,
    *,
    is_preprocessed: bool = False,
) -> SliceTimes:
    """Return when the slices of a run were acquired.

    Parameters
    ----------
    name : str
        Name of the BOLD file, for messages.
    metadata : mapping
        Content of the sidecars that apply.
    header : BoldHeader
        Header of the file.
    spacing : float
        Smallest time between two volumes, in seconds.
    is_preprocessed : bool
        Whether the run comes from derivatives.

    Raises
    ------
    BadDataError
        If slices have no times, were corrected or resampled, or are not as many as their times.
    """
    remedy = "Leave out --slice-times model"
    if is_preprocessed:
        raise BadDataError(
            f"{name} was preprocessed, so its voxels are mixtures of slices and --slice-times "
            f"model cannot be applied. {remedy}, or pass -d none to fit the raw data."
        )
    if metadata.get("SliceTimingCorrected") is True or "StartTime" in metadata:
        raise BadDataError(
            f"{name}: its sidecar says that slice timing was corrected already, and --slice-times "
            f"model would correct it twice. {remedy}."
        )
    times = slice_times(metadata.get("SliceTiming"))
    if not times or max(times) > spacing + ROUNDING:
        raise BadDataError(
            f"{name} needs SliceTiming in its sidecar for --slice-times model: the time of each "
            f"slice in seconds, up to {spacing:g}. Add it to the sidecar, or leave out the option."
        )
    direction = metadata.get("SliceEncodingDirection", "k")
    if not isinstance(direction, str) or direction.rstrip("-") not in AXES or len(direction) > 2:
        raise BadDataError(
            f"{name} has SliceEncodingDirection {direction!r:.20} in its sidecar; it must be one "
            "of i, j, k, i-, j- and k-."
        )
    axis = AXES[direction[0]]
    shape = header.geometry.shape
    n_slices = shape[axis] if len(shape) == 3 else 0
    if len(times) != n_slices:
        raise BadDataError(
            f"{name} has {n_slices} slices along {direction[0]}, but SliceTiming in its sidecar "
            f"has {len(times)} times. Correct SliceTiming or SliceEncodingDirection. "
            f"{remedy} to model all slices at one time."
        )
    if direction.endswith("-"):
        times = times[::-1]
    return SliceTimes(axis, tuple(times))
