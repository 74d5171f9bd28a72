"""The workflow of one run: events to design to fit to contrast maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.interfaces import (
    BuildDesign,
    BuildModelDesign,
    EstimateContrasts,
    FitGLM,
    OrthogonalizeDesign,
)
from boldglm.notices import Notice
from boldglm.workflows.nodes import make_node

RUN_FIELDS = (
    "bold_file",
    "events_file",
    "mask_file",
    "mesh_files",
    "confounds_file",
    "n_scans",
    "repetition_time",
    "start_time",
)
FITTED_FIELDS = (
    "fit_file",
    "mask_file",
    "mean_file",
    "run_maps",
    "whiteness",
    "smoothness",
    "trial_maps",
    "mask_size",
)
RESULT_FIELDS = (
    "result_file",
    "design_file",
    "before_file",
    "fit_file",
    "mask_file",
    "effect_files",
    "variance_files",
    "stat_files",
    "z_files",
)


def init_run_wf(
    *,
    contrasts: Sequence[Any],
    conditions: Sequence[str] | None = None,
    hrf_model: str = "spm",
    fir_delays: Sequence[float] | None = None,
    high_pass: float | None = 128.0,
    confounds: Sequence[str] = (),
    fd_threshold: float | None = None,
    dummy_scans: int = 0,
    modulators: Sequence[dict] = (),
    orthogonalize: Sequence[str] = (),
    noise_model: str = "auto",
    signal_scaling: str = "percent",
    smoothing: float | None = None,
    smoothing_type: str = "iso",
    maps: Sequence[str] = (),
    notices: Sequence[Notice] = (),
    single_trials: str | None = None,
    model_file: Path | None = None,
    known_variables: Sequence[str] = (),
    missing_conditions: str = "drop",
    keep: tuple[Path, str] | None = None,
    n_threads: int = 1,
    mem_gb: float = 1.0,
    name: str = "run_wf",
) -> Workflow:
    """Build the workflow that fits one BOLD run and tests contrasts.

    Parameters
    ----------
    contrasts : sequence of str or dict
        Expressions such as ``"faces - houses"`` or ``"any = faces, houses"`` (F), or contrasts
        as a BIDS Stats Model writes them.
    conditions : sequence of str, optional
        Trial types to model; by default all that occur.
    hrf_model : str
        One of `boldglm.glm.HRF_MODELS`.
    fir_delays : sequence of float, optional
        In seconds, for ``"fir"``.
    high_pass : float or None
        Cut-off period of the cosine drift in seconds; None for no drift.
    confounds : sequence of str
        Columns of the confounds table that join the design: names and patterns.
    fd_threshold : float or None
        Framewise displacement in mm above which a volume is censored.
    dummy_scans : int
        How many of the first volumes are censored.
    modulators : sequence of dict
        Columns of the events that scale responses: ``{"Condition": "go", "Column": "rt",
        "Order": 1}``.
    orthogonalize : sequence of str
        Rules such as ``"houses ~ faces"``.
    noise_model, signal_scaling : str
        as for `boldglm.glm.first_level.fit`; ``"percent"`` or ``"none"``.
    smoothing : float, optional
        Full width at half maximum in mm of a Gaussian among the voxels of the mask.
    smoothing_type : {"iso", "isoblurto"}
        Whether that is the width of the Gaussian, or how smooth residuals are to be after it.
    maps : sequence of str
        Maps of the run as a whole: of ``"rsquared"``, ``"whiteness"``, ``"dof"``, ``"ar"``,
        ``"residuals"``, ``"fitted"``.
    notices : sequence of Notice
        Exclusions and warnings known before the fit, for the result.
    single_trials : {"lsa", "lss"}, optional
        Estimate every trial as well, all in one model or each in its own.
    model_file : Path, optional
        BIDS Stats Model whose run node makes the design, in place of the arguments from
        `conditions` to `modulators`.
    known_variables : sequence of str
        With a model file: names of variables that other runs have.
    missing_conditions : {"drop", "zero", "error"}
        With a model file: what to do where this run lacks one of them.
    keep : tuple of (Path, str), optional
        Folder where the fit is kept, and a digest of all that it depends on: a fit that was kept
        there before with this digest is taken instead of fitting the run.
    n_threads : int
        With more than one, the series is decompressed ahead of the rest.
    mem_gb : float
        What the fit may need, for the scheduler.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow
        With ``inputnode`` and ``outputnode``.

    Inputs
    ------
    bold_file, events_file
        4-D series and its BIDS events.
    mask_file
        Optional brain mask on the grid of the series.
    mesh_files
        Optional surfaces, for series on the cortex: to smooth along, and to draw on.
    confounds_file
        Optional table of confounds, or several: one row for each volume.
    n_scans, repetition_time, start_time
        Optional; by default from the header of the series, and 0.

    Outputs
    -------
    result_file
        JSON that lists every contrast and its maps.
    design_file, before_file
        Design that was fitted, and before orthogonalization.
    fit_file, mask_file
        Sufficient statistics, and the voxels they are of.
    effect_files, variance_files, stat_files, z_files
        Maps in the order of the contrasts.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(fields=list(RUN_FIELDS)), name="inputnode")
    outputnode = Node(IdentityInterface(fields=list(RESULT_FIELDS)), name="outputnode")
    build: Node
    if model_file is not None:
        build = make_node(
            BuildModelDesign(
                model_file=str(model_file),
                known_variables=list(known_variables),
                missing_conditions=missing_conditions,
            ),
            name="build_design",
        )
    else:
        build = _build_design(
            hrf_model=hrf_model,
            high_pass=high_pass,
            confounds=list(confounds),
            dummy_scans=dummy_scans,
            modulators=list(modulators),
            fd_threshold=fd_threshold,
            conditions=None if conditions is None else list(conditions),
            fir_delays=None if fir_delays is None else list(fir_delays),
        )
    orthogonalized = make_node(
        OrthogonalizeDesign(rules=list(orthogonalize)), name="orthogonalize"
    )
    fitted = make_node(
        FitGLM(noise_model=noise_model, signal_scaling=signal_scaling, n_threads=n_threads),
        name="fit_glm",
        mem_gb=mem_gb,
    )
    if smoothing is not None:
        fitted.inputs.trait_set(smoothing=smoothing, smoothing_type=smoothing_type)
    fitted.inputs.maps = list(maps)
    if keep is not None:
        fitted.inputs.trait_set(keep_folder=str(keep[0]), keep_key=keep[1])
    if single_trials is not None:
        fitted.inputs.trait_set(single_trials=single_trials, hrf_model=hrf_model)
        workflow.connect(inputnode, "events_file", fitted, "events_file")
    notes = Node(Merge(4), name="notices")
    notes.inputs.in4 = list(notices)
    tested = make_node(EstimateContrasts(contrasts=list(contrasts)), name="estimate_contrasts")
    tested.inputs.maps = list(maps)
    of_the_fit = ("mask_file", "mesh_files")
    from_inputs = [(field, field) for field in RUN_FIELDS if field not in of_the_fit]
    workflow.connect([
        (inputnode, build, from_inputs),
        (inputnode, fitted, [
            (field, field) for field in ("bold_file", *of_the_fit)
        ]),
        (inputnode, tested, [("mesh_files", "mesh_files")]),
        (build, orthogonalized, [("design_file", "design_file")]),
        (orthogonalized, fitted, [("design_file", "design_file")]),
        (build, notes, [("notices", "in1")]),
        (orthogonalized, notes, [("notices", "in2")]),
        (fitted, notes, [("notices", "in3")]),
        (notes, tested, [("out", "notices")]),
        (fitted, tested, [(field, field) for field in FITTED_FIELDS]),
        (build, outputnode, [("design_file", "before_file")]),
        (orthogonalized, outputnode, [("design_file", "design_file")]),
        (fitted, outputnode, [("fit_file", "fit_file"), ("mask_file", "mask_file")]),
        (tested, outputnode, [
            (field, field)
            for field in ("result_file", "effect_files", "variance_files", "stat_files", "z_files")
        ]),
    ])  # fmt: skip
    return workflow


def _build_design(**options: Any) -> Node:
    """Make the node of a design from conditions; options that are None keep their default."""
    build = make_node(BuildDesign(), name="build_design")
    for name, value in options.items():
        if value is not None or name == "high_pass":
            setattr(build.inputs, name, value)
    return build
