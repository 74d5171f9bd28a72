"""Bring variables to the same rows, so that they can be combined value by value."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from boldglm.stats_model.transformations.instructions import Instruction
from boldglm.stats_model.variables import Variable, Variables, sampled

GRID_STEP = 0.1  # seconds; where events with different onsets meet


def aligned(
    variables: Variables,
    names: Sequence[str],
    call: Instruction,
    *,
    absent: float = float("nan"),
    onto_first: bool = False,
) -> list[Variable]:
    """Return variables on the same rows.

    Events with the same onsets stay events, and so do those of which some were taken out of one
    list, by DropNA or Filter: what lacks an event has the value `absent` in its row. The rows are
    those of the first variable, with `onto_first`, or of the longest. Otherwise all are sampled:
    at the times of the dense ones among them, or every .1 s.
    """
    found = [variables[name] for name in names]
    if not found:
        call.refuse("Input", "it is empty", "Name variables.")
    sparse = [one for one in found if one.is_sparse]
    if not sparse:
        return _same_times(found, call)
    if len(sparse) == len(found):
        base = found[0] if onto_first else max(found, key=lambda one: one.values.size)
        matched = [_on_rows_of(base, one, absent) for one in found]
        if all(one is not None for one in matched):
            return [one for one in matched if one is not None]
    if variables.frame_times is None:
        call.refuse("Input", "events above the run", "Only a run has events.")
    dense = [one for one in found if not one.is_sparse]
    times = dense[0].times if dense else np.arange(0.0, variables.end, GRID_STEP)
    assert times is not None
    for one in sparse:
        call.numeric(one)
    return [Variable(one.name, sampled(one, times), times=times) for one in found]


def _on_rows_of(base: Variable, one: Variable, absent: float) -> Variable | None:
    """Return a variable on the events of another, or None where they are not the same events."""
    assert base.onset is not None
    assert one.onset is not None
    assert one.duration is not None
    assert base.duration is not None
    if np.array_equal(base.onset, one.onset, equal_nan=True):
        return one
    pairs = len(np.unique(base.onset)) < base.onset.size
    wanted, there = _keys(base, pairs=pairs), _keys(one, pairs=pairs)
    rows = {key: row for row, key in enumerate(there)}
    is_part = set(there) <= set(wanted) or set(wanted) <= set(there)
    if not is_part or len(rows) < len(there) or len(set(wanted)) < len(wanted):
        return None
    index = np.array([rows.get(key, -1) for key in wanted], dtype=int)
    values = np.full(len(wanted), None if one.is_text else absent, dtype=one.values.dtype)
    values[index >= 0] = one.values[index[index >= 0]]
    duration = base.duration.copy()
    duration[index >= 0] = one.duration[index[index >= 0]]
    return replace(one, values=values, onset=base.onset, duration=duration, source="derived")


def _keys(variable: Variable, *, pairs: bool) -> list[tuple[float, ...]]:
    """What an event is known by: its onset, and its duration where several begin together."""
    assert variable.onset is not None
    assert variable.duration is not None
    onsets, durations = variable.onset.tolist(), variable.duration.tolist()
    return list(zip(onsets, durations, strict=True)) if pairs else [(one,) for one in onsets]


def _same_times(found: list[Variable], call: Instruction) -> list[Variable]:
    times = found[0].times
    if times is None:
        return found
    same = all(one.times is not None and np.array_equal(one.times, times) for one in found)
    if same:
        return found
    finest = max((one.times for one in found if one.times is not None), key=len)
    for one in found:
        call.numeric(one)
    return [Variable(one.name, sampled(one, finest), times=finest) for one in found]
