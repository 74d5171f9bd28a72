"""False positive rates in runs of very few voxels, as of regions, on data without any effect.

`auto` shares autocorrelations between voxels; here are few that could share. Each run has its own
design and noise, and several block and event contrasts. Rates are of two-sided tests at .05, with
standard errors from the scatter between runs.

The rate of a test is computed, not counted. The effect of generalized least squares with the true
covariance is independent of the residuals, which alone decide the standard error, the degrees of
freedom, and the difference from the effect of the model that is tested. Given these, the effect is
normal with a known variance.

    python benchmarks/few_voxels.py             prints a table; 10 runs a cell, in minutes
    python benchmarks/few_voxels.py --runs 60   more runs
    python benchmarks/few_voxels.py --seed 5    other designs and noise
"""

import argparse
import os
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy.linalg import toeplitz
from scipy.stats import norm
from scipy.stats import t as t_distribution
from threadpoolctl import threadpool_limits

from boldglm.glm import build_design, fit
from boldglm.glm.noise.ar_process import simulate

SEED = 20261127
LEVEL = 0.05
REPETITION_TIME = 2.0
RUNS = 10
COUNTS = (1, 2, 5, 20)  # voxels
MODELS = ("auto", "ar1", "ar4")
# volumes: (regressors, blocks of each condition, types of events)
LENGTHS = {200: (30, (16, 14, 12, 10, 9, 8), 8), 120: (14, (10, 8, 6, 5), 6)}

Cell = tuple[int, str, int]  # volumes, noise, voxels


# --- noise, by its autocorrelations


def first_order(coefficient, lags):
    """Return the autocorrelations of AR(1) noise."""
    return coefficient**lags


def with_white(share, lags):
    """Return those of AR(1) .85 with this share of the variance, and white noise."""
    return share * 0.85**lags + (1 - share) * (lags == 0)


def oscillating(lags):
    """Return those of AR(2) noise with a period of about six volumes."""
    found = [1.0, 0.5 / 1.3]
    for _ in lags[2:]:
        found.append(0.5 * found[-1] - 0.3 * found[-2])
    return np.array(found)


NOISES = {
    "AR(1) .4": lambda lags, _: first_order(0.4, lags),
    "AR(1) 0 to .6": lambda lags, rng: first_order(rng.uniform(0, 0.6), lags),
    "AR(1) + white, all proportions": lambda lags, rng: with_white(rng.uniform(0, 1), lags),
    "oscillating AR(2)": lambda lags, _: oscillating(lags),
}


# --- designs and tests


def null_design(n_scans, rng):
    """Return a design whose blocks have frequencies of their own, and columns of contrasts."""
    n_regressors, blocks, n_types = LENGTHS[n_scans]
    duration = n_scans * REPETITION_TIME
    events = []
    for n_blocks in blocks:
        half = duration / n_blocks / 2
        onsets = np.arange(n_blocks) * 2 * half + rng.uniform(0, half)
        events += [(onset, half, f"block{n_blocks}") for onset in onsets]
    for kind in range(n_types):
        onsets = rng.uniform(0, duration - 2, int(duration / 20))
        events += [(onset, 0.0, f"event{kind}") for onset in onsets]
    columns = zip(*sorted(events), strict=True)
    table = dict(zip(("onset", "duration", "trial_type"), map(list, columns), strict=True))
    times = np.arange(n_scans) * REPETITION_TIME
    design = build_design(table, times, hrf_model="spm", high_pass=128.0)
    more = simulate(np.full((1, n_regressors - len(design.names)), 0.5), n_scans, rng)
    X = np.column_stack([design.matrix, more])
    chosen = {
        kind: [i for i, name in enumerate(design.names) if name.startswith(kind)]
        for kind in ("block", "event")
    }
    return X / np.linalg.norm(X, axis=0), chosen


def rates_of_run(cell: Cell, seed: list[int]) -> dict[tuple[str, str], float]:
    """Return the rate of a run's tests, by model and kind of contrast."""
    n_scans, noise, n_voxels = cell
    rng = np.random.default_rng(seed)
    X, chosen = null_design(n_scans, rng)
    lags = np.arange(n_scans)
    bold = np.empty((n_scans, n_voxels))
    best, spread = np.empty((2, X.shape[1], n_voxels))  # true generalized least squares
    for voxel in range(n_voxels):
        root = np.linalg.cholesky(toeplitz(NOISES[noise](lags, rng)))
        bold[:, voxel] = root @ rng.standard_normal(n_scans)
        white = np.linalg.solve(root, np.column_stack([X, bold[:, voxel]]))
        inverse = np.linalg.inv(white[:, :-1].T @ white[:, :-1])
        best[:, voxel] = inverse @ white[:, :-1].T @ white[:, -1]
        spread[:, voxel] = np.sqrt(np.diag(inverse))
    found = {}
    for model in MODELS:
        fitted = fit(bold, X, noise=model)
        for contrast, columns in chosen.items():
            rates = []
            for column in columns:
                tested = fitted.contrast(np.eye(X.shape[1])[column])
                critical = t_distribution.isf(LEVEL / 2, tested.dof) * np.sqrt(tested.variance)
                shift, scale = tested.effect - best[column], spread[column]
                rates += [norm.sf((critical - shift) / scale), norm.sf((critical + shift) / scale)]
            found[model, contrast] = 2 * float(np.mean(rates))
    return found


def rates_of_cells(number: int, seed: int) -> dict[Cell, dict[tuple[str, str], float]]:
    """Return the rates of one run of each cell."""
    with threadpool_limits(1):
        cells = [(n, noise, count) for n in LENGTHS for noise in NOISES for count in COUNTS]
        return {cell: rates_of_run(cell, [seed, number, i]) for i, cell in enumerate(cells)}


# --- the table


def table(found: dict[Cell, dict[tuple[str, str], list[float]]]) -> list[str]:
    """Return rows for lengths, numbers of voxels, each noise, and all noise together."""
    rows = ["| volumes | voxels | noise | contrast | " + " | ".join(MODELS) + " |"]
    rows.append("|---" * (4 + len(MODELS)) + "|")
    for n_scans in LENGTHS:
        for count in COUNTS:
            for noise in (*NOISES, "all"):
                for contrast in ("block", "event"):
                    chosen = NOISES if noise == "all" else (noise,)
                    cells = [found[n_scans, name, count] for name in chosen]
                    values = " | ".join(
                        mean_and_error([rates[model, contrast] for rates in cells])
                        for model in MODELS
                    )
                    rows.append(f"| {n_scans} | {count} | {noise} | {contrast} | {values} |")
    return rows


def mean_and_error(rates: list[list[float]]) -> str:
    """Write the mean over cells and runs, and its standard error."""
    means = [np.mean(own) for own in rates]
    errors = [np.std(own, ddof=1) / np.sqrt(len(own)) for own in rates]
    return f"{np.mean(means):.3f} ({np.sqrt(np.sum(np.square(errors))) / len(rates):.3f})"


def main() -> None:
    """Compute, and print the table after every tenth run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    found = defaultdict(lambda: defaultdict(list))
    with ProcessPoolExecutor(chosen.processes) as pool:
        seeds = [chosen.seed] * chosen.runs
        for number, cells in enumerate(pool.map(rates_of_cells, range(chosen.runs), seeds)):
            print(f"run {number + 1} of {chosen.runs}", file=sys.stderr, flush=True)
            for cell, rates in cells.items():
                for key, rate in rates.items():
                    found[cell][key].append(rate)
            if (number + 1) % 10 == 0 or number + 1 == chosen.runs:
                print(f"{number + 1} runs of each cell", *table(found), sep="\n", flush=True)


if __name__ == "__main__":
    main()
