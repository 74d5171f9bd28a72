"""Contrasts as maps on disk: estimated from a fit, combined over runs, tested over subjects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm import Contrast, Fit, NotEstimableError, combine_fixed_effects, one_sample_t
from boldglm.glm.contrasts import check_estimable, format_weights
from boldglm.glm.contrasts import contrast_weights as named_weights
from boldglm.io.derivatives import camel_case
from boldglm.io.designs import contrast_weights
from boldglm.io.geometry import Geometry
from boldglm.io.images import read_geometry
from boldglm.io.model import ContrastSpec
from boldglm.io.results import ContrastMaps, NodeResult

INTENTS = {"t": "t test", "F": "f test", "z": "z score", "p": "p value"}


def estimate_contrasts(
    found: Fit,
    scale: np.ndarray,
    contrasts: Sequence[Any],
    mask_file: Path,
    mean_file: Path,
    folder: Path,
    left_out: tuple[str, ...] = (),
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
    left_out : tuple of str
        Carried over into the result.

    Returns
    -------
    NodeResult
        A contrast over a column that the run lacks, or that its design cannot estimate, is not
        in it but named in `left_out`.

    Raises
    ------
    ValueError
        If an expression names what the design does not have.
    """
    geometry = read_geometry(mask_file)
    possible: list[tuple[str, np.ndarray]] = []
    notes = list(left_out)
    for wanted in contrasts:
        named = _named_weights(wanted, found.names)
        if named is None:
            missing = [name for name in wanted["ConditionList"] if name not in found.names]
            notes.append(
                f"contrast {wanted['Name']!r} needs {', '.join(missing)}, which this run lacks: "
                "it is not estimated here"
            )
            continue
        try:
            check_estimable(named, found.names, found.model)
        except NotEstimableError as error:
            notes.append(f"contrast left out: {error}")
            continue
        possible.append(named)
    done = [
        _write_maps(_scaled(tested, scale), found.names, geometry, folder)
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


@dataclass(frozen=True)
class _Scaled:
    """A contrast with effect and variance in the unit that was asked for."""

    contrast: Contrast
    effect: np.ndarray | None
    variance: np.ndarray | None


def _scaled(tested: Contrast, scale: np.ndarray | float = 1.0) -> _Scaled:
    if tested.effect is None or tested.variance is None:
        return _Scaled(tested, None, None)
    return _Scaled(tested, tested.effect * scale, tested.variance * scale**2)


def _write_maps(
    scaled: _Scaled, names: Sequence[str], geometry: Geometry, folder: Path
) -> ContrastMaps:
    tested = scaled.contrast
    values: dict[str, np.ndarray] = {tested.test: tested.statistic}
    if scaled.effect is not None and scaled.variance is not None:
        values = {"effect": scaled.effect, "variance": scaled.variance, **values}
    values |= {"z": tested.z, "p": tested.p}
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
    return ContrastMaps(tested.name, tested.test, weights, dof, tested.dof_numerator, maps)


def fewest_dof(result: NodeResult, folder: Path) -> Path:
    """Write the fewest degrees of freedom among the t contrasts of a result, at every voxel."""
    geometry = read_geometry(result.mask)
    tested = [one for one in result.contrasts if one.test == "t"] or list(result.contrasts)
    fewest = np.full(geometry.n_voxels, min((one.dof for one in tested), default=0.0))
    if any("dof" in one.maps for one in tested):
        fewest = _dofs(tested, geometry).min(axis=0)
    return geometry.write_map(folder, "stat-dof_statmap", fewest)


def combine_runs(results: Sequence[NodeResult], labels: Sequence[str], folder: Path) -> NodeResult:
    """Combine t contrasts of several runs by fixed effects, voxel by voxel.

    A run that lacks a contrast is left out of that contrast, and that is said. The voxels are
    those that every run has. F contrasts end at the run level, as BIDS Stats Models has it.

    Raises
    ------
    BadDataError
        If the runs lie on different grids or share no voxel.
    """
    common = _common_mask([result.mask for result in results], "runs", folder)
    geometry, notes = common.geometry, list(common.notes)
    done = []
    for name in _names(results, "t"):
        having = [
            (label, result.contrast(name))
            for label, result in zip(labels, results, strict=True)
            if result.contrast(name) is not None
        ]
        if len(having) < len(results):
            gone = [label for label in labels if label not in dict(having)]
            notes.append(f"contrast {name!r}: {', '.join(gone)} did not estimate it")
        inputs = [one for _, one in having if one is not None]
        effects = geometry.read_rows([one.maps["effect"] for one in inputs])
        variances = geometry.read_rows([one.maps["variance"] for one in inputs])
        combined = combine_fixed_effects(effects, variances, _dofs(inputs, geometry), name=name)
        done.append(
            _write_maps(_scaled(combined), [label for label, _ in having], geometry, folder)
        )
    dropped = _names(results, "F")
    if dropped:
        notes.append(f"F contrasts end at the run level: {', '.join(map(repr, dropped))}")
    return NodeResult(
        common.mask_file,
        _mean_image([result.mean for result in results], geometry, folder),
        tuple(done),
        tuple(notes),
        mask_size=common.size,
        meshes=results[0].meshes,
    )


def one_sample_over_subjects(
    results: Sequence[NodeResult], labels: Sequence[str], folder: Path
) -> NodeResult:
    """Test the mean over subjects of every contrast by a one-sample t.

    Subjects that lack a contrast are left out of it, and that is said; a contrast that fewer
    than two subjects have is not tested.

    Raises
    ------
    BadDataError
        If there are fewer than two subjects, or they lie on different grids.
    """
    if len(results) < 2:
        raise BadDataError(
            f"The group level needs at least two subjects; there is {len(results)} "
            f"({', '.join(labels)}). Run the participant level for more of them first."
        )
    common = _common_mask([result.mask for result in results], "subjects", folder)
    geometry, notes = common.geometry, list(common.notes)
    done = []
    for name in _names(results, "t"):
        having = {
            label: one
            for label, result in zip(labels, results, strict=True)
            if (one := result.contrast(name)) is not None
        }
        gone = [label for label in labels if label not in having]
        if gone:
            notes.append(f"contrast {name!r}: {', '.join(gone)} lack it")
        if len(having) < 2:
            notes.append(f"contrast {name!r} was not tested: fewer than two subjects have it")
            continue
        effects = geometry.read_rows([one.maps["effect"] for one in having.values()])
        tested = one_sample_t(effects, name=name)
        done.append(_write_maps(_scaled(tested), list(having), geometry, folder))
    means = _mean_image([result.mean for result in results], geometry, folder)
    return NodeResult(
        common.mask_file,
        means,
        tuple(done),
        tuple(notes),
        mask_size=common.size,
        meshes=results[0].meshes,
    )


def weights_text(one: ContrastMaps) -> str:
    """Write the weights of a contrast as a person would."""
    names = [name.removeprefix("trial_type.") for name in one.weights]
    return format_weights(np.array(list(one.weights.values())).T.squeeze(), names)


def _names(results: Sequence[NodeResult], test: str) -> list[str]:
    """Names of the contrasts of one kind, in the order in which they first occur."""
    found = [one.name for result in results for one in result.contrasts if one.test == test]
    return list(dict.fromkeys(found))


def _dofs(inputs: Sequence[ContrastMaps], geometry: Geometry) -> np.ndarray:
    """Degrees of freedom (n_inputs, n_voxels), from maps where they differ by voxel."""
    rows = []
    for one in inputs:
        if "dof" in one.maps:
            rows.append(np.maximum(geometry.read_rows([one.maps["dof"]])[0], 1.0))
        else:
            rows.append(np.full(geometry.n_voxels, one.dof))
    return np.stack(rows)


@dataclass(frozen=True)
class _Common:
    """What several inputs have in common."""

    geometry: Geometry
    mask_file: Path
    notes: tuple[str, ...]
    size: dict[str, int]


def _common_mask(masks: Sequence[Path], what: str, folder: Path) -> _Common:
    """Voxels that all inputs have, written as a mask."""
    each = [read_geometry(path) for path in masks]
    for path, one in zip(masks[1:], each[1:], strict=True):
        one.check_same(path.name, each[0], masks[0].name)
    inside = np.stack([one.mask for one in each])
    common = each[0].within(np.asarray(inside.all(axis=0)))
    if not common.n_voxels:
        raise BadDataError(
            f"The masks of the {what} have no {common.noun} in common: {masks[0].name}, ..."
        )
    mask_file = common.write_map(folder, "mask", np.ones(common.n_voxels), dtype=np.uint8)
    lost = int(inside.any(axis=0).sum()) - common.n_voxels
    notes = (
        (f"{lost} {common.noun} lie in the mask of some {what} but not of all, and were left out",)
        if lost
        else ()
    )
    return _Common(common, mask_file, notes, {"Analyzed": common.n_voxels, "LeftOut": lost})


def _mean_image(means: Sequence[Path], geometry: Geometry, folder: Path) -> Path:
    whole = geometry.everywhere()
    return whole.write_map(folder, "mean", whole.read_rows(means).mean(axis=0))
