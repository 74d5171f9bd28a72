"""Power of the test of a mean over participants, in closed form.

Notation: δ effect, u variance of a contrast in a run for noise of standard deviation 1,
σ standard deviation of the noise, τ standard deviation between participants.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtr, stdtrit

from boldglm.glm.arrays.types import FloatArray
from boldglm.vocabulary import POWER_ALPHAS, POWER_TARGETS

MOST_PARTICIPANTS = 10_000
MOST_RUNS = 50
ALPHA = POWER_ALPHAS[0]
TARGET = POWER_TARGETS[0]


def one_sample_power(
    effect: ArrayLike,
    standard_deviation: ArrayLike,
    n_participants: ArrayLike,
    alpha: float = ALPHA,
) -> FloatArray:
    """Return the power of a two-sided one-sample t test.

    Parameters
    ----------
    effect : array_like
        True mean.
    standard_deviation : array_like
        Standard deviation of what is observed of a participant, in the unit of the effect.
    n_participants : array_like of int
        At least 2.
    alpha : float
        Rate of false positives in both tails together.

    Returns
    -------
    ndarray
        Probability that p is at most `alpha`, of the shape to which the arguments broadcast.

    Raises
    ------
    ValueError
        If a standard deviation is not positive, there are fewer than 2 participants, or alpha is
        not between 0 and 1.

    See Also
    --------
    participant_deviation : Standard deviation of a participant, from designs.
    least_participants : Number of participants for a power.
    simulate_power : The same by simulation on the designs.

    Notes
    -----
    With n participants and standard deviation s, t has a noncentral Student's distribution with
    n - 1 degrees of freedom and noncentrality δ √n / s. Power is what it has beyond the critical
    values of both tails.

    References
    ----------
    Mumford JA, Nichols TE (2008). Power calculation for group fMRI studies accounting for
    arbitrary design and temporal autocorrelation. NeuroImage 39:261-268.
    doi:10.1016/j.neuroimage.2007.07.061

    Examples
    --------
    Cohen's table: an effect of half a standard deviation and 34 participants.

    >>> one_sample_power(0.5, 1.0, 34).round(3).item()
    0.808

    Without an effect, what is found is false:

    >>> one_sample_power(0.0, 1.0, 20, alpha=0.001).round(6).item()
    0.001
    """
    delta, s, n = np.broadcast_arrays(
        np.abs(np.asarray(effect, dtype=np.float64)),
        np.asarray(standard_deviation, dtype=np.float64),
        np.asarray(n_participants),
    )
    if not (s > 0).all():
        raise ValueError("the standard deviation of participants must be positive.")
    if not (n >= 2).all():
        raise ValueError(f"a test over participants needs at least 2 of them, not {n.min()}.")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a probability between 0 and 1, not {alpha:g}.")
    dof = n - 1.0
    critical = -stdtrit(dof, alpha / 2)
    noncentrality = delta * np.sqrt(n) / s
    upper = 1 - _noncentral_t(dof, noncentrality, critical)
    return np.asarray(np.clip(upper + _noncentral_t(dof, noncentrality, -critical), 0.0, 1.0))


def _noncentral_t(dof: FloatArray, noncentrality: FloatArray, t: FloatArray) -> FloatArray:
    """Return the distribution function of noncentral t.

    scipy returns NaN where it is below 1e-12 or as near to 1.
    """
    share = np.asarray(nctdtr(dof, noncentrality, t))
    return np.where(np.isnan(share), np.where(t < noncentrality, 0.0, 1.0), share)


def least_participants(
    effect: float,
    standard_deviation: float,
    power: float = TARGET,
    alpha: float = ALPHA,
    most: int = MOST_PARTICIPANTS,
) -> int | None:
    """Return the smallest number of participants that find an effect with some power.

    Parameters
    ----------
    effect, standard_deviation : float
        As in `one_sample_power`.
    power : float
        To be reached.
    alpha : float
        As in `one_sample_power`.
    most : int
        Number of participants up to which to look.

    Returns
    -------
    int or None
        At least 2; None if `most` participants are too few.

    See Also
    --------
    one_sample_power : Power of a number of participants.
    least_runs : Number of runs for a power.

    Examples
    --------
    >>> least_participants(0.5, 1.0), least_participants(0.5, 1.0, power=0.9)
    (34, 44)
    >>> least_participants(0.001, 1.0) is None
    True
    """
    low, high = 1, 2  # power grows with n: enclose, then halve
    while one_sample_power(effect, standard_deviation, high, alpha) < power:
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        if one_sample_power(effect, standard_deviation, middle, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def least_runs(
    effect: float,
    run_variances: Sequence[Sequence[float]],
    n_participants: int,
    *,
    noise_sd: float,
    between_sd: float,
    power: float = TARGET,
    alpha: float = ALPHA,
    most: int = MOST_RUNS,
) -> int | None:
    """Return the smallest number of runs of each participant that finds an effect.

    Parameters
    ----------
    effect : float
        As in `one_sample_power`.
    run_variances : sequence of sequence of float
        As in `participant_deviation`.
    n_participants : int
        At least 2.
    noise_sd, between_sd : float
        As in `participant_deviation`.
    power : float
        To be reached.
    alpha : float
        As in `one_sample_power`.
    most : int
        Number of runs up to which to look.

    Returns
    -------
    int or None
        At least 1; None if `most` runs are too few, as they always are where participants differ
        too much.

    See Also
    --------
    least_participants : Number of participants for a power.
    participant_deviation : Standard deviation of a participant, from designs.

    Examples
    --------
    >>> given = {"noise_sd": 2.0, "between_sd": 1.0}
    >>> least_runs(1.0, [[0.5]], 16, **given), least_runs(1.0, [[0.5]], 8, **given)
    (3, None)
    """
    for n_runs in range(1, most + 1):
        deviation = participant_deviation(run_variances, n_runs, noise_sd, between_sd)
        if one_sample_power(effect, deviation, n_participants, alpha) >= power:
            return n_runs
    return None


def participant_deviation(
    run_variances: Sequence[Sequence[float]], n_runs: int, noise_sd: float, between_sd: float
) -> float:
    """Return the standard deviation of the estimated effect over participants.

    Parameters
    ----------
    run_variances : sequence of sequence of float
        For each participant, the variance of the contrast in each run for noise of standard
        deviation 1: c (X'X)⁺ c'.
    n_runs : int
        Number of runs of a participant in the study that is planned. Designs of participants
        with fewer are repeated.
    noise_sd : float
        Standard deviation σ of the noise of a volume.
    between_sd : float
        Standard deviation τ of the true effects of participants, in the same unit.

    Returns
    -------
    float
        √(τ² + mean of σ² / Σ 1/u), the mean over participants and the sum over their runs, which
        are combined by their precision (fixed effects).

    See Also
    --------
    one_sample_power : Power with this standard deviation.
    simulate_power : Power by simulation, without this formula.

    Examples
    --------
    Two runs of u = 0.5 combine to 0.25; noise of 2 makes that 1, and participants add 3:

    >>> round(participant_deviation([[0.5, 0.5]], 2, noise_sd=2.0, between_sd=3**0.5), 6)
    2.0
    """
    combined = [
        1 / sum(1 / runs[number % len(runs)] for number in range(n_runs)) for runs in run_variances
    ]
    return float(np.sqrt(between_sd**2 + noise_sd**2 * np.mean(combined)))
