"""Single-trial estimates of a run: the regressor of each trial, checks, and the estimation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError
from boldglm.glm import Design, convolve_events, hrf_basis
from boldglm.glm.first_level.single_trials import (
    SingleTrials,
    UnestimableTrialsError,
    check_trials,
    least_squares_all,
    least_squares_separate,
)
from boldglm.io.bids.events import PREFIX, Events
from boldglm.io.images.bold_series import MaskedRun
from boldglm.io.outputs.trial_tables import write_trials
from boldglm.notices import Notice, exclusion

SEEN = 1e-6  # of the height of a long block: what is below is no response
METHODS = {
    "lsa": "all trials in one model (LSA)",
    "lss": "each trial in a model of its own, by ordinary least squares (LSS)",
}


@dataclass(frozen=True)
class TrialSettings:
    """How single trials are estimated."""

    method: str  # "lsa" or "lss"
    hrf_model: str
    noise_model: str  # of LSA; LSS is by ordinary least squares


@dataclass(frozen=True)
class Trials:
    """Trials of a run that have a regressor; notices of the events say why others have none."""

    regressors: np.ndarray  # (n_scans, n_trials)
    events: Events  # one event for each column


def trial_shape(hrf_model: str) -> str:
    """Return the HRF model of a single trial: the same without derivatives.

    Raises
    ------
    BadDataError
        If the model has no single shape.
    """
    shape = hrf_model.split(" + ", 1)[0]
    if shape == "fir":
        raise BadDataError(
            "--single-trials needs one response a trial, but the HRF model fir has one for each "
            "delay. Choose --hrf-model spm, glover or textbook."
        )
    return shape


def trials_of_run(events: Events, design: Design, choices: TrialSettings) -> Trials:
    """Make a regressor of each event whose condition is in the design.

    The shape is that of the HRF model without its derivatives. Events without any response
    within the run, or only in censored scans, are left out and counted.

    Raises
    ------
    BadDataError
        If the HRF model has no single shape, or no event is left.
    """
    shape = trial_shape(choices.hrf_model)
    known = {name.removeprefix(PREFIX) for name in design.conditions if name}
    modeled = np.array([kind in known for kind in events.trial_type], dtype=bool)
    kernel = hrf_basis(shape).kernels[0]
    regressors = np.column_stack([
        convolve_events([onset], [duration], [1.0], kernel, design.frame_times)
        for onset, duration in zip(events.onset[modeled], events.duration[modeled], strict=True)
    ]) if modeled.any() else np.zeros((design.n_scans, 0))  # fmt: skip
    inside = abs(regressors).max(axis=0, initial=0.0) > SEEN
    seen = abs(np.delete(regressors, design.censored, axis=0)).max(axis=0, initial=0.0) > SEEN
    if not seen.any():
        raise BadDataError("--single-trials: no trial of the model's conditions lies in the run.")
    notes = [
        exclusion(
            f"{int(lost.sum())} of {seen.size} trials: they have no response {where}, so no "
            "single-trial estimate"
        )
        for lost, where in (
            (~inside, "within the run"),
            (inside & ~seen, "outside censored volumes"),
        )
        if lost.any()
    ]
    picked = np.flatnonzero(modeled)[seen]
    estimated = Events(
        events.onset[picked], events.duration[picked], events.trial_type[picked], tuple(notes)
    )
    return Trials(regressors[:, seen], estimated)


def check_run_trials(
    events: Events, design: Design, choices: TrialSettings, file_name: str
) -> tuple[Notice, ...]:
    """Refuse single trials of a run that cannot be estimated, before its series is read.

    Returns
    -------
    tuple of Notice
        Trials without an estimate, and why.

    Raises
    ------
    BadDataError
        As `trials_of_run`, if a trial cannot be told from the rest, or if there are more trials
        than scans bear.
    """
    trials = trials_of_run(events, design, choices)
    others, kinds = _others(design), trials.events.trial_type.tolist()
    with _named(file_name, trials, choices):
        check_trials(trials.regressors, kinds, others, choices.method, choices.noise_model)
    return trials.events.notices


def estimate_trials(
    run: MaskedRun, design: Design, trials: Trials, choices: TrialSettings
) -> SingleTrials:
    """Estimate every trial beside the columns of the design that are no conditions.

    Raises
    ------
    BadDataError
        If a trial cannot be told from the rest, or there are more trials than scans bear.
    """
    others, kinds = _others(design), trials.events.trial_type.tolist()
    with _named(run.header.path.name, trials, choices):
        if choices.method == "lss":
            return least_squares_separate(run.bold, trials.regressors, kinds, others)
        return least_squares_all(run.bold, trials.regressors, others, choices.noise_model)


def trial_details(choices: TrialSettings) -> dict[str, str]:
    """Return what the sidecars of single trials say of how they were estimated."""
    return {
        "SingleTrials": METHODS[choices.method],
        "NoiseModel": choices.noise_model if choices.method == "lsa" else "ols",
        "HRF": trial_shape(choices.hrf_model),
    }


def _others(design: Design) -> np.ndarray:
    return design.matrix[:, [k for k, role in enumerate(design.roles) if role != "condition"]]


@contextmanager
def _named(file_name: str, trials: Trials, choices: TrialSettings) -> Iterator[None]:
    """Say in what is refused which file, and which trial, it was."""
    try:
        yield
    except ValueError as error:
        where = ""
        if isinstance(error, UnestimableTrialsError):
            first, events = error.trials[0], trials.events
            where = f" It is the {str(events.trial_type[first])!r} at {events.onset[first]:g} s."
        remedy = " (--single-trials lss may do)" if choices.method == "lsa" else ""
        raise BadDataError(f"{file_name}: {error}{where}{remedy}") from error


def write_single_trials(
    run: MaskedRun, events: Events, design: Design, choices: TrialSettings, folder: Path
) -> tuple[dict[str, Path], tuple[Notice, ...]]:
    """Estimate the trials of a run and write them.

    Returns
    -------
    maps : dict of str to Path
        As `write_trials` returns them.
    notices : tuple of Notice
        Trials without an estimate, and why.

    Raises
    ------
    BadDataError
        As `trials_of_run` and `estimate_trials`.
    """
    trials = trials_of_run(events, design, choices)
    estimates = estimate_trials(run, design, trials, choices)
    return write_trials(folder, run, trials.events, estimates), trials.events.notices
