"""Workflows above the run from plain files, for other people's workflows."""

from collections.abc import Sequence
from typing import Any

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from boldglm.interfaces import CombineRuns, TestSubjects
from boldglm.io.bids.atlas import Atlas
from boldglm.workflows.jobs import LEVEL_GB
from boldglm.workflows.nodes import make_node
from boldglm.workflows.run import RESULT_OUTPUTS


def init_subject_wf(
    labels: Sequence[str],
    *,
    atlas: Atlas | None = None,
    mem_gb: float = LEVEL_GB,
    name: str = "subject_wf",
) -> Workflow:
    """Build the workflow that combines the runs of a participant, from plain files.

    Each t contrast is combined by fixed effects, weighted by inverse variance, over the runs that
    have it.

    Parameters
    ----------
    labels : sequence of str
        Name of each run, for messages.
    atlas : Atlas, optional
        Atlas that the runs were fitted with (`RunSettings`), to combine its regions as well.
    mem_gb : float
        Memory that the combination may need, in GB; for the scheduler.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow
        A workflow with ``inputnode`` and ``outputnode``.

    Inputs
    ------
    result_files
        ``result_file`` of `init_run_wf`, or a record (JSON) of the output folder, of each run.

    Outputs
    -------
    result_file
        JSON that lists every contrast and its maps.
    effect_files, variance_files, stat_files, z_files
        Maps in the order of the contrasts; effects in the unit of the runs.

    Raises
    ------
    BadDataError
        When the workflow runs: if the runs have different grids.

    See Also
    --------
    init_run_wf : Fits one run.
    init_group_wf : Tests over participants.

    Examples
    --------
    >>> subject_wf = init_subject_wf(["run-1", "run-2"])
    >>> subject_wf.inputs.inputnode.result_files = ["1.json", "2.json"]
    """
    return _combined(CombineRuns(labels=list(labels)), atlas, mem_gb, name)


def init_group_wf(
    labels: Sequence[str],
    *,
    atlas: Atlas | None = None,
    mem_gb: float = LEVEL_GB,
    name: str = "group_wf",
) -> Workflow:
    """Build the workflow that tests the mean of participants, from plain files.

    Each t contrast gets a one-sample t test (ordinary least squares) over the participants who
    have it. For covariates, groups and other estimators, write a BIDS Stats Model.

    Parameters
    ----------
    labels : sequence of str
        Name of each participant, two or more.
    atlas : Atlas, optional
        Atlas that the runs were fitted with (`RunSettings`), to combine its regions as well.
    mem_gb : float
        Memory that the test may need, in GB; for the scheduler.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow
        A workflow with ``inputnode`` and ``outputnode``.

    Inputs
    ------
    result_files
        ``result_file`` of `init_subject_wf` or `init_run_wf`, or a record (JSON) of the output
        folder, of each participant.

    Outputs
    -------
    result_file
        JSON that lists every contrast, its maps and its table of clusters.
    effect_files, variance_files, stat_files, z_files
        Maps in the order of the contrasts; effects in the unit of the participants.

    Raises
    ------
    BadDataError
        When the workflow runs: if there are fewer than two participants, or different grids.

    See Also
    --------
    init_subject_wf : Combines runs.
    init_boldglm_wf : All levels of a BIDS dataset.

    Examples
    --------
    >>> group_wf = init_group_wf(["sub-01", "sub-02", "sub-03"])
    >>> group_wf.inputs.inputnode.result_files = ["1.json", "2.json", "3.json"]
    """
    return _combined(TestSubjects(labels=list(labels)), atlas, mem_gb, name)


def _combined(interface: Any, atlas: Atlas | None, mem_gb: float, name: str) -> Workflow:
    if atlas is not None:
        interface.inputs.atlas = atlas
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(fields=["result_files"]), name="inputnode")
    outputnode = Node(IdentityInterface(fields=list(RESULT_OUTPUTS)), name="outputnode")
    fit = make_node(interface, name="fit_node", mem_gb=mem_gb)
    workflow.connect([
        (inputnode, fit, [("result_files", "result_files")]),
        (fit, outputnode, [(output, output) for output in RESULT_OUTPUTS]),
    ])  # fmt: skip
    return workflow
