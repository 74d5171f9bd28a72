"""Two regressors that share variance, and how precisely three models estimate them.

The models are those without one of the two, with both, and with the second orthogonalized with
respect to the first. If a condition has several columns (derivatives, FIR bins), all of them are
left out, or orthogonalized, together.

Notation: A first and B second regressor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from boldglm.glm.arrays.types import FloatArray, IndexArray
from boldglm.glm.design.collinearity import collinearity, condition_pairs
from boldglm.glm.design.contrast_meaning import weights_before
from boldglm.glm.design.design_matrix import Design
from boldglm.glm.design.names import short_name
from boldglm.glm.design.orthogonalize import (
    orthogonalize,
    parse_orthogonalization,
    shared_weights,
)

CORRELATED = 0.3  # correlation of two regressors from which they are explained
INFLATED = 2.0  # or variance inflation factor of both

FIRST, SECOND, DIFFERENCE = "first", "second", "difference"  # A, B and A - B
WITHOUT, BOTH, ORTHOGONALIZED = "without", "both", "orthogonalized"  # models
Estimate = tuple[str, str]  # what is estimated, and in which model


@dataclass(frozen=True)
class RegressorPair:
    """Two regressors of a design.

    Parameters
    ----------
    first, second : str
        The columns of A and B whose estimates are compared.
    first_columns, second_columns : tuple of str
        All columns that are left out or orthogonalized with them, these two included.
    """

    first: str
    second: str
    first_columns: tuple[str, ...]
    second_columns: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of both."""
        return self.first_columns + self.second_columns

    @property
    def swapped(self) -> "RegressorPair":
        """The same pair with A and B exchanged."""
        return RegressorPair(self.second, self.first, self.second_columns, self.first_columns)

    @property
    def rule(self) -> str:
        """The orthogonalization of B with respect to A, as options write it.

        Examples
        --------
        >>> RegressorPair("trial_type.a", "trial_type.b", (), ()).rule
        'b ~ a'
        """
        return f"{short_name(self.second)} ~ {short_name(self.first)}"


def names_for_pairs(design: Design) -> list[str]:
    """Return the names by which a pair may be asked for: conditions, and columns that vary."""
    varying = np.flatnonzero(np.ptp(design.matrix, axis=0))
    return list(
        dict.fromkeys([*filter(None, design.conditions), *(design.names[k] for k in varying)])
    )


def read_pair(text: str, names: Sequence[str]) -> tuple[str, str]:
    """Read a pair ``B ~ A``.

    Parameters
    ----------
    text : str
        As a rule of `parse_orthogonalization`.
    names : sequence of str
        Known names.

    Returns
    -------
    tuple of (str, str)
        Full names of B and of A.

    Raises
    ------
    ValueError
        If it is no such pair, or a name is unknown.

    Examples
    --------
    >>> read_pair("target ~ cue", ["trial_type.cue", "trial_type.target"])
    ('trial_type.target', 'trial_type.cue')
    """
    target, against = parse_orthogonalization(text, names)
    if len(against) > 1:
        pairs = " and ".join(f"'{short_name(target)} ~ {short_name(name)}'" for name in against)
        raise ValueError(f"a pair has two regressors. Ask for {pairs}, each by itself.")
    if target == against[0]:
        raise ValueError(f"{target!r} is compared with itself. Name two regressors.")
    return target, against[0]


def named_pair(design: Design, target: str, against: str) -> RegressorPair:
    """Return the pair of two names.

    Parameters
    ----------
    design : Design
        A design.
    target, against : str
        B and A, full names of conditions or columns. Of a condition with several columns, the
        estimate of the column with its name is compared, or else of the one that correlates most.
    """
    groups = [_group(design, name) for name in (against, target)]
    if set(groups[0]) & set(groups[1]):  # a condition and its derivative
        groups = [[design.index(name)] for name in (against, target)]
    mains = [
        [design.index(name)] if name in design.names else group
        for name, group in zip((against, target), groups, strict=True)
    ]
    correlations = collinearity(design).correlations
    first, second = max(product(*mains), key=lambda pair: abs(correlations[pair]))
    return _pair(design, first, second, groups)


def most_correlated_pair(design: Design) -> RegressorPair | None:
    """Return the two conditions that correlate most, if that matters.

    Parameters
    ----------
    design : Design
        The design before any orthogonalization. If one of the two was orthogonalized with respect
        to the other (`Design.shared`), it is the second.

    Returns
    -------
    RegressorPair or None
        Of the pairs that correlate by at least .3 or have variance inflation factors of at least
        2, the one with the largest correlation. None if there is none that the design determines.
    """
    numbers = collinearity(design)
    pairs = []
    for first, second in condition_pairs(design):
        size = abs(float(numbers.correlations[first, second]))
        vif = [numbers.vif.get(design.names[k], np.inf) for k in (first, second)]
        if np.isfinite(vif).all() and (size >= CORRELATED or min(vif) >= INFLATED):
            pairs.append((size, first, second))
    if not pairs:
        return None
    _, first, second = max(pairs)
    if (design.names[first], design.names[second]) in _rules(design):
        first, second = second, first
    groups = [design.condition_columns(design.conditions[k]) for k in (first, second)]
    return _pair(design, first, second, groups)


def _group(design: Design, name: str) -> list[int]:
    if name in design.conditions:
        return design.condition_columns(name)
    return [design.index(name)]


def _pair(
    design: Design, first: int, second: int, groups: Sequence[Sequence[int]]
) -> RegressorPair:
    names = design.names
    columns = [tuple(names[k] for k in group) for group in groups]
    return RegressorPair(names[first], names[second], *columns)


def _rules(design: Design) -> set[tuple[str, str]]:
    """Return (column, column that it was orthogonalized with respect to)."""
    return {(column, name) for column, explaining in design.shared for name in explaining}


def weights_of_before(design: Design) -> FloatArray | None:
    """Return the matrix that turns the columns of a design into those before orthogonalization.

    Returns
    -------
    ndarray of shape (n_regressors, n_regressors) or None
        M with X M the design before, so that its estimates are M⁻¹ times those of X. None if it
        is not known what was subtracted.
    """
    if any(np.isnan(gamma) for _, explaining in design.shared for gamma in explaining.values()):
        return None
    return weights_before(np.eye(design.n_regressors), design.names, design.shared)


def before_orthogonalization(design: Design) -> Design:
    """Return a design as it was before orthogonalization, if that is known, else as it is."""
    matrix = weights_of_before(design)
    if matrix is None or not design.shared:
        return design
    return replace(design, matrix=design.matrix @ matrix)


def columns_of(design: Design, names: Sequence[str]) -> IndexArray:
    """Return the indices of columns."""
    return np.array([design.index(name) for name in names])


def shared_by(design: Design, pair: RegressorPair) -> FloatArray:
    """Return γ, the weights of A's columns in the regression of B's, (n_first, n_second).

    As for `orthogonalize_design`, columns that are no conditions are adjusted for.
    """
    first, second = (columns_of(design, names) for names in _groups(pair))
    return shared_weights(
        design.matrix[:, second], design.matrix[:, first], _nuisance(design, pair)
    )


def orthogonalized_columns(design: Design, pair: RegressorPair) -> FloatArray:
    """Return what the columns of B have alone, (n_scans, n_second)."""
    first, second = (columns_of(design, names) for names in _groups(pair))
    return orthogonalize(
        design.matrix[:, second], design.matrix[:, first], _nuisance(design, pair)
    )


def _groups(pair: RegressorPair) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return pair.first_columns, pair.second_columns


def _nuisance(design: Design, pair: RegressorPair) -> FloatArray:
    columns = zip(design.names, design.roles, strict=True)
    kept = [
        k
        for k, (name, role) in enumerate(columns)
        if role != "condition" and name not in pair.columns
    ]
    return design.matrix[:, kept]


@dataclass(frozen=True)
class PairPrecision:
    """What two regressors share, and how precisely three models estimate them.

    Parameters
    ----------
    correlation : float
        Of the two columns.
    standard_errors : dict of (str, str) to float
        Predicted standard error of each estimate in each model, for white noise of standard
        deviation 1.
    is_as_without : bool
        Whether the estimate of A with B orthogonalized is that of the model without B, by least
        squares. It is unless other conditions correlate with B as well.
    """

    correlation: float
    standard_errors: Mapping[Estimate, float]
    is_as_without: bool

    @property
    def is_estimable(self) -> bool:
        """Whether the design determines both."""
        return bool(np.isfinite(list(self.standard_errors.values())).all())


def pair_precision(design: Design, pair: RegressorPair) -> PairPrecision:
    """Return what two regressors share and how precisely three models estimate them.

    Parameters
    ----------
    design : Design
        The design before any orthogonalization.
    pair : RegressorPair
        Two of its regressors.
    """
    first, second = design.index(pair.first), design.index(pair.second)
    errors = {}
    weights = np.eye(design.n_regressors)
    a, b = weights[first], weights[second]
    both = collinearity(design, {FIRST: a, SECOND: b, DIFFERENCE: a - b})
    for name, error in both.predicted_standard_error.items():
        errors[name, BOTH] = float(error)
    matrix = np.array(design.matrix)
    matrix[:, columns_of(design, pair.second_columns)] = orthogonalized_columns(design, pair)
    after = collinearity(matrix, {FIRST: a, SECOND: b})
    for name, error in after.predicted_standard_error.items():
        errors[name, ORTHOGONALIZED] = float(error)
    for name, row, others in (
        (FIRST, a, pair.second_columns),
        (SECOND, b, pair.first_columns),
    ):
        left_out = columns_of(design, others)
        alone = np.delete(design.matrix, left_out, axis=1)
        numbers = collinearity(alone, {name: np.delete(row, left_out)})
        errors[name, WITHOUT] = float(numbers.predicted_standard_error[name])
    without, orthogonalized = errors[FIRST, WITHOUT], errors[FIRST, ORTHOGONALIZED]
    is_as_without = bool(abs(orthogonalized - without) <= 1e-6 * without)
    return PairPrecision(float(both.correlations[first, second]), errors, is_as_without)
