"""Variables of a run, or of the inputs of a higher node, on which transformations act.

A sparse variable of a run is a list of events, each with onset, duration (seconds) and
amplitude; a dense variable has a value at every sampling time. At higher levels, a variable has
one value for each input.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from boldglm.glm.arrays.types import BoolArray, FloatArray
from boldglm.vocabulary import MISSING_TIMES_POLICY

MISSING_VALUES = ("", "n/a", "na", "nan", "none")


@dataclass(frozen=True, eq=False)
class Variable:
    """One named variable.

    Parameters
    ----------
    name : str
    values : ndarray of shape (n,)
        Amplitudes: floats, NaN where missing, or text (dtype object), None where missing.
    onset, duration : ndarray of shape (n,), optional
        Seconds; only for a sparse variable.
    times : ndarray of shape (n,), optional
        Sampling times in seconds; only for a dense variable of a run.
    source : {"events", "confounds", "table", "derived"}
        Origin of the values; "derived" once a transformation has changed them.
    """

    name: str
    values: np.ndarray
    onset: FloatArray | None = None
    duration: FloatArray | None = None
    times: FloatArray | None = None
    source: str = "derived"

    @property
    def is_sparse(self) -> bool:
        """Whether the variable is a list of events."""
        return self.onset is not None

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return self.values.dtype == object

    @property
    def is_missing(self) -> BoolArray:
        """Which values are missing: None in text, NaN in numbers."""
        return np.array([value is None or value != value for value in self.values], dtype=bool)

    def with_values(self, values: np.ndarray) -> "Variable":
        """Return a copy of the variable that has these values."""
        return replace(self, values=values, source="derived")

    def select_events(self, rows: np.ndarray) -> "Variable":
        """Return a copy of the variable that has only some of the events."""
        assert self.onset is not None
        assert self.duration is not None
        return replace(
            self,
            values=self.values[rows],
            onset=self.onset[rows],
            duration=self.duration[rows],
            source="derived",
        )


@dataclass(frozen=True, eq=False)
class Variables:
    """All variables of a run, or of a group of inputs; transformations return a changed copy.

    Parameters
    ----------
    by_name : mapping of str to Variable
        The variables, in order.
    frame_times : ndarray of shape (n_scans,) or None
        Acquisition time of each volume in seconds; None above the run.
    end : float
        End of the run in seconds.
    missing : frozenset of str
        Names of variables that other runs have and this run lacks.
    groups : mapping of str to tuple of str
        Names of groups (transformation Group), and the variables of each.
    collects_names : bool
        Whether every unknown name counts as missing in this run. This is so in a first pass over
        all runs, which collects the names of the variables of every run.
    missing_times : {"row", "run", "error"}
        What a convolved event without onset or duration excludes: itself, or the run.
    """

    by_name: Mapping[str, Variable]
    frame_times: FloatArray | None = None
    end: float = 0.0
    missing: frozenset[str] = frozenset()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    collects_names: bool = False
    missing_times: str = MISSING_TIMES_POLICY

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in order."""
        return tuple(self.by_name)

    def __getitem__(self, name: str) -> Variable:
        return self.by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def lacks(self, name: str) -> bool:
        """Tell whether this run lacks a variable that other runs have."""
        return name in self.missing or (self.collects_names and not set(name) & set("*?"))

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Return the variables that match a name, a group or a pattern with ``*`` and ``?``."""
        if pattern in self.by_name:
            return (pattern,)
        if pattern in self.groups:
            return self.groups[pattern]
        if pattern in self.missing or not set(pattern) & set("*?"):
            return ()  # a name that some run has is never a pattern
        literal = pattern.replace("[", "[[]")  # names may contain brackets
        return tuple(name for name in self.by_name if fnmatchcase(name, literal))

    def with_variables(self, variables: Iterable[Variable]) -> "Variables":
        """Return a copy with these variables added, or put in place of their namesakes."""
        added = {variable.name: variable for variable in variables}
        return replace(self, by_name={**self.by_name, **added})

    def without(self, names: Iterable[str]) -> "Variables":
        """Return a copy without the variables of these names."""
        removed = set(names)
        kept = {name: self.by_name[name] for name in self.by_name if name not in removed}
        return replace(self, by_name=kept)


def run_variables(
    events: Mapping[str, Any],
    confounds: Mapping[str, Any],
    frame_times: FloatArray,
    end: float,
    missing: Iterable[str] = (),
) -> Variables:
    """Make the variables of a run.

    Parameters
    ----------
    events : mapping of str to sequence
        Columns of the events file: onset and duration in seconds; every other column becomes a
        sparse variable with the column's values as amplitudes.
    confounds : mapping of str to sequence of float
        Columns with a value for every volume; they become dense variables.
    frame_times : ndarray of shape (n_scans,)
        Acquisition time of each volume in seconds.
    end : float
        End of the run in seconds.
    missing : iterable of str
        Names of variables that other runs of the task have.

    Returns
    -------
    Variables

    Raises
    ------
    ValueError
        If the events and the confounds have a column of the same name.
    """
    onset = np.asarray(events["onset"], dtype=float)
    duration = np.asarray(events["duration"], dtype=float)
    by_name = {}
    for name, values in events.items():
        if name not in ("onset", "duration"):
            by_name[name] = Variable(name, parse_column(values), onset, duration, source="events")
    for name, column in confounds.items():
        if name in by_name:
            raise ValueError(
                f"{name!r} is a column of both the events and the confounds; rename one of them."
            )
        values = np.asarray(column, dtype=float)
        by_name[name] = Variable(name, values, times=frame_times, source="confounds")
    return Variables(by_name, frame_times, end, frozenset(missing) - set(by_name))


def input_variables(columns: Mapping[str, Sequence[Any]]) -> Variables:
    """Make the variables of the inputs of a node, from columns with one value for each input.

    Examples
    --------
    >>> input_variables({"age": ["21", "n/a"], "sex": ["f", "m"]})["age"].values
    array([21., nan])
    """
    return Variables(
        {
            name: Variable(name, parse_column(values), source="table")
            for name, values in columns.items()
        }
    )


def parse_column(values: Sequence[Any]) -> np.ndarray:
    """Return a column as floats if all its values are numbers or n/a, else as text.

    Examples
    --------
    >>> parse_column(["21", "n/a", "30.5"]), parse_column(["m", None])
    (array([21. ,  nan, 30.5]), array(['m', None], dtype=object))
    """
    texts = [_text(value) for value in values]
    try:
        numbers = [float("nan") if text is None else float(text) for text in texts]
        return np.array(numbers, dtype=float)
    except ValueError:
        return np.array([*texts, None], dtype=object)[:-1]


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    text = str(value).strip()
    return None if text.lower() in MISSING_VALUES else text


def sampled(variable: Variable, times: FloatArray) -> FloatArray:
    """Sample a variable at given times.

    An event is a boxcar: it covers the times from its onset up to, but not including, its end.
    An event without duration covers the first time at or after its onset. The amplitudes of
    overlapping events add up. A dense variable is interpolated linearly.

    Parameters
    ----------
    variable : Variable
        Numeric.
    times : ndarray of shape (n_times,)
        Seconds, ascending.

    Returns
    -------
    ndarray of shape (n_times,)

    Examples
    --------
    >>> pulse = Variable("x", np.array([2.0]), np.array([1.0]), np.array([2.0]))
    >>> sampled(pulse, np.arange(5.0))
    array([0., 2., 2., 0., 0.])
    """
    if not variable.is_sparse:
        if variable.times is None or np.array_equal(variable.times, times):
            return np.asarray(variable.values, dtype=float)
        return np.interp(times, variable.times, np.asarray(variable.values, dtype=float))
    assert variable.onset is not None
    assert variable.duration is not None
    samples = np.zeros(len(times))
    first = np.searchsorted(times, variable.onset - 1e-9)
    last = np.searchsorted(times, variable.onset + variable.duration - 1e-9)
    for start, stop, value in zip(
        first, np.maximum(last, first + 1), variable.values, strict=True
    ):
        if np.isfinite(value):
            samples[start:stop] += value
    return samples
