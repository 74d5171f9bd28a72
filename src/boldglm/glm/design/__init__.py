"""The design matrix of a run: HRF, convolution, drift, confounds, orthogonalization."""

from boldglm.glm.design.collinearity import Collinearity, collinearity
from boldglm.glm.design.confound_names import expand_strategies, match_columns
from boldglm.glm.design.confounds import Confounds, censored_columns, prepare_confounds
from boldglm.glm.design.contrast_expressions import (
    format_weights,
    parse_contrast,
    split_named_contrast,
)
from boldglm.glm.design.convolution import convolve_events
from boldglm.glm.design.design_matrix import Design, build_design
from boldglm.glm.design.drift import cosine_drift, polynomial_drift
from boldglm.glm.design.hrf import (
    HRF_MODELS,
    HRFBasis,
    default_fir_delays,
    dispersion_derivative,
    double_gamma_hrf,
    fir_basis,
    glover_hrf,
    hrf_basis,
    spm_hrf,
    textbook_hrf,
    time_derivative,
)
from boldglm.glm.design.kernels import DoubleGamma
from boldglm.glm.design.linear_model import LinearModel, linear_model
from boldglm.glm.design.names import resolve_name
from boldglm.glm.design.orthogonalize import (
    orthogonalize,
    orthogonalize_design,
    parse_orthogonalization,
)

__all__ = [
    "HRF_MODELS",
    "Collinearity",
    "Confounds",
    "Design",
    "DoubleGamma",
    "HRFBasis",
    "LinearModel",
    "build_design",
    "censored_columns",
    "collinearity",
    "convolve_events",
    "cosine_drift",
    "default_fir_delays",
    "dispersion_derivative",
    "double_gamma_hrf",
    "expand_strategies",
    "fir_basis",
    "format_weights",
    "glover_hrf",
    "hrf_basis",
    "linear_model",
    "match_columns",
    "orthogonalize",
    "orthogonalize_design",
    "parse_contrast",
    "parse_orthogonalization",
    "polynomial_drift",
    "prepare_confounds",
    "resolve_name",
    "split_named_contrast",
    "spm_hrf",
    "textbook_hrf",
    "time_derivative",
]
