"""Readers of atlases: images of labels, their tables of names, and tables of regions."""

from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import LabelAxis

from boldglm.io.bids.atlas import Atlas, load_regions, read_names
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import full_mask
from boldglm.io.images.surfaces import Hemisphere
from boldglm.io.outputs.region_tables import RegionTable
from fake_atlases import TABLE_OF_REGIONS
from fuzz import independent, mutations, seeds
from fuzz.image_readers import of_cifti
from fuzz.reader import Reader

NAMES = {1: "left", 2: "right", 7: "V1"}
LABELS = np.array([0, 1, 2, 7])


def _values(size: int) -> np.ndarray:
    return LABELS[np.arange(size) % LABELS.size]


def _label_giftis() -> list[bytes]:
    table = nib.gifti.GiftiLabelTable()
    for key, name in {0: "???", **NAMES}.items():
        label = nib.gifti.GiftiLabel(key, 1, 0, 0, 1)
        label.label = name
        table.labels.append(label)
    values = _values(len(seeds.POINTS)).astype(np.int32)
    array = nib.gifti.GiftiDataArray(values, intent="NIFTI_INTENT_LABEL")
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft"})
    return [nib.GiftiImage(darrays=[array], labeltable=table, meta=meta).to_bytes()]


def _dlabels() -> list[bytes]:
    place = seeds.grayordinates()
    values = _values(place.mask.size).astype(np.float32)
    table = {key: (name, (1, 0, 0, 1)) for key, name in {0: "???", **NAMES}.items()}
    image = nib.Cifti2Image(values[np.newaxis], (LabelAxis(["a"], [table]), place.axis))
    return [seeds.written("x.dlabel.nii", lambda path: nib.save(image, path))]


def _write_place(folder: Path) -> None:
    """Write a map on the grid of the labels, in each format."""
    place = seeds.grayordinates()
    place.write_map(folder, "place", np.ones(place.mask.size))
    hemisphere = Hemisphere(full_mask((len(seeds.POINTS),)), "CortexLeft")
    hemisphere.write_map(folder, "place", np.ones(len(seeds.POINTS)))


def _read_labels(path: Path, ending: str) -> None:
    """Read the regions of an image that names them itself."""
    geometry = read_geometry(path.with_name(f"place{ending}"))
    regions = load_regions(Atlas(path, None, "x", ""), geometry)
    assert len(regions.names) == len(regions.indices) == regions.sizes.size > 0
    assert (regions.counts <= regions.sizes).all()
    if path.suffix == ".gii":
        ((_, values),) = independent.gifti(path.read_bytes())
        np.testing.assert_array_equal(regions.labels, values.ravel())


def _read_names(path: Path) -> None:
    names = read_names(path)
    cells = independent.column(path.read_bytes(), "name")
    if cells is not None:
        assert set(names.values()) <= {cell.strip() for cell in cells}


def _read_table(path: Path) -> None:
    table = RegionTable.read(path)
    indices = tuple(table.names)
    assert table.coverage(indices).shape == (len(indices),)
    for contrast in table.values:
        assert table.column(contrast, "effect", indices).shape == (len(indices),)


def _tables() -> list[bytes]:
    rows = "".join(f"{index}\t{name}\n" for index, name in NAMES.items())
    return [f"index\tname\n{rows}".encode(), b"index\tname\tcolor\n0\tno\t#000\n3.0\ta b\tn/a\n"]


ATLASES = (
    Reader("GIFTI labels", "x_hemi-L.label.gii", _label_giftis, mutations.of_xml,
           partial(_read_labels, ending=".shape.gii"), _write_place),
    Reader("CIFTI labels", "x.dlabel.nii", _dlabels, of_cifti,
           partial(_read_labels, ending=".dscalar.nii"), _write_place),
    Reader("names of regions", "x_dseg.tsv", _tables, mutations.of_table, _read_names),
    Reader("table of regions", "x_desc-regions_table.tsv",
           lambda: [TABLE_OF_REGIONS.encode()], mutations.of_table, _read_table),
)  # fmt: skip
