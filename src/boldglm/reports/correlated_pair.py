"""What two correlated regressors of a run share, and what that makes of their estimates."""

from collections.abc import Mapping
from pathlib import Path

from boldglm.glm import Design
from boldglm.glm.design.names import short_name
from boldglm.glm.design.regressor_pairs import (
    BOTH,
    DIFFERENCE,
    FIRST,
    ORTHOGONALIZED,
    SECOND,
    WITHOUT,
    Estimate,
    PairPrecision,
    RegressorPair,
    pair_precision,
)
from boldglm.io.outputs.measured_pairs import MeasuredPair
from boldglm.reports.content import Figure, Table, Topic

COLUMNS = ("Estimate", "Model", "What it means", "Predicted SE", "Volumes needed")
MEASURED = ("SD over voxels", "Median SE")
LITTLE = 0.2  # correlation below which who gets the shared variance hardly matters
REFERENCE = "Mumford et al. 2015, doi:10.1371/journal.pone.0126255"


def pair_table(
    design: Design,
    pair: RegressorPair,
    spread: Mapping[Estimate, tuple[float, float]] | None = None,
) -> Table:
    """Return what estimates of two regressors mean, by the model.

    Parameters
    ----------
    design : Design
        The design before any orthogonalization.
    pair : RegressorPair
        Two of its regressors.
    spread : mapping of (str, str) to (float, float), optional
        Standard deviation over voxels and median standard error of each estimate, if measured.

    Returns
    -------
    Table
        Rows for the first regressor A in a model without the other, B; with both; and with B
        orthogonalized with respect to A. Then B, and the difference. Standard errors are for
        white noise of standard deviation 1; volumes are relative to a model with one of the
        two.

    References
    ----------
    Mumford JA, Poline J-B, Poldrack RA (2015). Orthogonalization of regressors in fMRI models.
    PLoS ONE 10:e0126255. doi:10.1371/journal.pone.0126255
    """
    precision = pair_precision(design, pair)
    errors = precision.standard_errors
    rows = []
    for what, model, *words in _meanings(pair, precision):
        key = (what, model)
        error = errors.get(key)
        alone = errors.get((what, WITHOUT))
        row = [*words, _number(error, 3), _volumes(error, alone)]
        if spread:
            row += [_number(value, 3) for value in spread.get(key, (None, None))]
        rows.append(tuple(row))
    columns = COLUMNS + (MEASURED if spread else ())
    return Table(columns, tuple(rows), _caption(pair, precision, is_measured=bool(spread)))


def _meanings(
    pair: RegressorPair, precision: PairPrecision
) -> list[tuple[str, str, str, str, str]]:
    """Return (what is estimated, model, and both in words, meaning in words)."""
    a, b = short_name(pair.first), short_name(pair.second)
    both, orthogonalized = "both", f"{b} orthogonalized w.r.t. {a}"
    like = "as without" if precision.is_as_without else "much as without"
    return [
        (FIRST, WITHOUT, a, f"without {b}", f"{a} and what it shares with {b}"),
        (FIRST, BOTH, a, both, f"{a} alone"),
        (FIRST, ORTHOGONALIZED, a, orthogonalized, f"{like} {b}: {a} and what it shares with {b}"),
        (SECOND, WITHOUT, b, f"without {a}", f"{b} and what it shares with {a}"),
        (SECOND, BOTH, b, both, f"{b} alone"),
        (SECOND, ORTHOGONALIZED, b, orthogonalized, f"{b} alone, as with both"),
        (DIFFERENCE, BOTH, f"{a} - {b}", both, "the difference of the responses"),
        (
            *(DIFFERENCE, ORTHOGONALIZED, f"{a} - {b}", orthogonalized),
            "not the difference: only one of the two has what they share",
        ),
    ]


def _caption(pair: RegressorPair, precision: PairPrecision, *, is_measured: bool) -> str:
    a, b = short_name(pair.first), short_name(pair.second)
    text = "What each model makes of it, by least squares."
    if not precision.is_as_without:
        text += (
            f" Other conditions share variance with {b} as well, so orthogonalizing {b} with "
            f"respect to {a} is not quite the model without {b}."
        )
    text += " Standard errors (SE) are predicted, for white noise of SD 1"
    if is_measured:
        text += "; the last two columns are measured, in the unit of the effects"
    return f"{text}."


def pair_sentence(design: Design, pair: RegressorPair) -> str:
    """Return what two regressors share and who gets it, in words.

    Parameters
    ----------
    design : Design
        The design before any orthogonalization.
    pair : RegressorPair
        Two of its regressors.
    """
    a, b = short_name(pair.first), short_name(pair.second)
    r = pair_precision(design, pair).correlation
    if abs(r) < LITTLE:
        return (
            f"{a} and {b} correlate at {_signed(r)}, so they share only {100 * r**2:.1f} % of "
            "their variance. The models differ by as little, unless further regressors are "
            f"involved ({REFERENCE})."
        )
    return (
        f"{a} and {b} correlate at {_signed(r)}: they share {100 * r**2:.0f} % of their variance, "
        "which the data cannot assign to either. A model with both assigns it to neither, and "
        f"estimates both less precisely. A model without {b}, or with {b} orthogonalized with "
        f"respect to {a}, assigns it to {a}. That is a choice of question, not a gain of "
        f"information ({REFERENCE})."
    )


def pair_topic(design: Design, measured: MeasuredPair, folder: Path, number: int) -> Topic:
    """Explain two correlated regressors: over time, what they share, and their estimates.

    Parameters
    ----------
    design : Design
        The design before any orthogonalization.
    measured : MeasuredPair
        Two of its regressors, and their estimates over voxels if there are any.
    folder : Path
        Folder for the pictures.
    number : int
        Of the topic in its section; names its pictures.
    """
    from boldglm.reports.pair_figures import draw_pair_estimates, draw_pair_over_time

    pair = measured.pair
    figures: tuple[Figure, ...] = (
        draw_pair_over_time(design, pair, folder / f"pair{number}overtime.svg"),
    )
    if measured.densities:
        figures += draw_pair_estimates(measured, folder / f"pair{number}estimates")
    a, b = short_name(pair.first), short_name(pair.second)
    paragraphs = [pair_sentence(design, pair)]
    if measured.reason:
        paragraphs.append(
            f"The estimates were not compared over voxels, because {measured.reason}."
        )
    r = pair_precision(design, pair).correlation
    return Topic(
        f"{'Correlated' if abs(r) >= LITTLE else 'Two'} regressors: {a} and {b}",
        tuple(paragraphs),
        figures,
        (pair_table(design, pair, measured.spread or None), license_table(pair)),
    )


def license_table(pair: RegressorPair) -> Table:
    """Return which conclusions an orthogonalization of B with respect to A allows."""
    a, b = short_name(pair.first), short_name(pair.second)
    rows = (
        (f"{a}, or what it shares with {b}, has a response", "yes, if written like that"),
        (
            f"{b} explains something that {a} does not",
            "yes; the model with both says the same, with the same t",
        ),
        (
            f"{a} responds more than {b}",
            f"no. Never subtract {a} and {b} afterwards: even two equal responses differ",
        ),
        (f"{a} has a response when {b} is accounted for", "no; the model with both says that"),
        ("the collinearity is gone", "no; the data tell the two apart no better than before"),
    )
    return Table(
        ("Conclusion", f"Allowed after '{pair.rule}'?"),
        rows,
        f"What orthogonalizing {b} with respect to {a} licenses, and what it does not. It is "
        f"right if whatever could be {a} is to count as {a}, decided before looking at the data.",
    )


def _signed(value: float) -> str:
    return f"{value:z.2f}".replace("-", "−")


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _volumes(error: float | None, alone: float | None) -> str:
    """Return how many times as many volumes make up for a larger standard error."""
    return "" if error is None or alone is None else f"× {(error / alone) ** 2:.2g}"
