"""p and z values of t and F statistics, accurate in the far tails.

Large effects must not all become infinite in a z map. Where p is too small for float64, its
logarithm is computed instead, and z from the logarithm.

Notation: I_x(a, b) regularized incomplete beta function, ν degrees of freedom.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.stats.student_tail import FEWEST_DOF, LARGEST_W, TailPolynomial

# Below this p, the logarithm is used; the smallest float64 is near 1e-308.
SMALLEST_P = 1e-200

# Above this many degrees of freedom, the t distribution equals the normal one within the precision
# of float64, and the incomplete beta function is no longer accurate.
AS_GOOD_AS_INFINITE = 1e13

MAX_TERMS = 500

# From this many values on, `TailPolynomial` converts most of them: t_to_p_and_z of 230000 values
# takes 13 ms against 54 ms with MANY_VALUES = 10**9 (median process_time), the same in float32.
MANY_VALUES = 5000


def t_to_p(t: ArrayLike, dof: ArrayLike) -> FloatArray:
    """Return the probability of a larger t under the null hypothesis (one-sided).

    Parameters
    ----------
    t : array_like
        t values.
    dof : array_like
        Degrees of freedom, one or one per value; may be fractional or infinite.

    Returns
    -------
    ndarray of the shape that t and dof broadcast to
        Upper tail probability, accurate down to 1e-308.

    Examples
    --------
    >>> t_to_p([0.0, 2.0, -2.0], 1e6).round(5).tolist()
    [0.5, 0.02275, 0.97725]
    """
    values, dofs = _float(t, dof)
    normal = dofs > AS_GOOD_AS_INFINITE
    return np.where(normal, special.ndtr(-values), special.stdtr(dofs, -values))


def t_to_p_and_z(t: ArrayLike, dof: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the results of `t_to_p` and `t_to_z`, computed together.

    Parameters
    ----------
    t : array_like
        t values.
    dof : array_like
        Degrees of freedom, one or one per value; may be fractional or infinite.

    Returns
    -------
    tuple of (ndarray, ndarray), each of the shape that t and dof broadcast to
        Upper tail p (one-sided) and z.

    Examples
    --------
    >>> p, z = t_to_p_and_z([-2.0, 0.0, 2.0], 10)
    >>> p.round(4).tolist(), z.round(4).tolist()
    ([0.9633, 0.5, 0.0367], [-1.7904, 0.0, 1.7904])
    """
    values, dofs = _float(t, dof)
    tail, z = _tail_and_z(np.abs(values), dofs)
    return np.where(values < 0, 1.0 - tail, tail), np.copysign(z, values)


def t_to_z(t: ArrayLike, dof: ArrayLike) -> FloatArray:
    """Return the standard normal value with the same tail probability as t.

    Parameters
    ----------
    t : array_like
        t values.
    dof : array_like
        Degrees of freedom, one or one per value; may be fractional or infinite.

    Returns
    -------
    ndarray of the shape that t and dof broadcast to
        z with the sign of t; finite for every finite t.

    Notes
    -----
    P(T > t) = I_x(ν/2, 1/2) / 2 with x = ν / (ν + t²) [1]_. The tail beyond ``|t|`` is
    converted to z and given the sign of t, so that z(-t) = -z(t) exactly.

    References
    ----------
    .. [1] NIST Digital Library of Mathematical Functions, section 8.17.
       https://dlmf.nist.gov/8.17

    Examples
    --------
    >>> t_to_z([-2.0, 0.0, 2.0, 1e5], [10, 10, 10, 100]).round(4).tolist()
    [-1.7904, 0.0, 1.7904, 42.8854]
    """
    values, dofs = _float(t, dof)
    return np.copysign(_tail_and_z(np.abs(values), dofs)[1], values)


def _tail_and_z(size: FloatArray, dofs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return upper tail and z for absolute values of t."""
    if size.size < MANY_VALUES:
        tail = t_to_p(size, dofs)
        return tail, _z_of_tail(tail, size, dofs)
    with np.errstate(over="ignore", invalid="ignore"):  # values that overflow are not in `smooth`
        w = np.sqrt(dofs * np.log1p(size * size / dofs))
        smooth = (dofs >= FEWEST_DOF) & (w <= LARGEST_W)
    if smooth.all():
        z = _smooth_z(w.ravel(), dofs.ravel()).reshape(w.shape)
        return np.asarray(special.ndtr(-z)), z
    tail, z = np.empty_like(w), np.empty_like(w)
    if smooth.any():
        z[smooth] = _smooth_z(w[smooth], dofs[smooth])
        tail[smooth] = special.ndtr(-z[smooth])
    rest = ~smooth
    tail[rest] = t_to_p(size[rest], dofs[rest])
    z[rest] = _z_of_tail(tail[rest], size[rest], dofs[rest])
    return tail, z


def _smooth_z(w: FloatArray, dofs: FloatArray) -> FloatArray:
    return TailPolynomial(float(dofs.min()), float(dofs.max()))(w, dofs)


def _z_of_tail(p: FloatArray, size: FloatArray, dofs: FloatArray) -> FloatArray:
    """Return z for absolute values of t that have the upper tails p."""
    z = np.asarray(-special.ndtri(p))
    normal = dofs > AS_GOOD_AS_INFINITE
    far = (p < SMALLEST_P) & ~normal & np.isfinite(size)
    if far.any():
        nu, square = dofs[far], np.minimum(size[far], 1e150) ** 2  # 1e300 is far enough
        inside, outside = nu / (nu + square), square / (nu + square)
        log_p = _log_beta_tail(nu / 2, np.full_like(nu, 0.5), inside, outside) - np.log(2)
        z[far] = -special.ndtri_exp(log_p)
    return np.where(normal, size, z)


def f_to_p(f: ArrayLike, dof1: ArrayLike, dof2: ArrayLike) -> FloatArray:
    """Return the probability of a larger F under the null hypothesis.

    Parameters
    ----------
    f : array_like
        F values.
    dof1, dof2 : array_like
        Degrees of freedom of numerator and denominator; may be fractional. Those of the
        denominator may be infinite.

    Returns
    -------
    ndarray of the shape that the arguments broadcast to
        Upper tail.

    Examples
    --------
    F with one numerator degree of freedom is the square of t, tested two-sided:

    >>> abs(f_to_p(4.0, 1, 10) - 2 * t_to_p(2.0, 10)).round(15).item()
    0.0
    """
    return _tail(special.fdtrc, special.chdtrc, *_float(f, dof1, dof2))


def f_to_z(f: ArrayLike, dof1: ArrayLike, dof2: ArrayLike) -> FloatArray:
    """Return the standard normal value with the same upper tail probability as F.

    Parameters
    ----------
    f : array_like
        F values.
    dof1, dof2 : array_like
        Degrees of freedom of numerator and denominator; may be fractional. Those of the
        denominator may be infinite.

    Returns
    -------
    ndarray of the shape that the arguments broadcast to
        z, which is positive where p < 0.5, negative for small F, and minus infinity for F = 0.

    Notes
    -----
    P(F > f) = I_x(ν₂/2, ν₁/2) with x = ν₂ / (ν₂ + ν₁ f). The smaller of the two tails is
    used, and its logarithm where it is below 1e-200.

    Examples
    --------
    >>> f_to_z([0.01, 1.0, 50.0], 3, 40).round(4).tolist()
    [-2.9902, 0.2461, 7.3091]
    """
    values, first, second = _float(f, dof1, dof2)
    upper = f_to_p(values, first, second)
    in_upper = upper <= 0.5
    lower = _tail(special.fdtr, special.chdtr, values, first, second)
    tail = np.where(in_upper, upper, lower)
    second = np.minimum(second, AS_GOOD_AS_INFINITE)
    z = np.asarray(-special.ndtri(tail))
    far = (tail < SMALLEST_P) & (values > 0) & np.isfinite(values)
    if far.any():
        top = in_upper[far]
        a, b = first[far] / 2, second[far] / 2
        share = first[far] * values[far] / second[far]
        below, above = share / (1 + share), 1 / (1 + share)
        log_tail = _log_beta_tail(
            np.where(top, b, a),
            np.where(top, a, b),
            np.where(top, above, below),
            np.where(top, below, above),
        )
        z[far] = -special.ndtri_exp(log_tail)
    return np.where(in_upper, z, -z)


def _tail(
    of_f: Any, of_chi2: Any, f: FloatArray, dof1: FloatArray, dof2: FloatArray
) -> FloatArray:
    """Return a tail of F, which is chi squared for infinite degrees of freedom."""
    infinite = dof2 > AS_GOOD_AS_INFINITE
    if not infinite.any():
        return np.asarray(of_f(dof1, dof2, f))
    of_finite = of_f(dof1, np.where(infinite, 1.0, dof2), f)
    return np.where(infinite, of_chi2(dof1, dof1 * f), of_finite)


def _log_beta_tail(a: FloatArray, b: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return log I_x(a, b) by its continued fraction, for x below the mean; y = 1 - x.

    Both x and y are arguments because computing one from the other would lose digits. The method
    is the modified Lentz evaluation of DLMF 8.17.22.
    """
    tiny = 1e-300
    fraction = np.ones_like(x)
    c = np.ones_like(x)
    d = 1 / (1 - (a + b) * x / (a + 1))
    fraction = fraction * d
    for m in range(1, MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for term in (even, odd):
            d = 1 + term * d
            d = 1 / np.where(np.abs(d) < tiny, tiny, d)
            c = 1 + term / c
            c = np.where(np.abs(c) < tiny, tiny, c)
            fraction = fraction * c * d
        if (np.abs(fraction - before) <= 1e-15 * np.abs(fraction)).all():
            break
    front = a * np.log(x) + b * np.log(y) - np.log(a) - special.betaln(a, b)
    return np.asarray(front + np.log(fraction))


def _float(*values: ArrayLike) -> tuple[FloatArray, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values)))
