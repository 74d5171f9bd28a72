"""Standard streams that cannot be written to keep nobody from getting maps."""

import os
import subprocess
import sys

import pytest

from stopped_calls import OPTIONS


def shell(command, *arguments):
    """Run a command line of the shell in which "$@" is a call of the program."""
    program = [sys.executable, "-m", "boldglm", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", command, "bash", *program], check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "command",
    [
        '"$@" | true; exit ${PIPESTATUS[0]}',
        '"$@" 2>&1 | true; exit ${PIPESTATUS[0]}',
        '"$@" >/dev/full',
        '"$@" 2>/dev/full',
        '"$@" >/dev/full 2>/dev/full',
        '"$@" >&- 2>&- <&-',
    ],
)
def test_maps_are_made_whatever_becomes_of_what_is_printed(tiny, tmp_path, command):
    out = tmp_path / "out"
    one = ("--participant-label", "01", "--run-label", "1", *OPTIONS)
    ended = shell(command, tiny, out, "participant", *one)

    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    maps = list(out.glob("node-run/sub-01/func/*_stat-t_statmap.nii.gz"))
    assert maps
    assert all(path.read_bytes()[:2] == b"\x1f\x8b" for path in out.rglob("*.nii.gz"))
    assert (out / "sub-01.html").is_file()


@pytest.mark.parametrize("option", ["--help", "--version", "--bids-exec-spec"])
def test_a_text_that_cannot_be_printed_is_an_error(option):
    ended = shell('"$@" >/dev/full', option)

    assert ended.returncode == 73
    assert ended.stderr == (f"boldglm: standard output cannot be written: {os.strerror(28)}.\n")


def test_a_reader_that_has_read_enough_is_no_error():
    ended = shell('"$@" | head -1; exit ${PIPESTATUS[0]}', "--help")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage:")
