"""What all numerical modules share: array types, blocks of voxels, threads."""

from boldglm.glm.arrays.memory import blocks_of, matrices_within
from boldglm.glm.arrays.threads import usable_threads
from boldglm.glm.arrays.types import BoolArray, Float32Array, FloatArray, IndexArray, RealArray

__all__ = [
    "BoolArray",
    "Float32Array",
    "FloatArray",
    "IndexArray",
    "RealArray",
    "blocks_of",
    "matrices_within",
    "usable_threads",
]
