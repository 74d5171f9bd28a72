"""`--plan-file plan.html`: the plan as a page that reads from words to designs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from boldglm.analysis.first_level.measured_pairs import explained_pairs
from boldglm.analysis.methods_text import versions
from boldglm.analysis.plan.advice import NOTHING_STANDS_OUT, advice
from boldglm.analysis.plan.atlases import PlannedAtlases
from boldglm.analysis.plan.explained_pairs import pairs_in_run
from boldglm.analysis.plan.levels import LevelPlan
from boldglm.analysis.plan.plan import Analysis, RunPlan
from boldglm.analysis.plan.precision import Precision, correlated_pairs
from boldglm.cli.model_facts import model_facts
from boldglm.cli.plan_of_levels import draw_levels
from boldglm.glm.design.names import short_name
from boldglm.glm.design.summaries import counted, listed
from boldglm.glm.first_level.contrasts import contrast_weights
from boldglm.interfaces.drawing import EventTimes, event_times
from boldglm.io.entities import short_names
from boldglm.io.outputs.measured_pairs import MeasuredPair
from boldglm.notices import NOTE, Notice, together
from boldglm.reports.content import Fact, Report, Section, Table, Topic, make_anchor
from boldglm.reports.html import write_report
from boldglm.reports.precision import PlannedErrors, draw_precision
from boldglm.reports.sections import DrawnDesign, draw_design, draw_pairs

MOST_WORST = 2  # runs that are drawn beside the typical one
NOT_FITTED = "nothing was fitted"
MOST_PAIRS = 12  # rows of the table of correlated regressors
FEWEST_PAIRS = 3  # however little they share
LITTLE_SHARED = 0.05  # squared correlation below which further pairs are not worth a row
WORST = ("Least certain run", "Second least certain run")


@dataclass(frozen=True)
class PlanNotes:
    """What a page says about a plan as a whole.

    Parameters
    ----------
    notices : tuple of Notice
        About the dataset, such as excluded runs.
    atlases : PlannedAtlases or None
    command : str
        The command line.
    explain : tuple of str
        Pairs of regressors to explain in each run that is drawn.
    """

    notices: tuple[Notice, ...] = ()
    atlases: PlannedAtlases | None = None
    command: str = ""
    explain: tuple[str, ...] = ()


def write_plan_page(path: Path, plan: Sequence[Analysis], notes: PlanNotes, folder: Path) -> None:
    """Write a plan as one self-contained HTML file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    plan : sequence of Analysis
    notes : PlanNotes
    folder : Path
        For the pictures, which are copied into the page.
    """
    write_report(plan_report(plan, notes, folder), path)


def plan_report(plan: Sequence[Analysis], notes: PlanNotes, folder: Path) -> Report:
    """Draw a plan, and return its page: words, precision, designs of runs, higher levels.

    Parameters
    ----------
    plan : sequence of Analysis
    notes : PlanNotes
    folder : Path
        For the pictures.
    """
    several = len(plan) > 1
    summary: list[str] = []
    notices: list[Notice] = list(notes.notices)
    sections: list[Section] = []
    for number, analysis in enumerate(plan):
        precision = Precision.of(analysis.runs)
        about = f"{analysis.model.name}: " if several else ""
        summary += [about + text for text in advice(analysis, precision) or [NOTHING_STANDS_OUT]]
        notices += _notices(analysis)
        place = folder / f"model{number}"
        sections += _sections(analysis, precision, about, place, notes.explain)
    counts = "; ".join(map(_counts, plan))
    return Report(
        title="Plan",
        subtitle=f"{counts[:1].upper()}{counts[1:]}. Nothing was fitted.",
        summary=tuple(summary),
        facts=() if several else _facts(plan[0]),
        notices=tuple(dict.fromkeys([*notices, *_of_atlases(notes.atlases)])),
        sections=tuple(sections),
        command=notes.command,
        versions=tuple(versions()),
    )


def _counts(analysis: Analysis) -> str:
    runs, subjects = len(analysis.runs), len(analysis.subjects)
    counts = f"{counted(runs, 'run')} of {counted(subjects, 'participant')}"
    return f"model {analysis.model.name}, {counts}"


def _of_atlases(atlases: PlannedAtlases | None) -> list[Notice]:
    if atlases is None or not atlases.by_space:
        return []
    return [Notice(NOTE, line.strip()) for line in atlases.lines()]


def _notices(analysis: Analysis) -> list[Notice]:
    """Return the notices of a model, and those of its runs, equal ones once."""
    of_runs = together(
        (run.inputs.name, notice) for run in analysis.runs for notice in run.notices
    )
    return [
        *analysis.notices,
        *analysis.model.spec.notes,
        *(notice.about(listed(names, 2)) for notice, names in of_runs.items()),
    ]


def _sections(
    analysis: Analysis, precision: Precision, about: str, folder: Path, explain: Sequence[str]
) -> Iterable[Section]:
    """Return the sections of one model."""
    yield _precision_section(analysis, precision, about, folder)
    for number, (words, run) in enumerate(_chosen(analysis.runs, precision)):
        section = _run_section(f"{about}{words}", run, analysis, folder / f"run{number}")
        yield replace(section, topics=_topics(run, explain, folder / f"run{number}"))
    yield from draw_levels(_alike(analysis.levels), about, folder)


def _facts(analysis: Analysis) -> tuple[Fact, ...]:
    return tuple((name[:1].upper() + name[1:], text) for name, text in model_facts(analysis.model))


def _chosen(runs: Sequence[RunPlan], precision: Precision) -> list[tuple[str, RunPlan]]:
    """Return the runs to draw, the least certain first, and what to call them."""
    by_name = {run.inputs.name: run for run in runs}
    if len(runs) == 1 or not precision.rows:
        return [("Run", runs[0])]
    worst = precision.from_worst[: min(MOST_WORST, len(runs) - 1)]
    chosen = list(zip(WORST, worst, strict=False))
    typical = precision.typical
    if typical not in worst:
        chosen.append(("Typical run", typical))
    return [(words, by_name[name]) for words, name in chosen]


def _precision_section(
    analysis: Analysis, precision: Precision, about: str, folder: Path
) -> Section:
    """Return the precision of contrasts over runs, correlated regressors, and all runs."""
    shown = [
        PlannedErrors(
            name,
            np.array([row.standard_error for row in rows if row.is_estimable]),
            np.array([row.alone for row in rows if row.is_estimable]),
        )
        for name, rows in precision.by_contrast.items()
        if name in precision.medians
    ]
    figures = (draw_precision(shown, folder / "precision.svg"),) if shown else ()
    short = short_names([run.inputs.name for run in analysis.runs])
    tables = [
        _contrasts_table(precision, short),
        _pairs_table(analysis, short),
        _runs_table(analysis, precision, short),
    ]
    title = f"{about}Precision of the contrasts"
    return Section(
        title,
        make_anchor(title),
        facts=_facts(analysis) if about else (),
        figures=figures,
        tables=tuple(table for table in tables if table.rows),
        is_open=True,
    )


def _contrasts_table(precision: Precision, short: Mapping[str, str]) -> Table:
    """Return what every contrast loses to correlated regressors, and where it is least certain."""
    rows = []
    for name, of_contrast in precision.by_contrast.items():
        usable = [row for row in of_contrast if row.is_estimable]
        runs = f"{len(usable)} of {len(of_contrast)}"
        if not usable:
            rows.append(
                (name, of_contrast[0].test, runs, *("n/a",) * 3, "not estimable in any run")
            )
            continue
        worst = max(usable, key=lambda row: row.standard_error)
        ratios = [row.times_alone for row in usable if np.isfinite(row.times_alone)]
        ratio = float(np.median(ratios)) if ratios else float("nan")
        rows.append(
            (
                *(name, worst.test, runs, f"{precision.medians[name]:.3g}"),
                *(("n/a", "n/a") if np.isnan(ratio) else (f"× {ratio:.2f}", f"× {ratio**2:.2g}")),
                f"{worst.standard_error:.3g} in {short[worst.run]}",
            )
        )
    return Table(
        (
            *("Contrast", "Test", "Runs that estimate it", "Standard error"),
            *("Against uncorrelated", "Volumes needed", "Least certain run"),
        ),
        tuple(rows),
        "Medians over runs, for white noise of standard deviation 1. Against uncorrelated: by how "
        "much the standard error is larger than with uncorrelated regressors (× 2: twice as "
        "large). Volumes needed: how many times as many volumes make up for that.",
    )


def _pairs_table(analysis: Analysis, short: Mapping[str, str]) -> Table:
    pairs = correlated_pairs(analysis.runs)
    n_shown = max(FEWEST_PAIRS, sum(pair.median >= LITTLE_SHARED for pair in pairs))
    rows = [
        (
            *(short_name(pair.first), short_name(pair.second), _percent(pair.median)),
            f"{_percent(pair.shares[pair.worst_run])} in {short[pair.worst_run]}",
        )
        for pair in pairs[: min(n_shown, MOST_PAIRS)]
    ]
    more = len(pairs) - len(rows)
    caption = "Variance that two regressors share (squared correlation), before orthogonalization."
    return Table(
        ("Regressor", "Regressor", "Shared, median of runs", "Largest"),
        tuple(rows),
        caption + (f" {counted(more, 'pair')} that share less not shown." if more > 0 else ""),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _runs_table(analysis: Analysis, precision: Precision, short: Mapping[str, str]) -> Table:
    """Return a row for every run, the least certain first."""
    by_name = {run.inputs.name: run for run in analysis.runs}
    ordered = dict.fromkeys([*precision.from_worst, *by_name])
    columns: tuple[str, ...]
    columns = ("Run", "Volumes", "Censored", "Regressors", "Rank", "Largest VIF of a condition")
    rows: list[tuple[str, ...]]
    rows = [(short[name], *_numbers_of_run(by_name[name])) for name in ordered]
    without = [(row.run, row.contrast) for row in precision.rows if not row.is_estimable]
    if without:
        columns = (*columns, "Contrasts that it cannot estimate")
        rows = [
            (*cells, listed([contrast for run, contrast in without if run == name], 4) or "none")
            for cells, name in zip(rows, ordered, strict=True)
        ]
    return Table(columns, tuple(rows), "Runs, the least certain of their contrasts first.")


def _numbers_of_run(run: RunPlan) -> tuple[str, ...]:
    design, numbers = run.design, run.collinearity
    factors = [numbers.vif[design.names[column]] for column in design.columns("condition")]
    largest = max(factors, default=float("nan"))
    return (
        *(str(run.inputs.n_scans), str(len(design.censored))),
        *(str(design.n_regressors), str(numbers.rank)),
        "n/a" if np.isnan(largest) else "∞" if np.isinf(largest) else f"{largest:.2f}",
    )


def _topics(run: RunPlan, explain: Sequence[str], folder: Path) -> tuple[Topic, ...]:
    """Explain correlated regressors of a run, as far as its design tells."""
    pairs = explained_pairs(run.design, pairs_in_run(run, explain))
    return draw_pairs(
        run.design, [MeasuredPair(pair, reason=NOT_FITTED) for pair in pairs], folder
    )


def _run_section(words: str, run: RunPlan, analysis: Analysis, folder: Path) -> Section:
    """Draw the design of one run."""
    inputs = run.inputs
    title = f"{words}: {inputs.name}"
    rows = []
    for contrast in run.contrasts:
        if set(contrast.columns) <= set(run.design.names):
            _, weights = contrast_weights(contrast.weights_by_column, run.design.names)
            rows += [(contrast.name, row) for row in np.atleast_2d(weights)]
    design = DrawnDesign(
        run.design, run.built.before, run.collinearity, _events(run, analysis), tuple(rows)
    )
    figures, tables = draw_design(design, folder)
    facts = (
        ("Volumes", f"{inputs.n_scans}, {inputs.spacing}"),
        ("Regressors", f"{run.design.n_regressors}, rank {run.collinearity.rank}"),
        ("Condition number", f"{run.collinearity.condition_number:.3g}"),
    )
    return Section(
        title,
        make_anchor(title),
        facts=facts,
        figures=figures,
        tables=tables,
        is_open=not words.endswith(WORST[1]),
    )


def _events(run: RunPlan, analysis: Analysis) -> tuple[EventTimes, ...]:
    """Return the events of the conditions of a plain model, to draw with its regressors."""
    plain = analysis.model.plain
    if plain is None or run.inputs.events is None:
        return ()
    return event_times(run.inputs.events, plain.column)


def _alike(levels: Sequence[LevelPlan]) -> list[list[LevelPlan]]:
    """Gather the fits of a node that differ only in whose results they combine."""
    groups: dict[tuple[object, ...], list[LevelPlan]] = {}
    for level in levels:
        fits = tuple(
            (
                *(fit.design.names, fit.design.matrix.tobytes(), fit.design.matrix.shape),
                tuple((contrast.name, contrast.test) for contrast in fit.contrasts),
            )
            for fit in level.plan.fits
        )
        groups.setdefault((level.plan.node.name, fits, level.plan.notes), []).append(level)
    return list(groups.values())
