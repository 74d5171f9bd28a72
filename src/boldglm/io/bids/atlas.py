"""Atlases: images of regions, the tables that name them, and where the regions of a map lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm.arrays.types import IndexArray
from boldglm.io.bids.tables import read_table
from boldglm.io.entities import entities_of
from boldglm.io.files.checksums import checksum
from boldglm.io.images.geometry import Geometry
from boldglm.io.images.labels import read_labels
from boldglm.notices import Notice, note
from boldglm.suggestions import did_you_mean

INDEX, NAME = "index", "name"  # columns of the table
NAMING = ("atlas", "seg", "scale", "desc")  # entities that tell atlases of a space apart
MOST_LISTED = 10


@dataclass(frozen=True)
class Atlas:
    """An image of labeled regions, and the table of their names.

    Parameters
    ----------
    image : Path
        NIfTI (dseg), GIFTI (label.gii) or CIFTI (dlabel.nii).
    table : Path or None
        TSV with the columns ``index`` and ``name``; None to take the names from the image, as
        GIFTI and CIFTI allow.
    name : str
        Label in file names.
    digest : str
        Of the content of both files.
    may_resample : bool
        Whether a volume on another grid is known to be of the same space, so that it may be
        resampled by nearest neighbor.
    """

    image: Path
    table: Path | None
    name: str
    digest: str
    may_resample: bool = False

    @classmethod
    def of(cls, image: Path, table: Path | None = None, *, may_resample: bool = False) -> "Atlas":
        """Create from files.

        Parameters
        ----------
        image : Path
            Image of labels.
        table : Path, optional
            Table of names; by default looked for beside the image, by the inheritance of BIDS.
        may_resample : bool
            As for `Atlas`.

        Returns
        -------
        Atlas

        Raises
        ------
        MissingInputError
            If the image or the table does not exist.
        BadDataError
            If several tables could be meant.
        """
        for path in (image, table):
            if path is not None and not path.is_file():
                raise MissingInputError(f"There is no file {path} (--atlas). Check the path.")
        table = table or find_table(image)
        digest = checksum(image) + ("" if table is None else f" {checksum(table)}")
        return cls(image, table, label_of(image), digest, may_resample)

    @property
    def files(self) -> tuple[Path, ...]:
        """The image, and the table if there is one."""
        return (self.image,) if self.table is None else (self.image, self.table)


def label_of(image: Path) -> str:
    """Return the label of an atlas in file names: its entities, or else the name of its file.

    Examples
    --------
    >>> label_of(Path("tpl-X_res-01_atlas-Schaefer2018_desc-100Parcels7Networks_dseg.nii.gz"))
    'Schaefer2018100Parcels7Networks'
    >>> label_of(Path("my_parcels.nii.gz"))
    'myparcels'
    """
    entities = entities_of(image.name)
    text = "".join(entities.get(key, "") for key in NAMING) or image.name.split(".", 1)[0]
    return "".join(letter for letter in text if letter.isascii() and letter.isalnum()) or "atlas"


def find_table(image: Path) -> Path | None:
    """Find the table of an image by the inheritance principle; None if there is none.

    It lies beside the image or one folder above, has the suffix of the image, and only entities
    that the image has; the table with most of them holds.

    Raises
    ------
    BadDataError
        If two tables have equally many.
    """
    stem = image.name.split(".", 1)[0]
    beside = image.with_name(f"{stem}.tsv")
    if beside.is_file():
        return beside
    suffix, entities = stem.rpartition("_")[2], entities_of(image.name)
    found = [
        path
        for folder in (image.parent, image.parent.parent)
        for path in sorted(folder.glob(f"*_{suffix}.tsv"))
        if entities_of(path.name).items() <= entities.items()
    ]
    if not found:
        return None
    most = max(len(entities_of(path.name)) for path in found)
    best = [path for path in found if len(entities_of(path.name)) == most]
    if len(best) > 1:
        raise BadDataError(
            f"The atlas {image.name} has several tables: {', '.join(path.name for path in best)}. "
            "Give the right one after the image (--atlas IMAGE TABLE)."
        )
    return best[0]


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of an atlas on the grid of maps.

    Parameters
    ----------
    atlas : Atlas
        Where they are from.
    indices : tuple of int
        Label of each region in the image, sorted.
    names : tuple of str
        Name of each region.
    places : ndarray of int, shape (n_voxels,)
        Position of the region of each voxel of the mask in `indices`; -1 outside all regions.
    sizes : ndarray of int, shape (n_regions,)
        Voxels of each region on the grid, in and outside the mask.
    resampled : str
        How the image was resampled; empty if it was not.
    """

    atlas: Atlas
    indices: tuple[int, ...]
    names: tuple[str, ...]
    places: IndexArray
    sizes: IndexArray
    resampled: str = ""

    def __len__(self) -> int:
        """Return the number of regions."""
        return len(self.indices)

    @property
    def counts(self) -> IndexArray:
        """Voxels of each region in the mask, (n_regions,)."""
        return np.bincount(self.places[self.places >= 0], minlength=len(self))

    @property
    def coverage(self) -> np.ndarray:
        """Share of the voxels of each region that the mask has, (n_regions,)."""
        return self.counts / np.maximum(self.sizes, 1)

    @property
    def labels(self) -> IndexArray:
        """Label of each voxel of the mask, (n_voxels,); 0 outside all regions."""
        return np.array([*self.indices, 0], dtype=np.int32)[self.places]

    def names_at(self, voxels: np.ndarray) -> list[str]:
        """Return the name of the region at some voxels of the mask; n/a outside all regions."""
        return [self.names[place] if place >= 0 else "n/a" for place in self.places[voxels]]

    def within(self, chosen: np.ndarray) -> "Regions":
        """Return the regions of some voxels of the mask."""
        return replace(self, places=self.places[chosen])

    def notices(self) -> tuple[Notice, ...]:
        """Return notes of how the atlas was resampled, and of regions without voxels."""
        notices = []
        if self.resampled:
            notices.append(
                note(
                    f"the atlas {self.atlas.name} was resampled to the grid of the maps by "
                    f"nearest neighbor ({self.resampled})"
                )
            )
        empty = [name for name, count in zip(self.names, self.counts, strict=True) if not count]
        if empty:
            more = f" and {len(empty) - MOST_LISTED} more" if len(empty) > MOST_LISTED else ""
            listed = ", ".join(empty[:MOST_LISTED]) + more
            notices.append(
                note(
                    f"regions of the atlas {self.atlas.name} without a voxel in the mask "
                    f"({len(empty)} of {len(self)}): {listed}"
                )
            )
        return tuple(notices)


def load_regions(atlas: Atlas, geometry: Geometry) -> Regions:
    """Put an atlas on the grid of maps.

    Parameters
    ----------
    atlas : Atlas
        The atlas.
    geometry : Geometry
        Grid or vertices of the maps, and the mask.

    Raises
    ------
    MissingInputError
        If a file does not exist.
    BadDataError
        If the image has no labels or lies on another grid, or the table does not name all of
        them.
    """
    image = read_labels(atlas.image, geometry, may_resample=atlas.may_resample)
    if not image.labels:
        raise BadDataError(
            f"The atlas {atlas.image.name} has no region: all of its values are 0. Give a "
            "segmentation (dseg)."
        )
    names = _names(atlas, image.names, image.labels)
    labels = np.array(image.labels)
    on_grid = image.values.ravel(order="F")
    sizes = _counts(_places(on_grid, labels), labels.size)
    return Regions(
        atlas,
        image.labels,
        tuple(names[label] for label in image.labels),
        _places(on_grid[geometry.positions], labels),
        sizes,
        image.resampled,
    )


def _places(values: IndexArray, labels: IndexArray) -> IndexArray:
    """Return the position of each value among sorted labels; -1 for 0."""
    return np.where(values > 0, np.searchsorted(labels, values), -1)


def _counts(places: IndexArray, n_regions: int) -> IndexArray:
    return np.bincount(places[places >= 0], minlength=n_regions)


def _names(atlas: Atlas, embedded: Mapping[int, str], labels: Sequence[int]) -> dict[int, str]:
    """Return the name of each label, from the table or the image itself."""
    if atlas.table is None and not any(label in embedded for label in labels):
        stem = atlas.image.name.split(".", 1)[0]
        raise MissingInputError(
            f"The atlas {atlas.image.name} has no table of names. Put {stem}.tsv, with the "
            "columns index and name, beside it, or give a table after it (--atlas IMAGE TABLE)."
        )
    names = dict(embedded) if atlas.table is None else read_names(atlas.table)
    source = atlas.image.name if atlas.table is None else atlas.table.name
    missing = [label for label in labels if label not in names]
    if missing:
        more = ", ..." if len(missing) > MOST_LISTED else ""
        raise BadDataError(
            f"{source} does not name {len(missing)} of the {len(labels)} labels of the atlas "
            f"{atlas.image.name}: {', '.join(map(str, missing[:MOST_LISTED]))}{more}. Add rows "
            "with their index and name."
        )
    return names


def read_names(table: Path) -> dict[int, str]:
    """Read the names of regions by their labels.

    Parameters
    ----------
    table : Path
        TSV with the columns ``index`` and ``name``.

    Raises
    ------
    BadDataError
        If a column is missing, an index is no whole number or occurs twice, or a name is missing.
    """
    content = read_table(table)
    for column in (INDEX, NAME):
        if column not in content:
            listed = ", ".join(map(str, content.columns))
            raise BadDataError(
                f"{table.name} has no column {column!r}, which names the regions of the atlas. It "
                f"has: {listed}.{did_you_mean(column, map(str, content.columns))} Rename or add "
                "it."
            )
    names: dict[int, str] = {}
    for line, index, name in zip(content.index, content[INDEX], content[NAME], strict=True):
        label = _whole(index)
        if label is None:
            raise BadDataError(
                f"{table.name}, line {line}: the index {index!r} is no whole number. Write the "
                "value that the region has in the image."
            )
        if not isinstance(name, str):
            raise BadDataError(
                f"{table.name}, line {line}: the region with index {label} has no name. Add it."
            )
        if label in names:
            raise BadDataError(
                f"{table.name}, line {line}: the index {label} occurs twice ({names[label]!r} and "
                f"{name!r}). Leave one of them."
            )
        names[label] = name
    return names


def _whole(text: object) -> int | None:
    """Read a whole number, which may be written as 3.0."""
    try:
        number = float(str(text))
    except ValueError:
        return None
    return int(number) if np.isfinite(number) and number == int(number) else None
