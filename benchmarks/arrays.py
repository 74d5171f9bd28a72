"""Time a fit of an array in memory and four contrasts of it, against nilearn's run_glm.

Timed: from the array to effect, variance, t, p and z of four t contrasts, once in each fresh
process. The programs take turns. boldglm starts from float32, as its reader stores a run, and
its conversion is timed. nilearn starts from float64.

Not timed: the start of the interpreter, imports, reading the array, building the design.

nilearn runs with its default n_jobs=1, boldglm with as many threads as cores. Both have the same
number of cores and of threads for linear algebra. Peak memory is that of the whole process with
its copy of the input.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.glm import NOISE_MODELS
from data import array_file
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

SCANS = (200, 600)
VOXELS, REGRESSORS = 230_000, 30
RIVALS = {"ols": "ols", "nilearn-ar1": "ar1"}  # of ours to nilearn's; ar1 for all others
SAME_MODEL = tuple(RIVALS)  # for these the statistics must agree, for others they only resemble


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this benchmark."""
    parser = argument_parser(__doc__ or "", rounds=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--scans", type=int, nargs="+", default=list(SCANS))
    parser.add_argument(
        "--noise-models", nargs="+", default=list(NOISE_MODELS), choices=NOISE_MODELS
    )
    return parser


def measure(how: Settings, n_scans: int, threads: int) -> list[dict[str, Any]]:
    """Let all noise models of ours and those of nilearn they are compared with take turns."""
    models = how.options.noise_models
    n_voxels, n_regressors = (2_000, 12) if how.tiny else (VOXELS, REGRESSORS)
    file = array_file(how.cache, n_scans, n_voxels)
    outputs = {f"ours {noise}": how.cache / f"t-ours-{noise}.npy" for noise in models}
    rivals = dict.fromkeys(RIVALS.get(noise, "ar1") for noise in models)
    outputs |= {f"nilearn {noise}": how.cache / f"t-nilearn-{noise}.npy" for noise in rivals}

    def side(name: str) -> Sample:
        program, noise = name.split(" ")
        return run_side(
            "array_sides.py",
            program,
            threads,
            file=str(file),
            n_regressors=n_regressors,
            noise=noise,
            statistics_file=str(outputs[name]),
        )

    samples = alternate({name: partial(side, name) for name in outputs}, how.rounds)
    size = {"n_scans": n_scans, "n_voxels": n_voxels, "n_regressors": n_regressors}
    return [{**size, "threads": threads, **compared(noise, samples, outputs)} for noise in models]


def compared(
    noise: str, samples: dict[str, list[Sample]], outputs: dict[str, Path]
) -> dict[str, Any]:
    """Compare one noise model of ours with nilearn's: time, memory, t values."""
    rival = RIVALS.get(noise, "ar1")
    ours, theirs = samples[f"ours {noise}"], samples[f"nilearn {rival}"]
    t_ours, t_theirs = np.load(outputs[f"ours {noise}"]), np.load(outputs[f"nilearn {rival}"])
    difference = np.abs(t_ours - t_theirs)
    return {
        "noise": noise,
        "rival": rival,
        "ours": summary(ours),
        "nilearn": summary(theirs),
        "ratio": ratio(theirs, ours),
        "same_model": noise in SAME_MODEL,
        "largest_t_difference": float(f"{difference.max():.2g}"),
        "median_t_difference": float(f"{np.median(difference):.2g}"),
    }


def main(arguments: list[str]) -> None:
    """Measure every length with every number of threads."""
    with settings(build_parser(), arguments) as how:
        rows = []
        for n_scans in how.options.scans:
            for threads in how.options.threads:
                print(f"{n_scans} scans, {threads} thread(s)", flush=True)
                rows += measure(how, n_scans, threads)
        write_result(how, "arrays", {"rows": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
