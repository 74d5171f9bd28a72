"""The nodes above the run, laid out over planned or finished results."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm._version import __version__
from boldglm.analysis.model.model import Model
from boldglm.analysis.model.model_options import model_options
from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.entities import entities_stem
from boldglm.io.outputs.derivatives import Place
from boldglm.io.outputs.records import Record, fingerprint
from boldglm.notices import Notice, exclusion
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.node_plans import NodePlan, plan_node

logger = logging.getLogger(__name__)
BELOW_DATASET = ("session", "subject")


@dataclass(frozen=True)
class LevelPlan:
    """One place in the output above the run: its fits, its record, its fingerprint."""

    plan: NodePlan
    record: Path
    fingerprint: str

    @property
    def subject(self) -> str | None:
        """Label of the participant, None at the dataset level."""
        return self.plan.entities.get("sub") if self.plan.node.level != "dataset" else None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Records that the fits need."""
        return tuple(Path(key) for key in self.plan.input_keys)


def plan_levels(
    model: Model,
    items: Sequence[NodeInput],
    fingerprints: Mapping[str, str],
    output_dir: Path,
    levels: Sequence[str],
    known: frozenset[str] = frozenset(),
) -> tuple[tuple[LevelPlan, ...], tuple[Notice, ...]]:
    """Lay out the nodes of some levels, parents first.

    Parameters
    ----------
    model : Model
    items : sequence of NodeInput
        Results of the levels below; `NodeInput.key` is the path of their record.
    fingerprints : mapping
        Of these records, by path.
    output_dir : Path
    levels : sequence of str
        Which levels to lay out.
    known : frozenset of str
        Levels of columns that participants outside the selection have.

    Returns
    -------
    levels : tuple of LevelPlan
    notices : tuple of Notice
        Where a node has nothing to estimate, and why.

    Raises
    ------
    BadDataError
        If a node groups by, or models, what no input has.
    """
    available = list(items)
    prints = dict(fingerprints)
    planned: list[LevelPlan] = []
    notices: list[Notice] = []
    for node in model.spec.higher_level_nodes(levels):
        if node.level in BELOW_DATASET and "subject" not in node.group_by:
            raise BadDataError(
                f"Node {node.name!r}, at {node.path}.GroupBy: a {node.level.capitalize()} node "
                "is fitted within participants; add 'subject'."
            )
        plans = plan_node(model.spec, node, available, known)
        parents = [edge.source for edge in model.spec.edges_into(node)]
        if not plans and prints:
            why = "has a contrast to pass on (F contrasts end where they are made)"
            if any(item.node in parents for item in available):
                why = "passes the filters of the edges that lead to it and its GroupBy"
            notices.append(
                exclusion(f"node {node.name!r}: no result of {' or '.join(parents)} {why}")
            )
        for plan in plans:
            if not plan.fits:
                label = entities_stem(plan.entities) or "all inputs"
                reasons = "; ".join(map(str, plan.notes)) or "it defines no contrast"
                notices.append(exclusion(f"node {node.name!r} for {label}: {reasons}"))
                continue
            _check_smoothed(plan, model)
            record = Place.of(output_dir, node.name, plan.entities).record()
            digest = fingerprint(
                __version__,
                [prints[key] for key in plan.input_keys],
                [_described(fit) for fit in plan.fits],
                [node.type, dict(model_options(node, model.name))],
            )
            prints[str(record)] = digest
            label = entities_stem(plan.entities) or node.name
            available += plan.results(str(record), label)
            planned.append(LevelPlan(plan, record, digest))
    _check_places(planned)
    return tuple(planned), tuple(notices)


def _check_smoothed(plan: NodePlan, model: Model) -> None:
    """Refuse to smooth what goes on by its own variances, for want of degrees of freedom."""
    node = plan.node
    if model_options(node, model.name).get("SmoothingFWHM") is None or node.level == "dataset":
        return
    for fit in plan.fits:
        rank = np.linalg.matrix_rank(fit.design.matrix)
        if len(fit.inputs) <= rank:
            raise BadDataError(
                f"Node {node.name!r}: {entities_stem(plan.entities)} has {len(fit.inputs)} inputs "
                f"for a design of rank {rank}, which leaves no variance between them. Their own "
                "would have to do, and smoothed effects have none. Smooth the runs, or what "
                "enters a higher level."
            )


def _described(fit) -> list:
    """Everything about a fit that shapes its maps."""
    return [
        [f"{item.key} {item.contrast}" for item in fit.inputs],
        list(fit.design.names),
        fit.design.matrix.tolist(),
        [spec.to_dict() for spec in fit.contrasts],
    ]


def _check_places(planned: Sequence[LevelPlan]) -> None:
    records: dict[Path, LevelPlan] = {}
    for one in planned:
        if one.record in records:
            raise BadDataError(
                f"Node {one.plan.node.name!r} would write two results to one place "
                f"({one.record.name}): {records[one.record].plan.groups} and {one.plan.groups}. "
                "Add what differs between them to GroupBy."
            )
        records[one.record] = one


def record_inputs(record: Record, path: Path, tables: ParticipantTables) -> tuple[NodeInput, ...]:
    """Return what a finished result passes on; F contrasts end where they were made."""
    label = entities_stem(record.entities) or record.node
    metadata = tables.of(record.entities)
    return tuple(
        NodeInput(record.node, str(path), label, one.name, record.entities, metadata)
        for one in record.result.contrasts
        if one.test != "F"
    )


def finished_records(
    output_dir: Path, model: Model, subjects: Sequence[str] = ()
) -> dict[Path, Record]:
    """Find the finished results of a model in the output folder, below the dataset level.

    Raises
    ------
    MissingInputError
        If a record cannot be read.
    """
    nodes = [node.name for node in model.spec.nodes if node.level != "dataset"]
    found = {}
    for path in sorted((output_dir / "logs" / "records").glob("node-*.json")):
        record = Record.read(path, output_dir)
        if record.model != model.name or record.node not in nodes:
            continue
        if subjects and record.entities.get("sub") not in subjects:
            continue
        missing = [file for file in record.files if not file.is_file()]
        if missing:
            raise MissingInputError(
                f"{missing[0]} is gone, though {path.name} lists it: run the level that makes it "
                "again."
            )
        found[path] = record
    return found
