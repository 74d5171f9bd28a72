"""From results to pictures, BIDS derivatives and reports."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
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

from boldglm.analysis.first_level.contrast_maps import weights_text
from boldglm.analysis.first_level.run_maps import CRITICAL, whiteness_fact
from boldglm.glm import collinearity
from boldglm.io.bids.events import PREFIX, read_events
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry, GridPart
from boldglm.io.images.noise_smoothness import smoothness_fact
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.records import ContrastMaps, NodeResult, Record, read_result
from boldglm.io.outputs.trial_tables import read_trials
from boldglm.io.outputs.writing import NodeDetails, NodeFiles, write_derivatives
from boldglm.notices import from_pairs
from boldglm.reports.content import Figure, Report, Table
from boldglm.reports.hemispheres import join_hemispheres
from boldglm.reports.html import write_report
from boldglm.reports.sections import (
    ShownContrast,
    ShownDesign,
    draw_contrasts,
    draw_design,
    make_section,
)
from boldglm.reports.storage import section_figures, section_from_dict, section_to_dict
from boldglm.reports.trials import ShownTrials, draw_trials, draw_whiteness
from boldglm.reports.views import SurfaceView, View, VolumeView
from boldglm.stats_model.specification import LEVELS


class _PlotResultsInput(BaseInterfaceInputSpec):
    result_file = File(exists=True, mandatory=True, desc="as EstimateContrasts or CombineRuns")
    title = traits.Str(mandatory=True, desc="heading of the section")
    facts = traits.List(traits.Tuple(traits.Str, traits.Str), desc="labels and values")
    design_file = File(exists=True, desc="design that was fitted")
    before_file = File(exists=True, desc="design before orthogonalization")
    events_file = File(exists=True, desc="events that the design was made from")
    n_slices = traits.Int(21, usedefault=True, desc="slices of each map")
    is_open = traits.Bool(False, usedefault=True, desc="whether the section starts unfolded")


class _PlotResultsOutput(TraitedSpec):
    section_file = File(exists=True, desc="section of the report, JSON")
    figure_files = OutputMultiPath(File(exists=True), desc="its pictures")


class PlotResults(SimpleInterface):
    """Draw design, collinearity and thresholded maps of one node for the report."""

    input_spec = _PlotResultsInput
    output_spec = _PlotResultsOutput

    def _run_interface(self, runtime):
        here = Path(runtime.cwd)
        result = read_result(Path(self.inputs.result_file))
        geometry = read_geometry(
            result.mask, result.meshes
        )  # pictures do without surfaces that have gone since
        views = _views(geometry, result, self.inputs.n_slices)
        design = draw_design(self._design(result), here) if self._has("design_file") else ((), ())
        more = _drawn_maps(result, geometry, views, here)
        shown = [_shown(one, geometry) for one in result.contrasts if one.test != "pass"]
        contrasts = draw_contrasts(shown, views, here)
        facts = list(self.inputs.facts) if isdefined(self.inputs.facts) else []
        if result.mask_size:
            facts.append((geometry.noun.capitalize(), _size_fact(result.mask_size)))
        facts += [
            (one.name, _corrected_fact(one, geometry)) for one in result.contrasts if one.inference
        ]
        if result.whiteness:
            facts.append(("Residuals", whiteness_fact(dict(result.whiteness))))
        if result.smoothness:
            facts.append(("Smoothness of residuals", smoothness_fact(result.smoothness)))
        section = make_section(
            self.inputs.title,
            facts,
            result.notices,
            contrasts,
            (design[0] + more[0], design[1] + more[1]),
            is_open=self.inputs.is_open,
        )
        write_json(here / "section.json", section_to_dict(section))
        self._results = {
            "section_file": str(here / "section.json"),
            "figure_files": [str(figure.path) for figure in section_figures(section)],
        }
        return runtime

    def _has(self, name: str) -> bool:
        return bool(isdefined(getattr(self.inputs, name)))

    def _design(self, result: NodeResult) -> ShownDesign:
        design = read_design(Path(self.inputs.design_file))
        rows = _contrast_rows(result, design.names)
        weights = {name: np.stack([row for key, row in rows if key == name]) for name, _ in rows}
        events = []
        if self._has("events_file"):
            table = read_events(Path(self.inputs.events_file))
            for name in table.conditions:
                own = table.trial_type == name
                events.append(
                    (PREFIX + name, table.onset[own].tolist(), table.duration[own].tolist())
                )
        before = read_design(Path(self.inputs.before_file)) if self._has("before_file") else None
        if before is not None and before == design:
            before = None
        return ShownDesign(
            design, before, collinearity(design, weights), tuple(events), tuple(rows)
        )


def _size_fact(size: Mapping[str, int]) -> str:
    excluded = f", {size['Excluded']:,} of the mask excluded" if size["Excluded"] else ""
    return f"{size['Analyzed']:,} analyzed{excluded}"


def _corrected_fact(one: ContrastMaps, geometry: Geometry) -> str:
    """Say how much of a contrast survives correction."""
    words = {
        "qFDR": "false discovery rate",
        "pFWE": "family-wise error of voxels",
        "pFWEextent": "of cluster extent",
        "pFWEmass": "of cluster mass",
        "pFWEtfce": "by TFCE",
    }
    parts = []
    for label, text in words.items():
        if label in one.maps:
            row = geometry.read_rows([one.maps[label]])[0]
            parts.append(f"{text}: {int((row < 0.05).sum())} below .05 (least {row.min():.2g})")
    return "; ".join(parts)


def _views(geometry: Geometry, result: NodeResult, n_slices: int) -> tuple[View, ...]:
    """Say to the report where the values of a row lie."""
    mean = geometry.read_rows([result.mean])[0]
    views: list[View] = []
    for part in geometry.parts():
        if isinstance(part, GridPart):
            own = mean[part.columns]
            views.append(
                VolumeView(part.name, part.columns, part.mask, own, part.affine, n_slices)
            )
        else:
            views.append(
                SurfaceView(
                    part.name,
                    part.columns,
                    part.mask,
                    part.mesh_name,
                    part.coordinates,
                    part.triangles,
                )
            )
    return tuple(views)


def _drawn_maps(
    result: NodeResult, geometry: Geometry, views: tuple[View, ...], here: Path
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Draw the maps of a run as a whole that tell something at a glance."""
    figures: tuple[Figure, ...] = ()
    if "whiteness" in result.maps:
        z = geometry.read_rows([result.maps["whiteness"]])[0]
        figures = draw_whiteness(z, CRITICAL, views, here)
    if "trials" not in result.maps:
        return figures, ()
    trials = read_trials(result.maps)
    spread = geometry.read_rows([result.maps["trialspread"]])[0]
    shown = ShownTrials(trials.trial_type, trials.variance_factor, trials.correlations, spread)
    drawn, tables = draw_trials(shown, views, here)
    return figures + drawn, tables


def _shown(one: ContrastMaps, geometry: Geometry) -> ShownContrast:
    dof = f"{one.dof:.4g}" + (" (median over voxels)" if "dof" in one.maps else "")
    text = f"{one.dof_numerator}, {dof}" if one.test == "F" else dof
    z = geometry.read_rows([one.maps["z"]])[0]
    return ShownContrast(one.name, one.test, weights_text(one), text, z)


def _contrast_rows(result: NodeResult, names) -> list[tuple[str, np.ndarray]]:
    rows = []
    for one in result.contrasts:
        count = len(next(iter(one.weights.values())))
        for number in range(count):
            row = np.zeros(len(names))
            for name, values in one.weights.items():
                row[list(names).index(name)] = values[number]
            rows.append((one.name, row))
    return rows


class _WriteDerivativesInput(BaseInterfaceInputSpec):
    output_dir = traits.Directory(mandatory=True, desc="root of the derivative dataset")
    node = traits.Str(mandatory=True, desc="name of the model's node")
    level = traits.Enum(*LEVELS, mandatory=True, desc="level of the node")
    entities = traits.Dict(mandatory=True, desc="BIDS entities of the files")
    result_file = File(exists=True, mandatory=True, desc="maps to write")
    section_file = File(exists=True, mandatory=True, desc="as PlotResults writes it")
    design_file = File(exists=True, desc="design that was fitted")
    fingerprint = traits.Str(mandatory=True, desc="digest of what the result was made from")
    details = traits.Dict({}, usedefault=True, desc="what every sidecar says")
    trial_details = traits.Dict(
        {}, usedefault=True, desc="what sidecars of single trials say instead"
    )
    model = traits.Str("", usedefault=True, desc="name of the model, for the record")


class _WriteDerivativesOutput(TraitedSpec):
    record_file = File(exists=True, desc="record of the finished node")


class WriteDerivatives(SimpleInterface):
    """Write maps, sidecars, design, pictures and, last, the record of a node."""

    input_spec = _WriteDerivativesInput
    output_spec = _WriteDerivativesOutput

    def _run_interface(self, runtime):
        design = correlations = None
        if isdefined(self.inputs.design_file):
            design = Path(self.inputs.design_file)
            correlations = collinearity(read_design(design)).correlations
        files = NodeFiles(
            read_result(Path(self.inputs.result_file)),
            read_json(Path(self.inputs.section_file)),
            design,
            correlations,
        )
        details = NodeDetails(
            self.inputs.node,
            self.inputs.level,
            dict(self.inputs.entities),
            self.inputs.fingerprint,
            dict(self.inputs.details),
            self.inputs.model,
            dict(self.inputs.trial_details),
        )
        record = write_derivatives(Path(self.inputs.output_dir), files, details)
        self._results = {"record_file": str(record)}
        return runtime


def _but_hemisphere(record: Record) -> tuple[object, str]:
    """Return what both hemispheres of a result have in common, and which one it is."""
    entities = dict(record.entities)
    side = entities.pop("hemi", "")
    return (record.node, tuple(entities.items())), side


class _WriteReportInput(BaseInterfaceInputSpec):
    record_files = InputMultiPath(
        File(exists=True), mandatory=True, desc="records in the order of the sections"
    )
    output_dir = traits.Directory(mandatory=True, desc="root of the derivative dataset")
    report_name = traits.Str(mandatory=True, desc="file name, such as sub-01.html")
    title = traits.Str(mandatory=True, desc="heading")
    subtitle = traits.Str("", usedefault=True, desc="line below the heading")
    facts = traits.List(traits.Tuple(traits.Str, traits.Str), desc="labels and values")
    notices = traits.List(traits.Any, desc="those of the analysis as a whole")
    methods = traits.List(traits.Str, desc="paragraphs")
    references = traits.List(traits.Str, desc="one string each")
    command = traits.Str("", usedefault=True, desc="the exact command line")
    versions = traits.List(traits.Tuple(traits.Str, traits.Str), desc="software and version")


class _WriteReportOutput(TraitedSpec):
    report_file = File(exists=True, desc="self-contained HTML")


class WriteReport(SimpleInterface):
    """Set the sections of some records as one HTML file."""

    input_spec = _WriteReportInput
    output_spec = _WriteReportOutput

    def _run_interface(self, runtime):
        inputs = self.inputs
        root = Path(inputs.output_dir)
        records = [Record.read(Path(path), root) for path in inputs.record_files]
        sections = join_hemispheres(
            [(_but_hemisphere(one), section_from_dict(one.section, root)) for one in records]
        )
        if len(sections) > 1:
            sections = [replace(sections[0], is_open=True), *sections[1:]]
        report = Report(
            title=inputs.title,
            subtitle=inputs.subtitle,
            facts=tuple(inputs.facts or ()),
            notices=from_pairs(inputs.notices or ()),
            sections=tuple(sections),
            methods=tuple(inputs.methods or ()),
            references=tuple(inputs.references or ()),
            command=inputs.command,
            versions=tuple(inputs.versions or ()),
        )
        path = write_report(report, root / inputs.report_name)
        self._results = {"report_file": str(path)}
        return runtime
