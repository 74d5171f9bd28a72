"""Effects that are smoothed on their way into a node above the run.

Only the effects: the variance of a smoothed effect is a sum over pairs of voxels of the covariance
of their estimates, and a map of variances has those of each voxel alone. So the variances are
taken away, and what needs them is refused before anything is fitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from boldglm.io.geometry import Geometry
from boldglm.io.images import read_geometry
from boldglm.io.results import ContrastMaps, NodeResult


def place_of(result: NodeResult) -> Geometry:
    """Return where the maps of a result lie, with the surfaces that are still there."""
    meshes = [path for path in result.meshes if path.is_file()]
    return read_geometry(result.mask).with_meshes(meshes)


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
        With smoothed effects, and no other map, of these contrasts.

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
    geometry = place_of(result)
    smoother = geometry.smoother(fwhm)

    def one(number: int, maps: ContrastMaps) -> ContrastMaps:
        if maps.name not in names:
            return maps
        row = smoother.smooth(geometry.read_rows([maps.maps["effect"]])[0])
        path = geometry.write_map(folder, f"{stem}-{number}_stat-effect_statmap", row)
        return replace(maps, maps={"effect": path})

    return replace(result, contrasts=tuple(one(*each) for each in enumerate(result.contrasts)))
