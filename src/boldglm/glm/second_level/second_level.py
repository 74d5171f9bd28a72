"""Higher levels: one design over inputs, such as runs or participants, fitted at every voxel.

Voxels with the same inputs are fitted together. The estimators are in
`boldglm.glm.second_level.estimators`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.named_columns import named_columns
from boldglm.glm.design.summaries import counted, listed, summary_html, summary_text
from boldglm.glm.first_level.contrasts import (
    Contrast,
    ContrastForm,
    NotEstimableError,
    contrast_weights,
)
from boldglm.glm.second_level.error_models import BlockVariance, ErrorModel, TooFewInputsError
from boldglm.glm.second_level.estimates import Estimates
from boldglm.glm.second_level.estimators import Inputs, estimate
from boldglm.glm.second_level.reml import reml_variance
from boldglm.glm.second_level.variance_ratio import RatioMoments
from boldglm.vocabulary import ESTIMATOR, ESTIMATORS

BLOCK_BYTES = 2**23  # of an array of shape (n_inputs, n_voxels)
OUTSIDE = 1e-8  # relative length of the part of a contrast outside a row space that is rounding


@dataclass(frozen=True, eq=False, repr=False)
class SecondLevelFit:
    """A design over inputs and their effects, for testing contrasts; made by `fit_second_level`.

    Parameters
    ----------
    names : tuple of str
        Names of the columns of the design.
    design : ndarray of shape (n_inputs, n_columns)
        One row per input.
    effects : ndarray of shape (n_inputs, n_voxels)
        Effects of the inputs; NaN where an input has no value.
    variances, dofs : ndarray or None
        Variances of the effects, shape (n_inputs, n_voxels), and their degrees of freedom, shape
        (n_inputs, n_voxels) or (n_inputs, 1).
    method : {"ols", "fixed", "mixed"}
        As in `fit_second_level`.
    tested : ndarray of shape (n_voxels,)
        Voxels where enough inputs have a value.
    errors : ErrorModel
        Groups with variances of their own, and inputs that depend on each other.

    See Also
    --------
    fit_second_level : Function that returns it.

    Examples
    --------
    >>> fit_second_level([[1.0], [2.0], [3.0]], [[1], [1], [1]], names=["mean"])
    Second-level fit of 3 inputs, 1 voxel, 1 column
      method: ols
      voxels with enough inputs: 1 of 1
    """

    names: tuple[str, ...]
    design: FloatArray
    effects: FloatArray
    variances: FloatArray | None
    dofs: FloatArray | None
    method: str
    tested: np.ndarray
    errors: ErrorModel = field(default_factory=ErrorModel)

    @property
    def n_inputs(self) -> np.ndarray:
        """Number of inputs at each voxel, shape (n_voxels,)."""
        return np.asarray(np.isfinite(self.effects).sum(axis=0))

    @property
    def is_complete(self) -> np.ndarray:
        """Whether all inputs have a value at each voxel, shape (n_voxels,)."""
        return np.asarray(np.isfinite(self.effects).all(axis=0))

    def blocks(self) -> Iterator["SecondLevelFit"]:
        """Yield the fits of successive blocks of voxels, which here is one of all.

        Yields
        ------
        SecondLevelFit
        """
        yield self

    @property
    def dof_differs(self) -> bool:
        """Whether degrees of freedom differ between voxels that have all inputs."""
        has_groups = self.errors.variance_groups is not None and self.errors.blocks is None
        return self.method != "ols" or has_groups

    def at(self, voxels: np.ndarray) -> "SecondLevelFit":
        """Return the fit of some voxels.

        Parameters
        ----------
        voxels : ndarray of bool, of shape (n_voxels,), or of int
            Which voxels.

        Returns
        -------
        SecondLevelFit
        """
        dofs = self.dofs
        return replace(
            self,
            effects=self.effects[:, voxels],
            variances=None if self.variances is None else self.variances[:, voxels],
            dofs=dofs if dofs is None or dofs.shape[1] == 1 else dofs[:, voxels],
            tested=self.tested[voxels],
        )

    def independent_rows(self, weights: FloatArray) -> FloatArray:
        """Return linearly independent rows of a contrast.

        Parameters
        ----------
        weights : ndarray of shape (n_columns,) or (q, n_columns)
            Contrast weights.

        Returns
        -------
        ndarray of shape (n_independent, n_columns)
        """
        return _independent_rows(np.atleast_2d(weights))

    def contrast(self, contrast: ContrastForm, name: str | None = None) -> Contrast:
        """Test a contrast at every voxel.

        Parameters
        ----------
        contrast : str, mapping of str to array_like, or array_like
            As in `Fit.contrast`: an expression over the names of the columns, weights by
            column, or weights of all columns, of shape (n_columns,) for t or (q, n_columns)
            for F.
        name : str, optional
            Name of the contrast; by default the one in the text, or the expression.

        Returns
        -------
        Contrast
            Voxels that are not tested, or whose inputs do not determine the contrast, have
            statistic 0 and 1 degree of freedom.

        Raises
        ------
        NotEstimableError
            If the design of all inputs does not determine the contrast, or too few blocks of
            dependent inputs do.
        """
        label, weights = contrast_weights(contrast, self.names, name)
        rows = self.testable_rows(label, weights)
        return as_contrast(label, weights, self.estimates(rows), len(rows))

    def testable_rows(self, label: str, weights: FloatArray) -> FloatArray:
        """Return linearly independent rows of a contrast that the design determines.

        Parameters
        ----------
        label : str
            Name of the contrast, for messages.
        weights : ndarray of shape (n_columns,) or (q, n_columns)
            Contrast weights.

        Returns
        -------
        ndarray of shape (n_independent, n_columns)

        Raises
        ------
        NotEstimableError
            As `contrast`.
        """
        rows = _independent_rows(np.atleast_2d(weights))
        if _outside_row_space(rows, self.design) > OUTSIDE:
            raise NotEstimableError(
                f"contrast {label!r} cannot be estimated: the columns "
                f"{', '.join(self.names)} are linearly dependent over the "
                f"{len(self.design)} inputs."
            )
        self._check_blocks(label, rows)
        return rows

    def estimates(self, rows: FloatArray) -> Estimates:
        """Estimate rows of a contrast at every voxel.

        Parameters
        ----------
        rows : ndarray of shape (q, n_columns)
            From `testable_rows`.

        Returns
        -------
        Estimates
        """
        n_voxels = self.effects.shape[1]
        estimates = Estimates.zeros(len(rows), n_voxels)
        for present, voxels in self._patterns():
            design = self.design[present]
            if _outside_row_space(rows, design) > OUTSIDE:
                continue
            if self.method != "fixed" and len(design) <= np.linalg.matrix_rank(design):
                continue
            if self.group_without_variance(present) is not None:
                continue
            for block in _blocks(voxels, len(design)):
                inputs = self._inputs(present, block)
                estimates.put(
                    block, estimate(design, rows, inputs, self.method, self.errors.among(present))
                )
        return estimates

    def _summary(self) -> tuple[str, list[tuple[str, str]]]:
        n_inputs, n_voxels = self.effects.shape
        shape = f"{counted(n_inputs, 'input')}, {counted(n_voxels, 'voxel')}"
        tested = f"{int(self.tested.sum()):,} of {n_voxels:,}"
        rows = [("method", self.method), ("voxels with enough inputs", tested)]
        return f"Second-level fit of {shape}, {counted(len(self.names), 'column')}", rows

    def __repr__(self) -> str:
        return summary_text(*self._summary())

    def _repr_html_(self) -> str:
        title, rows = self._summary()
        return summary_html(title, [*rows, ("columns", listed(self.names))])

    def group_without_variance(self, present: np.ndarray) -> int | None:
        """Return a group of some inputs that has no residuals of its own, or None.

        Parameters
        ----------
        present : ndarray of int
            Inputs.

        Returns
        -------
        int or None
        """
        groups = self.errors.among(present).variance_groups
        if groups is None or self.errors.blocks is not None or self.method == "fixed":
            return None
        design = self.design[present]
        for group in range(int(groups.max()) + 1):
            inside = design[groups == group]
            if len(inside) <= np.linalg.matrix_rank(inside):
                return group
        return None

    def ratio_moments(self) -> RatioMoments | None:
        """Sum over voxels what gives the ratio of the variances of two groups.

        Returns
        -------
        RatioMoments or None
            Over the voxels that have all inputs; None if variances are not those of two groups.
        """
        if self.method == "fixed" or not self.errors.has_ratio:
            return None
        groups = self.errors.variance_groups
        assert groups is not None
        left, singular, _ = np.linalg.svd(self.design, full_matrices=False)
        basis = left[:, singular > 1e-10 * singular[0]]
        voxels = np.flatnonzero(self.is_complete & self.tested)
        none = RatioMoments.of(basis, self.effects[:, :0], groups)
        return sum(
            (
                RatioMoments.of(basis, self.effects[:, block], groups, self._weights(basis, block))
                for block in _blocks(voxels, len(basis))
            ),
            none,
        )

    def _weights(self, basis: FloatArray, voxels: np.ndarray) -> FloatArray | None:
        """Return the weights of mixed effects with one variance between inputs."""
        if self.variances is None:
            return None
        y, v = self.effects[:, voxels], self.variances[:, voxels]
        return np.asarray(1 / (v + reml_variance(basis, y, v)))

    def _check_blocks(self, name: str, rows: FloatArray) -> None:
        """Refuse a contrast that too few blocks determine."""
        blocks = self.errors.blocks
        if blocks is None:
            return
        left, singular, right = np.linalg.svd(self.design, full_matrices=False)
        rank = int((singular > 1e-10 * singular[0]).sum())
        coordinates = rows @ (right[:rank].T / singular[:rank])
        if np.isnan(BlockVariance.of(left[:, :rank], coordinates, blocks).dof):
            raise NotEstimableError(
                f"contrast {name!r} cannot be tested: {int(blocks.max()) + 1} blocks of dependent "
                "inputs, such as participants, leave no degrees of freedom for it."
            )

    def _inputs(self, present: np.ndarray, voxels: np.ndarray) -> Inputs:
        """Return the inputs that are present at some voxels."""
        where = np.ix_(present, voxels)
        if self.variances is None or self.dofs is None:
            return Inputs(self.effects[where])
        dofs = self.dofs[present]
        dofs = dofs[:, voxels] if dofs.shape[1] > 1 else dofs
        return Inputs(self.effects[where], self.variances[where], dofs)

    def _patterns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield each set of inputs that are present together, with its voxels."""
        present = np.isfinite(self.effects)
        complete = present.all(axis=0) & self.tested
        if complete.any():  # usually all voxels, which need no sorting
            yield np.arange(len(present)), np.flatnonzero(complete)
        voxels = np.flatnonzero(self.tested & ~complete)
        if not voxels.size:
            return
        packed = np.packbits(present[:, voxels], axis=0).T
        keys, which = np.unique(packed, axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        bounds = np.cumsum(np.bincount(which.ravel(), minlength=len(keys)))[:-1]
        for group in np.split(voxels[order], bounds):
            yield np.flatnonzero(present[:, group[0]]), group


def fit_second_level(
    effects: ArrayLike,
    design: ArrayLike,
    *,
    variances: ArrayLike | None = None,
    dofs: ArrayLike | None = None,
    method: str = ESTIMATOR,
    names: Sequence[str] | None = None,
    coverage: float = 1.0,
    variance_groups: ArrayLike | None = None,
    blocks: ArrayLike | None = None,
) -> SecondLevelFit:
    """Fit a design over inputs, such as runs or participants, at every voxel.

    Parameters
    ----------
    effects : array_like of shape (n_inputs, n_voxels)
        Effect of each input; NaN where the input has no value.
    design : data frame or array_like of shape (n_inputs, n_columns)
        One row per input. A column of ones models the mean.
    variances : array_like of shape (n_inputs, n_voxels), optional
        Sampling variance of each effect; needed by "fixed" and "mixed". An input is excluded at
        voxels where its variance is not positive.
    dofs : array_like of shape (n_inputs,) or (n_inputs, n_voxels), optional
        Degrees of freedom of each variance; needed by "fixed" and "mixed".
    method : {"ols", "fixed", "mixed"}
        "ols": least squares; all inputs have the same weight, and the residuals give the noise.
        "fixed": fixed effects; inputs are weighted by their precision, and their variances are
        the only noise. "mixed": mixed effects; to the variance of each input is added a variance
        between inputs, estimated by REML.
    names : sequence of str, optional
        Names of the columns; by default those of a data frame, else ``x1`` and so on.
    coverage : float
        Share of inputs with a value, above 0 and up to 1, that a voxel needs to be tested.
    variance_groups : array_like of shape (n_inputs,), optional
        Group of each input, if groups may have different variances; for "ols" and "mixed". t of
        two groups pools the ratio of their variances over voxels, if there are at least 100.
        Other tests of "ols" are Welch's t, and for F that of Welch and James; those of "mixed"
        estimate the variance between inputs in each group by itself. A voxel where a group has
        too few inputs for a variance of its own is not tested.
    blocks : array_like of shape (n_inputs,), optional
        Participant of each input, if inputs of a participant depend on each other; for "ols". The
        variance of a contrast is then robust to any dependence within blocks, and to variances
        that differ between inputs.

    Returns
    -------
    SecondLevelFit
        Fit whose contrasts can be tested.

    Raises
    ------
    ValueError
        If shapes do not fit, the method is unknown, a variance group is too small, variances or
        dofs are missing, or blocks are given to a method that weights its inputs.

    See Also
    --------
    combine_fixed_effects : Combine estimates of one effect.
    permutation_test : Test without an assumed distribution.

    Examples
    --------
    >>> f = fit_second_level([[1.0], [2.0], [3.0]], [[1], [1], [1]], names=["mean"])
    >>> f.contrast("mean").t.round(4).item()
    3.4641
    """
    e = _matrix(effects, "effects")
    if names is None and hasattr(design, "columns"):
        names, design = named_columns(design)
    X = _matrix(design, "design")
    if len(X) != len(e):
        raise ValueError(f"design has {len(X)} rows, but there are {len(e)} inputs.")
    if not np.isfinite(X).all():
        raise ValueError("design has values that are not finite. Remove these inputs.")
    if method not in ESTIMATORS:
        raise ValueError(f"unknown method {method!r}: known are {', '.join(ESTIMATORS)}.")
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage {coverage!r} must be above 0 and at most 1.")
    v = nu = None
    if method != "ols":
        if variances is None or dofs is None:
            raise ValueError(f"method {method!r} needs variances and dofs. Pass both.")
        v, nu = _checked_variances(e, variances, dofs)
        with np.errstate(invalid="ignore"):
            e = np.where(np.isfinite(v) & (v > 0), e, np.nan)
    e = np.where(np.isfinite(e), e, np.nan)
    columns = _checked_names(names, X.shape[1])
    needed = max(1, int(np.ceil(coverage * len(e) - 1e-9)))
    tested = np.isfinite(e).sum(axis=0) >= needed
    errors = ErrorModel.of(len(e), variance_groups, blocks)
    if errors.blocks is not None and method != "ols":
        raise ValueError(
            f"method {method!r} takes inputs as independent, but several are of one block. Use "
            "'ols', or combine the inputs of each block first."
        )
    fit = SecondLevelFit(columns, X, e, v, nu, method, tested, errors)
    _check_groups(fit, variance_groups)
    return replace(fit, errors=errors.pooled(fit.ratio_moments()))


def _checked_names(names: Sequence[str] | None, n_columns: int) -> tuple[str, ...]:
    columns = tuple(names) if names is not None else tuple(f"x{k + 1}" for k in range(n_columns))
    if len(columns) != n_columns:
        raise ValueError(f"there are {len(columns)} names for {n_columns} columns.")
    return columns


def _check_groups(fit: SecondLevelFit, labels: ArrayLike | None) -> None:
    """Refuse a group without residual degrees of freedom."""
    small = fit.group_without_variance(np.arange(len(fit.design)))
    if small is not None:
        label = np.unique(np.asarray(labels))[small]
        raise TooFewInputsError(
            f"the variance group {str(label)!r} leaves no degrees of freedom for a variance of "
            "its own. Use larger groups, or one variance."
        )


def _checked_variances(
    e: FloatArray, variances: ArrayLike, dofs: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    v, nu = _matrix(variances, "variances"), np.asarray(dofs, dtype=np.float64)
    nu = nu[:, np.newaxis] if nu.ndim == 1 else nu
    if v.shape != e.shape:
        raise ValueError(f"effects have shape {e.shape}, but variances {v.shape}.")
    if nu.ndim != 2 or len(nu) != len(e) or nu.shape[1] not in (1, e.shape[1]):
        raise ValueError(
            f"dofs have shape {np.shape(dofs)}. Give one per input ({len(e)}), or one per input "
            f"and voxel {e.shape}."
        )
    if not (nu > 0).all():
        raise ValueError(f"degrees of freedom must be positive; the smallest is {nu.min():g}.")
    return v, nu


def _matrix(values: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or not len(array):
        raise ValueError(
            f"{name} cannot have shape {array.shape}. Give two axes, of which the first is inputs."
        )
    return array


def _outside_row_space(rows: FloatArray, design: FloatArray) -> float:
    """Return the largest relative length of the part of a row outside a design's row space."""
    outside = rows - rows @ np.linalg.pinv(design, rcond=1e-10) @ design
    return float((np.linalg.norm(outside, axis=1) / np.linalg.norm(rows, axis=1)).max())


def _independent_rows(rows: FloatArray) -> FloatArray:
    """Return linearly independent rows of the same hypothesis; a row of t is unchanged."""
    if len(rows) == 1:
        return rows
    _, singular, right = np.linalg.svd(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return np.asarray(right[: int((singular > 1e-10 * singular[0]).sum())])


def _blocks(voxels: np.ndarray, n_inputs: int) -> Iterator[np.ndarray]:
    size = max(256, BLOCK_BYTES // (8 * n_inputs))
    for start in range(0, len(voxels), size):
        yield voxels[start : start + size]


def as_contrast(name: str, weights: FloatArray, estimates: Estimates, n_rows: int) -> Contrast:
    """Return the contrast of estimates at every voxel."""
    dof: float | FloatArray = estimates.dof
    is_estimated = estimates.is_estimated
    if (
        is_estimated.any()
        and estimates.dof[is_estimated].min() == estimates.dof[is_estimated].max()
    ):
        dof = float(estimates.dof[is_estimated][0])
    if weights.ndim == 1:
        effect, variance = estimates.effects[0], estimates.covariance[:, 0, 0]
        return Contrast(name, weights, "t", effect, variance, estimates.t_values(), dof)
    return Contrast(name, weights, "F", None, None, estimates.f_values(), dof, n_rows)
