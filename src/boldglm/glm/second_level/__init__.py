"""Models above the run: fixed effects, least squares and mixed effects over runs or subjects."""

from boldglm.glm.second_level.fixed_effects import combine_fixed_effects, one_sample_t
from boldglm.glm.second_level.power import (
    least_participants,
    least_runs,
    one_sample_power,
    participant_deviation,
)
from boldglm.glm.second_level.power_simulation import DesignOfRun, simulate_power
from boldglm.glm.second_level.second_level import SecondLevelFit, fit_second_level

__all__ = [
    "DesignOfRun",
    "SecondLevelFit",
    "combine_fixed_effects",
    "fit_second_level",
    "least_participants",
    "least_runs",
    "one_sample_power",
    "one_sample_t",
    "participant_deviation",
    "simulate_power",
]
