"""A folder as fMRIPrep writes it, made of a raw dataset: the same series under its names."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from boldglm.demo.dataset import brain
from boldglm.glm.design.confound_names import MOTION

MNI = "MNI152NLin2009cAsym"
AROMA_SPACE = "MNI152NLin6Asym"
SPIKE = 40  # the scan that moves in generated tables
SPIKE_PERCENT = 300.0  # what the motion does to the signal there


@dataclass(frozen=True)
class Layout:
    """Which files a version of fMRIPrep writes, and what they are called."""

    spaces: tuple[str, ...] = (f"_space-{MNI}_res-2",)
    bold: str = "{stem}{space}_desc-preproc_bold.nii.gz"
    mask: str = "{stem}{space}_desc-brain_mask.nii.gz"
    table: str = "{stem}_desc-confounds_timeseries.tsv"
    version: str = "25.1.0"
    start_time: float | None = 0.95


OLD = Layout(
    spaces=(f"_space-{MNI}",),
    bold="{stem}_bold{space}_preproc.nii.gz",
    mask="{stem}_bold{space}_brainmask.nii.gz",
    table="{stem}_bold_confounds.tsv",
    version="1.0.8",
    start_time=None,
)


def motion_table(n_scans: int, rng: np.random.Generator, n_cosines: int = 2) -> pd.DataFrame:
    """Generate the columns that most models use, n/a in the first row of derivatives."""
    columns: dict[str, np.ndarray] = {}
    for name in (*MOTION, "csf", "white_matter"):
        own = np.cumsum(rng.normal(0, 0.02, n_scans))
        columns[name] = own
        columns[f"{name}_derivative1"] = np.diff(own, prepend=np.nan)
        columns[f"{name}_power2"] = own**2
        columns[f"{name}_derivative1_power2"] = np.diff(own, prepend=np.nan) ** 2
    moved = np.abs(rng.normal(0.1, 0.02, n_scans))
    moved[0] = np.nan
    moved[SPIKE % n_scans] = 2.5
    columns["framewise_displacement"] = moved
    times = (np.arange(n_scans) + 0.5) / n_scans
    for order in range(n_cosines):
        columns[f"cosine{order:02d}"] = np.cos(np.pi * (order + 1) * times)
    for order in range(3):
        columns[f"a_comp_cor_{order:02d}"] = rng.normal(size=n_scans)
        columns[f"w_comp_cor_{order:02d}"] = rng.normal(size=n_scans)
        columns[f"c_comp_cor_{order:02d}"] = rng.normal(size=n_scans)
    columns["non_steady_state_outlier00"] = np.eye(n_scans)[0]
    columns["motion_outlier00"] = np.eye(n_scans)[SPIKE % n_scans]
    return pd.DataFrame(columns)


def write_fmriprep(
    dataset: Path, folder: Path | None = None, layout: Layout = Layout(), table: Path | None = None
) -> Path:
    """Write derivatives of every raw run, with a generated confounds table or a real one.

    With a real table the series are cut to its number of rows.
    """
    folder = folder or dataset / "derivatives" / "fmriprep"
    folder.mkdir(parents=True, exist_ok=True)
    description = {"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative"}
    made = {"Name": "fMRIPrep", "Version": layout.version}
    description["GeneratedBy"] = [made]
    (folder / "dataset_description.json").write_text(json.dumps(description))
    rng = np.random.default_rng(11)
    for raw in sorted(dataset.glob("sub-*/func/*_bold.nii.gz")):
        _write_run(raw, folder / raw.relative_to(dataset).parent, layout, table, rng)
    return folder


def write_aroma(dataset: Path, kinds: tuple[str, ...] = ("nonaggrDenoised",)) -> Path:
    """Write what fMRIPost-AROMA does: denoised series and the time courses of noise, no masks."""
    folder = dataset / "derivatives" / "fmripost_aroma"
    folder.mkdir(parents=True, exist_ok=True)
    made = {"Name": "fMRIPost-AROMA", "Version": "0.0.12"}
    description = {"Name": "fMRIPost-AROMA", "BIDSVersion": "1.4.0", "GeneratedBy": [made]}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    rng = np.random.default_rng(12)
    for raw in sorted(dataset.glob("sub-*/func/*_bold.nii.gz")):
        func = folder / raw.relative_to(dataset).parent
        func.mkdir(parents=True, exist_ok=True)
        stem = raw.name.removesuffix("_bold.nii.gz")
        for kind in kinds:
            name = f"{stem}_space-{AROMA_SPACE}_res-2_desc-{kind}_bold.nii.gz"
            shutil.copyfile(raw, func / name)
        n_scans = nib.load(raw).shape[3]
        columns = {
            f"{prefix}_{number:02d}": rng.normal(size=n_scans)
            for prefix in ("aroma_motion", "aroma_orth_motion")
            for number in (2, 5)
        }
        target = func / f"{stem}_desc-aroma_timeseries.tsv"
        pd.DataFrame(columns).to_csv(target, sep="\t", index=False)
        pd.DataFrame({"accepted": [1]}).to_csv(
            func / f"{stem}_desc-aroma_metrics.tsv", sep="\t", index=False
        )
    return folder


def _write_run(
    raw: Path, func: Path, layout: Layout, table: Path | None, rng: np.random.Generator
) -> None:
    func.mkdir(parents=True, exist_ok=True)
    stem = raw.name.removesuffix("_bold.nii.gz")
    image = nib.load(raw)
    target = func / layout.table.format(stem=stem)
    if table is None:
        confounds = motion_table(image.shape[3], rng)
        confounds.to_csv(target, sep="\t", na_rep="n/a", index=False)
    else:
        shutil.copyfile(table, target)
        if table.with_suffix(".json").is_file():
            shutil.copyfile(table.with_suffix(".json"), target.with_suffix(".json"))
        image = image.slicer[..., : len(pd.read_csv(table, sep="\t"))]
    inside = nib.Nifti1Image(brain(image.shape[:3]).astype(np.uint8), image.affine)
    for space in layout.spaces:
        bold = func / layout.bold.format(stem=stem, space=space)
        nib.save(image, bold)
        nib.save(inside, func / layout.mask.format(stem=stem, space=space))
        sidecar: dict[str, object] = {"RepetitionTime": 2.0, "TaskName": "cuetarget"}
        if layout.start_time is not None:
            sidecar |= {"StartTime": layout.start_time, "SliceTimingCorrected": True}
        bold.with_name(bold.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
