"""What a process frees, it has at hand for the next array."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
import resource
import sys

import numpy as np
from boldglm.glm.arrays.memory import keep_all_freed_memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # without huge pages, which some systems give to all
if sys.argv[1] == "kept":
    keep_all_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2**17) for _ in range(40)]  # of 1 MiB
    after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    del arrays
print(after - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_pages_are_fetched_once():
    faults = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True
            ).stdout
        )
        for how in ("kept", "usual")
    }

    assert faults["kept"] < 100
    assert faults["usual"] > 2000
