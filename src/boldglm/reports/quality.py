"""Was the run all right: the part of a section that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.glm.arrays.types import FloatArray, RealArray
from boldglm.glm.design.confounds import describe_scans
from boldglm.glm.design.head_motion import MotionCorrelation, motion_words
from boldglm.glm.design.names import short_name
from boldglm.glm.design.summaries import counted
from boldglm.reports.content import Figure, Table

# where fMRIPrep flags motion outliers unless told otherwise; lines to compare with
DISPLACEMENT_LINE, DVARS_LINE = 0.5, 1.5
MOST_SENTENCES = 3
DVARS_NAMES = {
    "std_dvars": ("standardized DVARS", "1: expected", "column std_dvars"),
    "dvars": ("DVARS", "signal", "column dvars"),
    "": ("DVARS", "% of mean", "of the fitted data, in percent of their mean"),
}

EventTimes = tuple[str, list[float], list[float]]  # condition, onsets and durations in seconds


@dataclass(frozen=True)
class DrawnQuality:
    """Head motion of a run to draw.

    Parameters
    ----------
    frame_times : ndarray of shape (n_scans,)
        In seconds.
    displacement : ndarray of shape (n_scans,), optional
        Framewise displacement in mm.
    displacement_source : str
        Where it is from, or why there is none.
    dvars : ndarray of shape (n_scans,), optional
        Root mean square of the change of the signal from the volume before.
    dvars_name : str
        A key of `DVARS_NAMES`: a column of the confounds table, or empty if it is of the data.
    censored : tuple of int
        Censored volumes, counted from 0.
    events : tuple of (str, list of float, list of float)
        Condition, onsets and durations.
    correlations : tuple of MotionCorrelation
        Of motion with regressors of conditions, the strongest first.
    n_correlations : int
        Number of all that were computed.
    by_chance : float, optional
        Size that the strongest of all exceeds in 5 % of runs whose motion ignores the task.
    sentences : tuple of str
        What the strong ones mean.
    """

    frame_times: RealArray
    displacement: FloatArray | None
    displacement_source: str
    dvars: FloatArray | None
    dvars_name: str
    censored: tuple[int, ...] = ()
    events: tuple[EventTimes, ...] = ()
    correlations: tuple[MotionCorrelation, ...] = ()
    n_correlations: int = 0
    by_chance: float | None = None
    sentences: tuple[str, ...] = ()


def draw_quality(
    shown: DrawnQuality, folder: Path
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Draw motion over time, and tabulate what it shares with the conditions."""
    figure, table = _over_time(shown, folder), _with_task(shown)
    return (figure,) if figure else (), (table,) if table else ()


def _over_time(shown: DrawnQuality, folder: Path) -> Figure | None:
    from boldglm.reports.motion import TimeCourse, plot_motion

    courses, parts, lines = [], [], []
    moved, dvars = shown.displacement, shown.dvars
    if moved is not None and np.isfinite(moved).any():
        courses.append(TimeCourse("framewise displacement", "mm", moved, DISPLACEMENT_LINE))
        parts.append(
            f"Framewise displacement (Power et al. 2012; {shown.displacement_source}): mean "
            f"{np.nanmean(moved):.2f} mm, largest {np.nanmax(moved):.2f} mm, above "
            f"{DISPLACEMENT_LINE:g} mm in {_volumes_above(moved, DISPLACEMENT_LINE)}."
        )
        lines.append(f"{DISPLACEMENT_LINE:g} mm")
    if dvars is not None and np.isfinite(dvars).any():
        name, unit, source = DVARS_NAMES[shown.dvars_name]
        line = DVARS_LINE if shown.dvars_name == "std_dvars" else None
        courses.append(TimeCourse(name, unit, dvars, line))
        parts.append(
            f"DVARS, the change of the signal from one volume to the next ({source}): largest "
            f"{np.nanmax(dvars):.3g}."
        )
        lines += [f"{line:g}"] if line else []
    if not courses:
        return None
    if lines:
        dashed = "The dashed line is" if len(lines) == 1 else "Dashed lines are"
        parts.append(
            f"{dashed} where fMRIPrep flags outliers by default ({' and '.join(lines)}), only to "
            "compare with."
        )
    scans = describe_scans(shown.censored, shown.frame_times.size)
    parts.append(
        f"Gray: censored volumes, {scans}." if shown.censored else "No volume is censored."
    )
    if shown.events:
        parts.append("Below: events.")
    path = plot_motion(
        courses, shown.frame_times, folder / "motion.svg", shown.censored, _named(shown.events)
    )
    return Figure(path, " ".join(parts), _alternative_text(shown, [one.name for one in courses]))


def _volumes_above(values: FloatArray, line: float) -> str:
    n_above, n_known = int((np.nan_to_num(values) > line).sum()), int(np.isfinite(values).sum())
    return f"{n_above} of {counted(n_known, 'volume')} ({100 * n_above / n_known:.3g} %)"


def _named(events: Sequence[EventTimes]) -> list[EventTimes]:
    return [(short_name(name), onsets, durations) for name, onsets, durations in events]


def _alternative_text(shown: DrawnQuality, names: Sequence[str]) -> str:
    """Say what the drawing shows: where the head moved most, and what is censored.

    Examples
    --------
    >>> moved = np.array([np.nan, 0.1, 2.0])
    >>> shown = DrawnQuality(np.arange(3) * 2.0, moved, "column", None, "", censored=(2,))
    >>> _alternative_text(shown, ["framewise displacement"])
    'Curves over the run: framewise displacement. The largest displacement, 2.00 mm, is at 4 s. \
1 censored volume is marked.'
    """
    text = f"Curves over the run: {', '.join(names)}."
    moved = shown.displacement
    if moved is not None and np.isfinite(moved).any():
        time = shown.frame_times[int(np.nanargmax(moved))]
        text += f" The largest displacement, {np.nanmax(moved):.2f} mm, is at {time:g} s."
    n_censored = len(shown.censored)
    are = "is" if n_censored == 1 else "are"
    return f"{text} {counted(n_censored, 'censored volume')} {are} marked."


def _with_task(shown: DrawnQuality) -> Table | None:
    if not shown.correlations:
        return None
    rows = tuple(
        (
            short_name(each.regressor),
            motion_words(each.motion),
            f"{each.r:.2f}".replace("-", "−"),
            f"{100 * each.share:.0f} %",
            "yes" if each.is_modeled else "no",
        )
        for each in shown.correlations
    )
    strongest = f"the {len(rows)} strongest of {shown.n_correlations}"
    if len(rows) == shown.n_correlations:
        strongest = "strongest first"
    said = ". ".join(each[:1].upper() + each[1:] for each in shown.sentences[:MOST_SENTENCES])
    if not said:
        said = "No condition shares as much as a tenth of its variance with head motion"
    chance = ""
    if shown.by_chance is not None:
        chance = (
            " If this motion is shifted in time by any number of volumes, the strongest is above "
            f"{shown.by_chance:.2f} in 5 % of the shifts: weaker ones may well be chance."
        )
    return Table(
        ("Condition", "Motion", "r", "Shared variance", "In the design"),
        rows,
        f"Motion and task: correlations of regressors with head motion, without drift, "
        f"{strongest}. {said}.{chance}",
    )
