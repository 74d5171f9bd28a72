"""Measure the group level by number of participants, against nilearn's SecondLevelModel.

Timed: from compressed maps of the participants on disk to compressed group maps of one contrast
on disk (effect, variance, t, z, p), once in each fresh process, one thread. boldglm also
reads the masks and mean images of all participants, and writes q values and the table of clusters.
nilearn is given the mask. The programs take turns.

Not timed: the start of the interpreter, imports, making the data.

nilearn is left out where it would need more than `--most-gb`, from the memory that it took before.
At the end, the largest number of participants with three contrasts: least squares, with 1000
permutations and with TFCE, and mixed effects, which nilearn does not have.
"""

import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

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

COUNTS = (10, 30, 100, 300, 1000)
SHAPE, TINY_SHAPE = (97, 115, 97), (16, 18, 16)
PERMUTATIONS = 1000
SEED = 11
SCRIPT = "participants_sides.py"


def write_inputs(folder: Path, n_inputs: int, shape: tuple[int, int, int]) -> int:
    """Write maps of effects and variances of participants, and return the voxels in their mask."""
    import nibabel as nib

    sides = np.array(shape)
    places = np.moveaxis(np.indices(shape), 0, -1) - (sides - 1) / 2
    inside = ((places / (0.37 * sides)) ** 2).sum(axis=-1) < 1
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), np.eye(4)), folder / "mask.nii.gz")
    nib.save(nib.Nifti1Image(np.float32(1000) * inside, np.eye(4)), folder / "mean.nii.gz")
    size = int(inside.sum())
    for number in range(n_inputs):
        last = folder / f"mean-{number}.nii.gz"
        if last.exists():
            continue
        rng = np.random.default_rng([SEED, number])
        variance = rng.chisquare(30, size) / 30
        effect = rng.standard_normal(size) * np.sqrt(variance + 0.5) + 0.1
        for name, values in (("effect", effect), ("variance", variance)):
            volume = np.zeros(shape, dtype=np.float32)
            volume[inside] = values
            path = folder / f"{name}-{number}.nii.gz"
            nib.save(nib.Nifti1Image(volume, np.eye(4)), path)
        shutil.copyfile(folder / "mask.nii.gz", folder / f"mask-{number}.nii.gz")
        shutil.copyfile(folder / "mean.nii.gz", last)
    return int(inside.sum())


def measure_counts(
    how: Settings, folder: Path, counts: tuple[int, ...], n_voxels: int
) -> list[dict[str, Any]]:
    """Let the two programs take turns for each number of participants."""
    rows, gb_of_nilearn = [], 0.0
    for n_inputs in counts:
        jobs = {"ours": partial(_side, "ours", folder, n_inputs)}
        if gb_of_nilearn * n_inputs / counts[max(len(rows) - 1, 0)] <= how.options.most_gb:
            jobs["nilearn"] = partial(_side, "nilearn", folder, n_inputs)
        samples = alternate(jobs, how.rounds)
        row: dict[str, Any] = {"n_inputs": n_inputs, "n_voxels": n_voxels}
        row["ours"] = summary(samples["ours"])
        if "nilearn" in samples:
            row["nilearn"] = summary(samples["nilearn"])
            row["ratio"] = ratio(samples["nilearn"], samples["ours"])
            row["largest"] = [samples[name][0]["largest"] for name in ("ours", "nilearn")]
            gb_of_nilearn = row["nilearn"]["peak_gb"]
        rows.append(row)
    return rows


def measure_largest(
    folder: Path, n_inputs: int, n_voxels: int, permutations: int
) -> list[dict[str, Any]]:
    """Time three contrasts with permutations, and by mixed effects."""
    fewer = permutations // 10
    jobs = {
        "least squares, no permutations": {},
        f"least squares, {permutations:,} permutations, with clusters": {
            "n_permutations": permutations
        },
        f"least squares, {fewer:,} permutations, with clusters and TFCE": {
            "n_permutations": fewer,
            "tfce": True,
        },
        "mixed effects, no permutations": {"method": "mixed"},
    }
    rows = []
    for job, options in jobs.items():
        sample = _side("ours", folder, n_inputs, n_contrasts=3, **options)
        print(f"{job:<60} {sample['seconds']:8.1f} s", flush=True)
        rows.append({"job": f"{n_inputs:,} participants, {n_voxels:,} voxels, 3 contrasts: {job}",
                     "ours": summary([sample])})  # fmt: skip
    return rows


def _side(side: str, folder: Path, n_inputs: int, **options: Any) -> Sample:
    return run_side(SCRIPT, side, 1, folder=str(folder), n_inputs=n_inputs, **options)


def main(arguments: list[str]) -> None:
    """Measure all numbers of participants."""
    parser = argument_parser(__doc__ or "", rounds=1)
    parser.add_argument(
        "--participants", type=int, nargs="+", default=list(COUNTS), metavar="N",
        help=f"(default: {' '.join(map(str, COUNTS))})",
    )  # fmt: skip
    parser.add_argument(
        "--most-gb", type=float, default=4.0, help="memory that nilearn may take (default: 4)"
    )
    parser.add_argument("--remark", default="", help="sentence for the page, such as on the load")
    with settings(parser, arguments) as how:
        counts = (4, 8) if how.tiny else tuple(how.options.participants)
        shape = TINY_SHAPE if how.tiny else SHAPE
        folder = how.cache / f"participants-{'x'.join(map(str, shape))}"
        n_voxels = write_inputs(folder, max(counts), shape)
        content = {
            "rows": measure_counts(how, folder, counts, n_voxels),
            "largest": measure_largest(
                folder, max(counts), n_voxels, 20 if how.tiny else PERMUTATIONS
            ),
            "most_gb": how.options.most_gb,
            "remark": how.options.remark,
        }
        write_result(how, "participants", content)


if __name__ == "__main__":
    main(sys.argv[1:])
