"""Atlases: labels on the grid of maps, tables of names, and names in TemplateFlow's folder."""

import nibabel as nib
import numpy as np
import pytest

from boldglm.errors import BadDataError, MissingInputError, UsageError
from boldglm.io.bids.atlas import Atlas, find_table, load_regions
from boldglm.io.bids.atlas_option import AtlasRequest, templateflow_home
from boldglm.io.images.formats import read_geometry
from fake_atlases import box_labels, write_dlabel, write_hemispheres, write_names

SHAPE = (8, 9, 6)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
SCHAEFER = "atlas-Schaefer2018_desc-100Parcels7Networks"
MNI = {"space": "MNI152NLin2009cAsym"}


def write_image(path, values, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


@pytest.fixture
def labels():
    return box_labels(SHAPE, 3)


@pytest.fixture
def geometry(tmp_path):
    """Return a grid with a mask without its first two slices."""
    mask = np.ones(SHAPE, dtype=np.uint8)
    mask[:2] = 0
    return read_geometry(write_image(tmp_path / "mask.nii.gz", mask))


@pytest.fixture
def image(tmp_path, labels):
    return write_image(tmp_path / "atlas-Boxes_dseg.nii.gz", labels)


def test_places_follow_the_mask_and_coverage_counts_what_it_has(image, labels, geometry):
    write_names(image.with_name("atlas-Boxes_dseg.tsv"), labels)

    regions = load_regions(Atlas.of(image), geometry)

    assert regions.indices == tuple(int(label) for label in np.unique(labels))
    np.testing.assert_array_equal(regions.labels, labels[geometry.mask])
    for k, label in enumerate(regions.indices):
        inside = int((labels[geometry.mask] == label).sum())
        assert regions.counts[k] == inside
        assert regions.coverage[k] == inside / (labels == label).sum()
    assert regions.names_at(np.array([0])) == [f"box {labels[2, 0, 0]}"]


def test_a_table_applies_by_its_entities_from_the_folder_or_the_one_above(tmp_path):
    folder = tmp_path / "tpl-X" / "cohort-1"
    folder.mkdir(parents=True)
    image = folder / f"tpl-X_cohort-1_res-01_{SCHAEFER}_dseg.nii.gz"
    for name in (f"tpl-X_{SCHAEFER}", "tpl-X", "tpl-X_desc-carpet"):
        (tmp_path / "tpl-X" / f"{name}_dseg.tsv").write_text("index\tname\n")
    (folder / "participants.tsv").write_text("participant_id\n")

    assert find_table(image).name == f"tpl-X_{SCHAEFER}_dseg.tsv"
    (folder / f"tpl-X_cohort-1_{SCHAEFER}_dseg.tsv").write_text("index\tname\n")
    assert find_table(image).parent == folder
    (folder / f"tpl-X_res-01_{SCHAEFER}_dseg.tsv").write_text("index\tname\n")
    with pytest.raises(BadDataError, match="has several tables"):
        find_table(image)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("label\tname\n1\ta\n", r"no column 'index'.*It has: label, name"),
        ("index\tregion\n1\ta\n", r"no column 'name'.*It has: index, region"),
        ("index\tname\n1.5\ta\n", r"line 2: the index '1.5' is no whole number"),
        ("index\tname\n1\tn/a\n", r"line 2: the region with index 1 has no name"),
        ("index\tname\n1\ta\n1\tb\n", r"line 3: the index 1 occurs twice \('a' and 'b'\)"),
        ("index\tname\n1\ta\n", r"does not name \d+ of the \d+ labels .*: 2, 3, 4"),
        ("", r"is empty"),
    ],
)
def test_a_bad_table_is_refused(image, geometry, table, message):
    image.with_name("atlas-Boxes_dseg.tsv").write_text(table)
    with pytest.raises(BadDataError, match=message):
        load_regions(Atlas.of(image), geometry)


def test_an_image_without_names_is_refused(image, geometry):
    with pytest.raises(MissingInputError, match=r"Put atlas-Boxes_dseg\.tsv.*beside it"):
        load_regions(Atlas.of(image), geometry)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values + 0.25, r"such as 99\.25"),
        (lambda values: values - 5.0, r"such as -4"),
        (lambda values: np.where(values == 1, np.nan, values), r"such as nan"),
        (lambda values: 0 * values, r"has no region: all of its values are 0"),
    ],
)
def test_values_that_are_no_labels_are_refused(tmp_path, labels, geometry, change, message):
    values = change(labels.astype(np.float32)).astype(np.float32)
    image = write_image(tmp_path / "atlas-Wrong_dseg.nii.gz", values)
    write_names(tmp_path / "atlas-Wrong_dseg.tsv", labels)
    with pytest.raises(BadDataError, match=message):
        load_regions(Atlas.of(image), geometry)


def test_another_grid_is_refused_or_resampled_where_the_space_is_the_same(tmp_path, geometry):
    fine = np.random.default_rng(0).integers(1, 6, tuple(3 * size for size in SHAPE))
    fine = fine.astype(np.int16)
    affine = np.eye(4)
    affine[:3, 3] = -0.8  # the second voxel of each three is nearest to a coarse one
    named = write_image(tmp_path / "tpl-A_atlas-Fine_dseg.nii.gz", fine, affine)
    write_names(tmp_path / "tpl-A_atlas-Fine_dseg.tsv", fine)

    with pytest.raises(BadDataError, match=r"24 x 27 x 18 voxels against 8 x 9 x 6"):
        load_regions(Atlas.of(named), geometry)
    atlas = AtlasRequest.of([str(named)]).find({"space": "A"}, geometry)
    regions = load_regions(atlas, geometry)

    np.testing.assert_array_equal(regions.labels, fine[1::3, 1::3, 1::3][geometry.mask])
    assert "resampled to the grid of the maps by nearest neighbor" in regions.notices()[0].text
    with pytest.raises(BadDataError, match="is in the space A, but the maps are in B"):
        AtlasRequest.of([str(named)]).find({"space": "B"}, geometry)
    assert not AtlasRequest.of([str(named)]).find({}, geometry).may_resample


def test_regions_that_resampling_loses_have_no_voxel(tmp_path, geometry):
    fine = np.ones(tuple(3 * size for size in SHAPE), dtype=np.int16)
    fine[0, 0, 0] = 2
    image = write_image(tmp_path / "tpl-A_dseg.nii.gz", fine, np.eye(4) - np.diag([0, 0, 0, 0]))
    write_names(tmp_path / "tpl-A_dseg.tsv", fine)

    regions = load_regions(Atlas.of(image, may_resample=True), geometry)

    assert regions.indices == (1, 2)
    assert regions.counts[0] > 0


def test_formats_of_other_geometries_are_refused(tmp_path, image, geometry):
    left, right = write_hemispheres(tmp_path, 40)
    with pytest.raises(BadDataError, match="no image for voxels, which the maps have"):
        AtlasRequest.of([str(left), str(right)]).find({}, geometry)
    with pytest.raises(BadDataError, match="has vertices, but the maps have voxels"):
        load_regions(Atlas.of(left), geometry)
    surface = read_geometry(left)
    assert AtlasRequest.of([str(right), str(left)]).find({}, surface).image == left
    with pytest.raises(BadDataError, match="no image for vertices"):
        AtlasRequest.of([str(image)]).find({}, surface)


def test_several_maps_in_one_file_are_refused(tmp_path):
    models = nib.cifti2.BrainModelAxis.from_surface(np.arange(30), 30, "CORTEX_LEFT")
    path = write_dlabel(tmp_path / "a.dlabel.nii", models, np.ones(30, dtype=int), {1: "all"})
    scalar = tmp_path / "mask.dscalar.nii"
    axis = nib.cifti2.ScalarAxis(["mask"])
    nib.save(nib.Cifti2Image(np.ones((1, 30), np.float32), (axis, models)), scalar)
    geometry = read_geometry(scalar)
    assert load_regions(Atlas.of(path), geometry).names == ("all",)

    tables = [{0: ("???", (0, 0, 0, 0)), 1: ("all", (1, 0, 0, 1))}] * 2
    maps = nib.cifti2.LabelAxis(["first", "second"], tables)
    nib.save(nib.Cifti2Image(np.ones((2, 30), np.float32), (maps, models)), path)
    with pytest.raises(BadDataError, match=r"2 maps \(first, second\)"):
        load_regions(Atlas.of(path), geometry)
    other = nib.cifti2.BrainModelAxis.from_surface(np.arange(30), 31, "CORTEX_LEFT")
    write_dlabel(path, other, np.ones(30, dtype=int), {1: "all"})
    with pytest.raises(BadDataError, match="31 vertices against 30"):
        load_regions(Atlas.of(path), geometry)
    right = nib.cifti2.BrainModelAxis.from_surface(np.arange(30), 30, "CORTEX_RIGHT")
    write_dlabel(path, right, np.ones(30, dtype=int), {1: "all"})
    with pytest.raises(BadDataError, match="no structure in common"):
        load_regions(Atlas.of(path), geometry)


@pytest.fixture
def home(tmp_path, monkeypatch, labels):
    """Return a folder as TemplateFlow has it, with an image on the grid and a finer one."""
    home = tmp_path / "templateflow"
    template = home / "tpl-MNI152NLin2009cAsym"
    stem = "tpl-MNI152NLin2009cAsym"
    for name in (SCHAEFER, "atlas-Schaefer2018_desc-200Parcels7Networks", "atlas-MASSP20"):
        write_image(template / f"{stem}_res-02_{name}_dseg.nii.gz", labels)
        fine = np.repeat(np.repeat(np.repeat(labels, 3, 0), 3, 1), 3, 2)
        write_image(template / f"{stem}_res-01_{name}_dseg.nii.gz", fine, np.eye(4))
        write_names(template / f"{stem}_{name}_dseg.tsv", labels)
    (template / f"{stem}_res-01_desc-carpet_dseg.nii.gz").touch()
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(home))
    return home


def test_a_name_is_found_on_the_grid_of_the_maps(home, geometry):
    atlas = AtlasRequest.of([SCHAEFER]).find(MNI, geometry)
    assert atlas.image.name.startswith("tpl-MNI152NLin2009cAsym_res-02_")
    assert atlas.name == "Schaefer2018100Parcels7Networks"
    assert atlas.table.name == f"tpl-MNI152NLin2009cAsym_{SCHAEFER}_dseg.tsv"
    split = AtlasRequest.of(["Schaefer2018", "desc-100Parcels7Networks"]).find(MNI, geometry)
    assert split == atlas
    assert AtlasRequest.of(["MASSP20"]).find(MNI, geometry).name == "MASSP20"
    atlas.image.unlink()
    other = AtlasRequest.of([SCHAEFER]).find(MNI, geometry)
    assert "_res-01_" in other.image.name
    assert load_regions(other, geometry).resampled


def test_the_hemisphere_and_density_of_surfaces_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "tpl-fsaverage"
    folder.mkdir()
    left, right = write_hemispheres(folder, 60)
    dense = folder / left.name.replace("den-10k", "den-164k")
    dense.write_bytes(left.read_bytes())
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    request = AtlasRequest.of(["Pieces"])

    assert request.find({"space": "fsaverage5"}, read_geometry(right)).image == right
    assert request.find({"space": "fsaverage", "den": "164k"}, read_geometry(left)).image == dense


def test_names_that_are_not_there_are_refused_with_what_is(home, geometry):
    with pytest.raises(UsageError, match=r"could be any of 2 atlases .*100Parcels.*200Parcels"):
        AtlasRequest.of(["Schaefer2018"]).find(MNI, geometry)
    with pytest.raises(MissingInputError, match=r"Did you mean atlas-MASSP20\?"):
        AtlasRequest.of(["MASSP2"]).find(MNI, geometry)
    with pytest.raises(MissingInputError, match=r"not downloaded.*templateflow\.api\.get"):
        AtlasRequest.of(["desc-carpet"]).find(MNI, geometry)
    with pytest.raises(MissingInputError, match="Nothing is downloaded"):
        AtlasRequest.of([SCHAEFER]).find({"space": "Other"}, geometry)
    with pytest.raises(MissingInputError, match="their names have no space"):
        AtlasRequest.of([SCHAEFER]).find({"sub": "01"}, geometry)


def test_words_that_are_neither_files_nor_names_are_refused(tmp_path, image):
    with pytest.raises(MissingInputError, match=r"There is no file .*none\.nii\.gz"):
        AtlasRequest.of([str(tmp_path / "none.nii.gz")])
    with pytest.raises(UsageError, match="it is no name of an atlas"):
        AtlasRequest.of(["atlas-Schaefer2018_100 parcels"])
    with pytest.raises(UsageError, match="give images of labels"):
        AtlasRequest.of([str(write_names(tmp_path / "a.tsv", np.arange(3)))])


def test_two_images_for_the_same_maps_are_refused(tmp_path, image, geometry):
    second = tmp_path / "second.nii.gz"
    second.write_bytes(image.read_bytes())
    with pytest.raises(UsageError, match="several images for the same maps"):
        AtlasRequest.of([str(image), str(second)]).find({}, geometry)


def test_the_folder_of_templateflow_is_its_own(monkeypatch, tmp_path):
    monkeypatch.delenv("TEMPLATEFLOW_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert templateflow_home() == tmp_path / ".cache" / "templateflow"
