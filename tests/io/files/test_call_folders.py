"""The folder of a call that has ended is removed by the next call, that of another never is."""

import json
import os
import subprocess
import sys
import time

import pytest

from boldglm.io.files.call_folders import LOCK, OLD_SECONDS, CallFolder

PROGRAM = """
import sys, time
from pathlib import Path
from boldglm.io.files.call_folders import CallFolder
print(CallFolder(Path(sys.argv[1])).path.name, flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Return another process and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    yield process, tmp_path / process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_live_one_is_not(other, tmp_path):
    process, folder = other
    (folder / "deep" / "er").mkdir(parents=True)
    assert f"-{process.pid}-" in folder.name

    first = CallFolder(tmp_path)
    assert folder.is_dir()

    process.kill()
    process.wait()
    second = CallFolder(tmp_path)
    assert not folder.exists()
    assert first.path.is_dir()
    first.remove()
    second.remove()
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_machine_is_removed_once_it_is_old(tmp_path):
    folder = tmp_path / "elsewhere-7-abc"
    folder.mkdir()
    lock = folder / LOCK
    lock.write_text(json.dumps({"Machine": "elsewhere", "System": "other", "Process": 7}))

    CallFolder(tmp_path).remove()
    assert folder.is_dir()

    long_ago = time.time() - OLD_SECONDS - 60
    os.utime(lock, (long_ago, long_ago))
    CallFolder(tmp_path).remove()
    assert not folder.exists()


def test_a_live_folder_is_not_removed_however_old_it_is(other, tmp_path):
    _, folder = other
    os.utime(folder / LOCK, (0, 0))

    CallFolder(tmp_path).remove()
    assert folder.is_dir()


def test_what_is_no_folder_of_a_call_is_left_alone(tmp_path):
    (tmp_path / "fits").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / LOCK).write_text("[]")
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("data")
    kept = CallFolder(tmp_path)
    kept.keep()

    CallFolder(tmp_path).remove()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"fits", "data", "file", "link", kept.path.name}


def test_only_folders_with_the_prefix_are_looked_at(other, tmp_path):
    process, folder = other
    process.kill()
    process.wait()

    CallFolder(tmp_path, "boldglm-home-").remove()
    assert folder.is_dir()


def test_a_removal_that_was_interrupted_is_finished_by_the_next_call(tmp_path, monkeypatch):
    folder = CallFolder(tmp_path)
    (folder.path / "deep" / "er").mkdir(parents=True)

    def killed_in_the_middle(path, **_):
        (path / LOCK).unlink()

    with monkeypatch.context() as patch:
        patch.setattr("boldglm.io.files.call_folders.shutil.rmtree", killed_in_the_middle)
        folder.remove()
    assert list(tmp_path.iterdir())

    CallFolder(tmp_path).remove()
    assert not list(tmp_path.iterdir())
