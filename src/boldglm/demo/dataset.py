"""A small simulated BIDS dataset with known activation, for examples and tests.

There are two conditions: a cue, and a target that follows it a few seconds later, so that their
regressors are correlated as in real experiments. Each activates one sphere, and both a third.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip

from boldglm.glm import build_design
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import write_json

TASK = "cuetarget"
CONDITIONS = ("cue", "target")
BASELINE = 1000.0  # mean signal in the brain, arbitrary units
NOISE_PERCENT, RHO, DRIFT_PERCENT = 0.8, 0.3, 0.5
VOXEL_MM = 4.0


@dataclass(frozen=True)
class Sphere:
    """A sphere of voxels and its activation.

    Parameters
    ----------
    name : str
        Name of the sphere.
    center : tuple of float
        Center, as a fraction of the volume along each axis.
    percent : tuple of float
        Percent signal change for cue and target.
    """

    name: str
    center: tuple[float, float, float]
    percent: tuple[float, float]


SPHERES = (
    Sphere("cue sphere", (0.32, 0.55, 0.5), (2.0, 0.0)),
    Sphere("target sphere", (0.68, 0.55, 0.5), (0.0, 2.0)),
    Sphere("shared sphere", (0.5, 0.3, 0.5), (1.5, 1.5)),
)


@dataclass(frozen=True)
class DatasetPlan:
    """Size of the dataset.

    Parameters
    ----------
    n_subjects, n_runs, n_scans : int
        Number of participants, runs of each, and volumes of each run.
    repetition_time : float
        Seconds between volumes.
    shape : tuple of int
        Number of voxels along each axis.
    seed : int
        Seed of the random numbers.
    """

    n_subjects: int = 2
    n_runs: int = 2
    n_scans: int = 150
    repetition_time: float = 2.0
    shape: tuple[int, int, int] = (24, 28, 18)
    seed: int = 2026


def write_dataset(folder: Path, plan: DatasetPlan | None = None) -> Path:
    """Write a raw BIDS dataset with known activation.

    Parameters
    ----------
    folder : Path
        Root of the dataset; existing files are replaced.
    plan : DatasetPlan, optional
        Size of the dataset; the same plan gives the same bytes.

    Returns
    -------
    Path
        `folder`.
    """
    plan = plan or DatasetPlan()
    subjects = [f"{number + 1:02d}" for number in range(plan.n_subjects)]
    write_json(
        folder / "dataset_description.json",
        {
            "Name": "Two correlated conditions with known activation",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "Authors": ["Simulated by boldglm"],
        },
    )
    write_bytes(folder / "README", _readme(plan).encode())
    rows = ["participant_id", *(f"sub-{subject}" for subject in subjects)]
    write_bytes(folder / "participants.tsv", ("\n".join(rows) + "\n").encode())
    write_json(
        folder / f"task-{TASK}_bold.json",
        {"TaskName": TASK, "RepetitionTime": plan.repetition_time},
    )
    for number, subject in enumerate(subjects):
        for run in range(1, plan.n_runs + 1):
            rng = np.random.default_rng([plan.seed, number, run])
            stem = f"sub-{subject}_task-{TASK}_run-{run}"
            func = folder / f"sub-{subject}" / "func"
            events = _events(plan, rng)
            _write_events(func / f"{stem}_events.tsv", events)
            _write_series(func / f"{stem}_bold.nii.gz", events, plan, rng)
    return folder


def brain(shape: tuple[int, int, int]) -> np.ndarray:
    """Return a mask of the ellipsoid with signal, boolean of the given shape."""
    grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return np.asarray(sum((grid / 0.85) ** 2 for grid in grids) <= 1)


def sphere_mask(sphere: Sphere, shape: tuple[int, int, int], radius: float = 2.0) -> np.ndarray:
    """Return a mask of a sphere, boolean of the given shape, with the radius in voxels."""
    index = np.indices(shape)
    center = [fraction * (n - 1) for fraction, n in zip(sphere.center, shape, strict=True)]
    squared = sum((axis - c) ** 2 for axis, c in zip(index, center, strict=True))
    return np.asarray(squared <= radius**2)


def _events(plan: DatasetPlan, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw trials: a cue and, in most trials, a target 2 to 5 s later."""
    onsets, names = [], []
    time = 4.0
    end = plan.n_scans * plan.repetition_time - 12
    while time < end:
        onsets.append(time)
        names.append("cue")
        if rng.random() < 0.8:
            onsets.append(time + rng.uniform(2, 5))
            names.append("target")
        time += rng.uniform(9, 16)
    onset = np.round(onsets, 3)
    return {
        "onset": onset,
        "duration": np.ones(onset.size),
        "trial_type": np.array(names),
    }


def _write_events(path: Path, events: dict[str, np.ndarray]) -> None:
    lines = ["onset\tduration\ttrial_type"]
    columns = (events["onset"], events["duration"], events["trial_type"])
    lines += [
        f"{onset:.3f}\t{duration:g}\t{name}"
        for onset, duration, name in zip(*columns, strict=True)
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _write_series(
    path: Path, events: dict[str, np.ndarray], plan: DatasetPlan, rng: np.random.Generator
) -> None:
    frame_times = (np.arange(plan.n_scans) + 0.5) * plan.repetition_time  # mid-volume
    design = build_design(events, frame_times, conditions=list(CONDITIONS), high_pass=None)
    regressors = design.matrix[:, design.columns("condition")]
    inside = brain(plan.shape)
    percent = np.zeros((len(CONDITIONS), *plan.shape))
    for sphere in SPHERES:
        voxels = sphere_mask(sphere, plan.shape)
        percent[:, voxels] = np.array(sphere.percent)[:, np.newaxis]
    signal = 1 + _noise(plan, rng, int(inside.sum())) / 100
    signal += regressors @ percent[:, inside] / 100
    series = np.zeros((plan.n_scans, *plan.shape), dtype=np.int16)
    background = np.abs(rng.normal(0, 8, size=(plan.n_scans, int((~inside).sum()))))
    series[:, ~inside] = background.astype(np.int16)
    series[:, inside] = np.round(signal * BASELINE).astype(np.int16)
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1])
    affine[:3, 3] = [-VOXEL_MM * (n - 1) / 2 for n in plan.shape]
    image = nib.Nifti1Image(np.moveaxis(series, 0, -1), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((VOXEL_MM, VOXEL_MM, VOXEL_MM, plan.repetition_time))
    image.header.set_sform(affine, 1)
    image.header.set_qform(affine, 1)
    write_bytes(path, igzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def _noise(plan: DatasetPlan, rng: np.random.Generator, n_voxels: int) -> np.ndarray:
    """Return stationary AR(1) noise with a slow drift in percent, (n_scans, n_voxels)."""
    noise = rng.normal(0, NOISE_PERCENT, size=(plan.n_scans, n_voxels))
    innovation = np.sqrt(1 - RHO**2)
    for scan in range(1, plan.n_scans):
        noise[scan] = RHO * noise[scan - 1] + innovation * noise[scan]
    slow = np.cos(np.linspace(0, np.pi, plan.n_scans))[:, np.newaxis]
    return noise + DRIFT_PERCENT * slow * rng.normal(size=n_voxels)


def _readme(plan: DatasetPlan) -> str:
    lines = [
        f"{sphere.name}: cue {sphere.percent[0]:g} %, target {sphere.percent[1]:g} %"
        for sphere in SPHERES
    ]
    return (
        "Simulated by boldglm. Percent signal change of a long block, by sphere:\n"
        + "\n".join(lines)
        + f"\nNoise: AR(1) with coefficient {RHO:g}, standard deviation {NOISE_PERCENT:g} %. "
        f"Seed {plan.seed}.\n"
    )
