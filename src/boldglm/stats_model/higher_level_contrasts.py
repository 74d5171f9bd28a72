"""Contrasts of a node above the run: the names in a model, read as columns of its design."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from boldglm.errors import BadDataError
from boldglm.notices import Notice, exclusion, note
from boldglm.stats_model.higher_level_designs import INTERCEPT, HigherLevelDesign
from boldglm.stats_model.node_inputs import named_contrast, result_name
from boldglm.stats_model.specification import ContrastSpec, NodeSpec
from boldglm.stats_model.transformations.categories import COMPARISON
from boldglm.suggestions import did_you_mean


@dataclass(frozen=True)
class _Reference:
    """A level without a column, because the constant stands for it.

    `siblings` are the columns of the other levels: differences from this one.
    """

    factor: str
    level: str
    siblings: tuple[str, ...]


def contrasts_of_fit(
    node: NodeSpec,
    design: HigherLevelDesign,
    incoming: Sequence[str],
    named_after: Sequence[str],
    known: frozenset[str],
) -> tuple[tuple[ContrastSpec, ...], list[Notice]]:
    """Return the contrasts of one fit over columns of its design, under their final names.

    Parameters
    ----------
    node : NodeSpec
    design : HigherLevelDesign
    incoming : sequence of str
        Contrasts of the inputs of this fit.
    named_after : sequence of str
        Contrasts that the results are named after.
    known : frozenset of str
        Contrasts that the node may receive, and levels of categories as ``<column>==<level>``.

    Returns
    -------
    contrasts : tuple of ContrastSpec
    notes : list of Notice
        Contrasts that were excluded and why, and how names were understood.

    Raises
    ------
    BadDataError
        If a contrast names neither a column, nor a level, nor an incoming contrast.
    """
    notes: list[Notice] = []
    contrasts = []
    for spec in _contrasts_of_node(node, design):
        columns = tuple(_column_name(name) for name in spec.columns)
        selected = _incoming_name(columns, node, design, known)
        if selected is not None and selected not in incoming:
            continue  # another fit of the node has this contrast
        if selected is not None:
            contrasts.append(replace(spec, columns=(INTERCEPT,)))
            notes.append(
                note(
                    f"node {node.name!r}: the incoming contrast {selected!r}, which the contrast "
                    f"{spec.name!r} names, is read as the constant of the design of its inputs"
                )
            )
            continue
        spec = _over_columns(replace(spec, columns=columns), node, design, known, notes)
        notes += _implied_references(spec, node, design, known)
        missing = [name for name in spec.columns if name not in design.names]
        if missing:
            notes.append(
                exclusion(
                    f"contrast {spec.name!r} of node {node.name!r}: no input has "
                    f"{', '.join(missing)}"
                )
            )
            continue
        contrasts.append(replace(spec, name=result_name(spec.name, named_after)))
    return tuple(contrasts), notes


def names_incoming(node: NodeSpec, possible: Sequence[str]) -> bool:
    """Tell whether every contrast of a node names one of the contrasts that it receives."""
    listed = [spec.columns for spec in node.contrasts]
    if node.dummy_contrasts is not None:
        listed += [(str(term),) for term in node.dummy_contrasts.contrasts or (1,)]
    names = [columns[0] for columns in listed if len(columns) == 1 and columns[0] not in node.x]
    found = [named_contrast(name, possible) for name in names]
    return bool(listed) and len(names) == len(listed) and None not in found


def _contrasts_of_node(node: NodeSpec, design: HigherLevelDesign) -> list[ContrastSpec]:
    """Return the contrasts of a node, then its dummy contrasts in the order of X."""
    contrasts = list(node.contrasts)
    if node.dummy_contrasts is not None:
        names = [str(term) for term in node.dummy_contrasts.contrasts or design.names]
        explicit = [contrast.name for contrast in node.contrasts]
        contrasts += [
            ContrastSpec(name, (name,), ((1.0,),), node.dummy_contrasts.test)
            for name in names
            if name not in explicit
        ]
    return contrasts


def _column_name(name: str) -> str:
    """Return the name of a column in a design; formula packages write levels in brackets.

    Examples
    --------
    >>> _column_name("C(group)[T.patients]"), _column_name("1"), _column_name("age")
    ('group.patients', 'intercept', 'age')
    """
    level = re.fullmatch(r"C\((.+?)\)\[(?:T\.)?(.+)\]", name)
    if level is not None:
        return f"{level[1]}.{level[2]}"
    return INTERCEPT if name == "1" else name


def _incoming_name(
    columns: Sequence[str], node: NodeSpec, design: HigherLevelDesign, known: frozenset[str]
) -> str | None:
    """Return the incoming contrast that a contrast names, if it is no column of the design."""
    name = columns[0]
    is_column = name in (*node.x, *design.names, *design.dropped)
    if len(columns) > 1 or is_column or INTERCEPT not in design.names:
        return None
    return named_contrast(name, [text for text in known if COMPARISON not in text])


def _over_columns(
    spec: ContrastSpec,
    node: NodeSpec,
    design: HigherLevelDesign,
    known: frozenset[str],
    notes: list[Notice],
) -> ContrastSpec:
    """Return a contrast over columns, without the reference levels that it names."""
    columns = (*design.names, *design.dropped)
    for bare in [name for name in spec.columns if name not in columns]:
        spec = _with_full_name(spec, bare, node, known, notes)
    for name in [name for name in spec.columns if name not in columns]:
        own = [column for column in columns if column.startswith(f"{name}.")]
        if name in node.x and len(own) == 1:
            notes.append(
                note(
                    f"contrast {spec.name!r} of node {node.name!r}: {name!r} is read as its only "
                    f"column, {own[0]!r}"
                )
            )
            renamed = tuple(own[0] if column == name else column for column in spec.columns)
            spec = replace(spec, columns=renamed)
            continue
        reference = _reference(name, design, known)
        if reference is None:
            _refuse_column(node, spec, name, design, known)
        spec = _without_reference(spec, name, reference, node, design, notes)
    return spec


def _with_full_name(
    spec: ContrastSpec, name: str, node: NodeSpec, known: frozenset[str], notes: list[Notice]
) -> ContrastSpec:
    """Write ``<column>.<level>`` for a level that only one category in X has, in any case."""
    levels = [
        (f"{factor}.{level}", level)
        for factor, is_level, level in (text.partition(COMPARISON) for text in sorted(known))
        if is_level and factor in node.x
    ]
    full = [text for text, level in levels
            if name == level or name.casefold() == text.casefold()]  # fmt: skip
    if len(full) != 1 or full[0] in spec.columns:
        return spec
    notes.append(
        note(
            f"contrast {spec.name!r} of node {node.name!r}: {name!r} is read as the level "
            f"{full[0]!r}"
        )
    )
    columns = tuple(full[0] if column == name else column for column in spec.columns)
    return replace(spec, columns=columns)


def _reference(name: str, design: HigherLevelDesign, known: frozenset[str]) -> _Reference | None:
    """Return the reference level of that name, if all other levels have a column of 0 and 1."""
    for comparison in known:
        factor, is_level, level = comparison.partition(COMPARISON)
        if not is_level or f"{factor}.{level}" != name or INTERCEPT not in design.names:
            continue
        siblings = tuple(
            sorted(
                f"{factor}.{other.removeprefix(factor + COMPARISON)}"
                for other in known
                if other.startswith(factor + COMPARISON) and other != comparison
            )
        )
        present = [design.names.index(column) for column in siblings if column in design.names]
        is_indicator = bool(np.isin(design.matrix[:, present], (0, 1)).all())
        if siblings and set(siblings) <= {*design.names, *design.dropped} and is_indicator:
            return _Reference(factor, level, siblings)
    return None


def _without_reference(
    spec: ContrastSpec,
    name: str,
    reference: _Reference,
    node: NodeSpec,
    design: HigherLevelDesign,
    notes: list[Notice],
) -> ContrastSpec:
    """Leave a reference level out of a contrast between levels: its weight is implied."""
    levels = [k for k, column in enumerate(spec.columns) if column in (name, *reference.siblings)]
    weights = np.array(spec.weights)
    sums = weights[:, levels].sum(axis=1)
    if (np.abs(sums) < 1e-6 * np.abs(weights).max()).all():
        sums = np.zeros(len(sums))
    elif not _is_sum_of_cells(weights[:, levels], spec, reference, design):
        raise BadDataError(
            f"Node {node.name!r}, at {_path(node, spec)}: the contrast {spec.name!r} gives weight "
            f"to {name!r}, the reference level of {reference.factor!r}, which has no column "
            "beside the constant, and its weights over the levels do not add up to 0. Write 1 "
            f"for the mean of {reference.level!r}, weights that add up to 0 for a difference "
            "between levels, or remove 1 from X, so that every level has a column."
        )
    kept = [k for k, column in enumerate(spec.columns) if column != name]
    if not any(
        not design.matrix[row, [design.names.index(c) for c in reference.siblings
                                if c in design.names]].any()
        for row in range(len(design.matrix))
    ):  # fmt: skip
        return spec  # no input has the reference level: the contrast is excluded
    constant = [INTERCEPT] if sums.any() else []
    rows = [[row[k] for k in kept] for row in spec.weights]
    if constant:
        rows = [[*row, float(total)] for row, total in zip(rows, sums, strict=True)]
    changed = replace(
        spec,
        columns=(*(spec.columns[k] for k in kept), *constant),
        weights=tuple(map(tuple, rows)),
    )
    meaning = "a sum of means of levels" if constant else "over the differences from it"
    notes.append(
        note(
            f"contrast {spec.name!r} of node {node.name!r}: {name!r} is the reference level, so "
            f"the contrast is {meaning}, {', '.join(changed.columns)}"
        )
    )
    return changed


def _is_sum_of_cells(
    weights: np.ndarray, spec: ContrastSpec, reference: _Reference, design: HigherLevelDesign
) -> bool:
    """Tell whether a contrast adds up the means of all levels, in a design of nothing else."""
    has_only_levels = set(design.names) <= {INTERCEPT, *reference.siblings}
    names_all = len(spec.columns) == weights.shape[1] == len(reference.siblings) + 1
    one_sign = (weights >= 0).all() or (weights <= 0).all()
    return has_only_levels and names_all and bool(one_sign)


def _implied_references(
    spec: ContrastSpec, node: NodeSpec, design: HigherLevelDesign, known: frozenset[str]
) -> list[Notice]:
    """Say which level a contrast compares with, where X leaves that level out."""
    notes = []
    for comparison in sorted(known):
        factor, is_level, level = comparison.partition(COMPARISON)
        name = f"{factor}.{level}"
        if not is_level or factor in node.x or name in design.names:
            continue
        named = [column for column in spec.columns if column.startswith(f"{factor}.")]
        reference = _reference(name, design, known) if named else None
        if reference is not None:
            notes.append(
                note(
                    f"node {node.name!r}: {', '.join(reference.siblings)} are differences from "
                    f"the reference level {level!r} of {factor!r}"
                )
            )
    return notes


def _path(node: NodeSpec, contrast: ContrastSpec) -> str:
    names = [spec.name for spec in node.contrasts]
    if contrast.name in names:
        return f"{node.path}.Contrasts[{names.index(contrast.name)}]"
    return f"{node.path}.DummyContrasts.Contrasts"


def _refuse_column(
    node: NodeSpec,
    contrast: ContrastSpec,
    column: str,
    design: HigherLevelDesign,
    known: frozenset[str],
) -> NoReturn:
    subject = f"{column!r}"
    if contrast.name in [spec.name for spec in node.contrasts]:
        subject = f"the contrast {contrast.name!r} names {column!r}, which"
    factor = column.rpartition(".")[0]
    remedy = did_you_mean(column, (*design.names, *design.dropped))
    if f"{factor}{COMPARISON}{column.removeprefix(factor + '.')}" in known:
        remedy = (
            f" It is a level of {factor!r}: write a Factor transformation of {factor!r} into this "
            "node, and its levels into X"
        )
        if factor in design.names:
            remedy += f" (now {factor!r} is one column of numbers)"
        remedy += "."
    elif column in known:
        remedy = (
            " It is a contrast that enters this node: to compare incoming contrasts, remove "
            "'contrast' from GroupBy and write their names into X."
        )
    raise BadDataError(
        f"Node {node.name!r}, at {_path(node, contrast)}: {subject} is not a column of X. "
        f"Columns: {', '.join(design.names)}.{remedy}"
    )
