"""Hemodynamic response functions: the BOLD response to a short burst of neural activity.

Every kernel that a design uses has unit area (in seconds), so the response to a long block
reaches a plateau of 1 and estimates are in units of the data. Kernels are functions of continuous
time; their classes are in `boldglm.glm.design.kernels`.

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
from boldglm.vocabulary import FIR_SPAN, HRF_MODELS

SAME_WIDTH = 1e-9  # relative difference between widths that differ only by rounding
"""What `hrf_basis` and `build_design` accept as ``hrf_model``."""


@dataclass(frozen=True)
class HRFBasis:
    """Kernels that the events of a condition are convolved with.

    Parameters
    ----------
    suffixes : tuple of str
        Suffixes that name the columns, after the name of the condition, such as
        ``("", "_derivative")``.
    kernels : tuple of callable
        One function of time in seconds for each suffix.

    Raises
    ------
    ValueError
        If there is no kernel, or not one suffix of its own for each.

    See Also
    --------
    hrf_basis : Return the basis of a model by its name.
    build_design : Accepts a basis as ``hrf_model``.

    Examples
    --------
    >>> HRFBasis(("",), (DoubleGamma(peak=5.0),)).suffixes
    ('',)
    """

    suffixes: tuple[str, ...]
    kernels: tuple[HRF, ...]

    def __post_init__(self) -> None:
        if not self.kernels or len(self.suffixes) != len(self.kernels):
            raise ValueError(
                f"an HRF basis needs one suffix for each kernel, but there are "
                f"{len(self.suffixes)} suffixes for {len(self.kernels)} kernels."
            )
        if len(set(self.suffixes)) != len(self.suffixes):
            raise ValueError(f"the suffixes {self.suffixes} of an HRF basis must all differ.")


def double_gamma_hrf(
    times: ArrayLike,
    peak: float = 6.0,
    undershoot: float = 16.0,
    ratio: float = 1 / 6,
    peak_dispersion: float = 1.0,
    undershoot_dispersion: float = 1.0,
    length: float | None = 32.0,
) -> FloatArray:
    """Return the double-gamma response to an event at time 0.

    A gamma density for the response minus a smaller, later one for the undershoot, scaled to
    unit area. The defaults are those of SPM.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event, in any order and spacing.
    peak, undershoot : float
        Delay of the response and of the undershoot, in seconds. With dispersion 1 the response
        is largest at ``peak - 1``.
    ratio : float
        Area of the undershoot relative to that of the response.
    peak_dispersion, undershoot_dispersion : float
        Dispersion of the response and of the undershoot, in seconds.
    length : float or None
        Seconds after which the response is 0; None for no limit.

    Returns
    -------
    ndarray of shape (n_times,)
        Response per second, 0 at and before time 0, with an area of 1 over `length`.

    Raises
    ------
    ValueError
        If a parameter or the area is not positive.

    See Also
    --------
    DoubleGamma : The same as a kernel for designs.
    spm_hrf : The response with SPM's parameters.
    glover_hrf : The response with Glover's parameters.

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
    """Return SPM's canonical response.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event.

    Returns
    -------
    ndarray of shape (n_times,)
        Response per second, of unit area over 32 s: delays 6 and 16 s, dispersions 1 s, ratio
        1/6.

    See Also
    --------
    double_gamma_hrf : The response with other parameters.
    hrf_basis : Return the kernels of a model by its name.

    Notes
    -----
    The ratio is 1/6 in SPM and 0.167 in nilearn. To compare with nilearn, pass ``ratio=0.167``
    to `double_gamma_hrf`.

    Examples
    --------
    >>> spm_hrf([0.0, 5.0, 32.5]).round(4).tolist()
    [0.0, 0.2105, 0.0]
    """
    return SPM(times)


def glover_hrf(times: ArrayLike) -> FloatArray:
    """Return Glover's response, with the parameters of nilearn 0.14.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event.

    Returns
    -------
    ndarray of shape (n_times,)
        Response per second, of unit area over 32 s: delays 6 and 12 s, dispersions 0.9 s, ratio
        0.48.

    See Also
    --------
    double_gamma_hrf : The response with other parameters.
    hrf_basis : Return the kernels of a model by its name.

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

    Use it to reproduce the tutorial. A design with ``hrf_model="textbook"`` has a response of
    the same shape but unit *area*, because a sum over samples depends on their spacing.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event: the sample times of one run.

    Returns
    -------
    ndarray of shape (n_times,)
        Response with delays 6 and 12 s and ratio 0.35, divided by its sum over `times`.

    Raises
    ------
    ValueError
        If the values at `times` sum to 0, for example because no time is after the event.

    See Also
    --------
    hrf_basis : Return the kernel of unit area for ``"textbook"``.

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
        raise ValueError("the response is 0 at all times. Pass times after the event, above 0 s.")
    return values / total


def time_derivative(hrf: HRF, times: ArrayLike, delta: float = 0.1) -> FloatArray:
    """Return the time derivative of a response.

    Beside the response itself, it absorbs small differences in latency.

    Parameters
    ----------
    hrf : callable
        Response as a function of times in seconds.
    times : array_like of shape (n_times,)
        Seconds since the event.
    delta : float
        Shift in seconds over which the difference is taken (0.1 s in nilearn, 1 s in SPM).

    Returns
    -------
    ndarray of shape (n_times,)
        ``(h(t) - h(t - delta)) / delta``, per second squared.

    See Also
    --------
    dispersion_derivative : The derivative to the width of the response.
    hrf_basis : Return a response with its derivatives.

    Examples
    --------
    >>> time_derivative(spm_hrf, [0.0, 3.0, 8.0]).round(4).tolist()
    [0.0, 0.0812, -0.0431]
    """
    t = np.asarray(times, dtype=np.float64)
    return (hrf(t) - hrf(t - delta)) / delta


def dispersion_derivative(hrf: DoubleGamma, times: ArrayLike, delta: float = 0.01) -> FloatArray:
    """Return the dispersion derivative of a double-gamma response.

    Beside the response itself, it absorbs small differences in width.

    Parameters
    ----------
    hrf : DoubleGamma
        The response, such as ``DoubleGamma()`` for SPM's.
    times : array_like of shape (n_times,)
        Seconds since the event.
    delta : float
        Change in the dispersion of the peak over which the difference is taken, in seconds.

    Returns
    -------
    ndarray of shape (n_times,)
        ``(h(t; d) - h(t; d + delta)) / delta``, both of unit area, with the sign of SPM: positive
        at the peak.

    See Also
    --------
    time_derivative : The derivative to the latency of the response.
    hrf_basis : Return a response with its derivatives.

    Examples
    --------
    >>> dispersion_derivative(DoubleGamma(), [0.0, 2.0, 5.0]).round(4).tolist()
    [0.0, -0.0899, 0.0879]
    """
    return _dispersion_kernel(hrf, delta)(times)


def fir_basis(times: ArrayLike, delays: ArrayLike, width: float) -> FloatArray:
    """Return the boxes of a finite impulse response (FIR) model.

    Parameters
    ----------
    times : array_like of shape (n_times,)
        Seconds since the event.
    delays : array_like of shape (n_delays,)
        Start of each bin in seconds (in nilearn: scans).
    width : float
        Width of every bin in seconds.

    Returns
    -------
    ndarray of shape (n_times, n_delays)
        The value 1 in ``[delay, delay + width)``, else 0.

    Raises
    ------
    ValueError
        If the width is not positive.

    See Also
    --------
    hrf_basis : Return the boxes as kernels, divided by the width to have unit area.
    default_fir_delays : Delays of a design for which none are given.

    Examples
    --------
    >>> fir_basis([0.0, 1.0, 2.0], delays=[0.0, 2.0], width=2.0)
    array([[1., 0.], [1., 0.], [0., 1.]])
    """
    if not width > 0:
        raise ValueError(f"the width of FIR bins must be above 0 s, not {width!r}.")
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
        Start of each bin in seconds, in any order; kernels are sorted by it. Required for
        ``"fir"``, not allowed for other models.
    fir_width : float, optional
        Width of all bins in seconds. By default each bin lasts until the next delay, and the
        last as long as the one before.

    Returns
    -------
    HRFBasis
        Kernels of continuous time. All but derivatives have unit area, except that FIR bins of
        different widths share the height of the shortest, which has unit area.

    Raises
    ------
    ValueError
        If the model is unknown, or the FIR options do not fit it.

    See Also
    --------
    build_design : Convolves events with these kernels.
    default_fir_delays : Delays of a design for which none are given.

    Notes
    -----
    FIR bins leave no gaps, as in SPM, which divides a window into bins of one width. In nilearn
    every bin lasts one scan: between unevenly spaced delays the response then counts as
    baseline, which biases the estimates of all bins. Because all bins have one height, estimates
    are proportional to the response whatever the widths.

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
        raise ValueError(f"hrf_model {hrf_model!r} takes no fir_delays or fir_width.")
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
    """Return the widths of FIR bins: until the next start, the last like the one before.

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
            raise ValueError("a single FIR delay has no next one to last until. Pass fir_width.")
        widths = fir_widths(starts)
    else:
        widths = [width] * len(starts)
    shortest = min(widths)
    if not shortest > 0:
        raise ValueError(
            f"FIR delays must differ and fir_width must be above 0 s; the delays are {starts}."
        )
    boxes = []
    for start, bin_width in zip(starts, widths, strict=True):
        ratio = bin_width / shortest
        area = 1.0 if abs(ratio - 1) < SAME_WIDTH else ratio
        boxes.append(Box(start, bin_width, area))
    return HRFBasis(tuple(f"_delay_{start:g}" for start in starts), tuple(boxes))


def _dispersion_kernel(hrf: DoubleGamma, delta: float) -> FiniteDifference:
    wider = replace(hrf, peak_dispersion=hrf.peak_dispersion + delta)
    return FiniteDifference(hrf, wider, shift=0.0, step=delta)
