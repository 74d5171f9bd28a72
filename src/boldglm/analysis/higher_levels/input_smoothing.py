"""Smoothing of the effects that enter a higher-level node.

Only effects are smoothed. The variance of a smoothed effect depends on the covariance of the
estimates between voxels, which a map of variances does not hold. Therefore smoothed results have
no variances, and a node that needs them is refused before anything is fitted. Voxels of the mask
where effect and variance are 0 have no estimate; they get none by smoothing, and do not enter the
averages of other voxels.
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

ESTIMATED = "estimated"  # map of 1 in voxels that had an estimate before smoothing, else 0


@contextmanager
def smoothed_inputs(
    results: Sequence[NodeResult],
    contrasts: Mapping[int, Sequence[str]],
    fwhm: float,
    folder: Path,
) -> Iterator[list[NodeResult]]:
    """Smooth effects within the mask of each result, in temporary files.

    Parameters
    ----------
    results : sequence of NodeResult
        The results that enter a node.
    contrasts : mapping of int to sequence of str
        Names of the contrasts to smooth, by index of the result.
    fwhm : float
        Full width at half maximum of the Gaussian in mm.
    folder : Path
        Folder for the temporary files.

    Yields
    ------
    list of NodeResult
        The results, of whose contrasts only smoothed effects are left, and the map `ESTIMATED`.
        Their sources are the effects before smoothing.

    Raises
    ------
    BadDataError
        If a result lies on a surface without a mesh.
    """
    with TemporaryDirectory(prefix="smoothed-", dir=folder) as temporary:
        yield [
            _smoothed(result, contrasts.get(number, ()), fwhm, Path(temporary), f"input{number}")
            for number, result in enumerate(results)
        ]


def _smoothed(
    result: NodeResult, names: Sequence[str], fwhm: float, folder: Path, stem: str
) -> NodeResult:
    geometry = read_geometry(result.mask, result.meshes)
    smoother = geometry.smoother(fwhm)

    def smoothed(number: int, maps: ContrastMaps) -> ContrastMaps:
        if maps.name not in names:
            return maps
        row = geometry.read_rows([maps.maps["effect"]])[0]
        estimated = np.ones(row.size, dtype=bool)
        if (row == 0).any():  # rare, so that the map of variances is rarely read
            variance = maps.maps.get("variance")
            other = 0 if variance is None else geometry.read_rows([variance])[0]
            estimated = (row != 0) | (other != 0)
        if estimated.all():
            row = smoother.smooth(row)
        else:
            within = _restrict(geometry, estimated)
            row[estimated] = within.smoother(fwhm).smooth(row[estimated])
        name = f"{stem}-{number}"
        effect = geometry.write_map(folder, f"{name}_stat-effect_statmap", row)
        has_estimate = geometry.write_map(
            folder, f"{name}_estimated", estimated.astype(float), dtype=np.uint8
        )
        return replace(
            maps,
            maps={"effect": effect, ESTIMATED: has_estimate},
            sources=(maps.maps["effect"],),
        )

    contrasts = tuple(smoothed(number, maps) for number, maps in enumerate(result.contrasts))
    return replace(result, contrasts=contrasts)


def _restrict(geometry: Geometry, chosen: np.ndarray) -> Geometry:
    """Return the geometry of some of the voxels."""
    mask = geometry.mask.copy()
    mask[mask] = chosen
    return geometry.with_mask(mask)
