"""Fits above the run as maps on disk: what a node is told, and the maps it makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from boldglm.analysis.first_level.contrast_maps import dofs_of, write_contrast
from boldglm.analysis.higher_levels.group_inference import Inference, Surroundings, infer
from boldglm.analysis.higher_levels.input_smoothing import KNOWN, smoothed_inputs
from boldglm.errors import BadDataError
from boldglm.glm import NotEstimableError, SecondLevelFit, fit_second_level
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.notices import Notice, exclusion, note, warning
from boldglm.stats_model.node_plans import NodePlan
from boldglm.stats_model.specification import ContrastSpec


@dataclass(frozen=True)
class HigherLevelFit:
    """One design over results, by their index, and the contrasts to estimate.

    `inputs` are pairs (index of the result, name of its contrast); `matrix` has a row for each.
    """

    inputs: tuple[tuple[int, str], ...]
    names: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    contrasts: tuple[ContrastSpec, ...]


@dataclass(frozen=True)
class NodeFits:
    """What a node above the run does with the results it is given."""

    labels: tuple[str, ...]  # what each result is called
    fits: tuple[HigherLevelFit, ...]
    method: str  # "fixed", "ols" or "mixed"
    coverage: float  # share of the inputs that a voxel needs
    is_top: bool  # whether a result must be a test: at the dataset level
    notes: tuple[Notice, ...] = ()
    inference: Inference = field(default_factory=Inference)
    smoothing: float | None = None  # FWHM by which effects are smoothed before, mm

    @classmethod
    def of(
        cls,
        plan: NodePlan,
        *,
        method: str,
        coverage: float,
        inference: Inference | None = None,
        smoothing: float | None = None,
    ) -> "NodeFits":
        """Turn a plan of the model graph into what travels to a node."""
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
                )
                for fit in plan.fits
            ),
            method,
            coverage,
            plan.node.level == "dataset",
            plan.notes,
            inference or Inference(),
            smoothing,
        )

    @classmethod
    def of_means(
        cls, contrasts: Sequence[Sequence[str]], labels: Sequence[str], *, method: str
    ) -> "NodeFits":
        """Make the mean over results of every t contrast, without a model file.

        Parameters
        ----------
        contrasts : sequence of sequence of str
            Names of the contrasts of each result.
        labels : sequence of str
            What each result is called.
        method : {"fixed", "ols", "mixed"}
        """
        fits = []
        for name in dict.fromkeys(name for own in contrasts for name in own):
            inputs = tuple((k, name) for k, own in enumerate(contrasts) if name in own)
            spec = ContrastSpec(name, ("intercept",), ((1.0,),), "t")
            fits.append(HigherLevelFit(inputs, ("intercept",), ((1.0,),) * len(inputs), (spec,)))
        is_top = method != "fixed"
        return cls(tuple(labels), tuple(fits), method, 1.0, is_top)


def fit_node(results: Sequence[NodeResult], wanted: NodeFits, folder: Path) -> NodeResult:
    """Fit a node above the run and write the maps of its contrasts.

    Parameters
    ----------
    results : sequence of NodeResult
        Inputs, in the order of `wanted.labels`.
    wanted : NodeFits
    folder : Path
        Where the maps go.

    Returns
    -------
    NodeResult
        What could not be tested is among its `notices`.

    Raises
    ------
    BadDataError
        If the results lie on different grids, share no voxel, or a dataset node can test
        nothing at all.
    """
    if wanted.smoothing is None:
        return _fit_all(results, wanted, folder)
    needed: dict[int, list[str]] = {}
    for index, name in (pair for fit in wanted.fits for pair in fit.inputs):
        needed.setdefault(index, []).append(name)
    with smoothed_inputs(results, needed, wanted.smoothing, folder) as smoothed:
        return _fit_all(smoothed, wanted, folder)


def _fit_all(results: Sequence[NodeResult], wanted: NodeFits, folder: Path) -> NodeResult:
    """Fit all designs of a node among the voxels that its inputs share."""
    shared = _shared_mask([one.mask for one in results], wanted.labels, wanted.coverage, folder)
    notes = [*wanted.notes, *shared.notes]
    done: list[ContrastMaps] = []
    meshes = [path for path in results[0].meshes if path.is_file()]
    surroundings = Surroundings(shared.geometry.with_meshes(meshes)) if wanted.is_top else None
    for fit in wanted.fits:
        done += _fit_one(results, fit, wanted, shared, surroundings, notes, folder)
    ended = [one.name for result in results for one in result.contrasts if one.test == "F"]
    if ended:
        shown = ", ".join(repr(name) for name in dict.fromkeys(ended))
        notes.append(note(f"F contrasts are not combined across runs or participants: {shown}"))
    if not done and wanted.is_top:
        raise BadDataError(
            "No contrast could be tested: "
            f"{'; '.join(map(str, notes[:4])) or 'the model asks for none'}."
        )
    mean = _mean_image([result.mean for result in results], shared.geometry, folder)
    notices = tuple(dict.fromkeys(notes))
    return NodeResult(
        shared.mask_file,
        mean,
        tuple(done),
        notices,
        mask_size=shared.size,
        meshes=results[0].meshes,
    )


def _fit_one(
    results: Sequence[NodeResult],
    wanted: HigherLevelFit,
    node: NodeFits,
    shared: "_Shared",
    surroundings: Surroundings | None,
    notes: list[Notice],
    folder: Path,
) -> list[ContrastMaps]:
    """Fit one design; inputs whose result lacks the contrast are left out, and that is said."""
    pairs = [(index, results[index].contrast(name)) for index, name in wanted.inputs]
    there = [k for k, (_, maps) in enumerate(pairs) if maps is not None]
    names = ", ".join(repr(spec.name) for spec in wanted.contrasts)
    if len(there) < len(pairs):
        gone = [node.labels[index] for index, maps in pairs if maps is None]
        notes.append(exclusion(f"{', '.join(gone)} from contrast {names}: not estimated there"))
    inputs = [(index, maps) for index, maps in pairs if maps is not None]
    if not inputs:
        return []
    matrix = np.array(wanted.matrix, dtype=float).reshape(len(pairs), -1)[there]
    method = node.method
    if method != "fixed" and len(inputs) <= np.linalg.matrix_rank(matrix):
        if node.is_top or node.smoothing is not None:
            why = "" if node.is_top else ", and smoothed effects have no variances of their own"
            notes.append(
                exclusion(
                    f"contrast {names}: {len(inputs)} inputs and {len(wanted.names)} columns "
                    f"leave no degrees of freedom{why}"
                )
            )
            return []
        method = "fixed"
        notes.append(
            warning(
                f"contrast {names}: {len(inputs)} inputs leave no degrees of freedom between "
                "them, so they were combined by fixed effects, weighted by their own variances"
            )
        )
    found = _estimate(inputs, matrix, wanted.names, method, node.coverage, shared)
    labels = tuple(node.labels[index] for index, _ in inputs)
    design = {name: matrix[:, k].tolist() for k, name in enumerate(wanted.names)}
    done = []
    for spec in wanted.contrasts:
        try:
            tested = found.contrast(spec.weights_by_column, name=spec.name)
        except NotEstimableError as error:
            notes.append(exclusion(str(error)))
            continue
        maps = replace(
            write_contrast(tested, wanted.names, shared.geometry, folder, test=spec.test),
            inputs=labels,
            design=design,
        )
        if surroundings is not None and spec.test == "t":
            maps, said = infer(maps, tested, found, surroundings, node.inference, folder)
            notes += said
        done.append(maps)
    return done


def _estimate(
    inputs: Sequence[tuple[int, ContrastMaps]],
    matrix: np.ndarray,
    names: Sequence[str],
    method: str,
    coverage: float,
    shared: "_Shared",
) -> SecondLevelFit:
    """Read effects (n_inputs, n_voxels), NaN where an input does not have them, and fit them.

    That is outside the mask of its result, and in it where effect and variance are 0: there the
    result was lacking too many of its own inputs for this contrast.
    """
    geometry = shared.geometry
    effects = geometry.read_rows([maps.maps["effect"] for _, maps in inputs])
    for row, (index, _) in zip(effects, inputs, strict=True):
        row[shared.lacking[index]] = np.nan
    if method == "ols":
        if (effects == 0).any():  # rarely: further maps need not be read otherwise
            known = [maps.maps.get(KNOWN) or maps.maps["variance"] for _, maps in inputs]
            effects[(effects == 0) & (geometry.read_rows(known) == 0)] = np.nan
        return fit_second_level(effects, matrix, names=names, method=method, coverage=coverage)
    variances = geometry.read_rows([maps.maps["variance"] for _, maps in inputs])
    return fit_second_level(
        effects,
        matrix,
        variances=variances,
        dofs=dofs_of([maps for _, maps in inputs], geometry),
        names=names,
        method=method,
        coverage=coverage,
    )


@dataclass(frozen=True)
class _Shared:
    """The voxels that enough inputs have."""

    geometry: Geometry
    lacking: list[np.ndarray]  # which of them, by their place in a row, each input does not have
    mask_file: Path
    notes: tuple[Notice, ...]
    size: dict[str, int]


def _shared_mask(
    masks: Sequence[Path], labels: Sequence[str], coverage: float, folder: Path
) -> _Shared:
    """Write the voxels that a share of the inputs has, and say what that leaves out."""
    each = [read_geometry(path) for path in masks]
    for path, one in zip(masks[1:], each[1:], strict=True):
        one.check_same(path.name, each[0], masks[0].name)
    counts = np.stack([one.mask for one in each]).sum(axis=0)
    needed = max(1, int(np.ceil(coverage * len(each) - 1e-9)))
    shared = each[0].within(np.asarray(counts >= needed))
    noun = shared.noun
    if not shared.n_voxels:
        raise BadDataError(
            f"The masks of the {len(each)} inputs ({labels[0]}, ...) have no {noun} in common. "
            "Do they lie in one space?"
        )
    mask_file = shared.write_map(folder, "mask", np.ones(shared.n_voxels), dtype=np.uint8)
    notes: list[Notice] = []
    lost = int((counts > 0).sum()) - shared.n_voxels
    if lost:
        few = "not all" if needed == len(each) else f"fewer than {needed} of {len(each)}"
        notes.append(exclusion(f"{lost} {noun} that are in the masks of {few} inputs"))
    partial = int((counts[shared.mask] < len(each)).sum())
    if partial:
        notes.append(
            note(
                f"{partial} of {shared.n_voxels} {noun} lie outside the mask of some input; they "
                f"are fitted with the {needed} or more inputs that have them"
            )
        )
    size = {"Analyzed": shared.n_voxels, "Excluded": lost}
    lacking = [np.flatnonzero(~one.mask[shared.mask]) for one in each]
    return _Shared(shared, lacking, mask_file, tuple(notes), size)


def _mean_image(means: Sequence[Path], geometry: Geometry, folder: Path) -> Path:
    whole = geometry.everywhere()
    return whole.write_map(folder, "mean", whole.read_rows(means).mean(axis=0))
