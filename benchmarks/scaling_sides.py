"""The side of `scaling.py`: fits of growing arrays, in one process for each noise model."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from boldglm.glm import Fit, fit
from data import make_design, volumes
from measure import Sample, be_a_side

PILOT_VOXELS = (2048, 8192)
LEAST_VOXELS, MOST_VOXELS = 1024, 65_536
BASE_SECONDS = 0.2


def grow(
    noise: str,
    base: dict[str, int],
    steps: dict[str, list[float]],
    contrast_counts: list[int],
    repeats: int,
) -> Sample:
    """Time fits around a base size, and contrasts at it."""
    base = {**base, "n_voxels": base["n_voxels"] or _voxels_for(noise, base)}
    largest = {axis: round(base[axis] * factors[-1]) for axis, factors in steps.items()}
    series = _series(largest["n_scans"], largest["n_voxels"])
    fits: dict[str, list[dict[str, float]]] = {}
    at_base = _best(_fit(series, base, noise), repeats)
    for axis, factors in steps.items():
        fits[axis] = []
        for factor in factors:
            size = {**base, axis: round(base[axis] * factor)}
            same = size == base
            seconds = at_base if same else _best(_fit(series, size, noise), repeats)
            fits[axis].append({**size, "seconds": round(seconds, 5)})
    found = _fit(series, base, noise)()
    contrasts = [
        {"n_contrasts": count, "seconds": round(_contrast_seconds(found, count, repeats), 5)}
        for count in contrast_counts
    ]
    return {"parts": {}, "base": base, "fits": fits, "contrasts": contrasts}


def _voxels_for(noise: str, base: dict[str, int]) -> int:
    """Return a number of voxels that add about `BASE_SECONDS` to what a fit costs anyway."""
    series = _series(base["n_scans"], PILOT_VOXELS[-1])
    fewer, more = (
        _best(_fit(series, {**base, "n_voxels": n_voxels}, noise), repeats=2)
        for n_voxels in PILOT_VOXELS
    )
    step = PILOT_VOXELS[1] - PILOT_VOXELS[0]
    wanted = BASE_SECONDS * step / max(more - fewer, 1e-6)
    return int(np.clip(round(wanted / 1024) * 1024, LEAST_VOXELS, MOST_VOXELS))


def _series(n_scans: int, n_voxels: int) -> np.ndarray:
    return np.stack(list(volumes(n_scans, n_voxels)))


def _fit(series: np.ndarray, size: dict[str, int], noise: str) -> Callable[[], Fit]:
    """Return a fit of this size that waits to be called."""
    design, _ = make_design(size["n_scans"], size["n_regressors"])
    bold = np.ascontiguousarray(series[: size["n_scans"], : size["n_voxels"]])
    return partial(fit, bold, design, noise=noise)


def _contrast_seconds(found: Fit, count: int, repeats: int) -> float:
    rng = np.random.default_rng(count)
    weights = rng.normal(size=(count, len(found.names)))

    def test() -> None:
        for row in weights:
            one = found.contrast(row)
            _ = one.effect, one.variance, one.t, one.p, one.z

    return _best(test, repeats)


def _best(job: Callable[[], Any], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        taken.append(time.perf_counter() - start)
    return min(taken)


if __name__ == "__main__":
    be_a_side({"grow": grow})
