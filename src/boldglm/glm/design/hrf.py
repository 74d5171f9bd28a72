"""Hemodynamic response functions: the BOLD response to a short burst of neural activity.

Every kernel that a design uses has unit area (per second), so a long block reaches a
plateau of one and an estimate is in units of the signal. Kernels are functions of
continuous time; `boldglm.glm.design.kernels` holds their classes.

Notation: h kernel, g gamma density, F gamma distribution function.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.kernels import (
    GLOVER,
    HRF,
    SPM,
    TEXTBOOK,
    Box,
    DoubleGamma,
    FiniteDifference,
    in_box,
)
from boldglm.suggestions import list_known

SAME_WIDTH = 1e-9  # relative difference of bins that differ by rounding only
FIR_SPAN = 20.0  # seconds after an event that the default FIR bins cover
HRF_MODELS = (
    "spm",
    "spm + derivative",
    "spm + derivative + dispersion",
    "glover",
    "glover + derivative",
    "glover + derivative + dispersion",
    "fir",
    "textbook",
)
"""What `hrf_basis` and `build_design` accept as ``hrf_model``."""


@dataclass(frozen=True)
class HRFBasis:
    """The kernels that one condition is convolved with, and what their columns are called.

    Parameters
    ----------
    suffixes : tuple of str
        What follows the condition's name, e.g. ``("", "_derivative")``.
    kernels : tuple of callable
        One function of time in seconds per suffix.
    """

    suffixes: tuple[str, ...]
    kernels: tuple[HRF, ...]

    def __post_init__(self) -> None:
        if not self.kernels or len(self.suffixes) != len(self.kernels):
            raise ValueError(
                f"a basis needs one suffix per kernel, not {len(self.suffixes)} suffixes for "
                f"{len(self.kernels)} kernels."
            )
        if len(set(self.suffixes)) != len(self.suffixes):
            raise ValueError(f"the suffixes {self.suffixes} are not all different.")


def double_gamma_hrf(
    times: ArrayLike,
    peak: float = 6.0,
    undershoot: float = 16.0,
    ratio: float = 1 / 6,
    peak_dispersion: float = 1.0,
    undershoot_dispersion: float = 1.0,
    length: float | None = 32.0,
) -> FloatArray:
    """Return the double-gamma response at any times after an event at time 0.

    A gamma density for the response less a smaller, later one for the undershoot, scaled to
    unit area. The defaults are those of SPM.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event; need not be sorted or evenly spaced.
    peak, undershoot : float
        Delay of the response and of the undershoot, in seconds. (With dispersion 1 the
        response is largest at ``peak - 1``.)
    ratio : float
        Area of the undershoot relative to that of the response.
    peak_dispersion, undershoot_dispersion : float
        Dispersion of the two, in seconds.
    length : float or None
        Seconds after which the response is 0; None for never.

    Returns
    -------
    ndarray of shape (n_times,)
        Per second; 0 at and before time 0. The area over `length` is 1.

    Raises
    ------
    ValueError
        If a parameter is not positive or the area is not.

    Notes
    -----
    ``h(t) = (g(t; p/d, d) - r g(t; u/e, e)) / (F_p(L) - r F_u(L))`` with g the gamma density
    of the given shape and scale, p, u the delays, d, e the dispersions, r the ratio [1]_.

    References
    ----------
    .. [1] Friston KJ et al. (1998). Event-related fMRI: characterizing differential
       responses. NeuroImage 7:30-40. https://doi.org/10.1006/nimg.1997.0306

    Examples
    --------
    >>> double_gamma_hrf([0.0, 5.0, 15.0]).round(4).tolist()
    [0.0, 0.2105, -0.0182]
    """
    kernel = DoubleGamma(peak, undershoot, ratio, peak_dispersion, undershoot_dispersion, length)
    return kernel(times)


def spm_hrf(times: ArrayLike) -> FloatArray:
    """Return SPM's canonical response (6, 16, 1, 1, ratio 1/6) at times in seconds.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event.

    Returns
    -------
    ndarray of shape (n_times,)
        Per second, unit area over 32 s.

    Notes
    -----
    SPM's ratio is 1/6; nilearn writes 0.167. Pass that to `double_gamma_hrf` to compare.

    Examples
    --------
    >>> spm_hrf([0.0, 5.0, 32.5]).round(4).tolist()
    [0.0, 0.2105, 0.0]
    """
    return SPM(times)


def glover_hrf(times: ArrayLike) -> FloatArray:
    """Return Glover's response with the parameters of nilearn 0.14, at times in seconds.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event.

    Returns
    -------
    ndarray of shape (n_times,)
        Per second, unit area over 32 s: delays 6 and 12 s, dispersions 0.9 s, ratio 0.48.

    References
    ----------
    .. [1] Glover GH (1999). Deconvolution of impulse response in event-related BOLD fMRI.
       NeuroImage 9:416-429. https://doi.org/10.1006/nimg.1998.0419

    Examples
    --------
    >>> glover_hrf([0.0, 5.0]).round(4).tolist()
    [0.0, 0.347]
    """
    return GLOVER(times)


def textbook_hrf(times: ArrayLike) -> FloatArray:
    """Return the response of the "Correlated regressors" tutorial, scaled to unit sum.

    Use it to reproduce the tutorial. A design with ``hrf_model="textbook"`` has the same
    shape at unit *area*: the sum over samples depends on how far apart they are, so
    values scaled by it could not be convolved at other times.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event: the sample times of one run.

    Returns
    -------
    ndarray of shape (n_times,)
        Delays 6 and 12 s, ratio 0.35, divided by the sum over `times`.

    Raises
    ------
    ValueError
        If the values at `times` sum to 0, e.g. if no time is after the event.

    References
    ----------
    .. [1] Brett M, Poline J-B. Correlated regressors. Practical neuroimaging tutorials.

    Examples
    --------
    Repeated every 2 s, two responses one repetition time apart correlate at 0.70:

    >>> times = np.arange(0.0, 30.0, 2.0)
    >>> first, second = textbook_hrf(times), textbook_hrf(times - 2)
    >>> round(np.corrcoef(first, second)[0, 1].item(), 4)
    0.7023
    """
    values = replace(TEXTBOOK, length=None)(times)
    total = values.sum()
    if total == 0:
        raise ValueError("the response is 0 at all the times given: some must be after time 0.")
    return values / total


def time_derivative(hrf: HRF, times: ArrayLike, delta: float = 0.1) -> FloatArray:
    """Return how a response changes when it comes earlier.

    A column with it next to that of the response itself absorbs small errors of latency.

    Parameters
    ----------
    hrf : callable
        Function of times in seconds.
    times : array_like of shape (n_times,)
        Seconds since the event.
    delta : float
        Shift in seconds over which the difference is taken (0.1 s in nilearn, 1 s in SPM).

    Returns
    -------
    ndarray of shape (n_times,)
        ``(h(t) - h(t - delta)) / delta``, per second squared.

    Examples
    --------
    >>> time_derivative(spm_hrf, [0.0, 3.0, 8.0]).round(4).tolist()
    [0.0, 0.0812, -0.0431]
    """
    t = np.asarray(times, dtype=np.float64)
    return (hrf(t) - hrf(t - delta)) / delta


def dispersion_derivative(hrf: DoubleGamma, times: ArrayLike, delta: float = 0.01) -> FloatArray:
    """Return how a double-gamma response changes when it becomes narrower.

    Parameters
    ----------
    hrf : DoubleGamma
        The response, e.g. ``DoubleGamma()`` for SPM's.
    times : array_like of shape (n_times,)
        Seconds since the event.
    delta : float
        Change of the peak's dispersion over which the difference is taken, in seconds.

    Returns
    -------
    ndarray of shape (n_times,)
        ``(h(t; d) - h(t; d + delta)) / delta``, each of unit area; the sign is SPM's.

    Examples
    --------
    >>> dispersion_derivative(DoubleGamma(), [0.0, 2.0, 5.0]).round(4).tolist()
    [0.0, -0.0899, 0.0879]
    """
    return _dispersion_kernel(hrf, delta)(times)


def fir_basis(times: ArrayLike, delays: ArrayLike, width: float) -> FloatArray:
    """Return boxes: which delay bin each time after an event falls into.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event.
    delays : array_like of shape (n_delays,)
        Start of each bin, in SECONDS (nilearn counts scans).
    width : float
        Width of every bin in seconds.

    Returns
    -------
    ndarray of shape (n_times, n_delays)
        1 in ``[delay, delay + width)``, else 0. (The kernels of `hrf_basis` are these
        divided by the width, to have unit area like all the others.)

    Examples
    --------
    >>> fir_basis([0.0, 1.0, 2.0], delays=[0.0, 2.0], width=2.0)
    array([[1., 0.], [1., 0.], [0., 1.]])
    """
    if not width > 0:
        raise ValueError(f"width must be above 0 s, not {width!r}.")
    t = np.asarray(times, dtype=np.float64)[:, np.newaxis]
    return in_box(t, np.asarray(delays, dtype=np.float64), width)


def hrf_basis(
    hrf_model: str,
    fir_delays: Sequence[float] | None = None,
    fir_width: float | None = None,
) -> HRFBasis:
    """Return the kernels of a model by its name.

    Parameters
    ----------
    hrf_model : str
        One of `HRF_MODELS`.
    fir_delays : sequence of float, optional
        Start of each bin in seconds, in any order (kernels are sorted by it); needed by
        ``"fir"`` and refused with other models.
    fir_width : float, optional
        Width of all bins in seconds; by default each lasts until the next delay, the last as
        long as the one before.

    Returns
    -------
    HRFBasis
        Kernels of continuous time, those that are not derivatives of unit area. FIR bins of
        uneven width share the height of the shortest, which alone has unit area.

    Raises
    ------
    ValueError
        If the model is not known, or the FIR options do not fit it.

    Notes
    -----
    FIR bins without gaps, as SPM's, which divides a window into bins of one width. nilearn's
    bins all last one scan whatever their delays, so that what comes between uneven ones counts
    as baseline and pulls the estimates of all bins. With one height for all bins, estimates are
    in proportion to the response, whatever the widths.

    Examples
    --------
    >>> hrf_basis("spm + derivative").suffixes
    ('', '_derivative')
    >>> hrf_basis("fir", fir_delays=[0, 2.5]).suffixes
    ('_delay_0', '_delay_2.5')
    """
    if hrf_model not in HRF_MODELS:
        raise ValueError(f"unknown hrf_model {hrf_model!r}.{list_known(hrf_model, HRF_MODELS)}")
    if hrf_model == "fir":
        return _fir_kernels(fir_delays, fir_width)
    if fir_delays is not None or fir_width is not None:
        raise ValueError(f"fir_delays and fir_width have no meaning for hrf_model {hrf_model!r}.")
    family, *derivatives = hrf_model.split(" + ")
    canonical = {"spm": SPM, "glover": GLOVER, "textbook": TEXTBOOK}[family]
    kernels: list[HRF] = [canonical]
    if "derivative" in derivatives:
        kernels.append(FiniteDifference(canonical, canonical, shift=0.1, step=0.1))
    if "dispersion" in derivatives:
        kernels.append(_dispersion_kernel(canonical, 0.01))
    return HRFBasis(("", *(f"_{name}" for name in derivatives)), tuple(kernels))


def default_fir_delays(repetition_time: float) -> tuple[float, ...]:
    """Return the FIR delays of a design for which none are given.

    Parameters
    ----------
    repetition_time : float
        Seconds between volumes.

    Returns
    -------
    tuple of float
        Starts of bins in seconds: every repetition time from 0 to before 20 s, and at least
        two, so that the bins cover the 20 s after an event.

    Raises
    ------
    ValueError
        If the repetition time is not positive.

    See Also
    --------
    hrf_basis : Makes the kernels of these bins.
    build_design : Uses these delays by default.

    Examples
    --------
    >>> default_fir_delays(2.5)
    (0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5)
    """
    if not 0 < repetition_time < np.inf:
        raise ValueError(f"repetition_time must be above 0 s, not {repetition_time!r}.")
    # without the small amount, rounding could add a bin that starts at 20 s itself
    n_bins = max(2, int(np.ceil(FIR_SPAN / repetition_time - 1e-6)))
    return tuple(round(k * float(repetition_time), 9) for k in range(n_bins))


def fir_widths(starts: Sequence[float]) -> list[float]:
    """Return how long bins last: until the next one, and the last as long as the one before.

    Examples
    --------
    >>> fir_widths([0.0, 2.0, 5.0])
    [2.0, 3.0, 3.0]
    """
    widths: list[float] = np.diff(starts).tolist()
    return [*widths, widths[-1]]


def _fir_kernels(delays: Sequence[float] | None, width: float | None) -> HRFBasis:
    if delays is None or len(delays) == 0:
        raise ValueError("hrf_model 'fir' needs fir_delays in seconds, e.g. [0, 2, 4, 6].")
    starts = sorted(float(delay) for delay in delays)
    if width is None:
        if len(starts) == 1:
            raise ValueError("with a single FIR delay say how wide its bin is: give fir_width.")
        widths = fir_widths(starts)
    else:
        widths = [width] * len(starts)
    shortest = min(widths)
    if not shortest > 0:
        raise ValueError(f"two FIR delays are the same, or fir_width is not above 0 s: {starts}.")
    boxes = []
    for start, own in zip(starts, widths, strict=True):
        # steps that differ by rounding only are the same
        ratio = own / shortest
        boxes.append(Box(start, own, 1.0 if abs(ratio - 1) < SAME_WIDTH else ratio))
    return HRFBasis(tuple(f"_delay_{start:g}" for start in starts), tuple(boxes))


def _dispersion_kernel(hrf: DoubleGamma, delta: float) -> FiniteDifference:
    wider = replace(hrf, peak_dispersion=hrf.peak_dispersion + delta)
    return FiniteDifference(hrf, wider, shift=0.0, step=delta)
