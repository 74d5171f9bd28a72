"""Session and subject nodes by themselves, from the records that lie in the output folder."""

from collections.abc import Sequence

from nipype.pipeline.engine import Workflow

from boldglm.io.outputs.records import Record
from boldglm.workflows.group import GroupPlan
from boldglm.workflows.higher_levels import RecordSource, add_level, level_output, node_fits
from boldglm.workflows.subject import AppContext, add_subject_report, model_details

ORDER = ("subject", "session", "run")  # of the sections of a report


def init_lower_levels_wf(
    plans: Sequence[GroupPlan], context: AppContext, *, name: str = "subjects_wf"
) -> Workflow | None:
    """Build the workflow of some levels within participants, and their reports anew.

    Parameters
    ----------
    plans : sequence of GroupPlan
        From `boldglm.workflows.group.plan_group`, of levels below the dataset.
    context : AppContext

    Returns
    -------
    Workflow or None
        None when everything is finished already.
    """
    whole = Workflow(name=name)
    subjects = dict.fromkeys(subject for plan in plans for subject in plan.subjects)
    for subject in subjects:
        inner = Workflow(name=f"sub_{''.join(one for one in subject if one.isalnum())}_wf")
        shown: dict[str, list[RecordSource]] = {level: [] for level in ORDER}
        models, tasks = [], []
        for number, plan in enumerate(plans):
            models.append(plan.model)
            sources: dict[str, RecordSource] = {}
            for path in plan.records:
                record = Record.read(path, context.output_dir)
                if record.entities.get("sub") == subject:
                    sources[str(path)] = path
                    shown[record.level].append(path)
                    tasks.append(record.entities.get("task", ""))
            for index, level in enumerate(plan.levels):
                if level.subject != subject:
                    continue
                fits = node_fits(level, plan.model, context.inference)
                details = model_details(plan.model)
                output = level_output(
                    level, plan.model, fits, context.output_dir, details, context.stamp
                )
                label = f"{level.plan.node.level}_{number}_{index}_wf"
                source = add_level(inner, level, sources, output, fits, label)
                sources[str(output.record)] = source
                shown[level.plan.node.level].append(source)
        if inner.list_node_names():
            sections = [source for level in ORDER for source in shown[level]]
            add_subject_report(
                inner, subject, models, list(dict.fromkeys(tasks)), context, sections
            )
            whole.add_nodes([inner])
    return whole if whole.list_node_names() else None
