"""Reports, drawn from the records of finished results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from boldglm.analysis.methods_text import methods_of_regions
from boldglm.analysis.plan.atlases import PlannedAtlases
from boldglm.interfaces import PlotRecord, WriteReport, WriteReportPage
from boldglm.io.outputs.names import report_page_file
from boldglm.io.outputs.report_pages import GROUP, ReportPage, figures_of_page
from boldglm.workflows.higher_levels import RecordSource, connect_record
from boldglm.workflows.nodes import make_node
from boldglm.workflows.other_results import SavedResults


@dataclass(frozen=True)
class ReportSettings:
    """How reports are written.

    Parameters
    ----------
    is_written : bool
        Whether they are written at all, or only what is needed to write them later.
    with_figures : bool
        Whether figures are written beside the reports as well.
    """

    is_written: bool = True
    with_figures: bool = False

    def is_there(self, output_dir: Path, name: str) -> bool:
        """Whether the report of this name needs no writing if all its results are finished."""
        if not report_page_file(output_dir, name).is_file():
            return False
        if not self.is_written:
            return True
        has_figures = not self.with_figures or figures_of_page(output_dir, name)
        return bool(has_figures) and (output_dir / f"{name}.html").is_file()


def region_methods(atlases: PlannedAtlases, level: str) -> list[str]:
    """Return a paragraph of the methods section about each atlas."""
    known = {planned.atlas.name: planned.n_regions for planned in atlases.by_space.values()}
    return [
        methods_of_regions(name, n_regions, level, have_tables=atlases.have_tables)
        for name, n_regions in known.items()
    ]


def add_report(
    workflow: Workflow,
    page: ReportPage,
    sources: Sequence[RecordSource],
    output_dir: Path,
    settings: ReportSettings,
) -> None:
    """Add a report to a workflow: a drawing of each result, and the page with all of them.

    Parameters
    ----------
    workflow : Workflow
        The workflow to extend.
    page : ReportPage
        What the report says as a whole.
    sources : sequence of Path or Workflow
        A record for each section, or the workflow that writes it.
    output_dir : Path
        Root of the derivative dataset.
    settings : ReportSettings
        Without reports, only the page is stored.
    """
    if not settings.is_written:
        store = WriteReportPage(output_dir=str(output_dir), page=page)
        workflow.add_nodes([make_node(store, name="write_page")])
        return
    sections = Node(Merge(len(sources)), name="sections")
    workflow.add_nodes([sections])
    for slot, source in enumerate(sources, start=1):
        plot = make_node(PlotRecord(), name=f"plot_{slot}")
        workflow.add_nodes([plot])
        connect_record(workflow, source, plot, "record_file")
        workflow.connect(plot, "section_file", sections, f"in{slot}")
    report = make_node(
        WriteReport(output_dir=str(output_dir), page=page, with_figures=settings.with_figures),
        name="write_report",
    )
    workflow.connect(sections, "out", report, "section_files")


def records_of_report(results: SavedResults, name: str) -> list[Path]:
    """Return the records of all results that a report shows.

    Parameters
    ----------
    results : SavedResults
        Finished results in the output folder.
    name : str
        ``"group"``, or the participant with its prefix.
    """
    subject = None if name == GROUP else name.removeprefix("sub-")
    return results.others(subject, ())[0]


def init_reports_wf(
    output_dir: Path, names: Sequence[str], *, with_figures: bool = False, name: str = "reports_wf"
) -> Workflow:
    """Build the workflow that writes reports from what is in the output folder.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    names : sequence of str
        Reports to write, such as ``"sub-01"`` and ``"group"``.
    with_figures : bool
        Whether figures are written beside the reports as well.
    name : str
        Name of the workflow.

    Returns
    -------
    Workflow
        The workflow.

    Raises
    ------
    MissingInputError
        If what a report says as a whole was not stored.
    """
    workflow = Workflow(name=name)
    settings = ReportSettings(with_figures=with_figures)
    results = SavedResults(output_dir)
    for number, report in enumerate(names):
        page = ReportPage.read(output_dir, report)
        records = records_of_report(results, report)
        inner = Workflow(name=f"report_{number}_wf")
        add_report(inner, page, records, output_dir, settings)
        workflow.add_nodes([inner])
    return workflow
