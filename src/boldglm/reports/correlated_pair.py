"""What the two most correlated regressors of a run share, and what that makes of estimates."""

import numpy as np

from boldglm.glm import Design, collinearity, orthogonalize_design
from boldglm.glm.design.collinearity import condition_pairs
from boldglm.glm.design.names import short_name
from boldglm.reports.content import Table

CORRELATED = 0.3  # correlation of two regressors from which the table is shown
INFLATED = 2.0  # or variance inflation factor of both
COLUMNS = ("Estimate", "Model", "What it means", "Standard error", "Volumes needed")


def pair_table(design: Design) -> Table | None:
    """Return what estimates of the two most correlated conditions mean, by the model.

    Parameters
    ----------
    design : Design
        The design before any orthogonalization.

    Returns
    -------
    Table or None
        Rows for the first regressor A in a model without the other, B; with both; and with B
        orthogonalized with respect to A. Then B, and the difference. Standard errors are for
        white noise of standard deviation 1; volumes are relative to a model with one of the
        two. None if no two regressors of conditions correlate.

    References
    ----------
    Mumford JA, Poline J-B, Poldrack RA (2015). Orthogonalization of regressors in fMRI models.
    PLoS ONE 10:e0126255. doi:10.1371/journal.pone.0126255
    """
    pair = _most_correlated(design)
    if pair is None:
        return None
    first, second, correlation = pair
    errors = _standard_errors(design, first, second)
    a, b = (short_name(design.names[column]) for column in (first, second))
    both, orthogonalized = "both", f"{b} orthogonalized w.r.t. {a}"
    rows = [
        (a, f"without {b}", f"{a} and what it shares with {b}", errors["a alone"], 1.0),
        (a, both, f"{a} alone", errors["a"], errors["a"] / errors["a alone"]),
        (
            *(a, orthogonalized, f"as without {b}: {a} and what it shares with {b}"),
            *(errors["a orthogonalized"], errors["a orthogonalized"] / errors["a alone"]),
        ),
        (b, f"without {a}", f"{b} and what it shares with {a}", errors["b alone"], 1.0),
        (b, both, f"{b} alone", errors["b"], errors["b"] / errors["b alone"]),
        (
            *(b, orthogonalized, f"{b} alone, as with both"),
            *(errors["b orthogonalized"], errors["b orthogonalized"] / errors["b alone"]),
        ),
        (f"{a} - {b}", both, "the difference of the responses", errors["a - b"], None),
        (
            *(f"{a} - {b}", orthogonalized),
            *("not the difference: only one of the two has what they share", None, None),
        ),
    ]
    return Table(
        COLUMNS,
        tuple(
            (estimate, model, meaning, _number(error, 3), _volumes(ratio))
            for estimate, model, meaning, error, ratio in rows
        ),
        f"{a} and {b} correlate at {correlation:.2f}: they share {100 * correlation**2:.0f} % of "
        "their variance, which the data cannot assign to either. What each model makes of it, by "
        "least squares (Mumford et al. 2015, doi:10.1371/journal.pone.0126255):",
    )


def _most_correlated(design: Design) -> tuple[int, int, float] | None:
    """Return the columns of two conditions with the largest correlation, if it matters."""
    numbers = collinearity(design)
    pairs = [
        (abs(float(numbers.correlations[first, second])), first, second)
        for first, second in condition_pairs(design)
    ]
    if not pairs:
        return None
    size, first, second = max(pairs)
    inflation = [numbers.vif[design.names[column]] for column in (first, second)]
    estimable = np.isfinite(inflation).all()
    if not estimable or (size < CORRELATED and min(inflation) < INFLATED):
        return None
    return first, second, float(numbers.correlations[first, second])


def _standard_errors(design: Design, first: int, second: int) -> dict[str, float]:
    """Return predicted standard errors of both regressors in each model."""
    names = [design.names[column] for column in (first, second)]
    changed = orthogonalize_design(design, [(names[1], (names[0],))])
    weights = np.eye(design.n_regressors)
    a, b = weights[first], weights[second]
    of_pair = {"a": a, "b": b, "a - b": a - b}
    errors = dict(collinearity(design, of_pair).predicted_standard_error)
    after = collinearity(changed, {"a": a, "b": b})
    errors |= {f"{k} orthogonalized": v for k, v in after.predicted_standard_error.items()}
    for name, column, other in (("a", first, second), ("b", second, first)):
        alone = np.delete(design.matrix, other, axis=1)
        row = np.delete(weights[column], other)
        errors[f"{name} alone"] = collinearity(alone, {name: row}).predicted_standard_error[name]
    return {name: float(value) for name, value in errors.items()}


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _volumes(ratio: float | None) -> str:
    """Return how many times as many volumes make up for a larger standard error."""
    return "" if ratio is None else f"× {ratio**2:.2g}"
