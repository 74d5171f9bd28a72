"""`--plan-file`: the plan of a dry run as a page, as a table or as JSON."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.analysis.plan.advice import advice
from boldglm.analysis.plan.atlases import PlannedAtlas
from boldglm.analysis.plan.plan import Analysis, RunPlan
from boldglm.analysis.plan.precision import ContrastInRun, Precision, correlated_pairs
from boldglm.cli.plan_page import PlanNotes, write_plan_page
from boldglm.io.entities import entities_stem
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import write_json
from boldglm.notices import by_kind

COLUMNS = (
    *("model", "run", "contrast", "test", "estimable", "efficiency"),
    *("predicted_standard_error", "times_uncorrelated"),
)


def write_plan(
    path: Path, plan: Sequence[Analysis], notes: PlanNotes, scratch: Callable[[], Path]
) -> None:
    """Write a plan, whole or not at all.

    Parameters
    ----------
    path : Path
        With the extension ``.html``, a page; with ``.tsv``, a row for each run and contrast; with
        ``.json``, runs with their regressors, contrasts and notices, levels, and advice as well.
    plan : sequence of Analysis
    notes : PlanNotes
        About the plan as a whole; the table has none of them.
    scratch : callable
        Returns a folder for the pictures of a page.

    Raises
    ------
    CannotWriteError
        If its folder cannot be made, or the file not be written.
    """
    if path.suffix == ".html":
        write_plan_page(path, plan, notes, scratch())
        return
    atlases = notes.atlases
    if path.suffix == ".json":
        content: dict[str, Any] = {
            "Analyses": [_analysis(analysis) for analysis in plan],
            **by_kind(notes.notices),
        }
        if atlases is not None and atlases.by_space:
            content["Atlases"] = [_atlas(planned) for planned in atlases.by_space.values()]
        write_json(path, content)
        return
    lines = ["\t".join(COLUMNS)]
    for analysis in plan:
        lines += [
            "\t".join((analysis.model.name, *_cells(row)))
            for row in Precision.of(analysis.runs).rows
        ]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _atlas(planned: PlannedAtlas) -> dict[str, Any]:
    atlas = planned.atlas
    files = [str(file) for file in atlas.files]
    return {"Name": atlas.name, "Regions": planned.n_regions, "Files": files}


def _cells(row: ContrastInRun) -> tuple[str, ...]:
    numbers = (row.efficiency, row.standard_error, row.times_alone)
    shown = ("n/a" if number is None else f"{number:.6g}" for number in map(_finite, numbers))
    return (row.run, row.contrast, row.test, str(row.is_estimable).lower(), *shown)


def _finite(number: float) -> float | None:
    """Return a number, or None for what is not finite; JSON has no word for it."""
    return float(number) if np.isfinite(number) else None


def _analysis(analysis: Analysis) -> dict[str, Any]:
    precision = Precision.of(analysis.runs)
    return {
        "Model": analysis.model.name,
        "Advice": advice(analysis, precision),
        "CorrelatedRegressors": [
            {"First": pair.first, "Second": pair.second, "SharedVariance": pair.shares}
            for pair in correlated_pairs(analysis.runs)
        ],
        "Runs": [_run(run, precision.by_run.get(run.inputs.name, ())) for run in analysis.runs],
        "Levels": [
            {
                "Level": level.plan.node.level,
                "Node": level.plan.node.name,
                "Result": entities_stem(level.plan.entities),
                "Fits": [
                    {
                        "Inputs": [one.label for one in fit.inputs],
                        "Columns": list(fit.design.names),
                        "Contrasts": [contrast.name for contrast in fit.contrasts],
                    }
                    for fit in level.plan.fits
                ],
                **by_kind(level.plan.notes),
            }
            for level in analysis.levels
        ],
        **by_kind([*analysis.notices, *analysis.model.spec.notes]),
    }


def _run(run: RunPlan, contrasts: Sequence[ContrastInRun]) -> dict[str, Any]:
    numbers = run.collinearity
    return {
        "Run": run.inputs.name,
        "Volumes": run.inputs.n_scans,
        "CensoredVolumes": list(run.design.censored),
        "Regressors": list(run.design.names),
        "Rank": numbers.rank,
        "ConditionNumber": _finite(numbers.condition_number),
        "VarianceInflationFactors": {name: _finite(vif) for name, vif in numbers.vif.items()},
        "Contrasts": {
            row.contrast: {
                "Test": row.test,
                "Estimable": row.is_estimable,
                "Efficiency": _finite(row.efficiency),
                "PredictedStandardError": _finite(row.standard_error),
                "TimesUncorrelated": _finite(row.times_alone),
            }
            for row in contrasts
        },
        **by_kind(run.notices),
    }
