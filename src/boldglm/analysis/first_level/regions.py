"""Regions of an atlas in a run: their mean series, fitted with the design and noise of the run.

The t value of a region is that of its mean series, not a mean over the t values of its voxels,
which says nothing about the noise that voxels share.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from boldglm.analysis.first_level.contrast_maps import weights_of
from boldglm.glm import Contrast, Design, Fit, fit
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.stats.distributions import t_to_p
from boldglm.io.bids.atlas import Regions
from boldglm.io.files.json_files import write_json
from boldglm.io.images.bold_series import MaskedRun
from boldglm.io.images.geometry import Geometry
from boldglm.io.images.temporary_store import BLOCK_VOXELS
from boldglm.io.outputs.names import sidecar
from boldglm.io.outputs.records import NodeResult
from boldglm.io.outputs.region_tables import (
    IMAGE_STEM,
    RegionFiles,
    RegionValues,
    write_region_table,
)
from boldglm.stats_model.specification import ContrastSpec

BLOCK_BYTES = 2**25  # of the series that is in memory, as float64
OF_RUN = (
    "Mean series of each region, fitted with the design and the noise model of the run. The mean "
    "is over voxels in the mask, in the unit of the maps and smoothed as they are."
)


def mean_series(run: MaskedRun, regions: Regions) -> FloatArray:
    """Average the voxels of each region that has any, reading the series by blocks of voxels.

    Parameters
    ----------
    run : MaskedRun
        The series.
    regions : Regions
        On the geometry of the run.

    Returns
    -------
    ndarray of shape (n_scans, n_regions)
        In the unit of the effects, for regions with voxels in the mask.
    """
    n_scans, n_voxels = run.bold.shape
    inside = np.flatnonzero(regions.places >= 0)
    places, counts = regions.places[inside], regions.counts
    shares = run.scale[inside] / counts[places]
    weights = sparse.csr_matrix((shares, (inside, places)), (n_voxels, len(regions)))
    total = np.zeros((len(regions), n_scans))
    # temporary files are read by blocks of this many voxels
    size = max(1, BLOCK_BYTES // (8 * n_scans * BLOCK_VOXELS)) * BLOCK_VOXELS
    for start in range(0, n_voxels, size):
        block = np.asarray(run.bold[:, start : start + size], dtype=np.float64)
        total += weights[start : start + size].T @ block.T
    return np.ascontiguousarray(total[counts > 0].T)


def fit_regions(run: MaskedRun, regions: Regions, design: Design, noise_model: str) -> Fit | None:
    """Fit the mean series of each region that has voxels; None if no region has any.

    Noise models that share parameters between voxels share them between regions here.
    """
    if not regions.counts.any():
        return None
    return fit(mean_series(run, regions), design, noise=noise_model, n_threads=1)


def region_values(
    contrast: Contrast,
    present: np.ndarray,
    *,
    test: str | None = None,
    two_sided: bool = True,
) -> RegionValues:
    """Return the values of a contrast in all regions.

    Parameters
    ----------
    contrast : Contrast
        Of the regions that are present.
    present : ndarray of bool, shape (n_regions,)
        Which regions were fitted.
    test : {"t", "F", "pass"}, optional
        "pass" for effect and variance only; by default the test of the contrast.
    two_sided : bool
        Whether p of t is of both tails.
    """
    statistic, dof = contrast.statistic, np.broadcast_to(contrast.dof, contrast.statistic.shape)
    tested = statistic != 0  # elsewhere, nothing varies, or the inputs do not determine it
    values: dict[str, np.ndarray] = {"dof": dof}
    if contrast.effect is not None and contrast.variance is not None:
        values |= {"effect": contrast.effect, "variance": contrast.variance}
        tested = tested | (contrast.variance > 0)
    if test != "pass":
        both = contrast.test == "t" and two_sided
        p = 2 * t_to_p(np.abs(statistic), dof) if both else contrast.p
        values |= {contrast.test: statistic, "z": contrast.z, "p": p}
    filled = {}
    for name, row in values.items():
        filled[name] = np.full(present.size, np.nan)
        filled[name][present] = np.where(tested, row, np.nan)
    return RegionValues(contrast.name, test or contrast.test, filled)


def estimate_regions(
    fitted: Fit | None,
    regions: Regions,
    contrasts: Sequence[str | ContrastSpec],
    result: NodeResult,
    geometry: Geometry,
    folder: Path,
) -> RegionFiles:
    """Write the table of regions of a run, with the contrasts that its maps have.

    Parameters
    ----------
    fitted : Fit or None
        From `fit_regions`; with None, all values are missing.
    regions : Regions
        The regions.
    contrasts : sequence of str or ContrastSpec
        As for `estimate_contrasts`.
    result : NodeResult
        The maps.
    geometry : Geometry
        Geometry of the maps.
    folder : Path
        Folder for the files.
    """
    tests = {maps.name: maps.test for maps in result.contrasts}
    values = [RegionValues(name, test, {}) for name, test in tests.items()]
    if fitted is not None:
        weights = [
            weights_of(contrast, fitted.names)
            for contrast in contrasts
            if isinstance(contrast, str) or contrast.name in tests  # others: what the run lacks
        ]
        estimated = [(name, rows) for name, rows in weights if name in tests]
        values = [
            region_values(tested, regions.counts > 0, test=tests[tested.name])
            for tested in fitted.contrasts(estimated)
        ]
    table = write_region_table(folder, regions, values, level="run", description=OF_RUN)
    return region_files(table, regions, geometry, folder)


def region_files(table: Path, regions: Regions, geometry: Geometry, folder: Path) -> RegionFiles:
    """Write the image of the regions beside their table."""
    image = geometry.write_map(folder, IMAGE_STEM, regions.labels, dtype=np.int32)
    atlas = regions.atlas
    content = {
        "Description": "Regions of an atlas on the grid of the maps, inside their mask",
        "Atlas": atlas.name,
        "AtlasFiles": [file.name for file in atlas.files],
        "Resampled": bool(regions.resampled),
    }
    write_json(sidecar(image), content)
    return RegionFiles(table, image, atlas.name, atlas.digest)
