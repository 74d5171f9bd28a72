"""Public BIDS datasets of events and sidecars, given small generated BOLD under their own names.

`rebuild` takes such a dataset as it is published, without images; `odd_dataset` makes one whose
events have the oddities that those at hand lack.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

SHAPE = (5, 6, 4)
AFTER_LAST_EVENT = 14.0  # seconds that a run goes on
WITHOUT_EVENTS = 60  # volumes of runs that have none


def rebuild(source: Path, target: Path, subjects: Sequence[str] | None = None) -> list[Path]:
    """Copy a dataset of text files and give it BOLD files of the names that the source lists.

    Files of participants of whom the source has nothing are not made. Returns the BOLD files.
    """
    ignored = shutil.ignore_patterns("derivatives", ".git")
    shutil.copytree(source, target, ignore=ignored)
    made = []
    for name in _listed(source):
        path = target / name
        if not (target / path.relative_to(target).parts[0]).is_dir():
            continue
        if subjects is None or path.name.split("_")[0].removeprefix("sub-") in subjects:
            _write_bold(path, target)
            made.append(path)
    return made


def _listed(source: Path) -> list[str]:
    """Names from the list beside the dataset, or from its scans tables."""
    beside = source.with_name(f"{source.name}.bold_files.txt")
    if beside.is_file():
        return beside.read_text().split()
    names = []
    for table in sorted(source.rglob("*_scans.tsv")):
        files = pd.read_csv(table, sep="\t").filename
        folder = table.parent.relative_to(source)
        names += [str(folder / one) for one in files if "_bold.nii" in one]
    return names


def _write_bold(path: Path, root: Path) -> None:
    repetition_time = _sidecar(path, root).get("RepetitionTime", 2.0)
    events = _inherited(path, root, "events.tsv")
    n_scans = WITHOUT_EVENTS
    if events is not None:
        # any line end, and text where there should be numbers: the reader under test is stricter
        table = pd.read_csv(events, sep="\t", na_values=["n/a"], dtype=str)
        times = table[["onset", "duration"]].apply(pd.to_numeric, errors="coerce")
        end = times.onset.add(times.duration.fillna(0)).max()
        n_scans = int(np.ceil((end + AFTER_LAST_EVENT) / repetition_time))
    write_bold(path, n_scans, repetition_time)


def write_bold(path: Path, n_scans: int, repetition_time: float) -> None:
    """Write autocorrelated noise about a mean of 1000, the same for the same name."""
    rng = np.random.default_rng(list(path.name.encode()))
    noise = rng.normal(0, 8, size=(*SHAPE, n_scans))
    noise[..., 1:] += 0.3 * noise[..., :-1]
    image = nib.Nifti1Image((1000 + noise).astype(np.int16), np.diag([4.0, 4.0, 4.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((4.0, 4.0, 4.0, repetition_time))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def _inherited(path: Path, root: Path, suffix: str) -> Path | None:
    """Return the nearest file whose entities the BOLD file has all of."""
    own = set(path.name.split("_")[:-1])
    folder = path.parent
    while True:
        for candidate in sorted(folder.glob(f"*_{suffix}")):
            if set(candidate.name.split("_")[:-1]) <= own:
                return candidate
        if folder == root:
            return None
        folder = folder.parent


def _sidecar(path: Path, root: Path) -> dict:
    found = _inherited(path, root, "bold.json")
    return json.loads(found.read_text()) if found else {}


def odd_dataset(folder: Path, events: str | bytes, n_scans: int = 95) -> Path:
    """Write a dataset of one run of 190 s with that events file."""
    func = folder / "sub-01" / "func"
    func.mkdir(parents=True)
    description = {"Name": "odd events", "BIDSVersion": "1.10.0"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    sidecar = {"RepetitionTime": 2.0, "TaskName": "odd"}
    (folder / "task-odd_bold.json").write_text(json.dumps(sidecar))
    content = events if isinstance(events, bytes) else events.encode()
    (func / "sub-01_task-odd_events.tsv").write_bytes(content)
    write_bold(func / "sub-01_task-odd_bold.nii.gz", n_scans, 2.0)
    return folder


def trials(
    names: Sequence[str], duration: float = 2.0, start: float = 6.0
) -> list[tuple[object, ...]]:
    """Return 24 rows of onset, duration and trial_type, the names in turn, 7 s apart."""
    return [(start + 7.0 * k, duration, names[k % len(names)]) for k in range(24)]


def tsv(rows: Sequence[Sequence[object]], more: Sequence[str] = (), end: str = "\n") -> str:
    """Return the text of an events file."""
    lines = ["\t".join(["onset", "duration", "trial_type", *more])]
    lines += ["\t".join(map(str, row)) for row in rows]
    return end.join(lines) + end
