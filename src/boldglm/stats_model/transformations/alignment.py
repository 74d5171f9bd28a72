"""Bring variables to the same rows, so that they can be combined value by value."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from boldglm.stats_model.transformations.instructions import Instruction
from boldglm.stats_model.variables import Variable, Variables, sampled

GRID_STEP = 0.1  # seconds; sampling interval for events that do not share their onsets


def aligned(
    variables: Variables,
    names: Sequence[str],
    instruction: Instruction,
    *,
    fill: float = float("nan"),
    onto_first: bool = False,
) -> list[Variable]:
    """Return variables with the same rows.

    Events with the same onsets stay events. So do events some of which DropNA or Filter has
    removed from one variable: that variable has the value `fill` in their rows. Variables that
    do not share their events are sampled: at the times of the dense variables among them, or
    every 0.1 s.

    Parameters
    ----------
    variables : Variables
    names : sequence of str
        Variables to align.
    instruction : Instruction
        For messages.
    fill : float
        Value of a numeric variable where it lacks an event.
    onto_first : bool
        Use the events of the first variable, instead of those of the variable with most events.

    Returns
    -------
    list of Variable
        In the order of `names`.
    """
    chosen = [variables[name] for name in names]
    if not chosen:
        instruction.refuse("Input", "Input is empty", "Write the names of variables.")
    sparse = [variable for variable in chosen if variable.is_sparse]
    dense = [variable for variable in chosen if not variable.is_sparse]
    if not sparse:
        return _on_finest_times(dense, instruction)
    if not dense:
        longest = max(chosen, key=lambda variable: variable.values.size)
        reference = chosen[0] if onto_first else longest
        on_events = [_on_events_of(reference, variable, fill) for variable in chosen]
        if all(variable is not None for variable in on_events):
            return [variable for variable in on_events if variable is not None]
    if variables.frame_times is None:
        instruction.refuse(
            "Input", "found events above the run level", "Use events in the Run node."
        )
    times = dense[0].times if dense else np.arange(0.0, variables.end, GRID_STEP)
    assert times is not None
    for variable in sparse:
        instruction.numeric(variable)
    return [Variable(item.name, sampled(item, times), times=times) for item in chosen]


def _on_events_of(reference: Variable, variable: Variable, fill: float) -> Variable | None:
    """Return a variable on the events of another, or None if they do not share their events."""
    assert reference.onset is not None
    assert reference.duration is not None
    assert variable.onset is not None
    assert variable.duration is not None
    if np.array_equal(reference.onset, variable.onset, equal_nan=True):
        return variable
    with_duration = len(np.unique(reference.onset)) < reference.onset.size
    target_keys = _event_keys(reference, with_duration=with_duration)
    keys = _event_keys(variable, with_duration=with_duration)
    rows = {key: row for row, key in enumerate(keys)}
    is_subset = set(keys) <= set(target_keys) or set(target_keys) <= set(keys)
    if not is_subset or len(rows) < len(keys) or len(set(target_keys)) < len(target_keys):
        return None
    index = np.array([rows.get(key, -1) for key in target_keys], dtype=int)
    empty = None if variable.is_text else fill
    values = np.full(len(target_keys), empty, dtype=variable.values.dtype)
    values[index >= 0] = variable.values[index[index >= 0]]
    duration = reference.duration.copy()
    duration[index >= 0] = variable.duration[index[index >= 0]]
    return replace(
        variable, values=values, onset=reference.onset, duration=duration, source="derived"
    )


def _event_keys(variable: Variable, *, with_duration: bool) -> list[tuple[float, ...]]:
    """Identify each event by its onset, and by its duration where events share an onset."""
    assert variable.onset is not None
    assert variable.duration is not None
    onsets, durations = variable.onset.tolist(), variable.duration.tolist()
    if with_duration:
        return list(zip(onsets, durations, strict=True))
    return [(onset,) for onset in onsets]


def _on_finest_times(variables: list[Variable], instruction: Instruction) -> list[Variable]:
    """Return dense variables at the sampling times of the one with most samples."""
    times = variables[0].times
    if times is None:
        return variables
    same_times = all(
        variable.times is not None and np.array_equal(variable.times, times)
        for variable in variables
    )
    if same_times:
        return variables
    finest = max((item.times for item in variables if item.times is not None), key=len)
    for variable in variables:
        instruction.numeric(variable)
    return [Variable(item.name, sampled(item, finest), times=finest) for item in variables]
