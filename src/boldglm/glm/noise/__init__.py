"""Noise models: least squares that is ordinary, or generalized by an autoregression."""

from boldglm.glm.noise.contrast_variance import NoiseEstimates
from boldglm.glm.noise.noise_models import NOISE_MODELS, noise_model

__all__ = [
    "NOISE_MODELS",
    "NoiseEstimates",
    "noise_model",
]
