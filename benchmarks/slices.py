"""Time a raw run whose slices have designs of their own against the same run with one design.

Timed: the participant level of the command with `--slice-times model` and without, from a raw
run (64 x 64 x 36 x 250, interleaved slices, 36 slice times) to maps and report: reading, mask,
designs, fit, three contrasts, writing. Every round is a fresh process and an empty output folder.

Not timed: the start of the interpreter, imports, making the data.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.glm import NOISE_MODELS
from data import REPETITION_TIME, RunPlan, kept, onsets, write_bold
from measure import (
    Settings,
    alternate,
    argument_parser,
    overhead,
    run_side,
    settings,
    summary,
    write_result,
)

PLAN = RunPlan(shape=(64, 64, 36), n_scans=250)
TINY = RunPlan(shape=(16, 16, 6), n_scans=60)
STEM = "sub-01_task-blocks"


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this benchmark."""
    parser = argument_parser(__doc__ or "", rounds=3)
    parser.add_argument(
        "--noise-models",
        nargs="+",
        default=["ols", "ar1", "auto"],
        choices=NOISE_MODELS,
    )
    return parser


def dataset(cache: Path, plan: RunPlan) -> Path:
    """Return a raw BIDS dataset of one run with two conditions."""

    def make(folder: Path) -> None:
        func = folder / "sub-01" / "func"
        func.mkdir(parents=True)
        description = {"Name": "slices", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
        (folder / "dataset_description.json").write_text(json.dumps(description))
        write_bold(func / f"{STEM}_bold.nii.gz", plan)
        n_slices = plan.shape[2]
        order = np.argsort([*range(0, n_slices, 2), *range(1, n_slices, 2)])
        times = (order * REPETITION_TIME / n_slices).round(4).tolist()
        sidecar = {"RepetitionTime": REPETITION_TIME, "SliceTiming": times}
        (func / f"{STEM}_bold.json").write_text(json.dumps(sidecar))
        lines = ["onset\tduration\ttrial_type"]
        lines += [
            f"{onset:.3f}\t1\t{'ab'[number % 2]}"
            for number, onset in enumerate(np.ravel(onsets(plan.n_scans)))
        ]
        (func / f"{STEM}_events.tsv").write_text("\n".join(lines) + "\n")

    return kept(cache / f"slices-{plan.label}", make)


def measure(how: Settings, noise: str) -> dict[str, Any]:
    """Let the two ways of modeling slices take turns."""
    plan = TINY if how.tiny else PLAN
    folder = str(dataset(how.cache, plan))
    samples = alternate(
        {
            name: partial(
                run_side, "slices_sides.py", "command", 1,
                dataset=folder, slice_times=name, noise=noise,
            )
            for name in ("reference", "model")
        },
        how.rounds,
    )  # fmt: skip
    return {
        "noise": noise,
        "shape": [*plan.shape, plan.n_scans],
        "reference": summary(samples["reference"]),
        "model": summary(samples["model"]),
        "ratio": overhead(samples["model"], samples["reference"]),
    }


def main(arguments: list[str]) -> None:
    """Measure every noise model."""
    with settings(build_parser(), arguments) as how:
        rows = [measure(how, noise) for noise in how.options.noise_models]
        write_result(how, "slices", {"rows": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
