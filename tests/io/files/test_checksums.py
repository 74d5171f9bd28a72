"""Files that were cut short, emptied, damaged or replaced are told from those as written."""

import os

import pytest

from boldglm.io.files.checksums import BLOCK, checksum, is_unchanged


def test_a_checksum_is_the_size_and_the_crc_of_gzip(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"123456789")

    assert checksum(path) == "9 cbf43926"  # the check value of CRC-32
    path.write_bytes(b"")
    assert checksum(path) == "0 00000000"


@pytest.mark.parametrize("position", [0, BLOCK, 2 * BLOCK + 6])
def test_one_changed_byte_is_seen_in_every_block(tmp_path, position):
    path = tmp_path / "a"
    path.write_bytes(bytes(2 * BLOCK + 7))
    written = checksum(path)
    assert is_unchanged(path, written)

    with path.open("r+b") as file:
        file.seek(position)
        file.write(b"x")

    assert not is_unchanged(path, written)


def test_what_is_no_file_or_is_empty_is_changed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"text")
    written = checksum(path)

    os.truncate(path, 0)
    assert not is_unchanged(path, written)
    path.unlink()
    assert not is_unchanged(path, written)
    path.mkdir()
    assert not is_unchanged(path, written)
