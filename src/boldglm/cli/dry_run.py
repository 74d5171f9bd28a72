"""`--dry-run`: the plan on the terminal, before anything is fitted."""

from collections.abc import Iterable, Sequence
from typing import TextIO

import numpy as np

from boldglm.analysis.methods_text import smoothing_words
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.atlases import PlannedAtlases
from boldglm.analysis.plan.levels import LevelPlan
from boldglm.analysis.plan.plan import Analysis, RunPlan
from boldglm.glm.design.confound_names import has_cosines
from boldglm.glm.design.confounds import describe_scans
from boldglm.glm.design.summaries import counted
from boldglm.io.entities import entities_stem
from boldglm.notices import EXCLUSION, NOTE, WARNING, Notice
from boldglm.vocabulary import TRIAL_TYPE

HIGH_VIF = 5.0
PREFIXES = {EXCLUSION: "excluded", WARNING: "warning", NOTE: "note"}
MOST_ERRORS = 6  # standard errors of an F contrast that are shown
NOTHING_FITTED = "\nNothing was fitted (--dry-run)."


def show_plan(
    plan: Sequence[Analysis],
    notices: Sequence[Notice],
    stream: TextIO,
    atlases: PlannedAtlases | None = None,
) -> None:
    """Print runs, designs, collinearity and contrasts of every analysis, and its atlases."""
    for analysis in plan:
        _print(stream, _model_lines(analysis))
        for run in analysis.runs:
            _print(stream, ["", *_run_lines(run)])
        if analysis.levels:
            _print(stream, [""])
            show_levels(analysis.levels, stream)
        _print(stream, _notice_lines([*analysis.notices, *analysis.model.spec.notes], "  "))
    if atlases is not None and atlases.by_space:
        _print(stream, ["", *atlases.lines()])
    if notices:
        _print(stream, ["", *_notice_lines(notices)])
    _print(stream, [NOTHING_FITTED])


def show_levels(
    levels: Sequence[LevelPlan], stream: TextIO, atlases: PlannedAtlases | None = None
) -> None:
    """Print the fits of higher levels: inputs, columns of the design, contrasts, and atlases."""
    _print(stream, atlases.lines() if atlases is not None else ())
    for level in levels:
        plan, node = level.plan, level.plan.node
        result = entities_stem(plan.entities) or "all inputs"
        width = node.boldglm_options.get("SmoothingFWHM")
        smoothed = f", effects smoothed by {width:g} mm FWHM" if width else ""
        lines = [f"{node.level.capitalize()} level, node {node.name} ({node.type}), "
                 f"{result}{smoothed}:"]  # fmt: skip
        contrasts: dict[str, list[str]] = {}
        for fit in plan.fits:
            columns = ", ".join(fit.design.names)
            design = f"{counted(len(fit.inputs), 'input')}, columns {columns}"
            names = [f"{contrast.name} ({contrast.test})" for contrast in fit.contrasts]
            contrasts.setdefault(design, []).extend(names)
        lines += [f"  {design}: {', '.join(names)}" for design, names in contrasts.items()]
        _print(stream, [*lines, *_notice_lines(plan.notes, "  ")])


def _print(stream: TextIO, lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=stream)


def _notice_lines(notices: Iterable[Notice], indent: str = "") -> list[str]:
    return [f"{indent}{PREFIXES[notice.kind]}: {notice}" for notice in notices]


def _model_lines(analysis: Analysis) -> list[str]:
    model = analysis.model
    n_runs, n_subjects = len(analysis.runs), len(analysis.subjects)
    plain = model.plain
    named = {} if plain is None or plain.column == TRIAL_TYPE else {"conditions": plain.column}
    rows = {
        **{name: f"from the column {column} of the events" for name, column in named.items()},
        "HRF": model.hrf_model,
        "drift": _drift(model),
        "noise model": model.noise_model,
        "effects in": _unit(model.signal_scaling),
        "smoothing": smoothing_words(model),
    }
    lines = [f"  {name:<12} {value}" for name, value in rows.items()]
    lines += [
        f"  orthogonalized: {regressor} with respect to {', '.join(references)}"
        for regressor, references in model.orthogonalize
    ]
    runs, subjects = counted(n_runs, "run"), counted(n_subjects, "participant")
    return [f"Model {model.name}: {runs} of {subjects}", *lines]


def _run_lines(run: RunPlan) -> list[str]:
    inputs, numbers, design = run.inputs, run.collinearity, run.design
    names = [design.names[column] for column in design.columns("condition")]
    width = max(map(len, ["contrast", *names, *(contrast.name for contrast in run.contrasts)]))
    lines = [
        inputs.name,
        f"  {inputs.n_scans} volumes, {inputs.spacing}, the first at {inputs.start_time:g} s",
        f"  {design.n_regressors} regressors, rank {numbers.rank}, condition number "
        f"{numbers.condition_number:.3g}",
    ]
    if inputs.confounds:
        confounds = run.confounds.names
        lines.append(f"  confounds ({len(confounds)}): {', '.join(confounds) or 'none'}")
    if design.censored:
        lines.append(f"  censored volumes: {describe_scans(design.censored, inputs.n_scans)}")
    lines += [_vif_line(name, width, numbers.vif[name]) for name in names]
    return [*lines, *_contrast_lines(run, width), *_notice_lines(run.notices, "  ")]


def _vif_line(name: str, width: int, vif: float) -> str:
    remark = "  <- hard to separate from the other regressors" if vif > HIGH_VIF else ""
    return f"    {name:<{width}}  VIF {vif:6.2f}{remark}"


def _contrast_lines(run: RunPlan, width: int) -> list[str]:
    numbers = run.collinearity
    lines = [f"    {'contrast':<{width}}  efficiency  predicted standard error (noise SD 1)"]
    for contrast in run.contrasts:
        name = contrast.name
        if not numbers.estimable.get(name, False):
            lines.append(f"    {name:<{width}}  not estimable in this run")
            continue
        errors = np.atleast_1d(numbers.predicted_standard_error[name])
        shown = [f"{error:.3g}" for error in errors[:MOST_ERRORS]]
        shown += ["..."] if errors.size > MOST_ERRORS else []
        lines.append(f"    {name:<{width}}  {numbers.efficiency[name]:10.3g}  {', '.join(shown)}")
    return lines


def _drift(model: Model) -> str:
    if has_cosines(model.confounds.columns):
        return "by the cosines among the confounds"
    if model.drift.startswith("polynomial"):
        order = model.drift_order
        return (
            f"polynomials {'by the length of the run' if order is None else f'to order {order}'}"
        )
    return f"cosines above {model.high_pass:g} s" if model.has_drift else "none"


def _unit(scaling: str) -> str:
    return "percent of the mean signal" if scaling == "percent" else "the unit of the file"
