"""`SecondLevel`: the model over participants (or runs), from effect images to contrast images."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from boldglm.analysis.higher_levels.group_inference import Inference
from boldglm.analysis.higher_levels.node_fits import HigherLevelFit, NodeFits, fit_node
from boldglm.estimators.contrast_images import ContrastImages
from boldglm.estimators.parameters import NotFittedError, Parameters
from boldglm.glm.first_level.contrasts import contrast_weights
from boldglm.io.images.formats import load_in_memory, read_geometry
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.stats_model.specification import ContrastSpec
from boldglm.vocabulary import CLUSTER_P, COVERAGE, ESTIMATOR, ESTIMATORS, SIDE, SIDES

INTERCEPT = "intercept"
INPUT = "input"  # what the one contrast of each input is called among the files


class SecondLevel(Parameters):
    """General linear model over participants at every voxel, from images to images.

    The numbers are those of the command line's dataset level with the same options.

    Parameters
    ----------
    estimator : {"ols", "mixed", "fixed"}
        Ordinary least squares; mixed effects, with the variance of each input known and that
        between inputs estimated; or fixed effects, weighted by the variance of each input.
    coverage : float
        Share of the inputs that must have a voxel in their mask for it to be analyzed.
    smoothing : float, optional
        Full width at half maximum in mm of a Gaussian by which effects are smoothed first; for
        ``"ols"`` only, as smoothed effects have no known variances.

    Attributes
    ----------
    design_ : ndarray of shape (n_inputs, n_columns)
        The design.
    names_ : tuple of str
        Names of its columns.
    n_inputs_ : int
        Number of inputs.

    See Also
    --------
    boldglm.FirstLevel : Makes the inputs.
    boldglm.glm.fit_second_level : The same model on arrays.

    Examples
    --------
    >>> import nibabel as nib
    >>> rng = np.random.default_rng(0)
    >>> effects = [nib.Nifti1Image(rng.normal(1, 1, (4, 4, 4)), np.eye(4)) for _ in range(12)]
    >>> images = SecondLevel().fit(effects).contrast("intercept")
    >>> images.dof, bool(abs(images.effect.get_fdata().mean() - 1) < 0.1)
    (11.0, True)
    """

    def __init__(
        self,
        *,
        estimator: str = ESTIMATOR,
        coverage: float = COVERAGE["dataset"],
        smoothing: float | None = None,
    ) -> None:
        self.estimator = estimator
        self.coverage = coverage
        self.smoothing = smoothing

    def fit(
        self,
        inputs: Sequence[Any],
        design: Any = None,
        *,
        variances: Sequence[Any] | None = None,
        mask: Any = None,
        labels: Sequence[str] | None = None,
        variance_groups: Sequence[Any] | None = None,
        blocks: Sequence[Any] | None = None,
    ) -> Self:
        """Take the inputs and the design; the maps are computed by `contrast`.

        Parameters
        ----------
        inputs : sequence of ContrastImages, nibabel images or paths
            One effect a participant: what `FirstLevel.contrast` returned, or effect images.
        design : DataFrame or array_like of shape (n_inputs, n_columns), optional
            Group indicators and covariates, with the constant if one is wanted; by default a
            column of ones, named ``"intercept"``.
        variances : sequence of nibabel images or paths, optional
            Variance of each effect image, for ``"mixed"`` and ``"fixed"``. `ContrastImages` bring
            theirs.
        mask : nibabel image or path, optional
            Voxels of effect images to analyze; by default those that are not 0.
        labels : sequence of str, optional
            What messages call the inputs.
        variance_groups : sequence, optional
            Group of each input, if groups have variances of their own, which the command line
            takes from the categories of the design. By default, all inputs have one variance.
        blocks : sequence, optional
            Participant of each input, if inputs of one participant depend on each other; for
            ``"ols"``. Variances are then robust to it, and permutations flip or exchange whole
            participants.

        Returns
        -------
        SecondLevel
            The estimator itself.

        Raises
        ------
        ValueError
            If the design does not have one row an input, the estimator is unknown, it needs
            variances that are not there, or it takes inputs of one block as independent.
        """
        inputs = list(inputs)
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"estimator is {self.estimator!r}: choose {', '.join(ESTIMATORS)}.")
        matrix = np.ones((len(inputs), 1)) if design is None else np.asarray(design, dtype=float)
        if matrix.ndim != 2 or len(matrix) != len(inputs):
            raise ValueError(
                f"the design has shape {matrix.shape}, but there are {len(inputs)} inputs: give "
                "one row an input and one column a regressor."
            )
        if variances is not None and len(variances) != len(inputs):
            raise ValueError(f"there are {len(inputs)} inputs but {len(variances)} variances.")
        have_variances = all(isinstance(each, ContrastImages) for each in inputs)
        if self.estimator != "ols" and variances is None and not have_variances:
            raise ValueError(
                f"estimator {self.estimator!r} weights by the variance of each input: give "
                "variances, or choose ols."
            )
        _check_labels({"variance_groups": variance_groups, "blocks": blocks}, len(inputs))
        if blocks is not None and self.estimator != "ols" and len(set(blocks)) < len(inputs):
            raise ValueError(
                f"estimator {self.estimator!r} takes inputs as independent, but several are of "
                "one block: choose ols, or combine the inputs of each block first."
            )
        self.design_ = matrix
        self.names_ = _column_names(design, matrix.shape[1])
        self.n_inputs_ = len(inputs)
        self._groups = tuple(map(str, variance_groups or ()))
        self._blocks = tuple(map(str, blocks or ()))
        self._inputs = [_loaded(each) for each in inputs]
        self._variances = None if variances is None else [_loaded(each) for each in variances]
        self._mask = None if mask is None else _loaded(mask)
        self._labels = tuple(labels or [f"input {number + 1}" for number in range(len(inputs))])
        return self

    def contrast(
        self,
        contrast: str | Mapping[str, Any] | Any = INTERCEPT,
        name: str | None = None,
        *,
        permutations: int = 0,
        sides: str = SIDE,
        cluster_p: float = CLUSTER_P,
        tfce: bool = False,
    ) -> ContrastImages:
        """Estimate and test a contrast of the design's columns.

        Parameters
        ----------
        contrast : str, mapping of str to float, or array_like
            As for `boldglm.glm.Fit.contrast`.
        name : str, optional
            Name of the contrast; by default as written.
        permutations : int
            Number of permutations for family-wise error; 0 for none.
        sides : {"two", "one"}
            Whether q values and permutations test both tails of t, or the upper tail only.
        cluster_p : float
            p, in each tail that is tested, that forms clusters.
        tfce : bool
            Whether to permute threshold-free cluster enhancement, too.

        Returns
        -------
        ContrastImages
            Effect and variance (of t), t or F, z, p, qFDR and permutation p values.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If the contrast does not fit the design, or `sides` is unknown.
        BadDataError
            If the inputs lie on different grids, share no voxel, or leave no degrees of freedom.
        """
        if not hasattr(self, "_inputs"):
            raise NotFittedError("SecondLevel is not fitted yet: call fit(inputs) first.")
        if sides not in SIDES:
            raise ValueError(f"sides is {sides!r}: choose {' or '.join(SIDES)}.")
        label, weights = contrast_weights(contrast, self.names_, name)
        rows = tuple(tuple(map(float, row)) for row in np.atleast_2d(weights))
        spec = ContrastSpec(label, self.names_, rows, "F" if np.ndim(weights) == 2 else "t")
        fits = NodeFits(
            labels=self._labels,
            fits=(
                HigherLevelFit(
                    tuple((number, INPUT) for number in range(self.n_inputs_)),
                    self.names_,
                    tuple(tuple(map(float, row)) for row in self.design_),
                    (spec,),
                    self._groups,
                    self._blocks,
                ),
            ),
            method=self.estimator,
            coverage=self.coverage,
            is_top=True,
            inference=Inference(permutations, cluster_p, tfce, sides),
            smoothing=self.smoothing,
        )
        with tempfile.TemporaryDirectory(prefix="boldglm-") as name_of_folder:
            folder = Path(name_of_folder)
            results = [self._written(number, folder) for number in range(self.n_inputs_)]
            result = fit_node(results, fits, folder)
            return ContrastImages.of(result.contrasts[0], result)

    def _written(self, number: int, folder: Path) -> NodeResult:
        """Write an input as the result of a lower level."""
        here = folder / f"input-{number + 1}"
        here.mkdir()
        given = self._inputs[number]
        if isinstance(given, ContrastImages):
            result = given.write(here)
            return replace(result, contrasts=(replace(result.contrasts[0], name=INPUT),))
        variance = given if self._variances is None else self._variances[number]
        images = {"effect": given, "variance": variance}
        written = ContrastImages(INPUT, "t", np.inf, 1, {}, images, given, given).write(here)
        mask = _write_mask(given if self._mask is None else self._mask, written.mask, here)
        maps: ContrastMaps = written.contrasts[0]
        return replace(written, mask=mask, contrasts=(maps,))


def _write_mask(image: Any, path: Path, folder: Path) -> Path:
    """Write where an image is finite and not 0."""
    image.to_filename(path)
    whole = read_geometry(path).unmasked()
    (values,) = whole.read_rows([path])
    inside = np.nan_to_num(values) != 0
    return whole.write_map(folder, "inside", inside.astype(float), dtype=np.uint8)


def _loaded(given: Any) -> Any:
    return load_in_memory(Path(given)) if isinstance(given, str | Path) else given


def _check_labels(labels: Mapping[str, Sequence[Any] | None], n_inputs: int) -> None:
    for name, given in labels.items():
        if given is not None and len(given) != n_inputs:
            raise ValueError(f"there are {n_inputs} inputs but {len(given)} {name}.")


def _column_names(design: Any, n_columns: int) -> tuple[str, ...]:
    if design is None:
        return (INTERCEPT,)
    columns = getattr(design, "columns", None)
    if columns is not None:
        return tuple(str(column) for column in columns)
    return tuple(f"column_{number + 1}" for number in range(n_columns))
