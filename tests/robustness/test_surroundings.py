"""Homes, limits and folders that are not as usual: maps, or one line that says what to do."""

import re
import subprocess
import sys

import pytest

from stopped_calls import OPTIONS

ONE = ("participant", "--participant-label", "01", "--run-label", "1", *OPTIONS)


def shell(command, *arguments, **options):
    """Run a command line of the shell in which "$@" is a call of the program."""
    program = [sys.executable, "-m", "boldglm", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", command, "bash", *program],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def check(ended, code, message=""):
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert re.search(message, ended.stderr)


@pytest.mark.parametrize(
    "command",
    [
        'env -u HOME "$@"',
        'HOME=/nonexistent "$@"',
        'HOME=/dev/null "$@"',
        'HOME=/nonexistent TMPDIR="$PWD/temporary" "$@"',
        'HOME=/nonexistent TMPDIR=/nonexistent "$@"',
        'ulimit -n 24; "$@"',
    ],
)
def test_maps_are_made_and_nothing_is_left_in_temporary_folders(tiny, tmp_path, command):
    temporary, out = tmp_path / "temporary", tmp_path / "out"
    temporary.mkdir()
    check(shell(command, tiny, out, *ONE, cwd=tmp_path), 0)

    assert list(out.glob("node-run/sub-01/func/*_stat-t_statmap.nii.gz"))
    assert not list(temporary.iterdir())
    assert [path.name for path in (out / ".boldglm-work").iterdir()] == ["fits"]


def test_a_folder_that_was_removed_is_left_if_no_path_needs_it(tiny, tmp_path):
    gone = 'mkdir gone; cd gone; rmdir ../gone; "$@"'
    check(shell(gone, tiny, tmp_path / "out", *ONE, cwd=tmp_path), 0)
    assert (tmp_path / "out/sub-01.html").is_file()

    check(shell(gone, tiny, "out", *ONE, cwd=tmp_path), 66, "current folder no longer exists")


@pytest.mark.parametrize("kilobytes", [150_000, 400_000])
def test_a_limit_of_memory_that_is_too_low_is_told(tiny, tmp_path, kilobytes):
    ended = shell(f'ulimit -v {kilobytes}; "$@"', tiny, tmp_path / "out", *ONE)

    check(ended, 1, r"The limit of memory \(\d+ MB, ulimit -v\) is too low")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sub-01.html", 73),
        ("dataset_description.json", 73),
        (".bidsignore", 73),
        (".boldglm-work", 0),
        ("models/model-default_smdl.json", 0),
        ("node-run/sub-01/func/sub-01_task-cuetarget_run-1_design.tsv", 73),
        ("node-run/sub-01/func/sub-01_task-cuetarget_run-1_statmap.json", 73),
    ],
)
def test_a_folder_where_a_file_should_be_is_named(tiny, tmp_path, name, code):
    out = tmp_path / "out"
    (out / name).mkdir(parents=True)
    ended = shell('"$@"', tiny, out, *ONE)

    check(ended, code, name.rpartition("/")[2] if code else "")


def test_a_file_where_a_folder_should_be_is_named(tiny, tmp_path):
    for name in ("out", "made/.boldglm-work", "other/node-run"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        out = tmp_path / name.partition("/")[0]

        check(shell('"$@"', tiny, out, *ONE), 73, "cannot be written")


def test_a_shared_folder_stays_writable_for_the_group(tiny, tmp_path):
    out = tmp_path / "out"
    check(shell('umask 002; "$@"', tiny, out, *ONE), 0)

    modes = {path: path.stat().st_mode & 0o777 for path in [out, *out.rglob("*")]}
    wrong = {
        str(path.relative_to(tmp_path)): oct(mode)
        for path, mode in modes.items()
        if mode != (0o775 if path.is_dir() else 0o664)
    }
    assert wrong == {}
