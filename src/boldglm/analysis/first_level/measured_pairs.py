"""Compare the estimates of correlated regressors over the voxels of a run."""

from collections.abc import Sequence

import numpy as np

from boldglm.analysis.first_level.slices import RunFit
from boldglm.glm import Design
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.names import short_name
from boldglm.glm.design.regressor_pairs import (
    BOTH,
    FIRST,
    ORTHOGONALIZED,
    SECOND,
    WITHOUT,
    Estimate,
    RegressorPair,
    before_orthogonalization,
    columns_of,
    most_correlated_pair,
    named_pair,
    names_for_pairs,
    pair_precision,
    read_pair,
)
from boldglm.glm.first_level.pair_estimates import (
    MOST_COLUMNS,
    pair_estimates,
    sample_of_voxels,
)
from boldglm.glm.first_level.slice_fit import SliceFit
from boldglm.io.outputs.measured_pairs import LEVELS_OF_GRAY, Density, MeasuredPair

N_BINS = 44
MOST_VOXELS = 20_000  # with covariances of their own: more change no picture
MOST_LOSS = 1e5  # of precision by the other regressor: beyond, differences are rounding error
QUANTILE = 0.995  # of the sizes of estimates, that a picture reaches to
COMPARED: tuple[tuple[Estimate, Estimate], ...] = (
    ((FIRST, BOTH), (FIRST, WITHOUT)),
    ((FIRST, WITHOUT), (FIRST, ORTHOGONALIZED)),
    ((FIRST, BOTH), (SECOND, BOTH)),
    ((SECOND, BOTH), (SECOND, WITHOUT)),
    ((SECOND, BOTH), (SECOND, ORTHOGONALIZED)),
    ((FIRST, ORTHOGONALIZED), (SECOND, ORTHOGONALIZED)),
)


def requested_pair(design: Design, text: str) -> RegressorPair:
    """Return a pair of regressors that was asked for.

    Parameters
    ----------
    design : Design
        The design, before or after orthogonalization.
    text : str
        Such as ``"B ~ A"``.

    Raises
    ------
    ValueError
        If the design has no such pair, or does not determine it.
    """
    before = before_orthogonalization(design)
    pair = named_pair(before, *read_pair(text, names_for_pairs(before)))
    if not pair_precision(before, pair).is_estimable:
        raise ValueError(
            f"the design does not determine {short_name(pair.first)} and "
            f"{short_name(pair.second)}, because other columns explain one of them completely"
        )
    return pair


def explained_pairs(design: Design, requested: Sequence[str] = ()) -> list[RegressorPair]:
    """Return the pairs of regressors that the report of a run explains.

    Parameters
    ----------
    design : Design
        The design, before or after orthogonalization.
    requested : sequence of str
        Pairs that were asked for, as for `requested_pair`.

    Returns
    -------
    list of RegressorPair
        The one that correlates most, if that matters, and those that were asked for.

    Raises
    ------
    ValueError
        As `requested_pair`.
    """
    most = most_correlated_pair(before_orthogonalization(design))
    asked = [requested_pair(design, text) for text in requested]
    return list(dict.fromkeys([*([most] if most else []), *asked]))


def measure_pair(
    fit: RunFit, scale: FloatArray, design: Design, pair: RegressorPair
) -> MeasuredPair:
    """Compare the estimates of two regressors over voxels.

    Parameters
    ----------
    fit : Fit or SliceFit
        Fit of the run.
    scale : ndarray of shape (n_voxels,)
        Factor from the unit of the data to the unit of the effects.
    design : Design
        The fitted design.
    pair : RegressorPair
        Two of its regressors, which it determines.

    Returns
    -------
    MeasuredPair
        With a reason instead of numbers if they cannot be compared.
    """
    if isinstance(fit, SliceFit):
        return MeasuredPair(pair, reason="each slice was fitted with a design of its own")
    if len(pair.columns) > MOST_COLUMNS:
        return MeasuredPair(
            pair, reason=f"the two have {len(pair.columns)} columns, more than {MOST_COLUMNS}"
        )
    if fit.model.outside(np.eye(len(fit.names))[columns_of(design, pair.columns)]).any():
        return MeasuredPair(pair, reason="the design does not determine all of their columns")
    errors_of = pair_precision(before_orthogonalization(design), pair).standard_errors
    if (
        max(errors_of[name, BOTH] / errors_of[name, WITHOUT] for name in (FIRST, SECOND))
        > MOST_LOSS
    ):
        return MeasuredPair(pair, reason="the two are the same but for rounding")
    sample, voxels = sample_of_voxels(fit, MOST_VOXELS)
    estimates = pair_estimates(sample, design, pair)
    factors = scale[voxels]
    values = {key: effect * factors for key, effect in estimates.effects.items()}
    errors = {key: error * factors for key, error in estimates.standard_errors.items()}
    usable = sample.sigma2 > 0
    for row in (*values.values(), *errors.values()):
        usable &= np.isfinite(row)
    sizes = np.abs([values[key][usable] for key in values if key[0] in (FIRST, SECOND)])
    limit = float(np.quantile(sizes, QUANTILE)) if usable.any() else 0.0
    if not limit > 0:
        return MeasuredPair(pair, reason="no voxel has an estimate")
    return MeasuredPair(
        pair,
        int(usable.sum()),
        limit,
        {
            key: (float(values[key][usable].std()), float(np.median(errors[key][usable])))
            for key in values
        },
        tuple(
            _density(across, up, values[across][usable], values[up][usable], limit)
            for across, up in COMPARED
        ),
    )


def _density(
    across: Estimate, up: Estimate, x: FloatArray, y: FloatArray, limit: float
) -> Density:
    edges = np.linspace(-limit, limit, N_BINS + 1)
    counts, _, _ = np.histogram2d(y, x, bins=(edges, edges))
    shares = np.log1p(counts) / np.log1p(max(counts.max(), 1.0))  # at most 1, to the last bit
    levels = np.ceil(LEVELS_OF_GRAY * shares).astype(int)
    varies = x.std() > 0 and y.std() > 0
    return Density(
        across,
        up,
        round(float(np.nan_to_num(np.corrcoef(x, y)[0, 1])), 6) if varies else 0.0,
        tuple("".join(map(str, row)) for row in levels[::-1].tolist()),
    )
