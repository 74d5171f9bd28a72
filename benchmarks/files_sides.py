"""The side of `files.py`: the participant level in a fresh process, its time by part."""

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import Sample, be_a_side

# Interfaces by what they do; those that a version of the program lacks take no time.
PARTS = {
    "design": ("WriteDesign",),
    "fit": ("FitGLM", "EstimateContrasts", "FitNode"),
    "writing": ("WriteDerivatives",),
    "figures": ("PlotResults", "PlotRecord", "WriteReport", "WriteReportPage"),
}


def command(dataset: str, options: list[str], source: str = "") -> Sample:
    """Fit a dataset into an empty folder; count files, bytes and processor seconds by part."""
    if source:
        sys.path.insert(0, source)
    import boldglm.cli.app  # noqa: F401 - which the command would import on its first use
    from boldglm import interfaces
    from boldglm.cli.main import main

    seconds = dict.fromkeys(PARTS, 0.0)
    for part, names in PARTS.items():
        for name in names:
            if hasattr(interfaces, name):
                _time(getattr(interfaces, name), seconds, part)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        with contextlib.redirect_stderr(io.StringIO()):
            code = main([dataset, out, "participant", *options])
        total = time.process_time() - started
        found = [path for path in Path(out).rglob("*") if path.is_file()]
        kept = [path for path in found if ".boldglm-work" not in path.parts]
        run = [path for path in kept if "sub-01" in path.name and "run-1" in path.name]
        sample = {
            "n_files": len(kept),
            "n_cached": len(found) - len(kept),
            "bytes": sum(path.stat().st_size for path in kept),
            "files_of_run": len(run),
        }
    if code:
        raise SystemExit(f"the command ended with exit code {code}.")
    rest = total - sum(seconds.values())
    return {"parts": {**seconds, "rest": rest}, **sample}


def _time(interface: Any, seconds: dict[str, float], part: str) -> None:
    """Book the processor time of an interface to a part."""
    usual: Callable[..., Any] = interface._run_interface

    def timed(self: Any, runtime: Any) -> Any:
        started = time.process_time()
        try:
            return usual(self, runtime)
        finally:
            seconds[part] += time.process_time() - started

    interface._run_interface = timed


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    be_a_side({"command": command})
