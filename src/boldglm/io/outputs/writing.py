"""Write the files of a finished node to the derivative dataset, with BIDS names and sidecars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from boldglm._version import __version__
from boldglm.errors import BadDataError, MissingInputError, writing_error
from boldglm.glm import Design
from boldglm.io.files.atomic import copy_file, share_file
from boldglm.io.files.checksums import checksum
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.images.formats import image_ending, read_bold_header
from boldglm.io.outputs.dataset_links import uris_of
from boldglm.io.outputs.design_files import (
    columns_before,
    read_design,
    write_correlations,
    write_design,
)
from boldglm.io.outputs.names import (
    IMAGES,
    INDEX,
    RUN_MAPS,
    SERIES,
    TRIAL_MAPS,
    ResultPaths,
    sidecar,
)
from boldglm.io.outputs.records import NodeResult, Record
from boldglm.io.outputs.region_tables import RegionFiles, add_entities
from boldglm.io.outputs.sidecars import result_sidecar, units_of
from boldglm.notices import by_kind
from boldglm.vocabulary import CORRECTED_MAPS, SIGNAL_SCALING


@dataclass(frozen=True)
class NodeFiles:
    """Files that a node computed, in its working folder."""

    result: NodeResult
    section: Mapping[str, Any]  # what the report says of it, for the record
    design: Path | None
    correlations: np.ndarray | None
    before: Design | None = None  # orthogonalization


@dataclass(frozen=True)
class NodeDetails:
    """Content of the sidecars that all maps of a node share."""

    node: str
    level: str
    entities: dict[str, str]
    fingerprint: str
    common: Mapping[str, Any]  # Sources, NoiseModel, HRF, SignalScaling, ...
    model: str = ""
    of_trials: Mapping[str, Any] = field(default_factory=dict)  # replaces `common` for trials
    analysis: Mapping[str, Any] = field(default_factory=dict)  # identity, for the record
    maps: tuple[str, ...] = ()  # of contrasts, to write; empty for all


def write_derivatives(output_dir: Path, files: NodeFiles, details: NodeDetails) -> Path:
    """Write the files of a node to the derivative dataset, and its record last.

    Maps of contrasts are hard links to the files in the working folder if it is on the same file
    system. Files that may be shared with the fit cache are copied, so that editing
    a result does not change later results.

    Returns
    -------
    Path
        The record, whose existence shows that the node is complete.

    Raises
    ------
    CannotWriteError
        If the output folder cannot be written.
    """
    paths = ResultPaths.of(output_dir, details.node, details.entities)
    try:
        return _write(output_dir, paths, files, details)
    except OSError as error:
        raise writing_error(error.filename or paths.folder, error) from error


def _write(output_dir: Path, paths: ResultPaths, files: NodeFiles, details: NodeDetails) -> Path:
    result = _with_written_maps(files.result, details.maps)
    record = paths.record()
    earlier = _earlier_record(record, output_dir)
    old_files = set(earlier.files) if earlier else set()
    # another process may be writing the same result, whose files have the same bytes
    if earlier is None or earlier.fingerprint != details.fingerprint:
        _remove_earlier(earlier, paths)
    mask = copy_file(result.mask, paths.image("desc-brain_mask", image_ending(result.mask)))
    mean = copy_file(result.mean, paths.image("desc-mean_boldref", image_ending(result.mean)))
    write_json(sidecar(mask), _mask_sidecar(result, paths, details))
    written = [mask, sidecar(mask), mean]
    if files.design is not None:
        written += _write_design(paths, files, details)
    maps: dict[tuple[str, str], Path] = {}
    tables: dict[str, Path] = {}
    for contrast in result.contrasts:
        name, table = contrast.name, contrast.table
        for label, source in contrast.maps.items():
            path = share_file(source, paths.statmap(name, label, image_ending(source)))
            maps[name, label] = path
            written.append(path)
        if table is not None:
            tables[name] = path = copy_file(table, paths.clusters(name))
            written += [path, copy_file(table.with_suffix(".json"), sidecar(path))]
    run_maps = {}
    for label, source in result.maps.items():
        run_maps[label] = path = copy_file(source, paths.run_map(label, image_ending(source)))
        write_json(sidecar(path), _run_map_sidecar(label, result, mask, paths, details))
        written += [path, sidecar(path)]
    regions = _write_regions(result.regions, paths, details)
    for path in regions.files if regions else ():
        written += [path, sidecar(path)]
    Record(
        fingerprint=details.fingerprint,
        node=details.node,
        level=details.level,
        entities=details.entities,
        result=result.moved(mask, mean, maps, tables, run_maps, regions),
        files={path: checksum(path) for path in written},
        model=details.model,
        analysis=details.analysis,
        section=files.section,
    ).write(record, output_dir, result_sidecar(result, paths, details.level, details.common, mask))
    for path in old_files - {*written}:
        _remove_file(path)  # of a contrast that is no longer in the model
    return record


def _remove_earlier(earlier: Record | None, paths: ResultPaths) -> None:
    """Remove an earlier result, and the pages that show it."""
    for path in earlier.files if earlier else ():  # while the record still says which they are
        _remove_file(path)
    paths.report().unlink(missing_ok=True)
    if earlier is not None:
        (paths.output_dir / INDEX).unlink(missing_ok=True)
    paths.record().unlink(missing_ok=True)  # the node is incomplete until the new one is written


def _write_regions(
    regions: RegionFiles | None, paths: ResultPaths, details: NodeDetails
) -> RegionFiles | None:
    """Write the table and the image of regions, with their sidecars."""
    if regions is None:
        return None
    table = paths.regions(regions.atlas, ".tsv")
    image = paths.regions(regions.atlas, image_ending(regions.image))
    add_entities(regions.table, table, details.entities, units_of(details.common))
    copy_file(regions.image, image)
    copy_file(sidecar(regions.image), sidecar(image))
    return replace(regions, table=table, image=image)


def _remove_file(path: Path) -> None:
    """Remove what an earlier record names; it may have been damaged to name a folder."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)


def _earlier_record(record: Path, output_dir: Path) -> Record | None:
    """Return the record of an earlier result; None if there is none, or an incomplete one."""
    try:
        return Record.read(record, output_dir)
    except (MissingInputError, BadDataError):
        return None


def _mask_sidecar(result: NodeResult, paths: ResultPaths, details: NodeDetails) -> dict[str, Any]:
    """Return the sidecar of the mask."""
    sources = uris_of(result.sources.get("Mask", ()), paths.output_dir)
    return {
        "Description": IMAGES["desc-brain_mask"],
        "Type": "Brain",
        "MaskSize": dict(result.mask_size),
        "Sources": sources or list(details.common.get("Sources", [])),
    }


def _with_written_maps(result: NodeResult, labels: Sequence[str]) -> NodeResult:
    """Leave out the maps of contrasts that are not to be written.

    Degrees of freedom belong to variances and test statistics, and are written with them.
    """
    if not labels:
        return result
    wanted = {*labels, *CORRECTED_MAPS}
    if wanted & {"variance", "t", "F"}:
        wanted.add("dof")
    contrasts = []
    for contrast in result.contrasts:
        kept = wanted | {"effect", "variance"} if contrast.test == "pass" else wanted
        maps = {label: path for label, path in contrast.maps.items() if label in kept}
        contrasts.append(replace(contrast, maps=maps if set(maps) - {"dof"} else {}))
    return replace(result, contrasts=tuple(contrasts))


def _write_design(paths: ResultPaths, files: NodeFiles, details: NodeDetails) -> list[Path]:
    assert files.design is not None
    design = read_design(files.design)
    path = paths.file("design.tsv")
    content = read_json(sidecar(files.design))
    written_by_design = ("Regressors", "Conditions", "FrameTimes")
    extra = {key: value for key, value in content.items() if key not in written_by_design}
    extra |= by_kind(files.result.notices)
    extra["MaskSize"] = dict(files.result.mask_size)
    extra |= _smoothness(files.result)
    if files.before is not None:
        extra |= columns_before(design, files.before)
    write_design(design, path, {**details.common, **extra})
    written = [path, sidecar(path)]
    if files.correlations is not None:
        correlations = paths.file("desc-correlation_matrix.tsv")
        # indicators of censored volumes hardly correlate with anything, and may be numerous
        shown = [k for k, role in enumerate(design.roles) if role != "censored"]
        write_correlations(
            files.correlations[np.ix_(shown, shown)],
            [design.names[k] for k in shown],
            correlations,
        )
        written.append(correlations)
    return written


def _smoothness(result: NodeResult) -> dict[str, Any]:
    """Return the smoothness of the residuals of a run as content of a sidecar."""
    return {"ResidualSmoothness": dict(result.smoothness)} if result.smoothness else {}


def _run_map_sidecar(
    label: str, result: NodeResult, mask: Path, paths: ResultPaths, details: NodeDetails
) -> dict[str, Any]:
    """Return the sidecar of a map that belongs to no contrast."""
    percent = details.common.get("SignalScaling", SIGNAL_SCALING) == "percent"
    signal = "%" if percent else "arbitrary"
    statistic = {**RUN_MAPS, **TRIAL_MAPS}[label]
    content = {
        "Description": statistic.description,
        "Level": details.level,
        "Units": signal if statistic.unit == "signal" else "1",
        "Mask": f"bids::{mask.relative_to(paths.output_dir).as_posix()}",
        "Design": f"bids::{paths.file('design.tsv').relative_to(paths.output_dir)}",
        "SoftwareVersion": f"boldglm {__version__}",
        **details.common,
    }
    if label in TRIAL_MAPS:
        content.pop("Modulators", None)
        content |= details.of_trials
    if label == "whiteness":
        content["ShareNotWhite"] = result.whiteness["NotWhite"]
        content["ShareExpected"] = result.whiteness["Expected"]
    if label in SERIES:
        content["SkullStripped"] = True  # zero outside the mask
    if label in SERIES and not {"RepetitionTime", "VolumeTiming"} & set(content):
        content["RepetitionTime"] = read_bold_header(result.maps[label]).repetition_time
    return content
