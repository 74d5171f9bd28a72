"""Models above the run: fixed effects, least squares and mixed effects over runs or subjects."""

from boldglm.glm.second_level.fixed_effects import combine_fixed_effects, one_sample_t
from boldglm.glm.second_level.second_level import SecondLevelFit, fit_second_level

__all__ = [
    "SecondLevelFit",
    "combine_fixed_effects",
    "fit_second_level",
    "one_sample_t",
]
