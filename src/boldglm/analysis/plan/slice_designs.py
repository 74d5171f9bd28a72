"""A design for each time at which slices of a run were acquired (`--slice-times model`)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from boldglm.analysis.first_level.settings import SliceDesigns
from boldglm.analysis.plan.run_plans import RunDesign, RunRead
from boldglm.analysis.plan.slice_times import SAME_TIME
from boldglm.errors import BadDataError
from boldglm.glm.design.linear_model import linear_model


def with_slice_designs(run_design: RunDesign, build: Callable[[RunRead], RunDesign]) -> RunDesign:
    """Add a design for each slice time to the design of a run.

    Parameters
    ----------
    run_design : RunDesign
        The run, with its design at the reference time.
    build : callable
        Builds the design of a run.

    Returns
    -------
    RunDesign
        The same with `SliceDesigns`, if its slices are modeled at times of their own.

    Raises
    ------
    BadDataError
        If an event at the edge of the run belongs to the design of some slices only.
    """
    run = run_design.run
    slices = run.slice_times
    if slices is None:
        return run_design
    onset = run.inputs.volume_timing[0] if run.inputs.volume_timing else 0.0
    seconds = np.round(slices.seconds, SAME_TIME)
    times, groups = np.unique(seconds, return_inverse=True)
    rank = linear_model(run_design.design.matrix).rank
    matrices = []
    for time in times.tolist():
        at_time = replace(run, inputs=replace(run.inputs, start_time=onset + time))
        design = build(at_time).design
        if design.names != run_design.design.names:
            raise BadDataError(
                f"{run.inputs.bold.name}: the slices at {time:g} s would have other regressors "
                f"({', '.join(design.names)}) than the run ({', '.join(run_design.design.names)})."
                " Leave out --slice-times model."
            )
        if linear_model(design.matrix).rank != rank:
            raise BadDataError(
                f"{run.inputs.bold.name}: the design of the slices at {time:g} s has another rank "
                f"than that of the run ({rank}). Model fewer conditions or confounds, or leave "
                "out --slice-times model."
            )
        matrices.append(design.matrix)
    designs = SliceDesigns(
        tuple(times.tolist()), np.stack(matrices), slices.axis, tuple(groups.tolist())
    )
    return replace(run_design, slices=designs)
