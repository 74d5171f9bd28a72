"""Time one compressed run, from its files to twenty maps on disk, against nilearn and a floor.

Timed: read and decompress a series (97 x 115 x 97 x 200, int16 .nii.gz), fit a given design of
28 columns in a mask of 230,000 voxels, and write effect, variance, t, p and z of four contrasts.
boldglm uses the interfaces of its command, nilearn a script with FirstLevelModel. The floor does
what no program can avoid (isal, selection of voxels, one matrix product, isal) with ordinary
least squares. Seconds are given with and without imports.

Not timed: building the design, reports, and copying the maps into a BIDS tree (`command.py`
times them).

Files are in the page cache. The head, 37 % of the grid, has signal and noise. Outside it all
values are 0, which decompresses faster than the noise that `--background` puts there. nilearn
smooths the whole volume, boldglm within the mask, so smoothed t values differ near its edge.
Peak memory is that of the process; rows for longer runs show how it grows.
"""

import argparse
import shutil
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import nibabel as nib
import numpy as np

from boldglm.glm import NOISE_MODELS
from data import RunPlan, run_folder
from measure import (
    Sample,
    Settings,
    alternate,
    argument_parser,
    overhead,
    ratio,
    run_side,
    settings,
    summary,
    write_result,
)

FWHM = 5.0  # mm
SIDES = {
    # of ours: noise model, smoothing
    "ols": ("ols", None),
    "ar1": ("ar1", None),
    "auto": ("auto", None),
    "ols, 5 mm": ("ols", FWHM),
    "auto, 5 mm": ("auto", FWHM),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this benchmark."""
    parser = argument_parser(__doc__ or "", rounds=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    known = [name for name, (noise, _) in SIDES.items() if noise in NOISE_MODELS]
    parser.add_argument("--jobs", nargs="+", default=known, choices=known)
    parser.add_argument(
        "--memory-scans", type=int, nargs="*", default=[200, 600, 1200], help="lengths of runs"
    )
    parser.add_argument("--background", action="store_true", help="noise in the air")
    return parser


def side(
    how: Settings, plan: RunPlan, threads: int, program: str, job: tuple[str, float | None]
) -> Sample:
    """Run one side once, look at its t maps, and remove what it wrote."""
    out = how.cache / "out"
    out.mkdir()
    arguments: dict[str, Any] = {"folder": str(run_folder(how.cache, plan)), "out": str(out)}
    if program != "floor":
        arguments |= {"noise": job[0], "smoothing": job[1]}
    if program == "ours":
        arguments["n_threads"] = threads
    try:
        sample = run_side("run_sides.py", program, threads, **arguments)
        written = len(list(out.glob("*_statmap.nii.gz")))
        if written < 20:
            raise SystemExit(f"{program} wrote {written} maps of 20")
        t_maps = [_values(path) for path in sample.pop("t_files")]
        sample["with_imports"] = sample["seconds"] + sample["parts"]["import"]
        return {**sample, "t": np.stack(t_maps)}
    finally:
        shutil.rmtree(out)


def _values(path: str) -> np.ndarray:
    image: Any = nib.load(path)
    return np.asarray(image.dataobj)


def rival_of(job: tuple[str, float | None]) -> str:
    """Return nilearn's side of a job: least squares for ols, its AR(1) for everything else."""
    noise, smoothing = job
    return f"nilearn {'ols' if noise == 'ols' else 'ar1'}" + (", 5 mm" if smoothing else "")


def measure(how: Settings, plan: RunPlan, threads: int) -> list[dict[str, Any]]:
    """Let the floor, our jobs and nilearn's take turns."""
    jobs = {name: SIDES[name] for name in how.options.jobs}
    sides = {"floor": partial(side, how, plan, threads, "floor", ("ols", None))}
    for name, job in jobs.items():
        sides[f"ours {name}"] = partial(side, how, plan, threads, "ours", job)
        rival = ("ols" if job[0] == "ols" else "ar1", job[1])
        sides.setdefault(rival_of(job), partial(side, how, plan, threads, "nilearn", rival))
    samples = alternate(sides, how.rounds)
    rows = [{"job": "floor", "threads": threads, "floor": timed(samples["floor"])}]
    for name, job in jobs.items():
        ours, theirs = samples[f"ours {name}"], samples[rival_of(job)]
        row = {"job": name, "threads": threads, "ours": timed(ours), "nilearn": timed(theirs)}
        row["rival"] = rival_of(job)
        row["ratio"] = ratio(theirs, ours)
        row["ratio_with_imports"] = ratio(theirs, ours, "with_imports")
        row["largest_t_difference"] = largest_difference(ours, theirs)
        if job[1] is None:
            row["to_floor"] = overhead(ours, samples["floor"])
        if name == "ols":
            row["largest_t_difference_to_floor"] = largest_difference(ours, samples["floor"])
        rows.append(row)
    return rows


def timed(samples: list[Sample]) -> dict[str, Any]:
    """Return the summary of a side, imports apart."""
    medians = summary(samples)
    including = sorted(one["with_imports"] for one in samples)[len(samples) // 2]
    return {**medians, "with_imports": round(including, 4)}


def largest_difference(some: list[Sample], others: list[Sample]) -> float:
    """Return the largest difference of two sides' t maps."""
    return float(f"{np.abs(some[-1]['t'] - others[-1]['t']).max():.2g}")


def memory(how: Settings, plan: RunPlan) -> list[dict[str, Any]]:
    """Return time and peak memory of ours for runs of several lengths."""
    rows = []
    for n_scans in how.options.memory_scans:
        for name in [job for job in how.options.jobs if SIDES[job][1] is None]:
            longer = replace(plan, n_scans=n_scans)
            sample = side(how, longer, 1, "ours", SIDES[name])
            compressed = (run_folder(how.cache, longer) / "bold.nii.gz").stat().st_size
            rows.append(
                {
                    "n_scans": n_scans,
                    "job": name,
                    "seconds": round(sample["seconds"], 3),
                    "peak_gb": round(sample["peak_bytes"] / 1e9, 3),
                    "file_gb": round(compressed / 1e9, 3),
                    "series_gb": round(int(np.prod(plan.shape)) * n_scans * 2 / 1e9, 3),
                }
            )
            print(f"{n_scans} volumes, {name}: {rows[-1]['peak_gb']} GB", flush=True)
    return rows


def main(arguments: list[str]) -> None:
    """Measure one run with each number of threads, then the memory of longer ones."""
    with settings(build_parser(), arguments) as how:
        plan = RunPlan(background=how.options.background)
        if how.tiny:
            plan = replace(plan, shape=(14, 16, 12), n_scans=60)
        rows = [row for threads in how.options.threads for row in measure(how, plan, threads)]
        content = {"shape": plan.shape, "n_scans": plan.n_scans, "background": plan.background}
        content |= {"rows": rows, "memory": memory(how, plan)}
        write_result(how, "run-background" if plan.background else "run", content)


if __name__ == "__main__":
    main(sys.argv[1:])
