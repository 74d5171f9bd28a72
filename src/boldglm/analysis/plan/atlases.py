"""The atlas of each space of an analysis, found and checked before anything is fitted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from boldglm.analysis.higher_levels.region_tests import check_tables
from boldglm.analysis.plan.plan import Analysis
from boldglm.errors import BadDataError
from boldglm.io.bids.atlas import Atlas, load_regions
from boldglm.io.bids.atlas_option import AtlasRequest
from boldglm.io.entities import entities_stem
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.records import Record, fingerprint
from boldglm.stats_model.node_plans import GEOMETRY

Space = tuple[str | None, ...]


@dataclass(frozen=True)
class PlannedAtlas:
    """An atlas and how many regions it has."""

    atlas: Atlas
    n_regions: int
    resampled: str = ""


@dataclass(frozen=True)
class PlannedAtlases:
    """The atlas of each space.

    Parameters
    ----------
    by_space : mapping
        From the entities of a space to its atlas; empty without `--atlas`.
    have_tables : bool
        Whether the inputs have tables of regions; else means of their maps are tested.
    """

    by_space: Mapping[Space, PlannedAtlas] = field(default_factory=dict)
    have_tables: bool = True

    def of(self, entities: Mapping[str, str]) -> Atlas | None:
        """Return the atlas for results with some entities; None without atlases."""
        return self.by_space[_space(entities)].atlas if self.by_space else None

    def lines(self) -> list[str]:
        """Return what `--dry-run` says: files and numbers of regions."""
        lines = []
        for space, planned in self.by_space.items():
            known = {key: label for key, label in zip(GEOMETRY, space, strict=True) if label}
            where = f" ({entities_stem(known)})" if known else ""
            table = planned.atlas.table
            names = "names in the image" if table is None else f"names in {table.name}"
            moved = f", resampled ({planned.resampled})" if planned.resampled else ""
            lines.append(
                f"Atlas {planned.atlas.name}{where}: {planned.n_regions} regions, "
                f"{planned.atlas.image}, {names}{moved}"
            )
        return lines


def atlas_label(atlas: Atlas | None, from_maps: bool = False) -> list[str]:
    """Return what an atlas adds to the fingerprint of a result; nothing without one.

    Means of maps are another result than effects of mean series.
    """
    if atlas is None:
        return []
    digest = fingerprint(atlas.name, atlas.digest, atlas.may_resample)[:8]
    return [f"{'maps' if from_maps else 'atlas'}{digest}"]


def plan_atlases(
    request: AtlasRequest | None, images: Iterable[tuple[str, Mapping[str, str], Geometry]]
) -> PlannedAtlases:
    """Find the atlas of each space, and check that it suits the images.

    Parameters
    ----------
    request : AtlasRequest or None
        What the user asked for.
    images : iterable of (str, mapping, Geometry)
        Name, entities and geometry of each run or result.

    Raises
    ------
    MissingInputError, UsageError, BadDataError
        If there is no atlas for an image, or several, or one that does not suit it.
    """
    if request is None:
        return PlannedAtlases()
    found: dict[Space, PlannedAtlas] = {}
    checked: dict[Space, list[Geometry]] = {}
    for name, entities, geometry in images:
        space = _space(entities)
        others = checked.setdefault(space, [])
        if any(not other.difference(geometry) for other in others):
            continue
        others.append(geometry)
        atlas = found[space].atlas if space in found else request.find(entities, geometry)
        try:
            regions = load_regions(atlas, geometry)
        except BadDataError as error:
            raise BadDataError(f"--atlas, {name}: {error}") from error
        found.setdefault(space, PlannedAtlas(atlas, len(regions), regions.resampled))
    return PlannedAtlases(found)


def images_of_runs(
    analyses: Sequence[Analysis],
) -> list[tuple[str, Mapping[str, str], Geometry]]:
    """Return name, entities and geometry of all runs, as `plan_atlases` takes them.

    Raises
    ------
    BadDataError
        If slices are modeled at times of their own, which a mean series mixes.
    """
    runs = [run for analysis in analyses for run in analysis.runs]
    if any(run.built.slices is not None for run in runs):
        raise BadDataError(
            "An atlas needs one time for all slices, because the mean series of a region mixes "
            "them, so --atlas cannot be combined with --slice-times model. Leave out one of them."
        )
    return [(run.inputs.name, run.inputs.entities, run.header.geometry) for run in runs]


def plan_atlases_of_records(
    request: AtlasRequest | None, records: Iterable[Path], output_dir: Path
) -> PlannedAtlases:
    """Find the atlas of each space of finished results, and check their tables of regions.

    Raises
    ------
    BadDataError
        If only some results have such tables, or those of another atlas.
    """
    if request is None:
        return PlannedAtlases()
    read = [Record.read(path, output_dir) for path in records]
    planned = plan_atlases(
        request,
        (
            (entities_stem(record.entities), record.entities, read_geometry(record.result.mask))
            for record in read
        ),
    )
    have_tables = any(record.result.regions for record in read)
    if have_tables:
        for record in read:
            atlas = planned.of(record.entities)
            assert atlas is not None
            check_tables(atlas, {entities_stem(record.entities): record.result.regions})
    return replace(planned, have_tables=have_tables)


def _space(entities: Mapping[str, str]) -> Space:
    return tuple(entities.get(key) for key in GEOMETRY)
