"""Readers of models, sidecars, descriptions and the small languages of the command line."""

import json
import math
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np

from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.analysis.first_level.model_design import RunTables, design_from_model
from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.analysis.model.model import read_model
from boldglm.analysis.plan.timing import RunMetadata, run_timing
from boldglm.io.bids.derivative_datasets import find_derivatives
from boldglm.io.bids.layout import _dataset_name
from boldglm.io.bids.selection import Selection
from boldglm.io.bids.sidecars import Sidecars
from boldglm.io.outputs.dataset_links import paths_of
from boldglm.stats_model import NodeInput, plan_node
from fuzz import mutations, seeds
from fuzz.reader import Reader


def _read_sidecar(path: Path) -> None:
    """Read metadata, and the times of volumes from it."""
    metadata = Sidecars(path.parent).of(path.with_suffix(".nii.gz"))
    timing, _ = run_timing(RunMetadata("x_bold.nii.gz", metadata, seeds.N_SCANS, 2.0))
    assert len(timing.frame_times) == seeds.N_SCANS
    assert np.isfinite(timing.frame_times).all()
    assert (np.diff(timing.frame_times) > 0).all()
    stated = metadata.get("RepetitionTime")
    if stated is not None and not timing.volume_timing:
        assert abs(timing.repetition_time - float(stated)) < 1e-6 or float(stated) > 100
    if "StartTime" in metadata and not timing.volume_timing:
        assert abs(timing.frame_times[0] - float(metadata["StartTime"])) < 1e-6


def _read_description(path: Path) -> None:
    assert isinstance(_dataset_name(path.parent, validate=True), str)
    find_derivatives(path.parent, [str(path.parent)])
    paths_of(["bids:raw:sub-01/x"], path.parent)


@cache
def _tables() -> RunTables:
    """Return the tables of one run for models."""
    rng = np.random.default_rng(0)
    n_scans = 40
    timing = RunTiming(n_scans, 2.0, 1.0)
    events = {
        "onset": np.arange(4.0, 70, 8),
        "duration": np.full(9, 1.5),
        "trial_type": np.array(["go", "stop", "go"] * 3, dtype=object),
        "response_time": np.array(["0.6", "0.7", math.nan] * 3, dtype=object),
    }
    values = {name: rng.standard_normal(n_scans) for name in ("trans_x", "trans_y", "cosine00")}
    confounds = SimpleNamespace(
        name="x_timeseries.tsv",
        n_rows=n_scans,
        columns=tuple(values),
        masks={},
        variance_explained={},
        values=lambda names: (
            np.column_stack([values[name] for name in names]) if names else np.zeros((n_scans, 0))
        ),
    )
    return RunTables(events, confounds, timing, "x_events.tsv", "x_bold.nii.gz")


def _read_model(path: Path) -> None:
    """Read a model, build the design of a run and plan the nodes above."""
    model = read_model(path)
    built = design_from_model(model, _tables())
    assert np.isfinite(built.design.matrix).all()
    assert built.design.n_scans == _tables().timing.n_scans
    results = [
        NodeInput(model.spec.root.name, f"{sub}{name}", f"sub-{sub}", name, {"sub": sub},
                  {"age": str(20 + place)})
        for place, sub in enumerate(("01", "02", "03"))
        for name in ("a", "go", "trial_type.go")
    ]  # fmt: skip
    for node in model.spec.nodes[1:]:
        for plan in plan_node(model.spec, node, results):
            for fit in plan.fits:
                assert np.isfinite(fit.design.matrix).all()


def _read_filters(path: Path) -> None:
    assert isinstance(Selection.of(filter_file=path).filters, tuple)


def _read_contrast(path: Path) -> None:
    options = DefaultModelOptions(contrasts=(path.read_text(encoding="utf-8", errors="replace"),))
    model = default_model("go", ["go", "stop"], 2.0, options)
    for contrast in model["Nodes"][0]["Contrasts"]:
        weights = np.array(contrast["Weights"], dtype=float)
        assert np.isfinite(weights).all()
        assert weights.any()


def _read_rule(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    key = "modulate" if "@" in text else "orthogonalize"
    options = DefaultModelOptions(**{key: (text,)})
    json.dumps(default_model("go", ["go", "stop"], 2.0, options, event_columns=["response_time"]))


def _with_participant(folder: Path) -> None:
    (folder / "sub-01").mkdir(exist_ok=True)


def _read_formula(path: Path) -> None:
    """Read a formula as that of the dataset level if it has a column of participants."""
    text = path.read_text(encoding="utf-8", errors="replace")
    model = json.loads(seeds.models()[0])
    node = model["Nodes"][-1 if "age" in text else 0]
    node["Model"]["Formula"] = text
    node.pop("Contrasts", None)
    written = path.with_name("formula_smdl.json")
    written.write_text(json.dumps(model), encoding="utf-8")
    _read_model(written)


def _of_instructions(random: Random, content: bytes) -> bytes:
    """Add another instruction, change one, or both."""
    what = random.random()
    if what < 0.6:
        model = json.loads(content)
        part = model["Nodes"][0]["Transformations"]["Instructions"]
        part.insert(random.randrange(len(part) + 1), random.choice(seeds.INSTRUCTIONS))
        content = json.dumps(model).encode()
    return content if 0.2 < what < 0.5 else mutations.of_instructions(random, content)


MODELS = (
    Reader("sidecar", "x_bold.json", seeds.sidecars, mutations.of_json, _read_sidecar),
    Reader("dataset description", "dataset_description.json", seeds.descriptions,
           mutations.of_json, _read_description, _with_participant),
    Reader("BIDS Stats Model", "x_smdl.json", seeds.models, mutations.of_json, _read_model),
    Reader("transformations", "x_smdl.json", seeds.transformed_models,
           _of_instructions, _read_model),
    Reader("filter file", "filters.json", seeds.filters, mutations.of_json, _read_filters),
    Reader("formula", "formula.txt", seeds.formulas, mutations.of_text, _read_formula,
           quick=60),
    Reader("contrast expression", "contrast.txt", seeds.expressions, mutations.of_text,
           _read_contrast),
    Reader("modulation, orthogonalization", "rule.txt", seeds.rules, mutations.of_text,
           _read_rule),
)  # fmt: skip
