"""Bring variables to the same rows, so that they can be combined value by value."""

from collections.abc import Sequence

import numpy as np

from boldglm.stats_model.transformations.calls import Call
from boldglm.stats_model.variables import Variable, Variables, sampled

GRID_STEP = 0.1  # seconds; where events with different onsets meet


def aligned(variables: Variables, names: Sequence[str], call: Call) -> list[Variable]:
    """Return variables on the same rows.

    Events with the same onsets stay events. Otherwise all are sampled: at the times of the
    dense ones among them, or every .1 s.
    """
    found = [variables[name] for name in names]
    if not found:
        call.refuse("Input", "it is empty", "Name variables.")
    sparse = [one for one in found if one.is_sparse]
    if not sparse:
        return _same_times(found, call)
    first = sparse[0].onset
    assert first is not None
    if len(sparse) == len(found) and all(
        one.onset is not None and np.array_equal(one.onset, first, equal_nan=True)
        for one in sparse
    ):
        return found
    if variables.frame_times is None:
        call.refuse("Input", "events above the run", "Only a run has events.")
    dense = [one for one in found if not one.is_sparse]
    times = dense[0].times if dense else np.arange(0.0, variables.end, GRID_STEP)
    assert times is not None
    for one in sparse:
        call.numeric(one)
    return [Variable(one.name, sampled(one, times), times=times) for one in found]


def _same_times(found: list[Variable], call: Call) -> list[Variable]:
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
