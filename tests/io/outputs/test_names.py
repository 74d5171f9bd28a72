"""Names and descriptions of what is written."""

from pathlib import Path

import pytest

from boldglm.io.outputs.names import ResultPaths, camel_case, outputs_page

ROOT = Path(__file__).parents[3]


def test_the_page_of_outputs_says_what_the_tables_say():
    assert (ROOT / "docs" / "outputs.md").read_text() == outputs_page()


@pytest.mark.parametrize(
    ("first", "second"),
    [("a - b", "a + b"), ("a > b", "a < b"), ("a - b", "a b"), ("go-left", "go left")],
)
def test_contrasts_that_differ_by_an_operator_get_names_of_their_own(first, second):
    assert camel_case(first) != camel_case(second)


def test_a_file_that_is_not_in_the_table_has_no_name():
    with pytest.raises(KeyError):
        ResultPaths.of(Path("out"), "run", {"sub": "01"}).file("surprise.tsv")


def test_sessions_get_folders_of_their_own():
    paths = ResultPaths.of(
        Path("out"), "run", {"sub": "01", "ses": "pre", "task": "go", "run": "01"}
    )

    assert paths.statmap("go - stop", "t").as_posix() == (
        "out/node-run/sub-01/ses-pre/func/"
        "sub-01_ses-pre_task-go_run-01_contrast-goMinusStop_stat-t_statmap.nii.gz"
    )
