"""Which atlas `--atlas` means for each space: files, or a name in TemplateFlow's folder."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError, MissingInputError, UsageError
from boldglm.io.bids.atlas import Atlas
from boldglm.io.entities import entities_of
from boldglm.io.images.geometry import Geometry
from boldglm.io.images.grayordinates import Grayordinates
from boldglm.io.images.labels import CIFTI_LABELS, grid_of, kind_of_labels
from boldglm.io.images.meshes import mesh_structure
from boldglm.io.images.nifti import VolumeGrid
from boldglm.io.images.surfaces import Hemisphere
from boldglm.suggestions import closest

HOME = "TEMPLATEFLOW_HOME"  # the variable that TemplateFlow itself reads
TABLE = ".tsv"
ENDINGS = (".nii.gz", ".nii", ".gii", TABLE)
# Entities of the place of an atlas; the others are its name.
PLACES = ("tpl", "space", "cohort", "res", "den", "hemi")
DENSITIES = {"fsaverage3": "642", "fsaverage4": "3k", "fsaverage5": "10k", "fsaverage6": "41k"}
MOST_LISTED = 12


@dataclass(frozen=True)
class AtlasRequest:
    """What a user asked for: image files (and a table), or the name of an atlas.

    Parameters
    ----------
    images : tuple of Path
        Images of labels, such as one for each hemisphere.
    table : Path or None
        Table of names for all of them.
    entities : mapping of str to str
        Without images: entities of the atlas in TemplateFlow's folder.
    home : Path
        That folder.
    """

    images: tuple[Path, ...] = ()
    table: Path | None = None
    entities: Mapping[str, str] | None = None
    home: Path = Path()

    @classmethod
    def of(cls, words: Sequence[str]) -> "AtlasRequest":
        """Read the words of the option.

        Raises
        ------
        UsageError
            If they are neither files nor the name of an atlas.
        MissingInputError
            If a file does not exist.
        """
        if any(_is_file(word) for word in words):
            # nodes of the workflow have working folders of their own
            paths = [Path(word).expanduser().absolute() for word in words]
            for path in paths:
                if not path.is_file():
                    raise MissingInputError(f"There is no file {path} (--atlas). Check the path.")
            tables = [path for path in paths if path.suffix == TABLE]
            images = tuple(path for path in paths if path.suffix != TABLE)
            if not images or len(tables) > 1:
                raise UsageError(
                    f"--atlas {' '.join(words)}: give images of labels, and at most one table "
                    f"({TABLE}) with the names of the regions."
                )
            return cls(images, tables[0] if tables else None)
        return cls(entities=_entities("_".join(words)), home=templateflow_home())

    @property
    def name(self) -> str:
        """The request in words."""
        if self.images:
            return ", ".join(path.name for path in self.images)
        return "_".join(f"{key}-{label}" for key, label in (self.entities or {}).items())

    def find(self, entities: Mapping[str, str], geometry: Geometry) -> Atlas:
        """Find the atlas for maps of a space.

        Parameters
        ----------
        entities : mapping of str to str
            Entities of the maps, of which space, cohort, res, den and hemi count.
        geometry : Geometry
            Their grid or vertices.

        Raises
        ------
        MissingInputError
            If there is none.
        UsageError
            If several could be meant.
        BadDataError
            If the atlas is in another space.
        """
        if self.images:
            image = _fitting(self.images, geometry)
            space = _space_of(image)
        else:
            image = self._in_templateflow(entities, geometry)
            space = entities["space"]
        here = entities.get("space")
        if space and here and not _same_space(space, here):
            raise BadDataError(
                f"The atlas {image.name} is in the space {space}, but the maps are in {here}. "
                "Give an atlas in the space of the maps, or choose other data with --space."
            )
        return Atlas.of(image, self.table, may_resample=bool(space and here))

    def _in_templateflow(self, entities: Mapping[str, str], geometry: Geometry) -> Path:
        """Return the image of the template of the maps that has the name."""
        space = entities.get("space")
        if space is None:
            raise MissingInputError(
                f"--atlas {self.name} is looked for in the template of the maps, but their names "
                "have no space. Give a file on their grid, or use preprocessed data."
            )
        template = "fsaverage" if space in DENSITIES else space
        folder = self.home / f"tpl-{template}"
        if not folder.is_dir():
            raise MissingInputError(
                f"--atlas {self.name}: there is no folder {folder}. Nothing is downloaded: get "
                f"the atlas with TemplateFlow, set {HOME} to its folder, or give a file."
            )
        side = _side(geometry)
        candidates = [
            path
            for path in sorted(folder.rglob("*_dseg.*"))
            if path.name.endswith(_endings(geometry)) and _is_at(path, entities, side)
        ]
        chosen = self._named(candidates, folder)
        empty = [path for path in chosen if not path.stat().st_size]
        if len(empty) == len(chosen):
            raise MissingInputError(
                f"{empty[0]} is empty: TemplateFlow lists it, but it was not downloaded, which "
                "boldglm does not do. Get it with TemplateFlow (templateflow.api.get)."
            )
        return _on_nearest_grid([path for path in chosen if path not in empty], geometry)

    def _named(self, candidates: Sequence[Path], folder: Path) -> list[Path]:
        """Return the images of the one atlas that has the requested entities."""
        wanted = dict(self.entities or {})
        by_name: dict[str, list[Path]] = {}
        for path in candidates:
            by_name.setdefault(_name_of(path), []).append(path)
        exact = "_".join(f"{key}-{label}" for key, label in sorted(wanted.items()))
        found = [
            name
            for name, paths in by_name.items()
            if wanted.items() <= entities_of(paths[0].name).items()
        ]
        found = [exact] if exact in found else found
        if len(found) == 1:
            return by_name[found[0]]
        if found:
            raise UsageError(
                f"--atlas {self.name} could be any of {len(found)} atlases in {folder}: "
                f"{_listed(found)}. Add the other entities."
            )
        guess = closest(exact, by_name)
        hint = f" Did you mean {guess}?" if guess else ""
        raise MissingInputError(
            f"{folder} has no atlas {self.name} for these maps. It has: "
            f"{_listed(by_name) or 'none'}.{hint}"
        )


def templateflow_home() -> Path:
    """Return the folder in which TemplateFlow stores templates."""
    named = os.environ.get(HOME)
    return Path(named).expanduser() if named else Path("~/.cache/templateflow").expanduser()


def _is_file(word: str) -> bool:
    return word.endswith(ENDINGS) or os.sep in word or Path(word).is_file()


def _entities(text: str) -> dict[str, str]:
    """Read entities such as ``atlas-Schaefer2018_desc-100Parcels7Networks``."""
    entities: dict[str, str] = {}
    for number, part in enumerate(text.removesuffix("_dseg").split("_")):
        key, dash, label = part.partition("-")
        if not dash and not number:
            key, label = "atlas", part
        if not (key.isalnum() and label.replace("+", "").isalnum()):
            raise UsageError(
                f"--atlas {text}: there is no such file, and it is no name of an atlas, which "
                "consists of entities, such as atlas-Schaefer2018_desc-100Parcels7Networks."
            )
        entities[key] = label
    return entities


def _listed(names: Iterable[str]) -> str:
    every = sorted(names)
    more = f" and {len(every) - MOST_LISTED} more" if len(every) > MOST_LISTED else ""
    return ", ".join(every[:MOST_LISTED]) + more


def _name_of(path: Path) -> str:
    entities = entities_of(path.name)
    return "_".join(f"{k}-{label}" for k, label in sorted(entities.items()) if k not in PLACES)


def _space_of(image: Path) -> str:
    """Return the space that the name of an image gives; empty if it gives none."""
    entities = entities_of(image.name)
    return entities.get("space") or entities.get("tpl") or ""


def _same_space(first: str, second: str) -> bool:
    """Compare spaces; fsaverage5 is fsaverage with fewer vertices."""
    return first == second or {_base(first), _base(second)} == {"fsaverage"}


def _base(space: str) -> str:
    return "fsaverage" if space in DENSITIES else space


def _endings(geometry: Geometry) -> tuple[str, ...]:
    if isinstance(geometry, Grayordinates):
        return (CIFTI_LABELS,)
    return (".label.gii",) if isinstance(geometry, Hemisphere) else ("_dseg.nii.gz", "_dseg.nii")


def _side(geometry: Geometry) -> str:
    return geometry.structure if isinstance(geometry, Hemisphere) else ""


def _is_at(path: Path, entities: Mapping[str, str], side: str) -> bool:
    """Whether an image is of the cohort, density and hemisphere of the maps."""
    given = entities_of(path.name)
    if side and mesh_structure(path) not in ("", side):
        return False
    density = entities.get("den") or DENSITIES.get(entities["space"])
    if density and given.get("den", density) != density:
        return False
    return given.get("cohort") == entities.get("cohort") or "cohort" not in given


def _fitting(images: Sequence[Path], geometry: Geometry) -> Path:
    """Return the image in the format and of the hemisphere of the maps."""
    of_format = [path for path in images if isinstance(geometry, kind_of_labels(path))]
    if not of_format:
        raise BadDataError(
            f"The atlas {', '.join(path.name for path in images)} has no image for "
            f"{geometry.element_name}, which the maps have. Give one in the format of the BOLD "
            f"series: .nii.gz for volumes, .label.gii for surfaces, {CIFTI_LABELS} for CIFTI."
        )
    side = _side(geometry)
    of_side = [path for path in of_format if mesh_structure(path) in ("", side)] if side else []
    fitting = of_side or of_format
    if len(fitting) > 1:
        raise UsageError(
            f"--atlas has several images for the same maps: {', '.join(p.name for p in fitting)}. "
            "Give one, or one for each hemisphere."
        )
    return fitting[0]


def _on_nearest_grid(images: Sequence[Path], geometry: Geometry) -> Path:
    """Return the image on the grid of the maps, or else that with the most similar voxels."""
    if not isinstance(geometry, VolumeGrid) or len(images) == 1:
        return images[0]
    grids = {path: grid_of(path) for path in images}
    here = np.log(np.prod(geometry.voxel_sizes))

    def distance(path: Path) -> tuple[bool, float]:
        size = np.log(np.prod(grids[path].voxel_sizes))
        return bool(grids[path].difference(geometry)), abs(float(size - here))

    return min(images, key=distance)
