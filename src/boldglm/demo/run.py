"""`boldglm demo`: simulate a dataset, analyze it at both levels, and compare the effects."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from boldglm.demo.dataset import CONDITIONS, SPHERES, TASK, sphere_mask, write_dataset
from boldglm.errors import CannotWriteError
from boldglm.io.images.nifti import load_map
from boldglm.io.outputs.names import ResultPaths


def run_demo(
    folder: Path, boldglm: Callable[[list[str]], int], *, nprocs: int, data_only: bool
) -> int:
    """Simulate a dataset, run `participant` and `group`, and print true and estimated effects.

    Parameters
    ----------
    folder : Path
        Folder for the dataset and the derivatives.
    boldglm : callable
        The command line program: takes a list of arguments and returns an exit code.
    nprocs : int
        Number of processes.
    data_only : bool
        Whether to write the dataset only.

    Returns
    -------
    int
        Exit code.
    """
    data, output = folder / "bids", folder / "derivatives" / "boldglm"
    try:
        write_dataset(data)
    except OSError as error:
        raise CannotWriteError(f"{folder} cannot be written: {error.strerror}.") from error
    print(f"Wrote a BIDS dataset (2 participants, 2 runs each) to {data}")
    if data_only:
        return 0
    for level in ("participant", "group"):
        arguments = [str(data), str(output), level, "--nprocs", str(nprocs)]
        print(f"\n$ boldglm {' '.join(arguments)}", flush=True)
        code = boldglm(arguments)
        if code:
            return code
    _compare(output)
    print(f"\nMaps of single participants: {output / 'node-subject'}")
    print(f"Maps of the group:           {output / 'node-dataset'}")
    print(f"Report of a participant:     {output / 'sub-01.html'}")
    print(f"Report of the group:         {output / 'group.html'}")
    return 0


def _compare(output: Path) -> None:
    """Print true and estimated effects."""
    paths = ResultPaths.of(output, "dataset", {"task": TASK})
    effects = {
        condition: np.asarray(load_map(paths.statmap(condition, "effect")).dataobj)
        for condition in CONDITIONS
    }
    print("\nPercent signal change, mean over each sphere and both participants:")
    print(
        " " * 16 + "".join(f"  {condition + ': true':>12}  estimated" for condition in CONDITIONS)
    )
    for sphere in SPHERES:
        cells = []
        for condition, true in zip(CONDITIONS, sphere.percent, strict=True):
            effect = effects[condition]
            estimated = effect[sphere_mask(sphere, effect.shape)].mean()
            cells.append(f"  {true:12.1f}  {estimated:9.2f}")
        print(f"  {sphere.name:<14}{''.join(cells)}")
