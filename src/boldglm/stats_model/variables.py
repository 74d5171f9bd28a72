"""Variables of a run, or of the inputs of a node: what transformations change.

A sparse variable is a list of events, each with onset, duration (seconds) and amplitude; a dense
one has a value at every sampling time; rows have one value for each input above the run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from boldglm.glm.arrays.types import BoolArray, FloatArray

MISSING_WORDS = ("", "n/a", "na", "nan", "none")


@dataclass(frozen=True, eq=False)
class Variable:
    """One named variable.

    Parameters
    ----------
    name : str
    values : ndarray of shape (n,)
        Amplitudes: float with NaN, or object (text with None).
    onset, duration : ndarray of shape (n,), optional
        Seconds; of a sparse variable.
    times : ndarray of shape (n,), optional
        Sampling times in seconds, of a dense variable of a run.
    source : {"events", "confounds", "table", "derived"}
        Where it comes from; "confounds" only as long as no transformation has touched it.
    """

    name: str
    values: np.ndarray
    onset: FloatArray | None = None
    duration: FloatArray | None = None
    times: FloatArray | None = None
    source: str = "derived"

    @property
    def is_sparse(self) -> bool:
        """Whether it is a list of events."""
        return self.onset is not None

    @property
    def is_text(self) -> bool:
        """Whether its values are text."""
        return self.values.dtype == object

    @property
    def is_missing(self) -> BoolArray:
        """Which values are not known: None in text, NaN in numbers."""
        return np.array([value is None or value != value for value in self.values], dtype=bool)

    def with_values(self, values: np.ndarray) -> "Variable":
        """Return it with other values."""
        return replace(self, values=values, source="derived")

    def keep(self, rows: np.ndarray) -> "Variable":
        """Return it with some of its events only."""
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
    """All variables of a run or of a group of inputs; transformations return a new one.

    Parameters
    ----------
    found : mapping of str to Variable
        In order.
    frame_times : ndarray of shape (n_scans,) or None
        Time of each volume in seconds; None above the run.
    end : float
        End of the run in seconds.
    missing : frozenset of str
        Names that other runs have and this one lacks.
    groups : mapping of str to tuple of str
        Names that stand for several.
    collects_names : bool
        Whether any other name, too, is taken for one that other runs have: while names are
        collected.
    """

    found: Mapping[str, Variable]
    frame_times: FloatArray | None = None
    end: float = 0.0
    missing: frozenset[str] = frozenset()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    collects_names: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(self.found)

    def __getitem__(self, name: str) -> Variable:
        return self.found[name]

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def lacks(self, name: str) -> bool:
        """Tell whether a name that is not there, and no pattern, is one that other runs have."""
        return name in self.missing or (self.collects_names and not set(name) & set("*?"))

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Return the names that a name or a pattern with ``*`` and ``?`` stands for."""
        if pattern in self.found:
            return (pattern,)
        if pattern in self.groups:
            return self.groups[pattern]
        if not set(pattern) & set("*?"):
            return ()
        literal = pattern.replace("[", "[[]")  # names may hold brackets
        return tuple(name for name in self.found if fnmatchcase(name, literal))

    def with_variables(self, variables: Iterable[Variable]) -> "Variables":
        """Return them with some variables put in, in place of those of the same name."""
        return replace(self, found={**self.found, **{one.name: one for one in variables}})

    def without(self, names: Iterable[str]) -> "Variables":
        """Return them without some."""
        gone = set(names)
        return replace(
            self, found={name: one for name, one in self.found.items() if name not in gone}
        )


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
        Columns of the events: onset and duration in seconds, and others, each of which becomes
        a sparse variable with its values as amplitudes.
    confounds : mapping of str to sequence of float
        Columns with a value for every scan; they become dense variables.
    frame_times : ndarray of shape (n_scans,)
    end : float
        End of the run in seconds.
    missing : iterable of str
        Names that other runs of the task have.

    Raises
    ------
    ValueError
        If a column of the events has the name of a confound.
    """
    onset = np.asarray(events["onset"], dtype=float)
    duration = np.asarray(events["duration"], dtype=float)
    found = {}
    for name, values in events.items():
        if name not in ("onset", "duration"):
            found[name] = Variable(name, typed(values), onset, duration, source="events")
    for name, column in confounds.items():
        if name in found:
            raise ValueError(
                f"{name!r} is a column of the events and of the confounds; rename one of them."
            )
        values = np.asarray(column, dtype=float)
        found[name] = Variable(name, values, times=frame_times, source="confounds")
    return Variables(found, frame_times, end, frozenset(missing) - set(found))


def row_variables(columns: Mapping[str, Sequence[Any]]) -> Variables:
    """Make the variables of the inputs of a node: one value for each.

    Examples
    --------
    >>> row_variables({"age": ["21", "n/a"], "sex": ["f", "m"]})["age"].values
    array([21., nan])
    """
    return Variables(
        {name: Variable(name, typed(values), source="table") for name, values in columns.items()}
    )


def typed(values: Sequence[Any]) -> np.ndarray:
    """Return a column as float with NaN where all its values are numbers, else as text.

    Examples
    --------
    >>> typed(["21", "n/a", "30.5"]), typed(["m", None])
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
    return None if text.lower() in MISSING_WORDS else text


def sampled(variable: Variable, times: FloatArray) -> FloatArray:
    """Return the height of a variable at some times, (n_times,).

    Events are boxcars: an event counts at the times from its onset until before its end, one
    without duration at the first time that is not before it; heights of events that overlap
    add up. A dense variable is interpolated linearly.

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
    heights = np.zeros(len(times))
    first = np.searchsorted(times, variable.onset - 1e-9)
    last = np.searchsorted(times, variable.onset + variable.duration - 1e-9)
    for start, stop, value in zip(
        first, np.maximum(last, first + 1), variable.values, strict=True
    ):
        if np.isfinite(value):
            heights[start:stop] += value
    return heights
