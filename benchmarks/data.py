"""Data for the benchmarks: series with autoregressive noise that differs by voxel, and designs.

Everything is generated one volume at a time from a fixed seed and kept in the cache folder,
where a file is complete as soon as it has its name.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

CONDITIONS = ("faces", "houses", "objects")
CONTRASTS = ("faces", "houses", "faces - houses", "faces + houses - 2 * objects")
WEIGHTS = ((1, 0, 0), (0, 1, 0), (1, -1, 0), (1, 1, -2))  # the same over CONDITIONS
REPETITION_TIME = 2.0  # seconds
SLOPE = 0.0625  # of the stored integers
BASELINE, NOISE, EFFECT = 800.0, 8.0, 8.0  # signal units: noise of 1 %, effects up to 1 %
BACKGROUND = 12.0  # mean of what a scanner records in air
LARGEST_AR = 0.6  # coefficients are uniform from 0 to this
BLOCK, REST = 16.0, 8.0  # seconds


def kept(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a file or folder under another name and rename it, unless it is there already."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name("unfinished-" + path.name)
        make(unfinished)
        unfinished.rename(path)
        os.sync()  # or the first measurement would share the disk with what is still to be written
    return path


def onsets(n_scans: int) -> np.ndarray:
    """Return block onsets in seconds; the conditions take turns."""
    return np.arange(BLOCK / 2, n_scans * REPETITION_TIME - BLOCK, BLOCK + REST)


def task_regressors(n_scans: int) -> np.ndarray:
    """Return blocks convolved with a gamma response, (n_scans, 3)."""
    times = np.arange(n_scans) * REPETITION_TIME
    lags = np.arange(0, 24, REPETITION_TIME)
    response = lags**5 * np.exp(-lags)
    columns = np.zeros((n_scans, len(CONDITIONS)))
    for number, onset in enumerate(onsets(n_scans)):
        inside = (times >= onset) & (times < onset + BLOCK)
        columns[inside, number % len(CONDITIONS)] = 1.0
    smeared = [np.convolve(column, response / response.sum())[:n_scans] for column in columns.T]
    return np.stack(smeared, axis=1)


def confounds(n_scans: int, count: int, seed: int = 1) -> np.ndarray:
    """Return slow random walks, each with mean 0 and variance 1, (n_scans, count)."""
    steps = np.random.default_rng(seed).normal(size=(n_scans, count))
    walks = np.cumsum(steps, axis=0)
    return (walks - walks.mean(axis=0)) / walks.std(axis=0)


def make_design(n_scans: int, n_regressors: int, n_cosines: int = 6) -> tuple[np.ndarray, list]:
    """Return a design of conditions, confounds, cosines and a constant, and its names."""
    n_confounds = n_regressors - len(CONDITIONS) - n_cosines - 1
    order = np.arange(1, n_cosines + 1)
    phases = np.outer(np.arange(n_scans) + 0.5, order) * np.pi / n_scans
    parts = [
        task_regressors(n_scans),
        confounds(n_scans, n_confounds),
        np.cos(phases),
        np.ones((n_scans, 1)),
    ]
    names = [*CONDITIONS, *(f"confound_{k:02d}" for k in range(n_confounds))]
    names += [*(f"cosine_{k:02d}" for k in order), "constant"]
    return np.hstack(parts), names


def volumes(n_scans: int, n_voxels: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield float32 volumes (n_voxels,): baseline, task effects at every tenth voxel, AR(1)."""
    rng = np.random.default_rng(seed)
    ar = rng.uniform(0, LARGEST_AR, n_voxels).astype(np.float32)
    effects = rng.normal(0, EFFECT, (len(CONDITIONS), n_voxels)).astype(np.float32)
    effects[:, np.arange(n_voxels) % 10 != 0] = 0
    innovation = np.sqrt(1 - ar**2)
    noise: np.ndarray = rng.standard_normal(n_voxels, dtype=np.float32)
    for row in task_regressors(n_scans).astype(np.float32):
        yield np.float32(BASELINE) + row @ effects + np.float32(NOISE) * noise
        noise = ar * noise + innovation * rng.standard_normal(n_voxels, dtype=np.float32)


def array_file(cache: Path, n_scans: int, n_voxels: int) -> Path:
    """Return a float32 .npy of shape (n_scans, n_voxels)."""

    def make(path: Path) -> None:
        series = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float32, shape=(n_scans, n_voxels)
        )
        for scan, volume in zip(series, volumes(n_scans, n_voxels), strict=True):
            scan[:] = volume
        series.flush()

    return kept(cache / f"array-{n_scans}x{n_voxels}.npy", make)


@dataclass(frozen=True)
class RunPlan:
    """A run as a scanner and a preprocessing program leave it; 230,041 voxels in its mask."""

    shape: tuple[int, int, int] = (97, 115, 97)
    n_scans: int = 200
    n_regressors: int = 28
    background: bool = False  # noise in the air instead of zeros
    seed: int = 0

    @property
    def label(self) -> str:
        """Name of its folder in the cache."""
        grid = "x".join(map(str, (*self.shape, self.n_scans)))
        return f"run-{grid}-{'noise' if self.background else 'zero'}-{self.seed}"

    @property
    def affine(self) -> np.ndarray:
        """2 mm voxels, the origin in the middle."""
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        affine[:3, 3] = [1.0 - n for n in self.shape]
        return affine


def brain(shape: tuple[int, int, int]) -> np.ndarray:
    """Return the voxels of an ellipsoid; 230,041 of 97 x 115 x 97, about those of a brain."""
    return _ellipsoid(shape, (0.68, 0.82, 0.75))


def head(shape: tuple[int, int, int]) -> np.ndarray:
    """Return the voxels of a larger ellipsoid, 37 % of the grid: what is not air."""
    return _ellipsoid(shape, (0.82, 0.98, 0.90))


def _ellipsoid(shape: tuple[int, int, int], radii: tuple[float, float, float]) -> np.ndarray:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    pairs = zip(axes, radii, strict=True)
    return np.asarray(sum((axis / radius) ** 2 for axis, radius in pairs) <= 1)


def bold_header(plan: RunPlan) -> Any:
    """Return the header of a run: int16, a slope, millimeters and seconds."""
    header = nib.Nifti1Header()
    header.set_data_shape((*plan.shape, plan.n_scans))
    header.set_data_dtype(np.int16)
    header.set_zooms((2.0, 2.0, 2.0, REPETITION_TIME))
    header.set_xyzt_units("mm", "sec")
    header.set_sform(plan.affine, 4)
    header.set_qform(plan.affine, 4)
    header.set_slope_inter(SLOPE, 0)
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    return header


def write_bold(path: Path, plan: RunPlan) -> None:
    """Write a run volume by volume, compressed as nibabel and so fMRIPrep do by default."""
    inside = np.flatnonzero(head(plan.shape).ravel(order="F"))
    rng = np.random.default_rng([plan.seed, 7])
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(bold_header(plan).binaryblock + bytes(4))
        for values in volumes(plan.n_scans, inside.size, plan.seed):
            volume = np.zeros(int(np.prod(plan.shape)), dtype=np.int16)
            if plan.background:
                air = rng.rayleigh(BACKGROUND / 1.2533, volume.size)  # magnitude of noise
                volume[:] = np.round(air / SLOPE)
            volume[inside] = np.round(values / SLOPE)
            file.write(volume.tobytes())


def write_mask(path: Path, plan: RunPlan) -> None:
    """Write the mask of a run."""
    image = nib.Nifti1Image(brain(plan.shape).astype(np.uint8), plan.affine)
    image.header.set_xyzt_units("mm")
    image.header.set_sform(plan.affine, 4)
    image.header.set_qform(plan.affine, 4)
    nib.save(image, path)


def run_folder(cache: Path, plan: RunPlan) -> Path:
    """Return a folder with bold.nii.gz, mask.nii.gz, and design.npy with names.json."""

    def make(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        write_bold(folder / "bold.nii.gz", plan)
        write_mask(folder / "mask.nii.gz", plan)
        matrix, names = make_design(plan.n_scans, plan.n_regressors)
        np.save(folder / "design.npy", matrix)
        (folder / "names.json").write_text(json.dumps(names))

    return kept(cache / plan.label, make)
