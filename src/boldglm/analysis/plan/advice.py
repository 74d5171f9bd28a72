"""What a plan means, in sentences: what is hard to estimate, in which run, and what would help."""

import numpy as np

from boldglm.analysis.plan.plan import Analysis
from boldglm.analysis.plan.precision import CorrelatedPair, Precision, correlated_pairs
from boldglm.glm.design.names import short_name
from boldglm.glm.design.summaries import counted, listed

MUCH_SHARED = 0.25  # squared correlation of two regressors (a correlation of .5)
MUCH_LARGER = 1.25  # standard error, relative to that of uncorrelated regressors
FAR_WORSE = 1.5  # standard error of a run, relative to the median of all runs
MOST_PAIRS = 3
NOTHING_STANDS_OUT = (
    "Nothing stands out: no regressors of conditions share much, and every run can estimate every "
    "contrast."
)


def advice(analysis: Analysis, precision: Precision) -> list[str]:
    """Return what somebody who plans an analysis should know about its designs.

    Parameters
    ----------
    analysis : Analysis
        The planned runs.
    precision : Precision
        That of its runs.

    Returns
    -------
    list of str
        Whole sentences, the gravest first; empty if nothing stands out.
    """
    pairs = [pair for pair in correlated_pairs(analysis.runs) if pair.median >= MUCH_SHARED]
    sentences = _not_estimable(precision)
    sentences += [_of_pair(pair, analysis, precision) for pair in pairs[:MOST_PAIRS]]
    if len(pairs) > MOST_PAIRS:
        others = [f"{short_name(pair.first)} and {short_name(pair.second)}" for pair in pairs]
        sentences.append(
            f"Other pairs share at least {100 * MUCH_SHARED:.0f} % as well: "
            f"{listed(others[MOST_PAIRS:], 5)}."
        )
    return [*sentences, *_worst_run(precision)]


def _not_estimable(precision: Precision) -> list[str]:
    """Return a sentence for each contrast that some runs cannot estimate."""
    sentences = []
    for name, of_contrast in precision.by_contrast.items():
        without = [row.run for row in of_contrast if not row.is_estimable]
        if without:
            sentences.append(
                f"{counted(len(without), 'run')} of {len(of_contrast)} cannot estimate the "
                f"contrast '{name}', and do not count for it: {listed(without, 3)}."
            )
    return sentences


def _of_pair(pair: CorrelatedPair, analysis: Analysis, precision: Precision) -> str:
    """Return what two correlated regressors share, what it costs and what would help."""
    first, second = short_name(pair.first), short_name(pair.second)
    n_runs = len(pair.shares)
    where = (
        f" (median of {n_runs} runs; {100 * pair.shares[pair.worst_run]:.0f} % in "
        f"{pair.worst_run})"
        if n_runs > 1
        else ""
    )
    text = f"{first} and {second} share {100 * pair.median:.0f} % of their variance{where}."
    orthogonalized = [
        (short_name(regressor), [short_name(name) for name in references])
        for regressor, references in analysis.model.orthogonalize
        if {regressor, *references} >= {pair.first, pair.second}
        or {short_name(regressor), *map(short_name, references)} >= {first, second}
    ]
    if orthogonalized:
        regressor, references = orthogonalized[0]
        other = second if regressor == first else first
        return (
            f"{text} {regressor} is orthogonalized with respect to {', '.join(references)}, so "
            f"that the estimate of {other} includes what they share, and that of {regressor} is "
            "as it would be without. Do not subtract one from the other."
        )
    larger = _larger(precision, {pair.first, pair.second}, analysis)
    if larger:
        text += (
            f" That makes standard errors larger than those of uncorrelated regressors: {larger}."
        )
    return (
        f"{text} More variable intervals between the two, or trials with only one of them, would "
        "separate them. Orthogonalization adds no information; it only decides which of the two "
        "gets the variance that they share."
    )


def _larger(precision: Precision, regressors: set[str], analysis: Analysis) -> str:
    """Return by how much the contrasts of some regressors lose, with the cost in volumes."""
    of_pair = {
        contrast.name
        for run in analysis.runs
        for contrast in run.contrasts
        if contrast.test != "F" and set(contrast.columns) & regressors
    }
    ratios = {
        name: [row.times_alone for row in rows if np.isfinite(row.times_alone)]
        for name, rows in precision.by_contrast.items()
        if name in of_pair
    }
    medians = {name: float(np.median(values)) for name, values in ratios.items() if values}
    lossy = sorted(
        (name for name in medians if medians[name] >= MUCH_LARGER), key=lambda name: -medians[name]
    )
    if not lossy:
        return ""
    shown = [f"'{name}' {medians[name]:.1f} times" for name in lossy]
    worst = medians[lossy[0]]
    return (
        f"{listed(shown, 4)} (it takes {worst**2:.1f} times as many volumes to make up for that)"
    )


def _worst_run(precision: Precision) -> list[str]:
    """Return the run that is least certain of a contrast, if it stands out."""
    worst = precision.least_certain
    if worst is None:
        return []
    median = precision.medians[worst.contrast]
    ratio = worst.standard_error / median
    if ratio < FAR_WORSE:
        return []
    return [
        f"The least certain run is {worst.run}: its standard error of '{worst.contrast}' is "
        f"{ratio:.1f} times the median of all runs ({worst.standard_error:.3g} against "
        f"{median:.3g}). Look at its number of events, censored volumes and confounds."
    ]
