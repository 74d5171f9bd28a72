"""`boldglm demo`: simulate a study, analyze it at both levels, and compare it with the truth."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from boldglm.demo.study import COLUMNS, GROUPS, N_SUBJECTS, REGIONS, SPACE, TASK, write_study
from boldglm.errors import CannotWriteError
from boldglm.glm.arrays.types import FloatArray
from boldglm.io.files.json_files import write_json
from boldglm.io.images.nifti import load_map
from boldglm.io.outputs.names import ResultPaths

PLAIN = ("--modulate", "response_time @ target")
ORTHOGONALIZED = ("--orthogonalize", "target ~ cue", "--model-name", "orthogonalized")
PERMUTATIONS = ("--permutations", "500")
LABELS = ("cue", "target", "target x response time")
CORRECTED, SIGNIFICANT = "pFWEmass", 0.05
T_975 = 2.262  # of Student's t with 9 degrees of freedom, for intervals over 10 participants
ENTITIES = {"task": TASK, "space": SPACE}
ROW = "  {:<20} {:<23} {:>5}  {:<24} {:>9}  {:>9}"


def run_demo(
    folder: Path, boldglm: Callable[[list[str]], int], *, nprocs: int, data_only: bool
) -> int:
    """Simulate a study, run `participant` and `group`, and print true and estimated effects.

    Two models of the runs are fitted: one with all regressors as they are, and one in which the
    target is orthogonalized with respect to the cue. The group is tested as a whole, and one
    group of participants against the other.

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
        write_study(data)
    except OSError as error:
        raise CannotWriteError(f"{folder} cannot be written: {error.strerror}.") from error
    print(f"Wrote a BIDS dataset ({N_SUBJECTS} participants in two groups, 2 runs each) to {data}")
    if data_only:
        return 0
    model = folder / "groups_smdl.json"
    for arguments in _calls(model, nprocs):
        if str(model) in arguments:
            _write_group_model(output, model)
        call = [str(data), str(output), *arguments]
        print(f"\n$ boldglm {' '.join(map(_quoted, call))}", flush=True)
        code = boldglm(call)
        if code:
            return code
    _print_regions(output)
    _print_groups(output)
    print(f"\nReport of the group:      {output / 'group.html'}")
    print(f"Report of a participant:  {output / 'sub-01.html'}")
    print(f"All participants:         {output / 'index.html'}")
    return 0


def _calls(model: Path, nprocs: int) -> list[tuple[str, ...]]:
    """Return the options of each call; reports of participants are drawn for the first only."""
    parallel = ("--nprocs", str(nprocs))
    return [
        ("participant", *PLAIN, "--no-report", *parallel),
        ("participant", *PLAIN, *ORTHOGONALIZED, "--no-report", *parallel),
        ("participant", "--reports-only", "--participant-label", "01"),
        ("group", *PERMUTATIONS, *parallel),
        ("group", "-m", str(model), *PERMUTATIONS, *parallel),
    ]


def _quoted(argument: str) -> str:
    return f"'{argument}'" if " " in argument else argument


def _write_group_model(output: Path, path: Path) -> None:
    """Write a model file that compares the groups, on the runs of the default model."""
    content = json.loads((output / "models" / "model-default_smdl.json").read_text())
    content["Name"] = "groups"
    content["Description"] = "The default model, with a comparison of two groups at its end."
    columns = [f"group.{name}" for name in GROUPS]
    difference = {
        "Name": " - ".join(GROUPS),
        "ConditionList": columns,
        "Weights": [1, -1],
        "Test": "t",
    }
    factor = [{"Name": "Factor", "Input": ["group"]}]
    content["Nodes"][-1] = {
        "Level": "Dataset",
        "Name": "groups",
        "GroupBy": ["contrast"],
        "Transformations": {"Transformer": "pybids-transforms-v1", "Instructions": factor},
        "Model": {"Type": "glm", "X": columns},
        "Contrasts": [difference],
    }
    write_json(path, content)


def _print_regions(output: Path) -> None:
    """Print true and estimated effects of the plain and of the orthogonalized model."""
    print(
        "\nPercent signal change in each region: the simulated one, the mean estimate with its "
        "95 %\nconfidence interval over participants, how many voxels of the region lie in "
        "significant clusters\n(corrected p < .05), and the estimate of the model with 'target ~ "
        "cue':\n"
    )
    print(ROW.format("region", "contrast", "true", "estimate", "voxels", "target ~ cue"))
    for region in REGIONS:
        voxels = region.voxels()
        for column, label, true in zip(COLUMNS, LABELS, region.mean(), strict=True):
            effects = _effects(output, "subject", column, voxels)
            half = T_975 * effects.std(ddof=1) / np.sqrt(effects.size)
            low, high = effects.mean() - half, effects.mean() + half
            found = _map(output, "dataset", column, CORRECTED)[voxels] < SIGNIFICANT
            cells: Sequence[str] = (
                region.name if column == COLUMNS[0] else "",
                label,
                f"{true:.2f}",
                f"{effects.mean():5.2f} ({low:.2f} to {high:.2f})",
                f"{found.sum()} of {found.size}",
                f"{_effects(output, 'orthogonalizedSubject', column, voxels).mean():.2f}",
            )
            print(ROW.format(*cells))
    print(
        "\nIn the last column the cue has what it shares with the target as well: it seems to "
        "activate the\nmotor cortex, where only the target was simulated. The estimate of the "
        "target is the same."
    )


def _print_groups(output: Path) -> None:
    """Print the comparison of the groups where they differ."""
    name = f"target {' - '.join(GROUPS)}"
    effect, p = (_map(output, "groups", name, which) for which in ("effect", CORRECTED))
    for region in REGIONS:
        if region.percent == region.older:
            continue
        voxels = region.voxels()
        found = int((p[voxels] < SIGNIFICANT).sum())
        print(
            f"\nTarget, {' - '.join(GROUPS)}, {region.name}: true "
            f"{region.percent[1] - region.older[1]:.2f}, estimate {effect[voxels].mean():.2f}; "
            f"{found} of {voxels.sum()} voxels lie in significant clusters."
        )


def _map(output: Path, node: str, contrast: str, statistic: str) -> FloatArray:
    paths = ResultPaths.of(output, node, ENTITIES)
    return np.asarray(load_map(paths.statmap(contrast, statistic)).dataobj)


def _effects(output: Path, node: str, contrast: str, voxels: np.ndarray) -> FloatArray:
    """Return the mean effect in some voxels of each participant."""
    means = []
    for number in range(N_SUBJECTS):
        paths = ResultPaths.of(output, node, {"sub": f"{number + 1:02d}", **ENTITIES})
        effect = np.asarray(load_map(paths.statmap(contrast, "effect")).dataobj)
        means.append(effect[voxels].mean())
    return np.array(means)
