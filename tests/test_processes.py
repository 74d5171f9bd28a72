"""Processes end with the one that started them, however they were started."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from boldglm.processes import end_with

def wait():
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece: another process writes here too
    time.sleep(60)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    pool = ProcessPoolExecutor(
        2, mp_context=context, initializer=end_with, initargs=(os.getpid(),)
    )
    for _ in range(2):
        pool.submit(wait)
    time.sleep(60)
"""


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_end_when_their_parent_is_killed(tmp_path, method):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    parent = subprocess.Popen(
        [sys.executable, str(program), method], stdout=subprocess.PIPE, text=True
    )
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(is_running, workers))

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 3
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent.stdout.close()


def test_a_process_whose_parent_has_ended_ends_at_once():
    program = "import time; from boldglm.processes import end_with; end_with(1); time.sleep(60)"
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=20)

    assert ended.returncode == 1
