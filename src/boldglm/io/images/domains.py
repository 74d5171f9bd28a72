"""Parts of a row that noise is measured, and smoothed, in by themselves.

A volume is one part, a hemisphere is one; CIFTI has both and each structure of voxels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from boldglm.errors import BadDataError
from boldglm.glm.arrays.types import Float32Array, IndexArray
from boldglm.glm.spatial.domains import Domain, Smoother


@dataclass(frozen=True, eq=False)
class DomainPart:
    """Columns of a row, and where they lie."""

    name: str  # such as "volume", "left hemisphere", "thalamus left"
    columns: slice | IndexArray
    domain: Domain | None  # None if its distances are not known
    source: str = ""  # the mesh they are from; or, if there is none, what is missing


def smoother_of(parts: Sequence[DomainPart], fwhm: float) -> Smoother:
    """Return what smooths each part of a row by itself.

    Parameters
    ----------
    parts : sequence of DomainPart
        All parts of a row.
    fwhm : float
        Full width at half maximum of the Gaussian, mm.

    Raises
    ------
    BadDataError
        If a part has no distances, or a mesh cannot hold the width.
    """
    smoothers = [(part.columns, _one(part, fwhm)) for part in parts]
    if len(parts) == 1 and parts[0].columns == slice(None):
        return smoothers[0][1]
    return PartwiseSmoother(smoothers)


def _one(part: DomainPart, fwhm: float) -> Smoother:
    if part.domain is None:
        raise BadDataError(part.source)
    try:
        return part.domain.smoother(fwhm)
    except ValueError as error:
        raise BadDataError(f"{part.source}: {error}" if part.source else str(error)) from error


class PartwiseSmoother:
    """Smooths each part of a row by its own smoother.

    Parameters
    ----------
    parts : sequence of (slice or ndarray of int, Smoother)
        Columns that are in no part stay as they are.
    """

    def __init__(self, parts: Sequence[tuple[slice | IndexArray, Smoother]]) -> None:
        self._parts = parts

    def smooth(self, values: ArrayLike, out: Float32Array | None = None) -> Float32Array:
        """Return a row smoothed."""
        given = np.asarray(values, dtype=np.float32)
        result = np.empty(given.shape, dtype=np.float32) if out is None else out
        result[...] = given
        for columns, smoother in self._parts:
            result[columns] = smoother.smooth(given[columns])
        return result
