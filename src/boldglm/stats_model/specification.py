"""A BIDS Stats Model as checked, frozen values: nodes, edges, models, contrasts.

Names follow the specification (bids-standard.github.io/stats-models); `reading` makes these
values from the content of a file, `graph` lays data out over them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LEVELS = ("run", "session", "subject", "dataset")
Term = str | int  # a name, a pattern, or the number 1, which stands for the constant

ENTITY_KEYS = {
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "resolution": "res",
    "density": "den",
    **{key: key for key in ("task", "run", "echo", "space", "cohort", "hemi")},
}


@dataclass(frozen=True)
class ContrastSpec:
    """A contrast over named columns; `weights` has one row (t, pass) or several (F).

    `test` is "t", "F", or "pass": effect and variance go on to the next node, untested.
    """

    name: str
    columns: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    test: str

    def to_dict(self) -> dict[str, Any]:
        """Return what a model file holds."""
        rows = [list(row) for row in self.weights]
        return {
            "Name": self.name,
            "ConditionList": list(self.columns),
            "Weights": rows if self.test == "F" else rows[0],
            "Test": self.test,
        }


@dataclass(frozen=True)
class DummyContrastsSpec:
    """One-hot contrasts; `contrasts` None stands for every column of X."""

    contrasts: tuple[Term, ...] | None
    test: str


@dataclass(frozen=True)
class HRFSpec:
    """`Model.HRF`: which variables are convolved, with what."""

    variables: tuple[str, ...]
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeSpec:
    """One node: what is grouped, what is fitted, which contrasts go on.

    Parameters
    ----------
    name : str
        Unique among nodes.
    level : {"run", "session", "subject", "dataset"}
    group_by : tuple of str
        Inputs that agree in all of these are fitted together.
    type : {"glm", "meta"}
        Least squares, or fixed effects weighted by inverse variance; a run is always "glm".
    x : tuple of str or 1
        Terms of the design, with patterns; 1 is the constant.
    instructions : tuple of dict
        Transformations, in order.
    contrasts, dummy_contrasts
        What is estimated.
    hrf, formula, options, software
        As the file has them.
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
        """What the file says to boldglm only, where the specification has no place for it."""
        found: Mapping[str, Any] = self.software.get("boldglm", {})
        return found


@dataclass(frozen=True)
class EdgeSpec:
    """Results of `source` that pass every entry of `filter` go to `destination`."""

    source: str
    destination: str
    filter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class StatsModel:
    """A whole model file. `notes` say in words what was tolerated or is not used."""

    name: str
    nodes: tuple[NodeSpec, ...]
    edges: tuple[EdgeSpec, ...]
    input: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def root(self) -> NodeSpec:
        """The one node that no edge leads to; a run node."""
        led_to = {edge.destination for edge in self.edges}
        return next(node for node in self.nodes if node.name not in led_to)

    def node(self, name: str) -> NodeSpec:
        """Return the node of this name."""
        return next(node for node in self.nodes if node.name == name)

    def edges_into(self, node: NodeSpec) -> tuple[EdgeSpec, ...]:
        """Return the edges that lead to a node, in the order of the file."""
        return tuple(edge for edge in self.edges if edge.destination == node.name)

    def higher_level_nodes(self, levels: Sequence[str] = LEVELS) -> tuple[NodeSpec, ...]:
        """Return the nodes of some levels after the root, parents before children."""
        ordered: list[NodeSpec] = []
        done = {self.root.name}
        waiting = [node for node in self.nodes if node.name not in done]
        while waiting:
            ready = [
                node
                for node in waiting
                if all(edge.source in done for edge in self.edges_into(node))
            ]
            ordered += ready
            done |= {node.name for node in ready}
            waiting = [node for node in waiting if node.name not in done]
        return tuple(node for node in ordered if node.level in levels)
