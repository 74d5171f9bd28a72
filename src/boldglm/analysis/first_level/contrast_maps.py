"""Contrasts of a run as maps on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.analysis.first_level.event_design import contrast_weights
from boldglm.glm import Contrast, Fit, NotEstimableError
from boldglm.glm.first_level.contrasts import check_estimable, format_weights
from boldglm.glm.first_level.contrasts import contrast_weights as named_weights
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.derivatives import camel_case
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.notices import Notice, exclusion
from boldglm.stats_model.specification import ContrastSpec

INTENTS = {"t": "t test", "F": "f test", "z": "z score", "p": "p value"}


def estimate_contrasts(
    found: Fit,
    scale: np.ndarray,
    contrasts: Sequence[Any],
    mask_file: Path,
    mean_file: Path,
    folder: Path,
    notices: tuple[Notice, ...] = (),
) -> NodeResult:
    """Write the maps of every contrast that the design can estimate.

    Parameters
    ----------
    found : Fit
        Of one run.
    scale : ndarray of shape (n_voxels,)
        Factor from the unit of the data to the unit of the effects.
    contrasts : sequence of str or dict
        Expressions, or contrasts as a BIDS Stats Model writes them.
    mask_file, mean_file : Path
        Voxels of the fit; mean image.
    folder : Path
        Where the maps go.
    notices : tuple of Notice
        Carried over into the result.

    Returns
    -------
    NodeResult
        A contrast over a column that the run lacks, or that its design cannot estimate, is not
        in it but named in `notices`.

    Raises
    ------
    ValueError
        If an expression names what the design does not have.
    """
    geometry = read_geometry(mask_file)
    possible: list[tuple[str, np.ndarray]] = []
    passed = {
        one["Name"]: "pass"
        for one in contrasts
        if not isinstance(one, str) and one["Test"] == "pass"
    }
    notes = list(notices)
    for wanted in contrasts:
        named = _named_weights(wanted, found.names)
        if named is None:
            missing = [name for name in wanted["ConditionList"] if name not in found.names]
            notes.append(
                exclusion(
                    f"contrast {wanted['Name']!r}: this run lacks {', '.join(missing)}, which it "
                    "needs"
                )
            )
            continue
        try:
            check_estimable(named, found.names, found.model)
        except NotEstimableError as error:
            notes.append(exclusion(str(error)))
            continue
        possible.append(named)
    done = [
        write_contrast(
            tested, found.names, geometry, folder, scale=scale, test=passed.get(tested.name)
        )
        for tested in found.contrasts(possible)
    ]
    return NodeResult(mask_file, mean_file, tuple(done), tuple(notes))


def _named_weights(wanted: Any, names: Sequence[str]) -> tuple[str, np.ndarray] | None:
    """Return the name and weights of an expression or a model's contrast, if a run can have it."""
    if isinstance(wanted, str):
        return named_weights(wanted, names)
    rows = wanted["Weights"]
    rows = rows if isinstance(rows[0], list | tuple) else [rows]
    spec = ContrastSpec(
        wanted["Name"], tuple(wanted["ConditionList"]), tuple(map(tuple, rows)), wanted["Test"]
    )
    weights = contrast_weights(spec, names)
    return None if weights is None else named_weights(weights, names, spec.name)


def write_contrast(
    tested: Contrast,
    names: Sequence[str],
    geometry: Geometry,
    folder: Path,
    *,
    scale: np.ndarray | None = None,
    test: str | None = None,
) -> ContrastMaps:
    """Write the maps of a contrast.

    Parameters
    ----------
    tested : Contrast
        Rows of values, (n_voxels,).
    names : sequence of str
        Columns that its weights are of.
    geometry : Geometry
        Where the values lie.
    folder : Path
    scale : ndarray of shape (n_voxels,), optional
        Factor from the unit of the data to the unit of the effects.
    test : {"t", "F", "pass"}, optional
        "pass" writes effect and variance only; by default the test of the contrast.
    """
    values: dict[str, np.ndarray] = {}
    if tested.effect is not None and tested.variance is not None:
        factor = 1.0 if scale is None else scale
        values = {"effect": tested.effect * factor, "variance": tested.variance * factor**2}
    if test != "pass":
        values |= {tested.test: tested.statistic, "z": tested.z, "p": tested.p}
    if isinstance(tested.dof, np.ndarray):
        values["dof"] = tested.dof
    dof = float(np.median(tested.dof))
    parameters = {"t": (dof,), "F": (float(tested.dof_numerator), dof)}
    maps = {}
    for label, row in values.items():
        stem = f"contrast-{camel_case(tested.name)}_stat-{label}_statmap"
        intent = (INTENTS.get(label, "estimate"), parameters.get(label, ()))
        maps[label] = geometry.write_map(folder, stem, row, intent=intent)
    rows = np.atleast_2d(tested.weights)
    weights = {
        name: [float(value) for value in rows[:, column]]
        for column, name in enumerate(names)
        if np.any(rows[:, column] != 0)
    }
    return ContrastMaps(tested.name, test or tested.test, weights, dof, tested.dof_numerator, maps)


def fewest_dof(result: NodeResult, folder: Path) -> Path:
    """Write the fewest degrees of freedom among the t contrasts of a result, at every voxel."""
    geometry = read_geometry(result.mask)
    tested = [one for one in result.contrasts if one.test == "t"] or list(result.contrasts)
    fewest = np.full(geometry.n_voxels, min((one.dof for one in tested), default=0.0))
    if any("dof" in one.maps for one in tested):
        fewest = dofs_of(tested, geometry).min(axis=0)
    return geometry.write_map(folder, "stat-dof_statmap", fewest)


def weights_text(one: ContrastMaps) -> str:
    """Write the weights of a contrast as a person would."""
    names = [name.removeprefix("trial_type.") for name in one.weights]
    return format_weights(np.array(list(one.weights.values())).T.squeeze(), names)


def dofs_of(inputs: Sequence[ContrastMaps], geometry: Geometry) -> np.ndarray:
    """Degrees of freedom (n_inputs, n_voxels), from maps where they differ by voxel."""
    rows = []
    for one in inputs:
        if "dof" in one.maps:
            rows.append(np.maximum(geometry.read_rows([one.maps["dof"]])[0], 1.0))
        else:
            rows.append(np.full(geometry.n_voxels, one.dof))
    return np.stack(rows)
