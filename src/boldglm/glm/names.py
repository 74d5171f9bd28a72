"""Find the design column that a person meant.

Column names come from event files and may hold blanks, plus signs or tildes, and BIDS
Stats Models call the column of trial type ``face`` ``trial_type.face``. Rules and contrasts
are written by hand, so a name is looked up in one place, and a miss names what is there.
"""

import difflib
import re
from collections.abc import Iterable, Sequence


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """End an error message with what there is, and with the nearest of it.

    Parameters
    ----------
    name : str
        What was asked for.
    candidates : iterable of str
        What exists.

    Returns
    -------
    str
        Empty part left out; starts with a blank so that it can follow a sentence.

    Examples
    --------
    >>> did_you_mean("incongruant", ["congruent", "incongruent"])
    " Known: congruent, incongruent. Did you mean 'incongruent'?"
    >>> did_you_mean("x", [])
    ' Known: none.'
    """
    known = list(candidates)
    listed = f" Known: {', '.join(known) or 'none'}."
    close = difflib.get_close_matches(name, known, n=1)
    if not close:
        # 'fce' is compared with the 'face' of 'trial_type.face' too
        tails = {_tail(candidate): candidate for candidate in known}
        close = [tails[tail] for tail in difflib.get_close_matches(name, tails, n=1)]
    return listed + (f" Did you mean {close[0]!r}?" if close else "")


def resolve_name(name: str, names: Iterable[str]) -> str:
    """Return the full name of what was written, perhaps in short, in a rule or contrast.

    Parameters
    ----------
    name : str
        A name, or the part of one after its first dot.
    names : iterable of str
        The names that exist.

    Returns
    -------
    str
        An element of `names`: the exact match if there is one, else the only one whose part
        after the first dot is `name`.

    Raises
    ------
    ValueError
        If there is no match, or if a short name matches several.

    Examples
    --------
    >>> resolve_name("face", ["trial_type.face", "trial_type.house", "rot_x"])
    'trial_type.face'
    """
    known = list(names)
    if name in known:
        return name
    matches = [candidate for candidate in known if "." in candidate and _tail(candidate) == name]
    if len(matches) > 1:
        raise ValueError(f"{name!r} could be any of {', '.join(matches)}: write the full name.")
    if not matches:
        raise ValueError(f"there is no {name!r}.{did_you_mean(name, known)}")
    return matches[0]


def parse_orthogonalization(rule: str, names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Read one rule ``B ~ A1 + A2``: take out of B what A1 and A2 explain of it.

    Parameters
    ----------
    rule : str
        A name, a tilde, and one or more names joined by plus signs.
    names : sequence of str
        The names that exist, which may hold blanks and operators: at each place the longest
        one that fits is taken. Short forms as in `resolve_name`.

    Returns
    -------
    tuple of (str, tuple of str)
        The full names of what is orthogonalized and of what it is orthogonalized against.

    Raises
    ------
    ValueError
        If the rule has another form or names something that does not exist.

    Examples
    --------
    >>> parse_orthogonalization("B ~ A1 + A2", ["A1", "A2", "B"])
    ('B', ('A1', 'A2'))
    >>> parse_orthogonalization("go + stop ~ cue", ["trial_type.go + stop", "cue"])
    ('trial_type.go + stop', ('cue',))
    """
    target, separator, rest = _read_name(rule, names)
    if separator != "~":
        raise ValueError(_malformed(rule))
    against: list[str] = []
    separator = "+"
    while separator == "+":
        name, separator, rest = _read_name(rest, names)
        against.append(name)
    if separator:
        raise ValueError(_malformed(rule))
    return target, tuple(against)


def _read_name(text: str, names: Sequence[str]) -> tuple[str, str, str]:
    """Split text into the full name it starts with, the operator after it, and the rest."""
    text = text.strip()
    written = {*names, *(_tail(name) for name in names)}
    for candidate in sorted(written, key=len, reverse=True):
        rest = text[len(candidate) :].lstrip()
        if text.startswith(candidate) and (not rest or rest[0] in "~+"):
            return resolve_name(candidate, names), rest[:1], rest[1:]
    parts = re.split(r"([~+])", text, maxsplit=1)
    if not parts[0].strip():
        raise ValueError(f"a name is missing before {text!r}. Write 'B ~ A1 + A2'.")
    return resolve_name(parts[0].strip(), names), "".join(parts[1:2]), "".join(parts[2:])


def _tail(name: str) -> str:
    return name.partition(".")[2] or name


def _malformed(rule: str) -> str:
    return f"cannot read the orthogonalization {rule!r}. Write 'B ~ A' or 'B ~ A1 + A2'."
