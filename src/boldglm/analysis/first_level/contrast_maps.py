"""The maps of contrasts, written to disk."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from boldglm.analysis.first_level.slices import RunFit, contrasts_in_voxel_order
from boldglm.analysis.model.orthogonalized_contrasts import meaning_warning
from boldglm.glm import Contrast, MissingRegressorError, NotEstimableError
from boldglm.glm.design.contrast_meaning import SharedVariance
from boldglm.glm.first_level.contrasts import check_estimable, contrast_weights, format_weights
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.names import camel_case
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.notices import Notice, exclusion
from boldglm.stats_model.specification import ContrastSpec

INTENTS = {"t": "t test", "F": "f test", "z": "z score", "p": "p value"}


def estimate_contrasts(
    fit: RunFit,
    scale: np.ndarray,
    contrasts: Sequence[str | ContrastSpec],
    mask_file: Path,
    mean_file: Path,
    folder: Path,
    notices: tuple[Notice, ...] = (),
    shared: SharedVariance = (),
) -> NodeResult:
    """Write the maps of every contrast that the design can estimate.

    Parameters
    ----------
    fit : Fit or SliceFit
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
    shared : SharedVariance
        `Design.shared` of the design, from which warnings of contrasts follow.

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
    warnings: dict[str, tuple[Notice, ...]] = {}
    for contrast in contrasts:
        label = contrast if isinstance(contrast, str) else contrast.name
        try:
            weights = weights_of(contrast, fit.names)
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
            meaning = meaning_warning(*weights, fit.names, shared)
            warnings[weights[0]] = () if meaning is None else (meaning,)
            if isinstance(contrast, ContrastSpec) and contrast.test == "pass":
                passed.add(contrast.name)
    maps = []
    for tested in contrasts_in_voxel_order(fit, estimable):
        test = "pass" if tested.name in passed else None
        written = write_contrast(tested, fit.names, geometry, folder, scale=scale, test=test)
        texts = tuple(notice.text for notice in warnings[tested.name])
        maps.append(replace(written, warnings=texts))
    more = [notice for of_contrast in warnings.values() for notice in of_contrast]
    all_notices = dict.fromkeys([*notices, *exclusions, *more])  # the plan may know them already
    return NodeResult(mask_file, mean_file, tuple(maps), tuple(all_notices))


def weights_of(contrast: str | ContrastSpec, names: Sequence[str]) -> tuple[str, np.ndarray]:
    """Return the name of a contrast, and its weights of the regressors.

    Raises
    ------
    MissingRegressorError
        If a regressor does not exist.
    """
    if isinstance(contrast, str):
        return contrast_weights(contrast, names)
    return contrast_weights(contrast.weights_by_column, names, contrast.name)


def write_contrast(
    contrast: Contrast,
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
    contrast : Contrast
        The contrast, with arrays of shape (n_voxels,).
    names : sequence of str
        Names of the regressors.
    geometry : Geometry
        Position of the voxels, and the image format.
    folder : Path
        Folder for the maps.
    scale : ndarray of shape (n_voxels,), optional
        Factor from the unit of the data to the unit of the effects.
    test : {"t", "F", "pass"}, optional
        "pass" writes effect and variance only; by default the test of the contrast.

    Returns
    -------
    ContrastMaps
        Weights, degrees of freedom and files of the contrast.
    """
    values: dict[str, np.ndarray] = {}
    if contrast.effect is not None and contrast.variance is not None:
        factor = 1.0 if scale is None else scale
        values = {"effect": contrast.effect * factor, "variance": contrast.variance * factor**2}
    if test != "pass":
        values |= {contrast.test: contrast.statistic, "z": contrast.z, "p": contrast.p}
    if isinstance(contrast.dof, np.ndarray):
        values["dof"] = contrast.dof
    dof = float(np.median(contrast.dof))
    parameters = {"t": (dof,), "F": (float(contrast.dof_numerator), dof)}
    maps = {}
    for label, row in values.items():
        stem = f"contrast-{camel_case(contrast.name)}_stat-{label}_statmap"
        intent = (INTENTS.get(label, "estimate"), parameters.get(label, ()))
        maps[label] = geometry.write_map(folder, stem, row, intent=intent)
    rows = np.atleast_2d(contrast.weights)
    weights = {
        name: [float(value) for value in rows[:, column]]
        for column, name in enumerate(names)
        if np.any(rows[:, column] != 0)
    }
    return ContrastMaps(
        contrast.name, test or contrast.test, weights, dof, contrast.dof_numerator, maps
    )


def write_minimum_dof(result: NodeResult, folder: Path) -> Path:
    """Write a map of the smallest degrees of freedom among the t contrasts of a result."""
    geometry = read_geometry(result.mask)
    contrasts = [maps for maps in result.contrasts if maps.test == "t"] or list(result.contrasts)
    minimum = np.full(geometry.n_voxels, min((maps.dof for maps in contrasts), default=0.0))
    if any("dof" in maps.maps for maps in contrasts):
        minimum = read_dofs(contrasts, geometry).min(axis=0)
    return geometry.write_map(folder, "stat-dof_statmap", minimum)


def weights_text(maps: ContrastMaps) -> str:
    """Return the weights of a contrast as an expression, such as ``faces - houses``."""
    names = [name.removeprefix("trial_type.") for name in maps.weights]
    return format_weights(np.array(list(maps.weights.values())).T.squeeze(), names)


def read_dofs(contrasts: Sequence[ContrastMaps], geometry: Geometry) -> np.ndarray:
    """Return the degrees of freedom of contrasts at every voxel, (n_contrasts, n_voxels)."""
    rows = []
    for maps in contrasts:
        if "dof" in maps.maps:
            rows.append(np.maximum(geometry.read_rows([maps.maps["dof"]])[0], 1.0))
        else:
            rows.append(np.full(geometry.n_voxels, maps.dof))
    return np.stack(rows)
