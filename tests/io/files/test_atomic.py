"""Files that appear whole or not at all."""

import os

import pytest

from boldglm.io.files.atomic import copy_file, share_file, write_bytes


def refuse(*_, **__):
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=["links", "no links"])
def file_system(request, monkeypatch):
    """A file system on which files may have two names, and one on which they may not."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)
    return request.param


def test_a_shared_file_has_the_same_content_and_permissions(file_system, tmp_path):
    source, target = tmp_path / "a.txt", tmp_path / "new" / "b.txt"
    write_bytes(source, b"one")
    source.chmod(0o640)

    for _ in range(2):  # the second time both are there already
        assert share_file(source, target) == target

    assert target.read_bytes() == b"one"
    assert target.stat().st_mode == source.stat().st_mode
    assert target.samefile(source) == (file_system == "links")
    assert [path.name for path in target.parent.iterdir()] == ["b.txt"]


def test_what_is_written_to_one_name_is_not_seen_under_the_other(file_system, tmp_path):
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    write_bytes(source, b"one")
    share_file(source, target)

    write_bytes(source, b"two")
    assert target.read_bytes() == b"one"
    share_file(source, target)
    assert target.read_bytes() == b"two"
    source.unlink()
    assert target.read_bytes() == b"two"


def test_a_copy_is_another_file(tmp_path):
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    write_bytes(source, b"one")

    copy_file(source, target)

    assert target.read_bytes() == b"one"
    assert not target.samefile(source)


@pytest.mark.parametrize("put", [copy_file, share_file])
def test_where_nothing_can_be_put_what_was_there_stays(put, tmp_path):
    target = tmp_path / "b.txt"
    write_bytes(target, b"before")

    with pytest.raises(FileNotFoundError):
        put(tmp_path / "not there", target)

    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]
