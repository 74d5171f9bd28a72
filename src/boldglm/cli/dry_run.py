"""`--dry-run`: the plan on the terminal, before anything is fitted."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

import numpy as np

from boldglm.analysis.first_level.measured_pairs import requested_pair
from boldglm.analysis.plan.advice import MUCH_SHARED, NOTHING_STANDS_OUT, advice
from boldglm.analysis.plan.atlases import PlannedAtlases
from boldglm.analysis.plan.explained_pairs import pairs_in_run
from boldglm.analysis.plan.levels import LevelPlan
from boldglm.analysis.plan.plan import Analysis, RunPlan
from boldglm.analysis.plan.precision import Precision, correlated_pairs
from boldglm.cli.model_facts import model_facts
from boldglm.glm.design.confounds import describe_scans
from boldglm.glm.design.names import short_name
from boldglm.glm.design.regressor_pairs import before_orthogonalization
from boldglm.glm.design.summaries import counted, listed
from boldglm.io.entities import entities_stem
from boldglm.notices import EXCLUSION, NOTE, WARNING, Notice, together
from boldglm.reports.correlated_pair import pair_sentence, pair_table

HIGH_VIF = 5.0
MOST_RUNS = 4  # that are all shown
WIDTH = 100  # characters of a line of advice
PREFIXES = {EXCLUSION: "excluded", WARNING: "warning", NOTE: "note"}
MOST_ERRORS = 6  # standard errors of an F contrast that are shown
NOTHING_FITTED = "\nNothing was fitted (--dry-run)."


def show_plan(
    plan: Sequence[Analysis],
    notices: Sequence[Notice],
    stream: TextIO,
    atlases: PlannedAtlases | None = None,
    explain: Sequence[str] = (),
    *,
    every_run: bool = False,
) -> None:
    """Print what every analysis fits: advice, precision, runs, levels and atlases.

    Parameters
    ----------
    plan : sequence of Analysis
    notices : sequence of Notice
        About the dataset as a whole.
    stream : text stream
    atlases : PlannedAtlases, optional
    explain : sequence of str
        Pairs of regressors to explain in each run that is shown.
    every_run : bool
        Whether every run is shown, however many there are.
    """
    for analysis in plan:
        precision = Precision.of(analysis.runs)
        _print(stream, [*_model_lines(analysis), "", *_advice_lines(analysis, precision)])
        _print(stream, [] if explain else _hint(analysis))
        shown = analysis.runs
        if len(shown) > MOST_RUNS and not every_run:
            _print(stream, ["", *_summary_lines(precision)])
            shown = (_least_certain(analysis.runs, precision),)
        for run in shown:
            _print(stream, ["", *_run_lines(run)])
            _print(stream, _pair_lines(run, explain))
        if len(shown) < len(analysis.runs):
            others = counted(len(analysis.runs) - len(shown), "other run")
            _print(
                stream, ["", f"{others} not shown: --verbose prints all, --plan-file keeps them."]
            )
            _print(stream, _shared_notices(analysis.runs))
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
    alike: dict[tuple[str, ...], list[str]] = {}
    for level in levels:
        alike.setdefault(_level_lines(level), []).append(entities_stem(level.plan.entities))
    for (heading, *lines), results in alike.items():
        shown = listed([result or "all inputs" for result in results], 3)
        _print(stream, [f"{heading}, {shown}:", *lines])


def _level_lines(level: LevelPlan) -> tuple[str, ...]:
    """Return what the fits of a node are, whoever they are of."""
    plan, node = level.plan, level.plan.node
    width = node.boldglm_options.get("SmoothingFWHM")
    smoothed = f", effects smoothed by {width:g} mm FWHM" if width else ""
    heading = f"{node.level.capitalize()} level, node {node.name} ({node.type}){smoothed}"
    contrasts: dict[str, list[str]] = {}
    for fit in plan.fits:
        columns = ", ".join(fit.design.names)
        design = f"{counted(len(fit.inputs), 'input')}, columns {columns}"
        names = [f"{contrast.name} ({contrast.test})" for contrast in fit.contrasts]
        contrasts.setdefault(design, []).extend(names)
    lines = [f"  {design}: {', '.join(names)}" for design, names in contrasts.items()]
    return (heading, *lines, *_notice_lines(plan.notes, "  "))


def _advice_lines(analysis: Analysis, precision: Precision) -> list[str]:
    """Return what stands out, one paragraph each."""
    sentences = advice(analysis, precision)
    if not sentences:
        return [NOTHING_STANDS_OUT]
    return ["What stands out", *(line for text in sentences for line in _wrapped(text))]


def _hint(analysis: Analysis) -> list[str]:
    """Return how to see what the pair that shares most makes of estimates, if it shares much."""
    pairs = correlated_pairs(analysis.runs)
    if not pairs or pairs[0].median < MUCH_SHARED:
        return []
    rule = f"'{short_name(pairs[0].second)} ~ {short_name(pairs[0].first)}'"
    return [*_wrapped(f"--explain {rule} shows what models with one or both make of estimates.")]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent="  - ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _summary_lines(precision: Precision) -> list[str]:
    """Return the precision of each contrast over all runs."""
    width = max(map(len, ["contrast", *precision.by_contrast]))
    lines = [
        "Predicted standard error (noise SD 1); times: relative to uncorrelated regressors",
        f"  {'contrast':<{width}}  {'runs':>5}  {'median':>7}  {'times':>5}  worst run",
    ]
    for name, of_contrast in precision.by_contrast.items():
        usable = [row for row in of_contrast if row.is_estimable]
        if not usable:
            lines.append(f"  {name:<{width}}  {0:>5}  not estimable in any run")
            continue
        worst = max(usable, key=lambda row: row.standard_error)
        ratios = [row.times_alone for row in usable if np.isfinite(row.times_alone)]
        times = f"{np.median(ratios):.2f}" if ratios else ""
        lines.append(
            f"  {name:<{width}}  {len(usable):>5}  {precision.medians[name]:>7.3g}  {times:>5}  "
            f"{worst.standard_error:.3g} in {worst.run}"
        )
    return lines


def _least_certain(runs: Sequence[RunPlan], precision: Precision) -> RunPlan:
    """Return a run that estimates nothing, or else the one that is least certain."""
    certain = {row.run for row in precision.rows if row.is_estimable}
    worst = precision.least_certain
    return next(
        (run for run in runs if run.inputs.name not in certain),
        next((run for run in runs if worst and run.inputs.name == worst.run), runs[0]),
    )


def _shared_notices(runs: Sequence[RunPlan]) -> list[str]:
    """Return the notices of runs, equal ones once, with the runs that have them."""
    found = together((run.inputs.name, notice) for run in runs for notice in run.notices)
    return [
        f"  {PREFIXES[notice.kind]}: {listed(names, 2)}: {notice}"
        for notice, names in found.items()
    ]


def _print(stream: TextIO, lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=stream)


def _notice_lines(notices: Iterable[Notice], indent: str = "") -> list[str]:
    return [f"{indent}{PREFIXES[notice.kind]}: {notice}" for notice in notices]


def _model_lines(analysis: Analysis) -> list[str]:
    n_runs, n_subjects = len(analysis.runs), len(analysis.subjects)
    lines = [
        f"  {name}: {value}" if name == "orthogonalized" else f"  {name:<12} {value}"
        for name, value in model_facts(analysis.model)
    ]
    runs, subjects = counted(n_runs, "run"), counted(n_subjects, "participant")
    return [f"Model {analysis.model.name}: {runs} of {subjects}", *lines]


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


def _pair_lines(run: RunPlan, explain: Sequence[str]) -> list[str]:
    """Return what three models make of each pair of regressors that is to be explained."""
    lines = []
    design = before_orthogonalization(run.design)
    for text in pairs_in_run(run, explain):
        pair = requested_pair(design, text)
        table = pair_table(design, pair)
        rows = [table.columns, *table.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        said = f"{pair_sentence(design, pair)} {table.caption}"
        lines += ["", *textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="  ")]
        lines += ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return lines
