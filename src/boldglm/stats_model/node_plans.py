"""Results laid out over the nodes above the run: what is fitted with what, under which name.

A node receives the contrasts of its parents, splits them by `GroupBy`, and fits one design to
each group. The names of results follow pybids, so that published models give the names that
their authors know.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boldglm.errors import BadDataError
from boldglm.notices import Notice, exclusion, warning
from boldglm.stats_model.higher_level_designs import (
    HigherLevelDesign,
    higher_level_design,
    levels_of_inputs,
)
from boldglm.stats_model.node_inputs import (
    NodeInput,
    grouping_names,
    grouping_value,
    inputs_of_node,
    possible_contrasts,
    result_name,
)
from boldglm.stats_model.specification import (
    ENTITY_KEYS,
    ContrastSpec,
    NodeSpec,
    StatsModel,
)
from boldglm.suggestions import did_you_mean

GEOMETRY = ("space", "cohort", "res", "den", "hemi")  # never mixed, named in GroupBy or not
OPTIONAL = ("run", "session")  # where no input has them, GroupBy may still name them


@dataclass(frozen=True)
class FitPlan:
    """One design over items, and the contrasts to estimate, under their final names."""

    inputs: tuple[NodeInput, ...]
    design: HigherLevelDesign
    contrasts: tuple[ContrastSpec, ...]


@dataclass(frozen=True)
class NodePlan:
    """The fits of one node that share their entities, and so a place in the output."""

    node: NodeSpec
    entities: dict[str, str]
    groups: dict[str, str]  # what the fits were grouped by, without contrast
    fits: tuple[FitPlan, ...]
    notes: tuple[Notice, ...]

    @property
    def input_keys(self) -> tuple[str, ...]:
        """Results that the fits need, in order."""
        return tuple(dict.fromkeys(item.key for fit in self.fits for item in fit.inputs))

    def input_labels(self) -> dict[str, str]:
        """What each of `input_keys` is called."""
        return {item.key: item.label for fit in self.fits for item in fit.inputs}

    def results(self, key: str, label: str) -> tuple[NodeInput, ...]:
        """What goes on to the next nodes once the maps lie under `key`; F ends here."""
        metadata: dict[str, Any] = {}
        items = [item for fit in self.fits for item in fit.inputs]
        for name in dict.fromkeys(name for item in items for name in item.metadata):
            values = {str(item.metadata.get(name)) for item in items}
            if len(values) == 1:
                metadata[name] = items[0].metadata[name]
        return tuple(
            NodeInput(self.node.name, key, label, spec.name, self.entities, metadata)
            for fit in self.fits
            for spec in fit.contrasts
            if spec.test != "F"
        )


def plan_node(
    model: StatsModel,
    node: NodeSpec,
    items: Sequence[NodeInput],
    known: frozenset[str] = frozenset(),
) -> tuple[NodePlan, ...]:
    """Lay out one node above the run.

    Parameters
    ----------
    model : StatsModel
    node : NodeSpec
        One of its nodes, not the root.
    items : sequence of NodeInput
        Results of all its parents (others are ignored).
    known : frozenset of str
        Names of levels (``sex.f``) that no mistake has made, though no input may have them.

    Returns
    -------
    tuple of NodePlan
        One for each place in the output, without fits where no contrast can be estimated; none
        if nothing reached the node.

    Raises
    ------
    BadDataError
        If GroupBy or X name what no input has.
    """
    inputs = inputs_of_node(model, node, items)
    if not inputs:
        return ()
    contrasts = tuple(dict.fromkeys(item.contrast for item in inputs))
    contrasts += tuple(sorted(possible_contrasts(model, node) - set(contrasts)))
    known |= levels_of_inputs(inputs) | set(contrasts)
    keys = _usable_keys(node, inputs)
    left: list[Notice] = []
    groups: dict[tuple, list[NodeInput]] = {}
    for item in inputs:
        values = tuple(grouping_value(item, key) for key in keys)
        absent = [key for key, value in zip(keys, values, strict=True) if value is None]
        if absent:
            left.append(
                exclusion(
                    f"{item.label} from node {node.name!r}: it has no {', '.join(absent)} to "
                    "group by"
                )
            )
            continue
        geometry = tuple(item.entities.get(key) for key in GEOMETRY)
        groups.setdefault((values, geometry), []).append(item)
    places: dict[tuple, list[tuple[FitPlan | None, tuple[Notice, ...]]]] = {}
    members: dict[tuple, list[list[NodeInput]]] = {}
    for (values, geometry), own in groups.items():
        named = tuple(
            (key, str(value)) for key, value in zip(keys, values, strict=True) if key != "contrast"
        )
        places.setdefault((named, geometry), []).append(_plan_fit(node, own, contrasts, known))
        members.setdefault((named, geometry), []).append(own)
    return tuple(
        _plan_place(
            node,
            dict(named),
            [item for own in members[named, geometry] for item in own],
            fits,
            left,
        )
        for (named, geometry), fits in places.items()
    )


def check_run_groups(node: NodeSpec, metadata: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a run node that groups by what no run has; runs are fitted one by one all the same.

    Parameters
    ----------
    node : NodeSpec
    metadata : sequence of mapping
        What tables say of each run.

    Raises
    ------
    BadDataError
        With the JSON path and the did_you_mean name.
    """
    known = [*ENTITY_KEYS, *dict.fromkeys(name for one in metadata for name in one)]
    for index, key in enumerate(node.group_by):
        if key not in known:
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}.GroupBy[{index}]: no run has {key!r}."
                f"{did_you_mean(key, known)} A run node usually groups by run, session and "
                "subject."
            )


def _usable_keys(node: NodeSpec, items: Sequence[NodeInput]) -> list[str]:
    keys = []
    for key in node.group_by:
        if any(grouping_value(item, key) is not None for item in items):
            keys.append(key)
        elif key not in OPTIONAL:
            known = grouping_names(items)
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}.GroupBy: no input has {key!r}."
                f"{did_you_mean(key, [*known, *ENTITY_KEYS])} Known: {', '.join(known)}."
            )
    return keys


def _plan_fit(
    node: NodeSpec, items: list[NodeInput], contrasts: Sequence[str], known: frozenset[str]
) -> tuple[FitPlan | None, tuple[Notice, ...]]:
    """Return the design of one group with its contrasts, and what had to be left out.

    `contrasts` are all that the node may receive: where they come together, results are called
    after all of them, also in a group that lacks some.
    """
    design, items, notes = higher_level_design(node, items, known)
    incoming = list(dict.fromkeys(item.contrast for item in items))
    if not items:
        return None, tuple(notes)
    if len(incoming) > 1 and "contrast" not in node.group_by and node.x == (1,):
        notes.append(
            warning(
                f"node {node.name!r} averages over the contrasts {', '.join(incoming)}. Add "
                "'contrast' to GroupBy to keep them apart"
            )
        )
    notes += _repeated(node, items, design)
    specs = []
    for spec in _wanted(node, design):
        columns = [_column_name(name) for name in spec.columns]
        missing = [name for name in columns if name not in design.names]
        if missing:
            there = (*design.names, *design.dropped)
            unknown = [name for name in missing if name not in design.dropped]
            if unknown:
                place = "Contrasts" if spec in node.contrasts else "DummyContrasts.Contrasts"
                raise BadDataError(
                    f"Node {node.name!r}, at {node.path}.{place}: {spec.name!r} names "
                    f"{unknown[0]!r}, which is not in X.{did_you_mean(unknown[0], there)} "
                    f"There are {', '.join(design.names)}."
                )
            notes.append(
                exclusion(
                    f"contrast {spec.name!r} of node {node.name!r}: no input has "
                    f"{', '.join(missing)}"
                )
            )
            continue
        name = result_name(spec.name, incoming if "contrast" in node.group_by else contrasts)
        specs.append(ContrastSpec(name, tuple(columns), spec.weights, spec.test))
    return FitPlan(tuple(items), design, tuple(specs)), tuple(notes)


def _repeated(
    node: NodeSpec, items: Sequence[NodeInput], design: HigherLevelDesign
) -> list[Notice]:
    """Warn of several inputs of one participant that least squares take for independent."""
    people = {item.entities.get("sub") for item in items}
    has_people = any(name.startswith("subject.") for name in design.names)
    if node.level != "dataset" or node.type == "meta" or has_people or len(people) == len(items):
        return []
    return [
        warning(
            f"node {node.name!r} treats {len(items)} inputs of {len(people)} participants as "
            "independent, which makes its tests too liberal. Combine them in a Subject node, or "
            "put 'subject' into X"
        )
    ]


def _column_name(name: str) -> str:
    """Return what a column of a design is called: formula packages write levels in brackets.

    Examples
    --------
    >>> _column_name("C(group)[T.patients]"), _column_name("1"), _column_name("age")
    ('group.patients', 'intercept', 'age')
    """
    level = re.fullmatch(r"C\((.+?)\)\[(?:T\.)?(.+)\]", name)
    if level is not None:
        return f"{level[1]}.{level[2]}"
    return "intercept" if name == "1" else name


def _wanted(node: NodeSpec, design: HigherLevelDesign) -> list[ContrastSpec]:
    """Contrasts that a node defines: its own, then dummy contrasts in the order of X."""
    wanted = list(node.contrasts)
    if node.dummy_contrasts is not None:
        names = [str(one) for one in node.dummy_contrasts.contrasts or design.names]
        wanted += [
            ContrastSpec(name, (name,), ((1.0,),), node.dummy_contrasts.test)
            for name in names
            if name not in [spec.name for spec in node.contrasts]
        ]
    return wanted


def _plan_place(
    node: NodeSpec,
    groups: dict[str, str],
    items: Sequence[NodeInput],
    found: Sequence[tuple[FitPlan | None, tuple[Notice, ...]]],
    left: Sequence[Notice],
) -> NodePlan:
    notes = list(left)
    fits: list[FitPlan] = []
    taken: dict[str, int] = {}
    for fit, own_notes in found:
        notes += own_notes
        if fit is None or not fit.contrasts:
            continue
        for spec in fit.contrasts:
            taken[spec.name] = taken.get(spec.name, 0) + 1
        fits.append(fit)
    notes += _absences(node, fits)
    for name, count in taken.items():
        if count > 1:
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}: two of its results would be called "
                f"{name!r}. Rename a contrast."
            )
    return NodePlan(
        node, _entities(node, groups, items), groups, tuple(fits), tuple(dict.fromkeys(notes))
    )


def _absences(node: NodeSpec, fits: Sequence[FitPlan]) -> list[Notice]:
    """Say which inputs have no part in some contrast, though they have in another."""
    if "contrast" not in node.group_by:
        return []
    labels = {item.key: item.label for fit in fits for item in fit.inputs}
    notes = []
    for fit in fits:
        there = {item.key for item in fit.inputs}
        gone = [label for key, label in labels.items() if key not in there]
        if gone:
            shown = ", ".join(gone[:10]) + (", ..." if len(gone) > 10 else "")
            notes.append(
                exclusion(f"{shown} from contrast {fit.inputs[0].contrast!r}: not estimated there")
            )
    return notes


def _entities(
    node: NodeSpec, groups: Mapping[str, str], items: Sequence[NodeInput]
) -> dict[str, str]:
    """Entities of the output: what all inputs share, less what a level combines, and groups."""
    shared = set.intersection(*(set(item.entities.items()) for item in items))
    combined = {
        "session": ("run",),
        "subject": ("run",),
        "dataset": ("run", "ses", "sub"),
    }[node.level]
    short = {ENTITY_KEYS.get(key, key): value for key, value in groups.items()}
    kept = {
        key: label
        for key, label in items[0].entities.items()
        if (key, label) in shared and (key not in combined or key in short)
    }
    for key, value in short.items():
        kept.setdefault(key, "".join(one for one in value if one.isalnum()) or "blank")
    return kept
