"""Inference on maps: permutation tests, clusters, TFCE, peaks, multiple comparisons."""

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

__all__ = [
    "ClusterPeak",
    "Enhancement",
    "Neighbors",
    "PermutationTest",
    "benjamini_hochberg",
    "bonferroni",
    "cluster_peaks",
    "enhance",
    "find_clusters",
    "grid_neighbors",
    "join_neighbors",
    "mesh_neighbors",
    "permutation_test",
    "permute_contrast",
    "tabulate_clusters",
]
