"""The power of a plan as text, as a table and as JSON."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from boldglm.analysis.plan.plan import Analysis
from boldglm.cli.dry_run import PREFIXES, WIDTH
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.summaries import counted, listed
from boldglm.glm.second_level.power import MOST_PARTICIPANTS, MOST_RUNS
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import write_json
from boldglm.notices import Notice, by_kind
from boldglm.vocabulary import POWER_TARGETS

REFERENCE = (
    "Mumford JA, Nichols TE (2008). Power calculation for group fMRI studies accounting for "
    "arbitrary design and temporal autocorrelation. NeuroImage 39:261-268. "
    "https://doi.org/10.1016/j.neuroimage.2007.07.061"
)
METHODS = {"ols": "least squares", "mixed": "mixed effects", "fixed": "fixed effects"}
COLUMNS = (
    *("contrast", "effect", "runs", "participants", "standard_error", "alpha", "power"),
    *("simulated_power", "simulation_standard_error"),
)


@dataclass(frozen=True)
class EffectPower:
    """The power for one effect.

    Parameters
    ----------
    effect : float
        In the unit of effect maps.
    power, simulated : ndarray of shape (n_runs, n_participants, n_alphas)
        By formula, and the share of simulated studies.
    least : ndarray of shape (n_runs, n_alphas, n_targets)
        Smallest number of participants for each target of power; NaN if too many are needed.
    least_runs : ndarray of shape (n_participants, n_alphas)
        Smallest number of runs of each participant for the first target; NaN likewise.
    """

    effect: float
    power: FloatArray
    simulated: FloatArray
    least: FloatArray
    least_runs: FloatArray


@dataclass(frozen=True)
class PowerOfContrast:
    """The power of one contrast.

    Parameters
    ----------
    name : str
    height : float
        Of its regressors.
    noise_sd, between_sd : float
        Standard deviations of the noise of a volume, and of participants.
    runs, participants : tuple of int
        Sizes of studies.
    deviations : tuple of float
        Standard deviation of the estimates of participants, for each number of runs.
    effects : tuple of EffectPower
    """

    name: str
    height: float
    noise_sd: float
    between_sd: float
    runs: tuple[int, ...]
    participants: tuple[int, ...]
    deviations: tuple[float, ...]
    effects: tuple[EffectPower, ...]


@dataclass(frozen=True)
class PowerPlan:
    """Everything that `boldglm power` says.

    Parameters
    ----------
    analysis : Analysis
        The plan that the designs are from.
    contrasts : tuple of PowerOfContrast
    sources : (str, str)
        Where the noise and the differences between participants are from.
    alphas : tuple of float
    simulations : int
        Number of simulated studies.
    method : str
        How participants are tested.
    effect_unit : {"map", "peak"}
        What the effects were given as.
    notices : tuple of Notice
    """

    analysis: Analysis
    contrasts: tuple[PowerOfContrast, ...]
    sources: tuple[str, str]
    alphas: tuple[float, ...]
    simulations: int
    method: str
    effect_unit: str
    notices: tuple[Notice, ...]

    @property
    def unit(self) -> str:
        """Unit of the effects, with a blank before it."""
        is_percent = self.analysis.model.signal_scaling == "percent"
        return " %" if is_percent else " (unit of the file)"

    def standard_error(self, share: float) -> float:
        """Return the Monte Carlo standard error of a share of simulated studies."""
        return float(np.sqrt(share * (1 - share) / self.simulations))


def print_power(plan: PowerPlan, stream: TextIO) -> None:
    """Print the tables and what they mean."""
    lines = [*_heading(plan)]
    for contrast in plan.contrasts:
        lines += ["", *_contrast_lines(contrast, plan)]
        for effect in contrast.effects:
            lines += ["", *_table(contrast, effect, plan), "", *_sentences(contrast, effect, plan)]
    lines += ["", *_about(plan)]
    if plan.notices:
        lines += ["", *(f"{PREFIXES[one.kind]}: {one}" for one in dict.fromkeys(plan.notices))]
    lines += ["", "Nothing was fitted."]
    for line in lines:
        print(line, file=stream)


def _heading(plan: PowerPlan) -> Iterator[str]:
    runs, people = len(plan.analysis.runs), len(plan.analysis.subjects)
    yield f"Power of the mean over participants (one-sample t test by {METHODS[plan.method]})"
    yield (
        f"  designs      model {plan.analysis.model.name}, {counted(runs, 'run')} of "
        f"{counted(people, 'participant')}"
    )
    for name, source in zip(("noise", "participants"), plan.sources, strict=True):
        yield f"  {name:<12} {source}"


def _contrast_lines(contrast: PowerOfContrast, plan: PowerPlan) -> Iterator[str]:
    unit = plan.unit
    yield f"{contrast.name}"
    yield f"  SD of the noise of a volume      {contrast.noise_sd:.3g}{unit}"
    yield f"  SD of effects over participants  {contrast.between_sd:.3g}{unit}"
    for runs, deviation in zip(contrast.runs, contrast.deviations, strict=True):
        share = contrast.between_sd**2 / deviation**2
        yield (
            f"  SD of estimates, {counted(runs, 'run') + ' each':<15} {deviation:.3g}{unit} "
            f"({100 * share:.0f} % of the variance is between participants)"
        )


def _table(contrast: PowerOfContrast, effect: EffectPower, plan: PowerPlan) -> Iterator[str]:
    """Return power by size: by formula, and simulated with its standard error."""
    height, unit = contrast.height, plan.unit
    yield (
        f"  An effect of {effect.effect:.3g}{unit} in maps, {effect.effect * height:.3g}{unit} at "
        f"the peak of the response (regressors are {height:.2g} high)"
    )
    heads = [f"alpha {alpha:g}".replace("0.", ".") for alpha in plan.alphas]
    yield f"{'':30}{''.join(f'{head:>24}' for head in heads)}"
    yield "  runs  participants   std. err." + "".join(
        f"{'power':>7}{'simulated':>17}" for _ in heads
    )
    for row, runs in enumerate(contrast.runs):
        for column, people in enumerate(contrast.participants):
            error = contrast.deviations[row] / np.sqrt(people)
            cells = ""
            for number, _ in enumerate(plan.alphas):
                share = float(effect.simulated[row, column, number])
                cells += f"{effect.power[row, column, number]:>8.3f}"
                cells += f"{f'{share:.3f} ± {plan.standard_error(share):.3f}':>16}"
            yield f"  {runs:>4}  {people:>12}  {error:>#10.3g}{cells}"


def _short(share: float) -> str:
    """Return a share as journals print p.

    Examples
    --------
    >>> _short(0.05), _short(0.001)
    ('.05', '.001')
    """
    return f"{share:g}".removeprefix("0")


def _sentences(contrast: PowerOfContrast, effect: EffectPower, plan: PowerPlan) -> Iterator[str]:
    """Say how many participants it takes."""
    first, second = (f"{target:.2f}".removeprefix("0") for target in POWER_TARGETS)
    size = f"{effect.effect:.3g}{plan.unit}"
    if plan.effect_unit == "peak":
        size = f"{effect.effect * contrast.height:.3g}{plan.unit} at the peak"
    for row, runs in enumerate(contrast.runs):
        counts = [tuple(map(_count, least)) for least in effect.least[row]]
        least, more = counts[0]
        text = (
            f"With {counted(runs, 'run')} each, {least} participants find an effect of {size} "
            f"with power {first} ({more} with {second}) at alpha {_short(plan.alphas[0])}"
        )
        for alpha, (least, more) in zip(plan.alphas[1:], counts[1:], strict=True):
            text += f"; {least} ({more}) at alpha {_short(alpha)}"
        yield from _wrapped(f"{text}.", "  ")

    for number, alpha in enumerate(plan.alphas):
        needs = _runs_needed(contrast.participants, effect.least_runs[:, number])
        yield from _wrapped(f"For power {first} at alpha {_short(alpha)}, {needs}.", "  ")


def _runs_needed(participants: Sequence[int], runs: FloatArray) -> str:
    """Say how many runs each number of participants needs.

    Examples
    --------
    >>> _runs_needed([10, 20, 30], np.array([np.nan, 4, 1]))
    '10 participants need more than 50 runs each, 20 need 4, 30 need 1'
    """
    counts = [f"more than {MOST_RUNS}" if np.isnan(least) else f"{least:.0f}" for least in runs]
    needs = [f"{n} need {count}" for n, count in zip(participants, counts, strict=True)]
    noun = "run" if counts[0] == "1" else "runs"
    needs[0] = f"{participants[0]} participants need {counts[0]} {noun} each"
    return ", ".join(needs)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=2 * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _count(number: float) -> str:
    return f"more than {MOST_PARTICIPANTS:,}" if np.isnan(number) else f"{number:.0f}"


def _about(plan: PowerPlan) -> Iterator[str]:
    """Say what alpha means, what the numbers assume, and where to read on."""
    alphas = listed([_short(alpha) for alpha in plan.alphas], 9)
    texts = [
        f"Alpha ({alphas}) is two-sided and uncorrected, for one test that was chosen beforehand, "
        "such as that of a region. A whole brain needs a stricter one: .001 forms clusters, and "
        "thresholds that are corrected for all voxels are stricter still.",
        "Power is by formula (noncentral t), with the standard errors of the real designs; "
        f"simulated: the share of {plan.simulations:,} simulated studies that find the effect, "
        "with estimated variances and the tests of this program, ± its standard error. An effect "
        "that was estimated from few participants is often too large: plan with a smaller one.",
        f"Reference: {REFERENCE}.",
    ]
    for text in texts:
        yield from _wrapped(text)


def write_power(path: Path, plan: PowerPlan) -> None:
    """Write the numbers, whole or not at all.

    Parameters
    ----------
    path : Path
        With the extension ``.tsv``, a row for each size and alpha; with ``.json``, everything.
    plan : PowerPlan

    Raises
    ------
    CannotWriteError
        If it cannot be written.
    """
    if path.suffix == ".json":
        write_json(path, _content(plan))
        return
    lines = ["\t".join(COLUMNS)]
    for contrast in plan.contrasts:
        for effect in contrast.effects:
            start = (contrast.name, f"{effect.effect:.6g}")
            lines += ["\t".join([*start, *_cells(row)]) for row in _rows(contrast, effect, plan)]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _rows(
    contrast: PowerOfContrast, effect: EffectPower, plan: PowerPlan
) -> Iterator[Sequence[float]]:
    """Return runs, participants, standard error, alpha, power, simulated power, its error."""
    for place, power in np.ndenumerate(effect.power):
        row, column, number = place
        people = contrast.participants[column]
        share = float(effect.simulated[place])
        yield (
            *(contrast.runs[row], people, contrast.deviations[row] / np.sqrt(people)),
            *(plan.alphas[number], float(power), share, plan.standard_error(share)),
        )


def _cells(row: Sequence[float]) -> list[str]:
    return [f"{number:.6g}" for number in row]


def _content(plan: PowerPlan) -> dict[str, Any]:
    return {
        "Model": plan.analysis.model.name,
        "Test": f"one-sample t test over participants, two-sided, {METHODS[plan.method]}",
        "Runs": len(plan.analysis.runs),
        "Participants": len(plan.analysis.subjects),
        "NoiseFrom": plan.sources[0],
        "DifferencesBetweenParticipantsFrom": plan.sources[1],
        "Unit": plan.unit.strip(" ()"),
        "Simulations": plan.simulations,
        "Reference": REFERENCE,
        "Contrasts": [
            {
                "Name": contrast.name,
                "NoiseStandardDeviation": contrast.noise_sd,
                "BetweenStandardDeviation": contrast.between_sd,
                "HeightOfRegressors": contrast.height,
                "StandardDeviationOfEstimates": dict(
                    zip(map(str, contrast.runs), contrast.deviations, strict=True)
                ),
                "Effects": [_effect(contrast, effect, plan) for effect in contrast.effects],
            }
            for contrast in plan.contrasts
        ],
        **by_kind(plan.notices),
    }


def _effect(contrast: PowerOfContrast, effect: EffectPower, plan: PowerPlan) -> dict[str, Any]:
    names = ("Runs", "Participants", "StandardError", "Alpha", "Power", "SimulatedPower")
    columns = (*names, "SimulationStandardError")
    return {
        "Effect": effect.effect,
        "Power": [dict(zip(columns, row, strict=True)) for row in _rows(contrast, effect, plan)],
        "LeastParticipants": [
            {
                "Runs": contrast.runs[row],
                "Alpha": plan.alphas[number],
                "Power": POWER_TARGETS[target],
                "Participants": None if np.isnan(least) else int(least),
            }
            for (row, number, target), least in np.ndenumerate(effect.least)
        ],
        "LeastRuns": [
            {
                "Participants": contrast.participants[column],
                "Alpha": plan.alphas[number],
                "Power": POWER_TARGETS[0],
                "Runs": None if np.isnan(least) else int(least),
            }
            for (column, number), least in np.ndenumerate(effect.least_runs)
        ],
    }
