"""Prepare confounds for a design, and censor scans.

A censored scan has an indicator regressor: 1 at this scan, 0 elsewhere. Its residual is then 0
whatever the data are, and every noise model accounts exactly for the gap; see `censored_columns`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.summaries import listed
from boldglm.notices import Notice, exclusion

MANY_CENSORED = 0.2  # share of the scans above which there is a warning


@dataclass(frozen=True, eq=False)
class Confounds:
    """Confound columns for the design of one run, and its censored scans.

    Parameters
    ----------
    names : tuple of str
        One per column.
    columns : ndarray of shape (n_scans, n_confounds)
        All values finite.
    censored : dict of int to tuple of str
        Reasons for each censored scan, counted from 0.
    notes : tuple of Notice
        Exclusions of columns.
    filled : tuple of str
        Columns whose first value was missing and became 0.

    See Also
    --------
    prepare_confounds : Function that returns it.

    Examples
    --------
    >>> confounds = prepare_confounds(["speed", "spike"], [[0.2, 0.0], [0.5, 1.0], [0.1, 0.0]])
    >>> confounds.names, confounds.censored
    (('speed',), {1: ('spike',)})
    """

    names: tuple[str, ...] = ()
    columns: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    censored: dict[int, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[Notice, ...] = ()
    filled: tuple[str, ...] = ()


def prepare_confounds(
    names: Sequence[str],
    columns: ArrayLike,
    reasons: Mapping[int, Iterable[str]] | None = None,
) -> Confounds:
    """Prepare columns of a confounds table for a design.

    Parameters
    ----------
    names : sequence of str
        One per column.
    columns : array_like of shape (n_scans, n_confounds)
        NaN where the table has n/a.
    reasons : mapping of int to iterable of str, optional
        Further scans to censor, counted from 0, with the reasons.

    Returns
    -------
    Confounds
        A column that is 1 at a single scan and 0 elsewhere censors that scan, whatever its
        name. A scan that is marked several times is censored once. n/a in the first row, where
        derivatives have no value, becomes 0. Columns that do not vary over the uncensored
        scans are excluded, because the constant of the design explains them.

    Raises
    ------
    ValueError
        If a value after the first row is missing, or a scan to censor is not in the run.

    See Also
    --------
    match_columns : Choose columns by names and patterns.
    build_design : Takes the columns and the censored scans.

    Examples
    --------
    >>> nan = float("nan")
    >>> table = [[nan, 0.0, 7.0], [0.5, 1.0, 7.0], [0.1, 0.0, 7.0], [0.9, 0.0, 7.0]]
    >>> confounds = prepare_confounds(["speed", "spike", "flat"], table, {3: ["too fast"]})
    >>> confounds.names, confounds.columns.ravel().tolist(), confounds.censored
    (('speed',), [0.0, 0.5, 0.1, 0.9], {1: ('spike',), 3: ('too fast',)})
    """
    values = np.array(columns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ValueError(
            f"there are {len(names)} names, but the columns have shape {values.shape}. "
            "Give one name per column."
        )
    n_scans = len(values)
    filled = _fill_first_row(names, values)
    censored: dict[int, list[str]] = {
        int(scan): list(texts) for scan, texts in (reasons or {}).items()
    }
    outside = [scan for scan in censored if not 0 <= scan < n_scans]
    if outside:
        raise ValueError(
            f"scan {outside[0]} cannot be censored, because the run has scans 0 to {n_scans - 1}."
        )
    ordinary = []
    for index, name in enumerate(names):
        spike = _single_spike(values[:, index])
        if spike is None:
            ordinary.append(index)
        else:
            censored.setdefault(spike, []).append(name)
    uncensored = np.setdiff1d(np.arange(n_scans), list(censored))
    varying = [index for index in ordinary if _varies(values[uncensored, index])]
    flat = [names[index] for index in ordinary if index not in varying]
    notes = []
    if flat:
        notes.append(
            exclusion(
                f"{len(flat)} confounds that do not vary over the uncensored scans: {listed(flat)}"
            )
        )
    return Confounds(
        tuple(names[index] for index in varying),
        values[:, varying],
        {scan: tuple(dict.fromkeys(censored[scan])) for scan in sorted(censored)},
        tuple(notes),
        tuple(name for name in filled if name not in flat),
    )


def censored_columns(scans: Sequence[int], n_scans: int) -> FloatArray:
    """Return one indicator column for each censored scan.

    Parameters
    ----------
    scans : sequence of int
        Counted from 0, in the order of the columns.
    n_scans : int
        Number of scans of the run.

    Returns
    -------
    ndarray of shape (n_scans, len(scans))
        1 at the scan, 0 elsewhere.

    Raises
    ------
    ValueError
        If a scan is given twice or is not in the run.

    See Also
    --------
    prepare_confounds : Find the scans to censor in a confounds table.

    Notes
    -----
    Let Z be these columns. For noise with any covariance V, generalized least squares on [X, Z]
    equals generalized least squares on the remaining scans with their part of V: the weights of
    Z absorb the data of the censored scans, and profiling them out of V⁻¹ leaves its Schur
    complement, the inverse of that part of V. For the same reason
    log|V| + log|[X Z]'V⁻¹[X Z]| is the same sum over the remaining scans, so restricted maximum
    likelihood finds the same V. T − rank [X Z] is the number of remaining scans minus the rank
    of X at these scans. Noise models therefore need no special code for gaps.

    Examples
    --------
    >>> censored_columns([2], 3).ravel().tolist()
    [0.0, 0.0, 1.0]
    """
    index = np.asarray(scans, dtype=np.intp)
    if np.unique(index).size < index.size:
        raise ValueError("a scan is censored twice. Give each scan once.")
    if index.size and not (index.min() >= 0 and index.max() < n_scans):
        raise ValueError(f"censored scans must be from 0 to {n_scans - 1}, not {index.tolist()}.")
    columns = np.zeros((n_scans, index.size))
    columns[index, np.arange(index.size)] = 1.0
    return columns


def censored_name(scan: int) -> str:
    """Return the name of the regressor that censors a scan.

    Examples
    --------
    >>> censored_name(12)
    'censored_scan_0012'
    """
    return f"censored_scan_{scan:04d}"


def describe_scans(scans: Sequence[int], n_scans: int, most: int = 20) -> str:
    """Describe in words the censored scans and their share of the run.

    Examples
    --------
    >>> describe_scans([0, 7], 40)
    '2 of 40 (5 %): 0, 7'
    >>> describe_scans([], 40)
    'none'
    """
    if not scans:
        return "none"
    numbers = listed([str(scan) for scan in scans], most)
    share = f"{100 * len(scans) / n_scans:.3g}"
    return f"{len(scans)} of {n_scans} ({share} %): {numbers}"


def _fill_first_row(names: Sequence[str], values: FloatArray) -> list[str]:
    """Fill missing first values with 0 in place, and return the names of these columns."""
    missing = np.isnan(values)
    for index, name in enumerate(names):
        later = np.flatnonzero(missing[1:, index])
        if later.size:
            raise ValueError(
                f"column {name!r} is n/a at {later.size} scans after the first (first at scan "
                f"{later[0] + 1}, counted from 0). A regressor needs a value at every scan. Fill "
                "in these values, or remove the column."
            )
    filled = [name for index, name in enumerate(names) if missing[0, index]]
    values[0, missing[0]] = 0.0
    infinite = [
        name for name, column in zip(names, values.T, strict=True) if np.isinf(column).any()
    ]
    if infinite:
        raise ValueError(f"column {infinite[0]!r} has infinite values. Remove the column.")
    return filled


def _single_spike(column: FloatArray) -> int | None:
    """Return the scan that a column censors: the only one at which it is 1 and not 0."""
    nonzero = np.flatnonzero(column)
    if nonzero.size == 1 and column[nonzero[0]] == 1.0 and column.size > 1:
        return int(nonzero[0])
    return None


def _varies(column: FloatArray) -> bool:
    if not column.size:
        return False
    return bool(np.ptp(column) > 1e-12 * np.abs(column).max())
