"""Draw a result as a section of the report: its design, its maps and what is said of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.analysis.first_level.contrast_maps import read_dofs, weights_text
from boldglm.analysis.first_level.run_maps import CRITICAL, whiteness_summary
from boldglm.analysis.first_level.run_quality import (
    SAID,
    RunQuality,
    motion_sentence,
    quality_numbers,
)
from boldglm.analysis.higher_levels.significance import corrected_counts
from boldglm.errors import BadDataError
from boldglm.glm import Design, collinearity
from boldglm.glm.design.names import short_name
from boldglm.glm.stats.distributions import f_to_z, t_to_z
from boldglm.io.bids.events import read_events
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry, GridPart
from boldglm.io.images.noise_smoothness import smoothness_text
from boldglm.io.outputs.quality_table import LARGE_MM
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.io.outputs.region_tables import RegionTable
from boldglm.io.outputs.trial_tables import read_trials
from boldglm.reports.content import Fact, Figure, Section, Table, Topic
from boldglm.reports.input_effects import InputMaps
from boldglm.reports.quality import DrawnQuality, draw_quality
from boldglm.reports.region_names import RegionNames
from boldglm.reports.run_maps import (
    TaskShare,
    draw_signal_to_noise,
    draw_task_share,
    draw_whiteness,
)
from boldglm.reports.sections import (
    Q_NAME,
    DrawnContrast,
    DrawnDesign,
    draw_contrasts,
    draw_design,
    draw_pairs,
    make_section,
)
from boldglm.reports.trials import DrawnTrials, draw_trials
from boldglm.reports.views import SurfaceView, View, VolumeView

N_SLICES = 21  # of each map
MOST_SLICES = 999
# maps of corrected p values, by their heading in the table of peaks
CORRECTED_HEADINGS = {
    "qFDR": Q_NAME,
    "pFWE": "p FWE",
    "pFWEtfce": "p FWE TFCE",
    "pFWEextent": "p FWE extent",
    "pFWEmass": "p FWE mass",
}

EventTimes = tuple[str, list[float], list[float]]  # condition, onsets and durations in seconds


@dataclass(frozen=True)
class SectionText:
    """What a section of the report says of a result that no map or design tells.

    Records hold it, so that a report can be drawn from what is on disk.

    Parameters
    ----------
    title : str
        Heading.
    facts : tuple of (str, str)
        Labels and values.
    n_slices : int
        Number of slices of each map.
    is_open : bool
        Whether the section starts unfolded.
    events : tuple of (str, list of float, list of float)
        Condition, onsets and durations of events to draw with the regressors.
    motion : RunQuality, optional
        Head motion of a run.
    """

    title: str
    facts: tuple[Fact, ...] = ()
    n_slices: int = N_SLICES
    is_open: bool = False
    events: tuple[EventTimes, ...] = ()
    motion: RunQuality | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "Title": self.title,
            "Facts": [list(fact) for fact in self.facts],
            "Slices": self.n_slices,
            "IsOpen": self.is_open,
            "Events": [list(each) for each in self.events],
            **({} if self.motion is None else {"Motion": self.motion.to_dict()}),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "SectionText":
        """Create from the dictionary of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing, or cannot be drawn.
        """
        n_slices = content["Slices"]
        if not isinstance(n_slices, int) or not 0 < n_slices <= MOST_SLICES:
            raise ValueError(f"number of slices in {n_slices!r:.40}")
        events = tuple(
            (str(name), list(map(float, onsets)), list(map(float, durations)))
            for name, onsets, durations in content["Events"]
        )
        if not all(isfinite(time) for _, *both in events for times in both for time in times):
            raise ValueError("finite times in its Events")
        return cls(
            str(content["Title"]),
            tuple((str(label), str(value)) for label, value in content["Facts"]),
            n_slices,
            bool(content["IsOpen"]),
            events,
            RunQuality.from_dict(content["Motion"]) if "Motion" in content else None,
        )


def event_times(events_file: Path, column: str) -> tuple[EventTimes, ...]:
    """Return the times of the events of each condition, named as regressors are."""
    table = read_events(events_file, column)
    times = []
    for name in table.conditions:
        rows = table.trial_type == name
        onsets, durations = table.onset[rows].tolist(), table.duration[rows].tolist()
        times.append((table.prefix + name, onsets, durations))
    return tuple(times)


def draw_result(
    result: NodeResult,
    text: SectionText,
    folder: Path,
    design: Design | None = None,
    before: Design | None = None,
    inputs: Callable[[Geometry], Mapping[str, InputMaps | str]] | None = None,
) -> Section:
    """Draw a result.

    Parameters
    ----------
    result : NodeResult
        The maps.
    text : SectionText
        What to say of it.
    folder : Path
        Folder for the pictures.
    design, before : Design, optional
        The fitted design of a run, and the design before orthogonalization.
    inputs : callable, optional
        Gives the maps that came into each contrast, of a level above the run.

    Returns
    -------
    Section
        With the paths of its pictures.
    """
    geometry = read_geometry(result.mask, result.meshes)
    views = views_of(geometry, result, text.n_slices)
    drawn: tuple[tuple[Figure, ...], tuple[Table, ...]] = ((), ())
    quality = drawn
    if design is not None:
        drawn = draw_design(_design(result, text, design, before), folder)
        quality = draw_quality(_quality(result, text, design), folder)
    topics = () if design is None else _draw_pairs(design, result, folder)
    run_maps = _draw_run_maps(result, geometry, design, views, folder)
    came_in = inputs(geometry) if inputs is not None else {}
    shown = [
        replace(shown_contrast(maps, geometry), inputs=came_in.get(maps.name))
        for maps in result.contrasts
        if maps.test != "pass"
    ]
    contrasts = draw_contrasts(shown, views, folder)
    return make_section(
        text.title,
        [
            *text.facts,
            *_facts(result, geometry),
            *_quality_facts(result, text, design, geometry.element_name),
        ],
        result.notices,
        contrasts,
        (
            quality[0] + drawn[0] + run_maps[0],
            quality[1] + drawn[1] + run_maps[1] + _significance(result, geometry),
        ),
        is_open=text.is_open,
        topics=topics,
    )


def _draw_pairs(design: Design, result: NodeResult, folder: Path) -> tuple[Topic, ...]:
    """Explain the correlated regressors of a run."""
    names = [name for measured in result.pairs for name in measured.pair.columns]
    unknown = [name for name in names if name not in design.names]
    if unknown:
        raise BadDataError(
            f"A record is damaged: it explains the regressor {unknown[0]!r}, which the design of "
            "its run does not have. Delete the record and repeat the level that wrote it."
        )
    return draw_pairs(design, result.pairs, folder)


def _facts(result: NodeResult, geometry: Geometry) -> list[Fact]:
    """Return what the result tells of itself."""
    facts: list[Fact] = []
    if result.mask_size:
        facts.append(
            (geometry.element_name.capitalize(), _mask_size_text(result.mask_size, geometry))
        )
    if result.whiteness:
        facts.append(("Residuals", whiteness_summary(dict(result.whiteness))))
    if result.regions is not None:
        facts += _region_facts(RegionTable.read(result.regions.table), result)
    if result.smoothness:
        facts.append(("Smoothness of residuals", smoothness_text(result.smoothness)))
    return facts


def _design(
    result: NodeResult, text: SectionText, design: Design, before: Design | None
) -> DrawnDesign:
    contrast_rows = _contrast_rows(result, design.names)
    weights = {
        name: np.stack([row for contrast, row in contrast_rows if contrast == name])
        for name, _ in contrast_rows
    }
    if before is not None and np.array_equal(before.matrix, design.matrix):
        before = None
    return DrawnDesign(
        design, before, collinearity(design, weights), text.events, tuple(contrast_rows)
    )


def _quality_facts(
    result: NodeResult, text: SectionText, design: Design | None, elements: str
) -> list[Fact]:
    """Return the few numbers that tell a good run from a bad one."""
    if design is None:
        return []
    motion, facts = text.motion or RunQuality(), list[Fact]()
    numbers = quality_numbers(motion, design, result.quality, result.whiteness, result.notices)
    if numbers["MeanFramewiseDisplacement"] is not None:
        facts.append(
            (
                "Framewise displacement",
                f"mean {numbers['MeanFramewiseDisplacement']:.2f} mm, largest "
                f"{numbers['LargestFramewiseDisplacement']:.2f} mm; above {LARGE_MM:g} mm in "
                f"{100 * numbers['ShareOfLargeDisplacement']:.3g} % of volumes",
            )
        )
    elif text.motion is not None:
        facts.append(("Framewise displacement", f"not known: {motion.displacement_source}"))
    if numbers["MedianTSNR"] is not None:
        sample = f"median of {result.quality.get('Voxels', 0):,} {elements}"
        facts.append(("Temporal SNR", f"{numbers['MedianTSNR']:.0f} ({sample})"))
    if numbers["ResidualDegreesOfFreedom"] is not None:
        left = f"{numbers['ResidualDegreesOfFreedom']} of {design.n_scans} volumes left"
        facts.append(("Residual degrees of freedom", left))
    return facts


def check_series(result: NodeResult, text: SectionText, design: Design) -> None:
    """Check that what was measured of every volume has one value for each.

    Raises
    ------
    ValueError
        If it has more or fewer.
    """
    motion = text.motion or RunQuality()
    for series in (motion.displacement, motion.dvars, result.quality.get("DVARS")):
        if series is not None and len(series) != design.n_scans:
            raise ValueError(f"{design.n_scans} values of motion, one for each volume")


def _quality(result: NodeResult, text: SectionText, design: Design) -> DrawnQuality:
    """Return what the report shows of the motion of a run."""
    motion = text.motion or RunQuality()
    measured = result.quality.get("DVARS", [])
    has_column = motion.dvars is not None and bool(np.isfinite(motion.dvars).any())
    of_data = np.array([np.nan if value is None else float(value) for value in measured])
    said = [each for each in motion.correlations if abs(each.r) >= SAID]
    return DrawnQuality(
        frame_times=design.frame_times,
        displacement=motion.displacement,
        displacement_source=motion.displacement_source,
        dvars=motion.dvars if has_column else of_data,
        dvars_name=motion.dvars_name if has_column else "",
        censored=design.censored,
        events=text.events,
        correlations=motion.correlations,
        n_correlations=motion.n_correlations,
        by_chance=motion.by_chance,
        sentences=tuple(motion_sentence(each) for each in said),
    )


def _mask_size_text(size: Mapping[str, int], geometry: Geometry) -> str:
    share = f", {100 * size['Analyzed'] / geometry.mask.size:.0f} % of the image"
    excluded = f"; {size['Excluded']:,} of the mask excluded" if size["Excluded"] else ""
    return f"{size['Analyzed']:,} analyzed{share}{excluded}"


def _significance(result: NodeResult, geometry: Geometry) -> tuple[Table, ...]:
    """Return a table of how much of each contrast is significant, if p was corrected."""
    tested = [maps for maps in result.contrasts if "qFDR" in maps.maps]
    used = [label for label in CORRECTED_HEADINGS if any(label in maps.maps for maps in tested)]
    if not tested:
        return ()
    rows = []
    for maps in tested:
        counts = corrected_counts(maps, geometry)
        cells = [
            f"{counts[label].n_significant:,} (smallest {counts[label].smallest:.2g})"
            if label in counts
            else "n/a"
            for label in used
        ]
        sides = maps.inference.get("Sides")
        rows.append((maps.name, f"{maps.test}, {sides}-sided" if sides else maps.test, *cells))
    columns = ("Contrast", "Test", *(CORRECTED_HEADINGS[label] for label in used))
    caption = (
        f"Number of {geometry.element_name} with q or corrected p below .05, and the smallest "
        "value of all."
    )
    return (Table(columns, tuple(rows), caption),)


def views_of(geometry: Geometry, result: NodeResult, n_slices: int) -> tuple[View, ...]:
    """Return the views in which the report shows a map, a view for each part of the space."""
    mean = geometry.read_rows([result.mean])[0]
    regions = _region_names(result, geometry)
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
                    regions and regions.of_part(part.columns),
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
                    regions and regions.of_part(part.columns),
                )
            )
    return tuple(views)


def _region_names(result: NodeResult, geometry: Geometry) -> RegionNames | None:
    """Return the regions of an atlas, if the result has any."""
    if result.regions is None:
        return None
    labels = geometry.read_rows([result.regions.image])[0]
    return RegionNames(labels, RegionTable.read(result.regions.table).names)


def _region_facts(table: RegionTable, result: NodeResult) -> list[Fact]:
    """Return how many regions were tested, and how many are significant in a group."""
    assert result.regions is not None
    indices = tuple(table.names)
    tested = np.nan_to_num(table.coverage(indices)) > 0
    name = f"{result.regions.atlas}: {int(tested.sum())} of {len(indices)} in the mask"
    facts: list[Fact] = [("Regions", f"{name}; table {result.regions.table.name}")]
    for maps in result.contrasts if "q_fdr" in table.columns else ():
        q = table.column(maps.name, "q_fdr", indices)
        q = q[np.isfinite(q)]
        if q.size:
            text = f"{int((q < 0.05).sum())} of {q.size} with q < .05 (smallest q {q.min():.2g})"
            facts.append((f"{maps.name}, regions", text))
    return facts


def _draw_run_maps(
    result: NodeResult,
    geometry: Geometry,
    design: Design | None,
    views: tuple[View, ...],
    here: Path,
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Draw how well the model fits and the single trials of a run, if there are maps of them."""
    figures: tuple[Figure, ...] = ()
    share = _task_share(result, geometry, design)
    if share is not None:
        figures += draw_task_share(share, views, here)
    if "tsnr" in result.maps:
        ratio = geometry.read_rows([result.maps["tsnr"]])[0]
        figures += draw_signal_to_noise(ratio, views, here)
    if "whiteness" in result.maps:
        z = geometry.read_rows([result.maps["whiteness"]])[0]
        figures += draw_whiteness(z, CRITICAL, views, here)
    if "trials" not in result.maps:
        return figures, ()
    trials = read_trials(result.maps)
    spread = geometry.read_rows([result.maps["trialspread"]])[0]
    shown = DrawnTrials(trials.trial_type, trials.variance_factor, trials.correlations, spread)
    drawn, tables = draw_trials(shown, views, here)
    return figures + drawn, tables


def _task_share(result: NodeResult, geometry: Geometry, design: Design | None) -> TaskShare | None:
    """Return the share of variance that the conditions explain.

    If it was not written, it follows from F of the contrast that tests most regressors of
    conditions together.
    """
    dof = result.quality.get("DegreesOfFreedom")
    if design is None or not dof:
        return None
    names = {design.names[column] for column in design.columns("condition")}
    if "taskrsquared" in result.maps:
        values = geometry.read_rows([result.maps["taskrsquared"]])[0]
        return TaskShare(values, len(names), int(dof))
    tested = [
        maps
        for maps in result.contrasts
        if "F" in maps.maps and 1 < len(maps.weights) == maps.dof_numerator
        if set(maps.weights) <= names
    ]
    if not tested:
        return None
    most = max(tested, key=lambda maps: maps.dof_numerator)
    explained = most.dof_numerator * geometry.read_rows([most.maps["F"]])[0]
    some = "" if set(most.weights) == names else " and ".join(map(short_name, most.weights))
    return TaskShare(1 - dof / (explained + dof), most.dof_numerator, int(dof), some)


def shown_contrast(maps: ContrastMaps, geometry: Geometry) -> DrawnContrast:
    """Read the maps of a contrast that a report shows."""
    dof = f"{maps.dof:.4g}" + (" effective (median over voxels)" if "dof" in maps.maps else "")
    text = f"{maps.dof_numerator}, {dof}" if maps.test == "F" else dof
    z = z_values(maps, geometry)
    corrected = {
        heading: geometry.read_rows([maps.maps[label]])[0]
        for label, heading in CORRECTED_HEADINGS.items()
        if label in maps.maps
    }
    sides = str(maps.inference.get("Sides", "two"))
    return DrawnContrast(maps.name, maps.test, weights_text(maps), text, z, sides, corrected)


def z_values(maps: ContrastMaps, geometry: Geometry) -> np.ndarray | None:
    """Return z of a contrast, (n_voxels,), from the maps that were written; None if none tells."""

    def read(label: str) -> np.ndarray:
        row: np.ndarray = geometry.read_rows([maps.maps[label]])[0]
        return row

    if "z" in maps.maps:
        return read("z")
    dof = read_dofs([maps], geometry)[0]
    if maps.test == "F":
        return f_to_z(read("F"), maps.dof_numerator, dof) if "F" in maps.maps else None
    if "t" in maps.maps:
        return t_to_z(read("t"), dof)
    if {"effect", "variance"} <= maps.maps.keys():
        effect, variance = read("effect"), read("variance")
        t = np.divide(effect, np.sqrt(variance), out=np.zeros_like(effect), where=variance > 0)
        return t_to_z(t, dof)
    return None


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
