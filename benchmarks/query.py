"""Time how long it takes to find and plan runs in large datasets, against plain pybids.

There are two datasets of small files. In the first, 1000 participants have 4 runs each, with
sidecars, events and anatomy; only the series of the first participant are not empty. Timed
there:

- finding the series, metadata and events of that participant and of all, from a fresh process,
  with and without a stored index. pybids indexes the dataset with its defaults and is then asked
  for the same participant;
- the whole command for that participant, until its first run is fitted.

The second dataset has 1000 runs of real series (8 x 9 x 8 x 200), with derivatives like those of
fMRIPrep in two spaces and confounds tables of 100 columns. Timed there: the dry run, which plans
all runs, and the whole command until the first run is fitted.

Not timed: imports, except those of the commands.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data import REPETITION_TIME, RunPlan, kept, write_bold, write_mask
from measure import (
    Sample,
    Settings,
    alternate,
    argument_parser,
    ratio,
    run_side,
    settings,
    summary,
    write_result,
)

TASK, N_RUNS = "blocks", 4
SPACES = ("_space-MNI152NLin2009cAsym_res-2", "_space-T1w")
FIRST = "0001"
EVENTS = "onset\tduration\ttrial_type\n" + "".join(
    f"{16 * k}\t8\t{'abc'[k % 3]}\n" for k in range(20)
)
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this benchmark."""
    return argument_parser(__doc__ or "", rounds=2)


def empty_dataset(cache: Path, n_subjects: int) -> Path:
    """Return a dataset in which only the first participant has series."""

    def make(folder: Path) -> None:
        _write_raw(folder, n_subjects, [FIRST])

    return kept(cache / f"empty-{n_subjects}x{N_RUNS}", make)


def prepared_dataset(cache: Path, n_subjects: int) -> Path:
    """Return a dataset with small series and derivatives/fmriprep for all of them."""

    def make(folder: Path) -> None:
        _write_raw(folder, n_subjects, [f"{number:04d}" for number in range(1, n_subjects + 1)])
        _write_derivatives(folder)

    return kept(cache / f"prepared-{n_subjects}x{N_RUNS}", make)


def _plan() -> RunPlan:
    return RunPlan(shape=(8, 9, 8), n_scans=200)


def _write_raw(folder: Path, n_subjects: int, with_series: Sequence[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted call left
    folder.mkdir(parents=True)
    series = folder / "series.nii.gz"
    write_bold(series, _plan())
    _write_json(folder / "dataset_description.json", {"Name": "large", "BIDSVersion": "1.8.0"})
    about = {"TaskName": TASK, "RepetitionTime": REPETITION_TIME}
    _write_json(folder / f"task-{TASK}_bold.json", about)
    for number in range(1, n_subjects + 1):
        subject = f"{number:04d}"
        func, anat = (folder / f"sub-{subject}" / kind for kind in ("func", "anat"))
        func.mkdir(parents=True)
        anat.mkdir()
        (anat / f"sub-{subject}_T1w.nii.gz").touch()
        _write_json(anat / f"sub-{subject}_T1w.json", {"EchoTime": 0.003})
        for run in range(1, N_RUNS + 1):
            stem = f"sub-{subject}_task-{TASK}_run-{run}"
            if subject in with_series:
                os.link(series, func / f"{stem}_bold.nii.gz")
            else:
                (func / f"{stem}_bold.nii.gz").touch()
            _write_json(func / f"{stem}_bold.json", {"EchoTime": 0.03})
            (func / f"{stem}_events.tsv").write_text(EVENTS)
    series.unlink()


def _write_derivatives(folder: Path) -> None:
    root = folder / "derivatives" / "fmriprep"
    root.mkdir(parents=True)
    made = [{"Name": "fMRIPrep", "Version": "25.1.0"}]
    about = {"Name": "fMRIPrep", "BIDSVersion": "1.8.0", "GeneratedBy": made}
    _write_json(root / "dataset_description.json", about)
    mask = root / "mask.nii.gz"
    write_mask(mask, _plan())
    table = _confounds(_plan().n_scans)
    for raw in sorted(folder.glob("sub-*/func/*_bold.nii.gz")):
        func = root / raw.relative_to(folder).parent
        func.mkdir(parents=True, exist_ok=True)
        stem = raw.name.removesuffix("_bold.nii.gz")
        for space in SPACES:
            os.link(raw, func / f"{stem}{space}_desc-preproc_bold.nii.gz")
            os.link(mask, func / f"{stem}{space}_desc-brain_mask.nii.gz")
            timing = {"RepetitionTime": REPETITION_TIME, "StartTime": 0.95}
            _write_json(func / f"{stem}{space}_desc-preproc_bold.json", timing)
        (func / f"{stem}_desc-confounds_timeseries.tsv").write_text(table)
    mask.unlink()


def _confounds(n_scans: int) -> str:
    names = [*MOTION, "cosine00", "cosine01", *(f"a_comp_cor_{k:02d}" for k in range(92))]
    values = np.random.default_rng(5).normal(size=(n_scans, len(names)))
    rows = ["\t".join(names), *("\t".join(f"{one:.9g}" for one in row) for row in values)]
    return "\n".join(rows) + "\n"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content) + "\n")


def measure(how: Settings) -> list[dict[str, Any]]:
    """Return one row for each job."""
    n_subjects = 6 if how.tiny else 1000
    empty = empty_dataset(how.cache, n_subjects)
    prepared = prepared_dataset(how.cache, 3 if how.tiny else 250)
    index = how.cache / f"index-{n_subjects}"
    asked: dict[str, Any] = {"dataset": str(empty), "subject": FIRST}
    every: dict[str, Any] = {"dataset": str(empty), "subject": None}
    until_first = {"dataset": str(prepared), "options": ["--space", "T1w"]}
    alone = {"dataset": str(empty), "options": ["--participant-label", FIRST]}

    def side(name: str, **arguments: Any) -> Sample:
        return run_side("query_sides.py", name, **arguments)

    jobs = {
        "one": lambda: side("ours", **asked),
        "pybids": lambda: side("pybids", **asked),
        "every": lambda: side("ours", **every),
        "kept": lambda: side("ours", **every, database=str(index)),
        "command": lambda: side("until_first_fit", **alone),
        "dry run": lambda: side("dry_run", **until_first),
        "first fit": lambda: side("until_first_fit", **until_first),
    }
    side("ours", **every, database=str(index))  # writes the index
    samples = alternate(jobs, how.rounds)
    n_runs, n_all = samples["every"][0]["n_runs"], samples["dry run"][0]["n_runs"]
    versus = {
        "pybids": summary(samples["pybids"]),
        "ratio": ratio(samples["pybids"], samples["one"]),
    }
    return [
        _row(f"find the files of 1 of {n_subjects} participants",
             N_RUNS, samples["one"], **versus),
        _row(f"find the files of all {n_subjects} participants", n_runs, samples["every"]),
        _row("the same with a stored index", n_runs, samples["kept"]),
        _row(f"command for 1 of {n_subjects} participants, until its first run is fitted",
             N_RUNS, samples["command"]),
        _row("dry run of all participants, with fMRIPrep's derivatives",
             n_all, samples["dry run"]),
        _row("command for all participants, until the first run is fitted",
             n_all, samples["first fit"]),
    ]  # fmt: skip


def _row(job: str, n_runs: int, samples: list[Sample], **versus: Any) -> dict[str, Any]:
    peak = max(one.get("peak_of_command", one["peak_bytes"]) for one in samples)
    size = {"peak_gb": round(peak / 1e9, 3)}
    return {"job": job, "n_runs": n_runs, "ours": summary(samples), **size, **versus}


def main(arguments: list[str]) -> None:
    """Measure every job."""
    with settings(build_parser(), arguments) as how:
        write_result(how, "query", {"rows": measure(how)})


if __name__ == "__main__":
    main(sys.argv[1:])
