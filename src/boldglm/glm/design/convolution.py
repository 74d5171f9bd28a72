"""Regressors: the response to the events of a condition at each scan.

By default the convolution is exact: the response to a boxcar is the difference between two values
of the kernel's running integral, taken at the times of the scans. Without a time grid no onset is
rounded, events before the first scan count, and scans may be at any times (``StartTime`` offsets,
uneven spacing). The time grid of other packages is available for comparison.

Notation: h kernel, G its running integral; event k has onset o, duration d, amplitude a.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.kernels import HRF, SAME_TIME, Box, DoubleGamma, FiniteDifference

PAIRS_AT_ONCE = 500_000  # (event, scan) pairs evaluated together: about 50 MB
GRID_LEAD_IN = 24.0  # seconds of grid before the first scan, as in nilearn
PANEL = 0.05  # seconds between the nodes when a kernel is integrated numerically


class Events(NamedTuple):
    """Checked events of one condition; three arrays of shape (n_events,)."""

    onsets: FloatArray
    durations: FloatArray
    amplitudes: FloatArray


def convolve_events(
    onsets: ArrayLike,
    durations: ArrayLike,
    amplitudes: ArrayLike,
    hrf: HRF,
    frame_times: ArrayLike,
    oversampling: int | None = None,
) -> FloatArray:
    """Return the summed response to events at the scan times.

    Parameters
    ----------
    onsets : array_like of shape (n_events,)
        Start of each event in seconds, on the clock of `frame_times`; may be negative.
    durations : array_like of shape (n_events,)
        Seconds. An event of duration 0 is an impulse of unit area, as in SPM: a very short
        event scaled to an area of 1 second.
    amplitudes : array_like of shape (n_events,)
        Height of each event.
    hrf : callable
        Response to an impulse, as a function of the seconds since. Kernels of `hrf_basis` are
        integrated in closed form. Any other function is integrated numerically from time 0 and
        should be smooth.
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds, increasing, not necessarily evenly spaced.
    oversampling : int, optional
        None for the exact convolution. A number such as 50 puts the events on a grid with so
        many points in a repetition time, as in nilearn 0.14, for comparison.

    Returns
    -------
    ndarray of shape (n_scans,)
        Regressor, for a kernel of unit area in units of the amplitudes.

    Raises
    ------
    ValueError
        If the three event arrays differ in length, a value is missing, a duration is negative,
        or `frame_times` do not increase.

    See Also
    --------
    build_design : Convolves all events of a run.
    hrf_basis : Return the kernels of a model by its name.

    Notes
    -----
    Exact: ``x(t) = Σ a (G(t - o) - G(t - o - d))``, and ``a h(t - o)`` where d = 0.

    On a grid: it starts 24 s before the first scan, and earlier events move there. Onsets and
    ends move to the next grid point. An event of duration 0 lasts one grid step, so its response
    is smaller than the exact one by the factor ``repetition time / oversampling``. FIR columns
    are up to one repetition time early, as in nilearn.

    Examples
    --------
    A block much longer than the response reaches a plateau of 1:

    >>> from boldglm.glm.design.hrf import spm_hrf
    >>> convolve_events([0.0], [60.0], [1.0], spm_hrf, [0.0, 5.0, 40.0]).round(4).tolist()
    [0.0, 0.4608, 1.0]

    An impulse has the response itself:

    >>> convolve_events([1.0], [0.0], [2.0], spm_hrf, [6.0]) / spm_hrf([5.0])
    array([2.])
    """
    scans = checked_frame_times(frame_times)
    events = _checked_events(onsets, durations, amplitudes)
    if oversampling is None:
        return _convolve_exactly(events, hrf, scans)
    return _convolve_on_grid(events, hrf, scans, oversampling)


def checked_frame_times(frame_times: ArrayLike) -> FloatArray:
    """Return frame times as a float64 array, or raise ValueError.

    Parameters
    ----------
    frame_times : array_like of shape (n_scans,)
        Seconds.

    Returns
    -------
    ndarray of shape (n_scans,)
        A copy.

    Raises
    ------
    ValueError
        If there is no scan, a time is not finite, or times do not increase.

    Examples
    --------
    >>> checked_frame_times([0, 2, 4])
    array([0., 2., 4.])
    """
    scans = np.array(frame_times, dtype=np.float64)
    if scans.ndim != 1 or scans.size == 0:
        raise ValueError(f"frame_times must be a list of seconds, not of shape {scans.shape}.")
    if not np.isfinite(scans).all():
        raise ValueError(f"frame_times has {np.sum(~np.isfinite(scans))} missing values.")
    backwards = np.flatnonzero(np.diff(scans) <= 0)
    if backwards.size:
        k = backwards[0]
        raise ValueError(
            f"frame_times must increase, but scan {k + 1} at {scans[k + 1]:g} s follows scan {k} "
            f"at {scans[k]:g} s."
        )
    return scans


def _checked_events(onsets: ArrayLike, durations: ArrayLike, amplitudes: ArrayLike) -> Events:
    events = Events(
        *(np.atleast_1d(np.asarray(a, np.float64)) for a in (onsets, durations, amplitudes))
    )
    if len({values.shape for values in events}) > 1 or events.onsets.ndim != 1:
        lengths = ", ".join(f"{values.shape} {n}" for n, values in events._asdict().items())
        raise ValueError(
            f"every event needs an onset, a duration and an amplitude, but the shapes are "
            f"{lengths}."
        )
    for name, values in events._asdict().items():
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ValueError(
                f"{name} has {bad.size} missing or infinite values, the first at event {bad[0]} "
                f"(onset {events.onsets[bad[0]]:g} s). Remove such events or fill them in."
            )
    negative = np.flatnonzero(events.durations < 0)
    if negative.size:
        k = negative[0]
        raise ValueError(
            f"durations must be 0 or more, but event {k} (onset {events.onsets[k]:g} s) has "
            f"{events.durations[k]:g} s."
        )
    return events


def _convolve_exactly(events: Events, hrf: HRF, scans: FloatArray) -> FloatArray:
    reach = scans[-1] - events.onsets.min(initial=scans[-1])
    integral, (start, stop) = _integral_and_support(hrf, reach)
    # the margin includes scans that only rounding puts outside the edge of a box
    first = np.searchsorted(scans, events.onsets + start - SAME_TIME, side="left")
    last = np.searchsorted(
        scans, events.onsets + events.durations + stop + SAME_TIME, side="right"
    )
    regressor = np.zeros(scans.size)
    for event, scan in _pairs(first, np.maximum(last - first, 0)):
        since_onset = scans[scan] - events.onsets[event]
        duration = events.durations[event]
        response = np.empty(event.size)
        impulse = duration == 0
        response[impulse] = _evaluate(hrf, since_onset[impulse])
        block = ~impulse
        ends = since_onset[block] - duration[block]
        response[block] = integral(since_onset[block]) - integral(ends)
        response *= events.amplitudes[event]
        regressor += np.bincount(scan, weights=response, minlength=scans.size)
    return regressor


def _pairs(first: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield index pairs of events and scans, a bounded number at a time.

    Event k is paired with scans ``first[k]`` to ``first[k] + counts[k] - 1``.
    """
    ends = np.cumsum(counts)
    begin = 0
    while begin < counts.size:
        done = ends[begin - 1] if begin else 0
        end = max(int(np.searchsorted(ends, done + PAIRS_AT_ONCE, side="right")), begin + 1)
        chunk = counts[begin:end]
        event = np.repeat(np.arange(begin, end), chunk)
        within = np.arange(event.size) - np.repeat(np.cumsum(chunk) - chunk, chunk)
        yield event, first[event] + within
        begin = end


def _integral_and_support(
    hrf: HRF, reach: float
) -> tuple[Callable[[FloatArray], FloatArray], tuple[float, float]]:
    """Return G, and the times between which h is not 0."""
    if isinstance(hrf, DoubleGamma | FiniteDifference | Box):
        return hrf.integral, hrf.support
    return _numerical_integral(hrf, reach)


def _numerical_integral(
    hrf: HRF, reach: float
) -> tuple[Callable[[FloatArray], FloatArray], tuple[float, float]]:
    """Return G of any function by 5-point Gauss-Legendre panels from time 0 to `reach`."""
    points, weights = np.polynomial.legendre.leggauss(5)
    points, weights = (points + 1) / 2, weights / 2
    n_panels = max(int(np.ceil(reach / PANEL)), 1)
    starts = np.arange(n_panels) * PANEL
    values = _evaluate(hrf, starts[:, np.newaxis] + PANEL * points)
    nonzero = np.flatnonzero(values.any(axis=1))
    n_panels = int(nonzero[-1]) + 1 if nonzero.size else 1
    nodes = np.concatenate([[0.0], np.cumsum(values[:n_panels] @ weights * PANEL)])

    def integral(times: FloatArray) -> FloatArray:
        t = np.clip(times, 0.0, n_panels * PANEL)
        panel = np.minimum((t / PANEL).astype(np.intp), n_panels - 1)
        part = t - panel * PANEL
        inside = _evaluate(hrf, (panel * PANEL)[:, np.newaxis] + part[:, np.newaxis] * points)
        return nodes[panel] + part * (inside @ weights)

    return integral, (0.0, n_panels * PANEL)


def _evaluate(hrf: HRF, times: FloatArray) -> FloatArray:
    """Return the values of hrf at times of any shape, checked."""
    values = np.asarray(hrf(times.ravel()), dtype=np.float64)
    if values.shape != (times.size,) or not np.isfinite(values).all():
        raise ValueError(
            f"hrf must return one finite value for each time. For {times.size} times it returned "
            f"shape {values.shape}, with {np.sum(~np.isfinite(values))} values not finite."
        )
    return values.reshape(times.shape)


def _convolve_on_grid(
    events: Events, hrf: HRF, scans: FloatArray, oversampling: int
) -> FloatArray:
    if oversampling < 1 or int(oversampling) != oversampling:
        raise ValueError(f"oversampling must be an integer above 0, not {oversampling!r}.")
    if scans.size < 2:
        raise ValueError("a time grid needs at least two scans. Leave out oversampling.")
    grid = _time_grid(scans, oversampling)
    step = np.diff(scans).min() / oversampling
    weights = (
        hrf.on_grid(step)
        if isinstance(hrf, DoubleGamma | FiniteDifference | Box)
        else _samples_on_grid(hrf, step)
    )
    neural = _boxcars(events, grid)
    size = fft.next_fast_len(neural.size + weights.size - 1, real=True)
    response = fft.irfft(fft.rfft(neural, size) * fft.rfft(weights, size), size)[: grid.size]
    advance = oversampling - 1 if isinstance(hrf, Box) else 0
    times = grid[: grid.size - advance]
    if scans[-1] > times[-1] + SAME_TIME:
        raise ValueError(
            f"the time grid ends at {times[-1]:g} s, before the last scan at {scans[-1]:g} s. "
            "Leave out oversampling."
        )
    return np.interp(scans, times, response[advance:])


def _time_grid(scans: FloatArray, oversampling: int) -> FloatArray:
    """Return nilearn's grid, from 24 s before the first scan to about one scan after the last.

    It ends at the last time times 1 + 1 / (n_scans - 1), which is one repetition time after the
    last scan only if the first scan is at time 0.
    """
    n_gaps = scans.size - 1
    end = scans[-1] * (1 + 1.0 / n_gaps)
    span = end - scans[0] + GRID_LEAD_IN
    per_second = n_gaps * 1.0 / (scans[-1] - scans[0])
    n_points = int(np.rint(per_second * span * oversampling + 1))
    return np.linspace(scans[0] - GRID_LEAD_IN, end, n_points)


def _boxcars(events: Events, grid: FloatArray) -> FloatArray:
    """Return the summed amplitude at each grid point."""
    final = grid.size - 1
    starts = np.minimum(np.searchsorted(grid, events.onsets), final)
    ends = np.minimum(np.searchsorted(grid, events.onsets + events.durations), final)
    ends += (ends == starts) & (ends < final)
    changes = np.zeros(grid.size)
    np.add.at(changes, starts, events.amplitudes)
    np.subtract.at(changes, ends, events.amplitudes)
    return np.cumsum(changes)


def _samples_on_grid(hrf: HRF, step: float) -> FloatArray:
    """Return samples of any function over 32 s, one step late like the kernels of nilearn."""
    times = np.linspace(0.0, 32.0, round(32.0 / step)) - step
    return _evaluate(hrf, times) * step
