"""What the analyses of a call exclude, stored for the levels above."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from boldglm.analysis.plan.plan import Analysis
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.bids.selection import Selection
from boldglm.io.outputs.exclusions import store_exclusions


def store_all_exclusions(
    output_dir: Path,
    analyses: Sequence[Analysis],
    excluded: Iterable[ExcludedRun],
    selection: Selection,
) -> None:
    """Store the excluded runs of each analysis, for the levels above.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    analyses : sequence of Analysis
        The analyses of the call.
    excluded : iterable of ExcludedRun
        Runs and participants that are not analyzed.
    selection : Selection
        Which runs the call is about.
    """
    listed = list(excluded)
    for analysis in analyses:
        tasks = (None, *(run.inputs.task for run in analysis.runs))
        of_analysis = [
            run for run in listed if len(analyses) == 1 or run.entities.get("task") in tasks
        ]
        analyzed = [run.inputs.entities for run in analysis.runs]
        store_exclusions(output_dir, analysis.model.name, of_analysis, analyzed, selection)
