"""Response kernels in continuous time: values, running integrals, samples on a grid.

A kernel is called with times in seconds since an event. Its running integral has a closed form,
which makes the convolution in `boldglm.glm.design.convolution` exact. For comparison it can also
be sampled as in nilearn 0.14.

Notation: h kernel, G its running integral, L its length.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammainc, gammaln, xlogy

from boldglm.glm.arrays.types import FloatArray

HRF = Callable[[FloatArray], FloatArray]

# Rounding, as in 2.3 - 0.3 < 2, must not decide on which side of a kernel's edge a scan is.
SAME_TIME = 1e-9  # seconds


@dataclass(frozen=True)
class DoubleGamma:
    """Double-gamma kernel h(t) of unit area, a function of time.

    Parameters
    ----------
    peak, undershoot : float
        Delay of the response and of the undershoot, in seconds.
    ratio : float
        Area of the undershoot relative to that of the response, below 1.
    peak_dispersion, undershoot_dispersion : float
        Dispersion of the response and of the undershoot, in seconds.
    length : float or None
        Seconds after which the kernel is 0; None for no limit.

    Raises
    ------
    ValueError
        If a parameter or the area is not positive.

    See Also
    --------
    double_gamma_hrf : The same as a function.
    HRFBasis : Makes a basis for designs from kernels.

    Examples
    --------
    >>> kernel = DoubleGamma()
    >>> kernel([-1.0, 0.0, 5.0, 40.0]).round(4).tolist()
    [0.0, 0.0, 0.2105, 0.0]
    >>> kernel.integral(32.0).item()
    1.0
    """

    peak: float = 6.0
    undershoot: float = 16.0
    ratio: float = 1 / 6
    peak_dispersion: float = 1.0
    undershoot_dispersion: float = 1.0
    length: float | None = 32.0

    def __post_init__(self) -> None:
        for name in ("peak", "undershoot", "peak_dispersion", "undershoot_dispersion"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0 s, not {getattr(self, name)!r}.")
        if self.length is not None and not self.length > 0:
            raise ValueError(f"length must be above 0 s, or None, not {self.length!r}.")
        if not self._area > 0:
            raise ValueError(
                f"a response of area {self._area:.3g} cannot be scaled to unit area. Make "
                f"ratio ({self.ratio!r}) smaller or length ({self.length!r}) larger."
            )

    @property
    def support(self) -> tuple[float, float]:
        """Times in seconds between which the kernel is not 0."""
        return 0.0, np.inf if self.length is None else self.length

    @property
    def _area(self) -> float:
        return float(self._distribution(np.asarray(self.support[1])))

    def __call__(self, times: ArrayLike) -> FloatArray:
        """Return h(times), per second, in the shape of times."""
        t = np.asarray(times, dtype=np.float64)
        density = _gamma_density(t, self.peak, self.peak_dispersion)
        density -= self.ratio * _gamma_density(t, self.undershoot, self.undershoot_dispersion)
        return np.where(t <= self.support[1] + SAME_TIME, density / self._area, 0.0)

    def integral(self, times: ArrayLike) -> FloatArray:
        """Return the area of the kernel before each time.

        Parameters
        ----------
        times : array_like
            Seconds since the event.

        Returns
        -------
        ndarray of the shape of times
            The running integral G(times).

        See Also
        --------
        convolve_events : Uses it for an exact convolution.

        Examples
        --------
        >>> DoubleGamma().integral([0.0, 5.0, 32.0]).round(4).tolist()
        [0.0, 0.4608, 1.0]
        """
        t = np.clip(np.asarray(times, dtype=np.float64), 0.0, self.support[1])
        return self._distribution(t) / self._area

    def on_grid(self, step: float) -> FloatArray:
        """Return samples on a time grid as in nilearn 0.14.

        Parameters
        ----------
        step : float
            Grid spacing in seconds.

        Returns
        -------
        ndarray of shape (n_samples,)
            Samples that sum to 1, the first of them 0. The last is taken at ``length``, so
            samples are slightly more than `step` apart.

        Raises
        ------
        ValueError
            If the kernel has no finite length.

        See Also
        --------
        convolve_events : Uses these samples with ``oversampling``.

        Examples
        --------
        >>> DoubleGamma().on_grid(8.0).round(2).tolist()
        [0.0, 1.18, -0.15, -0.04]
        """
        return self._shifted_on_grid(step, shift=0.0)

    def _shifted_on_grid(self, step: float, *, shift: float) -> FloatArray:
        if self.length is None:
            raise ValueError("a kernel on a time grid needs a finite length, such as 32 s.")
        samples = self(np.linspace(0.0, self.length, round(self.length / step)) - shift - step)
        return samples / samples.sum()

    def _distribution(self, t: FloatArray) -> FloatArray:
        """Return the running integral before scaling to unit area, for t >= 0."""
        response = gammainc(self.peak / self.peak_dispersion, t / self.peak_dispersion)
        undershoot = gammainc(
            self.undershoot / self.undershoot_dispersion, t / self.undershoot_dispersion
        )
        return np.asarray(response - self.ratio * undershoot, dtype=np.float64)


@dataclass(frozen=True)
class FiniteDifference:
    """Kernel ``(first(t) - second(t - shift)) / step``: a derivative as in SPM.

    Parameters
    ----------
    first, second : DoubleGamma
        Kernels of unit area; their difference has area 0.
    shift : float
        Seconds by which `second` is later.
    step : float
        Divisor of the difference, in seconds.
    """

    first: DoubleGamma
    second: DoubleGamma
    shift: float
    step: float

    @property
    def support(self) -> tuple[float, float]:
        """Times in seconds between which the kernel is not 0."""
        return 0.0, max(self.first.support[1], self.second.support[1]) + self.shift

    def __call__(self, times: ArrayLike) -> FloatArray:
        """Return the derivative at times, per second squared."""
        t = np.asarray(times, dtype=np.float64)
        return (self.first(t) - self.second(t - self.shift)) / self.step

    def integral(self, times: ArrayLike) -> FloatArray:
        """Return the area of the kernel before each time."""
        t = np.asarray(times, dtype=np.float64)
        return (self.first.integral(t) - self.second.integral(t - self.shift)) / self.step

    def on_grid(self, step: float) -> FloatArray:
        """Return the difference of two kernels sampled as `DoubleGamma.on_grid` does."""
        second = self.second._shifted_on_grid(step, shift=self.shift)
        return (self.first.on_grid(step) - second) / self.step


@dataclass(frozen=True)
class Box:
    """Box over ``[delay, delay + width)``: one bin of a finite impulse response (FIR).

    Parameters
    ----------
    delay, width : float
        Start and width in seconds.
    area : float
        Area; the height is ``area / width``. Bins of different widths that share a height have
        different areas.

    Examples
    --------
    >>> Box(delay=2.0, width=2.0)([0.0, 2.0, 3.9, 4.0]).tolist()
    [0.0, 0.5, 0.5, 0.0]
    """

    delay: float
    width: float
    area: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.delay) or not self.width > 0:
            raise ValueError(
                f"an FIR bin needs a finite delay and a width above 0 s, not delay "
                f"{self.delay!r} and width {self.width!r}."
            )

    @property
    def support(self) -> tuple[float, float]:
        """Times in seconds between which the kernel is not 0."""
        return self.delay, self.delay + self.width

    def __call__(self, times: ArrayLike) -> FloatArray:
        """Return the height of the box, per second, at times."""
        return in_box(times, self.delay, self.width) * (self.area / self.width)

    def integral(self, times: ArrayLike) -> FloatArray:
        """Return the area of the box before each time."""
        t = np.asarray(times, dtype=np.float64)
        return self.area * np.clip((t - self.delay) / self.width, 0.0, 1.0)

    def on_grid(self, step: float) -> FloatArray:
        """Return samples that sum to the area, with delay and width rounded to the grid."""
        if self.delay < 0:
            raise ValueError(
                f"an FIR bin that starts before the event (delay {self.delay} s) cannot be put on "
                "a time grid. Leave out oversampling."
            )
        n_samples = max(round(self.width / step), 1)
        return np.repeat([0.0, self.area / n_samples], [round(self.delay / step), n_samples])


Kernel = DoubleGamma | FiniteDifference | Box

SPM = DoubleGamma()
GLOVER = DoubleGamma(6.0, 12.0, ratio=0.48, peak_dispersion=0.9, undershoot_dispersion=0.9)
TEXTBOOK = DoubleGamma(6.0, 12.0, ratio=0.35)


def _gamma_density(t: FloatArray, delay: float, dispersion: float) -> FloatArray:
    """Return the gamma density of mean `delay`; 0 at and before time 0."""
    shape = delay / dispersion
    scaled = np.maximum(t, 0.0) / dispersion
    density = np.exp(xlogy(shape - 1, scaled) - scaled - gammaln(shape)) / dispersion
    return np.where(t > 0, density, 0.0)


def in_box(times: ArrayLike, delay: ArrayLike, width: float) -> FloatArray:
    """Return 1 where times (seconds) are in ``[delay, delay + width)``, else 0; broadcasts."""
    since = np.asarray(times, dtype=np.float64) - np.asarray(delay, np.float64) + SAME_TIME
    return ((since >= 0) & (since < width)).astype(np.float64)
