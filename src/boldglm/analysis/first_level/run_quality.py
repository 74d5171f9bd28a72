"""Was the run all right: head motion over time, and what it shares with the task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import numpy as np

from boldglm.glm import Design
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.confound_names import MOTION
from boldglm.glm.design.head_motion import (
    MotionCorrelation,
    framewise_displacement,
    motion_correlations,
    motion_words,
    strongest_by_chance,
)
from boldglm.glm.design.names import short_name
from boldglm.glm.design.summaries import counted
from boldglm.io.bids.confounds_table import DISPLACEMENT, DVARS, ConfoundsTable
from boldglm.io.outputs.quality_table import LARGE_MM
from boldglm.notices import WARNING, Notice, warning

# Said in the report. In most runs, the strongest of all correlations is larger by chance.
SAID = 0.3
# A quarter of the variance is shared, so that a third more volumes are needed. Of 132 pairs of
# real motion with the design of another run (56 correlations each), the strongest correlation is
# above .35 in half and above .45 in one per hundred; none reaches .5.
WARNED = 0.5
MOST_CORRELATIONS = 10  # that are stored of a run
DIGITS = 4


@dataclass(frozen=True, eq=False)
class RunQuality:
    """Head motion of a run.

    Parameters
    ----------
    displacement : ndarray of shape (n_scans,), optional
        Framewise displacement in mm, NaN where it is not known; None if nothing tells it.
    displacement_source : str
        Where it is from, or why there is none.
    dvars : ndarray of shape (n_scans,), optional
        DVARS of the confounds table.
    dvars_name : str
        Name of its column.
    correlations : tuple of MotionCorrelation
        The strongest ones.
    n_correlations : int
        Number of all.
    by_chance : float, optional
        Size that the strongest of all exceeds in 5 % of runs whose motion ignores the task.
    """

    displacement: FloatArray | None = None
    displacement_source: str = "no confounds table"
    dvars: FloatArray | None = None
    dvars_name: str = ""
    correlations: tuple[MotionCorrelation, ...] = ()
    n_correlations: int = 0
    by_chance: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "FramewiseDisplacement": _rounded(self.displacement),
            "FramewiseDisplacementSource": self.displacement_source,
            "DVARS": _rounded(self.dvars),
            "DVARSName": self.dvars_name,
            "Correlations": [
                {
                    "Regressor": each.regressor,
                    "Motion": each.motion,
                    "r": round(each.r, DIGITS),
                    "IsModeled": each.is_modeled,
                }
                for each in self.correlations
            ],
            "NumberOfCorrelations": self.n_correlations,
            "StrongestByChance": None if self.by_chance is None else _digits(self.by_chance),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Create from the dictionary of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing, or cannot be drawn.
        """
        by_chance = content["StrongestByChance"]
        correlations = tuple(
            MotionCorrelation(
                str(each["Regressor"]),
                str(each["Motion"]),
                float(each["r"]),
                bool(each["IsModeled"]),
            )
            for each in content["Correlations"]
        )
        if not all(-1 <= each.r <= 1 for each in correlations):
            raise ValueError("a correlation in its Motion that is from -1 to 1")
        return cls(
            _series(content["FramewiseDisplacement"]),
            str(content["FramewiseDisplacementSource"]),
            _series(content["DVARS"]),
            str(content["DVARSName"]),
            correlations,
            int(content["NumberOfCorrelations"]),
            None if by_chance is None else float(by_chance),
        )


def quality_of_run(table: ConfoundsTable | None, design: Design) -> RunQuality:
    """Find the motion of a run in its confounds table, and correlate it with the conditions.

    Parameters
    ----------
    table : ConfoundsTable or None
        None if the run has no table.
    design : Design
        The design that is fitted.

    Returns
    -------
    RunQuality
        Framewise displacement is that of the table or, if it has none, computed from its six
        motion parameters.
    """
    if table is None:
        return RunQuality()
    watched = table.watched
    displacement, source = _displacement(watched)
    dvars = next((name for name in DVARS if name in watched), "")
    motion = {name: watched[name] for name in MOTION if name in watched}
    if displacement is not None:
        motion[DISPLACEMENT] = displacement
    found = motion_correlations(design, motion)
    return RunQuality(
        displacement,
        source,
        watched.get(dvars),
        dvars,
        found[:MOST_CORRELATIONS],
        len(found),
        strongest_by_chance(design, motion),
    )


def _displacement(watched: Mapping[str, FloatArray]) -> tuple[FloatArray | None, str]:
    """Return framewise displacement and where it is from."""
    if DISPLACEMENT in watched and np.isfinite(watched[DISPLACEMENT]).any():
        return watched[DISPLACEMENT], f"column {DISPLACEMENT}"
    missing = [name for name in MOTION if name not in watched]
    if missing:
        return None, f"the confounds table has no {DISPLACEMENT} and no {', '.join(missing)}"
    parameters = np.column_stack([watched[name] for name in MOTION])
    source = "computed from the six motion parameters, in mm and radians"
    return framewise_displacement(parameters), source


def motion_warning(quality: RunQuality) -> Notice | None:
    """Return a warning if a regressor of a condition shares much of its variance with motion."""
    strong = [each for each in quality.correlations if abs(each.r) >= WARNED]
    if not strong:
        return None
    further = f" ({counted(len(strong) - 1, 'further pair')} in the report)"
    return warning(motion_sentence(strong[0]) + further * (len(strong) > 1))


def motion_sentence(found: MotionCorrelation) -> str:
    """Say what a regressor and motion share, and what that makes of the estimate.

    Examples
    --------
    >>> motion_sentence(MotionCorrelation("trial_type.go", "trans_z", -0.6, is_modeled=True))
    'the regressor of go and head motion along z (trans_z) share 36 % of their variance \
(r = −0.60): the estimate of go rests on the rest, so its variance is at least 1.6 times as large'
    """
    name = short_name(found.regressor)
    r = f"{found.r:.2f}".replace("-", "−")
    text = (
        f"the regressor of {name} and {motion_words(found.motion)} share "
        f"{100 * found.share:.0f} % of their variance (r = {r}): "
    )
    if found.is_modeled:
        factor = f"{1 / max(1 - found.share, 1e-3):.1f}"
        return (
            f"{text}the estimate of {name} rests on the rest, so its variance is at least "
            f"{factor} times as large"
        )
    if found.motion == DISPLACEMENT:
        return (
            f"{text}the head moved when {name} occurred, so signal that motion causes may count "
            f"as response to {name}. Compare with volumes censored (--fd-threshold)"
        )
    return (
        f"{text}the design lacks this parameter, so signal that the motion causes counts as "
        f"response to {name}. Add it (--confounds motion6), and see how much of the effect remains"
    )


def quality_numbers(
    motion: RunQuality,
    design: Design,
    measured: Mapping[str, Any],
    whiteness: Mapping[str, float],
    notices: Sequence[Notice],
) -> dict[str, Any]:
    """Return the numbers of a run for its sidecar and the table of runs.

    Parameters
    ----------
    motion : RunQuality
        Head motion.
    design : Design
        The design that was fitted.
    measured, whiteness : mapping
        From `boldglm.analysis.first_level.run_maps.write_run_maps`.
    notices : sequence of Notice
        All notices about the run.

    Returns
    -------
    dict
        By the keys of `boldglm.io.outputs.quality_table.COLUMNS`; None where something is not
        known.
    """
    moved = np.array([]) if motion.displacement is None else motion.displacement
    moved = moved[np.isfinite(moved)]
    strongest = motion.correlations[0] if motion.correlations else None
    tested = whiteness.get("Voxels", 0) > 0
    return {
        "NumberOfVolumes": design.n_scans,
        "NumberOfCensoredVolumes": len(design.censored),
        "MeanFramewiseDisplacement": _digits(moved.mean()) if moved.size else None,
        "LargestFramewiseDisplacement": _digits(moved.max()) if moved.size else None,
        "ShareOfLargeDisplacement": _digits((moved > LARGE_MM).mean()) if moved.size else None,
        "MedianTSNR": measured.get("MedianTSNR"),
        "ResidualDegreesOfFreedom": measured.get("DegreesOfFreedom"),
        "ShareNotWhite": _digits(whiteness["NotWhite"]) if tested else None,
        "MotionCorrelation": _digits(strongest.r) if strongest else None,
        "MotionCorrelationOf": (
            f"{short_name(strongest.regressor)} and {strongest.motion}" if strongest else None
        ),
        "NumberOfWarnings": sum(notice.kind == WARNING for notice in notices),
    }


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _rounded(values: FloatArray | None) -> list[float | None] | None:
    """Return a series for JSON; null where a value is not known."""
    if values is None:
        return None
    return [_digits(value) if isfinite(value) else None for value in values.tolist()]


def _series(values: Sequence[float | None] | None) -> FloatArray | None:
    """Read what `_rounded` returned."""
    if values is None:
        return None
    series = np.array([np.nan if value is None else float(value) for value in values])
    if np.isinf(series).any():
        raise ValueError("finite values in its Motion")
    return series
