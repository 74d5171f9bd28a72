"""The last step of every level: derivatives and the record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from boldglm.interfaces import WriteDerivatives
from boldglm.io.outputs.names import ResultPaths
from boldglm.vocabulary import DEFAULT_MAPS, TRIAL_TYPE
from boldglm.workflows.nodes import make_node


@dataclass(frozen=True)
class NodeOutput:
    """Names and descriptions of the outputs of one node.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    node, level : str
        Name and level of the node in the model.
    entities : dict
        BIDS entities of the files.
    fingerprint : str
        Digest of everything that the result depends on.
    title : str
        Heading of the section in the report.
    facts : sequence of (str, str)
        Labels and values of the table in the report.
    details : dict
        Content of every sidecar.
    trial_details : dict
        Content that replaces `details` in sidecars of single trials.
    n_slices : int
        Number of slices shown of each map.
    maps : tuple of str
        Maps of contrasts to write.
    is_open : bool
        Whether the section of the report starts unfolded.
    model : str
        Name of the model.
    analysis : dict
        What the record keeps of the analysis, from `boldglm.analysis.model.model.Model.of_result`.
    motion : dict
        Head motion of a run, from `boldglm.analysis.first_level.run_quality.RunQuality.to_dict`.
    """

    output_dir: Path
    node: str
    level: str
    entities: dict[str, str]
    fingerprint: str
    title: str
    facts: Sequence[tuple[str, str]] = ()
    details: dict[str, Any] = field(default_factory=dict)
    trial_details: dict[str, str] = field(default_factory=dict)
    n_slices: int = 21
    is_open: bool = False
    maps: tuple[str, ...] = DEFAULT_MAPS
    model: str = ""
    analysis: dict[str, Any] = field(default_factory=dict)
    motion: dict[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> Path:
        """Path of the record, which is written once the node is complete."""
        return ResultPaths.of(self.output_dir, self.node, self.entities).record()


def init_outputs_wf(
    output: NodeOutput,
    *,
    events_file: Path | None = None,
    trial_type_column: str = TRIAL_TYPE,
    name: str,
) -> Workflow:
    """Build the workflow that writes a result as derivatives.

    Parameters
    ----------
    output : NodeOutput
        Names, facts and content of sidecars.
    events_file : Path, optional
        Events to draw with the regressors.
    trial_type_column : str
        Their column that names conditions.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow
        A workflow with ``inputnode`` and ``outputnode``.

    Inputs
    ------
    result_file
        JSON from `EstimateContrasts` or `FitNode`.
    design_file, before_file
        The fitted design, and the design before orthogonalization; optional.

    Outputs
    -------
    record_file
        Record of the complete node.
    """
    workflow = Workflow(name=name)
    inputnode = Node(
        IdentityInterface(fields=["result_file", "design_file", "before_file"]), name="inputnode"
    )
    outputnode = Node(IdentityInterface(fields=["record_file"]), name="outputnode")
    write = make_node(
        WriteDerivatives(
            output_dir=str(output.output_dir),
            node=output.node,
            level=output.level,
            entities=output.entities,
            fingerprint=output.fingerprint,
            model=output.model,
            analysis=output.analysis,
            details=output.details,
            trial_details=output.trial_details,
            title=output.title,
            facts=list(output.facts),
            n_slices=output.n_slices,
            is_open=output.is_open,
            maps=list(output.maps),
            motion=output.motion,
        ),
        name="write_derivatives",
    )
    if events_file is not None:
        write.inputs.events_file = str(events_file)
        write.inputs.trial_type_column = trial_type_column
    fields = ("result_file", "design_file", "before_file")
    workflow.connect([
        (inputnode, write, [(field, field) for field in fields]),
        (write, outputnode, [("record_file", "record_file")]),
    ])  # fmt: skip
    return workflow
