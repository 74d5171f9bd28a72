"""Parametric modulators: responses whose amplitude follows a column of the events."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.bids.events import Events
from boldglm.io.bids.tables import lines_in_words
from boldglm.notices import Notice, exclusion, warning
from boldglm.suggestions import did_you_mean

ORDERS = {1: "", 2: "_squared", 3: "_cubed"}
SMALL = 1e-10  # spread relative to the largest value, below which a column is constant
COLLINEAR = 1e-8  # relative length of a residual, below which amplitudes are collinear


@dataclass(frozen=True)
class Modulator:
    """A column of the events, or a power of it, that scales the response to a condition.

    Parameters
    ----------
    condition : str
        The condition.
    column : str
        Column of the events.
    order : {1, 2, 3}
        Power of the centered values.

    Examples
    --------
    >>> Modulator("go", "rt", 2).name
    'go_x_rt_squared'
    """

    condition: str
    column: str
    order: int = 1

    @property
    def name(self) -> str:
        """Name of the regressor, without the prefix of conditions."""
        return f"{self.condition}_x_{self.column}{ORDERS[self.order]}"

    @property
    def rule(self) -> str:
        """The modulator as written on the command line."""
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


def parse_modulation(
    text: str, conditions: Sequence[str], known_columns: Sequence[str] = ()
) -> tuple[Modulator, ...]:
    """Read a rule such as ``rt @ go``, ``rt^2 + accuracy @ go`` or, for all conditions, ``rt``.

    Parameters
    ----------
    text : str
        Columns joined by plus signs, optionally with a power of 2 or 3 (which includes lower
        powers), optionally followed by ``@`` and a condition.
    conditions : sequence of str
        Conditions of the model.
    known_columns : sequence of str, optional
        Columns of the events, whose names may contain plus signs, ``@`` and ``^``.

    Returns
    -------
    tuple of Modulator
        One for each condition, column and power.

    Raises
    ------
    BadDataError
        If the rule cannot be read or names a condition that the model lacks.

    Examples
    --------
    >>> [modulator.name for modulator in parse_modulation("rt^2 @ go", ["go", "stop"])]
    ['go_x_rt', 'go_x_rt_squared']
    >>> [one.name for one in parse_modulation("a+b^2 @ go", ["go"], ["a", "b", "a+b"])]
    ['go_x_a+b', 'go_x_a+b_squared']
    """
    columns, condition = _split_condition(text, conditions, known_columns)
    if condition and condition not in conditions:
        raise BadDataError(
            f"--modulate '{text}': the model has no condition {condition!r}."
            f"{did_you_mean(condition, conditions)} Known: {', '.join(conditions)}."
        )
    modulators = []
    for term in _terms(columns, known_columns):
        column, order = _column_and_order(term, known_columns)
        if not column:
            raise BadDataError(
                f"--modulate '{text}': {term!r} is not the name of a column. Write "
                "'column @ condition', 'column^2 @ condition' or 'column + column @ condition'."
            )
        for name in [condition] if condition else conditions:
            modulators += [Modulator(name, column, power) for power in range(1, order + 1)]
    return tuple(dict.fromkeys(modulators))


def _split_condition(
    text: str, conditions: Sequence[str], known_columns: Sequence[str]
) -> tuple[str, str]:
    """Split a rule into columns and condition, either of which may contain ``@``."""
    parts = text.split("@")
    splits = [("@".join(parts[:k]), "@".join(parts[k:])) for k in range(1, len(parts))]
    pairs = [(columns.strip(), condition.strip()) for columns, condition in splits]
    if text.strip() in known_columns or not pairs:
        return text.strip(), ""
    return next((pair for pair in pairs if pair[1] in conditions), pairs[0])


def _terms(columns: str, known_columns: Sequence[str]) -> list[str]:
    """Split columns at plus signs, except at those within the name of a column."""
    parts, terms = columns.split("+"), []
    while parts:
        for end in range(len(parts), 0, -1):  # the longest name first
            term = "+".join(parts[:end]).strip()
            if end == 1 or _column_and_order(term, known_columns)[0] in known_columns:
                terms.append(term)
                del parts[:end]
                break
    return terms


def _column_and_order(term: str, known_columns: Sequence[str]) -> tuple[str, int]:
    """Return the column of a term and its highest power; no column if it is not a name."""
    if term in known_columns:
        return term, 1
    match = re.fullmatch(r"(.*\S)\^([123])", term)
    if match is not None and match[1] in known_columns:
        return match[1], int(match[2])
    match = re.fullmatch(r"([^^@+]*[^^@+\s])(?:\^([123]))?", term)
    return ("", 1) if match is None else (match[1], int(match[2] or 1))


def refuse_clashes(
    modulators: Sequence[Modulator], conditions: Sequence[str], columns: Sequence[str] = ()
) -> None:
    """Refuse a modulator whose regressor has the name of another column of the design.

    Parameters
    ----------
    modulators : sequence of Modulator
        The modulators.
    conditions : sequence of str
        Names of the conditions, without prefix.
    columns : sequence of str
        Names of the other columns of the design.

    Raises
    ------
    BadDataError
        If two regressors would have the same name.

    Examples
    --------
    >>> refuse_clashes([Modulator("go", "rt")], ["go", "stop"])
    >>> refuse_clashes([Modulator("go", "rt")], ["go", "go_x_rt"])
    Traceback (most recent call last):
        ...
    boldglm.errors.BadDataError: --modulate: the regressor of rt @ go is called 'go_x_rt', as is
    the condition 'go_x_rt'. Rename one of them in the events.
    """
    known = {name: f"the column {name!r}" for name in columns}
    known |= {name: f"the condition {name!r}" for name in conditions}
    for modulator in dict.fromkeys(modulators):
        if modulator.name in known:
            raise BadDataError(
                f"--modulate: the regressor of {modulator.rule} is called {modulator.name!r}, as "
                f"is {known[modulator.name]}. Rename one of them in the events."
            )
        known[modulator.name] = f"that of {modulator.rule}"


def modulated_columns(
    events: Events, modulators: Sequence[Modulator], prefix: str, file_name: str
) -> tuple[dict[str, list], tuple[str, ...], tuple[Notice, ...]]:
    """Return the events of modulators, in the form that `boldglm.glm.build_design` takes.

    Each modulator is a condition of its own whose events have the amplitudes (c - mean c)ᵏ, with
    the mean over the events of the condition in this run. Missing values have amplitude 0. A power
    whose amplitudes are a linear combination of the condition and lower powers, such as the square
    of a column with two values, has no unique estimate and is excluded.

    Parameters
    ----------
    events : Events
        The events of the run.
    modulators : sequence of Modulator
        The modulators, lower powers first.
    prefix : str
        Put before the name of each modulator.
    file_name : str
        Name of the events file, for messages.

    Returns
    -------
    columns : dict of str to list
        onset, duration, trial_type and modulation.
    names : tuple of str
        Names of the modulators that are not excluded, with prefix.
    notices : tuple of Notice
        Excluded modulators, and warnings of missing values.

    Raises
    ------
    BadDataError
        If a column is missing or holds text.
    """
    columns: dict[str, list] = {
        key: [] for key in ("onset", "duration", "trial_type", "modulation")
    }
    names: list[str] = []
    notices: list[Notice] = []
    lower_powers: dict[tuple[str, str], list[np.ndarray]] = {}
    for modulator in modulators:
        rows = events.trial_type == modulator.condition
        if not rows.any():
            notices.append(
                exclusion(f"modulator {modulator.name!r}: it has no event in {file_name}")
            )
            continue
        values = _values(events, modulator, rows, file_name)
        notices += _missing_values(modulator, values, file_name)
        centered = _centered(values)
        if centered is None:
            notices.append(
                exclusion(
                    f"modulator {modulator.name!r}: {modulator.column} does not vary over the "
                    f"events of {modulator.condition!r} in {file_name}"
                )
            )
            continue
        amplitudes = (centered / abs(centered).max()) ** modulator.order
        key = (modulator.condition, modulator.column)
        lower = lower_powers.setdefault(key, [np.ones_like(amplitudes)])
        if _is_collinear(amplitudes, lower):
            notices.append(
                exclusion(
                    f"modulator {modulator.name!r}: over the events of {modulator.condition!r} in "
                    f"{file_name} it is collinear with the condition and lower powers of "
                    f"{modulator.column}"
                )
            )
            continue
        lower.append(amplitudes)
        names.append(prefix + modulator.name)
        columns["onset"] += events.onset[rows].tolist()
        columns["duration"] += events.duration[rows].tolist()
        columns["trial_type"] += [prefix + modulator.name] * int(rows.sum())
        columns["modulation"] += (centered**modulator.order).tolist()
    return columns, tuple(names), tuple(dict.fromkeys(notices))


def _missing_values(modulator: Modulator, values: np.ndarray, file_name: str) -> list[Notice]:
    n_missing = int(np.isnan(values).sum())
    if not n_missing:
        return []
    return [
        warning(
            f"{n_missing} of {values.size} events of {modulator.condition!r} have no "
            f"{modulator.column} in {file_name}; their modulator is set to its mean"
        )
    ]


def _centered(values: np.ndarray) -> np.ndarray | None:
    """Return values minus their mean, 0 where a value is missing; None if they do not vary."""
    missing = np.isnan(values)
    centered = np.where(missing, 0.0, values - (0.0 if missing.all() else np.nanmean(values)))
    largest = max(np.nanmax(abs(values), initial=0.0), 1e-300)
    return centered if abs(centered).max() > SMALL * largest else None


def _is_collinear(amplitudes: np.ndarray, lower: Sequence[np.ndarray]) -> bool:
    """Return whether amplitudes are a linear combination of those of lower powers."""
    basis = np.column_stack(lower)
    residual = amplitudes - basis @ np.linalg.lstsq(basis, amplitudes)[0]
    return bool(np.linalg.norm(residual) <= COLLINEAR * np.linalg.norm(amplitudes))


def _values(events: Events, modulator: Modulator, rows: np.ndarray, file_name: str) -> np.ndarray:
    """Return the values of a modulator at the events of its condition, NaN where missing."""
    columns = {"onset": events.onset, "duration": events.duration, **events.other_columns}
    if modulator.column not in columns:
        raise BadDataError(
            f"{file_name} has no column {modulator.column!r} to modulate {modulator.condition!r} "
            f"by.{did_you_mean(modulator.column, list(columns))} Found: {', '.join(columns)}."
        )
    text = columns[modulator.column][rows]
    numbers = np.array([_number(value) for value in text])
    if np.isinf(numbers).any():
        bad = text[np.isinf(numbers)][0]
        lines = events.lines[rows][np.isinf(numbers)] if events.lines.size else []
        where = f" ({lines_in_words(lines)})" if len(lines) else ""
        raise BadDataError(
            f"{file_name}: column {modulator.column!r} holds {bad!r} at an event of "
            f"{modulator.condition!r}{where}, but a modulator needs numbers. Write a number with "
            "a decimal point, or n/a for a missing value."
        )
    return numbers


def _number(value: Any) -> float:
    """Return a number, NaN for a missing value, and infinity for text."""
    if isinstance(value, float):
        return value if np.isfinite(value) else float("nan")
    try:
        return float(value)
    except ValueError:
        return float("inf")
