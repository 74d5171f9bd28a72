"""A disk that is full at any moment: exit 73, the file named, and nothing half written."""

import gzip
import json
import random
import resource
import shutil
import subprocess

import pytest

from stopped_calls import call, contents, finished, temporary_files


@pytest.fixture
def disk(tmp_path):
    """Return a function that gives a folder on a small file system, or skip the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("file systems cannot be mounted here")

    def of_size(kilobytes):
        size = f"remount,size={kilobytes}k"
        subprocess.run(["mount", "-o", size, str(folder)], check=True, capture_output=True)
        return folder

    yield of_size
    subprocess.run(["umount", "-l", str(folder)], check=True)


def check_refusal(ended, out):
    """Check what a call says, and what it leaves, that could not write."""
    text = ended.text()
    assert ended.process.returncode == 73, text
    assert "Traceback" not in text
    (line,) = {line for line in text.splitlines() if "cannot be written" in line}
    assert line.startswith((f"boldglm: {out}", "boldglm: out"))
    assert not temporary_files(out)
    for path in out.rglob("*"):
        if path.name.endswith(".gz"):
            gzip.decompress(path.read_bytes())
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")


def fill(tiny, disk, kilobytes, level, nprocs):
    """Run a level on a disk of some size; return whether it was too small."""
    out = disk(kilobytes) / "out"
    ended = call(tiny, out, level, "--nprocs", nprocs)
    code = ended.process.wait(120)
    if code:
        check_refusal(ended, out)
    return code != 0


@pytest.mark.parametrize("nprocs", ["1", "2"])
@pytest.mark.parametrize("kilobytes", [8, 160])
def test_a_full_disk_is_named_and_the_same_command_goes_on_later(
    tiny, undisturbed, disk, nprocs, kilobytes
):
    assert fill(tiny, disk, kilobytes, "participant", nprocs)

    out = disk(20_000) / "out"
    assert finished(tiny, out, "--nprocs", nprocs) == undisturbed(nprocs)


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_a_limit_of_the_size_of_files_is_named(tiny, tmp_path, nprocs):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    out = tmp_path / "a" / "out"
    ended = call(tiny, out, "participant", "--nprocs", nprocs, preexec_fn=limit)
    ended.process.wait(120)

    check_refusal(ended, out)
    assert "raise the limit (ulimit -f)" in ended.text()


@pytest.mark.battery
def test_fifty_disks_that_are_full_at_any_moment(tiny, undisturbed, disk):
    chance, full = random.Random(50), 0
    shape = {"participant": (8, 420), "group": (8, 200)}
    while full < 50:
        nprocs = str(full % 4 + 1)
        out = disk(20_000) / "out"
        shutil.rmtree(out, ignore_errors=True)
        level = chance.choice(["participant", "participant", "group"])
        used = 0
        if level == "group":
            ended = call(tiny, out, "participant", "--nprocs", nprocs)
            assert ended.process.wait(120) == 0, ended.text()
            used = shutil.disk_usage(out).used // 1024
        full += fill(tiny, disk, used + chance.randint(*shape[level]), level, nprocs)
        disk(20_000)
        assert finished(tiny, out, "--nprocs", nprocs) == undisturbed(nprocs)
    print(f"\n{full} full disks")  # noqa: T201 - shown by `make battery`


def test_contents_are_compared(tiny, undisturbed):
    names = undisturbed("1")
    assert {"group.html", "sub-01.html", "dataset_description.json"} <= names.keys()
    assert any(name.startswith("node-dataset/") for name in names)
    assert contents(tiny)
