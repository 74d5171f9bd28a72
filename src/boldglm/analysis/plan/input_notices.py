"""What the inputs of a run lack, and what seems wrong with them, for the log and the report."""

from boldglm.analysis.first_level.event_design import late_warnings
from boldglm.analysis.plan.event_units import unit_warnings
from boldglm.analysis.plan.run_plans import RunRead
from boldglm.notices import Notice, note


def input_notices(run: RunRead) -> tuple[Notice, ...]:
    """Return warnings of the unit of events, and notes of files that were not found.

    Parameters
    ----------
    run : RunRead
        Headers and tables of the run.

    Returns
    -------
    tuple of Notice
        Their text does not name the run, so that equal ones are shown once.
    """
    inputs, notices = run.inputs, []
    if inputs.derivatives and run.table is None:
        notices.append(
            note(
                "no confounds table (*_desc-confounds_timeseries.tsv) was found for the "
                "preprocessed series, so its design has no confounds. To add derivatives that "
                "have one, pass -d"
            )
        )
    if inputs.mask is None and run.header.geometry.element_name == "voxels":
        missing = "no brain mask was found beside the preprocessed series, so it"
        notices.append(
            note(
                f"{missing if inputs.derivatives else 'the brain mask'} was computed from the "
                "series. To choose a mask, pass --mask"
            )
        )
    if inputs.events is None:
        return tuple(notices)
    if run.events is not None:
        onset, duration = run.events.onset, run.events.duration
    else:
        onset, duration = run.columns["onset"], run.columns["duration"]
        n_late = int((onset >= run.timing.end).sum())
        notices += late_warnings(n_late, onset.size, run.timing, inputs.events.name)
    return (*notices, *unit_warnings(onset, duration, run.timing, inputs.events.name))
