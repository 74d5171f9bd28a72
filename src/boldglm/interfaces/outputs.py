"""Interfaces that turn results into derivatives, sections of the report and reports."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiPath,
    OutputMultiPath,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from boldglm.analysis.citation import copies_of
from boldglm.analysis.first_level.run_quality import RunQuality, quality_numbers
from boldglm.analysis.plan.models_of_results import current_digests
from boldglm.errors import BadDataError
from boldglm.glm import Design, collinearity
from boldglm.interfaces.drawing import (
    N_SLICES,
    EventTimes,
    SectionText,
    check_series,
    draw_result,
    event_times,
)
from boldglm.interfaces.input_maps import read_input_maps
from boldglm.interfaces.overviews import participant_overview
from boldglm.io.bids.preprocessed import space_label
from boldglm.io.files.atomic import share_file
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.outputs.analyses import MODELS
from boldglm.io.outputs.design_files import read_before, read_design
from boldglm.io.outputs.names import ResultPaths, model_file_name, output_dir_of
from boldglm.io.outputs.overviews import overview_state
from boldglm.io.outputs.quality_table import QUALITY_KEY, write_quality_table
from boldglm.io.outputs.records import Record, read_result
from boldglm.io.outputs.report_pages import ReportPage, report_order
from boldglm.io.outputs.writing import NodeDetails, NodeFiles, write_derivatives
from boldglm.reports.content import Report, Section, make_anchor
from boldglm.reports.hemispheres import join_hemispheres
from boldglm.reports.html import write_report
from boldglm.reports.storage import (
    figure_copies,
    section_figures,
    section_from_dict,
    section_to_dict,
)
from boldglm.vocabulary import CONTRAST_MAPS, LEVELS, TRIAL_TYPE

SECTION = "section.json"
TAGS = {"task": "Task", "ses": "Session", "run": "Run", "space": "Space"}


class _SectionInput(BaseInterfaceInputSpec):
    title = traits.Str(mandatory=True, desc="heading of the section of the report")
    facts = traits.List(traits.Tuple(traits.Str, traits.Str), desc="labels and values")
    before_file = File(exists=True, desc="design before orthogonalization")
    events_file = File(exists=True, desc="events of the run, drawn with the regressors")
    trial_type_column = traits.Str(
        TRIAL_TYPE, usedefault=True, desc="column of the events that names conditions"
    )
    n_slices = traits.Int(N_SLICES, usedefault=True, desc="number of slices of each map")
    is_open = traits.Bool(False, usedefault=True, desc="whether the section starts unfolded")
    motion = traits.Dict({}, usedefault=True, desc="head motion of a run, for the report")


def _section_text(inputs: _SectionInput) -> SectionText:
    events: tuple[EventTimes, ...] = ()
    if isdefined(inputs.events_file):
        events = event_times(Path(inputs.events_file), inputs.trial_type_column)
    facts = tuple(inputs.facts) if isdefined(inputs.facts) else ()
    return SectionText(
        inputs.title, facts, inputs.n_slices, inputs.is_open, events, _motion(inputs.motion)
    )


def _motion(content: Mapping[str, Any]) -> RunQuality | None:
    return RunQuality.from_dict(content) if content else None


def _design_of(path: object) -> Design | None:
    return read_design(Path(str(path))) if isdefined(path) else None


class _PlotResultsInput(_SectionInput):
    result_file = File(
        exists=True, mandatory=True, desc="result from EstimateContrasts or CombineRuns"
    )
    design_file = File(exists=True, desc="fitted design")


class _SectionOutput(TraitedSpec):
    section_file = File(exists=True, desc="section of the report (JSON)")
    figure_files = OutputMultiPath(
        File(exists=True), desc="figures of the section, and maps for its viewers"
    )


class PlotResults(SimpleInterface):
    """Draw the design, its collinearity and thresholded maps for the report."""

    input_spec = _PlotResultsInput
    output_spec = _SectionOutput

    def _run_interface(self, runtime):
        here = Path(runtime.cwd)
        section = draw_result(
            read_result(Path(self.inputs.result_file)),
            _section_text(self.inputs),
            here,
            _design_of(self.inputs.design_file),
            _design_of(self.inputs.before_file),
        )
        write_json(here / SECTION, section_to_dict(section))
        self._results = _section_files(here / SECTION, section)
        return runtime


def _section_files(path: Path, section: Section) -> dict[str, object]:
    figures = [figure.path for figure in section_figures(section)]
    volumes = [volume for contrast in section.contrasts for volume in contrast.volumes]
    return {"section_file": str(path), "figure_files": [str(one) for one in figures + volumes]}


class _PlotRecordInput(BaseInterfaceInputSpec):
    record_file = File(exists=True, mandatory=True, desc="record of a finished node")


class PlotRecord(SimpleInterface):
    """Draw a finished node for the report from what is in the output folder."""

    input_spec = _PlotRecordInput
    output_spec = _SectionOutput

    def _run_interface(self, runtime):
        here, path = Path(runtime.cwd), Path(self.inputs.record_file)
        root = output_dir_of(path)
        record = Record.read(path, root)
        design = before = None
        design_file = ResultPaths.of(root, record.node, record.entities).file("design.tsv")
        if design_file in record.files:
            design = read_design(design_file)
            before = read_before(design_file, design)
        text = _text_of(record, path, design)
        inputs = partial(read_input_maps, record, root) if record.level == "dataset" else None
        section = draw_result(record.result, text, here, design, before, inputs)
        content = {"Record": str(path), "Section": section_to_dict(section)}
        write_json(here / SECTION, content)
        self._results = _section_files(here / SECTION, section)
        return runtime


def _text_of(record: Record, path: Path, design: Design | None) -> SectionText:
    """Return what the report says of a record, once it can be drawn."""
    try:
        text = SectionText.from_dict(record.section)
        if design is not None:
            check_series(record.result, text, design)
        return text
    except (ValueError, KeyError, TypeError) as error:
        raise BadDataError(
            f"The record {path} is damaged: what it says for the report has no {error}. "
            "Delete it and repeat the level that wrote it."
        ) from error


class _WriteDerivativesInput(_SectionInput):
    output_dir = traits.Directory(mandatory=True, desc="root of the derivative dataset")
    node = traits.Str(mandatory=True, desc="name of the node of the model")
    level = traits.Enum(*LEVELS, mandatory=True, desc="level of the node")
    entities = traits.Dict(mandatory=True, desc="BIDS entities of the files")
    result_file = File(exists=True, mandatory=True, desc="result that lists the maps")
    design_file = File(exists=True, desc="fitted design")
    fingerprint = traits.Str(mandatory=True, desc="digest of everything the result depends on")
    details = traits.Dict({}, usedefault=True, desc="content of every sidecar")
    trial_details = traits.Dict(
        {}, usedefault=True, desc="content that sidecars of single trials have instead"
    )
    model = traits.Str("", usedefault=True, desc="name of the model, for the record")
    maps = traits.List(
        traits.Enum(*CONTRAST_MAPS), desc="maps of contrasts to write; by default all"
    )
    analysis = traits.Dict({}, usedefault=True, desc="identity of the analysis, for the record")


class _WriteDerivativesOutput(TraitedSpec):
    record_file = File(exists=True, desc="record of the complete node")


class WriteDerivatives(SimpleInterface):
    """Write maps, sidecars and design of a node, and finally its record.

    The record holds what the section of the report says beside them, so that `PlotRecord` can
    draw the node at any time.
    """

    input_spec = _WriteDerivativesInput
    output_spec = _WriteDerivativesOutput

    def _run_interface(self, runtime):
        path = Path(self.inputs.design_file) if isdefined(self.inputs.design_file) else None
        design = None if path is None else read_design(path)
        result, text = read_result(Path(self.inputs.result_file)), _section_text(self.inputs)
        common = dict(self.inputs.details)
        if design is not None:
            common[QUALITY_KEY] = quality_numbers(
                text.motion or RunQuality(),
                design,
                result.quality,
                result.whiteness,
                result.notices,
            )
        files = NodeFiles(
            result,
            text.to_dict(),
            path,
            None if design is None else collinearity(design).correlations,
            _design_of(self.inputs.before_file),
        )
        details = NodeDetails(
            self.inputs.node,
            self.inputs.level,
            dict(self.inputs.entities),
            self.inputs.fingerprint,
            common,
            self.inputs.model,
            dict(self.inputs.trial_details),
            dict(self.inputs.analysis),
            tuple(self.inputs.maps) if isdefined(self.inputs.maps) else (),
        )
        record = write_derivatives(Path(self.inputs.output_dir), files, details)
        self._results = {"record_file": str(record)}
        return runtime


class _WritePageInput(BaseInterfaceInputSpec):
    output_dir = traits.Directory(mandatory=True, desc="root of the derivative dataset")
    page = traits.Instance(ReportPage, mandatory=True, desc="what the report says as a whole")


class _WritePageOutput(TraitedSpec):
    page_file = File(exists=True, desc="JSON in logs/reports/")


class WriteReportPage(SimpleInterface):
    """Store what a report says as a whole, so that it can be written later."""

    input_spec = _WritePageInput
    output_spec = _WritePageOutput

    def _run_interface(self, runtime):
        path = self.inputs.page.write(Path(self.inputs.output_dir))
        self._results = {"page_file": str(path)}
        return runtime


class _WriteQualityInput(BaseInterfaceInputSpec):
    output_dir = traits.Directory(mandatory=True, desc="root of the derivative dataset")
    record_files = traits.List(traits.Str, desc="records of finished runs, to start after them")


class _WriteQualityOutput(TraitedSpec):
    table_file = File(desc="table of all finished runs; undefined without any")


class WriteQualityTable(SimpleInterface):
    """Write the table of all finished runs, to sort by motion and noise."""

    input_spec = _WriteQualityInput
    output_spec = _WriteQualityOutput
    _always_run = True  # runs of other calls are in the table as well

    def _run_interface(self, runtime):
        output = Path(self.inputs.output_dir)
        path = write_quality_table(output, current_digests(output))
        self._results = {"table_file": str(path)} if path else {}
        return runtime


class _WriteReportInput(_WritePageInput):
    section_files = InputMultiPath(
        File(exists=True), mandatory=True, desc="sections from PlotRecord, in any order"
    )
    with_figures = traits.Bool(
        False, usedefault=True, desc="whether to write the figures beside the report as well"
    )


class _WriteReportOutput(TraitedSpec):
    report_file = File(exists=True, desc="self-contained HTML")


class WriteReport(SimpleInterface):
    """Write the sections of several records as one HTML report, higher levels first."""

    input_spec = _WriteReportInput
    output_spec = _WriteReportOutput

    def _run_interface(self, runtime):
        inputs = self.inputs
        root, page = Path(inputs.output_dir), inputs.page
        drawn = []
        for name in inputs.section_files:
            path = Path(name)
            content = read_json(path)
            record = Record.read(Path(content["Record"]), root)
            drawn.append((record, section_from_dict(content["Section"], path.parent)))
        drawn.sort(key=lambda one: report_order(one[0]))
        sections = join_hemispheres(
            [(_split_hemisphere(record), section) for record, section in _told_apart(drawn)]
        )
        if len(sections) > 1:
            sections = [replace(sections[0], is_open=True), *sections[1:]]
        report = Report(
            title=page.title,
            subtitle=page.subtitle,
            notices=page.notices,
            sections=tuple(sections),
            methods=page.methods,
            references=page.references,
            command=page.command,
            models=_models_of(drawn, root),
            versions=page.versions,
            copies=copies_of(page.methods),
        )
        page.write(root, _copy_figures(drawn, root) if inputs.with_figures else ())
        path = write_report(report, root / page.report_name)
        if page.name.startswith("sub-"):
            subject = page.name.removeprefix("sub-")
            state = overview_state(root, subject)
            records = [record for record, _ in drawn]
            participant_overview(root, subject, records).write(root, state)
        self._results = {"report_file": str(path)}
        return runtime


def _told_apart(drawn: Sequence[tuple[Record, Section]]) -> list[tuple[Record, Section]]:
    """Add the model to titles in a report of several, and node and space where titles repeat."""
    with_model = len({record.model for record, _ in drawn}) > 1
    nodes: dict[tuple[str, str], set[str]] = {}
    for record, section in drawn:
        nodes.setdefault((section.title, record.model), set()).add(record.node)
    titles = [
        section.title
        + f", node {record.node}" * (len(nodes[section.title, record.model]) > 1)
        + f" (model {record.model})" * with_model
        for record, section in drawn
    ]
    spaces: dict[str, set[str]] = {}
    for title, (record, _) in zip(titles, drawn, strict=True):
        spaces.setdefault(title, set()).add(space_label(record.entities))
    found = []
    for title, (record, section) in zip(titles, drawn, strict=True):
        if len(spaces[title]) > 1:
            title = f"{title} ({space_label(record.entities)})"
        if title != section.title:
            section = replace(section, title=title, anchor=make_anchor(title))
        found.append((record, replace(section, tags=_tags(record))))
    return found


def _models_of(drawn: Sequence[tuple[Record, Section]], root: Path) -> tuple[tuple[str, str], ...]:
    """Return name and text of the models of sections that the output folder has in a file."""
    files = {record.model: root / MODELS / model_file_name(record.model) for record, _ in drawn}
    return tuple(
        (name, file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()
    )


def _tags(record: Record) -> tuple[tuple[str, str], ...]:
    """Return what sections of a report are filtered by."""
    entities = [(TAGS[key], label) for key, label in record.entities.items() if key in TAGS]
    return (("Level", record.level), ("Model", record.model), *entities)


def _copy_figures(drawn: Sequence[tuple[Record, Section]], root: Path) -> list[Path]:
    """Write the figures of sections into the folder beside the report."""
    return [
        share_file(source, target)
        for record, section in drawn
        for source, target in figure_copies(
            section, ResultPaths.of(root, record.node, record.entities)
        )
    ]


def _split_hemisphere(record: Record) -> tuple[object, str]:
    """Return what identifies a result of both hemispheres, and the hemisphere of this record."""
    entities = dict(record.entities)
    hemisphere = entities.pop("hemi", "")
    return (record.node, tuple(entities.items())), hemisphere
