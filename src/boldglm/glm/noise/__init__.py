"""Noise models: ordinary least squares, or generalized least squares with autocorrelated noise."""

from boldglm.glm.noise.contrast_variance import NoiseEstimates
from boldglm.glm.noise.noise_models import noise_model
from boldglm.vocabulary import NOISE_MODELS

__all__ = [
    "NOISE_MODELS",
    "NoiseEstimates",
    "noise_model",
]
