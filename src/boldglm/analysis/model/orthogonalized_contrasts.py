"""Warnings of contrasts that mean something else because regressors were orthogonalized."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from boldglm.glm.design.contrast_meaning import SharedVariance, orthogonalized_parts
from boldglm.glm.design.names import short_name
from boldglm.notices import Notice, exclusion, warning

REFERENCE = "Mumford et al. 2015, https://doi.org/10.1371/journal.pone.0126255"


def meaning_warning(
    name: str, weights: np.ndarray, names: Sequence[str], shared: SharedVariance
) -> Notice | None:
    """Warn of a contrast that no longer tests what its weights say.

    Parameters
    ----------
    name : str
        Name of the contrast.
    weights : ndarray of shape (n_regressors,) or (q, n_regressors)
        Its weights, of one dimension for t and of two for F.
    names : sequence of str
        Names of the regressors.
    shared : SharedVariance
        `Design.shared` of the design.

    Returns
    -------
    Notice or None
        A warning with the contrast and the regressors; None if it keeps its meaning.

    Notes
    -----
    The rule is that of `boldglm.glm.design.contrast_meaning`.

    Examples
    --------
    >>> notice = meaning_warning("A", np.array([1.0, 0.0]), ["A", "B"], (("B", {"A": 0.8}),))
    >>> notice.text.partition(", so")[0]
    "contrast 'A': B was orthogonalized against A"
    """
    parts = orthogonalized_parts(weights, names, shared)
    if not parts:
        return None
    reason, result = _words(weights, names, parts)
    return warning(
        f"contrast {name!r}: {reason}, and the contrast does not {result} ({REFERENCE}). To "
        f"{result}, fit without the orthogonalization"
    )


def _words(
    weights: np.ndarray, names: Sequence[str], parts: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[str, str]:
    """Say what was orthogonalized and to what effect, and what a contrast no longer does."""
    columns: dict[tuple[str, ...], list[str]] = {}
    for column, explaining in parts:
        columns.setdefault(explaining, []).append(column)
    rules = [
        f"{_listed(targets)} {'was' if len(targets) == 1 else 'were'} orthogonalized against "
        f"{_listed(explaining)}"
        for explaining, targets in columns.items()
    ]
    receiving = list(dict.fromkeys(name for _, explaining in parts for name in explaining))
    giving = [column for column, _ in parts]
    rows = np.atleast_2d(weights)
    used = [name for name, column in zip(names, rows.T, strict=True) if column.any()]
    verb, alone = "test" if np.ndim(weights) == 2 else "measure", " alone"
    if np.ndim(weights) == 1 and (rows > 0).any() and (rows < 0).any():
        verb, alone = "compare", ""
    noun = "response" if len(used) == 1 else "responses"
    reason = (
        f"{' and '.join(rules)}, so the estimate of {_listed(receiving)} contains the variance "
        f"shared with {_listed(giving)}"
    )
    return reason, f"{verb} the {noun} to {_listed(used)}{alone}"


def unmixed_contrasts(
    contrasts: Sequence[dict[str, Any]],
    columns: Mapping[str, Sequence[str]],
    rules: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], list[Notice]]:
    """Exclude contrasts between orthogonalized regressors and those they are orthogonalized to.

    Parameters
    ----------
    contrasts : sequence of dict
        Default contrasts, as in a model file.
    columns : mapping of str to sequence of str
        Columns of each condition.
    rules : sequence of mapping
        Rules with the keys Regressor and Against.

    Returns
    -------
    contrasts : list of dict
        Those without both kinds of regressor, and those that keep their meaning.
    notices : list of Notice
        An exclusion for each of the others.
    """
    names = list(dict.fromkeys(column for each in columns.values() for column in each))
    shared = tuple(
        (column, {each: np.nan for name in rule["Against"] for each in columns.get(name, [name])})
        for rule in rules
        for column in columns.get(rule["Regressor"], [rule["Regressor"]])
    )
    kept, notices = [], []
    for contrast in contrasts:
        weights = np.zeros((*np.shape(contrast["Weights"])[:-1], len(names)))
        used = [names.index(name) for name in contrast["ConditionList"]]
        weights[..., used] = contrast["Weights"]
        parts = orthogonalized_parts(weights, names, shared)
        if any(column in contrast["ConditionList"] for column, _ in parts):
            reason, result = _words(weights, names, parts)
            notices.append(
                exclusion(
                    f"default contrast {contrast['Name']!r}: {reason}, and the contrast would not "
                    f"{result} ({REFERENCE}). To test it anyway, pass --contrast"
                )
            )
        else:
            kept.append(contrast)
    return kept, notices


def _listed(names: Sequence[str]) -> str:
    short = [short_name(name) for name in names]
    return " and ".join(filter(None, [", ".join(short[:-1]), short[-1]]))
