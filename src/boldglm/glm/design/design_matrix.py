"""The design matrix of one run, with the names and roles of its columns.

A `Design` never changes: `build_design` makes it from events, and a step that alters columns,
such as `orthogonalize_design`, returns a new one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.confounds import censored_columns, censored_name
from boldglm.glm.design.contrast_meaning import SharedVariance
from boldglm.glm.design.convolution import checked_frame_times, convolve_events
from boldglm.glm.design.drift import drift_columns, fast_cosines
from boldglm.glm.design.hrf import HRFBasis, default_fir_delays, hrf_basis
from boldglm.glm.design.names import resolve_name
from boldglm.glm.design.summaries import counted, interval, listed, summary_html, summary_text
from boldglm.suggestions import list_known
from boldglm.vocabulary import DRIFT, HIGH_PASS, HRF_MODEL

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas as pd

Role = Literal["condition", "confound", "censored", "drift", "constant"]
ROLES: tuple[Role, ...] = ("condition", "confound", "censored", "drift", "constant")
# relative to the largest amplitude; smaller responses have not begun, or are rounding
NO_RESPONSE = 1e-9


@dataclass(frozen=True)
class Regressors:
    """Columns of one role that will be joined to a design."""

    columns: FloatArray
    names: Sequence[str]
    role: Role
    condition: str = ""


@dataclass(frozen=True)
class EventTable:
    """Events of one run; arrays of shape (n_events,)."""

    onsets: FloatArray
    durations: FloatArray
    amplitudes: FloatArray
    trial_types: np.ndarray


def checked_event_table(events: Mapping[str, Any]) -> EventTable:
    """Return the columns of an events table that a design uses, or raise ValueError."""
    missing = [name for name in ("onset", "duration", "trial_type") if name not in events]
    if missing:
        present = ", ".join(str(name) for name in events)
        raise ValueError(f"events have no column {' and no '.join(missing)}, only {present}.")
    onsets, durations = (_numbers(events, name) for name in ("onset", "duration"))
    amplitudes = _numbers(events, "modulation") if "modulation" in events else np.ones(onsets.size)
    labels = list(events["trial_type"])
    unnamed = [k for k, label in enumerate(labels) if label is None or label != label]
    if unnamed:
        raise ValueError(f"event {unnamed[0]} has no trial_type. Name or remove it.")
    sizes = {onsets.size, durations.size, amplitudes.size, len(labels)}
    if len(sizes) > 1:
        raise ValueError(f"the columns of events have different lengths: {sorted(sizes)}.")
    return EventTable(
        onsets, durations, amplitudes, np.array([str(k) for k in labels], dtype=object)
    )


def _numbers(events: Mapping[str, Any], name: str) -> FloatArray:
    try:
        return np.asarray(events[name], dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} of events must hold numbers: {error}.") from error


def chosen_conditions(table: EventTable, conditions: Sequence[str] | None) -> list[str]:
    """Return the conditions to model, each of which has an event."""
    trial_types = sorted(set(table.trial_types))
    if conditions is None:
        if not trial_types:
            raise ValueError("the events table is empty, so there is no condition to model.")
        return trial_types
    for condition in conditions:
        if condition not in trial_types:
            raise ValueError(
                f"condition {condition!r} has no event.{list_known(condition, trial_types)}"
            )
    return list(conditions)


def chosen_basis(
    hrf_model: str | HRFBasis, fir_delays: Sequence[float] | None, scans: FloatArray
) -> HRFBasis:
    """Return the kernels of a model, with FIR bins for the repetition time by default."""
    if isinstance(hrf_model, HRFBasis):
        return hrf_model
    if hrf_model != "fir":
        return hrf_basis(hrf_model, fir_delays)
    if fir_delays is not None and len(fir_delays) > 1:
        return hrf_basis("fir", fir_delays)
    if scans.size < 2:
        raise ValueError("an FIR model of a single scan needs at least two fir_delays.")
    repetition_time = float(np.median(np.diff(scans)))
    if fir_delays is None:
        return hrf_basis("fir", default_fir_delays(repetition_time))
    return hrf_basis("fir", fir_delays, repetition_time)


def condition_regressors(
    table: EventTable,
    condition: str,
    basis: HRFBasis,
    scans: FloatArray,
    oversampling: int | None,
) -> Regressors:
    """Return one column for each kernel: the response to the events of a condition."""
    selected = table.trial_types == condition
    onsets, amplitudes = table.onsets[selected], table.amplitudes[selected]
    names = [f"{condition}{suffix}" for suffix in basis.suffixes]
    try:
        columns = np.column_stack(
            [
                convolve_events(
                    onsets, table.durations[selected], amplitudes, kernel, scans, oversampling
                )
                for kernel in basis.kernels
            ]
        )
    except ValueError as error:
        raise ValueError(f"condition {condition!r}: {error}") from error
    if not amplitudes.any():
        raise ValueError(f"condition {condition!r} has modulation 0 at all its events.")
    flat = np.flatnonzero(abs(columns).max(axis=0) <= NO_RESPONSE * abs(amplitudes).max())
    if flat.size:
        raise ValueError(
            f"condition {condition!r} has no response within the run in column "
            f"{names[flat[0]]!r}: its {onsets.size} events are at {onsets.min():g} to "
            f"{onsets.max():g} s, the scans at {scans[0]:g} to {scans[-1]:g} s. Check that onsets "
            "are in seconds, or exclude the condition."
        )
    return Regressors(columns, names, "condition", condition)


def confound_regressors(
    confounds: ArrayLike | None, confound_names: Sequence[str] | None, n_scans: int
) -> Regressors:
    """Return confounds with their names, after checks."""
    columns = np.asarray(np.zeros((n_scans, 0)) if confounds is None else confounds, np.float64)
    if columns.ndim == 1:
        columns = columns[:, np.newaxis]
    if columns.ndim != 2 or len(columns) != n_scans:
        raise ValueError(
            f"confounds have shape {columns.shape}, but need one row for each of {n_scans} scans."
        )
    n_confounds = columns.shape[1]
    names = (
        [f"confound_{k + 1}" for k in range(n_confounds)]
        if confound_names is None
        else list(confound_names)
    )
    if len(names) != n_confounds:
        raise ValueError(f"there are {len(names)} confound_names for {n_confounds} confounds.")
    for name, column in zip(names, columns.T, strict=True):
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size:
            raise ValueError(
                f"confound {name!r} has {bad.size} missing values, the first at scan {bad[0]}. "
                "Fill them in (with 0 for the first value of a derivative) or exclude the column."
            )
    return Regressors(columns, names, "confound")


def censored_regressors(scans: Sequence[int], n_scans: int) -> Regressors:
    """Return an indicator column for each scan to censor."""
    ordered = sorted(scans)
    return Regressors(
        censored_columns(ordered, n_scans), [censored_name(scan) for scan in ordered], "censored"
    )


@dataclass(frozen=True, eq=False, repr=False)
class Design:
    """Design matrix of one run: a row for each scan, a named column for each regressor.

    Parameters
    ----------
    matrix : array_like of shape (n_scans, n_regressors)
        Regressors sampled at the scan times; copied and made read-only.
    names : sequence of str
        Names of the columns, all different.
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.
    roles : sequence of {"condition", "confound", "censored", "drift", "constant"}
        Role of each column; a censored column is 1 at one scan and 0 elsewhere.
    conditions : sequence of str, optional
        Condition that each column models, empty for columns of other roles. By default the
        names of the columns whose role is condition.
    shared : sequence of (str, mapping of str to float), optional
        Columns that were orthogonalized, each with the weights of the columns that explained it;
        see `boldglm.glm.design.contrast_meaning`.

    Raises
    ------
    ValueError
        If shapes do not fit together, a name is used twice or a value is not finite.

    See Also
    --------
    build_design : Build a design from events.

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
    shared: SharedVariance = field(default=())

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
        values = (*checked, tuple(self.shared))
        for attribute, value in zip(self.__dataclass_fields__, values, strict=True):
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
        """Censored scans, counted from 0."""
        return tuple(sorted(int(self.matrix[:, k].argmax()) for k in self.columns("censored")))

    def index(self, name: str) -> int:
        """Return the index of a column.

        Parameters
        ----------
        name : str
            Name of the column, which may be short as in `resolve_name`.

        Returns
        -------
        int
            Index from 0.

        Raises
        ------
        ValueError
            If no column or several columns have this name.
        """
        return self.names.index(resolve_name(name, self.names))

    def columns(self, role: Role) -> list[int]:
        """Return the indices of the columns that have a role.

        Parameters
        ----------
        role : {"condition", "confound", "censored", "drift", "constant"}
            The role.

        Returns
        -------
        list of int
            Indices from 0, in order.

        Raises
        ------
        ValueError
            If there is no such role.
        """
        if role not in ROLES:
            raise ValueError(f"there is no role {role!r}.{list_known(role, ROLES)}")
        return [k for k, column_role in enumerate(self.roles) if column_role == role]

    def condition_columns(self, condition: str) -> list[int]:
        """Return the indices of the columns that model a condition, derivatives included.

        Parameters
        ----------
        condition : str
            Name of the condition, which may be short as in `resolve_name`.

        Returns
        -------
        list of int
            Indices from 0, in order.

        Raises
        ------
        ValueError
            If no condition or several conditions have this name.
        """
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

    def to_frame(self) -> "pd.DataFrame":
        """Return the design as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One column per regressor; the index holds the frame times in seconds.

        Raises
        ------
        ImportError
            If pandas is not installed.

        See Also
        --------
        fit : Also accepts a DataFrame as the design.

        Examples
        --------
        >>> Design([[1.0], [1.0]], ["constant"], [0, 2], ["constant"]).to_frame()
                    constant
        frame_time
        0.0              1.0
        2.0              1.0
        """
        try:
            from pandas import DataFrame, Index
        except ImportError as error:
            raise ImportError("Design.to_frame needs pandas. Install it.") from error
        index = Index(self.frame_times.copy(), name="frame_time")
        return DataFrame(self.matrix.copy(), index=index, columns=list(self.names))

    def plot(self, ax: "matplotlib.axes.Axes | None" = None) -> "matplotlib.axes.Axes":
        """Draw the design as an image: scans downward, regressors across.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes. Each column is scaled by its largest absolute value: black is -1, gray is
            0, white is 1.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        See Also
        --------
        to_frame : Return the values with their names.

        Examples
        --------
        >>> design = Design([[1.0], [1.0]], ["constant"], [0, 2], ["constant"])
        >>> ax = design.plot()  # doctest: +SKIP
        """
        if ax is None:
            try:
                from matplotlib import pyplot as plt
            except ImportError as error:
                raise ImportError("Design.plot needs matplotlib. Install it.") from error
            width = min(2 + 0.25 * self.n_regressors, 20)
            _, ax = plt.subplots(figsize=(width, 5), layout="constrained")
        largest = abs(self.matrix).max(axis=0)
        scaled = self.matrix / np.where(largest > 0, largest, 1.0)
        ax.imshow(scaled, cmap="gray", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        ax.set_xticks(range(self.n_regressors), self.names, rotation=90)
        ax.set_ylabel("scan")
        return ax

    def _title(self) -> str:
        shape = f"{counted(self.n_scans, 'scan')}, {counted(self.n_regressors, 'regressor')}"
        return f"Design of {shape}"

    def _times(self) -> tuple[str, str]:
        return "frame times", f"{interval(self.frame_times[0], self.frame_times[-1])} s"

    def __repr__(self) -> str:
        counts = {role: len(self.columns(role)) for role in ROLES}
        columns = ", ".join(f"{count} {role}" for role, count in counts.items() if count)
        return summary_text(self._title(), [self._times(), ("columns", columns)])

    def _repr_html_(self) -> str:
        names = {role: [self.names[k] for k in self.columns(role)] for role in ROLES}
        rows = [(role, listed(members)) for role, members in names.items() if members]
        return summary_html(self._title(), [self._times(), *rows])

    def __reduce__(self) -> tuple[Any, ...]:
        # made from its attributes alone, a copy would have writable arrays
        return type(self), tuple(getattr(self, name) for name in self.__dataclass_fields__)


def build_design(
    events: Mapping[str, Any],
    frame_times: ArrayLike,
    *,
    hrf_model: str | HRFBasis = HRF_MODEL,
    conditions: Sequence[str] | None = None,
    fir_delays: Sequence[float] | None = None,
    high_pass: float | None = HIGH_PASS,
    confounds: ArrayLike | None = None,
    confound_names: Sequence[str] | None = None,
    censored: Sequence[int] = (),
    oversampling: int | None = None,
    constant: bool = True,
    drift: str = DRIFT,
) -> Design:
    """Build the design of one run from its events.

    Parameters
    ----------
    events : mapping of str to array_like of shape (n_events,)
        A dict or data frame with ``onset`` and ``duration`` (seconds, on the clock of
        `frame_times`), ``trial_type``, and optionally ``modulation``, the amplitude of each
        event (by default 1).
    frame_times : array_like of shape (n_scans,)
        Time of each scan in seconds.
    hrf_model : str or HRFBasis
        One of `boldglm.glm.HRF_MODELS`, or other kernels.
    conditions : sequence of str, optional
        Trial types to model, in the order of the columns. By default all of them, sorted.
    fir_delays : sequence of float, optional
        For ``"fir"``: start of each bin in seconds. By default bins start at every repetition
        time (the median distance between scans) before 20 s. Each bin lasts until the next.
    high_pass : float or None
        Shortest period in seconds that the cosine drift removes; None for no drift.
    confounds : array_like of shape (n_scans, n_confounds), optional
        Columns that become part of the design as they are.
    confound_names : sequence of str, optional
        Their names; by default ``confound_1`` and so on.
    censored : sequence of int
        Scans to censor, counted from 0; see `censored_columns`.
    oversampling : int, optional
        As in `convolve_events`: None is exact, 50 uses the time grid of nilearn. Columns equal
        to nilearn's also need its kernel, ``HRFBasis(("",), (DoubleGamma(ratio=0.167),))``.
    constant : bool
        Whether the last column is a constant.
    drift : str
        ``"cosine"``, ``"polynomial:ORDER"``, ``"polynomial"`` (of an order that grows with the
        length of the run) or ``"none"``; see
        `boldglm.glm.design.drift.drift_columns`.

    Returns
    -------
    Design
        Columns in this order: conditions (each with all its kernels), confounds,
        ``censored_scan_0000`` …, ``drift_1`` …, ``constant``.

    Raises
    ------
    ValueError
        If a condition has no event or no response within the run, an event or confound has a
        missing value, or two columns have the same name.

    See Also
    --------
    prepare_confounds : Prepare the columns of a confounds table.
    orthogonalize_design : Orthogonalize columns of the design.
    fit : Fit the design to BOLD data.

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
        condition_regressors(table, condition, basis, scans, oversampling)
        for condition in chosen_conditions(table, conditions)
    ]
    if confounds is not None or confound_names is not None:
        parts.append(confound_regressors(confounds, confound_names, scans.size))
    return join_regressors(
        parts, scans, high_pass=high_pass, censored=censored, constant=constant, drift=drift
    )


def join_regressors(
    parts: Sequence[Regressors],
    frame_times: ArrayLike,
    *,
    high_pass: float | None = HIGH_PASS,
    low_pass: float | None = None,
    censored: Sequence[int] = (),
    constant: bool = True,
    drift: str = DRIFT,
) -> Design:
    """Join conditions and confounds with censored scans, drift and constant.

    Parameters
    ----------
    parts : sequence of Regressors
        Columns of shape (n_scans, n_columns) each, with names and role.
    frame_times, high_pass, censored, constant, drift
        As for `build_design`.
    low_pass : float, optional
        Longest period in seconds that `fast_cosines` removes.

    Returns
    -------
    Design
        The joined columns.

    Raises
    ------
    ValueError
        If there is no column, or two have the same name.
    """
    scans = checked_frame_times(frame_times)
    parts = list(parts)
    if len(censored):
        parts.append(censored_regressors(censored, scans.size))
    slow = drift_columns(scans, drift, high_pass)
    if slow.shape[1]:
        parts.append(Regressors(slow, [f"drift_{k + 1}" for k in range(slow.shape[1])], "drift"))
    if low_pass is not None:
        fast = fast_cosines(scans, low_pass)
        parts.append(Regressors(fast, [f"fast_{k + 1}" for k in range(fast.shape[1])], "drift"))
    if constant:
        parts.append(Regressors(np.ones((scans.size, 1)), ["constant"], "constant"))
    if not parts:
        raise ValueError("the design has no columns: no condition, confound, drift or constant.")
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
            f"the matrix has shape {matrix.shape}, but needs one row for each of "
            f"{frame_times.size} frame_times."
        )
    if not len(names) == len(roles) == len(conditions) == matrix.shape[1]:
        raise ValueError(
            f"{matrix.shape[1]} columns need as many names, roles and conditions, but there are "
            f"{len(names)}, {len(roles)} and {len(conditions)}."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"more than one column is named {', '.join(twice)}. Rename or remove columns."
        )
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise ValueError(f"there is no role {unknown[0]!r}.{list_known(unknown[0], ROLES)}")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if bad.size:
        raise ValueError(f"column {names[bad[0]]!r} has values that are not finite.")
    for name, role, column in zip(names, roles, matrix.T, strict=True):
        if role == "censored" and not (column.max() == 1 and np.count_nonzero(column) == 1):
            raise ValueError(f"column {name!r} must be 1 at the censored scan and 0 elsewhere.")
