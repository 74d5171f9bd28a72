"""Datasets that fit a BIDS Stats Model: events, confounds and participants that it names.

Made from the text of the model alone: what its transformations do not make must be in the tables.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

CONFOUND = re.compile(
    r"(trans_|rot_|[acwt]_comp_cor_|csf|white_matter|global_signal|framewise_displacement|"
    r"std_dvars|dvars|rmsd|cosine|motion_outlier|non_steady_state|aroma_motion|tcompcor)"
)
N_SCANS, REPETITION_TIME = 220, 2.0


@dataclass
class Needs:
    """Columns that the tables of a dataset must have; text columns with their levels."""

    text: dict[str, list[str]] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)
    confounds: list[str] = field(default_factory=list)
    people: dict[str, list[str]] = field(default_factory=dict)


def needs_of(content: dict[str, Any]) -> Needs:
    """Work out what a model needs of the tables."""
    needs = Needs()
    run = content["Nodes"][0]
    names = _names(run)
    columns = _before_transformations(run, names)
    for name in columns["text"]:
        needs.text[name] = columns["text"][name]
    for name in columns["plain"]:
        if name in needs.text:
            continue
        if CONFOUND.match(name.strip("*")):
            needs.confounds += _confounds(name)
        else:
            needs.numbers.append(name)
    needs.confounds = list(dict.fromkeys(needs.confounds))
    for node in content["Nodes"][1:]:
        for name in _upper_columns(content, node):
            needs.people.setdefault(name, [])
    for node in content["Nodes"][1:]:
        made = {out for one in _instructions(node) for out in _listed(one.get("Output"))}
        names = [re.sub(r"^C\((.+?)\)\[(?:T\.)?(.+)\]$", r"\1.\2", one) for one in _names(node)]
        for name in [one for one in names if "." in one and ":" not in one and one not in made]:
            column, _, level = name.partition(".")
            if column in needs.people:
                needs.people[column].append(level)
    return needs


def _names(node: dict[str, Any]) -> list[str]:
    """All names that a node mentions."""
    model = node["Model"]
    found = [str(one) for one in model["X"] if one != 1]
    for one in node.get("Contrasts") or []:
        found += [str(name) for name in one.get("ConditionList", one.get("Condition_list", []))]
    dummy = node.get("DummyContrasts") or {}
    found += [str(one) for one in dummy.get("Contrasts", dummy.get("Conditions", []))]
    found += [str(one) for one in (model.get("HRF") or {}).get("Variables", [])]
    for instruction in _instructions(node):
        found += _listed(instruction.get("Input")) + _listed(instruction.get("Target"))
        found += _listed(instruction.get("Other")) + _listed(instruction.get("By"))
    return list(dict.fromkeys(name for name in found if name != "1"))


def _instructions(node: dict[str, Any]) -> list[dict[str, Any]]:
    content = node.get("Transformations") or []
    return content if isinstance(content, list) else content.get("Instructions", [])


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _before_transformations(node: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Trace names back to columns of the tables."""
    trace = _Trace(names)
    for name in [one for one in names if "==" in one]:
        column, _, level = name.partition("==")
        trace.text.setdefault(column, []).append(level)
    for one in _instructions(node):
        trace.follow(one)
    factored = [*trace.text, *trace.copies]
    plain = [
        name
        for name in names
        if "==" not in name
        and (name not in trace.outputs or name in trace.first)
        and not any(name == one or name.startswith(f"{one}.") for one in factored)
    ]
    text = {column: list(dict.fromkeys(levels)) for column, levels in trace.text.items()}
    return {"text": {column: levels or ["a", "b"] for column, levels in text.items()},
            "plain": plain}  # fmt: skip


@dataclass
class _Trace:
    """What is known of columns while instructions are followed."""

    names: list[str]
    text: dict[str, list[str]] = field(default_factory=dict)  # levels of columns
    copies: dict[str, str] = field(default_factory=dict)  # name -> column it was copied from
    replaced: dict[str, list[str]] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)
    first: set[str] = field(default_factory=set)  # used before a transformation makes them

    def follow(self, one: dict[str, Any]) -> None:
        kind, inputs = one["Name"].lower(), _listed(one.get("Input"))
        given = _listed(one.get("Output"))
        if kind in ("copy", "rename"):
            origins = (self.copies.get(name, name) for name in inputs)
            self.copies.update(zip(given, origins, strict=True))
        for name in inputs if kind == "replace" else ():
            self.replaced.setdefault(name, []).extend(map(str, one["Replace"]))
            self.outputs |= {f"{name}.{value}" for value in one["Replace"].values()}
        for name in inputs if kind == "factor" else ():
            self._factor(name)
        for name in inputs if kind == "concatenate" else ():
            self.text.setdefault(name, [])
        self.first |= {name for name in inputs if name not in self.outputs}
        self.outputs |= set(given)

    def _factor(self, name: str) -> None:
        own = [one.removeprefix(f"{name}.") for one in self.names if one.startswith(f"{name}.")]
        levels = self.text.setdefault(self.copies.get(name, name), [])
        before = self.replaced.get(name, [])
        if name not in self.copies or not before:
            levels += [_level(one) for one in own if not set(one) & set("*?")]
        levels += before


def _level(level: str) -> str:
    """A level as the table has it: convolved names may have a suffix."""
    return re.sub(r"_(derivative|dispersion)$", "", level)


def _confounds(name: str) -> list[str]:
    if "*" not in name and "?" not in name:
        return [name]
    stem = name.split("*")[0].split("?")[0]
    return [f"{stem}{number:02d}" for number in range(2)]


def _upper_columns(content: dict[str, Any], node: dict[str, Any]) -> list[str]:
    contrasts = set()
    outputs = {out for one in _instructions(node) for out in _listed(one.get("Output"))}
    for other in content["Nodes"]:
        contrasts |= {str(one["Name"]) for one in other.get("Contrasts") or []}
        contrasts |= set(_names(other)) if other["Level"].lower() == "run" else set()
    keys = [one for one in node.get("GroupBy") or []
            if one not in ("run", "session", "subject", "contrast", "task")]  # fmt: skip
    found = []
    for name in [*(one for one in _names(node) if not one.startswith("C(")), *keys]:
        base = name.split(".", 1)[0]
        factored = {one for item in _instructions(node) if item["Name"] == "Factor"
                    for one in _listed(item.get("Input"))}  # fmt: skip
        if name in contrasts or name in outputs or ":" in name:
            continue
        found.append(base if base in factored or base in node["Model"]["X"] else name)
    return [name for name in dict.fromkeys(found) if name != "intercept"]


def write_model_dataset(
    folder: Path, content: dict[str, Any], *, n_subjects: int = 4, n_runs: int = 2
) -> Path:
    """Write a BIDS dataset with fMRIPrep-like confounds that a model can be run on."""
    needs, rng = needs_of(content), np.random.default_rng(7)
    chosen = content.get("Input", {})
    subjects = _chosen(chosen, "subject", [f"{k:02d}" for k in range(1, n_subjects + 1)])
    sessions = _chosen(chosen, "session", [""])[:2]
    runs = _chosen(chosen, "run", [str(k) for k in range(1, n_runs + 1)])[:3]
    if len(subjects) < n_subjects:
        subjects = (subjects * n_subjects)[: len(subjects)]
    subjects = subjects[:n_subjects]
    task = _chosen(chosen, "task", ["x"])[0]
    folder.mkdir(parents=True)
    _write_json(folder / "dataset_description.json", {"Name": "made", "BIDSVersion": "1.8.0"})
    _write_people(folder, needs, subjects, rng)
    derivatives = folder / "derivatives" / "fmriprep"
    derivatives.mkdir(parents=True)
    made = {"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1.0"}]}  # fmt: skip
    _write_json(derivatives / "dataset_description.json", made)
    for subject in subjects:
        for session in sessions:
            for run in runs:
                stem = f"sub-{subject}" + (f"_ses-{session}" if session else "")
                place = Path(*stem.split("_")) / "func"
                stem += f"_task-{task}_run-{run}"
                _write_run(folder / place / stem, derivatives / place / stem, needs, rng)
    return folder


def _chosen(selected: dict[str, Any], key: str, default: list[str]) -> list[str]:
    return _listed(selected.get(key)) or default


def _write_people(
    folder: Path, needs: Needs, subjects: list[str], rng: np.random.Generator
) -> None:
    rows = [["participant_id", *needs.people]]
    for number, subject in enumerate(subjects):
        row, place = [f"sub-{subject}"], number
        for levels in needs.people.values():  # all cells of the levels, one after the other
            known = list(dict.fromkeys(levels))
            row.append(known[place % len(known)] if known else f"{rng.normal(30, 5):.2f}")
            place //= max(len(known), 1)
        rows.append(row)
    text = "\n".join("\t".join(row) for row in rows) + "\n"
    (folder / "participants.tsv").write_text(text)


def _write_run(raw: Path, derived: Path, needs: Needs, rng: np.random.Generator) -> None:
    for path in (raw, derived):
        path.parent.mkdir(parents=True, exist_ok=True)
    series = 1000 + rng.normal(0, 10, (3, 3, 3, N_SCANS))
    image = nib.Nifti1Image(series.astype(np.float32), np.diag([3.0, 3, 3, 1]))
    image.header.set_zooms((3, 3, 3, REPETITION_TIME))
    image.header.set_xyzt_units("mm", "sec")
    for path in (f"{raw}_bold", f"{derived}_space-MNI152NLin2009cAsym_desc-preproc_bold"):
        nib.save(image, f"{path}.nii.gz")
        _write_json(Path(f"{path}.json"), {"RepetitionTime": REPETITION_TIME, "TaskName": "x"})
    _write_events(Path(f"{raw}_events.tsv"), needs, rng)
    if needs.confounds:
        values = np.cumsum(rng.normal(size=(N_SCANS, len(needs.confounds))), axis=0)
        rows = [needs.confounds, *([f"{one:.5f}" for one in row] for row in values)]
        path = Path(f"{derived}_desc-confounds_timeseries.tsv")
        path.write_text("\n".join("\t".join(row) for row in rows) + "\n")


def _write_events(path: Path, needs: Needs, rng: np.random.Generator) -> None:
    most = max([len(levels) for levels in needs.text.values()] or [1])
    n_events = max(24, 4 * most)
    onsets = np.sort(rng.uniform(2, N_SCANS * REPETITION_TIME - 30, n_events))
    columns = ["onset", "duration", *needs.text, *needs.numbers]
    rows = [columns]
    order = {name: rng.permutation(n_events) for name in needs.text}
    for number, onset in enumerate(onsets):
        row = [f"{onset:.2f}", "1.50"]
        row += [levels[order[name][number] % len(levels)] for name, levels in needs.text.items()]
        row += [f"{abs(rng.normal(1, 0.4)):.3f}" for _ in needs.numbers]
        rows.append(row)
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
