"""Runs of one participant are combined voxel by voxel, so they must lie on one grid."""

from collections.abc import Sequence

from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.run_plans import RunPlan
from boldglm.errors import BadDataError
from boldglm.io.bids.excluded_runs import BadRuns
from boldglm.stats_model.node_plans import GEOMETRY


def on_one_grid(model: Model, runs: Sequence[RunPlan], bad: BadRuns) -> list[RunPlan]:
    """Exclude runs that do not lie on the grid of most runs of their participant.

    Where no grid has more runs than any other, nothing says which one is right, and all of these
    runs are excluded. If the model has no level above the run, grids may differ.

    Parameters
    ----------
    model : Model
        The model.
    runs : sequence of RunPlan
        Runs of all participants.
    bad : BadRuns
        Receives the excluded runs.

    Returns
    -------
    list of RunPlan
        The others.
    """
    if len(model.spec.nodes) == 1:
        return list(runs)
    grids: dict[tuple, list[list[RunPlan]]] = {}
    for run in runs:
        of_participant = grids.setdefault(_participant(run), [])
        same = [grid for grid in of_participant if not _difference(run, grid[0])]
        if same:
            same[0].append(run)
        else:
            of_participant.append([run])

    def checked(run: RunPlan) -> RunPlan:
        first, *others = sorted(grids[_participant(run)], key=len, reverse=True)
        if not others:
            return run
        is_tie = len(first) == len(others[0])
        if run in first and not is_tie:
            return run
        raise BadDataError(_difference(run, (others[0] if run in first else first)[0]))

    return bad.passing(runs, lambda run: run.inputs.entities, checked)


def _participant(run: RunPlan) -> tuple:
    return run.inputs.subject, *(run.inputs.entities.get(key) for key in GEOMETRY)


def _difference(run: RunPlan, other: RunPlan) -> str:
    """Return how the grids of two runs differ; empty if they do not."""
    try:
        run.header.geometry.check_same(
            run.inputs.bold.name,
            other.header.geometry,
            other.inputs.bold.name,
            f"So the runs of sub-{run.inputs.subject} cannot be combined voxel by voxel. Resample "
            "them to one grid, or choose with --session-label or --run-label.",
        )
    except BadDataError as error:
        return str(error)
    return ""
