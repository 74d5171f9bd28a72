"""Effects that are smoothed on their way into a node above the run.

Only the effects: the variance of a smoothed effect is a sum over pairs of voxels of the covariance
of their estimates, and a map of variances has those of each voxel alone. So the variances are
taken away, and what needs them is refused before anything is fitted. Where effect and variance are
0 in the mask, the effect was not estimated; such voxels stay so, and enter no average of others.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.records import ContrastMaps, NodeResult

KNOWN = "known"  # map of 1 where a smoothed effect was estimated, 0 elsewhere


@contextmanager
def smoothed_inputs(
    results: Sequence[NodeResult],
    wanted: Mapping[int, Sequence[str]],
    fwhm: float,
    folder: Path,
) -> Iterator[list[NodeResult]]:
    """Smooth effects among the voxels of the mask of each result, for as long as they are needed.

    Parameters
    ----------
    results : sequence of NodeResult
    wanted : mapping
        Names of the contrasts that are needed of each result, by its number.
    fwhm : float
        Full width at half maximum of the Gaussian, mm.
    folder : Path
        Where the maps lie until they are read.

    Yields
    ------
    list of NodeResult
        With smoothed effects of these contrasts, where they are known, and no other map.

    Raises
    ------
    BadDataError
        If a result lies on a surface without distances.
    """
    with TemporaryDirectory(prefix="smoothed-", dir=folder) as temporary:
        yield [
            _smoothed(result, wanted.get(number, ()), fwhm, Path(temporary), f"input{number}")
            for number, result in enumerate(results)
        ]


def _smoothed(
    result: NodeResult, names: Sequence[str], fwhm: float, folder: Path, stem: str
) -> NodeResult:
    geometry = read_geometry(result.mask, result.meshes)
    smoother = geometry.smoother(fwhm)

    def one(number: int, maps: ContrastMaps) -> ContrastMaps:
        if maps.name not in names:
            return maps
        row = geometry.read_rows([maps.maps["effect"]])[0]
        known = np.ones(row.size, dtype=bool)
        if (row == 0).any():  # rarely: the map of variances need not be read otherwise
            known = (row != 0) | (geometry.read_rows([maps.maps["variance"]])[0] != 0)
        if known.all():
            row = smoother.smooth(row)
        else:
            row[known] = _among(geometry, known).smoother(fwhm).smooth(row[known])
        name = f"{stem}-{number}"
        effect = geometry.write_map(folder, f"{name}_stat-effect_statmap", row)
        where = geometry.write_map(folder, f"{name}_known", known.astype(float), dtype=np.uint8)
        return replace(maps, maps={"effect": effect, KNOWN: where})

    return replace(result, contrasts=tuple(one(*each) for each in enumerate(result.contrasts)))


def _among(geometry: Geometry, known: np.ndarray) -> Geometry:
    """Return where some of the voxels lie."""
    mask = geometry.mask.copy()
    mask[mask] = known
    return geometry.within(mask)
