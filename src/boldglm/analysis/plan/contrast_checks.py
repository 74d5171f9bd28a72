"""Contrasts that no run can estimate: mistakes of the model, or conditions that nobody has."""

from collections.abc import Sequence

from boldglm.analysis.plan.run_plans import RunPlan, collinear_names
from boldglm.errors import BadDataError
from boldglm.notices import Notice, exclusion
from boldglm.stats_model.specification import ContrastSpec


def check_contrasts(
    contrasts: Sequence[ContrastSpec],
    runs: Sequence[RunPlan],
    elsewhere: frozenset[str],
    chosen: frozenset[str],
) -> list[Notice]:
    """Refuse a contrast that no run can estimate, unless a run that is not selected can.

    Parameters
    ----------
    contrasts : sequence of ContrastSpec
        Contrasts of all runs.
    runs : sequence of RunPlan
        The planned runs.
    elsewhere : frozenset of str
        Conditions that only runs outside the selection have.
    chosen : frozenset of str
        Names of contrasts that the user asked for, by themselves or with a modulator. Others, of
        conditions without an event in the time of any run, are excluded.

    Returns
    -------
    list of Notice
        The default contrasts that are excluded.

    Raises
    ------
    BadDataError
        If a contrast cannot be estimated in any run.
    """
    estimable = {
        name
        for run in runs
        for name, is_estimable in run.collinearity.estimable.items()
        if is_estimable
    }
    notices = []
    for spec in contrasts if runs else ():
        needs_other_runs = any(
            column == name or column.startswith(f"{name}_")
            for column in spec.columns
            for name in elsewhere
        )
        if spec.name in estimable or (needs_other_runs and estimable):
            continue
        collinear = collinear_names(runs[0].collinearity)
        text = (
            f"contrast {spec.name!r} cannot be estimated in any run: "
            f"{_reason(spec, runs[0], collinear)}"
        )
        if collinear or spec.name in chosen or not estimable:
            raise BadDataError(
                f"The {text}. Change or remove the contrast, or change the regressors."
            )
        notices.append(exclusion(text))
    return notices


def _reason(spec: ContrastSpec, run: RunPlan, collinear: str) -> str:
    if collinear:
        return f"its regressors are exactly collinear in {run.inputs.name} ({collinear})"
    missing = f"{run.inputs.name} lacks one of {', '.join(spec.columns)}"
    about = [str(notice) for notice in run.notices if _is_about(notice, spec.columns)]
    return "; ".join([missing, *about])


def _is_about(notice: Notice, columns: Sequence[str]) -> bool:
    return any(repr(column.partition(".")[2]) in notice.text for column in columns)
