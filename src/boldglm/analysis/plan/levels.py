"""The plan of higher levels, from planned or finished results."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm._version import __version__
from boldglm.analysis.model.model import Model
from boldglm.analysis.model.model_options import model_options
from boldglm.errors import BadDataError
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.entities import entities_stem
from boldglm.io.outputs.names import ResultPaths
from boldglm.io.outputs.records import Record, fingerprint
from boldglm.notices import Notice, exclusion
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.node_plans import FitPlan, NodePlan, plan_node
from boldglm.stats_model.specification import NodeSpec

logger = logging.getLogger(__name__)
BELOW_DATASET = ("session", "subject")


@dataclass(frozen=True)
class LevelPlan:
    """A higher-level node for one group of inputs.

    Parameters
    ----------
    plan : NodePlan
        The fits.
    record : Path
        Record to write when the fits are finished.
    fingerprint : str
        Digest of everything that the results depend on.
    """

    plan: NodePlan
    record: Path
    fingerprint: str

    @property
    def subject(self) -> str | None:
        """Label of the participant; None at the dataset level."""
        return self.plan.entities.get("sub") if self.plan.node.level != "dataset" else None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Records of the inputs."""
        return tuple(Path(key) for key in self.plan.input_keys)


def plan_levels(
    model: Model,
    inputs: Sequence[NodeInput],
    fingerprints: Mapping[str, str],
    output_dir: Path,
    levels: Sequence[str],
    known: frozenset[str] = frozenset(),
) -> tuple[tuple[LevelPlan, ...], tuple[Notice, ...]]:
    """Plan the nodes of some levels.

    Parameters
    ----------
    model : Model
        The model.
    inputs : sequence of NodeInput
        Results of lower levels; `NodeInput.key` is the path of their record.
    fingerprints : mapping of str to str
        Fingerprints of these records, by path.
    output_dir : Path
        Root of the derivative dataset.
    levels : sequence of str
        Levels to plan.
    known : frozenset of str
        Levels of categorical variables that participants outside the selection have.

    Returns
    -------
    levels : tuple of LevelPlan
        Planned nodes, inputs first.
    notices : tuple of Notice
        Nodes that have nothing to estimate, and why.

    Raises
    ------
    BadDataError
        If a node groups by, or models, a variable that no input has.
    """
    available = list(inputs)
    digests = dict(fingerprints)
    planned: list[LevelPlan] = []
    notices: list[Notice] = []
    for node in model.spec.higher_level_nodes(levels):
        if node.level in BELOW_DATASET and "subject" not in node.group_by:
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}.GroupBy: a {node.level.capitalize()} node "
                "must be grouped by 'subject'. Add it."
            )
        plans = plan_node(model.spec, node, available, known)
        parents = [edge.source for edge in model.spec.edges_into(node)]
        if not plans and digests:
            reason = "has a t contrast (F contrasts are not passed on)"
            if any(node_input.node in parents for node_input in available):
                reason = "passes the filters of its edges and its GroupBy"
            notices.append(
                exclusion(f"node {node.name!r}: no result of {' or '.join(parents)} {reason}")
            )
        too_small: list[NodePlan] = []
        for plan in plans:
            if not plan.fits:
                label = entities_stem(plan.entities) or "all inputs"
                reasons = "; ".join(map(str, plan.notes)) or "the model defines no contrast"
                notices.append(exclusion(f"node {node.name!r} for {label}: {reasons}"))
                continue
            if _is_too_small_to_smooth(plan, model):
                too_small.append(plan)
                continue
            record = ResultPaths.of(output_dir, node.name, plan.entities).record()
            digest = fingerprint(
                __version__,
                [digests[key] for key in plan.input_keys],
                [_fit_content(fit, output_dir) for fit in plan.fits],
                [node.type, dict(model_options(node, model.name))],
                [model.digest_of(node.name), _selection(model, node)],
            )
            digests[str(record)] = digest
            label = entities_stem(plan.entities) or node.name
            available += plan.results(str(record), label)
            planned.append(LevelPlan(plan, record, digest))
        if too_small and not any(level.plan.node.name == node.name for level in planned):
            raise BadDataError(f"{_too_small(too_small[0])}.")
        notices += [exclusion(_too_small(plan)) for plan in too_small]
    _check_records(planned)
    return tuple(planned), tuple(notices)


def _selection(model: Model, node: NodeSpec) -> dict[str, list[str]]:
    """Return the options that chose sessions and runs, as the record of a node keeps them."""
    selection: dict[str, list[str]] = model.of_result(node.name, node.level).get("Selection", {})
    return selection


def _is_too_small_to_smooth(plan: NodePlan, model: Model) -> bool:
    """Tell whether smoothed inputs are so few that their variances would be necessary."""
    node = plan.node
    if model_options(node, model.name).get("SmoothingFWHM") is None or node.level == "dataset":
        return False
    return any(len(fit.inputs) <= np.linalg.matrix_rank(fit.design.matrix) for fit in plan.fits)


def _too_small(plan: NodePlan) -> str:
    """Say why a group of smoothed inputs cannot be fitted, without a full stop."""
    fit = min(plan.fits, key=lambda fit: len(fit.inputs))
    return (
        f"node {plan.node.name!r}: {entities_stem(plan.entities)} has "
        f"{len(fit.inputs)} inputs for a design of rank "
        f"{np.linalg.matrix_rank(fit.design.matrix)}, so only the variances of the inputs could "
        "be used, which smoothed effects do not have. Smooth the runs, or the inputs of a higher "
        "level"
    )


def _fit_content(fit: FitPlan, output_dir: Path) -> list:
    """Return everything that the maps of a fit depend on, for the fingerprint."""
    return [
        [
            f"{Path(node_input.key).relative_to(output_dir).as_posix()} {node_input.contrast}"
            for node_input in fit.inputs
        ],
        list(fit.design.names),
        fit.design.matrix.tolist(),
        [fit.errors.variance_groups, fit.errors.blocks],
        [spec.to_dict() for spec in fit.contrasts],
    ]


def _check_records(planned: Sequence[LevelPlan]) -> None:
    """Refuse results that would have the same file names."""
    groups: dict[Path, Mapping[str, str]] = {}
    for level in planned:
        if level.record in groups:
            raise BadDataError(
                f"Node {level.plan.node.name!r} would write two results with the same file names "
                f"({level.record.name}): {groups[level.record]} and {level.plan.groups}. Add what "
                "differs between them to GroupBy."
            )
        groups[level.record] = level.plan.groups


def record_inputs(record: Record, path: Path, tables: ParticipantTables) -> tuple[NodeInput, ...]:
    """Return the contrasts of a finished result as inputs of nodes, without F contrasts.

    Parameters
    ----------
    record : Record
        The record of the result.
    path : Path
        Path of the record.
    tables : ParticipantTables
        Metadata of participants and sessions.
    """
    label = entities_stem(record.entities) or record.node
    metadata = tables.of(record.entities)
    return tuple(
        NodeInput(record.node, str(path), label, contrast.name, record.entities, metadata)
        for contrast in record.result.contrasts
        if contrast.test != "F"
    )
