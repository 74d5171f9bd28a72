"""Give the files of a finished node their BIDS names and sidecars, all or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from boldglm._version import __version__
from boldglm.errors import BadDataError, CannotWriteError, MissingInputError
from boldglm.io.files.atomic import copy_file, share_file
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.images.formats import image_ending, read_bold_header
from boldglm.io.outputs.design_files import read_design, write_correlations, write_design
from boldglm.io.outputs.names import (
    RUN_MAPS,
    SERIES,
    STATISTICS,
    TRIAL_MAPS,
    ResultPaths,
    camel_case,
    sidecar,
)
from boldglm.io.outputs.records import ContrastMaps, NodeResult, Record
from boldglm.notices import by_kind
from boldglm.vocabulary import SIGNAL_SCALING


@dataclass(frozen=True)
class NodeFiles:
    """What a node made, under the names that its workflow gave."""

    result: NodeResult
    section: Mapping[str, Any]  # report section, with the pictures' paths
    design: Path | None
    correlations: np.ndarray | None


@dataclass(frozen=True)
class NodeDetails:
    """What the sidecars of a node say, beside the numbers of each map."""

    node: str
    level: str
    entities: dict[str, str]
    fingerprint: str
    common: Mapping[str, Any]  # Sources, NoiseModel, HRF, SignalScaling, ...
    model: str = ""
    of_trials: Mapping[str, Any] = field(default_factory=dict)  # instead of those in common


def write_derivatives(output_dir: Path, files: NodeFiles, details: NodeDetails) -> Path:
    """Put everything in its place in the derivative dataset, and write the record last.

    Maps of contrasts and pictures get a second name there instead of a copy, where the node's
    folder is on the same file system. What may be of a kept fit is copied: whoever edits a result
    must not change what later results are made from.

    Returns
    -------
    Path
        The record, whose existence says that the node is complete.

    Raises
    ------
    CannotWriteError
        If the output folder cannot be written.
    """
    place = ResultPaths.of(output_dir, details.node, details.entities)
    try:
        return _write(output_dir, place, files, details)
    except OSError as error:
        raise CannotWriteError(
            f"{place.folder} cannot be written: {error.strerror or error}. Free space, or choose "
            "another output folder."
        ) from error


def _write(output_dir: Path, place: ResultPaths, files: NodeFiles, details: NodeDetails) -> Path:
    result = files.result
    record = place.record()
    before = _files_before(record, output_dir)
    record.unlink(missing_ok=True)  # until the new one is complete, there is none
    mask = copy_file(result.mask, place.image("desc-brain_mask", image_ending(result.mask)))
    size = {"MaskSize": dict(result.mask_size)}
    write_json(sidecar(mask), {"Type": "Brain", **size, **_sources(details)})
    mean = copy_file(result.mean, place.image("desc-mean_boldref", image_ending(result.mean)))
    write_json(sidecar(mean), {"SkullStripped": False, **_sources(details)})
    written = [mask, sidecar(mask), mean, sidecar(mean)]
    if files.design is not None:
        written += _write_design(place, files, details)
    maps: dict[tuple[str, str], Path] = {}
    tables: dict[str, Path] = {}
    for one in result.contrasts:
        for label, source in one.maps.items():
            path = share_file(source, place.statmap(one.name, label, image_ending(source)))
            content = _map_sidecar(one, label, mask, place, details) | _smoothness(result)
            write_json(sidecar(path), content)
            maps[one.name, label] = path
            written += [path, sidecar(path)]
        if one.table is not None:
            tables[one.name] = path = copy_file(one.table, place.clusters(one.name))
            written += [path, copy_file(one.table.with_suffix(".json"), sidecar(path))]
    run_maps = {}
    for label, source in result.maps.items():
        run_maps[label] = path = copy_file(source, place.run_map(label, image_ending(source)))
        write_json(sidecar(path), _run_map_sidecar(label, result, mask, place, details))
        written += [path, sidecar(path)]
    section, pictures = _place_pictures(files.section, place)
    Record(
        fingerprint=details.fingerprint,
        node=details.node,
        level=details.level,
        entities=details.entities,
        result=result.moved(mask, mean, maps, tables, run_maps),
        section=section,
        files=tuple(written + pictures),
        model=details.model,
    ).write(record, output_dir)
    for path in before - {*written, *pictures}:
        path.unlink(missing_ok=True)  # of a contrast that the model has no more
    return record


def _files_before(record: Path, output_dir: Path) -> set[Path]:
    """Files that the record in the same place lists, if there is one."""
    try:
        return set(Record.read(record, output_dir).files)
    except (MissingInputError, BadDataError):
        return set()  # none, or one that was interrupted


def _sources(details: NodeDetails) -> dict[str, Any]:
    return {"Sources": list(details.common.get("Sources", []))}


def _write_design(place: ResultPaths, files: NodeFiles, details: NodeDetails) -> list[Path]:
    assert files.design is not None
    design = read_design(files.design)
    path = place.file("design.tsv")
    made = read_json(sidecar(files.design))
    of_columns = ("Regressors", "Conditions", "FrameTimes")
    extra = {key: value for key, value in made.items() if key not in of_columns}
    extra |= by_kind(files.result.notices)
    extra["MaskSize"] = dict(files.result.mask_size)
    extra |= _smoothness(files.result)
    write_design(design, path, {**details.common, **extra})
    written = [path, sidecar(path)]
    if files.correlations is not None:
        correlations = place.file("desc-correlation_matrix.tsv")
        # an indicator of a single scan correlates with nothing, and there may be dozens
        kept = [k for k, role in enumerate(design.roles) if role != "censored"]
        write_correlations(
            files.correlations[np.ix_(kept, kept)], [design.names[k] for k in kept], correlations
        )
        written.append(correlations)
    return written


def _smoothness(result: NodeResult) -> dict[str, Any]:
    """How smooth the residuals of a run are."""
    return {"ResidualSmoothness": dict(result.smoothness)} if result.smoothness else {}


def _map_sidecar(
    one: ContrastMaps, label: str, mask: Path, place: ResultPaths, details: NodeDetails
) -> dict[str, Any]:
    """Everything a reader needs to know about one map."""
    statistic = STATISTICS[label]
    units = {"signal": "%", "signal squared": "%^2"}
    percent = details.common.get("SignalScaling", SIGNAL_SCALING) == "percent"
    arbitrary = {"signal": "arbitrary", "signal squared": "arbitrary^2"}
    content: dict[str, Any] = {
        "Description": f"{statistic.description}: {one.name}",
        "Contrast": one.name,
        "Level": details.level,
        "Test": one.test,
        "Weights": one.weights,
        "Units": (units if percent else arbitrary).get(statistic.unit, "arbitrary"),
        "DegreesOfFreedom": one.dof,
        "Mask": f"bids::{mask.relative_to(place.output_dir).as_posix()}",
        "SoftwareVersion": f"boldglm {__version__}",
        **details.common,
    }
    if statistic.unit == "1":
        content["Units"] = "1"
    if "dof" in one.maps:
        content["DegreesOfFreedomMap"] = place.statmap(
            one.name, "dof", image_ending(one.maps["dof"])
        ).name
        content["DegreesOfFreedomNote"] = "DegreesOfFreedom is the median over voxels"
    if one.inputs:
        content["Inputs"] = list(one.inputs)
        content["DesignMatrix"] = dict(one.design)
        content |= one.inference
    if one.test == "F":
        content["NumeratorDegreesOfFreedom"] = one.dof_numerator
    if details.level == "run":
        content["Design"] = f"bids::{place.file('design.tsv').relative_to(place.output_dir)}"
    return content


def _run_map_sidecar(
    label: str, result: NodeResult, mask: Path, place: ResultPaths, details: NodeDetails
) -> dict[str, Any]:
    """What a reader needs to know about a map of a run as a whole."""
    percent = details.common.get("SignalScaling", SIGNAL_SCALING) == "percent"
    signal = "%" if percent else "arbitrary"
    statistic = {**RUN_MAPS, **TRIAL_MAPS}[label]
    content = {
        "Description": statistic.description,
        "Level": details.level,
        "Units": signal if statistic.unit == "signal" else "1",
        "Mask": f"bids::{mask.relative_to(place.output_dir).as_posix()}",
        "Design": f"bids::{place.file('design.tsv').relative_to(place.output_dir)}",
        "SoftwareVersion": f"boldglm {__version__}",
        **details.common,
    }
    if label in TRIAL_MAPS:
        content.pop("Modulators", None)
        content |= details.of_trials
    if label == "whiteness":
        content["ShareNotWhite"] = result.whiteness["NotWhite"]
        content["ShareExpected"] = result.whiteness["Expected"]
    if label in SERIES and "RepetitionTime" not in content:
        content["RepetitionTime"] = read_bold_header(result.maps[label]).repetition_time
    return content


def _place_pictures(
    section: Mapping[str, Any], place: ResultPaths
) -> tuple[dict[str, Any], list[Path]]:
    """Copy the pictures of a report section and point the section to the copies."""
    pictures = []

    def placed(figure: dict[str, Any], label: str) -> dict[str, Any]:
        source = Path(figure["path"])
        target = share_file(source, place.figure(label, source.suffix))
        pictures.append(target)
        return {**figure, "path": target.relative_to(place.output_dir).as_posix()}

    figures = [placed(one, Path(one["path"]).stem) for one in section["figures"]]
    contrasts = [
        {**one, "maps": [placed(each, _map_label(one["name"], each)) for each in one["maps"]]}
        for one in section["contrasts"]
    ]
    return {**section, "figures": figures, "contrasts": contrasts}, pictures


def _map_label(contrast: str, figure: Mapping[str, Any]) -> str:
    """Name a picture after its contrast, and the part of the brain if it shows one."""
    part = Path(figure["path"]).stem.partition("-")[2]
    return f"contrast {camel_case(contrast)} {part}".rstrip()
