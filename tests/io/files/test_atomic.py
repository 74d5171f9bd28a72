"""Files that appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from boldglm.io.files.atomic import (
    copy_file,
    share_file,
    stage,
    unstage,
    whole_file,
    write_bytes,
)


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


@pytest.mark.parametrize("umask", [0o002, 0o027])
def test_files_have_the_permissions_of_the_umask(tmp_path, umask):
    source = tmp_path / "source"
    source.write_bytes(b"one")
    source.chmod(0o400)
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "a" / "b", b"one")
        copy_file(source, tmp_path / "a" / "c")
    finally:
        os.umask(before)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o777 & ~umask
    for name in "bc":
        assert (tmp_path / "a" / name).stat().st_mode & 0o777 == 0o666 & ~umask


def test_temporary_files_are_in_the_folder_of_the_call(tmp_path):
    out, folder = tmp_path / "out", tmp_path / "out" / "work"
    folder.mkdir(parents=True)
    stage(out, folder)
    try:
        with whole_file(out / "new" / "a") as file:
            file.write(b"one")
            assert len(list(folder.iterdir())) == 1
            assert not list((out / "new").iterdir())
        with whole_file(tmp_path / "elsewhere") as file:
            assert not list(folder.iterdir())
    finally:
        unstage(out)

    assert (out / "new" / "a").read_bytes() == b"one"
    assert not list(folder.iterdir())


def test_a_file_on_another_file_system_is_written_all_the_same(tmp_path, monkeypatch):
    rename = Path.replace

    def replace(self, target):
        if self.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    out, folder = tmp_path / "out", tmp_path / "work"
    folder.mkdir()
    stage(out, folder)
    try:
        write_bytes(out / "a", b"one")
    finally:
        unstage(out)

    assert (out / "a").read_bytes() == b"one"
    assert [path.name for path in tmp_path.rglob("*")].count("a") == 1
    assert not list(folder.iterdir())
    assert len(list(out.iterdir())) == 1
