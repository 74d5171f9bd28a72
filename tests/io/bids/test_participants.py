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
    assert found.of({"sub": "04"}) == {}
    assert found.levels() == {"age.20", "sex.F", "sex.M"}


def test_who_is_there_twice_is_refused(tmp_path):
    with pytest.raises(BadDataError, match="two rows for sub-02"):
        tables(tmp_path, TABLE + "sub-02\t1\tF\t\n").of({"sub": "01"})
