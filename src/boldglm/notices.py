"""What a user must know about an analysis: exclusions, warnings and notes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

EXCLUSION, WARNING, NOTE = "exclusion", "warning", "note"
# As sidecars and records name them, in the order in which they are shown.
HEADINGS = {EXCLUSION: "Exclusions", WARNING: "Warnings", NOTE: "Notes"}


class Notice(NamedTuple):
    """One sentence about an analysis.

    Parameters
    ----------
    kind : {"exclusion", "warning", "note"}
        An exclusion names what was not analyzed and why; a warning, what was analyzed but needs
        a look; a note, a choice that was made for the user.
    text : str
        The sentence, without a full stop.

    Examples
    --------
    >>> str(Notice("warning", "sub-01: 40 % of the volumes are censored"))
    'sub-01: 40 % of the volumes are censored'
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text

    def about(self, subject: str) -> "Notice":
        """Return the same notice with what it is about in front."""
        return Notice(self.kind, f"{subject}: {self.text}")


def exclusion(text: str) -> Notice:
    """Return a notice of something that was not analyzed."""
    return Notice(EXCLUSION, text)


def warning(text: str) -> Notice:
    """Return a notice of something that was analyzed but needs a look."""
    return Notice(WARNING, text)


def note(text: str) -> Notice:
    """Return a notice of a choice that was made for the user."""
    return Notice(NOTE, text)


def about_subject(notices: Iterable[Notice], subject: str) -> list[Notice]:
    """Return the notices that name a participant, and those that name none.

    Examples
    --------
    >>> every = [note("sub-01_run-2: short"), note("sub-02 has no age"), note("no drift")]
    >>> [notice.text for notice in about_subject(every, "02")]
    ['sub-02 has no age', 'no drift']
    """
    named = [(notice, re.findall(r"\bsub-([a-zA-Z0-9]+)", notice.text)) for notice in notices]
    return [notice for notice, labels in named if not labels or subject in labels]


def together(pairs: Iterable[tuple[str, Notice]]) -> dict[Notice, list[str]]:
    """Gather equal notices, each with the names of what has it, so that it is said once.

    Examples
    --------
    >>> together([("run 1", note("short")), ("run 2", note("short")), ("run 1", note("short"))])
    {Notice(kind='note', text='short'): ['run 1', 'run 2']}
    """
    names: dict[Notice, dict[str, None]] = {}
    for name, notice in pairs:
        names.setdefault(notice, {})[name] = None
    return {notice: list(each) for notice, each in names.items()}


def by_kind(notices: Iterable[Notice]) -> dict[str, list[str]]:
    """Sort notices under their headings, as sidecars and records hold them.

    Examples
    --------
    >>> by_kind([warning("a"), exclusion("b")])
    {'Exclusions': ['b'], 'Warnings': ['a'], 'Notes': []}
    """
    sorted_texts: dict[str, list[str]] = {heading: [] for heading in HEADINGS.values()}
    for notice in notices:
        sorted_texts[HEADINGS[notice.kind]].append(notice.text)
    return sorted_texts


def from_kinds(content: Mapping[str, Any]) -> tuple[Notice, ...]:
    """Read what `by_kind` returned.

    Examples
    --------
    >>> from_kinds({"Exclusions": ["b"], "Warnings": [], "Notes": []})
    (Notice(kind='exclusion', text='b'),)
    """
    return tuple(
        Notice(kind, text) for kind, heading in HEADINGS.items() for text in content[heading]
    )


def from_pairs(pairs: Iterable[Sequence[str]]) -> tuple[Notice, ...]:
    """Read notices from pairs of kind and text, which is what JSON makes of them."""
    return tuple(Notice(kind, text) for kind, text in pairs)
