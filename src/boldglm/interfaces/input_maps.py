"""The maps that came into a level above the run, as the report shows them at peaks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from boldglm.errors import MissingInputError
from boldglm.glm.arrays.types import IndexArray, RealArray
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.dataset_links import paths_of
from boldglm.io.outputs.records import ContrastMaps, Record
from boldglm.io.outputs.sidecars import map_metadata
from boldglm.reports.input_effects import InputMaps, short_names

_EFFECT, _VARIANCE = "_stat-effect_", "_stat-variance_"
MOST_WITH_INTERVALS = 100  # inputs; bars of more cannot be told apart


def read_input_maps(record: Record, root: Path, geometry: Geometry) -> dict[str, InputMaps | str]:
    """Find the effects of the inputs of each t contrast, by its name.

    Parameters
    ----------
    record : Record
        A finished node of the dataset level.
    root : Path
        Output folder.
    geometry : Geometry
        Voxels of the result.

    Returns
    -------
    dict
        Why they cannot be shown, where inputs are no longer where the sidecar names them.
    """
    found: dict[str, InputMaps | str] = {}
    for maps in record.result.contrasts:
        if maps.test != "t" or "effect" not in maps.maps or not maps.design:
            continue
        try:
            metadata = map_metadata(maps.maps["effect"])
        except MissingInputError:
            continue
        sources = paths_of(metadata.get("Sources", ()), root)
        effects = [path for path in sources if _EFFECT in path.name]
        missing = [path.name for path in effects if not path.is_file()]
        if missing:
            found[maps.name] = (
                f"The effects of single inputs are not shown: {len(missing)} of {len(effects)} "
                f"maps that came in are no longer where the sidecar names them ({missing[0]}). "
                "Put them back, and write the report with --reports-only."
            )
        elif len(effects) == len(maps.inputs) > 1:
            unit = str(metadata.get("Units", ""))
            found[maps.name] = _input_maps(maps, effects, geometry, unit)
    return found


def _input_maps(
    maps: ContrastMaps, effects: Sequence[Path], geometry: Geometry, unit: str
) -> InputMaps:
    variances = [path.with_name(path.name.replace(_EFFECT, _VARIANCE)) for path in effects]
    with_errors = len(effects) <= MOST_WITH_INTERVALS and all(p.is_file() for p in variances)

    def at(paths: Sequence[Path], voxels: IndexArray) -> RealArray:
        # one map at a time: there may be a thousand
        return np.stack([geometry.read_rows([path])[0][voxels] for path in paths])

    def read(voxels: IndexArray) -> tuple[RealArray, RealArray | None]:
        values = at(effects, voxels)
        if not with_errors:
            return np.where(values == 0, np.nan, values), None
        variance = at(variances, voxels)
        is_known = variance > 0
        errors = np.sqrt(np.where(is_known, variance, np.nan))
        return np.where(is_known, values, np.nan), errors

    design = np.column_stack(list(maps.design.values()))
    return InputMaps(short_names(maps.inputs), design, unit.strip("1"), read)
