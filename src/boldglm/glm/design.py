"""The design of one run: its columns, what they are called and what they are for.

A `Design` is a value: built once, never changed; every step that alters columns returns a
new one. `build_design` makes it from events; `boldglm.glm.orthogonalized_design` applies the
rules that a person wrote.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from boldglm.glm.design_parts import (
    ROLES,
    Part,
    Role,
    censored_part,
    checked_event_table,
    chosen_basis,
    chosen_conditions,
    condition_part,
    confound_part,
)
from boldglm.glm.drift import cosine_drift, fast_cosines
from boldglm.glm.hrf import HRFBasis
from boldglm.glm.kernels import FloatArray
from boldglm.glm.names import did_you_mean, resolve_name
from boldglm.glm.regressors import checked_frame_times


@dataclass(frozen=True, eq=False)
class Design:
    """Design of one run: one row per scan, one named column per regressor.

    Parameters
    ----------
    matrix : array_like of shape (n_scans, n_regressors)
        Regressors sampled at the scan times; copied and made read-only.
    names : sequence of str
        One name per column, all different.
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.
    roles : sequence of {"condition", "confound", "censored", "drift", "constant"}
        What each column is for; a censored column is 1 at one scan and 0 elsewhere.
    conditions : sequence of str, optional
        For each column the condition whose response it models, empty where there is none.
        By default each condition has one column, of its own name.

    Raises
    ------
    ValueError
        If the parts do not fit together, a name is used twice or a value is not finite.

    Examples
    --------
    >>> design = Design([[0.0, 1], [1, 1]], ["go", "constant"], [0, 2], ["condition", "constant"])
    >>> design.n_scans, design.n_regressors, design.index("constant")
    (2, 2, 1)
    >>> np.asarray(design)[:, design.columns("condition")].tolist()
    [[0.0], [1.0]]
    """

    matrix: FloatArray
    names: tuple[str, ...]
    frame_times: FloatArray
    roles: tuple[Role, ...]
    conditions: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        frame_times = checked_frame_times(self.frame_times)
        matrix.setflags(write=False)
        frame_times.setflags(write=False)
        names, roles = tuple(self.names), tuple(self.roles)
        conditions = tuple(self.conditions) or tuple(
            name if role == "condition" else "" for name, role in zip(names, roles, strict=False)
        )
        checked = (matrix, names, frame_times, roles, conditions)
        _check_design(*checked)
        for attribute, value in zip(self.__dataclass_fields__, checked, strict=True):
            object.__setattr__(self, attribute, value)

    @property
    def n_scans(self) -> int:
        """Number of scans, the rows."""
        return int(self.matrix.shape[0])

    @property
    def n_regressors(self) -> int:
        """Number of regressors, the columns."""
        return int(self.matrix.shape[1])

    @property
    def censored(self) -> tuple[int, ...]:
        """Scans, counted from 0, that a column of their own keeps from counting."""
        return tuple(sorted(int(self.matrix[:, k].argmax()) for k in self.columns("censored")))

    def index(self, name: str) -> int:
        """Return which column has this name, which may be short as in `resolve_name`."""
        return self.names.index(resolve_name(name, self.names))

    def columns(self, role: Role) -> list[int]:
        """Return which columns have this role."""
        if role not in ROLES:
            raise ValueError(f"there is no role {role!r}.{did_you_mean(role, ROLES)}")
        return [k for k, column_role in enumerate(self.roles) if column_role == role]

    def condition_columns(self, condition: str) -> list[int]:
        """Return which columns model the response to a condition, derivatives included."""
        name = resolve_name(condition, dict.fromkeys(filter(None, self.conditions)))
        return [
            k for k, column_condition in enumerate(self.conditions) if column_condition == name
        ]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.matrix, dtype=dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Design):
            return NotImplemented
        return (
            (self.names, self.roles, self.conditions)
            == (other.names, other.roles, other.conditions)
            and np.array_equal(self.frame_times, other.frame_times)
            and np.array_equal(self.matrix, other.matrix)
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        # a copy made from the attributes alone would have writable arrays
        return type(self), tuple(getattr(self, name) for name in self.__dataclass_fields__)


def build_design(
    events: Mapping[str, Any],
    frame_times: ArrayLike,
    *,
    hrf_model: str | HRFBasis = "spm",
    conditions: Sequence[str] | None = None,
    fir_delays: Sequence[float] | None = None,
    high_pass: float | None = 128.0,
    confounds: ArrayLike | None = None,
    confound_names: Sequence[str] | None = None,
    censored: Sequence[int] = (),
    oversampling: int | None = None,
    constant: bool = True,
) -> Design:
    """Build the design of one run from its events.

    Parameters
    ----------
    events : mapping of str to array_like of shape (n_events,)
        A dict or a data frame with ``onset`` and ``duration`` (seconds, on the clock of
        `frame_times`), ``trial_type``, and optionally ``modulation``, the amplitude of each
        event (1 without it).
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.
    hrf_model : str or HRFBasis
        One of `boldglm.glm.HRF_MODELS`, or kernels of your own.
    conditions : sequence of str, optional
        Trial types to model, in the order wanted. By default all of them, sorted.
    fir_delays : sequence of float, optional
        For ``"fir"``: start of each bin in seconds; by default every repetition time (the
        median distance of scans) up to 20 s. A bin reaches to the next.
    high_pass : float or None
        Shortest period in seconds that the cosine drift takes out; None for no drift.
    confounds : array_like of shape (n_scans, n_confounds), optional
        Columns to put in as they are.
    confound_names : sequence of str, optional
        Their names; by default ``confound_1`` and so on.
    censored : sequence of int
        Scans, counted from 0, that must not count; see `boldglm.glm.censored_columns`.
    oversampling : int, optional
        As in `convolve_events`: None is exact, 50 is nilearn's time grid. (For nilearn's
        own columns also give its kernel, ``HRFBasis(("",), (DoubleGamma(ratio=0.167),))``.)
    constant : bool
        Whether the last column is a constant.

    Returns
    -------
    Design
        Columns in this order: conditions (with a condition's basis functions together),
        confounds, ``censored_scan_0000`` …, ``drift_1`` …, ``constant``.

    Raises
    ------
    ValueError
        If a condition has no event or no response within the run, an event or confound has
        a missing value, or two columns have the same name.

    Examples
    --------
    >>> events = {"onset": [2, 20], "duration": [4, 4], "trial_type": ["go", "stop"]}
    >>> design = build_design(events, np.arange(0, 40, 2), hrf_model="spm + derivative")
    >>> design.names
    ('go', 'go_derivative', 'stop', 'stop_derivative', 'constant')
    >>> design.matrix[:4, 0].round(4).tolist()
    [0.0, 0.0, 0.0199, 0.2578]
    """
    scans = checked_frame_times(frame_times)
    table = checked_event_table(events)
    basis = chosen_basis(hrf_model, fir_delays, scans)
    parts = [
        condition_part(table, condition, basis, scans, oversampling)
        for condition in chosen_conditions(table, conditions)
    ]
    if confounds is not None or confound_names is not None:
        parts.append(confound_part(confounds, confound_names, scans.size))
    return join_parts(parts, scans, high_pass=high_pass, censored=censored, constant=constant)


def join_parts(
    parts: Sequence[Part],
    frame_times: ArrayLike,
    *,
    high_pass: float | None = 128.0,
    low_pass: float | None = None,
    censored: Sequence[int] = (),
    constant: bool = True,
) -> Design:
    """Put conditions and confounds together with censored scans, drift and constant.

    Parameters
    ----------
    parts : sequence of Part
        Columns, (n_scans, n_columns) each, with names and role.
    frame_times, high_pass, censored, constant
        As for `build_design`.
    low_pass : float, optional
        Longest period in seconds that `fast_cosines` takes out.

    Raises
    ------
    ValueError
        If there is no column, or two have one name.
    """
    scans = checked_frame_times(frame_times)
    parts = list(parts)
    if len(censored):
        parts.append(censored_part(censored, scans.size))
    if high_pass is not None:
        drift = cosine_drift(scans, high_pass)
        parts.append(Part(drift, [f"drift_{k + 1}" for k in range(drift.shape[1])], "drift"))
    if low_pass is not None:
        fast = fast_cosines(scans, low_pass)
        parts.append(Part(fast, [f"fast_{k + 1}" for k in range(fast.shape[1])], "drift"))
    if constant:
        parts.append(Part(np.ones((scans.size, 1)), ["constant"], "constant"))
    if not parts:
        raise ValueError("the design has no column: no condition, confound, drift or constant.")
    return Design(
        np.hstack([part.columns for part in parts]),
        tuple(name for part in parts for name in part.names),
        scans,
        tuple(part.role for part in parts for _ in part.names),
        tuple(part.condition for part in parts for _ in part.names),
    )


def _check_design(
    matrix: FloatArray,
    names: tuple[str, ...],
    frame_times: FloatArray,
    roles: tuple[Role, ...],
    conditions: tuple[str, ...],
) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != frame_times.size:
        raise ValueError(
            f"the matrix has shape {matrix.shape}, but there are {frame_times.size} frame_times: "
            "one row per scan."
        )
    if not len(names) == len(roles) == len(conditions) == matrix.shape[1]:
        raise ValueError(
            f"{matrix.shape[1]} columns need as many names, roles and conditions, not "
            f"{len(names)}, {len(roles)} and {len(conditions)}."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"more than one column is called {', '.join(twice)}: rename or leave out."
        )
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise ValueError(f"there is no role {unknown[0]!r}.{did_you_mean(unknown[0], ROLES)}")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if bad.size:
        raise ValueError(f"column {names[bad[0]]!r} has values that are not finite.")
    for name, role, column in zip(names, roles, matrix.T, strict=True):
        if role == "censored" and not (column.max() == 1 and np.count_nonzero(column) == 1):
            raise ValueError(f"column {name!r} must be 1 at the scan it censors and 0 elsewhere.")
