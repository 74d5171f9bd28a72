"""Contrasts of a fit: effects, their variances, t and F, p and z.

Notation: c or C contrast weights, X design, U its orthonormal basis, β = X⁺ y.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.contrast_expressions import (
    format_weights,
    parse_contrast,
    split_named_contrast,
)
from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.design.summaries import counted, interval, summary_html, summary_text
from boldglm.glm.noise.contrast_variance import (
    ContrastVariance,
    NoiseEstimates,
    SharedContrastVariances,
    f_statistics,
    t_statistics,
)
from boldglm.glm.stats.distributions import f_to_p, f_to_z, t_to_p_and_z
from boldglm.suggestions import list_known

__all__ = [
    "Contrast",
    "ContrastForm",
    "MissingRegressorError",
    "NotEstimableError",
    "contrast_weights",
    "evaluate_contrast",
    "format_weights",
    "named_weights",
    "parse_contrast",
    "split_named_contrast",
]

# An F row whose part outside the span of the other rows is relatively shorter is redundant.
SAME_ROW = 1e-10


class NotEstimableError(ValueError):
    """Raised for a contrast that the design does not determine, whatever the data."""


class MissingRegressorError(ValueError):
    """Raised for a contrast with weights for regressors that the design lacks.

    Parameters
    ----------
    message : str
        What is wrong.
    regressors : tuple of str
        The names that the design lacks.
    """

    def __init__(self, message: str, regressors: tuple[str, ...]) -> None:
        super().__init__(message)
        self.regressors = regressors


@dataclass(frozen=True, eq=False, repr=False)
class Contrast:
    """A tested contrast; made by `Fit.contrast`.

    Parameters
    ----------
    name : str
        Name of the contrast.
    weights : ndarray of shape (n_regressors,) or (q, n_regressors)
        Weights of the regressors, one row for t, q rows for F.
    test : {"t", "F"}
        Name of the statistic.
    effect : ndarray of shape (n_voxels,) or None
        Weighted sum of the betas, in units of the data; None for F.
    variance : ndarray of shape (n_voxels,) or None
        Sampling variance of the effect, in squared units of the data; None for F.
    statistic : ndarray of shape (n_voxels,)
        t or F; 0 at voxels that cannot be tested because they have no noise variance, such as
        constant ones.
    dof : float or ndarray of shape (n_voxels,)
        Degrees of freedom (of the denominator), an array if the noise model estimates them
        for each voxel.
    dof_numerator : int
        Number of linearly independent rows of an F contrast; 1 for t.

    See Also
    --------
    Fit.contrast : Tests a contrast over the scans of a run.
    SecondLevelFit.contrast : Tests a contrast over runs or participants.

    Examples
    --------
    >>> from boldglm.glm import one_sample_t
    >>> c = one_sample_t([[1.0, 4.0], [2.0, 6.0], [3.0, 11.0]])
    >>> c
    Contrast 'mean', t at 2 voxels
      degrees of freedom: 2
      t: 3.363 to 3.464
    >>> c.p.round(4).tolist()
    [0.0371, 0.0391]
    """

    name: str
    weights: FloatArray
    test: Literal["t", "F"]
    effect: FloatArray | None
    variance: FloatArray | None
    statistic: FloatArray
    dof: float | FloatArray
    dof_numerator: int = 1

    @property
    def t(self) -> FloatArray | None:
        """t values, shape (n_voxels,); None for an F contrast."""
        return self.statistic if self.test == "t" else None

    @property
    def F(self) -> FloatArray | None:  # noqa: N802 - the usual symbol
        """F values, shape (n_voxels,); None for a t contrast."""
        return self.statistic if self.test == "F" else None

    @cached_property
    def _p_and_z(self) -> tuple[FloatArray, FloatArray]:
        """p and z of a t contrast, computed together because they share a slow integral."""
        return t_to_p_and_z(self.statistic, self.dof)

    @cached_property
    def p(self) -> FloatArray:
        """One-sided p values (upper tail), shape (n_voxels,)."""
        if self.test == "t":
            return self._p_and_z[0]
        return f_to_p(self.statistic, self.dof_numerator, self.dof)

    @cached_property
    def z(self) -> FloatArray:
        """Standard normal values of the same tail, shape (n_voxels,); 0 where not tested."""
        if self.test == "t":
            return self._p_and_z[1]
        z = f_to_z(self.statistic, self.dof_numerator, self.dof)
        return np.where(self.statistic == 0, 0.0, z)

    def _summary(self) -> tuple[str, list[tuple[str, str]]]:
        dof = np.atleast_1d(self.dof)
        denominator = interval(dof.min(), dof.max()) if dof.size else "none"
        numerator = "" if self.test == "t" else f"{self.dof_numerator} and "
        values = self.statistic
        extremes = interval(values.min(), values.max()) if values.size else "no voxels"
        rows = [("degrees of freedom", numerator + denominator), (self.test, extremes)]
        voxels = counted(int(values.size), "voxel")
        return f"Contrast {self.name!r}, {self.test} at {voxels}", rows

    def __repr__(self) -> str:
        return summary_text(*self._summary())

    def _repr_html_(self) -> str:
        return summary_html(*self._summary())


ContrastForm = str | ArrayLike | Mapping[str, ArrayLike]
"""How a contrast may be given: an expression, weights, or weights by regressor."""


def contrast_weights(
    contrast: ContrastForm, names: Sequence[str], name: str | None = None
) -> tuple[str, FloatArray]:
    """Return the name and the weights of a contrast given in any form.

    Parameters
    ----------
    contrast : str, mapping of str to array_like, or array_like
        An expression as in `parse_contrast`, perhaps with ``name =`` before it; a mapping from
        full names of regressors to weights, one number each for t, a list of q numbers each
        for F; or weights of all regressors, of shape (n_regressors,) for t or
        (q, n_regressors) for F.
    names : sequence of str
        Names of the regressors.
    name : str, optional
        Name of the contrast; by default the one in the text, or the contrast as an expression.

    Returns
    -------
    tuple of (str, ndarray)
        Name, and weights of shape (n_regressors,) for t or (q, n_regressors) for F.

    Raises
    ------
    MissingRegressorError
        If a mapping has regressors that are not in `names`.
    ValueError
        If the weights do not fit the design, are all 0 or are not finite.

    See Also
    --------
    parse_contrast : Read an expression.
    Fit.contrast : Test a contrast.

    Examples
    --------
    >>> contrast_weights("visual = a - b", ["a", "b"])
    ('visual', array([ 1., -1.]))
    >>> contrast_weights({"b": 1}, ["a", "b", "constant"])
    ('b', array([0., 1., 0.]))
    """
    if isinstance(contrast, str):
        name_in_text, expression = split_named_contrast(contrast)
        return name or name_in_text or expression, parse_contrast(expression, names)
    label = f"contrast {name!r}" if name else "a contrast"
    if isinstance(contrast, Mapping):
        weights = _weights_by_regressor(contrast, names, label)
    else:
        weights = _numbers(contrast, names, label)
    if weights.ndim not in (1, 2) or weights.shape[-1] != len(names) or not weights.size:
        raise ValueError(
            f"{label} has weights of shape {weights.shape}, but the design has "
            f"{len(names)} regressors ({', '.join(names)}). Give one weight for each, in one row "
            "for t and in several for F."
        )
    if not np.isfinite(weights).all():
        raise ValueError(f"{label} has weights that are not finite.")
    if not np.atleast_2d(weights).any(axis=1).all():
        raise ValueError(f"{label} has a row of weights that are all 0.")
    return name or format_weights(weights, names), weights


def named_weights(
    contrasts: Iterable[ContrastForm | tuple[str, ContrastForm]] | Mapping[str, ContrastForm],
    names: Sequence[str],
) -> list[tuple[str, FloatArray]]:
    """Return the names and weights of several contrasts given in any form.

    Parameters
    ----------
    contrasts : sequence or mapping
        Contrasts as in `contrast_weights`, pairs of a name and a contrast, or a mapping from
        names to contrasts.
    names : sequence of str
        Names of the regressors.

    Returns
    -------
    list of tuple of (str, ndarray)
        As from `contrast_weights`.

    Raises
    ------
    ValueError
        If a single expression is given instead of a list, or as `contrast_weights`.

    See Also
    --------
    contrast_weights : Does this for one contrast.

    Examples
    --------
    >>> named_weights({"visual": "a - b", "first": [1, 0]}, ["a", "b"])
    [('visual', array([ 1., -1.])), ('first', array([1., 0.]))]
    >>> named_weights(["a", ("second", [0, 1])], ["a", "b"])
    [('a', array([1., 0.])), ('second', array([0., 1.]))]
    """
    if isinstance(contrasts, str):
        raise ValueError(f"{contrasts!r} is a single contrast. Put it in a list.")
    pairs: list[tuple[str | None, ContrastForm]] = []
    if isinstance(contrasts, Mapping):
        pairs += contrasts.items()
    else:
        for item in contrasts:
            match item:
                case tuple((str(name), contrast)):
                    pairs.append((name, contrast))
                case _:
                    pairs.append((None, item))
    return [contrast_weights(contrast, names, name) for name, contrast in pairs]


def _weights_by_regressor(
    contrast: Mapping[str, ArrayLike], names: Sequence[str], label: str
) -> FloatArray:
    missing = tuple(regressor for regressor in contrast if regressor not in names)
    if missing:
        raise MissingRegressorError(
            f"{label} has weights for {', '.join(map(repr, missing))}, which the design lacks."
            f"{list_known(missing[0], names)}",
            missing,
        )
    columns = [_numbers(contrast[regressor], names, label) for regressor in contrast]
    shapes = {column.shape for column in columns}
    if len(shapes) != 1 or columns[0].ndim > 1:
        raise ValueError(
            f"{label} has weights of shapes {sorted(shapes)}. Give each regressor one weight for "
            "t, or a list of equally many weights for F."
        )
    weights = np.zeros((*columns[0].shape, len(names)))
    for regressor, column in zip(contrast, columns, strict=True):
        weights[..., list(names).index(regressor)] = column
    return weights


def _numbers(values: ArrayLike, names: Sequence[str], label: str) -> FloatArray:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{label} is {values!r}. Give one number for each regressor, or an expression such "
            f"as '{names[0]} - {names[-1]}'."
        ) from None


def evaluate_contrast(
    contrast: tuple[str, FloatArray],
    names: Sequence[str],
    model: LinearModel,
    estimates: NoiseEstimates,
) -> Contrast:
    """Test a contrast at every voxel, from the estimates of a fit.

    Parameters
    ----------
    contrast : tuple of (str, ndarray)
        Name and weights, as from `contrast_weights`.
    names : sequence of str
        Names of the regressors.
    model : LinearModel
        The design.
    estimates : NoiseEstimates
        Estimates at every voxel.

    Returns
    -------
    Contrast
        t for weights of one dimension, F for two.

    Raises
    ------
    NotEstimableError
        If the design does not determine the contrast.

    Notes
    -----
    t = c β / sqrt(var(c β)); F = (Cβ)' var(Cβ)⁻¹ (Cβ) / q, without rows of C that are linear
    combinations of other rows.
    """
    return next(evaluate_contrasts([contrast], names, model, estimates))


def evaluate_contrasts(
    contrasts: Sequence[tuple[str, FloatArray]],
    names: Sequence[str],
    model: LinearModel,
    estimates: NoiseEstimates,
) -> Iterator[Contrast]:
    """Test several contrasts like `evaluate_contrast`, and share computations between them.

    Parameters
    ----------
    contrasts : sequence of tuple of (str, ndarray)
        Names and weights.
    names : sequence of str
        Names of the regressors.
    model : LinearModel
        The design.
    estimates : NoiseEstimates
        Estimates at every voxel.

    Returns
    -------
    iterator of Contrast
        Contrasts in order. Each is computed when it is requested.

    Raises
    ------
    NotEstimableError
        If the design does not determine a contrast.
    """
    sets = [check_estimable(contrast, names, model) for contrast in contrasts]
    variances = contrast_variances([rows @ model.back_projection for rows in sets], estimates)
    return (
        evaluated_contrast(contrast, rows, variance, model, estimates)
        for contrast, rows, variance in zip(contrasts, sets, variances, strict=True)
    )


def contrast_variances(
    sets: Sequence[FloatArray], estimates: NoiseEstimates
) -> Iterable[ContrastVariance]:
    """Return the covariance of each set of rows in the orthonormal basis."""
    if isinstance(estimates, SharedContrastVariances) and sets:
        return estimates.contrast_variances(sets)
    return (estimates.contrast_variance(rows) for rows in sets)


def evaluated_contrast(
    contrast: tuple[str, FloatArray],
    rows: FloatArray,
    variances: ContrastVariance,
    model: LinearModel,
    estimates: NoiseEstimates,
) -> Contrast:
    """Test a contrast whose independent rows and their covariance are known."""
    name, weights = contrast
    effects = effects_of(rows, rows @ model.back_projection, model, estimates)
    if weights.ndim == 1:
        variance, t, dof = t_statistics(effects[0], variances)
        return Contrast(name, weights, "t", effects[0], variance, t, dof)
    F, dof = f_statistics(effects, variances)
    return Contrast(name, weights, "F", None, None, F, dof, len(rows))


def check_estimable(
    contrast: tuple[str, FloatArray], names: Sequence[str], model: LinearModel
) -> FloatArray:
    """Return the linearly independent rows of a contrast, shape (q, n_regressors).

    Raises
    ------
    NotEstimableError
        If the design does not determine the contrast.
    """
    name, weights = contrast
    rows = np.atleast_2d(weights)
    _check_estimable(name, rows, names, model)
    return rows if weights.ndim == 1 else _independent_rows(rows, model)


def effects_of(
    rows: FloatArray, projected: FloatArray, model: LinearModel, estimates: NoiseEstimates
) -> FloatArray:
    # The mean is added separately. If a contrast does not depend on the mean, its weight is set to
    # exactly 0; otherwise a rounding error would be multiplied by the mean.
    mean_weights = rows @ model.constant_weights
    size = abs(rows) @ abs(model.constant_weights)
    mean_weights[abs(mean_weights) <= 1e-14 * size] = 0.0
    return projected @ estimates.coordinates + np.outer(mean_weights, estimates.means)


def _independent_rows(rows: FloatArray, model: LinearModel) -> FloatArray:
    """Return linearly independent combinations of the rows, orthonormal in the basis."""
    scaled = rows / model.lengths
    sizes = np.linalg.norm(scaled, axis=1, keepdims=True)
    left, singular, _ = np.linalg.svd(scaled / sizes, full_matrices=False)
    rank = int((singular > SAME_ROW * singular[0]).sum())
    independent = left[:, :rank].T @ (rows / sizes)
    _, triangle = np.linalg.qr((independent @ model.back_projection).T)
    return np.asarray(np.linalg.solve(triangle.T, independent))


def _check_estimable(
    name: str, rows: FloatArray, names: Sequence[str], model: LinearModel
) -> None:
    outside = model.outside(rows)
    if not outside.any():
        return
    # regressors in the linear dependencies that make this contrast inestimable
    direction = abs(model.null_space @ outside.T).max(axis=1)
    involved = [names[k] for k in np.flatnonzero(direction > 1e-6 * direction.max()).tolist()]
    if len(involved) == 1:
        reason = f"{involved[0]!r} is 0 in every scan"
    else:
        reason = f"{', '.join(map(repr, involved))} are linearly dependent"
    raise NotEstimableError(
        f"contrast {name!r} cannot be estimated from this design because {reason}. Change the "
        "contrast, or remove a regressor from the model."
    )
