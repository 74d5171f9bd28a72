"""Changed files of every kind end in values that are theirs, or in a message; a few of each here.

`make fuzz` reads many more, for an hour. Each file that ever failed is in the folder `findings`.
"""

import logging
from pathlib import Path

import pytest

from boldglm.errors import BadDataError
from boldglm.io.images.formats import read_bold_header
from fuzz.campaign import Finding, main, replay, store
from fuzz.engine import (
    ACCEPTED,
    EXIT_CODE,
    FAILURES,
    GARBAGE,
    HANG,
    MEMORY,
    REFUSED,
    TRACEBACK,
    bench,
)
from fuzz.reader import Reader
from fuzz.readers import READERS

FINDINGS = sorted(Path(__file__).with_name("findings").glob("*.txt"))


@pytest.fixture(scope="module")
def place():
    with bench() as made:
        yield made


@pytest.fixture(autouse=True)
def _without_log():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", READERS)
def test_changed_files_end_in_their_values_or_in_a_message(name, place):
    reader = READERS[name]
    if reader.all_valid:
        kinds = [place.execute(reader, valid) for valid in reader.seeds()]
        assert {outcome.kind for outcome in kinds} == {ACCEPTED}, kinds

    for number in range(reader.quick):
        content = place.content(reader, 7, number)
        outcome = place.execute(reader, content)
        assert outcome.kind not in FAILURES, f"execution {number}: {outcome.detail}"


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_what_failed_once_ends_in_values_or_in_a_message(path, place):
    name = path.read_text(encoding="utf-8").splitlines()[0]
    outcome = place.execute(READERS[name], path.with_suffix("").read_bytes())

    assert outcome.kind not in FAILURES, outcome.detail


def _reads_garbage(path):
    assert path.read_bytes() == b"other"


def _never_ends(path):
    while True:
        pass


def _fills_memory(path):
    bytearray(2**29)[:] = b"x" * 2**29


def _refuses(path):
    raise BadDataError(f"{path.name} is damaged.")


def _refuses_without_words(path):
    raise BadDataError("")


def _fails(path):
    read_bold_header(None)


BAD_READERS = {
    _reads_garbage: GARBAGE,
    _never_ends: HANG,
    _refuses: REFUSED,
    _refuses_without_words: EXIT_CODE,
    _fails: TRACEBACK,
    _fills_memory: MEMORY,
}


@pytest.mark.parametrize("read", BAD_READERS, ids=lambda read: read.__name__)
def test_the_fuzzer_names_how_a_reader_fails(read, place, monkeypatch):
    monkeypatch.setattr("fuzz.engine.LONGEST", 0.2)
    reader = Reader(read.__name__, "x.bin", lambda: [b"x"], lambda _, content: content, read)

    assert place.execute(reader, b"x").kind == BAD_READERS[read]


def test_an_execution_depends_on_the_seed_and_the_number_alone(place):
    reader = READERS["BIDS Stats Model"]
    contents = [place.content(reader, 3, number) for number in range(20)]

    with bench() as other:
        assert [other.content(reader, 3, number) for number in reversed(range(20))] == contents[
            ::-1
        ]
    assert len(set(contents)) > 15


def test_a_campaign_counts_and_a_finding_can_be_repeated(tmp_path, capsys):
    assert main(["--seconds", "0.3", "--reader", "checksum"]) == 0
    cells = capsys.readouterr().out.splitlines()[-1].split("|")
    assert cells[1].strip() == "all"
    assert int(cells[2].replace(",", "")) > 3
    assert int(cells[5]) == 0

    path = store(Finding("checksum", 4, TRACEBACK, "ValueError", b"5 x"), 1, tmp_path)
    assert replay(path) == 0
    assert "checksum: accepted" in capsys.readouterr().out
