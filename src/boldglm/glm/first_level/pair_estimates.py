"""Estimates of two regressors at every voxel in three models, from the fit of one of them.

The models are those without one of the two, with both, and with the second orthogonalized. They
need no further look at the data: with the noise as the fit estimated it, each is a linear function
of the estimates and their covariance.

- The model without B is the model with both under the constraint β_B = 0. With C the covariance of
  the estimates, β_A becomes β_A - C_AB C_BB⁻¹ β_B, its variance C_AA - C_AB C_BB⁻¹ C_BA, and the
  sum of squares of the residuals grows by σ² β_B' C_BB⁻¹ β_B [1]_.
- With B orthogonalized, β_A becomes β_A + γ β_B, and β_B remains as it is.

With least squares, the former is a refit to rounding. With prewhitening it is a refit with the
same prewhitening: a refit that estimates the noise anew, from residuals that contain the response
to B, whitens somewhat differently. The latter is exact with every noise model, because fitted
values and residuals do not change.

References
----------
.. [1] Seber GAF, Lee AJ (2003). Linear Regression Analysis, 2nd edition, section 3.8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.regressor_pairs import (
    BOTH,
    DIFFERENCE,
    FIRST,
    ORTHOGONALIZED,
    SECOND,
    WITHOUT,
    Estimate,
    RegressorPair,
    before_orthogonalization,
    columns_of,
    shared_by,
    weights_of_before,
)
from boldglm.glm.first_level.contrasts import effects_of
from boldglm.glm.first_level.fit import Fit, field_arrays
from boldglm.glm.noise.ar1 import AR1Estimates
from boldglm.glm.noise.ar_p import ARpEstimates
from boldglm.glm.noise.auto import AutoEstimates
from boldglm.glm.noise.contrast_variance import ContrastVariance, NoiseEstimates

_OTHER = "other orthogonalized"  # model with A orthogonalized with respect to B
MOST_COLUMNS = 8  # of a pair: a covariance of them all is computed at every voxel


@dataclass(frozen=True, eq=False)
class PairEstimates:
    """Estimates of two regressors in three models.

    Parameters
    ----------
    effects : dict of (str, str) to ndarray of shape (n_voxels,)
        The estimate of each regressor in each model, and of their difference in that with both.
    standard_errors : dict of (str, str) to ndarray of shape (n_voxels,)
        Their standard errors.
    """

    effects: Mapping[Estimate, FloatArray]
    standard_errors: Mapping[Estimate, FloatArray]


def pair_estimates(fit: Fit, design: Design, pair: RegressorPair) -> PairEstimates:
    """Return the estimates of two regressors without one of them, with both and orthogonalized.

    Parameters
    ----------
    fit : Fit
        Fit of the design.
    design : Design
        The fitted design. If it was orthogonalized, "with both" means before.
    pair : RegressorPair
        Two of its regressors, which it determines.

    Returns
    -------
    PairEstimates
        In units of the data.
    """
    rows, first, second = _rows_before(design, pair)
    projected = rows @ fit.model.back_projection
    betas = effects_of(rows, projected, fit.model, fit.estimates)
    plain = _plain_covariance(fit.estimates, projected)
    effects, errors = {}, {}
    growths = {}
    for key, weights in _tested_weights(design, pair, first, second).items():
        effects[key] = weights @ betas
        unit = np.einsum("i,mij,j->m", weights, plain.unit_covariance, weights)
        growths[key] = _growth(fit.estimates, weights @ projected, unit.shape)
        errors[key] = _root(plain.scale * plain.at_voxels(unit * growths[key]))
    n_first = len(pair.first_columns)
    others = {FIRST: np.arange(n_first, len(rows)), SECOND: np.arange(n_first)}
    for name, main, like in ((FIRST, first, ORTHOGONALIZED), (SECOND, second, _OTHER)):
        restricted = _Restricted(fit.dof, plain, betas, main, others[name])
        effects[name, WITHOUT] = restricted.effect
        growth = plain.at_voxels(growths[name, like])
        errors[name, WITHOUT] = _root(restricted.variance * growth)
    for values in (effects, errors):
        values.pop((SECOND, _OTHER))
        values[SECOND, ORTHOGONALIZED] = values[SECOND, BOTH]
    return PairEstimates(effects, errors)


def sample_of_voxels(fit: Fit, n_most: int) -> tuple[Fit, slice]:
    """Return the fit at every k-th voxel, and which these are.

    Parameters
    ----------
    fit : Fit
        Fit of a run.
    n_most : int
        Number of voxels that are enough, above the number of scans. A fit whose voxels share
        covariances is returned as it is: all of its voxels take no longer.
    """
    n_voxels = fit.n_voxels
    if n_voxels <= n_most or not isinstance(fit.estimates, AR1Estimates | ARpEstimates):
        return fit, slice(None)
    voxels = slice(None, None, -(-n_voxels // n_most))
    arrays = field_arrays(fit.estimates)
    at_voxels = {
        name: values[..., voxels]
        for name, values in arrays.items()
        if values.ndim and values.shape[-1] == n_voxels
    }
    return replace(fit, estimates=replace(fit.estimates, **at_voxels), bold=None), voxels  # type: ignore[arg-type]


def _rows_before(design: Design, pair: RegressorPair) -> tuple[FloatArray, int, int]:
    """Return the rows that give the estimates before orthogonalization, and those of A and B."""
    change = weights_of_before(design)
    if change is None:
        change = np.eye(design.n_regressors)
    inverse: FloatArray = np.asarray(np.linalg.inv(change), dtype=np.float64)
    rows = inverse[columns_of(design, pair.columns)]
    first = pair.first_columns.index(pair.first)
    return rows, first, len(pair.first_columns) + pair.second_columns.index(pair.second)


def _tested_weights(
    design: Design, pair: RegressorPair, first: int, second: int
) -> dict[Estimate, FloatArray]:
    """Return the weights of the estimates before, of all columns of the pair, that give others."""
    before = before_orthogonalization(design)
    unit = np.eye(len(pair.columns))
    n_first = len(pair.first_columns)
    of_first, of_second = unit[first].copy(), unit[second].copy()
    of_first[n_first:] += shared_by(before, pair)[first]
    of_second[:n_first] += shared_by(before, pair.swapped)[second - n_first]
    return {
        (FIRST, BOTH): unit[first],
        (SECOND, BOTH): unit[second],
        (DIFFERENCE, BOTH): unit[first] - unit[second],
        (FIRST, ORTHOGONALIZED): of_first,
        (SECOND, _OTHER): of_second,
    }


class _Restricted:
    """The estimate of a column under the constraint that others are 0."""

    def __init__(
        self, dof: int, plain: ContrastVariance, betas: FloatArray, main: int, others: IndexArray
    ) -> None:
        covariance = plain.unit_covariance
        among = covariance[:, others[:, np.newaxis], others]
        crossed = covariance[:, main, others]
        precision: FloatArray = np.asarray(np.linalg.inv(among), dtype=np.float64)
        slopes = np.einsum("mij,mj->mi", precision, crossed)
        left_out = betas[others]
        self.effect = betas[main] - np.einsum("vi,iv->v", plain.at_voxels(slopes), left_out)
        unit = covariance[:, main, main] - np.einsum("mi,mi->m", slopes, crossed)
        added = np.einsum("iv,vij,jv->v", left_out, plain.at_voxels(precision), left_out)
        scale = (dof * plain.scale + added) / (dof + len(others))
        self.variance = scale * plain.at_voxels(unit)


def _plain_covariance(estimates: NoiseEstimates, rows: FloatArray) -> ContrastVariance:
    """Return the covariance that takes the noise coefficients for known, as least squares does."""
    if not isinstance(estimates, AutoEstimates):
        return estimates.contrast_variance(rows)
    covariance = estimates.covariance(rows)
    return ContrastVariance(
        estimates.sigma2, covariance, np.ones(covariance.shape[:2]), estimates.labels
    )


def _growth(estimates: NoiseEstimates, row: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return by how much a noise model increases a variance because it estimates coefficients."""
    if not isinstance(estimates, AutoEstimates):
        return np.ones(shape)
    rows = row[np.newaxis]
    corrected = estimates.contrast_variance(rows).unit_covariance / estimates.covariance(rows)
    return np.asarray(corrected[:, 0, 0])


def _root(values: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(values, 0.0))
