"""Resolve names of regressors that may be shortened.

Names come from events files and may contain blanks, plus signs or tildes. BIDS Stats Models call
the regressor of trial type ``face`` ``trial_type.face``; rules and contrasts may shorten this to
``face``. If a name is unknown, the error lists the known ones.
"""

from collections.abc import Iterable

from boldglm.suggestions import list_known


def resolve_name(name: str, names: Iterable[str]) -> str:
    """Return the full name for a name that may be shortened.

    Parameters
    ----------
    name : str
        A full name, or the part of it after the first dot.
    names : iterable of str
        The full names.

    Returns
    -------
    str
        The element of `names` that equals `name`; otherwise the only one whose part after the
        first dot is `name`.

    Raises
    ------
    ValueError
        If no name matches, or a short name matches several.

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
        raise ValueError(f"{name!r} could be any of {', '.join(matches)}. Write the full name.")
    if not matches:
        raise ValueError(f"there is no {name!r}.{list_known(name, known)}")
    return matches[0]


def short_name(name: str) -> str:
    """Return the part of a name after its first dot: ``face`` for ``trial_type.face``."""
    return name.partition(".")[2] or name
