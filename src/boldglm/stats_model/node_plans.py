"""Plan the fits of a node above the run: group its inputs, build designs, name its results.

A node receives contrasts from its parents, groups them by `GroupBy`, and fits one design to each
group. Results are named as in pybids, so that a published model gives the names that its authors
expect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from boldglm.errors import BadDataError
from boldglm.notices import Notice, exclusion, note, warning
from boldglm.stats_model.entity_names import ENTITY_KEYS
from boldglm.stats_model.higher_level_contrasts import contrasts_of_fit, names_incoming
from boldglm.stats_model.higher_level_designs import (
    HigherLevelDesign,
    higher_level_design,
    levels_of_inputs,
)
from boldglm.stats_model.input_errors import InputErrors, input_errors
from boldglm.stats_model.node_inputs import (
    NodeInput,
    grouping_names,
    inputs_of_node,
    possible_contrasts,
)
from boldglm.stats_model.specification import (
    ContrastSpec,
    NodeSpec,
    StatsModel,
)
from boldglm.suggestions import did_you_mean

# Inputs that differ in these are never fitted together, whether or not GroupBy names them.
GEOMETRY = ("space", "cohort", "res", "den", "hemi")
OPTIONAL = ("run", "session")  # GroupBy may name them although no input has them


@dataclass(frozen=True)
class FitPlan:
    """One design over inputs, and the contrasts to estimate, under their final names."""

    inputs: tuple[NodeInput, ...]
    design: HigherLevelDesign
    contrasts: tuple[ContrastSpec, ...]
    errors: InputErrors = field(default_factory=InputErrors)


@dataclass(frozen=True)
class NodePlan:
    """The fits of one node whose results have the same entities.

    Parameters
    ----------
    node : NodeSpec
    entities : dict of str to str
        Short BIDS keys and labels of the results.
    groups : dict of str to str
        Values of the GroupBy names, without the contrast.
    fits : tuple of FitPlan
    notes : tuple of Notice
    """

    node: NodeSpec
    entities: dict[str, str]
    groups: dict[str, str]
    fits: tuple[FitPlan, ...]
    notes: tuple[Notice, ...]

    @property
    def input_keys(self) -> tuple[str, ...]:
        """Keys of the results that the fits need, in order."""
        keys = (node_input.key for fit in self.fits for node_input in fit.inputs)
        return tuple(dict.fromkeys(keys))

    def input_labels(self) -> dict[str, str]:
        """Return the label of each result in `input_keys`."""
        return {node_input.key: node_input.label for fit in self.fits for node_input in fit.inputs}

    def results(self, key: str, label: str) -> tuple[NodeInput, ...]:
        """Return the contrasts of this plan as inputs for other nodes, without F contrasts.

        Parameters
        ----------
        key : str
            Identifies the result that holds their maps.
        label : str
            Name of the result in messages.
        """
        metadata: dict[str, Any] = {}
        inputs = [node_input for fit in self.fits for node_input in fit.inputs]
        for column in dict.fromkeys(name for node_input in inputs for name in node_input.metadata):
            values = {str(node_input.metadata.get(column)) for node_input in inputs}
            if len(values) == 1:
                metadata[column] = inputs[0].metadata[column]
        return tuple(
            NodeInput(self.node.name, key, label, contrast.name, self.entities, metadata)
            for fit in self.fits
            for contrast in fit.contrasts
            if contrast.test != "F"
        )


def plan_node(
    model: StatsModel,
    node: NodeSpec,
    results: Sequence[NodeInput],
    known: frozenset[str] = frozenset(),
) -> tuple[NodePlan, ...]:
    """Plan the fits of one node above the run.

    Parameters
    ----------
    model : StatsModel
    node : NodeSpec
        A node of the model, not the root.
    results : sequence of NodeInput
        Results of all its parents; results of other nodes are ignored.
    known : frozenset of str
        Names of levels (``sex.f``) that are valid although no input may have them.

    Returns
    -------
    tuple of NodePlan
        One for each set of entities of the results. A plan in which no contrast can be estimated
        has no fits. The tuple is empty if the node has no inputs.

    Raises
    ------
    BadDataError
        If GroupBy or X name what no input has, or no group of inputs can be planned.
    """
    inputs = inputs_of_node(model, node, results)
    if not inputs:
        return ()
    contrasts = tuple(dict.fromkeys(node_input.contrast for node_input in inputs))
    contrasts += tuple(sorted(possible_contrasts(model, node) - set(contrasts)))
    known |= levels_of_inputs(inputs) | set(contrasts)
    notes: list[Notice] = []
    if _separates_contrasts(node, contrasts):
        node = replace(node, group_by=(*node.group_by, "contrast"))
        notes.append(
            note(
                f"node {node.name!r} is grouped by 'contrast' too, because its contrasts name "
                "single incoming contrasts"
            )
        )
    node = _with_known_grouping_names(node, inputs, notes)
    names = _usable_grouping_names(node, inputs)
    groups: dict[tuple, list[NodeInput]] = {}
    for node_input in inputs:
        values = tuple(node_input.value(name) for name in names)
        lacking = [name for name, value in zip(names, values, strict=True) if value is None]
        if lacking:
            notes.append(
                exclusion(
                    f"{node_input.label} from node {node.name!r}: it has no {', '.join(lacking)} "
                    "to group by"
                )
            )
            continue
        geometry = tuple(node_input.entities.get(key) for key in GEOMETRY)
        groups.setdefault((values, geometry), []).append(node_input)
    by_output: dict[tuple, list[list[NodeInput]]] = {}
    for (values, geometry), group in groups.items():
        pairs = zip(names, values, strict=True)
        group_values = tuple((name, str(value)) for name, value in pairs if name != "contrast")
        by_output.setdefault((group_values, geometry), []).append(group)
    return _plan_outputs(node, by_output, contrasts, known, notes)


def _plan_outputs(
    node: NodeSpec,
    by_output: Mapping[tuple, Sequence[list[NodeInput]]],
    contrasts: Sequence[str],
    known: frozenset[str],
    notes: Sequence[Notice],
) -> tuple[NodePlan, ...]:
    """Plan the fits of all outputs; an error of every output is one of the model."""
    plans: list[NodePlan] = []
    errors: list[BadDataError] = []
    for (pairs, _), input_groups in by_output.items():
        values = dict(pairs)
        try:
            plan = _plan_output(node, values, input_groups, contrasts, known, notes)
        except BadDataError as error:
            errors.append(error)
            entities = _entities(node, values, [item for group in input_groups for item in group])
            reason = exclusion(str(error).removesuffix("."))
            plan = NodePlan(node, entities, values, (), (*notes, reason))
        plans.append(plan)
    if errors and len(errors) == len(plans):
        raise errors[0]
    return tuple(plans)


def _separates_contrasts(node: NodeSpec, contrasts: Sequence[str]) -> bool:
    """Tell whether a node of means asks for single incoming contrasts without grouping by them."""
    is_mean = node.x == (1,) and node.formula is None
    return "contrast" not in node.group_by and is_mean and names_incoming(node, contrasts)


def check_run_groups(node: NodeSpec, metadata: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a run node that groups by a name that no run has.

    Runs are fitted one by one, whatever GroupBy says; an unknown name is still a mistake.

    Parameters
    ----------
    node : NodeSpec
    metadata : sequence of mapping
        Columns that the tables of the dataset have for each run.

    Raises
    ------
    BadDataError
        The message gives the JSON path and the closest known name.
    """
    known = [*ENTITY_KEYS, *dict.fromkeys(name for columns in metadata for name in columns)]
    for index, name in enumerate(node.group_by):
        if name not in known:
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}.GroupBy[{index}]: no run has {name!r}. "
                f"Group a Run node by run, session and subject.{did_you_mean(name, known)}"
            )


def _with_known_grouping_names(
    node: NodeSpec, inputs: Sequence[NodeInput], notes: list[Notice]
) -> NodeSpec:
    """Return the node with a name of GroupBy that differs in case only as the inputs have it."""
    known = grouping_names(inputs)
    group_by = []
    for name in node.group_by:
        alike = [other for other in known if other.casefold() == name.casefold()]
        if name not in known and name not in ENTITY_KEYS and len(alike) == 1:
            notes.append(note(f"node {node.name!r}: {name!r} of GroupBy is read as {alike[0]!r}"))
            name = alike[0]
        group_by.append(name)
    return replace(node, group_by=tuple(group_by))


def _usable_grouping_names(node: NodeSpec, inputs: Sequence[NodeInput]) -> list[str]:
    """Return the names of GroupBy that some input has."""
    names = []
    for name in node.group_by:
        if any(node_input.value(name) is not None for node_input in inputs):
            names.append(name)
        elif name not in OPTIONAL:
            known = grouping_names(inputs)
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}.GroupBy: no input has {name!r}. Known: "
                f"{', '.join(known)}.{did_you_mean(name, [*known, *ENTITY_KEYS])}"
            )
    return names


def _plan_output(
    node: NodeSpec,
    group_values: dict[str, str],
    input_groups: Sequence[list[NodeInput]],
    contrasts: Sequence[str],
    known: frozenset[str],
    node_notes: Sequence[Notice],
) -> NodePlan:
    """Plan the fits whose results have the same entities."""
    notes = list(node_notes)
    fits: list[FitPlan] = []
    for group in input_groups:
        fit, fit_notes = _plan_fit(node, group, contrasts, known)
        notes += fit_notes
        if fit is not None and fit.contrasts:
            fits.append(fit)
    notes += _excluded_inputs(node, fits)
    names = [contrast.name for fit in fits for contrast in fit.contrasts]
    for name in names:
        if names.count(name) > 1:
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}: two of its results would have the name "
                f"{name!r}. Rename a contrast."
            )
    inputs = [node_input for group in input_groups for node_input in group]
    entities = _entities(node, group_values, inputs)
    return NodePlan(node, entities, group_values, tuple(fits), tuple(dict.fromkeys(notes)))


def _plan_fit(
    node: NodeSpec, inputs: list[NodeInput], contrasts: Sequence[str], known: frozenset[str]
) -> tuple[FitPlan | None, tuple[Notice, ...]]:
    """Return the design and the contrasts of one group, with notes about what was excluded.

    `contrasts` are all contrasts that the node may receive. Where a group has several, results
    are named after all of them, also in a group that lacks some.
    """
    design, inputs, notes = higher_level_design(node, inputs, known)
    incoming = list(dict.fromkeys(node_input.contrast for node_input in inputs))
    if not inputs:
        return None, tuple(notes)
    if len(incoming) > 1 and "contrast" not in node.group_by and node.x == (1,):
        notes.append(
            warning(
                f"node {node.name!r} averages over the contrasts {', '.join(incoming)}. Add "
                "'contrast' to GroupBy to keep them apart"
            )
        )
    errors, error_notes = input_errors(node, inputs, design)
    notes += error_notes
    named_after = incoming if "contrast" in node.group_by else contrasts
    estimable, contrast_notes = contrasts_of_fit(node, design, incoming, named_after, known)
    notes += contrast_notes
    return FitPlan(tuple(inputs), design, estimable, errors), tuple(notes)


def _excluded_inputs(node: NodeSpec, fits: Sequence[FitPlan]) -> list[Notice]:
    """List the inputs that lack a contrast which other inputs have."""
    if "contrast" not in node.group_by:
        return []
    labels = {node_input.key: node_input.label for fit in fits for node_input in fit.inputs}
    notes = []
    for fit in fits:
        present = {node_input.key for node_input in fit.inputs}
        excluded = [label for key, label in labels.items() if key not in present]
        if excluded:
            listed = ", ".join(excluded[:10]) + (", ..." if len(excluded) > 10 else "")
            contrast = fit.inputs[0].contrast
            notes.append(exclusion(f"{listed} from contrast {contrast!r}: not estimated there"))
    return notes


def _entities(
    node: NodeSpec, group_values: Mapping[str, str], inputs: Sequence[NodeInput]
) -> dict[str, str]:
    """Return the entities of the results.

    They are the entities that all inputs share, without those that the level of the node
    combines, and the values of GroupBy.
    """
    shared = set.intersection(*(set(node_input.entities.items()) for node_input in inputs))
    combined = {
        "session": ("run",),
        "subject": ("run",),
        "dataset": ("run", "ses", "sub"),
    }[node.level]
    by_key = {ENTITY_KEYS.get(name, name): value for name, value in group_values.items()}
    entities = {
        key: label
        for key, label in inputs[0].entities.items()
        if (key, label) in shared and (key not in combined or key in by_key)
    }
    for key, value in by_key.items():
        label = "".join(character for character in value if character.isalnum())
        entities.setdefault(key, label or "blank")
    return entities
