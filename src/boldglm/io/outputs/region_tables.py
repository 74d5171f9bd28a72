"""Tables of regions: one TSV file of a result, with a row for each contrast and region."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.bids.atlas import Regions
from boldglm.io.bids.tables import read_table
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.outputs.names import REGION_COLUMNS, REGION_ENTITIES, RegionColumn, sidecar

STEM = "desc-regions_table"  # of the table in a working folder
IMAGE_STEM = "dseg"
MISSING = "n/a"
NEEDED = ("contrast", "index", "name", "coverage", "effect", "variance", "dof")
READ = ("effect", "variance", "dof", "q_fdr")  # columns that levels above and reports need


@dataclass(frozen=True)
class RegionFiles:
    """The table of regions of a result, and the image of the regions on the grid of its maps.

    Parameters
    ----------
    table, image : Path
        The files; the table has a sidecar.
    atlas : str
        Label of the atlas in file names.
    digest : str
        `Atlas.digest`.
    """

    table: Path
    image: Path
    atlas: str
    digest: str

    def to_dict(self, root: Path | None = None) -> dict[str, str]:
        """Return a dictionary for JSON, with paths relative to `root` if given."""
        paths = {"Table": self.table, "Image": self.image}
        texts = {
            key: path.relative_to(root).as_posix() if root else str(path)
            for key, path in paths.items()
        }
        return {"Atlas": self.atlas, "Digest": self.digest, **texts}

    @classmethod
    def from_dict(
        cls, content: Mapping[str, str], located: Callable[[str], Path]
    ) -> "RegionFiles":
        """Create from the dictionary of `to_dict`; `located` makes paths of texts."""
        table, image = (located(content[key]) for key in ("Table", "Image"))
        return cls(table, image, content["Atlas"], content["Digest"])

    @property
    def files(self) -> tuple[Path, ...]:
        """Both files."""
        return self.table, self.image


@dataclass(frozen=True, eq=False)
class RegionValues:
    """Values of one contrast in all regions, by column of the table.

    Parameters
    ----------
    contrast, test : str
        Name and test of the contrast.
    values : mapping of str to ndarray of shape (n_regions,)
        By column; NaN where there is none.
    """

    contrast: str
    test: str
    values: Mapping[str, np.ndarray]


def columns_of(level: str) -> dict[str, RegionColumn]:
    """Return the columns of the table of a level, without those of entities."""
    return {name: column for name, column in REGION_COLUMNS.items() if level in column.levels}


def write_region_table(
    folder: Path,
    regions: Regions,
    contrasts: Iterable[RegionValues],
    *,
    level: str,
    description: str,
    coverage: np.ndarray | None = None,
) -> Path:
    """Write the table of regions of a result, with its sidecar.

    Parameters
    ----------
    folder : Path
        Its folder.
    regions : Regions
        The regions.
    contrasts : iterable of RegionValues
        Values of each contrast.
    level : {"run", "higher", "dataset"}
        Which columns the table has.
    description : str
        Description of the values for the sidecar.
    coverage : ndarray of shape (n_regions,), optional
        By default that of `regions`.

    Returns
    -------
    Path
        The TSV file.
    """
    columns = columns_of(level)
    share = regions.coverage if coverage is None else coverage
    rows = ["\t".join(columns)]
    for contrast in contrasts:
        for k, index in enumerate(regions.indices):
            cells: dict[str, Any] = {
                "contrast": contrast.contrast,
                "index": index,
                "name": regions.names[k],
                "size": int(regions.counts[k]),
                "coverage": share[k],
            } | {name: values[k] for name, values in contrast.values.items()}
            rows.append("\t".join(_cell(cells.get(name, np.nan)) for name in columns))
    path = folder / f"{STEM}.tsv"
    write_bytes(path, ("\n".join(rows) + "\n").encode())
    described = {
        name: {
            "Description": column.description,
            **({"Units": column.unit} if column.unit else {}),
        }
        for name, column in columns.items()
    }
    content = {"Description": description, "Atlas": regions.atlas.name,
               "AtlasFiles": [file.name for file in regions.atlas.files]}  # fmt: skip
    write_json(sidecar(path), {**content, **described})
    return path


def _cell(value: object) -> str:
    """Return text in one line, numbers with the precision of float32 maps, and n/a."""
    if isinstance(value, str):
        return _in_one_line(value)
    if isinstance(value, int | np.integer):
        return str(value)
    number = float(str(value))
    return f"{number:.9g}" if np.isfinite(number) else MISSING


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def add_entities(
    source: Path, target: Path, entities: Mapping[str, str], units: Mapping[str, str]
) -> None:
    """Copy a table of regions, with the entities of its result in the first columns.

    So the tables of many results can be put together without reading file names.

    Parameters
    ----------
    source, target : Path
        The tables.
    entities : mapping of str to str
        Entities of the result.
    units : mapping of str to str
        Units for the sidecar by what `REGION_COLUMNS` call them.
    """
    given = {
        column: f"{prefix}{entities[key]}"
        for key, (column, prefix) in REGION_ENTITIES.items()
        if key in entities
    }
    header, *rows = source.read_text(encoding="utf-8").splitlines()
    lines = ["\t".join([*given, header])]
    lines += ["\t".join([*given.values(), row]) for row in rows]
    write_bytes(target, ("\n".join(lines) + "\n").encode())
    content = read_json(sidecar(source))
    for described in content.values():
        if isinstance(described, dict) and "Units" in described:
            described["Units"] = units[described["Units"]]
    texts = {
        column: {"Description": f"Entity {key} of the inputs"}
        for key, (column, _) in REGION_ENTITIES.items()
        if column in given
    }
    write_json(sidecar(target), {**content, **texts})


@dataclass(frozen=True, eq=False)
class RegionTable:
    """A table of regions that was written, of which numbers alone are kept.

    Parameters
    ----------
    columns : tuple of str
        Names of all columns.
    names : mapping of int to str
        Name of each region by its label.
    coverages : mapping of int to float
        Share of each region that the mask has.
    values : mapping of str to mapping of str to ndarray of shape (n_regions,)
        Of each contrast, the columns of `READ`, in the order of `names`.
    """

    columns: tuple[str, ...]
    names: Mapping[int, str]
    coverages: Mapping[int, float]
    values: Mapping[str, Mapping[str, np.ndarray]]

    @classmethod
    def read(cls, path: Path) -> "RegionTable":
        """Read a table.

        Raises
        ------
        MissingInputError
            If it does not exist.
        BadDataError
            If it is damaged.
        """
        table = read_table(path)
        try:
            missing = [name for name in NEEDED if name not in table]
            if missing:
                raise ValueError(f"it has no column {missing[0]}")
            labels = table["index"].astype(int)
            values: dict[str, dict[str, np.ndarray]] = {}
            for contrast, rows in table.groupby("contrast", sort=False):
                order = dict(zip(labels[rows.index], range(len(rows)), strict=True))
                if len(order) != len(rows) or list(order) != list(dict.fromkeys(labels)):
                    raise ValueError(f"{contrast!r} does not have one row for each region")
                values[str(contrast)] = {
                    name: rows[name].astype(float).to_numpy() for name in READ if name in rows
                }
            first = table.drop_duplicates("index")
            names, shares = first["name"].astype(str), first["coverage"].astype(float)
            return cls(
                tuple(map(str, table.columns)),
                dict(zip(labels[first.index], names, strict=True)),
                dict(zip(labels[first.index], shares, strict=True)),
                values,
            )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise BadDataError(
                f"The table of regions {path.name} is damaged ({error}). Run the level that "
                "writes it again."
            ) from error

    def column(self, contrast: str, name: str, indices: Sequence[int]) -> np.ndarray:
        """Return a column of numbers of a contrast, in the order of some regions.

        Parameters
        ----------
        contrast : str
            Name of the contrast.
        name : str
            Name of the column, one of `READ`.
        indices : sequence of int
            Regions; those that the table lacks are NaN.

        Returns
        -------
        ndarray of shape (n_regions,)
        """
        columns = self.values.get(_in_one_line(contrast), {})
        if name not in columns:
            return np.full(len(indices), np.nan)
        known = dict(zip(self.names, columns[name], strict=True))
        return np.array([known.get(index, np.nan) for index in indices], dtype=float)

    def coverage(self, indices: Sequence[int]) -> np.ndarray:
        """Return the coverage of some regions, (n_regions,); 0 for those that it lacks."""
        return np.array([self.coverages.get(index, 0.0) for index in indices], dtype=float)
