"""The numerics: arrays in, arrays out; no files, no state, numpy and scipy only.

Arrays are (time, voxel) everywhere: BOLD is (n_scans, n_voxels), a design is (n_scans,
n_regressors), estimates are (n_regressors, n_voxels). Times are seconds, float64 throughout.
"""

from boldglm.glm.cluster_table import ClusterPeak, tabulate_clusters
from boldglm.glm.clusters import find_clusters
from boldglm.glm.collinearity import Collinearity, collinearity
from boldglm.glm.combine import combine_fixed_effects, one_sample_t
from boldglm.glm.confound_names import expand_strategies, match_columns
from boldglm.glm.confounds import Confounds, censored_columns, prepare_confounds
from boldglm.glm.contrasts import Contrast, NotEstimableError, parse_contrast
from boldglm.glm.design import Design, build_design
from boldglm.glm.drift import cosine_drift, polynomial_drift
from boldglm.glm.fit import Fit, fit
from boldglm.glm.hrf import (
    HRF_MODELS,
    HRFBasis,
    dispersion_derivative,
    double_gamma_hrf,
    fir_basis,
    glover_hrf,
    hrf_basis,
    spm_hrf,
    textbook_hrf,
    time_derivative,
)
from boldglm.glm.kernels import DoubleGamma
from boldglm.glm.multiple_comparisons import benjamini_hochberg, bonferroni
from boldglm.glm.names import parse_orthogonalization, resolve_name
from boldglm.glm.neighbors import (
    Neighbors,
    grid_neighbors,
    join_neighbors,
    mesh_neighbors,
)
from boldglm.glm.noise_models import NOISE_MODELS
from boldglm.glm.orthogonalize import orthogonalize
from boldglm.glm.orthogonalized_design import orthogonalize_design
from boldglm.glm.peaks import cluster_peaks
from boldglm.glm.permutation import PermutationTest, permutation_test
from boldglm.glm.regressors import convolve_events
from boldglm.glm.second_level import SecondLevelFit, fit_second_level
from boldglm.glm.tfce import Enhancement, enhance
from boldglm.glm.whiteness import whiteness

__all__ = [
    "HRF_MODELS",
    "NOISE_MODELS",
    "ClusterPeak",
    "Collinearity",
    "Confounds",
    "Contrast",
    "Design",
    "DoubleGamma",
    "Enhancement",
    "Fit",
    "HRFBasis",
    "Neighbors",
    "NotEstimableError",
    "PermutationTest",
    "SecondLevelFit",
    "benjamini_hochberg",
    "bonferroni",
    "build_design",
    "censored_columns",
    "cluster_peaks",
    "collinearity",
    "combine_fixed_effects",
    "convolve_events",
    "cosine_drift",
    "dispersion_derivative",
    "double_gamma_hrf",
    "enhance",
    "expand_strategies",
    "find_clusters",
    "fir_basis",
    "fit",
    "fit_second_level",
    "glover_hrf",
    "grid_neighbors",
    "hrf_basis",
    "join_neighbors",
    "match_columns",
    "mesh_neighbors",
    "one_sample_t",
    "orthogonalize",
    "orthogonalize_design",
    "parse_contrast",
    "parse_orthogonalization",
    "permutation_test",
    "polynomial_drift",
    "prepare_confounds",
    "resolve_name",
    "spm_hrf",
    "tabulate_clusters",
    "textbook_hrf",
    "time_derivative",
    "whiteness",
]
