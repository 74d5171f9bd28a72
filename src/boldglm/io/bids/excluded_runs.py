"""Runs and participants that cannot be analyzed: excluded by name with the reason, or refused.

One bad run does not refuse a study. What all runs have in common (the model, an option) shows in
each of them, and is refused once.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from boldglm.errors import BadDataError, MissingInputError, StopRequestedError
from boldglm.io.entities import applies_to, entities_stem, run_of
from boldglm.notices import Notice, exclusion
from boldglm.vocabulary import BAD_RUN_POLICY

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_REASONS = 3  # that a refusal lists
OF_A_RUN = (BadDataError, MissingInputError)


@dataclass(frozen=True)
class ExcludedRun:
    """A run, or a participant or session, that is not analyzed.

    Parameters
    ----------
    entities : mapping of str to str
        Short BIDS keys and labels; of a participant, ``sub`` only.
    reason : str
        Why, as a sentence without a full stop.
    n_runs : int
        How many runs of the call these entities stand for.
    is_group : bool
        Whether all results of these entities are excluded, and not a run of exactly these.

    Examples
    --------
    >>> print(ExcludedRun({"sub": "01", "run": "2"}, "it has no events file").notice)
    sub-01_run-2: it has no events file
    """

    entities: Mapping[str, str]
    reason: str
    n_runs: int = 1
    is_group: bool = False

    @property
    def name(self) -> str:
        """The entities as in a file name."""
        return entities_stem(dict(self.entities))

    def covers(self, entities: Mapping[str, str], level: str) -> bool:
        """Tell whether a result of some level is of what is excluded."""
        is_run = level == "run" and run_of(self.entities) == run_of(entities)
        return (self.is_group or is_run) and applies_to(self.entities, entities)

    @property
    def notice(self) -> Notice:
        """The exclusion, with the name of the run unless the reason begins with it."""
        is_named = self.reason.startswith(self.name)
        return exclusion(self.reason if is_named else f"{self.name}: {self.reason}")


class BadRuns:
    """Runs that failed in some step of planning.

    Parameters
    ----------
    policy : {"exclude", "stop"}
        Whether a run that fails is excluded, or ends the planning.
    """

    def __init__(self, policy: str = BAD_RUN_POLICY) -> None:
        self._policy = policy
        self._errors: list[tuple[ExcludedRun, BadDataError | MissingInputError]] = []

    @property
    def excluded(self) -> tuple[ExcludedRun, ...]:
        """The runs that failed, with the reasons, in the order in which they failed."""
        return tuple(run for run, _ in self._errors)

    def passing(
        self,
        items: Iterable[Item],
        entities: Callable[[Item], Mapping[str, str]],
        step: Callable[[Item], Result],
    ) -> list[Result]:
        """Return the results of a step for all runs that it succeeds for.

        Parameters
        ----------
        items : iterable
            The runs, in any form.
        entities : callable
            Returns the entities of a run.
        step : callable
            The step; it raises `BadDataError` or `MissingInputError` for a run that is bad.

        Raises
        ------
        BadDataError, MissingInputError
            If a run is bad and the policy is to stop, or the user asked to stop at this error.
        """
        results = []
        for item in items:
            try:
                results.append(step(item))
            except StopRequestedError:
                raise
            except OF_A_RUN as error:
                if self._policy == "stop":
                    raise
                reason = str(error).removesuffix(".")
                self._errors.append((ExcludedRun(entities(item), reason), error))
        return results

    def refusal(self) -> BadDataError | MissingInputError:
        """Return the error if no run is left: each reason once."""
        (_, first), *others = self._errors
        if not others:
            return first
        reasons: dict[str, list[tuple[ExcludedRun, Exception]]] = {}
        for run, error in self._errors:
            reasons.setdefault(_without_names(str(error), run), []).append((run, error))
        text = _sentence(str(first))
        further = list(reasons.values())[1:]
        if not further:
            number = "the other run" if len(others) == 1 else f"the other {len(others)} runs"
            return type(first)(f"{text} The same holds for {number}, so no run is left.")
        listed = [_sentence(str(alike[0][1])) for alike in further[: MOST_REASONS - 1]]
        more = sum(map(len, further[MOST_REASONS - 1 :]))
        listed += [f"And {more} more."] if more else []
        return type(first)(f"No run is left, of {len(self._errors)}. {text} {' '.join(listed)}")


def _without_names(text: str, run: ExcludedRun) -> str:
    """Return a message without what names the run, so that equal reasons can be told."""
    text = re.sub(rf"sub-{re.escape(run.entities['sub'])}[\w.+-]*", "", text)
    return re.sub(r"\d+(\.\d+)?", "0", text)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def count_excluded(excluded: Iterable[ExcludedRun], subject: str) -> int:
    """Return how many runs of a participant are excluded; hemispheres of one run count once.

    Examples
    --------
    >>> left, right = ({"sub": "01", "run": "2", "hemi": side} for side in "LR")
    >>> count_excluded([ExcludedRun(left, "bad"), ExcludedRun(right, "bad")], "01")
    1
    """
    counts: dict[frozenset[tuple[str, str]], int] = {}
    for run in excluded:
        if run.entities["sub"] == subject:
            key = run_of(run.entities)
            counts[key] = max(run.n_runs, counts.get(key, 0))
    return sum(counts.values())


def without_empty_groups(
    excluded: Sequence[ExcludedRun], analyzed: Sequence[Mapping[str, str]]
) -> tuple[ExcludedRun, ...]:
    """Add the participants and sessions of which no run is left.

    Parameters
    ----------
    excluded : sequence of ExcludedRun
        Runs that are not analyzed.
    analyzed : sequence of mapping
        Entities of the runs that are.

    Examples
    --------
    >>> bad = ExcludedRun({"sub": "01", "ses": "a", "run": "2"}, "it is truncated")
    >>> left = [{"sub": "01", "ses": "b"}]
    >>> [run.name for run in without_empty_groups([bad], left)]
    ['sub-01_ses-a_run-2', 'sub-01_ses-a']
    """
    emptied: dict[str, ExcludedRun] = {}
    known = {run.name for run in excluded}
    for run in excluded:
        for keys in (("sub", "ses"), ("sub",)):
            group = {key: run.entities[key] for key in keys if key in run.entities}
            left = any(group.items() <= entities.items() for entities in analyzed)
            whole = ExcludedRun(group, "none of its runs is analyzed", 0, is_group=True)
            if len(group) == len(keys) and not left and whole.name not in known:
                emptied[whole.name] = whole
    return (*excluded, *emptied.values())
