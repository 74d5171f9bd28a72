"""Inference over a group: corrected p values, and tables of clusters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from boldglm.glm import Contrast
from boldglm.glm.inference.cluster_table import tabulate_clusters
from boldglm.glm.inference.contrast_permutations import AnyFit, permute_contrast
from boldglm.glm.inference.multiple_comparisons import benjamini_hochberg
from boldglm.glm.inference.neighbors import (
    Neighbors,
    grid_neighbors,
    join_neighbors,
    mesh_neighbors,
)
from boldglm.glm.inference.permutation_test import PermutationTest
from boldglm.glm.stats.distributions import t_to_p
from boldglm.io.bids.atlas import Regions
from boldglm.io.images.geometry import Geometry, GridPart, Part
from boldglm.io.outputs.cluster_tables import write_cluster_table
from boldglm.io.outputs.names import camel_case
from boldglm.io.outputs.records import ContrastMaps
from boldglm.notices import Notice, exclusion, note
from boldglm.vocabulary import CLUSTER_P, PERMUTATION_SEED, SIDE


@dataclass(frozen=True)
class Inference:
    """How p values are corrected for multiple comparisons.

    Parameters
    ----------
    permutations : int
        Number of permutations, of which the observed data are the first; 0 for none.
    cluster_p : float
        Cluster-forming threshold, as a p value in each tail that is tested.
    tfce : bool
        Whether to test by threshold-free cluster enhancement, which takes long.
    sides : {"two", "one"}
        Whether q values, clusters and permutations test both tails of t, or the upper tail.

    Examples
    --------
    >>> Inference(permutations=5000).cluster_p
    0.001
    """

    permutations: int = 0
    cluster_p: float = CLUSTER_P
    tfce: bool = False
    sides: str = SIDE

    def of_test(self, test: str) -> "Inference":
        """Return the settings for a t contrast, or for an F contrast, which has one side.

        Parameters
        ----------
        test : {"t", "F"}
            The test.
        """
        return self if test == "t" else replace(self, sides="one")

    @property
    def two_sided(self) -> bool:
        """Whether both tails of t are tested."""
        return self.sides == "two"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dictionary, for JSON."""
        return asdict(self)


class VoxelPositions(NamedTuple):
    """Neighbors, coordinates and volumes of some voxels."""

    neighbors: Neighbors | None  # None if a surface has no mesh
    coordinates: np.ndarray  # (n_voxels, 3), mm; NaN if not known
    volumes: np.ndarray  # (n_voxels,), mm³; NaN on surfaces


@dataclass(frozen=True, eq=False)
class VoxelAdjacency:
    """Which voxels of a node are neighbors, and where they are; meshes are read only once."""

    geometry: Geometry
    regions: Regions | None = None  # of an atlas, which name peaks

    @cached_property
    def neighbors(self) -> Neighbors | None:
        """Neighbors of all voxels; None if a surface has no mesh."""
        return self.among(np.ones(self.geometry.n_voxels, dtype=bool)).neighbors

    def among(self, chosen: np.ndarray) -> VoxelPositions:
        """Return the positions of some voxels, which is much faster than of all.

        Parameters
        ----------
        chosen : ndarray of bool, shape (n_voxels,)
            Which voxels.

        Returns
        -------
        VoxelPositions
            Without neighbors if any surface lacks its mesh, even if no chosen voxel is on it.
        """
        size, ranks = int(chosen.sum()), np.cumsum(chosen) - 1
        coordinates, volumes = np.full((size, 3), np.nan), np.full(size, np.nan)
        neighbors_of_parts = []
        for part in self._parts:
            columns = np.arange(chosen.size)[part.columns]
            is_chosen = chosen[columns]
            rows, mask = ranks[columns[is_chosen]], part.mask.copy()
            mask[part.mask] = is_chosen
            if isinstance(part, GridPart):
                neighbors = grid_neighbors(mask)
                coordinates[rows] = np.argwhere(mask) @ part.affine[:3, :3].T + part.affine[:3, 3]
                volumes[rows] = abs(np.linalg.det(part.affine[:3, :3]))
            elif part.triangles is None or part.coordinates is None:
                return VoxelPositions(None, coordinates, volumes)
            else:
                neighbors = mesh_neighbors(part.triangles, mask)
                coordinates[rows] = part.coordinates[mask]
            neighbors_of_parts.append((rows, neighbors))
        return VoxelPositions(join_neighbors(neighbors_of_parts, size), coordinates, volumes)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return self.geometry.parts()


def infer(
    maps: ContrastMaps,
    contrast: Contrast,
    fit: AnyFit,
    adjacency: VoxelAdjacency,
    inference: Inference,
    folder: Path,
) -> tuple[ContrastMaps, tuple[Notice, ...]]:
    """Write corrected p values and the table of clusters of a contrast.

    Parameters
    ----------
    maps : ContrastMaps
        The maps written so far.
    contrast : Contrast
        The contrast.
    fit : SecondLevelFit or BlockwiseFit
        The fit that it is a contrast of.
    adjacency : VoxelAdjacency
        Neighbors and positions of the voxels.
    inference : Inference
        Permutations and cluster threshold.
    folder : Path
        Folder for the maps and the table.

    Returns
    -------
    maps : ContrastMaps
        The maps with those of corrected p values, and the table.
    notices : tuple of Notice
        Exclusions and notes.
    """
    notices: list[Notice] = []
    inference = inference.of_test(contrast.test)
    rows: dict[str, np.ndarray] = {"qFDR": _q_values(contrast, inference.two_sided)}
    test: PermutationTest | None = None
    shown = _shown_statistic(contrast, fit, inference)
    if inference.permutations:
        test, fwe_rows, fwe_notices = _permutation_p_values(
            contrast, fit, adjacency.neighbors, inference
        )
        rows |= fwe_rows
        notices += fwe_notices
    files = dict(maps.maps)
    for label, row in rows.items():
        stem = f"contrast-{camel_case(contrast.name)}_stat-{label}_statmap"
        files[label] = adjacency.geometry.write_map(folder, stem, row, intent=("p value", ()))
    rows["p"] = _p_values(contrast, inference.two_sided)
    table = _write_table(contrast, shown, adjacency, rows, inference, folder)
    if table is None:
        notices.append(
            exclusion(f"table of clusters of {contrast.name!r}: the surface has no mesh")
        )
    details: dict[str, Any] = {"Sides": inference.sides} if contrast.test == "t" else {}
    details |= {
        "ClusterFormingP": inference.cluster_p,
        f"ClusterForming{shown.name.upper()}": shown.threshold,
    }
    if test is not None:
        details |= {
            "Permutations": len(test.maxima),
            "PermutationKind": test.scheme,
            "PermutedStatistic": test.statistic_name,
            "PermutationsAreAll": test.is_exact,
            "Seed": PERMUTATION_SEED,
            "VoxelsNotPermuted": contrast.statistic.size - test.statistic.size,
        }
    return replace(maps, maps=files, table=table, inference={**maps.inference, **details}), tuple(
        notices
    )


class _ShownStatistic(NamedTuple):
    """The map of which clusters are formed: t or F, or z if degrees of freedom differ."""

    name: str
    values: np.ndarray  # (n_voxels,)
    threshold: float


def _shown_statistic(contrast: Contrast, fit: AnyFit, inference: Inference) -> _ShownStatistic:
    if fit.dof_differs:
        return _ShownStatistic("z", contrast.z, -float(special.ndtri(inference.cluster_p)))
    dof = np.median(contrast.dof)
    if contrast.test == "t":
        threshold = -float(special.stdtrit(dof, inference.cluster_p))
    else:
        threshold = float(special.fdtri(contrast.dof_numerator, dof, 1 - inference.cluster_p))
    return _ShownStatistic(contrast.test, contrast.statistic, threshold)


def _p_values(contrast: Contrast, two_sided: bool) -> np.ndarray:
    """Return uncorrected p values, (n_voxels,)."""
    return 2 * t_to_p(np.abs(contrast.statistic), contrast.dof) if two_sided else contrast.p


def _q_values(contrast: Contrast, two_sided: bool) -> np.ndarray:
    """Return q values (FDR), (n_voxels,), which are 1 in voxels that were not tested."""
    p = _p_values(contrast, two_sided)
    q = np.ones(contrast.statistic.size)
    tested = contrast.statistic != 0
    if tested.any():
        q[tested] = benjamini_hochberg(p[tested])
    return q


def _permutation_p_values(
    contrast: Contrast,
    fit: AnyFit,
    neighbors: Neighbors | None,
    inference: Inference,
) -> tuple[PermutationTest, dict[str, np.ndarray], list[Notice]]:
    """Return the permutation test, its p values by label of the map, and notices."""
    notices: list[Notice] = []
    inside = fit.is_complete
    if not inside.all():
        notices.append(
            exclusion(
                f"{int((~inside).sum())} of {inside.size} voxels from the permutation test of "
                f"{contrast.name!r}: they are missing in some inputs, and their p values are 1"
            )
        )
    if neighbors is not None:
        neighbors = neighbors.within(inside)
    test = permute_contrast(
        fit.at(inside),
        contrast.weights,
        inference.permutations,
        np.random.default_rng(PERMUTATION_SEED),
        two_sided=inference.two_sided,
        neighbors=neighbors,
        cluster_p=inference.cluster_p if neighbors is not None else None,
        tfce=inference.tfce and neighbors is not None,
    )
    rows = {}
    for label, p in (
        ("pFWE", test.p_max),
        ("pFWEextent", test.p_extent),
        ("pFWEmass", test.p_mass),
        ("pFWEtfce", test.p_tfce),
    ):
        if p is not None:
            rows[label] = np.ones(inside.size)
            rows[label][inside] = p
    if test.is_exact and len(test.maxima) < inference.permutations:
        # reversing all signs leaves |t| and F unchanged
        is_mirrored = inference.two_sided or test.test == "F"
        n_equal = 2 if is_mirrored and test.scheme == "sign flips" else 1
        notices.append(
            note(
                f"permutations of {contrast.name!r}: there are only {len(test.maxima)} "
                f"{test.scheme}, so no p value is below {n_equal / len(test.maxima):.2g}"
            )
        )
    return test, rows, notices


def _write_table(
    contrast: Contrast,
    shown: _ShownStatistic,
    adjacency: VoxelAdjacency,
    rows: Mapping[str, np.ndarray],
    inference: Inference,
    folder: Path,
) -> Path | None:
    """Write a table of the peaks of each cluster, largest clusters first."""
    two_sided = inference.two_sided
    heights = np.abs(shown.values) if two_sided else shown.values
    chosen = heights >= shown.threshold
    above = adjacency.among(chosen)
    if above.neighbors is None:
        return None
    peaks = tabulate_clusters(
        shown.values[chosen],
        shown.threshold,
        above.neighbors,
        above.coordinates,
        volumes=above.volumes,
        two_sided=two_sided,
    )
    statistic = contrast.statistic[chosen]
    named = None if adjacency.regions is None else adjacency.regions.within(chosen)
    tails = "at least {0:.4g}, or at most -{0:.4g}" if two_sided else "at least {0:.4g}"
    level = f"p < {inference.cluster_p:g} in {'each' if two_sided else 'the upper'} tail"
    return write_cluster_table(
        folder / f"contrast-{camel_case(contrast.name)}_desc-clusters_table.tsv",
        [replace(peak, statistic=float(statistic[peak.voxel])) for peak in peaks],
        {label: row[chosen] for label, row in rows.items()},
        f"Clusters of voxels with {shown.name} of {tails.format(shown.threshold)} ({level}): "
        f"{contrast.name}."
        + (f" p and q values are {inference.sides}-sided." if contrast.test == "t" else ""),
        contrast.test,
        None if named is None else named.names_at(np.array([peak.voxel for peak in peaks], int)),
    )


def inference_settings(options: Mapping[str, Any], overrides: Mapping[str, Any]) -> Inference:
    """Return the inference that a node specifies.

    Parameters
    ----------
    options : mapping
        Content of `Software.boldglm` of the node.
    overrides : mapping
        Arguments of `Inference` given on the command line.
    """
    names = {"Permutations": "permutations", "ClusterP": "cluster_p", "Tfce": "tfce",
             "Sides": "sides"}  # fmt: skip
    in_model = {names[key]: value for key, value in options.items() if key in names}
    return Inference(**{**in_model, **overrides})
