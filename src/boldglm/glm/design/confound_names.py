"""Confound strategies: from the name of a strategy to columns of a confounds table.

fMRIPrep writes hundreds of columns, of which a model should use a few. Strategies have the names
of the field, as in nilearn's ``load_confounds``. Each becomes names and patterns that a BIDS Stats
Model can list, so that a saved model shows which columns were used.
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
# patterns that may match no column: short runs have no cosines, good ones no outliers
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
# names in nilearn
_SYNONYMS = {
    "anat_combined": "compcor",
    "anat_separated": "compcor_separated",
    "temporal": "compcor_temporal",
}
_COMPCOR = re.compile(rf"({'|'.join([*COMPCOR_STRATEGIES, *_SYNONYMS])})(?::(?:all|(\d+)(%?)))?")
_MASKS = {"compcor": ("combined",), "compcor_separated": ("CSF", "WM")}
_COMPCOR_COLUMN = re.compile(r"[actw]_comp_cor_")
_DENOISED = re.compile(r"aggr|aroma", re.IGNORECASE)
_AROMA_VARIANT = re.compile(r"ica_aroma|(?:(?:ica_)?aroma_)?(?:non)?aggr\w*")
_BEFORE_THE_FIT = (
    "{!r} does not name confounds. 'aroma' uses the noise components as regressors, which is the "
    "aggressive variant. The non-aggressive variant is applied before the fit: to fit the series "
    "that fMRIPost-AROMA denoised, use --bids-filter-file with "
    '{{"bold": {{"desc": "nonaggrDenoised"}}}}.'
)

# names of columns before fMRIPrep 1.2; those of series are followed by a number
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

_CATEGORIES = (
    ("motion", ("trans_*", "rot_*")),
    ("tissue signals", ("white_matter*", "csf*")),
    ("global signal", ("global_signal*",)),
    ("CompCor", ("[actw]_comp_cor_*",)),
    ("high-pass cosines", (COSINES,)),
    ("ICA-AROMA", ("aroma_*",)),
)


def modern_name(name: str) -> str:
    """Return the name that current versions of fMRIPrep give a column.

    Parameters
    ----------
    name : str
        A column of a confounds table of any version.

    Returns
    -------
    str
        The present name; `name` itself if it is not an old one.

    Examples
    --------
    >>> modern_name("RotX"), modern_name("aCompCor05"), modern_name("rot_x")
    ('rot_x', 'a_comp_cor_05', 'rot_x')
    """
    series = re.fullmatch(r"([A-Za-z]+?)(\d+)", name)
    if series and series[1] in _OLD_SERIES:
        return _OLD_SERIES[series[1]] + series[2]
    return _OLD_NAMES.get(name, name)


def confound_category(name: str) -> str:
    """Return the category of a confound, for tables in reports.

    Examples
    --------
    >>> [confound_category(name) for name in ("rot_x_power2", "c_comp_cor_01", "pulse")]
    ['motion', 'CompCor', 'other']
    """
    for category, patterns in _CATEGORIES:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return category
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
    """Tell whether names or patterns include the cosines of the high-pass filter."""
    return any(name.startswith("cosine") for name in patterns)


def is_denoised_by_aroma(desc: str) -> bool:
    """Tell from the ``desc`` entity of BOLD series whether ICA-AROMA was applied to them.

    Examples
    --------
    >>> is_denoised_by_aroma("nonaggrDenoised"), is_denoised_by_aroma("smoothAROMAnonaggr")
    (True, True)
    >>> is_denoised_by_aroma("preproc")
    False
    """
    return _DENOISED.search(desc) is not None


def lacks_cosines(names: Sequence[str]) -> bool:
    """Tell whether there are CompCor components without the cosines of their high-pass filter.

    Examples
    --------
    >>> lacks_cosines(["a_comp_cor_00"]), lacks_cosines(["a_comp_cor_00", "cosine00"])
    (True, False)
    """
    return any(map(_COMPCOR_COLUMN.match, names)) and not has_cosines(names)


def expand_strategies(
    strategies: Sequence[str],
    columns: Sequence[str],
    masks: Mapping[str, str] | None = None,
    explained: Mapping[str, float] | None = None,
) -> tuple[str, ...]:
    """Return the names and patterns of columns that confound strategies stand for.

    Parameters
    ----------
    strategies : sequence of str
        Keys of `STRATEGIES`, names of columns, patterns, and ``compcor``,
        ``compcor_separated`` and ``compcor_temporal``, each of which may be followed by ``:n``
        for the first n components of each mask, ``:50%`` for as many as explain that much of
        the variance in the mask, or ``:all``. The names in nilearn, ``anat_combined``,
        ``anat_separated`` and ``temporal``, mean the same.
    columns : sequence of str
        Columns of the table.
    masks : mapping of str to str, optional
        Mask of each CompCor column, ``combined``, ``CSF`` or ``WM``, from the sidecar of the
        table.
    explained : mapping of str to float, optional
        Share of variance (0 to 1) that each CompCor column and those before it explain, from
        the sidecar of the table.

    Returns
    -------
    tuple of str
        Names and patterns without repetition, in the order of the strategies. CompCor adds
        ``cosine*``, because fMRIPrep computes the components after a high-pass filter: without
        its cosines they would bring drift back.

    Raises
    ------
    ValueError
        If a word is neither a strategy nor a column, or CompCor components are missing.

    See Also
    --------
    match_columns : Return the columns that these patterns match.

    Notes
    -----
    Components of ``compcor`` explain variance in white matter and CSF together, those of
    ``compcor_separated`` in one of the two [1]_. fMRIPrep writes as many as explain half of it.

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
    patterns: list[str] = []
    for strategy in strategies:
        compcor = _COMPCOR.fullmatch(strategy)
        if compcor:
            variant = _SYNONYMS.get(compcor[1], compcor[1])
            for mask, components in _components(variant, columns, masks or {}).items():
                number = _n_components(compcor, mask, components, explained or {})
                patterns += _first_components(strategy, mask, components, number, columns)
        elif strategy in STRATEGIES:
            patterns += STRATEGIES[strategy]
        else:
            patterns.append(_checked_column(strategy, columns))
    if lacks_cosines(_matching(patterns, columns)):
        patterns.append(COSINES)
    return tuple(dict.fromkeys(patterns))


def match_columns(patterns: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that match names and patterns, without repetition.

    Parameters
    ----------
    patterns : sequence of str
        Names, and patterns with the shell's wildcards ``*``, ``?`` and ``[]``. What is a
        column is a name, whatever its characters.
    columns : sequence of str
        Columns of the table.

    Returns
    -------
    tuple of str
        Columns in the order of the patterns, and for each pattern in the order of the table. A
        pattern may match nothing.

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
    matches: list[str] = []
    for pattern in patterns:
        if pattern in columns:
            matches.append(pattern)
        elif is_pattern(pattern):
            matches += [name for name in columns if fnmatchcase(name, pattern)]
        else:
            matches.append(_checked_column(pattern, columns, strategies=False))
    return tuple(dict.fromkeys(matches))


def _checked_column(word: str, columns: Sequence[str], *, strategies: bool = True) -> str:
    """Return the present name of a column or pattern, or raise ValueError with candidates."""
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
    noun = "strategy or column" if strategies else "column"
    raise ValueError(f"there is no {noun} {word!r}.{meant} Known: {known}.")


def _matching(patterns: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return names as they are, and the columns that patterns match."""
    matches: list[str] = []
    for pattern in patterns:
        if is_pattern(pattern):
            matches += [column for column in columns if fnmatchcase(column, pattern)]
        else:
            matches.append(pattern)
    return matches


def _n_components(
    strategy: re.Match[str], mask: str, components: Sequence[str], explained: Mapping[str, float]
) -> int | None:
    """Return how many components of a mask a CompCor strategy takes; None for all."""
    text, number, percent = strategy[0], strategy[2], strategy[3]
    if number is None:
        return None
    if int(number) == 0:
        raise ValueError(f"{text!r} takes no component. Ask for at least 1, or leave it out.")
    if not percent:
        return int(number)
    unknown = [name for name in components if name not in explained]
    if unknown:
        raise ValueError(
            f"{text!r} needs the variance that components explain, but the sidecar of the table "
            f"has no CumulativeVarianceExplained for {unknown[0]}. Ask for a number of components "
            "instead, such as compcor:5."
        )
    share = int(number) / 100
    enough = [k for k, name in enumerate(components, start=1) if explained[name] >= share]
    if components and not enough:
        raise ValueError(
            f"{text!r}: the {len(components)} components of the {mask} mask explain only "
            f"{explained[components[-1]]:.1%}. Ask for less, or run fMRIPrep with "
            "--return-all-components."
        )
    return enough[0] if enough else 1


def _first_components(
    text: str, mask: str, components: Sequence[str], number: int | None, columns: Sequence[str]
) -> list[str]:
    """Return the first components of a mask, as a pattern if it matches exactly these."""
    if len(components) < (number or 1):
        raise ValueError(
            f"{text!r} needs {number or 'some'} CompCor components of the {mask} mask, but the "
            f"table has {len(components)}. Ask for fewer."
        )
    pattern = f"{components[0][:10]}_*"
    every = number is None or (text.endswith("%") and number == len(components))
    if every and match_columns([pattern], columns) == tuple(components):
        return [pattern]
    return list(components[:number])


def _components(
    strategy: str, columns: Sequence[str], masks: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the CompCor columns of each mask that a strategy uses."""

    def with_letter(letter: str) -> list[str]:
        return [name for name in columns if name.startswith(f"{letter}_comp_cor_")]

    if strategy == "compcor_temporal":
        return {"temporal": with_letter("t")}
    # since fMRIPrep 21 the first letter tells the mask
    if with_letter("c") or with_letter("w"):
        by_mask = {
            "combined": with_letter("a"),
            "CSF": with_letter("c"),
            "WM": with_letter("w"),
        }
    else:
        unknown = [name for name in with_letter("a") if name not in masks]
        if unknown:
            raise ValueError(
                f"the mask of {unknown[0]} is unknown: the sidecar of the confounds table has no "
                "Mask for it. Add the sidecar, or name the columns."
            )
        by_mask = {
            mask: [name for name in with_letter("a") if masks[name] == mask]
            for mask in ("combined", "CSF", "WM")
        }
    return {mask: by_mask[mask] for mask in _MASKS[strategy]}
