"""The workflow of a subject (runs, higher levels, report), and of all subjects."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

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
from boldglm.analysis.plan.atlases import PlannedAtlases, atlas_label
from boldglm.analysis.plan.explained_pairs import has_pairs, pairs_in_run
from boldglm.analysis.plan.plan import Analysis, RunPlan
from boldglm.glm.design.confound_names import confound_category
from boldglm.glm.design.confounds import describe_scans
from boldglm.glm.design.summaries import counted
from boldglm.io.bids.excluded_runs import ExcludedRun, count_excluded
from boldglm.io.bids.run_inputs import RunInputs
from boldglm.io.bids.tables import read_table
from boldglm.io.entities import entities_of, run_of
from boldglm.io.outputs.names import SERIES, ResultPaths, model_file_name
from boldglm.io.outputs.records import is_finished
from boldglm.io.outputs.report_pages import ReportPage
from boldglm.notices import Notice, about_subject
from boldglm.vocabulary import DEFAULT_RUN_MAPS, DRIFT, TRIAL_TYPE
from boldglm.workflows.higher_levels import (
    RecordSource,
    add_level,
    level_output,
    node_fits,
)
from boldglm.workflows.other_results import SavedResults
from boldglm.workflows.outputs import NodeOutput, init_outputs_wf
from boldglm.workflows.reports import ReportSettings, add_report, region_methods
from boldglm.workflows.run import init_run_wf

# Memory of a fit, however long the run is: the libraries, at most 128 MiB of the series and a few
# blocks of it. Estimates: a float64 of each voxel for every column of the design, and some more.
FIT_GB, OTHER_ESTIMATES = 0.4, 30
SINGLE_TRIAL_MAPS = 4  # for each trial: weight in the LSA model, effect, t, degrees of freedom


@dataclass(frozen=True)
class AppSettings:
    """Settings that all workflows of one command share.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    command : str
        The command line, for reports. Those of participants add the label of theirs.
    notices : tuple of Notice
        Notices of the analysis as a whole, for reports.
    excluded : tuple of ExcludedRun
        Runs and participants that are not analyzed; `notices` has them too.
    n_threads : int
        Number of threads of each fit.
    maps : tuple of str
        Maps of each run that belong to no contrast.
    single_trials : {"lsa", "lss"}, optional
        How to estimate single trials; None to estimate none.
    cache_folder : Path, optional
        Folder for the fits of runs; None to store none.
    inference : dict
        Options of `Inference` that override those of the model.
    levels : tuple of str
        Levels to fit.
    stamp : str
        Appended to fingerprints; a new one makes every result out of date.
    reports : ReportSettings
        Whether and how reports are written.
    contrast_maps : tuple of str
        Maps of contrasts to write; empty for the default of each level.
    atlases : PlannedAtlases
        Atlas of each space, whose regions are tested as well.
    explain : tuple of str
        Pairs of regressors that the reports of runs explain.
    """

    output_dir: Path
    command: str
    notices: tuple[Notice, ...] = ()
    excluded: tuple[ExcludedRun, ...] = ()
    n_threads: int = 1
    maps: tuple[str, ...] = ()
    single_trials: str | None = None
    cache_folder: Path | None = None
    inference: dict[str, Any] = field(default_factory=dict)
    levels: tuple[str, ...] = ("run", "session", "subject")
    stamp: str = ""
    reports: ReportSettings = field(default_factory=ReportSettings)
    contrast_maps: tuple[str, ...] = ()
    atlases: PlannedAtlases = field(default_factory=PlannedAtlases)
    explain: tuple[str, ...] = ()

    @cached_property
    def saved_results(self) -> SavedResults:
        """Finished results in the output folder, once the analyses of the call are saved there."""
        return SavedResults(self.output_dir)


def init_participants_wf(
    analyses: Sequence[Analysis], settings: AppSettings, *, name: str = "boldglm_wf"
) -> tuple[Workflow | None, int]:
    """Build the workflow of the participant level.

    Parameters
    ----------
    analyses : sequence of Analysis
        From `boldglm.analysis.plan.plan.make_plan`.
    settings : AppSettings
        Settings that all workflows share.
    name : str
        Name of the workflow.

    Returns
    -------
    workflow : Workflow or None
        None if everything is finished already.
    n_runs : int
        Number of runs that the workflow fits.
    """
    workflow = Workflow(name=name)
    subjects = dict.fromkeys(subject for analysis in analyses for subject in analysis.subjects)
    built = [init_planned_subject_wf(subject, analyses, settings) for subject in subjects]
    unfinished = [subject_wf for subject_wf, _ in built if subject_wf is not None]
    workflow.add_nodes(unfinished)  # in one call, because each call checks all nodes
    return (workflow if unfinished else None), sum(n_runs for _, n_runs in built)


def init_planned_subject_wf(
    subject: str, analyses: Sequence[Analysis], settings: AppSettings
) -> tuple[Workflow | None, int]:
    """Build the workflow of one subject, without the results that are finished.

    The report has a section for each higher-level result and each run of every analysis.

    Parameters
    ----------
    subject : str
        Label of the subject.
    analyses : sequence of Analysis
        From `boldglm.analysis.plan.plan.make_plan`, one for each task.
    settings : AppSettings
        Settings that all workflows share.

    Returns
    -------
    workflow : Workflow or None
        None if everything is finished already.
    n_runs : int
        Number of runs that the workflow fits.
    """
    workflow = Workflow(name=subject_wf_name(subject))
    analyses = [analysis for analysis in analyses if analysis.of_subject(subject)]
    sections: list[RecordSource] = []
    planned: list[Path] = []
    n_runs = 0
    for number, analysis in enumerate(analyses):
        sources: dict[str, RecordSource] = {}
        for run in analysis.of_subject(subject):
            output = run_output(run, analysis.model, settings)
            source = _run_record(run, analysis.model, output, settings)
            if isinstance(source, Workflow):
                workflow.add_nodes([source])
                n_runs += 1
            sources[str(output.record)] = source
        runs = list(sources.values())
        higher_levels = _add_levels(workflow, subject, analysis, sources, settings, number)
        sections += [*higher_levels, *runs]
        planned += map(Path, sources)
    is_finished_too = settings.reports.is_there(settings.output_dir, f"sub-{subject}")
    if not workflow.list_node_names() and is_finished_too:
        return None, 0
    models = [analysis.model for analysis in analyses]
    tasks = [analysis.runs[0].inputs.task for analysis in analyses]
    add_subject_report(workflow, subject, models, tasks, settings, sections, planned)
    return workflow, n_runs


def written_records(subject_wf: Workflow) -> dict[str, str]:
    """Return which workflow in that of a subject writes each record, by the path of the record."""
    places: dict[str, str] = {}
    for inner in subject_wf._graph.nodes:
        if isinstance(inner, Workflow):
            written = inner.get_node("outputs_wf.write_derivatives").inputs
            paths = ResultPaths.of(Path(written.output_dir), written.node, written.entities)
            places[str(paths.record())] = inner.name
    return places


def subject_wf_name(subject: str) -> str:
    """Return the name of the workflow of a subject."""
    return f"sub_{_node_name(subject)}_wf"


def _add_levels(
    workflow: Workflow,
    subject: str,
    analysis: Analysis,
    sources: dict[str, RecordSource],
    settings: AppSettings,
    number: int,
) -> list[RecordSource]:
    """Add the session and subject nodes of one subject; return them, highest level first."""
    added: list[RecordSource] = []
    model = analysis.model
    for index, level in enumerate(analysis.levels):
        if level.subject != subject or level.plan.node.level not in settings.levels:
            continue
        fits = node_fits(level, model, {}, settings.atlases)
        output = level_output(
            level,
            model,
            fits,
            settings.output_dir,
            model_details(model),
            settings.stamp,
            settings.contrast_maps,
        )
        name = f"{_node_name(level.plan.node.name)}_{number}_{index}_wf"
        source = add_level(workflow, level, sources, output, fits, name)
        sources[str(output.record)] = source
        added.insert(0, source)
    return added


def run_output(run: RunPlan, model: Model, settings: AppSettings) -> NodeOutput:
    """Name and describe the outputs of a run.

    Parameters
    ----------
    run : RunPlan
        The planned run.
    model : Model
        The model of the run.
    settings : AppSettings
        Settings that all workflows share.

    Returns
    -------
    NodeOutput
        Names of the outputs, the table of the report and the content of sidecars.
    """
    inputs = run.inputs
    warnings = check_denoising(inputs.kind, run.confounds.names, has_drift=model.has_drift)
    facts = [
        ("Volumes", f"{inputs.n_scans}, {inputs.spacing}"),
        ("First volume at", f"{inputs.start_time:g} s"),
        *_slice_facts(run),
        ("Regressors", f"{run.design.n_regressors} (rank {run.collinearity.rank})"),
        ("Noise model", model.noise_model),
        ("HRF", model.hrf_model),
        ("Smoothing", smoothing_words(model)),
        ("BOLD", inputs.bold.name),
        ("Events", _events_fact(inputs, model)),
        ("Mask", inputs.mask.name if inputs.mask else "computed from the BOLD series"),
        *_confound_facts(run),
        *(("Warning", str(warning)) for warning in warnings),
        *_single_trial_facts(inputs, model, settings),
    ]
    options = [*sorted(settings.maps), *filter(None, [settings.single_trials])]
    options += [
        *sorted(settings.contrast_maps),
        *atlas_label(settings.atlases.of(inputs.entities)),
    ]
    return NodeOutput(
        output_dir=settings.output_dir,
        node=model.run_node.name,
        level="run",
        entities=inputs.entities,
        fingerprint="-".join([run.fingerprint, *options]) + settings.stamp,
        title=_title(inputs.entities, "task", "ses", "run", "acq", "dir"),
        facts=facts,
        details={
            **model_details(model),
            "Sources": list(inputs.sources),
            **_timing_details(run),
            **_confound_details(run),
        },
        trial_details=_single_trial_details(model, settings),
        n_slices=12,
        maps=settings.contrast_maps or DEFAULT_RUN_MAPS,
        model=model.name,
        analysis=model.of_result(model.run_node.name, "run"),
        motion=run.quality.to_dict(),
    )


def _timing_details(run: RunPlan) -> dict[str, Any]:
    """Return the times of volumes and slices, with the keys of BIDS, for sidecars."""
    inputs, slices = run.inputs, run.built.slices
    details: dict[str, Any] = {"RepetitionTime": inputs.repetition_time}
    if inputs.volume_timing:
        details = {"VolumeTiming": list(inputs.volume_timing)}
    details["StartTime"] = inputs.start_time
    if slices is not None:
        details["SliceTimesModeled"] = [slices.times[group] for group in slices.groups]
        details["SliceEncodingDirection"] = "ijk"[slices.axis]
    return details


def _slice_facts(run: RunPlan) -> list[tuple[str, str]]:
    """Return at which times slices are modeled, for the report."""
    slices = run.built.slices
    if slices is None:
        return []
    first, last = slices.times[0], slices.times[-1]
    text = (
        f"each modeled at its own time, {first:g} to {last:g} s after the beginning of a volume "
        f"({len(slices.times)} designs; the one shown is that of {run.inputs.start_time:g} s)"
    )
    return [("Slices", text)]


def _single_trial_facts(
    inputs: RunInputs, model: Model, settings: AppSettings
) -> list[tuple[str, str]]:
    """Return how single trials were estimated, and where the maps are, for the report."""
    if settings.single_trials is None:
        return []
    paths = ResultPaths.of(settings.output_dir, model.run_node.name, inputs.entities)
    folder = paths.folder.relative_to(settings.output_dir).as_posix()
    text = f"{METHODS[settings.single_trials]}: {folder}/{paths.stem}_desc-trials_*"
    return [("Single trials", text)]


def _single_trial_details(model: Model, settings: AppSettings) -> dict[str, str]:
    """Return the content of sidecars of single trials that differs from that of the run."""
    if settings.single_trials is None:
        return {}
    return trial_details(TrialSettings(settings.single_trials, model.hrf_model, model.noise_model))


def _confound_facts(run: RunPlan) -> list[tuple[str, str]]:
    """Return the confounds and censored volumes of a run, for the report."""
    inputs, confounds = run.inputs, run.confounds
    counts = Counter(confound_category(name) for name in confounds.names)
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    facts = [("Derivatives", inputs.derivatives)] if inputs.derivatives else []
    if inputs.confounds:
        tables = " and ".join(path.name for path in inputs.confounds)
        facts.append(("Confounds", f"{summary or 'none'} (from {tables})"))
    if confounds.filled:
        facts.append(
            ("First row", f"n/a in {len(confounds.filled)} confounds (derivatives), set to 0")
        )
    if confounds.censored or inputs.confounds:
        text = describe_scans(list(confounds.censored), inputs.n_scans)
        facts.append(("Censored volumes", text + " (counted from 0)" * bool(confounds.censored)))
    return facts


def _confound_details(run: RunPlan) -> dict:
    """Return the confounds and censored volumes of a run, for its sidecars."""
    confounds = run.confounds
    return {
        "Confounds": list(confounds.names),
        "ConfoundsFirstRowSetToZero": list(confounds.filled),
        "CensoredVolumes": list(confounds.censored),  # counted from 0
        "CensoredVolumesReasons": {
            str(scan): list(reasons) for scan, reasons in confounds.censored.items()
        },
    }


def _events_fact(inputs: RunInputs, model: Model) -> str:
    """Return the name of the events file, and the column of conditions if it is another."""
    column = _trial_type_column(model)
    if inputs.events is None:
        return "none"
    return inputs.events.name + ("" if column == TRIAL_TYPE else f" (column {column})")


def _run_record(
    run: RunPlan, model: Model, output: NodeOutput, settings: AppSettings
) -> RecordSource:
    """Return the record of a finished run, or the workflow that will write it."""
    if is_finished(output.record, settings.output_dir, output.fingerprint) and has_pairs(
        output.record, settings.output_dir, run, settings.explain
    ):
        return output.record
    fit_wf = _init_fit_wf(run, model, output, settings)
    inputs = run.inputs
    events = inputs.events if model.plain is not None else None  # drawn by trial_type
    outputs_wf = init_outputs_wf(
        output, events_file=events, trial_type_column=_trial_type_column(model), name="outputs_wf"
    )
    workflow = Workflow(name=f"{_node_name(inputs.name)}_wf")
    fields = ("result_file", "design_file", "before_file")
    pairs = [(f"outputnode.{field}", f"inputnode.{field}") for field in fields]
    workflow.connect([(fit_wf, outputs_wf, pairs)])
    return workflow


def _init_fit_wf(
    run: RunPlan, model: Model, output: NodeOutput, settings: AppSettings
) -> Workflow:
    """Build the workflow that fits a planned run."""
    fit_settings = FitSettings(
        model.noise_model, model.signal_scaling, model.smoothing, model.smoothing_type
    )
    run_settings = RunSettings(
        design=run.built,
        fit=fit_settings,
        maps=settings.maps,
        single_trials=settings.single_trials,
        cache=_cached_fit(run, output, settings),
        atlas=settings.atlases.of(run.inputs.entities),
        explain=pairs_in_run(run, settings.explain),
    )
    workflow = init_run_wf(
        run.contrasts,
        run_settings,
        n_threads=settings.n_threads,
        mem_gb=_memory_gb(run, with_trials=settings.single_trials is not None),
        name="fit_wf",
    )
    inputs, inputnode = run.inputs, workflow.get_node("inputnode")
    inputnode.inputs.bold_file = str(inputs.bold)
    if inputs.events is not None:
        inputnode.inputs.events_file = str(inputs.events)
    if settings.single_trials is not None:
        workflow.get_node("fit_glm").inputs.trial_type_column = _trial_type_column(model)
    if inputs.mask is not None:
        inputnode.inputs.mask_file = str(inputs.mask)
    if inputs.meshes:
        inputnode.inputs.mesh_files = [str(path) for path in inputs.meshes]
    return workflow


def _trial_type_column(model: Model) -> str:
    """Return the column of the events that names conditions."""
    return TRIAL_TYPE if model.plain is None else model.plain.column


def _cached_fit(run: RunPlan, output: NodeOutput, settings: AppSettings) -> CachedFit | None:
    """Return where to cache the fit of a run; fits with 4-D outputs are too large for it."""
    has_series = settings.single_trials or set(SERIES) & set(settings.maps)
    if settings.cache_folder is None or has_series:
        return None
    atlas = atlas_label(settings.atlases.of(run.inputs.entities))
    key = "-".join([run.fit_key, *sorted(settings.maps), *atlas])
    return CachedFit(settings.cache_folder / output.record.stem, key + settings.stamp)


def _memory_gb(run: RunPlan, *, with_trials: bool) -> float:
    """Return an upper bound of the memory of a fit, as if the mask held every voxel."""
    per_voxel = run.design.n_regressors + OTHER_ESTIMATES
    if with_trials and run.inputs.events is not None:
        per_voxel += SINGLE_TRIAL_MAPS * len(read_table(run.inputs.events))
    return round(FIT_GB + run.header.volume_size * per_voxel * 8 / 2**30, 6)


def add_subject_report(
    workflow: Workflow,
    subject: str,
    models: Sequence[Model],
    tasks: Sequence[str],
    settings: AppSettings,
    sources: Sequence[RecordSource],
    planned: Sequence[Path],
) -> None:
    """Add the report of a subject to a workflow, with all finished results of the subject.

    Parameters
    ----------
    workflow : Workflow
        The workflow to extend.
    subject : str
        Label of the subject.
    models : sequence of Model
        Models of the analyses, for the methods paragraphs.
    tasks : sequence of str
        Labels of the tasks.
    settings : AppSettings
        Settings that all workflows share.
    sources : sequence of Path or Workflow
        A record for each section of the report.
    planned : sequence of Path
        The records of `sources`.
    """
    others, other_models = settings.saved_results.others(subject, planned)
    sources = [*sources, *others]
    names = {model.name for model in models}
    models = [*models, *(model for model in other_models if model.name not in names)]
    tasks = list(dict.fromkeys([*tasks, *(task for model in models for task in model.tasks)]))
    methods, cited = [], []
    n_excluded = count_excluded(settings.excluded, subject)
    nodes = {model.run_node.name for model in models}
    runs = {run_of(entities_of(path.name)) for path in (*planned, *others)
            if _node_of(path, settings.output_dir) in nodes}  # fmt: skip
    numbers = f"{counted(len(runs), 'run')} analyzed"
    numbers += f", {n_excluded} excluded" if n_excluded else ""
    for model in models:
        methods += methods_paragraphs(model, "subject")
        cited += references(model, "subject")
    methods += region_methods(settings.atlases, "subject")
    page = ReportPage(
        name=f"sub-{subject}",
        title=f"sub-{subject}",
        subtitle=f"Voxelwise general linear model, task {', '.join(tasks)}: {numbers}",
        notices=tuple(about_subject(settings.notices, subject)),
        methods=tuple(dict.fromkeys(methods)),
        references=tuple(dict.fromkeys(cited)),
        command=settings.command and f"{settings.command} --participant-label {subject}",
        versions=tuple(versions()),
    )
    add_report(workflow, page, sources, settings.output_dir, settings.reports)


def _node_of(record: Path, output_dir: Path) -> str:
    """Return the name of the node whose result a record describes."""
    return record.relative_to(output_dir).parts[0].removeprefix("node-")


def model_details(model: Model) -> dict:
    """Return the part of every sidecar that describes the model."""
    details: dict[str, Any] = {
        "Model": f"bids::models/{model_file_name(model.name)}",
        "NoiseModel": model.noise_model,
        "HRF": model.hrf_model,
        "HighPassPeriod": model.high_pass,
        "SignalScaling": model.signal_scaling,
        "SmoothingFWHM": model.smoothing or 0.0,
    }
    if model.drift != DRIFT:
        details["Drift"] = model.drift
    if model.smoothing:
        details["SmoothingType"] = model.smoothing_type
    if model.spec.notes:  # how the model file was read
        details["ModelNotes"] = [notice.text for notice in model.spec.notes]
    if model.modulators:
        details["Modulators"] = [modulator.name for modulator in model.modulators]
    return details


def _title(entities: dict[str, str], *keys: str) -> str:
    nouns = {"task": "task", "ses": "session", "run": "run", "acq": "acquisition", "dir": "dir"}
    text = ", ".join(f"{nouns[key]} {entities[key]}" for key in keys if key in entities)
    return text[0].upper() + text[1:]


def _node_name(text: str) -> str:
    """Replace what nipype does not allow in the name of a node."""
    return re.sub(r"\W", "_", text)
