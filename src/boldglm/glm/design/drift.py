"""Regressors for the slow drift of the BOLD signal.

This is a high-pass filter by regression: data and the other regressors are filtered alike, and
the fit counts the degrees of freedom that the filter takes.
"""

import re

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.convolution import checked_frame_times
from boldglm.vocabulary import DRIFT, DRIFTS, HIGH_PASS, SECONDS_PER_ORDER


def cosine_drift(frame_times: ArrayLike, high_pass: float) -> FloatArray:
    """Return cosines of all periods down to a cutoff: a high-pass filter.

    Parameters
    ----------
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.
    high_pass : float
        Shortest period to remove, in seconds (128 in SPM; in nilearn a frequency in Hz).

    Returns
    -------
    ndarray of shape (n_scans, n_drifts)
        Cosines without the constant, slowest first. For evenly spaced scans they have unit
        length and are orthogonal to each other and to the constant.

    Raises
    ------
    ValueError
        If `high_pass` is not positive, or so short that the cosines would explain any data.

    See Also
    --------
    polynomial_drift : Return polynomials of time instead.
    build_design : Adds these columns to a design.

    Notes
    -----
    ``sqrt(2/n) cos(π k (u + 1/2) / n)`` for k = 1 … ⌊2 n Δ / high_pass⌋, with n scans of
    mean spacing Δ and u the time since the first scan in units of Δ: the discrete cosine
    transform, taken at the actual times of unevenly spaced scans.

    References
    ----------
    .. [1] Ashburner J et al. SPM12 manual: high-pass filter.

    Examples
    --------
    A run of 128 s holds half a cosine (period 256 s) and a whole one (period 128 s):

    >>> cosine_drift(np.arange(0, 128, 2), high_pass=128).shape
    (64, 2)
    >>> cosine_drift(np.arange(4), high_pass=8).round(3).tolist()
    [[0.653], [0.271], [-0.271], [-0.653]]
    """
    scans = checked_frame_times(frame_times)
    if not (np.isfinite(high_pass) and high_pass > 0):
        raise ValueError(f"high_pass must be a period above 0 s, not {high_pass!r}.")
    n_scans = scans.size
    if n_scans == 1:
        return np.zeros((1, 0))
    spacing = (scans[-1] - scans[0]) / (n_scans - 1)
    if high_pass <= 2 * spacing:
        raise ValueError(
            f"high_pass {high_pass:g} s removes all that scans {spacing:g} s apart can show. Use "
            "a period several times longer, such as 128 s."
        )
    # in this order, 2 n (1 / high_pass) Δ rounds as in nilearn at whole numbers of periods
    n_drifts = min(n_scans - 1, int(np.floor(2 * n_scans * (1.0 / high_pass) * spacing)))
    position = (scans - scans[0]) / spacing + 0.5
    angles = np.pi / n_scans * np.outer(position, np.arange(1, n_drifts + 1))
    return np.sqrt(2.0 / n_scans) * np.cos(angles)


def fast_cosines(frame_times: ArrayLike, low_pass: float) -> FloatArray:
    """Return cosines of all periods from the shortest up to a cutoff: a low-pass filter.

    Each column takes one degree of freedom, which the fit counts.

    Parameters
    ----------
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.
    low_pass : float
        Longest period to remove, in seconds.

    Returns
    -------
    ndarray of shape (n_scans, n_columns)
        The remaining cosines of the family of `cosine_drift`; no column if scans are too far
        apart for such periods.

    Raises
    ------
    ValueError
        If `low_pass` is not positive, or so long that nothing would remain.

    Examples
    --------
    Scans 2 s apart show periods of 4 s and more, scans of this short run none below 3 s:

    >>> fast_cosines(np.arange(0, 64, 2), low_pass=8).shape, fast_cosines([0, 2, 4], 3).shape
    ((32, 16), (3, 0))
    """
    scans = checked_frame_times(frame_times)
    if not (np.isfinite(low_pass) and low_pass > 0):
        raise ValueError(f"low_pass must be a period above 0 s, not {low_pass!r}.")
    n_scans = scans.size
    if n_scans == 1:
        return np.zeros((1, 0))
    spacing = (scans[-1] - scans[0]) / (n_scans - 1)
    first = int(np.ceil(2 * n_scans * spacing / low_pass - 1e-9))
    if first <= 1:
        raise ValueError(
            f"low_pass {low_pass:g} s removes all that the scans can show. Use a shorter period."
        )
    position = (scans - scans[0]) / spacing + 0.5
    angles = np.pi / n_scans * np.outer(position, np.arange(first, n_scans))
    return np.sqrt(2.0 / n_scans) * np.cos(angles)


def polynomial_drift(frame_times: ArrayLike, order: int) -> FloatArray:
    """Return orthogonal polynomials of time, from linear to a given order.

    Parameters
    ----------
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds, not necessarily evenly spaced.
    order : int
        Highest power of time.

    Returns
    -------
    ndarray of shape (n_scans, order)
        Columns of unit length, orthogonal to each other and to the constant, positive at the
        last scan.

    Raises
    ------
    ValueError
        If `order` is negative, or not below the number of scans.

    See Also
    --------
    cosine_drift : Return cosines instead.

    Examples
    --------
    >>> polynomial_drift([0.0, 2.0, 4.0, 8.0], order=1).round(3).tolist()
    [[-0.592], [-0.254], [0.085], [0.761]]
    """
    scans = checked_frame_times(frame_times)
    if not 0 <= order < scans.size or int(order) != order:
        raise ValueError(
            f"order must be an integer from 0 to {scans.size - 1}, one less than the number of "
            f"scans, not {order!r}."
        )
    if scans.size == 1:
        return np.zeros((1, 0))
    # Legendre polynomials of times in -1 … 1 are nearly orthogonal already, so QR is stable.
    unit_times = 2 * (scans - scans[0]) / (scans[-1] - scans[0]) - 1
    columns, _ = np.linalg.qr(np.polynomial.legendre.legvander(unit_times, order))
    columns *= np.where(columns[-1] < 0, -1.0, 1.0)
    return columns[:, 1:]


def drift_columns(
    frame_times: ArrayLike, drift: str = DRIFT, high_pass: float | None = HIGH_PASS
) -> FloatArray:
    """Return the drift regressors of a run.

    Parameters
    ----------
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.
    drift : str
        ``"cosine"``, ``"polynomial"``, ``"polynomial:ORDER"`` or ``"none"``. Without an order, a
        polynomial has that of `order_for_duration`.
    high_pass : float or None
        Shortest period that cosines remove, in seconds; None for no cosines.

    Returns
    -------
    ndarray of shape (n_scans, n_drifts)
        Columns without the constant.

    Raises
    ------
    ValueError
        If `drift` is none of these, or the run is too short for the order.

    See Also
    --------
    cosine_drift, polynomial_drift : The two families.

    Examples
    --------
    >>> times = np.arange(0, 400, 2)
    >>> [drift_columns(times, drift).shape[1] for drift in ("cosine", "polynomial:2", "none")]
    [6, 2, 0]
    """
    scans = checked_frame_times(frame_times)
    word, order = split_drift(drift)
    if word == "polynomial":
        return polynomial_drift(scans, order_for_duration(scans) if order is None else order)
    if word == "none" or high_pass is None:
        return np.zeros((scans.size, 0))
    return cosine_drift(scans, high_pass)


def split_drift(drift: str) -> tuple[str, int | None]:
    """Return the family of a drift model, and the order of a polynomial if it has one.

    Raises
    ------
    ValueError
        If there is no such drift model.

    Examples
    --------
    >>> split_drift("polynomial:3"), split_drift("cosine")
    (('polynomial', 3), ('cosine', None))
    """
    if drift in DRIFTS:
        return drift, None
    order = re.fullmatch("polynomial:([1-9][0-9]?)", drift)
    if order is None:
        raise ValueError(
            f"there is no drift {drift!r}. Known: {', '.join(DRIFTS)}, and polynomial:ORDER with "
            "an order from 1 to 99."
        )
    return "polynomial", int(order[1])


def order_for_duration(frame_times: ArrayLike) -> int:
    """Return the order of the polynomials for a run of this length, as AFNI chooses it.

    Parameters
    ----------
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.

    Returns
    -------
    int
        1, and 1 more for each 150 s, but below the number of scans.

    References
    ----------
    .. [1] AFNI's 3dDeconvolve, option ``-polort A``.

    Examples
    --------
    >>> order_for_duration(np.arange(0, 149, 2)), order_for_duration(np.arange(0, 400, 2))
    (2, 3)
    """
    scans = checked_frame_times(frame_times)
    if scans.size == 1:
        return 0
    duration = (scans[-1] - scans[0]) * scans.size / (scans.size - 1)
    return min(1 + int(duration // SECONDS_PER_ORDER), scans.size - 1)
