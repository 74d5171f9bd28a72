"""Factor transformations that a run node needs and lacks: its terms name levels of a column."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from boldglm.stats_model.transformations.instructions import (
    ImpliedInstruction,
    as_list,
    normalized,
)

TRIAL_TYPE = "trial_type"


def with_implied_factors(
    instructions: Sequence[dict[str, Any]],
    terms: Iterable[str],
    convolved: Iterable[str] = (),
) -> tuple[tuple[dict[str, Any], ...], dict[str, tuple[str, int]]]:
    """Add a Factor where a level such as ``trial_type.go`` is named and nothing makes it.

    This is so for ``trial_type``, for the outputs of transformations, which are columns that
    every run has, and for columns whose levels are convolved. A Factor is added in front of the
    first instruction that names a level, or after all of them if only the terms of the model do.

    Parameters
    ----------
    instructions : sequence of dict
    terms : iterable of str
        Variables of the design: X and HRF.
    convolved : iterable of str
        Variables of HRF, which come from events.

    Returns
    -------
    instructions : tuple of dict
    added : dict of str to (str, int)
        By column, the first name that needs the Factor, and how many instructions precede it.

    Examples
    --------
    >>> changed, added = with_implied_factors([], ["trial_type.go", "csf"])
    >>> changed, added
    (({'Name': 'Factor', 'Input': ['trial_type']},), {'trial_type': ('trial_type.go', 0)})
    """
    outputs = [name for step in instructions for name in _names(step, "Output")]
    factored = {
        name
        for step in instructions
        if normalized(str(step.get("Name", ""))) in ("factor", "split")
        for name in _names(step, "Input")
    }
    of_events = [name.partition(".")[0] for name in convolved if "." in name]
    columns = [
        name
        for name in dict.fromkeys((TRIAL_TYPE, *outputs, *of_events))
        if name not in factored and not set(name) & set("*?")
    ]
    added: dict[str, tuple[str, int]] = {}
    named = [(name, k) for k, step in enumerate(instructions) for name in _names(step, "Input")]
    for name, position in [*named, *((term, len(instructions)) for term in terms)]:
        column = next((one for one in columns if name.startswith(f"{one}.")), None)
        if column is not None and name not in outputs and "==" not in name:
            added.setdefault(column, (name, position))
    changed: list[dict[str, Any]] = []
    for position, step in enumerate([*instructions, None]):
        changed += [
            ImpliedInstruction({"Name": "Factor", "Input": [column]})
            for column, (_, place) in added.items()
            if place == position
        ]
        changed += [] if step is None else [step]
    return tuple(changed), added


def _names(instruction: Mapping[str, Any], key: str) -> Iterator[str]:
    for name, value in instruction.items():
        if normalized(name) == key.lower():
            yield from (str(item) for item in as_list(value))
