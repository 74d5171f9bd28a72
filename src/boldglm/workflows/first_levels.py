"""First levels of other programs, taken into the output folder as results with records.

Everything above then works as it does with results that boldglm fitted: records, resuming,
exclusions, the identity of the analysis. Maps are copied, so that the folder is complete, and
their sidecars name the sources. A fingerprint of the contents says whether they have changed.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from boldglm.analysis.model.identity import FIRST_LEVEL
from boldglm.analysis.plan.first_levels import FirstLevelPlan
from boldglm.errors import BadDataError
from boldglm.glm.design.summaries import counted
from boldglm.interfaces.drawing import SectionText
from boldglm.io.entities import entities_stem
from boldglm.io.files.checksums import checksum
from boldglm.io.first_levels.maps import FirstLevelMaps
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.names import ResultPaths, model_file_name
from boldglm.io.outputs.records import (
    ContrastMaps,
    NodeResult,
    Record,
    fingerprint,
    is_finished,
    record_files,
)
from boldglm.io.outputs.sidecars import ESTIMATED_BY
from boldglm.io.outputs.writing import NodeDetails, NodeFiles, write_derivatives
from boldglm.notices import Notice, note


def take_first_levels(
    plan: FirstLevelPlan, output_dir: Path, work_dir: Path, stamp: str = ""
) -> list[Notice]:
    """Write the maps of a plan as results into the output folder, unless they are there.

    Parameters
    ----------
    plan : FirstLevelPlan
        The maps and their model.
    output_dir : Path
        Root of the derivative dataset.
    work_dir : Path
        Folder for temporary files.
    stamp : str
        Appended to fingerprints: not empty to write everything again.

    Returns
    -------
    list of Notice
        Earlier results that were removed, because their maps are not among these any more.

    Raises
    ------
    BadDataError
        If maps lie on different grids, or one has no voxel or a negative variance.
    """
    geometry: dict[tuple, tuple[FirstLevelMaps, Geometry]] = {}  # of each space and hemisphere
    records = set()
    for entities, found in plan.results.items():
        details = _details(plan, dict(entities), found, stamp)
        record = ResultPaths.of(output_dir, plan.node, details.entities).record()
        records.add(record)
        space = tuple(item for item in entities if item[0] not in ("sub", "ses", "task", "run"))
        if space not in geometry:
            geometry[space] = found[0], read_geometry(found[0].effect).unmasked()
        if is_finished(record, output_dir, details.fingerprint):
            continue
        with TemporaryDirectory(prefix="first-level-", dir=work_dir) as folder:
            result = _result(found, *geometry[space], Path(folder))
            text = SectionText(
                f"{entities_stem(details.entities)}: first level of another program",
                (("Maps", str(found[0].effect.parent)), ("Contrasts", str(len(found)))),
            )
            write_derivatives(output_dir, NodeFiles(result, text.to_dict(), None, None), details)
    return _remove_others(output_dir, plan, records)


def _details(
    plan: FirstLevelPlan, entities: dict[str, str], found: Sequence[FirstLevelMaps], stamp: str
) -> NodeDetails:
    """Describe a result; its fingerprint depends on the contents of its maps."""
    model = plan.model
    level = model.spec.node(plan.node).level
    contents = [
        [
            *(maps.contrast, [checksum(path) for path in maps.files]),
            *(maps.variance_factor, _dof_number(maps), maps.scale),
        ]
        for maps in found
    ]
    return NodeDetails(
        plan.node,
        level,
        entities,
        f"{fingerprint(FIRST_LEVEL, model.digest_of(plan.node), contents)}{stamp}",
        {
            "Model": f"bids::models/{model_file_name(model.name)}",
            "SignalScaling": model.signal_scaling,
            ESTIMATED_BY: "another program, which wrote the files under Sources",
            **({"InputUnits": found[0].scale} if found[0].scale else {}),
        },
        model.name,
        analysis=model.of_result(plan.node, level),
    )


def _dof_number(maps: FirstLevelMaps) -> float | None:
    return maps.dof if isinstance(maps.dof, float) else None


def _result(
    found: Sequence[FirstLevelMaps],
    reference: FirstLevelMaps,
    whole: Geometry,
    folder: Path,
) -> NodeResult:
    """Write the maps of a result to a folder, 0 where there is no estimate."""
    volumes = [_Volumes.read(maps, reference, whole) for maps in found]
    mask = np.logical_or.reduce([each.mask for each in volumes])
    if not mask.any():
        raise BadDataError(
            f"{found[0].effect}: no voxel has an effect inside the mask. Check the map and its "
            "mask."
        )
    geometry = whole.with_mask(mask)
    contrasts = tuple(
        each.write(maps, geometry, folder, f"contrast{number}")
        for number, (maps, each) in enumerate(zip(found, volumes, strict=True))
    )
    ones = np.ones(geometry.n_voxels)
    sources = tuple(dict.fromkeys(maps.mask or maps.effect for maps in found))
    return NodeResult(
        geometry.write_map(folder, "mask", ones, dtype=np.uint8),
        geometry.write_map(folder, "mean", ones),
        contrasts,
        mask_size={"Analyzed": geometry.n_voxels, "Excluded": 0},
        sources={"Mask": sources, "Mean": sources},
    )


class _Volumes:
    """The values of the maps of a contrast, in the shape of the file."""

    def __init__(
        self,
        effect: np.ndarray,
        variance: np.ndarray | None,
        dof: np.ndarray | None,
        mask: np.ndarray,
    ) -> None:
        self.effect, self.variance, self.dof, self.mask = effect, variance, dof, mask

    @classmethod
    def read(cls, maps: FirstLevelMaps, reference: FirstLevelMaps, whole: Geometry) -> "_Volumes":
        """Read maps that lie on the grid of the reference."""

        def read(path: Path) -> np.ndarray:
            name = f"{maps.name} ({path.name})"
            other = f"{reference.name} ({reference.effect.name})"
            read_geometry(path).check_same(name, whole, other)
            return whole.read_map(path)

        effect = read(maps.effect)
        has_estimate = np.isfinite(effect)
        inside = effect != 0
        variance = dof = None
        if maps.variance is not None:
            variance = read(maps.variance) * maps.variance_factor
            if (variance < 0).any():
                raise BadDataError(
                    f"{maps.name}: {maps.variance} has negative values, so it holds no variances. "
                    "Give the map of variances (squared standard errors)."
                )
            has_estimate &= np.isfinite(variance)
            inside |= variance != 0
        if isinstance(maps.dof, Path):
            dof = read(maps.dof)
        inside = inside & has_estimate
        mask = has_estimate & (read(maps.mask) > 0) if maps.mask is not None else inside
        for values in (effect, variance):
            if values is not None:
                values[~(has_estimate & mask)] = 0.0
        return cls(effect, variance, dof, mask)

    def write(
        self, maps: FirstLevelMaps, geometry: Geometry, folder: Path, stem: str
    ) -> ContrastMaps:
        """Write the maps within a mask, in the fewest bits that keep all digits."""
        rows = {"effect": self.effect, "variance": self.variance, "dof": self.dof}
        dof = maps.dof if isinstance(maps.dof, float) else 0.0  # 0: not known
        if self.dof is not None:
            known = self.dof[geometry.mask & (self.dof > 0)]
            dof = float(np.median(known)) if known.size else 0.0
            if not known.size or known.min() == known.max():
                rows.pop("dof")
        paths = {}
        for label, values in rows.items():
            if values is None:
                continue
            row = values.ravel(order="F")[geometry.positions]
            single = row.astype(np.float32)
            fits = np.array_equal(single, row) or geometry.map_ending.endswith(".gii")
            dtype: Any = np.float32 if fits else np.float64
            paths[label] = geometry.write_map(folder, f"{stem}_{label}", row, dtype=dtype)
        return ContrastMaps(
            maps.contrast,
            "t",
            {maps.contrast: [1.0]},
            dof,
            1,
            paths,
            sources=tuple(path for path in maps.files if path != maps.mask),
        )


def _remove_others(output_dir: Path, plan: FirstLevelPlan, records: set[Path]) -> list[Notice]:
    """Remove copies of maps that are not given any more, so that no group has them."""
    removed = []
    for path in record_files(output_dir):
        if path in records:
            continue
        try:
            record = Record.read(path, output_dir)
        except BadDataError:
            continue  # planning says so
        if record.node != plan.node or FIRST_LEVEL not in record.analysis.get("Options", {}):
            continue
        for file in (path, *record.files):
            file.unlink(missing_ok=True)
        removed.append(entities_stem(record.entities))
    if not removed:
        return []
    return [
        note(
            f"the copies of {counted(len(removed), 'first level')} in node-{plan.node} were "
            f"removed, because --first-level does not have them any more: {', '.join(removed)}"
        )
    ]
