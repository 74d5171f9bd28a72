"""Contrasts of a run node, and their weights in runs that lack a condition."""

from collections.abc import Sequence

import numpy as np

from boldglm.errors import BadDataError
from boldglm.notices import Notice, warning
from boldglm.stats_model.specification import ContrastSpec, NodeSpec
from boldglm.suggestions import did_you_mean

INTERCEPT = "intercept"
CONSTANT = "constant"  # name of the constant in the designs of runs


def run_contrasts(
    node: NodeSpec,
    task_columns: Sequence[str],
    other_columns: Sequence[str],
    known: Sequence[str] = (),
) -> tuple[ContrastSpec, ...]:
    """Return the contrasts and dummy contrasts of a run node.

    Dummy contrasts without a list stand for the columns that come from events, in the order of X,
    and not for confounds.

    Parameters
    ----------
    node : NodeSpec
    task_columns : sequence of str
        Columns of any run that come from events and transformations.
    other_columns : sequence of str
        All other columns of any run.
    known : sequence of str
        Conditions of X that no selected run has, but other runs of the dataset do.

    Returns
    -------
    tuple of ContrastSpec

    Raises
    ------
    BadDataError
        If a contrast names a column that does not exist.
    """
    columns = [*task_columns, *other_columns, *known]
    specs: list[tuple[str, ContrastSpec]] = [
        (f"{node.path}.Contrasts[{index}].ConditionList", spec)
        for index, spec in enumerate(node.contrasts)
    ]
    if node.dummy_contrasts is not None:
        listed = node.dummy_contrasts.contrasts or task_columns or [INTERCEPT]
        explicit = {spec.name for spec in node.contrasts}
        specs += [
            (
                f"{node.path}.DummyContrasts.Contrasts",
                ContrastSpec(name, (name,), ((1.0,),), node.dummy_contrasts.test),
            )
            for name in dict.fromkeys(str(term) for term in listed)
            if name not in explicit
        ]
    contrasts = []
    for path, spec in specs:
        names = [CONSTANT if name in ("1", INTERCEPT) else name for name in spec.columns]
        for name in names:
            if name not in columns:
                subject = f"{name!r}"
                if spec in node.contrasts:
                    subject = f"the contrast {spec.name!r} names {name!r}, which"
                raise BadDataError(
                    f"At {path}: {subject} is not a column of X. Columns: "
                    f"{', '.join(task_columns) or 'none'}.{did_you_mean(name, columns)}"
                )
        contrasts.append(ContrastSpec(spec.name, tuple(names), spec.weights, spec.test))
    return tuple(contrasts)


def reweighted_contrasts(
    contrasts: Sequence[ContrastSpec], names: Sequence[str]
) -> tuple[tuple[ContrastSpec, ...], tuple[Notice, ...]]:
    """Give missing conditions weight 0, and their weight to the other conditions.

    The positive weights and the negative weights each keep their sum, so that a mean stays a
    mean and a difference a difference. A contrast all of whose positive (or negative) conditions
    are missing would change its meaning: it is returned unchanged, and excluded later, because it
    is not estimable. F contrasts are returned unchanged, too.

    Parameters
    ----------
    contrasts : sequence of ContrastSpec
    names : sequence of str
        Columns of the design of the run.

    Returns
    -------
    contrasts : tuple of ContrastSpec
    notes : tuple of Notice
        A warning for each contrast with changed weights.

    Examples
    --------
    >>> mean = ContrastSpec("mean", ("a", "b", "c"), ((1/3, 1/3, 1/3),), "t")
    >>> contrasts, notes = reweighted_contrasts([mean], ["a", "b", "constant"])
    >>> contrasts[0].columns, contrasts[0].weights
    (('a', 'b'), ((0.5, 0.5),))
    """
    changed: list[ContrastSpec] = []
    notes: list[Notice] = []
    for spec in contrasts:
        present = np.array([name in names for name in spec.columns])
        weights = np.array(spec.weights[0])
        if present.all() or spec.test == "F" or not _keeps_both_signs(weights, present):
            changed.append(spec)
            continue
        new_weights = weights[present].copy()
        for has_sign in (new_weights > 0, new_weights < 0):
            if has_sign.any():
                is_positive = new_weights[has_sign][0] > 0
                total = weights[weights > 0].sum() if is_positive else weights[weights < 0].sum()
                new_weights[has_sign] *= total / new_weights[has_sign].sum()
        kept = [name for name in spec.columns if name in names]
        missing = [name for name in spec.columns if name not in names]
        row = tuple(float(weight) for weight in new_weights)
        changed.append(ContrastSpec(spec.name, tuple(kept), (row,), spec.test))
        listed = ", ".join(f"{weight:.3g} {name}" for weight, name in zip(row, kept, strict=True))
        notes.append(
            warning(
                f"contrast {spec.name!r}: {', '.join(missing)} is missing in this run and has "
                f"weight 0; the weights are {listed}"
            )
        )
    return tuple(changed), tuple(notes)


def _keeps_both_signs(weights: np.ndarray, present: np.ndarray) -> bool:
    """Tell whether conditions that are present have some of the weight of each sign."""
    return all(
        not has_sign.any() or bool((has_sign & present).any())
        for has_sign in (weights > 0, weights < 0)
    )
