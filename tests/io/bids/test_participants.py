"""Tables of participants, sessions and runs."""

import pytest

from boldglm.errors import BadDataError
from boldglm.io.bids.participants import ParticipantTables

TABLE = "participant_id\tage\tsex \tnotes\nsub-01\t20\tF\t\n02\tn/a\tM\tNA\nsub-03\t\t n/a\t\n"


def tables(folder, text):
    (folder / "participants.tsv").write_text(text)
    return ParticipantTables(folder)


def test_what_is_not_known_is_none_and_numbers_stay_as_they_are_written(tmp_path):
    found = tables(tmp_path, TABLE)

    assert found.of({"sub": "01"}) == {"age": "20", "sex": "F", "notes": None}
    assert found.of({"sub": "02"}) == {"age": None, "sex": "M", "notes": None}
    assert found.of({"sub": "03"}) == {"age": None, "sex": None, "notes": None}
    assert found.levels() == {"age.20", "sex.F", "sex.M"}


def test_who_is_there_twice_is_refused(tmp_path):
    with pytest.raises(BadDataError, match="two rows for sub-02"):
        tables(tmp_path, TABLE + "sub-02\t1\tF\t\n").of({"sub": "01"})


def test_a_participant_without_a_row_has_no_values_and_a_warning_names_those_of_the_table(
    tmp_path,
):
    numbered = tables(tmp_path, "participant_id\tage\n1\t20\n2\t30\n")

    assert numbered.of({"sub": "01"}) == {"age": None}
    assert numbered.of({"sub": "01"}) == {"age": None}

    (notice,) = numbered.notices
    assert notice.kind == "warning"
    assert "no row for sub-01 (ids there: 1, 2), so all its columns are n/a" in notice.text
    assert notice.text.endswith(
        "The id 1 seems to mean the same; write sub-01 there, as its folder is called"
    )


def test_a_participant_who_is_missing_altogether_needs_a_row(tmp_path):
    others = tables(tmp_path, TABLE)

    assert others.of({"sub": "04"}) == {"age": None, "sex": None, "notes": None}

    (notice,) = others.notices
    assert notice.text.endswith("Add a row that begins with sub-04")
