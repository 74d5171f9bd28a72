"""Show how the time of a fit grows with volumes, voxels, regressors and contrasts.

Timed: for each noise model, in a fresh process with one thread, the best of a few fits at a base
size and at sizes that differ from it in one direction, and the time of contrasts (effect,
variance, t, p and z) for several numbers of them. At the base size, the voxels add about a fifth
of a second to the time of a fit of few voxels. The exponents are slopes of a log-log
least-squares fit in each direction, with standard errors. At 1, twice the size takes twice the
time; fixed costs lower it.

Not timed: reading, and memory beyond these sizes.
"""

import argparse
import sys
from typing import Any

import numpy as np

from boldglm.glm import NOISE_MODELS
from measure import Settings, argument_parser, run_side, settings, write_result

Size = dict[str, int]
BASE: Size = {"n_scans": 240, "n_voxels": 0, "n_regressors": 24}
STEPS: dict[str, tuple[float, ...]] = {
    "n_scans": (0.5, 1, 2, 4),
    "n_voxels": (0.5, 1, 2, 4),
    "n_regressors": (0.5, 1, 2, 4),
}
CONTRAST_COUNTS = (1, 4, 16, 64)
TINY = {"n_scans": 60, "n_voxels": 200, "n_regressors": 12}


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this benchmark."""
    parser = argument_parser(__doc__ or "", rounds=3)
    parser.add_argument(
        "--noise-models", nargs="+", default=list(NOISE_MODELS), choices=NOISE_MODELS
    )
    return parser


def measure(how: Settings, noise: str) -> dict[str, Any]:
    """Return times and exponents of one noise model."""
    base = TINY if how.tiny else BASE
    sample = run_side(
        "scaling_sides.py",
        "grow",
        noise=noise,
        base=base,
        steps={axis: steps[1:3] for axis, steps in STEPS.items()} if how.tiny else STEPS,
        contrast_counts=CONTRAST_COUNTS[:2] if how.tiny else CONTRAST_COUNTS,
        repeats=how.rounds,
    )
    fits, contrasts = sample["fits"], sample["contrasts"]
    exponents = {axis: exponent(points, axis) for axis, points in fits.items()}
    exponents["n_contrasts"] = exponent(contrasts, "n_contrasts")
    print(f"{noise:<12}", {axis: one["exponent"] for axis, one in exponents.items()}, flush=True)
    return {
        "noise": noise,
        "base": sample["base"],
        "exponents": exponents,
        "fits": fits,
        "contrasts": contrasts,
    }


def exponent(points: list[dict[str, float]], axis: str) -> dict[str, float]:
    """Return slope and standard error of log seconds over log size.

    Examples
    --------
    >>> points = [{"n": 1, "seconds": 2.0}, {"n": 2, "seconds": 8.0}, {"n": 4, "seconds": 32.0}]
    >>> exponent(points, "n")
    {'exponent': 2.0, 'error': 0.0}
    """
    x = np.log([point[axis] for point in points])
    y = np.log([point["seconds"] for point in points])
    x, y = x - x.mean(), y - y.mean()
    slope = (x @ y) / (x @ x)
    freedom = max(len(points) - 2, 1)
    error = np.sqrt(np.sum((y - slope * x) ** 2) / freedom / (x @ x))
    return {"exponent": round(float(slope), 2), "error": round(float(error), 2)}


def main(arguments: list[str]) -> None:
    """Measure every noise model."""
    with settings(build_parser(), arguments) as how:
        rows = [measure(how, noise) for noise in how.options.noise_models]
        write_result(how, "scaling", {"rows": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
