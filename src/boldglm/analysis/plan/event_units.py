"""Warnings of events whose unit seems wrong, and of conditions that cover a whole run.

Each run is judged by itself, so that its warnings do not depend on who else is in the call. The
thresholds are such that no run of the public datasets in the tests is warned of.
"""

import re
from collections.abc import Sequence

import numpy as np

from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.notices import Notice, warning

EARLY = 0.5  # share of the run before which all events end
EARLY_IN_VOLUMES = 0.7  # the same, if onsets are whole numbers that end with the volumes
VOLUMES_USED = (0.8, 1.02)  # share of the volumes at which the last event ends, if in volumes
DENSE = 0.1  # mean interval between onsets, in repetition times
LATE = 10.0  # last onset, in lengths of the run
COVERED = 0.9  # share of the run that conditions cover
HIGH_VIF = 5.0
REST = re.compile(r"rest|base|fix|null|blank|iti|isi|pause|cross", re.IGNORECASE)


def unit_warnings(
    onset: np.ndarray, duration: np.ndarray, timing: RunTiming, file_name: str
) -> tuple[Notice, ...]:
    """Return warnings of onsets and durations that do not seem to be in seconds.

    Parameters
    ----------
    onset, duration : ndarray of shape (n_events,)
        As they are in the file, taken as seconds; NaN where they are n/a.
    timing : RunTiming
        When the volumes were acquired.
    file_name : str
        Name of the events file, for messages.

    Examples
    --------
    >>> timing = RunTiming(135, 2.0, 0.0)
    >>> onset = np.arange(10.0, 124.0, 3.0)
    >>> for notice in unit_warnings(onset, np.ones(onset.size), timing, "a_events.tsv"):
    ...     print(notice)
    the last event in a_events.tsv ends at 122 s of 270 s; are onsets in volumes? They must be in
    seconds
    """
    known = np.isfinite(onset)
    if not known.any():
        return ()
    starts, lasts = onset[known], np.nan_to_num(duration[known])
    texts = [
        _early(starts, lasts, timing, file_name),
        _late(starts, timing, file_name),
        _dense(starts, timing, file_name),
        _long(lasts, timing, file_name),
    ]
    return tuple(warning(text) for text in texts if text)


def coverage_warning(
    events: Sequence[tuple[str, float, float]], end: float, vif: dict[str, float]
) -> Notice | None:
    """Warn of conditions that cover the run, so that they and the constant explain each other.

    Parameters
    ----------
    events : sequence of (str, float, float)
        Condition, onset and duration in seconds of every modeled event.
    end : float
        End of the run in seconds.
    vif : dict of str to float
        Variance inflation of the regressors of the conditions.

    Examples
    --------
    >>> blocks = [("rest" if k % 2 else "task", 20.0 * k, 20.0) for k in range(10)]
    >>> vif = {"trial_type.rest": 15.2, "trial_type.task": 15.1}
    >>> print(coverage_warning(blocks, 200.0, vif))
    the conditions rest, task cover the run (100 % of it), so each follows from the others and the
    constant (VIF up to 15.2); leave one out with --conditions, such as 'rest'
    """
    names = sorted({name for name, _, _ in events})
    highest = max(vif.values(), default=0.0)
    covered = _covered(events, end)
    if len(names) < 2 or not highest > HIGH_VIF or covered < COVERED:
        return None
    shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
    total = {name: sum(lasts for one, _, lasts in events if one == name) for name in names}
    longest = max(total, key=total.__getitem__)
    resting = next((name for name in names if REST.search(name)), longest)
    size = "infinite" if not np.isfinite(highest) else f"up to {highest:.1f}"
    return warning(
        f"the conditions {shown} cover the run ({100 * min(covered, 1.0):.0f} % of it), so each "
        f"follows from the others and the constant (VIF {size}); leave one out with --conditions, "
        f"such as {resting!r}"
    )


def _early(onset: np.ndarray, duration: np.ndarray, timing: RunTiming, name: str) -> str:
    last = float((onset + duration).max())
    share = last / timing.end
    in_volumes = VOLUMES_USED[0] <= last / timing.n_scans <= VOLUMES_USED[1]
    are_whole = bool((onset == np.round(onset)).all())
    if not 0 < share <= (EARLY_IN_VOLUMES if in_volumes and are_whole else EARLY):
        return ""
    text = f"the last event in {name} ends at {last:.6g} s of {timing.end:.6g} s"
    return f"{text}; are onsets in volumes? They must be in seconds"


def _late(onset: np.ndarray, timing: RunTiming, name: str) -> str:
    if onset.max() < LATE * timing.end:
        return ""
    return (
        f"the last event in {name} starts at {onset.max():.6g} s, but the run ends at "
        f"{timing.end:.6g} s; are onsets in milliseconds? They must be in seconds"
    )


def _dense(onset: np.ndarray, timing: RunTiming, name: str) -> str:
    starts = np.unique(onset)
    if starts.size < timing.n_scans or np.diff(starts).mean() > DENSE * timing.repetition_time:
        return ""
    return (
        f"events in {name} follow each other every {np.diff(starts).mean():.3g} s, but volumes "
        f"every {timing.repetition_time:g} s, so their responses cannot be told apart; are onsets "
        "in seconds?"
    )


def _long(duration: np.ndarray, timing: RunTiming, name: str) -> str:
    if duration.max() <= timing.end:
        return ""
    return (
        f"an event in {name} lasts {duration.max():.6g} s, but the run {timing.end:.6g} s; are "
        "durations in milliseconds? They must be in seconds"
    )


def _covered(events: Sequence[tuple[str, float, float]], end: float) -> float:
    """Return the share of the run that some event covers."""
    covered, reached = 0.0, 0.0
    for start, stop in sorted((max(onset, 0.0), onset + lasts) for _, onset, lasts in events):
        covered += max(0.0, min(stop, end) - max(start, reached))
        reached = max(reached, min(stop, end))
    return covered / end
