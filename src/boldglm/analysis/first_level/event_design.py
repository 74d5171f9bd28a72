"""From the events of a run to its design, and designs to and from TSV files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from boldglm.analysis.first_level.settings import DesignSettings
from boldglm.analysis.model.modulation import modulated_columns, refuse_clashes
from boldglm.errors import BadDataError
from boldglm.glm import Confounds, Design, build_design, orthogonalize_design
from boldglm.glm.design.hrf import fir_widths
from boldglm.io.bids.events import Events
from boldglm.notices import Notice, exclusion, warning


@dataclass(frozen=True)
class RunTiming:
    """When the volumes of a run were taken; seconds."""

    n_scans: int
    repetition_time: float
    start_time: float

    @property
    def frame_times(self) -> np.ndarray:
        """Time of each volume, (n_scans,): start time plus multiples of the repetition time."""
        return self.start_time + np.arange(self.n_scans) * self.repetition_time

    @property
    def end(self) -> float:
        """End of the last volume."""
        return self.n_scans * self.repetition_time


def design_from_events(
    events: Events,
    timing: RunTiming,
    settings: DesignSettings,
    file_name: str,
    confounds: Confounds | None = None,
) -> tuple[Design, tuple[Notice, ...]]:
    """Build the design of one run.

    A condition that has no event in the run gets no column, and that is said in words; events
    after the end of the run are counted.

    Returns
    -------
    design : Design
        Conditions, confounds, censored scans, cosine drift, constant.
    notices : tuple of Notice
        What was excluded and why, and warnings.

    Raises
    ------
    BadDataError
        If no condition has an event, a condition has all its events outside the run, or a
        modulator has the name of another column.
    """
    wanted = settings.conditions if settings.conditions is not None else events.conditions
    present = tuple(name for name in wanted if name in events.conditions)
    missing = [name for name in wanted if name not in present]
    if not present:
        raise BadDataError(
            f"{file_name} has no event of the conditions {', '.join(wanted)} (found: "
            f"{', '.join(events.conditions)}). Leave the run out or change --conditions."
        )
    confounds = confounds or Confounds(columns=np.zeros((timing.n_scans, 0)))
    notices = [*events.notices, *confounds.notes]
    notices += [
        exclusion(f"condition {name!r}: it has no event in {file_name}") for name in missing
    ]
    notices += _outside(events, present, timing, settings, file_name)
    rows = events.as_columns(present, settings.prefix)
    rows["modulation"] = [1.0] * len(rows["trial_type"])
    refuse_clashes(settings.modulators, wanted, () if settings.prefix else confounds.names)
    more, modulating, notes = modulated_columns(
        events, settings.modulators, settings.prefix, file_name
    )
    notices += notes
    design = build_design(
        {key: [*values, *more[key]] for key, values in rows.items()},
        timing.frame_times,
        conditions=[*(settings.prefix + name for name in present), *modulating],
        hrf_model=settings.hrf_model,
        fir_delays=settings.fir_delays,
        high_pass=settings.high_pass,
        confounds=confounds.columns,
        confound_names=confounds.names,
        censored=list(confounds.censored),
    )
    return design, tuple(notices)


def _outside(
    events: Events,
    conditions: Sequence[str],
    timing: RunTiming,
    settings: DesignSettings,
    file_name: str,
) -> list[Notice]:
    """Refuse conditions whose events all miss the run; count single events that do."""
    first, last = _felt(settings)
    late = events.onset + first >= timing.end
    early = events.onset + events.duration + last <= timing.start_time
    for name in conditions:
        own = events.trial_type == name
        if (late | early)[own].all():
            onsets = events.onset[own]
            where = "after the end" if late[own].all() else "outside"
            raise BadDataError(
                f"{file_name}: all {int(own.sum())} events of {name!r} (onsets {onsets.min():g} "
                f"to {onsets.max():g}) lie {where} of the run, which lasts from 0 to "
                f"{timing.end:g} s ({timing.n_scans} volumes of {timing.repetition_time:g} s). "
                "Onsets are seconds from the first volume: are they in milliseconds "
                "or scans, or is it another run's file?"
            )
    used = np.isin(events.trial_type, conditions)
    notes = []
    for outside, where in ((late, "start after the end of"), (early, "end long before")):
        count = int((outside & used).sum())
        if count:
            notes.append(
                warning(
                    f"{count} of {int(used.sum())} events in {file_name} {where} the run (0 to "
                    f"{timing.end:g} s) and have no effect on the design"
                )
            )
    return notes


def _felt(settings: DesignSettings) -> tuple[float, float]:
    """Return when an event begins and ceases to be felt: seconds after its start, and its end."""
    first, last = 0.0, 32.0  # the length of the HRF
    if settings.fir_delays is not None and len(settings.fir_delays) > 1:
        delays = sorted(settings.fir_delays)
        first, last = min(first, delays[0]), max(last, delays[-1] + fir_widths(delays)[-1])
    return first, last


def apply_orthogonalization(
    design: Design, rules: Sequence[tuple[str, Sequence[str]]]
) -> tuple[Design, tuple[Notice, ...]]:
    """Orthogonalize regressors; rules about a condition that the run lacks are excluded."""
    usable: list[tuple[str, tuple[str, ...]]] = []
    notices: list[Notice] = []
    for regressor, against in rules:
        present = [name for name in against if _has(design, name)]
        gone = [name for name in (regressor, *against) if not _has(design, name)]
        if _has(design, regressor) and present:
            usable.append((regressor, tuple(present)))
        if gone:
            notices.append(
                exclusion(
                    f"orthogonalization of {regressor!r} against {', '.join(against)}: this run "
                    f"has no {', '.join(gone)}"
                )
            )
    if not usable:
        return design, tuple(notices)
    return orthogonalize_design(design, usable), tuple(notices)


def _has(design: Design, name: str) -> bool:
    return any(column == name or column.startswith(f"{name}_") for column in design.names)
