"""Which inputs of a dataset node share a variance, and which are of one participant."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from boldglm.errors import BadDataError
from boldglm.notices import Notice, note
from boldglm.stats_model.higher_level_designs import HigherLevelDesign
from boldglm.stats_model.node_inputs import NodeInput, grouping_names
from boldglm.stats_model.specification import NodeSpec
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import BLOCKS, ESTIMATOR, VARIANCE_GROUPS

LEAST_DOF = 2  # residual degrees of freedom that a group needs for a variance without being asked


@dataclass(frozen=True)
class InputErrors:
    """Labels of the inputs of a design.

    Parameters
    ----------
    variance_groups : tuple of str
        Group of each input; each group has a variance of its own. Empty for one variance.
    blocks : tuple of str
        Participant of each input. Empty if no participant has several inputs.
    """

    variance_groups: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


def input_errors(
    node: NodeSpec, inputs: Sequence[NodeInput], design: HigherLevelDesign
) -> tuple[InputErrors, list[Notice]]:
    """Return the groups and participants of the inputs of a dataset node, and what to say of them.

    Parameters
    ----------
    node : NodeSpec
        Its `Software.boldglm` may name columns for both.
    inputs : sequence of NodeInput
        Rows of the design.
    design : HigherLevelDesign
        The design.

    Raises
    ------
    BadDataError
        If a named column does not exist, a named group is too small for a variance of its own,
        or an estimator that takes inputs as independent gets several of one participant.
    """
    method = node.boldglm_options.get("Estimator", ESTIMATOR)
    if node.level != "dataset":
        return InputErrors(), []
    if node.type == "meta" or method == "fixed":
        _check_different_results(node, inputs)
        return InputErrors(), []
    blocks, notices = _blocks(node, inputs, method)
    groups, more = _variance_groups(node, inputs, design)
    if not blocks:  # the variance of blocks is robust to groups, too
        notices += more
    return InputErrors(groups, blocks), notices


def _check_different_results(node: NodeSpec, inputs: Sequence[NodeInput]) -> None:
    """Refuse fixed effects of two contrasts of one result, which share their noise."""
    seen: dict[str, NodeInput] = {}
    for item in inputs:
        first = seen.setdefault(item.key, item)
        if first is not item:
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}: {first.contrast!r} and {item.contrast!r} of "
                f"{item.label} share their noise, but fixed effects take inputs as independent. "
                "Add 'contrast' to GroupBy, or compare the contrasts at the run level."
            )


def _blocks(
    node: NodeSpec, inputs: Sequence[NodeInput], method: str
) -> tuple[tuple[str, ...], list[Notice]]:
    """Return the block of each input, if some block has several."""
    column = node.boldglm_options.get(BLOCKS)
    labels = [f"sub-{item.entities.get('sub')}" for item in inputs]
    if column is not None:
        values = _values(node, inputs, column, BLOCKS)
        labels = [
            label if value is None else f"{column} {value}"
            for label, value in zip(labels, values, strict=True)
        ]
    n_blocks = len(set(labels))
    if n_blocks == len(inputs):
        return (), []
    noun = "participants" if column is None else f"blocks of {column}"
    if method != "ols":
        raise BadDataError(
            f"Node {node.name!r}, at {node.path}.Model.Software.boldglm.Estimator: mixed effects "
            f"take inputs as independent, but {len(inputs)} inputs are of {n_blocks} {noun}. "
            "Combine them in a Subject node first, or use Estimator ols, whose variance allows "
            "for it."
        )
    text = (
        f"node {node.name!r}: {len(inputs)} inputs are of {n_blocks} {noun}, so variances are "
        "robust to dependence between the inputs of one, and permutations flip or exchange whole "
        f"{noun}"
    )
    return tuple(labels), [note(text)]


def _variance_groups(
    node: NodeSpec, inputs: Sequence[NodeInput], design: HigherLevelDesign
) -> tuple[tuple[str, ...], list[Notice]]:
    named = node.boldglm_options.get(VARIANCE_GROUPS)
    if named is None:
        labels = _groups_of_design(design)
    else:
        columns = [named] if isinstance(named, str) else list(named)
        values = [_values(node, inputs, column, VARIANCE_GROUPS) for column in columns]
        labels = tuple(
            ", ".join(f"{name} {value}" for name, value in zip(columns, row, strict=True))
            for row in zip(*values, strict=True)
        )
    small = _too_small(labels, design.matrix, 1)
    if named is not None and small:
        raise BadDataError(
            f"Node {node.name!r}, at {node.path}.Model.Software.boldglm.{VARIANCE_GROUPS}: the "
            f"group {small!r} has {labels.count(small)} inputs, too few for a variance of its own "
            "in this design. Name a column with larger groups, or [] for one variance."
        )
    sizes = {label: labels.count(label) for label in dict.fromkeys(labels)}
    if len(sizes) < 2:
        return (), []
    listed = ", ".join(f"{label} ({count})" for label, count in sizes.items())
    return labels, [note(f"node {node.name!r}: groups have variances of their own: {listed}")]


def _groups_of_design(design: HigherLevelDesign) -> tuple[str, ...]:
    """Return the groups that columns with two values separate, as long as none is too small.

    Columns of one category, such as ``site.a`` and ``site.b``, go together. If some combination
    of categories is too small, the last category of X is left out.
    """
    categories: dict[str, list[int]] = {}
    for column, name in enumerate(design.names):
        if len(np.unique(design.matrix[:, column])) == 2:
            categories.setdefault(name.partition(".")[0], []).append(column)
    categories.pop("subject", None)
    while categories:
        labels = tuple(
            ", ".join(_level(design, columns, row) for columns in categories.values())
            for row in range(len(design.matrix))
        )
        if not _too_small(labels, design.matrix, LEAST_DOF):
            return labels
        categories.popitem()
    return ()


def _level(design: HigherLevelDesign, columns: Sequence[int], row: int) -> str:
    high = [
        design.names[column]
        for column in columns
        if design.matrix[row, column] == design.matrix[:, column].max()
    ]
    return " and ".join(high) or f"not {' or '.join(design.names[column] for column in columns)}"


def _too_small(labels: Sequence[str], matrix: np.ndarray, least_dof: int) -> str:
    """Return a group without enough residual degrees of freedom, or an empty text."""
    for label in dict.fromkeys(labels):
        rows = matrix[np.array(labels) == label]
        if len(rows) - np.linalg.matrix_rank(rows) < least_dof:
            return label
    return ""


def _values(
    node: NodeSpec, inputs: Sequence[NodeInput], column: str, option: str
) -> list[object | None]:
    """Return the values of a column of the tables or of an entity."""
    values = [item.value(column) for item in inputs]
    lacking = [item.label for item, value in zip(inputs, values, strict=True) if value is None]
    path = f"Node {node.name!r}, at {node.path}.Model.Software.boldglm.{option}"
    if len(lacking) == len(inputs):
        known = grouping_names(inputs)
        raise BadDataError(
            f"{path}: no input has {column!r}. Known: {', '.join(known)}."
            f"{did_you_mean(column, known)}"
        )
    if lacking and option == VARIANCE_GROUPS:
        raise BadDataError(
            f"{path}: {', '.join(lacking[:5])} has no {column!r}. Add the value to "
            "participants.tsv, or name another column."
        )
    return values
