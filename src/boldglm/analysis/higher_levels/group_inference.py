"""Inference over the maps of a group: corrected p values, clusters and their tables."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from boldglm.glm import Contrast, SecondLevelFit
from boldglm.glm.inference.cluster_table import tabulate_clusters
from boldglm.glm.inference.multiple_comparisons import benjamini_hochberg
from boldglm.glm.inference.neighbors import (
    Neighbors,
    grid_neighbors,
    join_neighbors,
    mesh_neighbors,
)
from boldglm.glm.inference.permutation_test import PermutationTest, permutation_test
from boldglm.io.images.geometry import Geometry, GridPart, Part
from boldglm.io.outputs.cluster_tables import write_cluster_table
from boldglm.io.outputs.derivatives import camel_case
from boldglm.io.outputs.records import ContrastMaps
from boldglm.notices import Notice, exclusion, note
from boldglm.vocabulary import CLUSTER_P

SEED = 20261


@dataclass(frozen=True)
class Inference:
    """What is done beside p values of single voxels.

    Parameters
    ----------
    permutations : int
        0 for none; the data as they are count as one.
    cluster_p : float
        One-sided p below which voxels form clusters.
    tfce : bool
        Threshold-free cluster enhancement; takes long.
    """

    permutations: int = 0
    cluster_p: float = CLUSTER_P
    tfce: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


class Places(NamedTuple):
    """Of some voxels: their neighbors, where they are, and how large."""

    neighbors: Neighbors | None  # None where a surface has no mesh
    coordinates: np.ndarray  # (n_voxels, 3), mm; NaN where it is not known
    volumes: np.ndarray  # (n_voxels,), mm³; NaN on surfaces


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where the voxels of a node lie and which are neighbors; meshes are read once."""

    geometry: Geometry

    @cached_property
    def neighbors(self) -> Neighbors | None:
        """Neighbors of all voxels, None where a surface has no mesh."""
        return self.among(np.ones(self.geometry.n_voxels, dtype=bool)).neighbors

    def among(self, chosen: np.ndarray) -> Places:
        """Return the places of some voxels, (n_voxels,) of bool: much less work for few.

        Without neighbors where any surface has no mesh, even if none of these voxels is on it.
        """
        size, ranks = int(chosen.sum()), np.cumsum(chosen) - 1
        coordinates, volumes = np.full((size, 3), np.nan), np.full(size, np.nan)
        found = []
        for part in self._parts:
            columns = np.arange(chosen.size)[part.columns]
            is_chosen = chosen[columns]
            own, mask = ranks[columns[is_chosen]], part.mask.copy()
            mask[part.mask] = is_chosen
            if isinstance(part, GridPart):
                neighbors = grid_neighbors(mask)
                coordinates[own] = np.argwhere(mask) @ part.affine[:3, :3].T + part.affine[:3, 3]
                volumes[own] = abs(np.linalg.det(part.affine[:3, :3]))
            elif part.triangles is None or part.coordinates is None:
                return Places(None, coordinates, volumes)
            else:
                neighbors = mesh_neighbors(part.triangles, mask)
                coordinates[own] = part.coordinates[mask]
            found.append((own, neighbors))
        return Places(join_neighbors(found, size), coordinates, volumes)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return self.geometry.parts()


def infer(
    maps: ContrastMaps,
    tested: Contrast,
    fitted: SecondLevelFit,
    where: Surroundings,
    wanted: Inference,
    folder: Path,
) -> tuple[ContrastMaps, tuple[Notice, ...]]:
    """Write corrected p values and the table of clusters of a t contrast over inputs.

    Parameters
    ----------
    maps, tested : ContrastMaps, Contrast
        The contrast, and its maps so far.
    fitted : SecondLevelFit
        What it is a contrast of.
    where : Surroundings
    wanted : Inference
    folder : Path

    Returns
    -------
    maps : ContrastMaps
        With further maps and the table.
    notes : tuple of Notice
    """
    notes: list[Notice] = []
    rows: dict[str, np.ndarray] = {"qFDR": _q_values(tested)}
    found: PermutationTest | None = None
    threshold = -float(special.stdtrit(np.median(tested.dof), wanted.cluster_p))
    if wanted.permutations:
        found, more, said = _permuted(tested, fitted, threshold, where.neighbors, wanted)
        rows |= more
        notes += said
    files = dict(maps.maps)
    for label, row in rows.items():
        stem = f"contrast-{camel_case(tested.name)}_stat-{label}_statmap"
        files[label] = where.geometry.write_map(folder, stem, row, intent=("p value", ()))
    table = _write_table(tested, threshold, where, rows, wanted, folder)
    if table is None:
        notes.append(exclusion(f"table of clusters of {tested.name!r}: the surface has no mesh"))
    details: dict[str, Any] = {"ClusterFormingP": wanted.cluster_p, "ClusterFormingT": threshold}
    if found is not None:
        details |= {
            "Permutations": len(found.maxima),
            "PermutationKind": found.scheme,
            "PermutationsAreAll": found.is_exact,
            "Seed": SEED,
        }
    return replace(maps, maps=files, table=table, inference=details), tuple(notes)


def _q_values(tested: Contrast) -> np.ndarray:
    """q of the voxels that were tested, 1 elsewhere."""
    q = np.ones(tested.statistic.size)
    done = tested.statistic != 0
    if done.any():
        q[done] = benjamini_hochberg(tested.p[done])
    return q


def _permuted(
    tested: Contrast,
    fitted: SecondLevelFit,
    threshold: float,
    neighbors: Neighbors | None,
    wanted: Inference,
) -> tuple[PermutationTest, dict[str, np.ndarray], list[Notice]]:
    notes: list[Notice] = []
    inside = np.asarray(np.isfinite(fitted.effects).all(axis=0))
    if not inside.all():
        notes.append(
            exclusion(
                f"{int((~inside).sum())} of {inside.size} voxels from the permutations of "
                f"{tested.name!r}: some input lacks them, and their p is 1"
            )
        )
    if neighbors is not None:
        neighbors = neighbors.within(inside)
    found = permutation_test(
        fitted.effects[:, inside],
        fitted.design,
        tested.weights,
        wanted.permutations,
        np.random.default_rng(SEED),
        neighbors=neighbors,
        cluster_threshold=threshold if neighbors is not None else None,
        tfce=wanted.tfce and neighbors is not None,
    )
    rows = {}
    for label, p in (
        ("pFWE", found.p_max),
        ("pFWEextent", found.p_extent),
        ("pFWEmass", found.p_mass),
        ("pFWEtfce", found.p_tfce),
    ):
        if p is not None:
            rows[label] = np.ones(inside.size)
            rows[label][inside] = p
    if found.is_exact and len(found.maxima) < wanted.permutations:
        notes.append(
            note(
                f"permutations of {tested.name!r}: there are only {len(found.maxima)} "
                f"{found.scheme}, so no p value is below {1 / len(found.maxima):.2g}"
            )
        )
    return found, rows, notes


def _write_table(
    tested: Contrast,
    threshold: float,
    where: Surroundings,
    rows: Mapping[str, np.ndarray],
    wanted: Inference,
    folder: Path,
) -> Path | None:
    """Write one row for each peak of each cluster, largest clusters first."""
    chosen = tested.statistic >= threshold
    above = where.among(chosen)
    if above.neighbors is None:
        return None
    peaks = tabulate_clusters(
        tested.statistic[chosen],
        threshold,
        above.neighbors,
        above.coordinates,
        volumes=above.volumes,
    )
    return write_cluster_table(
        folder / f"contrast-{camel_case(tested.name)}_desc-clusters_table.tsv",
        peaks,
        {label: row[chosen] for label, row in rows.items()},
        f"Clusters of voxels with t of at least {threshold:.4g} (one-sided p < "
        f"{wanted.cluster_p:g}): {tested.name}",
    )


def inference_settings(own: Mapping[str, Any], asked: Mapping[str, Any]) -> Inference:
    """Return what a node's `Software.boldglm` says, overridden by the command line."""
    names = {"Permutations": "permutations", "ClusterP": "cluster_p", "Tfce": "tfce"}
    said = {names[key]: value for key, value in own.items() if key in names}
    return Inference(**{**said, **asked})
