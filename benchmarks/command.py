"""Time the whole command on two subjects with two runs each, against FitLins.

Timed: `boldglm ... participant` and then `group`, each from the start of the interpreter to its
end, with imports and reports; and the one command of FitLins 0.11.0 that does the same, in an
environment made from fitlins-requirements.txt. Both fit the same series (97 x 115 x 97 x 200,
compressed, named as by fMRIPrep, in a standard space) with three conditions, six motion
parameters and cosines, four contrasts, and the levels run, subject and dataset. boldglm uses its
default noise model and those named in the options, FitLins its AR(1). With several cores, both
may process as many runs at a time. Outputs start empty each time.

Not timed: making the data and installing the programs.

FitLins waits for its scheduler half of the time. It runs once unless told otherwise. With
`--skip-fitlins`, its last measurements stay in the results, with their own date and machine.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boldglm.vocabulary import NOISE_MODELS
from data import CONTRASTS, RunPlan
from dataset import SPACE, DatasetPlan, contrast_names, dataset_folder
from measure import (
    HERE,
    Sample,
    Settings,
    argument_parser,
    hardware,
    settings,
    spread,
    today,
    write_result,
)
from process_tree import run_command

DEFAULT = "default"
FITLINS_REQUIREMENTS = HERE / "fitlins-requirements.txt"


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this benchmark."""
    parser = argument_parser(__doc__ or "", rounds=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="cores (default: 1)")
    parser.add_argument("--skip-fitlins", action="store_true", help="keep its last result")
    parser.add_argument("--fitlins-rounds", type=int, default=1, help="(default: 1)")
    parser.add_argument(
        "--noise-models",
        nargs="+",
        default=[DEFAULT, "ols"],
        choices=[DEFAULT, *NOISE_MODELS],
        help="of ours (default: default and ols)",
    )
    return parser


def our_commands(data: Path, out: Path, noise: str, threads: int) -> list[list[str]]:
    """Return both levels of ours."""
    program = [sys.executable, "-m", "boldglm", str(data), str(out)]
    named = zip(contrast_names(), CONTRASTS, strict=True)
    contrasts = [word for name, one in named for word in ("--contrast", f"{name} = {one}")]
    participant = [
        *program,
        "participant",
        *("--derivatives", str(data / "derivatives" / "fmriprep")),
        *("--space", SPACE),
        *("--confounds", "motion6", "high_pass"),
        *contrasts,
        *([] if noise == DEFAULT else ["--noise-model", noise]),
        *("--nprocs", str(threads), "--omp-nthreads", "1"),
    ]
    return [participant, [*program, "group"]]


def measure_ours(how: Settings, data: Path, noise: str, threads: int) -> Sample:
    """Run both levels once on an empty output folder."""
    out = how.cache / "out-boldglm"
    shutil.rmtree(out, ignore_errors=True)
    log = how.cache / "boldglm.log"
    levels = [
        run_command(command, log, threads, {"NO_ET": "1"})
        for command in our_commands(data, out, noise, threads)
    ]
    sample = {
        "seconds": sum(one["seconds"] for one in levels),
        "levels": [one["seconds"] for one in levels],
        "peak_bytes": max(one["peak_bytes"] for one in levels),
        "together_bytes": max(one["together_bytes"] for one in levels),
        **contents(out),
    }
    shutil.rmtree(out)
    print(f"boldglm, {noise}, {threads} core(s): {sample['seconds']:.2f} s", flush=True)
    return sample


def measure_fitlins(how: Settings, data: Path, threads: int) -> Sample:
    """Run FitLins once on empty output and work folders."""
    out, work = how.cache / "out-fitlins", how.cache / "work-fitlins"
    for folder in (out, work):
        shutil.rmtree(folder, ignore_errors=True)
    command = [
        *(str(fitlins_environment(how.cache) / "bin" / "fitlins"), str(data), str(out), "dataset"),
        *("--derivatives", str(data / "derivatives" / "fmriprep")),
        *("--model", str(data / "model-blocks_smdl.json")),
        *("--space", SPACE, "--desc-label", "preproc", "--estimator", "nilearn"),
        *("--n-cpus", str(threads), "--work-dir", str(work)),
    ]
    quiet = {"NO_ET": "1", "PYTHONPATH": "", "MPLBACKEND": "Agg"}
    sample = run_command(command, how.cache / "fitlins.log", threads, quiet)
    sample |= contents(out)
    for folder in (out, work):
        shutil.rmtree(folder)
    print(f"FitLins, {threads} core(s): {sample['seconds']:.2f} s", flush=True)
    return sample


def fitlins_environment(cache: Path) -> Path:
    """Return a virtual environment with the pinned FitLins, made when there is none."""
    folder = cache / "fitlins"
    complete = folder / "complete"  # its programs name the folder: it cannot be renamed when done
    if not complete.exists():
        print("installing FitLins", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        install = ["pip", "install", "-qq", "--requirement", str(FITLINS_REQUIREMENTS)]
        python = str(folder / "bin" / "python")
        subprocess.run([python, "-m", *install], check=True, env={**os.environ, "PYTHONPATH": ""})
        complete.touch()
    return folder


def pinned_versions() -> dict[str, str]:
    """Return what the environment of FitLins is made of, package by package."""
    lines = FITLINS_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def contents(out: Path) -> dict[str, int]:
    """Count what a program wrote, and refuse a run that lacks group maps."""
    files = [path for path in out.rglob("*") if path.is_file()]
    maps = [path for path in files if path.name.endswith("_statmap.nii.gz")]
    group = [path for path in maps if "sub-" not in path.as_posix().removeprefix(out.as_posix())]
    if not group:
        raise SystemExit(f"{out.name} has {len(maps)} maps, but none of the group")
    return {"files": len(files), "maps": len(maps), "group_maps": len(group)}


def summarized(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what the samples of one program come to."""
    row: dict[str, Any] = {
        "seconds": spread([one["seconds"] for one in samples], digits=2),
        "peak_gb": round(max(one["peak_bytes"] for one in samples) / 1e9, 3),
        "together_gb": round(max(one["together_bytes"] for one in samples) / 1e9, 3),
        **{key: samples[-1][key] for key in ("files", "maps", "group_maps")},
    }
    if "levels" in samples[0]:
        best = min(samples, key=lambda one: one["seconds"])
        row["fastest_levels"] = [round(seconds, 2) for seconds in best["levels"]]
    return row


def last_fitlins(results: Path) -> list[dict[str, Any]]:
    """Return FitLins' entries of the existing result file."""
    path = results / "command.json"
    if not path.is_file():
        return []
    return json.loads(path.read_text(encoding="utf-8"))["fitlins"]


def measure(
    how: Settings, data: Path, threads: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Let ours run its rounds, and FitLins its own between them."""
    models = how.options.noise_models
    ours: dict[str, list[Sample]] = {noise: [] for noise in models}
    theirs: list[Sample] = []
    fitlins_rounds = 0 if how.options.skip_fitlins else how.options.fitlins_rounds
    for number in range(max(how.rounds, fitlins_rounds)):
        for noise in models if number < how.rounds else ():
            ours[noise].append(measure_ours(how, data, noise, threads))
        if number < fitlins_rounds:
            theirs.append(measure_fitlins(how, data, threads))
    rows = [{"noise": noise, "threads": threads, **summarized(ours[noise])} for noise in models]
    if not theirs:
        return rows, []
    pins = pinned_versions()
    described = {"date": today(), "machine": {**hardware(), **pins}, "version": pins["fitlins"]}
    return rows, [{"threads": threads, **summarized(theirs), **described}]


def main(arguments: list[str]) -> None:
    """Measure with each number of cores."""
    with settings(build_parser(), arguments) as how:
        plan = DatasetPlan(RunPlan())
        if how.tiny:
            plan = DatasetPlan(RunPlan(shape=(14, 16, 12), n_scans=60), n_runs=1)
        data = dataset_folder(how.cache, plan)
        rows, fitlins = [], []
        for threads in how.options.threads:
            own, other = measure(how, data, threads)
            rows += own
            fitlins += other
        if how.options.skip_fitlins:
            fitlins = last_fitlins(how.results)
        size = {"n_subjects": plan.n_subjects, "n_runs": plan.n_runs}
        write_result(how, "command", {**size, "rows": rows, "fitlins": fitlins})


if __name__ == "__main__":
    main(sys.argv[1:])
