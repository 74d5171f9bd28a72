"""Interfaces that turn results into figures, BIDS derivatives and reports."""

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
from boldglm.analysis.first_level.run_maps import CRITICAL, whiteness_summary
from boldglm.glm import collinearity
from boldglm.io.bids.events import read_events
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry, GridPart
from boldglm.io.images.noise_smoothness import smoothness_text
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.names import ResultPaths
from boldglm.io.outputs.records import ContrastMaps, NodeResult, Record, read_result
from boldglm.io.outputs.trial_tables import read_trials
from boldglm.io.outputs.writing import NodeDetails, NodeFiles, write_derivatives
from boldglm.notices import from_pairs
from boldglm.reports.content import Figure, Report, Section, Table, make_anchor
from boldglm.reports.hemispheres import join_hemispheres
from boldglm.reports.html import write_report
from boldglm.reports.sections import (
    DrawnContrast,
    DrawnDesign,
    draw_contrasts,
    draw_design,
    make_section,
)
from boldglm.reports.storage import section_figures, section_from_dict, section_to_dict
from boldglm.reports.trials import DrawnTrials, draw_trials, draw_whiteness
from boldglm.reports.views import SurfaceView, View, VolumeView
from boldglm.vocabulary import LEVELS, TRIAL_TYPE


class _PlotResultsInput(BaseInterfaceInputSpec):
    result_file = File(
        exists=True, mandatory=True, desc="result from EstimateContrasts or CombineRuns"
    )
    title = traits.Str(mandatory=True, desc="heading of the section of the report")
    facts = traits.List(traits.Tuple(traits.Str, traits.Str), desc="labels and values")
    design_file = File(exists=True, desc="fitted design")
    before_file = File(exists=True, desc="design before orthogonalization")
    events_file = File(exists=True, desc="events of the run")
    trial_type_column = traits.Str(
        TRIAL_TYPE, usedefault=True, desc="column of the events that names conditions"
    )
    n_slices = traits.Int(21, usedefault=True, desc="number of slices of each map")
    is_open = traits.Bool(False, usedefault=True, desc="whether the section starts unfolded")


class _PlotResultsOutput(TraitedSpec):
    section_file = File(exists=True, desc="section of the report (JSON)")
    figure_files = OutputMultiPath(File(exists=True), desc="figures of the section")


class PlotResults(SimpleInterface):
    """Draw the design, its collinearity and thresholded maps for the report."""

    input_spec = _PlotResultsInput
    output_spec = _PlotResultsOutput

    def _run_interface(self, runtime):
        here = Path(runtime.cwd)
        result = read_result(Path(self.inputs.result_file))
        geometry = read_geometry(result.mask, result.meshes)
        views = _views(geometry, result, self.inputs.n_slices)
        design = draw_design(self._design(result), here) if self._has("design_file") else ((), ())
        run_maps = _draw_run_maps(result, geometry, views, here)
        shown = [_shown(maps, geometry) for maps in result.contrasts if maps.test != "pass"]
        contrasts = draw_contrasts(shown, views, here)
        facts = list(self.inputs.facts) if isdefined(self.inputs.facts) else []
        if result.mask_size:
            facts.append((geometry.element_name.capitalize(), _mask_size_text(result.mask_size)))
        facts += [
            (maps.name, _corrected_text(maps, geometry))
            for maps in result.contrasts
            if "qFDR" in maps.maps
        ]
        if result.whiteness:
            facts.append(("Residuals", whiteness_summary(dict(result.whiteness))))
        if result.smoothness:
            facts.append(("Smoothness of residuals", smoothness_text(result.smoothness)))
        section = make_section(
            self.inputs.title,
            facts,
            result.notices,
            contrasts,
            (design[0] + run_maps[0], design[1] + run_maps[1]),
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

    def _design(self, result: NodeResult) -> DrawnDesign:
        design = read_design(Path(self.inputs.design_file))
        contrast_rows = _contrast_rows(result, design.names)
        weights = {
            name: np.stack([row for contrast, row in contrast_rows if contrast == name])
            for name, _ in contrast_rows
        }
        events = []
        if self._has("events_file"):
            column = self.inputs.trial_type_column
            table = read_events(Path(self.inputs.events_file), column)
            for name in table.conditions:
                rows = table.trial_type == name
                events.append(
                    (
                        table.prefix + name,
                        table.onset[rows].tolist(),
                        table.duration[rows].tolist(),
                    )
                )
        before = read_design(Path(self.inputs.before_file)) if self._has("before_file") else None
        if before is not None and before == design:
            before = None
        return DrawnDesign(
            design, before, collinearity(design, weights), tuple(events), tuple(contrast_rows)
        )


def _mask_size_text(size: Mapping[str, int]) -> str:
    excluded = f", {size['Excluded']:,} of the mask excluded" if size["Excluded"] else ""
    return f"{size['Analyzed']:,} analyzed{excluded}"


def _corrected_text(maps: ContrastMaps, geometry: Geometry) -> str:
    """Return how many voxels of a contrast are significant after correction."""
    corrections = {
        "qFDR": "false discovery rate",
        "pFWE": "family-wise error of voxels",
        "pFWEextent": "cluster extent",
        "pFWEmass": "cluster mass",
        "pFWEtfce": "TFCE",
    }
    parts = []
    for label, correction in corrections.items():
        if label in maps.maps:
            row = geometry.read_rows([maps.maps[label]])[0]
            count = int((row < 0.05).sum())
            symbol = "q" if label == "qFDR" else "p"
            parts.append(
                f"{correction}: {count} {geometry.element_name} with {symbol} < .05 (smallest "
                f"{symbol} {row.min():.2g})"
            )
    sides = maps.inference.get("Sides")
    return (f"{sides}-sided: " if sides else "") + "; ".join(parts)


def _views(geometry: Geometry, result: NodeResult, n_slices: int) -> tuple[View, ...]:
    """Return the views in which the report shows a map, a view for each part of the space."""
    mean = geometry.read_rows([result.mean])[0]
    views: list[View] = []
    for part in geometry.parts():
        if isinstance(part, GridPart):
            views.append(
                VolumeView(
                    part.name,
                    part.columns,
                    part.mask,
                    mean[part.columns],
                    part.affine,
                    n_slices,
                )
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


def _draw_run_maps(
    result: NodeResult, geometry: Geometry, views: tuple[View, ...], here: Path
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Draw the whiteness and the single trials of a run, if there are maps of them."""
    figures: tuple[Figure, ...] = ()
    if "whiteness" in result.maps:
        z = geometry.read_rows([result.maps["whiteness"]])[0]
        figures = draw_whiteness(z, CRITICAL, views, here)
    if "trials" not in result.maps:
        return figures, ()
    trials = read_trials(result.maps)
    spread = geometry.read_rows([result.maps["trialspread"]])[0]
    shown = DrawnTrials(trials.trial_type, trials.variance_factor, trials.correlations, spread)
    drawn, tables = draw_trials(shown, views, here)
    return figures + drawn, tables


def _shown(maps: ContrastMaps, geometry: Geometry) -> DrawnContrast:
    dof = f"{maps.dof:.4g}" + (" (median over voxels)" if "dof" in maps.maps else "")
    text = f"{maps.dof_numerator}, {dof}" if maps.test == "F" else dof
    z = geometry.read_rows([maps.maps["z"]])[0]
    return DrawnContrast(maps.name, maps.test, weights_text(maps), text, z)


def _contrast_rows(result: NodeResult, names) -> list[tuple[str, np.ndarray]]:
    """Return the name of the contrast and the weights, (n_regressors,), of every row."""
    rows = []
    for contrast in result.contrasts:
        count = len(next(iter(contrast.weights.values())))
        for number in range(count):
            row = np.zeros(len(names))
            for name, weights in contrast.weights.items():
                row[list(names).index(name)] = weights[number]
            rows.append((contrast.name, row))
    return rows


class _WriteDerivativesInput(BaseInterfaceInputSpec):
    output_dir = traits.Directory(mandatory=True, desc="root of the derivative dataset")
    node = traits.Str(mandatory=True, desc="name of the node of the model")
    level = traits.Enum(*LEVELS, mandatory=True, desc="level of the node")
    entities = traits.Dict(mandatory=True, desc="BIDS entities of the files")
    result_file = File(exists=True, mandatory=True, desc="result that lists the maps")
    section_file = File(exists=True, mandatory=True, desc="section from PlotResults")
    design_file = File(exists=True, desc="fitted design")
    fingerprint = traits.Str(mandatory=True, desc="digest of everything the result depends on")
    details = traits.Dict({}, usedefault=True, desc="content of every sidecar")
    trial_details = traits.Dict(
        {}, usedefault=True, desc="content that sidecars of single trials have instead"
    )
    model = traits.Str("", usedefault=True, desc="name of the model, for the record")
    analysis = traits.Dict({}, usedefault=True, desc="identity of the analysis, for the record")


class _WriteDerivativesOutput(TraitedSpec):
    record_file = File(exists=True, desc="record of the complete node")


class WriteDerivatives(SimpleInterface):
    """Write maps, sidecars, design and figures of a node, and finally its record."""

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
            dict(self.inputs.analysis),
        )
        record = write_derivatives(Path(self.inputs.output_dir), files, details)
        self._results = {"record_file": str(record)}
        return runtime


def _read_section(record: Record, root: Path, *, with_model: bool) -> Section:
    """Read the section of a result; where a report has several models, its title names one."""
    paths = ResultPaths.of(root, record.node, record.entities)
    section = section_from_dict(read_json(paths.section()), root)
    if not with_model:
        return section
    title = f"{section.title} (model {record.model})"
    return replace(section, title=title, anchor=make_anchor(title))


def _split_hemisphere(record: Record) -> tuple[object, str]:
    """Return what identifies a result of both hemispheres, and the hemisphere of this record."""
    entities = dict(record.entities)
    hemisphere = entities.pop("hemi", "")
    return (record.node, tuple(entities.items())), hemisphere


class _WriteReportInput(BaseInterfaceInputSpec):
    record_files = InputMultiPath(
        File(exists=True), mandatory=True, desc="records in the order of the sections"
    )
    output_dir = traits.Directory(mandatory=True, desc="root of the derivative dataset")
    report_name = traits.Str(mandatory=True, desc="file name, such as sub-01.html")
    title = traits.Str(mandatory=True, desc="heading")
    subtitle = traits.Str("", usedefault=True, desc="line below the heading")
    facts = traits.List(traits.Tuple(traits.Str, traits.Str), desc="labels and values")
    notices = traits.List(traits.Any, desc="notices of the analysis as a whole")
    methods = traits.List(traits.Str, desc="paragraphs of the methods section")
    references = traits.List(traits.Str, desc="references of the methods section")
    command = traits.Str("", usedefault=True, desc="the exact command line")
    versions = traits.List(
        traits.Tuple(traits.Str, traits.Str), desc="name and version of each package"
    )


class _WriteReportOutput(TraitedSpec):
    report_file = File(exists=True, desc="self-contained HTML")


class WriteReport(SimpleInterface):
    """Write the sections of several records as one HTML report."""

    input_spec = _WriteReportInput
    output_spec = _WriteReportOutput

    def _run_interface(self, runtime):
        inputs = self.inputs
        root = Path(inputs.output_dir)
        records = [Record.read(Path(path), root) for path in inputs.record_files]
        with_model = len({record.model for record in records}) > 1
        sections = join_hemispheres(
            [
                (_split_hemisphere(record), _read_section(record, root, with_model=with_model))
                for record in records
            ]
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
