"""Higher-level fits: their inputs and designs, and the maps of their contrasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.analysis.first_level.contrast_maps import write_contrast
from boldglm.analysis.higher_levels.group_inference import Inference, VoxelAdjacency, infer
from boldglm.analysis.higher_levels.input_maps import MAPS_READ, fit_inputs
from boldglm.analysis.higher_levels.input_smoothing import ESTIMATED, smoothed_inputs
from boldglm.analysis.higher_levels.region_tests import InputRegions, RegionTests
from boldglm.analysis.higher_levels.shared_mask import SharedMask, share_mask, write_mean
from boldglm.errors import BadDataError
from boldglm.glm import NotEstimableError
from boldglm.glm.second_level.error_models import TooFewInputsError
from boldglm.glm.second_level.variance_ratio import RatioPrior
from boldglm.io.bids.atlas import Atlas, Regions, load_regions
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.notices import Notice, exclusion, note, warning
from boldglm.stats_model.node_plans import NodePlan
from boldglm.stats_model.specification import ContrastSpec


@dataclass(frozen=True)
class HigherLevelFit:
    """One design over contrasts of results, and the contrasts to estimate.

    Parameters
    ----------
    inputs : tuple of (int, str)
        Index of a result, and the name of its contrast.
    names : tuple of str
        Names of the columns of the design.
    matrix : tuple of tuple of float
        The design, with a row for each input.
    contrasts : tuple of ContrastSpec
        Contrasts over the columns.
    variance_groups, blocks : tuple of str
        Group and participant of each input, as for `fit_second_level`; empty if all inputs have
        one variance, and are independent.
    """

    inputs: tuple[tuple[int, str], ...]
    names: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    contrasts: tuple[ContrastSpec, ...]
    variance_groups: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()

    def errors(self, rows: Sequence[int]) -> dict[str, Any]:
        """Return the arguments of `fit_second_level` that describe the errors of some inputs."""
        labels = {"variance_groups": self.variance_groups, "blocks": self.blocks}
        return {name: [given[row] for row in rows] for name, given in labels.items() if given}


@dataclass(frozen=True)
class NodeFits:
    """The fits of a higher-level node.

    Parameters
    ----------
    labels : tuple of str
        Name of each result that enters the node.
    fits : tuple of HigherLevelFit
        The designs.
    method : {"fixed", "ols", "mixed"}
        Estimator.
    coverage : float
        Share of the inputs that a voxel needs, above 0 and up to 1.
    is_top : bool
        Whether the node is at the dataset level, where contrasts must be testable.
    notes : tuple of Notice
        Notices of the plan.
    inference : Inference
        Permutations and cluster threshold, at the dataset level.
    smoothing : float, optional
        Full width at half maximum in mm by which input effects are smoothed.
    atlas : Atlas, optional
        Atlas whose regions are tested too, and name peaks.
    from_maps : bool
        Whether the inputs have no tables of regions, so that means of their maps are tested.
    """

    labels: tuple[str, ...]
    fits: tuple[HigherLevelFit, ...]
    method: str
    coverage: float
    is_top: bool
    notes: tuple[Notice, ...] = ()
    inference: Inference = field(default_factory=Inference)
    smoothing: float | None = None
    atlas: Atlas | None = None
    from_maps: bool = False

    @classmethod
    def of(
        cls,
        plan: NodePlan,
        *,
        method: str,
        coverage: float,
        inference: Inference | None = None,
        smoothing: float | None = None,
        atlas: Atlas | None = None,
        from_maps: bool = False,
    ) -> "NodeFits":
        """Return the fits of a planned node.

        Parameters
        ----------
        plan : NodePlan
            The planned node.
        method, coverage, inference, smoothing, atlas, from_maps
            As for `NodeFits`.
        """
        keys = plan.input_keys
        labels = plan.input_labels()
        return cls(
            tuple(labels[key] for key in keys),
            tuple(
                HigherLevelFit(
                    tuple((keys.index(item.key), item.contrast) for item in fit.inputs),
                    fit.design.names,
                    tuple(tuple(map(float, row)) for row in fit.design.matrix),
                    fit.contrasts,
                    fit.errors.variance_groups,
                    fit.errors.blocks,
                )
                for fit in plan.fits
            ),
            method,
            coverage,
            plan.node.level == "dataset",
            plan.notes,
            inference or Inference(),
            smoothing,
            atlas,
            from_maps,
        )

    @classmethod
    def of_means(
        cls, contrasts: Sequence[Sequence[str]], labels: Sequence[str], *, method: str
    ) -> "NodeFits":
        """Return the fits that average every t contrast over results, without a model file.

        Parameters
        ----------
        contrasts : sequence of sequence of str
            Names of the contrasts of each result.
        labels : sequence of str
            Name of each result.
        method : {"fixed", "ols", "mixed"}
        """
        fits = []
        for name in dict.fromkeys(name for names in contrasts for name in names):
            inputs = tuple((index, name) for index, names in enumerate(contrasts) if name in names)
            spec = ContrastSpec(name, ("intercept",), ((1.0,),), "t")
            fits.append(HigherLevelFit(inputs, ("intercept",), ((1.0,),) * len(inputs), (spec,)))
        is_top = method != "fixed"
        return cls(tuple(labels), tuple(fits), method, 1.0, is_top)


def fit_node(results: Sequence[NodeResult], fits: NodeFits, folder: Path) -> NodeResult:
    """Fit a higher-level node and write the maps of its contrasts.

    Parameters
    ----------
    results : sequence of NodeResult
        Inputs, in the order of `fits.labels`.
    fits : NodeFits
        The designs and the estimator.
    folder : Path
        Folder for the maps.

    Returns
    -------
    NodeResult
        The maps; contrasts that cannot be tested are exclusions in its `notices`.

    Raises
    ------
    BadDataError
        If the results lie on different grids or share no voxel, or if a dataset node can test
        no contrast at all.
    """
    if fits.smoothing is None:
        return _fit_all(results, fits, folder)
    contrasts: dict[int, list[str]] = {}
    for index, name in (pair for fit in fits.fits for pair in fit.inputs):
        contrasts.setdefault(index, []).append(name)
    with smoothed_inputs(results, contrasts, fits.smoothing, folder) as smoothed:
        return _fit_all(smoothed, fits, folder)


def _fit_all(results: Sequence[NodeResult], fits: NodeFits, folder: Path) -> NodeResult:
    """Fit all designs of a node in the voxels that its inputs share."""
    masks = [result.mask for result in results]
    shared = share_mask(masks, fits.labels, fits.coverage, folder)
    notices = [*fits.notes, *shared.notices]
    contrasts: list[ContrastMaps] = []
    meshes = [path for path in results[0].meshes if path.is_file()]
    regions = None if fits.atlas is None else load_regions(fits.atlas, shared.geometry)
    tests = None if regions is None else _region_tests(regions, results, fits, shared, notices)
    space = shared.geometry.with_meshes(meshes)
    adjacency = VoxelAdjacency(space, regions) if fits.is_top else None
    for fit in fits.fits:
        contrasts += _fit_design(results, fit, fits, shared, adjacency, tests, notices, folder)
    f_contrasts = dict.fromkeys(
        repr(maps.name) for result in results for maps in result.contrasts if maps.test == "F"
    )
    if f_contrasts:
        names = ", ".join(f_contrasts)
        notices.append(note(f"F contrasts are not combined across runs or participants: {names}"))
    if not contrasts and fits.is_top:
        raise BadDataError(
            "No contrast could be tested: "
            f"{'; '.join(map(str, notices[:4])) or 'the model defines none'}."
        )
    mean = write_mean([result.mean for result in results], shared.geometry, folder)
    return NodeResult(
        shared.mask_file,
        mean,
        tuple(contrasts),
        tuple(dict.fromkeys(notices)),
        mask_size=shared.size,
        meshes=results[0].meshes,
        sources={"Mask": tuple(masks), "Mean": tuple(result.mean for result in results)},
        regions=None if tests is None else tests.write(shared.geometry, folder),
    )


def _region_tests(
    regions: Regions,
    results: Sequence[NodeResult],
    fits: NodeFits,
    shared: SharedMask,
    notices: list[Notice],
) -> RegionTests | None:
    """Return what tests regions, if the inputs have what it needs; add to the notices."""
    given, more = InputRegions.of(regions, results, fits.labels, shared, fits.method)
    notices += [*regions.notices(), *more]
    return None if given is None else RegionTests(given, fits.inference if fits.is_top else None)


def _fit_design(
    results: Sequence[NodeResult],
    fit: HigherLevelFit,
    node: NodeFits,
    shared: SharedMask,
    adjacency: VoxelAdjacency | None,
    tests: RegionTests | None,
    notices: list[Notice],
    folder: Path,
) -> list[ContrastMaps]:
    """Fit one design, without inputs whose result lacks the contrast; add to the notices."""
    pairs = [(index, results[index].contrast(name)) for index, name in fit.inputs]
    rows = [row for row, (_, maps) in enumerate(pairs) if maps is not None]
    names = ", ".join(repr(spec.name) for spec in fit.contrasts)
    if len(rows) < len(pairs):
        missing = [node.labels[index] for index, maps in pairs if maps is None]
        notices.append(
            exclusion(f"{', '.join(missing)} from contrast {names}: not estimated there")
        )
    inputs = [(index, maps) for index, maps in pairs if maps is not None]
    if not inputs:
        return []
    matrix = np.array(fit.matrix, dtype=float).reshape(len(pairs), -1)[rows]
    method = _testable_method(fit, node, matrix, names, notices)
    if method is None:
        return []
    errors = {} if method == "fixed" else fit.errors(rows)
    options = {"names": fit.names, "coverage": node.coverage, **errors}
    try:
        estimates = fit_inputs(inputs, shared, folder, matrix, method=method, **options)
    except TooFewInputsError as error:
        notices.append(exclusion(f"contrast {names}: {error}"))
        return []
    labels = tuple(node.labels[index] for index, _ in inputs)
    design = {name: matrix[:, column].tolist() for column, name in enumerate(fit.names)}
    below = dict.fromkeys(text for _, maps in inputs for text in maps.warnings)
    notices += map(warning, below)
    contrasts = []
    for spec in fit.contrasts:
        try:
            contrast = estimates.contrast(spec.weights_by_column, name=spec.name)
        except NotEstimableError as error:
            notices.append(exclusion(str(error)))
            continue
        maps = replace(
            write_contrast(contrast, fit.names, shared.geometry, folder, test=spec.test),
            inputs=labels,
            design=design,
            inference=_described(errors, method, spec.test, estimates.errors.ratio),
            sources=tuple(path for _, each in inputs for path in _maps_read(each, method)),
            warnings=tuple(below),
        )
        if adjacency is not None and spec.test != "pass":
            maps, more = infer(maps, contrast, estimates, adjacency, node.inference, folder)
            notices += more
        contrasts.append(maps)
    if tests is not None:
        specs = [spec for spec in fit.contrasts if spec.name in {maps.name for maps in contrasts}]
        notices += tests.add(inputs, matrix, specs, method=method, **options)
    return contrasts


def _described(
    errors: Mapping[str, Sequence[str]], method: str, test: str, ratio: RatioPrior | None
) -> dict[str, Any]:
    """Describe the errors of the inputs for sidecars."""
    described: dict[str, Any] = {}
    blocks, groups = errors.get("blocks", ()), errors.get("variance_groups", ())
    if len(set(blocks)) < len(blocks):
        described["ExchangeabilityBlocks"] = list(blocks)
        described["Variance"] = "robust to dependence within blocks (CR2)"
    elif len(set(groups)) > 1:
        described["VarianceGroups"] = list(groups)
        how = " (Welch)" if method == "ols" else ""
        if ratio is not None and test == "t":
            how = (
                f", their ratio pooled over voxels: ln ratio {ratio.mean:.2f} with a standard "
                f"deviation of {ratio.variance**0.5:.2f}"
            )
        described["Variance"] = f"of each group{how}"
    return described


def _testable_method(
    fit: HigherLevelFit, node: NodeFits, matrix: np.ndarray, names: str, notices: list[Notice]
) -> str | None:
    """Return the estimator for the inputs that there are, or None if there are too few."""
    n_inputs = len(matrix)
    if node.method == "fixed" or n_inputs > np.linalg.matrix_rank(matrix):
        return node.method
    if node.is_top or node.smoothing is not None:
        reason = "" if node.is_top else ", and smoothed effects have no variances"
        notices.append(
            exclusion(
                f"contrast {names}: {n_inputs} inputs and {len(fit.names)} columns leave no "
                f"degrees of freedom{reason}"
            )
        )
        return None
    notices.append(
        warning(
            f"contrast {names}: {n_inputs} inputs leave no degrees of freedom for the variance "
            "between inputs, so they were combined by fixed effects, weighted by inverse variance"
        )
    )
    return "fixed"


def _maps_read(maps: ContrastMaps, method: str) -> tuple[Path, ...]:
    """Return the maps of an input that its fit used: of smoothed effects, those before."""
    if ESTIMATED in maps.maps:
        return maps.sources
    labels = MAPS_READ[method]
    return tuple(maps.maps[label] for label in labels if label in maps.maps)
