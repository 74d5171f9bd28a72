"""The model of one run: fit at all voxels, contrasts, R squared, whiteness, single trials."""

from boldglm.glm.first_level.contrasts import (
    Contrast,
    MissingRegressorError,
    NotEstimableError,
    contrast_weights,
)
from boldglm.glm.first_level.fit import Fit, fit
from boldglm.glm.first_level.r_squared import fitted_blocks, r_squared
from boldglm.glm.first_level.single_trials import (
    SingleTrials,
    UnestimableTrialsError,
    least_squares_all,
    least_squares_separate,
    pattern_correlations,
)
from boldglm.glm.first_level.whiteness import whiteness

__all__ = [
    "Contrast",
    "Fit",
    "MissingRegressorError",
    "NotEstimableError",
    "SingleTrials",
    "UnestimableTrialsError",
    "contrast_weights",
    "fit",
    "fitted_blocks",
    "least_squares_all",
    "least_squares_separate",
    "pattern_correlations",
    "r_squared",
    "whiteness",
]
