"""`--dry-run`: the plan on the terminal, before anything is fitted."""

from collections.abc import Callable, Sequence
from typing import TextIO

import numpy as np

from boldglm.analysis.methods_text import smoothing_words
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.levels import LevelPlan
from boldglm.analysis.plan.plan import Analysis, RunPlan
from boldglm.glm.design.confound_names import has_cosines
from boldglm.glm.design.confounds import describe_scans
from boldglm.io.entities import entities_stem
from boldglm.notices import Notice

VIF_HIGH = 5.0


def show_plan(plan: Sequence[Analysis], notices: Sequence[Notice], stream: TextIO) -> None:
    """Print runs, designs, collinearity and contrasts of every analysis."""

    def say(text: str = "") -> None:
        print(text, file=stream)

    for analysis in plan:
        model = analysis.model
        n_runs, n_subjects = len(analysis.runs), len(analysis.subjects)
        say(f"Model {model.name}: {n_runs} runs of {n_subjects} participants")
        say(f"  HRF: {model.hrf_model}; high-pass: {_high_pass(model)}; noise model: "
            f"{model.noise_model}; effects in {_unit(model.signal_scaling)}; smoothing: "
            f"{smoothing_words(model)}")  # fmt: skip
        for regressor, references in model.orthogonalize:
            say(f"  orthogonalized: {regressor} with respect to {', '.join(references)}")
        for run in analysis.runs:
            say()
            _show_run(run, say)
        if analysis.levels:
            say()
            show_levels(analysis.levels, stream)
        for notice in (*analysis.notices, *model.spec.notes):
            say(f"  {notice.kind}: {notice}")
    if notices:
        say()
        for notice in notices:
            say(f"{notice.kind}: {notice}")
    say("\nNothing was fitted (--dry-run).")


def show_levels(levels: Sequence[LevelPlan], stream: TextIO) -> None:
    """Print the fits of higher levels, one line for each result."""
    for level in levels:
        plan, node = level.plan, level.plan.node
        result = entities_stem(plan.entities) or "all inputs"
        width = node.boldglm_options.get("SmoothingFWHM")
        smoothed = f", effects smoothed by {width:g} mm FWHM" if width else ""
        print(f"{node.level} node {node.name} ({node.type}), {result}{smoothed}:", file=stream)
        for fit in plan.fits:
            names = ", ".join(f"{spec.name} ({spec.test})" for spec in fit.contrasts)
            columns = ", ".join(fit.design.names)
            print(
                f"    {len(fit.inputs)} inputs; columns: {columns}; contrasts: {names}",
                file=stream,
            )
        for notice in plan.notes:
            print(f"    {notice.kind}: {notice}", file=stream)


def _show_run(run: RunPlan, say: Callable[[str], None]) -> None:
    inputs, numbers = run.inputs, run.collinearity
    say(
        f"{inputs.name}: {inputs.n_scans} volumes, one every {inputs.repetition_time:g} s, the "
        f"first at {inputs.start_time:g} s; {run.design.n_regressors} regressors, rank "
        f"{numbers.rank}, condition number {numbers.condition_number:.3g}"
    )
    for column in run.design.columns("condition"):
        name = run.design.names[column]
        vif = numbers.vif[name]
        warning = "  <- hard to separate from the other regressors" if vif > VIF_HIGH else ""
        say(f"    {name:<32} VIF {vif:8.2f}{warning}")
    names = run.confounds.names
    if inputs.confounds:
        say(f"    confounds ({len(names)}): {', '.join(names) or 'none'}")
    if run.design.censored:
        say(f"    censored volumes: {describe_scans(run.design.censored, inputs.n_scans)}")
    say(f"    {'contrast':<32} efficiency   predicted standard error (for noise of SD 1)")
    for contrast in run.contrasts:
        name = contrast.name
        if not numbers.estimable.get(name, False):
            say(f"    {name:<32} not estimable in this run")
            continue
        errors = np.atleast_1d(numbers.predicted_standard_error[name])
        shown = ", ".join(f"{error:.3g}" for error in errors[:6])
        shown += ", ..." if errors.size > 6 else ""
        say(f"    {name:<32} {numbers.efficiency[name]:10.3g}   {shown}")
    for notice in run.notices:
        say(f"    {notice.kind}: {notice}")


def _high_pass(model: Model) -> str:
    if has_cosines(model.confounds.columns):
        return "the cosines among the confounds"
    return "none" if model.high_pass is None else f"{model.high_pass:g} s"


def _unit(scaling: str) -> str:
    return "percent of the mean signal" if scaling == "percent" else "the units of the file"
