"""Array types, by the type of their elements."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
RealArray = NDArray[np.floating]  # single or double precision
IndexArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]
