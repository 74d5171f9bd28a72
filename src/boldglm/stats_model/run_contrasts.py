"""Contrasts of runs: which there are, and what becomes of them where a condition is missing."""

from collections.abc import Sequence

import numpy as np

from boldglm.errors import BadDataError
from boldglm.notices import Notice, warning
from boldglm.stats_model.specification import ContrastSpec, NodeSpec
from boldglm.suggestions import did_you_mean

INTERCEPT = "intercept"
CONSTANT = "constant"  # what the designs of runs instruction the term 1


def run_contrasts(
    node: NodeSpec,
    task_columns: Sequence[str],
    other_columns: Sequence[str],
    known: Sequence[str] = (),
) -> tuple[ContrastSpec, ...]:
    """Return the contrasts of a run node over the columns that its runs have.

    Dummy contrasts without a list stand for the columns that events make: a contrast for each
    confound is what nobody reads. Their order is that of X.

    Parameters
    ----------
    node : NodeSpec
    task_columns, other_columns : sequence of str
        Columns of any run: from events and transformations, and the others.
    known : sequence of str
        Further names that are no mistake: conditions of X that no selected run has.

    Raises
    ------
    BadDataError
        If a contrast names no column.
    """
    columns = [*task_columns, *other_columns, *known]
    wanted: list[tuple[str, ContrastSpec]] = [
        (f"{node.path}.Contrasts[{index}].ConditionList", spec)
        for index, spec in enumerate(node.contrasts)
    ]
    if node.dummy_contrasts is not None:
        names = [str(one) for one in node.dummy_contrasts.contrasts or task_columns or [INTERCEPT]]
        taken = {spec.name for spec in node.contrasts}
        for name in dict.fromkeys(names):
            spec = ContrastSpec(name, (name,), ((1.0,),), node.dummy_contrasts.test)
            if name not in taken:
                wanted.append((f"{node.path}.DummyContrasts.Contrasts", spec))
    found = []
    for path, spec in wanted:
        names = [CONSTANT if name in ("1", INTERCEPT) else name for name in spec.columns]
        for name in names:
            if name not in columns:
                shown = ", ".join(task_columns) or "none"
                raise BadDataError(
                    f"At {path}: {spec.name!r} names {name!r}, which is not in X. There are "
                    f"{shown}.{did_you_mean(name, columns)}"
                )
        found.append(ContrastSpec(spec.name, tuple(names), spec.weights, spec.test))
    return tuple(found)


def reweighted_contrasts(
    contrasts: Sequence[ContrastSpec], names: Sequence[str]
) -> tuple[tuple[ContrastSpec, ...], tuple[Notice, ...]]:
    """Give missing conditions weight 0 and share their weight among those that are there.

    Positive and negative weights each keep their sum, so that a mean stays a mean and a
    difference a difference. A contrast one of whose sides has nothing left cannot keep its
    meaning and is left as it is, to be left out where it is estimated; so is an F contrast.

    Parameters
    ----------
    contrasts : sequence of ContrastSpec
    names : sequence of str
        Columns of the run's design.

    Returns
    -------
    contrasts : tuple of ContrastSpec
    notes : tuple of Notice

    Examples
    --------
    >>> mean = ContrastSpec("mean", ("a", "b", "c"), ((1/3, 1/3, 1/3),), "t")
    >>> found, notes = reweighted_contrasts([mean], ["a", "b", "constant"])
    >>> found[0].columns, found[0].weights
    (('a', 'b'), ((0.5, 0.5),))
    """
    changed: list[ContrastSpec] = []
    notes: list[Notice] = []
    for spec in contrasts:
        there = np.array([name in names for name in spec.columns])
        weights = np.array(spec.weights[0])
        if there.all() or spec.test == "F" or not _sides_stay(weights, there):
            changed.append(spec)
            continue
        new = weights[there].copy()
        for side in (new > 0, new < 0):
            if side.any():
                whole = weights[weights > 0] if new[side][0] > 0 else weights[weights < 0]
                new[side] *= whole.sum() / new[side].sum()
        kept = tuple(name for name, is_there in zip(spec.columns, there, strict=True) if is_there)
        gone = [name for name in spec.columns if name not in kept]
        changed.append(
            ContrastSpec(spec.name, kept, (tuple(float(one) for one in new),), spec.test)
        )
        shown = ", ".join(f"{one:.3g} {name}" for one, name in zip(new, kept, strict=True))
        notes.append(
            warning(
                f"contrast {spec.name!r}: {', '.join(gone)} is missing in this run and has weight "
                f"0; the weights are {shown}"
            )
        )
    return tuple(changed), tuple(notes)


def _sides_stay(weights: np.ndarray, there: np.ndarray) -> bool:
    """Tell whether each side of a contrast that has weight keeps some."""
    return all(not side.any() or bool((side & there).any()) for side in (weights > 0, weights < 0))
