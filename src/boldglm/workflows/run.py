"""The workflow of one run: design, fit and contrast maps."""

from collections.abc import Sequence

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.analysis.first_level.settings import (
    BuiltDesign,
    DesignSettings,
    ModelFile,
    RunSettings,
)
from boldglm.interfaces import (
    BuildDesign,
    BuildModelDesign,
    EstimateContrasts,
    FitGLM,
    OrthogonalizeDesign,
    WriteDesign,
)
from boldglm.stats_model.specification import ContrastSpec
from boldglm.workflows.nodes import make_node

DESIGN_INPUTS = (
    "bold_file",
    "events_file",
    "confounds_file",
    "n_scans",
    "repetition_time",
    "start_time",
    "slice_time_reference",
    "volume_timing",
    "wait_for",
)
FIT_INPUTS = ("bold_file", "mask_file", "mesh_files")
FIT_OUTPUTS = (
    "fit_file",
    "mask_file",
    "mean_file",
    "run_maps",
    "whiteness",
    "quality",
    "smoothness",
    "trial_maps",
    "mask_size",
    "regions_file",
)
RESULT_OUTPUTS = ("result_file", "effect_files", "variance_files", "stat_files", "z_files")


def init_run_wf(
    contrasts: Sequence[str | dict | ContrastSpec],
    settings: RunSettings | None = None,
    *,
    n_threads: int = 1,
    mem_gb: float = 1.0,
    name: str = "run_wf",
) -> Workflow:
    """Build the workflow that fits one BOLD run and tests contrasts.

    Parameters
    ----------
    contrasts : sequence of str, dict or ContrastSpec
        Expressions such as ``"faces - houses"`` or ``"any = faces, houses"`` (F), or contrasts
        of a BIDS Stats Model.
    settings : RunSettings, optional
        Design, noise model, smoothing and further maps; by default, every trial type of the
        events is modeled with the SPM HRF.
    n_threads : int
        Number of threads of the fit.
    mem_gb : float
        Memory that the fit may need, in GB; for the scheduler.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow
        A workflow with ``inputnode`` and ``outputnode``.

    Inputs
    ------
    bold_file, events_file
        4-D BOLD series and its BIDS events.
    mask_file
        Brain mask on the grid of the series; optional.
    mesh_files
        Surface meshes to smooth along and to draw on, if the series lies on the cortex; optional.
    confounds_file
        One or several tables of confounds, with a row for each volume; optional.
    n_scans, repetition_time
        Number of volumes and seconds between them; by default from the header of the series.
    start_time
        Time at which the first volume is modeled, in seconds, such as ``StartTime`` in the
        sidecar of preprocessed data; by default `slice_time_reference` times `repetition_time`.
        Sidecars are not read here.
    slice_time_reference
        Fraction of the repetition time; by default .5, the middle of a volume.
    volume_timing
        Onset of each volume in seconds, for sparse acquisition; needs `start_time`.
    wait_for
        Any output of an earlier node, to start after it; optional.

    Outputs
    -------
    result_file
        JSON that lists every contrast and its maps.
    design_file, before_file
        The fitted design, and the design before orthogonalization if there was any.
    fit_file, mask_file
        Sufficient statistics, and the analyzed voxels.
    effect_files, variance_files, stat_files, z_files
        Maps in the order of the contrasts.

    Examples
    --------
    >>> from boldglm.workflows import FitSettings, RunSettings
    >>> settings = RunSettings(fit=FitSettings(noise_model="ar1", smoothing=5.0))
    >>> run_wf = init_run_wf(["faces - houses"], settings)
    >>> run_wf.inputs.inputnode.repetition_time = 2.0
    """
    settings = settings or RunSettings()
    workflow = Workflow(name=name)
    inputnode = Node(
        IdentityInterface(fields=list(dict.fromkeys((*DESIGN_INPUTS, *FIT_INPUTS)))),
        name="inputnode",
    )
    outputnode = Node(
        IdentityInterface(fields=["design_file", "before_file", "fit_file", "mask_file",
                                  *RESULT_OUTPUTS]),
        name="outputnode",
    )  # fmt: skip
    fit = _fit_node(settings, n_threads, mem_gb)
    if settings.single_trials is not None:
        workflow.connect(inputnode, "events_file", fit, "events_file")
    estimate = make_node(
        EstimateContrasts(contrasts=list(contrasts), maps=list(settings.maps)),
        name="estimate_contrasts",
    )
    if settings.atlas is not None:
        estimate.inputs.atlas = settings.atlas
    if settings.explain:
        estimate.inputs.explain = list(settings.explain)
    notices = Node(Merge(3), name="notices")
    design = _connect_design(workflow, settings.design, inputnode, outputnode, notices, fit)
    workflow.connect([
        (inputnode, fit, [(field, field) for field in FIT_INPUTS]),
        (inputnode, estimate, [("mesh_files", "mesh_files")]),
        (design, fit, [("design_file", "design_file")]),
        (design, estimate, [("design_file", "design_file")]),
        (fit, estimate, [(field, field) for field in FIT_OUTPUTS]),
        (fit, notices, [("notices", "in3")]),
        (notices, estimate, [("out", "notices")]),
        (design, outputnode, [("design_file", "design_file")]),
        (fit, outputnode, [("fit_file", "fit_file"), ("mask_file", "mask_file")]),
        (estimate, outputnode, [(field, field) for field in RESULT_OUTPUTS]),
    ])  # fmt: skip
    return workflow


def _connect_design(
    workflow: Workflow,
    settings: DesignSettings | ModelFile | BuiltDesign,
    inputnode: Node,
    outputnode: Node,
    notices: Node,
    fit: Node,
) -> Node:
    """Add the nodes that make the design, and return the last of them."""
    if isinstance(settings, BuiltDesign):
        write = make_node(WriteDesign(built=settings), name="write_design")
        workflow.connect([
            (write, notices, [("notices", "in1")]),
            (write, outputnode, [("before_file", "before_file")]),
            (inputnode, write, [("wait_for", "wait_for")]),
        ])  # fmt: skip
        if settings.slices is not None:
            workflow.connect(write, "slice_designs_file", fit, "slice_designs_file")
        return write
    build = _build_node(settings)
    workflow.connect([
        (inputnode, build, [(field, field) for field in DESIGN_INPUTS]),
        (build, notices, [("notices", "in1")]),
    ])  # fmt: skip
    if not settings.orthogonalize:
        return build
    orthogonalize = make_node(
        OrthogonalizeDesign(rules=list(settings.orthogonalize)), name="orthogonalize"
    )
    workflow.connect([
        (build, orthogonalize, [("design_file", "design_file")]),
        (build, outputnode, [("design_file", "before_file")]),
        (orthogonalize, notices, [("notices", "in2")]),
    ])  # fmt: skip
    return orthogonalize


def _build_node(settings: DesignSettings | ModelFile) -> Node:
    """Return the node that builds a design from events or by a model file."""
    if isinstance(settings, ModelFile):
        interface = BuildModelDesign(
            model_file=str(settings.path),
            known_variables=list(settings.known_variables),
            missing_conditions=settings.missing_conditions,
        )
        return make_node(interface, name="build_design")
    interface = BuildDesign(
        hrf_model=settings.hrf_model,
        high_pass=settings.high_pass,
        drift=settings.drift,
        confounds=list(settings.confounds.columns),
        dummy_scans=settings.confounds.dummy_scans,
        modulators=[modulator.to_dict() for modulator in settings.modulators],
        prefix=settings.prefix,
    )
    optional = {
        "conditions": settings.conditions,
        "fir_delays": settings.fir_delays,
        "fd_threshold": settings.confounds.fd_threshold,
    }
    for trait, value in optional.items():
        if value is not None:
            setattr(interface.inputs, trait, list(value) if isinstance(value, tuple) else value)
    return make_node(interface, name="build_design")


def _fit_node(settings: RunSettings, n_threads: int, mem_gb: float) -> Node:
    interface = FitGLM(
        noise_model=settings.fit.noise_model,
        signal_scaling=settings.fit.signal_scaling,
        maps=list(settings.maps),
        n_threads=n_threads,
    )
    inputs = interface.inputs
    if settings.fit.smoothing is not None:
        inputs.trait_set(
            smoothing=settings.fit.smoothing, smoothing_type=settings.fit.smoothing_type
        )
    if settings.atlas is not None:
        inputs.atlas = settings.atlas
    if settings.cache is not None:
        inputs.trait_set(cache_folder=str(settings.cache.folder), cache_key=settings.cache.key)
    if settings.single_trials is not None:
        inputs.single_trials = settings.single_trials
        if not isinstance(settings.design, ModelFile):
            inputs.hrf_model = settings.design.hrf_model
    return make_node(interface, name="fit_glm", mem_gb=mem_gb)
