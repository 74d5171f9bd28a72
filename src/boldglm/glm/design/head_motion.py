"""Head motion of a run, and what it shares with the regressors of conditions.

Motion that follows the task is the trap of task fMRI: signal that motion causes looks like a
response, and motion parameters in the design take a part of the response away.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.confound_names import MOTION, confound_category
from boldglm.glm.design.design_matrix import Design

HEAD_MM = 50.0  # radius of the sphere on which rotations are distances
NOTHING_LEFT = 1e-6  # share of the variance of a column below which drift explains all of it


@dataclass(frozen=True)
class MotionCorrelation:
    """What the regressor of a condition and one time course of motion share.

    Parameters
    ----------
    regressor, motion : str
        Names of the column of the design, and of the time course.
    r : float
        Pearson correlation over the uncensored scans, without what drift explains of the two.
    is_modeled : bool
        Whether the design has a column of that time course.
    """

    regressor: str
    motion: str
    r: float
    is_modeled: bool

    @property
    def share(self) -> float:
        """Share of the variance that the two have in common, from 0 to 1."""
        return self.r**2


def framewise_displacement(parameters: ArrayLike) -> FloatArray:
    """Return the framewise displacement of Power et al. (2012).

    Parameters
    ----------
    parameters : array_like of shape (n_scans, 6)
        Three translations in mm, then three rotations in radians.

    Returns
    -------
    ndarray of shape (n_scans,)
        In mm, from the scan before; NaN at the first scan.

    Notes
    -----
    The sum of the absolute changes of the six parameters, where rotations are distances on a
    sphere with a radius of 50 mm.

    References
    ----------
    Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE (2012). Spurious but systematic
    correlations in functional connectivity MRI networks arise from subject motion. NeuroImage
    59:2142-2154. https://doi.org/10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> framewise_displacement([[0, 0, 0, 0, 0, 0], [0.1, 0, -0.2, 0, 0.002, 0]]).round(3).tolist()
    [nan, 0.4]
    """
    values = np.asarray(parameters, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 6:
        raise ValueError(f"parameters must have the shape (n_scans, 6), not {values.shape}.")
    moved = np.abs(np.diff(values, axis=0)) @ np.repeat([1.0, HEAD_MM], 3)
    return np.concatenate([[np.nan], moved])


def motion_correlations(
    design: Design, motion: Mapping[str, ArrayLike]
) -> tuple[MotionCorrelation, ...]:
    """Correlate motion with the regressors of conditions, without what drift explains of them.

    Parameters
    ----------
    design : Design
        The design that is fitted.
    motion : mapping of str to array_like of shape (n_scans,)
        Time courses of motion by their names. A first value of NaN, which displacement has, is
        left out; a time course with other NaN is not used.

    Returns
    -------
    tuple of MotionCorrelation
        For each regressor and time course that vary, the strongest first.

    Notes
    -----
    Columns of drift are those with the role, cosines among the confounds, and the constant. They
    are removed by least squares over the uncensored scans.

    Examples
    --------
    >>> from boldglm.glm import Design
    >>> task = np.array([0.0, 1, 1, 0, 0, 1, 1, 0])
    >>> design = Design(np.column_stack([task, np.ones(8)]), ["task", "constant"],
    ...                 np.arange(8.0), ["condition", "constant"])
    >>> (found,) = motion_correlations(design, {"trans_y": 0.3 * task + 5})
    >>> found.motion, round(found.r, 6), found.is_modeled
    ('trans_y', 1.0, False)
    """
    task, moved, _ = _without_drift(design, motion)
    found = [
        MotionCorrelation(regressor, name, float(np.clip(r, -1, 1)), name in design.names)
        for regressor, x in task.items()
        for name, y in moved.items()
        if np.isfinite(r := x @ y)
    ]
    return tuple(sorted(found, key=lambda each: -abs(each.r)))


def strongest_by_chance(
    design: Design, motion: Mapping[str, ArrayLike], share: float = 0.05
) -> float | None:
    """Return how strong the strongest correlation of a run is if motion ignores the task.

    Parameters
    ----------
    design, motion
        As for `motion_correlations`.
    share : float
        Share of runs without a relation whose strongest correlation is larger.

    Returns
    -------
    float or None
        Size of the correlation; None if there is none.

    Notes
    -----
    Motion is shifted in time by every number of scans, and what leaves the run at its end enters
    at its beginning. That keeps how smooth motion is, how its time courses depend on each other,
    and how often they are correlated with a regressor by chance. Drift is removed again after
    each shift. In runs of 60 scans, 5 to 9 % of the strongest correlations of motion that ignores
    the task are larger, in longer ones 2 to 7 %.

    Examples
    --------
    >>> from boldglm.glm import Design
    >>> task = np.repeat([0.0, 1, 0, 1], 10)
    >>> design = Design(np.column_stack([task, np.ones(40)]), ["task", "constant"],
    ...                 np.arange(40.0), ["condition", "constant"])
    >>> strongest_by_chance(design, {"trans_y": task})  # periodic: shifts return to it
    1.0
    """
    task, moved, drift = _without_drift(design, motion)
    varying = [x for x in task.values() if np.isfinite(x).all()]
    shifting = [y for y in moved.values() if np.isfinite(y).all()]
    if not varying or not shifting:
        return None
    n_scans = varying[0].size
    of_task, of_drift = np.fft.rfft(varying, axis=1), np.fft.rfft(drift.T, axis=1)
    strongest = np.zeros(n_scans)  # by the shift
    for y in shifting:
        spectrum = np.conj(np.fft.rfft(y))
        explained = (np.fft.irfft(of_drift * spectrum, n_scans, axis=1) ** 2).sum(axis=0)
        length = np.sqrt(np.maximum(1 - explained, NOTHING_LEFT))
        shifted = np.abs(np.fft.irfft(of_task * spectrum, n_scans, axis=1)).max(axis=0)
        strongest = np.maximum(strongest, shifted / length)
    return float(round(np.quantile(strongest, 1 - share), 9))


def motion_words(name: str) -> str:
    """Return what a time course of motion is, in words.

    Examples
    --------
    >>> motion_words("trans_z"), motion_words("rot_x")
    ('head motion along z (trans_z)', 'head rotation about x (rot_x)')
    >>> motion_words("framewise_displacement")
    'framewise displacement'
    """
    kind, _, axis = name.partition("_")
    if name in MOTION:
        return f"head {'motion along' if kind == 'trans' else 'rotation about'} {axis} ({name})"
    return name.replace("_", " ")


def _without_drift(
    design: Design, motion: Mapping[str, ArrayLike]
) -> tuple[dict[str, FloatArray], dict[str, FloatArray], FloatArray]:
    """Return regressors and motion at uncensored scans, without drift and of unit length.

    The third is an orthonormal basis of the drift at these scans.
    """
    courses = {name: np.asarray(values, dtype=np.float64) for name, values in motion.items()}
    usable = [name for name, values in courses.items() if not np.isnan(values[1:]).any()]
    columns = [k for k in design.columns("condition") if design.names[k] not in motion]
    censored = {*design.censored, *(0 for name in usable if np.isnan(courses[name][0]))}
    scans = np.setdiff1d(np.arange(design.n_scans), sorted(censored))
    if not usable or not columns or not scans.size:
        return {}, {}, np.empty((0, 0))
    basis = _drift_basis(design, scans)
    task = _without(basis, design.matrix[scans][:, columns])
    moved = _without(basis, np.column_stack([courses[name][scans] for name in usable]))
    names = [design.names[column] for column in columns]
    by_regressor = dict(zip(names, task.T, strict=True))
    return by_regressor, dict(zip(usable, moved.T, strict=True)), basis


def _drift_basis(design: Design, scans: np.ndarray) -> FloatArray:
    """Return an orthonormal basis of constant and drift at some scans."""
    columns = [
        k
        for k, (name, role) in enumerate(zip(design.names, design.roles, strict=True))
        if role in ("drift", "constant")
        or (role == "confound" and confound_category(name) == "high-pass cosines")
    ]
    drift = np.column_stack([np.ones(scans.size), design.matrix[scans][:, columns]])
    left, sizes, _ = np.linalg.svd(drift, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-10 * sizes[0]])


def _without(basis: FloatArray, columns: FloatArray) -> FloatArray:
    """Return the part of columns that a basis does not explain, with unit length; NaN if none."""
    rest = columns - basis @ (basis.T @ columns)
    length = np.linalg.norm(rest, axis=0)
    total = np.linalg.norm(columns - columns.mean(axis=0), axis=0)
    rounding = 1e-10 * np.linalg.norm(columns, axis=0)
    length[length**2 <= NOTHING_LEFT * total**2 + rounding**2] = np.nan
    return np.asarray(rest / length)
