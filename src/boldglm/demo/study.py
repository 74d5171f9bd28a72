"""A simulated study with known activation: two groups, correlated conditions, motion.

Each trial has a cue and, in most trials, a target some seconds later, so that their regressors
are correlated as in real experiments. The slower the response to a target, the more a frontal
region is active. One group responds less to targets. The series are there as a scanner would
write them (raw) and as fMRIPrep would (derivatives, with masks and confounds); they are the same.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip

from boldglm.demo.anatomy import affine, brain_mask, coordinates, mean_image
from boldglm.glm import build_design, cosine_drift
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.confound_names import MOTION
from boldglm.glm.design.head_motion import HEAD_MM, framewise_displacement
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import write_json

TASK = "cuetarget"
CONDITIONS = ("cue", "target")
MODULATOR = "target_x_response_time"
COLUMNS = (*CONDITIONS, MODULATOR)
SPACE = "MNI152NLin2009cAsym"
GROUPS = ("younger", "older")
REPETITION_TIME, N_SCANS, N_RUNS, N_SUBJECTS = 2.0, 150, 2, 10
NOISE_PERCENT, RHO = 0.55, 0.35
BETWEEN = 0.15  # standard deviation of effects between participants, percent
SEED = 2026


@dataclass(frozen=True)
class Region:
    """A sphere of activation.

    Parameters
    ----------
    name : str
        Name of the region.
    center : tuple of float
        In mm.
    radius : float
        In mm.
    percent : tuple of float
        Percent signal change for cue, target, and a second of response time, in the younger group.
    older : tuple of float
        The same in the older group.
    """

    name: str
    center: tuple[float, float, float]
    radius: float
    percent: tuple[float, float, float]
    older: tuple[float, float, float]

    def voxels(self) -> np.ndarray:
        """Return its voxels in the brain, boolean."""
        squared = sum(
            (axis - middle) ** 2 for axis, middle in zip(coordinates(), self.center, strict=True)
        )
        return np.asarray(squared <= self.radius**2) & brain_mask()

    def mean(self) -> tuple[float, ...]:
        """Return the true effects of all participants, half of whom are older."""
        return tuple(
            (young + old) / 2 for young, old in zip(self.percent, self.older, strict=True)
        )


REGIONS = (
    Region("left visual", (-22, -88, 2), 14, (1.5, 0.0, 0.0), (1.5, 0.0, 0.0)),
    Region("right visual", (22, -88, 2), 14, (1.5, 0.0, 0.0), (1.5, 0.0, 0.0)),
    Region("left motor", (-40, -24, 52), 13, (0.0, 2.2, 0.0), (0.0, 0.8, 0.0)),
    Region("medial frontal", (0, 14, 46), 12, (1.0, 1.0, 4.0), (1.0, 1.0, 4.0)),
    Region("right insula", (38, 18, 2), 10, (1.2, 1.2, 0.0), (1.2, 1.2, 0.0)),
    Region("posterior cingulate", (0, -52, 28), 12, (-1.2, -1.2, 0.0), (-1.2, -1.2, 0.0)),
)


def write_study(folder: Path) -> Path:
    """Write the dataset, with preprocessed series in ``derivatives/fmriprep``.

    Parameters
    ----------
    folder : Path
        Root of the dataset; existing files are replaced. The bytes are always the same.

    Returns
    -------
    Path
        `folder`.
    """
    prepared = folder / "derivatives" / "fmriprep"
    _write_descriptions(folder, prepared)
    inside, mean = brain_mask(), mean_image()
    for number in range(N_SUBJECTS):
        subject = f"sub-{number + 1:02d}"
        effects = _effects(number, inside)
        for run in range(1, N_RUNS + 1):
            rng = np.random.default_rng([SEED, number, run])
            stem = f"{subject}_task-{TASK}_run-{run}"
            events = _events(rng)
            raw = folder / subject / "func" / stem
            _write_events(raw.with_name(f"{stem}_events.tsv"), events)
            motion = _motion(rng, bumpy=number % 4 == 3)
            series = _series(events, effects, motion, mean, inside, rng)
            bold = raw.with_name(f"{stem}_bold.nii.gz")
            _write_image(bold, series)
            _write_prepared(prepared / subject / "func" / stem, bold, motion, inside)
    return folder


def _write_descriptions(folder: Path, prepared: Path) -> None:
    common = {"BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["Simulated by boldglm"]}
    name = "boldglm demo: cues and targets in two groups, with known activation"
    write_json(folder / "dataset_description.json", {"Name": name, "DatasetType": "raw", **common})
    write_json(
        prepared / "dataset_description.json",
        {
            "Name": "boldglm demo, as fMRIPrep would preprocess it",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "fMRIPrep", "Version": "simulated"}],
            **common,
        },
    )
    write_bytes(folder / "README", _readme().encode())
    rng = np.random.default_rng([SEED, 99])
    rows = ["participant_id\tgroup\tage"]
    for number in range(N_SUBJECTS):
        group = GROUPS[number % 2]
        age = rng.integers(20, 32) if group == "younger" else rng.integers(63, 79)
        rows.append(f"sub-{number + 1:02d}\t{group}\t{age}")
    write_bytes(folder / "participants.tsv", ("\n".join(rows) + "\n").encode())
    columns = {"group": {"Description": "Group", "Levels": {one: one for one in GROUPS}},
               "age": {"Description": "Age", "Units": "years"}}  # fmt: skip
    write_json(folder / "participants.json", columns)
    timing = {"TaskName": TASK, "RepetitionTime": REPETITION_TIME}
    write_json(folder / f"task-{TASK}_bold.json", timing)
    described = {"response_time": {"Description": "Time from target to response", "Units": "s"}}
    write_json(folder / f"task-{TASK}_events.json", described)
    prepared_timing = {**timing, "StartTime": REPETITION_TIME / 2, "SliceTimingCorrected": True,
                       "SkullStripped": False}  # fmt: skip
    write_json(prepared / f"task-{TASK}_desc-preproc_bold.json", prepared_timing)


def _effects(number: int, inside: np.ndarray) -> FloatArray:
    """Return the true effects of a participant in percent, (n_columns, n_voxels of the brain)."""
    rng = np.random.default_rng([SEED, number])
    effects = np.zeros((len(COLUMNS), *inside.shape))
    for region in REGIONS:
        true = np.array(region.percent if number % 2 == 0 else region.older)
        own = true + BETWEEN * rng.normal(size=true.size) * (true != 0)
        effects[:, region.voxels()] = own[:, np.newaxis]
    return effects[:, inside]


def _events(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw trials: a cue and, in most trials, a target soon after it."""
    rows: list[tuple[float, str, float]] = []
    time = 4.0
    while time < N_SCANS * REPETITION_TIME - 12:
        rows.append((time, "cue", np.nan))
        if rng.random() < 0.8:
            rows.append((time + rng.uniform(0.8, 2.4), "target", 0.4 + rng.gamma(3.0, 0.1)))
        time += rng.uniform(11, 19)
    onset, names, times = zip(*rows, strict=True)
    return {
        "onset": np.round(onset, 3),
        "duration": np.ones(len(rows)),
        "trial_type": np.array(names),
        "response_time": np.round(times, 3),
    }


def _write_events(path: Path, events: dict[str, np.ndarray]) -> None:
    lines = ["\t".join(events)]
    for onset, duration, name, time in zip(*events.values(), strict=True):
        shown = "n/a" if np.isnan(time) else f"{time:.3f}"
        lines.append(f"{onset:.3f}\t{duration:g}\t{name}\t{shown}")
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _motion(rng: np.random.Generator, *, bumpy: bool) -> FloatArray:
    """Return motion parameters, (n_scans, 6), in mm and rad: a slow walk with sudden moves."""
    steps = rng.normal(0, 0.012, (N_SCANS, 6))
    for scan in rng.choice(np.arange(10, N_SCANS - 5), 6 if bumpy else 2, replace=False):
        move = rng.normal(0, 0.45 if bumpy else 0.25, 6)
        steps[scan] += move
        steps[scan + 1] -= 0.8 * move
    motion = np.cumsum(steps, axis=0)
    motion[:, 3:] /= HEAD_MM
    return np.asarray(motion)


def _series(
    events: dict[str, np.ndarray],
    effects: FloatArray,
    motion: FloatArray,
    mean: FloatArray,
    inside: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the series of a run, int16 of shape (*SHAPE, n_scans)."""
    frame_times = (np.arange(N_SCANS) + 0.5) * REPETITION_TIME
    conditions = {name: events[name] for name in ("onset", "duration", "trial_type")}
    design = build_design(
        conditions, frame_times, conditions=list(CONDITIONS), high_pass=None
    ).matrix[:, :2]
    slow = events["response_time"] - np.nanmean(events["response_time"])
    targets = events["trial_type"] == "target"
    modulated = {
        "onset": events["onset"][targets],
        "duration": events["duration"][targets],
        "trial_type": np.full(int(targets.sum()), "target"),
        "modulation": slow[targets],
    }
    weighted = build_design(modulated, frame_times, high_pass=None).matrix[:, :1]
    n_voxels = effects.shape[1]
    moved = motion * np.array([1, 1, 1, HEAD_MM, HEAD_MM, HEAD_MM])
    jumps = np.nan_to_num(framewise_displacement(motion))[:, np.newaxis]
    drift = np.cos(np.linspace(0, np.pi, N_SCANS))[:, np.newaxis]
    courses = np.hstack([design, weighted, moved, jumps, drift]).astype(np.float32)
    spread = np.array([0.25] * 6 + [0.8, 0.5])[:, np.newaxis]
    maps = np.vstack([effects, spread * rng.normal(size=(8, n_voxels))]).astype(np.float32)
    percent = _noise(rng, inside) + courses @ maps
    series = np.zeros((*inside.shape, N_SCANS), np.int16)
    signal = mean[inside].astype(np.float32)[:, np.newaxis]
    series[inside] = np.rint(signal * (1 + percent.T / 100)).astype(np.int16)
    return series


def _noise(rng: np.random.Generator, inside: np.ndarray) -> np.ndarray:
    """Return noise in percent, correlated in space and time; float32, (n_scans, n_voxels)."""
    white = rng.standard_normal((N_SCANS, *(size + 1 for size in inside.shape)), dtype=np.float32)
    white = white[:, 1:] + white[:, :-1]
    white = white[:, :, 1:] + white[:, :, :-1]
    white = white[..., 1:] + white[..., :-1]
    noise = white[:, inside] / np.float32(np.sqrt(8))
    noise[1:] *= np.float32(np.sqrt(1 - RHO**2))
    for scan in range(1, N_SCANS):
        noise[scan] += RHO * noise[scan - 1]
    return noise * np.float32(NOISE_PERCENT)


def _write_image(path: Path, series: np.ndarray) -> None:
    image = nib.Nifti1Image(series, affine())
    image.header.set_xyzt_units("mm", "sec")
    if series.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], REPETITION_TIME))
    image.header.set_sform(affine(), 4)
    image.header.set_qform(affine(), 4)
    write_bytes(path, igzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def _write_prepared(stem: Path, bold: Path, motion: FloatArray, inside: np.ndarray) -> None:
    """Write what fMRIPrep would: the series under its name, the mask and the confounds."""
    series = stem.with_name(f"{stem.name}_space-{SPACE}_desc-preproc_bold.nii.gz")
    series.parent.mkdir(parents=True, exist_ok=True)
    series.unlink(missing_ok=True)
    try:
        os.link(bold, series)
    except OSError:  # the file system has no links
        write_bytes(series, bold.read_bytes())
    mask = stem.with_name(f"{stem.name}_space-{SPACE}_desc-brain_mask.nii.gz")
    _write_image(mask, inside.astype(np.uint8))
    write_json(mask.with_name(mask.name.replace(".nii.gz", ".json")), {"Type": "Brain"})
    displacement = framewise_displacement(motion)
    frame_times = (np.arange(N_SCANS) + 0.5) * REPETITION_TIME
    cosines = cosine_drift(frame_times, 128.0)
    columns = {name: motion[:, column] for column, name in enumerate(MOTION)}
    columns["framewise_displacement"] = displacement
    columns |= {f"cosine{order:02d}": cosines[:, order] for order in range(cosines.shape[1])}
    spikes = np.flatnonzero(displacement > 0.9)
    columns |= {
        f"motion_outlier{order:02d}": np.eye(N_SCANS)[scan] for order, scan in enumerate(spikes)
    }
    rows = ["\t".join(columns)]
    rows += [
        "\t".join("n/a" if np.isnan(value) else f"{value:.6g}" for value in row)
        for row in np.column_stack(list(columns.values()))
    ]
    table = stem.with_name(f"{stem.name}_desc-confounds_timeseries.tsv")
    write_bytes(table, ("\n".join(rows) + "\n").encode())


def _readme() -> str:
    lines = [
        f"{region.name} {region.center}, radius {region.radius:g} mm: younger "
        f"{', '.join(f'{value:g}' for value in region.percent)}; older "
        f"{', '.join(f'{value:g}' for value in region.older)}"
        for region in REGIONS
    ]
    return (
        "Simulated by `boldglm demo`. Percent signal change of a long block for cue, target, and "
        "target per second of response time, by region and group:\n"
        + "\n".join(lines)
        + f"\nStandard deviation between participants: {BETWEEN:g} %. Noise: AR(1) with "
        f"coefficient {RHO:g}, standard deviation {NOISE_PERCENT:g} %, drift, and motion. Seed "
        f"{SEED}.\n"
    )
