"""Records refuse what could not be printed, and cost no drawing library."""

import subprocess
import sys

import pytest

from boldglm.reports.content import Report, Section, Table, make_anchor


def test_records_and_pages_do_not_import_matplotlib():
    code = (
        "import sys, boldglm.reports.content, boldglm.reports.html;"
        "sys.exit('matplotlib' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_row_of_the_wrong_length_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"row 2 of table 'Peaks' has 1 cells .* 2 columns"):
        Table(("x", "y"), (("1", "2"), ("3",)), "Peaks")


def test_two_sections_cannot_share_an_address():
    sections = (Section("run 1", "run"), Section("run 2", "run"))

    with pytest.raises(ValueError, match="'run 1' and 'run 2' have the same anchor 'run'"):
        Report("sub-01", "", sections=sections)


@pytest.mark.parametrize("anchor", ["", "run 1", 'a"b', "-run", "ü"])
def test_an_anchor_that_is_no_plain_address_is_refused(anchor):
    with pytest.raises(ValueError, match="use make_anchor"):
        Section("run 1", anchor)


@pytest.mark.parametrize("text", ["sub-01 / run 2", "<script>", "", "--", "été"])
def test_any_text_gives_an_anchor_that_a_section_accepts(text):
    assert Section(text, make_anchor(text)).anchor
