"""Tables of maps: columns, labels and files, each refused by line."""

from pathlib import Path

import pytest

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.first_levels.find import find_first_levels
from boldglm.io.first_levels.table import read_first_level_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.nii.gz", "b.nii.gz", "va.nii.gz", "dof.nii.gz", "mask.nii.gz"):
        (tmp_path / name).touch()
    return tmp_path


def _table(folder: Path, *lines: str) -> Path:
    path = folder / "maps.tsv"
    path.write_text("\n".join(line.replace(" ", "\t") for line in lines) + "\n")
    return path


def test_each_column_is_read(folder):
    table = _table(
        folder,
        "participant_id session_id task run space contrast effect variance dof mask",
        "sub-01 ses-a faces 2 MNI go a.nii.gz va.nii.gz 117.5 mask.nii.gz",
    )
    (maps,), notices = read_first_level_table(table)
    assert maps.entities == {"sub": "01", "ses": "a", "task": "faces", "run": "2", "space": "MNI"}
    assert (maps.contrast, maps.effect, maps.variance) == (
        "go",
        folder / "a.nii.gz",
        folder / "va.nii.gz",
    )
    assert (maps.dof, maps.mask) == (117.5, folder / "mask.nii.gz")
    assert notices == []


def test_what_is_not_given_is_not_known(folder):
    table = _table(folder, "subject contrast effect variance dof", "01 go a.nii.gz n/a n/a")
    (maps,), _ = read_first_level_table(table)
    assert (maps.variance, maps.dof, maps.mask) == (None, None, None)


def test_degrees_of_freedom_may_be_a_map(folder):
    table = _table(folder, "subject contrast effect dof", "01 go a.nii.gz dof.nii.gz")
    assert read_first_level_table(table)[0][0].dof == folder / "dof.nii.gz"


def test_other_columns_are_named_in_a_warning(folder):
    table = _table(folder, "subject contrast effect age", "01 go a.nii.gz 33")
    (notice,) = read_first_level_table(table)[1]
    assert notice.kind == "warning"
    assert "the columns age are not used" in notice.text
    assert "participants.tsv" in notice.text


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("subject contrast efect", "01 go a.nii.gz", "no column 'effect'.*efect"),
        ("subject participant_id contrast effect", "01 01 go a.nii.gz", "mean the same"),
        ("subject contrast effect", "01 n/a a.nii.gz", "line 2: contrast is missing"),
        ("subject contrast effect", "01_a go a.nii.gz", "line 2: '01_a' is not a label"),
        ("subject contrast effect dof", "01 go a.nii.gz -3", "line 2: dof is -3"),
    ],
)
def test_a_mistake_is_refused_with_its_place(folder, header, row, words):
    with pytest.raises(BadDataError, match=words):
        read_first_level_table(_table(folder, header, row))


def test_a_file_that_is_not_there_is_named_with_its_line(folder):
    table = _table(folder, "subject contrast effect", "01 go a.nii.gz", "02 go c.nii.gz")
    with pytest.raises(MissingInputError, match=r"line 3: there is no file .*c\.nii\.gz"):
        read_first_level_table(table)


def test_a_table_without_rows_is_refused(folder):
    with pytest.raises(BadDataError, match="no rows"):
        read_first_level_table(_table(folder, "subject contrast effect"))


def test_the_same_contrast_twice_is_refused_with_both_files(folder):
    table = _table(folder, "subject contrast effect", "01 go a.nii.gz", "01 go b.nii.gz")
    with pytest.raises(BadDataError, match=r"comes twice: from .*a\.nii\.gz and from .*b\.nii"):
        find_first_levels(table)


@pytest.mark.parametrize(
    "name", ["spmT_0001.nii", "zstat1.nii.gz", "sub-01_contrast-go_stat-t_statmap.nii.gz"]
)
def test_statistics_in_place_of_effects_are_refused(folder, name):
    (folder / name).touch()
    table = _table(folder, "subject contrast effect", f"01 go {name}")
    with pytest.raises(BadDataError, match="is a map of a test statistic"):
        find_first_levels(table)


def test_other_formats_are_refused(folder):
    (folder / "con_0001.img").touch()
    table = _table(folder, "subject contrast effect", "01 go con_0001.img")
    with pytest.raises(BadDataError, match="not a NIfTI, GIFTI or CIFTI file"):
        find_first_levels(table)


def test_what_is_neither_a_folder_nor_a_table_is_refused(folder):
    with pytest.raises(BadDataError, match="neither a folder nor a table"):
        find_first_levels(folder / "a.nii.gz")
    with pytest.raises(MissingInputError, match="cannot be read"):
        find_first_levels(folder / "nothing.tsv")
