"""Confound strategies, and the columns of a confounds table that they select.

fMRIPrep writes hundreds of columns, of which a model should use a few. Strategies have the usual
names, as in nilearn's ``load_confounds``. Each becomes names and patterns of columns that a BIDS
Stats Model can list, so that a saved model can be understood without the strategies.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from boldglm.suggestions import list_known

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_WITH_DERIVATIVES = ("", "_derivative1")
_FULL = ("", "_derivative1", "_power2", "_derivative1_power2")

COSINES = "cosine*"
NON_STEADY_STATE = "non_steady_state_outlier*"
MOTION_OUTLIERS = "motion_outlier*"
# A run may have no outliers, or be too short for cosines, so these patterns may match nothing.
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
    "aroma_orthogonal": ("aroma_orth_motion_*",),
}
COMPCOR_STRATEGIES = ("compcor", "compcor_separated", "compcor_temporal")
# Names in nilearn.
_SYNONYMS = {
    "anat_combined": "compcor",
    "anat_separated": "compcor_separated",
    "temporal": "compcor_temporal",
}
_COMPCOR = re.compile(rf"({'|'.join([*COMPCOR_STRATEGIES, *_SYNONYMS])})(?::(?:all|(\d+)(%?)))?")
_COMPCOR_COLUMN = re.compile(r"[actw]_comp_cor_")
_DENOISED = re.compile(r"aggr|aroma", re.IGNORECASE)
_AROMA_VARIANT = re.compile(r"ica_aroma|(?:(?:ica_)?aroma_)?(?:non)?aggr\w*")
_BEFORE_THE_FIT = (
    "{!r} is not a set of columns: 'aroma' takes the noise components as regressors, which is the "
    "aggressive variant; the non-aggressive one happens before a fit. For it, fit the series that "
    "fMRIPost-AROMA denoised: --bids-filter-file with "
    '{{"bold": {{"desc": "nonaggrDenoised"}}}}.'
)

# Names of columns before fMRIPrep 1.2, and beginnings of numbered names.
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
    """Return the present fMRIPrep name of a column.

    Parameters
    ----------
    name : str
        A column of a confounds table of any version.

    Returns
    -------
    str
        `name` itself unless it is an old name.

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
    """Return the category of a confound, for reports.

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
    """Tell whether a name has wildcards.

    Examples
    --------
    >>> is_pattern("cosine*"), is_pattern("rot_x")
    (True, False)
    """
    return any(mark in name for mark in "*?[")


def has_cosines(patterns: Sequence[str]) -> bool:
    """Tell whether names or patterns include the cosines of a high-pass filter."""
    return any(name.startswith("cosine") for name in patterns)


def is_denoised_by_aroma(kind: str) -> bool:
    """Tell from its ``desc`` label whether a BOLD series was denoised by ICA-AROMA.

    Examples
    --------
    >>> is_denoised_by_aroma("nonaggrDenoised"), is_denoised_by_aroma("smoothAROMAnonaggr")
    (True, True)
    >>> is_denoised_by_aroma("preproc")
    False
    """
    return _DENOISED.search(kind) is not None


def lacks_cosines(names: Sequence[str]) -> bool:
    """Tell whether CompCor components lack the cosines of their high-pass filter.

    Examples
    --------
    >>> lacks_cosines(["a_comp_cor_00"]), lacks_cosines(["a_comp_cor_00", "cosine00"])
    (True, False)
    """
    return any(map(_COMPCOR_COLUMN.match, names)) and not has_cosines(names)


def expand_strategies(
    words: Sequence[str],
    columns: Sequence[str],
    masks: Mapping[str, str] | None = None,
    explained: Mapping[str, float] | None = None,
) -> tuple[str, ...]:
    """Turn the words of ``--confounds`` into names and patterns of columns for a model.

    Parameters
    ----------
    words : sequence of str
        Strategies (`STRATEGIES`; ``compcor``, ``compcor_separated`` and ``compcor_temporal``,
        each with ``:n`` for the first n components of each mask, ``:50%`` for as many as
        explain that much of its variance, or ``:all``), names and patterns. nilearn's words
        ``anat_combined``, ``anat_separated`` and ``temporal`` mean the same.
    columns : sequence of str
        Columns of the table.
    masks : mapping of str to str, optional
        For CompCor columns their mask, ``combined``, ``CSF`` or ``WM``, as
        the JSON beside the table says.
    explained : mapping of str to float, optional
        For CompCor columns the share of variance (0 to 1) that they and those before them
        explain, as the JSON says.

    Returns
    -------
    tuple of str
        Each once, in the order of the words. CompCor brings ``cosine*``: fMRIPrep computes the
        components after a high-pass filter, and without its cosines they would put drift back.

    Raises
    ------
    ValueError
        If a word is neither a strategy nor a column, with the nearest candidate.

    See Also
    --------
    match_columns : Choose the columns that these patterns match.

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
    selected: list[str] = []
    for word in words:
        compcor = _COMPCOR.fullmatch(word)
        if compcor:
            kind = _SYNONYMS.get(compcor[1], compcor[1])
            for label, components in _components(kind, columns, masks or {}).items():
                count = _how_many(compcor, label, components, explained or {})
                selected += _first(word, label, components, count, columns)
        elif word in STRATEGIES:
            selected += STRATEGIES[word]
        else:
            selected.append(_known(word, columns))
    if lacks_cosines(_matching(selected, columns)):
        selected.append(COSINES)
    return tuple(dict.fromkeys(selected))


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

    See Also
    --------
    expand_strategies : Turn names of strategies into patterns.
    prepare_confounds : Prepare the chosen columns.

    Examples
    --------
    >>> match_columns(["rot_x", "cosine*", "rot_*"], ["rot_x", "rot_y", "cosine00", "cosine01"])
    ('rot_x', 'cosine00', 'cosine01', 'rot_y')
    """
    selected: list[str] = []
    for pattern in patterns:
        if is_pattern(pattern):
            selected += [name for name in columns if fnmatchcase(name, pattern)]
        else:
            selected.append(_known(pattern, columns, strategies=False))
    return tuple(dict.fromkeys(selected))


def _known(word: str, columns: Sequence[str], *, strategies: bool = True) -> str:
    """Return the column or pattern that a word is, or say what it might be."""
    name = modern_name(word)
    if strategies and name not in columns and _AROMA_VARIANT.fullmatch(name):
        raise ValueError(_BEFORE_THE_FIT.format(word))
    if is_pattern(name) or name in columns:
        return name
    offered = [*STRATEGIES, *COMPCOR_STRATEGIES] if strategies else []
    listed = [*offered, *columns[: 40 - len(offered)]]
    hint = list_known(word, [*offered, *columns]).rpartition(" Did you mean")
    meant = hint[1] + hint[2] if hint[1] else ""
    more = f" and {len(columns) + len(offered) - len(listed)} more"
    known = ", ".join(listed) + (more if len(listed) < len(columns) + len(offered) else "")
    kind = "strategy or column" if strategies else "column"
    raise ValueError(f"there is no {kind} {word!r}.{meant} There are: {known}.")


def _matching(patterns: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return names as they are, and the columns that patterns match."""
    selected: list[str] = []
    for pattern in patterns:
        selected += (
            [c for c in columns if fnmatchcase(c, pattern)] if is_pattern(pattern) else [pattern]
        )
    return selected


def _how_many(
    word_match: re.Match[str],
    label: str,
    components: Sequence[str],
    explained: Mapping[str, float],
) -> int | None:
    """Return how many components of a mask a word asks for; None for all."""
    word, number = word_match[0], word_match[2]
    if number is None:
        return None
    if int(number) == 0:
        raise ValueError(f"{word!r} asks for no component. Ask for 1 or more, or remove the word.")
    if not word_match[3]:
        return int(number)
    unknown = [name for name in components if name not in explained]
    if unknown:
        raise ValueError(
            f"{word!r} needs the variance that components explain, but the JSON file of the table "
            f"has no CumulativeVarianceExplained for {unknown[0]}. Ask for a number of "
            "components, such as compcor:5."
        )
    share = int(number) / 100
    enough = [place for place, name in enumerate(components, start=1) if explained[name] >= share]
    if components and not enough:
        raise ValueError(
            f"{word!r}: the {len(components)} components of the {label} mask explain "
            f"{explained[components[-1]]:.1%}. Ask for less, or run fMRIPrep with "
            "--return-all-components, without which it writes those that explain half."
        )
    return enough[0] if enough else 1


def _first(
    word: str, label: str, components: Sequence[str], count: int | None, columns: Sequence[str]
) -> list[str]:
    """Return the first components of a mask, as one pattern if they are all."""
    if len(components) < (count or 1):
        raise ValueError(
            f"{word!r} needs {count or 'some'} CompCor components of the {label} mask, but "
            f"the table has {len(components)}. Ask for fewer."
        )
    pattern = f"{components[0][:10]}_*"
    every = count is None or (word.endswith("%") and count == len(components))
    whole = every and match_columns([pattern], columns) == tuple(components)
    return [pattern] if whole else list(components[:count])


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
    count = ("combined",) if kind == "compcor" else ("CSF", "WM")
    return {mask: by_mask[mask] for mask in count}
