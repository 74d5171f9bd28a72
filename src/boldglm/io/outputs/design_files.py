"""Designs and correlation matrices as TSV files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.glm import Design
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.outputs.names import sidecar

SHARED = "OrthogonalizationWeights"
BEFORE = "BeforeOrthogonalization"


def write_design(design: Design, path: Path, details: dict) -> None:
    """Write a design as TSV with 17 significant digits, and its JSON sidecar.

    Parameters
    ----------
    design : Design
        Design of a run.
    path : Path
        The ``.tsv`` file.
    details : dict
        Further content of the sidecar.
    """
    lines = ["\t".join(design.names)]
    lines += ["\t".join(f"{value:.17g}" for value in row) for row in design.matrix]
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    conditions = zip(design.names, design.conditions, strict=True)
    content = {
        "Regressors": dict(zip(design.names, design.roles, strict=True)),
        "Conditions": {name: condition for name, condition in conditions if condition},
        "FrameTimes": [float(time) for time in design.frame_times],
        **_shared_content(design),
        **details,
    }
    write_json(sidecar(path), content)


def read_design(path: Path) -> Design:
    """Read a design from the files of `write_design`, to the last digit."""
    with path.open(encoding="utf-8") as file:
        names = tuple(file.readline().rstrip("\n").split("\t"))
        matrix = np.loadtxt(file, delimiter="\t", ndmin=2)
    details = read_json(sidecar(path))
    conditions = details.get("Conditions", {})
    return Design(
        matrix=matrix,
        names=names,
        frame_times=np.asarray(details["FrameTimes"]),
        roles=tuple(details["Regressors"][name] for name in names),
        conditions=tuple(conditions.get(name, "") for name in names) if conditions else (),
        shared=tuple(
            (column, {name: np.nan if gamma is None else gamma for name, gamma in each.items()})
            for column, each in details.get(SHARED, {}).items()
        ),
    )


def columns_before(design: Design, before: Design) -> dict[str, Any]:
    """Return the columns that orthogonalization changed, as they were, for the sidecar."""
    changed = {
        name: before.matrix[:, column].tolist()
        for column, name in enumerate(design.names)
        if not np.array_equal(before.matrix[:, column], design.matrix[:, column])
    }
    return {BEFORE: changed} if changed else {}


def read_before(path: Path, design: Design) -> Design | None:
    """Read a design as it was before orthogonalization; None if nothing was changed."""
    columns = read_json(sidecar(path)).get(BEFORE, {})
    if not columns:
        return None
    matrix = design.matrix.copy()
    for name, values in columns.items():
        matrix[:, design.names.index(name)] = values
    return replace(design, matrix=matrix)


def _shared_content(design: Design) -> dict[str, Any]:
    """Return the weights of what was subtracted from orthogonalized columns; null if unknown."""
    if not design.shared:
        return {}
    return {
        SHARED: {
            column: {name: None if np.isnan(gamma) else gamma for name, gamma in each.items()}
            for column, each in design.shared
        }
    }


def write_correlations(correlations: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Write a correlation matrix as TSV with names in the first row and column."""
    lines = ["\t".join(["regressor", *names])]
    for name, row in zip(names, correlations, strict=True):
        lines.append("\t".join([name, *(f"{value:.6g}" for value in row)]))
    write_bytes(path, ("\n".join(lines) + "\n").encode())
