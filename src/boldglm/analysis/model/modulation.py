"""Parametric modulators: responses whose height follows a column of the events."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.bids.events import Events
from boldglm.notices import Notice, exclusion, warning
from boldglm.suggestions import did_you_mean

ORDERS = {1: "", 2: "_squared", 3: "_cubed"}
SMALL = 1e-10  # spread, relative to size, under which a column is constant
NOTHING_NEW = 1e-8  # share of its length under which heights add nothing to lower orders


@dataclass(frozen=True)
class Modulator:
    """A column of the events, or a power of it, that scales the response to a condition.

    Parameters
    ----------
    condition : str
        Condition whose events are modulated.
    column : str
        Column of the events.
    order : int
        Power of the column.
    """

    condition: str
    column: str
    order: int = 1

    @property
    def name(self) -> str:
        """What its regressor is called, without the prefix of conditions."""
        return f"{self.condition}_x_{self.column}{ORDERS[self.order]}"

    @property
    def rule(self) -> str:
        """How the command line writes it."""
        power = f"^{self.order}" if self.order > 1 else ""
        return f"{self.column}{power} @ {self.condition}"

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of a model file.

        Returns
        -------
        dict of str to object
            ``Condition``, ``Column`` and ``Order``.
        """
        return {"Condition": self.condition, "Column": self.column, "Order": self.order}


def parse_modulation(text: str, conditions: Sequence[str]) -> tuple[Modulator, ...]:
    """Read a rule such as ``rt @ go``, ``rt^2 + accuracy @ go`` or, for all conditions, ``rt``.

    Parameters
    ----------
    text : str
        Columns joined by plus signs, perhaps with a power of 2 or 3 (which includes the lower
        ones), perhaps ``@`` and a condition.
    conditions : sequence of str
        Conditions of the model.

    Raises
    ------
    BadDataError
        If it is no such rule or names a condition that the model lacks.

    Examples
    --------
    >>> [one.name for one in parse_modulation("rt^2 @ go", ["go", "stop"])]
    ['go_x_rt', 'go_x_rt_squared']
    """
    columns, _, condition = (part.strip() for part in text.partition("@"))
    if condition and condition not in conditions:
        raise BadDataError(
            f"--modulate '{text}': the model has no condition {condition!r}."
            f"{did_you_mean(condition, conditions)} Known: {', '.join(conditions)}."
        )
    found = []
    for term in columns.split("+"):
        match = re.fullmatch(r"([^^@+]*[^^@+\s])(?:\^([123]))?", term.strip())
        if match is None:
            raise BadDataError(
                f"--modulate '{text}': {term.strip()!r} is no column of the events. Write 'column "
                "@ condition', 'column^2 @ condition' or 'one + other @ condition'."
            )
        for one in [condition] if condition else conditions:
            found += [Modulator(one, match[1], n) for n in range(1, int(match[2] or 1) + 1)]
    return tuple(dict.fromkeys(found))


def refuse_clashes(
    modulators: Sequence[Modulator], conditions: Sequence[str], others: Sequence[str] = ()
) -> None:
    """Refuse a modulator whose regressor has the name of another column of the design.

    Parameters
    ----------
    modulators : sequence of Modulator
        Each of them once.
    conditions, others : sequence of str
        Names of the conditions and of what else the design has, without prefix.

    Raises
    ------
    BadDataError
        Naming both.

    Examples
    --------
    >>> refuse_clashes([Modulator("go", "rt")], ["go", "stop"])
    >>> refuse_clashes([Modulator("go", "rt")], ["go", "go_x_rt"])
    Traceback (most recent call last):
        ...
    boldglm.errors.BadDataError: --modulate: the regressor of rt @ go is called 'go_x_rt', as is
    the condition 'go_x_rt'. Rename one of them in the events.
    """
    known = {name: f"the column {name!r}" for name in others}
    known |= {name: f"the condition {name!r}" for name in conditions}
    for one in dict.fromkeys(modulators):
        if one.name in known:
            raise BadDataError(
                f"--modulate: the regressor of {one.rule} is called {one.name!r}, as is "
                f"{known[one.name]}. Rename one of them in the events."
            )
        known[one.name] = f"that of {one.rule}"


def modulated_columns(
    events: Events, modulators: Sequence[Modulator], prefix: str, file_name: str
) -> tuple[dict[str, list], tuple[str, ...], tuple[Notice, ...]]:
    """Return the events of modulators, as `boldglm.glm.build_design` takes them.

    Each modulator is a condition of its own whose events have the heights (c - mean c)ᵏ, the
    mean that of the run's events of the condition; a missing value has height 0. A power whose
    heights are a sum of the condition's and the lower powers', as the square of a column of two
    values is, would make the slope one of many; it is excluded.

    Returns
    -------
    columns : dict
        onset, duration, trial_type and modulation.
    names : tuple of str
        Of the modulators that add something, with prefix.
    notes : tuple of Notice
        What was excluded or filled in, and why.

    Raises
    ------
    BadDataError
        If a column is missing or holds text.
    """
    columns: dict[str, list] = {
        key: [] for key in ("onset", "duration", "trial_type", "modulation")
    }
    names: list[str] = []
    notes: list[Notice] = []
    lower: dict[tuple[str, str], list[np.ndarray]] = {}
    for one in modulators:
        own = events.trial_type == one.condition
        if not own.any():
            notes.append(exclusion(f"modulator {one.name!r}: it has no event in {file_name}"))
            continue
        values = _values(events, one, own, file_name)
        missing = np.isnan(values)
        if missing.any():
            notes.append(
                warning(
                    f"{int(missing.sum())} of {own.sum()} events of {one.condition!r} have no "
                    f"{one.column} in {file_name}; their modulator is set to its mean"
                )
            )
        centered = _centered(values)
        if centered is None:
            notes.append(
                exclusion(
                    f"modulator {one.name!r}: {one.column} does not vary over the events of "
                    f"{one.condition!r} in {file_name}"
                )
            )
            continue
        heights = (centered / abs(centered).max()) ** one.order
        entered = lower.setdefault((one.condition, one.column), [np.ones_like(heights)])
        if _adds_nothing(heights, entered):
            notes.append(
                exclusion(
                    f"modulator {one.name!r}: over the events of {one.condition!r} in {file_name} "
                    f"it is collinear with the condition and lower powers of {one.column}"
                )
            )
            continue
        entered.append(heights)
        names.append(prefix + one.name)
        columns["onset"] += events.onset[own].tolist()
        columns["duration"] += events.duration[own].tolist()
        columns["trial_type"] += [prefix + one.name] * int(own.sum())
        columns["modulation"] += (centered**one.order).tolist()
    return columns, tuple(names), tuple(dict.fromkeys(notes))


def _centered(values: np.ndarray) -> np.ndarray | None:
    """Return values less their mean, 0 where there is none; None if they do not vary."""
    missing = np.isnan(values)
    centered = np.where(missing, 0.0, values - (0.0 if missing.all() else np.nanmean(values)))
    largest = max(np.nanmax(abs(values), initial=0.0), 1e-300)
    return centered if abs(centered).max() > SMALL * largest else None


def _adds_nothing(heights: np.ndarray, entered: Sequence[np.ndarray]) -> bool:
    """Tell whether heights are a weighted sum of those that have entered."""
    basis = np.column_stack(entered)
    left = heights - basis @ np.linalg.lstsq(basis, heights)[0]
    return bool(np.linalg.norm(left) <= NOTHING_NEW * np.linalg.norm(heights))


def _values(events: Events, one: Modulator, own: np.ndarray, file_name: str) -> np.ndarray:
    columns = {"onset": events.onset, "duration": events.duration, **events.other_columns}
    if one.column not in columns:
        raise BadDataError(
            f"{file_name} has no column {one.column!r} to modulate {one.condition!r} by."
            f"{did_you_mean(one.column, list(columns))} Found: {', '.join(columns)}."
        )
    text = columns[one.column][own]
    numbers = np.array([_number(value) for value in text])
    if np.isinf(numbers).any():
        bad = text[np.isinf(numbers)][0]
        raise BadDataError(
            f"{file_name}: column {one.column!r} holds {bad!r} at an event of "
            f"{one.condition!r}; a modulator needs numbers, or n/a where there is none."
        )
    return numbers


def _number(value: Any) -> float:
    """Return a number, NaN where there is none, and infinity for text."""
    if isinstance(value, float):
        return value if np.isfinite(value) else float("nan")
    try:
        return float(value)
    except ValueError:
        return float("inf")
