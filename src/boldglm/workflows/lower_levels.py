"""Session and subject nodes without the run level, from the records in the output folder."""

from collections.abc import Sequence
from pathlib import Path

from nipype.pipeline.engine import Workflow

from boldglm.io.outputs.records import Record
from boldglm.workflows.group import GroupPlan
from boldglm.workflows.higher_levels import RecordSource, add_level, level_output, node_fits
from boldglm.workflows.subject import (
    AppSettings,
    add_subject_report,
    model_details,
    subject_wf_name,
)

SECTION_ORDER = ("subject", "session", "run")  # in a report


def init_lower_levels_wf(
    plans: Sequence[GroupPlan], settings: AppSettings, *, name: str = "subjects_wf"
) -> Workflow | None:
    """Build the workflow of levels within participants, which also renews their reports.

    Parameters
    ----------
    plans : sequence of GroupPlan
        Plans of levels below the dataset, from `boldglm.workflows.group.plan_group`.
    settings : AppSettings
        Settings that all workflows share.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow or None
        None if everything is finished already.
    """
    workflow = Workflow(name=name)
    subjects = dict.fromkeys(subject for plan in plans for subject in plan.subjects)
    for subject in subjects:
        subject_wf = _init_subject_wf(subject, plans, settings)
        if subject_wf.list_node_names():
            workflow.add_nodes([subject_wf])
    return workflow if workflow.list_node_names() else None


def _init_subject_wf(subject: str, plans: Sequence[GroupPlan], settings: AppSettings) -> Workflow:
    workflow = Workflow(name=subject_wf_name(subject))
    sections: dict[str, list[RecordSource]] = {level: [] for level in SECTION_ORDER}
    tasks: dict[str, None] = {}
    planned: list[Path] = []
    for number, plan in enumerate(plans):
        sources: dict[str, RecordSource] = {}
        for path in plan.records:
            record = Record.read(path, settings.output_dir)
            if record.entities.get("sub") == subject:
                sources[str(path)] = path
                sections[record.level].append(path)
                tasks[record.entities.get("task", "")] = None
                planned.append(path)
        for index, level in enumerate(plan.levels):
            if level.subject != subject:
                continue
            fits = node_fits(level, plan.model, settings.inference, settings.atlases)
            output = level_output(
                level,
                plan.model,
                fits,
                settings.output_dir,
                model_details(plan.model),
                settings.stamp,
                settings.contrast_maps,
            )
            label = f"{level.plan.node.level}_{number}_{index}_wf"
            source = add_level(workflow, level, sources, output, fits, label)
            sources[str(output.record)] = source
            sections[level.plan.node.level].append(source)
            planned.append(output.record)
    if workflow.list_node_names():
        models = [plan.model for plan in plans]
        ordered = [source for level in SECTION_ORDER for source in sections[level]]
        add_subject_report(workflow, subject, models, list(tasks), settings, ordered, planned)
    return workflow
