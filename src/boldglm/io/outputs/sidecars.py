"""What is said of the maps of a result: in one JSON file, which all of them inherit.

BIDS lets maps share a sidecar whose name has some of their entities. The one of a result is its
record, `<entities>_statmap.json`: what holds for all maps stands at its top, what holds for one
contrast under `Contrasts`, and what holds for one statistic under `Statistics`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from boldglm._version import __version__
from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.files.json_files import load_json
from boldglm.io.outputs.dataset_links import uris_of
from boldglm.io.outputs.names import (
    RECORD,
    STATISTICS,
    ResultPaths,
    camel_case,
    image_uri,
    sidecar,
)
from boldglm.io.outputs.records import KEY, ContrastMaps, NodeResult
from boldglm.vocabulary import CORRECTED_MAPS, SIGNAL_SCALING

CONTRASTS, STATISTICS_KEY = "Contrasts", "Statistics"
ESTIMATED_BY = "EstimatedBy"  # of results of other programs, which have no design
_PERCENT = {"signal": "%", "signal squared": "%^2", "1": "1"}
_ARBITRARY = {"signal": "arbitrary", "signal squared": "arbitrary^2", "1": "1"}


def units_of(common: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the units of results by what the tables of `names` call them."""
    percent = common.get("SignalScaling", SIGNAL_SCALING) == "percent"
    return _PERCENT if percent else _ARBITRARY


def result_sidecar(
    result: NodeResult, paths: ResultPaths, level: str, common: Mapping[str, Any], mask: Path
) -> dict[str, Any]:
    """Return what is said of the maps of contrasts.

    Parameters
    ----------
    result : NodeResult
        The result, with the maps that are written.
    paths : ResultPaths
        Names of the files.
    level : str
        Level of the node.
    common : mapping
        Content that all maps share, such as the noise model.
    mask : Path
        The mask in the output folder.
    """
    labels = dict.fromkeys(label for contrast in result.contrasts for label in contrast.maps)
    units = units_of(common)
    content: dict[str, Any] = {
        "Level": level,
        "Mask": image_uri(mask, paths.output_dir),
        "MaskSize": dict(result.mask_size),
        "SoftwareVersion": f"boldglm {__version__}",
        **common,
    }
    if result.smoothness:
        content["ResidualSmoothness"] = dict(result.smoothness)
    if level == "run" and ESTIMATED_BY not in common:
        content["Design"] = image_uri(paths.file("design.tsv"), paths.output_dir)
    content[CONTRASTS] = {
        camel_case(contrast.name): _of_contrast(contrast, paths) for contrast in result.contrasts
    }
    content[STATISTICS_KEY] = {
        STATISTICS[label].label: {
            "Description": STATISTICS[label].description,
            "Units": units[STATISTICS[label].unit],
        }
        for label in labels
    }
    return content


def _of_contrast(contrast: ContrastMaps, paths: ResultPaths) -> dict[str, Any]:
    """Return what is said of all maps of a contrast; `Sides` by statistic."""
    content: dict[str, Any] = {
        "Contrast": contrast.name,
        "Test": contrast.test,
        "Weights": contrast.weights,
        **({"DegreesOfFreedom": contrast.dof} if contrast.dof else {}),  # unless not known
    }
    if contrast.test == "F":
        content["NumeratorDegreesOfFreedom"] = contrast.dof_numerator
    if "dof" in contrast.maps:
        name = contrast.maps["dof"].name
        ending = name[name.index(".") :]
        content["DegreesOfFreedomMap"] = paths.statmap(contrast.name, "dof", ending).name
        content["DegreesOfFreedomNote"] = "DegreesOfFreedom is the median over voxels"
    sources = uris_of(contrast.sources, paths.output_dir)
    if sources:
        content["Sources"] = sources
    if contrast.warnings:
        content["Warnings"] = list(contrast.warnings)
    if contrast.inputs:
        content["Inputs"] = list(contrast.inputs)
        content["DesignMatrix"] = dict(contrast.design)
        content |= {key: value for key, value in contrast.inference.items() if key != "Sides"}
    sides = {"p": "one"} if "p" in contrast.maps else {}
    if "Sides" in contrast.inference:
        corrected = [label for label in contrast.maps if label in CORRECTED_MAPS]
        sides |= {STATISTICS[label].label: contrast.inference["Sides"] for label in corrected}
    if sides:
        content["Sides"] = sides
    return content


def map_metadata(path: Path) -> dict[str, Any]:
    """Return what the sidecars in the output folder say of a map.

    Parameters
    ----------
    path : Path
        A map of a contrast, or any other file that has a sidecar of its own.

    Returns
    -------
    dict
        For a map of a contrast, what it inherits from the JSON file of its result: what holds
        for all maps, for its contrast and for its statistic.

    Raises
    ------
    MissingInputError
        If there is no sidecar.
    BadDataError
        If it is damaged, or says nothing of this map.

    Examples
    --------
    >>> name = "sub-01_task-faces_contrast-happy_stat-z_statmap.nii.gz"
    >>> map_metadata(Path("out/node-subject/sub-01/func", name))["Weights"]  # doctest: +SKIP
    {'happy': [1.0]}
    """
    path = Path(path)
    own = sidecar(path)
    labels = dict(part.split("-", 1) for part in path.name.split("_")[:-1] if "-" in part)
    is_inherited = {"contrast", "stat"} <= labels.keys() and not own.is_file()
    file = _inherited(path) if is_inherited else own
    try:
        content = load_json(file)
        if not is_inherited:
            return dict(content)
        contrasts, statistics = content.pop(CONTRASTS), content.pop(STATISTICS_KEY)
        content.pop(KEY, None)
        of_contrast = dict(contrasts[labels["contrast"]])
        sides = of_contrast.pop("Sides", {})
        of_map = dict(statistics[labels["stat"]])
        of_map["Description"] += f" (contrast {of_contrast['Contrast']})"
        if labels["stat"] in sides:
            of_map["Sides"] = sides[labels["stat"]]
        return {**content, **of_contrast, **of_map}
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no {file}, the sidecar of {path.name}.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadDataError(f"{file} says nothing of {path.name}: it has no {error}.") from error


def _inherited(path: Path) -> Path:
    """Return the file of the result that a map of a contrast belongs to."""
    kept: Iterable[str] = (
        part for part in path.name.split("_")[:-1] if not part.startswith(("contrast-", "stat-"))
    )
    return path.with_name("_".join([*kept, RECORD]))
