"""Time group tests: permutations against nilearn's permuted_ols, and mixed effects.

Timed: from effects in memory to the family-wise error of every voxel by sign flips, one-sided,
once in each fresh process; and from effects and variances to t, p and z of a contrast by mixed
effects, which nilearn does not have. The programs take turns.

Not timed: the start of the interpreter, imports, making the data.

nilearn runs with n_jobs=1. Clusters and TFCE with many permutations take nilearn too long. Their
seconds are those of 100 permutations, scaled from the time of fewer (the row says how many)
minus that of one, for both programs; two-sided, with the six nearest neighbors.
"""

import sys
from functools import partial
from typing import Any

from measure import (
    Settings,
    alternate,
    argument_parser,
    ratio,
    run_side,
    settings,
    summary,
    write_result,
)

INPUTS, VOXELS, PERMUTATIONS = 20, 230_000, 1000
SHAPE = (97, 115, 97)


def measure_permutations(how: Settings) -> dict[str, Any]:
    """Let the two permutation tests take turns."""
    voxels, permutations = (3_000, 50) if how.tiny else (VOXELS, PERMUTATIONS)
    size = {"n_inputs": INPUTS, "n_voxels": voxels, "n_permutations": permutations}
    samples = alternate(
        {
            name: partial(run_side, "group_sides.py", f"{name} permutations", 1, **size)
            for name in ("ours", "nilearn")
        },
        how.rounds,
    )
    return {
        "job": f"{permutations:,} sign flips, {INPUTS} participants, {voxels:,} voxels",
        "ours": summary(samples["ours"]),
        "nilearn": summary(samples["nilearn"]),
        "ratio": ratio(samples["nilearn"], samples["ours"]),
        "quantiles": [samples[name][0]["quantile"] for name in ("ours", "nilearn")],
    }


def measure_maps(how: Settings, *, tfce: bool) -> dict[str, Any]:
    """Let whole maps of permutations take turns: fewer of nilearn's, scaled to 100."""
    shape = (20, 22, 20) if how.tiny else SHAPE
    counts = {"ours": 41, "nilearn": 4 if tfce else 11}
    samples = alternate(
        {
            name: partial(
                run_side, "group_sides.py", f"{name} maps", 1,
                n_inputs=INPUTS, shape=shape, n_permutations=count, tfce=tfce,
            )
            for name, count in counts.items()
        },
        how.rounds,
    )  # fmt: skip
    what = "TFCE" if tfce else "clusters"
    return {
        "job": f"{what}: 100 sign flips, {samples['ours'][0]['n_voxels']:,} voxels (scaled from "
        f"{counts['ours'] - 1} in boldglm, {counts['nilearn'] - 1} in nilearn)",
        "ours": summary(samples["ours"]),
        "nilearn": summary(samples["nilearn"]),
        "ratio": ratio(samples["nilearn"], samples["ours"]),
        "largest": [samples[name][0]["largest"] for name in ("ours", "nilearn")],
    }


def measure_mixed(how: Settings, columns: int) -> dict[str, Any]:
    """Time mixed effects with a design of some columns."""
    voxels = 3_000 if how.tiny else VOXELS
    size = {"n_inputs": INPUTS, "n_voxels": voxels, "n_columns": columns}
    side = partial(run_side, "group_sides.py", "ours mixed", 1, **size)
    samples = alternate({"ours": side}, how.rounds)
    named = "a constant" if columns == 1 else f"{columns} columns"
    return {
        "job": f"mixed effects, {INPUTS} participants, {voxels:,} voxels, {named}",
        "ours": summary(samples["ours"]),
    }


def main(arguments: list[str]) -> None:
    """Measure all jobs."""
    with settings(argument_parser(__doc__ or "", rounds=2), arguments) as how:
        rows = [
            measure_permutations(how),
            measure_maps(how, tfce=False),
            measure_maps(how, tfce=True),
            measure_mixed(how, 1),
            measure_mixed(how, 3),
        ]
        write_result(how, "group", {"rows": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
