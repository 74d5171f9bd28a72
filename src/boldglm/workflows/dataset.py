"""The workflow of a whole dataset: runs, participants and the group, from the plan alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.analysis.model.default_model import DefaultModelOptions
from boldglm.analysis.model.events_needed import events_needed
from boldglm.analysis.plan.atlases import PlannedAtlases, images_of_runs, plan_atlases
from boldglm.analysis.plan.dataset_model import ModelChoice
from boldglm.analysis.plan.exclusions import store_all_exclusions
from boldglm.analysis.plan.output_options import (
    MapChoice,
    check_maps_for_levels,
    check_single_trials,
)
from boldglm.analysis.plan.plan import Analysis, make_plan
from boldglm.analysis.plan.saved_model import save_model
from boldglm.errors import UsageError
from boldglm.interfaces import WriteQualityTable
from boldglm.io.bids.atlas_option import AtlasRequest
from boldglm.io.bids.exclude_option import read_exclude_option
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.bids.participants import ParticipantTables
from boldglm.io.bids.query import QueryResult, find_runs
from boldglm.io.bids.selection import Selection
from boldglm.io.outputs.names import ResultPaths, prepare_output
from boldglm.notices import Notice
from boldglm.vocabulary import LEVELS
from boldglm.workflows.group import GroupPlan, add_group, check_size
from boldglm.workflows.higher_levels import NestedRecord, RecordSource, connect_record
from boldglm.workflows.nodes import make_node
from boldglm.workflows.reports import ReportSettings
from boldglm.workflows.subject import (
    AppSettings,
    init_planned_subject_wf,
    written_records,
)

NAME = "boldglm.workflows.init_boldglm_wf"


@dataclass(frozen=True)
class DatasetOptions:
    """What to fit in a dataset, and how; the defaults are those of the command line.

    Parameters
    ----------
    selection : Selection
        Labels of participants, sessions, tasks and runs; by default all.
    model : ModelChoice
        A model file, or options of the default model.
    derivatives : sequence of str, optional
        Folders of preprocessed data, as PATH or NAME=PATH; by default fMRIPrep's in the dataset,
        and the raw series if there are none.
    space : str, optional
        Space of the preprocessed data, such as ``MNI152NLin2009cAsym:res-2``.
    exclude : tuple of str
        Names of runs and participants to exclude, such as ``sub-01_task-faces_run-2``, or tables.
    levels : tuple of str
        Levels to fit, of run, session, subject and dataset.
    maps : tuple of str
        Maps to write: of each run as a whole, such as ``rsquared``, and of contrasts, such as
        ``effect`` (by default those of the command line).
    single_trials : {"lsa", "lss"}, optional
        How to estimate single trials as well; by default none are.
    with_reports : bool
        Whether to write reports; ``--reports-only`` writes them later.
    inference : mapping
        Options of group inference: permutations (int), sides (``one``, ``two``), cluster_p
        (float), tfce (bool).
    cache_folder : Path, optional
        Folder for the fits of runs, so that changed contrasts need no refit; by default none.
    n_threads : int
        Threads of the fit of a run.
    atlas : tuple of str
        Atlas whose regions are tested as well: files of labels and a table, or a name such as
        ``atlas-Schaefer2018_desc-100Parcels7Networks`` to find in TemplateFlow's folder.
    """

    selection: Selection = field(default_factory=Selection)
    model: ModelChoice = field(default_factory=lambda: ModelChoice(None, DefaultModelOptions()))
    derivatives: Sequence[str] | None = None
    space: str | None = None
    exclude: tuple[str, ...] = ()
    levels: tuple[str, ...] = LEVELS
    maps: tuple[str, ...] = ()
    single_trials: str | None = None
    with_reports: bool = True
    inference: Mapping[str, Any] = field(default_factory=dict)
    cache_folder: Path | None = None
    n_threads: int = 1
    atlas: tuple[str, ...] = ()


def init_boldglm_wf(
    bids_dir: str | Path,
    output_dir: str | Path,
    options: DatasetOptions | None = None,
    *,
    name: str = "boldglm_wf",
) -> Workflow:
    """Build the workflow of all levels of a dataset.

    Headers and events are read now, and every design is built and checked; series are read when
    the workflow runs. Results do not have to exist: levels above the run follow from the plan.
    Results that are finished, and whose inputs have not changed, are not fitted again. The
    output folder is created, with its description and models.

    Parameters
    ----------
    bids_dir : str or Path
        The raw BIDS dataset.
    output_dir : str or Path
        Root of the BIDS derivatives to write.
    options : DatasetOptions, optional
        What to fit, and how.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow
        A workflow with ``inputnode`` and ``outputnode``.

    Inputs
    ------
    wait_for
        Any output of an earlier node, to start after it; optional.

    Outputs
    -------
    run_records, session_records, subject_records, dataset_records
        Lists of records (JSON), one for each result, which name its maps (effects in percent
        signal change by default, their variances, t or F, p and z), mask and sidecars.

    Raises
    ------
    InvalidDatasetError
        If `bids_dir` is no BIDS dataset.
    NothingSelectedError
        If the options select no run.
    BadDataError
        If no run can be analyzed, the model does not suit the data, or a group has fewer than two
        participants.
    UsageError
        If the output folder has results of other options.

    See Also
    --------
    init_run_wf : Fits one run, from plain files.
    boldglm.workflows.job_plugin : Runs a workflow by a scheduler, with one job for each run.

    Examples
    --------
    >>> from boldglm.workflows import DatasetOptions, Selection
    >>> options = DatasetOptions(selection=Selection(tasks=("faces",)))
    >>> workflow = init_boldglm_wf("bids", "out", options)  # doctest: +SKIP
    >>> workflow.base_dir = "work"  # doctest: +SKIP
    >>> workflow.run(plugin="MultiProc")  # doctest: +SKIP
    """
    options = options or DatasetOptions()
    bids, output = Path(bids_dir), Path(output_dir).resolve()
    if output == bids.resolve():
        raise UsageError(f"{output} is the dataset itself, which boldglm never writes to.")
    analyses, query, excluded = _plan(bids, output, options)
    maps = _checked_maps(analyses, options)
    preprocessed = {dataset.name: dataset.path for dataset in query.derivatives}
    atlases = _atlases(analyses, options)
    groups = _groups(analyses, excluded) if "dataset" in options.levels else []
    prepare_output(output, bids, query.dataset_name, NAME, preprocessed)
    for analysis in analyses:
        save_model(output, analysis.model, replaces=options.model.replaces)
    store_all_exclusions(output, analyses, excluded, options.selection)
    settings = AppSettings(
        output_dir=output,
        command="",
        notices=_notices(analyses, query, excluded),
        excluded=excluded,
        n_threads=options.n_threads,
        maps=maps.run_maps,
        single_trials=options.single_trials,
        cache_folder=options.cache_folder,
        inference=dict(options.inference),
        levels=options.levels,
        reports=ReportSettings(options.with_reports),
        contrast_maps=maps.contrast_maps,
        atlases=atlases,
    )
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(fields=["wait_for"]), name="inputnode")
    workflow.add_nodes([inputnode])
    written = _add_participants(workflow, inputnode, analyses, settings)
    add_group(workflow, groups, settings, written)
    _add_outputnode(workflow, analyses, settings, written)
    return workflow


def _plan(
    bids: Path, output: Path, options: DatasetOptions
) -> tuple[tuple[Analysis, ...], QueryResult, tuple[ExcludedRun, ...]]:
    """Plan all levels; return the analyses, the runs of the dataset, and what is excluded."""
    choice = options.model
    query = find_runs(
        bids,
        options.selection,
        options.derivatives,
        options.space,
        needs_events=events_needed(choice.file),
        on_bad_run=choice.on_bad_run,
        exclude=read_exclude_option(options.exclude),
    )
    choice = replace(
        choice,
        derivatives=tuple(sorted(dataset.pipeline for dataset in query.derivatives)),
        selection=options.selection.of_runs(),
    )
    analyses = make_plan(query.runs, choice, output, ParticipantTables(bids), query.survey)
    return analyses, query, (*query.excluded, *(run for each in analyses for run in each.excluded))


def _checked_maps(analyses: Sequence[Analysis], options: DatasetOptions) -> MapChoice:
    """Return the maps to write; refuse what the planned runs or higher levels cannot have."""
    maps = MapChoice.of(options.maps)
    if set(options.levels) - {"run"}:
        check_maps_for_levels(analyses, maps.contrast_maps)
    if options.single_trials is not None:
        check_single_trials(analyses, options.single_trials)
    return maps


def _atlases(analyses: Sequence[Analysis], options: DatasetOptions) -> PlannedAtlases:
    """Find the atlas of each space, and check that it suits all runs."""
    if not options.atlas:
        return PlannedAtlases()
    return plan_atlases(AtlasRequest.of(options.atlas), images_of_runs(analyses))


def _notices(
    analyses: Sequence[Analysis], query: QueryResult, excluded: Sequence[ExcludedRun]
) -> tuple[Notice, ...]:
    """Return the notices of the analysis as a whole, for reports."""
    of_models = [note for each in analyses for note in each.model.spec.notes]
    of_levels = [notice for each in analyses for notice in each.notices]
    return (*(run.notice for run in excluded), *query.notices, *of_models, *of_levels)


def _groups(analyses: Sequence[Analysis], excluded: tuple[ExcludedRun, ...]) -> list[GroupPlan]:
    """Return the dataset levels of each analysis."""
    plans = []
    for analysis in analyses:
        levels = tuple(level for level in analysis.levels if level.plan.node.level == "dataset")
        if levels:
            plan = GroupPlan(analysis.model, levels, (), analysis.notices, excluded)
            remedy = "Select more participants, or leave dataset out of the levels."
            check_size(plan, "the plan has", remedy)
            plans.append(plan)
    return plans


def _add_participants(
    workflow: Workflow, inputnode: Node, analyses: Sequence[Analysis], settings: AppSettings
) -> dict[str, RecordSource]:
    """Add the workflows of all participants; return what writes each record, by its path."""
    written: dict[str, RecordSource] = {}
    subjects = dict.fromkeys(subject for analysis in analyses for subject in analysis.subjects)
    for subject in subjects:
        subject_wf, _ = init_planned_subject_wf(subject, analyses, settings)
        if subject_wf is None:
            continue
        workflow.add_nodes([subject_wf])
        for record, place in written_records(subject_wf).items():
            written[record] = NestedRecord(subject_wf, place)
            if subject_wf.get_node(f"{place}.fit_wf") is not None:
                field_of_run = f"{place}.fit_wf.inputnode.wait_for"
                workflow.connect(inputnode, "wait_for", subject_wf, field_of_run)
    return written


def _add_outputnode(
    workflow: Workflow,
    analyses: Sequence[Analysis],
    settings: AppSettings,
    written: Mapping[str, RecordSource],
) -> None:
    """Add the node that lists the records of every level."""
    records = _records(analyses, settings)
    outputnode = Node(
        IdentityInterface(fields=[f"{level}_records" for level in records]), name="outputnode"
    )
    workflow.add_nodes([outputnode])
    for level, paths in records.items():
        if not paths:
            continue
        merge = Node(Merge(len(paths)), name=f"{level}_records", run_without_submitting=True)
        workflow.add_nodes([merge])
        for slot, path in enumerate(paths, start=1):
            connect_record(workflow, written.get(str(path), path), merge, f"in{slot}")
        workflow.connect(merge, "out", outputnode, f"{level}_records")
        if level == "run":
            table = make_node(
                WriteQualityTable(output_dir=str(settings.output_dir)), name="quality_table"
            )
            table.run_without_submitting = True
            workflow.connect(merge, "out", table, "record_files")


def _records(analyses: Sequence[Analysis], settings: AppSettings) -> dict[str, list[Path]]:
    """Return the paths of the records of each level."""
    records: dict[str, list[Path]] = {level: [] for level in LEVELS}
    for analysis in analyses:
        node = analysis.model.run_node.name
        records["run"] += [
            ResultPaths.of(settings.output_dir, node, run.inputs.entities).record()
            for run in analysis.runs
        ]
        for level in analysis.levels:
            if level.plan.node.level in settings.levels:
                records[level.plan.node.level].append(level.record)
    return records
