"""The sides of `query.py`: runs found by us and by pybids, and commands until they fit."""

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Sample, Stopwatch, be_a_side
from process_tree import largest_peak


def ours(dataset: str, subject: str | None, database: str | None = None) -> Sample:
    """Find series, metadata and events of one participant, or of all."""
    watch = Stopwatch()
    import bids.layout

    from boldglm.io.bids.query import find_runs
    from boldglm.io.bids.selection import Selection

    assert bids.layout  # imported here, so that it is not part of the job
    watch.lap("import")
    selection = Selection(subjects=(subject,) if subject else ())
    found = find_runs(Path(dataset), selection, database=Path(database) if database else None)
    watch.lap("find")
    if not all(run.metadata["EchoTime"] == 0.03 and run.events for run in found.runs):
        raise SystemExit("runs were found without their metadata or events")
    return {"parts": watch.parts, "n_runs": len(found.runs)}


def pybids(dataset: str, subject: str) -> Sample:
    """Index a dataset as pybids does by default, and ask it for one participant."""
    watch = Stopwatch()
    from bids import BIDSLayout

    watch.lap("import")
    layout = BIDSLayout(dataset)
    watch.lap("index")
    files = layout.get(subject=subject, suffix="bold", extension=".nii.gz")
    for file in files:
        same = {key: file.entities[key] for key in ("subject", "task", "run")}
        events = layout.get(suffix="events", extension=".tsv", **same)
        if not events or file.get_metadata()["EchoTime"] != 0.03:
            raise SystemExit("pybids found a run without its metadata or events")
    watch.lap("ask")
    return {"parts": watch.parts, "n_runs": len(files)}


def dry_run(dataset: str, options: list[str]) -> Sample:
    """Plan every run of a dataset by the command, and stop before the first fit."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        command = _command(dataset, folder, [*options, "--dry-run", "--verbose"])
        n_runs = peak = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                n_runs += " volumes, one every " in line
                peak = max(peak, largest_peak(process.pid))
    if process.returncode:
        raise SystemExit(f"the dry run failed with exit code {process.returncode}")
    watch.lap("dry run")
    return {"parts": watch.parts, "n_runs": n_runs, "peak_of_command": peak}


def until_first_fit(dataset: str, options: list[str]) -> Sample:
    """Start the command and end it when it says that a run is fitted."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        command = _command(dataset, folder, options)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if line.startswith("[1/"):
                    break
            else:
                raise SystemExit(f"the command ended before a fit: {said}")
            watch.lap("until the first fit")
            peak = largest_peak(process.pid)
            process.kill()
    n_runs = int(line.split("/", 1)[1].split("]", 1)[0])
    return {"parts": watch.parts, "n_runs": n_runs, "peak_of_command": peak}


def _command(dataset: str, folder: str, options: list[str]) -> list[str]:
    output = str(Path(folder) / "out")
    return [sys.executable, "-m", "boldglm", dataset, output, "participant", *options]


if __name__ == "__main__":
    be_a_side(
        {"ours": ours, "pybids": pybids, "dry_run": dry_run, "until_first_fit": until_first_fit}
    )
