"""`boldglm power`: how many participants and runs find an effect, from real designs."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from boldglm.analysis.plan.pilot_noise import LEAST_PARTICIPANTS, ContrastNoise, Pilot
from boldglm.analysis.plan.plan import Analysis, make_plan
from boldglm.analysis.plan.power import (
    PlannedContrast,
    group_method,
    planned_contrasts,
    usual_number_of_runs,
)
from boldglm.cli.choices import model_choice, selected_runs
from boldglm.cli.power_tables import EffectPower, PowerOfContrast, PowerPlan, print_power
from boldglm.cli.power_tables import write_power as write_power_file
from boldglm.cli.work_folders import WorkFolders
from boldglm.errors import UsageError
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.summaries import counted, listed
from boldglm.glm.second_level.power import (
    least_participants,
    least_runs,
    one_sample_power,
    participant_deviation,
)
from boldglm.glm.second_level.power_simulation import simulate_power
from boldglm.io.bids.participants import ParticipantTables
from boldglm.notices import Notice, exclusion, warning
from boldglm.vocabulary import POWER_TARGETS


@dataclass(frozen=True)
class _Sizes:
    """Sizes of studies, and what their tests are."""

    runs: tuple[int, ...]
    participants: tuple[int, ...]
    alphas: tuple[float, ...]
    simulations: int
    method: str


def run_power(options: argparse.Namespace, folders: WorkFolders) -> int:
    """Print the power of the contrasts of a plan, and return the exit code.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed options of `boldglm power`.
    folders : WorkFolders
        Temporary folders of the call.
    """
    query = selected_runs(options)
    tables = ParticipantTables(options.bids_dir)
    choice = model_choice(options, query.derivatives)
    # what was fitted before does not matter: nothing will be written beside it
    analyses = make_plan(query.runs, choice, folders.scratch(), tables, query.survey)
    if len(analyses) > 1:
        tasks = [each.runs[0].inputs.task for each in analyses]
        raise UsageError(
            f"The runs are of {counted(len(tasks), 'task')} ({listed(tasks)}), and power is that "
            "of one. Choose with --task."
        )
    (analysis,) = analyses
    contrasts = planned_contrasts(analysis, options.of, options.noise_autocorrelation)
    sources, noises, unknown = _noises(options, analysis, contrasts)
    method, notices = group_method(analysis)
    usual = usual_number_of_runs(analysis)
    sizes = _Sizes(
        tuple(sorted(set(options.runs or (1, usual, 2 * usual)))),
        tuple(sorted(set(options.participants))),
        tuple(sorted(set(options.alpha), reverse=True)),
        options.simulations,
        method,
    )
    powers = [
        _power_of(contrast, noises[contrast.name], options, sizes)
        for contrast in contrasts
        if contrast.name in noises
    ]
    excluded = [run.notice for run in (*query.excluded, *analysis.excluded)]
    plan = PowerPlan(
        analysis,
        tuple(powers),
        sources,
        sizes.alphas,
        sizes.simulations,
        sizes.method,
        options.effect_unit,
        (*excluded, *unknown, *_of_runs(analysis, contrasts), *notices, *_of_noise(powers)),
    )
    print_power(plan, sys.stdout)
    if options.output_file is not None:
        write_power_file(options.output_file, plan)
        print(f"Numbers: {options.output_file}")
    return 0


def _noises(
    options: argparse.Namespace, analysis: Analysis, contrasts: Sequence[PlannedContrast]
) -> tuple[tuple[str, str], dict[str, ContrastNoise], list[Notice]]:
    """Return where both standard deviations are from, those of each contrast, and what is unknown.

    Contrasts that were not named, and that the pilot does not have, are excluded.
    """
    noise, between = options.noise_sd, options.between_sd
    rho = options.noise_autocorrelation
    given = f"given, autocorrelation {rho:g}" if rho else "given, as white noise"
    if noise is not None and between is not None:
        return (given, "given"), {one.name: ContrastNoise(noise, between) for one in contrasts}, []
    pilot = Pilot.read(
        options.pilot or options.output_dir,
        analysis.model.name,
        analysis.runs[0].inputs.entities,
        analysis.model.signal_scaling,
        options.pilot_mask,
    )
    names = [one.name for one in contrasts]
    known = names if options.of else [name for name in names if pilot.has(name)] or names[:1]
    unknown = [
        exclusion(f"the pilot has no contrast '{name}', so that its noise is not known")
        for name in names
        if name not in known
    ]
    measured = {name: pilot.noise_of(name) for name in known}
    if between is None and any(each.between_sd is None for each in measured.values()):
        raise UsageError(
            f"How participants differ cannot be told from the results in {pilot.folder}, which "
            f"are of {counted(len(pilot.participants), 'participant')}: it takes at least "
            f"{LEAST_PARTICIPANTS} on one grid. Give --between-sd."
        )
    people = counted(len(pilot.participants), "participant")
    source = f"from {counted(len(pilot.runs), 'run')} of {people} in {pilot.folder}"
    chosen = {
        name: ContrastNoise(
            each.noise_sd if noise is None else noise,
            each.between_sd if between is None else between,
        )
        for name, each in measured.items()
    }
    sources = (source if noise is None else given, source if between is None else "given")
    return sources, chosen, unknown


def _power_of(
    contrast: PlannedContrast, noise: ContrastNoise, options: argparse.Namespace, sizes: _Sizes
) -> PowerOfContrast:
    """Return the power of one contrast, for every effect and size."""
    assert noise.between_sd is not None
    factor = contrast.height if options.effect_unit == "peak" else 1.0
    effects = [effect / factor for effect in options.effect]
    deviations = [
        participant_deviation(contrast.run_variances, n, noise.noise_sd, noise.between_sd)
        for n in sizes.runs
    ]
    simulated = simulate_power(
        contrast.participants,
        effects=effects,
        noise_sd=noise.noise_sd,
        between_sd=noise.between_sd,
        n_runs=sizes.runs,
        n_participants=sizes.participants,
        alphas=sizes.alphas,
        n_simulations=sizes.simulations,
        method=sizes.method,
    )
    rows = [
        EffectPower(
            effect,
            _by_formula(effect, deviations, sizes),
            shares,
            _least_participants(effect, deviations, sizes),
            _least_runs(effect, contrast, noise, sizes),
        )
        for effect, shares in zip(effects, simulated, strict=True)
    ]
    return PowerOfContrast(
        contrast.name,
        contrast.height,
        noise.noise_sd,
        noise.between_sd,
        sizes.runs,
        sizes.participants,
        tuple(deviations),
        tuple(rows),
    )


def _by_formula(effect: float, deviations: Sequence[float], sizes: _Sizes) -> FloatArray:
    """Return power, (n_runs, n_participants, n_alphas)."""
    s = np.array(deviations)[:, None]
    powers = [one_sample_power(effect, s, sizes.participants, alpha) for alpha in sizes.alphas]
    return np.stack(powers, axis=-1)


def _least_participants(effect: float, deviations: Sequence[float], sizes: _Sizes) -> FloatArray:
    """Return numbers of participants, (n_runs, n_alphas, n_targets); NaN for too many."""
    least = [
        least_participants(effect, deviation, target, alpha) or np.nan
        for deviation in deviations
        for alpha in sizes.alphas
        for target in POWER_TARGETS
    ]
    return np.array(least).reshape(len(deviations), len(sizes.alphas), len(POWER_TARGETS))


def _least_runs(
    effect: float, contrast: PlannedContrast, noise: ContrastNoise, sizes: _Sizes
) -> FloatArray:
    """Return numbers of runs, (n_participants, n_alphas); NaN for too many."""
    assert noise.between_sd is not None
    least = [
        least_runs(
            effect,
            contrast.run_variances,
            n,
            noise_sd=noise.noise_sd,
            between_sd=noise.between_sd,
            power=POWER_TARGETS[0],
            alpha=alpha,
        )
        or np.nan
        for n in sizes.participants
        for alpha in sizes.alphas
    ]
    return np.array(least).reshape(len(sizes.participants), len(sizes.alphas))


def _of_runs(analysis: Analysis, contrasts: Sequence[PlannedContrast]) -> list[Notice]:
    """Name contrasts that some runs cannot estimate."""
    notices = []
    for contrast in contrasts:
        missing = len(analysis.runs) - sum(len(runs) for runs in contrast.participants)
        if missing:
            notices.append(
                exclusion(
                    f"{counted(missing, 'run')} of {len(analysis.runs)} cannot estimate the "
                    f"contrast '{contrast.name}', so that power does not count their designs"
                )
            )
    return notices


def _of_noise(powers: Sequence[PowerOfContrast]) -> list[Notice]:
    """Warn of participants that seem to be all alike."""
    alike = [f"'{power.name}'" for power in powers if power.between_sd == 0]
    if not alike:
        return []
    return [
        warning(
            f"the effects of participants differ by no more than the noise of their runs, or "
            f"--between-sd is 0 ({listed(alike, 4)}). Participants are never all alike: give a "
            "--between-sd from the literature, or the power is too high"
        )
    ]
