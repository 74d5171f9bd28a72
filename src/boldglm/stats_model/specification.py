"""A BIDS Stats Model as frozen dataclasses: nodes, edges, models and contrasts.

Names follow the specification (bids-standard.github.io/stats-models). `parsing` makes these
values from the content of a model file; `node_plans` applies them to data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boldglm.notices import Notice
from boldglm.vocabulary import LEVELS

Term = str | int  # a name, a pattern with wildcards, or the number 1 for the constant


@dataclass(frozen=True)
class ContrastSpec:
    """A contrast over named columns.

    Parameters
    ----------
    name : str
    columns : tuple of str
        Columns of the design that have a weight.
    weights : tuple of tuple of float
        One row for "t" and "pass", one or several rows for "F"; a weight for each column.
    test : {"t", "F", "pass"}
        "pass" hands effect and variance to the next node without a test.
    """

    name: str
    columns: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    test: str

    @property
    def weights_by_column(self) -> dict[str, list[float] | float]:
        """Weight of each column, for F one in each row: a form of `boldglm.glm.contrast_weights`.

        Weights of a column that is named twice add up.
        """
        totals = {column: [0.0] * len(self.weights) for column in self.columns}
        for row, weights in enumerate(self.weights):
            for column, weight in zip(self.columns, weights, strict=True):
                totals[column][row] += weight
        if self.test == "F":
            return dict(totals)
        return {column: rows[0] for column, rows in totals.items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ContrastSpec":
        """Read a contrast that a model file holds, once the file has been checked."""
        rows = content["Weights"]
        rows = rows if isinstance(rows[0], list | tuple) else [rows]
        return cls(
            content["Name"],
            tuple(content["ConditionList"]),
            tuple(tuple(map(float, row)) for row in rows),
            content["Test"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the contrast as a model file writes it."""
        rows = [list(row) for row in self.weights]
        return {
            "Name": self.name,
            "ConditionList": list(self.columns),
            "Weights": rows if self.test == "F" else rows[0],
            "Test": self.test,
        }


@dataclass(frozen=True)
class DummyContrastsSpec:
    """Contrasts of single columns, each with weight 1.

    `contrasts` is None where the file has no list: then every column of X gets a contrast
    (at a run node, every column that comes from events).
    """

    contrasts: tuple[Term, ...] | None
    test: str


@dataclass(frozen=True)
class HRFSpec:
    """`Model.HRF`: the variables to convolve, the HRF and its parameters."""

    variables: tuple[str, ...]
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeSpec:
    """One node: how its inputs are grouped, the model of each group, and its contrasts.

    Parameters
    ----------
    name : str
        Unique among the nodes of a model.
    level : {"run", "session", "subject", "dataset"}
    group_by : tuple of str
        Inputs with the same values of all these entities and columns are fitted together.
    type : {"glm", "meta"}
        Least squares, or fixed effects weighted by inverse variance; a run node is always "glm".
    x : tuple of str or 1
        Terms of the design: names, patterns with ``*`` and ``?``, and 1 for the constant.
    instructions : tuple of dict
        Transformations, in order.
    contrasts : tuple of ContrastSpec
    dummy_contrasts : DummyContrastsSpec, optional
    hrf, formula, options, software
        As in the file.
    path : str
        JSON path of the node, for messages.
    """

    name: str
    level: str
    group_by: tuple[str, ...]
    type: str
    x: tuple[Term, ...]
    instructions: tuple[dict[str, Any], ...] = ()
    contrasts: tuple[ContrastSpec, ...] = ()
    dummy_contrasts: DummyContrastsSpec | None = None
    hrf: HRFSpec | None = None
    formula: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, Any] = field(default_factory=dict)
    path: str = "$.Nodes[0]"

    @property
    def boldglm_options(self) -> Mapping[str, Any]:
        """Options in `Model.Software.boldglm`, for which the specification has no field."""
        options: Mapping[str, Any] = self.software.get("boldglm", {})
        return options


@dataclass(frozen=True)
class EdgeSpec:
    """An edge: outputs of `source` that pass every entry of `filter` go to `destination`."""

    source: str
    destination: str
    filter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class StatsModel:
    """A whole model file.

    Parameters
    ----------
    name : str
    nodes : tuple of NodeSpec
    edges : tuple of EdgeSpec
    input : mapping of str to tuple of str
        Entities that select runs, and their values.
    notes : tuple of Notice
        Old spellings that were accepted, defaults that were chosen, and keys that are ignored.
    source : mapping
        The content of the file.
    """

    name: str
    nodes: tuple[NodeSpec, ...]
    edges: tuple[EdgeSpec, ...]
    input: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[Notice, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def root(self) -> NodeSpec:
        """The only node that no edge leads to: the run node."""
        destinations = {edge.destination for edge in self.edges}
        return next(node for node in self.nodes if node.name not in destinations)

    def node(self, name: str) -> NodeSpec:
        """Return the node with this name."""
        return next(node for node in self.nodes if node.name == name)

    def edges_into(self, node: NodeSpec) -> tuple[EdgeSpec, ...]:
        """Return the edges that lead to a node, in the order of the file."""
        return tuple(edge for edge in self.edges if edge.destination == node.name)

    def higher_level_nodes(self, levels: Sequence[str] = LEVELS) -> tuple[NodeSpec, ...]:
        """Return the nodes above the run that belong to `levels`, parents before children."""
        ordered: list[NodeSpec] = []
        visited = {self.root.name}
        remaining = [node for node in self.nodes if node.name not in visited]
        while remaining:
            ready = [
                node
                for node in remaining
                if all(edge.source in visited for edge in self.edges_into(node))
            ]
            ordered += ready
            visited |= {node.name for node in ready}
            remaining = [node for node in remaining if node.name not in visited]
        return tuple(node for node in ordered if node.level in levels)
