"""Single-trial estimates of a run: the regressor of each trial, checks and estimation."""

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
from boldglm.io.bids.events import Events
from boldglm.io.images.bold_series import MaskedRun
from boldglm.io.outputs.trial_tables import write_trials
from boldglm.notices import Notice, exclusion

NO_RESPONSE = 1e-6  # relative to the response to a long block
METHODS = {
    "lsa": "all trials in one model (LSA)",
    "lss": "each trial in a model of its own, by ordinary least squares (LSS)",
}


@dataclass(frozen=True)
class TrialSettings:
    """How single trials are estimated.

    Parameters
    ----------
    method : {"lsa", "lss"}
        All trials in one model, or each trial in a model of its own.
    hrf_model : str
        HRF of the conditions, of which derivatives are left out.
    noise_model : str
        Noise model of LSA; LSS uses ordinary least squares.
    """

    method: str
    hrf_model: str
    noise_model: str


@dataclass(frozen=True)
class Trials:
    """The trials of a run that can have an estimate.

    Parameters
    ----------
    regressors : ndarray of shape (n_scans, n_trials)
        Response to each trial.
    events : Events
        The event of each trial; its notices are exclusions of other trials.
    """

    regressors: np.ndarray
    events: Events


def trial_shape(hrf_model: str) -> str:
    """Return the HRF model of a single trial, which has no derivatives.

    Raises
    ------
    BadDataError
        If the model is FIR, which has several regressors for each trial.

    Examples
    --------
    >>> trial_shape("spm + derivative")
    'spm'
    """
    shape = hrf_model.split(" + ", 1)[0]
    if shape == "fir":
        raise BadDataError(
            "--single-trials needs one regressor for each trial, but the HRF model fir has one "
            "for each delay. Choose --hrf-model spm, glover or textbook."
        )
    return shape


def trials_of_run(events: Events, design: Design, settings: TrialSettings) -> Trials:
    """Build a regressor for each event whose condition is in the design.

    Trials that have no response within the run, or only in censored volumes, are excluded.

    Parameters
    ----------
    events : Events
        The events of the run.
    design : Design
        Its design.
    settings : TrialSettings
        HRF of the trials.

    Returns
    -------
    Trials
        The regressors.

    Raises
    ------
    BadDataError
        If the HRF model is FIR, or all trials are excluded.
    """
    shape = trial_shape(settings.hrf_model)
    known = {name.removeprefix(events.prefix) for name in design.conditions if name}
    modeled = np.array([name in known for name in events.trial_type], dtype=bool)
    kernel = hrf_basis(shape).kernels[0]
    regressors = np.column_stack([
        convolve_events([onset], [duration], [1.0], kernel, design.frame_times)
        for onset, duration in zip(events.onset[modeled], events.duration[modeled], strict=True)
    ]) if modeled.any() else np.zeros((design.n_scans, 0))  # fmt: skip
    inside = abs(regressors).max(axis=0, initial=0.0) > NO_RESPONSE
    uncensored = np.delete(regressors, design.censored, axis=0)
    has_response = abs(uncensored).max(axis=0, initial=0.0) > NO_RESPONSE
    if not has_response.any():
        raise BadDataError(
            "--single-trials: no event of the modeled conditions has a response within the run."
        )
    exclusions = [
        exclusion(
            f"single-trial estimates of {int(excluded.sum())} of {excluded.size} trials: they "
            f"have no response {where}"
        )
        for excluded, where in (
            (~inside, "within the run"),
            (inside & ~has_response, "outside censored volumes"),
        )
        if excluded.any()
    ]
    rows = np.flatnonzero(modeled)[has_response]
    estimable = Events(
        events.onset[rows], events.duration[rows], events.trial_type[rows], tuple(exclusions)
    )
    return Trials(regressors[:, has_response], estimable)


def check_run_trials(
    events: Events, design: Design, settings: TrialSettings, file_name: str
) -> tuple[Notice, ...]:
    """Check, before the series is read, that the single trials of a run can be estimated.

    Parameters
    ----------
    events : Events
        The events of the run.
    design : Design
        Its design.
    settings : TrialSettings
        How single trials are estimated.
    file_name : str
        Name of the events file, for messages.

    Returns
    -------
    tuple of Notice
        Excluded trials, and why.

    Raises
    ------
    BadDataError
        As `trials_of_run`, or if a trial is collinear with other regressors, or if there are too
        many trials for the number of volumes.
    """
    trials = trials_of_run(events, design, settings)
    nuisance, conditions = _nuisance(design), trials.events.trial_type.tolist()
    with _errors_name_trials(file_name, trials, settings):
        check_trials(
            trials.regressors, conditions, nuisance, settings.method, settings.noise_model
        )
    return trials.events.notices


def estimate_trials(
    run: MaskedRun, design: Design, trials: Trials, settings: TrialSettings
) -> SingleTrials:
    """Estimate every trial, together with the nuisance regressors of the design.

    Parameters
    ----------
    run : MaskedRun
        The BOLD series of the run.
    design : Design
        Its design, of which conditions are left out.
    trials : Trials
        From `trials_of_run`.
    settings : TrialSettings
        How single trials are estimated.

    Returns
    -------
    SingleTrials
        Effects and t values, (n_trials, n_voxels).

    Raises
    ------
    BadDataError
        If a trial is collinear with other regressors, or there are too many trials for the number
        of volumes.
    """
    nuisance, conditions = _nuisance(design), trials.events.trial_type.tolist()
    with _errors_name_trials(run.header.path.name, trials, settings):
        if settings.method == "lss":
            return least_squares_separate(run.bold, trials.regressors, conditions, nuisance)
        return least_squares_all(run.bold, trials.regressors, nuisance, settings.noise_model)


def trial_details(settings: TrialSettings) -> dict[str, str]:
    """Return the part of the sidecars of single trials that describes their estimation."""
    return {
        "SingleTrials": METHODS[settings.method],
        "NoiseModel": settings.noise_model if settings.method == "lsa" else "ols",
        "HRF": trial_shape(settings.hrf_model),
    }


def _nuisance(design: Design) -> np.ndarray:
    return design.matrix[:, [k for k, role in enumerate(design.roles) if role != "condition"]]


@contextmanager
def _errors_name_trials(file_name: str, trials: Trials, settings: TrialSettings) -> Iterator[None]:
    """Add the file, the first trial concerned, and a remedy to errors."""
    try:
        yield
    except ValueError as error:
        where = ""
        if isinstance(error, UnestimableTrialsError):
            first, events = error.trials[0], trials.events
            where = f" The first is the {str(events.trial_type[first])!r} at "
            where += f"{events.onset[first]:g} s."
        remedy = " Try --single-trials lss." if settings.method == "lsa" else ""
        raise BadDataError(f"{file_name}: {error}{where}{remedy}") from error


def write_single_trials(
    run: MaskedRun, events: Events, design: Design, settings: TrialSettings, folder: Path
) -> tuple[dict[str, Path], tuple[Notice, ...]]:
    """Estimate the trials of a run and write them.

    Parameters
    ----------
    run : MaskedRun
        The BOLD series of the run.
    events : Events
        Its events.
    design : Design
        Its design.
    settings : TrialSettings
        How single trials are estimated.
    folder : Path
        Folder for the files.

    Returns
    -------
    maps : dict of str to Path
        Files, as from `boldglm.io.outputs.trial_tables.write_trials`.
    notices : tuple of Notice
        Excluded trials, and why.

    Raises
    ------
    BadDataError
        As `trials_of_run` and `estimate_trials`.
    """
    trials = trials_of_run(events, design, settings)
    estimates = estimate_trials(run, design, trials, settings)
    return write_trials(folder, run, trials.events, estimates), trials.events.notices
