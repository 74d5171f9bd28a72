"""A BIDS dataset with fMRIPrep-like derivatives, and a model file, for whole commands.

Two subjects with two runs each by default: raw events and, below derivatives/fmriprep, series in
a standard space with their masks and confounds. The raw series are links to the same files,
because no program under test reads more of them than their headers.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data import (
    BLOCK,
    CONDITIONS,
    CONTRASTS,
    REPETITION_TIME,
    WEIGHTS,
    RunPlan,
    confounds,
    kept,
    onsets,
    write_bold,
    write_mask,
)

TASK, SPACE = "blocks", "MNI152NLin2009cAsym"
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
CUT_OFF = 128.0  # seconds, of the cosines among the confounds


@dataclass(frozen=True)
class DatasetPlan:
    """How large a dataset to make."""

    run: RunPlan
    n_subjects: int = 2
    n_runs: int = 2

    @property
    def label(self) -> str:
        """Name of its folder in the cache."""
        return f"bids-{self.n_subjects}x{self.n_runs}-{self.run.label}"


def dataset_folder(cache: Path, plan: DatasetPlan) -> Path:
    """Return a BIDS dataset with derivatives/fmriprep and model-blocks_smdl.json."""

    def make(folder: Path) -> None:
        derivatives = folder / "derivatives" / "fmriprep"
        derivatives.mkdir(parents=True, exist_ok=True)
        _write_json(folder / "dataset_description.json", _description("raw"))
        _write_json(derivatives / "dataset_description.json", _description("derivative"))
        _write_json(folder / "model-blocks_smdl.json", model(plan.run.n_scans))
        _write_json(
            folder / f"task-{TASK}_bold.json",
            {"TaskName": TASK, "RepetitionTime": REPETITION_TIME},
        )
        for subject in range(1, plan.n_subjects + 1):
            for run in range(1, plan.n_runs + 1):
                seed = 10 * subject + run
                _write_run(folder, derivatives, f"sub-{subject:02d}", run, plan.run, seed)

    return kept(cache / plan.label, make)


def model(n_scans: int) -> dict[str, Any]:
    """Return the BIDS Stats Model: run to subject to dataset, the contrasts of the benchmarks."""
    variables = [f"trial_type.{name}" for name in CONDITIONS]
    columns = [*variables, *MOTION, *_cosines(n_scans), 1]
    contrasts = [
        {
            "Name": label,
            "ConditionList": variables,
            "Weights": list(weights),
            "Test": "t",
        }
        for label, weights in zip(contrast_names(), WEIGHTS, strict=True)
    ]
    instructions = [
        {"Name": "Factor", "Input": ["trial_type"]},
        {"Name": "Convolve", "Input": variables, "Model": "spm"},
    ]
    upper = {"Model": {"X": [1]}, "DummyContrasts": {"Test": "t"}}
    return {
        "Name": "blocks",
        "BIDSModelVersion": "1.0.0",
        "Input": {"task": [TASK]},
        "Nodes": [
            {
                "Level": "Run",
                "Name": "run",
                "GroupBy": ["run", "subject"],
                "Transformations": {
                    "Transformer": "pybids-transforms-v1",
                    "Instructions": instructions,
                },
                "Model": {"X": columns, "Type": "glm"},
                "Contrasts": contrasts,
            },
            _upper("Subject", "meta", ["subject", "contrast"], upper),
            _upper("Dataset", "glm", ["contrast"], upper),
        ],
    }


def contrast_names() -> list[str]:
    """Return names that every program accepts: letters only."""
    return ["".join(filter(str.isalnum, one.title())) for one in CONTRASTS]


def _upper(level: str, kind: str, group: list[str], rest: dict[str, Any]) -> dict[str, Any]:
    return {
        "Level": level,
        "Name": level.lower(),
        "GroupBy": group,
        **rest,
        "Model": {**rest["Model"], "Type": kind},
    }


def _write_run(
    raw: Path, derivatives: Path, subject: str, run: int, plan: RunPlan, seed: int
) -> None:
    stem = f"{subject}_task-{TASK}_run-{run}"
    below = derivatives / subject / "func"
    beside = raw / subject / "func"
    below.mkdir(parents=True, exist_ok=True)
    beside.mkdir(parents=True, exist_ok=True)
    prepared = below / f"{stem}_space-{SPACE}_desc-preproc_bold"
    write_bold(prepared.with_name(prepared.name + ".nii.gz"), replace(plan, seed=seed))
    _write_json(
        prepared.with_name(prepared.name + ".json"),
        {"RepetitionTime": REPETITION_TIME, "TaskName": TASK, "SkullStripped": False},
    )
    write_mask(below / f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz", plan)
    _write_confounds(below / f"{stem}_desc-confounds_timeseries.tsv", plan.n_scans, seed)
    _write_events(beside / f"{stem}_events.tsv", plan.n_scans)
    os.link(f"{prepared}.nii.gz", beside / f"{stem}_bold.nii.gz")


def _write_confounds(path: Path, n_scans: int, seed: int) -> None:
    motion = confounds(n_scans, len(MOTION), seed) * 0.1
    names = _cosines(n_scans)
    phases = np.outer(np.arange(n_scans) + 0.5, np.arange(1, len(names) + 1)) * np.pi / n_scans
    values = np.hstack([motion, np.cos(phases)])
    lines = ["\t".join([*MOTION, *names])]
    lines += ["\t".join(f"{value:.9g}" for value in row) for row in values]
    path.write_text("\n".join(lines) + "\n")


def _cosines(n_scans: int) -> list[str]:
    count = int(2 * n_scans * REPETITION_TIME / CUT_OFF)
    return [f"cosine{k:02d}" for k in range(count)]


def _write_events(path: Path, n_scans: int) -> None:
    lines = ["onset\tduration\ttrial_type"]
    lines += [
        f"{onset:g}\t{BLOCK:g}\t{CONDITIONS[number % len(CONDITIONS)]}"
        for number, onset in enumerate(onsets(n_scans))
    ]
    path.write_text("\n".join(lines) + "\n")


def _description(kind: str) -> dict[str, Any]:
    made_by = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.2.0"}]}
    return {
        "Name": "Blocks, generated for a benchmark",
        "BIDSVersion": "1.8.0",
        "DatasetType": kind,
        **(made_by if kind == "derivative" else {}),
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
