"""Warnings of contrasts that rest on frequencies near the cut-off of the high-pass filter."""

import re
from collections.abc import Iterable

import numpy as np

from boldglm.analysis.model.model import Model
from boldglm.glm import Design
from boldglm.glm.design.low_frequencies import share_below
from boldglm.notices import Notice, warning

MOSTLY = 0.5
COSINE = re.compile(r"cosine_?\d+")


def slow_contrast_warning(
    design: Design, weights: Iterable[tuple[str, np.ndarray]], model: Model
) -> Notice | None:
    """Warn of contrasts most of whose variance lies below twice the cut-off frequency.

    Parameters
    ----------
    design : Design
        The design of a run.
    weights : iterable of (str, ndarray)
        Name of each contrast, and its weights.
    model : Model
        The model, with the period of its high-pass filter.
    """
    period = _cut_off(design, model)
    if period is None:
        return None
    shares = {
        name: share_below(design.matrix, rows, design.frame_times, 2 / period)
        for name, rows in weights
    }
    slow = [name for name, share in shares.items() if share > MOSTLY]
    if not slow:
        return None
    largest = max(slow, key=lambda name: shares[name])
    longer = _longer(design, dict(weights)[largest], period)
    remedy = (
        f"A cut-off of {longer:g} s (--high-pass {longer:g}) would be far enough from it"
        if longer
        else "Shorter blocks, or more alternation, would move it to higher frequencies"
    )
    listed = ", ".join(repr(name) for name in slow)
    return warning(
        f"most of the variance of the {'contrast' if len(slow) == 1 else 'contrasts'} {listed} "
        f"lies near the high-pass cut-off ({100 * shares[largest]:.0f} % below {2 / period:.2g} "
        f"Hz, twice the cut-off of {period:.3g} s), where slow noise is hardest to model, so that "
        f"p values can be too small. {remedy}"
    )


def _cut_off(design: Design, model: Model) -> float | None:
    """Return the period of the cosines in seconds; None without any."""
    if model.has_drift:
        return model.high_pass
    cosines = sum(bool(COSINE.fullmatch(name)) for name in design.names)
    if not cosines:
        return None
    times = design.frame_times
    duration = (times[-1] - times[0]) * len(times) / (len(times) - 1)
    return float(2 * duration / cosines)  # the period of the fastest of them


def _longer(design: Design, rows: np.ndarray, period: float) -> float | None:
    """Return a period for which less than half of the variance is near the cut-off."""
    duration = float(np.ptp(design.frame_times))
    for candidate in (160.0, 200.0, 240.0, 300.0, 360.0, 480.0, 600.0):
        if period < candidate < duration and (
            share_below(design.matrix, rows, design.frame_times, 2 / candidate) <= MOSTLY
        ):
            return candidate
    return None
