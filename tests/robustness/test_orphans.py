"""When a process of a call is killed, the others end, and the next call cleans up."""

import os
import signal
import time
from pathlib import Path

from stopped_calls import call, contents, temporary_files


def parent_of(process):
    """Return the parent of a process, or None if the process has just ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[1])


def wait_for_workers(started):
    """Wait until a call has a process that watches, one that plans, and two that fit."""
    deadline = time.monotonic() + 60
    nodes = ".boldglm-work/*/boldglm_wf"  # libraries start processes too when they are imported
    while len(started.running()) < 4 or not list(started.folder.glob(f"out/{nodes}")):
        assert time.monotonic() < deadline, started.text()
        assert started.process.poll() is None, started.text()
        time.sleep(0.01)


def wait_until_none_runs(started):
    deadline = time.monotonic() + 2
    while started.running():
        assert time.monotonic() < deadline, "a process is still running"
        time.sleep(0.01)


def test_a_killed_call_leaves_no_process_and_its_folder_goes_with_the_next(tiny, tmp_path):
    out = tmp_path / "a" / "out"
    killed = call(tiny, out, "participant", "--nprocs", "2")
    wait_for_workers(killed)
    killed.stop(signal.SIGKILL)
    wait_until_none_runs(killed)
    assert temporary_files(out)

    again = call(tiny, out, "participant", "--nprocs", "2")
    assert again.process.wait(120) == 0, again.text()
    assert not temporary_files(out)
    alone = call(tiny, tmp_path / "b" / "out", "participant", "--nprocs", "2")
    assert alone.process.wait(120) == 0, alone.text()
    assert contents(out).keys() == contents(tmp_path / "b" / "out").keys()


def test_the_death_of_the_working_process_is_told_in_one_line(tiny, tmp_path):
    out = tmp_path / "a" / "out"
    started = call(tiny, out, "participant", "--nprocs", "2")
    wait_for_workers(started)
    (worker,) = (one for one in started.running() if parent_of(one) == started.process.pid)
    os.kill(worker, signal.SIGKILL)

    assert started.process.wait(10) == 1
    assert "most likely because memory ran out" in started.text()
    assert "Traceback" not in started.text()
    wait_until_none_runs(started)
    assert not temporary_files(out)
