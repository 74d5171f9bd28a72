"""The HTML report of an estimator, from the same parts as the app's."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boldglm.analysis.citation import copies_of, reference_texts
from boldglm.analysis.first_level.measured_pairs import explained_pairs, measure_pair
from boldglm.analysis.methods_text import methods_paragraphs, versions
from boldglm.interfaces import PlotResults
from boldglm.interfaces.combine import result_files
from boldglm.io.files.json_files import read_json
from boldglm.io.outputs.design_files import write_design
from boldglm.io.outputs.records import NodeResult
from boldglm.reports.content import Report, Section
from boldglm.reports.html import write_report
from boldglm.reports.storage import section_from_dict

if TYPE_CHECKING:
    from boldglm.estimators.first_level import FirstLevel, FittedRun


def write_first_level_report(
    model: "FirstLevel",
    path: Path,
    contrasts: Sequence[Any] | None,
    title: str,
    explain: Sequence[str] = (),
) -> Path:
    """Write the report of a fitted first level.

    Parameters
    ----------
    model : FirstLevel
        Fitted.
    path : Path
        The HTML file.
    contrasts : sequence of contrasts or None
        As for `FirstLevel.contrast`; None for every condition against baseline.
    title : str
        Heading.
    explain : sequence of str
        Pairs of regressors to explain in each run.

    Returns
    -------
    Path
        ``path``.
    """
    if contrasts is None:
        conditions = (name for design in model.designs_ for name in design.conditions if name)
        contrasts = list(dict.fromkeys(conditions))
    pairs = [explained_pairs(run.design, explain) for run in model.runs_]
    written = [model.model_contrast(contrast) for contrast in contrasts]
    with tempfile.TemporaryDirectory(prefix="boldglm-") as name:
        folder = Path(name)
        results = [
            replace(
                result,
                pairs=tuple(measure_pair(run.fit, run.scale, run.design, pair) for pair in of_run),
            )
            for result, run, of_run in zip(
                model.run_results(written, folder), model.runs_, pairs, strict=True
            )
        ]
        is_only_run = len(results) == 1
        sections = [
            _run_section(run, result, number, folder / f"run-{number}", is_open=is_only_run)
            for number, (run, result) in enumerate(zip(model.runs_, results, strict=True), start=1)
        ]
        if not is_only_run:
            combined = model.combined_result(results, folder)
            sections.insert(0, _section(combined, folder / "combined", "All runs", is_open=True))
        methods = methods_paragraphs(model.model_, "subject")
        report = Report(
            title=title,
            subtitle="Voxelwise general linear model",
            sections=tuple(sections),
            methods=tuple(methods),
            references=tuple(reference_texts(methods)),
            command=repr(model),
            versions=tuple(versions()),
            copies=copies_of(methods),
        )
        return write_report(report, path)


def _run_section(
    run: "FittedRun", result: NodeResult, number: int, folder: Path, *, is_open: bool
) -> Section:
    design_file, before_file = folder / "design.tsv", folder / "before.tsv"
    write_design(run.design, design_file, {})
    write_design(run.before, before_file, {})
    return _section(
        result,
        folder,
        f"Run {number}: {run.name}",
        is_open=is_open,
        design_file=str(design_file),
        before_file=str(before_file),
        motion=run.motion.to_dict(),
    )


def _section(
    result: NodeResult, folder: Path, title: str, *, is_open: bool, **inputs: Any
) -> Section:
    """Draw a result as the app does; pictures lie in the folder until the report is written."""
    files_of_result = result_files(result, folder)
    drawing = PlotResults(
        result_file=files_of_result["result_file"], title=title, is_open=is_open, **inputs
    )
    drawn = drawing.run(cwd=str(folder)).outputs
    return section_from_dict(read_json(Path(drawn.section_file)), folder)
