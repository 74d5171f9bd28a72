"""The workflow of one subject: its runs, their combination, its report; and of all subjects."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.analysis.first_level.confounds import check_denoising
from boldglm.analysis.first_level.settings import CachedFit, FitSettings, RunSettings
from boldglm.analysis.first_level.single_trials import METHODS, TrialSettings, trial_details
from boldglm.analysis.methods_text import (
    methods_paragraphs,
    references,
    smoothing_words,
    versions,
)
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.plan import Analysis, RunPlan
from boldglm.glm.design.confound_names import confound_kind
from boldglm.glm.design.confounds import describe_scans
from boldglm.interfaces import WriteReport
from boldglm.io.bids.events import read_table
from boldglm.io.bids.run_inputs import RunInputs
from boldglm.io.outputs.derivatives import SERIES, Place, model_file_name
from boldglm.io.outputs.records import is_finished
from boldglm.notices import Notice
from boldglm.workflows.higher_levels import (
    RecordSource,
    add_level,
    connect_record,
    level_output,
    node_fits,
)
from boldglm.workflows.nodes import make_node
from boldglm.workflows.outputs import NodeOutput, init_outputs_wf
from boldglm.workflows.run import init_run_wf

# A fit holds libraries, at most 128 MiB of the series, and a few blocks, whatever the length of a
# run; its estimates are about as many float64 a voxel as the design has columns, and some more.
FIT_GB, OTHER_ESTIMATES = 0.4, 30


@dataclass(frozen=True)
class AppContext:
    """What all workflows of one call share."""

    output_dir: Path
    command: str
    notices: tuple[Notice, ...] = ()
    n_threads: int = 1
    maps: tuple[str, ...] = ()  # of runs as a whole
    single_trials: str | None = None  # "lsa" or "lss"
    cache_folder: Path | None = None  # of the fits of runs
    inference: dict[str, Any] = field(default_factory=dict)  # of a group, as options say it
    levels: tuple[str, ...] = ("run", "session", "subject")  # which are to be done
    stamp: str = ""  # makes fingerprints new when everything is to be fitted again


def init_boldglm_wf(
    analyses: Sequence[Analysis], context: AppContext, *, name: str = "boldglm_wf"
) -> tuple[Workflow | None, int]:
    """Build the workflow of the participant level.

    Parameters
    ----------
    analyses : sequence of Analysis
        As `make_plan` made them.
    context : AppContext
        Output folder and what reports say.
    name : str
        Name of the workflow.

    Returns
    -------
    workflow : Workflow or None
        None when everything is finished already.
    n_runs : int
        Number of runs that will be fitted.
    """
    workflow = Workflow(name=name)
    subjects = list(dict.fromkeys(one for analysis in analyses for one in analysis.subjects))
    built = [init_subject_wf(subject, analyses, context) for subject in subjects]
    to_run = [subject_wf for subject_wf, _ in built if subject_wf is not None]
    workflow.add_nodes(to_run)  # at once: each call looks at every node that is there
    return (workflow if to_run else None), sum(to_fit for _, to_fit in built)


def init_subject_wf(
    subject: str, analyses: Sequence[Analysis], context: AppContext
) -> tuple[Workflow | None, int]:
    """Build the workflow of one subject, without what is finished already.

    Every analysis (task) gives a combined section and one of each run; all of them end in one
    report.

    Returns
    -------
    workflow : Workflow or None
        None when nothing is left to do.
    n_runs : int
        Number of runs that will be fitted.
    """
    workflow = Workflow(name=f"sub_{_plain(subject)}_wf")
    own = [analysis for analysis in analyses if analysis.of_subject(subject)]
    shown: list[RecordSource] = []
    n_runs = 0
    for number, analysis in enumerate(own):
        sources: dict[str, RecordSource] = {}
        for run in analysis.of_subject(subject):
            output = run_output(run, analysis.model, context)
            source = _run_record(run, analysis, output, context)
            if isinstance(source, Workflow):
                workflow.add_nodes([source])
                n_runs += 1
            sources[str(output.record)] = source
        runs = list(sources.values())
        upper = _add_levels(workflow, subject, analysis, sources, context, number)
        shown += [*upper, *runs]
    report = context.output_dir / f"sub-{subject}.html"
    if not workflow.list_node_names() and report.is_file():
        return None, 0
    models = [analysis.model for analysis in own]
    tasks = [analysis.runs[0].inputs.task for analysis in own]
    add_subject_report(workflow, subject, models, tasks, context, shown)
    return workflow, n_runs


def _add_levels(
    workflow: Workflow,
    subject: str,
    analysis: Analysis,
    sources: dict[str, RecordSource],
    context: AppContext,
    number: int,
) -> list[RecordSource]:
    """Add the session and subject nodes of one participant; the highest come first."""
    found: list[RecordSource] = []
    for index, level in enumerate(analysis.levels):
        if level.subject != subject or level.plan.node.level not in context.levels:
            continue
        model = analysis.model
        fits = node_fits(level, model, {})
        output = level_output(
            level, model, fits, context.output_dir, model_details(model), context.stamp
        )
        name = f"{_plain(level.plan.node.name)}_{number}_{index}_wf"
        source = add_level(workflow, level, sources, output, fits, name)
        sources[str(output.record)] = source
        found.insert(0, source)
    return found


def run_output(run: RunPlan, model: Model, context: AppContext) -> NodeOutput:
    """Say what the outputs of a run are called and tell."""
    inputs, found = run.inputs, run.confounds.names
    facts = [
        ("Volumes", f"{inputs.n_scans}, every {inputs.repetition_time:g} s"),
        ("First volume at", f"{inputs.start_time:g} s"),
        ("Regressors", f"{run.design.n_regressors} (rank {run.collinearity.rank})"),
        ("Noise model", model.noise_model),
        ("HRF", model.hrf_model),
        ("Smoothing", smoothing_words(model)),
        ("BOLD", inputs.bold.name),
        ("Events", inputs.events.name),
        ("Mask", inputs.mask.name if inputs.mask else "computed from the series"),
        *_confound_facts(run),
        *(
            ("Warning", str(notice))
            for notice in check_denoising(inputs.kind, found, model.high_pass)
        ),
        *_trials_facts(inputs, model, context),
    ]
    return NodeOutput(
        output_dir=context.output_dir,
        node=model.run_node.name,
        level="run",
        entities=inputs.entities,
        fingerprint="-".join(
            [run.fingerprint, *sorted(context.maps), *filter(None, [context.single_trials])]
        )
        + context.stamp,
        title=_title(inputs.entities, "task", "ses", "run", "acq", "dir"),
        facts=facts,
        details={
            **model_details(model),
            "Sources": list(inputs.sources),
            **_confound_details(run),
        },
        trial_details=_trial_details(model, context),
        n_slices=12,
        model=model.name,
    )


def _trials_facts(inputs: RunInputs, model: Model, context: AppContext) -> list[tuple[str, str]]:
    """Say how single trials were estimated and where they are."""
    if context.single_trials is None:
        return []
    place = Place.of(context.output_dir, model.run_node.name, inputs.entities)
    folder = place.folder.relative_to(context.output_dir).as_posix()
    text = f"{METHODS[context.single_trials]}: {folder}/{place.stem}_desc-trials_*"
    return [("Single trials", text)]


def _trial_details(model: Model, context: AppContext) -> dict[str, str]:
    """Return what the sidecars of single trials say instead of those of the run."""
    if context.single_trials is None:
        return {}
    choices = TrialSettings(context.single_trials, model.hrf_model, model.noise_model)
    return trial_details(choices)


def _confound_facts(run: RunPlan) -> list[tuple[str, str]]:
    """Say which confounds and which scans to leave out the design of a run has."""
    inputs, found = run.inputs, run.confounds
    kinds = Counter(confound_kind(name) for name in found.names)
    words = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    facts = [("Derivatives", inputs.derivatives)] if inputs.derivatives else []
    if inputs.confounds:
        tables = " and ".join(path.name for path in inputs.confounds)
        facts.append(("Confounds", f"{words or 'none'} (of {tables})"))
    if found.filled:
        facts.append(
            ("First row", f"n/a in {len(found.filled)} confounds (derivatives), set to 0")
        )
    if found.censored or inputs.confounds:
        text = describe_scans(list(found.censored), inputs.n_scans)
        facts.append(("Censored scans", text + " (counted from 0)" * bool(found.censored)))
    return facts


def _confound_details(run: RunPlan) -> dict:
    """Return what the sidecars of a run say of confounds and censored scans."""
    found = run.confounds
    return {
        "Confounds": list(found.names),
        "ConfoundsFirstRowSetToZero": list(found.filled),
        "CensoredVolumes": list(found.censored),  # counted from 0
        "CensoredVolumesReasons": {str(scan): list(why) for scan, why in found.censored.items()},
    }


def _run_record(
    run: RunPlan, analysis: Analysis, output: NodeOutput, context: AppContext
) -> Workflow | Path:
    """Return the record of a finished run, or the workflow that will make it."""
    if is_finished(output.record, context.output_dir, output.fingerprint):
        return output.record
    inputs, model = run.inputs, analysis.model
    label = _plain(inputs.name)
    settings = RunSettings(
        design=run.built,
        fit=FitSettings(
            model.noise_model, model.signal_scaling, model.smoothing, model.smoothing_type
        ),
        maps=context.maps,
        single_trials=context.single_trials,
        cache=_cached_fit(run, output, context),
    )
    fitting = init_run_wf(
        run.contrasts,
        settings,
        n_threads=context.n_threads,
        mem_gb=_memory_gb(run, context.single_trials is not None),
        name="fit_wf",
    )
    node = fitting.get_node("inputnode")
    node.inputs.trait_set(bold_file=str(inputs.bold), events_file=str(inputs.events))
    if inputs.mask is not None:
        node.inputs.mask_file = str(inputs.mask)
    if inputs.meshes:
        node.inputs.mesh_files = [str(path) for path in inputs.meshes]
    events = inputs.events if model.plain is not None else None  # drawn by trial_type
    writing = init_outputs_wf(output, events_file=events, name="outputs_wf")
    whole = Workflow(name=f"{label}_wf")
    fields = ("result_file", "design_file", "before_file")
    pairs = [(f"outputnode.{field}", f"inputnode.{field}") for field in fields]
    whole.connect([(fitting, writing, pairs)])
    return whole


def _cached_fit(run: RunPlan, output: NodeOutput, context: AppContext) -> CachedFit | None:
    """Return where the fit of a run is cached; fits with 4-D outputs are too large for it."""
    if context.cache_folder is None or context.single_trials or set(SERIES) & set(context.maps):
        return None
    key = "-".join([run.fit_key, *sorted(context.maps)])
    return CachedFit(context.cache_folder / output.record.stem, key + context.stamp)


def _memory_gb(run: RunPlan, with_trials: bool) -> float:
    """Bound what a fit needs, were every voxel in the mask; for nipype's scheduler."""
    per_voxel = run.design.n_regressors + OTHER_ESTIMATES
    if with_trials:  # of each at most its weight in the model of all, effect, t and dof
        per_voxel += 4 * len(read_table(run.inputs.events))
    return round(FIT_GB + run.header.volume_size * per_voxel * 8 / 2**30, 6)


def add_subject_report(
    workflow: Workflow,
    subject: str,
    models: Sequence[Model],
    tasks: Sequence[str],
    context: AppContext,
    sources: Sequence[RecordSource],
) -> None:
    """Add the report of a participant, with a section for each record."""
    records = Node(Merge(len(sources)), name="records")
    workflow.add_nodes([records])
    for slot, source in enumerate(sources, start=1):
        connect_record(workflow, source, records, f"in{slot}")
    methods, cited = [], []
    for model in models:
        methods += methods_paragraphs(model, "subject")
        cited += references(model)
    report = make_node(
        WriteReport(
            output_dir=str(context.output_dir),
            report_name=f"sub-{subject}.html",
            title=f"sub-{subject}",
            subtitle=f"Voxelwise general linear model, task {', '.join(tasks)}",
            notices=list(context.notices),
            methods=list(dict.fromkeys(methods)),
            references=list(dict.fromkeys(cited)),
            command=context.command,
            versions=list(versions()),
        ),
        name="write_report",
    )
    workflow.connect(records, "out", report, "record_files")


def model_details(model: Model) -> dict:
    """Return what every sidecar says of the model."""
    return {
        "Model": f"bids::models/{model_file_name(model.name)}",
        "NoiseModel": model.noise_model,
        "HRF": model.hrf_model,
        "HighPassPeriod": model.high_pass,
        "SignalScaling": model.signal_scaling,
        "SmoothingFWHM": model.smoothing or 0.0,
        **({"SmoothingType": model.smoothing_type} if model.smoothing else {}),
        **({"Modulators": [one.name for one in model.modulators]} if model.modulators else {}),
    }


def _title(entities: dict[str, str], *keys: str) -> str:
    words = {"task": "task", "ses": "session", "run": "run", "acq": "acquisition", "dir": "dir"}
    found = [f"{words[key]} {entities[key]}" for key in keys if key in entities]
    text = ", ".join(found)
    return text[0].upper() + text[1:]


def _plain(text: str) -> str:
    return re.sub(r"\W", "_", text)
