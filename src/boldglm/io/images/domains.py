"""Parts of a masked image within which smoothness is measured and smoothing is applied.

A volume has one part, a hemisphere has one part; CIFTI has two hemispheres and each subcortical
structure.
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
    """Columns of a row of values, and the domain in which they lie."""

    name: str  # such as "volume", "left hemisphere", "thalamus left"
    columns: slice | IndexArray
    domain: Domain | None  # None if its distances are unknown
    source: str = ""  # name of the mesh; without a domain, the error message


def smoother_of(parts: Sequence[DomainPart], fwhm: float) -> Smoother:
    """Return a smoother that smooths each part of a row separately.

    Parameters
    ----------
    parts : sequence of DomainPart
        All parts of a row.
    fwhm : float
        FWHM of the Gaussian, mm.

    Raises
    ------
    BadDataError
        If the distances of a part are unknown, or its mesh is too coarse for the FWHM.
    """
    smoothers = [(part.columns, _part_smoother(part, fwhm)) for part in parts]
    if len(parts) == 1 and parts[0].columns == slice(None):
        return smoothers[0][1]
    return PartwiseSmoother(smoothers)


def _part_smoother(part: DomainPart, fwhm: float) -> Smoother:
    if part.domain is None:
        raise BadDataError(part.source)
    try:
        return part.domain.smoother(fwhm)
    except ValueError as error:
        raise BadDataError(f"{part.source}: {error}" if part.source else str(error)) from error


class PartwiseSmoother:
    """Smooths each part of a row with the smoother of that part.

    Parameters
    ----------
    smoothers : sequence of (slice or ndarray of int, Smoother)
        Columns of each part, and its smoother. All other columns stay unchanged.
    """

    def __init__(self, smoothers: Sequence[tuple[slice | IndexArray, Smoother]]) -> None:
        self._smoothers = smoothers

    def smooth(self, values: ArrayLike, out: Float32Array | None = None) -> Float32Array:
        """Return a smoothed row; (n_voxels,)."""
        unsmoothed = np.asarray(values, dtype=np.float32)
        smoothed = np.empty(unsmoothed.shape, dtype=np.float32) if out is None else out
        smoothed[...] = unsmoothed
        for columns, smoother in self._smoothers:
            smoothed[columns] = smoother.smooth(unsmoothed[columns])
        return smoothed
