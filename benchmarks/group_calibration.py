"""False positive rates above the run on data without any effect, for boldglm and nilearn.

Voxelwise rates are of two-sided tests at .05 and .001 over voxels of independent noise, with
variances of the inputs that are estimated and differ. Family-wise error is the share of null
datasets, small smooth volumes, in which a permutation test finds anything at .05.

    python benchmarks/group_calibration.py           quick, in minutes; writes
                                                     results/group_calibration.json and
                                                     docs/group_calibration.md
    python benchmarks/group_calibration.py --full    2000 null datasets of each permutation cell,
                                                     in hours
    python benchmarks/group_calibration.py --page    the page from the stored results
    python benchmarks/group_calibration.py --seed 5  other noise, printed only
    python benchmarks/group_calibration.py --renew "two samples"
                                                     cells of these studies; others stay as stored

The seeds of the table were not used while the tests were developed.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.stats import t as t_distribution
from threadpoolctl import threadpool_limits

from boldglm.glm import fit_second_level, grid_neighbors, permute_contrast
from boldglm.glm.second_level.error_models import TooFewInputsError

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "group_calibration.json"
PAGE = HERE.parent / "docs" / "group_calibration.md"
SEED = 20261128
LEVELS = (0.05, 0.001)
COUNTS = (5, 8, 12, 20, 40)  # participants
COUNTS_OF_MAPS = (8, 20)
DOF = 40.0  # of the variances of the inputs
SPREAD = 0.5  # standard deviation of the logarithm of the variances of the inputs
SHAPE, SMOOTHING, CLUSTER_P = (8, 8, 8), 1.0, 0.01


@dataclass(frozen=True)
class Study:
    """The design of a group test, its contrast, and its noise."""

    design: np.ndarray  # (n_inputs, n_columns)
    contrast: np.ndarray  # (n_columns,)
    scale: np.ndarray  # standard deviation of the errors of each input
    groups: np.ndarray | None = None
    blocks: np.ndarray | None = None  # participant of each input
    within: np.ndarray | None = None  # slopes differ between participants over this variable

    @property
    def errors(self) -> dict[str, Any]:
        """What the app tells the fit about the errors of these inputs."""
        given = {"variance_groups": self.groups, "blocks": self.blocks}
        return {name: labels for name, labels in given.items() if labels is not None}


def one_sample(n: int) -> Study:
    """Return the mean of participants."""
    return Study(np.ones((n, 1)), np.ones(1), np.ones(n))


def two_samples(n: int, share: float = 0.5, ratio: float = 1.0) -> Study:
    """Return the difference of two groups, of which the first has a share and more variance."""
    first = np.arange(n) < max(2, round(share * n))
    design = np.column_stack([first, ~first]).astype(float)
    return Study(design, np.array([1.0, -1.0]), np.where(first, ratio, 1.0), first)


def unequal(n: int) -> Study:
    """Return a quarter of the participants with twice the standard deviation, and the others."""
    return two_samples(n, 0.25, 2.0)


def covariate(n: int) -> Study:
    """Return the slope over a skewed covariate."""
    values = np.exp(np.linspace(-1.5, 1.5, n))
    return Study(np.column_stack([np.ones(n), values - values.mean()]), np.eye(2)[1], np.ones(n))


def paired(n: int) -> Study:
    """Return the difference of two conditions of each participant."""
    condition = np.tile([-0.5, 0.5], n)
    design = np.column_stack([np.ones(2 * n), condition])
    return Study(design, np.eye(2)[1], np.ones(2 * n), blocks=np.repeat(np.arange(n), 2))


def longitudinal(n: int) -> Study:
    """Return the slope over three sessions of each participant, at times of their own."""
    jitter = np.linspace(-0.2, 0.2, n)[:, np.newaxis] * [1, 0, -1]
    when = (np.array([-1.0, 0.0, 1.0]) + jitter).ravel()
    design = np.column_stack([np.ones(3 * n), when])
    blocks = np.repeat(np.arange(n), 3)
    return Study(design, np.eye(2)[1], np.ones(3 * n), blocks=blocks, within=when)


STUDIES = {
    "one sample": one_sample,
    "two samples": two_samples,
    "two samples, unequal": unequal,
    "covariate": covariate,
    "paired": paired,
    "longitudinal": longitudinal,
}
NOTES = {
    "one sample": "the mean",
    "two samples": "the difference of two halves",
    "two samples, unequal": "a quarter with twice the standard deviation against the others",
    "covariate": "the slope over a skewed covariate",
    "paired": "two conditions of each participant, whose intercepts vary",
    "longitudinal": "the slope over three sessions; intercepts and slopes of participants vary",
}


def noise(study: Study, n_voxels: int, rng: np.random.Generator) -> np.ndarray:
    """Return errors between inputs and between participants, (n_inputs, n_voxels)."""
    n_inputs = len(study.design)
    y = study.scale[:, np.newaxis] * rng.standard_normal((n_inputs, n_voxels))
    if study.blocks is not None:
        n_blocks = study.blocks.max() + 1
        y += rng.standard_normal((n_blocks, n_voxels))[study.blocks]
        if study.within is not None:
            slopes = rng.standard_normal((n_blocks, n_voxels))[study.blocks]
            y += study.within[:, np.newaxis] * slopes
    return y


def with_variances(y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Add errors of inputs with log-normal variances, and return their estimates, too."""
    true = np.exp(SPREAD * rng.standard_normal(y.shape))
    return y + np.sqrt(true) * rng.standard_normal(y.shape), true * rng.chisquare(
        DOF, y.shape
    ) / DOF


# --- voxelwise rates


def voxelwise(name: str, n: int, method: str, n_voxels: int, seed: list[int]) -> dict[str, Any]:
    """Return the rates of one cell."""
    study, rng = STUDIES[name](n), np.random.default_rng(seed)
    y, v = with_variances(noise(study, n_voxels, rng), rng)
    if method == "nilearn":
        t, dof = nilearn_t(study, y)
    else:
        fit = fit_second_level(
            y, study.design, method=method, variances=v, dofs=np.full(len(y), DOF), **study.errors
        )
        tested = fit.contrast(study.contrast)
        t, dof = tested.t, tested.dof
    p = 2 * t_distribution.sf(np.abs(t), dof)
    rates = [float((p < level).mean()) for level in LEVELS]
    return {"study": name, "n": n, "method": method, "rates": rates, "size": n_voxels}


def nilearn_t(study: Study, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return t of `SecondLevelModel`, with columns for participants with several inputs."""
    from nilearn.glm import compute_contrast
    from nilearn.glm.first_level import run_glm

    X, contrast = study.design, study.contrast
    if study.blocks is not None:
        members = (study.blocks[:, np.newaxis] == np.arange(study.blocks.max() + 1)).astype(float)
        X = np.column_stack([study.design[:, 1], members])
        contrast = np.eye(X.shape[1])[0]
    labels, results = run_glm(y, X, noise_model="ols")
    found = compute_contrast(labels, results, contrast, stat_type="t")
    return found.stat(), float(np.asarray(found.dof).ravel()[0])


# --- family-wise error


def family_wise(
    name: str, n: int, method: str, sizes: tuple[int, int], seed: list[int]
) -> dict[str, Any]:
    """Return the share of null datasets in which each permutation test finds something."""
    study, rng = STUDIES[name](n), np.random.default_rng(seed)
    n_datasets, n_permutations = sizes
    neighbors = grid_neighbors(np.ones(SHAPE, dtype=bool))
    hits: dict[str, int] = {}
    for _ in range(n_datasets):
        y = smooth(noise(study, int(np.prod(SHAPE)), rng))
        y, v = with_variances(y, rng) if method == "mixed" else (y, None)
        if method == "nilearn":
            found = {"voxel": nilearn_p(study, y, n_permutations, rng)}
        else:
            known = {} if v is None else {"variances": v, "dofs": np.full(len(y), DOF)}
            fit = fit_second_level(y, study.design, method=method, **known, **study.errors)
            is_ols = method == "ols"
            test = permute_contrast(
                fit, study.contrast, n_permutations, rng, two_sided=True,
                neighbors=neighbors if is_ols else None, cluster_p=CLUSTER_P if is_ols else None,
                tfce=is_ols,
            )  # fmt: skip
            found = {"voxel": test.p_max.min()}
            if is_ols:
                found |= {"extent": test.p_extent.min(), "mass": test.p_mass.min(),
                          "TFCE": test.p_tfce.min()}  # fmt: skip
        for statistic, p in found.items():
            hits[statistic] = hits.get(statistic, 0) + int(p <= LEVELS[0])
    rates = {statistic: count / n_datasets for statistic, count in hits.items()}
    return {"study": name, "n": n, "method": method, "fwe": rates, "size": n_datasets,
            "permutations": n_permutations}  # fmt: skip


def smooth(rows: np.ndarray) -> np.ndarray:
    """Smooth the volumes of all inputs, and keep their standard deviation."""
    volumes = rows.reshape(-1, *SHAPE)
    smoothed = ndimage.gaussian_filter(volumes, [0, *[SMOOTHING] * 3], mode="wrap")
    impulse = np.zeros(SHAPE)
    impulse[0, 0, 0] = 1
    kernel = ndimage.gaussian_filter(impulse, SMOOTHING, mode="wrap")
    return (smoothed / np.linalg.norm(kernel)).reshape(len(rows), -1)


def nilearn_p(study: Study, y: np.ndarray, n_permutations: int, rng: np.random.Generator) -> float:
    """Return the smallest p of `permuted_ols` with the largest t of each permutation."""
    from nilearn.mass_univariate import permuted_ols

    tested = study.design @ study.contrast
    confounds = None if study.design.shape[1] == 1 else np.ones((len(y), 1))
    found = permuted_ols(
        tested[:, np.newaxis], y, confounds, model_intercept=False, n_perm=n_permutations - 1,
        random_state=int(rng.integers(2**31)), n_jobs=1, output_type="dict",
    )  # fmt: skip
    return float(10.0 ** -found["logp_max_t"].max())


# --- the table


def cells(full: bool, seed: int) -> list[tuple[Any, ...]]:
    """Return the calls of all cells: function and arguments."""
    # of 60 permutations, exactly 3 have p of at most .05: more would not change the error
    n_voxels, sizes = (400_000, (2000, 60)) if full else (40_000, (100, 60))
    calls: list[tuple[Any, ...]] = []
    for number, name in enumerate(STUDIES):
        methods = ["ols", "nilearn"] if name in ("paired", "longitudinal") else [
            "ols", "mixed", "nilearn"
        ]  # fmt: skip
        for n in COUNTS:
            calls += [
                (voxelwise, name, n, method, n_voxels, [seed, number, n]) for method in methods
            ]
        for n in COUNTS_OF_MAPS:
            calls.append((family_wise, name, n, "ols", sizes, [seed, number, n, 1]))
            if name in ("one sample", "two samples", "two samples, unequal", "covariate"):
                calls.append((family_wise, name, n, "nilearn", sizes, [seed, number, n, 1]))
    calls += [
        (family_wise, name, n, "mixed", sizes, [seed, number, n, 2])
        for number, name in enumerate(STUDIES)
        if name in ("one sample", "two samples", "two samples, unequal")
        for n in COUNTS_OF_MAPS
    ]
    return calls


def measure(call: tuple[Any, ...]) -> dict[str, Any]:
    """Do the call of a cell on one thread."""
    function, *arguments = call
    with threadpool_limits(1):
        try:
            found: dict[str, Any] = function(*arguments)
        except TooFewInputsError as error:
            found = {"study": arguments[0], "n": arguments[1], "method": arguments[2],
                     "refused": str(error)}  # fmt: skip
    print(found, flush=True)
    return found


def renewed(stored: dict[str, Any], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the stored cells, with those that were measured again in their place."""

    def key(cell: dict[str, Any]) -> tuple[Any, ...]:
        return cell["study"], cell["n"], cell["method"], "fwe" in cell

    fresh = {key(cell): cell for cell in found}
    return [fresh.get(key(cell), {"seed": stored["seed"]} | cell) for cell in stored["cells"]]


def page(content: dict[str, Any]) -> str:
    """Return the page of stored results."""
    found = content["cells"]
    n_voxels = max(cell["size"] for cell in found if "rates" in cell)
    error = [np.sqrt(level * (1 - level) / n_voxels) for level in LEVELS]
    lines = [
        "# False positive rates above the run",
        "",
        "How often group tests find an effect where there is none. `make calibration` (`python "
        "benchmarks/group_calibration.py`) renews this page; with `FULL=1` it draws "
        "2000 null datasets.",
        "",
        *(f"- *{name}*: {note}." for name, note in NOTES.items()),
        "- Inputs have variances with a log-normal spread (standard deviation of the logarithm "
        f"{SPREAD:g}) and {DOF:g} degrees of freedom. n is the number of participants.",
        "- `ols` and `mixed` are as the app calls them: groups have variances of their own, and "
        "inputs of a participant are a block (groups of 2 participants have variances of their "
        "own only if `VarianceGroups` names them). nilearn is `SecondLevelModel`, with a column "
        "for each participant who has several inputs.",
        f"- {seeds_line(content)}, not used while the tests were developed.",
        "",
        "## Voxels",
        "",
        f"Rates at .05 and .001, two-sided; {n_voxels:,} voxels, standard errors "
        f"{error[0]:.4f} and {error[1]:.5f}.",
        "",
        "| study | n | `ols` | `mixed` | nilearn |",
        "|---|---|---|---|---|",
    ]
    for name in STUDIES:
        for n in COUNTS:
            rates = {c["method"]: _rates(c) for c in found
                     if (c["study"], c["n"]) == (name, n) and "fwe" not in c}  # fmt: skip
            row = [name, str(n), *(rates.get(m, "") for m in ("ols", "mixed", "nilearn"))]
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, *family_wise_lines(found)]) + "\n"


def seeds_line(content: dict[str, Any]) -> str:
    """Name the seeds of rates at voxels and of family-wise error, with their studies."""
    parts = []
    for title, is_map in (("voxels", False), ("family-wise error", True)):
        studies: dict[int, list[str]] = {}
        for cell in content["cells"]:
            names = studies.setdefault(cell.get("seed", content["seed"]), [])
            if ("fwe" in cell) == is_map and cell["study"] not in names:
                names.append(cell["study"])
        used = {seed: names for seed, names in studies.items() if names}
        if len(used) == 1:
            parts += [f"{title} {seed}" for seed in used]
        elif used:
            each = [f"{seed} ({'; '.join(names)})" for seed, names in used.items()]
            parts.append(f"{title} {', '.join(each)}")
    return "Seeds: " + "; ".join(parts)


def family_wise_lines(found: list[dict[str, Any]]) -> list[str]:
    """Return the section on permutation tests."""
    sizes = sorted({cell["size"] for cell in found if "fwe" in cell})
    errors = " and ".join(f"{np.sqrt(0.05 * 0.95 / size):.3f} of {size:,}" for size in sizes)
    lines = [
        "",
        "## Family-wise error",
        "",
        f"Share of null datasets ({' x '.join(map(str, SHAPE))} voxels, smoothed by a standard "
        f"deviation of {SMOOTHING:g} voxel) in which something has p of at most .05; clusters of "
        f"p < {CLUSTER_P:g}, two-sided; standard error {errors} datasets. nilearn is "
        "`permuted_ols`.",
        "",
        "| study | n | method | datasets | permutations | voxel | extent | mass | TFCE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in found:
        if "fwe" in cell:
            shown = [_short(cell["fwe"].get(s), 3) for s in ("voxel", "extent", "mass", "TFCE")]
            row = [cell["study"], str(cell["n"]), f"`{cell['method']}`",
                   f"{cell['size']:,}", str(cell["permutations"]), *shown]  # fmt: skip
            lines.append(f"| {' | '.join(row)} |")
    return lines


def _rates(cell: dict[str, Any]) -> str:
    if "refused" in cell:
        return "refused"
    return f"{_short(cell['rates'][0], 3)} / {_short(cell['rates'][1], 5)}"


def _short(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}".removeprefix("0")


def main() -> None:
    """Measure all cells, or write the page again."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--full", action="store_true", help="2000 null datasets, 400,000 voxels")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--page", action="store_true", help="only write the page again")
    parser.add_argument("--renew", metavar="TEXT", default="", help="studies whose name has it")
    options = parser.parse_args()
    if not options.page:
        start = time.perf_counter()
        calls = [c for c in cells(options.full, options.seed) if options.renew in c[1]]
        with ProcessPoolExecutor(options.jobs) as pool:
            found = [cell | {"seed": options.seed} for cell in pool.map(measure, calls)]
        print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
        if options.seed != SEED:
            return
        if options.renew:
            found = renewed(json.loads(RESULTS.read_text()), found)
        RESULTS.write_text(json.dumps({"seed": options.seed, "cells": found}, indent=1) + "\n")
    PAGE.write_text(page(json.loads(RESULTS.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
