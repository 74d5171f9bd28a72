"""Maps with names of BIDS derivatives, as FitLins, nilearn and boldglm write them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError
from boldglm.io.bids.sidecars import Sidecars
from boldglm.io.entities import ENTITY_ORDER, applies_to, entities_of
from boldglm.io.first_levels.labels import entities_of_path
from boldglm.io.first_levels.maps import ENDINGS, FirstLevelMaps
from boldglm.io.images.formats import image_ending

EFFECT, VARIANCE, DOF = "stat-effect", "stat-variance", "stat-dof"
_NODE = "node-"


def bids_maps(root: Path, files: Iterable[Path]) -> list[FirstLevelMaps]:
    """Return the maps of participants among the files of a folder.

    Parameters
    ----------
    root : Path
        The folder that was given.
    files : iterable of Path
        Files in it.

    Raises
    ------
    BadDataError
        If several nodes of a model have maps of participants.
    """
    listed: dict[Path, dict[str, Path]] = {}
    for path in files:
        listed.setdefault(path.parent, {})[path.name] = path
    sidecars = Sidecars(root)
    found: list[FirstLevelMaps] = []
    nodes: dict[str, None] = {}
    for path in (path for folder in listed.values() for path in folder.values()):
        if not _is_effect(path):
            continue
        inside = path.relative_to(root.parent)
        entities = {**entities_of_path(inside), **entities_of(path.name)}
        if "sub" not in entities:
            continue  # of the group
        node = next((part for part in inside.parts[1:] if part.startswith(_NODE)), "")
        nodes[node] = None
        metadata = _of_contrast(sidecars.of(path), entities["contrast"])
        beside = listed[path.parent]
        found.append(
            FirstLevelMaps(
                {key: entities[key] for key in ENTITY_ORDER if key in entities and key != "seg"},
                str(metadata.get("Contrast", entities["contrast"])),
                path,
                variance=_other(path, VARIANCE, beside),
                dof=_other(path, DOF, beside) or _dof(metadata),
                mask=_mask(path, beside),
                scale=_scale(metadata),
            )
        )
    if len(nodes) > 1:
        raise BadDataError(
            f"{root} has maps of participants from several nodes of a model: "
            f"{', '.join(sorted(node or 'none' for node in nodes))}. Give the folder of the one "
            f"whose results enter the group, such as --first-level {root / max(nodes)}."
        )
    return found


def _is_effect(path: Path) -> bool:
    name = path.name
    return f"_{EFFECT}_statmap." in name and "contrast-" in name and image_ending(path) in ENDINGS


def _of_contrast(metadata: dict[str, Any], label: str) -> dict[str, Any]:
    """Return what a sidecar says of one contrast, if it is one of boldglm, which is of many."""
    contrasts = metadata.get("Contrasts")
    own = contrasts.get(label) if isinstance(contrasts, dict) else None
    return metadata | own if isinstance(own, dict) else metadata


def _other(path: Path, statistic: str, beside: Mapping[str, Path]) -> Path | None:
    """Return the map of another statistic of the same contrast."""
    return beside.get(path.name.replace(f"_{EFFECT}_", f"_{statistic}_"))


def _mask(path: Path, beside: Mapping[str, Path]) -> Path | None:
    """Return the mask whose entities a map has; of several, the most specific one."""
    target = entities_of(path.name)
    masks = []
    for name, other in beside.items():
        stem, _, ending = name.partition(".")
        if stem.endswith("mask") and f".{ending}" in ENDINGS:
            entities = entities_of(name)
            if entities.pop("desc", "brain") == "brain" and applies_to(entities, target):
                masks.append((len(entities), other))
    most = max((count for count, _ in masks), default=0)
    best = [mask for count, mask in masks if count == most]
    return best[0] if len(best) == 1 else None


def _dof(metadata: dict[str, Any]) -> float | None:
    value = metadata.get("DegreesOfFreedom")
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _scale(metadata: dict[str, Any]) -> str:
    """Return what a sidecar says of the units of effects."""
    statistics = metadata.get("Statistics")
    of_effect = statistics.get("effect", {}) if isinstance(statistics, dict) else {}
    units = metadata.get("Units") or of_effect.get("Units")
    if units:
        return str(units)
    parameters = metadata.get("ModelParameters")  # of nilearn
    if isinstance(parameters, dict) and "signal_scaling" in parameters:
        return f"signal_scaling {parameters['signal_scaling']} of nilearn"
    return ""
