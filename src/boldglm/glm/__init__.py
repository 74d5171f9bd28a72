"""The numerics: arrays in, arrays out; no files, no state, numpy and scipy only.

Arrays are (time, voxel) everywhere: BOLD is (n_scans, n_voxels), a design is (n_scans,
n_regressors), estimates are (n_regressors, n_voxels). Times are seconds, float64 throughout.
"""

from boldglm.glm.design.collinearity import Collinearity, collinearity
from boldglm.glm.design.confound_names import expand_strategies, match_columns
from boldglm.glm.design.confounds import Confounds, censored_columns, prepare_confounds
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
from boldglm.glm.design.names import resolve_name
from boldglm.glm.design.orthogonalize import (
    orthogonalize,
    orthogonalize_design,
    parse_orthogonalization,
)
from boldglm.glm.first_level.contrasts import (
    Contrast,
    MissingRegressorError,
    NotEstimableError,
    contrast_weights,
    parse_contrast,
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
from boldglm.glm.inference.cluster_table import ClusterPeak, tabulate_clusters
from boldglm.glm.inference.clusters import find_clusters
from boldglm.glm.inference.contrast_permutations import permute_contrast
from boldglm.glm.inference.multiple_comparisons import benjamini_hochberg, bonferroni
from boldglm.glm.inference.neighbors import (
    Neighbors,
    grid_neighbors,
    join_neighbors,
    mesh_neighbors,
)
from boldglm.glm.inference.peaks import cluster_peaks
from boldglm.glm.inference.permutation_test import PermutationTest, permutation_test
from boldglm.glm.inference.tfce import Enhancement, enhance
from boldglm.glm.second_level.fixed_effects import combine_fixed_effects, one_sample_t
from boldglm.glm.second_level.power import (
    least_participants,
    least_runs,
    one_sample_power,
    participant_deviation,
)
from boldglm.glm.second_level.power_simulation import DesignOfRun, simulate_power
from boldglm.glm.second_level.second_level import SecondLevelFit, fit_second_level
from boldglm.glm.spatial.brain_mask import compute_brain_mask
from boldglm.glm.spatial.volume_smoothing import MaskSmoother, smooth_volume
from boldglm.vocabulary import NOISE_MODELS

__all__ = [
    "HRF_MODELS",
    "NOISE_MODELS",
    "ClusterPeak",
    "Collinearity",
    "Confounds",
    "Contrast",
    "Design",
    "DesignOfRun",
    "DoubleGamma",
    "Enhancement",
    "Fit",
    "HRFBasis",
    "MaskSmoother",
    "MissingRegressorError",
    "Neighbors",
    "NotEstimableError",
    "PermutationTest",
    "SecondLevelFit",
    "SingleTrials",
    "UnestimableTrialsError",
    "benjamini_hochberg",
    "bonferroni",
    "build_design",
    "censored_columns",
    "cluster_peaks",
    "collinearity",
    "combine_fixed_effects",
    "compute_brain_mask",
    "contrast_weights",
    "convolve_events",
    "cosine_drift",
    "default_fir_delays",
    "dispersion_derivative",
    "double_gamma_hrf",
    "enhance",
    "expand_strategies",
    "find_clusters",
    "fir_basis",
    "fit",
    "fit_second_level",
    "fitted_blocks",
    "glover_hrf",
    "grid_neighbors",
    "hrf_basis",
    "join_neighbors",
    "least_participants",
    "least_runs",
    "least_squares_all",
    "least_squares_separate",
    "match_columns",
    "mesh_neighbors",
    "one_sample_power",
    "one_sample_t",
    "orthogonalize",
    "orthogonalize_design",
    "parse_contrast",
    "parse_orthogonalization",
    "participant_deviation",
    "pattern_correlations",
    "permutation_test",
    "permute_contrast",
    "polynomial_drift",
    "prepare_confounds",
    "r_squared",
    "resolve_name",
    "simulate_power",
    "smooth_volume",
    "spm_hrf",
    "tabulate_clusters",
    "textbook_hrf",
    "time_derivative",
    "whiteness",
]
