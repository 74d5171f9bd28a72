"""Which columns of a confounds table a word stands for: names in, names out.

fMRIPrep writes hundreds of columns of which no model should take all. The words here are those
of the field, as in nilearn's ``load_confounds``: each becomes names and patterns that a BIDS
Stats Model can list, so that a saved model says what was used without knowing the words.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from boldglm.glm.names import did_you_mean

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_WITH_DERIVATIVES = ("", "_derivative1")
_FULL = ("", "_derivative1", "_power2", "_derivative1_power2")

COSINES = "cosine*"
NON_STEADY_STATE = "non_steady_state_outlier*"
MOTION_OUTLIERS = "motion_outlier*"
# A run may be too short for cosines, and hopefully has no outlier: these may match nothing.
MAY_BE_EMPTY = (COSINES, NON_STEADY_STATE, MOTION_OUTLIERS)
DEFAULT_CONFOUNDS = (*MOTION, COSINES, NON_STEADY_STATE)


def _expanded(names: Sequence[str], suffixes: Sequence[str]) -> tuple[str, ...]:
    return tuple(name + suffix for name in names for suffix in suffixes)


STRATEGIES: dict[str, tuple[str, ...]] = {
    "motion6": MOTION,
    "motion12": _expanded(MOTION, _WITH_DERIVATIVES),
    "motion24": _expanded(MOTION, _FULL),
    "wm_csf": ("white_matter", "csf"),
    "wm_csf8": _expanded(("white_matter", "csf"), _FULL),
    "global_signal": ("global_signal",),
    "global_signal4": _expanded(("global_signal",), _FULL),
    "high_pass": (COSINES,),
    "scrub": (MOTION_OUTLIERS,),
    "non_steady_state": (NON_STEADY_STATE,),
    "aroma": ("aroma_motion_*",),
}
COMPCOR_STRATEGIES = ("compcor", "compcor_separated", "compcor_temporal")
_COMPCOR = re.compile(r"(compcor|compcor_separated|compcor_temporal)(?::(\d+))?")
_COMPCOR_COLUMN = re.compile(r"[actw]_comp_cor_")

# What the columns were called before fMRIPrep 1.2; numbers follow most of them.
_OLD_NAMES = {
    "X": "trans_x",
    "Y": "trans_y",
    "Z": "trans_z",
    "RotX": "rot_x",
    "RotY": "rot_y",
    "RotZ": "rot_z",
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "FramewiseDisplacement": "framewise_displacement",
    "stdDVARS": "std_dvars",
    "non-stdDVARS": "dvars",
}
_OLD_SERIES = {
    "aCompCor": "a_comp_cor_",
    "tCompCor": "t_comp_cor_",
    "Cosine": "cosine",
    "NonSteadyStateOutlier": "non_steady_state_outlier",
    "AROMAAggrComp": "aroma_motion_",
}

_KINDS = (
    ("motion", ("trans_*", "rot_*")),
    ("tissue signals", ("white_matter*", "csf*")),
    ("global signal", ("global_signal*",)),
    ("CompCor", ("[actw]_comp_cor_*",)),
    ("high-pass cosines", (COSINES,)),
    ("ICA-AROMA", ("aroma_*",)),
)


def modern_name(name: str) -> str:
    """Return what today's fMRIPrep calls a column.

    Parameters
    ----------
    name : str
        A column of a confounds table of any version.

    Returns
    -------
    str
        `name` itself where it is not an old one.

    Examples
    --------
    >>> modern_name("RotX"), modern_name("aCompCor05"), modern_name("rot_x")
    ('rot_x', 'a_comp_cor_05', 'rot_x')
    """
    series = re.fullmatch(r"([A-Za-z]+?)(\d+)", name)
    if series and series[1] in _OLD_SERIES:
        return _OLD_SERIES[series[1]] + series[2]
    return _OLD_NAMES.get(name, name)


def confound_kind(name: str) -> str:
    """Return what kind of confound a column is, for tables that people read.

    Examples
    --------
    >>> confound_kind("rot_x_power2"), confound_kind("c_comp_cor_01"), confound_kind("pulse")
    ('motion', 'CompCor', 'other')
    """
    for kind, patterns in _KINDS:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return kind
    return "other"


def is_pattern(name: str) -> bool:
    """Say whether a name has wildcards.

    Examples
    --------
    >>> is_pattern("cosine*"), is_pattern("rot_x")
    (True, False)
    """
    return any(mark in name for mark in "*?[")


def has_cosines(patterns: Sequence[str]) -> bool:
    """Say whether names or patterns bring the cosines of a high-pass filter."""
    return any(name.startswith("cosine") for name in patterns)


def expand_strategies(
    words: Sequence[str], columns: Sequence[str], masks: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Turn the words of ``--confounds`` into the names and patterns that a model lists.

    Parameters
    ----------
    words : sequence of str
        Strategies (`STRATEGIES`; ``compcor``, ``compcor_separated`` and ``compcor_temporal``,
        each with ``:n`` for the first n components of each mask), names and patterns.
    columns : sequence of str
        Columns of the table.
    masks : mapping of str to str, optional
        For CompCor columns the mask that they are from, ``combined``, ``CSF`` or ``WM``, as
        the JSON beside the table says.

    Returns
    -------
    tuple of str
        Each once, in the order of the words. CompCor brings ``cosine*``: fMRIPrep computes the
        components after a high-pass filter, and without its cosines they would put drift back.

    Raises
    ------
    ValueError
        If a word is neither a strategy nor a column, with the nearest candidate.

    Notes
    -----
    Each component of ``compcor`` explains part of the variance in the white matter and CSF
    together, those of ``compcor_separated`` of one of the two [1]_; fMRIPrep writes as many as
    explain half of it.

    References
    ----------
    .. [1] Behzadi Y et al. (2007). A component based noise correction method (CompCor) for
       BOLD and perfusion based fMRI. NeuroImage 37:90-101. doi:10.1016/j.neuroimage.2007.04.042

    Examples
    --------
    >>> columns = ["rot_x", "csf", "white_matter", "a_comp_cor_00", "w_comp_cor_00", "cosine00"]
    >>> expand_strategies(["wm_csf", "rot_*"], columns)
    ('white_matter', 'csf', 'rot_*')
    >>> expand_strategies(["compcor:1"], columns)
    ('a_comp_cor_00', 'cosine*')
    """
    found: list[str] = []
    for word in words:
        compcor = _COMPCOR.fullmatch(word)
        if compcor:
            wanted = int(compcor[2]) if compcor[2] else None
            found += _compcor(word, compcor[1], wanted, columns, masks or {})
        elif word in STRATEGIES:
            found += STRATEGIES[word]
        else:
            found.append(_known(word, columns))
    if any(_COMPCOR_COLUMN.match(name) for name in found) and not has_cosines(found):
        found.append(COSINES)
    return tuple(dict.fromkeys(found))


def match_columns(patterns: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that names and patterns select, each once.

    Parameters
    ----------
    patterns : sequence of str
        Names, and patterns with ``*``, ``?`` and ``[]`` as in a shell.
    columns : sequence of str
        Columns of the table.

    Returns
    -------
    tuple of str
        In the order of the patterns, and within a pattern in that of the table; a pattern may
        match nothing.

    Raises
    ------
    ValueError
        If a name without wildcards is not a column.

    Examples
    --------
    >>> match_columns(["rot_x", "cosine*", "rot_*"], ["rot_x", "rot_y", "cosine00", "cosine01"])
    ('rot_x', 'cosine00', 'cosine01', 'rot_y')
    """
    found: list[str] = []
    for pattern in patterns:
        if is_pattern(pattern):
            found += [name for name in columns if fnmatchcase(name, pattern)]
        else:
            found.append(_known(pattern, columns, strategies=False))
    return tuple(dict.fromkeys(found))


def _known(word: str, columns: Sequence[str], *, strategies: bool = True) -> str:
    """Return the column or pattern that a word is, or say what it might be."""
    name = modern_name(word)
    if is_pattern(name) or name in columns:
        return name
    offered = [*STRATEGIES, *COMPCOR_STRATEGIES] if strategies else []
    listed = [*offered, *columns[: 40 - len(offered)]]
    hint = did_you_mean(word, [*offered, *columns]).rpartition(" Did you mean")
    meant = hint[1] + hint[2] if hint[1] else ""
    more = f" and {len(columns) + len(offered) - len(listed)} more"
    known = ", ".join(listed) + (more if len(listed) < len(columns) + len(offered) else "")
    kind = "strategy or column" if strategies else "column"
    raise ValueError(f"there is no {kind} {word!r}.{meant} There are: {known}.")


def _compcor(
    word: str, kind: str, wanted: int | None, columns: Sequence[str], masks: Mapping[str, str]
) -> list[str]:
    """Return the components of one CompCor strategy, as a pattern where one says the same."""
    if wanted == 0:
        raise ValueError(f"{word!r} asks for no component: leave it out, or ask for 1 or more.")
    found: list[str] = []
    for label, own in _components(kind, columns, masks).items():
        if len(own) < (wanted or 1):
            raise ValueError(
                f"{word!r} needs {wanted or 'some'} CompCor components of the {label} mask, and "
                f"the table has {len(own)}."
            )
        pattern = f"{own[0][:10]}_*"
        whole = wanted is None and match_columns([pattern], columns) == tuple(own)
        found += [pattern] if whole else own[:wanted]
    return found


def _components(
    kind: str, columns: Sequence[str], masks: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the CompCor columns of each mask that a strategy draws on."""

    def named(letter: str) -> list[str]:
        return [name for name in columns if name.startswith(f"{letter}_comp_cor_")]

    if kind == "compcor_temporal":
        return {"temporal": named("t")}
    if named("c") or named("w"):  # since fMRIPrep 21 the letter says which mask
        by_mask = {"combined": named("a"), "CSF": named("c"), "WM": named("w")}
    else:
        unknown = [name for name in named("a") if name not in masks]
        if unknown:
            raise ValueError(
                f"the mask of {unknown[0]} is not known: the JSON beside the confounds table "
                "says it in tables of this age. Put it there, or name the columns."
            )
        by_mask = {
            mask: [name for name in named("a") if masks[name] == mask]
            for mask in ("combined", "CSF", "WM")
        }
    wanted = ("combined",) if kind == "compcor" else ("CSF", "WM")
    return {mask: by_mask[mask] for mask in wanted}
