"""What a call writes beside the maps that it always has, checked against its plan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from boldglm.analysis.first_level.single_trials import TrialSettings, check_run_trials, trial_shape
from boldglm.analysis.plan.plan import Analysis
from boldglm.errors import BadDataError, UsageError
from boldglm.io.bids.events import read_events
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import CONTRAST_MAPS, NEEDED_ABOVE, RUN_MAPS, SINGLE_TRIALS


@dataclass(frozen=True)
class MapChoice:
    """The maps that somebody chose.

    Parameters
    ----------
    run_maps : tuple of str
        Maps of a run as a whole.
    contrast_maps : tuple of str
        Maps of contrasts; empty for the default of each level.
    """

    run_maps: tuple[str, ...]
    contrast_maps: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Sort the names of maps by what they belong to."""
        chosen = tuple(dict.fromkeys(names))
        for name in chosen:
            if name not in (*CONTRAST_MAPS, *RUN_MAPS):
                hint = did_you_mean(name, (*CONTRAST_MAPS, *RUN_MAPS))
                raise UsageError(f"There is no map {name!r}. {hint}")
        return cls(
            tuple(name for name in chosen if name in RUN_MAPS),
            tuple(name for name in CONTRAST_MAPS if name in chosen),
        )


def check_maps_for_levels(analyses: Sequence[Analysis], contrast_maps: Sequence[str]) -> None:
    """Refuse to leave out maps that higher levels of the call need."""
    missing = [name for name in NEEDED_ABOVE if name not in contrast_maps]
    levels = [level.plan.node.level for analysis in analyses for level in analysis.levels]
    if contrast_maps and missing and levels:
        chosen = " ".join(contrast_maps)
        raise UsageError(
            f"--maps {chosen} leaves out {' and '.join(missing)}, which the {levels[0]} "
            "level needs. Write --maps "
            f"{' '.join(dict.fromkeys([*NEEDED_ABOVE, *contrast_maps]))}, or "
            "use the level run."
        )


def check_single_trials(analyses: Sequence[Analysis], method: str) -> None:
    """Refuse single trials that cannot be estimated before anything is fitted."""
    if method not in SINGLE_TRIALS:
        raise UsageError(
            f"There is no method {method!r} to estimate single trials. "
            f"{did_you_mean(method, SINGLE_TRIALS)}"
        )
    for analysis in analyses:
        column = _condition_column(analysis)
        trials = TrialSettings(method, analysis.model.hrf_model, analysis.model.noise_model)
        trial_shape(trials.hrf_model)
        for run in analysis.runs:
            events = run.inputs.events
            assert events is not None  # a model that convolves trial types needs them
            table = read_events(events, column)
            check_run_trials(table, run.design, trials, events.name)


def _condition_column(analysis: Analysis) -> str:
    """Return the column of the events that names trial types; refuse other models."""
    if analysis.model.plain is None:
        raise BadDataError(
            "--single-trials needs a model that convolves trial types, but the model "
            f"{analysis.model.name} has other transformations. Omit --single-trials, or simplify "
            "the model."
        )
    if any(run.built.slices is not None for run in analysis.runs):
        raise BadDataError(
            "--single-trials estimates all slices at one time, so it cannot be combined with "
            "--slice-times model. Leave out one of them."
        )
    return analysis.model.plain.column
