"""The last steps of every level: pictures, then derivatives and the record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from boldglm.interfaces import PlotResults, WriteDerivatives
from boldglm.io.outputs.derivatives import Place
from boldglm.workflows.nodes import make_node


@dataclass(frozen=True)
class NodeOutput:
    """What the outputs of one node are called and say."""

    output_dir: Path
    node: str
    level: str
    entities: dict[str, str]
    fingerprint: str
    title: str
    facts: Sequence[tuple[str, str]] = ()
    details: dict[str, Any] = field(default_factory=dict)
    trial_details: dict[str, str] = field(default_factory=dict)  # instead, of single trials
    n_slices: int = 21
    is_open: bool = False
    model: str = ""

    @property
    def record(self) -> Path:
        """The record that says that the node is complete."""
        return Place.of(self.output_dir, self.node, self.entities).record()


def init_outputs_wf(output: NodeOutput, *, events_file: Path | None = None, name: str) -> Workflow:
    """Build the workflow that draws a result and writes it as derivatives.

    Parameters
    ----------
    output : NodeOutput
        Names, facts and sidecar content.
    events_file : Path, optional
        Events to draw beside the regressors.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow

    Inputs
    ------
    result_file
        As the interfaces that make maps write it.
    design_file, before_file
        Optional designs to draw and write.

    Outputs
    -------
    record_file
        Record of the finished node.
    """
    workflow = Workflow(name=name)
    inputnode = Node(
        IdentityInterface(fields=["result_file", "design_file", "before_file"]), name="inputnode"
    )
    outputnode = Node(IdentityInterface(fields=["record_file"]), name="outputnode")
    plot = make_node(
        PlotResults(
            title=output.title,
            facts=list(output.facts),
            n_slices=output.n_slices,
            is_open=output.is_open,
        ),
        name="plot_results",
    )
    if events_file is not None:
        plot.inputs.events_file = str(events_file)
    write = make_node(
        WriteDerivatives(
            output_dir=str(output.output_dir),
            node=output.node,
            level=output.level,
            entities=output.entities,
            fingerprint=output.fingerprint,
            model=output.model,
            details=output.details,
            trial_details=output.trial_details,
        ),
        name="write_derivatives",
    )
    both = [("result_file", "result_file"), ("design_file", "design_file")]
    workflow.connect([
        (inputnode, plot, [*both, ("before_file", "before_file")]),
        (inputnode, write, both),
        (plot, write, [("section_file", "section_file")]),
        (write, outputnode, [("record_file", "record_file")]),
    ])  # fmt: skip
    return workflow
