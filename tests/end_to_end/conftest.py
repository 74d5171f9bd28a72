"""What tests of whole calls share."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Demo:
    """What `boldglm demo` wrote and printed, where there is no home folder."""

    folder: Path
    printed: str
    temporary: Path


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    folder, temporary = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("temporary")
    ended = subprocess.run(
        [sys.executable, "-m", "boldglm", "demo", str(folder)],
        env={**os.environ, "HOME": "/nonexistent", "TMPDIR": str(temporary)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return Demo(folder, ended.stdout, temporary)
