"""What every numerical room stands on: types of arrays, blocks of memory, threads."""

from boldglm.glm.arrays.memory import (
    blocks_of,
    keep_all_freed_memory,
    keep_freed_memory,
    matrices_within,
)
from boldglm.glm.arrays.threads import usable_threads
from boldglm.glm.arrays.types import BoolArray, Float32Array, FloatArray, IndexArray, RealArray

__all__ = [
    "BoolArray",
    "Float32Array",
    "FloatArray",
    "IndexArray",
    "RealArray",
    "blocks_of",
    "keep_all_freed_memory",
    "keep_freed_memory",
    "matrices_within",
    "usable_threads",
]
