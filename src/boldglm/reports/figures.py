"""All drawings of the report in one place to import from: arrays in, a file out."""

from boldglm.reports.designs import (
    Events,
    plot_design_matrix,
    plot_orthogonalization,
    plot_regressors,
)
from boldglm.reports.heatmaps import (
    plot_all_correlations,
    plot_contrasts,
    plot_correlation,
    plot_trial_correlations,
)
from boldglm.reports.maps import plot_map

__all__ = [
    "Events",
    "plot_all_correlations",
    "plot_contrasts",
    "plot_correlation",
    "plot_design_matrix",
    "plot_map",
    "plot_orthogonalization",
    "plot_regressors",
    "plot_trial_correlations",
]
