"""How much of a contrast is significant by each correction that was made."""

from typing import NamedTuple

from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.records import ContrastMaps
from boldglm.vocabulary import CORRECTED_MAPS

SIGNIFICANT = 0.05


class Corrected(NamedTuple):
    """Number of voxels with a corrected p (or q) below .05, and the smallest p."""

    n_significant: int
    smallest: float


def corrected_counts(contrast: ContrastMaps, geometry: Geometry) -> dict[str, Corrected]:
    """Return what is significant, by the label of the map of corrected p values."""
    counts = {}
    for label in CORRECTED_MAPS:
        if label in contrast.maps:
            row = geometry.read_rows([contrast.maps[label]])[0]
            counts[label] = Corrected(int((row < SIGNIFICANT).sum()), float(row.min()))
    return counts
