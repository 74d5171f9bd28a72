"""The design of a run, built from its events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from boldglm.analysis.first_level.settings import DesignSettings
from boldglm.analysis.model.modulation import modulated_columns, refuse_clashes
from boldglm.errors import BadDataError, StopRequestedError
from boldglm.glm import Confounds, Design, build_design, orthogonalize_design
from boldglm.glm.design.hrf import fir_widths
from boldglm.io.bids.events import Events
from boldglm.notices import Notice, exclusion, warning
from boldglm.vocabulary import MISSING_POLICY

SUSPICIOUS_SHARE = 0.1  # of events after the end of a run


@dataclass(frozen=True)
class RunTiming:
    """When the volumes of a run were acquired.

    Parameters
    ----------
    n_scans : int
        Number of volumes.
    repetition_time : float
        Seconds between volumes; their median if the volumes are unevenly spaced.
    start_time : float
        Time at which the first volume is modeled, in seconds.
    volume_timing : tuple of float
        Onset of every volume in seconds, if the sidecar lists them; empty for volumes at every
        repetition time.
    """

    n_scans: int
    repetition_time: float
    start_time: float
    volume_timing: tuple[float, ...] = ()

    @property
    def frame_times(self) -> np.ndarray:
        """Time of each volume in seconds, (n_scans,)."""
        if self.volume_timing:
            return self.start_time + (np.array(self.volume_timing) - self.volume_timing[0])
        return self.start_time + np.arange(self.n_scans) * self.repetition_time

    @property
    def end(self) -> float:
        """End of the run in seconds."""
        if self.volume_timing:
            return self.volume_timing[-1] + self.repetition_time
        return self.n_scans * self.repetition_time

    @property
    def shortest_spacing(self) -> float:
        """Shortest time between two volumes in seconds."""
        return float(np.diff(self.volume_timing or (0.0, self.repetition_time)).min())

    @property
    def spacing(self) -> str:
        """The number of volumes and the time between them, in words."""
        if not self.volume_timing:
            return f"{self.n_scans} volumes of {self.repetition_time:g} s"
        return f"{self.n_scans} volumes, at the times of VolumeTiming"


def design_from_events(
    events: Events,
    timing: RunTiming,
    settings: DesignSettings,
    file_name: str,
    confounds: Confounds | None = None,
    missing: str = MISSING_POLICY,
) -> tuple[Design, tuple[Notice, ...]]:
    """Build the design of one run.

    A condition without an event in the time of the run gets no column, which is an exclusion.
    Other events outside the run are counted in a warning.

    Parameters
    ----------
    events : Events
        The events of the run.
    timing : RunTiming
        When its volumes were acquired.
    settings : DesignSettings
        Conditions, HRF, modulators and drift. Its confounds are already in `confounds`, and its
        rules of orthogonalization are applied afterwards, by `apply_orthogonalization`.
    file_name : str
        Name of the events file, for messages.
    confounds : Confounds, optional
        Confounds and censored volumes of the run.
    missing : {"drop", "zero", "error"}
        Whether a condition whose events all lie outside of the run is excluded or refused.

    Returns
    -------
    design : Design
        Conditions, confounds, censored volumes, drift, constant.
    notices : tuple of Notice
        Exclusions and warnings.

    Raises
    ------
    BadDataError
        If no condition has an event in the time of the run, or a modulator has the name of another
        column.
    """
    requested = settings.conditions if settings.conditions is not None else events.conditions
    present = tuple(name for name in requested if name in events.conditions)
    absent = [name for name in requested if name not in present]
    if not present:
        raise BadDataError(
            f"{file_name} has no event of the conditions {', '.join(requested)}; it has events of "
            f"{', '.join(events.conditions)}. Change --conditions, or choose other runs."
        )
    confounds = confounds or Confounds(columns=np.zeros((timing.n_scans, 0)))
    notices = [*events.notices, *confounds.notes]
    notices += [
        exclusion(f"condition {name!r}: it has no event in {file_name}") for name in absent
    ]
    present, outside = _within_run(events, present, timing, settings, file_name, missing)
    notices += outside
    events = events.without(set(events.conditions) - set(present))
    rows = events.as_columns(present, settings.prefix)
    rows["modulation"] = [1.0] * len(rows["trial_type"])
    refuse_clashes(settings.modulators, requested, () if settings.prefix else confounds.names)
    modulated, modulator_names, modulator_notices = modulated_columns(
        events, settings.modulators, settings.prefix, file_name
    )
    notices += modulator_notices
    design = build_design(
        {key: [*values, *modulated[key]] for key, values in rows.items()},
        timing.frame_times,
        conditions=[*(settings.prefix + name for name in present), *modulator_names],
        hrf_model=settings.hrf_model,
        fir_delays=settings.fir_delays,
        high_pass=settings.high_pass,
        confounds=confounds.columns,
        confound_names=confounds.names,
        censored=list(confounds.censored),
        drift=settings.drift,
    )
    return design, tuple(notices)


def _within_run(
    events: Events,
    conditions: Sequence[str],
    timing: RunTiming,
    settings: DesignSettings,
    file_name: str,
    missing: str,
) -> tuple[tuple[str, ...], list[Notice]]:
    """Leave out conditions whose events all lie outside the run; warn of single events that do."""
    first, last = _response_window(settings)
    late = events.onset + first >= timing.end
    early = events.onset + events.duration + last <= timing.start_time
    outside_of_run = {
        name: _outside(events, name, timing, is_late=bool(late[events.trial_type == name].all()))
        for name in conditions
        if (late | early)[events.trial_type == name].all()
    }
    if outside_of_run and (missing == "error" or len(outside_of_run) == len(conditions)):
        error = StopRequestedError if missing == "error" else BadDataError
        raise error(
            f"{file_name}: {next(iter(outside_of_run.values()))}. Onsets must be in seconds from "
            "the first volume. Check whether they are in milliseconds or volumes, and whether the "
            "file belongs to another run."
        )
    present = tuple(name for name in conditions if name not in outside_of_run)
    used = np.isin(events.trial_type, present)
    notices = [exclusion(f"{text}, in {file_name}") for text in outside_of_run.values()]
    n_used = int(used.sum())
    notices += late_warnings(int((late & used).sum()), n_used, timing, file_name)
    n_early = int((early & used).sum())
    if n_early:
        notices.append(
            warning(
                f"{n_early} of {n_used} events in {file_name} end long before the run (0 to "
                f"{timing.end:g} s) and have no effect on the design"
            )
        )
    return present, notices


def late_warnings(n_late: int, n_events: int, timing: RunTiming, file_name: str) -> list[Notice]:
    """Warn of events after the end of a run; of many, that the run or table may be wrong.

    Examples
    --------
    >>> (late,) = late_warnings(5, 20, RunTiming(40, 2.0, 0.0), "a_events.tsv")
    >>> "scan may have been stopped early" in late.text
    True
    """
    if not n_late:
        return []
    text = (
        f"{n_late} of {n_events} events in {file_name} start after the end of the run (0 to "
        f"{timing.end:g} s) and have no effect on the design"
    )
    if n_late >= SUSPICIOUS_SHARE * n_events:
        text += (
            ". The scan may have been stopped early, the series may be truncated, or the events "
            "may belong to another run"
        )
    return [warning(text)]


def _outside(events: Events, name: str, timing: RunTiming, *, is_late: bool) -> str:
    """Say that all events of a condition lie outside the run."""
    onsets = events.onset[events.trial_type == name]
    return (
        f"condition {name!r}: all {len(onsets)} events (onsets {onsets.min():g} to "
        f"{onsets.max():g}) lie "
        f"{'after the end' if is_late else 'outside'} of the run, which lasts from 0 to "
        f"{timing.end:g} s ({timing.spacing})"
    )


def _response_window(settings: DesignSettings) -> tuple[float, float]:
    """Return when a response begins and ends, in seconds after the event begins and ends."""
    first, last = 0.0, 32.0  # the length of the HRF
    if settings.fir_delays is not None and len(settings.fir_delays) > 1:
        delays = sorted(settings.fir_delays)
        first, last = min(first, delays[0]), max(last, delays[-1] + fir_widths(delays)[-1])
    return first, last


def apply_orthogonalization(
    design: Design, rules: Sequence[tuple[str, Sequence[str]]]
) -> tuple[Design, tuple[Notice, ...]]:
    """Orthogonalize regressors of a design, leaving out conditions that the run lacks.

    Parameters
    ----------
    design : Design
        The design, which is not changed.
    rules : sequence of (str, sequence of str)
        A regressor or condition, and those that it is orthogonalized against.

    Returns
    -------
    design : Design
        The orthogonalized design.
    notices : tuple of Notice
        An exclusion for each rule that names a condition which the run lacks.
    """
    applicable: list[tuple[str, tuple[str, ...]]] = []
    notices: list[Notice] = []
    for regressor, against in rules:
        present = [name for name in against if _has(design, name)]
        missing = [name for name in (regressor, *against) if not _has(design, name)]
        if _has(design, regressor) and present:
            applicable.append((regressor, tuple(present)))
        if missing:
            notices.append(
                exclusion(
                    f"orthogonalization of {regressor!r} against {', '.join(against)}: this run "
                    f"has no {', '.join(missing)}"
                )
            )
    if not applicable:
        return design, tuple(notices)
    return orthogonalize_design(design, applicable), tuple(notices)


def _has(design: Design, name: str) -> bool:
    return any(column == name or column.startswith(f"{name}_") for column in design.names)
