"""Contrasts of a run as maps on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from boldglm.glm import Contrast, Fit, MissingRegressorError, NotEstimableError
from boldglm.glm.first_level.contrasts import check_estimable, contrast_weights, format_weights
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.derivatives import camel_case
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.notices import Notice, exclusion
from boldglm.stats_model.specification import ContrastSpec

INTENTS = {"t": "t test", "F": "f test", "z": "z score", "p": "p value"}


def estimate_contrasts(
    fit: Fit,
    scale: np.ndarray,
    contrasts: Sequence[str | ContrastSpec],
    mask_file: Path,
    mean_file: Path,
    folder: Path,
    notices: tuple[Notice, ...] = (),
) -> NodeResult:
    """Write the maps of every contrast that the design can estimate.

    Parameters
    ----------
    fit : Fit
        Fit of one run.
    scale : ndarray of shape (n_voxels,)
        Factor from the unit of the data to the unit of the effects.
    contrasts : sequence of str or ContrastSpec
        Expressions, or contrasts of a BIDS Stats Model.
    mask_file, mean_file : Path
        Image of the voxels of the fit, and mean image.
    folder : Path
        Folder for the maps.
    notices : tuple of Notice
        Notices of earlier steps, which the result keeps.

    Returns
    -------
    NodeResult
        The maps. A contrast that needs a column which the run lacks, or that the design cannot
        estimate, is an exclusion in `notices`.

    Raises
    ------
    ValueError
        If an expression names a column that the design lacks.
    """
    geometry = read_geometry(mask_file)
    estimable: list[tuple[str, np.ndarray]] = []
    passed: set[str] = set()
    exclusions: list[Notice] = []
    for contrast in contrasts:
        label = contrast if isinstance(contrast, str) else contrast.name
        try:
            weights = _weights(contrast, fit.names)
            check_estimable(weights, fit.names, fit.model)
        except MissingRegressorError as error:
            missing = ", ".join(error.regressors)
            exclusions.append(
                exclusion(f"contrast {label!r}: this run lacks {missing}, which it needs")
            )
        except NotEstimableError as error:
            exclusions.append(exclusion(str(error)))
        else:
            estimable.append(weights)
            if isinstance(contrast, ContrastSpec) and contrast.test == "pass":
                passed.add(contrast.name)
    maps = [
        write_contrast(
            contrast,
            fit.names,
            geometry,
            folder,
            scale=scale,
            test="pass" if contrast.name in passed else None,
        )
        for contrast in fit.contrasts(estimable)
    ]
    return NodeResult(mask_file, mean_file, tuple(maps), (*notices, *exclusions))


def _weights(contrast: str | ContrastSpec, names: Sequence[str]) -> tuple[str, np.ndarray]:
    if isinstance(contrast, str):
        return contrast_weights(contrast, names)
    return contrast_weights(contrast.weights_by_column, names, contrast.name)


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


def write_minimum_dof(result: NodeResult, folder: Path) -> Path:
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
