"""Parts of a design before they are put together: event table, conditions, confounds.

Each part is checked here, so that a message can name the condition, event or confound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.confounds import censored_columns, censored_name
from boldglm.glm.hrf import HRFBasis, hrf_basis
from boldglm.glm.kernels import FloatArray
from boldglm.glm.names import did_you_mean
from boldglm.glm.regressors import convolve_events

Role = Literal["condition", "confound", "censored", "drift", "constant"]
ROLES: tuple[Role, ...] = ("condition", "confound", "censored", "drift", "constant")
FIR_SPAN = 20.0  # seconds after an event that an FIR model covers unless delays are given
# Below this part of the largest amplitude a response has not begun, or is rounding.
NO_RESPONSE = 1e-9


@dataclass(frozen=True)
class Part:
    """Columns of one role, on their way into a design."""

    columns: FloatArray
    names: Sequence[str]
    role: Role
    condition: str = ""


@dataclass(frozen=True)
class EventTable:
    """Events of one run; arrays of shape (n_events,)."""

    onsets: FloatArray
    durations: FloatArray
    amplitudes: FloatArray
    trial_types: np.ndarray


def checked_event_table(events: Mapping[str, Any]) -> EventTable:
    """Return the columns of an event table that a design uses, or say what is wrong with it."""
    missing = [name for name in ("onset", "duration", "trial_type") if name not in events]
    if missing:
        found = ", ".join(str(name) for name in events)
        raise ValueError(f"events have no {' and no '.join(missing)} column (found: {found}).")
    onsets, durations = (_numbers(events, name) for name in ("onset", "duration"))
    amplitudes = _numbers(events, "modulation") if "modulation" in events else np.ones(onsets.size)
    labels = list(events["trial_type"])
    unnamed = [k for k, label in enumerate(labels) if label is None or label != label]
    if unnamed:
        raise ValueError(f"event {unnamed[0]} has no trial_type: name it or leave it out.")
    sizes = {onsets.size, durations.size, amplitudes.size, len(labels)}
    if len(sizes) > 1:
        raise ValueError(f"the columns of events have different lengths: {sorted(sizes)}.")
    return EventTable(
        onsets, durations, amplitudes, np.array([str(k) for k in labels], dtype=object)
    )


def _numbers(events: Mapping[str, Any], name: str) -> FloatArray:
    try:
        return np.asarray(events[name], dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} of events must hold numbers: {error}.") from error


def chosen_conditions(table: EventTable, conditions: Sequence[str] | None) -> list[str]:
    """Return the trial types to model, each of which has an event."""
    found = sorted(set(table.trial_types))
    if conditions is None:
        if not found:
            raise ValueError("the events table is empty: there is no condition to model.")
        return found
    for condition in conditions:
        if condition not in found:
            raise ValueError(
                f"condition {condition!r} has no event.{did_you_mean(condition, found)}"
            )
    return list(conditions)


def chosen_basis(
    hrf_model: str | HRFBasis, fir_delays: Sequence[float] | None, scans: FloatArray
) -> HRFBasis:
    """Return the kernels of a model, with FIR bins that fit the scans."""
    if isinstance(hrf_model, HRFBasis):
        return hrf_model
    if hrf_model != "fir":
        return hrf_basis(hrf_model, fir_delays)
    if fir_delays is not None and len(fir_delays) > 1:
        return hrf_basis("fir", fir_delays)
    if scans.size < 2:
        raise ValueError("an FIR model of a single scan needs two fir_delays or more.")
    repetition_time = float(np.median(np.diff(scans)))
    if fir_delays is None:
        # the small amount keeps 20 s itself where rounding has made it a little more
        fir_delays = np.arange(0.0, FIR_SPAN + 1e-6, repetition_time).tolist()
    return hrf_basis("fir", fir_delays, repetition_time)


def condition_part(
    table: EventTable,
    condition: str,
    basis: HRFBasis,
    scans: FloatArray,
    oversampling: int | None,
) -> Part:
    """Return one column per kernel of the response to a condition's events."""
    mine = table.trial_types == condition
    onsets, amplitudes = table.onsets[mine], table.amplitudes[mine]
    names = [f"{condition}{suffix}" for suffix in basis.suffixes]
    try:
        columns = np.column_stack(
            [
                convolve_events(
                    onsets, table.durations[mine], amplitudes, kernel, scans, oversampling
                )
                for kernel in basis.kernels
            ]
        )
    except ValueError as error:
        raise ValueError(f"condition {condition!r}: {error}") from error
    if not amplitudes.any():
        raise ValueError(f"condition {condition!r} has modulation 0 at all its events.")
    silent = np.flatnonzero(abs(columns).max(axis=0) <= NO_RESPONSE * abs(amplitudes).max())
    if silent.size:
        raise ValueError(
            f"condition {condition!r} has no response within the run in column "
            f"{names[silent[0]]!r}: its {onsets.size} events are at {onsets.min():g} to "
            f"{onsets.max():g} s, the scans at {scans[0]:g} to {scans[-1]:g} s. Check the onsets "
            "(seconds, not scans?) or leave the condition out."
        )
    return Part(columns, names, "condition", condition)


def confound_part(
    confounds: ArrayLike | None, confound_names: Sequence[str] | None, n_scans: int
) -> Part:
    """Return confounds with their names, all values present."""
    columns = np.asarray(np.zeros((n_scans, 0)) if confounds is None else confounds, np.float64)
    if columns.ndim == 1:
        columns = columns[:, np.newaxis]
    if columns.ndim != 2 or len(columns) != n_scans:
        raise ValueError(
            f"confounds have shape {columns.shape}, but there are {n_scans} scans: one row each."
        )
    n_confounds = columns.shape[1]
    names = (
        [f"confound_{k + 1}" for k in range(n_confounds)]
        if confound_names is None
        else list(confound_names)
    )
    if len(names) != n_confounds:
        raise ValueError(f"there are {len(names)} confound_names for {n_confounds} confounds.")
    for name, column in zip(names, columns.T, strict=True):
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size:
            raise ValueError(
                f"confound {name!r} has {bad.size} missing values, the first at scan {bad[0]}: "
                "fill them in (0 for a derivative's first) or leave the column out."
            )
    return Part(columns, names, "confound")


def censored_part(scans: Sequence[int], n_scans: int) -> Part:
    """Return an indicator column for each scan that must not count."""
    ordered = sorted(scans)
    return Part(
        censored_columns(ordered, n_scans), [censored_name(scan) for scan in ordered], "censored"
    )
