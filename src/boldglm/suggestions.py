"""Which name a person probably meant, among those that exist."""

import difflib
from collections.abc import Iterable


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that a mistyped name most resembles, or None if none does.

    A candidate is also compared without what precedes its first dot, so that ``fce`` is
    recognized as ``trial_type.face``.

    Examples
    --------
    >>> closest("incongruant", ["congruent", "incongruent"])
    'incongruent'
    >>> closest("fce", ["trial_type.face", "trial_type.house"])
    'trial_type.face'
    """
    known = list(candidates)
    matches = difflib.get_close_matches(name, known, n=1)
    if matches:
        return matches[0]
    tails = {candidate.partition(".")[2] or candidate: candidate for candidate in known}
    matches = difflib.get_close_matches(name, tails, n=1)
    return tails[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return a question to end an error message with, or an empty string.

    Examples
    --------
    >>> did_you_mean("incongruant", ["congruent", "incongruent"])
    " Did you mean 'incongruent'?"
    >>> did_you_mean("zzz", ["congruent"])
    ''
    """
    match = closest(name, candidates)
    return "" if match is None else f" Did you mean {match!r}?"


def list_known(name: str, candidates: Iterable[str]) -> str:
    """Return the end of an error message: every name there is, and the one probably meant.

    Examples
    --------
    >>> list_known("incongruant", ["congruent", "incongruent"])
    " Known: congruent, incongruent. Did you mean 'incongruent'?"
    >>> list_known("x", [])
    ' Known: none.'
    """
    known = list(candidates)
    return f" Known: {', '.join(known) or 'none'}.{did_you_mean(name, known)}"
