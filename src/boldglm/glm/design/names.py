"""Find the design column that a person meant.

Column names come from event files and may hold blanks, plus signs or tildes, and BIDS
Stats Models call the column of trial type ``face`` ``trial_type.face``. Rules and contrasts
are written by hand, so a name is looked up in one place, and a miss names what is there.
"""

from collections.abc import Iterable

from boldglm.suggestions import list_known


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

    See Also
    --------
    parse_contrast : Resolves names in contrasts.
    parse_orthogonalization : Resolves names in rules.

    Examples
    --------
    >>> resolve_name("face", ["trial_type.face", "trial_type.house", "rot_x"])
    'trial_type.face'
    """
    known = list(names)
    if name in known:
        return name
    matches = [
        candidate for candidate in known if "." in candidate and short_name(candidate) == name
    ]
    if len(matches) > 1:
        raise ValueError(f"{name!r} could be any of {', '.join(matches)}: write the full name.")
    if not matches:
        raise ValueError(f"there is no {name!r}.{list_known(name, known)}")
    return matches[0]


def short_name(name: str) -> str:
    """Return what follows the first dot of a name: ``face`` for ``trial_type.face``."""
    return name.partition(".")[2] or name
